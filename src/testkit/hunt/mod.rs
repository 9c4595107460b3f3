//! Does the engine keep its promises to a host that knows it from its documentation alone?
//!
//! An independent model: a small cluster whose truth is known at every moment (who really runs what, who was
//! told what), a host that does what [`Engine`](crate::Engine) says a host owes and no more, and messages that
//! are late, lost or doubled. It shares no code with the engine, the [verifier](crate::verify) or the reference
//! host, and judges by its own truth. Everything is data: a [`Schedule`] prints, shrinks and plays again.
//!
//! Where the documentation leaves a choice, the model's host
//! * passes the commands for one task on in their order, and drops those for a worker that has died since;
//! * answers a target's abort: refused if it gives the task up, running if it runs the task already;
//! * queues no task that runs, whatever it is told;
//! * may leave a living worker out of one complete snapshot by mistake, though never of two in a row;
//! * shows a task as orphaned once the last worker that ran it has died.
//!
//! ```
//! use evenkeel::testkit::hunt::hunt;
//! let found = hunt(100, 1, |_| ());
//! assert!(found.rounds >= 100);
//! ```

mod bounds;
mod dice;
mod draw;
mod explore;
mod job;
mod judge;
mod ledger;
mod play;
mod rules;
mod schedule;
mod setup;
mod shrink;
mod world;

use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use dice::Dice;
use draw::Faults;
use job::Breach;

pub use explore::{Explored, Scope, explore};
pub use schedule::{Kind, Pick, Schedule, Sight, Step, Violation};
pub use setup::{Settings, Setup};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Found {
    /// Rounds that were run.
    pub rounds: u64,
    /// Commands that the engine gave.
    pub commands: u64,
    /// Migrations that it began.
    pub migrations: u64,
    /// Schedules that ended in a violation.
    pub broken: u64,
    /// The violations by kind and cause, with the shortest schedule of each.
    pub violations: Vec<Violation>,
    /// How often each of them was found.
    pub times: Vec<u64>,
}

/// Plays random schedules until so many rounds have been run. `seen` is told the rounds so far, after every schedule.
pub fn hunt(rounds: u64, seed: u64, mut seen: impl FnMut(u64)) -> Found {
    let mut found = Found::default();
    let mut kinds: BTreeMap<(Kind, String), (u64, Violation)> = BTreeMap::new();
    let mut seeds = Dice::new(seed);
    while found.rounds < rounds {
        let (schedule, breach) = one(seeds.roll(), &mut found);
        if let Some(breach) = breach {
            found.broken += 1;
            shrink::keep(&mut kinds, schedule, breach);
        }
        seen(found.rounds);
    }
    for (times, mut violation) in kinds.into_values() {
        let shortest = shrink::shortest(violation.schedule, violation.kind, &violation.by);
        if let Some(breach) = play::replay(&shortest, false).breach {
            violation.says = breach.says;
        }
        violation.schedule = shortest;
        found.violations.push(violation);
        found.times.push(times);
    }
    found
}

/// Draws one schedule and plays it.
fn one(seed: u64, found: &mut Found) -> (Schedule, Option<Breach>) {
    let mut dice = Dice::new(seed);
    let setup = Setup::random(&mut dice);
    let mut faults = Faults::new(dice);
    let played = play::play(&setup, false, |world| faults.next(world));
    found.rounds += played.rounds;
    found.commands += played.commands;
    found.migrations += played.migrations;
    (Schedule { seed, setup, steps: played.steps }, played.breach)
}

/// Plays a schedule again, and tells what happens line by line; no violation if it keeps every promise.
pub fn replay(schedule: &Schedule) -> (Vec<String>, Option<Violation>) {
    let played = play::replay(schedule, true);
    let violation = played.breach.map(|Breach { kind, by, says }| Violation {
        kind,
        by,
        says,
        schedule: schedule.clone(),
    });
    (played.story, violation)
}
