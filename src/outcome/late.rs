//! Which tasks will still be on a worker when it leaves?

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Rejection;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::time::{Span, Timestamp, as_optional_seconds};

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
    /// The least time that handing the task over takes; `None` if unknown. In files it is `needs_secs`, in seconds.
    #[serde(
        default,
        rename = "needs_secs",
        with = "as_optional_seconds",
        skip_serializing_if = "Option::is_none"
    )]
    pub needs: Option<Duration>,
}

impl Late {
    /// The task, if its release begins at `began`: it is gone when it has been handed over, and not before `now`.
    pub(crate) fn begun(mut self, began: Timestamp, now: Timestamp) -> Self {
        let takes_none = broken!("late_by_the_hand_over");
        let handover = if takes_none { Duration::ZERO } else { self.needs.unwrap_or_default() };
        self.gone = Some(began.after(handover).max(now));
        self
    }

    pub(crate) const fn new(task: TaskId, worker: WorkerId, deadline: Timestamp) -> Self {
        Self { task, worker, deadline, gone: None, stopped: None, needs: None }
    }
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, worker, deadline, gone, stopped, needs } = self;
        match (gone, stopped) {
            (Some(gone), _) => {
                let by = Span(gone.since(*deadline).unwrap_or_default());
                write!(f, "{task} leaves {worker} at {gone} or later, {by} after {deadline}")?;
                match needs {
                    Some(needs) => write!(f, " (handing it over takes {})", Span(*needs)),
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
