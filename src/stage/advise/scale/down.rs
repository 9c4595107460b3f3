//! Which workers could be done without?
//!
//! The idlest are emptied first, onto the fullest that stay below the level the section asks for. Six
//! workers of 16 cores with two tasks of one core each: the twelve fit on two at 0.7 (eleven on the
//! first), so four could go.

use alloc::vec::Vec;

use super::class::{Class, takes};
use super::trial::{Before, Trial};
use crate::outcome::Advice;
use crate::snapshot::Stance;
use crate::stage::advise::Ask;
use crate::view::{Errand, Place, Seat};

/// A worker that has refused so many tasks is asked no more.
const REFUSALS: u8 = 8;
/// So many workers that cannot be emptied end the search.
const FAILURES: usize = 8;

/// Tries to empty workers, and tells how many of each class could go.
pub(super) fn down(ask: &Ask<'_>, classes: &[Class], trial: &mut Trial<'_>, out: &mut Vec<Advice>) {
    let most = ask.section.keep_below.min(ask.levels.ceiling);
    let drains = ask.view.workers.iter().any(|it| it.stance == Stance::Drain);
    let in_flight = ask.view.ledger.places.iter().any(|it| matches!(it, Place::Moving { .. }));
    // What is on the move changes what could go: that is asked once it has arrived.
    if drains || in_flight {
        return;
    }
    trial.levels.ceiling = most;
    let mut search = Search::new(trial, most);
    let emptied = search.empty();
    let high = search.highest();
    for class in classes.iter().take(super::CLASSES) {
        let workers = class.seats.iter().filter(|seat| emptied.contains(seat)).count();
        if workers > 0 {
            let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let (workers, of) = (count(workers), count(class.seats.len()));
            let like = ask.view.worker_id(class.model);
            out.push(Advice::ScaleDown { like, workers, of, load: high, most });
        }
    }
}

struct Search<'t, 'a> {
    trial: &'t mut Trial<'a>,
    /// No load above this.
    most: f64,
    /// Workers that take tasks, fullest first.
    order: Vec<Seat>,
    /// How many tasks each of them has refused.
    refusals: Vec<u8>,
    /// Whether it has been given any.
    given: Vec<bool>,
    /// Those that stay, or are still asked: from the first that has not refused too often...
    first: usize,
    /// ... to this one.
    kept: usize,
    /// Those among them that cannot be emptied.
    failures: usize,
}

impl<'t, 'a> Search<'t, 'a> {
    fn new(trial: &'t mut Trial<'a>, most: f64) -> Self {
        let view = &trial.view;
        let load = |seat: Seat| view.ledger.load(seat).unwrap_or(f64::INFINITY);
        let open = |seat: &Seat| takes(view, *seat);
        let mut order: Vec<Seat> = (0..view.workers.len()).filter(open).collect();
        order.sort_by(|a, b| load(*b).total_cmp(&load(*a)).then(a.cmp(b)));
        let refusals = order.iter().map(|seat| if load(*seat) > most { REFUSALS } else { 0 });
        let (refusals, kept) = (refusals.collect(), order.len());
        let given = alloc::vec![false; kept];
        Self { trial, most, order, refusals, given, first: 0, kept, failures: 0 }
    }

    /// The workers that could be emptied, idlest first; one stays.
    fn empty(&mut self) -> Vec<Seat> {
        let mut emptied = Vec::new();
        let by_seat = self.trial.by_seat();
        let mut at = self.order.len();
        while at > 1 && self.failures < FAILURES {
            at -= 1;
            if self.given[at] {
                break;
            }
            let seat = self.order[at];
            // Nobody else takes anything from the one that is being emptied.
            self.kept = at;
            if self.moves_off(&by_seat[seat]) {
                emptied.push(seat);
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
    fn moves_off(&mut self, rows: &[usize]) -> bool {
        let mut moved: Vec<(usize, bool, Before)> = Vec::new();
        for row in rows {
            let Some(step) = self.put(*row) else {
                for (at, given, before) in moved.iter().rev() {
                    self.given[*at] = *given;
                    self.trial.take_back(before);
                }
                return false;
            };
            moved.push(step);
        }
        true
    }

    /// Puts a task on the fullest worker that takes it; where, and what was there before.
    fn put(&mut self, row: usize) -> Option<(usize, bool, Before)> {
        if !self.trial.may_leave(row) {
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
            if let Some(before) = self.trial.put(row, to, Errand::Balance, true) {
                // The ceiling looks at what is added to; the load counts what else there is, too.
                if self.trial.view.ledger.load(to).is_some_and(|load| load <= self.most) {
                    return Some((at, core::mem::replace(&mut self.given[at], true), before));
                }
                self.trial.take_back(&before);
            }
            self.refusals[at] += 1;
        }
        None
    }

    /// The highest load of those that were given something.
    fn highest(&self) -> f64 {
        let view = &self.trial.view;
        let given = self.order.iter().zip(&self.given).filter(|(_, given)| **given);
        given.filter_map(|(seat, _)| view.ledger.load(*seat)).fold(0.0, f64::max)
    }
}
