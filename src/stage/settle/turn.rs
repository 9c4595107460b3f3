//! What happens to one migration: the turns it takes, and the one place where it ends.

use alloc::vec::Vec;

use crate::config::{Config, CostWeights};
use crate::math::average::learn;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::time::{Timestamp, seconds};
use crate::outcome::{Action, Counts, Ended, Fate, Reason};
use crate::snapshot::{Phase, Stance};
use crate::state::{Cooldown, Flight, Landed, MEMORY_PER_WORKER, Remembered, State, Track, Way};

use super::{Settled, hosts, overlap};

/// So many assignments are tried before the task goes back to the scheduler.
const ATTEMPTS: u32 = 4;

pub(super) fn released(
    config: &Config,
    state: &mut State,
    mut flight: Flight,
    at: Timestamp,
    settled: &mut Settled,
) {
    if flight.released.is_none() {
        part(config, state, flight.from, at);
    }
    match flight.way {
        Way::Direct => {}
        Way::Overlap => return overlap::released(config, state, flight, at, settled),
        Way::Evict | Way::Requeue => return hosts::let_go(state, flight, at, settled),
    }
    if flight.phase != Phase::Releasing {
        settled.ignored += 1;
        return;
    }
    flight.released = Some(at);
    let closed = |it: &Track| it.gone || it.leaving || it.stance != Stance::Accept;
    if state.tracks.get(&flight.to).is_some_and(closed) {
        turn_back(state, flight, Fate::Failed, at, settled);
        return;
    }
    assign(&mut flight, at);
    settled.repeat(&flight);
    state.flights.insert(flight.task, flight);
}

fn assign(flight: &mut Flight, at: Timestamp) {
    (flight.phase, flight.since) = (Phase::Assigned, at);
    flight.attempts += 1;
}

pub(super) fn running(
    config: &Config,
    state: &mut State,
    flight: &Flight,
    at: Timestamp,
    settled: &mut Settled,
) {
    if flight.way == Way::Overlap {
        part(config, state, Some(flight.to), at);
        overlap::copied(state, flight.clone(), at, settled);
    } else if flight.way.is_the_hosts() {
        let here = (flight.to, flight.task);
        hosts::turned_up(config, state, flight, here, at, settled);
    } else if let Some(fate) = flight.returning {
        part(config, state, Some(flight.to), at);
        end(config, state, flight, fate, at, settled);
    } else {
        end(config, state, flight, Fate::Completed, at, settled);
        land(config, state, flight, at);
    }
}

/// It is on `worker` now, where it is called `task`.
pub(super) fn diverted(
    config: &Config,
    state: &mut State,
    flight: &Flight,
    (worker, task): (WorkerId, TaskId),
    at: Timestamp,
    settled: &mut Settled,
) {
    if flight.way.is_the_hosts() {
        hosts::turned_up(config, state, flight, (worker, task), at, settled);
        return;
    }
    let overlaps = flight.way == Way::Overlap;
    if (flight.phase == Phase::Assigned || overlaps) && worker != flight.to {
        settled.command(flight, Action::Abort { worker: flight.to }, Reason::Elsewhere);
    }
    if let Some(from) = flight.from.filter(|from| overlaps && *from != worker) {
        settled.command(flight, Action::Stop { from }, Reason::Elsewhere);
    }
    let mut there = flight.clone();
    (there.task, there.to) = (task, worker);
    end(config, state, flight, Fate::Diverted, at, settled);
    hosts::hand_over(state, flight.task, task);
    land(config, state, &there, at);
}

/// Whose turn it was did not do it.
pub(super) fn failed(
    config: &Config,
    state: &mut State,
    flight: Flight,
    fate: Fate,
    at: Timestamp,
    settled: &mut Settled,
) {
    if flight.way == Way::Overlap {
        overlap::failed(config, state, &flight, fate, at, settled);
        return;
    }
    if flight.phase == Phase::Releasing || flight.way.is_the_hosts() {
        end(config, state, &flight, fate, at, settled);
        return;
    }
    if flight.phase == Phase::Released {
        settled.ignored += 1;
        return;
    }
    if flight.called_off {
        given_up(config, state, flight, at, settled);
        return;
    }
    judge(config, state, &flight, false);
    if flight.attempts >= ATTEMPTS {
        // An orphan is not given back: the next round tries to place it anew.
        if !flight.is_placement() {
            settled.command(&flight, Action::Requeue, Reason::Exhausted);
        }
        end(config, state, &flight, fate, at, settled);
        return;
    }
    turn_back(state, flight, fate, at, settled);
}

/// What an operator has called off did not begin: it goes home, or where there is none to another
/// target, since somebody must have it. An orphan is placed anew by the next round, not there.
fn given_up(
    config: &Config,
    state: &mut State,
    flight: Flight,
    at: Timestamp,
    settled: &mut Settled,
) {
    if flight.is_placement() {
        end(config, state, &flight, Fate::Aborted, at, settled);
        cool_down(config, state, flight.task, Some(flight.to), at);
    } else {
        turn_back(state, flight, Fate::Aborted, at, settled);
    }
}

/// The target does not run it: back to the source if that is there, or else to another target.
pub(super) fn turn_back(
    state: &mut State,
    mut flight: Flight,
    fate: Fate,
    at: Timestamp,
    settled: &mut Settled,
) {
    let home = flight.from.filter(|from| flight.returning.is_none() && takes_back(state, *from));
    if let Some(from) = home {
        send_home(state, flight, from, fate, at, settled);
    } else {
        strand(&mut flight, at);
        state.flights.insert(flight.task, flight);
    }
}

/// The source is told to run it as it did.
pub(super) fn send_home(
    state: &mut State,
    mut flight: Flight,
    from: WorkerId,
    fate: Fate,
    at: Timestamp,
    settled: &mut Settled,
) {
    flight.returning = Some(flight.returning.unwrap_or(fate));
    (flight.to, flight.device, flight.alternative) = (from, None, None);
    flight.load = flight.leaves.take().unwrap_or(flight.load);
    assign(&mut flight, at);
    settled.repeat(&flight);
    state.flights.insert(flight.task, flight);
}

/// Nobody has the task; the next round finds it another target.
pub(super) fn strand(flight: &mut Flight, at: Timestamp) {
    (flight.phase, flight.since, flight.returning) = (Phase::Released, at, None);
    flight.called_off = false;
}

/// Whether a worker can have back what it gave away.
fn takes_back(state: &State, worker: WorkerId) -> bool {
    state.tracks.get(&worker).is_some_and(|it| !it.gone && !it.leaving && it.stance < Stance::Drain)
}

/// An operator calls it off. It is nobody's failure: neither the kind nor the target is charged.
///
/// | phase | then |
/// |---|---|
/// | releasing | the source keeps the task; the migration is over |
/// | released | back to the scheduler |
/// | assigned, an orphan's placement too | the target is told to stop, and its answer decides |
/// | on its way home, or an orphan that waits for a target | there is nothing better than to go on |
pub(super) fn aborted(
    config: &Config,
    state: &mut State,
    mut flight: Flight,
    at: Timestamp,
    settled: &mut Settled,
) {
    let again = core::mem::replace(&mut flight.called_off, true);
    match (flight.phase, flight.from) {
        _ if flight.way == Way::Overlap => overlap::aborted(config, state, &flight, at, settled),
        (Phase::Releasing, Some(from)) => {
            settled.command(&flight, Action::Abort { worker: from }, Reason::Operator);
            end(config, state, &flight, Fate::Aborted, at, settled);
        }
        // The scheduler has it already.
        _ if flight.way.is_the_hosts() => {
            end(config, state, &flight, Fate::Aborted, at, settled);
        }
        (Phase::Assigned, _) if flight.returning.is_none() && !again => {
            // The target may have begun: it is told to stop, and its answer decides.
            settled.command(&flight, Action::Abort { worker: flight.to }, Reason::Operator);
            flight.since = at;
            state.flights.insert(flight.task, flight);
        }
        (Phase::Released, Some(_)) => {
            settled.command(&flight, Action::Requeue, Reason::Operator);
            end(config, state, &flight, Fate::Aborted, at, settled);
        }
        (Phase::Assigned | Phase::Releasing | Phase::Released, _) => settled.ignored += 1,
    }
}

pub(super) fn end(
    config: &Config,
    state: &mut State,
    flight: &Flight,
    fate: Fate,
    at: Timestamp,
    settled: &mut Settled,
) {
    over(config, state, flight, (fate, fate == Fate::Completed), at, settled);
}

/// The one place where a migration ends, as it was meant to or not: where the host's scheduler chooses,
/// the task may be elsewhere than it was to go, and all is well.
pub(super) fn over(
    config: &Config,
    state: &mut State,
    flight: &Flight,
    (fate, well): (Fate, bool),
    at: Timestamp,
    settled: &mut Settled,
) {
    state.flights.remove(&flight.task);
    let elsewhere = matches!(fate, Fate::Completed | Fate::Diverted);
    // What its source evicts late is in the scheduler's hands.
    let unreleased = flight.phase == Phase::Releasing && !elsewhere && !flight.way.is_the_hosts();
    let unheard_from = flight.from.filter(|_| flight.way.is_the_hosts() && !elsewhere);
    let (id, task) = (flight.id, flight.task);
    let stays = unreleased && fate != Fate::Finished;
    let asked = Some(flight.started).filter(|_| stays);
    state.ended.push(Remembered { id, task, unreleased, unheard_from, asked });
    let completed = u64::from(well);
    let counts = Counts { completed, failed: 1 - completed, ..Counts::default() };
    state.counters.add(at, counts);
    if let Some(concurrency) = state.concurrency.as_mut().filter(|_| flight.interrupts()) {
        concurrency.completed |= well;
        concurrency.failed |= matches!(fate, Fate::Failed | Fate::Refused | Fate::TimedOut);
    }
    remember_cost(config, state, flight, (fate, well), at);
    if fate == Fate::Completed {
        judge(config, state, flight, true);
    } else if !matches!(fate, Fate::Finished | Fate::Diverted) {
        // What has just failed is not tried again at once.
        cool_down(config, state, flight.task, None, at);
    }
    let Flight { id: migration, task, from, to, started, .. } = *flight;
    let took = at.since(started).unwrap_or_default();
    settled.ended.push(Ended { migration, task, from, to, fate, at, took });
}

/// What follows from a task's arrival: an effect that telemetry has yet to show, and a cooldown.
pub(super) fn land(config: &Config, state: &mut State, flight: &Flight, at: Timestamp) {
    let (released, running) = (flight.released.unwrap_or(at), flight.copied().unwrap_or(at));
    part(config, state, flight.from, released);
    part(config, state, Some(flight.to), running);
    if let Some(from) = flight.from {
        cool_down(config, state, flight.task, Some(from), at);
    }
    if state.landed.len() < MEMORY_PER_WORKER * state.tracks.len().max(1) {
        let (task, to, load) = (flight.task, flight.to, flight.load.clone());
        let (from, leaves) = (flight.from, flight.leaves.clone());
        state.landed.push(Landed { task, from, to, released, running, load, leaves });
    }
}

/// What a worker's load does at this moment is our doing.
pub(super) fn part(config: &Config, state: &mut State, worker: Option<WorkerId>, at: Timestamp) {
    let track = worker.and_then(|worker| state.tracks.get_mut(&worker));
    if let (Some(stability), Some(track)) = (&config.stability, track) {
        track.part(at, stability.telemetry_lag);
    }
}

pub(super) fn cool_down(
    config: &Config,
    state: &mut State,
    task: TaskId,
    left: Option<WorkerId>,
    at: Timestamp,
) {
    let Some(stability) = &config.stability else { return };
    let room = state.cooldowns.len() < MEMORY_PER_WORKER * state.tracks.len().max(1);
    if !room && !state.cooldowns.contains_key(&task) {
        return;
    }
    let until = at.after(stability.cooldown);
    let cooldown = state.cooldowns.entry(task).or_insert(Cooldown { left: Vec::new(), until });
    cooldown.until = cooldown.until.max(until);
    cooldown.left.retain(|(worker, over)| *over > at && Some(*worker) != left);
    cooldown.left.extend(left.map(|worker| (worker, until)));
}

/// What the move cost, on the scale of cost: a point per so many seconds in nobody's hands, two for
/// a failure.
fn remember_cost(
    config: &Config,
    state: &mut State,
    flight: &Flight,
    (fate, well): (Fate, bool),
    at: Timestamp,
) {
    let (Some(section), Some(_)) = (&config.cost_benefit, flight.from) else { return };
    // What an operator called off says nothing of its kind.
    if fate == Fate::Finished || (flight.called_off && !well) {
        return;
    }
    let still = flight.released.and_then(|released| at.since(released)).unwrap_or_default();
    let CostWeights { seconds_per_point, base, .. } = section.cost;
    let failure = if well { 0.0 } else { base };
    let points = (seconds(still) / seconds_per_point + failure).min(crate::outcome::Cost::MOST);
    let mut average = state.learned.cost.get(&flight.kind).copied();
    learn(&mut average, points, section.learning_rate);
    if let Some(average) = average {
        state.learned.cost.insert(flight.kind, average);
    }
}

/// Whether the target did well by tasks of this kind.
pub(super) fn judge(config: &Config, state: &mut State, flight: &Flight, success: bool) {
    let Some(section) = &config.cost_benefit else { return };
    if flight.returning.is_some() || !state.tracks.contains_key(&flight.to) {
        return;
    }
    let kinds = state.learned.success.entry(flight.to).or_default();
    let mut average = kinds.get(&flight.kind).copied();
    learn(&mut average, f64::from(u8::from(success)), section.learning_rate);
    if let Some(average) = average {
        kinds.insert(flight.kind, average);
    }
}
