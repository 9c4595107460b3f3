//! A migration that starts a copy on its target before it stops its source.
//!
//! | what happens | then |
//! |---|---|
//! | the target fails to start it | the source runs it as before; the migration is over |
//! | its copy runs | the source is told to stop |
//! | the source has stopped | the migration is complete |
//! | the source does not stop, or the target is gone | the copy stops, the source keeps the task |
//! | the source is gone | what is left is a placement on the target |

use crate::config::Config;
use crate::model::ids::WorkerId;
use crate::model::time::Timestamp;
use crate::outcome::{Action, Fate, Reason};
use crate::snapshot::{Phase, Placement, Snapshot, Stance};
use crate::state::{Flight, State, Track, Way};

use super::Settled;
use super::turn::{end, judge, land, send_home, strand, turn_back};

/// The copy runs: the source may stop.
pub(super) fn copied(state: &mut State, mut flight: Flight, at: Timestamp, settled: &mut Settled) {
    if flight.phase != Phase::Assigned {
        settled.ignored += 1;
        return;
    }
    (flight.phase, flight.since) = (Phase::Releasing, at);
    settled.repeat(&flight);
    state.flights.insert(flight.task, flight);
}

/// The source has stopped.
pub(super) fn released(
    config: &Config,
    state: &mut State,
    mut flight: Flight,
    at: Timestamp,
    settled: &mut Settled,
) {
    flight.released = Some(at);
    let target_gone = state.tracks.get(&flight.to).is_some_and(|track| track.gone);
    match flight.phase {
        Phase::Releasing if target_gone => {
            flight.way = Way::Direct;
            flight.attempts += 1;
            turn_back(state, flight, Fate::Failed, at, settled);
        }
        Phase::Releasing => complete(config, state, &flight, at, settled),
        // It let go before its copy was said to run: from here on it is a move like others.
        Phase::Assigned => {
            (flight.way, flight.since) = (Way::Direct, at);
            flight.attempts += 1;
            settled.repeat(&flight);
            state.flights.insert(flight.task, flight);
        }
        Phase::Released => settled.ignored += 1,
    }
}

fn complete(
    config: &Config,
    state: &mut State,
    flight: &Flight,
    at: Timestamp,
    settled: &mut Settled,
) {
    end(config, state, flight, Fate::Completed, at, settled);
    land(config, state, flight, at);
}

/// One side did not do its part: the source has the task still, or is told to keep it.
pub(super) fn failed(
    config: &Config,
    state: &mut State,
    flight: &Flight,
    fate: Fate,
    at: Timestamp,
    settled: &mut Settled,
) {
    if flight.phase == Phase::Releasing {
        keep(flight, Reason::Kept, settled);
        end(config, state, flight, fate, at, settled);
    } else {
        judge(config, state, flight, false);
        not_started(config, state, flight, fate, at, settled);
    }
}

/// Its copy does not start: the source runs it as before. A later life that took it over cannot know that
/// (the source may have let go, and it was a move like others from there on), and tells the source to.
fn not_started(
    config: &Config,
    state: &mut State,
    flight: &Flight,
    fate: Fate,
    at: Timestamp,
    settled: &mut Settled,
) {
    let home = flight.from.filter(|_| flight.id.epoch() != state.epoch());
    let Some(from) = home else {
        end(config, state, flight, fate, at, settled);
        return;
    };
    let flight = Flight { way: Way::Direct, ..flight.clone() };
    send_home(state, flight, from, fate, at, settled);
}

/// Its target will not do while its copy starts.
fn called_off(
    config: &Config,
    state: &mut State,
    flight: &Flight,
    reason: Reason,
    at: Timestamp,
    settled: &mut Settled,
) {
    settled.command(flight, Action::Abort { worker: flight.to }, reason);
    not_started(config, state, flight, Fate::Aborted, at, settled);
}

/// The copy stops, and the source does not.
fn keep(flight: &Flight, reason: Reason, settled: &mut Settled) {
    settled.command(flight, Action::Abort { worker: flight.to }, reason);
    if let Some(worker) = flight.from {
        settled.command(flight, Action::Abort { worker }, reason);
    }
}

/// An operator calls it off: before its copy runs that is done; after, going on is the shorter way.
pub(super) fn aborted(
    config: &Config,
    state: &mut State,
    flight: &Flight,
    at: Timestamp,
    settled: &mut Settled,
) {
    if flight.phase == Phase::Releasing {
        settled.ignored += 1;
        return;
    }
    called_off(config, state, flight, Reason::Operator, at, settled);
}

/// What becomes of it where its source or its target is gone, or its target will not do.
pub(super) fn workers(
    config: &Config,
    state: &mut State,
    snapshot: &Snapshot,
    flight: Flight,
    (gone, trouble): ([bool; 2], Option<Reason>),
    settled: &mut Settled,
) {
    let at = snapshot.at();
    match (gone, trouble.filter(|_| flight.phase == Phase::Assigned)) {
        ([true, _], _) => source_lost(config, state, snapshot, flight, settled),
        ([_, true], _) => failed(config, state, &flight, Fate::Failed, at, settled),
        (_, Some(reason)) => called_off(config, state, &flight, reason, at, settled),
        _ => {}
    }
}

/// The source is gone, or has lost the task: the target has it, or is to have it.
pub(super) fn source_lost(
    config: &Config,
    state: &mut State,
    snapshot: &Snapshot,
    mut flight: Flight,
    settled: &mut Settled,
) {
    let at = snapshot.at();
    if is_on(snapshot, &flight, flight.to) {
        flight.released = Some(at);
        complete(config, state, &flight, at, settled);
        return;
    }
    let copied = flight.copied().is_some();
    (flight.way, flight.from, flight.reason) = (Way::Direct, None, Reason::Recover);
    (flight.phase, flight.since) = (Phase::Assigned, at);
    // Where its copy runs already, it is there.
    let closed = |it: &Track| it.gone || (!copied && (it.leaving || it.stance != Stance::Accept));
    if state.tracks.get(&flight.to).is_some_and(closed) {
        let reason = closure(snapshot, flight.to);
        settled.command(&flight, Action::Abort { worker: flight.to }, reason);
        strand(&mut flight, at);
    } else {
        settled.repeat(&flight);
    }
    state.flights.insert(flight.task, flight);
}

/// Why a target does not take what was on its way there.
fn closure(snapshot: &Snapshot, worker: WorkerId) -> Reason {
    match snapshot.worker(worker) {
        None => Reason::TargetGone { worker },
        Some(it) if it.stance != Stance::Accept => {
            Reason::TargetClosed { worker, stance: it.stance }
        }
        Some(it) => {
            let at = snapshot.at();
            Reason::TargetLeaves { worker, at: it.leaves(at).unwrap_or(at) }
        }
    }
}

/// A step has taken too long.
pub(super) fn overdue(
    config: &Config,
    state: &mut State,
    snapshot: &Snapshot,
    flight: &Flight,
    settled: &mut Settled,
) {
    let (at, phase, since) = (snapshot.at(), flight.phase, flight.since);
    let reason = Reason::TimedOut { phase, since };
    match (phase, flight.from) {
        (Phase::Releasing, Some(from)) if !is_stopping(snapshot, flight, from) => {
            // Its copy runs, and nothing says that the source still does; told twice is stopped once.
            settled.command(flight, Action::Stop { from }, reason);
            complete(config, state, flight, at, settled);
            return;
        }
        (Phase::Releasing, _) => keep(flight, reason, settled),
        _ => {
            judge(config, state, flight, false);
            settled.command(flight, Action::Abort { worker: flight.to }, reason);
            not_started(config, state, flight, Fate::TimedOut, at, settled);
            return;
        }
    }
    end(config, state, flight, Fate::TimedOut, at, settled);
}

/// Whether the snapshot shows that its source still has it.
fn is_stopping(snapshot: &Snapshot, flight: &Flight, from: WorkerId) -> bool {
    let shown = snapshot.task(flight.task).map(|record| record.placement);
    match shown {
        Some(Placement::Moving { migration, phase, .. }) => {
            migration == flight.id && phase == Phase::Releasing
        }
        _ => is_on(snapshot, flight, from),
    }
}

fn is_on(snapshot: &Snapshot, flight: &Flight, worker: WorkerId) -> bool {
    let record = snapshot.task(flight.task);
    record.is_some_and(|record| record.placement == Placement::On(worker))
}
