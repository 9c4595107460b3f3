//! Which tasks that are under way could not go home now?
//!
//! Between two rounds a target may fail, and its task is then sent home at once, unless the last snapshot showed that
//! its source would not take it. Then the next round decides.

use alloc::collections::BTreeSet;

use super::group::kept_apart;
use super::target::class_without;
use super::variant::suits_there;
use crate::model::ids::MigrationId;
use crate::model::resource::{Amounts, ResourceId};
use crate::model::rows::{Column, TaskRow, WorkerRow};
use crate::snapshot::{Coverage, Task};
use crate::state::State;
use crate::view::{Ledger, View, suits, under_way};

/// The migrations whose sources would not take the task back. Of a source or a task that this snapshot does not list,
/// what the last round noted counts; and what a round has noted stays noted as long as snapshots are partial.
pub(crate) fn closed_homes(
    state: &State,
    view: &View<'_>,
    ledger: &Ledger,
) -> BTreeSet<MigrationId> {
    if broken!("home_is_not_asked_between_rounds") {
        return BTreeSet::new();
    }
    let snapshot = &view.snapshot;
    let full = WorkerRow::first(snapshot.workers().len()).map(|worker| is_full(ledger, worker));
    let full: Column<WorkerRow, bool> = full.collect();
    let closed = under_way(&state.in_flight, snapshot).into_iter().filter(|own| {
        let (migration, id) = (own.migration, own.migration.id());
        if !own.is_bound() || migration.from().is_none() || migration.is_returning() {
            return false;
        }
        let was_closed =
            || state.closed_homes.contains(&id) && !broken!("home_out_of_sight_is_open");
        // What closed it may be what a partial snapshot does not list.
        let sees_all = snapshot.coverage() == Coverage::Complete || broken!("home_opens_unseen");
        let Some(home) = own.from else { return was_closed() };
        let worker = view.worker(home);
        let claim = migration.claim_of(worker.id);
        let device = own.task.and_then(|row| view.task(row).device);
        let is_full = full[home] && lacks(ledger, claim, device, home);
        let takes_it = |row: TaskRow| {
            let task = view.task(row);
            has_device(ledger, claim, task, home)
                && suits_there(task, None, worker)
                && class_without(snapshot, task, worker.id).is_none()
                && kept_apart(view, ledger, row, home).is_none()
        };
        let is_open = !is_full && own.task.map_or_else(|| !was_closed(), takes_it);
        !is_open || !sees_all && was_closed()
    });
    closed.map(|own| own.migration.id()).collect()
}

/// Whether a worker has a device that could hold what a task claims there, if the task runs on one.
fn has_device(ledger: &Ledger, claim: &Amounts, task: &Task, home: WorkerRow) -> bool {
    let Some(bytes) = claim.known(ResourceId::GPU_MEMORY).filter(|bytes| *bytes > 0.0) else {
        return true;
    };
    // A task with alternatives says by each of them what it needs.
    let needs = Some(&task.requirements).filter(|_| task.alternatives.is_empty());
    let mut devices = ledger.devices_of(home).iter().map(|cell| &cell.device);
    devices.any(|device| {
        let is_large_enough = device.memory_bytes.is_none_or(|memory| memory as f64 >= bytes);
        is_large_enough && needs.is_none_or(|needs| suits(needs, device))
    }) || broken!("device_at_home_is_gone")
}

/// Whether a worker has promised more of something than it has, with all that may come back to it.
fn is_full(ledger: &Ledger, worker: WorkerRow) -> bool {
    let is_over = |column: usize| lacks_column(ledger, worker, column);
    let mut devices = ledger.devices_of(worker).iter();
    (0..ledger.columns.len()).any(is_over)
        || devices.any(|cell| cell.free_bytes().is_some_and(|free| free < 0.0))
}

fn lacks_column(ledger: &Ledger, worker: WorkerRow, column: usize) -> bool {
    let cell = &ledger.row(worker)[column];
    let of = |capacity: f64| cell.claimed > capacity + 8.0 * f64::EPSILON * capacity;
    cell.capacity.is_some_and(of)
}

/// Whether something that a task claims, and perhaps on this device, is promised beyond what its home has.
fn lacks(ledger: &Ledger, claim: &Amounts, device: Option<u16>, home: WorkerRow) -> bool {
    let needs = |resource: ResourceId| claim.known(resource).is_some_and(|amount| amount > 0.0);
    let mut columns = ledger.columns.iter().enumerate();
    if columns.any(|(column, it)| needs(*it) && lacks_column(ledger, home, column)) {
        return true;
    }
    let mut devices = (0_u16..).zip(ledger.devices_of(home));
    needs(ResourceId::GPU_MEMORY)
        && devices.any(|(index, cell)| {
            let may_be_its = device.is_none_or(|device| device == index);
            may_be_its && cell.free_bytes().is_some_and(|free| free < 0.0)
        })
}
