//! What keeps the engine from reacting to its own moves, to outages and to the calendar?

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::setters::setters;
use crate::model::time::as_seconds;

/// The engine does not react to its own moves: it counts migrations that are under way, leaves a
/// moved task alone for a while, and makes no move that makes things worse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Stability {
    /// How long a moved task stays and does not return to where it came from, in seconds: 300. A
    /// larger value moves each task less often; at 0 tasks may move every round. The trap: it must
    /// cover [`telemetry_lag`](Self::telemetry_lag).
    #[serde(with = "as_seconds")]
    pub cooldown: Duration,
    /// How far below the source's load before the move the target's load must be after the move,
    /// from 0 to 1: 0.12. A larger value refuses moves of little use; a smaller one evens out
    /// further. The trap: a value larger than the usual distance of two workers stops all
    /// balancing.
    pub dead_band: f64,
    /// The dead band is at least this many times the noise of the measured loads: 5, about the
    /// spread that noise alone makes of a hundred equal workers. The noise is the lower quartile of
    /// the changes from sample to sample, as a standard deviation. A larger value is calmer on
    /// noisy telemetry. At 0 only [`dead_band`](Self::dead_band) counts.
    pub noise_margin: f64,
    /// How long measurements lag behind an arrival or a departure, in seconds: 0; at most
    /// [`cooldown`](Self::cooldown). Set it to the span over which the host's telemetry smooths.
    /// The trap: if it is too short, a moved task counts at neither worker or at both, and the
    /// engine moves more than it should.
    #[serde(with = "as_seconds")]
    pub telemetry_lag: Duration,
}

setters! {
    Stability {
        value with_cooldown(cooldown: Duration);
        value with_dead_band(dead_band: f64);
        value with_noise_margin(noise_margin: f64);
        value with_telemetry_lag(telemetry_lag: Duration);
    }
}

impl Default for Stability {
    fn default() -> Self {
        Self {
            cooldown: Duration::from_secs(300),
            dead_band: 0.12,
            noise_margin: 5.0,
            telemetry_lag: Duration::ZERO,
        }
    }
}

/// A mass disappearance of workers is not believed at once: a monitoring system that fails looks
/// like a cluster that has died, and acting upon it would start every task a second time.
///
/// While the engine holds back, it treats the snapshot as partial and without the workers that are
/// out of reach: what is missing is unknown, not gone. No task is orphaned, no migration fails
/// because of it, nothing new begins, and the outcome says so ([`Held`](crate::outcome::Held)).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Safeguard {
    /// The share of the known workers that must be missing from a complete snapshot or be out of
    /// reach ([`Stance::Offline`](crate::snapshot::Stance::Offline)), exceeded, from 0 to 1: 0.5.
    /// Known workers are those of the last complete snapshot that was believed, without those that
    /// were draining. A smaller value holds back sooner. The trap: a value near 0 delays the
    /// recovery of every failed worker.
    pub missing_share: f64,
    /// After this long the disappearance is believed, in seconds: 300. A larger value outlasts
    /// longer failures of the monitoring and leaves orphans waiting as long.
    #[serde(with = "as_seconds")]
    pub believed_after: Duration,
}

setters! {
    Safeguard {
        value with_missing_share(missing_share: f64);
        value with_believed_after(believed_after: Duration);
    }
}

impl Default for Safeguard {
    fn default() -> Self {
        Self { missing_share: 0.5, believed_after: Duration::from_secs(300) }
    }
}

/// What is done about workers that say when they leave
/// ([`Worker::available_until`](crate::Worker::available_until),
/// [`Worker::maintenance`](crate::Worker::maintenance)).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Calendar {
    /// How long before its departure a worker is drained of every task that will not be done by
    /// then, in seconds: 600. A larger value interrupts tasks earlier; the trap is a value shorter
    /// than the drain takes, which strands the rest.
    #[serde(with = "as_seconds")]
    pub lead: Duration,
}

setters! {
    Calendar {
        value with_lead(lead: Duration);
    }
}

impl Default for Calendar {
    fn default() -> Self {
        Self { lead: Duration::from_secs(600) }
    }
}
