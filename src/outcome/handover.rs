//! How long would a move keep its task still, what would it lose, and when would that be repaid?

use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::time::Span;

/// The price of a move in time, and what it gains; carried by the commands of a move where
/// [`Config::transfer`](crate::Config::transfer) is on. What is unknown is absent, never zero.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Handover {
    /// How long its state is under way, in seconds.
    pub transfer_secs: Option<f64>,
    /// How long it stands still, in seconds: saving its state, the transfer, and the restart; 0 if
    /// it starts there before it stops here.
    pub downtime_secs: Option<f64>,
    /// How much of its work is lost, in seconds: what it has done since its last checkpoint, or
    /// all.
    pub lost_secs: Option<f64>,
    /// What is gained there per second, in seconds of its work.
    pub gain: Option<f64>,
    /// How many times as fast it runs there; part of the gain.
    pub times: f64,
    /// For how long, in seconds: until it would end there, or up to the horizon if that is nearer or
    /// nobody knows; 1 at least.
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
        write!(f, "still for {down} (transfer {}), loses {lost}", Known(self.transfer_secs))?;
        let span = Secs(self.left_secs);
        match self.gain {
            Some(gain) => write!(f, "; gains {gain:.2} a second for {span}"),
            None => f.write_str("; gains what nobody knows"),
        }
    }
}

/// Prints seconds as a span; what does not fit one is very long.
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
