//! What is searched, what has been found so far, and what it costs.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::board::Board;
use super::index::{Index, Need, Scratch};
use super::limits::Limits;
use super::pools::Pools;
use super::units::Units;
use crate::model::resource::ResourceId;
use crate::model::rows::{Row, WorkerRow};
use crate::outcome::{FitRefusal, Rejection};
use crate::plan::set_judge::SetJudge;
use crate::round::{Context, Fit, MoveSet, VariantFilter};
use crate::rules::{self, Pair};
use crate::view::{Arrival, Footprint, Ledger, Place, Variants};

/// The least that a move must gain, as a share of what a worker would add to the unevenness if it stood idle. (All
/// workers idle would add 1 per resource.)
const LEAST_GAIN: f64 = 3e-4;

/// A search in progress: where each unit is to be in the end.
pub(super) struct Search<'c> {
    pub(super) context: Context<'c>,
    pub(super) units: Units,
    pub(super) pools: Pools,
    pub(super) board: Board,
    /// An index per kind of task, of the workers that it may go to; then those of pools that several kinds share.
    pub(super) indexes: Vec<Index>,
    /// The index of each pool.
    pub(super) index_of: Vec<usize>,
    /// The even load of each pool.
    pub(super) even: Vec<f64>,
    /// The ledger as if every move had landed; kept up to date only if units are tied.
    ledger: Ledger,
    has_ties: bool,
    /// Workers to which the rules refuse a unit.
    barred: BTreeMap<usize, Vec<u32>>,
    pub(super) scratch: Scratch,
    pub(super) limits: Limits,
    /// The least that a move of one task must gain.
    pub(super) least: f64,
    /// What a further move of one task must gain: more than the least if the limits are tight.
    pub(super) price: f64,
    /// What the move of each unit was worth when it was looked at last; infinite if it has not been.
    pub(super) worth: Vec<f64>,
    /// How often each worker had changed when no exchange was found for it.
    pub(super) tried: Vec<Option<u32>>,
    judge: SetJudge,
    footprint: Footprint,
    needs: Vec<Need>,
}

/// How good a target should be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wish {
    Best,
    /// The best, even if it is pushed above its ceiling.
    AboveTheCeiling,
}

impl<'c> Search<'c> {
    pub(super) fn new(
        context: &Context<'c>,
        ledger: &Ledger,
        units: Units,
        limits: Limits,
    ) -> Self {
        let round = context.with(ledger);
        let pools = Pools::new(&round, &units);
        let counted = pools.counted();
        let board = Board::new(&round, &units, &counted);
        let even = pools.even(&board, &units);
        let new = |workers: &Vec<WorkerRow>| Index::new(&board, workers);
        let mut indexes: Vec<Index> = pools.targets.iter().map(new).collect();
        let mut index_of = Vec::with_capacity(pools.count);
        for pool in 0..pools.count {
            let all = (0..counted.len()).filter(|it| pools.of[*it] == u32::try_from(pool).ok());
            let open = all.filter(|worker| pools.takes_any(*worker));
            let members: Vec<WorkerRow> = open.map(WorkerRow::at).collect();
            let alike = pools.targets.iter().position(|targets| *targets == members);
            index_of.push(alike.unwrap_or(indexes.len()));
            if alike.is_none() {
                indexes.push(Index::new(&board, &members));
            }
        }
        let workers = counted.iter().filter(|counted| **counted).count();
        let least = LEAST_GAIN / workers.max(1) as f64;
        let tried = alloc::vec![None; counted.len()];
        let worth = alloc::vec![f64::INFINITY; units.len()];
        let has_ties = units.list.iter().any(|unit| unit.is_tied);
        let mut ledger = ledger.clone();
        ledger.project();
        ledger.forget_levels();
        Self {
            context: *context,
            units,
            pools,
            board,
            indexes,
            index_of,
            even,
            ledger,
            has_ties,
            barred: BTreeMap::new(),
            scratch: Scratch::default(),
            limits,
            least,
            price: least,
            worth,
            tried,
            judge: SetJudge::default(),
            footprint: Footprint::default(),
            needs: Vec::new(),
        }
    }

    /// Whether a unit is where it was as the plan began.
    pub(super) fn is_home(&self, unit: usize) -> bool {
        self.board.at[unit] == self.units.list[unit].from
    }

    /// Whether the effort is spent.
    pub(super) fn is_out_of_effort(&mut self) -> bool {
        self.limits.note_evaluations(self.scratch.evaluations)
    }

    /// The best worker for a unit, other than its own, and what the move gains; `None` if it gains at most `least`.
    pub(super) fn best(&mut self, unit: usize, least: f64, wish: Wish) -> Option<(f64, usize)> {
        let (load, claim, kind) = self.units.there(unit);
        let index = &mut self.indexes[kind as usize];
        index.refresh(&self.board);
        let here = self.board.at[unit].map(Row::position);
        let freed = here.map_or(f64::INFINITY, |here| self.board.departure(load, here));
        let barred = self.barred.get(&unit).map_or(&[][..], Vec::as_slice);
        let is_out = |worker: usize| {
            Some(worker) == here || barred.iter().any(|other| *other as usize == worker)
        };
        let may_exceed = matches!(wish, Wish::AboveTheCeiling);
        Need::of(&self.board, (load, claim), may_exceed, &mut self.needs);
        let found = index.coldest(&self.needs, freed - least, &mut self.scratch, is_out);
        found.map(|(rise, worker)| (if freed.is_finite() { freed - rise } else { -rise }, worker))
    }

    /// About what the best move of a unit would gain, or less: a few workers are asked. `None` if none of them has
    /// room.
    pub(super) fn estimate(&mut self, unit: usize) -> Option<f64> {
        let here = self.board.at[unit]?;
        let index = &mut self.indexes[self.units.list[unit].kind as usize];
        index.refresh(&self.board);
        let (load, claim) = (self.units.load(unit), self.units.claim(unit));
        Need::of(&self.board, (load, claim), false, &mut self.needs);
        let rise = index.estimate(&self.needs, &mut self.scratch);
        rise.is_finite().then(|| self.board.departure(load, here.position()) - rise)
    }

    /// Whether the rules let a unit go to a worker. Of units that are not tied, room is left to the board.
    pub(super) fn permits(&mut self, unit: usize, to: usize) -> bool {
        self.fit(unit, WorkerRow::at(to)).is_ok()
    }

    fn fit(&mut self, unit: usize, to: WorkerRow) -> Result<Fit, Rejection> {
        let round = self.context.with(&self.ledger);
        let (own, rows) = (&self.units.list[unit], self.units.rows(unit));
        let filter = self.filter(unit);
        let from = self.board.at[unit];
        if let [row] = rows {
            let pair = Pair { row: *row, from, to, purpose: own.purpose };
            let answer = rules::pair(&round, &pair, filter, &mut self.footprint);
            return match answer {
                Err(Rejection::Fit(FitRefusal::NoHeadroom { .. })) if !own.is_tied => {
                    Ok(Fit::default())
                }
                answer => answer,
            };
        }
        let purpose = own.purpose;
        let set = MoveSet { rows: rows.to_vec(), from, purpose, gang: None };
        self.judge.forget();
        self.judge.fit(&round, &set, to, filter)
    }

    /// Which variants a unit may take: a plan that evens out loads leaves each task the one by which it runs.
    pub(super) fn filter(&self, unit: usize) -> VariantFilter {
        if let Some(way) = self.units.way(unit) {
            return VariantFilter::Only(Some(way.alternative));
        }
        if !self.units.list[unit].purpose.is_voluntary() {
            return VariantFilter::Any;
        }
        let now = self.units.rows(unit).first().and_then(|row| self.context.view.variants(*row));
        VariantFilter::Only(now.map(Variants::now))
    }

    /// Forgets where the rules refuse a unit: it would run by another way now.
    pub(super) fn unbar(&mut self, unit: usize) {
        self.barred.remove(&unit);
    }

    /// Leaves a worker out when targets of a unit are looked for.
    pub(super) fn bar(&mut self, unit: usize, worker: usize) {
        let barred = self.barred.entry(unit).or_default();
        barred.push(u32::try_from(worker).unwrap_or(u32::MAX));
    }

    /// Leaves a unit where it was: it cannot be moved as planned.
    pub(super) fn give_up(&mut self, unit: usize) {
        if let Some(to) = self.board.at[unit] {
            self.bar(unit, to.position());
        }
        self.put(unit, self.units.list[unit].from.map(Row::position));
    }

    /// The columns of the ledger.
    pub(super) fn columns(&self) -> &[ResourceId] {
        &self.ledger.columns
    }

    /// Whether the rules refuse a unit at a worker.
    pub(super) fn is_barred(&self, unit: usize, worker: usize) -> bool {
        let barred = self.barred.get(&unit);
        barred.is_some_and(|barred| barred.iter().any(|other| *other as usize == worker))
    }

    /// Puts a unit on a worker, and counts what that costs.
    pub(super) fn put(&mut self, unit: usize, to: Option<usize>) {
        let to = to.map(WorkerRow::at);
        let was_home = self.is_home(unit);
        if let (true, Some(to)) = (self.has_ties, to) {
            self.enter(unit, to);
        }
        self.board.put(&self.units, unit, to);
        let own = &self.units.list[unit];
        match (was_home, self.is_home(unit)) {
            (true, false) => self.limits.add(own.count, own.bytes),
            (false, true) => self.limits.remove(own.count, own.bytes),
            _ => {}
        }
    }

    /// Enters a move into the ledger, as one that has landed.
    fn enter(&mut self, unit: usize, to: WorkerRow) {
        let fit = self.fit(unit, to).unwrap_or_default();
        let (view, from) = (self.context.view, self.board.at[unit]);
        for row in self.units.rows(unit).iter().copied() {
            let bytes = view.task_by(row, fit.alternative).requirements.gpu_memory_bytes;
            let migration = self.context.state.migration(0);
            let place = Place::Moving { migration, from, to: Some(to) };
            let device = fit.device.zip(bytes);
            let arrival = Arrival { task: row, from, to, interrupts: true, place, device };
            self.ledger.footprint_at(view, row, to, fit.alternative, &mut self.footprint);
            self.ledger.carry(view, &arrival, &self.footprint);
            self.ledger.land(view, &arrival, &mut self.footprint);
        }
    }
}
