//! Why does a worker not take a task, whatever the task needs?

use core::fmt;

use serde::{Deserialize, Serialize};

use super::reach::Reach;
use crate::model::ids::ClassId;
use crate::model::resource::ResourceId;
use crate::model::time::Timestamp;
use crate::outcome::Remedy;
use crate::snapshot::Stance;

/// The worker does not take the task.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TargetRefusal {
    /// The task is there already.
    AlreadyThere,
    /// The worker takes nothing.
    NotAccepting {
        /// The worker's stance.
        stance: Stance,
    },
    /// The worker's load or capacity is unknown, or its figures are impossible.
    UnknownLoad,
    /// The worker or its zone is frozen: no voluntary move to the worker begins.
    TargetFrozen {
        /// When the freeze is over.
        until: Timestamp,
    },
    /// The worker leaves too soon: before the task is done or has taken its next checkpoint, within the forecast's
    /// horizon if neither moment is known, or so soon that the worker itself is being emptied.
    LeavesBefore {
        /// When the worker leaves.
        leaves: Timestamp,
        /// Until when the worker would have to stay.
        needed: Timestamp,
    },
    /// The task came from this worker a short while ago.
    LeftRecently {
        /// When the task may go back.
        until: Timestamp,
    },
    /// The task has moved, its worker is overloaded again, and it may use more than it asks for: with what nobody there
    /// accounts for it would overload this worker too.
    MayOverload {
        /// The resource.
        resource: ResourceId,
        /// Its load after the move, at most.
        after: f64,
        /// The load it may have.
        most: f64,
    },
    /// Tasks of this class may not go to the worker.
    OutsideClass {
        /// The class.
        class: ClassId,
    },
}

impl TargetRefusal {
    /// How far the refusal reaches.
    pub const fn reach(&self) -> Reach {
        match self {
            Self::NotAccepting { .. } | Self::UnknownLoad | Self::TargetFrozen { .. } => {
                Reach::Target
            }
            Self::AlreadyThere
            | Self::LeavesBefore { .. }
            | Self::LeftRecently { .. }
            | Self::MayOverload { .. }
            | Self::OutsideClass { .. } => Reach::Pair,
        }
    }

    /// The refusal's name in a tally.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::AlreadyThere => "already there",
            Self::NotAccepting { .. } => "not accepting",
            Self::UnknownLoad => "unknown load",
            Self::TargetFrozen { .. } => "target frozen",
            Self::LeavesBefore { .. } => "leaves before",
            Self::LeftRecently { .. } => "left recently",
            Self::MayOverload { .. } => "may overload",
            Self::OutsideClass { .. } => "outside class",
        }
    }

    /// The smallest change that would lift the refusal. Another refusal may stand behind it.
    pub const fn remedy(&self) -> Remedy {
        match *self {
            Self::AlreadyThere => Remedy::BeElsewhere,
            Self::NotAccepting { .. } => Remedy::Accept,
            Self::UnknownLoad => Remedy::ReportLoad,
            Self::TargetFrozen { until } | Self::LeftRecently { until } => Remedy::WaitUntil(until),
            Self::MayOverload { resource, .. } => Remedy::StateUse(resource),
            Self::LeavesBefore { needed, .. } => Remedy::StayUntil(needed),
            Self::OutsideClass { class } => Remedy::AddToClass(class),
        }
    }
}

impl fmt::Display for TargetRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::AlreadyThere => f.write_str(self.name()),
            Self::NotAccepting { stance } => write!(f, "target is {stance}"),
            Self::UnknownLoad => f.write_str("target's load is unknown"),
            Self::TargetFrozen { until } => write!(f, "target is frozen until {until}"),
            Self::LeavesBefore { leaves, needed } => {
                write!(f, "target leaves at {leaves}, the task needs it until {needed}")
            }
            Self::LeftRecently { until } => {
                write!(f, "left the target recently; not back before {until}")
            }
            Self::MayOverload { resource, after, most } => {
                write!(
                    f,
                    "has moved, and uses more than it asks for: target's {resource} may stand at {after:.3}, "
                )?;
                write!(f, "above {most:.3}")
            }
            Self::OutsideClass { class } => write!(f, "target is not in class {class}"),
        }
    }
}
