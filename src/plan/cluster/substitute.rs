//! Is it still the right task that leaves its worker?
//!
//! The first task to leave a hot worker is chosen before it is known which others follow it. With the same number of
//! moves, another task of that worker may leave it, and its target, more even: then the one returns, and the other goes
//! in its place.

use alloc::vec::Vec;

use super::search::Search;
use crate::model::rows::Row;
use crate::plan::measure;

/// A substitution gains at least this part of the price of a move.
const LEAST: f64 = 0.01;

impl Search<'_> {
    /// Puts other tasks in the place of those that move, where that gains.
    pub(super) fn substitute(&mut self) {
        let mut stay: Vec<usize> = Vec::new();
        for unit in 0..self.units.len() {
            let own = &self.units.list[unit];
            let is_free = own.purpose.is_voluntary() && !own.is_tied && !self.is_home(unit);
            let (Some(home), Some(there)) = (own.from, self.board.at[unit]) else { continue };
            if !is_free {
                continue;
            }
            if self.is_out_of_effort() {
                return;
            }
            let (home, there) = (home.position(), there.position());
            stay.clear();
            stay.extend(self.board.on[home].iter().map(|other| *other as usize));
            self.scratch.evaluations += stay.len() as u64;
            let mut best = (LEAST * self.price, None);
            for other in stay.iter().copied().filter(|other| self.may_replace(unit, *other, there))
            {
                let gain = self.gain_of_substitution((unit, other), (home, there));
                if gain.is_some_and(|gain| gain > best.0) {
                    best = (gain.unwrap_or(0.0), Some(other));
                }
            }
            if let Some(other) = best.1
                && self.permits(other, there)
            {
                self.put(unit, Some(home));
                self.put(other, Some(there));
            }
        }
    }

    /// Whether a unit that has not moved may go instead of one that has.
    fn may_replace(&self, unit: usize, other: usize, there: usize) -> bool {
        let [own, instead] = [unit, other].map(|unit| &self.units.list[unit]);
        let is_free = instead.purpose.is_voluntary() && !instead.is_tied && self.is_home(other);
        let bytes = (instead.bytes, own.bytes);
        let costs_more = self.limits.is_about_bytes() && (bytes.0.is_none() || bytes.0 > bytes.1);
        is_free
            && !costs_more
            && self.pools.accepts(there, instead.kind)
            && !self.is_barred(other, there)
    }

    /// What it gains if `unit` returns from `there` to `home`, and `other` goes from there instead; `None` if there is
    /// no room.
    fn gain_of_substitution(
        &self,
        (unit, other): (usize, usize),
        (home, there): (usize, usize),
    ) -> Option<f64> {
        let board = &self.board;
        let mut gain = 0.0;
        for column in 0..board.width {
            let (a, b) = (home * board.width + column, there * board.width + column);
            let sent = self.units.load(other)[column] - self.units.load(unit)[column];
            let claim = self.units.claim(other)[column] - self.units.claim(unit)[column];
            let is_over =
                |net: f64, at: usize| net > 0.0 && (board.used[at] + net > board.most[at]);
            let lacks =
                claim > 0.0 && claim > board.room[b] || claim < 0.0 && -claim > board.room[a];
            if lacks || is_over(sent, b) || is_over(-sent, a) {
                return None;
            }
            let weight = board.weight[column];
            gain += measure::departure(weight, board.used[a], sent, board.per[a])
                - measure::arrival(weight, board.used[b], sent, board.per[b]);
        }
        Some(gain)
    }
}
