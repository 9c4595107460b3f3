//! What does the engine promise, and what is a violation?

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::config::Config;

/// What the engine promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Promise {
    /// 1. The same config, state and snapshot give the same outcome, whatever the order of the records.
    Determinism,
    /// 2. Hard constraints hold after the plan and in transit, at every prefix of the batch.
    HardConstraints,
    /// 3. At most one move at a time per task; budgets and cooldowns hold; no task is lost.
    OneMove,
    /// 4. A plan never raises the imbalance it acts on and pushes no resource over its high threshold.
    NoWorsening,
    /// 5. No task returns to a worker it has just left; under constant load the engine falls silent.
    NoPingPong,
    /// 6. A task in flight counts on its source and its target until telemetry must have seen the move.
    InFlight,
    /// 7. Every decision carries its evidence, every refusal its reason and remedy.
    Evidence,
    /// 8. Forecasts are as reliable as they claim to be.
    Calibration,
    /// 9. Every collection is bounded.
    Bounded,
    /// 10. Bad input spoils no good input, changes no state, and causes no panic.
    BadInput,
}

impl Promise {
    /// Every promise, in order.
    pub const ALL: [Self; 10] = [
        Self::Determinism,
        Self::HardConstraints,
        Self::OneMove,
        Self::NoWorsening,
        Self::NoPingPong,
        Self::InFlight,
        Self::Evidence,
        Self::Calibration,
        Self::Bounded,
        Self::BadInput,
    ];

    /// The name of the promise.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Determinism => "determinism",
            Self::HardConstraints => "hard constraints",
            Self::OneMove => "one move at a time",
            Self::NoWorsening => "no worsening",
            Self::NoPingPong => "no ping-pong",
            Self::InFlight => "in-flight effects count",
            Self::Evidence => "evidence for every decision",
            Self::Calibration => "calibrated forecasts",
            Self::Bounded => "everything bounded",
            Self::BadInput => "bad input spoils nothing",
        }
    }

    /// Whether an engine with this configuration keeps the promise. The rules of `fixed` and `reference` contradict
    /// four of the ten, which need the [`stability`](Config::stability) section; no configuration promises calibrated
    /// forecasts yet.
    pub const fn is_kept_by(self, config: &Config) -> bool {
        match self {
            Self::NoWorsening | Self::NoPingPong | Self::InFlight => config.stability.is_some(),
            Self::Calibration => false,
            _ => true,
        }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A promise that was broken, and what broke it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Violation {
    /// The promise.
    pub promise: Promise,
    /// What happened, with its numbers.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.detail)
    }
}

/// Collects the violations of one promise.
pub(super) struct Findings {
    promise: Promise,
    pub(super) list: Vec<Violation>,
}

impl Findings {
    pub(super) const fn new(promise: Promise) -> Self {
        Self { promise, list: Vec::new() }
    }

    pub(super) fn add(&mut self, detail: String) {
        self.list.push(Violation { promise: self.promise, detail });
    }

    /// Notes `detail` unless `holds`.
    pub(super) fn need(&mut self, holds: bool, detail: impl FnOnce() -> String) {
        if !holds {
            self.add(detail());
        }
    }
}

/// Tolerates the rounding of sums taken in another order: one part in a thousand million.
pub(super) fn about(limit: f64) -> f64 {
    limit + 1e-9 * limit.abs().max(1.0)
}

/// Whether two amounts are equal up to rounding (this share of them), or both unknown.
pub(super) fn near(a: Option<f64>, b: Option<f64>, tolerance: f64) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= tolerance * a.abs().max(1.0),
        (None, None) => true,
        _ => false,
    }
}
