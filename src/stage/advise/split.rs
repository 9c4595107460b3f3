//! Which tasks are too large for any worker?
//!
//! A task that uses 15 of 16 cores loads its worker to 0.94, whoever has it: above 0.85, so that moving it
//! only moves the overload. Two parts of it, at 0.47 each, can be placed.

use alloc::vec::Vec;

use super::gravest;
use crate::admission::{self, Levels};
use crate::outcome::Advice;
use crate::snapshot::Stance;
use crate::view::{Burden, Place, Seat, View};

/// Workers asked per record of the snapshot, and for small ones in all: the cost stays linear, however
/// many tasks are large.
const QUESTIONS: [usize; 2] = [8, 1_024];

/// Finds tasks that alone overload every worker that could have them.
pub(super) fn huge(view: &View<'_>, levels: &Levels, out: &mut Vec<Advice>) {
    let stays = |seat: &Seat| matches!(view.worker(*seat).stance, Stance::Accept | Stance::Hold);
    let seats: Vec<Seat> = (0..view.workers.len()).filter(stays).collect();
    let records = view.workers.len() + view.snapshot.tasks().len();
    let mut questions = QUESTIONS[0] * records + QUESTIONS[1];
    let (mut found, mut burden) = (Vec::new(), Burden::default());
    // Of one that can run in several ways nothing is said.
    let plain = |row: &usize| view.snapshot.is_sound(*row) && view.forms(*row).is_none();
    for row in (0..view.snapshot.tasks().len()).filter(plain) {
        match view.ledger.places[row] {
            // Where it is tells most tasks from those worth a closer look.
            Place::On(seat) => {
                let kinds = view.workers[seat].kinds;
                view.ledger.burden_into(view.task(row), kinds, &mut burden);
                let load = view.ledger.load_of(seat, &burden);
                if load.is_none_or(|load| load <= levels.ceiling) {
                    continue;
                }
            }
            Place::Orphaned | Place::Unplaced => {}
            Place::Moving { .. } | Place::Stranded { .. } | Place::Unknown(_) => continue,
        }
        found.extend(alone(view, levels, row, &seats, &mut burden, &mut questions));
    }
    gravest(&mut found, out);
}

/// The least share that a task would take of a worker, if that is too much everywhere.
fn alone(
    view: &View<'_>,
    levels: &Levels,
    row: usize,
    seats: &[Seat],
    burden: &mut Burden,
    questions: &mut usize,
) -> Option<(f64, Advice)> {
    let (task, high) = (view.task(row), levels.ceiling);
    let mut least: Option<(f64, Seat)> = None;
    for seat in seats.iter().copied() {
        *questions = questions.checked_sub(1)?;
        if admission::requirements(view, task, seat).is_err() {
            continue;
        }
        view.ledger.burden_into(task, view.workers[seat].kinds, burden);
        let Some(load) = view.ledger.load_of(seat, burden) else { continue };
        if load > high {
            least = least.filter(|(least, _)| *least <= load).or(Some((load, seat)));
        } else if admission::would_hold(view, task, seat, burden) {
            return None;
        }
    }
    let (load, seat) = least?;
    let (task, worker) = (task.id, view.worker_id(seat));
    let advice = Advice::Split { task, worker, load, high, parts: parts(load, high) };
    Some((load, advice))
}

/// The fewest equal parts of which none exceeds `most`: 3 of 1.9 at 0.85.
fn parts(load: f64, most: f64) -> u32 {
    let mut parts = 2;
    while load / f64::from(parts) > most && parts < 1_000 {
        parts += 1;
    }
    parts
}
