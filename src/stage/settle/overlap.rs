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
use crate::snapshot::{Phase, Placement, Snapshot};
use crate::state::{Flight, State, Way};

use super::Settled;
use super::turn::{end, judge, land, turn_back};

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
            turn_back(state, flight, Fate::Failed, at, settled);
        }
        Phase::Releasing => complete(config, state, &flight, at, settled),
        // It let go before its copy was said to run: from here on it is a move like others.
        Phase::Assigned => {
            (flight.way, flight.since) = (Way::Direct, at);
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
    } else {
        judge(config, state, flight, false);
    }
    end(config, state, flight, fate, at, settled);
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
    settled.command(flight, Action::Abort { worker: flight.to }, Reason::Operator);
    end(config, state, flight, Fate::Aborted, at, settled);
}

/// What becomes of it where its source or its target is gone.
pub(super) fn workers_gone(
    config: &Config,
    state: &mut State,
    snapshot: &Snapshot,
    flight: Flight,
    [source, target]: [bool; 2],
    settled: &mut Settled,
) {
    if source {
        source_lost(config, state, snapshot, flight, settled);
    } else if target {
        failed(config, state, &flight, Fate::Failed, snapshot.at(), settled);
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
    (flight.way, flight.from, flight.reason) = (Way::Direct, None, Reason::Recover);
    (flight.phase, flight.since) = (Phase::Assigned, at);
    settled.repeat(&flight);
    state.flights.insert(flight.task, flight);
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
