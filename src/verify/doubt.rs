//! What keeps the verifier from judging, though the configuration keeps the promise?

use super::account::{Account, is_clear};
use super::devices::hides_devices;
use super::facts::Facts;
use super::round::Round;

/// A fact that the inputs of a round do not show, so that some rules are not judged in it.
///
/// A rule that is often in doubt has shown little; count the doubts of long runs, as the property tests do.
///
/// ```
/// use evenkeel::verify::{Doubt, Round};
/// use evenkeel::{Config, Engine, Snapshot, Timestamp};
/// let mut engine = Engine::new(Config::default())?;
/// let snapshot = Snapshot::builder(Timestamp::from_secs(30)).build();
/// let before = engine.state().clone();
/// let outcome = engine.tick(&snapshot)?;
/// let round = Round::new(engine.config(), &before, &snapshot, &outcome, engine.state());
/// assert!(Doubt::ALL.iter().all(|doubt| !doubt.is_in(&round)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Doubt {
    /// Which loads the engine acted on: a move has ended that neither state counts, because a report or a phase lies
    /// in the future, a migration ended longer ago than
    /// [`performance_window`](crate::Config::performance_window), or there is no room for it in memory.
    ///
    /// Not judged are the promises [`NoWorsening`](super::Promise::NoWorsening) and
    /// [`InFlight`](super::Promise::InFlight), scorecards, gains of handovers, refusals because of loads, the order of
    /// moves without scores, and which workers give tasks.
    Loads,
    /// How much is free on the devices of a worker that a command names as its target: a task there uses device
    /// memory and does not state its device, or it has just come or gone.
    ///
    /// Not judged are, on that worker, whether a faster alternative would fit a device, how well a task packs a device,
    /// and refusals because of device memory.
    Devices,
}

impl Doubt {
    /// Every doubt.
    pub const ALL: [Self; 2] = [Self::Loads, Self::Devices];

    /// Whether this is unknown in a round.
    pub fn is_in(self, round: &Round<'_>) -> bool {
        match self {
            Self::Loads => !is_clear(round),
            Self::Devices => {
                let facts = Facts::new(round);
                let account = Account::open(&facts);
                let mut targets =
                    facts.steps.iter().filter_map(|step| round.snapshot.worker(step.to));
                targets.any(|target| hides_devices(&account, target))
            }
        }
    }
}
