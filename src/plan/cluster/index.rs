//! Which worker takes a task at the least rise of the unevenness? Found without asking them all.
//!
//! The workers of a pool are the leaves of a tree in which similar workers are neighbours. Every node knows the least
//! load, the least 1 / capacity and the most room below it, column by column. The rise that a task causes grows with
//! the load and with 1 / capacity, so these give a bound for all workers below the node, and whole branches are left
//! out. A search begins with the least loaded worker of each branch and looks at a bounded number of nodes, whether
//! there are a thousand workers or a hundred thousand.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::board::Board;
use crate::math::total::Total;
use crate::model::rows::{Row, WorkerRow};

/// So many workers share a leaf.
const LEAF: usize = 4;

/// Targets whose gains differ by less than this part are as good as each other: thousands of workers stand at nearly
/// the same level.
const NEAR: f64 = 0.01;

/// A quick estimate asks the least loaded worker of each of so many branches of the tree.
const BRANCHES: usize = 32;
/// A search looks at so many nodes once it has found a worker.
const VISITS: u32 = 96;
/// How much more a spread of capacities weighs than one of loads.
const SIZES_FIRST: f64 = 8.0;

/// Some workers, arranged for searches.
#[derive(Clone, Debug)]
pub(super) struct Index {
    /// The workers, leaf by leaf.
    order: Vec<u32>,
    /// Where each leaf begins in `order`, and one past the last.
    starts: Vec<u32>,
    /// The leaf of each worker; `u32::MAX` if it is not in the index.
    leaf_of: Vec<u32>,
    /// Per node and column, what is known of all workers below it; and per worker, in the order of `order`, its own
    /// figures.
    nodes: Vec<Figures>,
    workers: Vec<Figures>,
    /// The highest load below each node.
    high: Vec<f64>,
    /// The least loaded worker below each node, as its load in all columns and its place in `order`.
    coldest: Vec<(f64, u32)>,
    /// What a load counts in each column, to compare workers: 1 / the even load.
    scale: Vec<f64>,
    leaves: usize,
    width: usize,
    /// How much of the board's log is entered, and was when the workers were arranged.
    seen: usize,
    arranged: usize,
}

/// One column of a worker; or of several, the least load and 1 / capacity, and the most room, of any of them.
#[derive(Clone, Copy, Debug)]
struct Figures {
    load: f64,
    per: f64,
    /// What is not claimed, and what is left below the ceiling.
    room: f64,
    below: f64,
}

/// Of no worker.
const NOTHING: Figures =
    Figures { load: f64::INFINITY, per: f64::INFINITY, room: -1.0, below: -1.0 };

/// One column of a unit that looks for a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    /// The rise that it causes per load, and per 1 / capacity.
    by_load: f64,
    by_per: f64,
    /// What it claims and what it uses; below every room if nothing.
    claim: f64,
    amount: f64,
}

impl Need {
    /// What a unit needs, column by column; `may_exceed` says whether a worker may be pushed above its ceiling.
    pub(super) fn of(
        board: &Board,
        (load, claim): (&[f64], &[f64]),
        may_exceed: bool,
        into: &mut Vec<Self>,
    ) {
        into.clear();
        for column in 0..board.width {
            let (amount, claim, weight) = (load[column], claim[column], board.weight[column]);
            let asked = |amount: f64| if amount > 0.0 { amount } else { f64::NEG_INFINITY };
            into.push(Self {
                by_load: 2.0 * weight * amount,
                by_per: weight * amount * amount,
                claim: asked(claim),
                amount: if may_exceed { f64::NEG_INFINITY } else { asked(amount) },
            });
        }
    }
}

/// The rise that a unit causes at a worker, or the least at any of several; infinite if there is no room.
#[inline]
fn rise(needs: &[Need], figures: &[Figures]) -> f64 {
    let (mut rise, mut fits) = (0.0, true);
    for (need, of) in needs.iter().zip(figures) {
        rise += need.by_load * of.load + need.by_per * of.per;
        // Not `&&`: two comparisons cost less than a branch.
        fits &= need.claim <= of.room;
        fits &= need.amount <= of.below;
    }
    if fits { rise } else { f64::INFINITY }
}

/// A buffer of a search, and what it has cost so far.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    stack: Vec<(u32, f64)>,
    heap: BinaryHeap<Bound>,
    /// How many workers were asked.
    pub(super) evaluations: u64,
}

/// A node, or a worker, by how much can be gained there at most; then the lowest number first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bound {
    most: Total,
    worker: Reverse<Option<u32>>,
    node: Reverse<u32>,
}

impl Bound {
    const fn of(most: f64, worker: Option<u32>, node: u32) -> Self {
        Self { most: Total(most), worker: Reverse(worker), node: Reverse(node) }
    }
}

impl Index {
    pub(super) fn new(board: &Board, workers: &[WorkerRow]) -> Self {
        let position = |worker: &WorkerRow| u32::try_from(worker.position()).unwrap_or(u32::MAX);
        let order: Vec<u32> = workers.iter().map(position).collect();
        let leaves = order.len().div_ceil(LEAF).max(1).next_power_of_two();
        let mut index = Self {
            order,
            starts: Vec::with_capacity(leaves + 1),
            leaf_of: alloc::vec![u32::MAX; board.on.len()],
            nodes: alloc::vec![NOTHING; 2 * leaves * board.width],
            workers: alloc::vec![NOTHING; workers.len() * board.width],
            high: alloc::vec![0.0; 2 * leaves * board.width],
            coldest: alloc::vec![(f64::INFINITY, 0); 2 * leaves],
            scale: alloc::vec![0.0; board.width],
            leaves,
            width: board.width,
            seen: 0,
            arranged: 0,
        };
        index.arrange(board);
        index
    }

    /// Divides the workers into leaves, by the board as it is.
    fn arrange(&mut self, board: &Board) {
        self.starts.clear();
        arrange(board, &mut self.order, self.leaves, 0, &mut self.starts);
        self.starts.push(id(self.order.len()));
        for (leaf, ends) in (0_u32..).zip(self.starts.windows(2)) {
            for worker in &self.order[ends[0] as usize..ends[1] as usize] {
                self.leaf_of[*worker as usize] = leaf;
            }
        }
        (self.seen, self.arranged) = (board.log.len(), board.log.len());
        for column in (0..self.width).filter(|column| board.weight[*column] > 0.0) {
            let (mut capacity, mut used) = (0.0, 0.0);
            for worker in &self.order {
                let at = *worker as usize * self.width + column;
                (capacity, used) = (capacity + board.capacity[at], used + board.used[at]);
            }
            self.scale[column] = if used > 0.0 { capacity / used } else { 0.0 };
        }
        (0..self.leaves).for_each(|leaf| self.read_leaf(board, leaf));
        (1..self.leaves).rev().for_each(|node| self.join(node));
    }

    /// Enters what has changed on the board.
    pub(super) fn refresh(&mut self, board: &Board) {
        // Once most workers have changed, neighbours are not alike any more.
        if board.log.len() - self.arranged > 2 * self.order.len() + LEAF {
            self.arrange(board);
            return;
        }
        for worker in &board.log[self.seen..] {
            let leaf = self.leaf_of[*worker as usize];
            if leaf == u32::MAX {
                continue;
            }
            self.read_leaf(board, leaf as usize);
            let mut node = self.leaves + leaf as usize;
            while node > 1 {
                node /= 2;
                self.join(node);
            }
        }
        self.seen = board.log.len();
    }

    fn members(&self, leaf: usize) -> core::ops::Range<usize> {
        self.starts[leaf] as usize..self.starts[leaf + 1] as usize
    }

    /// The figures of a leaf, from its workers.
    fn read_leaf(&mut self, board: &Board, leaf: usize) {
        let (width, node) = (self.width, self.leaves + leaf);
        self.nodes[node * width..(node + 1) * width].fill(NOTHING);
        self.high[node * width..(node + 1) * width].fill(f64::NEG_INFINITY);
        let mut coldest = (f64::INFINITY, 0);
        for place in self.members(leaf) {
            let mut load = 0.0;
            for column in 0..width {
                let at = self.order[place] as usize * width + column;
                let own = Figures {
                    load: board.used[at] * board.per[at],
                    per: board.per[at],
                    room: board.room[at],
                    below: board.most[at] - board.used[at],
                };
                load += own.load * self.scale[column];
                self.workers[place * width + column] = own;
                let here = node * width + column;
                self.nodes[here] = self.nodes[here].merge(own);
                self.high[here] = self.high[here].max(own.load);
            }
            if load < coldest.0 {
                coldest = (load, id(place));
            }
        }
        self.coldest[node] = coldest;
    }

    /// The figures of a node, from the two below it.
    fn join(&mut self, node: usize) {
        for column in 0..self.width {
            let [own, left, right] =
                [node, 2 * node, 2 * node + 1].map(|node| node * self.width + column);
            self.nodes[own] = self.nodes[left].merge(self.nodes[right]);
            self.high[own] = self.high[left].max(self.high[right]);
        }
        let [left, right] = [self.coldest[2 * node], self.coldest[2 * node + 1]];
        self.coldest[node] = if right.0 < left.0 { right } else { left };
    }

    fn figures(&self, node: usize) -> &[Figures] {
        &self.nodes[node * self.width..(node + 1) * self.width]
    }

    /// At least the least rise that a unit causes at any worker: the least at a few of them.
    pub(super) fn estimate(&self, needs: &[Need], scratch: &mut Scratch) -> f64 {
        self.likely(needs, f64::INFINITY, scratch, |_| false).map_or(f64::INFINITY, |found| found.0)
    }

    /// The best of the least loaded workers of every branch, if its rise is below `most`.
    fn likely(
        &self,
        needs: &[Need],
        mut most: f64,
        scratch: &mut Scratch,
        is_out: impl Fn(usize) -> bool,
    ) -> Option<(f64, usize)> {
        let branches = self.leaves.min(BRANCHES);
        scratch.evaluations += branches as u64;
        let mut best = None;
        for (_, place) in &self.coldest[branches..2 * branches] {
            let place = *place as usize;
            let own = self.workers.get(place * self.width..(place + 1) * self.width);
            let rise = own.map_or(f64::INFINITY, |own| rise(needs, own));
            if rise < most && !is_out(self.order[place] as usize) {
                (most, best) = (rise, Some((rise, self.order[place] as usize)));
            }
        }
        best
    }

    /// A worker with room at which a unit causes a rise below `most`, and the rise; workers that `is_out` names are
    /// left out. It is the best of the most promising branches: another may be a little better.
    pub(super) fn coldest(
        &self,
        needs: &[Need],
        most: f64,
        scratch: &mut Scratch,
        is_out: impl Fn(usize) -> bool,
    ) -> Option<(f64, usize)> {
        let mut best = self.likely(needs, most, scratch, &is_out);
        let bar = |rise: f64| {
            let gain = most - rise;
            if gain.is_finite() { rise - NEAR * gain } else { rise }
        };
        let mut below = best.map_or(most, |best| bar(best.0));
        scratch.stack.clear();
        scratch.stack.push((1, rise(needs, self.figures(1))));
        let mut visits = 0;
        while let Some((node, bound)) = scratch.stack.pop() {
            if bound >= below {
                continue;
            }
            visits += u32::from(best.is_some());
            if visits > VISITS {
                break;
            }
            let node = node as usize;
            if node < self.leaves {
                let [left, right] = [2 * node, 2 * node + 1];
                let bounds = [rise(needs, self.figures(left)), rise(needs, self.figures(right))];
                let order = if bounds[1] < bounds[0] { [0, 1] } else { [1, 0] };
                for side in order {
                    if bounds[side] < below {
                        scratch.stack.push((id(left + side), bounds[side]));
                    }
                }
                continue;
            }
            let members = self.members(node - self.leaves);
            scratch.evaluations += members.len() as u64;
            for place in members {
                let own = &self.workers[place * self.width..(place + 1) * self.width];
                let rise = rise(needs, own);
                let worker = self.order[place] as usize;
                if rise < below && !is_out(worker) {
                    best = Some((rise, worker));
                    below = bar(rise);
                }
            }
        }
        best
    }

    /// Asks the workers that could even out the most with a worker, by how much that is at best, until `take` has
    /// enough. It is told that bound and the worker.
    pub(super) fn partners(
        &self,
        board: &Board,
        own: usize,
        scratch: &mut Scratch,
        mut take: impl FnMut(f64, usize, &mut u64) -> bool,
    ) {
        let mut heap = core::mem::take(&mut scratch.heap);
        heap.clear();
        heap.push(Bound::of(self.most_gain(board, own, 1), None, 1));
        while let Some(Bound { most: Total(most), node, worker }) = heap.pop() {
            if let Some(worker) = worker.0 {
                if !take(most, worker as usize, &mut scratch.evaluations) {
                    break;
                }
                continue;
            }
            let node = node.0 as usize;
            if node < self.leaves {
                for side in [2 * node, 2 * node + 1] {
                    let most = self.most_gain(board, own, side);
                    heap.push(Bound::of(most, None, id(side)));
                }
                continue;
            }
            for worker in &self.order[self.members(node - self.leaves)] {
                if *worker as usize != own {
                    let most = gain_at_best(board, own, *worker as usize);
                    heap.push(Bound::of(most, Some(*worker), 0));
                }
            }
        }
        scratch.heap = heap;
    }

    /// The most that any worker below a node and this one can gain if their loads can be divided at will.
    fn most_gain(&self, board: &Board, own: usize, node: usize) -> f64 {
        let figures = self.figures(node);
        let (used, per) = (board.row(&board.used, own), board.row(&board.per, own));
        let mut sum = 0.0;
        for column in 0..self.width {
            let (load, of) = (used[column] * per[column], figures[column]);
            let high = self.high[node * self.width + column];
            let apart = (load - of.load).max(high - load);
            let both = per[column] + of.per;
            if per[column] > 0.0 && both.is_finite() {
                sum += board.weight[column] * apart * apart / both;
            }
        }
        sum
    }
}

impl Figures {
    fn merge(self, other: Self) -> Self {
        Self {
            load: self.load.min(other.load),
            per: self.per.min(other.per),
            room: self.room.max(other.room),
            below: self.below.max(other.below),
        }
    }
}

/// What two workers gain if their loads become equal.
fn gain_at_best(board: &Board, a: usize, b: usize) -> f64 {
    let mut sum = 0.0;
    for column in 0..board.width {
        let (at, bt) = (a * board.width + column, b * board.width + column);
        if board.per[at] > 0.0 && board.per[bt] > 0.0 {
            let apart = board.used[at] * board.per[at] - board.used[bt] * board.per[bt];
            sum += board.weight[column] * apart * apart / (board.per[at] + board.per[bt]);
        }
    }
    sum
}

fn id(node: usize) -> u32 {
    u32::try_from(node).unwrap_or(u32::MAX)
}

/// Divides workers into leaves, so that those in one leaf have similar loads and capacities.
fn arrange(board: &Board, workers: &mut [u32], leaves: usize, first: usize, starts: &mut Vec<u32>) {
    if leaves == 1 {
        workers.sort_unstable();
        starts.push(id(first));
        return;
    }
    let coordinate = |worker: u32, axis: usize| {
        let at = worker as usize * board.width + axis / 2;
        if axis.is_multiple_of(2) { board.used[at] * board.per[at] } else { board.per[at] }
    };
    let mut widest = (0.0, 0);
    for axis in (0..2 * board.width).filter(|axis| board.weight[axis / 2] > 0.0) {
        let (mut low, mut high, mut sum) = (f64::INFINITY, 0.0_f64, 0.0);
        for worker in workers.iter() {
            let value = coordinate(*worker, axis);
            (low, high, sum) = (low.min(value), high.max(value), sum + value);
        }
        // Capacities come in few sizes, and do not change: workers of one size belong together first.
        let size = if axis.is_multiple_of(2) { 1.0 } else { SIZES_FIRST };
        let spread = if sum > 0.0 { size * (high - low) / sum } else { 0.0 };
        if spread > widest.0 {
            widest = (spread, axis);
        }
    }
    let half = workers.len() / 2;
    if widest.0 > 0.0 {
        let key = |worker: &u32| coordinate(*worker, widest.1);
        workers.select_nth_unstable_by(half, |a, b| key(a).total_cmp(&key(b)).then(a.cmp(b)));
    }
    let (left, right) = workers.split_at_mut(half);
    arrange(board, left, leaves / 2, first, starts);
    arrange(board, right, leaves / 2, first + half, starts);
}
