//! How much of every worker is in use now, beyond what its last measurement shows?
//!
//! A worker measured 5 s ago uses 4 processors. A task of 2 processors left it 3 s ago, and the host's scheduler placed
//! a task of 1 there 2 s ago; no measurement shows either: 4 - 2 + 1 = 3. A task that arrived 20 s ago has been
//! measured, and nothing is added for it.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use crate::model::ids::{TaskId, WorkerId};
use crate::model::resource::Amounts;
use crate::model::rows::{Column, Row, TaskRow, WorkerRow};
use crate::model::time::Timestamp;
use crate::snapshot::{Phase, Placement, Snapshot, Task};
use crate::state::State;
use crate::view::{Footprint, Ledger, Place, UnderWay, Variants, WorkerView};

/// Adds to the reported use the changes by migrations of the engine since the measurement.
pub(super) fn project(
    ledger: &mut Ledger,
    state: &State,
    snapshot: &Snapshot,
    (under_way, lag): (&[UnderWay<'_>], Duration),
) {
    let measured = |row: WorkerRow| snapshot.workers()[row.position()].measured(snapshot.at());
    let seen = |row: WorkerRow, event: Option<Timestamp>| {
        event.is_some_and(|event| measured(row) >= event.after(lag) || broken!("metric_age"))
    };
    for UnderWay { migration, task, from, to, .. } in under_way {
        let returns = migration.is_returning();
        let shown = task.map(|row| snapshot.tasks()[row.position()].placement);
        // What has gone home is measured there like any task.
        let is_home = returns
            && shown == Some(Placement::On(migration.to()))
            && !broken!("home_again_counts_once");
        let has_left = |from: WorkerRow| returns || seen(from, migration.released());
        if let Some(from) = from.filter(|from| !has_left(*from)) {
            add_use(ledger, from, migration.freed_at_source().unwrap_or(migration.load()), -1.0);
        }
        // A copy that runs already is measured like any task.
        let copied = migration.copied();
        let is_measured = |to: WorkerRow| {
            copied.is_some() && seen(to, copied) && !broken!("copy_is_not_counted_twice")
        };
        let is_back = |to: WorkerRow| !returns || seen(to, migration.released());
        let is_missing = |to: &WorkerRow| {
            migration.phase() != Phase::Released && !is_measured(*to) && is_back(*to) && !is_home
        };
        if let Some(to) = to.filter(is_missing) {
            add_use(ledger, to, migration.load(), 1.0);
        }
    }
    let row_of = |worker: Option<WorkerId>| worker.and_then(|worker| snapshot.worker_row(worker));
    for landed in &state.arrivals {
        let left = row_of(landed.from).filter(|from| !seen(*from, Some(landed.released)));
        if let Some(from) = left {
            add_use(ledger, from, landed.freed_at_source.as_ref().unwrap_or(&landed.load), -1.0);
        }
        let arrived = row_of(Some(landed.to)).filter(|to| !seen(*to, Some(landed.running)));
        if let Some(to) = arrived {
            add_use(ledger, to, &landed.load, 1.0);
        }
    }
}

/// Adds the use of tasks that began after their worker was measured: a scheduler has placed them since.
pub(super) fn add_begun(
    ledger: &mut Ledger,
    state: &State,
    snapshot: &Snapshot,
    workers: &Column<WorkerRow, WorkerView>,
    variants: &BTreeMap<TaskRow, Variants>,
) {
    // `project` has already added the tasks that the engine itself has moved.
    let ours: BTreeSet<TaskId> = state.arrivals.iter().map(|landed| landed.task).collect();
    let is_ours = |task: &Task| ours.contains(&task.id) && !broken!("begun_by_a_move");
    let mut scratch = Footprint::default();
    for (row, task) in TaskRow::first(snapshot.tasks().len()).zip(snapshot.tasks()) {
        let Place::On(worker) = ledger.places[row] else { continue };
        let age = snapshot.workers()[worker.position()].metric_age;
        if !began_within(task, age) || is_ours(task) {
            continue;
        }
        let as_here = variants.get(&row).map_or(task, Variants::current);
        ledger.footprint_into(as_here, workers[worker].kinds, &mut scratch);
        for (cell, load) in ledger.row_mut(worker).iter_mut().zip(&scratch.load) {
            cell.used = cell.used.map(|used| used + load);
        }
    }
}

/// Whether a task began less than `age` ago. `running == 0` means that it has not begun, or that the time is unknown.
fn began_within(task: &Task, age: Duration) -> bool {
    let has_begun = !task.running.is_zero() || broken!("begun_unknown");
    let is_new = task.running < age || broken!("begun_once");
    has_begun && is_new && !broken!("begun_since_measured")
}

fn add_use(ledger: &mut Ledger, row: WorkerRow, load: &Amounts, sign: f64) {
    for column in 0..ledger.columns.len() {
        let amount = load.known(ledger.columns[column]).unwrap_or(0.0) * sign;
        let cell = &mut ledger.row_mut(row)[column];
        cell.used = cell.used.map(|used| (used + amount).max(0.0));
    }
}
