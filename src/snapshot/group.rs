//! Which tasks belong together, and what rule do they keep?

use alloc::vec::Vec;
use core::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::Worker;
use crate::model::ids::{GroupId, TaskId, TopologyId, ZoneId};
use crate::model::setters::setters;

/// Tasks that share a rule. A task may be in several groups, at most 64; then every rule holds, even if no move meets
/// them all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Group {
    /// Its name.
    pub id: GroupId,
    /// The rule its members keep.
    pub rule: GroupRule,
    /// Its members. In a complete snapshot only tasks that are listed count; list a task on its way too
    /// ([`Placement::Moving`](crate::snapshot::Placement::Moving)). Leave out tasks that are over: a member that a
    /// partial snapshot does not list may be anywhere, and until it is shown again no other member of an affinity
    /// group or a gang leaves its worker.
    pub members: Vec<TaskId>,
}

impl Group {
    /// A group of `members` that keep `rule`.
    pub const fn new(id: GroupId, rule: GroupRule, members: Vec<TaskId>) -> Self {
        Self { id, rule, members }
    }
}

setters! {
    Group {
        each with_members(members: TaskId);
    }
}

/// How the members of a group stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GroupRule {
    /// All on one worker; they move together, all or none. While it is unknown where one of them is, none leaves its
    /// worker; members that have lost their worker are placed in any case.
    Affinity,
    /// No two on one worker.
    AntiAffinity,
    /// Evenly over the domains of a topology: the fullest holds at most `max_skew` members more than the emptiest. A
    /// domain without a member counts only if one of its workers accepts tasks.
    Spread {
        /// The tolerated difference.
        max_skew: NonZeroU32,
        /// The topology.
        #[serde(default, skip_serializing_if = "Topology::is_zone")]
        over: Topology,
    },
    /// At most `max_unavailable` members are unavailable at once: on the move, without a worker, or on a worker that is
    /// out of reach, whatever the cause. No member leaves its worker if that would make one too many unavailable;
    /// members that have lost their worker are placed in any case.
    Disruption {
        /// The most members that may be unavailable.
        max_unavailable: u32,
    },
    /// Interrupted together: the members leave their workers all at once or not at all, and only if the
    /// worker of one of them is to be emptied, never to even out loads or for speed. Each may go to any
    /// worker that can take it. Members that have lost their workers are placed all at once or not at
    /// all. Budgets count every member. If the move of one member fails after sources have released
    /// others, these go on and that member follows later. For each member at most 256 workers are considered, so that a
    /// larger gang may stay if its members need a worker each.
    Gang,
}

impl GroupRule {
    /// Whether members leave their workers together or not at all.
    pub(crate) const fn keeps_whole(&self) -> bool {
        match self {
            Self::Affinity | Self::Gang => true,
            Self::AntiAffinity | Self::Spread { .. } | Self::Disruption { .. } => false,
        }
    }
}

/// What divides the workers into the domains that a group is spread over. A worker without a domain is in none, and
/// its tasks count nowhere.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Topology {
    /// Failure zones ([`Worker::zone`]).
    #[default]
    Zone,
    /// Racks, rooms, or whatever the host calls by this name ([`Worker::domains`]).
    Label(TopologyId),
    /// Every worker is a domain of its own.
    Worker,
}

impl Topology {
    const fn is_zone(&self) -> bool {
        matches!(self, Self::Zone)
    }

    /// The domain of a worker, as a number; `None` if it is in none.
    pub(crate) fn domain(self, worker: &Worker) -> Option<u64> {
        match self {
            Self::Zone => worker.zone.map(ZoneId::raw),
            Self::Label(_) if broken!("spread_over_racks") => worker.zone.map(ZoneId::raw),
            Self::Label(topology) if broken!("spread_without_a_rack") => {
                Some(worker.domains.get(&topology).map_or(0, |domain| domain.raw()))
            }
            Self::Label(topology) => worker.domains.get(&topology).map(|domain| domain.raw()),
            Self::Worker if broken!("spread_over_workers") => None,
            Self::Worker => Some(worker.id.raw()),
        }
    }
}
