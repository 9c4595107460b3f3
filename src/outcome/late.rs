//! Which tasks will still be on a worker when it leaves?

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Rejection;
use super::handover::Secs;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::time::{Span, Timestamp};

/// A task that will still be on its worker when the worker leaves, unless something changes.
///
/// The estimate is a best case. Tasks that nothing stops leave in the order of their deadlines, as many per round as in
/// this one; so do tasks that wait for a disruption budget which the engine's own moves have used up. A task that waits
/// for a moment, or for a budget over time, begins to leave then. Tasks that are not listed may still turn out late.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Late {
    /// The task.
    pub task: TaskId,
    /// The worker that the task is on.
    pub worker: WorkerId,
    /// When that worker leaves.
    pub deadline: Timestamp,
    /// When the task will have left at the earliest; `None` if it cannot go.
    pub gone: Option<Timestamp>,
    /// What stops a task that cannot go; `None` if it can go, or if no worker accepts tasks.
    pub stopped: Option<Rejection>,
    /// The least time that handing the task over takes, in seconds; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_secs: Option<f64>,
}

impl Late {
    /// The task, if its release begins at `began`: it is gone when it has been handed over, and not before `now`.
    pub(crate) fn begun(mut self, began: Timestamp, now: Timestamp) -> Self {
        let takes_none = self.needs_secs.is_none() || broken!("late_by_the_hand_over");
        let secs = if takes_none { 0.0 } else { self.needs_secs.unwrap_or_default() };
        let handover = Duration::try_from_secs_f64(secs).unwrap_or(Duration::MAX);
        self.gone = Some(began.after(handover).max(now));
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
                write!(f, "{task} stays on {worker}, which leaves at {deadline}")?;
                f.write_str(": no worker accepts tasks")
            }
        }
    }
}
