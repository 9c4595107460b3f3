//! Which candidates are taken, and in which order? The most pressing first, then the best, as long as the
//! budgets last.
//!
//! Each candidate is judged again on the ledger that holds the moves taken before: once the best task for
//! an idle worker is taken, the second-best may be the worst. All sets of a gang are taken, or none.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::taker::Taker;
use crate::config::{MigrationLimits, Mode};
use crate::model::rows::{TaskRow, WorkerRow};
use crate::model::time::Timestamp;
use crate::outcome::{BudgetRefusal, GroupRefusal, Purpose, Reach, Rejection};
use crate::round::{Candidate, Context, MoveSet, Plan, PlannedMove, Round};
use crate::rules::{self, Accounts};
use crate::snapshot::Stance;
use crate::view::{Ledger, Place, View};

/// Chooses the moves of this round.
pub(super) fn select(
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
    // What is on its way already was promised a place first.
    let is_new = |set: &MoveSet| {
        let is_stranded = matches!(round.ledger.places[set.lead()], Place::Stranded { .. });
        !is_stranded || broken!("stranded_first")
    };
    // Sets that follow gangs are taken one gang at a time.
    let pressing = |set: &MoveSet| (set.purpose, is_new(set), set.follows());
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
