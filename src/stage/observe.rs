//! How loaded is every worker, and how loaded will it be once everything in flight has landed?
//!
//! `projected = reported + what is on its way there - what is on its way off`, as far as
//! measurements cannot have seen it yet: w1 reports 0.90, a task of 0.30 is being released there
//! and will go to w2 at 0.10; projected, w1 stands at 0.60 and w2 at 0.40. Ten seconds after the
//! task has arrived, a report of w2 that is five seconds old has it already, and nothing is added
//! twice. What a scheduler has placed since is added too: it is in the list of tasks, and in no
//! measurement.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::Config;
use crate::math::summary::Summary;
use crate::model::hardware::HardwareSet;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::resource::{Amounts, ResourceId};
use crate::model::rows::{Column, Row, TaskRow, WorkerRow};
use crate::model::time::Timestamp;
use crate::outcome::{Fragmentation, SystemLoad};
use crate::snapshot::{Coverage, GroupRule, Phase, Placement, Snapshot, Stance, Task, Topology};
use crate::state::{Migration, RECENT, State};
use crate::view::{
    DeviceCell, Domains, Footprint, GroupIndexes, Ledger, Place, Variants, View, WorkerView,
    alternative, alternative_elsewhere, runs_on_device, variants,
};

/// From fewer changes between samples nothing is said of their noise.
const LEAST_CHANGES: usize = 8;

/// Looks at the snapshot in the light of what is in flight: what does not change in this round, and the ledger
/// as it begins.
pub(crate) fn observe<'a>(
    config: &Config,
    state: &State,
    cow: Cow<'a, Snapshot>,
) -> (View<'a>, Ledger) {
    let snapshot = &*cow;
    let mut ledger = Ledger::new(config.load, config.stability.is_some(), snapshot);
    for (row, task) in TaskRow::first(snapshot.tasks().len()).zip(snapshot.tasks()) {
        ledger.places[row] = place(state, snapshot, task);
    }
    count_unavailable(&mut ledger, state, snapshot);
    let workers = WorkerRow::first(snapshot.workers().len());
    let mut workers: Column<WorkerRow, WorkerView> =
        workers.map(|row| worker(config, state, snapshot, &ledger, row)).collect();
    let variants = variants(snapshot);
    claims(&mut ledger, state, snapshot, &workers, &variants);
    if let Some(stability) = &config.stability {
        project(&mut ledger, state, snapshot, stability.telemetry_lag);
        add_begun(&mut ledger, state, snapshot, &workers, &variants);
    }
    for (row, worker) in WorkerRow::first(workers.len()).zip(workers.iter_mut()) {
        worker.projected = worker.reported.and_then(|_| ledger.load(row));
    }
    let at = snapshot.at();
    let view = View {
        soon: config.soon(at),
        horizon: at.after(config.horizon()),
        names_devices: snapshot.tasks().iter().any(|task| task.device.is_some()),
        load: system(snapshot, &workers),
        noise: noise(state, snapshot, &workers),
        memberships: memberships(snapshot),
        domains: domains(snapshot, &workers),
        variants,
        workers,
        snapshot: cow,
    };
    ledger.groups = GroupIndexes::new(state, &view, &ledger.places);
    (view, ledger)
}

/// How free device memory is cut up, if that is asked for.
pub(crate) fn fragmentation(
    config: &Config,
    view: &View<'_>,
    ledger: &Ledger,
) -> Option<Fragmentation> {
    config.efficiency.filter(|section| section.fragmentation)?;
    let holes = |worker| ledger.devices_of(worker).iter().filter_map(DeviceCell::free_bytes);
    let workers = view.worker_rows();
    Fragmentation::of(workers.map(|worker| (view.worker_id(worker), holes(worker).collect())))
}

/// Where a task is: as the state knows, if it moves it, or else as the snapshot says.
fn place(state: &State, snapshot: &Snapshot, task: &Task) -> Place {
    if let Some(flight) = state.in_flight.get(&task.id) {
        let migration = flight.id();
        if flight.phase() == Phase::Released {
            return Place::Stranded { migration };
        }
        let from = flight.from().and_then(|from| snapshot.worker_row(from));
        let to = snapshot.worker_row(flight.to());
        return Place::Moving { migration, from, to };
    }
    let on = |worker: WorkerId| match snapshot.worker_row(worker) {
        Some(row) if snapshot.workers()[row.position()].stance == Stance::Offline => {
            Place::Orphaned
        }
        Some(row) => Place::On(row),
        // It was there once, and now it is gone: its tasks are without a worker.
        None if snapshot.coverage() == Coverage::Complete && state.tracks.contains_key(&worker) => {
            Place::Orphaned
        }
        None => Place::Unknown(worker),
    };
    match task.placement {
        Placement::On(worker) => on(worker),
        Placement::Orphaned => Place::Orphaned,
        Placement::Unplaced => Place::Unplaced,
        // A migration that is over, though the host does not know it yet: left alone until it does.
        Placement::Moving { migration, from, to, .. } => {
            let from = from.and_then(|from| snapshot.worker_row(from));
            Place::Moving { migration, from, to: snapshot.worker_row(to) }
        }
    }
}

fn worker(
    config: &Config,
    state: &State,
    snapshot: &Snapshot,
    ledger: &Ledger,
    row: WorkerRow,
) -> WorkerView {
    let record = &snapshot.workers()[row.position()];
    let reported = ledger.load(row).filter(|_| record.stance != Stance::Offline);
    let samples = state.tracks.get(&record.id).map(|track| &track.recent);
    let recent = reported.map(|latest| {
        let now = record.measured(snapshot.at());
        let oldest = now.before(config.performance_window);
        let before = samples.into_iter().flat_map(|samples| samples.last(RECENT));
        let before = before.filter(|sample| sample.at < now && sample.at >= oldest);
        let count = before.clone().count().min(RECENT - 1);
        let skipped = before.clone().count() - count;
        let sum: f64 = before.skip(skipped).map(|sample| sample.load).sum();
        (sum + latest) / (count + 1) as f64
    });
    let at = snapshot.at();
    let departs_at = record.leaves(at);
    let stance = record.stance_by(at, config.soon(at));
    let balanced = reported.is_some() && matches!(stance, Stance::Accept | Stance::Hold);
    let (projected, kinds) = (reported, record.kinds());
    WorkerView { reported, projected, recent, balanced, kinds, stance, departs_at }
}

/// Reservations: as the worker states them, or else its tasks' claims; and on both ends what is in
/// flight.
fn claims(
    ledger: &mut Ledger,
    state: &State,
    snapshot: &Snapshot,
    workers: &Column<WorkerRow, WorkerView>,
    variants: &BTreeMap<TaskRow, Variants>,
) {
    let mut footprint = Footprint::default();
    for (row, task) in TaskRow::first(snapshot.tasks().len()).zip(snapshot.tasks()) {
        let variants = variants.get(&row);
        let as_here = variants.map_or(task, Variants::current);
        let here = match task.placement {
            Placement::On(worker) => snapshot.worker_row(worker),
            _ => None,
        };
        let [from, to] = ledger.places[row].ends();
        // Said to be on a worker that was lost before: it is at one of its ends all the same.
        let here = here.filter(|here| [from, to].contains(&Some(*here)) || [from, to] == [None; 2]);
        let arriving = to.filter(|to| here.or(from) != Some(*to));
        // Shown where its copy runs, while its source has yet to stop, or on a worker that was lost before.
        let shown = matches!(task.placement, Placement::On(_)) && (here.is_none() || here == to);
        let stopping = from.filter(|from| shown && here != Some(*from));
        let there = here.or(from.filter(|_| stopping.is_none()));
        if let Some(seat) = stopping {
            let kinds = workers[seat].kinds;
            let as_before =
                variants.and_then(|variants| variants.nth(alternative_elsewhere(task, kinds)));
            let as_before = as_before.unwrap_or(task);
            ledger.footprint_into(as_before, kinds, &mut footprint);
            add_claims(ledger, seat, &footprint);
            reserve(ledger, as_before, None, seat, kinds);
        }
        if let Some(seat) = there {
            ledger.footprint_into(as_here, workers[seat].kinds, &mut footprint);
            add_claims(ledger, seat, &footprint);
        }
        if let Some(seat) = arriving {
            let flight = state.in_flight.get(&task.id);
            let stated = flight.and_then(Migration::alternative);
            let taken = stated.or_else(|| alternative(task, workers[seat].kinds));
            let as_there = variants.and_then(|variants| variants.nth(taken)).unwrap_or(task);
            ledger.footprint_into(as_there, workers[seat].kinds, &mut footprint);
            add_claims(ledger, seat, &footprint);
            if let Some(flight) = flight {
                // A life that has taken it over does not know which it was promised.
                let device =
                    flight.device().or_else(|| likely(ledger, as_there, seat, workers[seat].kinds));
                ledger.keep(as_there.requirements.gpu_memory_bytes, seat, device);
            }
        }
        if let Some(seat) = there {
            reserve(ledger, as_here, task.device, seat, workers[seat].kinds);
        }
        if let Place::Moving { from, to, .. } = ledger.places[row] {
            let flight = state.in_flight.get(&task.id);
            count(ledger, from.filter(|_| flight.is_none_or(Migration::interrupts)), to);
        }
    }
    for flight in state.in_flight.values().filter(|it| snapshot.task_row(it.task()).is_none()) {
        missing(ledger, snapshot, flight);
    }
    stated_claims(ledger, state, snapshot);
}

/// Where a worker states what it has reserved, its word counts, and what is on its way there.
fn stated_claims(ledger: &mut Ledger, state: &State, snapshot: &Snapshot) {
    for (seat, worker) in WorkerRow::first(snapshot.workers().len()).zip(snapshot.workers()) {
        let coming: Vec<&Amounts> = arriving(state, snapshot, worker.id).collect();
        for column in 0..ledger.columns.len() {
            let resource = ledger.columns[column];
            let Some(stated) = worker.reserved.known(resource) else { continue };
            let arriving: f64 = coming.iter().filter_map(|claim| claim.known(resource)).sum();
            ledger.row_mut(seat)[column].claimed = stated + arriving;
        }
    }
}

fn add_claims(ledger: &mut Ledger, seat: WorkerRow, footprint: &Footprint) {
    for (column, cell) in ledger.row_mut(seat).iter_mut().enumerate() {
        cell.claimed += footprint.claim[column].unwrap_or(0.0);
    }
}

/// A migration counts against the budgets of both its ends; what interrupts nothing, of its target only.
fn count(ledger: &mut Ledger, from: Option<WorkerRow>, to: Option<WorkerRow>) {
    if let Some(from) = from {
        ledger.outgoing[from] += 1;
    }
    if let Some(to) = to {
        ledger.incoming[to] += 1;
        if from.is_none() {
            ledger.placements[to] += 1;
        }
    }
}

/// A migration whose task the snapshot does not list. Adrift, it is on neither of its ends.
fn missing(ledger: &mut Ledger, snapshot: &Snapshot, flight: &Migration) {
    if flight.phase() == Phase::Released {
        return;
    }
    let from = flight.from().and_then(|from| snapshot.worker_row(from));
    let to = snapshot.worker_row(flight.to());
    count(ledger, from.filter(|_| flight.interrupts()), to);
    for seat in from.into_iter().chain(to.filter(|to| Some(*to) != from)) {
        for column in 0..ledger.columns.len() {
            let claim = flight.claim().known(ledger.columns[column]).unwrap_or(0.0);
            ledger.row_mut(seat)[column].claimed += claim;
        }
    }
    let device = to.zip(flight.device());
    if let Some(cell) = device.and_then(|(to, device)| ledger.device_mut(to, device)) {
        cell.arriving_bytes += flight.claim().known(ResourceId::GPU_MEMORY).unwrap_or(0.0);
    }
}

/// The claims that are on their way to a worker and not in its own statement of what it has promised:
/// a task that is shown there has what was promised.
fn arriving<'a>(
    state: &'a State,
    snapshot: &'a Snapshot,
    worker: WorkerId,
) -> impl Iterator<Item = &'a Amounts> {
    let there = move |task: TaskId| {
        snapshot.task(task).is_some_and(|task| task.placement == Placement::On(worker))
    };
    let bound = state.in_flight.bound_for(worker).filter(move |flight| !there(flight.task()));
    bound.map(Migration::claim)
}

/// Reserves memory of a device for a task that is there: of its own, or, where that is not known,
/// of the one that it fits most tightly.
fn reserve(
    ledger: &mut Ledger,
    task: &Task,
    device: Option<u16>,
    seat: WorkerRow,
    kinds: HardwareSet,
) {
    let needs = &task.requirements;
    let Some(bytes) = needs.gpu_memory_bytes.filter(|_| runs_on_device(needs, kinds)) else {
        return;
    };
    let device = device.or_else(|| likely(ledger, task, seat, kinds));
    if let Some(cell) = device.and_then(|device| ledger.device_mut(seat, device)) {
        cell.reserved_bytes += bytes as f64;
    }
}

/// The device that a task fits most tightly, if it runs on one there.
fn likely(ledger: &Ledger, task: &Task, seat: WorkerRow, kinds: HardwareSet) -> Option<u16> {
    let needs = &task.requirements;
    let bytes = needs.gpu_memory_bytes.filter(|_| runs_on_device(needs, kinds))?;
    ledger.tightest(seat, needs, bytes as f64).ok()
}

/// Adds to the reported use what measurements cannot have seen yet.
fn project(ledger: &mut Ledger, state: &State, snapshot: &Snapshot, lag: Duration) {
    let seen = |seat: WorkerRow, event: Option<Timestamp>| {
        let measured = snapshot.workers()[seat.position()].measured(snapshot.at());
        event.is_some_and(|event| measured >= event.after(lag))
    };
    let seat = |worker: Option<WorkerId>| worker.and_then(|worker| snapshot.worker_row(worker));
    for flight in state.in_flight.values() {
        let home = flight.is_returning();
        if let Some(from) =
            seat(flight.from()).filter(|from| !home && !seen(*from, flight.released()))
        {
            add_use(ledger, from, flight.freed_at_source().unwrap_or(flight.load()), -1.0);
        }
        let arriving = seat(Some(flight.to())).filter(|_| flight.phase() != Phase::Released);
        // A copy that runs already is measured like any task.
        let copied = flight.copied();
        let arriving = arriving.filter(|to| copied.is_none() || !seen(*to, copied));
        if let Some(to) = arriving.filter(|to| !home || seen(*to, flight.released())) {
            add_use(ledger, to, flight.load(), 1.0);
        }
    }
    for landed in &state.arrivals {
        let left = seat(landed.from).filter(|from| !seen(*from, Some(landed.released)));
        if let Some(from) = left {
            add_use(ledger, from, landed.freed_at_source.as_ref().unwrap_or(&landed.load), -1.0);
        }
        let arrived = seat(Some(landed.to)).filter(|to| !seen(*to, Some(landed.running)));
        if let Some(to) = arrived {
            add_use(ledger, to, &landed.load, 1.0);
        }
    }
}

/// Adds what tasks use that began after their worker was measured: a scheduler has put them there, and
/// no measurement has seen them.
fn add_begun(
    ledger: &mut Ledger,
    state: &State,
    snapshot: &Snapshot,
    workers: &Column<WorkerRow, WorkerView>,
    variants: &BTreeMap<TaskRow, Variants>,
) {
    // What came by a move of ours has been added for that.
    let ours: BTreeSet<TaskId> = state.arrivals.iter().map(|landed| landed.task).collect();
    let mut footprint = Footprint::default();
    for (row, task) in TaskRow::first(snapshot.tasks().len()).zip(snapshot.tasks()) {
        let Place::On(seat) = ledger.places[row] else { continue };
        // A task that has run for no time at all has not begun, or nobody says how long it has.
        let age = snapshot.workers()[seat.position()].metric_age;
        let is_new = !task.running.is_zero() && task.running < age;
        if !is_new || ours.contains(&task.id) {
            continue;
        }
        let as_here = variants.get(&row).map_or(task, Variants::current);
        ledger.footprint_into(as_here, workers[seat].kinds, &mut footprint);
        for (cell, load) in ledger.row_mut(seat).iter_mut().zip(&footprint.load) {
            cell.used = cell.used.map(|used| used + load);
        }
    }
}

/// How much loads change from one sample to the next for no reason: the lower quartile of the changes of
/// all workers over their last samples, as a standard deviation. What really changed, be it by our own
/// moves, does not show in it as long as a quarter of the samples kept still.
///
/// A quarter of all differences of two normal variables are below 0.3186 x sqrt(2) of their deviation.
fn noise(
    state: &State,
    snapshot: &Snapshot,
    workers: &Column<WorkerRow, WorkerView>,
) -> Option<f64> {
    let mut changes = Vec::new();
    for (record, worker) in snapshot.workers().iter().zip(workers.iter()) {
        let (Some(latest), Some(track)) = (worker.reported, state.tracks.get(&record.id)) else {
            continue;
        };
        let now = record.measured(snapshot.at());
        let before = track.recent.iter().filter(|sample| sample.at < now).map(|it| it.load);
        let loads = before.chain([latest]);
        changes.extend(loads.clone().zip(loads.skip(1)).map(|(a, b)| (b - a).abs()));
    }
    if changes.len() < LEAST_CHANGES {
        return None;
    }
    let quarter = changes.len() / 4;
    let (_, quartile, _) = changes.select_nth_unstable_by(quarter, f64::total_cmp);
    Some(*quartile / (0.3186 * core::f64::consts::SQRT_2))
}

fn add_use(ledger: &mut Ledger, seat: WorkerRow, load: &Amounts, sign: f64) {
    for column in 0..ledger.columns.len() {
        let amount = load.known(ledger.columns[column]).unwrap_or(0.0) * sign;
        let cell = &mut ledger.row_mut(seat)[column];
        cell.used = cell.used.map(|used| (used + amount).max(0.0));
    }
}

/// One record of the system load history.
fn system(snapshot: &Snapshot, workers: &Column<WorkerRow, WorkerView>) -> Option<SystemLoad> {
    let balanced = workers.iter().filter(|worker| worker.balanced);
    let summary = Summary::of(balanced.filter_map(|worker| worker.reported))?;
    let Summary { count, mean, min, max, deviation } = summary;
    Some(SystemLoad { at: snapshot.at(), workers: count, mean, min, max, deviation })
}

fn memberships(snapshot: &Snapshot) -> BTreeMap<TaskRow, Vec<u32>> {
    let mut memberships: BTreeMap<TaskRow, Vec<u32>> = BTreeMap::new();
    for (index, group) in (0_u32..).zip(snapshot.groups()) {
        for row in group.members.iter().filter_map(|member| snapshot.task_row(*member)) {
            memberships.entry(row).or_default().push(index);
        }
    }
    memberships
}

/// The domains of every topology that a group is spread over.
fn domains(
    snapshot: &Snapshot,
    views: &Column<WorkerRow, WorkerView>,
) -> BTreeMap<Topology, Rc<Domains>> {
    let mut domains = BTreeMap::new();
    for group in snapshot.groups() {
        let GroupRule::Spread { over, .. } = group.rule else { continue };
        domains.entry(over).or_insert_with(|| {
            let of: Vec<_> = snapshot.workers().iter().map(|worker| over.domain(worker)).collect();
            let workers = of.iter().zip(views.iter());
            let open = workers.filter(|(_, view)| view.stance == Stance::Accept);
            let open = open.filter_map(|(domain, _)| *domain).collect();
            Rc::new(Domains { of, open })
        });
    }
    domains
}

/// How many members of each group with a disruption budget are unavailable, whoever caused it.
fn count_unavailable(ledger: &mut Ledger, state: &State, snapshot: &Snapshot) {
    let known = snapshot.coverage() == Coverage::Complete;
    for (index, group) in snapshot.groups().iter().enumerate() {
        let GroupRule::Disruption { .. } = group.rule else { continue };
        let away = |id: &&TaskId| match snapshot.task_row(**id).map(|row| ledger.places[row]) {
            Some(Place::On(_)) => false,
            // What a partial snapshot does not tell is unknown, never gone.
            Some(Place::Unknown(_)) => known,
            Some(_) => true,
            None => state.in_flight.contains_key(id),
        };
        let count = group.members.iter().filter(away).count();
        ledger.unavailable[index] = u32::try_from(count).unwrap_or(u32::MAX);
    }
}
