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
    /// The task's companions (members of a group that stays together) move with it, and one of them may not leave
    /// its worker.
    Companion {
        /// The group that the task and the companion are in.
        group: GroupId,
        /// The companion that cannot move.
        task: TaskId,
    },
    /// The members of the group leave their workers together or not at all, and it is not known where one of them is: a
    /// partial snapshot does not list it, or the host still shows it on its way though its migration is over.
    UnknownMember {
        /// The group.
        group: GroupId,
        /// The first such member.
        task: TaskId,
    },
    /// The task's companions move with it, and one of them may not go to this worker. The whole set is judged, so
    /// the worker may suit the task itself; ask [`Look::consider`](crate::engine::Look::consider) about the
    /// companion to learn its own refusal.
    CompanionTarget {
        /// The group that the task and the companion are in.
        group: GroupId,
        /// The companion that cannot go there.
        task: TaskId,
    },
    /// The group stays together, and its members are on another worker.
    Affinity {
        /// The group.
        group: GroupId,
        /// The worker that the group is on.
        worker: WorkerId,
    },
    /// The group keeps apart, and one of its tasks is on the worker.
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
        /// By how many tasks it may do so at most.
        most: u32,
    },
    /// Too many tasks of the group would be unavailable.
    Disruption {
        /// The group.
        group: GroupId,
        /// How many tasks would be unavailable, this one included.
        unavailable: u32,
        /// How many may be unavailable at most.
        most: u32,
    },
    /// The group is a gang: its tasks are interrupted together, and only to leave a worker that is to be emptied.
    Gang {
        /// The group.
        group: GroupId,
    },
}

impl GroupRefusal {
    /// How far the refusal reaches.
    pub const fn reach(&self) -> Reach {
        match self {
            Self::Companion { .. }
            | Self::UnknownMember { .. }
            | Self::Disruption { .. }
            | Self::Gang { .. } => Reach::Task,
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
            Self::UnknownMember { .. } => "unknown member",
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
            Self::UnknownMember { group, task } => Remedy::ShowMember { group, task },
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
            Self::Companion { group, task } => {
                write!(f, "moves together with {group}, and {task} cannot move")
            }
            Self::UnknownMember { group, task } => {
                write!(f, "{group} moves as a whole, and it is unknown where {task} is")
            }
            Self::CompanionTarget { group, task } => {
                write!(f, "moves together with {group}, and {task} cannot go there")
            }
            Self::Affinity { group, worker } => write!(f, "{group} stays together on {worker}"),
            Self::AntiAffinity { group, task } => write!(f, "{group} keeps apart, {task} is there"),
            Self::Spread { group, skew, most } => {
                write!(
                    f,
                    "{group} would have {skew} more tasks in one domain than in another, at most {most}"
                )
            }
            Self::Disruption { group, unavailable, most } => {
                let tasks = if unavailable == 1 { "task" } else { "tasks" };
                write!(f, "{group} would have {unavailable} {tasks} unavailable, at most {most}")
            }
            Self::Gang { group } => {
                write!(f, "{group} is a gang: it moves as a whole, and only to empty a worker")
            }
        }
    }
}
