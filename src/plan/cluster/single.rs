//! Which single moves lower the unevenness the most?
//!
//! First every worker above its ceiling is relieved, hottest first, with as few moves as possible; then the moves that
//! gain the most are taken, one after the other, each judged as the plan stands.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::search::Search;
use crate::model::rows::Row;

/// So many tasks of a worker are compared that would all bring it below its ceiling.
const COMPARED: usize = 20;
/// A worker below this part of its ceiling needs no relief; the tolerance is for rounding.
const AT_CEILING: f64 = 1.0 + 1e-9;

/// A unit that waits for its turn, with what its move gains, or could gain at most if no target is known yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) gain: f64,
    pub(super) unit: usize,
    pub(super) to: Option<usize>,
    /// How often both workers had changed when the gain was computed.
    pub(super) changes: u32,
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        self.gain.total_cmp(&other.gain).then(other.unit.cmp(&self.unit))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Turn {}

impl Search<'_> {
    /// How often a unit's worker and another one have changed.
    pub(super) fn changes(&self, unit: usize, to: usize) -> u32 {
        let here = self.board.at[unit].map_or(0, |here| self.board.changes[here.position()]);
        here.wrapping_add(self.board.changes[to])
    }

    /// Places the units that have no worker or must leave theirs, in their order, each where it is best. If no target
    /// stays below its ceiling, one above it will do.
    pub(super) fn place(&mut self) {
        for unit in 0..self.units.len() {
            let own = self.units.list[unit].clone();
            if own.purpose.is_voluntary() || !self.is_home(unit) {
                continue;
            }
            if self.is_out_of_effort() || !self.limits.admits(own.count, own.bytes, 0) {
                continue;
            }
            let below = self.best_permitted(unit, f64::NEG_INFINITY, false);
            let above = below.or_else(|| self.best_permitted(unit, f64::NEG_INFINITY, true));
            if let Some((_, to)) = above {
                self.put(unit, Some(to));
            }
        }
    }

    /// Relieves the workers above their ceilings, the hottest first, as far as the limits go.
    pub(super) fn relieve(&mut self) {
        let mut hot = BinaryHeap::new();
        let turn = |search: &Self, worker: usize| Turn {
            gain: search.board.peak(worker),
            unit: worker,
            to: None,
            changes: search.board.changes[worker],
        };
        for worker in (0..self.pools.of.len()).filter(|worker| self.pools.of[*worker].is_some()) {
            let next = turn(self, worker);
            if next.gain > AT_CEILING {
                hot.push(next);
            }
        }
        while let Some(next) = hot.pop() {
            let worker = next.unit;
            if next.changes != self.board.changes[worker] {
                continue;
            }
            if self.is_out_of_effort() || !self.relieve_one(worker) {
                continue;
            }
            let next = turn(self, worker);
            if next.gain > AT_CEILING {
                hot.push(next);
            }
        }
    }

    /// Takes from a hot worker the task whose departure leaves it lowest; of those that bring it below its ceiling, the
    /// one that gains the most. Returns whether there is one.
    fn relieve_one(&mut self, worker: usize) -> bool {
        let mut leaving: Vec<(f64, f64, usize)> = Vec::new();
        for unit in self.board.on[worker].iter().map(|unit| *unit as usize) {
            let own = &self.units.list[unit];
            if own.purpose.is_voluntary() && self.is_home(unit) {
                let load = self.units.load(unit);
                let peak = self.board.peak_without(worker, Some(load)).max(1.0);
                leaving.push((peak, self.board.departure(load, worker), unit));
            }
        }
        leaving.sort_unstable_by(|a, b| {
            a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2))
        });
        let before = self.board.peak(worker);
        let lowest = leaving.first().map_or(0.0, |first| first.0);
        let mut best: Option<(f64, usize, usize)> = None;
        for (nth, (peak, _, unit)) in leaving.into_iter().enumerate() {
            if best.is_some() && (peak > lowest * AT_CEILING || nth >= COMPARED) {
                break;
            }
            let (count, bytes) = (self.units.list[unit].count, self.units.list[unit].bytes);
            if peak >= before || !self.limits.admits(count, bytes, 0) {
                continue;
            }
            let least = best.map_or(0.0, |best| best.0);
            if let Some((gain, to)) = self.best_permitted(unit, least, false) {
                best = Some((gain, unit, to));
            }
        }
        let Some((_, unit, to)) = best else { return false };
        self.put(unit, Some(to));
        true
    }

    /// The best worker to which the rules let a unit go.
    pub(super) fn best_permitted(
        &mut self,
        unit: usize,
        least: f64,
        may_exceed: bool,
    ) -> Option<(f64, usize)> {
        loop {
            let (gain, to) = self.best(unit, least, may_exceed)?;
            if self.permits(unit, to) {
                return Some((gain, to));
            }
            self.bar(unit, to);
        }
    }

    /// Takes the moves that gain the most, until none gains enough, with `extra` moves beyond the limit for the time
    /// being.
    pub(super) fn climb(&mut self, extra: u64) {
        let mut turns = Vec::with_capacity(self.units.len());
        for unit in 0..self.units.len() {
            if self.units.list[unit].purpose.is_voluntary() && self.is_home(unit) {
                let gain = self.most_gain(unit);
                if gain > self.least {
                    turns.push(Turn { gain, unit, to: None, changes: 0 });
                }
            }
        }
        let mut turns = BinaryHeap::from(turns);
        while let Some(turn) = turns.pop() {
            let (unit, own) = (turn.unit, &self.units.list[turn.unit]);
            let (count, bytes) = (own.count, own.bytes);
            if !self.limits.admits(count, bytes, extra) {
                continue;
            }
            if self.is_out_of_effort() {
                break;
            }
            if let Some(to) = turn.to
                && turn.changes == self.changes(unit, to)
            {
                if self.permits(unit, to) {
                    self.put(unit, Some(to));
                    continue;
                }
                self.bar(unit, to);
            }
            let least = self.least * f64::from(count);
            if let Some((gain, to)) = self.best(unit, least, false) {
                let changes = self.changes(unit, to);
                turns.push(Turn { gain, unit, to: Some(to), changes });
            }
        }
    }

    /// Sends tasks that move anyway to better workers, as the plan stands now.
    pub(super) fn send_elsewhere(&mut self) {
        for unit in 0..self.units.len() {
            if self.is_home(unit) || self.units.list[unit].is_tied {
                continue;
            }
            if self.is_out_of_effort() {
                return;
            }
            if let Some((_, to)) = self.best_permitted(unit, self.least * 0.25, false) {
                self.put(unit, Some(to));
            }
        }
    }

    /// Takes back the moves that gain the least, until the limit holds and every move gains enough.
    pub(super) fn prune(&mut self) {
        let mut turns = BinaryHeap::new();
        for unit in 0..self.units.len() {
            turns.extend(self.return_of(unit));
        }
        while let Some(turn) = turns.pop() {
            let loss = -turn.gain;
            let least = self.least * f64::from(self.units.list[turn.unit].count);
            if self.limits.moves <= self.limits.most_moves() && loss > least {
                break;
            }
            let Some(home) = turn.to else { continue };
            if turn.changes == self.changes(turn.unit, home) {
                self.put(turn.unit, Some(home));
            } else {
                turns.extend(self.return_of(turn.unit));
            }
        }
    }

    /// The return of a unit to where it was, if there is room, and what that gains (less than nothing, as a rule).
    fn return_of(&self, unit: usize) -> Option<Turn> {
        let own = &self.units.list[unit];
        if self.is_home(unit) || own.is_tied || !own.purpose.is_voluntary() {
            return None;
        }
        let (home, here) = (own.from?.position(), self.board.at[unit]?.position());
        let (load, claim) = (self.units.load(unit), self.units.claim(unit));
        if !self.board.fits((load, claim), home) {
            return None;
        }
        let gain = self.board.departure(load, here) - self.board.arrival(load, home);
        let changes = self.changes(unit, home);
        Some(Turn { gain, unit, to: Some(home), changes })
    }
}
