//! Which candidates are taken, and in which order? The most pressing first, then the best, as long as the
//! budgets last.
//!
//! Each candidate is judged again on the ledger that holds the moves taken before: once the best task for
//! an idle worker is taken, the second-best may be the worst. All sets of a gang are taken, or none.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::fates::Fates;
use super::queue::Queue;
use super::taker::Taker;
use crate::config::{MigrationLimits, Mode};
use crate::model::rows::{TaskRow, WorkerRow};
use crate::outcome::{BudgetRefusal, GroupRefusal, Purpose, Reach, Rejection};
use crate::round::{Candidate, Context, MoveSet, Plan, PlannedMove, Round};
use crate::rules::{self, Accounts};
use crate::snapshot::Stance;
use crate::view::{Ledger, Place};

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
    let simultaneous = match round.state.concurrency {
        Some(concurrency) => concurrency.now as usize,
        None => simultaneous(limits, round),
    };
    let accounts = Accounts::open(round, limits, simultaneous);
    let (gangs, pressing) = (gangs(sets, &pairs), pressing(sets, &pairs));
    let queue = Queue::new(context, ledger, sets, pairs);
    let mut chooser = Chooser { taker: Taker::new(context), accounts, moves: Vec::new(), queue };
    let mut fates = Fates::new(sets.len(), context.view, plan);
    while let Some(pair) = chooser.queue.next(ledger, &mut fates) {
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

/// How many migrations may be under way at once.
fn simultaneous(limits: &MigrationLimits, round: &Round<'_>) -> usize {
    let workers = round.view.snapshot.workers().iter();
    let live = workers.filter(|worker| worker.stance != Stance::Offline).count();
    let donates = |worker: &WorkerRow| round.donates(*worker) || broken!("givers_are_counted");
    let donors = round.view.worker_rows().filter(donates).count();
    limits.at_once(live, donors)
}

/// Takes candidates as long as the budgets last.
struct Chooser<'c, 'a> {
    taker: Taker<'c>,
    accounts: Accounts<'a>,
    moves: Vec<PlannedMove>,
    queue: Queue<'c>,
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
        let worth = self.queue.worth(ledger, pair);
        let mark = worth.is_err().then(|| ledger.mark());
        let moves = self.taker.take(ledger, set, pair, (self.moves.len() as u64, false));
        if let Some(mark) = mark {
            ledger.rollback(mark);
        }
        // What the rules say of the move tells more than that it is not worth its cost.
        let moves = moves?;
        worth?;
        self.moves.extend(moves);
        self.accounts.enter(&bill);
        self.queue.note_move(set.from, pair.to);
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
        for pair in self.queue.best_first(ledger, pairs, fates) {
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
