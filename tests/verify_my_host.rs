//! Tests of hosts: [`evenkeel::testkit::host`]. The honest host of `examples/verify_my_host.rs` passes, and every bug that
//! is planted in a host is found, under the duty that it neglects.
#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::time::Duration;

use evenkeel::outcome::Ended;
use evenkeel::shell::{MigrationExecutor, TelemetrySource};
use evenkeel::snapshot::Stance;
use evenkeel::testkit::host::{
    Duty, HostFault, HostOperation, HostPlan, HostStart, HostUnderTest, check_host,
};
use evenkeel::{Command, Report, Snapshot, TaskId, Timestamp, WorkerId};

#[path = "../examples/verify_my_host.rs"]
#[allow(dead_code, reason = "its main function is not run here")]
mod example;

use example::{Bug, MyHost};

const PLANS: u32 = 256;

#[test]
fn the_honest_host_passes() {
    let passed = check_host(PLANS, |start| MyHost::new(start, None));
    let passed = passed.unwrap_or_else(|fault| panic!("{fault}"));
    println!("{passed:?}");
    assert_eq!(passed.plans, u64::from(PLANS));
    // It had something to do.
    assert!(passed.migrations > passed.plans, "{passed:?}");
    assert!(passed.commands > 2 * passed.migrations, "{passed:?}");
}

/// The fault that is found, which is in few operations and plays again.
fn fault<H: HostUnderTest>(name: &str, new_host: impl Fn(&HostStart) -> H) -> Box<HostFault> {
    let fault = check_host(PLANS, &new_host).expect_err(name);
    println!("{name}: {fault}\n");
    assert!(fault.plan.operations.len() <= 12, "{name}: {fault}");
    let again = fault.plan.check(&mut new_host(&fault.plan.start)).expect_err(name);
    assert_eq!(again.to_string(), fault.to_string(), "{name}");
    let number = format!("the host neglects duty {} (", fault.duty.number());
    assert!(fault.to_string().starts_with(&number), "{name}: {fault}");
    fault
}

#[test]
fn every_planted_bug_is_found() {
    for bug in Bug::ALL {
        let found = fault(&format!("{bug:?}"), |start| MyHost::new(start, Some(bug)));
        let is_named = match bug {
            Bug::HasNoFence => found.duty == Duty::Fence,
            // It obeys what it must ignore, or ignores what it must obey.
            Bug::ForgetsTheEpoch => found.duty == Duty::Fence || found.says.contains("duty 6"),
            Bug::ReportsTooEarly => found.duty == Duty::Reports,
            // Or the second start fails, and is reported as if the task ran nowhere.
            Bug::StartsTwice => matches!(found.duty, Duty::Commands | Duty::Reports),
            Bug::LosesWhatCrosses => found.duty == Duty::Placements,
        };
        assert!(is_named, "{bug:?}: {found}");
    }
}

/// What is done to the answers of an honest host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoiled {
    /// Snapshots do not list t1.
    TaskMissing,
    /// Snapshots do not list w3.
    WorkerMissing,
    /// Snapshots stand still.
    ClockStops,
    /// Workers that have crashed are shown as present.
    GoneIsShown,
    /// No success is reported.
    Silent,
    /// Workers do nothing.
    Idle,
    /// No command is too old.
    Patient,
}

/// An honest host, whose answers are spoiled.
struct SpoiledHost {
    host: MyHost,
    how: Spoiled,
    start: Timestamp,
}

impl SpoiledHost {
    fn new(start: &HostStart, how: Spoiled) -> Self {
        let mut shown = start.clone();
        if how == Spoiled::Patient {
            shown.timeout = Duration::from_secs(1_000_000);
        }
        Self { host: MyHost::new(&shown, None), how, start: start.at }
    }
}

impl TelemetrySource for SpoiledHost {
    type Error = Infallible;

    fn snapshot(&mut self) -> Result<Option<Snapshot>, Infallible> {
        let Some(snapshot) = self.host.snapshot()? else { return Ok(None) };
        let how = self.how;
        let at = if how == Spoiled::ClockStops { self.start } else { snapshot.at() };
        let workers = snapshot.workers().iter().cloned().map(|worker| {
            let stance = if how == Spoiled::GoneIsShown { Stance::Accept } else { worker.stance };
            worker.with_stance(stance)
        });
        let is_hidden = |worker: WorkerId| how == Spoiled::WorkerMissing && worker.raw() == 3;
        let workers = workers.filter(|worker| !is_hidden(worker.id));
        let is_hidden = |task: TaskId| how == Spoiled::TaskMissing && task.raw() == 1;
        let tasks = snapshot.tasks().iter().filter(|task| !is_hidden(task.id)).cloned();
        Ok(Some(Snapshot::builder(at).workers(workers).tasks(tasks).build()))
    }
}

impl MigrationExecutor for SpoiledHost {
    type Error = Infallible;

    fn execute(&mut self, command: &Command) -> Result<(), Infallible> {
        self.host.execute(command)
    }
}

impl HostUnderTest for SpoiledHost {
    fn set_time(&mut self, now: Timestamp) {
        self.host.set_time(now);
    }

    fn take_reports(&mut self) -> Vec<Report> {
        let reports = self.host.take_reports();
        if self.how == Spoiled::Silent { Vec::new() } else { reports }
    }

    fn work(&mut self, worker: WorkerId) {
        if self.how != Spoiled::Idle {
            self.host.work(worker);
        }
    }

    fn fail(&mut self, worker: WorkerId) {
        // Whether a worker has failed cannot be seen from outside.
        if self.how != Spoiled::Silent {
            self.host.fail(worker);
        }
    }

    fn crash(&mut self, worker: WorkerId) {
        self.host.crash(worker);
    }

    fn revive(&mut self, worker: WorkerId) {
        self.host.revive(worker);
    }

    fn ended(&mut self, ended: &[Ended]) {
        self.host.ended(ended);
    }

    fn schedule(&mut self) {
        self.host.schedule();
    }

    fn copies(&self, task: TaskId) -> Vec<WorkerId> {
        self.host.copies(task)
    }
}

#[test]
fn every_duty_that_is_neglected_is_found() {
    for (how, duty) in [
        (Spoiled::TaskMissing, Duty::Snapshots),
        (Spoiled::WorkerMissing, Duty::Snapshots),
        (Spoiled::ClockStops, Duty::Snapshots),
        (Spoiled::GoneIsShown, Duty::Gone),
        (Spoiled::Silent, Duty::Reports),
        (Spoiled::Idle, Duty::Commands),
        (Spoiled::Patient, Duty::Order),
    ] {
        let found = fault(&format!("{how:?}"), |start| SpoiledHost::new(start, how));
        assert_eq!(found.duty, duty, "{how:?}: {found}");
    }
}

#[test]
fn a_plan_of_your_own_is_played_as_it_stands() {
    let operations = vec![
        HostOperation::Drain(TaskId::new(1)),
        HostOperation::Round,
        HostOperation::Settle,
        HostOperation::Drain(TaskId::new(1)),
        HostOperation::Round,
        HostOperation::Settle,
        HostOperation::Late(TaskId::new(1)),
    ];
    let plan = HostPlan::new(1, operations);
    let honest = plan.check(&mut MyHost::new(&plan.start, None));
    assert_eq!(honest.map(|passed| passed.migrations).ok(), Some(2));
    let fault = plan.check(&mut MyHost::new(&plan.start, Some(Bug::HasNoFence))).expect_err("late");
    assert!(
        fault.says.ends_with("by `m0.1 t1 assigned to w2`, which m0.2 has overtaken"),
        "{fault}"
    );
}
