//! What is a move for?

use core::fmt;

use serde::{Deserialize, Serialize};

/// What a move is for, most pressing first. The purpose decides which rules a move must meet.
///
/// The table lists every rule in the order in which they are asked: the purposes for which it holds (`x`), the
/// section of [`Config`](crate::Config) that switches it on (or `always`), when it is asked (of every candidate, when
/// a candidate is taken, or both), and the presets in which it holds. The first rule that refuses gives the
/// [`Rejection`](crate::outcome::Rejection).
///
#[doc = include_str!("../rules/table.md")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Purpose {
    /// The task has lost its worker and needs another one: only hard rules hold.
    Recover,
    /// The task's worker is to be emptied: exempt from spread over domains, thresholds, and cost.
    Evacuate,
    /// Another member of the task's gang must leave its worker; treated like an evacuation.
    FollowGang,
    /// To even out the loads: every rule holds.
    Rebalance,
    /// To run faster on other hardware: every rule holds, and the loads must stay even.
    Upgrade,
}

impl Purpose {
    /// Every purpose, most pressing first.
    pub const ALL: [Self; 5] =
        [Self::Recover, Self::Evacuate, Self::FollowGang, Self::Rebalance, Self::Upgrade];

    /// The purposes that a budget tells apart: following a gang counts as evacuation, and a recovery interrupts
    /// nothing.
    pub(crate) const BUDGETED: [Self; 3] = [Self::Evacuate, Self::Rebalance, Self::Upgrade];

    /// Whether nothing forces the move: it is made for the loads, or for speed.
    pub const fn is_voluntary(self) -> bool {
        matches!(self, Self::Rebalance | Self::Upgrade)
    }

    /// The purpose under which budgets count the move; `None` for a recovery.
    pub(crate) const fn budgeted(self) -> Option<Self> {
        match self {
            Self::Recover => None,
            Self::Evacuate | Self::FollowGang => Some(Self::Evacuate),
            Self::Rebalance => Some(Self::Rebalance),
            Self::Upgrade => Some(Self::Upgrade),
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recover => "recover",
            Self::Evacuate => "evacuate",
            Self::FollowGang => "follow gang",
            Self::Rebalance => "rebalance",
            Self::Upgrade => "upgrade",
        })
    }
}
