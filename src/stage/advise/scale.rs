//! More workers, or fewer? How many, and of which class?
//!
//! Tried out on a copy of the ledger, with the engine's own admission. Tasks that wait are put where they
//! fit, largest first, each on the first worker by id that admits it. What is left fits nowhere: it is
//! put on empty workers of each class that there is, and the class that takes most of it is advised, of
//! several that with the fewest workers, of these the smallest. An empty worker of a class is a worker
//! of that class with nothing on it. Nine tasks of 4 cores on full workers of 16 cores: two take eight,
//! so three are needed.
//!
//! Where the mean load stands above the high threshold no move helps either: what has to leave the
//! overloaded workers is tried likewise. Where nothing is left over, the reverse is tried: the idlest
//! workers are emptied onto the fullest.

mod class;
mod down;
mod trial;

use alloc::vec::Vec;

use self::class::{Class, classes};
use self::trial::{Guest, Packed, Trial};
use super::Ask;
use crate::admission;
use crate::outcome::Advice;
use crate::snapshot::Stance;
use crate::view::{Burden, Errand, Place, Seat, View};

/// So many classes are advised at most in one round.
const CLASSES: usize = 4;

/// Tries out what more workers, or fewer, would do.
pub(super) fn scale(ask: &Ask<'_>, out: &mut Vec<Advice>) {
    let classes = classes(ask.view);
    if classes.is_empty() {
        return;
    }
    let mut trial = Trial::new(ask);
    let waiting = trial.place(waiting(ask));
    let (mean, crowded) = crowded(ask, &mut trial);
    if waiting.is_empty() && mean <= ask.levels.ceiling {
        down::down(ask, &classes, &mut trial, out);
        return;
    }
    let mut left: Vec<Guest> = waiting;
    left.extend(crowded);
    for _ in 0..CLASSES {
        let tried = classes.iter().map(|class| (class, trial.pack(class.model, &left)));
        let best = tried.min_by_key(|(class, packed): &(&Class, Packed)| {
            (core::cmp::Reverse(packed.placed()), packed.workers, class.rank)
        });
        let Some((class, packed)) = best.filter(|(_, packed)| packed.workers > 0) else { break };
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let crowded = left.iter().filter(|guest| guest.leaves).count();
        out.push(Advice::ScaleUp {
            like: ask.view.worker_id(class.model),
            workers: packed.workers,
            waiting: count(left.len() - crowded),
            crowded: count(crowded),
            placed: count(packed.placed()),
            mean,
            high: ask.levels.ceiling,
        });
        left = packed.left(&left);
        if left.is_empty() {
            break;
        }
    }
}

/// The tasks without a worker, largest first, then by id. What must stay together is left out: where one
/// member goes decides where the next may.
fn waiting(ask: &Ask<'_>) -> Vec<usize> {
    let view = ask.view;
    let waits = |row: &usize| {
        let nowhere = matches!(
            view.ledger.places[*row],
            Place::Unplaced | Place::Orphaned | Place::Stranded { .. }
        );
        nowhere
            && admission::task(ask.config, ask.state, view, *row, Errand::Recover).is_ok()
            && !class::is_bound(view, *row)
    };
    let rows = (0..view.snapshot.tasks().len()).filter(waits).collect();
    largest_first(view, rows)
}

/// Tasks by the largest share that they claim of what the largest worker has, largest first, then by id.
fn largest_first(view: &View<'_>, rows: Vec<usize>) -> Vec<usize> {
    let columns = view.ledger.columns.len();
    let mut most = alloc::vec![0.0_f64; columns];
    for seat in 0..view.workers.len() {
        for (most, cell) in most.iter_mut().zip(view.ledger.row(seat)) {
            *most = most.max(cell.capacity.unwrap_or(0.0));
        }
    }
    let mut burden = Burden::default();
    let mut sized: Vec<(f64, usize)> = Vec::with_capacity(rows.len());
    for row in rows {
        let every = crate::model::hardware::Hardware::ALL.into_iter().collect();
        view.ledger.burden_into(view.task(row), every, &mut burden);
        let shares = burden.claim.iter().zip(&most).filter(|(_, most)| **most > 0.0);
        let shares = shares.map(|(claim, most)| claim.unwrap_or(0.0) / most);
        sized.push((shares.fold(0.0, f64::max), row));
    }
    sized.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    sized.into_iter().map(|(_, row)| row).collect()
}

/// Where the mean load is above the high threshold: that mean, and the tasks that have to leave the
/// overloaded workers so that none is.
fn crowded(ask: &Ask<'_>, trial: &mut Trial<'_>) -> (f64, Vec<Guest>) {
    let (view, high) = (ask.view, ask.levels.ceiling);
    let open = |seat: &Seat| {
        let worker = &view.workers[*seat];
        worker.balanced && worker.stance == Stance::Accept
    };
    let seats: Vec<Seat> = (0..view.workers.len()).filter(open).collect();
    let loads = seats.iter().filter_map(|seat| view.workers[*seat].projected);
    let mean = loads.clone().sum::<f64>() / loads.count().max(1) as f64;
    let mut crowded = Vec::new();
    if mean > high {
        let by_seat = trial.by_seat();
        for seat in seats {
            let rows = largest_first(view, by_seat[seat].clone());
            crowded.extend(trial.relieve(seat, high, &rows));
        }
    }
    let rows = largest_first(view, crowded).into_iter();
    // Who waits and was put there by way of trial does not leave.
    let here = |row: usize| matches!(view.ledger.places[row], Place::On(_));
    (mean, rows.map(|row| Guest { row, leaves: here(row) }).collect())
}
