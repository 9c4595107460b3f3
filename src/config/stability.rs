//! What keeps the engine from reacting to its own moves and to outages, and when does it empty a worker that leaves?

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::setters::setters;
use crate::model::time::as_seconds;

/// The engine does not react to its own moves: it counts migrations under way, leaves a moved task
/// alone for a while, and makes no move that makes the loads less even.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Stability {
    /// How long a moved task stays and does not return to where it came from, in seconds: 300. A
    /// larger value moves each task less often; at 0 tasks may move every round. For twelve times as
    /// long the task is not moved again for evenness alone, unless the loads part
    /// ([`MovedBefore`](crate::outcome::TaskRefusal::MovedBefore)). The trap: it must cover
    /// [`telemetry_lag`](Self::telemetry_lag).
    #[serde(with = "as_seconds")]
    pub cooldown: Duration,
    /// How much lower the target's load after the move must be than the source's load before it, from 0
    /// to 1: 0.12. A larger value refuses moves of little use; a smaller one makes loads more even. The
    /// trap: a value larger than the usual difference of two workers' loads stops all balancing.
    pub dead_band: f64,
    /// The dead band is at least this many times the noise of the measured loads: 5, about the spread
    /// that noise alone causes among a hundred equal workers. The noise is a standard deviation,
    /// estimated from the lower quartile of the changes from sample to sample. A larger value moves less
    /// on noisy telemetry; at 0 only [`dead_band`](Self::dead_band) counts.
    pub noise_margin: f64,
    /// How long it takes until measurements show an arrival or a departure, in seconds: 0; at most
    /// [`cooldown`](Self::cooldown). Set it to the span over which the host's telemetry smooths. A larger
    /// value counts own moves longer. The trap: if it is too short, a moved task counts at neither
    /// worker or at both, and the engine moves too much.
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

/// A worker that a complete snapshot does not list is *missing* at first, and *gone* only if it stays away: one scrape
/// that failed must not start its tasks a second time.
///
/// While the grace period lasts, the worker is no target, its tasks are not placed elsewhere, and moves under way from
/// it or to it wait; the outcome says so ([`Missing`](crate::outcome::Missing)). A worker that comes back in time has
/// never been gone. The period ends when both [`span`](Self::span) and [`rounds`](Self::rounds) are over. A worker
/// that the host lists as [`Offline`](crate::snapshot::Stance::Offline) is gone at once: then the host knows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Grace {
    /// A worker is missing for at least this long before it is gone, in seconds: 60. A larger value outlasts longer
    /// gaps in the telemetry; a smaller one recovers tasks sooner. At 0 only [`rounds`](Self::rounds) count. The trap:
    /// the tasks of a worker that has really died wait as long.
    #[serde(with = "as_seconds")]
    pub span: Duration,
    /// The complete snapshots without the worker for which its tasks wait; with the next one it is gone: 2. A larger
    /// value outlasts more snapshots in a row that are incomplete; at 0 only [`span`](Self::span) counts. The trap:
    /// with snapshots far apart, two of them are a long time.
    pub rounds: u32,
}

setters! {
    Grace {
        value with_span(span: Duration);
        value with_rounds(rounds: u32);
    }
}

impl Default for Grace {
    fn default() -> Self {
        Self { span: Duration::from_secs(60), rounds: 2 }
    }
}

/// If many workers disappear at once, the engine waits before it believes it: a monitoring system that
/// fails looks like a cluster that has died, and acting on it would start every task a second time.
///
/// While the engine holds back, it treats the snapshot as partial: workers that are missing or out of
/// reach are unknown, not gone. No task loses its worker, no migration fails because of it, and no move
/// begins; the outcome says so ([`Held`](crate::outcome::Held)).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Safeguard {
    /// The engine holds back if at least this share of the known workers, and more than one of them, is
    /// missing from a complete snapshot or out of reach
    /// ([`Stance::Offline`](crate::snapshot::Stance::Offline)), from 0 to 1: 0.5. Known workers are those
    /// of the last complete snapshot that was believed, without those that were draining. A smaller value
    /// holds back sooner. The trap: a value near 0 delays the recovery whenever two workers have failed.
    pub missing_share: f64,
    /// After this long the disappearance is believed, in seconds: 300; a worker that has vanished later than the others
    /// has its [grace period](Grace) all the same. A larger value outlasts longer failures of the monitoring; the trap
    /// is that orphans wait as long if the workers really died.
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

/// When workers that announce their departure are emptied
/// ([`Worker::available_until`](crate::Worker::available_until),
/// [`Worker::maintenance`](crate::Worker::maintenance)).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Calendar {
    /// How long before its departure a worker is drained of every task that will not be done by then,
    /// in seconds: 600. A larger value interrupts tasks earlier. The trap: with a value shorter than
    /// the drain takes, some tasks are still there when the worker leaves.
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
