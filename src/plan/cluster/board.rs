//! What does each worker carry while a plan is searched? The ledger's figures of the columns that count, in flat rows,
//! as they will be when every move so far has landed.

use alloc::vec::Vec;

use super::units::Units;
use crate::model::rows::{Row, WorkerRow};
use crate::plan::measure;
use crate::round::Round;

/// The loads of all workers, and where every unit is.
#[derive(Clone, Debug)]
pub(super) struct Board {
    /// How many columns there are.
    pub(super) width: usize,
    /// The weight of each column in the unevenness; 0 for one that is only counted.
    pub(super) weight: Vec<f64>,
    /// Per worker and column: capacity, and 1 / capacity (0 if that is unknown or zero).
    pub(super) capacity: Vec<f64>,
    pub(super) per: Vec<f64>,
    /// The use.
    pub(super) used: Vec<f64>,
    /// What is not claimed.
    pub(super) room: Vec<f64>,
    /// The use that no arrival may exceed; infinite for a column that is only counted.
    pub(super) most: Vec<f64>,
    /// Where each unit is.
    pub(super) at: Vec<Option<WorkerRow>>,
    /// The units on each worker, in no particular order.
    pub(super) on: Vec<Vec<u32>>,
    /// How often each worker has changed.
    pub(super) changes: Vec<u32>,
    /// The workers that have changed, in order.
    pub(super) log: Vec<u32>,
}

impl Board {
    /// The board as the plan begins; `counted` are the workers that are in a pool.
    pub(super) fn new(round: &Round<'_>, units: &Units, counted: &[bool]) -> Self {
        let (workers, width) = (round.view.workers.len(), units.columns.len());
        let size = workers * width;
        let mut board = Self {
            width,
            weight: alloc::vec![0.0; width],
            capacity: Vec::with_capacity(size),
            per: Vec::with_capacity(size),
            used: Vec::with_capacity(size),
            room: Vec::with_capacity(size),
            most: Vec::with_capacity(size),
            at: units.list.iter().map(|unit| unit.from).collect(),
            on: alloc::vec![Vec::new(); workers],
            changes: alloc::vec![0; workers],
            log: Vec::new(),
        };
        for worker in round.view.worker_rows() {
            board.enter(round, units, worker);
        }
        board.weigh(round, units, counted);
        for (unit, from) in (0_u32..).zip(&board.at) {
            if let Some(from) = from {
                board.on[from.position()].push(unit);
            }
        }
        board
    }

    fn enter(&mut self, round: &Round<'_>, units: &Units, worker: WorkerRow) {
        let cells = round.ledger.row(worker);
        for column in units.columns.iter().copied() {
            let (cell, resource) = (&cells[column], round.ledger.columns[column]);
            let capacity = cell.capacity.unwrap_or(0.0);
            let ceiling = round.bands.ceiling - round.bands.shift(worker);
            self.capacity.push(capacity);
            self.per.push(if capacity > 0.0 { 1.0 / capacity } else { 0.0 });
            // Unknown use is filled in once the even load is known.
            self.used.push(cell.used.unwrap_or(f64::NAN));
            self.room.push(capacity - cell.claimed);
            self.most.push(if resource.is_room() || capacity <= 0.0 {
                f64::INFINITY
            } else {
                ceiling * capacity
            });
        }
    }

    /// Weighs the columns by what the workers of all pools have, and what is used or still to be placed. A worker whose
    /// use is unknown is taken to have the even load.
    fn weigh(&mut self, round: &Round<'_>, units: &Units, counted: &[bool]) {
        let counts = |worker: Option<WorkerRow>| worker.is_some_and(|it| counted[it.position()]);
        for column in 0..self.width {
            let (mut capacity, mut used) = (0.0, 0.0);
            for worker in (0..counted.len()).filter(|worker| counted[*worker]) {
                let at = worker * self.width + column;
                if !self.used[at].is_nan() && self.per[at] > 0.0 {
                    capacity += self.capacity[at];
                    used += self.used[at];
                }
            }
            let even = if capacity > 0.0 { used / capacity } else { 0.0 };
            for at in (column..self.used.len()).step_by(self.width) {
                if self.used[at].is_nan() {
                    self.used[at] = even * self.capacity[at];
                }
            }
            for unit in (0..units.len()).filter(|unit| !counts(units.list[*unit].from)) {
                used += units.load(unit)[column];
            }
            let resource = round.ledger.columns[units.columns[column]];
            if !resource.is_room() {
                self.weight[column] = measure::weight(capacity, used);
            }
        }
    }

    /// The figures of one worker in a flat row.
    #[inline]
    pub(super) fn row<'b>(&self, figures: &'b [f64], worker: usize) -> &'b [f64] {
        &figures[worker * self.width..(worker + 1) * self.width]
    }

    /// How full a worker is in the column in which it is nearest to its ceiling: 1 is at the ceiling.
    pub(super) fn peak(&self, worker: usize) -> f64 {
        self.peak_without(worker, None)
    }

    /// How full a worker would be without a unit.
    pub(super) fn peak_without(&self, worker: usize, load: Option<&[f64]>) -> f64 {
        let (used, most) = (self.row(&self.used, worker), self.row(&self.most, worker));
        let mut peak: f64 = 0.0;
        for column in 0..self.width {
            let left = load.map_or(0.0, |load| load[column]);
            if most[column] > 0.0 {
                peak = peak.max((used[column] - left) / most[column]);
            }
        }
        peak
    }

    /// How much the unevenness falls when a unit leaves a worker.
    #[inline]
    pub(super) fn departure(&self, load: &[f64], worker: usize) -> f64 {
        let (used, per) = (self.row(&self.used, worker), self.row(&self.per, worker));
        let mut sum = 0.0;
        for column in 0..self.width {
            sum += measure::departure(self.weight[column], used[column], load[column], per[column]);
        }
        sum
    }

    /// How much the unevenness rises when a unit arrives at a worker.
    #[inline]
    pub(super) fn arrival(&self, load: &[f64], worker: usize) -> f64 {
        let (used, per) = (self.row(&self.used, worker), self.row(&self.per, worker));
        let mut sum = 0.0;
        for column in 0..self.width {
            sum += measure::arrival(self.weight[column], used[column], load[column], per[column]);
        }
        sum
    }

    /// Whether a worker has room for these claims, and stays below its ceiling with this load.
    pub(super) fn fits(&self, (load, claim): (&[f64], &[f64]), worker: usize) -> bool {
        self.stays_below(load, worker) && self.has_room(claim, worker)
    }

    /// Whether a worker stays below its ceiling with this load.
    #[inline]
    pub(super) fn stays_below(&self, load: &[f64], worker: usize) -> bool {
        let (used, most) = (self.row(&self.used, worker), self.row(&self.most, worker));
        let mut columns = load.iter().zip(used.iter().zip(most));
        columns.all(|(load, (used, most))| *load <= 0.0 || used + load <= *most)
    }

    /// Whether a worker has room for these claims.
    #[inline]
    pub(super) fn has_room(&self, claim: &[f64], worker: usize) -> bool {
        let mut columns = claim.iter().zip(self.row(&self.room, worker));
        columns.all(|(claim, room)| *claim <= 0.0 || claim <= room)
    }

    /// Puts a unit on a worker, or on none.
    pub(super) fn put(&mut self, units: &Units, unit: usize, to: Option<WorkerRow>) {
        if let Some(from) = self.at[unit] {
            self.change(units, unit, from, -1.0);
            let here = &mut self.on[from.position()];
            if let Some(position) = here.iter().position(|other| *other as usize == unit) {
                here.swap_remove(position);
            }
        }
        self.at[unit] = to;
        if let Some(to) = to {
            self.change(units, unit, to, 1.0);
            self.on[to.position()].push(u32::try_from(unit).unwrap_or(u32::MAX));
        }
    }

    fn change(&mut self, units: &Units, unit: usize, worker: WorkerRow, sign: f64) {
        let first = worker.position() * self.width;
        let (loads, claims) = units.amounts(unit, worker);
        for (column, (load, claim)) in loads.iter().zip(claims).enumerate() {
            let at = first + column;
            self.used[at] = (self.used[at] + sign * load).max(0.0);
            self.room[at] -= sign * claim;
        }
        self.changes[worker.position()] += 1;
        self.log.push(u32::try_from(worker.position()).unwrap_or(u32::MAX));
    }
}
