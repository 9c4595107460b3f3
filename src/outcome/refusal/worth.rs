//! Why does the move cost more than it gains?

use core::fmt;

use serde::{Deserialize, Serialize};

use super::Reach;
use crate::outcome::Remedy;
use crate::outcome::handover::Secs;
use crate::outcome::remedy::{enough, whole_nanos};

/// The move costs more than it gains.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WorthRefusal {
    /// The move costs more points than it brings.
    NotWorthIt {
        /// Points of cost.
        cost: f64,
        /// Points of benefit.
        benefit: f64,
        /// The net benefit must exceed this.
        least: f64,
        /// Points of cost above the top of the scale; they do not count.
        beyond: f64,
        /// Points by which the sum of the benefit's factors is below 0; they do not count.
        below: f64,
    },
    /// The move would not repay its downtime and lost work before the task ends or the horizon is reached.
    NotRepaid {
        /// What the move gains per second, in seconds of the task's work.
        gain: f64,
        /// How many times as fast the task would run there; part of the gain.
        times: f64,
        /// How long the gain lasts, in seconds: until the task would end there, or up to the horizon if that is
        /// nearer.
        left_secs: f64,
        /// Downtime and lost work, in seconds.
        price_secs: f64,
        /// How far ahead gains are counted, in seconds.
        horizon_secs: f64,
    },
    /// The move's downtime or lost work is unknown, because one of these is: the size of the task's state, the moment
    /// of its last checkpoint, the bandwidth of a link, or the load of its worker.
    UnknownTransfer,
}

impl WorthRefusal {
    /// How far the refusal reaches: every pair has a price of its own.
    pub const fn reach(&self) -> Reach {
        Reach::Pair
    }

    /// The refusal's name in a tally.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NotWorthIt { .. } => "not worth it",
            Self::NotRepaid { .. } => "not repaid",
            Self::UnknownTransfer => "unknown transfer",
        }
    }

    /// The smallest change that would lift the refusal. Another refusal may stand behind it.
    pub fn remedy(&self) -> Remedy {
        match *self {
            Self::NotWorthIt { cost, benefit, least, beyond, below } => {
                let short = cost + least - benefit;
                let figures = [cost + beyond, benefit + below, least];
                let cheaper = || enough(short + beyond, figures);
                let cost = (benefit > least).then(cheaper);
                Remedy::Gain { benefit: enough(short + below, figures), cost }
            }
            Self::NotRepaid { gain, times, left_secs, price_secs, horizon_secs } => {
                let repaid_after = price_secs / gain;
                if gain > 0.0 && left_secs > 1.0 && repaid_after < horizon_secs {
                    let longer = (repaid_after - left_secs) * times;
                    return Remedy::RunLonger(whole_nanos(longer, repaid_after * times));
                }
                let needed = price_secs / left_secs;
                Remedy::WidenGap(enough(needed - gain, [needed, gain, 1.0]))
            }
            Self::UnknownTransfer => Remedy::StateTransfer,
        }
    }
}

impl fmt::Display for WorthRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotWorthIt { cost, benefit, least, .. } => {
                write!(f, "benefit {benefit:.2} less cost {cost:.2} is not above {least:.2}")
            }
            Self::NotRepaid { gain, left_secs, price_secs, horizon_secs, .. } => {
                let (gained, price) = (Secs((gain * left_secs).max(0.0)), Secs(price_secs));
                let end = if left_secs < horizon_secs {
                    "before it ends in"
                } else {
                    "within the horizon of"
                };
                write!(f, "gains {gain:.2}s a second, {gained} {end} {}", Secs(left_secs))?;
                write!(f, "; downtime and lost work cost {price}")
            }
            Self::UnknownTransfer => f.write_str("its downtime or its lost work is unknown"),
        }
    }
}
