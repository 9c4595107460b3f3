//! Did the engine keep its promises? Every promise has a name, and a plain function that judges it.
//!
//! The verifier computes from the snapshot, with arithmetic of its own, what the engine claims; it shares no code with
//! the rules that it judges. Scenarios, property tests and shadow runs use it alike. It needs no feature.
//!
//! | promise | judged from one [`Round`] | judged over many, by [`Watch`] |
//! |---|---|---|
//! | [`Determinism`](Promise::Determinism) | [`determinism`] | – |
//! | [`HardConstraints`](Promise::HardConstraints) | [`hard_constraints`], [`scope`] | – |
//! | [`OneMove`](Promise::OneMove) | [`one_move`], [`mode`] | ids, ends, places, nothing lost, [budgets](Budgets) |
//! | [`NoWorsening`](Promise::NoWorsening) | [`no_worsening`] | – |
//! | [`NoPingPong`](Promise::NoPingPong) | [`no_ping_pong`] | no return, silence |
//! | [`InFlight`](Promise::InFlight) | [`in_flight`] | – |
//! | [`Evidence`](Promise::Evidence) | [`evidence`] | – |
//! | [`Calibration`](Promise::Calibration) | – | – (needs real traces) |
//! | [`Bounded`](Promise::Bounded) | [`bounded`] | – |
//! | [`BadInput`](Promise::BadInput) | [`bad_input`] | – |
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

pub use account::in_flight;
pub use bounds::bounded;
pub use budgets::Budgets;
#[cfg(feature = "testkit")]
pub(crate) use budgets::{Interruption, limit};
pub use evidence::{bad_input, evidence};
pub use mode::{mode, scope};
pub use plan::{hard_constraints, no_ping_pong, no_worsening, one_move};
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

/// One round: what went in and what came out.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Round<'a> {
    /// The settings in force.
    pub config: &'a Config,
    /// The state before the round.
    pub before: &'a State,
    /// The snapshot that the round read.
    pub snapshot: &'a Snapshot,
    /// The outcome of the round.
    pub outcome: &'a Outcome,
    /// The state after the round.
    pub after: &'a State,
}

impl<'a> Round<'a> {
    /// A round with these inputs and results.
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
    const RULES: [fn(&Round<'_>) -> Vec<Violation>; 11] = [
        determinism,
        hard_constraints,
        one_move,
        no_worsening,
        no_ping_pong,
        in_flight,
        evidence,
        bounded,
        bad_input,
        mode,
        scope,
    ];
    let kept = |violation: &Violation| violation.promise.is_kept_by(round.config);
    RULES.iter().flat_map(|rule| rule(round)).filter(kept).collect()
}

/// Runs a round on `engine` and judges it.
///
/// # Errors
///
/// [`Stale`], like [`Engine::tick`].
pub fn tick(engine: &mut Engine, snapshot: &Snapshot) -> Result<(Outcome, Vec<Violation>), Stale> {
    let before = engine.state().clone();
    let outcome = engine.tick(snapshot)?;
    let (config, after) = (engine.config(), engine.state());
    let violations = check(&Round { config, before: &before, snapshot, outcome: &outcome, after });
    Ok((outcome, violations))
}

/// Promise 1: an engine that resumes from the state before the round returns the same outcome and remembers the same.
pub fn determinism(round: &Round<'_>) -> Vec<Violation> {
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

/// Tolerates the rounding of sums taken in another order: one part in a thousand million.
fn about(limit: f64) -> f64 {
    limit + 1e-9 * limit.abs().max(1.0)
}
