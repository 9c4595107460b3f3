//! Engines that die: between two rounds one is gone, and another goes on from what was saved a while before, or from
//! nothing.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU32;

use proptest::collection::vec as list;
use proptest::option::weighted;
use proptest::prelude::*;

use super::history::histories;
use super::host::Host;
use super::script::{Happening, History};
use super::settings::budget;
use crate::config::{ConfigErrors, Mode};
use crate::engine::{Input, Output};
use crate::id::{Epoch, ZoneId};
use crate::state::State;
use crate::{Config, Engine};

/// At most this many rounds old is the saved state.
const OLDEST: usize = 10;

/// A history, and when the engine dies in it.
///
/// ```
/// use proptest::prelude::*;
/// use evenkeel::testkit::strategies;
///
/// proptest!(ProptestConfig::with_cases(16), |(failover in strategies::failovers())| {
///     let mut engine = failover.engine().expect("only sensible settings are generated");
///     let host = failover.play(&mut |input| engine.apply(&input));
///     prop_assert_eq!(host.faults, Vec::<String>::new());
/// });
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Failover {
    /// What happens.
    pub history: History,
    /// When the engine dies.
    pub deaths: Vec<Death>,
}

/// The death of an engine, and what the next one goes on from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Death {
    /// It dies after this many rounds: the next input, a report or a snapshot, comes to the next one.
    pub after: usize,
    /// How many rounds old the state of the next life is; `None` if it has no state.
    pub age: Option<usize>,
}

impl fmt::Debug for Failover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deaths.iter().try_for_each(|death| writeln!(f, "{death:?}"))?;
        self.history.fmt(f)
    }
}

impl Failover {
    /// The engine that dies.
    ///
    /// # Errors
    ///
    /// As for [`Engine::new`].
    pub fn engine(&self) -> Result<Mortal, ConfigErrors> {
        Mortal::new(self.history.config.clone(), self.deaths.clone())
    }

    /// Plays the history, as [`History::play`] does.
    pub fn play(&self, door: &mut dyn FnMut(Input) -> Output) -> Host {
        self.history.play(door)
    }
}

/// An engine that dies now and then, and its successors, each in an epoch of its own.
#[derive(Clone, Debug)]
pub struct Mortal {
    engine: Engine,
    deaths: Vec<Death>,
    /// Rounds so far.
    rounds: usize,
    /// What was saved after the last rounds, newest first.
    saved: VecDeque<State>,
    /// What must never happen to a successor, and did.
    refused: Vec<alloc::string::String>,
}

impl Mortal {
    /// An engine with these settings that dies so often.
    ///
    /// # Errors
    ///
    /// As for [`Engine::new`].
    pub fn new(config: Config, deaths: Vec<Death>) -> Result<Self, ConfigErrors> {
        let engine = Engine::new(config)?;
        let saved = VecDeque::from([engine.state().clone()]);
        Ok(Self { engine, deaths, rounds: 0, saved, refused: Vec::new() })
    }

    /// The one that lives.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Successors that could not begin: there must be none.
    pub fn refused(&self) -> &[alloc::string::String] {
        &self.refused
    }

    /// Takes one input, or its successor does.
    pub fn apply(&mut self, input: &Input) -> Output {
        if let Some(due) = self.deaths.iter().position(|death| death.after == self.rounds) {
            let death = self.deaths.swap_remove(due);
            self.die(death);
        }
        let output = self.engine.apply(input);
        if matches!(input, Input::Tick(_)) {
            self.rounds += 1;
            self.saved.push_front(self.engine.state().clone());
            self.saved.truncate(OLDEST + 1);
        }
        output
    }

    fn die(&mut self, death: Death) {
        let config = self.engine.config().clone();
        let epoch = Epoch::new(self.engine.state().epoch().raw() + 1);
        let next = match death.age {
            Some(age) => {
                let state = self.saved.get(age).or(self.saved.back()).cloned();
                let resumed = state.map(|state| Engine::resume(config, state, epoch));
                resumed.and_then(|next| {
                    next.map_err(|no| self.refused.push(alloc::format!("{no}"))).ok()
                })
            }
            None => Engine::in_epoch(config, epoch).ok(),
        };
        if let Some(next) = next {
            self.engine = next;
        }
    }
}

/// Histories in which the engine dies up to four times, often early, and what the next one has is up to ten rounds
/// old, or nothing. The host shows every task that is on its way or is told to go; commands and reports are late and
/// lost as ever. This many moves are allowed at once, whatever the cluster, and most have a tight table beside.
pub fn failovers() -> impl Strategy<Value = Failover> {
    let death = (prop_oneof![1..6_usize, 1..24_usize], weighted(0.7, 0..=OLDEST));
    let death = death.prop_map(|(after, age)| Death { after, age });
    let limits = (1..6_u32, weighted(0.7, list(budget(), 1..4)));
    (histories(), list(death, 1..5), limits).prop_map(|(mut history, deaths, (most, table))| {
        (history.shows_moving, history.shows_orders) = (true, true);
        history.config.mode = Mode::Act;
        // To a life that has seen nothing yet no snapshot is an old one, and none can be doubted.
        for turn in &mut history.turns {
            let known = |it: &Happening| !matches!(it, Happening::Again | Happening::Blackout);
            turn.happening = turn.happening.filter(known);
        }
        for worker in &mut history.cluster.workers {
            worker.zone = worker.zone.or(Some(ZoneId::new(worker.id.raw() % 2)));
        }
        let limits = history.config.migration.get_or_insert_default();
        (limits.share_of_workers, limits.per_giver) = (None, None);
        limits.max_simultaneous = NonZeroU32::new(most).unwrap_or(NonZeroU32::MIN);
        limits.budgets = table.unwrap_or_default();
        Failover { history, deaths }
    })
}
