//! How much does an overloaded worker use beyond what its tasks are known to use?
//!
//! A task whose use is not stated counts with its demand. If it uses more, it overloads one worker after another: w1
//! and w2 have 4 cores, t1 demands 3 and uses 3.6, so w1 is at 0.9, and w2 would seem to stand at 0.75. So when a task
//! that has moved already is to leave an overloaded worker again, the use that nobody there accounts for may be its.

use crate::model::rows::TaskRow;
use crate::round::{Bands, Parting, Unstated};
use crate::state::State;
use crate::view::{Footprint, Ledger, Place, View};

/// Per column, the use of overloaded workers that hold a task which has moved, without the use of the tasks there.
/// Empty if the loads have parted since: then every task may move.
pub(crate) fn unstated(state: &State, view: &View<'_>, ledger: &Ledger, bands: &Bands) -> Unstated {
    let mut unstated = Unstated::new();
    if !bands.parting.is_some_and(Parting::is_over) {
        return unstated;
    }
    for row in state.moved.keys().filter_map(|task| view.snapshot.task_row(*task)) {
        let Place::On(worker) = ledger.places[row] else { continue };
        let level = ledger.load(worker).map(|load| load + bands.shift(worker));
        if level.is_some_and(|level| level > bands.high) {
            let used = || ledger.row(worker).iter().map(|cell| cell.used.unwrap_or(0.0)).collect();
            unstated.entry(worker).or_insert_with(used);
        }
    }
    if unstated.is_empty() {
        return unstated;
    }
    let mut footprint = Footprint::default();
    for row in TaskRow::first(view.snapshot.tasks().len()) {
        let Place::On(worker) = ledger.places[row] else { continue };
        let Some(left) = unstated.get_mut(&worker) else { continue };
        ledger.footprint_into(view.task_here(row), view.workers[worker].kinds, &mut footprint);
        left.iter_mut().zip(&footprint.load).for_each(|(left, load)| *left -= load);
    }
    unstated
}
