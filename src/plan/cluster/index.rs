//! Which worker takes a task at the least rise of the unevenness? Found without asking them all.
//!
//! The workers of a pool are the leaves of a tree in which similar workers are neighbours. Every node knows the least
//! load, the least 1 / capacity and the most room below it, column by column. The rise that a task causes grows with the
//! load and with 1 / capacity, so these give a bound for all workers below the node, and whole branches are left out.
//! A query reads some tens of nodes, whether there are a thousand workers or a hundred thousand.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::board::Board;
use crate::model::rows::{Row, WorkerRow};

/// So many workers share a leaf.
const LEAF: usize = 8;

/// Some workers, arranged for searches.
#[derive(Clone, Debug)]
pub(super) struct Index {
    /// The workers, leaf by leaf.
    order: Vec<u32>,
    /// Where each leaf begins in `order`, and one past the last.
    starts: Vec<u32>,
    /// The leaf of each worker; `u32::MAX` if it is not in the index.
    leaf_of: Vec<u32>,
    /// Per node, in groups of `width`: least load, highest load, least 1 / capacity, most room, most below the ceiling.
    nodes: Vec<f64>,
    leaves: usize,
    width: usize,
    /// How much of the board's log is entered.
    seen: usize,
}

/// What is known of all workers below a node.
const FIGURES: usize = 5;

/// A task, or a unit, that looks for a worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) load: &'a [f64],
    pub(super) claim: &'a [f64],
    /// Whether a worker may be pushed above its ceiling.
    pub(super) may_exceed: bool,
}

/// A buffer of a search, and what it has cost so far.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    stack: Vec<(u32, f64)>,
    heap: BinaryHeap<Bound>,
    /// How many workers were asked.
    pub(super) evaluations: u64,
}

/// A node, or a worker, by how much can be gained there at most.
#[derive(Clone, Copy, Debug)]
struct Bound {
    most: f64,
    node: u32,
    worker: Option<u32>,
}

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_id = (other.worker, other.node).cmp(&(self.worker, self.node));
        self.most.total_cmp(&other.most).then(by_id)
    }
}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Bound {}

impl Index {
    pub(super) fn new(board: &Board, workers: &[WorkerRow]) -> Self {
        let position = |worker: &WorkerRow| u32::try_from(worker.position()).unwrap_or(u32::MAX);
        let mut order: Vec<u32> = workers.iter().map(position).collect();
        let leaves = order.len().div_ceil(LEAF).max(1).next_power_of_two();
        let mut starts = Vec::with_capacity(leaves + 1);
        arrange(board, &mut order, leaves, 0, &mut starts);
        starts.push(u32::try_from(order.len()).unwrap_or(u32::MAX));
        let mut leaf_of = alloc::vec![u32::MAX; board.on.len()];
        for (leaf, ends) in (0_u32..).zip(starts.windows(2)) {
            for worker in &order[ends[0] as usize..ends[1] as usize] {
                leaf_of[*worker as usize] = leaf;
            }
        }
        let width = board.width;
        let nodes = alloc::vec![0.0; (2 * leaves) * FIGURES * width];
        let seen = board.log.len();
        let mut index = Self { order, starts, leaf_of, nodes, leaves, width, seen };
        (0..leaves).for_each(|leaf| index.read_leaf(board, leaf));
        (1..leaves).rev().for_each(|node| index.join(node));
        index
    }

    /// Enters what has changed on the board.
    pub(super) fn refresh(&mut self, board: &Board) {
        for worker in &board.log[self.seen..] {
            let leaf = self.leaf_of[*worker as usize];
            if leaf == u32::MAX {
                continue;
            }
            self.read_leaf(board, leaf as usize);
            let mut node = (self.leaves + leaf as usize) / 2;
            while node >= 1 {
                self.join(node);
                node /= 2;
            }
        }
        self.seen = board.log.len();
    }

    fn members(&self, leaf: usize) -> &[u32] {
        &self.order[self.starts[leaf] as usize..self.starts[leaf + 1] as usize]
    }

    /// The figures of a leaf, from its workers.
    fn read_leaf(&mut self, board: &Board, leaf: usize) {
        let width = self.width;
        let first = (self.leaves + leaf) * FIGURES * width;
        let members = self.starts[leaf] as usize..self.starts[leaf + 1] as usize;
        for column in 0..width {
            let mut figures = NOTHING;
            for worker in &self.order[members.clone()] {
                let at = *worker as usize * width + column;
                let load = board.used[at] * board.per[at];
                let below = board.most[at] - board.used[at];
                merge(&mut figures, [load, load, board.per[at], board.room[at], below]);
            }
            for (figure, value) in figures.into_iter().enumerate() {
                self.nodes[first + figure * width + column] = value;
            }
        }
    }

    /// The figures of a node, from the two below it.
    fn join(&mut self, node: usize) {
        let size = FIGURES * self.width;
        let (before, below) = self.nodes.split_at_mut(2 * node * size);
        let (left, right) = below[..2 * size].split_at(size);
        let own = &mut before[node * size..(node + 1) * size];
        for column in 0..self.width {
            let read = |from: &[f64]| core::array::from_fn(|it| from[it * self.width + column]);
            let mut figures = read(left);
            merge(&mut figures, read(right));
            for (figure, value) in figures.into_iter().enumerate() {
                own[figure * self.width + column] = value;
            }
        }
    }

    fn figures(&self, node: usize, figure: usize) -> &[f64] {
        let first = (node * FIGURES + figure) * self.width;
        &self.nodes[first..first + self.width]
    }

    /// The least rise at any worker below a node; infinite if none has room.
    fn least_rise(&self, board: &Board, ask: Ask<'_>, node: usize) -> f64 {
        let (load, per) = (self.figures(node, 0), self.figures(node, 2));
        let (room, below) = (self.figures(node, 3), self.figures(node, 4));
        let mut rise = 0.0;
        for column in 0..self.width {
            let (amount, claim) = (ask.load[column], ask.claim[column]);
            let is_above = amount > 0.0 && amount > below[column] && !ask.may_exceed;
            if is_above || claim > 0.0 && claim > room[column] {
                return f64::INFINITY;
            }
            if amount > 0.0 {
                let both = 2.0 * load[column] + amount * per[column];
                rise += board.weight[column] * amount * both;
            }
        }
        rise
    }

    /// The least rise that a task can cause at any worker.
    pub(super) fn least(&self, board: &Board, ask: Ask<'_>) -> f64 {
        self.least_rise(board, ask, 1)
    }

    /// The worker with room at which a task causes the least rise, if that is below `most`, and the rise; workers that
    /// `is_out` names are left out.
    pub(super) fn coldest(
        &self,
        board: &Board,
        ask: Ask<'_>,
        mut most: f64,
        scratch: &mut Scratch,
        is_out: impl Fn(usize) -> bool,
    ) -> Option<(f64, usize)> {
        let mut best = None;
        scratch.stack.clear();
        scratch.stack.push((1, self.least_rise(board, ask, 1)));
        while let Some((node, bound)) = scratch.stack.pop() {
            if bound >= most {
                continue;
            }
            let node = node as usize;
            if node < self.leaves {
                let sides = [2 * node, 2 * node + 1];
                let bounds = sides.map(|side| self.least_rise(board, ask, side));
                let near = usize::from(bounds[1] < bounds[0]);
                for side in [1 - near, near] {
                    if bounds[side] < most {
                        let next = u32::try_from(sides[side]).unwrap_or(u32::MAX);
                        scratch.stack.push((next, bounds[side]));
                    }
                }
                continue;
            }
            for worker in self.members(node - self.leaves).iter().map(|it| *it as usize) {
                scratch.evaluations += 1;
                let rise = board.arrival(ask.load, worker);
                if rise >= most || is_out(worker) {
                    continue;
                }
                let stays = ask.may_exceed || board.stays_below(ask.load, worker);
                if stays && board.has_room(ask.claim, worker) {
                    (most, best) = (rise, Some((rise, worker)));
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
        heap.push(Bound { most: self.most_gain(board, own, 1), node: 1, worker: None });
        while let Some(Bound { most, node, worker }) = heap.pop() {
            if let Some(worker) = worker {
                if !take(most, worker as usize, &mut scratch.evaluations) {
                    break;
                }
                continue;
            }
            let node = node as usize;
            if node < self.leaves {
                for side in [2 * node, 2 * node + 1] {
                    let most = self.most_gain(board, own, side);
                    heap.push(Bound { most, node: id(side), worker: None });
                }
                continue;
            }
            for worker in self.members(node - self.leaves) {
                if *worker as usize != own {
                    let most = gain_at_best(board, own, *worker as usize);
                    heap.push(Bound { most, node: 0, worker: Some(*worker) });
                }
            }
        }
        scratch.heap = heap;
    }

    /// The most that any worker below a node and this one can gain if their loads can be divided at will.
    fn most_gain(&self, board: &Board, own: usize, node: usize) -> f64 {
        let (low, high) = (self.figures(node, 0), self.figures(node, 1));
        let per = self.figures(node, 2);
        let (used, own_per) = (board.row(&board.used, own), board.row(&board.per, own));
        let mut sum = 0.0;
        for column in 0..self.width {
            let load = used[column] * own_per[column];
            let apart = (load - low[column]).max(high[column] - load);
            let both = own_per[column] + per[column];
            if own_per[column] > 0.0 && both.is_finite() {
                sum += board.weight[column] * apart * apart / both;
            }
        }
        sum
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

/// The figures of a node without workers.
const NOTHING: [f64; FIGURES] =
    [f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];

fn merge(figures: &mut [f64; FIGURES], other: [f64; FIGURES]) {
    let [low, high, per, room, below] = other;
    figures[0] = figures[0].min(low);
    figures[1] = figures[1].max(high);
    figures[2] = figures[2].min(per);
    figures[3] = figures[3].max(room);
    figures[4] = figures[4].max(below);
}

/// Divides workers into leaves, so that those in one leaf have similar loads and capacities.
fn arrange(
    board: &Board,
    workers: &mut [u32],
    leaves: usize,
    first: usize,
    starts: &mut Vec<u32>,
) {
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
        let spread = if sum > 0.0 { (high - low) / sum } else { 0.0 };
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
