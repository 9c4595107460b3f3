//! Why would the loads of the workers be no better after the move?

use core::fmt;

use serde::{Deserialize, Serialize};

use super::reach::Reach;
use crate::model::resource::ResourceId;
use crate::outcome::Remedy;
use crate::outcome::remedy::enough;

/// The loads of the workers would be no better after the move.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoadRefusal {
    /// A resource of the worker would be pushed over the high threshold.
    WouldOverload {
        /// The resource.
        resource: ResourceId,
        /// Its load after the move.
        after: f64,
        /// The load it may have.
        most: f64,
        /// What the task adds to it.
        added: f64,
    },
    /// The task does not use the resource that its worker is short of.
    NoRelief,
    /// The worker would be about as loaded as the task's own is now.
    NoGain {
        /// The worker's load after the move.
        after: f64,
        /// The load it would have to stay below.
        most: f64,
    },
    /// The spread over all workers would grow.
    WiderSpread {
        /// The spread after the move.
        after: f64,
        /// The spread before the move.
        before: f64,
    },
    /// Earlier moves of this round have relieved the task's worker: it gives no further task.
    Relieved {
        /// The load of the task's worker with all moves counted.
        projected: f64,
        /// The load above which that worker gives tasks.
        least: f64,
    },
    /// Earlier moves of this round have filled the worker: it takes no further task.
    Filled {
        /// The worker's load with all moves counted.
        projected: f64,
        /// The load below which the worker takes tasks.
        most: f64,
    },
}

impl LoadRefusal {
    /// How far the refusal reaches.
    pub const fn reach(&self) -> Reach {
        match self {
            Self::WouldOverload { .. }
            | Self::NoRelief
            | Self::NoGain { .. }
            | Self::WiderSpread { .. } => Reach::Pair,
            Self::Relieved { .. } => Reach::Task,
            Self::Filled { .. } => Reach::Target,
        }
    }

    /// The refusal's name in a tally.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::WouldOverload { .. } => "would overload",
            Self::NoRelief => "no relief",
            Self::NoGain { .. } => "no gain",
            Self::WiderSpread { .. } => "wider spread",
            Self::Relieved { .. } => "relieved",
            Self::Filled { .. } => "filled",
        }
    }

    /// The smallest change that would lift the refusal. Another refusal may stand behind it.
    pub fn remedy(&self) -> Remedy {
        match *self {
            Self::WouldOverload { resource, after, most, added } if added <= most => {
                Remedy::LowerUse(resource, enough(after - most, [after, most]))
            }
            // The task alone would overload the worker, even if nothing else ran there.
            Self::WouldOverload { resource, after, most, .. } => {
                Remedy::Enlarge(resource, enough(after / most, [after / most]))
            }
            Self::NoRelief => Remedy::CarryFullest,
            Self::NoGain { after, most } => Remedy::WidenGap(enough(after - most, [after, most])),
            // The rule forgives one part in 10^9.
            Self::WiderSpread { after, before } => {
                Remedy::NarrowSpread(enough(after - before - 1e-9, [after, before]))
            }
            Self::Relieved { projected, least } => {
                Remedy::RaiseSource(enough(least - projected, [least, projected]))
            }
            Self::Filled { projected, most } => {
                Remedy::LowerTarget(enough(projected - most, [projected, most]))
            }
        }
    }
}

impl fmt::Display for LoadRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WouldOverload { resource, after, most, .. } => {
                write!(f, "target's {resource} would stand at {after:.3}, above {most:.3}")
            }
            Self::NoRelief => f.write_str("does not use the resource that its worker is short of"),
            Self::NoGain { after, most } => {
                write!(f, "target would stand at {after:.3}, not below {most:.3}")
            }
            Self::WiderSpread { after, before } => {
                write!(f, "spread would grow from {before:.3} to {after:.3}")
            }
            Self::Relieved { projected, least } => {
                write!(f, "source is relieved already: projected load {projected:.3}")?;
                write!(f, ", gives tasks above {least:.3}")
            }
            Self::Filled { projected, most } => {
                write!(f, "target is filled already: projected load {projected:.3}")?;
                write!(f, ", takes tasks below {most:.3}")
            }
        }
    }
}
