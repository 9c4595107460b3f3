//! When does the engine give advice about what no move can mend?

use core::num::NonZeroU32;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::setters::setters;
use crate::model::time::as_seconds;

/// The engine gives [`Advice`](crate::outcome::Advice) about what no move can mend.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AdviceRules {
    /// How long a condition must hold in every round before advice is given, in seconds: 120. A
    /// larger value gives advice later and seldom takes it back. The trap: at 0 advice comes and goes
    /// with the load.
    #[serde(with = "as_seconds")]
    pub patience: Duration,
    /// How long workers must have been superfluous before the engine advises to remove them, in
    /// seconds: 600, longer than `patience`, since a worker too many costs less than one too few. A
    /// larger value keeps workers longer; the trap is a small one, which removes workers in every lull.
    #[serde(with = "as_seconds")]
    pub patience_down: Duration,
    /// Workers are superfluous if no worker that takes over their tasks would be above this load, from
    /// 0 to 1: 0.7. A smaller value advises to remove fewer workers. The trap: near the high threshold,
    /// advice to remove workers provokes advice to add some.
    pub keep_below: f64,
    /// A worker is suspected of being slow if its speed is below this share of its peers' median, from
    /// 0 to 1: 0.6. A larger value suspects more workers, a smaller one only the slowest. The trap:
    /// near 1 healthy workers are suspected.
    pub slow: f64,
    /// How many reports of its speed a worker, and a peer, must have before they are compared: 5. A
    /// larger value waits longer; a smaller one trusts single measurements.
    pub reports: NonZeroU32,
}

setters! {
    AdviceRules {
        value with_patience(patience: Duration);
        value with_patience_down(patience_down: Duration);
        value with_keep_below(keep_below: f64);
        value with_slow(slow: f64);
        value with_reports(reports: NonZeroU32);
    }
}

impl Default for AdviceRules {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(120),
            patience_down: Duration::from_secs(600),
            keep_below: 0.7,
            slow: 0.6,
            reports: NonZeroU32::MIN.saturating_add(4),
        }
    }
}
