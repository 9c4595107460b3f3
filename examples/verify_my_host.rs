//! Tests a host for the duties that the engine expects of it: `cargo run --example verify_my_host --features testkit --
//! [PLANS]`. The host below is small and keeps them all; five variants have a bug each, which the test finds.
//!
//! Ends with 1 if the honest host fails, or a bug is not found.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::process::ExitCode;
use std::time::Duration;

use evenkeel::id::MigrationId;
use evenkeel::shell::{MigrationExecutor, TelemetrySource};
use evenkeel::snapshot::{Phase, Placement, Stance};
use evenkeel::testkit::host::{HostStart, HostUnderTest, check_host};
use evenkeel::{
    Action, Command, Event, Report, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId,
};

/// A bug that is planted in the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// There is no fence: every command is obeyed.
    HasNoFence,
    /// The fence compares the numbers of migrations and forgets their epochs.
    ForgetsTheEpoch,
    /// A start is reported when it is passed on, and passed on again when the command is repeated.
    ReportsTooEarly,
    /// A repeated command starts a second copy.
    StartsTwice,
    /// An abort means to the host that the source keeps the task, even if the source has released it already.
    LosesWhatCrosses,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::HasNoFence,
        Self::ForgetsTheEpoch,
        Self::ReportsTooEarly,
        Self::StartsTwice,
        Self::LosesWhatCrosses,
    ];
}

/// A command on its way to a worker.
#[derive(Debug)]
struct Letter {
    command: Command,
    sent: Timestamp,
}

/// A worker: what is on its way to it, and what it runs.
#[derive(Debug)]
struct Machine {
    record: Worker,
    is_up: bool,
    inbox: Vec<Letter>,
    runs: Vec<TaskId>,
}

/// A task: its record, whose placement snapshots show.
#[derive(Debug)]
struct Job {
    record: Task,
    /// The last migration that was obeyed.
    fence: Option<MigrationId>,
    /// The migration that started the task where it runs.
    run_by: Option<MigrationId>,
}

/// A host, with its workers.
#[derive(Debug)]
pub struct MyHost {
    bug: Option<Bug>,
    now: Timestamp,
    /// Commands that are older are not passed on.
    patience: Duration,
    machines: BTreeMap<WorkerId, Machine>,
    jobs: BTreeMap<TaskId, Job>,
    reports: Vec<Report>,
}

impl MyHost {
    /// A host in the state that a test begins with.
    pub fn new(start: &HostStart, bug: Option<Bug>) -> Self {
        let machine = |record: &Worker| {
            let here = start.tasks.iter().filter(|task| task.placement == Placement::On(record.id));
            let runs = here.map(|task| task.id).collect();
            let machine = Machine { record: record.clone(), is_up: true, inbox: Vec::new(), runs };
            (record.id, machine)
        };
        let job =
            |record: &Task| (record.id, Job { record: record.clone(), fence: None, run_by: None });
        Self {
            bug,
            now: start.at,
            patience: start.timeout,
            machines: start.workers.iter().map(machine).collect(),
            jobs: start.tasks.iter().map(job).collect(),
            reports: Vec::new(),
        }
    }

    fn say(&mut self, event: Event) {
        self.reports.push(Report::new(self.now, event));
    }

    fn show(&mut self, task: TaskId, placement: Placement) {
        self.jobs.entry(task).and_modify(|job| job.record.placement = placement);
    }

    /// Shows a task on its way to a worker.
    fn show_moving(&mut self, command: &Command, to: WorkerId, phase: Phase) {
        let from = match self.jobs[&command.task].record.placement {
            Placement::On(from) => Some(from),
            Placement::Moving { from, .. } => from,
            _ => None,
        };
        let (migration, since) = (command.migration, self.now);
        self.show(command.task, Placement::Moving { migration, from, to, phase, since });
    }

    fn runs(&self, worker: WorkerId, task: TaskId) -> bool {
        self.machines.get(&worker).is_some_and(|machine| machine.runs.contains(&task))
    }

    /// Puts a command into the inbox of a worker, and takes earlier ones out of all others; unless the worker is asked for the same there. (`Assign` and `Place` ask
    /// for the same.)
    fn send(&mut self, worker: WorkerId, command: &Command) {
        let letter = Letter { command: *command, sent: self.now };
        for (id, machine) in &mut self.machines {
            machine.inbox.retain(|letter| *id == worker || letter.command.task != command.task);
        }
        let Some(machine) = self.machines.get_mut(&worker) else { return };
        let releases = |command: &Command| matches!(command.action, Action::Release { .. });
        let is_same = |it: &Letter| {
            it.command.task == command.task && releases(&it.command) == releases(command)
        };
        if self.bug == Some(Bug::StartsTwice) || !machine.inbox.iter().any(is_same) {
            machine.inbox.push(letter);
        }
    }

    fn release(&mut self, command: &Command, from: WorkerId, to: WorkerId) {
        let Command { migration, task, .. } = *command;
        let is_released = matches!(self.jobs[&task].record.placement,
            Placement::Moving { migration: same, phase: Phase::Released, .. } if same == migration);
        if self.runs(from, task) {
            self.show_moving(command, to, Phase::Releasing);
            self.send(from, command);
        } else if is_released {
            self.say(Event::Released { migration });
        } else {
            self.say(Event::Refused { migration });
        }
    }

    fn start(&mut self, command: &Command, to: WorkerId) {
        let Command { migration, task, .. } = *command;
        let is_up = self.machines.get(&to).is_some_and(|machine| machine.is_up);
        // Another worker took it after all, when it was asked again.
        let is_elsewhere = self.copies(task).iter().any(|worker| *worker != to);
        let is_done = self.jobs[&task].run_by == Some(migration) && is_elsewhere;
        if self.runs(to, task) && self.bug != Some(Bug::StartsTwice) {
            self.show(task, Placement::On(to));
            self.say(Event::Running { migration });
        } else if is_done {
            self.say(Event::Refused { migration });
        } else if is_up {
            self.show_moving(command, to, Phase::Assigned);
            self.send(to, command);
            if self.bug == Some(Bug::ReportsTooEarly) {
                self.say(Event::Running { migration });
            }
        } else {
            self.show_moving(command, to, Phase::Released);
            self.say(Event::Refused { migration });
        }
    }

    fn abort(&mut self, command: &Command, worker: WorkerId) {
        let Command { migration, task, .. } = *command;
        let Some(machine) = self.machines.get_mut(&worker) else { return };
        let called_off: Vec<Letter> =
            machine.inbox.extract_if(.., |letter| letter.command.task == task).collect();
        for letter in called_off {
            self.undo(&letter.command, worker);
            if !matches!(letter.command.action, Action::Release { .. }) {
                self.say(Event::Refused { migration });
            }
        }
        if self.runs(worker, task) || self.bug == Some(Bug::LosesWhatCrosses) {
            self.show(task, Placement::On(worker));
        }
    }

    /// The worker does not do what it was told: the task is where it was.
    fn undo(&mut self, command: &Command, worker: WorkerId) {
        match command.action {
            Action::Release { .. } if self.runs(worker, command.task) => {
                self.show(command.task, Placement::On(worker));
            }
            Action::Release { .. } => {}
            _ => self.show_moving(command, worker, Phase::Released),
        }
    }

    fn give_back(&mut self, task: TaskId) {
        if self.copies(task).is_empty() {
            for machine in self.machines.values_mut() {
                machine.inbox.retain(|letter| letter.command.task != task);
            }
            self.show(task, Placement::Unplaced);
        }
    }

    /// A worker does what it was told.
    fn obey(&mut self, command: &Command, worker: WorkerId) {
        let Command { migration, task, action, .. } = *command;
        let Some(machine) = self.machines.get_mut(&worker) else { return };
        if let Action::Release { to, .. } = action {
            machine.runs.retain(|runs| *runs != task);
            self.show_moving(command, to, Phase::Released);
            self.say(Event::Released { migration });
        } else {
            machine.runs.push(task);
            self.jobs.entry(task).and_modify(|job| job.run_by = Some(migration));
            self.show(task, Placement::On(worker));
            if self.bug != Some(Bug::ReportsTooEarly) {
                self.say(Event::Running { migration });
            }
        }
    }

    fn take_inbox(&mut self, worker: WorkerId) -> Vec<Letter> {
        self.machines.get_mut(&worker).map(|it| std::mem::take(&mut it.inbox)).unwrap_or_default()
    }
}

impl TelemetrySource for MyHost {
    type Error = Infallible;

    fn snapshot(&mut self) -> Result<Option<Snapshot>, Infallible> {
        let workers = self.machines.values().map(|machine| {
            let stance = if machine.is_up { Stance::Accept } else { Stance::Offline };
            let used = machine.runs.len() as f64;
            machine.record.clone().with_stance(stance).with_used(ResourceId::CPU, used)
        });
        let tasks = self.jobs.values().map(|job| job.record.clone());
        Ok(Some(Snapshot::builder(self.now).workers(workers).tasks(tasks).build()))
    }
}

impl MigrationExecutor for MyHost {
    type Error = Infallible;

    fn execute(&mut self, command: &Command) -> Result<(), Infallible> {
        let Some(job) = self.jobs.get_mut(&command.task) else { return Ok(()) };
        let is_overtaken = job.fence.is_some_and(|fence| match self.bug {
            Some(Bug::HasNoFence) => false,
            Some(Bug::ForgetsTheEpoch) => fence.number() > command.migration.number(),
            _ => fence > command.migration,
        });
        if is_overtaken {
            return Ok(());
        }
        job.fence = Some(command.migration);
        match command.action {
            Action::Release { from, to } => self.release(command, from, to),
            Action::Assign { to, .. } | Action::Place { to, .. } => self.start(command, to),
            Action::Abort { worker } => self.abort(command, worker),
            Action::Requeue => self.give_back(command.task),
            // This host neither evicts nor overlaps, and the settings do not ask it to.
            _ => self.say(Event::Refused { migration: command.migration }),
        }
        Ok(())
    }
}

impl HostUnderTest for MyHost {
    fn set_time(&mut self, now: Timestamp) {
        self.now = now;
    }

    fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    fn work(&mut self, worker: WorkerId) {
        for Letter { command, sent } in self.take_inbox(worker) {
            if sent.after(self.patience) < self.now {
                self.undo(&command, worker);
            } else {
                self.obey(&command, worker);
            }
        }
    }

    fn fail(&mut self, worker: WorkerId) {
        for Letter { command, .. } in self.take_inbox(worker) {
            self.undo(&command, worker);
            self.say(Event::Failed { migration: command.migration });
        }
    }

    fn crash(&mut self, worker: WorkerId) {
        let Some(machine) = self.machines.get_mut(&worker) else { return };
        machine.is_up = false;
        for task in std::mem::take(&mut machine.runs) {
            self.show(task, Placement::Orphaned);
        }
        for letter in self.take_inbox(worker) {
            self.undo(&letter.command, worker);
        }
    }

    fn revive(&mut self, worker: WorkerId) {
        self.machines.entry(worker).and_modify(|machine| machine.is_up = true);
    }

    fn schedule(&mut self) {
        for (&task, job) in &mut self.jobs {
            let up = self.machines.iter_mut().find(|(_, machine)| machine.is_up);
            if let (Placement::Unplaced, Some((&worker, machine))) = (job.record.placement, up) {
                machine.runs.push(task);
                job.record.placement = Placement::On(worker);
            }
        }
    }

    fn copies(&self, task: TaskId) -> Vec<WorkerId> {
        let copies = self.machines.iter().flat_map(|(worker, machine)| {
            let here = machine.runs.iter().filter(|runs| **runs == task);
            here.map(|_| *worker)
        });
        copies.collect()
    }
}

fn main() -> ExitCode {
    let plans = std::env::args().nth(1).and_then(|plans| plans.parse().ok()).unwrap_or(256);
    let mut is_good = true;
    match check_host(plans, |start| MyHost::new(start, None)) {
        Ok(passed) => println!(
            "the honest host passes: {} plans, {} commands, {} migrations",
            passed.plans, passed.commands, passed.migrations
        ),
        Err(fault) => {
            println!("the honest host fails: {fault}");
            is_good = false;
        }
    }
    for bug in Bug::ALL {
        match check_host(plans, |start| MyHost::new(start, Some(bug))) {
            Ok(_) => {
                println!("\n{bug:?}: not found");
                is_good = false;
            }
            Err(fault) => println!("\n{bug:?}: {fault}"),
        }
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
