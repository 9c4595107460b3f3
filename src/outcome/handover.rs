//! How long does a move stop its task, how much work does it lose, and when is that repaid?

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::time::{Span, as_optional_seconds, as_seconds, readable};

/// What a move costs and gains in time. The commands of a move carry it if
/// [`Config::transfer`](crate::Config::transfer) is on. An unknown figure is `None`, never zero. In
/// files, times are in seconds, and their names end in `_secs`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Handover {
    /// How long the transfer of the task's state takes.
    #[serde(default, rename = "transfer_secs", with = "as_optional_seconds")]
    pub transfer: Option<Duration>,
    /// How long the task stops: saving its state, the transfer, and the restart; zero if it starts on
    /// the target before it stops at the source.
    #[serde(default, rename = "downtime_secs", with = "as_optional_seconds")]
    pub downtime: Option<Duration>,
    /// How much of the task's work is lost: all since its last checkpoint, or since its beginning.
    #[serde(default, rename = "lost_secs", with = "as_optional_seconds")]
    pub lost: Option<Duration>,
    /// What the move gains per second, in seconds of the task's work.
    pub gain: Option<f64>,
    /// How many times as fast the task runs on the target; part of the gain.
    pub times: f64,
    /// How long the gain lasts: until the task would end on the target, or up to the horizon if that
    /// is nearer or the end is unknown; at least 1 s.
    #[serde(rename = "left_secs", with = "as_seconds")]
    pub left: Duration,
    /// How far ahead gains are counted.
    #[serde(rename = "horizon_secs", with = "as_seconds")]
    pub horizon: Duration,
}

impl Handover {
    /// What the move costs: downtime and lost work. `None` if either is unknown.
    pub fn price(&self) -> Option<Duration> {
        Some(readable(self.downtime?.saturating_add(self.lost?)))
    }
}

impl fmt::Display for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (down, lost) = (Known(self.downtime), Known(self.lost));
        write!(f, "stops for {down} (transfer {}), loses {lost}", Known(self.transfer))?;
        match self.gain {
            Some(gain) => write!(f, " of work; gains {gain:.2}s a second for {}", Span(self.left)),
            None => f.write_str(" of work; its gain is unknown"),
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
