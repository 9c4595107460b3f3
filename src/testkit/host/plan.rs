//! Which cluster is a host tested in, and what happens there?

use core::fmt;
use core::time::Duration;
use std::vec;
use std::vec::Vec;

use proptest::collection;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::resource::ResourceId;
use crate::model::time::{Timestamp, as_seconds};
use crate::snapshot::{Task, Worker};

/// How long a step of a migration may take in the test.
const TIMEOUT: Duration = Duration::from_secs(120);
/// The longest that nothing happens: longer than a step may take.
pub(super) const LONG_WAIT: Duration = Duration::from_secs(150);
const WORKERS: u64 = 3;
const MOST_TASKS: u64 = 2;
/// Enough for several migrations of one task, with all that may go wrong in between.
const LONGEST: usize = 40;

/// The cluster that a new host begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostStart {
    /// The moment at which the test begins.
    pub at: Timestamp,
    /// The workers: w1, w2 and w3, of 8 cores each. All of them are present.
    pub workers: Vec<Worker>,
    /// The tasks: t1, and perhaps t2, of one core each. Each runs on w1.
    pub tasks: Vec<Task>,
    /// How long a step of a migration may take ([`MigrationLimits::timeout`](crate::config::MigrationLimits::timeout)).
    #[serde(with = "as_seconds")]
    pub timeout: Duration,
}

impl HostStart {
    /// Three workers, and this many tasks on the first.
    fn new(tasks: u64) -> Self {
        let worker = |id| Worker::new(WorkerId::new(id)).with_capacity(ResourceId::CPU, 8.0);
        let task = |id| {
            let task = Task::new(TaskId::new(id)).on(WorkerId::new(1));
            task.with_demand(ResourceId::CPU, 1.0)
        };
        Self {
            at: Timestamp::from_secs(1_000),
            workers: (1..=WORKERS).map(worker).collect(),
            tasks: (1..=tasks).map(task).collect(),
            timeout: TIMEOUT,
        }
    }

    /// The settings of the engine: the default ones, with the time-out of the test.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::default();
        if let Some(limits) = &mut config.migration {
            limits.timeout = self.timeout;
        }
        config
    }
}

/// Something that happens in a test. An operation that makes no sense at its moment does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HostOperation {
    /// A round runs: the engine gets a snapshot, and the host the commands.
    Round,
    /// Every worker does what it was told and every report is told, until nothing is on its way.
    Settle,
    /// A worker does what it was told.
    Work(WorkerId),
    /// The engine is told the oldest report about a task.
    Tell(TaskId),
    /// The worker that runs a task is drained, so that its tasks move; all others accept tasks.
    Drain(TaskId),
    /// So much time passes.
    Wait(#[serde(with = "as_seconds")] Duration),
    /// The last command for a task arrives again, if the engine still wants it.
    Repeat(TaskId),
    /// A command of an earlier migration of a task arrives again.
    Late(TaskId),
    /// An operator calls the migration of a task off.
    Abort(TaskId),
    /// A worker fails at what it was told.
    Fail(WorkerId),
    /// The engine is told the oldest report about a task, which will arrive again.
    TellTwice(TaskId),
    /// The oldest report about a task is lost.
    Lose(TaskId),
    /// A worker crashes.
    Crash(WorkerId),
    /// A worker that has crashed is back.
    Revive(WorkerId),
    /// The scheduler starts what was given back to it.
    Schedule,
    /// The process that embeds the engine starts again, from the saved state and in a higher epoch. A round follows,
    /// and what is outstanding is repeated.
    Restart,
    /// The same, after a round whose commands did not leave the process.
    RestartUnsent,
    /// The same, but the saved state is lost.
    RestartBlank,
}

impl fmt::Display for HostOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Round => f.write_str("a round runs"),
            Self::Settle => f.write_str("all workers act and all reports are told"),
            Self::Work(worker) => write!(f, "{worker} does what it was told"),
            Self::Tell(task) => write!(f, "the engine is told the oldest report about {task}"),
            Self::Drain(task) => write!(f, "the worker of {task} is drained, the others are not"),
            Self::Wait(span) => write!(f, "{} s pass", span.as_secs_f64()),
            Self::Repeat(task) => write!(f, "the last command for {task} is repeated"),
            Self::Late(task) => write!(f, "a command of an earlier migration of {task} arrives"),
            Self::Abort(task) => write!(f, "an operator calls off the migration of {task}"),
            Self::Fail(worker) => write!(f, "{worker} fails at what it was told"),
            Self::TellTwice(task) => {
                write!(
                    f,
                    "the engine is told the oldest report about {task}, not for the last time"
                )
            }
            Self::Lose(task) => write!(f, "the oldest report about {task} is lost"),
            Self::Crash(worker) => write!(f, "{worker} crashes"),
            Self::Revive(worker) => write!(f, "{worker} is back"),
            Self::Schedule => f.write_str("the scheduler starts what was given back"),
            Self::Restart => f.write_str("the engine restarts from its saved state"),
            Self::RestartUnsent => {
                f.write_str("a round runs, and the engine restarts before its commands leave")
            }
            Self::RestartBlank => f.write_str("the engine restarts without its state"),
        }
    }
}

/// A test: a cluster, and what happens there. Afterwards everything calms down: all workers are back and do what they
/// are told, for twelve minutes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HostPlan {
    /// The cluster at first.
    pub start: HostStart,
    /// What happens, first to last. A second passes before each operation.
    pub operations: Vec<HostOperation>,
}

impl HostPlan {
    /// This many tasks on w1 (one or two), and these operations.
    pub fn new(tasks: u64, operations: Vec<HostOperation>) -> Self {
        Self { start: HostStart::new(tasks.clamp(1, MOST_TASKS)), operations }
    }
}

/// Random plans of 1 to 40 operations, for a property test of your own.
///
/// ```
/// use proptest::prelude::*;
/// use evenkeel::testkit::host::{HostStart, HostUnderTest, host_plans};
///
/// fn keeps_its_duties<H: HostUnderTest>(new_host: impl Fn(&HostStart) -> H) {
///     proptest!(|(plan in host_plans())| {
///         if let Err(fault) = plan.check(&mut new_host(&plan.start)) {
///             prop_assert!(false, "{}", fault);
///         }
///     });
/// }
/// ```
pub fn host_plans() -> impl Strategy<Value = HostPlan> {
    (1..=MOST_TASKS, collection::vec(operation(), 1..=LONGEST))
        .prop_map(|(tasks, operations)| HostPlan::new(tasks, operations))
}

/// Spans that are shorter than the time-out of a step, and longer ones.
fn waits() -> impl Strategy<Value = Duration> {
    let long = TIMEOUT.as_secs() + 1..=LONG_WAIT.as_secs();
    prop_oneof![5..=60_u64, long].prop_map(Duration::from_secs)
}

fn operation() -> impl Strategy<Value = HostOperation> {
    let worker = || (1..=WORKERS).prop_map(WorkerId::new);
    let task = || (1..=MOST_TASKS).prop_map(TaskId::new);
    prop_oneof![
        8 => Just(HostOperation::Round),
        5 => Just(HostOperation::Settle),
        6 => worker().prop_map(HostOperation::Work),
        6 => task().prop_map(HostOperation::Tell),
        6 => task().prop_map(HostOperation::Drain),
        2 => waits().prop_map(HostOperation::Wait),
        3 => task().prop_map(HostOperation::Repeat),
        4 => task().prop_map(HostOperation::Late),
        2 => task().prop_map(HostOperation::Abort),
        2 => worker().prop_map(HostOperation::Fail),
        1 => task().prop_map(HostOperation::TellTwice),
        1 => task().prop_map(HostOperation::Lose),
        2 => worker().prop_map(HostOperation::Crash),
        2 => worker().prop_map(HostOperation::Revive),
        1 => Just(HostOperation::Schedule),
        2 => Just(HostOperation::Restart),
        1 => Just(HostOperation::RestartUnsent),
        1 => Just(HostOperation::RestartBlank),
    ]
}
