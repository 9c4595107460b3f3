//! Which candidate comes next? The most pressing first, then the best as the ledger stands.
//!
//! A score holds for the ledger on which it was computed. Once a move has changed the source or the target of a
//! candidate, the candidate is scored again before it is taken: if it is then worse than the next one, it waits; if it
//! is no longer worth its cost, it is refused. So every target counts as the moves before have filled it, and tasks
//! that could all go to one of several equal targets are shared among these. The level of a source is that of the
//! round's beginning: the moves that relieve one worker are weighed as one.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::fates::Fates;
use super::score::{Scorer, weighed_as};
use crate::config::BenefitRule;
use crate::model::ids::GroupId;
use crate::model::rows::{Column, TaskRow, WorkerRow};
use crate::model::time::Timestamp;
use crate::outcome::{Purpose, Rejection};
use crate::round::{Candidate, Context, MoveSet, Round, VariantFilter};
use crate::rules;
use crate::view::{Footprint, Ledger, Place};

/// At most this many candidates are scored again before one is taken: the eight targets of eight tasks. Without a
/// bound, each move away from a worker with many tasks would score all of them again.
const LOOK_AHEAD: usize = 64;

/// The candidates that were not taken or dropped so far.
///
/// A large cluster has many candidates, and a round takes few of them: a turn is small and is sorted once, a candidate
/// stays where it is, and a heap holds only those that were scored again.
#[derive(Debug)]
pub(super) struct Queue<'c> {
    context: Context<'c>,
    sets: &'c [MoveSet],
    /// The largest share of its source's capacity that each set takes.
    sizes: Vec<f64>,
    pairs: Vec<Candidate>,
    /// With the scores of the round's beginning, the next one last.
    fresh: Vec<Turn>,
    /// Those that were scored again.
    again: BinaryHeap<Turn>,
    /// `None` if scores are those of the round's beginning.
    living: Option<Living>,
}

/// How the ledger has changed since the round began.
#[derive(Debug)]
struct Living {
    /// How many moves of this plan have changed each worker.
    changes: Column<WorkerRow, u32>,
    /// The levels of all workers as the round began.
    begun: Column<WorkerRow, Option<f64>>,
}

/// The turn of a candidate.
#[derive(Clone, Copy, Debug)]
struct Turn {
    rank: Rank,
    /// The place of the candidate among those of this round.
    index: u32,
    /// How many moves had changed its source or its target when it was scored.
    changes: u32,
}

/// What decides whose turn it is. The greatest comes first.
#[derive(Clone, Copy, Debug)]
struct Rank {
    purpose: Purpose,
    /// Whether the task is not on its way yet: what is on its way was promised a place first.
    is_new: bool,
    scored: bool,
    /// Sets that follow gangs are taken one gang at a time.
    follows: Option<GroupId>,
    /// When the worker departs that the set must leave.
    due: Timestamp,
    net: f64,
    /// Without scores, the level of the source, and the size.
    hottest: f64,
    largest: f64,
    /// The level of the target.
    coldest: f64,
    /// Ties are broken by id, so that the order of the input does not matter.
    lead: TaskRow,
    to: WorkerRow,
}

impl Rank {
    /// Which of two comes first: the greater.
    fn turn(&self, other: &Self) -> Ordering {
        let (first, second) = (self, other);
        let coldest = || first.coldest.total_cmp(&second.coldest);
        let better = || {
            if first.scored {
                return second.net.total_cmp(&first.net);
            }
            let hottest = second.hottest.total_cmp(&first.hottest);
            let largest = second.largest.total_cmp(&first.largest);
            if broken!("largest_first_without_a_score") {
                return hottest.then_with(coldest).then(largest.reverse());
            }
            hottest.then(largest).then_with(coldest)
        };
        let ids = || first.lead.cmp(&second.lead).then_with(coldest).then(first.to.cmp(&second.to));
        let pressing = |rank: &Self| (rank.purpose, rank.is_new, rank.follows);
        let mut order: Ordering = pressing(first).cmp(&pressing(second));
        if broken!("upgrade_comes_last") {
            order = Ordering::Equal;
        }
        // Among the sets that must leave, the one whose worker departs first goes first.
        let mut urgent = first.due.cmp(&second.due);
        if broken!("first_gone_first") {
            urgent = urgent.reverse();
        }
        order.then(urgent).then_with(better).then_with(ids).reverse()
    }
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank.turn(&other.rank)
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Turn {}

impl<'c> Queue<'c> {
    pub(super) fn new(
        context: &Context<'c>,
        ledger: &Ledger,
        sets: &'c [MoveSet],
        pairs: Vec<Candidate>,
    ) -> Self {
        let round = context.with(ledger);
        let sizes = sets.iter().map(|set| size(&round, set)).collect();
        // The specification scores all candidates as the round begins.
        let is_living = |rule| rule == BenefitRule::Relief && !broken!("scores_follow_the_ledger");
        let scored = context.config.cost_benefit.as_ref();
        let living = scored.is_some_and(|scored| is_living(scored.rule));
        let living = living.then(|| {
            let changes = Column::filled(0, context.view.workers.len());
            let mut begun = Column::filled(None, context.view.workers.len());
            for worker in context.view.worker_rows() {
                begun[worker] = round.level(worker);
            }
            Living { changes, begun }
        });
        let (fresh, again) = (Vec::with_capacity(pairs.len()), BinaryHeap::new());
        let mut queue = Self { context: *context, sets, sizes, pairs, fresh, again, living };
        for (index, pair) in (0..).zip(&queue.pairs) {
            queue.fresh.push(queue.turn(&round, index, pair));
        }
        queue.fresh.sort_unstable();
        queue
    }

    /// The candidate whose turn it is. A set that must move is taken as a whole, with [`Queue::best_first`], so its
    /// candidates are not scored again here.
    pub(super) fn next(&mut self, ledger: &Ledger, fates: &mut Fates<'_, '_>) -> Option<Candidate> {
        let round = self.context.with(ledger);
        let mut scored = BinaryHeap::new();
        let next = loop {
            let top = self.fresh.last().max(self.again.peek());
            let is_best = scored.peek().is_some_and(|best| top.is_none_or(|top| top <= best));
            let is_enough = scored.len() == LOOK_AHEAD && top.is_some_and(|top| self.is_stale(top));
            if is_best || is_enough {
                break scored.pop();
            }
            let Some(turn) = self.pop() else { break None };
            let pair = self.pairs[turn.index as usize];
            let set = &self.sets[pair.set];
            let is_whole = set.gang.is_some() || !set.purpose.is_voluntary();
            if is_whole || fates.is_done(pair) || !self.is_stale(&turn) {
                break Some(turn);
            }
            let pair = self.scored(&round, pair);
            fates.score(pair);
            self.pairs[turn.index as usize] = pair;
            scored.push(self.turn(&round, turn.index, &pair));
        };
        self.again.append(&mut scored);
        next.map(|turn| self.pairs[turn.index as usize])
    }

    /// The turn that comes next by its last score.
    fn pop(&mut self) -> Option<Turn> {
        if self.fresh.last() < self.again.peek() { self.again.pop() } else { self.fresh.pop() }
    }

    /// Candidates of one set, best first as the ledger stands.
    pub(super) fn best_first(
        &self,
        ledger: &Ledger,
        pairs: &[Candidate],
        fates: &mut Fates<'_, '_>,
    ) -> Vec<Candidate> {
        let round = self.context.with(ledger);
        let mut pairs = pairs.to_vec();
        if self.living.is_some() {
            for pair in &mut pairs {
                *pair = self.scored(&round, *pair);
                fates.score(*pair);
            }
        }
        let turns = (0..).zip(&pairs).map(|(index, pair)| self.turn(&round, index, pair));
        let mut turns: Vec<Turn> = turns.collect();
        turns.sort_unstable_by(|a, b| b.cmp(a));
        turns.into_iter().map(|turn| pairs[turn.index as usize]).collect()
    }

    /// Notes that a move changes these workers.
    pub(super) fn note_move(&mut self, from: Option<WorkerRow>, to: WorkerRow) {
        if let Some(living) = &mut self.living {
            from.into_iter().chain([to]).for_each(|worker| living.changes[worker] += 1);
        }
    }

    fn is_stale(&self, turn: &Turn) -> bool {
        self.changes_of(&self.pairs[turn.index as usize]) != turn.changes
    }

    fn changes_of(&self, pair: &Candidate) -> u32 {
        let Some(Living { changes, .. }) = &self.living else { return 0 };
        changes[pair.to] + self.sets[pair.set].from.map_or(0, |from| changes[from])
    }

    /// The same candidate, with its score as the ledger stands.
    fn scored(&self, round: &Round<'_>, mut pair: Candidate) -> Candidate {
        let set = &self.sets[pair.set];
        if pair.fit.device.is_some() {
            let filter = VariantFilter::Only(pair.fit.alternative);
            let footprint = &mut Footprint::default();
            // A device that has no room any more is for the rules to refuse.
            pair.fit =
                rules::fit(round, set.lead(), pair.to, filter, footprint).unwrap_or(pair.fit);
        }
        let (Some(scorer), Some(living)) = (Scorer::new(round), &self.living) else { return pair };
        let scorer = scorer.with_sources(&living.begun);
        pair.scorecard = Some(scorer.scorecard(set, pair.to, pair.fit));
        pair
    }

    /// Whether a candidate is worth its cost still.
    ///
    /// # Errors
    ///
    /// It is not.
    pub(super) fn worth(&self, ledger: &Ledger, pair: Candidate) -> Result<(), Rejection> {
        let (Some(_), Some(scorecard)) = (&self.living, &pair.scorecard) else { return Ok(()) };
        let purpose = weighed_as(self.sets[pair.set].purpose);
        rules::worth(&self.context.with(ledger), purpose, scorecard)
    }

    fn turn(&self, round: &Round<'_>, index: u32, pair: &Candidate) -> Turn {
        let set = &self.sets[pair.set];
        let level = |worker: Option<WorkerRow>| {
            worker.and_then(|worker| round.level(worker)).unwrap_or(0.0)
        };
        let is_stranded = matches!(round.ledger.places[set.lead()], Place::Stranded { .. });
        let source = if set.purpose == Purpose::Evacuate { set.from } else { None };
        let departs_at = source.and_then(|from| round.view.workers[from].departs_at);
        let rank = Rank {
            purpose: set.purpose,
            is_new: !is_stranded || broken!("stranded_first"),
            follows: set.follows(),
            due: departs_at.unwrap_or(Timestamp::from_millis(u64::MAX)),
            net: pair.net(),
            hottest: level(set.from),
            largest: self.sizes[pair.set],
            coldest: level(Some(pair.to)),
            lead: set.lead(),
            to: pair.to,
            scored: round.config.cost_benefit.is_some(),
        };
        Turn { rank, index, changes: self.changes_of(pair) }
    }
}

/// How large a set is: the largest share of its source's capacity that it takes.
fn size(round: &Round<'_>, set: &MoveSet) -> f64 {
    let Some(from) = set.from else { return 0.0 };
    let (ledger, kinds) = (round.ledger, round.view.workers[from].kinds);
    let mut loads = alloc::vec![0.0; ledger.columns.len()];
    for row in &set.rows {
        let footprint = ledger.footprint(round.view.task_here(*row), kinds);
        loads.iter_mut().zip(footprint.load).for_each(|(sum, load)| *sum += load);
    }
    let shares = ledger.row(from).iter().zip(&loads).filter_map(|(cell, load)| {
        let capacity = cell.capacity.filter(|capacity| *capacity > 0.0)?;
        Some(load / capacity)
    });
    shares.fold(0.0, f64::max)
}
