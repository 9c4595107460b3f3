//! A figure that changes over time.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// A figure that changes over time, in seconds. In a file a plain number is constant.
///
/// ```
/// use evenkeel::sim::Curve;
/// let ramp = Curve::Shape(evenkeel::sim::Shape::Points(vec![(0.0, 0.3), (3600.0, 0.7)]));
/// assert!((ramp.at(1800.0) - 0.5).abs() < 1e-12);
/// assert!((ramp.at(9000.0) - 0.7).abs() < 1e-12);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Curve {
    /// The same at all times.
    Constant(f64),
    /// Anything else.
    Shape(Shape),
}

/// How a [`Curve`] changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Shape {
    /// Straight lines between these points of time and value, and level beyond them: a ramp, or a
    /// recorded trace.
    Points(Vec<(f64, f64)>),
    /// Half of each period at `low`, then half at `high`.
    Square {
        /// Seconds.
        period: f64,
        /// First half.
        low: f64,
        /// Second half.
        high: f64,
    },
    /// A cosine that begins at `low`: day and night.
    Diurnal {
        /// Seconds.
        period: f64,
        /// At the start of each period.
        low: f64,
        /// In the middle of each period.
        high: f64,
    },
    /// `base`, and `peak` from `at` for `seconds`.
    Burst {
        /// Otherwise.
        base: f64,
        /// During the burst.
        peak: f64,
        /// When it begins.
        at: f64,
        /// How long it lasts.
        seconds: f64,
    },
}

impl Default for Curve {
    /// 1, at all times.
    fn default() -> Self {
        Self::Constant(1.0)
    }
}

impl Curve {
    /// The value after this many seconds.
    pub fn at(&self, seconds: f64) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Shape(shape) => shape.at(seconds),
        }
    }

    /// Every number in it.
    pub(super) fn numbers(&self) -> Vec<f64> {
        match self {
            Self::Constant(value) => alloc::vec![*value],
            Self::Shape(Shape::Points(points)) => {
                points.iter().flat_map(|(at, value)| [*at, *value]).collect()
            }
            Self::Shape(
                Shape::Square { period, low, high } | Shape::Diurnal { period, low, high },
            ) => alloc::vec![*period, *low, *high],
            Self::Shape(Shape::Burst { base, peak, at, seconds }) => {
                alloc::vec![*base, *peak, *at, *seconds]
            }
        }
    }
}

impl Shape {
    fn at(&self, seconds: f64) -> f64 {
        match self {
            Self::Points(points) => {
                let next = points.partition_point(|(at, _)| *at <= seconds);
                match (next.checked_sub(1).map(|last| points[last]), points.get(next)) {
                    (Some((from, low)), Some((to, high))) => {
                        low + (high - low) * (seconds - from) / (to - from)
                    }
                    (Some((_, value)), None) | (None, Some(&(_, value))) => value,
                    (None, None) => 0.0,
                }
            }
            Self::Square { period, low, high } => {
                let phase = seconds / period;
                if phase - libm::floor(phase) < 0.5 { *low } else { *high }
            }
            Self::Diurnal { period, low, high } => {
                let turn = libm::cos(core::f64::consts::TAU * seconds / period);
                low + (high - low) * (1.0 - turn) / 2.0
            }
            Self::Burst { base, peak, at, seconds: long } => {
                if (*at..*at + *long).contains(&seconds) { *peak } else { *base }
            }
        }
    }
}
