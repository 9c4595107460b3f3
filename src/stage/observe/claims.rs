//! How much of every worker is reserved?
//!
//! A worker's own statement counts, or else the claims of its tasks. A migration reserves room on its source and its
//! target until it is known where the task is. A worker with tasks of 2 and 3 processors that is the target of a task
//! of 4 has 9 reserved; if it states 6, and does not show the third task yet, 6 + 4 = 10.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::model::hardware::HardwareSet;
use crate::model::resource::ResourceId;
use crate::model::rows::{Column, Row, TaskRow, WorkerRow};
use crate::snapshot::{Placement, Snapshot, Task};
use crate::state::Migration;
use crate::view::{
    self, Footprint, Ledger, Place, UnderWay, Variants, WorkerView, alternative,
    alternative_elsewhere, runs_on_device,
};

/// Enters what is reserved on every worker into the ledger.
pub(super) fn claims(
    ledger: &mut Ledger,
    snapshot: &Snapshot,
    under_way: &[UnderWay<'_>],
    (workers, variants): (&Column<WorkerRow, WorkerView>, &BTreeMap<TaskRow, Variants>),
) {
    let mut moved = under_way.iter().filter(|own| own.task.is_some()).peekable();
    let mut scratch = Footprint::default();
    let mut unstated = Vec::new();
    for (row, task) in TaskRow::first(snapshot.tasks().len()).zip(snapshot.tasks()) {
        let variants = variants.get(&row);
        let as_here = variants.map_or(task, Variants::current);
        let own = moved.next_if(|own| own.task == Some(row));
        let migration = own.map(|own| own.migration);
        if let (None, Place::On(worker)) = (own, ledger.places[row])
            && task.placement != Placement::On(snapshot.workers()[worker.position()].id)
            && !broken!("room_of_what_has_arrived_unshown")
        {
            ledger.footprint_into(as_here, workers[worker].kinds, &mut scratch);
            unstated.push((worker, scratch.claim.clone()));
        }
        let Rooms { stopping, here, arriving } = Rooms::of(snapshot, task, ledger.places[row]);
        if let Some(worker) = stopping {
            let kinds = workers[worker].kinds;
            claim_where_it_stops(ledger, task, variants, (worker, kinds), &mut scratch);
        }
        if let Some(worker) = here {
            ledger.footprint_into(as_here, workers[worker].kinds, &mut scratch);
            add_claims(ledger, &scratch, worker);
        }
        if let (None, Place::Moving { to: Some(to), .. }) = (own, ledger.places[row])
            && !broken!("room_of_what_has_arrived_on_its_way")
        {
            let kinds = workers[to].kinds;
            let nth = alternative(task, kinds);
            let as_there = variants.and_then(|variants| variants.nth(nth)).unwrap_or(task);
            let mut there = Footprint::default();
            ledger.footprint_into(as_there, kinds, &mut there);
            unstated.push((to, there.claim));
        }
        if let Some(worker) = arriving {
            let kinds = workers[worker].kinds;
            let stated = migration.and_then(Migration::alternative);
            let taken = stated.or_else(|| alternative(task, kinds));
            let as_there = variants.and_then(|variants| variants.nth(taken)).unwrap_or(task);
            let is_same = variants.is_none() && here.is_some_and(|it| workers[it].kinds == kinds);
            if !is_same {
                ledger.footprint_into(as_there, kinds, &mut scratch);
            }
            claim_where_it_arrives(ledger, as_there, migration, (worker, kinds), &scratch);
        }
        if let Some(worker) = here {
            reserve(ledger, as_here, task.device, (worker, workers[worker].kinds));
        }
        if let Place::Moving { from, to, .. } = ledger.places[row] {
            let interrupts = migration.is_none_or(Migration::interrupts);
            count(ledger, if interrupts { from } else { None }, to);
        }
    }
    for own in under_way.iter().filter(|own| own.task.is_none()) {
        claim_of_unlisted(ledger, snapshot, own);
    }
    stated_claims(ledger, snapshot, under_way, &unstated);
}

/// The workers on which a task needs room.
struct Rooms {
    /// The source that has not stopped the task yet, while its copy runs on the target.
    stopping: Option<WorkerRow>,
    /// The worker that runs the task.
    here: Option<WorkerRow>,
    /// The worker that the task is on its way to.
    arriving: Option<WorkerRow>,
}

impl Rooms {
    fn of(snapshot: &Snapshot, task: &Task, place: Place) -> Self {
        let shown_on = match task.placement {
            Placement::On(worker) => Some(snapshot.worker_row(worker)),
            _ => None,
        };
        if let Some(kept) = place.kept() {
            let elsewhere = shown_on.flatten().filter(|worker| *worker != kept);
            return Self { stopping: elsewhere, here: Some(kept), arriving: None };
        }
        let [from, to] = place.ends();
        // A record may show a task under way on a worker that was lost before: the task is still at its source or
        // target.
        let is_possible = |here: &WorkerRow| {
            [from, to].contains(&Some(*here))
                || [from, to] == [None; 2]
                || broken!("record_on_a_lost_worker")
        };
        let shown_at = shown_on.flatten().filter(is_possible);
        let arriving = to.filter(|to| shown_at.or(from) != Some(*to));
        let is_copied = shown_on.is_some() && (shown_at.is_none() || shown_at == to);
        let stopping = from.filter(|from| is_copied && shown_at != Some(*from));
        let here = if stopping.is_none() { shown_at.or(from) } else { shown_at };
        Self { stopping, here, arriving }
    }
}

/// Reserves room on the source, for the alternative that the task runs by there.
fn claim_where_it_stops(
    ledger: &mut Ledger,
    task: &Task,
    variants: Option<&Variants>,
    (worker, kinds): (WorkerRow, HardwareSet),
    scratch: &mut Footprint,
) {
    let nth = alternative_elsewhere(task, kinds);
    let as_before = variants.and_then(|variants| variants.nth(nth)).unwrap_or(task);
    if !broken!("stopping_keeps_its_room") {
        ledger.footprint_into(as_before, kinds, scratch);
        add_claims(ledger, scratch, worker);
    }
    if !broken!("stopping_keeps_its_device") {
        reserve(ledger, as_before, None, (worker, kinds));
    }
}

/// Reserves room on the target.
fn claim_where_it_arrives(
    ledger: &mut Ledger,
    as_there: &Task,
    migration: Option<&Migration>,
    (worker, kinds): (WorkerRow, HardwareSet),
    footprint: &Footprint,
) {
    if broken!("in_flight_claims") {
        return;
    }
    add_claims(ledger, footprint, worker);
    if let Some(migration) = migration {
        // A migration that was taken over from an earlier life has no device of its own.
        let device = match migration.device() {
            None if !broken!("device_of_a_move_taken_over") => {
                likely(ledger, as_there, (worker, kinds))
            }
            device => device,
        };
        ledger.keep(as_there.requirements.gpu_memory_bytes, worker, device);
    }
}

/// What a task claims of a worker that it has reached, as a report says, later than the snapshot; or that it is on its
/// way to, by no migration that is under way.
type Unstated = (WorkerRow, Vec<Option<f64>>);

/// For a worker that states what it has reserved, its statement counts, and the claims on their way there.
fn stated_claims(
    ledger: &mut Ledger,
    snapshot: &Snapshot,
    under_way: &[UnderWay<'_>],
    unstated: &[Unstated],
) {
    if snapshot.workers().iter().all(|worker| worker.reserved.is_empty()) {
        return;
    }
    let mut coming = arriving(ledger, snapshot, under_way);
    for (worker, claims) in unstated {
        let row = worker.position() * ledger.columns.len();
        coming[row..].iter_mut().zip(claims).for_each(|(sum, claim)| *sum += claim.unwrap_or(0.0));
    }
    let rows = WorkerRow::first(snapshot.workers().len()).zip(snapshot.workers());
    for ((row, worker), coming) in rows.zip(coming.chunks(ledger.columns.len().max(1))) {
        for (column, arriving) in coming.iter().enumerate() {
            let resource = ledger.columns[column];
            let Some(stated) = worker.reserved.known(resource) else { continue };
            let cell = &mut ledger.row_mut(row)[column];
            let promised = if broken!("capacity_against_promises") { cell.claimed } else { stated };
            cell.claimed = promised + arriving;
        }
    }
}

/// Adds what a task claims of a worker's capacity.
fn add_claims(ledger: &mut Ledger, footprint: &Footprint, worker: WorkerRow) {
    for (cell, claim) in ledger.row_mut(worker).iter_mut().zip(&footprint.claim) {
        cell.claimed += claim.unwrap_or(0.0);
    }
}

/// Counts a migration against the budgets of its source and its target; a migration that interrupts nothing counts
/// against the budget of its target only.
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

/// Reserves room for a migration whose task the snapshot does not list. For a task that no worker has, only its source
/// keeps room, and only if the snapshot is partial.
fn claim_of_unlisted(ledger: &mut Ledger, snapshot: &Snapshot, own: &UnderWay<'_>) {
    let UnderWay { migration, from, to, .. } = *own;
    let mut add = |worker: WorkerRow| {
        let claims = migration.claim_of(snapshot.workers()[worker.position()].id);
        for column in 0..ledger.columns.len() {
            let claim = claims.known(ledger.columns[column]).unwrap_or(0.0);
            ledger.row_mut(worker)[column].claimed += claim;
        }
    };
    if !own.is_bound() {
        own.place().kept().into_iter().for_each(add);
        return;
    }
    from.into_iter().chain(to.filter(|to| Some(*to) != from)).for_each(&mut add);
    count(ledger, if migration.interrupts() { from } else { None }, to);
    let device = to.zip(migration.device());
    if let Some(cell) = device.and_then(|(to, device)| ledger.device_mut(to, device)) {
        cell.arriving_bytes += migration.claim().known(ResourceId::GPU_MEMORY).unwrap_or(0.0);
    }
}

/// The claims that are on their way to each worker, or may come back to it, and not in its own statement, which
/// contains the claims of the tasks that are shown there; worker by worker and column by column.
fn arriving(ledger: &Ledger, snapshot: &Snapshot, under_way: &[UnderWay<'_>]) -> Vec<f64> {
    let width = ledger.columns.len();
    let mut sums = alloc::vec![0.0; width * snapshot.workers().len()];
    for own in under_way {
        let UnderWay { migration, task, from, to, is_at_its_source, .. } = *own;
        let record = task.map(|row| &snapshot.tasks()[row.position()]);
        let shown = record.map(|task| task.placement);
        let is_there = shown == Some(Placement::On(migration.to()));
        let is_twice = broken!("stated_room_is_taken_twice") && migration.from().is_some();
        let comes = to.filter(|_| own.is_bound() && (!is_there || is_twice));
        // If its target fails, the task goes home.
        let has_left = own.is_bound() && !is_at_its_source && !is_there && from != to;
        let returns = from.filter(|_| has_left && !broken!("room_to_return"));
        let kept = own.place().kept();
        for worker in comes.into_iter().chain(returns).chain(kept) {
            let row = worker.position() * width;
            let there = &snapshot.workers()[worker.position()];
            // What is kept for a task is what it needs now: its rules put that back.
            let needs = record.filter(|_| kept.is_some() && !broken!("keeps_what_it_claimed"));
            let claims = match needs {
                Some(task) => {
                    let now = alternative(task, there.kinds());
                    &view::claims(&view::by(task, now, now), there.kinds())
                }
                None => migration.claim_of(there.id),
            };
            for (sum, resource) in sums[row..row + width].iter_mut().zip(&ledger.columns) {
                *sum += claims.known(*resource).unwrap_or(0.0);
            }
        }
    }
    sums
}

/// Reserves memory for a task on a worker: on the device that the host names for it, or else on the one that it fits
/// most tightly.
fn reserve(
    ledger: &mut Ledger,
    task: &Task,
    device: Option<u16>,
    (worker, kinds): (WorkerRow, HardwareSet),
) {
    let Some(bytes) = device_bytes(task, kinds) else { return };
    let device = device.or_else(|| likely(ledger, task, (worker, kinds)));
    if let Some(cell) = device.and_then(|device| ledger.device_mut(worker, device)) {
        cell.reserved_bytes += bytes as f64;
    }
}

/// The device of a worker that a task fits most tightly; `None` if the task fits none, or runs on no device there.
fn likely(ledger: &Ledger, task: &Task, (worker, kinds): (WorkerRow, HardwareSet)) -> Option<u16> {
    let bytes = device_bytes(task, kinds)?;
    ledger.tightest(worker, &task.requirements, bytes as f64).ok()
}

/// The device memory that a task needs on a worker with such hardware; `None` if it runs on no device there.
fn device_bytes(task: &Task, kinds: HardwareSet) -> Option<u64> {
    let needs = &task.requirements;
    if runs_on_device(needs, kinds) { needs.gpu_memory_bytes } else { None }
}
