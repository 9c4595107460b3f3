//! Why does a task not leave where it is, whatever worker would take it?

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::reach::Reach;
use crate::model::ids::{LabelId, MigrationId, WorkerId};
use crate::model::time::{Timestamp, as_seconds, seconds};
use crate::outcome::Remedy;
use crate::outcome::remedy::{enough, whole_nanos};

/// The task itself does not move.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TaskRefusal {
    /// The task is bound to its worker.
    Pinned,
    /// The task carries none of the labels that [`TaskScope::labels`](crate::config::TaskScope::labels) asks for.
    OutOfScope {
        /// The first of these labels.
        label: LabelId,
    },
    /// The task is not among the share of tasks that the engine may move
    /// ([`TaskScope::share`](crate::config::TaskScope::share)).
    OutOfShare {
        /// The share, 0 to 1.
        share: f64,
        /// Every share above this one contains the task, 0 to 1.
        place: f64,
    },
    /// A freeze stops every voluntary move of the task: a freeze of everything, or of the task's kind, one of its
    /// groups, its worker, or its worker's zone.
    Frozen {
        /// When the freeze is over.
        until: Timestamp,
    },
    /// The host wants the task left alone for some time.
    NotBefore {
        /// When the task may move.
        until: Timestamp,
    },
    /// The task is being moved; or it was to be, and no snapshot shows yet that its migration was called off.
    InFlight {
        /// The migration that moves it, or was to.
        migration: MigrationId,
    },
    /// The task moved, or failed to move, a short while ago.
    CoolingDown {
        /// When the task may move again.
        until: Timestamp,
    },
    /// The task has moved already, and the loads have not parted since: to move it again would only put right what the
    /// first move has left. This holds for twelve cooldowns ([`Stability`](crate::config::Stability)).
    MovedBefore {
        /// The spread of the loads: the highest less the lowest.
        spread: f64,
        /// The loads have parted when their spread is above this one: the least since they parted last, and the dead
        /// band.
        parted_above: f64,
    },
    /// The task was evicted, and the host's scheduler put it back where it was.
    CameBack {
        /// How many times in a row.
        times: u32,
        /// When the task may be evicted again.
        until: Timestamp,
    },
    /// The task has run so long that it counts as almost done.
    LongRunning {
        /// How long it has run.
        #[serde(rename = "running_secs", with = "as_seconds")]
        running: Duration,
        /// The longest that a movable task may have run.
        #[serde(rename = "most_secs", with = "as_seconds")]
        most: Duration,
    },
    /// The task will be done before a move would have paid off.
    NearlyDone {
        /// How long it will still run.
        #[serde(rename = "remaining_secs", with = "as_seconds")]
        remaining: Duration,
        /// How long it would have to run for a move to pay off.
        #[serde(rename = "least_secs", with = "as_seconds")]
        least: Duration,
    },
    /// The task's record makes no sense this round.
    BadRecord,
    /// The task is on no worker: the scheduler places it.
    Unplaced,
    /// Nothing is known of the worker that the task is said to be on.
    UnknownPlace {
        /// That worker.
        worker: WorkerId,
    },
    /// The task's worker is to be emptied, but its record cannot be relied on: there are several records of it, or
    /// the record could not be read.
    DoubtfulSource {
        /// That worker.
        worker: WorkerId,
    },
}

impl TaskRefusal {
    /// How far the refusal reaches: a task that does not move goes to no worker.
    pub const fn reach(&self) -> Reach {
        Reach::Task
    }

    /// The refusal's name in a tally.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::OutOfScope { .. } => "out of scope",
            Self::OutOfShare { .. } => "out of share",
            Self::Frozen { .. } => "frozen",
            Self::NotBefore { .. } => "not before",
            Self::InFlight { .. } => "in flight",
            Self::CoolingDown { .. } => "cooling down",
            Self::MovedBefore { .. } => "moved before",
            Self::CameBack { .. } => "came back",
            Self::LongRunning { .. } => "long running",
            Self::NearlyDone { .. } => "nearly done",
            Self::BadRecord => "bad record",
            Self::Unplaced => "unplaced",
            Self::UnknownPlace { .. } => "unknown place",
            Self::DoubtfulSource { .. } => "doubtful source",
        }
    }

    /// The smallest change that would lift the refusal. Another refusal may stand behind it.
    pub fn remedy(&self) -> Remedy {
        match *self {
            Self::Pinned => Remedy::Unpin,
            Self::OutOfScope { label } => Remedy::LabelTask(label),
            Self::OutOfShare { share, place } => {
                Remedy::WidenShare(enough(place - share, [place, share]))
            }
            Self::Frozen { until }
            | Self::NotBefore { until }
            | Self::CoolingDown { until }
            | Self::CameBack { until, .. } => Remedy::WaitUntil(until),
            Self::MovedBefore { spread, parted_above } => {
                Remedy::WidenSpread(enough(parted_above - spread, [parted_above, spread]))
            }
            Self::InFlight { migration } => Remedy::LetEnd(migration),
            Self::LongRunning { running, most } => {
                let [running, most] = [running, most].map(seconds);
                Remedy::AllowRunning(whole_nanos(running - most, running))
            }
            Self::NearlyDone { remaining, least } => {
                let [remaining, least] = [remaining, least].map(seconds);
                Remedy::RunLonger(whole_nanos(least - remaining, least))
            }
            Self::BadRecord => Remedy::CorrectRecord,
            Self::Unplaced => Remedy::Place,
            Self::UnknownPlace { worker } => Remedy::Report(worker),
            Self::DoubtfulSource { worker } => Remedy::ReportOnce(worker),
        }
    }
}

impl fmt::Display for TaskRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Pinned => f.write_str(self.name()),
            Self::BadRecord => f.write_str("its record is invalid"),
            Self::Unplaced => f.write_str("on no worker yet"),
            Self::OutOfScope { label } => write!(f, "out of scope: it lacks label {label}"),
            Self::OutOfShare { share, place } => {
                write!(f, "out of scope: the share in scope is {share:.3}")?;
                write!(f, ", this task is in every share above {place:.3}")
            }
            Self::Frozen { until } => write!(f, "frozen until {until}"),
            Self::NotBefore { until } => write!(f, "not before {until}"),
            Self::InFlight { migration } => write!(f, "in flight as {migration}"),
            Self::CoolingDown { until } => write!(f, "cooling down until {until}"),
            Self::MovedBefore { spread, parted_above } => {
                f.write_str("has moved before, and the loads have not parted since")?;
                write!(f, ": spread {spread:.3}, not above {parted_above:.3}")
            }
            Self::CameBack { times, until } => {
                write!(f, "evicted, and back again ({times} in a row); not before {until}")
            }
            Self::LongRunning { running, most } => {
                let [running, most] = [running, most].map(seconds);
                write!(f, "has run {running:.0}s, more than {most:.0}s: taken as almost done")
            }
            Self::NearlyDone { remaining, least } => {
                let [remaining, least] = [remaining, least].map(seconds);
                write!(f, "done in {remaining:.0}s; a move needs {least:.0}s to pay off")
            }
            Self::UnknownPlace { worker } => write!(f, "reported on {worker}, which is unknown"),
            Self::DoubtfulSource { worker } => {
                write!(f, "the record of {worker} is duplicate or unreadable")
            }
        }
    }
}
