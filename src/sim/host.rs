//! How does the simulated host behave? Like any other: it reports what it measures, and carries out commands.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::convert::Infallible;
use core::time::Duration;

use super::agenda::Due;
use super::machine::{Job, Machine, index_of, stamp};
use super::plan::{Micros, micros};
use super::probe::{Sample, exact};
use super::scenario::What;
use super::world::World;
use crate::model::hardware::{ComputeCapability, Hardware, HardwareSet};
use crate::model::ids::WorkerId;
use crate::model::resource::{GIB, ResourceId};
use crate::outcome::{Action, Command, Outcome};
use crate::shell::{MetricsSink, MigrationExecutor, TelemetrySource};
use crate::snapshot::{
    Device, Event, Mobility, Phase, Placement, Report, Snapshot, Stance, Task, Worker,
};

/// A message takes so long.
const MESSAGE: Micros = 10_000;

/// A host in virtual time. Its clones are the same host.
#[derive(Clone, Debug)]
pub(super) struct Host(pub(super) Rc<RefCell<World>>);

impl TelemetrySource for Host {
    type Error = Infallible;

    fn snapshot(&mut self) -> Result<Option<Snapshot>, Infallible> {
        let mut world = self.0.borrow_mut();
        let world = &mut *world;
        let now = world.now;
        let mut builder = Snapshot::builder(stamp(now));
        // The last measurement of each task, which may be that of the worker it has left.
        let mut seen = alloc::vec![None; world.jobs.len()];
        for seat in 0..world.machines.len() {
            if !world.machines[seat].present {
                // The host knows that a worker has died, and says so.
                let machine = &world.machines[seat];
                let has_died = machine.stance == Stance::Offline;
                builder = builder.workers(has_died.then(|| worker(machine, None, now)));
                continue;
            }
            let sample = if world.oracle {
                Some(world.truth(seat))
            } else {
                world.probes[seat].look(now).cloned()
            };
            if let Some(sample) = &sample {
                for (job, cores, memory) in &sample.jobs {
                    if seen[*job].is_none_or(|(at, _)| at <= sample.at) {
                        seen[*job] = Some((sample.at, (*cores, *memory)));
                    }
                }
            }
            let machine = &world.machines[seat];
            builder = builder.worker(worker(machine, sample.as_ref(), now));
            builder = world
                .speeds(seat)
                .into_iter()
                .fold(builder, |builder, event| builder.report(Report::new(stamp(now), event)));
        }
        for index in &world.live {
            let job = &world.jobs[*index];
            if !job.is_queued() {
                builder = builder.task(task(world.now, job, seen[*index].map(|(_, use_)| use_)));
            }
        }
        Ok(Some(builder.build()))
    }
}

impl MigrationExecutor for Host {
    type Error = Infallible;

    fn execute(&mut self, command: &Command) -> Result<(), Infallible> {
        self.0.borrow_mut().obey(command);
        Ok(())
    }
}

impl MetricsSink for Host {
    fn record(&mut self, outcome: &Outcome) {
        let mut world = self.0.borrow_mut();
        let moves = outcome.commands.iter();
        if moves.filter(|command| matches!(command.action, Action::Release { .. })).count() > 0 {
            world.meter.last_move = Some(world.now);
        }
    }
}

impl World {
    /// The true demands: for each task, the larger of now and the next round.
    fn truth(&self, seat: usize) -> Sample {
        let machine = &self.machines[seat];
        let mut sample = exact(machine, &self.jobs, &self.scenario, self.now);
        let next = self.now + micros(self.scenario.round);
        let coming: f64 = self
            .incidents
            .iter()
            .filter(|it| it.at > self.now && it.at <= next && it.seats.contains(&seat))
            .map(|it| if let What::Demand(factor) = it.what { factor } else { 1.0 })
            .product();
        for (index, cores, _) in &mut sample.jobs {
            let job = &self.jobs[*index];
            let (now, then) =
                (job.demand(&self.scenario, self.now), job.demand(&self.scenario, next) * coming);
            if then > now && now > 0.0 {
                sample.cores += *cores * (then / now - 1.0);
                *cores *= then / now;
            }
        }
        sample
    }

    /// The measured speeds of a worker's hardware.
    fn speeds(&self, seat: usize) -> alloc::vec::Vec<Event> {
        let machine = &self.machines[seat];
        let share = if machine.throttled { self.scenario.physics.throttle_speed } else { 1.0 };
        let worker = machine.id;
        let plain = machine.class.hardware.iter().map(|kind| (*kind, machine.class.speed));
        let devices = machine.class.devices.iter().map(|it| (it.hardware, it.speed));
        let event =
            |(hardware, speed)| Event::Performance { worker, hardware, speed: speed * share };
        plain.chain(devices).map(event).collect()
    }

    /// Carries out one command.
    fn obey(&mut self, command: &Command) {
        let Ok(job) = usize::try_from(command.task.raw() - 1) else { return };
        self.meter.told(job);
        match command.action {
            Action::Release { from, to } => self.release(job, command, from, to),
            Action::Assign { to, device } => {
                // A repeated command starts nothing again.
                if let Placement::Moving { migration, to: target, phase, .. } = self.placement(job)
                    && migration <= command.migration
                    && phase != Phase::Releasing
                    && (phase != Phase::Assigned || target != to)
                {
                    let now = stamp(self.now);
                    self.jobs[job].hosted.head_for(command.migration, to, now);
                    self.assign(job, to, device);
                }
            }
            Action::Place { to, device } => {
                if self.placement(job) == Placement::Orphaned {
                    let now = stamp(self.now);
                    self.jobs[job].hosted.begin_placement(command.migration, to, now);
                    self.draw_doom(job, false);
                    self.assign(job, to, device);
                }
            }
            // Here the engine chooses, and nothing runs twice.
            Action::Evict { .. } | Action::RequeueFor { .. } | Action::Start { .. } => {
                self.tell(Event::Refused { migration: command.migration });
            }
            Action::Stop { .. } => {
                self.tell(Event::Failed { migration: command.migration });
            }
            Action::Requeue => self.requeue(job, command),
            Action::Abort { worker } => self.abort(job, command, worker),
        }
    }

    /// Draws the step at which a migration that begins will fail; `None` if it will not.
    fn draw_doom(&mut self, job: usize, has_source: bool) {
        let doomed = self.luck.chance(self.scenario.migration.failures);
        let early = self.luck.chance(0.5) && has_source;
        let doom = if early { Phase::Releasing } else { Phase::Assigned };
        self.jobs[job].doom = doomed.then_some(doom);
    }

    /// Makes events of earlier steps void.
    fn new_token(&mut self, job: usize) -> u64 {
        self.tokens += 1;
        self.jobs[job].token = self.tokens;
        self.tokens
    }

    /// Gives the task back to the scheduler, unless a source still has it.
    fn requeue(&mut self, job: usize, command: &Command) {
        let hosted = &mut self.jobs[job].hosted;
        let overtaken = hosted.migration().is_some_and(|it| it > command.migration);
        let rests = matches!(hosted.task.placement, Placement::On(_) | Placement::Unplaced);
        if overtaken || rests || hosted.holder().is_some() {
            return;
        }
        hosted.requeue();
        self.transfers.cancel(self.now, job);
        self.schedule_transfers();
        self.queue.push(job);
    }

    /// Lets the source save the task's state. A task that has not begun has none.
    fn release(&mut self, job: usize, command: &Command, from: WorkerId, to: WorkerId) {
        let begun = &mut self.jobs[job];
        let moment = stamp(self.now);
        if begun.hosted.begin_release(command.migration, from, to, moment).is_err() {
            // The task finished before the message came; the next snapshot shows that.
            if begun.finished.is_none() {
                self.tell(Event::Refused { migration: command.migration });
            }
            return;
        }
        begun.active = false;
        let token = self.new_token(job);
        self.draw_doom(job, true);
        self.catch_up(index_of(from));
        let state = if self.jobs[job].started.is_some() { self.jobs[job].spec.state } else { 0.0 };
        let restarts = self.jobs[job].spec.mobility == Mobility::Restart;
        let seconds =
            if restarts { 0.0 } else { state / (self.scenario.migration.checkpoint_gib * GIB) };
        self.jobs[job].stalled = self.jobs[job].started.map(|_| self.now);
        self.settle(index_of(from));
        self.at(self.now + MESSAGE + micros(seconds), Due::Step { job, token });
    }

    /// The state goes to the target, which starts the task from it.
    fn assign(&mut self, job: usize, to: WorkerId, device: Option<u16>) {
        let token = self.new_token(job);
        let here = &mut self.jobs[job];
        let Placement::Moving { from, .. } = here.hosted.task.placement else { return };
        here.device = device.map(usize::from);
        let restarts = here.spec.mobility == Mobility::Restart;
        if here.started.is_none() {
            self.at(self.now + MESSAGE, Due::Step { job, token });
        } else if restarts || from == Some(to) {
            let restart = micros(self.scenario.migration.restart);
            self.at(self.now + MESSAGE + restart, Due::Step { job, token });
        } else {
            let bytes = here.spec.state;
            self.transfers.start(
                self.now,
                job,
                token,
                [from.map(index_of), Some(index_of(to))],
                bytes,
            );
            self.schedule_transfers();
        }
    }

    /// A source keeps its task; a target does not start it.
    fn abort(&mut self, job: usize, command: &Command, worker: WorkerId) {
        let hosted = &mut self.jobs[job].hosted;
        let before = hosted.task.placement;
        hosted.abort(command.migration, worker);
        match hosted.task.placement {
            now if now == before => {}
            Placement::On(_) => {
                self.catch_up(index_of(worker));
                self.meter.resumed(&mut self.jobs[job], self.now);
                self.settle(index_of(worker));
            }
            _ => {
                self.transfers.cancel(self.now, job);
                self.schedule_transfers();
                self.new_token(job);
            }
        }
    }
}

/// A worker's record.
fn worker(machine: &Machine, sample: Option<&Sample>, now: Micros) -> Worker {
    let class = &machine.class;
    let mut worker = Worker::new(machine.id)
        .with_capacity(ResourceId::CPU, class.cores)
        .with_capacity(ResourceId::MEMORY, class.memory_gib * GIB)
        .with_stance(machine.stance);
    worker.hardware = class.hardware.iter().fold(HardwareSet::EMPTY, |set, kind| set.with(*kind));
    for (number, device) in class.devices.iter().enumerate() {
        let used = sample.and_then(|sample| sample.devices.get(number));
        let mut record = Device::new(device.hardware);
        record.memory_bytes = Some((device.memory_gib * GIB) as u64);
        record.used_bytes = used.map(|bytes| *bytes as u64);
        record.compute = device.compute.or((device.hardware == Hardware::Cuda).then_some(LEAST));
        worker = worker.with_device(record);
    }
    if let Some(sample) = sample {
        worker = worker
            .with_used(ResourceId::CPU, sample.cores)
            .with_used(ResourceId::MEMORY, sample.memory);
        worker.metric_age = Duration::from_micros(now - sample.at);
        worker.temperature_celsius = Some(sample.celsius);
        worker.power_watts = Some(sample.watts);
    }
    worker
}

/// CUDA devices whose compute capability a scenario does not say.
const LEAST: ComputeCapability = ComputeCapability::new(1, 0);

/// A task's record as of now.
fn task(now: Micros, job: &Job, seen: Option<(f64, f64)>) -> Task {
    let mut task = job.hosted.task.clone().with_mobility(match (job.started, job.spec.mobility) {
        (None, Mobility::Checkpoint | Mobility::Restart) => Mobility::Queued,
        (_, mobility) => mobility,
    });
    if let Some((cores, memory)) = seen.filter(|_| job.runs()) {
        task = task.with_used(ResourceId::CPU, cores).with_used(ResourceId::MEMORY, memory);
    }
    let since = |at: Micros| Duration::from_micros(now - at.min(now));
    task.running = job.started.map(since).unwrap_or_default();
    task.checkpoint_age = job.started.map(|_| Duration::ZERO);
    task.device = job.device.and_then(|device| u16::try_from(device).ok());
    task
}
