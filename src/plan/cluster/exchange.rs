//! Which exchanges lower the unevenness where no single move does?
//!
//! w1 is full of processors and w2 of memory: no task of w1 has room on w2, and one for one relieves both. For the
//! worker that adds the most to the unevenness, partners are asked in the order of what the two could gain if their
//! loads could be divided at will; with each, every pair of one task here and one there is tried, and each task alone.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::search::Search;
use super::single::Turn;
use crate::math::total::Total;
use crate::model::rows::Row;
use crate::outcome::Stop;

/// A worker is asked if it adds this part of the price of a move to the unevenness.
const STANDS_OUT: f64 = 0.2;
/// An exchange gains at least this part of the price, beyond the price of its moves.
const LEAST: f64 = 0.05;
/// So many tasks of a worker are tried at most.
const TRIED: usize = 32;

/// What the best exchange found so far gains, beyond what its moves must gain, and its tasks.
#[derive(Clone, Copy, Debug)]
struct Best {
    net: f64,
    there: usize,
    out: Option<usize>,
    back: Option<usize>,
}

/// The figures of two workers, column by column.
#[derive(Debug, Default)]
struct Sides {
    /// 2 x weight x (load here - load there), and weight x (1 / capacity here + 1 / capacity there).
    slope: Vec<f64>,
    bend: Vec<f64>,
    /// What may arrive there and here: use, and claims.
    used_there: Vec<f64>,
    room_there: Vec<f64>,
    used_here: Vec<f64>,
    room_here: Vec<f64>,
    /// Tasks here and there, the first of which is none, and what each uses, column by column.
    here: Vec<Option<usize>>,
    there: Vec<Option<usize>>,
    loads_here: Vec<f64>,
    loads_there: Vec<f64>,
    /// What each costs: the price of a move for a task that would leave its home, less than nothing for one that would
    /// return.
    price_here: Vec<f64>,
    price_there: Vec<f64>,
}

impl Search<'_> {
    /// Exchanges tasks until no exchange gains enough, with `extra` moves beyond the limit for the time being.
    pub(super) fn exchange(&mut self, extra: u64, partners: u32) {
        let mut turns = BinaryHeap::new();
        for worker in 0..self.pools.of.len() {
            turns.extend(self.turn(worker));
        }
        let mut sides = Sides::default();
        while let Some(turn) = turns.pop() {
            if turn.changes != self.board.changes[turn.unit.0] {
                continue;
            }
            if self.is_out_of_effort() {
                return;
            }
            let own = turn.unit.0;
            let (best, lack) = self.best_exchange(own, (extra, partners), &mut sides);
            let Some(best) = best else {
                self.tried[own] = Some(turn.changes);
                lack.into_iter().for_each(|lack| self.limits.note_lack(lack));
                continue;
            };
            if let Some(unit) = best.out.filter(|unit| !self.may_go(*unit, best.there)) {
                self.bar(unit, best.there);
                turns.push(turn);
            } else if let Some(unit) = best.back.filter(|unit| !self.may_go(*unit, own)) {
                self.bar(unit, own);
                turns.push(turn);
            } else {
                best.out.into_iter().for_each(|unit| self.put(unit, Some(best.there)));
                best.back.into_iter().for_each(|unit| self.put(unit, Some(own)));
                turns.extend(self.turn(own));
                turns.extend(self.turn(best.there));
            }
        }
    }

    /// A worker's turn, by what it adds to the unevenness; `None` if that is next to nothing, or if nothing was found
    /// for it and it has not changed since.
    fn turn(&self, worker: usize) -> Option<Turn> {
        if self.tried[worker] == Some(self.board.changes[worker]) {
            return None;
        }
        let gain = self.pools.distance(&self.board, &self.even, worker);
        let changes = self.board.changes[worker];
        let turn = Turn { gain: Total(gain), unit: Reverse(worker), to: None, changes };
        (gain > STANDS_OUT * self.price).then_some(turn)
    }

    /// Whether a unit may return home, or the rules let it go to a worker.
    fn may_go(&mut self, unit: usize, to: usize) -> bool {
        let is_home = self.units.list[unit].from.is_some_and(|home| home.position() == to);
        is_home || self.permits(unit, to)
    }

    /// The best exchange, and the limit that forbids another one.
    fn best_exchange(
        &mut self,
        own: usize,
        (extra, partners): (u64, u32),
        sides: &mut Sides,
    ) -> (Option<Best>, Option<Stop>) {
        let Some(pool) = self.pools.of[own] else { return (None, None) };
        let index = self.index_of[pool as usize];
        self.indexes[index].refresh(&self.board);
        self.gather(own, &mut sides.here, &mut sides.loads_here);
        let mut scratch = core::mem::take(&mut self.scratch);
        let least = LEAST * self.price;
        let (mut best, mut lack) = (None, None);
        let mut asked = 0;
        let search = &*self;
        search.indexes[index].partners(&search.board, own, &mut scratch, |most, there, count| {
            let bar = best.map_or(least, |best: Best| best.net);
            // Taking two moves back would gain two prices more.
            if asked == partners || most + 2.0 * search.price <= bar {
                return false;
            }
            asked += 1;
            search.gather(there, &mut sides.there, &mut sides.loads_there);
            *count += (sides.here.len() * sides.there.len()) as u64;
            search.compare((own, there), extra, sides, bar, (&mut best, &mut lack));
            true
        });
        self.scratch = scratch;
        (best, lack)
    }

    /// The tasks of a worker that may be exchanged, and none.
    fn gather(&self, worker: usize, into: &mut Vec<Option<usize>>, loads: &mut Vec<f64>) {
        into.clear();
        loads.clear();
        into.push(None);
        loads.resize(self.board.width, 0.0);
        let all = &self.board.on[worker];
        let step = all.len().div_ceil(TRIED).max(1);
        let units = all.iter().step_by(step).map(|unit| *unit as usize);
        for unit in units.filter(|unit| self.is_free(*unit)) {
            into.push(Some(unit));
            loads.extend_from_slice(self.units.load(unit));
        }
    }

    fn is_free(&self, unit: usize) -> bool {
        let own = &self.units.list[unit];
        own.purpose.is_voluntary() && !own.is_tied
    }

    /// Tries every pair of tasks of two workers.
    fn compare(
        &self,
        (own, there): (usize, usize),
        extra: u64,
        sides: &mut Sides,
        least: f64,
        (best, lack): (&mut Option<Best>, &mut Option<Stop>),
    ) {
        self.weigh(own, there, sides);
        let mut bar = least;
        let curve = || sides.slope.iter().zip(&sides.bend);
        let width = self.board.width;
        let here = sides.here.iter().zip(&sides.price_here);
        for ((out, price), sent) in here.zip(sides.loads_here.chunks_exact(width)) {
            let there_all = sides.there.iter().zip(&sides.price_there);
            for ((back, other), got) in there_all.zip(sides.loads_there.chunks_exact(width)) {
                let mut net = -(price + other);
                for ((sent, got), (slope, bend)) in sent.iter().zip(got).zip(curve()) {
                    let amount = sent - got;
                    net += amount * (slope - amount * bend);
                }
                if net <= bar || !self.has_room(own, there, (*out, *back), sides) {
                    continue;
                }
                match self.forbids((own, there), (*out, *back), extra) {
                    None => {
                        bar = net;
                        *best = Some(Best { net, there, out: *out, back: *back });
                    }
                    forbidden => *lack = forbidden,
                }
            }
        }
    }

    fn weigh(&self, own: usize, there: usize, sides: &mut Sides) {
        let board = &self.board;
        let price = |unit: &Option<usize>, from: usize, to: usize| {
            unit.map_or(0.0, |unit| self.price * self.change(unit, from, to).0 as f64)
        };
        sides.price_here.clear();
        sides.price_here.extend(sides.here.iter().map(|unit| price(unit, own, there)));
        sides.price_there.clear();
        sides.price_there.extend(sides.there.iter().map(|unit| price(unit, there, own)));
        let Sides { slope, bend, used_there, room_there, used_here, room_here, .. } = sides;
        for list in [&mut *slope, bend, used_there, room_there, used_here, room_here] {
            list.clear();
        }
        for column in 0..board.width {
            let (a, b) = (own * board.width + column, there * board.width + column);
            let weight = board.weight[column];
            let apart = board.used[a] * board.per[a] - board.used[b] * board.per[b];
            slope.push(2.0 * weight * apart);
            bend.push(weight * (board.per[a] + board.per[b]));
            used_there.push(board.most[b] - board.used[b]);
            room_there.push(board.room[b]);
            used_here.push(board.most[a] - board.used[a]);
            room_here.push(board.room[a]);
        }
    }

    /// How many more tasks and bytes would move with a unit.
    fn change(&self, unit: usize, from: usize, to: usize) -> (i64, Option<i64>) {
        let own = &self.units.list[unit];
        let home = own.from.map(Row::position);
        let sign = i64::from(home != Some(to)) - i64::from(home != Some(from));
        let bytes = own.bytes.and_then(|bytes| i64::try_from(bytes).ok());
        (sign * i64::from(own.count), if sign == 0 { Some(0) } else { bytes.map(|it| it * sign) })
    }

    /// The limit that forbids an exchange; `None` if it is allowed.
    fn forbids(
        &self,
        (own, there): (usize, usize),
        (out, back): (Option<usize>, Option<usize>),
        extra: u64,
    ) -> Option<Stop> {
        let none = (0, Some(0));
        let (sent, got) = (
            out.map_or(none, |unit| self.change(unit, own, there)),
            back.map_or(none, |unit| self.change(unit, there, own)),
        );
        let bytes = sent.1.zip(got.1).map(|(a, b)| a.saturating_add(b));
        self.limits.forbids(sent.0 + got.0, bytes, extra)
    }

    /// Whether both workers would have room, and both kinds may go there.
    fn has_room(
        &self,
        own: usize,
        there: usize,
        (out, back): (Option<usize>, Option<usize>),
        sides: &Sides,
    ) -> bool {
        let may_go = |unit: Option<usize>, to: usize| {
            unit.is_none_or(|unit| {
                let is_home = self.units.list[unit].from.is_some_and(|it| it.position() == to);
                let accepts = self.pools.accepts(to, self.units.list[unit].kind);
                is_home || accepts && !self.is_barred(unit, to)
            })
        };
        if out.or(back).is_none() || !may_go(out, there) || !may_go(back, own) {
            return false;
        }
        let of = |unit: Option<usize>, column: usize, claims: bool| {
            unit.map_or(0.0, |unit| {
                if claims { self.units.claim(unit)[column] } else { self.units.load(unit)[column] }
            })
        };
        let fits = |net: f64, there: f64, here: f64| {
            if net > 0.0 { net <= there } else { net == 0.0 || -net <= here }
        };
        (0..self.board.width).all(|column| {
            let load = of(out, column, false) - of(back, column, false);
            let claim = of(out, column, true) - of(back, column, true);
            fits(load, sides.used_there[column], sides.used_here[column])
                && fits(claim, sides.room_there[column], sides.room_here[column])
        })
    }
}
