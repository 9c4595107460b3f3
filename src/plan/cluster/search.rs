//! What is searched, what has been found so far, and what it costs.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::board::Board;
use super::index::{Ask, Index, Scratch};
use super::limits::Limits;
use super::pools::Pools;
use super::units::Units;
use crate::model::resource::ResourceId;
use crate::model::rows::{Row, TaskRow, WorkerRow};
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
    /// An index per kind of task, of the workers that it may go to; and one per pool.
    pub(super) by_kind: Vec<Index>,
    pub(super) by_pool: Vec<Index>,
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
    judge: SetJudge,
    footprint: Footprint,
}

impl<'c> Search<'c> {
    pub(super) fn new(context: &Context<'c>, ledger: &Ledger, units: Units, limits: Limits) -> Self {
        let round = context.with(ledger);
        let pools = Pools::new(&round, &units);
        let counted = pools.counted();
        let board = Board::new(&round, &units, &counted);
        let even = pools.even(&board, &units);
        let by_kind: Vec<Index> =
            pools.targets.iter().map(|workers| Index::new(&board, workers)).collect();
        let members = |pool: usize| {
            let all = (0..counted.len()).filter(|it| pools.of[*it] == u32::try_from(pool).ok());
            let open = all.filter(|worker| pools.takes_any(*worker));
            open.map(WorkerRow::at).collect::<Vec<WorkerRow>>()
        };
        let by_pool = (0..pools.count).map(|pool| Index::new(&board, &members(pool))).collect();
        let workers = counted.iter().filter(|counted| **counted).count();
        let has_ties = units.list.iter().any(|unit| unit.is_tied);
        let mut ledger = ledger.clone();
        ledger.project();
        ledger.forget_levels();
        Self {
            context: *context,
            units,
            pools,
            board,
            by_kind,
            by_pool,
            even,
            ledger,
            has_ties,
            barred: BTreeMap::new(),
            scratch: Scratch::default(),
            limits,
            least: LEAST_GAIN / workers.max(1) as f64,
            judge: SetJudge::default(),
            footprint: Footprint::default(),
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
    /// Only with `may_exceed` it may push a worker above its ceiling.
    pub(super) fn best(
        &mut self,
        unit: usize,
        least: f64,
        may_exceed: bool,
    ) -> Option<(f64, usize)> {
        let kind = self.units.list[unit].kind as usize;
        let index = &mut self.by_kind[kind];
        index.refresh(&self.board);
        let here = self.board.at[unit].map(Row::position);
        let load = self.units.load(unit);
        let freed = here.map_or(f64::INFINITY, |here| self.board.departure(load, here));
        let barred = self.barred.get(&unit).map_or(&[][..], Vec::as_slice);
        let is_out = |worker: usize| {
            Some(worker) == here || barred.iter().any(|other| *other as usize == worker)
        };
        let ask = Ask { load, claim: self.units.claim(unit), may_exceed };
        let found = index.coldest(&self.board, ask, freed - least, &mut self.scratch, is_out);
        found.map(|(rise, worker)| (if freed.is_finite() { freed - rise } else { -rise }, worker))
    }

    /// The most that a move of a unit could gain, without asking any worker.
    pub(super) fn most_gain(&mut self, unit: usize) -> f64 {
        let Some(here) = self.board.at[unit] else { return f64::INFINITY };
        let index = &mut self.by_kind[self.units.list[unit].kind as usize];
        index.refresh(&self.board);
        let (load, claim) = (self.units.load(unit), self.units.claim(unit));
        let ask = Ask { load, claim, may_exceed: false };
        self.board.departure(ask.load, here.position()) - index.least(&self.board, ask)
    }

    /// Whether the rules let a unit go to a worker. Of units that are not tied, room is left to the board.
    pub(super) fn permits(&mut self, unit: usize, to: usize) -> bool {
        self.fit(unit, WorkerRow::at(to)).is_ok()
    }

    fn fit(&mut self, unit: usize, to: WorkerRow) -> Result<Fit, Rejection> {
        let round = self.context.with(&self.ledger);
        let (own, rows) = (&self.units.list[unit], self.units.rows(unit));
        let filter = filter(&self.context, own.purpose.is_voluntary(), rows);
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

    /// Leaves a worker out when targets of a unit are looked for.
    pub(super) fn bar(&mut self, unit: usize, worker: usize) {
        let barred = self.barred.entry(unit).or_default();
        barred.push(u32::try_from(worker).unwrap_or(u32::MAX));
    }

    /// Leaves a unit where it was: it cannot be moved as planned.
    pub(super) fn give_up(&mut self, unit: usize) {
        self.put(unit, self.units.list[unit].from.map(Row::position));
    }

    /// How uneven the loads are as the plan stands.
    pub(super) fn unevenness(&self) -> f64 {
        self.pools.unevenness(&self.board, &self.even)
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

/// Which variants a unit may take: a plan that evens out loads leaves each task the one by which it runs.
pub(super) fn filter(
    context: &Context<'_>,
    is_voluntary: bool,
    rows: &[TaskRow],
) -> VariantFilter {
    if !is_voluntary {
        return VariantFilter::Any;
    }
    let now = rows.first().and_then(|row| context.view.variants(*row));
    VariantFilter::Only(now.map(Variants::now))
}
