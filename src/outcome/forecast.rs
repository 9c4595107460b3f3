//! Which loads are predicted for the end of the prediction window, and how certain are they?

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::ids::WorkerId;
use crate::model::time::{Span, as_seconds};

/// The loads that are expected at the end of the prediction window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Forecast {
    /// How far ahead the forecast looks.
    #[serde(with = "as_seconds")]
    pub horizon: Duration,
    /// Predicted mean load.
    pub mean: f64,
    /// Predicted spread: highest less lowest load.
    pub spread: f64,
    /// Mean of the workers' confidences, 0 to 1: the figure that must pass
    /// [`Prediction::confidence`](crate::config::Prediction::confidence).
    pub confidence: f64,
    /// How accurate past forecasts were: a moving average of max(0, 1 - 2 x mean absolute error);
    /// `None` until the first one is due.
    pub accuracy: Option<f64>,
    /// Each worker that has enough history, by id.
    pub workers: Vec<WorkerForecast>,
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mean, spread, confidence, .. } = self;
        write!(f, "mean {mean:.3}, spread {spread:.3} in {}", Span(self.horizon))?;
        write!(f, ", confidence {confidence:.2}")?;
        match self.accuracy {
            Some(accuracy) => write!(f, ", accuracy so far {accuracy:.2}"),
            None => Ok(()),
        }
    }
}

/// One worker's load at the end of the prediction window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerForecast {
    /// The worker.
    pub worker: WorkerId,
    /// Its predicted load, 0 to 1.
    pub load: f64,
    /// Lower end of its [prediction interval](Self::LEVEL), from 0 to `load`.
    pub low: f64,
    /// Upper end of its prediction interval, from `load` up; above 1 if demand may exceed capacity.
    pub high: f64,
    /// How well a line explains its recent loads, reduced while there are few: R squared x min(1,
    /// samples / 10).
    pub confidence: f64,
}

impl WorkerForecast {
    /// The share of loads that should fall between `low` and `high`: 80 %.
    ///
    /// The interval starts as the least-squares interval for a new observation: `load` plus or minus
    /// `t x s x sqrt(1 + 1 / n + (x - mean x)^2 / sum (x_i - mean x)^2)`, with `s^2` the sum of squared
    /// residuals over `n - 2` and `t` Student's 90 % point at `n - 2` degrees of freedom
    /// (NIST/SEMATECH e-Handbook of Statistical Methods, 4.5.2.1). A perfect line has no width; one
    /// through three points has `t` = 3.08 and is wide. It would hold 80 % if the load went on along
    /// its line with independent, normal residuals, which loads do not.
    ///
    /// If forecasts are [judged](crate::config::Prediction::judged), the margins of all workers are
    /// therefore multiplied by one learned factor from 1 to 16. If a share `m` of the workers falls
    /// outside its intervals, the factor is multiplied by 1 + 0.1 x (`m` - 0.2). It starts at 1.5; after
    /// a round with all workers outside it is 1.62, after one with none 1.47. 0.02 is added to a margin
    /// before the multiplication and subtracted after it, so that a perfect line that turns out wrong
    /// gets a width too.
    pub const LEVEL: f64 = 0.8;
}
