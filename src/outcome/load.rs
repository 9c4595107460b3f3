//! How loaded are the workers, each and together, and what is the trend?

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::model::ids::WorkerId;
use crate::model::ratio::Utilization;
use crate::model::time::Timestamp;

/// One worker's load: 0 is idle, 1 is full.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerLoad {
    /// The worker.
    pub worker: WorkerId,
    /// The load as reported; `None` if unknown.
    pub reported: Option<Utilization>,
    /// The load as if every move that began before this round had arrived; `None` if unknown.
    pub projected: Option<Utilization>,
}

impl fmt::Display for WorkerLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.reported, self.projected) {
            (Some(reported), Some(projected))
                if (reported.get() - projected.get()).abs() >= 0.000_5 =>
            {
                write!(f, "{} {reported} ({projected} projected)", self.worker)
            }
            (Some(reported), _) => write!(f, "{} {reported}", self.worker),
            (None, _) => write!(f, "{} unknown", self.worker),
        }
    }
}

/// The loads of all usable workers taken together: one record of the system load history.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SystemLoad {
    /// The moment of the snapshot.
    pub at: Timestamp,
    /// How many workers have a known load.
    pub workers: u32,
    /// Mean load.
    pub mean: f64,
    /// Lowest load.
    pub min: f64,
    /// Highest load.
    pub max: f64,
    /// Sample standard deviation.
    pub deviation: f64,
}

impl SystemLoad {
    /// The specification's imbalance score: highest less lowest load.
    pub fn spread(&self) -> f64 {
        self.max - self.min
    }
}

impl fmt::Display for SystemLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workers, mean, min, max, deviation, .. } = self;
        write!(f, "mean {mean:.3}, {min:.3} to {max:.3} over {workers} workers")?;
        write!(f, ", spread {:.3}, deviation {deviation:.3}", self.spread())
    }
}

/// Where the system's load is heading.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Trend {
    /// Up, down, or neither.
    pub direction: Direction,
    /// Change of the mean load per round, with its sign: the slope of the least-squares line.
    pub slope: f64,
    /// How well the line explains the load (R squared), 0 to 1.
    pub confidence: f64,
}

impl Trend {
    /// Change of the mean load per round, without its sign.
    pub const fn magnitude(&self) -> f64 {
        self.slope.abs()
    }
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { direction, slope, confidence } = self;
        write!(f, "load {direction} ({slope:+.4} per round, confidence {confidence:.2})")
    }
}

/// Which way a load is heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums, reason = "up, down, or neither: there is no fourth")]
pub enum Direction {
    /// Up.
    Increasing,
    /// Down.
    Decreasing,
    /// Neither.
    Stable,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Increasing => "increasing",
            Self::Decreasing => "decreasing",
            Self::Stable => "stable",
        })
    }
}

/// How highly the system as a whole is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums, reason = "above, below, or between two bounds")]
pub enum LoadBand {
    /// Above the upper bound (75 %).
    High,
    /// Between the bounds, or anywhere if adaptation is off.
    #[default]
    Normal,
    /// Below the lower bound (30 %).
    Low,
}
