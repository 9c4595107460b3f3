//! Which candidates are taken, and in which order? The most pressing first, then the best, as long as the
//! budgets last.
//!
//! Each candidate is judged again on the ledger that holds the moves taken before: once the best task for
//! an idle worker is taken, the second-best may be the worst. A set of several tasks is taken whole or not
//! at all, and so are all sets of a gang.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::candidate::told_to_lead;
use crate::config::{MigrationLimits, Mode};
use crate::model::rows::{TaskRow, WorkerRow};
use crate::model::time::Timestamp;
use crate::outcome::{BudgetRefusal, GroupRefusal, Purpose, Reach, Rejection};
use crate::round::{Candidate, Context, MoveSet, Plan, PlannedMove, Round, VariantFilter};
use crate::rules::{self, Accounts, Effect, Moment, Pair, TaskRules};
use crate::snapshot::Stance;
use crate::view::{Arrival, Footprint, Ledger, Place, View};

/// Chooses the moves of this round.
pub(crate) fn select(
    context: &Context<'_>,
    ledger: &mut Ledger,
    sets: &[MoveSet],
    mut pairs: Vec<Candidate>,
    plan: &mut Plan,
) {
    let unasked = if broken!("migration_switch") { Some(<_>::default()) } else { None };
    let Some(limits) = context.config.migration.as_ref().or(unasked.as_ref()) else { return };
    let round = &context.with(ledger);
    if round.config.mode == Mode::Observe && !broken!("observe_chooses_nothing") {
        let goes_on = |row: &TaskRow| {
            let is_stranded = matches!(round.ledger.places[*row], Place::Stranded { .. });
            is_stranded && !broken!("observe_goes_on")
        };
        pairs.retain(|pair| sets[pair.set].rows.iter().all(goes_on));
    }
    order(round, sets, &mut pairs);
    let simultaneous = match round.state.concurrency {
        Some(concurrency) => concurrency.now as usize,
        None => simultaneous(limits, round),
    };
    let accounts = Accounts::open(round, limits, simultaneous);
    let mut chooser = Chooser { taker: Taker::new(context), accounts, moves: Vec::new() };
    let (gangs, pressing) = (gangs(sets, &pairs), pressing(sets, &pairs));
    let mut fates = Fates::new(sets.len(), context.view, plan);
    for pair in pairs {
        let set = &sets[pair.set];
        if !fates.done[pair.set] {
            if let Some(gang) = set.gang {
                chooser.take_gang(ledger, sets, &gangs[&gang.index], &mut fates);
            } else if let Some(own) = pressing.get(&pair.set) {
                if let Some(first) = chooser.take_first(ledger, set, own, &mut fates) {
                    fates.take(first);
                }
                fates.done[pair.set] = true;
            }
        }
        if fates.done[pair.set] {
            fates.refuse_pair(pair, fates.stopped[pair.set]);
            continue;
        }
        match chooser.take(ledger, set, pair) {
            Ok(()) => fates.take(pair),
            Err(rejection) => fates.refuse(set, pair, rejection),
        }
    }
    let stopped = fates.stopped;
    plan.moves = chooser.moves;
    note_out_of_budget(sets, &stopped, plan);
}

/// Notes the tasks that must leave their workers and that the table of budgets stops, whatever their target.
fn note_out_of_budget(sets: &[MoveSet], stopped: &[Option<Rejection>], plan: &mut Plan) {
    let is_out_of_budget = |no: &Rejection| match no {
        Rejection::Budget(BudgetRefusal::UnknownSize) => !broken!("late_of_unknown_size"),
        Rejection::Budget(
            BudgetRefusal::BudgetLine { .. } | BudgetRefusal::BudgetInDoubt { .. },
        ) => no.reach() == Reach::Task,
        _ => false,
    };
    for (set, no) in sets.iter().zip(stopped) {
        let is_late =
            !broken!("late_without_the_budgets") && no.as_ref().is_some_and(is_out_of_budget);
        if set.purpose == Purpose::Evacuate && is_late {
            plan.stuck.extend(set.rows.iter().map(|row| (*row, *no)));
        }
    }
}

/// The candidates of every set of each gang move, in their order.
type GangCandidates = BTreeMap<usize, Vec<Candidate>>;

fn gangs(sets: &[MoveSet], pairs: &[Candidate]) -> BTreeMap<usize, GangCandidates> {
    let mut gangs: BTreeMap<usize, GangCandidates> = BTreeMap::new();
    for (index, set) in sets.iter().enumerate() {
        if let Some(gang) = set.gang {
            gangs.entry(gang.index).or_default().insert(index, Vec::new());
        }
    }
    for pair in pairs {
        let gang = sets[pair.set].gang.and_then(|gang| gangs.get_mut(&gang.index));
        if let Some(own) = gang.and_then(|sets| sets.get_mut(&pair.set)) {
            own.push(*pair);
        }
    }
    gangs
}

/// The candidates of every other set that must leave its worker or has none, in their order.
fn pressing(sets: &[MoveSet], pairs: &[Candidate]) -> BTreeMap<usize, Vec<Candidate>> {
    let mut pressing: BTreeMap<usize, Vec<Candidate>> = BTreeMap::new();
    for pair in pairs {
        let set = &sets[pair.set];
        if set.gang.is_none() && !set.purpose.is_voluntary() {
            pressing.entry(pair.set).or_default().push(*pair);
        }
    }
    pressing
}

/// Which sets were taken or stopped so far.
struct Fates<'v, 'p> {
    done: Vec<bool>,
    /// What stopped a set that is done; `None` if the set was taken.
    stopped: Vec<Option<Rejection>>,
    view: &'v View<'v>,
    plan: &'p mut Plan,
}

impl<'v, 'p> Fates<'v, 'p> {
    fn new(sets: usize, view: &'v View<'v>, plan: &'p mut Plan) -> Self {
        let (done, stopped) = (alloc::vec![false; sets], alloc::vec![None; sets]);
        Self { done, stopped, view, plan }
    }

    fn take(&mut self, pair: Candidate) {
        self.done[pair.set] = true;
        self.stopped[pair.set] = None;
        if let Some(considered) = self.plan.considered.get_mut(pair.position) {
            considered.taken = true;
        }
    }

    /// Notes why a pair is not chosen, unless that is noted already or moves are not scored.
    fn refuse_pair(&mut self, pair: Candidate, rejection: Option<Rejection>) {
        if let Some(considered) = self.plan.considered.get_mut(pair.position) {
            considered.refused = considered.refused.or(rejection);
        }
    }

    fn refuse(&mut self, set: &MoveSet, pair: Candidate, rejection: Rejection) {
        let whole = rejection.reach() == Reach::Task;
        self.done[pair.set] = whole;
        self.stopped[pair.set] = Some(rejection);
        let to = (!whole).then(|| self.view.worker_id(pair.to));
        self.plan.tally.refuse(self.view.task(set.lead()).id, to, rejection);
        self.refuse_pair(pair, Some(rejection));
    }

    /// Notes that a set stays because another set of its gang stays.
    fn leave(&mut self, index: usize, set: &MoveSet, rejection: Rejection) {
        self.done[index] = true;
        self.stopped[index] = Some(rejection);
        self.plan.tally.refuse(self.view.task(set.lead()).id, None, rejection);
    }
}

/// How many migrations may be under way at once.
fn simultaneous(limits: &MigrationLimits, round: &Round<'_>) -> usize {
    let workers = round.view.snapshot.workers().iter();
    let live = workers.filter(|worker| worker.stance != Stance::Offline).count();
    let donates = |worker: &WorkerRow| round.donates(*worker) || broken!("givers_are_counted");
    let donors = round.view.worker_rows().filter(donates).count();
    limits.at_once(live, donors)
}

/// Sorts candidates, best first. Ties are broken by id, so that the order of the input does not matter.
fn order(round: &Round<'_>, sets: &[MoveSet], pairs: &mut [Candidate]) {
    let scored = round.config.cost_benefit.is_some();
    let level =
        |worker: Option<WorkerRow>| worker.and_then(|worker| round.level(worker)).unwrap_or(0.0);
    // Sets that follow gangs are taken one gang at a time.
    let pressing = |set: &MoveSet| (set.purpose, set.follows());
    let due = |set: &MoveSet| {
        let source = if set.purpose == Purpose::Evacuate { set.from } else { None };
        let departs_at = source.and_then(|from| round.view.workers[from].departs_at);
        departs_at.unwrap_or(Timestamp::from_millis(u64::MAX))
    };
    let sizes: Vec<f64> = sets.iter().map(|set| size(round, set)).collect();
    pairs.sort_by(|a, b| {
        let (first, second) = (&sets[a.set], &sets[b.set]);
        let coldest = || level(Some(a.to)).total_cmp(&level(Some(b.to)));
        let better = || {
            if scored {
                return b.net().total_cmp(&a.net());
            }
            let hottest = level(second.from).total_cmp(&level(first.from));
            let largest = sizes[b.set].total_cmp(&sizes[a.set]);
            if broken!("largest_first_without_a_score") {
                return hottest.then_with(coldest).then(largest.reverse());
            }
            hottest.then(largest).then_with(coldest)
        };
        let ids = || first.lead().cmp(&second.lead()).then_with(coldest).then(a.to.cmp(&b.to));
        let mut order: Ordering = pressing(first).cmp(&pressing(second));
        if broken!("upgrade_comes_last") {
            order = Ordering::Equal;
        }
        // Among the sets that must leave, the one whose worker departs first goes first.
        let mut urgent = due(first).cmp(&due(second));
        if broken!("first_gone_first") {
            urgent = urgent.reverse();
        }
        order.then(urgent).then_with(better).then_with(ids)
    });
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

/// Judges sets on the present ledger, and enters them into it.
#[derive(Debug)]
pub(crate) struct Taker<'c> {
    context: Context<'c>,
    footprint: Footprint,
}

impl<'c> Taker<'c> {
    pub(crate) fn new(context: &Context<'c>) -> Self {
        Self { context: *context, footprint: Footprint::default() }
    }

    /// Takes a candidate and returns the moves of its tasks, which are entered into the ledger; or returns why not, and
    /// leaves the ledger as it was. Budgets are not asked.
    pub(crate) fn take(
        &mut self,
        ledger: &mut Ledger,
        set: &MoveSet,
        pair: Candidate,
        (issued, alone): (u64, bool),
    ) -> Result<Vec<PlannedMove>, Rejection> {
        let variants = self.variants(ledger, set, pair);
        let moment = if alone { Moment::OnlyMove } else { Moment::AmongOthers };
        self.effect(ledger, set, pair, (&variants, moment))?;
        let mark = (set.rows.len() > 1).then(|| ledger.mark());
        let mut moves = Vec::with_capacity(set.rows.len());
        for (row, variant) in set.rows.iter().zip(variants) {
            let nth = issued + moves.len() as u64;
            let step = Step { row: *row, filter: filter(set, variant), nth };
            match self.judge(ledger, set, pair, step) {
                Ok((planned, arrival)) => {
                    ledger.carry(self.context.view, &arrival, &self.footprint);
                    moves.push(planned);
                }
                Err(_) if broken!("affinity_all_or_nothing") => break,
                Err(rejection) => {
                    // All or nothing.
                    if let Some(mark) = mark {
                        ledger.rollback(mark);
                    }
                    return Err(match rejection {
                        Rejection::Group(_) => {
                            told_to_lead(&self.context.with(ledger), set, *row, rejection)
                        }
                        // The task alone may go there: there is no room for the whole set.
                        _ => rejection,
                    });
                }
            }
        }
        if let Some(mark) = mark {
            ledger.commit(mark);
        }
        Ok(moves)
    }

    /// The alternative by which each task of a set would run; the first task runs by that of its candidate.
    fn variants(&mut self, ledger: &Ledger, set: &MoveSet, pair: Candidate) -> Vec<Option<u16>> {
        let round = self.context.with(ledger);
        let mut variants = alloc::vec![pair.fit.alternative];
        for row in &set.rows[1..] {
            let fit = round.view.variants(*row).and_then(|_| {
                let footprint = &mut self.footprint;
                rules::fit(&round, *row, pair.to, VariantFilter::Any, footprint).ok()
            });
            variants.push(fit.and_then(|fit| fit.alternative));
        }
        variants
    }

    /// The footprint of the whole set on a worker.
    fn whole(
        &mut self,
        round: &Round<'_>,
        set: &MoveSet,
        to: WorkerRow,
        variants: &[Option<u16>],
    ) -> Footprint {
        let mut sum = Footprint::default();
        for (row, variant) in set.rows.iter().zip(variants) {
            round.ledger.footprint_at(round.view, *row, to, *variant, &mut self.footprint);
            sum.add(&self.footprint);
        }
        sum
    }

    /// Why a set that must move would push its target above the ceiling; `None` if it would not. Above the ceiling a
    /// set goes only if there is no other target.
    pub(crate) fn above_ceiling(
        &mut self,
        ledger: &Ledger,
        set: &MoveSet,
        pair: Candidate,
    ) -> Option<Rejection> {
        if self.context.config.stability.is_none() || set.purpose.is_voluntary() {
            return None;
        }
        let variants = self.variants(ledger, set, pair);
        let round = self.context.with(ledger);
        let footprint = self.whole(&round, set, pair.to, &variants);
        rules::is_above_ceiling(&round, pair.to, &footprint)
    }

    /// Judges a set as if it were the only one to be taken, and leaves the ledger as it was.
    pub(crate) fn would_take(
        &mut self,
        ledger: &Ledger,
        set: &MoveSet,
        pair: Candidate,
    ) -> Result<(), Rejection> {
        if set.rows.len() > 1 {
            return self.take(&mut ledger.clone(), set, pair, (0, true)).map(|_| ());
        }
        let variants = [pair.fit.alternative];
        self.effect(ledger, set, pair, (&variants, Moment::OnlyMove))?;
        let step = Step { row: set.lead(), filter: filter(set, variants[0]), nth: 0 };
        self.judge(ledger, set, pair, step).map(|_| ())
    }

    /// Whether a voluntary move improves the loads as its purpose asks.
    fn effect(
        &mut self,
        ledger: &Ledger,
        set: &MoveSet,
        pair: Candidate,
        (variants, moment): (&[Option<u16>], Moment),
    ) -> Result<(), Rejection> {
        if !set.purpose.is_voluntary() {
            return Ok(());
        }
        let round = self.context.with(ledger);
        let footprint = &self.whole(&round, set, pair.to, variants);
        let (from, to, purpose) = (set.from, pair.to, set.purpose);
        rules::effect(&round, &Effect { from, to, purpose, footprint }, moment)
    }

    /// Judges one task on the present ledger. Returns the move, and the entry for the ledger.
    fn judge(
        &mut self,
        ledger: &Ledger,
        set: &MoveSet,
        candidate: Candidate,
        step: Step,
    ) -> Result<(PlannedMove, Arrival), Rejection> {
        let round = self.context.with(ledger);
        let Step { row, filter, nth } = step;
        let (from, to, purpose) = (set.from, candidate.to, set.purpose);
        let pair = Pair { row, from, to, purpose };
        rules::task(&round, row, purpose, TaskRules::Changing)?;
        let fit = rules::pair(&round, &pair, filter, &mut self.footprint)?;
        if !broken!("repaid_as_the_plan_stands") {
            rules::payback(&round, &pair, fit, &self.footprint)?;
        }
        let handover =
            from.and_then(|from| rules::handover(&round, row, [from, to], fit, &self.footprint));
        let bytes = round.view.task_by(row, fit.alternative).requirements.gpu_memory_bytes;
        // Any id will do here; `record` issues the real one.
        let migration = match ledger.places[row] {
            Place::Stranded { migration } => migration,
            _ => self.context.state.migration(nth),
        };
        let arrival = Arrival {
            task: row,
            from,
            to,
            interrupts: round.is_interrupted(row),
            place: Place::Moving { migration, from, to: Some(to) },
            device: fit.device.zip(bytes),
        };
        let Candidate { speedup, scorecard, .. } = candidate;
        let follows = set.follows();
        let planned =
            PlannedMove { row, from, to, fit, purpose, follows, speedup, scorecard, handover };
        Ok((planned, arrival))
    }
}

/// One task of a set, and the number of its move in the plan.
#[derive(Clone, Copy, Debug)]
struct Step {
    row: TaskRow,
    filter: VariantFilter,
    nth: u64,
}

/// Which variants a set may take: for a voluntary move only the one whose effect on the loads was judged.
fn filter(set: &MoveSet, variant: Option<u16>) -> VariantFilter {
    if set.purpose.is_voluntary() { VariantFilter::Only(variant) } else { VariantFilter::Any }
}

/// Takes candidates as long as the budgets last.
struct Chooser<'c, 'a> {
    taker: Taker<'c>,
    accounts: Accounts<'a>,
    moves: Vec<PlannedMove>,
}

impl Chooser<'_, '_> {
    /// Takes a candidate; or returns why not, and changes nothing.
    fn take(
        &mut self,
        ledger: &mut Ledger,
        set: &MoveSet,
        pair: Candidate,
    ) -> Result<(), Rejection> {
        let round = self.taker.context.with(ledger);
        let bill = self.accounts.bill(&round, set, pair.to);
        rules::budget(&round, set, pair.to, &self.accounts, &bill)?;
        let moves = self.taker.take(ledger, set, pair, (self.moves.len() as u64, false))?;
        self.moves.extend(moves);
        self.accounts.enter(&bill);
        Ok(())
    }

    /// Takes every set of a gang move, each with the first of its candidates that is admitted; or takes none.
    fn take_gang(
        &mut self,
        ledger: &mut Ledger,
        sets: &[MoveSet],
        gang: &GangCandidates,
        fates: &mut Fates<'_, '_>,
    ) {
        let (mark, accounts, planned) = (ledger.mark(), self.accounts.clone(), self.moves.len());
        let mut chosen = Vec::with_capacity(gang.len());
        for (index, pairs) in gang {
            let set = &sets[*index];
            if let Some(first) = self.take_first(ledger, set, pairs, fates) {
                chosen.push(first);
                continue;
            }
            if broken!("gang_fits_whole") {
                ledger.commit(mark);
            } else {
                ledger.rollback(mark);
                self.accounts = accounts;
                self.moves.truncate(planned);
            }
            fates.done[*index] = true;
            let Some(member) = set.gang else { return };
            let task = fates.view.task(set.lead()).id;
            let no = Rejection::Group(GroupRefusal::Companion { group: member.group, task });
            for other in gang.keys().filter(|other| *other != index) {
                fates.leave(*other, &sets[*other], no);
            }
            return;
        }
        ledger.commit(mark);
        chosen.into_iter().for_each(|pair| fates.take(pair));
    }

    /// Takes the first candidate of a set that is admitted. A set that must move goes above the ceiling if there is no
    /// other target.
    fn take_first(
        &mut self,
        ledger: &mut Ledger,
        set: &MoveSet,
        pairs: &[Candidate],
        fates: &mut Fates<'_, '_>,
    ) -> Option<Candidate> {
        let (mut below, mut above) = (Vec::with_capacity(pairs.len()), Vec::new());
        for pair in pairs.iter().copied() {
            let no = self.taker.above_ceiling(ledger, set, pair);
            if no.is_some() && !broken!("drain_above_the_ceiling") {
                above.push(pair);
            } else {
                below.push(pair);
            }
        }
        for pair in below.into_iter().chain(above) {
            match self.take(ledger, set, pair) {
                Ok(()) => return Some(pair),
                Err(rejection) => fates.refuse(set, pair, rejection),
            }
            if fates.done[pair.set] {
                break;
            }
        }
        None
    }
}
