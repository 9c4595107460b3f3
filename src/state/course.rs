//! Where can a migration be in its life, and how is its task moved?
//!
//! Each course holds exactly the data that exists in it: a placement has no source to wait for, and only a task
//! that returns to its source knows how its migration will end.

use serde::{Deserialize, Serialize};

use crate::config::{HostAbility, MigrationLimits};
use crate::model::ids::WorkerId;
use crate::model::time::Timestamp;
use crate::outcome::{Cause, Fate};
use crate::snapshot::{Mobility, Phase, Task};

/// Where a migration is in its life.
///
/// | transport | courses, if all goes well |
/// |---|---|
/// | stop, then start | `Releasing`, `Assigned` |
/// | start, then stop | `Copying`, `Stopping` |
/// | evict, or queue again | `Leaving`, `WithScheduler` |
/// | none: the task has no worker | `Placing` |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Course {
    /// The source has been asked to release the task.
    Releasing { from: WorkerId },
    /// The target has been asked to run the task.
    Assigned { from: WorkerId, released: Option<Timestamp> },
    /// The target has been asked to run the task, and then, for this cause, to forget it: its answer decides. A copy of
    /// a task that was not `released` may have started before, and stop yet.
    CallingOff { from: WorkerId, released: Option<Timestamp>, cause: Cause },
    /// The source has been asked to run the task again. The migration will end with `fate`; nothing
    /// is learned from a migration that was `called_off`.
    Returning { from: WorkerId, released: Option<Timestamp>, fate: Fate, called_off: bool },
    /// No worker has the task; the next round finds it another target.
    Unassigned { from: WorkerId, released: Option<Timestamp> },
    /// The target has been asked to run a task that has lost its worker.
    Placing,
    /// Like `CallingOff`, because of an operator, for a task that has lost its worker.
    CallingOffPlacing,
    /// Like `Unassigned`, for a task that has lost its worker.
    Unplaced,
    /// The target has been asked to start a copy, while the source runs the task.
    Copying { from: WorkerId },
    /// The copy runs (or is assumed to, after a restart), and the source has been asked to stop the task.
    Stopping { from: WorkerId },
    /// The source has been asked to give the task to the host's scheduler.
    Leaving { from: WorkerId, by: Handoff },
    /// The host's scheduler has the task and will place it.
    WithScheduler { from: WorkerId, by: Handoff, released: Timestamp },
}

impl Course {
    /// Where the task came from; `None` if it had lost its worker.
    pub(crate) const fn from(self) -> Option<WorkerId> {
        match self {
            Self::Releasing { from }
            | Self::Assigned { from, .. }
            | Self::CallingOff { from, .. }
            | Self::Returning { from, .. }
            | Self::Unassigned { from, .. }
            | Self::Copying { from }
            | Self::Stopping { from }
            | Self::Leaving { from, .. }
            | Self::WithScheduler { from, .. } => Some(from),
            Self::Placing | Self::CallingOffPlacing | Self::Unplaced => None,
        }
    }

    /// When the source released the task; `None` if it has not, or has not reported it.
    pub(crate) const fn released(self) -> Option<Timestamp> {
        match self {
            Self::Assigned { released, .. }
            | Self::CallingOff { released, .. }
            | Self::Returning { released, .. }
            | Self::Unassigned { released, .. } => released,
            Self::WithScheduler { released, .. } => Some(released),
            Self::Releasing { .. }
            | Self::Placing
            | Self::CallingOffPlacing
            | Self::Unplaced
            | Self::Copying { .. }
            | Self::Stopping { .. }
            | Self::Leaving { .. } => None,
        }
    }

    /// The same course, with a release at `now` at the latest.
    pub(crate) fn released_by(mut self, now: Timestamp) -> Self {
        match &mut self {
            Self::Assigned { released, .. }
            | Self::CallingOff { released, .. }
            | Self::Returning { released, .. }
            | Self::Unassigned { released, .. } => *released = released.map(|at| at.min(now)),
            Self::WithScheduler { released, .. } => *released = now.min(*released),
            Self::Releasing { .. }
            | Self::Placing
            | Self::CallingOffPlacing
            | Self::Unplaced
            | Self::Copying { .. }
            | Self::Stopping { .. }
            | Self::Leaving { .. } => {}
        }
        self
    }

    /// The phase that hosts show for this course.
    pub(crate) const fn phase(self) -> Phase {
        match self {
            Self::Releasing { .. } | Self::Stopping { .. } | Self::Leaving { .. } => {
                Phase::Releasing
            }
            Self::Unassigned { .. } | Self::Unplaced => Phase::Released,
            Self::Assigned { .. }
            | Self::CallingOff { .. }
            | Self::Returning { .. }
            | Self::Placing
            | Self::CallingOffPlacing
            | Self::Copying { .. }
            | Self::WithScheduler { .. } => Phase::Assigned,
        }
    }

    /// How the task is moved, as far as the course shows.
    pub(crate) const fn transport(self) -> Transport {
        match self {
            Self::Copying { .. } | Self::Stopping { .. } => Transport::StartThenStop,
            Self::Leaving { by, .. } | Self::WithScheduler { by, .. } => match by {
                Handoff::Evict => Transport::Evict,
                Handoff::Requeue => Transport::Requeue,
            },
            _ => Transport::StopThenStart,
        }
    }

    /// How the migration ends if its target does not run the task.
    pub(crate) const fn fate(self) -> Fate {
        match self {
            Self::Returning { fate, .. } => fate,
            Self::CallingOff { cause: Cause::TimedOut { .. }, .. } => Fate::TimedOut,
            Self::CallingOff { .. } | Self::CallingOffPlacing => Fate::Aborted,
            _ => Fate::Failed,
        }
    }

    /// The course of a migration that its target has forgotten, as it was told: back to the source.
    pub(crate) const fn called_back(self) -> Self {
        match self {
            Self::CallingOff { from, released, .. } => {
                let (fate, called_off) = (self.fate(), self.is_called_off());
                Self::Returning { from, released, fate, called_off }
            }
            other => other,
        }
    }

    /// Whether an operator has called the migration off, and it only goes on until it is known which
    /// worker has the task.
    pub(crate) const fn is_called_off(self) -> bool {
        match self {
            Self::CallingOff { cause, .. } => matches!(cause, Cause::Operator),
            Self::CallingOffPlacing => true,
            Self::Returning { called_off, .. } => called_off,
            _ => false,
        }
    }
}

/// How a source gives a task to the host's scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Handoff {
    /// The source evicts it.
    Evict,
    /// The source takes it out of its queue.
    Requeue,
}

/// How a task is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// The source releases the task, then the target starts it.
    StopThenStart,
    /// The target starts a copy, then the source stops the task.
    StartThenStop,
    /// The source evicts the task, and the host's scheduler places it.
    Evict,
    /// The host's scheduler queues the task again.
    Requeue,
}

impl Transport {
    /// How a task that is on a worker is moved under these limits.
    pub(crate) fn of(limits: Option<&MigrationLimits>, task: &Task) -> Self {
        let queued = task.mobility == Mobility::Queued;
        let overlaps = task.overlaps || broken!("declared_overlap");
        let allows = |limits: &MigrationLimits| {
            limits.host == HostAbility::Overlap || broken!("overlap_switch")
        };
        let requeues = queued && !broken!("requeue_names_a_beneficiary");
        match limits {
            // It was begun under limits that are not known: as a copy, if it may be one; its source is told to stop.
            None if overlaps && !queued && !broken!("overlap_without_limits") => {
                Self::StartThenStop
            }
            Some(limits) if limits.requeue && requeues => Self::Requeue,
            Some(limits) if limits.host.eviction().is_some() => Self::Evict,
            Some(limits) if allows(limits) && overlaps && !queued => Self::StartThenStop,
            _ => Self::StopThenStart,
        }
    }

    /// Whether the host's own scheduler places the task.
    pub(crate) const fn is_by_scheduler(self) -> bool {
        matches!(self, Self::Evict | Self::Requeue)
    }

    /// The first course of a move from `from`.
    pub(crate) const fn first(self, from: WorkerId) -> Course {
        match self {
            Self::StopThenStart => Course::Releasing { from },
            Self::StartThenStop => Course::Copying { from },
            Self::Evict => Course::Leaving { from, by: Handoff::Evict },
            Self::Requeue => Course::Leaving { from, by: Handoff::Requeue },
        }
    }
}

/// What the present life of the engine has seen of a migration that an earlier one began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Inherited {
    /// No snapshot has told of its task: everything may have changed since the state was saved.
    Unseen,
    /// A snapshot of this moment was the first to tell of it.
    Seen(Timestamp),
}
