//! In which order can the moves be made, so that every prefix is safe?
//!
//! A batch holds moves that may all be under way at once, begun in their order: each is judged by the rules on a
//! ledger on which every task of the batch before it counts on both of its workers. When the batch has landed, the
//! sources are free of what has left them, and the next one begins. Of an exchange for which neither worker has room
//! for both tasks, the first task goes in one batch, if its target has room for it, and the other in the next.

use alloc::vec::Vec;
use core::cmp::Reverse;

use super::board::Board;
use super::search::Search;
use crate::math::total::Total;
use crate::model::rows::{Row, WorkerRow};
use crate::outcome::{Batch, PlanMove, Purpose};
use crate::plan::taker::Taker;
use crate::round::{Candidate, Fit, MoveSet, VariantFilter};
use crate::rules;
use crate::view::{Arrival, Footprint, Ledger, Place};

/// A plan in batches.
#[derive(Debug)]
pub(super) struct Scheduled {
    pub(super) batches: Vec<Batch>,
    /// The board once all has landed.
    pub(super) board: Board,
    /// Units that could not be moved as planned.
    pub(super) left: Vec<usize>,
    pub(super) moves: u64,
    pub(super) bytes: u64,
}

/// The moves of one batch, while it is put together.
struct Scheduler<'s, 'c> {
    search: &'s Search<'c>,
    taker: Taker<'c>,
    ledger: Ledger,
    board: Board,
    set: MoveSet,
    arrivals: Vec<Arrival>,
    /// Which tasks of the set the move interrupts.
    interrupts: Vec<bool>,
    issued: u64,
    /// The units that have been moved so far, in order.
    landed: Vec<usize>,
}

/// Orders the moves of a search. `begun` is the board, and `ledger` the ledger, as the plan begins.
pub(super) fn schedule(search: &Search<'_>, begun: &Board, ledger: &Ledger) -> Scheduled {
    let mut pending: Vec<usize> =
        (0..search.units.len()).filter(|unit| !search.is_home(*unit)).collect();
    // What must move comes first; then the tasks of the hottest workers.
    let heat = |unit: usize| {
        let from = search.units.list[unit].from;
        from.map_or(0.0, |from| begun.peak(from.position()))
    };
    pending.sort_by(|a, b| {
        let [first, second] = [*a, *b].map(|unit| search.units.list[unit].purpose);
        first.cmp(&second).then(heat(*b).total_cmp(&heat(*a))).then(a.cmp(b))
    });
    let mut ledger = ledger.clone();
    ledger.project();
    ledger.forget_levels();
    let purpose = Purpose::Rebalance;
    let mut scheduler = Scheduler {
        search,
        taker: Taker::new(&search.context),
        ledger,
        board: begun.clone(),
        set: MoveSet { rows: Vec::new(), from: None, purpose, gang: None },
        arrivals: Vec::new(),
        interrupts: Vec::new(),
        issued: 0,
        landed: Vec::new(),
    };
    let mut batches = Vec::new();
    let standing = |scheduler: &Scheduler<'_, '_>| {
        let must =
            scheduler.landed.iter().filter(|it| !search.units.list[**it].purpose.is_voluntary());
        let placed = Reverse(must.count());
        (placed, Total(search.pools.unevenness(&scheduler.board, &search.even)))
    };
    // The units that have landed, and the batches, when the cluster stood best.
    let mut best = (standing(&scheduler), 0, 0);
    while !pending.is_empty() {
        let mut moves = Vec::new();
        pending.retain(|unit| !scheduler.take(*unit, &mut moves));
        if moves.is_empty() {
            break;
        }
        scheduler.land();
        batches.push(Batch { moves });
        let now = standing(&scheduler);
        if now <= best.0 {
            best = (now, scheduler.landed.len(), batches.len());
        }
    }
    let mut board = scheduler.board;
    let (_, landed, count) = best;
    for unit in scheduler.landed.drain(landed..) {
        board.put(&search.units, unit, search.units.list[unit].from);
    }
    batches.truncate(count);
    let of = |unit: &usize| &search.units.list[*unit];
    let moves = scheduler.landed.iter().map(|unit| u64::from(of(unit).count)).sum();
    let bytes = scheduler.landed.iter().map(|unit| of(unit).bytes.unwrap_or(0));
    let bytes = bytes.fold(0, u64::saturating_add);
    Scheduled { batches, board, left: pending, moves, bytes }
}

impl Scheduler<'_, '_> {
    /// Takes the move of a unit into the batch, if the rules allow it there.
    fn take(&mut self, unit: usize, moves: &mut Vec<PlanMove>) -> bool {
        let search = self.search;
        let own = &search.units.list[unit];
        let Some(to) = search.board.at[unit] else { return false };
        self.set.rows.clear();
        self.set.rows.extend_from_slice(search.units.rows(unit));
        (self.set.from, self.set.purpose) = (own.from, own.purpose);
        let alternative = match search.filter(unit) {
            VariantFilter::Only(way) => way,
            VariantFilter::Any | VariantFilter::AtLeast(_) => self.variant(to),
        };
        let candidate = Candidate::new(0, to, Fit { alternative, device: None });
        let round = search.context.with(&self.ledger);
        self.interrupts.clear();
        self.interrupts.extend(self.set.rows.iter().map(|row| round.is_interrupted(*row)));
        let taken = self.taker.take_known(&mut self.ledger, &self.set, candidate, self.issued);
        let Ok(planned) = taken else { return false };
        let load = |at: WorkerRow| search.units.amounts(unit, at).0;
        let freed = |from: WorkerRow| self.board.departure(load(from), from.position());
        let gain = own.from.map_or(0.0, freed) - self.board.arrival(load(to), to.position());
        self.board.put(&search.units, unit, Some(to));
        self.landed.push(unit);
        let view = search.context.view;
        let share = gain / planned.len() as f64;
        for (one, interrupts) in planned.into_iter().zip(self.interrupts.iter().copied()) {
            self.issued += 1;
            let place = Place::On(to);
            let arrival =
                Arrival { task: one.row, from: own.from, to, interrupts, place, device: None };
            self.arrivals.push(arrival);
            moves.push(PlanMove {
                task: view.task(one.row).id,
                from: own.from.map(|from| view.worker_id(from)),
                to: view.worker_id(to),
                purpose: own.purpose,
                alternative: one.fit.alternative,
                gain: share,
            });
        }
        true
    }

    /// The variant by which the first task of the set would run on a worker; `None` if it has none.
    fn variant(&self, to: WorkerRow) -> Option<u16> {
        let round = self.search.context.with(&self.ledger);
        let (row, mut footprint) = (self.set.lead(), Footprint::default());
        let any = VariantFilter::Any;
        let fit = rules::fit(&round, row, to, any, &mut footprint);
        fit.ok().and_then(|fit| fit.alternative)
    }

    /// Ends the batch.
    fn land(&mut self) {
        let mut footprint = Footprint::default();
        for arrival in self.arrivals.drain(..) {
            self.ledger.land(self.search.context.view, &arrival, &mut footprint);
        }
    }
}
