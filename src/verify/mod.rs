//! Did the engine keep its promises? Every promise has a name, and a plain function that judges it.
//!
//! The verifier computes from the snapshot, with arithmetic of its own, what the engine claims; it shares no code with
//! the rules that it judges. Scenarios, property tests and shadow runs use it alike. It needs no feature.
//!
//! | promise | judged from one [`Round`], by [`check`] or [`Promise::judge`] | judged over many, by [`Watch`] |
//! |---|---|---|
//! | [`Determinism`](Promise::Determinism) | a repeated round returns the same outcome | – |
//! | [`HardConstraints`](Promise::HardConstraints) | at every prefix of the plan, and in scope | – |
//! | [`OneMove`](Promise::OneMove) | at most one move per task, within every budget, as the mode allows | ids, ends, places, no lost task, [budgets](Budgets) |
//! | [`NoWorsening`](Promise::NoWorsening) | the measure that the plan acts on does not rise | – |
//! | [`NoPingPong`](Promise::NoPingPong) | no task moves during its cooldown | no return; silence under constant load |
//! | [`InFlight`](Promise::InFlight) | projected loads count moves under way | – |
//! | [`Evidence`](Promise::Evidence) | every printed figure, by factors; the best first; every refusal is true | – |
//! | [`Calibration`](Promise::Calibration) | – | – (needs real traces) |
//! | [`Bounded`](Promise::Bounded) | sizes of state and outcome | – |
//! | [`BadInput`](Promise::BadInput) | bad records change no decision | – |
//!
//! [`between_rounds`] judges what answers to reports send home. [`answers`](answers()) and [`ranking`] judge what a
//! [`Look`](crate::engine::Look) says. A promise that found nothing to judge has shown nothing: [`Promise::subjects`]
//! says how much it judged, and [`Doubt`] why a rule was not judged.
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
mod adapted;
mod advice;
mod answers;
mod best_first;
mod bounds;
mod budgets;
mod calendar;
mod concurrency;
mod devices;
mod doubt;
mod evidence;
mod facts;
mod footprint;
mod foreseen;
mod given_back;
mod groups;
mod handover;
mod held;
mod homes;
mod in_flight;
mod life;
mod missing;
mod mode;
mod orders;
mod overload;
mod plan;
mod promise;
mod quiet;
mod records;
mod refusals;
mod returns;
mod round;
mod score;
mod shares;
mod subjects;
mod unfit;
mod watch;

use alloc::string::String;
use alloc::vec::Vec;

use crate::engine::{Engine, Stale};
use crate::outcome::{Command, Outcome};
use crate::snapshot::Snapshot;

pub use answers::{answers, ranking};
pub use budgets::Budgets;
#[cfg(feature = "testkit")]
pub(crate) use budgets::{Interruption, limit};
pub use doubt::Doubt;
pub use promise::{Promise, Violation};
pub use round::Round;
pub use watch::Watch;

use promise::Findings;

/// Judges every promise that the configuration keeps and that one round can show.
pub fn check(round: &Round<'_>) -> Vec<Violation> {
    let kept = |promise: &Promise| promise.is_kept_by(round.config);
    Promise::ALL.into_iter().filter(kept).flat_map(|promise| promise.judge(round)).collect()
}

/// Judges the commands that follow from reports between this round and the next one, all of them since the round
/// together: a task is sent home only to a source that the snapshot of the round shows open, in its class, with the
/// hardware, labels, cores and memory that it needs, and without a task from which it is kept apart. Tasks with
/// alternatives, devices, and rounds in which the engine [holds back](crate::outcome::Outcome::held) are not judged.
pub fn between_rounds(round: &Round<'_>, commands: &[Command]) -> Vec<Violation> {
    let mut findings = Findings::new(Promise::HardConstraints);
    homes::sent_home_where_it_may(round, commands, &mut findings);
    findings.list
}

impl Promise {
    /// Judges one round by this promise alone, whether or not the configuration keeps it. Always empty for
    /// [`Calibration`](Self::Calibration), which no single round shows.
    pub fn judge(self, round: &Round<'_>) -> Vec<Violation> {
        let rules: &[fn(&Round<'_>) -> Vec<Violation>] = match self {
            Self::Determinism => &[determinism],
            Self::HardConstraints => &[plan::hard_constraints, mode::scope],
            Self::OneMove => &[plan::one_move, kept_to_its_mode],
            Self::NoWorsening => &[plan::no_worsening],
            Self::NoPingPong => &[plan::no_ping_pong],
            Self::InFlight => &[in_flight::in_flight],
            Self::Evidence => &[
                evidence::evidence,
                foreseen::forecast,
                score::scores,
                best_first::best_first,
                refusals::truth,
            ],
            Self::Calibration => &[],
            Self::Bounded => &[bounds::bounded],
            Self::BadInput => &[evidence::bad_input],
        };
        rules.iter().flat_map(|rule| rule(round)).collect()
    }
}

/// Promise 3, by mode: an engine that does not act begins no move and leaves no trace of one; it proposes exactly what
/// it would have commanded, and that would have kept every promise.
fn kept_to_its_mode(round: &Round<'_>) -> Vec<Violation> {
    mode::kept(round, check)
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
