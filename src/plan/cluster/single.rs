//! Which single moves lower the unevenness the most?
//!
//! First every worker above its ceiling is relieved, hottest first, with as few moves as possible; then the moves that
//! gain the most are taken, one after the other, each judged as the plan stands.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::search::{Search, Wish};
use crate::math::total::Total;
use crate::model::rows::Row;
use crate::outcome::Stop;

/// So many tasks of a worker are compared that would all bring it below its ceiling.
const COMPARED: usize = 20;
/// A move is taken when it gains this part of what was expected.
const AS_EXPECTED: f64 = 0.95;
/// The best target gains up to so much more than an estimate.
const HOPE: f64 = 1.1;
/// A worker below this part of its ceiling needs no relief; the tolerance is for rounding.
pub(super) const AT_CEILING: f64 = 1.0 + 1e-9;

/// A unit that waits for its turn, with what its move gains. Those that gain the most come first, then those with the
/// lowest number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) gain: Total,
    pub(super) unit: Reverse<usize>,
    pub(super) to: Option<usize>,
    /// How often both workers had changed when the gain was computed.
    pub(super) changes: u32,
}

/// A unit that waits for its turn, with what its move is expected to gain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    gain: Total,
    unit: Reverse<u32>,
}

impl Search<'_> {
    /// How often a unit's worker and another one have changed.
    pub(super) fn changes(&self, unit: usize, to: usize) -> u32 {
        let here = self.board.at[unit].map_or(0, |here| self.board.changes[here.position()]);
        here.wrapping_add(self.board.changes[to])
    }

    /// Places the units that have no worker, then those that must leave theirs, each where it is best. If no target
    /// stays below its ceiling, one above it will do.
    pub(super) fn place(&mut self) {
        let must = |unit: &usize| !self.units.list[*unit].purpose.is_voluntary();
        let mut all: Vec<usize> = (0..self.units.len()).filter(must).collect();
        all.sort_by_key(|unit| self.units.list[*unit].purpose);
        for unit in all {
            let own = self.units.list[unit].clone();
            if self.is_out_of_effort() || !self.limits.admits(own.count, own.bytes, 0) {
                continue;
            }
            let below = self.best_by_any_way(unit, Wish::Best);
            let above = below.or_else(|| self.best_by_any_way(unit, Wish::AboveTheCeiling));
            if let Some(to) = above {
                self.put(unit, Some(to));
            }
        }
    }

    /// The best worker for a unit that must move, by the fastest way for which there is one.
    fn best_by_any_way(&mut self, unit: usize, wish: Wish) -> Option<usize> {
        let count = self.units.ways(unit).len();
        for way in (0..count).map(Some).chain((count == 0).then_some(None)) {
            self.units.list[unit].way = way;
            if count > 1 {
                self.unbar(unit);
            }
            if let Some((_, to)) = self.best_permitted(unit, f64::NEG_INFINITY, wish) {
                return Some(to);
            }
        }
        self.units.list[unit].way = None;
        None
    }

    /// Relieves the workers above their ceilings, the hottest first, as far as the limits go.
    pub(super) fn relieve(&mut self) {
        let mut hot = BinaryHeap::new();
        let turn = |search: &Self, worker: usize| Turn {
            gain: Total(search.board.peak(worker)),
            unit: Reverse(worker),
            to: None,
            changes: search.board.changes[worker],
        };
        for worker in (0..self.pools.of.len()).filter(|worker| self.pools.of[*worker].is_some()) {
            let next = turn(self, worker);
            if next.gain.0 > AT_CEILING {
                hot.push(next);
            }
        }
        while let Some(next) = hot.pop() {
            let worker = next.unit.0;
            // A worker that has taken a task meanwhile, of what it has enough of, has another turn.
            let is_old = next.changes != self.board.changes[worker];
            if !is_old && (self.is_out_of_effort() || !self.relieve_one(worker)) {
                continue;
            }
            let next = turn(self, worker);
            if next.gain.0 > AT_CEILING {
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
            // Those that leave the worker as low come first; if none of them finds a target, the next ones are asked.
            let is_next = peak > lowest * AT_CEILING || nth >= COMPARED;
            if peak >= before || best.is_some() && is_next {
                break;
            }
            let (count, bytes) = (self.units.list[unit].count, self.units.list[unit].bytes);
            let least = best.map_or(0.0, |best| best.0);
            if self.limits.admits(count, bytes, 0)
                && let Some((gain, to)) = self.best_permitted(unit, least, Wish::Best)
            {
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
        wish: Wish,
    ) -> Option<(f64, usize)> {
        loop {
            let (gain, to) = self.best(unit, least, wish)?;
            if self.permits(unit, to) {
                return Some((gain, to));
            }
            self.bar(unit, to);
        }
    }

    /// Takes the moves that gain the most, until none gains the price, with `extra` moves beyond the limit for the time
    /// being. If the limit ends it, the price is what the last moves have gained.
    ///
    /// A unit waits with an estimate of what its move gains. When its turn comes and it still gains nearly that much,
    /// its best target is looked for.
    pub(super) fn climb(&mut self, extra: u64) {
        let mut waiting = Vec::with_capacity(self.units.len());
        for unit in 0..self.units.len() {
            // What was worth much less than a move costs now is not worth more by a few other moves.
            let is_near = self.worth[unit] > 0.5 * self.price && !self.is_out_of_effort();
            if is_near && self.units.list[unit].purpose.is_voluntary() && self.is_home(unit) {
                waiting.extend(self.wait(unit));
            }
        }
        let mut waiting = BinaryHeap::from(waiting);
        let mut last = 0.0;
        while let Some(Waiting { gain: Total(expected), unit: id }) = waiting.pop() {
            let unit = id.0 as usize;
            let own = &self.units.list[unit];
            let (count, bytes) = (own.count, own.bytes);
            // What cannot be taken back is not taken beyond the limit.
            let own_extra = if own.is_tied { 0 } else { extra };
            if !self.limits.admits(count, bytes, own_extra) {
                // One that is too large, or of unknown size, says nothing of those after it.
                if self.limits.is_full_beyond(extra) {
                    self.price = self.price.max(last);
                    break;
                }
                continue;
            }
            if self.is_out_of_effort() {
                break;
            }
            let Some(now) = self.wait(unit) else { continue };
            if now.gain.0 < AS_EXPECTED * expected {
                waiting.push(now);
                continue;
            }
            let Some((gain, to)) = self.best_permitted(unit, self.least, Wish::Best) else {
                continue;
            };
            let is_first = waiting.peek().is_none_or(|next| gain >= next.gain.0);
            if is_first || gain >= AS_EXPECTED * expected {
                self.put(unit, Some(to));
                last = gain / f64::from(count);
            } else {
                waiting.push(Waiting { gain: Total(gain), unit: id });
            }
        }
    }

    /// A unit's turn as the plan stands; `None` if its move is not worth the price. One for which a few workers have no
    /// room is searched for a target at once.
    fn wait(&mut self, unit: usize) -> Option<Waiting> {
        let least = 0.75 * self.price * f64::from(self.units.list[unit].count);
        let gain = match self.estimate(unit) {
            Some(gain) => gain * HOPE,
            None => self.best(unit, least, Wish::Best)?.0,
        };
        self.worth[unit] = gain;
        let unit = u32::try_from(unit).unwrap_or(u32::MAX);
        (gain > least).then_some(Waiting { gain: Total(gain), unit: Reverse(unit) })
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
            if let Some((_, to)) = self.best_permitted(unit, self.least * 0.25, Wish::Best) {
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
            let loss = -turn.gain.0;
            let unit = turn.unit.0;
            let least = self.least * f64::from(self.units.list[unit].count);
            let is_worth_it = loss > least;
            if is_worth_it && self.limits.moves <= self.limits.most_moves() {
                break;
            }
            let Some(home) = turn.to else { continue };
            if turn.changes == self.changes(unit, home) {
                self.put(unit, Some(home));
                if is_worth_it {
                    self.limits.note_lack(Stop::Moves);
                }
            } else {
                turns.extend(self.return_of(unit));
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
        Some(Turn { gain: Total(gain), unit: Reverse(unit), to: Some(home), changes })
    }
}
