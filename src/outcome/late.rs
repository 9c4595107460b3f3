//! Who will not be gone in time.

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Rejection;
use super::handover::Secs;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::time::{Span, Timestamp};

/// A task that will still be on its worker when that leaves, as things stand.
///
/// Reckoned at the earliest: what nothing stops has its turn in the rounds to come, by deadline, as many in each as
/// in this one, and so has what waits for a disruption budget that our own moves have taken up; what waits for a
/// moment, or for a budget over time, goes then. Who is named will be late unless something changes; others may turn
/// out to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Late {
    /// The task.
    pub task: TaskId,
    /// The worker it is on.
    pub worker: WorkerId,
    /// When that leaves.
    pub deadline: Timestamp,
    /// When the task will have left it at the earliest; nothing if it goes nowhere.
    pub gone: Option<Timestamp>,
    /// What stops it, if it goes nowhere; nothing there: no worker takes anything.
    pub stopped: Option<Rejection>,
    /// How long its worker needs to hand it over, in seconds, at least; nothing if that is not
    /// known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_secs: Option<f64>,
}

impl Late {
    /// The same, if letting it go begins at some moment: gone when it has been handed over, and not
    /// before now.
    pub(crate) fn begun(mut self, began: Timestamp, now: Timestamp) -> Self {
        let needs = Duration::try_from_secs_f64(self.needs_secs.unwrap_or(0.0));
        self.gone = Some(began.after(needs.unwrap_or(Duration::MAX)).max(now));
        self
    }

    pub(crate) const fn new(task: TaskId, worker: WorkerId, deadline: Timestamp) -> Self {
        Self { task, worker, deadline, gone: None, stopped: None, needs_secs: None }
    }
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, worker, deadline, gone, stopped, needs_secs } = self;
        match (gone, stopped) {
            (Some(gone), _) => {
                let by = Span(gone.since(*deadline).unwrap_or_default());
                write!(f, "{task} leaves {worker} at {gone} or later, {by} after {deadline}")?;
                match needs_secs {
                    Some(secs) => write!(f, " (handing it over takes {})", Secs(*secs)),
                    None => Ok(()),
                }
            }
            (None, Some(no)) => {
                write!(f, "{task} stays on {worker}, which leaves at {deadline}: {no}")?;
                write!(f, " ({})", no.remedy())
            }
            (None, None) => {
                write!(f, "{task} stays on {worker}, which leaves at {deadline}: no worker is open")
            }
        }
    }
}
