//! What can no plan beat?
//!
//! Spread evenly, the load of a pool stands at one level, so the highest worker of any plan is at least there. And to
//! bring a worker down to a level, its largest tasks must leave first: with 9 cores in use in tasks of 4, 3 and 2, two
//! must leave until 3 are left. Added up over all workers, that is the least number of moves for a level; turned round,
//! the lowest level for a number of moves.

use alloc::vec::Vec;

use super::board::Board;
use super::pools::Pools;
use super::single::AT_CEILING;
use super::units::Units;
use crate::outcome::{Bounds, LevelBound};
use crate::round::Round;

/// Tolerates the rounding of sums, in favour of the bound's truth.
const ROUNDING: f64 = 1.0 - 1e-9;
/// So often a level is bisected.
const STEPS: usize = 40;

/// The movable loads of one worker in one column, largest first, added up; each with how many tasks that is.
type Sums = Vec<(f64, u64)>;

/// The bounds of the plans that begin with this board and have so many moves.
pub(super) fn bounds(
    round: &Round<'_>,
    (board, units): (&Board, &Units),
    pools: &Pools,
    moves: u64,
) -> Bounds {
    let columns = (0..board.width).filter(|column| board.weight[*column] > 0.0);
    let mut highest = Vec::new();
    let mut relieving = alloc::vec![0; pools.of.len()];
    for column in columns {
        let any_plan = level(board, pools, column);
        let hot: Vec<Hot> = hot(board, units, pools, column, any_plan).collect();
        for own in &hot {
            let ceiling = board.most[own.worker * board.width + column];
            let least: &mut u64 = &mut relieving[own.worker];
            *least = (*least).max(own.departures(ceiling * AT_CEILING));
        }
        let as_many_moves = lowest(&hot, any_plan, moves);
        let resource = round.ledger.columns[units.columns[column]];
        highest.push(LevelBound { resource, any_plan: any_plan * ROUNDING, as_many_moves });
    }
    Bounds { highest, relieving_moves: relieving.iter().sum() }
}

/// The even load of the fullest pool, without what is still to be placed: a plan may leave that where it is.
fn level(board: &Board, pools: &Pools, column: usize) -> f64 {
    let mut sums = alloc::vec![(0.0, 0.0); pools.count];
    for (worker, pool) in pools.of.iter().enumerate() {
        let at = worker * board.width + column;
        if let Some(pool) = pool
            && board.per[at] > 0.0
        {
            let sum = &mut sums[*pool as usize];
            *sum = (sum.0 + board.used[at], sum.1 + board.capacity[at]);
        }
    }
    let levels = sums.into_iter().filter(|sum| sum.1 > 0.0).map(|(used, capacity)| used / capacity);
    levels.fold(0.0, f64::max)
}

/// A worker above the even level.
struct Hot {
    worker: usize,
    used: f64,
    capacity: f64,
    sums: Sums,
}

impl Hot {
    /// How many tasks must leave at least until at most this much is in use.
    fn departures(&self, most: f64) -> u64 {
        let excess = (self.used - most) * ROUNDING;
        if excess <= 0.0 || self.used <= most {
            return 0;
        }
        let at = self.sums.partition_point(|(sum, _)| *sum < excess);
        // If all of them are too few, all are counted: no plan reaches the level.
        let (before, tasks_before) = if at == 0 { (0.0, 0) } else { self.sums[at - 1] };
        let Some((sum, tasks)) = self.sums.get(at).copied() else { return tasks_before };
        let (own, count) = (sum - before, tasks - tasks_before);
        let each = own / count as f64;
        let needed = (1..count).find(|needed| *needed as f64 * each >= excess - before);
        tasks_before + needed.unwrap_or(count)
    }

    fn lowest(&self) -> f64 {
        let movable = self.sums.last().map_or(0.0, |last| last.0);
        ((self.used - movable) / self.capacity).max(0.0) * ROUNDING
    }
}

fn hot<'b>(
    board: &'b Board,
    units: &'b Units,
    pools: &'b Pools,
    column: usize,
    above: f64,
) -> impl Iterator<Item = Hot> + use<'b> {
    let workers = (0..pools.of.len()).filter(|worker| pools.of[*worker].is_some());
    workers.filter_map(move |worker| {
        let at = worker * board.width + column;
        let (used, capacity) = (board.used[at], board.capacity[at]);
        let is_hot = capacity > 0.0 && used > (above * capacity).min(board.most[at]);
        if !is_hot {
            return None;
        }
        let mut loads: Vec<(f64, u64)> = Vec::with_capacity(board.on[worker].len());
        for unit in board.on[worker].iter().map(|unit| *unit as usize) {
            let load = units.load(unit)[column];
            if load > 0.0 {
                loads.push((load, u64::from(units.list[unit].count)));
            }
        }
        let each = |of: &(f64, u64)| of.0 / of.1 as f64;
        loads.sort_unstable_by(|a, b| each(b).total_cmp(&each(a)).then(a.1.cmp(&b.1)));
        let (mut sum, mut tasks) = (0.0, 0);
        for load in &mut loads {
            (sum, tasks) = (sum + load.0, tasks + load.1);
            *load = (sum, tasks);
        }
        Some(Hot { worker, used, capacity, sums: loads })
    })
}

/// The lowest level that the highest worker can have after so many moves.
fn lowest(hot: &[Hot], even: f64, moves: u64) -> f64 {
    let floor = hot.iter().map(Hot::lowest).fold(even * ROUNDING, f64::max);
    let is_reached = |level: f64| {
        let mut needed: u64 = 0;
        hot.iter().all(|own| {
            needed = needed.saturating_add(own.departures(level * own.capacity));
            needed <= moves
        })
    };
    if is_reached(floor) {
        return floor;
    }
    let highest = hot.iter().map(|own| own.used / own.capacity).fold(floor, f64::max);
    let (mut low, mut high) = (floor, highest);
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if is_reached(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    low
}
