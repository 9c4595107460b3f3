//! Why does a migration under way take a step?

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::model::ids::{ClassId, GroupId, TaskId, WorkerId};
use crate::model::resource::ResourceId;
use crate::model::time::Timestamp;
use crate::snapshot::{Phase, Stance};

/// What caused a step of a migration under way, with the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The source has released the task.
    Released,
    /// The task's copy runs on the target.
    Copied,
    /// The target did not take the task; the task goes back to its source.
    Return,
    /// The source or the target did not do its part; the source keeps the task.
    Kept,
    /// Every attempt has failed.
    Exhausted,
    /// The step took too long.
    TimedOut {
        /// The step.
        phase: Phase,
        /// When the step began.
        since: Timestamp,
    },
    /// The task was found on another worker.
    Elsewhere,
    /// An operator called the migration off.
    Operator,
    /// The source released the task after the migration that asked for it had ended.
    Late,
    /// A worker still carries the migration out, though it has ended.
    Over,
    /// Another task of its gang, or of its affinity group, stays on its worker.
    Along {
        /// The gang or affinity group.
        group: GroupId,
    },
    /// The target is gone.
    TargetGone {
        /// The target.
        worker: WorkerId,
    },
    /// The snapshot does not list the target, which is not taken for gone yet.
    TargetMissing {
        /// The target.
        worker: WorkerId,
    },
    /// The target has stopped accepting.
    TargetClosed {
        /// The target.
        worker: WorkerId,
        /// Its stance now.
        stance: Stance,
    },
    /// The target turns out to leave soon.
    TargetLeaves {
        /// The target.
        worker: WorkerId,
        /// When it leaves.
        at: Timestamp,
    },
    /// The task may no longer go to its target.
    TargetOutside {
        /// The target.
        worker: WorkerId,
        /// The class that no longer names the target.
        class: ClassId,
    },
    /// The target no longer has the hardware or the labels that the task needs, or has a label that it must not have.
    TargetUnsuited {
        /// The target.
        worker: WorkerId,
    },
    /// The target has filled up meanwhile.
    TargetFull {
        /// The target.
        worker: WorkerId,
        /// The resource that ran out.
        resource: ResourceId,
    },
    /// A task from which this one is kept apart is on the target now, or on its way there.
    TargetHolds {
        /// The target.
        worker: WorkerId,
        /// The other task.
        task: TaskId,
    },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Released => f.write_str("released by its source"),
            Self::Copied => f.write_str("its copy runs on the target"),
            Self::Return => f.write_str("its target did not take it; it goes back to its source"),
            Self::Kept => f.write_str("its source keeps it"),
            Self::Exhausted => f.write_str("every attempt has failed"),
            Self::TimedOut { phase, since } => write!(f, "timed out: {phase} since {since}"),
            Self::Elsewhere => f.write_str("it was found on another worker"),
            Self::Operator => f.write_str("called off by the operator"),
            Self::Late => f.write_str("released after the migration that asked for it had ended"),
            Self::Over => f.write_str("the migration has ended"),
            Self::Along { group } => write!(f, "another task of group {group} stays"),
            Self::TargetGone { worker } => write!(f, "{worker} is gone"),
            Self::TargetMissing { worker } => write!(f, "{worker} is missing"),
            Self::TargetClosed { worker, stance } => write!(f, "{worker} is {stance} now"),
            Self::TargetLeaves { worker, at } => write!(f, "{worker} leaves at {at}"),
            Self::TargetOutside { worker, class } => {
                write!(f, "{worker} is no longer in class {class}")
            }
            Self::TargetUnsuited { worker } => {
                write!(f, "{worker} no longer has what the task needs")
            }
            Self::TargetFull { worker, resource } => {
                write!(f, "{worker} has no room for it any more: too little {resource}")
            }
            Self::TargetHolds { worker, task } => {
                write!(f, "{worker} has {task} now, from which it is kept apart")
            }
        }
    }
}
