//! How far ahead does the engine look, and when does it act on a forecast?

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::setters::setters;
use crate::model::time::as_seconds;

/// Forecasts can trigger, not only measurements: a least-squares line through each worker's recent
/// loads. Under [`Stability`](super::Stability) the steps that the engine's own moves leave in the
/// measurements do not count as a trend.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "Prediction::in_default", deny_unknown_fields)]
#[non_exhaustive]
pub struct Prediction {
    /// The forecast horizon, in seconds: 180. A larger value acts earlier and errs more; a window
    /// shorter than a migration takes comes too late.
    #[serde(with = "as_seconds")]
    pub window: Duration,
    /// How far back the line is fitted, in seconds: 600, at least two check intervals. A larger
    /// value is steadier; a smaller one notices a new trend sooner and follows noise.
    #[serde(with = "as_seconds")]
    pub history: Duration,
    /// A forecast acts from this confidence on, from 0 to 1: 0.7. A larger value acts on fewer
    /// forecasts; at 0 every forecast acts.
    pub confidence: f64,
    /// How far beyond a threshold a predicted load must be: 0.05. A larger value acts on fewer
    /// forecasts.
    pub margin: f64,
    /// The predicted spread that must be exceeded, from 0 to 1: 0.45, more than for the present. A
    /// smaller value moves tasks for what may never come.
    pub imbalance: f64,
    /// Whether confidence is multiplied by the accuracy that past forecasts turned out to have, and
    /// [intervals](crate::outcome::WorkerForecast::LEVEL) are widened until they hold what they
    /// claim: `true` in `Config::default`, `false` in the specification. The trap: until forecasts
    /// have come due, nothing is known of their accuracy.
    pub judged: bool,
}

setters! {
    Prediction {
        value with_window(window: Duration);
        value with_history(history: Duration);
        value with_confidence(confidence: f64);
        value with_margin(margin: f64);
        value with_imbalance(imbalance: f64);
        value with_judged(judged: bool);
    }
}

impl Default for Prediction {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(180),
            history: Duration::from_secs(600),
            confidence: 0.7,
            margin: 0.05,
            imbalance: 0.45,
            judged: false,
        }
    }
}

impl Prediction {
    /// As [`Config::default`](crate::Config::default) has it; a file that states only some fields leaves the others so.
    pub(super) fn in_default() -> Self {
        Self { judged: true, ..Self::default() }
    }
}
