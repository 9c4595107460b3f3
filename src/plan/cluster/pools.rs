//! Which workers may each kind of task use, and which workers share their load?

use alloc::vec::Vec;

use super::board::Board;
use super::units::{Kind, Units};
use crate::model::rows::{Row, WorkerRow};
use crate::plan::measure;
use crate::round::Round;
use crate::rules;
use crate::snapshot::Task;
use crate::view::runs_on_device;

/// The workers of each kind of task, and the pools that they form.
#[derive(Clone, Debug)]
pub(super) struct Pools {
    /// The workers that each kind may go to, in order.
    pub(super) targets: Vec<Vec<WorkerRow>>,
    /// The kinds that each worker accepts, in order.
    accepts: Vec<Vec<u32>>,
    /// The pool of each worker; `None` if it counts in none.
    pub(super) of: Vec<Option<u32>>,
    pub(super) count: usize,
}

impl Pools {
    pub(super) fn new(round: &Round<'_>, units: &Units) -> Self {
        let workers = round.view.workers.len();
        // A plan sends nothing to a worker that leaves, however late.
        let stays = |to: &WorkerRow| round.view.workers[*to].departs_at.is_none();
        let open = round.view.worker_rows().filter(stays);
        let open: Vec<WorkerRow> = open.filter(|to| rules::target(round, *to).is_ok()).collect();
        let mut accepts = alloc::vec![Vec::new(); workers];
        let mut targets = Vec::with_capacity(units.kinds.len());
        for (index, (kind, row, alternative)) in (0_u32..).zip(&units.kinds) {
            let own = targets_of(round, &open, kind, round.view.task_by(*row, *alternative));
            own.iter().for_each(|to| accepts[to.position()].push(index));
            targets.push(own);
        }
        let mut pools = Self { targets, accepts, of: alloc::vec![None; workers], count: 0 };
        pools.join(units);
        pools
    }

    /// Whether units of this kind may go to a worker, whatever it carries.
    pub(super) fn accepts(&self, worker: usize, kind: u32) -> bool {
        let kinds = &self.accepts[worker];
        if let [only] = kinds.as_slice() {
            return *only == kind;
        }
        kinds.binary_search(&kind).is_ok()
    }

    /// Whether a worker accepts any kind of unit.
    pub(super) fn takes_any(&self, worker: usize) -> bool {
        !self.accepts[worker].is_empty()
    }

    pub(super) fn counted(&self) -> Vec<bool> {
        self.of.iter().map(Option::is_some).collect()
    }

    /// Joins the workers that one kind of task may use. A worker that accepts no task counts if one may leave it.
    fn join(&mut self, units: &Units) {
        let mut heads: Vec<u32> = (0..).take(self.of.len()).collect();
        let mut counts: Vec<bool> = self.accepts.iter().map(|kinds| !kinds.is_empty()).collect();
        // How a task could run as well, if it must move, ties no loads together.
        let as_they_run =
            self.targets.iter().zip(&units.kinds).filter(|(_, kind)| kind.2.is_none());
        for (targets, _) in as_they_run {
            for pair in targets.windows(2) {
                unite(&mut heads, pair[0].position(), pair[1].position());
            }
        }
        for unit in units.list.iter().filter(|unit| unit.purpose.is_voluntary()) {
            let first = self.targets[unit.kind as usize].first();
            if let (Some(from), Some(first)) = (unit.from, first) {
                counts[from.position()] = true;
                unite(&mut heads, from.position(), first.position());
            }
        }
        let mut number = alloc::vec![None; heads.len()];
        for worker in (0..heads.len()).filter(|worker| counts[*worker]) {
            let head = head(&mut heads, worker);
            let next = u32::try_from(self.count).unwrap_or(u32::MAX);
            let pool = *number[head].get_or_insert(next);
            self.count += usize::from(pool == next);
            self.of[worker] = Some(pool);
        }
    }

    /// The even load of each pool, column by column, with everything placed that must be.
    pub(super) fn even(&self, board: &Board, units: &Units) -> Vec<f64> {
        let width = board.width;
        let mut sums = alloc::vec![(0.0, 0.0); self.count * width];
        for (worker, pool) in self.of.iter().enumerate() {
            let Some(pool) = pool else { continue };
            for column in 0..width {
                let at = worker * width + column;
                if board.per[at] > 0.0 {
                    let sum = &mut sums[*pool as usize * width + column];
                    *sum = (sum.0 + board.used[at], sum.1 + board.capacity[at]);
                }
            }
        }
        for unit in 0..units.len() {
            let (kind, from) = (units.list[unit].kind, units.list[unit].from);
            let is_counted = from.is_some_and(|from| self.of[from.position()].is_some());
            let target = self.targets[kind as usize].first().filter(|_| !is_counted);
            let Some(pool) = target.and_then(|target| self.of[target.position()]) else { continue };
            for (column, load) in units.load(unit).iter().enumerate() {
                sums[pool as usize * width + column].0 += load;
            }
        }
        let even = |(used, capacity)| if capacity > 0.0 { used / capacity } else { 0.0 };
        sums.into_iter().map(even).collect()
    }

    /// How uneven the loads are.
    pub(super) fn unevenness(&self, board: &Board, even: &[f64]) -> f64 {
        let workers = 0..self.of.len();
        workers.map(|worker| self.distance(board, even, worker)).sum()
    }

    /// What one worker adds to the unevenness.
    pub(super) fn distance(&self, board: &Board, even: &[f64], worker: usize) -> f64 {
        let Some(pool) = self.of[worker] else { return 0.0 };
        let mut sum = 0.0;
        for column in 0..board.width {
            let at = worker * board.width + column;
            let level = even[pool as usize * board.width + column];
            let weight = board.weight[column];
            sum += measure::distance(weight, board.used[at], board.capacity[at], level);
        }
        sum
    }
}

/// The workers that a kind of task may go to, whatever they carry, in order.
fn targets_of(round: &Round<'_>, open: &[WorkerRow], kind: &Kind, task: &Task) -> Vec<WorkerRow> {
    let view = round.view;
    let suits = |to: &WorkerRow| {
        let is_alike =
            runs_on_device(&task.requirements, view.workers[*to].kinds) == kind.on_device;
        is_alike && rules::meets_requirements(round, task, *to)
    };
    let Some(class) = kind.class else { return open.iter().copied().filter(suits).collect() };
    let members = view.snapshot.class(class).into_iter().flat_map(|class| class.workers.keys());
    let members = members.filter_map(|worker| view.snapshot.worker_row(*worker));
    let mut members: Vec<WorkerRow> =
        members.filter(|worker| open.binary_search(worker).is_ok()).filter(suits).collect();
    members.sort_unstable();
    members
}

fn head(heads: &mut [u32], mut of: usize) -> usize {
    while heads[of] as usize != of {
        heads[of] = heads[heads[of] as usize];
        of = heads[of] as usize;
    }
    of
}

fn unite(heads: &mut [u32], a: usize, b: usize) {
    let (a, b) = (head(heads, a), head(heads, b));
    if let Ok(low) = u32::try_from(a.min(b)) {
        heads[a.max(b)] = low;
    }
}
