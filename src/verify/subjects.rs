//! How much of a round did a promise judge?

use super::account::is_clear;
use super::facts::Facts;
use super::promise::Promise;
use super::round::Round;

impl Promise {
    /// How many things of a round the promise judges: steps of the plan, loads, forecasts, scores, refusals, records;
    /// `None` if the configuration does not keep the promise. A promise that had nothing to judge has shown nothing.
    ///
    /// ```
    /// use evenkeel::{verify, Config, Engine, Snapshot, Timestamp};
    /// let mut engine = Engine::new(Config::fixed())?;
    /// let snapshot = Snapshot::builder(Timestamp::from_secs(30)).build();
    /// let before = engine.state().clone();
    /// let outcome = engine.tick(&snapshot)?;
    /// let round = verify::Round::new(engine.config(), &before, &snapshot, &outcome, engine.state());
    /// assert_eq!(verify::Promise::HardConstraints.subjects(&round), Some(0)); // nothing was moved
    /// assert_eq!(verify::Promise::NoWorsening.subjects(&round), None); // `fixed` does not promise it
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subjects(self, round: &Round<'_>) -> Option<usize> {
        if !self.is_kept_by(round.config) {
            return None;
        }
        let (facts, outcome) = (Facts::new(round), round.outcome);
        let chosen = facts.steps.iter().filter(|step| step.is_chosen()).count();
        let foreseen = outcome.forecast.as_ref().map_or(0, |forecast| forecast.workers.len());
        let refused = outcome.tally.refusals.iter().map(|row| row.examples.len()).sum::<usize>();
        Some(match self {
            Self::Determinism | Self::Bounded => 1,
            Self::HardConstraints => facts.steps.len(),
            Self::OneMove => facts.steps.len() + facts.flights.len(),
            Self::NoWorsening if is_clear(round) => chosen,
            Self::NoPingPong => {
                let cooldowns = &round.after.cooldowns;
                facts.steps.iter().filter(|it| cooldowns.contains_key(&it.task.id)).count()
            }
            Self::InFlight if is_clear(round) => facts.flights.len() + facts.landed().len(),
            Self::NoWorsening | Self::InFlight | Self::Calibration => 0,
            Self::Evidence => outcome.workers.len() + outcome.candidates.len() + refused + foreseen,
            Self::BadInput => round.snapshot.bad_records().len(),
        })
    }
}
