//! Why does the move cost more than it gains?

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::reach::Reach;
use crate::model::time::{Span, as_seconds, from_seconds, seconds};
use crate::outcome::Remedy;
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
        /// How long the gain lasts: until the task would end on the target, or up to the horizon if that is nearer.
        #[serde(rename = "left_secs", with = "as_seconds")]
        left: Duration,
        /// Downtime and lost work.
        #[serde(rename = "price_secs", with = "as_seconds")]
        price: Duration,
        /// How far ahead gains are counted.
        #[serde(rename = "horizon_secs", with = "as_seconds")]
        horizon: Duration,
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
            Self::NotRepaid { gain, times, left, price, horizon } => {
                let [left, price] = [left, price].map(seconds);
                let repaid_after = price / gain;
                if gain > 0.0 && left > 1.0 && repaid_after < seconds(horizon) {
                    // What is left is reckoned in whole nanoseconds too.
                    let longer = (repaid_after - left + 1e-9) * times;
                    return Remedy::RunLonger(whole_nanos(longer, repaid_after * times));
                }
                let needed = price / left;
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
            Self::NotRepaid { gain, left, price, horizon, .. } => {
                let gained = Span(from_seconds((gain * seconds(left)).max(0.0)));
                let (price, left_for) = (Span(price), Span(left));
                let end =
                    if left < horizon { "before it ends in" } else { "within the horizon of" };
                write!(f, "gains {gain:.2}s a second, {gained} {end} {left_for}")?;
                write!(f, "; downtime and lost work cost {price}")
            }
            Self::UnknownTransfer => f.write_str("its downtime or its lost work is unknown"),
        }
    }
}
