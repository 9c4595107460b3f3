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
    /// Advice is given once it has been true in every round for so long, in seconds: 120. At 0: at
    /// once.
    #[serde(with = "as_seconds")]
    pub patience: Duration,
    /// That workers could be done without is told after so long, in seconds: 600. One too many costs
    /// less than one too few.
    #[serde(with = "as_seconds")]
    pub patience_down: Duration,
    /// They could be done without if nobody who takes their tasks would stand above this load, 0 to
    /// 1: 0.7. Keep it well below the high threshold, above which more workers are advised.
    pub keep_below: f64,
    /// A worker is suspected of being slow below this share of its peers' median speed, 0 to 1: 0.6.
    pub slow: f64,
    /// So many reports of a worker's speed, and of a peer's, before it is compared: 5.
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
