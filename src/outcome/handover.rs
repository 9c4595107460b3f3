//! How long would a move keep its task still, what would it lose, and when would that be repaid?

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::time::{Span, as_optional_seconds, as_seconds};

/// The price of a move in time, and what it gains; carried by the commands of a move where
/// [`Config::transfer`](crate::Config::transfer) is on. What is unknown is absent, never zero. In
/// files spans are seconds, and their names end in `_secs`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Handover {
    /// How long its state is under way.
    #[serde(default, rename = "transfer_secs", with = "as_optional_seconds")]
    pub transfer: Option<Duration>,
    /// How long it stands still: saving its state, the transfer, and the restart; zero if it starts
    /// there before it stops here.
    #[serde(default, rename = "downtime_secs", with = "as_optional_seconds")]
    pub downtime: Option<Duration>,
    /// How much of its work is lost: what it has done since its last checkpoint, or all.
    #[serde(default, rename = "lost_secs", with = "as_optional_seconds")]
    pub lost: Option<Duration>,
    /// What is gained there per second, in seconds of its work.
    pub gain: Option<f64>,
    /// How many times as fast it runs there; part of the gain.
    pub times: f64,
    /// For how long: until it would end there, or up to the horizon if that is nearer or nobody
    /// knows; 1 s at least.
    #[serde(rename = "left_secs", with = "as_seconds")]
    pub left: Duration,
    /// How far ahead gains are counted.
    #[serde(rename = "horizon_secs", with = "as_seconds")]
    pub horizon: Duration,
}

impl Handover {
    /// What the move costs: downtime and lost work. `None` if either is unknown.
    pub fn price(&self) -> Option<Duration> {
        Some(self.downtime?.saturating_add(self.lost?))
    }
}

impl fmt::Display for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (down, lost) = (Known(self.downtime), Known(self.lost));
        write!(f, "still for {down} (transfer {}), loses {lost}", Known(self.transfer))?;
        match self.gain {
            Some(gain) => write!(f, "; gains {gain:.2} a second for {}", Span(self.left)),
            None => f.write_str("; gains what nobody knows"),
        }
    }
}

/// Prints a span that may be unknown.
struct Known(Option<Duration>);

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(span) => Span(span).fmt(f),
            None => f.write_str("an unknown time"),
        }
    }
}
