//! What would become of one task on one worker?

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Admission, Handover, Purpose, Rejection, Scorecard};
use crate::model::ids::WorkerId;

/// What would become of one task on one worker: the answer of
/// [`Look::consider`](crate::engine::Look::consider).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct Verdict {
    /// The worker.
    pub worker: WorkerId,
    /// What the move would be for.
    pub purpose: Purpose,
    /// Whether it may go there.
    pub admission: Admission,
    /// What speaks against this worker as long as another one takes the task: a task that must go somewhere
    /// goes above the ceiling where there is nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_resort: Option<Rejection>,
    /// What would speak for it and against it; nothing where the move is not even possible.
    pub scorecard: Option<Scorecard>,
    /// By which of its alternatives it would run there, if it has any: an index into
    /// [`Task::alternatives`](crate::Task::alternatives).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternative: Option<u16>,
    /// What the move would cost in time, and gain; nothing where it is not even possible, comes
    /// from nowhere, or moves need not repay themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
}

impl Verdict {
    /// A hard rule says no.
    pub(crate) fn no(worker: WorkerId, purpose: Purpose, rejection: Rejection) -> Self {
        Self { admission: Err(rejection).into(), ..Self::yes(worker, purpose) }
    }

    /// Nothing is known against it.
    pub(crate) const fn yes(worker: WorkerId, purpose: Purpose) -> Self {
        Self {
            worker,
            purpose,
            admission: Admission::Accept,
            last_resort: None,
            scorecard: None,
            alternative: None,
            handover: None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.worker, self.admission)?;
        if let Some(no) = &self.last_resort {
            write!(f, ", if nowhere else ({no})")?;
        }
        if let Some(nth) = self.alternative {
            write!(f, ", by alternative {nth}")?;
        }
        if let Some(scorecard) = &self.scorecard {
            write!(f, "; {scorecard}")?;
        }
        match &self.handover {
            Some(handover) => write!(f, "; {handover}"),
            None => Ok(()),
        }
    }
}
