//! What a snapshot shows of the migrations under way, whether or not anybody reported it.

use alloc::collections::BTreeMap;

use crate::config::Config;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::resource::Amounts;
use crate::model::time::Timestamp;
use crate::outcome::{Action, Fate, Reason};
use crate::snapshot::{Coverage, Phase, Placement, Snapshot, Stance, Task, Worker};
use crate::state::{Flight, MEMORY_PER_WORKER, State, Track, Way};
use crate::view;

use super::turn::{end, failed, judge, land, released, running, strand, turn_back};
use super::{Settled, hosts, overlap};

/// What the snapshot says of workers, as far as migrations care.
pub(super) fn notice_workers(config: &Config, state: &mut State, snapshot: &Snapshot) {
    let partial = snapshot.coverage() == Coverage::Partial;
    if !partial {
        for (id, track) in &mut state.tracks {
            (track.gone, track.passing) = (snapshot.worker_row(*id).is_none(), None);
        }
    }
    let soon = config.soon(snapshot.at());
    let passing = partial.then_some(snapshot.at());
    for worker in snapshot.workers() {
        let new = || Track { passing, ..Track::default() };
        let track = state.tracks.entry(worker.id).or_insert_with(new);
        (track.stance, track.gone) = (worker.stance, false);
        track.leaving = worker.stance_by(snapshot.at(), soon) != worker.stance;
        track.passing = track.passing.and(passing);
    }
}

/// The state that a later life goes on from may be some rounds old: what the first snapshot shows of
/// migrations under way is newer. They are taken up where they are now; one that another has
/// followed since is over, and so is one whose task was let go and is back where it came from.
pub(super) fn catch_up(
    config: &Config,
    state: &mut State,
    snapshot: &Snapshot,
    settled: &mut Settled,
) {
    for task in snapshot.tasks() {
        let Some(mut flight) = state.flights.get(&task.id).cloned() else { continue };
        let (migration, to, phase, since) = match task.placement {
            Placement::Moving { migration, to, phase, since, .. } => (migration, to, phase, since),
            Placement::On(worker) if flight.from == Some(worker) => {
                home_again(config, state, &flight, snapshot.at(), settled);
                continue;
            }
            _ => continue,
        };
        let since = since.min(snapshot.at());
        if migration > flight.id {
            end(config, state, &flight, Fate::Diverted, since, settled);
        } else if migration == flight.id && phase == Phase::Assigned && flight.hands_over(to) {
            flight.way = Way::Direct;
            if to != flight.to {
                // Nobody goes home of his own accord.
                flight.returning = (flight.from == Some(to)).then_some(Fate::Failed);
                (flight.to, flight.device) = (to, None);
                flight.attempts += 1;
            }
            flight.attempts = flight.attempts.max(flight.first_assignment());
            flight.released = flight.released.or(Some(since));
            (flight.phase, flight.since) = (phase, since);
            state.flights.insert(task.id, flight);
        }
    }
}

/// A later life is shown a task at its source: if it had been let go, its migration is over.
fn home_again(
    config: &Config,
    state: &mut State,
    flight: &Flight,
    at: Timestamp,
    settled: &mut Settled,
) {
    if flight.way == Way::Direct && flight.phase != Phase::Releasing {
        end(config, state, flight, flight.returning.unwrap_or(Fate::Failed), at, settled);
    }
}

/// Takes over migrations that the host carries out and this state does not know: they were ordered
/// in an earlier life, and the task must not be moved a second time.
pub(super) fn adopt(config: &Config, state: &mut State, snapshot: &Snapshot) {
    for task in snapshot.tasks() {
        let Placement::Moving { migration, from, to, phase, since } = task.placement else {
            continue;
        };
        // An id of this life that is not in flight is over, whatever the host still shows.
        let over = state.ended.iter().any(|it| it.id == migration)
            || (migration.epoch() == state.epoch && migration.number() <= state.issued);
        let known = state.flights.contains_key(&task.id) || state.flight(migration).is_some();
        let full = state.flights.len() >= MEMORY_PER_WORKER * state.tracks.len().max(1);
        if over || known || full {
            continue;
        }
        // Issued by this life, and lost with a state that was not saved: not to be issued again.
        if migration.epoch() == state.epoch && migration.number() < u64::MAX / 2 {
            state.issued = migration.number();
        }
        state.forget_release(task.id);
        let since = since.min(snapshot.at());
        let kinds = snapshot.worker(to).map(Worker::kinds).unwrap_or_default();
        let homeward = from == Some(to) && phase == Phase::Assigned;
        let (way, phase) =
            if homeward { (Way::Direct, phase) } else { way(config, task, from, phase) };
        let released = (phase != Phase::Releasing && way != Way::Overlap).then_some(since);
        let home = from.and_then(|from| snapshot.worker(from));
        // What it is said to run by is said of its source, where it still has one.
        let alternative = match from {
            Some(from) if from != to => view::alternative_elsewhere(task, kinds),
            _ => view::alternative(task, kinds),
        };
        let now = view::alternative(task, home.map(Worker::kinds).unwrap_or_default());
        let as_there = view::by(task, alternative, now);
        let leaves = home.filter(|_| alternative != now);
        let leaves = leaves.map(|home| view::loads(&view::by(task, now, now), home.kinds()));
        let mut flight = Flight {
            id: migration,
            task: task.id,
            kind: task.kind,
            way,
            from,
            to,
            device: None,
            phase,
            since,
            started: since,
            released,
            returning: homeward.then_some(Fate::Failed),
            called_off: false,
            attempts: if homeward { 3 } else { 1 },
            reason: Reason::TakenOver,
            scorecard: None,
            claim: view::claims(&as_there, kinds),
            load: view::loads(&as_there, kinds),
            charge: None,
            alternative,
            leaves,
            handover: None,
        };
        if phase == Phase::Assigned {
            flight.attempts = flight.first_assignment();
        }
        state.flights.insert(task.id, flight);
    }
}

/// How a migration of an earlier life is carried out: as this one would carry it out. What is in
/// nobody's hands is the scheduler's, if the scheduler is to find it a place.
fn way(config: &Config, task: &Task, from: Option<WorkerId>, phase: Phase) -> (Way, Phase) {
    let way = from.map_or(Way::Direct, |_| Way::of(config.migration.as_ref(), task));
    match (way, phase) {
        (Way::Evict | Way::Requeue, Phase::Released) => (way, Phase::Assigned),
        (Way::Overlap, Phase::Released) => (Way::Direct, phase),
        _ => (way, phase),
    }
}

/// What the snapshot shows of the task itself.
pub(super) fn placement(
    config: &Config,
    state: &mut State,
    snapshot: &Snapshot,
    task: TaskId,
    settled: &mut Settled,
) {
    let Some(flight) = state.flights.get(&task).cloned() else { return };
    let at = snapshot.at();
    let Some(record) = snapshot.task(task) else {
        if snapshot.coverage() == Coverage::Complete {
            missing(config, state, flight, at, settled);
        }
        return;
    };
    match record.placement {
        Placement::On(worker) if Some(worker) == flight.from => {
            // It was let go, and the scheduler has put it back.
            let lag = config.stability.map(|section| section.telemetry_lag).unwrap_or_default();
            let shows = flight.phase == Phase::Assigned && at > flight.since.after(lag);
            if flight.way.is_the_hosts() && shows {
                hosts::turned_up(config, state, &flight, (worker, task), at, settled);
            }
            // It was sent home in case its source had let go, and home would not start it: it runs there.
            if flight.phase == Phase::Released && flight.released.is_none() {
                end(config, state, &flight, Fate::Failed, at, settled);
            }
        }
        Placement::On(worker) if worker == flight.to && flight.copied().is_some() => {}
        Placement::On(worker) if worker == flight.to => {
            running(config, state, &flight, at, settled);
        }
        // Still said to be where it was lost: nothing new.
        Placement::On(worker) if lost(state, snapshot, worker) => {}
        Placement::On(worker) if flight.way.is_the_hosts() => {
            hosts::turned_up(config, state, &flight, (worker, task), at, settled);
        }
        Placement::On(worker) => {
            if flight.phase == Phase::Assigned || flight.copied().is_some() {
                settled.command(&flight, Action::Abort { worker: flight.to }, Reason::Elsewhere);
            }
            let mut there = flight.clone();
            there.to = worker;
            end(config, state, &flight, Fate::Diverted, at, settled);
            land(config, state, &there, at);
        }
        Placement::Moving { migration, phase, since, .. } if migration == flight.id => {
            progress(config, state, flight, phase, since.min(at), settled);
        }
        Placement::Orphaned if flight.way == Way::Overlap => {
            overlap::source_lost(config, state, snapshot, flight, settled);
        }
        Placement::Orphaned if flight.phase == Phase::Releasing || flight.way.is_the_hosts() => {
            end(config, state, &flight, Fate::Failed, at, settled);
        }
        Placement::Unplaced if flight.way.is_the_hosts() && flight.phase == Phase::Releasing => {
            released(config, state, flight, at, settled);
        }
        Placement::Moving { .. } | Placement::Orphaned | Placement::Unplaced => {}
    }
}

/// A complete snapshot comes without the task. In nobody's hands it may be missing for a while; on its
/// source, missing is done. (Of one that was to be evicted nobody knows yet.)
fn missing(
    config: &Config,
    state: &mut State,
    flight: Flight,
    at: Timestamp,
    settled: &mut Settled,
) {
    match (flight.way, flight.phase) {
        (Way::Direct | Way::Overlap, Phase::Releasing) => {
            end(config, state, &flight, Fate::Finished, at, settled);
        }
        (Way::Evict | Way::Requeue, Phase::Releasing) => {
            released(config, state, flight, at, settled);
        }
        (Way::Overlap, Phase::Assigned) => {
            settled.command(&flight, Action::Abort { worker: flight.to }, Reason::Elsewhere);
            end(config, state, &flight, Fate::Finished, at, settled);
        }
        _ => {}
    }
}

/// The host shows a migration in some phase: it may be ahead of what was reported.
fn progress(
    config: &Config,
    state: &mut State,
    flight: Flight,
    shown: Phase,
    since: Timestamp,
    settled: &mut Settled,
) {
    let since = since.max(flight.since);
    match (flight.way, flight.phase, shown) {
        (Way::Overlap, Phase::Assigned, Phase::Releasing) => {
            running(config, state, &flight, since, settled);
        }
        (Way::Overlap, _, Phase::Released) => {
            released(config, state, flight, since, settled);
        }
        (Way::Overlap, ..) => {}
        (_, Phase::Releasing, Phase::Released | Phase::Assigned) => {
            released(config, state, flight, since, settled);
        }
        _ => {}
    }
}

/// What the snapshot shows of the workers at either end.
pub(super) fn workers(
    config: &Config,
    state: &mut State,
    snapshot: &Snapshot,
    promised: &BTreeMap<WorkerId, Amounts>,
    task: TaskId,
    settled: &mut Settled,
) {
    let Some(mut flight) = state.flights.get(&task).cloned() else { return };
    let at = snapshot.at();
    let source_gone = flight.from.is_some_and(|from| gone(snapshot, from));
    let trouble = trouble(state, snapshot, config.soon(snapshot.at()), promised, &flight);
    match (flight.phase, flight.from, trouble) {
        _ if flight.way == Way::Overlap => {
            let gone = [source_gone, gone(snapshot, flight.to)];
            overlap::workers(config, state, snapshot, flight, (gone, trouble), settled);
        }
        (Phase::Releasing, Some(_), _) if source_gone => {
            end(config, state, &flight, Fate::Failed, at, settled);
        }
        (Phase::Releasing, Some(from), Some(reason)) => {
            settled.command(&flight, Action::Abort { worker: from }, reason);
            end(config, state, &flight, Fate::Aborted, at, settled);
        }
        (Phase::Assigned, _, Some(Reason::TargetGone { .. })) if !flight.way.is_the_hosts() => {
            failed(config, state, flight, Fate::Failed, at, settled);
        }
        // Let go in the same breath in which its target closes: it is not sent there.
        (Phase::Assigned, _, Some(_)) if settled.assigns(&flight) => {
            turn_back(state, flight, Fate::Failed, at, settled);
        }
        (Phase::Releasing, None, _) => {
            strand(&mut flight, at);
            state.flights.insert(task, flight);
        }
        _ => {}
    }
}

/// Whether a worker is gone, or was when last heard of.
fn lost(state: &State, snapshot: &Snapshot, worker: WorkerId) -> bool {
    let was = || state.tracks.get(&worker).is_some_and(|track| track.gone);
    gone(snapshot, worker) || (snapshot.worker(worker).is_none() && was())
}

fn gone(snapshot: &Snapshot, worker: WorkerId) -> bool {
    match snapshot.worker(worker) {
        Some(worker) => worker.stance == Stance::Offline,
        None => snapshot.coverage() == Coverage::Complete,
    }
}

/// What has come between a migration and its target.
fn trouble(
    state: &State,
    snapshot: &Snapshot,
    soon: Timestamp,
    promised: &BTreeMap<WorkerId, Amounts>,
    flight: &Flight,
) -> Option<Reason> {
    let worker = flight.to;
    if gone(snapshot, worker) {
        return Some(Reason::TargetGone { worker });
    }
    let target = snapshot.worker(worker)?;
    if target.stance != Stance::Accept {
        return Some(Reason::TargetClosed { worker, stance: target.stance });
    }
    if let Some(at) = target.leaves(snapshot.at()).filter(|at| *at < soon) {
        return Some(Reason::TargetLeaves { worker, at });
    }
    let class = snapshot.task(flight.task).and_then(|task| snapshot.class(task.class?));
    if let Some(class) = class.filter(|class| class.cost(worker).is_none()) {
        return Some(Reason::TargetOutside { worker, class: class.id });
    }
    // Migrations that were ordered earlier come first; whose task is shown there, has what was promised.
    let there = |it: &Flight| {
        snapshot.task(it.task).is_some_and(|it| it.placement == Placement::On(worker))
    };
    let earlier = |resource| {
        let bound = |it: &&Flight| it.to == worker && it.phase != Phase::Released && !there(it);
        let flights = state.flights.values().filter(bound).filter(|it| it.id < flight.id);
        flights.filter_map(|it| it.claim.known(resource)).sum::<f64>()
    };
    flight.claim.iter().find_map(|(resource, amount)| {
        let taken = promised.get(&worker).and_then(|sum| sum.known(resource)).unwrap_or(0.0);
        let free = target.capacity.known(resource)? - taken - earlier(resource);
        (amount > free).then_some(Reason::TargetFull { worker, resource })
    })
}

/// What the targets of migrations under way have promised to tasks that are there: as they state
/// it, or else their tasks' claims added up.
pub(super) fn promised(state: &State, snapshot: &Snapshot) -> BTreeMap<WorkerId, Amounts> {
    let releasing = state.flights.values().filter(|flight| flight.is_at_its_source());
    let mut sums: BTreeMap<WorkerId, Amounts> =
        releasing.map(|flight| (flight.to, Amounts::new())).collect();
    if sums.is_empty() {
        return sums;
    }
    for task in snapshot.tasks() {
        let Placement::On(worker) = task.placement else { continue };
        let Some(sum) = sums.get_mut(&worker) else { continue };
        let kinds = snapshot.worker(worker).map(Worker::kinds).unwrap_or_default();
        let now = view::alternative(task, kinds);
        for (resource, claim) in view::claims(&view::by(task, now, now), kinds).iter() {
            sum.set(resource, sum.get(resource).unwrap_or(0.0) + claim);
        }
    }
    for (id, sum) in &mut sums {
        let stated = snapshot.worker(*id).map(|worker| &worker.reserved);
        stated.into_iter().flat_map(Amounts::iter).for_each(|(resource, it)| sum.set(resource, it));
    }
    sums
}

/// Whether an end of a migration is not in the snapshot.
pub(super) fn is_out_of_sight(state: &State, snapshot: &Snapshot, task: TaskId) -> bool {
    let flight = state.flights.get(&task);
    let ends = flight.into_iter().flat_map(|flight| flight.from.into_iter().chain([flight.to]));
    ends.into_iter().any(|worker| snapshot.worker(worker).is_none())
}

/// What has taken too long.
pub(super) fn overdue(
    config: &Config,
    state: &mut State,
    snapshot: &Snapshot,
    task: TaskId,
    settled: &mut Settled,
) {
    let Some(flight) = state.flights.get(&task).cloned() else { return };
    let at = snapshot.at();
    let timeout = config.timeout();
    if at.since(flight.since).is_none_or(|waited| waited <= timeout) {
        return;
    }
    if flight.way == Way::Overlap {
        overlap::overdue(config, state, snapshot, &flight, settled);
        return;
    }
    let Flight { phase, since, .. } = flight;
    let reason = Reason::TimedOut { phase, since };
    match (phase, flight.from) {
        (Phase::Releasing, Some(from)) => {
            settled.command(&flight, Action::Abort { worker: from }, reason);
        }
        (Phase::Assigned, Some(home)) if flight.returning.is_some() && on(snapshot, task, home) => {
            // It is back where it came from, though nobody said so.
            let fate = flight.returning.unwrap_or(Fate::TimedOut);
            end(config, state, &flight, fate, at, settled);
            return;
        }
        // The scheduler has it, and knows better.
        (Phase::Assigned, _) if flight.way.is_the_hosts() => {}
        (Phase::Assigned, _) => {
            if !flight.called_off {
                judge(config, state, &flight, false);
            }
            settled.command(&flight, Action::Abort { worker: flight.to }, reason);
            let placement = snapshot.task(task).map(|record| record.placement);
            // On a worker somebody has it; an orphan is placed anew by this very round.
            let held = matches!(placement, Some(Placement::On(_) | Placement::Orphaned));
            // Missing is no proof that anybody has it: the scheduler knows better.
            if !held {
                settled.command(&flight, Action::Requeue, reason);
            }
        }
        (Phase::Released | Phase::Releasing, _) => {
            let placement = snapshot.task(task).map(|record| record.placement);
            if placement != Some(Placement::Orphaned) {
                settled.command(&flight, Action::Requeue, reason);
            }
        }
    }
    end(config, state, &flight, Fate::TimedOut, at, settled);
}

fn on(snapshot: &Snapshot, task: TaskId, worker: WorkerId) -> bool {
    snapshot.task(task).is_some_and(|record| record.placement == Placement::On(worker))
}
