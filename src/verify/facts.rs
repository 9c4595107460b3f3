//! What was true when the round made its plan? Computed from the snapshot and the states before and after the round.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::records::{is_live, load, used};
use super::round::Round;
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::outcome::{Action, Balance, Cause, Command, Purpose, Reason, Scorecard, Sight};
use crate::snapshot::{Coverage, Event, GroupRule, Phase, Placement, Stance, Task, Worker};
use crate::state::{Migration, RecentArrival, Transport};

/// Where a task counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    On(WorkerId),
    Between(Option<WorkerId>, WorkerId),
    Nowhere,
}

impl Stay {
    /// The workers that the task counts on.
    pub(super) fn ends(self) -> impl Iterator<Item = WorkerId> {
        let ends = match self {
            Self::On(worker) => [Some(worker), None],
            Self::Between(from, to) => [from.filter(|from| *from != to), Some(to)],
            Self::Nowhere => [None, None],
        };
        ends.into_iter().flatten()
    }

    /// The worker that the task will be on; `None` if that is unknown.
    pub(super) const fn destination(self) -> Option<WorkerId> {
        match self {
            Self::On(worker) | Self::Between(_, worker) => Some(worker),
            Self::Nowhere => None,
        }
    }
}

/// One decision of the plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step<'a> {
    pub(super) command: &'a Command,
    pub(super) task: &'a Task,
    pub(super) from: Option<WorkerId>,
    pub(super) to: WorkerId,
    pub(super) device: Option<u16>,
    pub(super) purpose: Purpose,
    pub(super) scorecard: Option<Scorecard>,
}

impl Step<'_> {
    /// Whether nothing forces the move: the verifier's own reading, not the engine's.
    pub(super) const fn is_chosen(&self) -> bool {
        matches!(self.purpose, Purpose::Rebalance | Purpose::Upgrade)
    }

    /// Whether the step takes a task from a worker.
    pub(super) fn interrupts(&self) -> bool {
        self.from.is_some() && !matches!(self.command.action, Action::RequeueFor { .. })
    }
}

/// A task, where it is, and the worker that it was refused, if the refusal is about one.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) task: &'a Task,
    pub(super) from: Option<&'a Worker>,
    pub(super) to: Option<&'a Worker>,
}

/// The steps of a round in order, and what was in flight when they were planned.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) round: &'a Round<'a>,
    pub(super) steps: Vec<Step<'a>>,
    /// Commands of the plan whose task is in no record.
    pub(super) strays: Vec<&'a Command>,
    /// Migrations under way before the plan, by task.
    pub(super) flights: BTreeMap<TaskId, &'a Migration>,
    /// Those of them whose task no worker had and to which the plan gave another target.
    pub(super) retargeted: BTreeSet<MigrationId>,
}

impl<'a> Facts<'a> {
    pub(super) fn new(round: &'a Round<'a>) -> Self {
        let mut facts = Self {
            round,
            steps: Vec::new(),
            strays: Vec::new(),
            flights: BTreeMap::new(),
            retargeted: BTreeSet::new(),
        };
        let mut answered = BTreeSet::new();
        for command in &round.outcome.commands {
            if let Some(step) = facts.step(command, &mut answered) {
                match step {
                    Ok(step) => facts.steps.push(step),
                    Err(stray) => facts.strays.push(stray),
                }
            }
        }
        let begun = |flight: &Migration| is_new(round, flight.task(), flight.id());
        let flights = round.after.in_flight.values().filter(|flight| {
            !begun(flight) || !round.outcome.begun().any(|command| command.migration == flight.id())
        });
        facts.flights = flights.map(|flight| (flight.task(), flight)).collect();
        facts
    }

    /// What the plan decided by this command; `None` if the command only follows from a report.
    fn step(
        &mut self,
        command: &'a Command,
        answered: &mut BTreeSet<TaskId>,
    ) -> Option<Result<Step<'a>, &'a Command>> {
        let round = self.round;
        let new = is_new(round, command.task, command.migration);
        let (from, to, device) = match command.action {
            Action::Release { from, to }
            | Action::RequeueFor { from, to }
            | Action::Evict { from, hint: to }
                if new =>
            {
                let begun = round.after.in_flight.get(&command.task);
                (Some(from), to, begun.and_then(Migration::device))
            }
            Action::Start { from, to, device } if new => (Some(from), to, device),
            Action::Place { to, device } if new => (None, to, device),
            Action::Place { to, device } | Action::Assign { to, device } => {
                if !self.is_retarget(command, answered) {
                    return None;
                }
                self.retargeted.insert(command.migration);
                (None, to, device)
            }
            _ => return None,
        };
        let purpose = match (command.reason(), from) {
            (_, None) => Purpose::Recover,
            (Some(Reason::Drain { .. } | Reason::Leaves { .. }), _) => Purpose::Evacuate,
            (Some(Reason::Along { .. }), _) => Purpose::FollowGang,
            (Some(Reason::Faster { .. }), _) => Purpose::Upgrade,
            _ => Purpose::Rebalance,
        };
        let Some(task) = round.snapshot.task(command.task) else { return Some(Err(command)) };
        let scorecard = command.scorecard;
        Some(Ok(Step { command, task, from, to, device, purpose, scorecard }))
    }

    /// Whether an assignment was the plan's choice, and not the answer to a release by its source.
    fn is_retarget(&self, command: &Command, answered: &mut BTreeSet<TaskId>) -> bool {
        if command.cause() == Some(Cause::Return) {
            return false;
        }
        let before = self.round.before.in_flight.by_id(command.migration);
        // Nor the answer to the loss of its source while its copy was started.
        let releasing = before.map(|flight| {
            let overlaps = flight.transport() == Transport::StartThenStop;
            flight.phase() == Phase::Releasing || overlaps
        });
        // A later life goes on with a migration as the snapshot shows it, and with its own target until one is asked.
        let shown = match self.round.snapshot.task(command.task).map(|task| task.placement) {
            Some(Placement::Moving { migration, from, to, phase, .. })
                if migration == command.migration
                    && (before.is_none() || phase == Phase::Assigned) =>
            {
                Some((phase == Phase::Releasing && from.is_some(), to))
            }
            _ => None,
        };
        let releasing = releasing.or(shown.map(|shown| shown.0)).unwrap_or(false);
        let first = answered.insert(command.task);
        let chosen = [shown.map(|shown| shown.1), before.map(Migration::to)];
        let same = matches!(command.action, Action::Assign { to, .. } | Action::Place { to, .. }
            if chosen.contains(&Some(to)));
        // Its target and its source may have failed since, in the same snapshot.
        let after = self.round.after.in_flight.by_id(command.migration);
        let asked =
            |flight: &Migration, before: &Migration| flight.attempts() > before.attempts() + 1;
        let is_asked_again = after.zip(before).is_some_and(|(after, before)| asked(after, before));
        !(releasing && first && same && !is_asked_again)
    }

    /// Where every task of the snapshot counted before the plan.
    pub(super) fn stays(&self) -> BTreeMap<TaskId, Stay> {
        let tasks = self.round.snapshot.tasks().iter();
        let landed = self.landed();
        tasks.map(|task| (task.id, self.stay(task, &landed))).collect()
    }

    fn stay(&self, task: &Task, landed: &[RecentArrival]) -> Stay {
        let snapshot = self.round.snapshot;
        if let Some(flight) = self.flights.get(&task.id) {
            let adrift =
                flight.phase() == Phase::Released || self.retargeted.contains(&flight.id());
            return if adrift { Stay::Nowhere } else { Stay::Between(flight.from(), flight.to()) };
        }
        // A report says what has happened since.
        let is_newer = |it: &&RecentArrival| it.task == task.id && it.running > snapshot.at();
        let arrived = landed.iter().rfind(is_newer).map(|it| (it.running, it.to));
        let home = self.round.before.ended.iter().filter(|ended| ended.task == task.id);
        let home = home.filter_map(|ended| {
            let shown = ended.shown_at_rest.filter(|shown| shown.at > snapshot.at())?;
            Some((shown.at, shown.on?))
        });
        // A later life takes what it was told to be past when its first snapshot comes.
        let told = home.chain(arrived).filter(|_| self.round.before.last.is_some());
        let told = told.max().map(|(_, worker)| worker);
        let told = told.filter(|worker| is_live(snapshot, *worker));
        match (task.placement, told) {
            (Placement::Moving { from, to, .. }, told) => Stay::Between(from, told.unwrap_or(to)),
            (Placement::On(_), Some(worker)) => Stay::On(worker),
            (Placement::On(worker), None) if is_live(snapshot, worker) => Stay::On(worker),
            (_, Some(worker)) if self.is_orphaned(task) => Stay::On(worker),
            _ => Stay::Nowhere,
        }
    }

    /// The listed sources of tasks that no worker has, which may have to go back there.
    pub(super) fn kept(&self) -> BTreeMap<TaskId, WorkerId> {
        let adrift = self.flights.values().filter(|flight| {
            flight.phase() == Phase::Released || self.retargeted.contains(&flight.id())
        });
        let kept = adrift.filter_map(|flight| Some((flight.task(), flight.from()?)));
        let snapshot = self.round.snapshot;
        let may_be_there =
            |task| snapshot.task(task).is_some() || snapshot.coverage() == Coverage::Partial;
        let kept = kept.filter(|(_, from)| snapshot.worker(*from).is_some());
        kept.filter(|(task, _)| may_be_there(*task)).collect()
    }

    /// Whether the snapshot shows a task without a worker.
    pub(super) fn is_orphaned(&self, task: &Task) -> bool {
        let Round { snapshot, before, .. } = *self.round;
        match task.placement {
            Placement::Orphaned => true,
            Placement::On(worker) => match snapshot.worker(worker) {
                Some(record) => record.stance == Stance::Offline,
                None => {
                    snapshot.coverage() == Coverage::Complete
                        && before.tracks.contains_key(&worker)
                        && !self.round.is_missing(worker)
                }
            },
            _ => false,
        }
    }

    /// The steps in units: a unit is one task, or tasks that stay together and share both ends.
    pub(super) fn units(&self) -> Vec<&[Step<'a>]> {
        let mut units = Vec::new();
        let mut rest = self.steps.as_slice();
        while let Some(first) = rest.first() {
            let bound = self.bound_to(first.task.id);
            let together = rest.iter().take_while(|step| {
                (step.from, step.to) == (first.from, first.to) && bound.contains(&step.task.id)
            });
            let (unit, others) = rest.split_at(together.count());
            units.push(unit);
            rest = others;
        }
        units
    }

    /// A task and all that groups bind to it, over any number of groups.
    pub(super) fn bound_to(&self, task: TaskId) -> BTreeSet<TaskId> {
        self.bound_among(task, |_| true)
    }

    /// A task and all that groups bind to it by way of tasks which pass the test.
    pub(super) fn bound_among(
        &self,
        task: TaskId,
        among: impl Fn(&TaskId) -> bool,
    ) -> BTreeSet<TaskId> {
        let groups = self.round.snapshot.groups().iter();
        let groups: Vec<_> = groups.filter(|group| group.rule == GroupRule::Affinity).collect();
        let mut bound = BTreeSet::from([task]);
        loop {
            let before = bound.len();
            for group in &groups {
                if group.members.iter().any(|member| bound.contains(member)) {
                    bound.extend(group.members.iter().copied().filter(&among));
                }
            }
            if bound.len() == before {
                return bound;
            }
        }
    }

    /// Tasks that a report of this snapshot names on another worker, each with the old id and the new one.
    pub(super) fn renamed(&self) -> Vec<(TaskId, TaskId)> {
        let Round { snapshot, before, .. } = *self.round;
        let flown = |id: MigrationId| before.in_flight.by_id(id);
        let turned_up = snapshot.reports().iter().filter_map(|report| match report.event {
            Event::Diverted { migration, worker, task } => Some((flown(migration)?, worker, task)),
            _ => None,
        });
        let elsewhere = turned_up.filter(|(flight, worker, _)| flight.from() != Some(*worker));
        elsewhere.map(|(flight, _, task)| (flight.task(), task)).collect()
    }

    /// Arrivals that measurements may not show yet: those remembered, and those of this round.
    pub(super) fn landed(&self) -> Vec<RecentArrival> {
        let Round { snapshot, before, after, .. } = *self.round;
        let mut all = before.arrivals.clone();
        // The first round of a life sets the clock back.
        for landed in all.iter_mut().filter(|_| before.last.is_none()) {
            landed.released = landed.released.min(snapshot.at());
            landed.running = landed.running.min(snapshot.at());
        }
        // After the round nothing that was told is of a moment to come.
        let past = |landed: &RecentArrival| {
            let (released, running) = (landed.released, landed.running);
            let (released, running) = (released.min(snapshot.at()), running.min(snapshot.at()));
            RecentArrival { released, running, ..landed.clone() }
        };
        let known: Vec<RecentArrival> = all.iter().map(past).collect();
        let fresh = after.arrivals.iter().filter(|landed| !known.contains(landed));
        let fresh: Vec<RecentArrival> = fresh.cloned().collect();
        all.extend(fresh);
        all
    }

    /// What the forecast adds to a worker's load, if the plan acts on the forecast.
    pub(super) fn shift(&self, worker: WorkerId) -> f64 {
        let outcome = self.round.outcome;
        let Balance::Uneven(found) = &outcome.balance else { return 0.0 };
        let (Sight::Predicted { .. }, Some(forecast)) = (found.sight, &outcome.forecast) else {
            return 0.0;
        };
        let foreseen = forecast.workers.binary_search_by_key(&worker, |row| row.worker);
        let foreseen = foreseen.ok().map(|at| &forecast.workers[at]);
        let now = self
            .round
            .snapshot
            .worker(worker)
            .and_then(|row| load(self.round.config.load, row, |resource| used(row, resource)));
        foreseen.zip(now).map_or(0.0, |(foreseen, now)| foreseen.load - now)
    }
}

/// Whether the round itself issued this id. One that the snapshot shows was issued by a state that was lost.
pub(super) fn is_new(round: &Round<'_>, task: TaskId, migration: MigrationId) -> bool {
    let issued = round.before.issued + 1..=round.after.issued;
    let placement = round.snapshot.task(task).map(|task| task.placement);
    let is_shown =
        matches!(placement, Some(Placement::Moving { migration: shown, .. }) if shown == migration);
    migration.epoch() == round.before.epoch && issued.contains(&migration.number()) && !is_shown
}
