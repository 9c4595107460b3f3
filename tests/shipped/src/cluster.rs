//! A make-believe cluster and the host that runs it.
//!
//! Loads drift, tasks end and new ones are put anywhere, workers go down, drain and come back; the host carries
//! out what it is told after a while, and now and then it fails, says no, says it twice, or says nothing. All of
//! it in whole numbers from one small generator, so that every platform sees the same cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel::hardware::{ComputeCapability, Hardware, HardwareSet};
use evenkeel::id::{GroupId, KindId, MigrationId};
use evenkeel::snapshot::{Group, GroupRule, Mobility, Phase, Placement, Stance};
use evenkeel::{
    Action, Command, Device, Event, Report, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker,
    WorkerId,
};

/// Cores, GiB of memory, and whether there is a CUDA device.
const WORKERS: [(u64, u64, bool); 6] =
    [(8, 32, false), (8, 32, true), (4, 16, false), (16, 64, true), (8, 32, false), (4, 16, false)];
const TASKS: u64 = 24;
const SECONDS_PER_TICK: u64 = 10;
const GIB: u64 = 1 << 30;

pub(crate) struct Cluster {
    random: Random,
    now: u64,
    workers: Vec<Machine>,
    tasks: BTreeMap<u64, Job>,
    started: u64,
    orders: Vec<Order>,
    reports: Vec<Report>,
}

struct Machine {
    down_until: u64,
    drained_until: u64,
}

/// A task as its host knows it.
struct Job {
    place: Place,
    born: u64,
    ends: u64,
    /// Thousandths of a core.
    load: u64,
    memory_gib: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Nowhere,
    On(usize),
    /// Saved, and in nobody's hands.
    Held {
        migration: MigrationId,
        from: WorkerId,
        to: WorkerId,
        phase: Phase,
        since: u64,
    },
    Orphaned,
}

/// A command that will be carried out.
struct Order {
    due: u64,
    command: Command,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let workers = WORKERS.map(|_| Machine { down_until: 0, drained_until: 0 }).into();
        let mut cluster = Self {
            random: Random(0x9E37_79B9_7F4A_7C15),
            now: 0,
            workers,
            tasks: BTreeMap::new(),
            started: 0,
            orders: Vec::new(),
            reports: Vec::new(),
        };
        for _ in 0..TASKS {
            cluster.start_task();
        }
        cluster
    }

    /// One tick further: the cluster changes, and orders that are due are carried out.
    pub(crate) fn pass_time(&mut self) {
        self.now += 1;
        self.workers_come_and_go();
        self.tasks_drift();
        let (due, later) = self.orders.drain(..).partition(|order| order.due <= self.now);
        self.orders = later;
        let due: Vec<Order> = due;
        for order in due {
            self.carry_out(&order.command);
        }
    }

    /// The next thing the engine is to be told at once; the last to happen comes first.
    pub(crate) fn next_report(&mut self) -> Option<Report> {
        self.reports.pop()
    }

    /// Takes commands, to carry them out a little later.
    pub(crate) fn obey(&mut self, commands: &[Command]) {
        for command in commands {
            match command.action {
                Action::Release { .. } | Action::Assign { .. } | Action::Place { .. } => {
                    let due = self.now + self.random.below(3);
                    self.orders.push(Order { due, command: *command });
                }
                Action::Requeue => {
                    if let Some(job) = self.tasks.get_mut(&command.task.raw()) {
                        job.place = Place::Nowhere;
                    }
                }
                Action::Abort { .. } => {
                    self.orders.retain(|order| order.command.migration != command.migration);
                }
                // Of such means it is not told: they are not in its settings.
                _ => {}
            }
        }
    }

    fn workers_come_and_go(&mut self) {
        for at in 0..self.workers.len() {
            if self.random.one_in(400) {
                self.workers[at].drained_until = self.now + 20 + self.random.below(20);
            }
            if self.is_up(at) && self.random.one_in(500) {
                self.workers[at].down_until = self.now + 5 + self.random.below(40);
                for job in self.tasks.values_mut().filter(|job| job.place == Place::On(at)) {
                    job.place = Place::Orphaned;
                }
            }
        }
    }

    fn tasks_drift(&mut self) {
        let over: Vec<u64> =
            self.tasks.iter().filter(|(_, job)| job.ends <= self.now).map(|(id, _)| *id).collect();
        for id in over {
            self.tasks.remove(&id);
            self.start_task();
        }
        let anywhere = self.random.row();
        let is_up = self.is_up(anywhere);
        for (id, job) in &mut self.tasks {
            job.load = (job.load + self.random.below(241)).clamp(220, 3_120) - 120;
            let fits = is_up && (WORKERS[anywhere].2 || !needs_cuda(*id));
            if job.place == Place::Nowhere && fits {
                job.place = Place::On(anywhere);
            }
        }
    }

    fn start_task(&mut self) {
        self.started += 1;
        let job = Job {
            place: Place::Nowhere,
            born: self.now,
            ends: self.now + 50 + self.random.below(900),
            load: 200 + self.random.below(1_800),
            memory_gib: 1 + self.random.below(3),
        };
        self.tasks.insert(self.started, job);
    }

    fn is_up(&self, at: usize) -> bool {
        self.workers[at].down_until <= self.now
    }

    fn carry_out(&mut self, command: &Command) {
        let migration = command.migration;
        let luck = self.random.below(24);
        let event = match (command.action, luck) {
            (_, 0) => None, // the order was lost
            (_, 1) => Some(Event::Refused { migration }),
            (_, 2) => Some(Event::Failed { migration }),
            (Action::Release { from, to }, _) => Some(self.release(command, from, to)),
            (Action::Assign { to, .. } | Action::Place { to, .. }, _) => {
                Some(self.start(command, to)).filter(|_| luck != 3) // it runs, but nobody says so
            }
            _ => None,
        };
        if let Some(event) = event {
            let report = Report::new(timestamp(self.now), event);
            self.reports.push(report);
            if luck == 4 {
                self.reports.push(report);
            }
        }
    }

    fn release(&mut self, command: &Command, from: WorkerId, to: WorkerId) -> Event {
        let (migration, since) = (command.migration, self.now);
        match self.tasks.get_mut(&command.task.raw()) {
            Some(job) if job.place == Place::On(row(from)) => {
                job.place = Place::Held { migration, from, to, phase: Phase::Released, since };
                Event::Released { migration }
            }
            _ => Event::Failed { migration },
        }
    }

    fn start(&mut self, command: &Command, to: WorkerId) -> Event {
        let migration = command.migration;
        let is_up = self.is_up(row(to));
        match self.tasks.get_mut(&command.task.raw()) {
            Some(job) if is_up && !matches!(job.place, Place::On(_)) => {
                job.place = Place::On(row(to));
                Event::Running { migration }
            }
            _ => Event::Failed { migration },
        }
    }

    /// What the host tells the engine: some workers are unreachable and some figures are nonsense.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        let partial = self.random.one_in(100);
        let nonsense = self.random.one_in(150).then(|| self.random.row());
        let mut builder = Snapshot::builder(timestamp(self.now));
        if partial {
            builder = builder.partial();
        }
        for at in (0..WORKERS.len()).filter(|at| self.is_up(*at)) {
            let mut worker = self.worker(at);
            if nonsense == Some(at) {
                worker.used.set(ResourceId::CPU, f64::NAN);
            }
            builder = builder.worker(worker);
        }
        let first = self.tasks.keys().take(3).map(|id| TaskId::new(*id)).collect();
        builder
            .tasks(self.tasks.iter().map(|(id, job)| self.task(*id, job)))
            .group(Group::new(GroupId::new(1), GroupRule::AntiAffinity, first))
            .build()
    }

    fn worker(&self, at: usize) -> Worker {
        let (cores, memory, cuda) = WORKERS[at];
        let here = || self.tasks.values().filter(|job| job.place == Place::On(at));
        let load: u64 = here().map(|job| job.load).sum();
        let used: u64 = here().map(|job| job.memory_gib).sum();
        let is_drained = self.workers[at].drained_until > self.now;
        let worker = Worker::new(id(at))
            .with_stance(if is_drained { Stance::Drain } else { Stance::Accept })
            .with_capacity(ResourceId::CPU, cores as f64)
            .with_capacity(ResourceId::MEMORY, (memory * GIB) as f64)
            .with_used(ResourceId::CPU, thousandths(load.min(cores * 1_000)))
            .with_used(ResourceId::MEMORY, (used.min(memory) * GIB) as f64);
        if cuda {
            let device = Device::new(Hardware::Cuda)
                .with_memory_bytes(16 * GIB)
                .with_compute(ComputeCapability::new(8, 0));
            return worker.with_device(device);
        }
        worker
    }

    fn task(&self, id: u64, job: &Job) -> Task {
        let mobility = match id % 12 {
            0 => Mobility::Pinned,
            1 => Mobility::Restart,
            _ => Mobility::Checkpoint,
        };
        let mut task = Task::new(TaskId::new(id))
            .with_kind(KindId::new(id % 4))
            .with_priority(u8::try_from(id % 6).unwrap_or(0))
            .with_demand(ResourceId::CPU, 1.0)
            .with_demand(ResourceId::MEMORY, (job.memory_gib * GIB) as f64)
            .with_used(ResourceId::CPU, thousandths(job.load))
            .with_running(Duration::from_secs((self.now - job.born) * SECONDS_PER_TICK))
            .with_remaining(Duration::from_secs((job.ends - self.now) * SECONDS_PER_TICK))
            .with_state_bytes(job.memory_gib * GIB / 4)
            .with_mobility(mobility);
        if needs_cuda(id) {
            task.requirements.all_of = HardwareSet::of(Hardware::Cuda);
            task.requirements.gpu_memory_bytes = Some(job.memory_gib * 2 * GIB);
            task.requirements.min_cuda_compute = Some(ComputeCapability::new(7, 0));
            task.device = matches!(job.place, Place::On(_)).then_some(0);
        } else if id % 8 == 5 {
            task.requirements.any_of = [Hardware::Cpu, Hardware::Cuda].into_iter().collect();
        }
        task.requirements.power_efficient = id.is_multiple_of(5);
        task.placement = match job.place {
            Place::Nowhere => Placement::Unplaced,
            Place::On(at) => Placement::On(self::id(at)),
            Place::Orphaned => Placement::Orphaned,
            Place::Held { migration, from, to, phase, since } => {
                let (from, since) = (Some(from), timestamp(since));
                Placement::Moving { migration, from, to, phase, since }
            }
        };
        task
    }
}

fn needs_cuda(id: u64) -> bool {
    id % 9 == 4
}

fn timestamp(tick: u64) -> Timestamp {
    Timestamp::from_secs(tick * SECONDS_PER_TICK)
}

fn thousandths(count: u64) -> f64 {
    count as f64 / 1_000.0
}

/// Workers are named from 1.
fn id(at: usize) -> WorkerId {
    WorkerId::new(at as u64 + 1)
}

fn row(id: WorkerId) -> usize {
    usize::try_from(id.raw()).map_or(usize::MAX, |number| number - 1)
}

/// Marsaglia's xorshift over 64 bits.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number from 0 up to, not including, `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }

    /// One of the workers.
    fn row(&mut self) -> usize {
        usize::try_from(self.below(WORKERS.len() as u64)).unwrap_or(0)
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }
}
