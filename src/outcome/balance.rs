//! Is the cluster even, and if not, what is the evidence?

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::model::ids::WorkerId;

/// Whether the cluster is even.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Balance {
    /// The loads of fewer than two workers are known: there is nothing to compare.
    Unknown,
    /// No move is needed to even out the loads.
    Even {
        /// Highest less lowest load.
        spread: f64,
    },
    /// Moves are needed to even out the loads.
    Uneven(Imbalance),
}

impl Balance {
    /// Whether moves are needed to even out the loads.
    pub const fn is_uneven(&self) -> bool {
        matches!(self, Self::Uneven(_))
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown: the loads of fewer than two workers are known"),
            Self::Even { spread } => write!(f, "even: spread {spread:.3}"),
            Self::Uneven(imbalance) => write!(f, "uneven: {imbalance}"),
        }
    }
}

/// What makes a cluster uneven, with the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Imbalance {
    /// Whether the imbalance is present or predicted.
    pub sight: Sight,
    /// The most loaded worker.
    pub hottest: WorkerId,
    /// Its load.
    pub max: f64,
    /// Whether that is above the high threshold.
    pub over: bool,
    /// The least loaded worker.
    pub coldest: WorkerId,
    /// Its load.
    pub min: f64,
    /// Whether that is below the low threshold.
    pub under: bool,
    /// Highest less lowest load.
    pub spread: f64,
    /// The spread that must be exceeded.
    pub needed: f64,
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hottest, max, coldest, min, spread, needed, .. } = self;
        let over = if self.over { " (over)" } else { "" };
        let under = if self.under { " (under)" } else { "" };
        if let Sight::Predicted { confidence } = self.sight {
            write!(f, "predicted with confidence {confidence:.2}: ")?;
        }
        write!(f, "{hottest} at {max:.3}{over}, {coldest} at {min:.3}{under}")?;
        write!(f, ", spread {spread:.3} above {needed:.3}")
    }
}

/// Whether an imbalance is present or predicted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sight {
    /// The measured loads are uneven.
    Present,
    /// The predicted loads are uneven.
    Predicted {
        /// The forecast's confidence, 0 to 1.
        confidence: f64,
    },
}
