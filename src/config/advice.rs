//! What no move can mend: when advice is given.

use core::num::NonZeroU32;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::setters::setters;
use crate::model::time::as_seconds;

/// What no move can mend is said: see [`Advice`](crate::outcome::Advice).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct AdviceRules {
    /// How long a condition must hold in every round before advice is given, in seconds: 120. At 0
    /// advice is given at once, and flickers with the load.
    #[serde(with = "as_seconds")]
    pub patience: Duration,
    /// How long workers must have been superfluous before the engine says so, in seconds: 600. A
    /// worker too many costs less than one too few.
    #[serde(with = "as_seconds")]
    pub patience_down: Duration,
    /// Workers are superfluous if nobody who takes their tasks would stand above this load, from 0
    /// to 1: 0.7. The trap: near the high threshold, one advice to remove workers provokes the next
    /// to add some.
    pub keep_below: f64,
    /// A worker is suspected of being slow below this share of its peers' median speed, from 0 to
    /// 1: 0.6. A larger value suspects more workers.
    pub slow: f64,
    /// How many reports of the speed of a worker, and of a peer, are needed before they are
    /// compared: 5. A smaller value trusts single measurements.
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
