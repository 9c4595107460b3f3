//! Which workers could take each set of tasks? Every rule that needs no plan is asked here; every refusal goes into
//! the tally.
//!
//! Under [`Config::stability`](crate::Config::stability) the cost grows linearly with the snapshot: per set, targets
//! are asked coldest first until [`TARGETS`] have accepted, or [`QUESTIONS`] targets or [`PAIRS`] pairs were asked.
//! Without that section every pair is asked, as the specification does.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::closed::Closed;
use super::faster::Faster;
use super::order::Order;
use super::set_judge::SetJudge;
use crate::model::hardware::HardwareSet;
use crate::model::ids::ClassId;
use crate::model::rows::{Column, WorkerRow};
use crate::outcome::{Outcome, Purpose, Rejection, Tally, TargetRefusal};
use crate::round::{Candidate, MoveSet, Plan, Round, VariantFilter};
use crate::rules::{self};
use crate::snapshot::Stance;

/// At most this many targets per set are collected to choose from.
const TARGETS: usize = Outcome::CANDIDATES;
/// At most this many targets per set are asked.
const QUESTIONS: usize = 256;
/// At most this many pairs of a task and a target are asked per set, as long as [`TARGETS`] have been asked: a set of
/// more than eight tasks asks fewer targets.
const PAIRS: usize = 2_048;
/// A target that this many sets may choose is asked last by the other sets. Otherwise all sets would choose among
/// the same few coldest workers, and a budget of a hundred moves would find eight targets.
const OFFERS: u32 = 32;

/// Collects the targets of every set.
pub(super) fn candidates(
    round: &Round<'_>,
    sets: &[MoveSet],
    faster: &mut Faster<'_>,
    plan: &mut Plan,
) -> Vec<Candidate> {
    let mut pairs = Vec::new();
    if sets.is_empty() {
        return pairs;
    }
    let mut search = Search::new(round, sets);
    for (index, set) in sets.iter().enumerate() {
        if set.purpose == Purpose::Upgrade {
            search.upgrade(index, set, faster, &mut plan.tally, &mut pairs);
        } else if let Err(no) = search.targets(index, set, &mut plan.tally, &mut pairs)
            && set.purpose == Purpose::Evacuate
        {
            plan.stuck.extend(set.rows.iter().map(|row| (*row, no)));
        }
    }
    plan.tally.candidates = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
    pairs
}

/// The search for targets, with the results that need not be computed twice.
struct Search<'r> {
    round: &'r Round<'r>,
    /// Workers that accept tasks, coldest first.
    takers: Order,
    /// How many of them, from the first, accept tasks that move to even out loads.
    cold: usize,
    /// The takers that have the hardware, per purpose, class, and hardware asked for.
    equipped: BTreeMap<Asked, Equipped>,
    /// How many sets may choose each worker.
    offers: Column<WorkerRow, u32>,
    /// How many tasks each gang move has.
    gang_sizes: BTreeMap<usize, usize>,
    judge: SetJudge,
}

/// Whether the purpose is to even out loads; the class; the hardware of which all is needed; that of which any is.
type Asked = (bool, Option<ClassId>, HardwareSet, HardwareSet);

/// Workers with the hardware that a task asks for.
#[derive(Clone, Debug)]
struct Equipped {
    /// The workers, coldest first.
    workers: Vec<WorkerRow>,
    /// The position of the first that has not been offered to many sets.
    fresh: usize,
    /// Takers of its class that lack the hardware, coldest first.
    lacking: Vec<WorkerRow>,
    /// Takers that the class does not allow, coldest first.
    outside: Vec<WorkerRow>,
    /// The lacking and outside ones that a freeze covers: the freeze may be the first refusal.
    frozen: Vec<WorkerRow>,
}

impl<'r> Search<'r> {
    fn new(round: &'r Round<'r>, sets: &[MoveSet]) -> Self {
        let level = |worker: &WorkerRow| round.level(*worker).unwrap_or(f64::INFINITY);
        let mut open: Vec<WorkerRow> = round
            .view
            .worker_rows()
            .filter(|worker| rules::target(round, *worker).is_ok())
            .collect();
        // Among equally cold workers, one that departs soon is asked last.
        let warm = |worker: &WorkerRow| level(worker) >= round.bands.accept_below;
        let departs = |worker: &WorkerRow| round.view.workers[*worker].stance != Stance::Accept;
        open.sort_by(|a, b| {
            let last = (warm(a), departs(a)).cmp(&(warm(b), departs(b)));
            last.then(level(a).total_cmp(&level(b))).then(a.cmp(b))
        });
        let cold = open.partition_point(|worker| !warm(worker));
        let mut gang_sizes = BTreeMap::new();
        for (gang, set) in sets.iter().filter_map(|set| Some((set.gang?, set))) {
            *gang_sizes.entry(gang.index).or_default() += set.rows.len();
        }
        Self {
            round,
            takers: Order::new(round.view, open),
            cold,
            equipped: BTreeMap::new(),
            offers: Column::filled(0, round.view.workers.len()),
            gang_sizes,
            judge: SetJudge::default(),
        }
    }

    /// Asks targets for a set, coldest first.
    ///
    /// # Errors
    ///
    /// No target accepts the set: the first refusal; `None` if no target was asked.
    fn targets(
        &mut self,
        index: usize,
        set: &MoveSet,
        tally: &mut Tally,
        pairs: &mut Vec<Candidate>,
    ) -> Result<(), Option<Rejection>> {
        let round = self.round;
        // Members of a gang that keep apart need one target each. The cost grows with the size of the gang, not with
        // its square.
        let gang = set.gang.and_then(|gang| self.gang_sizes.get(&gang.index));
        let enough = gang.map_or(TARGETS, |size| (*size).clamp(TARGETS, QUESTIONS));
        // For a task that has no worker, or must leave it, every worker is asked.
        let (targets, questions) = match (&round.config.stability, set.purpose) {
            (None, _) => (usize::MAX, usize::MAX),
            (Some(_), Purpose::Rebalance | Purpose::Upgrade) => {
                (enough, (PAIRS / set.rows.len().max(1)).clamp(TARGETS, QUESTIONS))
            }
            (Some(_), Purpose::Recover | Purpose::Evacuate | Purpose::FollowGang) => {
                (enough, usize::MAX)
            }
        };
        self.judge.forget();
        let equipped = self.equipped(set);
        let workers = core::mem::take(&mut equipped.workers);
        let fresh = equipped.fresh;
        let mut refusal = self.note_lacking(set, tally);
        refusal = refusal.or(self.note_outside(set, tally));
        refusal = refusal.or(self.note_frozen(set, tally));
        let mut accepted = 0;
        let mut closed = Closed::new(round, set);
        let order = workers[fresh..].iter().chain(&workers[..fresh]);
        for worker in order.copied().take(questions) {
            if accepted == targets {
                break;
            }
            if closed.recognises(round, worker) {
                continue;
            }
            match self.judge.candidate(round, set, worker, VariantFilter::Any) {
                Ok(fit) => {
                    accepted += 1;
                    self.offers[worker] += 1;
                    pairs.push(Candidate::new(index, worker, fit));
                }
                Err(Rejection::Target(TargetRefusal::AlreadyThere)) => {}
                Err(no) => {
                    refusal = refusal.or(Some(no));
                    tally.refuse(round.task_id(set.lead()), Some(round.worker_id(worker)), no);
                }
            }
        }
        let judge = &mut self.judge;
        let ask = |to| judge.candidate(round, set, to, VariantFilter::Any).err();
        closed.note(round, ask, tally);
        self.equipped(set).workers = workers;
        if accepted > 0 { Ok(()) } else { Err(refusal) }
    }

    /// Asks the workers where a task would run faster, fastest first.
    fn upgrade(
        &mut self,
        index: usize,
        set: &MoveSet,
        faster: &mut Faster<'_>,
        tally: &mut Tally,
        pairs: &mut Vec<Candidate>,
    ) {
        let round = self.round;
        // A group moves for its loads, not for the speed of one member.
        let ([row, companions @ ..], Some(from)) = (set.rows.as_slice(), set.from) else { return };
        if !companions.is_empty() && !broken!("upgrade_takes_no_companions") {
            return;
        }
        let least = faster.least(round, *row, from).unwrap_or(f64::INFINITY);
        let mut accepted = 0;
        self.judge.forget();
        for (speedup, worker) in faster.targets(round, *row, from).into_iter().take(QUESTIONS) {
            if accepted == TARGETS {
                break;
            }
            match self.judge.candidate(round, set, worker, VariantFilter::AtLeast(least)) {
                Ok(fit) => {
                    accepted += 1;
                    let slower = faster.speedup(round, *row, from, fit.alternative);
                    let speedup = slower.unwrap_or(speedup);
                    pairs.push(Candidate { speedup, ..Candidate::new(index, worker, fit) });
                }
                Err(no) => tally.refuse(round.task_id(*row), Some(round.worker_id(worker)), no),
            }
        }
    }

    fn key(&self, set: &MoveSet) -> Asked {
        let lead = self.round.view.task(set.lead());
        let needs = &lead.requirements;
        (set.purpose == Purpose::Rebalance, lead.class, needs.all_of, needs.any_of)
    }

    /// The accepting workers that have the hardware which a set needs.
    fn equipped(&mut self, set: &MoveSet) -> &mut Equipped {
        let key @ (rebalances, class, ..) = self.key(set);
        let count = if rebalances { self.cold } else { self.takers.workers.len() };
        let (round, takers) = (self.round, &self.takers);
        let lead = round.view.task(set.lead());
        let equipped = self.equipped.entry(key).or_insert_with(|| {
            let mut workers = match class {
                Some(_) if broken!("class_in_the_search") => {
                    takers.workers[..count.min(1)].to_vec()
                }
                Some(class) => takers.of_class(round.view, class, count),
                None => takers.workers[..count].to_vec(),
            };
            let mut outside = Vec::new();
            if workers.len() < count {
                let mut members = workers.iter().copied().peekable();
                for worker in takers.workers[..count].iter().copied() {
                    if members.next_if_eq(&worker).is_none() {
                        outside.push(worker);
                    }
                }
            }
            let is_frozen = |worker: &WorkerRow| rules::is_frozen_somewhere(round, *worker);
            let mut frozen: Vec<WorkerRow> = outside.extract_if(.., |row| is_frozen(row)).collect();
            let mut lacking = Vec::new();
            workers.retain(|worker| {
                let has = rules::has_hardware(round, lead, *worker).is_ok();
                if !has {
                    let unfit = if is_frozen(worker) { &mut frozen } else { &mut lacking };
                    unfit.push(*worker);
                }
                has
            });
            Equipped { workers, fresh: 0, lacking, outside, frozen }
        });
        let crowded = |worker: &WorkerRow| self.offers[*worker] >= OFFERS;
        while equipped.workers.get(equipped.fresh).is_some_and(crowded) {
            equipped.fresh += 1;
        }
        equipped
    }

    /// One refusal stands for all takers that lack the hardware: the first of them.
    fn note_lacking(&self, set: &MoveSet, tally: &mut Tally) -> Option<Rejection> {
        let (worker, count) = others(set, &self.equipped.get(&self.key(set))?.lacking)?;
        let lead = self.round.view.task(set.lead());
        let no = rules::has_hardware(self.round, lead, worker).err()?;
        tally.refuse_many(count, lead.id, Some(self.round.worker_id(worker)), no);
        Some(no)
    }

    /// One refusal stands for all takers outside of the class: the first of them.
    fn note_outside(&self, set: &MoveSet, tally: &mut Tally) -> Option<Rejection> {
        let (worker, count) = others(set, &self.equipped.get(&self.key(set))?.outside)?;
        let lead = self.round.view.task(set.lead());
        let no = Rejection::Target(TargetRefusal::OutsideClass { class: lead.class? });
        tally.refuse_many(count, lead.id, Some(self.round.worker_id(worker)), no);
        Some(no)
    }
}

/// The first of these workers that is not the source of a set, and how many of them are not.
fn others(set: &MoveSet, workers: &[WorkerRow]) -> Option<(WorkerRow, u32)> {
    let is_other = |worker: &&WorkerRow| Some(**worker) != set.from;
    let first = workers.iter().find(is_other)?;
    Some((*first, count(workers) - u32::from(workers.iter().any(|worker| !is_other(&worker)))))
}

impl Search<'_> {
    /// Notes what refuses the takers that lack the hardware or are outside of the class and that a freeze covers.
    fn note_frozen(&mut self, set: &MoveSet, tally: &mut Tally) -> Option<Rejection> {
        let frozen = core::mem::take(&mut self.equipped(set).frozen);
        let (round, mut first) = (self.round, None);
        for worker in frozen.iter().copied() {
            let answer = self.judge.candidate(round, set, worker, VariantFilter::Any);
            if let Err(no) = answer
                && no != Rejection::Target(TargetRefusal::AlreadyThere)
            {
                first = first.or(Some(no));
                tally.refuse(round.task_id(set.lead()), Some(round.worker_id(worker)), no);
            }
        }
        self.equipped(set).frozen = frozen;
        first
    }
}

fn count(workers: &[WorkerRow]) -> u32 {
    u32::try_from(workers.len()).unwrap_or(u32::MAX)
}
