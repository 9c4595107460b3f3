//! How long does a move stop its task, how much work does it lose, and when is that repaid?

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::time::Span;

/// What a move costs and gains in time. The commands of a move carry it if
/// [`Config::transfer`](crate::Config::transfer) is on. An unknown figure is `None`, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Handover {
    /// How long the transfer of the task's state takes, in seconds.
    pub transfer_secs: Option<f64>,
    /// How long the task stops, in seconds: saving its state, the transfer, and the restart; 0 if
    /// it starts on the target before it stops at the source.
    pub downtime_secs: Option<f64>,
    /// How much of the task's work is lost, in seconds: all since its last checkpoint, or since its
    /// beginning.
    pub lost_secs: Option<f64>,
    /// What the move gains per second, in seconds of the task's work.
    pub gain: Option<f64>,
    /// How many times as fast the task runs on the target; part of the gain.
    pub times: f64,
    /// How long the gain lasts, in seconds: until the task would end on the target, or up to the
    /// horizon if that is nearer or the end is unknown; at least 1.
    pub left_secs: f64,
    /// How far ahead gains are counted, in seconds.
    pub horizon_secs: f64,
}

impl Handover {
    /// What the move costs: downtime and lost work, in seconds.
    pub fn price_secs(&self) -> Option<f64> {
        Some(self.downtime_secs? + self.lost_secs?)
    }
}

impl fmt::Display for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (down, lost) = (Known(self.downtime_secs), Known(self.lost_secs));
        write!(f, "stops for {down} (transfer {}), loses {lost}", Known(self.transfer_secs))?;
        let span = Secs(self.left_secs);
        match self.gain {
            Some(gain) => write!(f, " of work; gains {gain:.2}s a second for {span}"),
            None => f.write_str(" of work; its gain is unknown"),
        }
    }
}

/// Prints seconds as a span; a value too large for one prints as the longest.
pub(super) struct Secs(pub(super) f64);

impl fmt::Display for Secs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Span(Duration::try_from_secs_f64(self.0).unwrap_or(Duration::MAX)).fmt(f)
    }
}

/// Prints seconds that may be unknown.
struct Known(Option<f64>);

impl fmt::Display for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(secs) => Secs(secs).fmt(f),
            None => f.write_str("an unknown time"),
        }
    }
}
