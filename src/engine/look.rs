//! May this task move to that worker, and where could a task go? Answered as a round would answer.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::survey;
use crate::config::Config;
use crate::lifecycle::Lifecycle;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::rows::{TaskRow, WorkerRow};
use crate::outcome::{GroupRefusal, LoadRefusal, Purpose, Rejection, Tally, Verdict};
use crate::plan::score::Scorer;
use crate::plan::set_judge::SetJudge;
use crate::plan::sets::{Found, sets};
use crate::plan::taker::Taker;
use crate::round::{Candidate, Context, MoveSet, Round, Survey, VariantFilter};
use crate::rules::{self, TaskRules};
use crate::snapshot::{Snapshot, Stance};
use crate::stage::trust;
use crate::state::State;
use crate::view::{Footprint, Ledger, Place, placed_with};

/// One snapshot as a round would see it, for any number of questions.
///
/// A task moves together with its *companions*: the members of a group that stays together
/// ([`GroupRule::Affinity`](crate::snapshot::GroupRule::Affinity)) that are on the same worker, or that have no worker
/// either. A question about such a task judges the whole set: if a companion may not move, or may not go to the
/// worker, the answer is no, and the refusal names the companion
/// ([`Companion`](crate::outcome::GroupRefusal::Companion),
/// [`CompanionTarget`](crate::outcome::GroupRefusal::CompanionTarget)). Room, loads and cost are those of the
/// whole set too.
///
/// ```
/// # use evenkeel::*;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Engine::new(Config::default())?;
/// let snapshot = Snapshot::builder(Timestamp::from_secs(30))
///     .worker(Worker::new(WorkerId::new(1)).with_capacity(ResourceId::CPU, 16.0).with_used(ResourceId::CPU, 15.2))
///     .worker(Worker::new(WorkerId::new(2)).with_capacity(ResourceId::CPU, 16.0).with_used(ResourceId::CPU, 1.6))
///     .task(Task::new(TaskId::new(1)).on(WorkerId::new(1)).with_demand(ResourceId::CPU, 20.0))
///     .build();
/// let look = engine.look(&snapshot);
/// let verdict = look.consider(TaskId::new(1), WorkerId::new(2)).ok_or("not listed")?;
/// assert_eq!(verdict.to_string(), "w2 no: needs 20.00 cores of cpu, 16.00 cores free");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Look<'a> {
    config: &'a Config,
    /// The state as it would be when the round plans.
    state: Cow<'a, State>,
    survey: Survey<'a>,
    found: Found<'a>,
    /// The set that each task would move in, as an index into `found.sets`.
    set_of: BTreeMap<TaskRow, usize>,
}

/// One question: these tasks, to that worker.
struct Question<'q> {
    set: &'q MoveSet,
    to: WorkerRow,
    filter: VariantFilter,
}

/// A snapshot as the next round would see it when it plans.
pub(super) struct Foreseen<'a> {
    /// The state as it would be then.
    pub(super) state: Cow<'a, State>,
    pub(super) survey: Survey<'a>,
    /// Whether nothing may begin.
    pub(super) is_held: bool,
}

impl<'a> Foreseen<'a> {
    pub(super) fn of(config: &Config, state: &'a State, snapshot: &'a Snapshot) -> Self {
        let trust::Trust { snapshot: read, held, missing, .. } =
            trust::trust(config, state, snapshot);
        let snapshot = read.map_or(Cow::Borrowed(snapshot), Cow::Owned);
        let is_new = state.last.is_none_or(|last| last < snapshot.at());
        let mut state = Cow::Borrowed(state);
        if is_new {
            // A round would settle the snapshot first; this does so on a copy of the engine's state.
            let lifecycle = Lifecycle::new(config, state.to_mut());
            let _ = lifecycle.on_snapshot(&snapshot, held.is_some(), missing);
        }
        let survey = survey::survey(config, &state, snapshot, is_new);
        Self { state, survey, is_held: held.is_some() }
    }
}

impl<'a> Look<'a> {
    pub(super) fn new(config: &'a Config, state: &'a State, snapshot: &'a Snapshot) -> Self {
        let Foreseen { state, survey, .. } = Foreseen::of(config, state, snapshot);
        let round = survey.context(config, &state).with(&survey.ledger);
        let found = sets(config, &round, &mut Tally::default());
        let mut set_of = BTreeMap::new();
        for (index, set) in found.sets.iter().enumerate() {
            set_of.extend(set.rows.iter().map(|row| (*row, index)));
        }
        Self { config, state, survey, found, set_of }
    }

    fn context(&self) -> Context<'_> {
        self.survey.context(self.config, &self.state)
    }

    /// Whether `task` may move to `worker`, with the reasons. `None` if either is not in the snapshot.
    ///
    /// The move is judged for the purpose for which a round would make it, as the only move of that round. If
    /// the task has companions, the whole set is judged ([`Look`]): the answer for one of them is the answer
    /// for all, except that each is told its own refusal first. A task that a round would not move is judged as
    /// if it moved to even out the loads.
    ///
    /// Two things are not judged: whether all tasks of a gang find a place, which takes several moves; and
    /// budgets, which depend on what else a round would choose.
    pub fn consider(&self, task: TaskId, worker: WorkerId) -> Option<Verdict> {
        let snapshot = &self.survey.view.snapshot;
        let (row, to) = (snapshot.task_row(task)?, snapshot.worker_row(worker)?);
        let context = self.context();
        let round = context.with(&self.survey.ledger);
        let set = match self.set_of.get(&row) {
            Some(set) => self.for_target(&round, led_by(&self.found.sets[*set], row), to),
            None => Cow::Owned(hypothetical(&round, row)),
        };
        let purpose = set.purpose;
        let lead = round.companions.leader(row);
        let refused = self.found.refused.get(&lead).map_or(Ok(()), |no| Err(*no));
        let may_move = if self.set_of.contains_key(&row) {
            Ok(())
        } else if row == lead && refused.is_err() {
            refused
        } else {
            // Each task of a set is asked, and each is told its own refusal first.
            rules::task(&round, row, purpose, TaskRules::All).and(refused)
        };
        if let Err(no) = may_move.and_then(|()| rules::target(&round, to)) {
            return Some(Verdict::no(worker, purpose, no));
        }
        let filter = match (purpose, set.from) {
            (Purpose::Upgrade, Some(from)) => {
                let least = self.found.faster.least(&round, set.lead(), from);
                VariantFilter::AtLeast(least.unwrap_or(f64::INFINITY))
            }
            _ => VariantFilter::Any,
        };
        Some(self.verdict(&context, &Question { set: &set, to, filter }))
    }

    /// Where `task` would go if it had to be placed now, best first; then the workers that cannot
    /// take it, by id, each with its reason. `None` if the task is not in the snapshot.
    ///
    /// Use it for new and queued tasks. The answers follow from the hard rules and the score of rounds; if the
    /// task has companions without a worker, they are placed together with it. Under [`Config::stability`] the
    /// ceiling counts too, although a round would rather push a worker over it than leave an orphan without
    /// one. Budgets are not asked, and neither is the [scope](Config::scope), since the caller places the task.
    pub fn rank(&self, task: TaskId) -> Option<Vec<Verdict>> {
        let row = self.survey.view.snapshot.task_row(task)?;
        let (context, ledger) = (self.context(), &self.survey.ledger);
        let round = context.with(ledger);
        let purpose = Purpose::Recover;
        let own = MoveSet { rows: alloc::vec![row], from: None, purpose, gang: None };
        let companions = placed_with(round.view, ledger, row);
        // The task leads: it is told what stops its companions.
        let mut rows = alloc::vec![row];
        rows.extend(companions.iter().map(|(other, _)| *other));
        if broken!("rank_tells_who_is_stopped") {
            rows.sort_unstable();
        }
        let together = MoveSet { rows, ..own.clone() };
        let bound = companions.iter().find_map(|(other, group)| {
            let may = rules::task(&round, *other, purpose, TaskRules::Alone);
            let task = round.task_id(*other);
            may.err().map(|_| Rejection::Group(GroupRefusal::Companion { group: *group, task }))
        });
        let may_be_placed = rules::task(&round, row, purpose, TaskRules::AloneInScope);
        let mut ranked: Vec<(Verdict, f64)> = Vec::with_capacity(round.view.workers.len());
        for to in round.view.worker_rows() {
            let worker = round.worker_id(to);
            let asked = may_be_placed.and_then(|()| rules::target(&round, to));
            let question = Question { set: &own, to, filter: VariantFilter::Any };
            let mut verdict = match asked {
                Ok(()) => self.verdict(&context, &question),
                Err(no) => Verdict::no(worker, purpose, no),
            };
            if let Some(no) = verdict.last_resort.take() {
                verdict.admission = Err(no).into();
            }
            let is_open = matches!(
                verdict.admission.rejection(),
                None | Some(Rejection::Load(LoadRefusal::WouldOverload { .. }))
            );
            if is_open && !companions.is_empty() && !broken!("rank_asks_for_all") {
                let fits = match bound {
                    Some(no) => Err(no),
                    None => fits_together(&context, ledger, &together, to),
                };
                if let Err(no) = fits {
                    verdict = Verdict::no(worker, purpose, no);
                }
            }
            ranked.push((verdict, ledger.load(to).unwrap_or(f64::INFINITY)));
        }
        let net = |verdict: &Verdict| match &verdict.scorecard {
            Some(scorecard) => scorecard.net(),
            None => f64::NEG_INFINITY,
        };
        let is_refused = |verdict: &Verdict| !verdict.admission.is_accepted();
        ranked.sort_by(|(a, load_a), (b, load_b)| {
            let by_net = net(b).total_cmp(&net(a));
            let better = if broken!("rank_best_first") { by_net.reverse() } else { by_net };
            let better = better.then_with(|| load_a.total_cmp(load_b));
            let better = if is_refused(a) { Ordering::Equal } else { better };
            is_refused(a).cmp(&is_refused(b)).then(better).then_with(|| a.worker.cmp(&b.worker))
        });
        Some(ranked.into_iter().map(|(verdict, _)| verdict).collect())
    }

    /// The set as a round would judge it for this target: an upgrade only goes where the task runs faster.
    fn for_target<'s>(
        &self,
        round: &Round<'_>,
        set: Cow<'s, MoveSet>,
        to: WorkerRow,
    ) -> Cow<'s, MoveSet> {
        let upgrades = match (set.purpose, set.from) {
            (Purpose::Upgrade, Some(from)) => {
                let alone = set.rows.len() == 1;
                alone && self.found.faster.is_faster(round, set.lead(), [from, to])
            }
            (Purpose::Evacuate, _) => !broken!("consider_a_drain"),
            _ => return set,
        };
        if upgrades {
            return set;
        }
        Cow::Owned(MoveSet { purpose: Purpose::Rebalance, ..set.into_owned() })
    }

    /// The answer for a set that may move, and a worker that accepts tasks: every rule that looks at both, as if
    /// this were the only move.
    fn verdict(&self, context: &Context<'_>, question: &Question<'_>) -> Verdict {
        let ledger = &self.survey.ledger;
        let round = context.with(ledger);
        let Question { set, to, filter } = *question;
        let (worker, purpose) = (round.worker_id(to), set.purpose);
        let mut judge = SetJudge::default();
        let asked = judge.candidate(&round, set, to, filter);
        let fit = match judge.fit(&round, set, to, filter) {
            Ok(fit) => fit,
            Err(no) => return Verdict::no(worker, purpose, asked.err().unwrap_or(no)),
        };
        let scorecard = Scorer::new(&round).map(|scorer| {
            // In a round the first task leads its set.
            let led = led_by(set, set.rows.iter().copied().min().unwrap_or_else(|| set.lead()));
            scorer.scorecard(&led, to, judge.fit_of(led.lead()))
        });
        let handover = set.from.and_then(|from| {
            let mut footprint = Footprint::default();
            ledger.footprint_at(round.view, set.lead(), to, fit.alternative, &mut footprint);
            rules::handover(&round, set.lead(), [from, to], fit, &footprint)
        });
        let candidate = Candidate { scorecard, ..Candidate::new(0, to, fit) };
        let mut taker = Taker::new(context);
        let worth = |_| match &scorecard {
            Some(scorecard) => rules::worth(&round, purpose, scorecard),
            None => Ok(()),
        };
        let answer = asked.and_then(worth).and_then(|()| taker.would_take(ledger, set, candidate));
        let above_ceiling = taker.above_ceiling(ledger, set, candidate);
        Verdict {
            admission: answer.into(),
            last_resort: if answer.is_ok() { above_ceiling } else { None },
            scorecard,
            alternative: fit.alternative,
            handover,
            ..Verdict::yes(worker, purpose)
        }
    }
}

/// Whether all these tasks without a worker could be placed on one worker, with the earlier ones counted for each.
fn fits_together(
    context: &Context<'_>,
    ledger: &Ledger,
    set: &MoveSet,
    to: WorkerRow,
) -> Result<(), Rejection> {
    let round = context.with(ledger);
    let fit = SetJudge::default().fit(&round, set, to, VariantFilter::Any)?;
    let candidate = Candidate::new(0, to, fit);
    Taker::new(context).would_take(ledger, set, candidate)
}

/// The set of a task that no round would move. Its purpose is to empty the worker if that drains, to place the task
/// if it has lost its worker, or else to even out the loads.
fn hypothetical(round: &Round<'_>, row: TaskRow) -> MoveSet {
    let place = round.ledger.places[row];
    let (from, purpose) = match place {
        Place::On(worker) if round.view.workers[worker].stance == Stance::Drain => {
            (Some(worker), Purpose::Evacuate)
        }
        Place::On(worker) => (Some(worker), Purpose::Rebalance),
        _ if place.is_lost() => (None, Purpose::Recover),
        _ => (None, Purpose::Rebalance),
    };
    let mut rows = alloc::vec![row];
    rows.extend(round.companions.of(row).map(|(other, _)| other));
    MoveSet { rows, from, purpose, gang: None }
}

/// The set with this task first: the first task is told what stops the set.
fn led_by(set: &MoveSet, row: TaskRow) -> Cow<'_, MoveSet> {
    if set.lead() == row {
        return Cow::Borrowed(set);
    }
    let mut rows = alloc::vec![row];
    rows.extend(set.rows.iter().copied().filter(|other| *other != row));
    Cow::Owned(MoveSet { rows, ..set.clone() })
}
