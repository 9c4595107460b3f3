//! Did the engine keep its word? Every promise by name, and a plain function that judges it.
//!
//! The verifier recomputes from the snapshot, by arithmetic of its own, what the engine claims; it shares no code with
//! the rules it judges. Scenarios, property tests and shadow runs use it alike. It needs no feature.
//!
//! | promise | judged from one [`Round`], by [`check`] or [`Promise::judge`] | judged over many, by [`Watch`] |
//! |---|---|---|
//! | [`Determinism`](Promise::Determinism) | run again, the round says the same | – |
//! | [`HardConstraints`](Promise::HardConstraints) | at every prefix of the plan, and in scope | – |
//! | [`OneMove`](Promise::OneMove) | of each task, within every budget, as the mode allows | ids, ends, places, nothing lost, [budgets](Budgets) |
//! | [`NoWorsening`](Promise::NoWorsening) | of the measure that the plan acts on | – |
//! | [`NoPingPong`](Promise::NoPingPong) | no task moves while it cools down | no return, silence |
//! | [`InFlight`](Promise::InFlight) | loads as projected | – |
//! | [`Evidence`](Promise::Evidence) | every figure that is told | – |
//! | [`Calibration`](Promise::Calibration) | – | – (needs real traces) |
//! | [`Bounded`](Promise::Bounded) | state and outcome | – |
//! | [`BadInput`](Promise::BadInput) | bad records decide nothing | – |
//!
//! ```
//! use evenkeel::{verify, Config, Engine, ResourceId, Snapshot, Timestamp, Worker, WorkerId};
//! let snapshot = Snapshot::builder(Timestamp::from_secs(30))
//!     .worker(Worker::new(WorkerId::new(1)).with_capacity(ResourceId::CPU, 4.0))
//!     .build();
//! let mut engine = Engine::new(Config::default())?;
//! let (_outcome, violations) = verify::tick(&mut engine, &snapshot)?;
//! assert_eq!(violations, []);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod advice;
mod bounds;
mod budgets;
mod calendar;
mod devices;
mod evidence;
mod facts;
mod groups;
mod handover;
mod held;
mod mode;
mod plan;
mod quiet;
mod shares;
mod watch;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::engine::{Engine, Stale};
use crate::outcome::Outcome;
use crate::snapshot::Snapshot;
use crate::state::State;

pub use budgets::Budgets;
#[cfg(feature = "testkit")]
pub(crate) use budgets::{Interruption, limit};
pub use watch::Watch;

/// What the engine promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Promise {
    /// 1. The same config, state and snapshot give the same outcome, whatever the order of the records.
    Determinism,
    /// 2. Hard constraints hold after the plan and in transit, at every prefix of the batch.
    HardConstraints,
    /// 3. One move at a time per task, budgets, cooldowns, no task lost.
    OneMove,
    /// 4. A plan never raises the imbalance it acts on and pushes no resource over its high threshold.
    NoWorsening,
    /// 5. No task returns to a worker it has just left; constant load falls silent.
    NoPingPong,
    /// 6. Effects in flight count on both ends until telemetry must have seen them.
    InFlight,
    /// 7. Every decision carries its evidence, every refusal its reason and remedy.
    Evidence,
    /// 8. Forecasts are as reliable as they claim to be.
    Calibration,
    /// 9. Every collection is bounded.
    Bounded,
    /// 10. Bad input spoils no good input, changes no state, and panics nowhere.
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

    /// Its name in print.
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

    /// Judges one round by this promise alone, whether or not the configuration keeps it. Empty of
    /// [`Calibration`](Self::Calibration): no single round shows it.
    pub fn judge(self, round: &Round<'_>) -> Vec<Violation> {
        let rules: &[fn(&Round<'_>) -> Vec<Violation>] = match self {
            Self::Determinism => &[determinism],
            Self::HardConstraints => &[plan::hard_constraints, mode::scope],
            Self::OneMove => &[plan::one_move, mode::mode],
            Self::NoWorsening => &[plan::no_worsening],
            Self::NoPingPong => &[plan::no_ping_pong],
            Self::InFlight => &[account::in_flight],
            Self::Evidence => &[evidence::evidence],
            Self::Calibration => &[],
            Self::Bounded => &[bounds::bounded],
            Self::BadInput => &[evidence::bad_input],
        };
        rules.iter().flat_map(|rule| rule(round)).collect()
    }

    /// Whether an engine with this configuration keeps it: the rules of `fixed` and `reference` contradict four of
    /// the ten, which stand with the [`stability`](Config::stability) section; no configuration promises calibrated
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

/// A promise that was broken, and by what.
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

/// One balancing round: what went in and what came out.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Round<'a> {
    /// The settings in force.
    pub config: &'a Config,
    /// The state before it.
    pub before: &'a State,
    /// What it read.
    pub snapshot: &'a Snapshot,
    /// What it said.
    pub outcome: &'a Outcome,
    /// The state after it.
    pub after: &'a State,
}

impl<'a> Round<'a> {
    /// One round, ready to be judged.
    pub const fn new(
        config: &'a Config,
        before: &'a State,
        snapshot: &'a Snapshot,
        outcome: &'a Outcome,
        after: &'a State,
    ) -> Self {
        Self { config, before, snapshot, outcome, after }
    }
}

/// Judges every promise that the configuration keeps and that one round can show.
pub fn check(round: &Round<'_>) -> Vec<Violation> {
    let kept = |promise: &Promise| promise.is_kept_by(round.config);
    Promise::ALL.into_iter().filter(kept).flat_map(|promise| promise.judge(round)).collect()
}

/// Runs a round on `engine` and judges it.
///
/// # Errors
///
/// [`Stale`] as [`Engine::tick`] gives it.
pub fn tick(engine: &mut Engine, snapshot: &Snapshot) -> Result<(Outcome, Vec<Violation>), Stale> {
    let before = engine.state().clone();
    let outcome = engine.tick(snapshot)?;
    let (config, after) = (engine.config(), engine.state());
    let violations = check(&Round { config, before: &before, snapshot, outcome: &outcome, after });
    Ok((outcome, violations))
}

/// Promise 1: an engine that resumes from the state before the round says the same, and remembers the same.
fn determinism(round: &Round<'_>) -> Vec<Violation> {
    let mut findings = Findings::new(Promise::Determinism);
    let epoch = round.before.epoch();
    let Ok(mut engine) = Engine::resume(round.config.clone(), round.before.clone(), epoch) else {
        findings.add(String::from("no engine resumes from the state before the round"));
        return findings.list;
    };
    match engine.tick(round.snapshot) {
        Ok(outcome) => {
            findings.need(outcome == *round.outcome, || {
                alloc::format!(
                    "run again, the round says\n{outcome}\nwhere it said\n{}",
                    round.outcome
                )
            });
            findings.need(engine.state() == round.after, || {
                String::from("run again, the round leaves another state")
            });
        }
        Err(stale) => findings.add(alloc::format!("run again, there is no round: {stale}")),
    }
    findings.list
}

/// Collects the violations of one promise.
struct Findings {
    promise: Promise,
    list: Vec<Violation>,
}

impl Findings {
    const fn new(promise: Promise) -> Self {
        Self { promise, list: Vec::new() }
    }

    fn add(&mut self, detail: String) {
        self.list.push(Violation { promise: self.promise, detail });
    }

    /// Notes `detail` unless `holds`.
    fn need(&mut self, holds: bool, detail: impl FnOnce() -> String) {
        if !holds {
            self.add(detail());
        }
    }
}

/// Forgives the rounding of sums taken in another order: one part in a thousand million.
fn about(limit: f64) -> f64 {
    limit + 1e-9 * limit.abs().max(1.0)
}
