//! What really happens on one worker: which tasks run, how fast, how hot, and at what power?

use alloc::vec::Vec;

use super::dice::{Dice, Stream};
use super::plan::{Micros, Spec, Units, UsesGpu};
use super::scenario::{Class, Overcommit, Physics, Scenario};
use crate::host::HostedTask;
use crate::model::hardware::HardwareSet;
use crate::model::ids::{KindId, TaskId, WorkerId};
use crate::model::resource::{GIB, ResourceId};
use crate::model::time::Timestamp;
use crate::snapshot::{Mobility, Phase, Placement, Requirements, Stance, Task};

/// A task as it really is.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// Its record, and where it really is.
    pub(super) hosted: HostedTask,
    pub(super) spec: Spec,
    /// Whether it runs on its worker; it waits there otherwise.
    pub(super) active: bool,
    /// The step at which its migration will fail; `None` if it will not.
    pub(super) doom: Option<Phase>,
    /// Fences events of steps that are over.
    pub(super) token: u64,
    pub(super) done: Units,
    /// Less than a unit.
    pub(super) rest: f64,
    /// What its last checkpoint holds.
    pub(super) saved: Units,
    pub(super) saved_at: Micros,
    /// Core-seconds a second; 0 unless it runs.
    pub(super) rate: f64,
    pub(super) noise: f64,
    pub(super) dice: Dice,
    /// The factor by which events have changed its demand.
    pub(super) factor: f64,
    pub(super) device: Option<usize>,
    /// When it first ran.
    pub(super) started: Option<Micros>,
    pub(super) finished: Option<Micros>,
    /// The worker it left last, and when.
    pub(super) left: Option<(usize, Micros)>,
    /// Since when a move has kept it from running.
    pub(super) stalled: Option<Micros>,
    /// Its worker cannot start it before this moment.
    pub(super) ready: Micros,
}

impl Job {
    pub(super) fn new(number: usize, spec: Spec, seed: u64, devices: HardwareSet) -> Self {
        let mut dice = Dice::new(seed, Stream::Noise(number as u64));
        let noise = dice.normal();
        Self {
            hosted: HostedTask::new(record(number, &spec, devices)),
            active: false,
            doom: None,
            token: 0,
            done: spec.done,
            saved: spec.done,
            saved_at: spec.arrives,
            rest: 0.0,
            rate: 0.0,
            noise,
            dice,
            factor: 1.0,
            device: None,
            started: None,
            finished: None,
            left: None,
            stalled: None,
            ready: 0,
            spec,
        }
    }

    /// Cores it wants now, without noise.
    pub(super) fn demand(&self, scenario: &Scenario, now: Micros) -> f64 {
        let age = now.saturating_sub(self.spec.arrives) as f64 / 1e6;
        self.spec.cores * self.factor * scenario.tasks.demand.at(age)
    }

    /// How noise changes its use now.
    pub(super) fn wobble(&self, scenario: &Scenario) -> f64 {
        (1.0 + scenario.tasks.noise * self.noise).max(0.0)
    }

    pub(super) fn runs(&self) -> bool {
        self.active && matches!(self.hosted.task.placement, Placement::On(_))
    }

    fn waits(&self) -> bool {
        !self.active && matches!(self.hosted.task.placement, Placement::On(_))
    }

    pub(super) fn is_queued(&self) -> bool {
        self.hosted.task.placement == Placement::Unplaced && self.finished.is_none()
    }

    /// Whether neither a worker nor the scheduler has it: it is on its way, or its worker has died.
    pub(super) fn is_adrift(&self) -> bool {
        self.finished.is_none() && !self.is_queued() && self.hosted.holder().is_none()
    }

    /// Memory that it holds while it saves its state and does nothing.
    fn held(&self) -> f64 {
        let moves = matches!(self.hosted.task.placement, Placement::Moving { .. });
        let saving = moves && self.started.is_some();
        if saving { self.spec.memory } else { 0.0 }
    }

    /// Goes on for a while; gives the work it got done.
    fn advance(&mut self, span: Micros) -> Units {
        let exact = self.rate * span as f64 + self.rest;
        let whole = libm::floor(exact);
        self.rest = exact - whole;
        let done = (whole as Units).min(self.spec.work - self.done);
        self.done += done;
        done
    }

    /// Microseconds until it is done at this rate.
    fn left(&self) -> Option<Micros> {
        let left = (self.spec.work - self.done) as f64 - self.rest;
        (self.rate > 0.0).then(|| libm::ceil((left / self.rate).max(0.0)) as Micros)
    }

    /// What it does not have to do again after losing its worker.
    pub(super) const fn kept(&self) -> Units {
        match self.spec.mobility {
            Mobility::Restart => 0,
            _ => self.saved,
        }
    }
}

/// A worker as it really is.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    pub(super) id: WorkerId,
    pub(super) class: Class,
    pub(super) present: bool,
    pub(super) stance: Stance,
    /// Jobs on it, in the order they came.
    pub(super) jobs: Vec<usize>,
    /// Memory promised on each device, in bytes.
    pub(super) promised: Vec<f64>,
    pub(super) celsius: f64,
    pub(super) throttled: bool,
    /// Degrees that the air is warmer than usual.
    pub(super) ambient: f64,
    /// Share of the cores that something else uses.
    pub(super) background: f64,
    pub(super) now: Readings,
    /// Until when everything is accounted for.
    pub(super) since: Micros,
    /// Raised at every change: an event of an earlier state is void.
    pub(super) generation: u64,
    pub(super) joules: f64,
    pub(super) overload_seconds: [f64; 2],
    pub(super) throttled_seconds: f64,
}

/// What a perfect meter would show.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Readings {
    /// Cores that its tasks want, running or waiting, and everything else there.
    pub(super) cores: f64,
    pub(super) memory: f64,
    pub(super) watts: f64,
    /// Core-seconds done a second.
    pub(super) pace: f64,
}

impl Machine {
    pub(super) fn new(number: usize, class: Class, present: bool, physics: &Physics) -> Self {
        Self {
            id: WorkerId::new(number as u64 + 1),
            promised: alloc::vec![0.0; class.devices.len()],
            class,
            present,
            stance: Stance::Accept,
            jobs: Vec::new(),
            celsius: physics.celsius[0],
            throttled: false,
            ambient: 0.0,
            background: 0.0,
            now: Readings::default(),
            since: 0,
            generation: 0,
            joules: 0.0,
            overload_seconds: [0.0; 2],
            throttled_seconds: 0.0,
        }
    }

    pub(super) fn utilization(&self) -> f64 {
        self.now.cores / self.class.cores
    }

    pub(super) fn memory_bytes(&self) -> f64 {
        self.class.memory_gib * GIB
    }

    /// Accounts for what happened since the last time; gives the work done.
    pub(super) fn catch_up(&mut self, jobs: &mut [Job], now: Micros) -> Units {
        let span = now - self.since;
        self.since = now;
        if span == 0 || !self.present {
            return 0;
        }
        let seconds = span as f64 / 1e6;
        self.joules += self.now.watts * seconds;
        let over = [self.now.cores > self.class.cores, self.now.memory > self.memory_bytes()];
        for (sum, over) in self.overload_seconds.iter_mut().zip(over) {
            *sum += if over { seconds } else { 0.0 };
        }
        self.throttled_seconds += if self.throttled { seconds } else { 0.0 };
        self.jobs.iter().map(|job| jobs[*job].advance(span)).sum()
    }

    /// Starts the tasks that can start, shares the cores, and reads the meters. Returns the time to the next
    /// completion.
    pub(super) fn settle(
        &mut self,
        jobs: &mut [Job],
        scenario: &Scenario,
        now: Micros,
    ) -> Option<Micros> {
        self.generation += 1;
        if !self.present {
            self.now = Readings::default();
            return None;
        }
        self.start(jobs, scenario, now);
        let (mut wanted, mut memory, mut waiting) = (self.background * self.class.cores, 0.0, 0.0);
        for job in &self.jobs {
            let job = &jobs[*job];
            let demand = job.demand(scenario, now);
            if job.runs() {
                wanted += demand * job.wobble(scenario);
                memory += job.spec.memory * job.wobble(scenario);
            } else if job.waits() {
                waiting += demand;
            } else {
                memory += job.held();
            }
        }
        let share = if wanted > self.class.cores { self.class.cores / wanted } else { 1.0 };
        let brake = self.brake(&scenario.physics, memory);
        let mut next: Option<Micros> = None;
        let mut pace = 0.0;
        for index in &self.jobs {
            let job = &mut jobs[*index];
            let device = job.device.map(|device| &self.class.devices[device]);
            let speed = device.map_or(self.class.speed, |device| device.speed);
            job.rate = if job.runs() { job.spec.cores * share * speed * brake } else { 0.0 };
            pace += job.rate;
            next = [next, job.left()].into_iter().flatten().min();
        }
        self.now = Readings {
            cores: wanted + waiting,
            memory,
            watts: self.watts((wanted / self.class.cores).min(1.0), jobs),
            pace,
        };
        next
    }

    /// Starts the tasks that fit, in order; a task that does not fit keeps those behind it waiting.
    fn start(&mut self, jobs: &mut [Job], scenario: &Scenario, now: Micros) {
        let (mut cores, mut memory) = (0.0, 0.0);
        for job in self.jobs.iter().map(|job| &jobs[*job]) {
            if job.runs() {
                cores += job.demand(scenario, now);
                memory += job.spec.memory;
            }
            memory += job.held();
        }
        let (most_cores, most_memory) = (self.class.cores, self.memory_bytes());
        let mut blocked = false;
        for index in self.jobs.clone() {
            let job = &mut jobs[index];
            if !job.waits() || job.ready > now {
                continue;
            }
            let demand = job.demand(scenario, now);
            let fits = cores + demand <= most_cores && memory + job.spec.memory <= most_memory;
            // A task that is larger than the worker runs alone.
            let alone = cores <= 0.0;
            if scenario.tasks.wait && (blocked || !(fits || alone)) {
                blocked = true;
                continue;
            }
            if !self.find_device(job) {
                continue;
            }
            job.active = true;
            job.started = job.started.or(Some(now));
            cores += demand;
            memory += job.spec.memory;
        }
    }

    /// Finds a device for a task that has none; whether it can run.
    fn find_device(&mut self, job: &mut Job) -> bool {
        let Some(bytes) = job.spec.device_bytes() else { return true };
        if job.device.is_some() {
            return true;
        }
        let free =
            |device: usize| self.class.devices[device].memory_gib * GIB - self.promised[device];
        let fits = (0..self.promised.len()).filter(|device| free(*device) >= bytes);
        let best = fits.min_by(|a, b| free(*a).total_cmp(&free(*b)));
        if let Some(device) = best {
            self.promised[device] += bytes;
            job.device = Some(device);
        }
        best.is_some() || matches!(job.spec.gpu, UsesGpu::Maybe(_))
    }

    /// Takes a task in. A device that was chosen for it is kept for it if there is room.
    pub(super) fn take(&mut self, index: usize, job: &mut Job, device: Option<usize>) {
        self.jobs.push(index);
        job.hosted.run_on(self.id);
        job.active = false;
        job.device = None;
        if let (Some(device), Some(bytes)) = (device, job.spec.device_bytes()) {
            let memory = self.class.devices.get(device).map_or(0.0, |it| it.memory_gib * GIB);
            if self.promised.get(device).is_some_and(|promised| promised + bytes <= memory) {
                self.promised[device] += bytes;
                job.device = Some(device);
            }
        }
    }

    /// Lets a task go, with the device it had.
    pub(super) fn drop(&mut self, index: usize, job: &mut Job) {
        self.jobs.retain(|other| *other != index);
        if let (Some(device), Some(bytes)) = (job.device.take(), job.spec.device_bytes()) {
            self.promised[device] -= bytes;
        }
        (job.rate, job.rest) = (0.0, 0.0);
    }

    /// The share of its speed that heat and memory leave.
    fn brake(&self, physics: &Physics, memory: f64) -> f64 {
        let heat = if self.throttled { physics.throttle_speed } else { 1.0 };
        match physics.memory {
            Overcommit::Slows(share) if memory > self.memory_bytes() => heat * share,
            Overcommit::Slows(_) | Overcommit::Kills => heat,
        }
    }

    fn watts(&self, use_share: f64, jobs: &[Job]) -> f64 {
        let mut watts = interpolate(&self.class.watts, use_share);
        for (index, device) in self.class.devices.iter().enumerate() {
            let running = self.jobs.iter().map(|job| &jobs[*job]);
            let running = running.filter(|job| job.runs() && job.device == Some(index));
            // A device is as busy as its tasks would keep the worker's cores.
            let cores: f64 = running.map(|job| job.spec.cores * job.factor).sum();
            let [idle, peak] = device.watts;
            watts += idle + (peak - idle) * (cores / self.class.cores).min(1.0);
        }
        watts
    }

    /// Temperature follows power; above its limit the worker is throttled.
    pub(super) fn warm(&mut self, physics: &Physics, seconds: f64) {
        let devices = self.class.devices.iter();
        let (idle, peak) = devices.fold(ends(&self.class.watts), |(low, high), device| {
            (low + device.watts[0], high + device.watts[1])
        });
        let load = if peak > idle { (self.now.watts - idle) / (peak - idle) } else { 0.0 };
        let [cool, hot] = physics.celsius;
        let target = cool + (hot - cool) * load.clamp(0.0, 1.0) + self.ambient;
        self.celsius +=
            (target - self.celsius) * (1.0 - libm::exp(-seconds / physics.heat_seconds));
        self.throttled = self.celsius > physics.throttle_celsius;
    }
}

/// A task's record, as far as it never changes.
fn record(number: usize, spec: &Spec, devices: HardwareSet) -> Task {
    let requirements = Requirements {
        any_of: spec.any_of(devices),
        gpu_memory_bytes: spec.device_bytes().map(|bytes| bytes as u64),
        power_efficient: spec.efficient,
        ..Requirements::NONE
    };
    let mut task = Task::new(TaskId::new(number as u64 + 1))
        .with_demand(ResourceId::CPU, spec.cores)
        .with_demand(ResourceId::MEMORY, spec.memory)
        .with_requirements(requirements);
    task.state_bytes = Some(spec.state as u64);
    task.priority = spec.priority;
    task.kind = KindId::new(match spec.gpu {
        UsesGpu::No => 1,
        UsesGpu::Maybe(_) => 2,
        UsesGpu::Only(_) => 3,
    });
    task
}

fn ends(watts: &[f64]) -> (f64, f64) {
    (watts.first().copied().unwrap_or(0.0), watts.last().copied().unwrap_or(0.0))
}

/// A table at equal steps of 0 to 1, with straight lines between.
fn interpolate(table: &[f64], share: f64) -> f64 {
    let steps = table.len().saturating_sub(1);
    let place = share.clamp(0.0, 1.0) * steps as f64;
    let step = (place as usize).min(steps.saturating_sub(1));
    let low = table.get(step).copied().unwrap_or(0.0);
    let high = table.get(step + 1).copied().unwrap_or(low);
    low + (high - low) * (place - step as f64)
}

/// The place of a worker among the machines.
pub(super) fn index_of(worker: WorkerId) -> usize {
    usize::try_from(worker.raw()).unwrap_or(usize::MAX).saturating_sub(1)
}

/// A moment as the engine's clock shows it. A run begins a second after its epoch.
pub(super) fn stamp(at: Micros) -> Timestamp {
    Timestamp::from_millis(1_000 + at / 1_000)
}
