//! May one task move to one worker?

use core::fmt;

use serde::{Deserialize, Serialize};

use super::{Admission, Handover, Purpose, Rejection, Scorecard};
use crate::model::ids::WorkerId;

/// Whether one task may move to one worker, and at what cost: the answer of
/// [`Look::consider`](crate::engine::Look::consider).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct Verdict {
    /// The worker.
    pub worker: WorkerId,
    /// What the move would be for.
    pub purpose: Purpose,
    /// Whether the task may go there.
    pub admission: Admission,
    /// Why this worker is taken only if no other one takes the task: a task that must move may push a worker
    /// over its ceiling as a last resort. `None` if nothing speaks against the worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_resort: Option<Rejection>,
    /// The cost and the benefit of the move; `None` if a hard rule refuses it.
    pub scorecard: Option<Scorecard>,
    /// The alternative by which the task would run there: an index into
    /// [`Task::alternatives`](crate::Task::alternatives); `None` if it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternative: Option<u16>,
    /// What the move would cost and gain in time; `None` if a hard rule refuses it, if the task has
    /// no worker, or if moves need not repay themselves.
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
