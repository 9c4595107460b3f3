//! How far ahead does the engine look, and when does it act on a forecast?

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::setters::setters;
use crate::model::time::as_seconds;

/// Predicted loads can trigger moves, not only measured ones. The forecast of a worker is a
/// least-squares line through its recent loads. Under [`Stability`](super::Stability) the jumps that the
/// engine's own moves leave in the measurements do not count as a trend.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default = "Prediction::in_default", deny_unknown_fields)]
#[non_exhaustive]
pub struct Prediction {
    /// How far ahead the forecast looks, in seconds: 180. A larger value acts earlier and errs more. The
    /// trap: a window shorter than a migration takes comes too late.
    #[serde(with = "as_seconds")]
    pub window: Duration,
    /// How far back the line is fitted, in seconds: 600, at least two check intervals. A larger
    /// value is steadier; a smaller one notices a new trend sooner and follows noise.
    #[serde(with = "as_seconds")]
    pub history: Duration,
    /// The least confidence with which a forecast can trigger, from 0 to 1: 0.7. A larger value acts on
    /// fewer forecasts; at 0 every forecast can trigger.
    pub confidence: f64,
    /// How far beyond a threshold a predicted load must be: 0.05. A larger value acts on fewer
    /// forecasts; a smaller one on more that turn out wrong.
    pub margin: f64,
    /// The predicted spread that must be exceeded, from 0 to 1: 0.45, more than for measured loads. A
    /// larger value acts on fewer forecasts; a smaller one moves tasks for a spread that may never come.
    pub imbalance: f64,
    /// Whether confidence is multiplied by the accuracy of past forecasts, and
    /// [intervals](crate::outcome::WorkerForecast::LEVEL) are widened until they hold as often as they
    /// claim: `true` in `Config::default`, `false` in the specification. The trap: the accuracy is
    /// unknown until the first forecasts have come due.
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
    /// The section as in [`Config::default`](crate::Config::default): the values of fields that a file leaves out.
    pub(super) fn in_default() -> Self {
        Self { judged: true, ..Self::default() }
    }
}
