//! Who will not be gone in time.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::Rejection;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::time::{Span, Timestamp};

/// A task that will still be on its worker when that leaves, as things stand.
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
}

impl Late {
    pub(crate) const fn new(task: TaskId, worker: WorkerId, deadline: Timestamp) -> Self {
        Self { task, worker, deadline, gone: None, stopped: None }
    }
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { task, worker, deadline, gone, stopped } = self;
        match (gone, stopped) {
            (Some(gone), _) => {
                let by = Span(gone.since(*deadline).unwrap_or_default());
                write!(f, "{task} leaves {worker} at {gone} or later, {by} after {deadline}")
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
