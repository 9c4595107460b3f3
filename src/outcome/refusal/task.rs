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
    /// The task takes part in no move that nothing forces: a freeze holds for everything, for its kind, for a group
    /// of it, for its worker or for its worker's zone.
    Frozen {
        /// When the freeze is over.
        until: Timestamp,
    },
    /// The host wants the task left alone for some time.
    NotBefore {
        /// When the task may move.
        until: Timestamp,
    },
    /// The task is being moved.
    InFlight {
        /// The migration that moves it.
        migration: MigrationId,
    },
    /// The task has moved, or failed to, a short while ago.
    CoolingDown {
        /// When the task may move again.
        until: Timestamp,
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
        /// How long a task may have run to be moved.
        #[serde(rename = "most_secs", with = "as_seconds")]
        most: Duration,
    },
    /// The task will be done before a move would have paid off.
    NearlyDone {
        /// How long it still runs.
        #[serde(rename = "remaining_secs", with = "as_seconds")]
        remaining: Duration,
        /// How long it must still run.
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
    /// The task's worker is to be emptied, but may not be what its record says: there are several records, or the
    /// record could not be read.
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
            Self::Pinned | Self::BadRecord | Self::Unplaced => f.write_str(self.name()),
            Self::OutOfScope { label } => write!(f, "out of scope: it lacks label {label}"),
            Self::OutOfShare { share, place } => {
                let shares = format_args!("shares above {place:.3} have it");
                write!(f, "out of scope: among {share:.3} of all tasks; {shares}")
            }
            Self::Frozen { until } => write!(f, "frozen until {until}"),
            Self::NotBefore { until } => write!(f, "not before {until}"),
            Self::InFlight { migration } => write!(f, "in flight as {migration}"),
            Self::CoolingDown { until } => write!(f, "cooling down until {until}"),
            Self::CameBack { times, until } => {
                write!(f, "evicted, it came back ({times} in a row); not before {until}")
            }
            Self::LongRunning { running, most } => {
                let [running, most] = [running, most].map(seconds);
                write!(f, "running for {running:.0}s, over {most:.0}s: almost done")
            }
            Self::NearlyDone { remaining, least } => {
                let [remaining, least] = [remaining, least].map(seconds);
                write!(f, "done in {remaining:.0}s, a move takes {least:.0}s to pay off")
            }
            Self::UnknownPlace { worker } => write!(f, "said to be on {worker}, which is unknown"),
            Self::DoubtfulSource { worker } => write!(f, "the record of {worker} is in doubt"),
        }
    }
}
