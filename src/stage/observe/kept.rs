//! Which workers keep room for the tasks that no worker has, and that may have to go back to them?
//!
//! A source keeps room for a task as long as it would take the task back, for those first that began to move earlier.
//! Otherwise two tasks of which one fits would keep each other away.

use alloc::vec::Vec;

use super::claims::{add_claims, device_bytes, likely};
use crate::model::hardware::HardwareSet;
use crate::model::ids::WorkerId;
use crate::model::rows::{TaskRow, WorkerRow};
use crate::rules::suits_worker;
use crate::snapshot::{GroupRule, Task};
use crate::view::{Footprint, Ledger, Place, UnderWay, View};

/// Keeps the rooms, once the claims and the groups are known.
pub(super) fn keep_rooms(ledger: &mut Ledger, view: &View<'_>, under_way: &[UnderWay<'_>]) {
    let mut waiting: Vec<&UnderWay<'_>> =
        under_way.iter().filter(|own| own.place().home().is_some()).collect();
    waiting.sort_unstable_by_key(|own| own.migration.id());
    for own in waiting {
        keep_room(ledger, view, own);
    }
}

fn keep_room(ledger: &mut Ledger, view: &View<'_>, own: &UnderWay<'_>) {
    let mut footprint = Footprint::default();
    let Some(row) = own.task else {
        // It cannot be sent home in this round: what it claimed is kept until it is seen again.
        if let Some(home) = own.place().home() {
            claim_as_before(ledger, own, view.worker(home).id, &mut footprint);
            add_claims(ledger, &footprint, home);
        }
        return;
    };
    let Place::Stranded { migration, from, .. } = ledger.places[row] else { return };
    let Some(home) = ledger.places[row].home() else { return };
    let (task, kinds) = (view.task_here(row), view.workers[home].kinds);
    if broken!("keeps_what_it_claimed") {
        claim_as_before(ledger, own, view.worker(home).id, &mut footprint);
    } else {
        // Its rules put back what it needs now.
        ledger.footprint_into(task, kinds, &mut footprint);
    }
    let bytes = device_bytes(task, kinds);
    let device = device_for(ledger, task, (home, kinds));
    let has_device = bytes.is_none() || device.is_some() || broken!("home_whose_device_is_full");
    let has_room = has_room(ledger, &footprint, home) || broken!("home_keeps_what_it_lacks");
    let may_stay = is_open(view, task, home) || broken!("home_that_is_closed_keeps_room");
    let is_alone = !meets_another(ledger, view, row, home) || broken!("two_kept_apart_both_wait");
    if has_device && has_room && may_stay && is_alone {
        add_claims(ledger, &footprint, home);
        ledger.keep(bytes, home, device);
        ledger.relocate(view, row, Place::Stranded { migration, from, is_kept: true });
    } else {
        ledger.not_kept.insert(migration);
    }
}

fn claim_as_before(ledger: &Ledger, own: &UnderWay<'_>, home: WorkerId, footprint: &mut Footprint) {
    let claims = own.migration.claim_of(home);
    footprint.claim.extend(ledger.columns.iter().map(|column| claims.known(*column)));
}

/// Whether a worker has this much left of every resource.
fn has_room(ledger: &Ledger, footprint: &Footprint, worker: WorkerRow) -> bool {
    ledger.row(worker).iter().zip(&footprint.claim).all(|(cell, claim)| {
        let capacity = cell.capacity.unwrap_or(0.0);
        // Of adding and subtracting the same amounts.
        let rounding = 8.0 * f64::EPSILON * capacity;
        claim.is_none_or(|claim| claim <= 0.0 || claim <= capacity - cell.claimed + rounding)
            || broken!("home_is_full")
    })
}

/// Whether a worker has the hardware and the labels that a task needs, and is in its class.
fn is_open(view: &View<'_>, task: &Task, worker: WorkerRow) -> bool {
    let (kinds, record) = (view.workers[worker].kinds, view.worker(worker));
    let class = task.class.and_then(|class| view.snapshot.class(class));
    suits_worker(&task.requirements, kinds, &record.labels).is_ok()
        && class.is_none_or(|class| class.cost(record.id).is_some())
}

/// Whether a worker has another task from which this one is kept apart, or keeps room for such a task.
fn meets_another(ledger: &Ledger, view: &View<'_>, row: TaskRow, worker: WorkerRow) -> bool {
    view.groups_of(row).iter().any(|index| {
        let is_apart = view.snapshot.groups()[*index as usize].rule == GroupRule::AntiAffinity;
        is_apart && ledger.groups.occupant(*index, view.task(row).id, worker).is_some()
    })
}

/// The device that can hold a task: the one that the host names for it, or else the one that it fits most tightly;
/// `None` if it fits none, or needs none.
fn device_for(
    ledger: &mut Ledger,
    task: &Task,
    (worker, kinds): (WorkerRow, HardwareSet),
) -> Option<u16> {
    let bytes = device_bytes(task, kinds)? as f64;
    let has_room = |device: &u16| {
        let cell = ledger.device_mut(worker, *device);
        cell.and_then(|cell| cell.free_bytes()).is_some_and(|free| bytes <= free)
    };
    task.device.filter(has_room).or_else(|| likely(ledger, task, (worker, kinds)))
}
