//! What must the host do, and why?

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Cause, Handover, Scorecard};
use crate::model::ids::{GroupId, MigrationId, TaskId, WorkerId};
use crate::model::time::{Span, Timestamp, as_seconds};

/// One thing for the host to do. The migration's id is its fence: a worker that has seen a later
/// one for the same task ignores it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Command {
    /// The migration it belongs to.
    pub migration: MigrationId,
    /// The task it is about.
    pub task: TaskId,
    /// What to do.
    pub action: Action,
    /// Why: in files either a `reason` or a `cause`.
    #[serde(flatten)]
    pub why: Why,
    /// The cost and the benefit of the migration. The target counts as the moves chosen before in the same round have
    /// filled it, and the source as the round found it. `None` if nothing was weighed.
    pub scorecard: Option<Scorecard>,
    /// The alternative by which the task runs on its target: an index into
    /// [`Task::alternatives`](crate::Task::alternatives); `None` if it has none. A task that returns
    /// to its source runs as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternative: Option<u16>,
    /// What the move costs and gains in time; `None` if moves need not repay themselves
    /// ([`Config::transfer`](crate::Config::transfer) is off).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.migration, self.task, self.action)?;
        if let Some(nth) = self.alternative {
            write!(f, " by alternative {nth}")?;
        }
        write!(f, ": {}", self.why)
    }
}

impl Command {
    /// Why the migration was begun; `None` if the command is a later step of a migration.
    pub const fn reason(&self) -> Option<Reason> {
        match self.why {
            Why::Begun(reason) => Some(reason),
            Why::Follows(_) => None,
        }
    }

    /// What the step follows from; `None` if the command begins a migration or tries it again.
    pub const fn cause(&self) -> Option<Cause> {
        match self.why {
            Why::Begun(_) => None,
            Why::Follows(cause) => Some(cause),
        }
    }
}

/// What a [`Command`] asks for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Action {
    /// The first half of a move: ask `from` to save the task's state and release the task. Answer with
    /// [`Event::Released`](crate::Event::Released); the second half follows.
    Release {
        /// The worker that the task runs on.
        from: WorkerId,
        /// The worker that the task will move to.
        to: WorkerId,
    },
    /// The second half of a move: ask `to` to run the task from the saved state. Answer with
    /// [`Event::Running`](crate::Event::Running), even if `to` runs the task already: after a restart
    /// the engine may not know what the source did.
    Assign {
        /// The worker that the task runs on from now on.
        to: WorkerId,
        /// The device that has room for the task; `None` if the task needs no device.
        device: Option<u16>,
    },
    /// The task has lost its worker: ask `to` to run the task from its last checkpoint. Answer with
    /// [`Event::Running`](crate::Event::Running).
    Place {
        /// The worker that the task runs on from now on.
        to: WorkerId,
        /// The device that has room for the task; `None` if the task needs no device.
        device: Option<u16>,
    },
    /// Give the task back to the scheduler; the engine is done with it.
    Requeue,
    /// Tell `worker` to forget the migration, and every earlier one of the task: a source keeps the task, a target does
    /// not start it. If the move [overlaps](Self::Start) and the target already runs a copy, the target stops the copy.
    /// After a restart the engine may call off under a new id what an earlier life has asked for.
    Abort {
        /// The worker to tell.
        worker: WorkerId,
    },
    /// Ask `from` to evict the task: the host's scheduler then places it, on `hint` or elsewhere.
    /// Answer with [`Event::Diverted`](crate::Event::Diverted) (or
    /// [`Event::Running`](crate::Event::Running), if the task runs on `hint` under its own id).
    Evict {
        /// The worker that the task runs on.
        from: WorkerId,
        /// The worker that would be best.
        hint: WorkerId,
    },
    /// Take the task, which has not begun, out of `from`'s queue and queue it again, preferably for
    /// `to`. This interrupts nothing. Answer as to [`Evict`](Self::Evict).
    RequeueFor {
        /// The worker in whose queue the task waits.
        from: WorkerId,
        /// The worker that should take the task.
        to: WorkerId,
    },
    /// The first half of a move that overlaps: ask `to` to start a copy of the task while `from`
    /// goes on running it. Answer with [`Event::Running`](crate::Event::Running); the second half
    /// follows. If the source is lost first, `to` starts the task all the same, or refuses it: it is not asked again,
    /// and an order that is dropped without an answer is waited for until the step times out.
    Start {
        /// The worker that the task runs on.
        from: WorkerId,
        /// The worker on which its copy starts.
        to: WorkerId,
        /// The device that has room for the copy; `None` if the task needs no device.
        device: Option<u16>,
    },
    /// The second half of a move that overlaps: ask `from` to stop the task, whose copy runs on the
    /// target. Answer with [`Event::Released`](crate::Event::Released). If it is repeated, a source that could not stop
    /// the task before tries again.
    Stop {
        /// The worker to stop it on.
        from: WorkerId,
    },
}

impl Action {
    /// The source (`None` if the task has lost its worker) and the target, if the action begins a
    /// migration; `None` for a later step.
    pub const fn begins(&self) -> Option<(Option<WorkerId>, WorkerId)> {
        match *self {
            Self::Release { from, to }
            | Self::RequeueFor { from, to }
            | Self::Start { from, to, .. }
            | Self::Evict { from, hint: to } => Some((Some(from), to)),
            Self::Place { to, .. } => Some((None, to)),
            Self::Assign { .. } | Self::Stop { .. } | Self::Requeue | Self::Abort { .. } => None,
        }
    }

    /// The worker that is asked to run a task that no worker runs; `None` if the action asks for something else.
    pub(crate) const fn asks(&self) -> Option<WorkerId> {
        match *self {
            Self::Assign { to, .. } | Self::Place { to, .. } => Some(to),
            _ => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release { from, to } => write!(f, "{from} -> {to}"),
            Self::Assign { to, device: None } => write!(f, "assigned to {to}"),
            Self::Assign { to, device: Some(device) } => {
                write!(f, "assigned to {to} device {device}")
            }
            Self::Place { to, device: None } => write!(f, "placed on {to}"),
            Self::Place { to, device: Some(device) } => write!(f, "placed on {to} device {device}"),
            Self::Evict { from, hint } => write!(f, "evicted from {from}, preferably to {hint}"),
            Self::RequeueFor { from, to } => write!(f, "queued again for {to}, not {from}"),
            Self::Start { from, to, device: None } => {
                write!(f, "{from} -> {to}, started there first")
            }
            Self::Start { from, to, device: Some(device) } => {
                write!(f, "{from} -> {to}, started there first on device {device}")
            }
            Self::Stop { from } => write!(f, "stopped on {from}"),
            Self::Requeue => f.write_str("back to the scheduler"),
            Self::Abort { worker } => write!(f, "called off at {worker}"),
        }
    }
}

/// Why a [`Command`] was given, with the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Why {
    /// The migration was begun for this reason.
    #[serde(rename = "reason")]
    Begun(Reason),
    /// The migration is under way, and this happened to it.
    #[serde(rename = "cause")]
    Follows(Cause),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun(reason) => reason.fmt(f),
            Self::Follows(cause) => cause.fmt(f),
        }
    }
}

/// Why a migration was begun, with the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The task has no worker any more.
    Recover,
    /// The source is to be emptied.
    Drain {
        /// The source.
        worker: WorkerId,
    },
    /// The source leaves soon.
    Leaves {
        /// The source.
        worker: WorkerId,
        /// When it leaves.
        at: Timestamp,
    },
    /// Another task of its gang has to leave its worker.
    Along {
        /// The gang.
        group: GroupId,
    },
    /// The source is loaded above the high threshold.
    Overload {
        /// The source.
        worker: WorkerId,
        /// Its load.
        load: f64,
        /// The threshold.
        high: f64,
    },
    /// A worker is loaded below the low threshold, and others carry more than their share: the task goes
    /// to that worker, or to another one that suits it better.
    Underload {
        /// The coldest worker.
        worker: WorkerId,
        /// Its load.
        load: f64,
        /// The threshold.
        low: f64,
    },
    /// No worker is beyond a threshold, but the source carries far more than others.
    Spread {
        /// The source.
        worker: WorkerId,
        /// Its load.
        load: f64,
        /// Highest less lowest load.
        spread: f64,
    },
    /// The source will be loaded above the high threshold.
    Forecast {
        /// The source.
        worker: WorkerId,
        /// Its load at the end of the horizon.
        predicted: f64,
        /// The threshold.
        high: f64,
        /// The forecast's confidence, 0 to 1.
        confidence: f64,
        /// How far ahead the forecast looks.
        #[serde(with = "as_seconds")]
        horizon: Duration,
    },
    /// The task runs faster on the target.
    Faster {
        /// The source.
        worker: WorkerId,
        /// How many times as fast as on the source.
        times: f64,
    },
    /// The host was found to carry out the migration already: an earlier life of the engine began it, and its
    /// reason was not saved.
    TakenOver,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Recover => f.write_str("its worker is gone"),
            Self::Drain { worker } => write!(f, "{worker} is draining"),
            Self::Leaves { worker, at } => write!(f, "{worker} leaves at {at}"),
            Self::Along { group } => {
                write!(f, "another task of gang {group} must leave its worker")
            }
            Self::Overload { worker, load, high } => {
                write!(f, "{worker} at {load:.3} above {high:.3}")
            }
            Self::Underload { worker, load, low } => {
                write!(f, "{worker} at {load:.3} below {low:.3}")
            }
            Self::Spread { worker, load, spread } => {
                write!(f, "{worker} at {load:.3}, spread {spread:.3}")
            }
            Self::Forecast { worker, predicted, high, confidence, horizon } => {
                let horizon = Span(horizon);
                write!(f, "{worker} predicted at {predicted:.3} above {high:.3}")?;
                write!(f, " in {horizon}, confidence {confidence:.2}")
            }
            Self::Faster { worker, times } => {
                write!(f, "runs {times:.2} times as fast there as on {worker}")
            }
            Self::TakenOver => f.write_str("found under way, begun for an unknown reason"),
        }
    }
}

/// How a migration ended. Every migration ends exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ended {
    /// The migration.
    pub migration: MigrationId,
    /// Its task.
    pub task: TaskId,
    /// The task's source; `None` if the task had lost its worker.
    pub from: Option<WorkerId>,
    /// The task's target. A task that was [diverted](Fate::Diverted) is not there: the host itself
    /// reported where it is.
    pub to: WorkerId,
    /// How it ended.
    pub fate: Fate,
    /// When it ended.
    pub at: Timestamp,
    /// How long the migration took.
    #[serde(with = "as_seconds")]
    pub took: Duration,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} after {}", self.migration, self.task, self.fate, Span(self.took))
    }
}

/// The final state of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fate {
    /// The task runs on its target.
    Completed,
    /// A step failed; the task is where it was, or was given back.
    Failed,
    /// A step took too long.
    TimedOut,
    /// The source or the target refused.
    Refused,
    /// The task turned up elsewhere.
    Diverted,
    /// The migration was called off.
    Aborted,
    /// The task itself finished meanwhile.
    Finished,
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Refused => "refused",
            Self::Diverted => "diverted",
            Self::Aborted => "aborted",
            Self::Finished => "its task finished",
        })
    }
}
