//! The seam between the engine and the cluster: snapshots one way, commands the other, reports back.
//!
//! Everything a host has to do for the engine is here, and nothing else is: say what is there ([`Host::snapshot`]), do as
//! told ([`Host::carry_out`]), and report what happened ([`Host::note`], [`Host::take_reports`]). The engine's time is the real time since the
//! start, stretched by a scale, so that a round a second is a round per `check_interval` to it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use evenkeel::id::{KindId, MigrationId};
use evenkeel::outcome::Ended;
use evenkeel::ratio::Ratio;
use evenkeel::snapshot::{Mobility, Phase, Placement, Requirements};
use evenkeel::{
    Action, Command, Event, Report, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId,
};

use crate::cluster::{Cluster, Workers};
use crate::custody::{Entry, News, Place};
use crate::fleet::{Fleet, Happening};
use crate::number;
use crate::plan::WorkerPlan;
use crate::worker::micros_now;

/// Real time in, engine time out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// The engine's time at the start.
    at_start: Timestamp,
    scale: f64,
}

impl Clock {
    /// Begins now; `scale` is how much faster the engine's time runs.
    pub(crate) fn start(scale: f64) -> Self {
        Self { start: Instant::now(), at_start: Timestamp::default(), scale }
    }

    /// Stands at this moment, for tests.
    #[cfg(test)]
    pub(crate) fn standing_at(at_start: Timestamp) -> Self {
        Self { start: Instant::now(), at_start, scale: 0.0 }
    }

    /// The real moment at which so many seconds have passed.
    pub(crate) fn at_second(&self, second: u64) -> Instant {
        self.start + Duration::from_secs(second)
    }

    /// Now, to the engine.
    pub(crate) fn now(&self) -> Timestamp {
        self.at_start.after(self.stretch(self.start.elapsed()))
    }

    /// A real span, to the engine.
    fn stretch(&self, span: Duration) -> Duration {
        span.mul_f64(self.scale)
    }
}

/// A migration that the engine has ordered and not yet declared over.
#[derive(Clone, Copy, Debug)]
struct Move {
    id: MigrationId,
    from: Option<WorkerId>,
    to: WorkerId,
    phase: Phase,
    since: Timestamp,
    /// Whether it is over for the engine, and only the answer of a worker is waited for.
    is_over: bool,
}

/// The cluster as the engine sees it.
pub(crate) struct Host<C = Cluster> {
    pub(crate) fleet: Fleet<C>,
    pub(crate) clock: Clock,
    moves: BTreeMap<u64, Move>,
    /// The last migration of each task that was obeyed: commands of earlier ones are ignored.
    fences: BTreeMap<u64, MigrationId>,
    /// Tasks that are the scheduler's business: given back by the engine.
    pub(crate) unplaced: Vec<u64>,
    /// What the engine has not been told yet.
    reports: Vec<Report>,
}

impl<C: Workers> Host<C> {
    /// All tasks run; nothing moves yet.
    pub(crate) fn new(fleet: Fleet<C>, clock: Clock) -> Self {
        let (moves, fences) = (BTreeMap::new(), BTreeMap::new());
        Self { fleet, clock, moves, fences, unplaced: Vec::new(), reports: Vec::new() }
    }

    /// Migrations under way.
    pub(crate) fn under_way(&self) -> usize {
        self.moves.len()
    }

    /// Those migrations, each as a line of text.
    pub(crate) fn moving(&self) -> Vec<String> {
        let line = |(task, underway): (&u64, &Move)| match underway.from {
            Some(from) => format!("t{task} {from} -> {}", underway.to),
            None => format!("t{task} -> {}", underway.to),
        };
        self.moves.iter().map(line).collect()
    }

    /// The cluster now: every worker that has been measured, and every task that has not finished.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        let at = self.clock.now();
        let workers: Vec<Worker> =
            self.fleet.cluster.ready().filter_map(|plan| self.worker(plan)).collect();
        let clock = self.clock;
        let (moves, unplaced) = (&self.moves, &self.unplaced);
        let alive = self.fleet.custody.all_mut().filter(|entry| entry.place != Place::Finished);
        let tasks = alive.map(|entry| {
            let placement = placement(entry, moves.get(&entry.plan.id), unplaced);
            task(entry, placement, clock)
        });
        Snapshot::builder(at).workers(workers).tasks(tasks.collect::<Vec<Task>>()).build()
    }

    /// One worker, with what the operating system measured.
    fn worker(&self, plan: &WorkerPlan) -> Option<Worker> {
        let reading = self.fleet.readings.get(&plan.id)?;
        let worker = Worker::new(WorkerId::new(plan.id))
            .with_hardware(plan.hardware)
            .with_capacity(ResourceId::CPU, plan.budget)
            .with_used(ResourceId::CPU, reading.cores)
            .with_capacity(ResourceId::MEMORY, plan.memory_bytes)
            .with_used(ResourceId::MEMORY, number(reading.resident_bytes));
        Some(worker)
    }

    /// Does as told. What cannot be done becomes a report at once; what can, when it has happened. Commands of a
    /// migration that a later one has overtaken are ignored.
    pub(crate) fn carry_out(&mut self, command: &Command) {
        let (task, migration) = (command.task.raw(), command.migration);
        let fence = self.fences.entry(task).or_insert(migration);
        if *fence > migration {
            return;
        }
        *fence = migration;
        let done = match command.action {
            Action::Release { from, to } => self.release(task, migration, from, to),
            Action::Assign { to, .. } | Action::Place { to, .. } => self.start(task, migration, to),
            Action::Requeue => {
                if self.fleet.custody.place(task) == Some(Place::Held) {
                    self.moves.remove(&task);
                    self.unplaced.retain(|unplaced| *unplaced != task);
                    self.unplaced.push(task);
                }
                true
            }
            // Orders act within one slice of 25 ms: there is nothing left to call off, and whatever the worker
            // still reports settles the matter.
            Action::Abort { .. } => true,
            // This host has no scheduler and runs nothing twice: it refuses what is not asked of it.
            _ => false,
        };
        if !done {
            self.say(Event::Refused { migration });
        }
    }

    /// Asks `from` to hand a task back; true if it will, or has done so already for this migration.
    fn release(&mut self, task: u64, id: MigrationId, from: WorkerId, to: WorkerId) -> bool {
        let place = self.fleet.custody.place(task);
        let is_known = self.moves.get(&task).is_some_and(|underway| underway.id == id);
        if place == Some(Place::Held) && is_known {
            self.say(Event::Released { migration: id });
            return true;
        }
        let is_leaving = place == Some(Place::Leaving(from.raw()));
        match self.moves.get_mut(&task) {
            Some(underway) if is_leaving && is_known => underway.is_over = false,
            _ => self.begin(task, id, Some(from), to, Phase::Releasing),
        }
        is_leaving || (place == Some(Place::On(from.raw())) && self.fleet.release(task))
    }

    /// Asks `to` to run a task; true if it will, or does so already.
    fn start(&mut self, task: u64, id: MigrationId, to: WorkerId) -> bool {
        let from = self.moves.get(&task).and_then(|underway| underway.from);
        let place = self.fleet.custody.place(task);
        self.begin(task, id, from, to, Phase::Assigned);
        if place == Some(Place::On(to.raw())) {
            self.say(Event::Running { migration: id });
            return true;
        }
        place == Some(Place::Starting(to.raw())) || self.fleet.start(task, to.raw())
    }

    fn begin(
        &mut self,
        task: u64,
        id: MigrationId,
        from: Option<WorkerId>,
        to: WorkerId,
        phase: Phase,
    ) {
        let since = self.clock.now();
        self.moves.insert(task, Move { id, from, to, phase, since, is_over: false });
    }

    fn say(&mut self, event: Event) {
        self.reports.push(Report::new(self.clock.now(), event));
    }

    /// Forgets the migrations that are over; those for which a worker has not answered yet, when it has.
    pub(crate) fn close(&mut self, ended: &[Ended]) {
        for over in ended {
            let task = over.task.raw();
            let place = self.fleet.custody.place(task);
            let waits = matches!(place, Some(Place::Leaving(_) | Place::Starting(_)));
            match self.moves.get_mut(&task) {
                Some(underway) if underway.id != over.migration => {}
                Some(underway) if waits => underway.is_over = true,
                _ => {
                    self.moves.remove(&task);
                }
            }
        }
    }

    /// Turns something that happened into what the engine has to hear about it.
    pub(crate) fn note(&mut self, happening: &Happening) {
        match happening {
            Happening::Task(task, News::Began) => self.report(*task, running),
            Happening::Task(task, News::Stopped) => self.report(*task, released),
            Happening::Task(task, News::Refused(_)) => self.report(*task, refused),
            Happening::Gone(_, tasks) => {
                for (task, _) in tasks {
                    self.report(*task, failed);
                }
            }
            // A task that finishes is missing from the next snapshot; that says it all.
            Happening::Task(_, News::Finished) | Happening::Ready(_) | Happening::Interrupt => {}
        }
    }

    /// Says of the migration of a task, if there is one, that this happened to it.
    fn report(&mut self, task: u64, event: fn(MigrationId) -> Event) {
        let Some(&Move { id, is_over, .. }) = self.moves.get(&task) else { return };
        self.say(event(id));
        if is_over {
            self.moves.remove(&task);
        }
    }

    /// What the engine has not been told yet, in the order in which it happened.
    pub(crate) fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// Tasks that nobody runs and no migration takes care of.
    pub(crate) fn stranded(&self) -> Vec<TaskId> {
        let held = self.fleet.custody.all().filter(|entry| entry.place == Place::Held);
        let alone = held.filter(|entry| !self.moves.contains_key(&entry.plan.id));
        alone.map(|entry| TaskId::new(entry.plan.id)).collect()
    }

    /// Starts a task as a scheduler would, outside any migration; false if that worker cannot take it.
    pub(crate) fn schedule(&mut self, task: TaskId, worker: WorkerId) -> bool {
        let started = self.fleet.start(task.raw(), worker.raw());
        if started {
            self.unplaced.retain(|unplaced| *unplaced != task.raw());
        }
        started
    }
}

fn running(migration: MigrationId) -> Event {
    Event::Running { migration }
}

fn released(migration: MigrationId) -> Event {
    Event::Released { migration }
}

fn refused(migration: MigrationId) -> Event {
    Event::Refused { migration }
}

fn failed(migration: MigrationId) -> Event {
    Event::Failed { migration }
}

/// Where a task is, in the engine's words.
fn placement(entry: &Entry, underway: Option<&Move>, unplaced: &[u64]) -> Placement {
    if let Some(Move { id, from, to, phase, since, .. }) = underway.copied() {
        let phase = match entry.place {
            Place::Held => Phase::Released,
            _ => phase,
        };
        return Placement::Moving { migration: id, from, to, phase, since };
    }
    match entry.place {
        Place::On(worker) | Place::Starting(worker) | Place::Leaving(worker) => {
            Placement::On(WorkerId::new(worker))
        }
        Place::Held if unplaced.contains(&entry.plan.id) => Placement::Unplaced,
        Place::Held | Place::Finished => Placement::Orphaned,
    }
}

/// A task as the engine gets to see it.
fn task(entry: &mut Entry, placement: Placement, clock: Clock) -> Task {
    let cores = entry.take_cores();
    let (id, plan) = (TaskId::new(entry.plan.id), &entry.plan);
    let requirements = Requirements::NONE
        .with_all_of(plan.all_of.iter())
        .with_any_of(plan.any_of.iter())
        .with_power_efficient(plan.power_efficient);
    let mut task = Task::new(id)
        .with_kind(KindId::new(plan.kind.id))
        .with_placement(placement)
        .with_priority(plan.priority)
        .with_demand(ResourceId::CPU, plan.demand)
        .with_demand(ResourceId::MEMORY, plan.memory_bytes())
        .with_state_bytes(plan.state_bytes())
        .with_running(clock.stretch(clock.start.elapsed()))
        .with_requirements(requirements)
        .with_mobility(Mobility::Checkpoint);
    if let Some(cores) = cores {
        task = task.with_used(ResourceId::CPU, cores);
    }
    task.progress = entry.progress().map(Ratio::saturating);
    let age = Duration::from_micros(micros_now().saturating_sub(entry.state_at));
    task.checkpoint_age = (entry.state_at > 0).then(|| clock.stretch(age));
    task
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use crate::plan::Plan;
    use evenkeel::Command;
    use evenkeel::engine::Input;
    use evenkeel::id::Epoch;

    /// A host whose workers have not been started: every task is still with the coordinator.
    fn host() -> Host {
        let options = Options::read(["live-cluster".to_owned()]).expect("valid options");
        let fleet = Fleet::new(&Plan::new(&options), 1e6).expect("no process is started");
        Host::new(fleet, Clock::start(30.0))
    }

    /// A command as a log has it: only the engine makes them.
    fn command(action: &str) -> Command {
        let text = format!(
            r#"{{"migration":{{"epoch":0,"number":7}},"task":4,"action":{action},"reason":"recover","scorecard":null}}"#
        );
        serde_json::from_str(&text).expect("a command")
    }

    fn placement_of_task_4(host: &mut Host) -> Placement {
        host.snapshot().task(TaskId::new(4)).expect("task 4 is there").placement
    }

    #[test]
    fn a_task_that_nobody_runs_is_orphaned() {
        let mut host = host();
        assert_eq!(placement_of_task_4(&mut host), Placement::Orphaned);
        assert_eq!(host.stranded().len(), 20);
    }

    #[test]
    fn a_command_that_cannot_be_followed_is_refused_at_once() {
        let mut host = host();
        host.carry_out(&command(r#"{"place":{"to":3,"device":null}}"#));
        let migration = MigrationId::new(Epoch::FIRST, 7);
        let reports = host.take_reports();
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].event, Event::Refused { migration });
        assert!(host.take_reports().is_empty(), "once");
        let placement = placement_of_task_4(&mut host);
        assert!(
            matches!(placement, Placement::Moving { phase: Phase::Released, .. }),
            "{placement:?}: in the hands of a migration until that is over"
        );
    }

    #[test]
    fn a_task_that_is_given_back_is_the_schedulers() {
        let mut host = host();
        host.carry_out(&command(r#"{"place":{"to":3,"device":null}}"#));
        host.carry_out(&command(r#""requeue""#));
        assert_eq!(host.under_way(), 0);
        assert_eq!(placement_of_task_4(&mut host), Placement::Unplaced);
        assert!(!host.schedule(TaskId::new(4), WorkerId::new(3)), "no worker is there");
        assert_eq!(host.unplaced, [4], "and remains so until one takes it");
    }

    #[test]
    fn a_snapshot_makes_sense_to_the_engine_and_survives_the_log() {
        let snapshot = host().snapshot();
        assert!(snapshot.bad_records().is_empty(), "{:?}", snapshot.bad_records());
        let line = serde_json::to_string(&Input::Tick(snapshot.clone())).expect("it serialises");
        assert_eq!(serde_json::from_str::<Input>(&line).expect("it reads"), Input::Tick(snapshot));
    }
}
