//! Which tasks are too large for any worker?
//!
//! A task that uses 15 of 16 cores loads any worker to 0.94, above 0.85: moving it only moves the overload. Two parts
//! of it, at 0.47 each, can be placed.

use alloc::vec::Vec;

use crate::model::rows::{TaskRow, WorkerRow};
use crate::outcome::Advice;
use crate::round::Round;
use crate::rules;
use crate::snapshot::Stance;
use crate::view::{Footprint, Place};

/// How many workers are asked per record of the snapshot, and at least in all, so that the cost stays linear however
/// many tasks are large.
const QUESTIONS: [usize; 2] = [8, 1_024];

/// Tasks that alone overload every worker that could run them, each with its severity.
pub(super) fn huge(round: &Round<'_>) -> Vec<(f64, Advice)> {
    let (view, ledger) = (round.view, round.ledger);
    let stays =
        |worker: &WorkerRow| matches!(view.worker(*worker).stance, Stance::Accept | Stance::Hold);
    let workers: Vec<WorkerRow> = view.worker_rows().filter(stays).collect();
    let records = view.workers.len() + view.snapshot.tasks().len();
    let mut questions = QUESTIONS[0] * records + QUESTIONS[1];
    let (mut found, mut footprint) = (Vec::new(), Footprint::default());
    // A task with alternatives is not judged.
    let plain = |row: &TaskRow| view.snapshot.is_sound(*row) && view.variants(*row).is_none();
    for row in view.task_rows().filter(plain) {
        match ledger.places[row] {
            // A task that does not overload its own worker needs no search.
            Place::On(worker) => {
                let kinds = view.workers[worker].kinds;
                ledger.footprint_into(view.task(row), kinds, &mut footprint);
                let load = ledger.load_of(worker, &footprint);
                let most = if broken!("advice_high") { 1.0 } else { round.bands.ceiling };
                if load.is_none_or(|load| load <= most) {
                    continue;
                }
            }
            Place::Orphaned | Place::Unplaced => {}
            Place::Moving { .. } | Place::Stranded { .. } | Place::Unknown(_) => continue,
        }
        found.extend(alone(round, row, &workers, &mut footprint, &mut questions));
    }
    found
}

/// Advice to split a task, with the least load that it alone would put on a worker; `None` if some worker could
/// have it.
fn alone(
    round: &Round<'_>,
    row: TaskRow,
    workers: &[WorkerRow],
    footprint: &mut Footprint,
    questions: &mut usize,
) -> Option<(f64, Advice)> {
    let (view, ledger) = (round.view, round.ledger);
    let (task, high) = (view.task(row), round.bands.ceiling);
    let mut least: Option<(f64, WorkerRow)> = None;
    for worker in workers.iter().copied() {
        *questions = questions.checked_sub(1)?;
        let is_able = rules::meets_requirements(round, task, worker);
        if !is_able && !broken!("advice_requirements") {
            continue;
        }
        ledger.footprint_into(task, view.workers[worker].kinds, footprint);
        let Some(load) = ledger.load_of(worker, footprint) else { continue };
        if load > high {
            least = least.filter(|(least, _)| *least <= load).or(Some((load, worker)));
        } else if rules::could_hold(round, task, worker, footprint)
            && !broken!("advice_other_workers")
        {
            return None;
        }
    }
    let (load, worker) = least?;
    let (task, worker) = (task.id, view.worker_id(worker));
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
