//! Does the cluster need more workers, or fewer? How many, and of which class?
//!
//! Both are tried out on a copy of the ledger, with the engine's own rules. Waiting tasks are placed where they fit,
//! largest first, each on the first worker by id that admits it. The tasks that are left fit nowhere. They are placed
//! on empty workers of each existing class, and the class that takes the most tasks is advised; among several the one
//! that needs the fewest workers, and among these the smallest. An empty worker of a class is a worker of that class
//! with nothing on it. For nine tasks of 4 cores and full workers of 16 cores: two more workers take eight tasks, so
//! three are needed.
//!
//! If the mean load is above the high threshold, no move helps either: the tasks that must leave the overloaded workers
//! are tried in the same way. If no task is left over, the reverse is tried: the idlest workers are emptied onto the
//! fullest.

mod class;
mod down;
mod trial;

use alloc::vec::Vec;

use self::class::{CLASSES, Class, classes};
use self::trial::{Guest, Packed, Trial};
use crate::config::AdviceRules;
use crate::model::hardware::Hardware;
use crate::model::rows::{TaskRow, WorkerRow};
use crate::outcome::{Advice, Purpose};
use crate::round::{Bands, Context, Round};
use crate::rules::{self, TaskRules};
use crate::snapshot::Stance;
use crate::view::{Footprint, Ledger, Place};

/// Tries out what more workers, or fewer, would do.
pub(super) fn scale(
    section: &AdviceRules,
    context: &Context<'_>,
    ledger: &Ledger,
    out: &mut Vec<Advice>,
) {
    let round = context.with(ledger);
    let classes = classes(&round);
    if classes.is_empty() {
        return;
    }
    // Advice uses measured loads, not predicted ones.
    let bands = Bands { shift: Vec::new(), ..context.bands.clone() };
    let mut trial = Trial::new(Context { bands: &bands, ..*context }, ledger);
    let waiting = trial.place(waiting(&round));
    let (mean, crowded) = crowded(&round, &mut trial);
    if waiting.is_empty() && mean <= context.bands.ceiling {
        if broken!("advice_queue_first") {
            trial = Trial::new(Context { bands: &bands, ..*context }, ledger);
        }
        down::down(section, &round, &classes, &mut trial, out);
        return;
    }
    let mut left: Vec<Guest> = waiting;
    left.extend(crowded);
    for _ in 0..CLASSES {
        let tried = classes.iter().map(|class| (class, trial.pack(class.model, &left)));
        let best = tried.min_by_key(|(class, packed): &(&Class, Packed)| {
            let most =
                if broken!("advice_class") { (0, 0) } else { (packed.placed(), packed.workers) };
            (core::cmp::Reverse(most.0), most.1, class.rank)
        });
        let Some((class, packed)) = best.filter(|(_, packed)| packed.workers > 0) else { break };
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let crowded = left.iter().filter(|guest| guest.displaced).count();
        out.push(Advice::ScaleUp {
            like: context.view.worker_id(class.model),
            workers: packed.workers,
            waiting: count(left.len() - crowded),
            crowded: count(crowded),
            placed: count(packed.placed()),
            mean,
            high: context.bands.ceiling,
        });
        left = packed.left(&left);
        if left.is_empty() {
            break;
        }
    }
}

/// The tasks without a worker, largest first, then by id. Tasks that must stay together are left out, because the
/// place of one decides where the others may go.
fn waiting(round: &Round<'_>) -> Vec<TaskRow> {
    let waits = |row: &TaskRow| {
        let place = round.ledger.places[*row];
        (place == Place::Unplaced || place.is_lost())
            && rules::task(round, *row, Purpose::Recover, TaskRules::AloneInScope).is_ok()
            && !class::is_bound(round.view, *row)
    };
    let rows = round.view.task_rows().filter(waits).collect();
    largest_first(round, rows)
}

/// Tasks by the largest share of the largest worker's capacity that they claim, largest first, then by id.
fn largest_first(round: &Round<'_>, rows: Vec<TaskRow>) -> Vec<TaskRow> {
    let (view, ledger) = (round.view, round.ledger);
    let mut most = alloc::vec![0.0_f64; ledger.columns.len()];
    for worker in view.worker_rows() {
        for (most, cell) in most.iter_mut().zip(ledger.row(worker)) {
            *most = most.max(cell.capacity.unwrap_or(0.0));
        }
    }
    let every = Hardware::ALL.into_iter().collect();
    let mut footprint = Footprint::default();
    let mut sized: Vec<(f64, TaskRow)> = Vec::with_capacity(rows.len());
    for row in rows {
        ledger.footprint_into(view.task(row), every, &mut footprint);
        let shares = footprint.claim.iter().zip(&most).filter(|(_, most)| **most > 0.0);
        let shares = shares.map(|(claim, most)| claim.unwrap_or(0.0) / most);
        sized.push((shares.fold(0.0, f64::max), row));
    }
    sized.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    sized.into_iter().map(|(_, row)| row).collect()
}

/// The mean load, and, if that is above the high threshold, the tasks that must leave overloaded workers so that none
/// is overloaded.
fn crowded(round: &Round<'_>, trial: &mut Trial<'_>) -> (f64, Vec<Guest>) {
    let (view, high) = (round.view, round.bands.ceiling);
    let is_open = |worker: &WorkerRow| {
        let worker = &view.workers[*worker];
        worker.balanced && worker.stance == Stance::Accept
    };
    let workers: Vec<WorkerRow> = view.worker_rows().filter(is_open).collect();
    let loads = workers.iter().filter_map(|worker| view.workers[*worker].projected);
    let mean = loads.clone().sum::<f64>() / loads.count().max(1) as f64;
    let mut crowded = Vec::new();
    let most = if broken!("advice_all_hot") { 1.0 + high } else { high };
    if mean > most {
        let by_worker = trial.by_worker();
        for worker in workers {
            let rows = largest_first(round, by_worker[worker].clone());
            crowded.extend(trial.relieve(worker, high, &rows));
        }
    }
    let rows = largest_first(round, crowded).into_iter();
    // A waiting task that was placed there on trial does not leave.
    let here = |row: TaskRow| matches!(round.ledger.places[row], Place::On(_));
    (mean, rows.map(|row| Guest { row, displaced: here(row) }).collect())
}
