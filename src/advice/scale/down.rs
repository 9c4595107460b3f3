//! Which workers are not needed?
//!
//! The idlest workers are emptied first, onto the fullest that stay below the configured level. For six workers of 16
//! cores with two tasks of one core each: the twelve tasks fit on two workers at 0.7 (eleven on the first), so four
//! workers could go.

use alloc::vec::Vec;

use super::class::{CLASSES, Class, takes};
use super::trial::Trial;
use crate::config::AdviceRules;
use crate::model::rows::{TaskRow, WorkerRow};
use crate::outcome::{Advice, Purpose};
use crate::round::Round;
use crate::snapshot::Stance;
use crate::view::Place;

/// A worker that has refused this many tasks is not asked again.
const REFUSALS: u8 = 8;
/// The search ends after this many workers that cannot be emptied.
const FAILURES: usize = 8;

/// Tries to empty workers, and advises how many of each class could go.
pub(super) fn down(
    section: &AdviceRules,
    round: &Round<'_>,
    classes: &[Class],
    trial: &mut Trial<'_>,
    out: &mut Vec<Advice>,
) {
    let keep_below = if broken!("advice_keeps_below") { 1.0 } else { section.keep_below };
    let most = keep_below.min(round.bands.ceiling);
    let drains = round.view.workers.iter().any(|worker| worker.stance == Stance::Drain);
    let in_flight = round.ledger.places.iter().any(|place| matches!(place, Place::Moving { .. }));
    // A migration under way changes which workers are needed: they are judged once the task has arrived.
    if drains || in_flight {
        return;
    }
    trial.ceiling = Some(most);
    let mut search = Search::new(trial, most);
    let emptied = search.empty();
    let high = search.highest();
    for class in classes.iter().take(CLASSES) {
        let workers = class.workers.iter().filter(|worker| emptied.contains(worker)).count();
        if workers > 0 {
            let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let (workers, of) = (count(workers), count(class.workers.len()));
            let like = round.worker_id(class.model);
            out.push(Advice::ScaleDown { like, workers, of, load: high, most });
        }
    }
}

/// The search for workers that could be emptied.
struct Search<'t, 'a> {
    trial: &'t mut Trial<'a>,
    /// No load above this.
    most: f64,
    /// Workers that take tasks, fullest first.
    order: Vec<WorkerRow>,
    /// How many tasks each of them has refused.
    refusals: Vec<u8>,
    /// Whether each of them has been given a task.
    given: Vec<bool>,
    /// Position of the first worker that has not refused too often.
    first: usize,
    /// One past the position of the last worker that still takes tasks.
    kept: usize,
    /// How many workers could not be emptied.
    failures: usize,
}

impl<'t, 'a> Search<'t, 'a> {
    fn new(trial: &'t mut Trial<'a>, most: f64) -> Self {
        let round = trial.round();
        let load = |worker: WorkerRow| round.ledger.load(worker).unwrap_or(f64::INFINITY);
        let open = |worker: &WorkerRow| takes(&round, *worker);
        let mut order: Vec<WorkerRow> = round.view.worker_rows().filter(open).collect();
        order.sort_by(|a, b| load(*b).total_cmp(&load(*a)).then(a.cmp(b)));
        let refusals = |worker: &WorkerRow| if load(*worker) > most { REFUSALS } else { 0 };
        let (refusals, kept) = (order.iter().map(refusals).collect(), order.len());
        let given = alloc::vec![false; kept];
        Self { trial, most, order, refusals, given, first: 0, kept, failures: 0 }
    }

    /// The workers that could be emptied, idlest first; one stays.
    fn empty(&mut self) -> Vec<WorkerRow> {
        let mut emptied = Vec::new();
        let by_worker = self.trial.by_worker();
        let mut at = self.order.len();
        while at > 1 && self.failures < FAILURES {
            at -= 1;
            if self.given[at] {
                break;
            }
            let worker = self.order[at];
            // Only the workers before this one, which are fuller, take its tasks.
            self.kept = at;
            if self.moves_off(&by_worker[worker]) {
                emptied.push(worker);
                self.order.remove(at);
                self.refusals.remove(at);
                self.given.remove(at);
            } else {
                self.failures += 1;
            }
        }
        emptied
    }

    /// Puts all tasks of a worker elsewhere, or none.
    fn moves_off(&mut self, rows: &[TaskRow]) -> bool {
        let mark = self.trial.ledger.mark();
        let mut moved: Vec<(usize, bool)> = Vec::new();
        for row in rows {
            let Some(step) = self.put(*row) else {
                self.trial.ledger.rollback(mark);
                for (at, given) in moved.into_iter().rev() {
                    self.given[at] = given;
                }
                return false;
            };
            moved.push(step);
        }
        self.trial.ledger.commit(mark);
        true
    }

    /// Puts a task on the fullest worker that takes it. Returns the position of that worker, and whether it had been
    /// given a task before.
    fn put(&mut self, row: TaskRow) -> Option<(usize, bool)> {
        if !self.trial.may_leave(row) && !broken!("advice_pinned") {
            return None;
        }
        while self.first < self.kept && self.refusals[self.first] >= REFUSALS {
            self.first += 1;
        }
        for at in self.first..self.kept {
            if self.refusals[at] >= REFUSALS {
                continue;
            }
            let to = self.order[at];
            let mark = self.trial.ledger.mark();
            if self.trial.put(row, to, Purpose::Rebalance, true) {
                // The ceiling looks only at the resources that the task uses; the load counts all of them.
                if self.trial.ledger.load(to).is_some_and(|load| load <= self.most) {
                    self.trial.ledger.commit(mark);
                    return Some((at, core::mem::replace(&mut self.given[at], true)));
                }
            }
            self.trial.ledger.rollback(mark);
            self.refusals[at] += 1;
        }
        None
    }

    /// The highest load of the workers that were given tasks.
    fn highest(&self) -> f64 {
        let given = self.order.iter().zip(&self.given).filter(|(_, given)| **given);
        let loads = given.filter_map(|(worker, _)| self.trial.ledger.load(*worker));
        loads.fold(0.0, f64::max)
    }
}
