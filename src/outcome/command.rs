//! What the host is to do, and why.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Handover, Scorecard};
use crate::model::ids::{ClassId, GroupId, MigrationId, TaskId, WorkerId};
use crate::model::resource::ResourceId;
use crate::model::time::{Span, Timestamp, as_seconds};
use crate::snapshot::{Phase, Stance};

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
    /// What spoke for the migration and against it; none where there was no choice.
    pub scorecard: Option<Scorecard>,
    /// By which of its alternatives the task is to run on its target, if it has any: an index into
    /// [`Task::alternatives`](crate::Task::alternatives). On its way back it runs as it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternative: Option<u16>,
    /// What the move costs in time, and gains; none where moves need not repay themselves
    /// ([`Config::transfer`](crate::Config::transfer)).
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
    /// Why its migration was begun; `None` of a step that follows from something that happened.
    pub const fn reason(&self) -> Option<Reason> {
        match self.why {
            Why::Begun(reason) => Some(reason),
            Why::Follows(_) => None,
        }
    }

    /// What the step follows from; `None` of a command that begins a migration, or tries it again.
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
    /// The first half of a move: ask `from` to save the task's state and let it go. Answer with
    /// [`Event::Released`](crate::Event::Released); the second half follows.
    Release {
        /// Where it runs.
        from: WorkerId,
        /// Where it will go.
        to: WorkerId,
    },
    /// The second half: ask `to` to run it from the saved state. Answer with
    /// [`Event::Running`](crate::Event::Running), also where `to` runs it already: a later life of the
    /// engine may not know what its source did.
    Assign {
        /// Where it runs from now on.
        to: WorkerId,
        /// The device that has room for it, if it needs one.
        device: Option<u16>,
    },
    /// The task has lost its worker: ask `to` to run it from its last checkpoint. Answer with
    /// [`Event::Running`](crate::Event::Running).
    Place {
        /// Where it runs from now on.
        to: WorkerId,
        /// The device that has room for it, if it needs one.
        device: Option<u16>,
    },
    /// Give the task back to the scheduler; the engine is done with it.
    Requeue,
    /// Tell `worker` to forget the migration: a source keeps the task, a target does not start it. Of
    /// a move that [overlaps](Self::Start), a target that runs its copy already stops it.
    Abort {
        /// Whom to tell.
        worker: WorkerId,
    },
    /// Ask `from` to evict the task: the host's scheduler places it anew, at `hint` if it likes.
    /// Answer with [`Event::Diverted`](crate::Event::Diverted) (or
    /// [`Event::Running`](crate::Event::Running), if it runs at `hint` under its own name).
    Evict {
        /// Where it runs.
        from: WorkerId,
        /// Where it would be best.
        hint: WorkerId,
    },
    /// Take the task, which has not begun, out of `from`'s queue and queue it again in favour of
    /// `to`. It interrupts nothing. Answer as to [`Evict`](Self::Evict).
    RequeueFor {
        /// Where it waits.
        from: WorkerId,
        /// Who is to have it.
        to: WorkerId,
    },
    /// The first half of a move that overlaps: ask `to` to start a copy of the task while `from`
    /// goes on running it. Answer with [`Event::Running`](crate::Event::Running); the second half
    /// follows.
    Start {
        /// Where it runs.
        from: WorkerId,
        /// Where its copy starts.
        to: WorkerId,
        /// The device that has room for it, if it needs one.
        device: Option<u16>,
    },
    /// The second half: ask `from` to stop the task, whose copy runs elsewhere. Answer with
    /// [`Event::Released`](crate::Event::Released).
    Stop {
        /// Where it ran.
        from: WorkerId,
    },
}

impl Action {
    /// Where it takes a task from and where to, if it begins a migration; `None` of the steps that
    /// follow.
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
            Self::Evict { from, hint } => write!(f, "evicted from {from}, best to {hint}"),
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
    /// The migration is under way, and this has happened.
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
    /// Some worker is loaded below the low threshold, and others carry more than their share: the task goes
    /// there, or to another that takes it better.
    Underload {
        /// The coldest worker.
        worker: WorkerId,
        /// Its load.
        load: f64,
        /// The threshold.
        low: f64,
    },
    /// Nobody is out of bounds, but the source carries far more than others.
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
        /// How far ahead.
        #[serde(with = "as_seconds")]
        horizon: Duration,
    },
    /// It runs faster there.
    Faster {
        /// The source.
        worker: WorkerId,
        /// How many times as fast.
        times: f64,
    },
    /// The host was found to carry it out: it was begun by an earlier life of the engine, or with a state that
    /// was not saved, and nobody remembers why.
    TakenOver,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Recover => f.write_str("its worker is gone"),
            Self::Drain { worker } => write!(f, "{worker} is draining"),
            Self::Leaves { worker, at } => write!(f, "{worker} leaves at {at}"),
            Self::Along { group } => write!(f, "{group} moves as one"),
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
            Self::TakenOver => f.write_str("taken over, nobody remembers why it was begun"),
        }
    }
}

/// What a step of a migration under way follows from, with the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The source has let go.
    Released,
    /// Its copy runs on the target.
    Copied,
    /// The target did not take it; it goes back where it came from.
    Return,
    /// One side did not do its part; its source keeps it.
    Kept,
    /// Every attempt has failed.
    Exhausted,
    /// The step took too long.
    TimedOut {
        /// The step.
        phase: Phase,
        /// Since then.
        since: Timestamp,
    },
    /// It is somewhere else.
    Elsewhere,
    /// An operator called it off.
    Operator,
    /// The source let go after the migration had ended.
    Late,
    /// Another task of its gang stays where it is.
    Along {
        /// The gang.
        group: GroupId,
    },
    /// The target is gone.
    TargetGone {
        /// The target.
        worker: WorkerId,
    },
    /// The target has stopped accepting.
    TargetClosed {
        /// The target.
        worker: WorkerId,
        /// Its stance now.
        stance: Stance,
    },
    /// The target leaves soon, as it turns out.
    TargetLeaves {
        /// The target.
        worker: WorkerId,
        /// When it leaves.
        at: Timestamp,
    },
    /// The task may not go to its target any more.
    TargetOutside {
        /// The target.
        worker: WorkerId,
        /// The class that does not name it now.
        class: ClassId,
    },
    /// The target has filled up meanwhile.
    TargetFull {
        /// The target.
        worker: WorkerId,
        /// The resource that ran out.
        resource: ResourceId,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Released => f.write_str("released by its source"),
            Self::Copied => f.write_str("its copy runs on the target"),
            Self::Return => f.write_str("its target did not take it, back to the source"),
            Self::Kept => f.write_str("its source keeps it"),
            Self::Exhausted => f.write_str("every attempt has failed"),
            Self::TimedOut { phase, since } => write!(f, "{phase} since {since}, too long"),
            Self::Elsewhere => f.write_str("it is elsewhere"),
            Self::Operator => f.write_str("called off by the operator"),
            Self::Late => f.write_str("released after the migration had ended"),
            Self::Along { group } => write!(f, "{group} moves as one"),
            Self::TargetGone { worker } => write!(f, "{worker} is gone"),
            Self::TargetClosed { worker, stance } => write!(f, "{worker} is {stance} now"),
            Self::TargetLeaves { worker, at } => write!(f, "{worker} leaves at {at}"),
            Self::TargetOutside { worker, class } => write!(f, "{worker} is not in {class} now"),
            Self::TargetFull { worker, resource } => {
                write!(f, "{worker} has no {resource} left meanwhile")
            }
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
    /// Where the task came from; nowhere if it was orphaned.
    pub from: Option<WorkerId>,
    /// Where it went, or was to go. Of what was [diverted](Fate::Diverted) this is not where the task
    /// is: the host has said that itself.
    pub to: WorkerId,
    /// How it ended.
    pub fate: Fate,
    /// When it ended.
    pub at: Timestamp,
    /// How long it took.
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
    /// One side said no.
    Refused,
    /// The task turned up elsewhere.
    Diverted,
    /// It was called off.
    Aborted,
    /// The task itself came to its end meanwhile.
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
