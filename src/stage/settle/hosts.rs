//! A migration whose target the host's own scheduler chooses: by eviction, or by queuing again.
//!
//! It ends where the task turns up, under whatever name: completed on the target, which was a hint,
//! diverted elsewhere. A task that comes back to where it was is left alone, twice as long each time.

use alloc::vec::Vec;

use crate::config::Config;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::Fate;
use crate::snapshot::Phase;
use crate::state::{Flight, MEMORY_PER_WORKER, Remembered, Returned, State};

use super::Settled;
use super::turn::{cool_down, land, over, part};

/// It has left its source, and the scheduler has it.
pub(super) fn let_go(state: &mut State, mut flight: Flight, at: Timestamp, settled: &mut Settled) {
    if flight.phase != Phase::Releasing {
        settled.ignored += 1;
        return;
    }
    (flight.phase, flight.since, flight.released) = (Phase::Assigned, at, Some(at));
    state.flights.insert(flight.task, flight);
}

/// It is on `worker` now, where it is called `task`.
pub(super) fn turned_up(
    config: &Config,
    state: &mut State,
    flight: &Flight,
    (worker, task): (WorkerId, TaskId),
    at: Timestamp,
    settled: &mut Settled,
) {
    let fate = if worker == flight.to { Fate::Completed } else { Fate::Diverted };
    let back = flight.from == Some(worker);
    over(config, state, flight, (fate, !back), at, settled);
    if !back {
        state.returned.remove(&flight.task);
    }
    hand_over(state, flight.task, task);
    if back {
        part(config, state, flight.from, at);
        back_off(config, state, task, at);
        return;
    }
    let mut there = flight.clone();
    (there.task, there.to) = (task, worker);
    land(config, state, &there, at);
}

/// It has turned up after its migration was given up: it was interrupted all the same.
pub(super) fn heard_of(
    config: &Config,
    state: &mut State,
    it: Remembered,
    (worker, task): (WorkerId, TaskId),
    at: Timestamp,
) {
    state.ended.replace_where(|other| other.id == it.id, |it| it.unheard_from = None);
    if it.unheard_from == Some(worker) {
        hand_over(state, it.task, task);
        back_off(config, state, task, at);
    } else {
        state.returned.remove(&it.task);
        hand_over(state, it.task, task);
        cool_down(config, state, task, it.unheard_from, at);
    }
}

/// What is remembered of a task is remembered of it under its new name, unless that is known already: the
/// report of the name is late then, and what is remembered is news.
pub(super) fn hand_over(state: &mut State, was: TaskId, is: TaskId) {
    if was == is {
        return;
    }
    if let Some(cooldown) = state.cooldowns.remove(&was) {
        let known = state.cooldowns.entry(is).or_insert_with(|| cooldown.clone());
        let left = |worker: WorkerId| move |it: &(WorkerId, Timestamp)| it.0 == worker;
        let others = cooldown.left.into_iter().filter(|it| !known.left.iter().any(left(it.0)));
        let others: Vec<_> = others.collect();
        known.left.extend(others);
    }
    if let Some(returned) = state.returned.remove(&was) {
        state.returned.entry(is).or_insert(returned);
    }
}

/// It came back: leave it alone, for longer each time.
fn back_off(config: &Config, state: &mut State, task: TaskId, at: Timestamp) {
    let eviction = config.migration.as_ref().and_then(|limits| limits.eviction).unwrap_or_default();
    let before = state.returned.get(&task).filter(|returned| returned.forget > at);
    let room = state.returned.len() < MEMORY_PER_WORKER * state.tracks.len().max(1);
    if !room && !state.returned.contains_key(&task) {
        return;
    }
    let times = before.map_or(1, |returned| returned.times.saturating_add(1));
    let period = eviction.back_off(times);
    let until = at.after(period);
    state.returned.insert(task, Returned { times, until, forget: until.after(period) });
}
