//! Which group of the task forbids the move?

use core::fmt;

use serde::{Deserialize, Serialize};

use super::reach::Reach;
use crate::model::ids::{GroupId, TaskId, WorkerId};
use crate::outcome::Remedy;

/// A group that the task belongs to forbids the move.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GroupRefusal {
    /// The task moves with its companions, and one of them cannot.
    Companion {
        /// The group they form.
        group: GroupId,
        /// The companion that cannot move.
        task: TaskId,
    },
    /// The task moves with its companions, and one of them cannot go to this worker.
    CompanionTarget {
        /// The group they form.
        group: GroupId,
        /// The companion that cannot go there.
        task: TaskId,
    },
    /// The group stays together, and is elsewhere.
    Affinity {
        /// The group.
        group: GroupId,
        /// Where the group is.
        worker: WorkerId,
    },
    /// The group keeps apart, and a task of the group is there.
    AntiAffinity {
        /// The group.
        group: GroupId,
        /// The task that is there.
        task: TaskId,
    },
    /// The group would be spread too unevenly over the domains of its topology.
    Spread {
        /// The group.
        group: GroupId,
        /// By how many tasks the fullest domain would exceed the emptiest.
        skew: u32,
        /// By how many tasks it may.
        most: u32,
    },
    /// Too many tasks of the group would be unavailable.
    Disruption {
        /// The group.
        group: GroupId,
        /// How many would be unavailable, with this one.
        unavailable: u32,
        /// How many may be.
        most: u32,
    },
    /// The group is interrupted together, and only to leave a worker that is to be emptied.
    Gang {
        /// The group.
        group: GroupId,
    },
}

impl GroupRefusal {
    /// How far the refusal reaches.
    pub const fn reach(&self) -> Reach {
        match self {
            Self::Companion { .. } | Self::Disruption { .. } | Self::Gang { .. } => Reach::Task,
            Self::CompanionTarget { .. }
            | Self::Affinity { .. }
            | Self::AntiAffinity { .. }
            | Self::Spread { .. } => Reach::Pair,
        }
    }

    /// The refusal's name in a tally.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Companion { .. } => "companion",
            Self::CompanionTarget { .. } => "companion target",
            Self::Affinity { .. } => "affinity",
            Self::AntiAffinity { .. } => "anti-affinity",
            Self::Spread { .. } => "spread",
            Self::Disruption { .. } => "disruption",
            Self::Gang { .. } => "gang",
        }
    }

    /// The smallest change that would lift the refusal. Another refusal may stand behind it.
    pub const fn remedy(&self) -> Remedy {
        match *self {
            Self::Companion { group, task } | Self::CompanionTarget { group, task } => {
                Remedy::FreeCompanion { group, task }
            }
            Self::Affinity { group, .. } | Self::Gang { group } => Remedy::LeaveGroup(group),
            Self::AntiAffinity { task, .. } => Remedy::MoveAway(task),
            Self::Spread { group, skew, most } => {
                Remedy::AllowSkew { group, by: skew.saturating_sub(most) }
            }
            Self::Disruption { group, unavailable, most } => {
                Remedy::AllowUnavailable { group, by: unavailable.saturating_sub(most) }
            }
        }
    }
}

impl fmt::Display for GroupRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Companion { group, task } => write!(f, "moves with {group}, and {task} cannot"),
            Self::CompanionTarget { group, task } => {
                write!(f, "moves with {group}, and {task} cannot go there")
            }
            Self::Affinity { group, worker } => write!(f, "{group} stays together on {worker}"),
            Self::AntiAffinity { group, task } => write!(f, "{group} keeps apart, {task} is there"),
            Self::Spread { group, skew, most } => {
                write!(f, "{group} would have a skew of {skew}, at most {most}")
            }
            Self::Disruption { group, unavailable, most } => {
                write!(f, "{group} would have {unavailable} unavailable, at most {most}")
            }
            Self::Gang { group } => write!(f, "{group} moves as one, and only to empty a worker"),
        }
    }
}
