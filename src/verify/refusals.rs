//! Is every refusal true, with its figures?
//!
//! | refusals | what is judged |
//! |---|---|
//! | of the task | the reason; every figure. Whether a cooldown or a back-off began rightly takes more than one round |
//! | of the target | the reason; every figure, but of a departure only that it comes before the moment that is stated |
//! | of the fit | the reason; every figure |
//! | of groups | the reason; every figure. Of a companion only that the group binds it to the task |
//! | of the loads | the levels; for measured loads also the bounds |
//! | of budgets | the limits, and what exceeds them. What was spent over time takes more than one round |
//! | of the worth | every figure of the score; of a price only that it exceeds the gain |
//!
//! A refusal was true when it was given: before the plan or after some of its moves. Figures that moves of the same
//! round change are not judged of tasks that move with others, since moves that were given up again changed them too.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;

use super::account::{Account, is_clear};
use super::best_first::is_out_of_turn;
use super::concurrency::budget;
use super::evidence::pace;
use super::facts::{Case, Facts, Stay};
use super::footprint::run;
use super::promise::{Findings, Promise, Violation};
use super::records::{is_sound_source, is_sound_task, is_sound_worker, load, used};
use super::round::Round;
use super::score::{is_near, members};
use super::{calendar, groups, overload, unfit};
use crate::config::{Budget, Mode, Unit};
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{
    Action, BudgetRefusal, FitRefusal, GroupRefusal, LoadRefusal, Purpose, Refused, Rejection,
    TargetRefusal, TaskRefusal, WorthRefusal,
};
use crate::snapshot::{FreezeScope, GroupRule, Mobility, Placement, Stance, Task, Worker};
use crate::state::{EndedMigration, MEMORY_PER_WORKER, PLACEMENTS_PER_WORKER, State};

/// Judges the examples of every refusal, and the refusals of pairs that were scored.
pub(super) fn truth(round: &Round<'_>) -> Vec<Violation> {
    let mut findings = Findings::new(Promise::Evidence);
    let scored = round.outcome.candidates.iter();
    for pair in scored.filter(|pair| matches!(pair.refused, Some(Rejection::Worth(_)))) {
        let worth = pair.benefit - pair.cost - pace(round).least_net;
        let is_so = match pair.refused {
            Some(Rejection::Worth(WorthRefusal::NotWorthIt { .. })) => worth <= 1e-9,
            _ => true,
        };
        findings.need(is_so, || format!("{pair}: it is worth {worth} more than it must be"));
    }
    // An engine that advises is judged by what it would have done.
    if round.config.mode == Mode::Advise {
        return findings.list;
    }
    let facts = Facts::new(round);
    let mut court = Court::open(&facts);
    let examples = round.outcome.tally.refusals.iter().flat_map(|row| &row.examples);
    let mut doubted: Vec<&Refused> = examples.collect();
    doubted.retain(|refused| !court.upholds(refused));
    for step in &facts.steps {
        let homes = doubted.iter().map(|refused| court.home_of(refused.task));
        let homes: Vec<Option<&Worker>> = homes.collect();
        court.account.enter(step);
        let mut homes = homes.into_iter();
        doubted.retain(|refused| {
            let home = homes.next().flatten();
            let upheld = court.upholds(refused);
            let alone = [step.task.id, refused.task].iter().all(|task| court.is_alone(*task));
            let skipped = upheld && alone && is_out_of_turn(&facts, step, (refused, home));
            findings.need(!skipped, || format!("before {refused}: {}", step.command));
            !upheld
        });
    }
    for refused in doubted {
        findings.add(format!("it is not so: {refused} ({:?})", refused.rejection));
    }
    findings.list
}

/// Judges refusals on the present account.
pub(super) struct Court<'a> {
    pub(super) account: Account<'a>,
    /// The members of groups that stay together, and those of gangs.
    together: BTreeSet<TaskId>,
    /// Whether the states show all effects of the round.
    pub(super) is_clear: bool,
}

impl<'a> Court<'a> {
    pub(super) fn open(facts: &'a Facts<'a>) -> Self {
        let mut together = members(facts.round, GroupRule::Affinity);
        together.extend(members(facts.round, GroupRule::Gang));
        Self { account: Account::open(facts), together, is_clear: is_clear(facts.round) }
    }

    /// The worker that a task is on; `None` if it is on its way or on none.
    pub(super) fn home_of(&self, task: TaskId) -> Option<&'a Worker> {
        match self.account.stays.get(&task) {
            Some(Stay::On(worker)) => self.account.facts.round.snapshot.worker(*worker),
            _ => None,
        }
    }

    /// Whether a task moves with no other.
    pub(super) fn is_alone(&self, task: TaskId) -> bool {
        !self.together.contains(&task)
    }

    /// Whether a refusal is true, as far as it is judged.
    pub(super) fn upholds(&self, refused: &Refused) -> bool {
        let round = self.account.facts.round;
        let Some(task) = round.snapshot.task(refused.task) else { return false };
        let from = self.home_of(task.id);
        let to = refused.to.and_then(|to| round.snapshot.worker(to));
        if to.is_none() && refused.to.is_some() {
            return false;
        }
        let case = Case { task, from, to };
        let alone = self.is_alone(task.id);
        match refused.rejection {
            Rejection::Task(no) => self.task(case, no),
            Rejection::Target(no) => self.target(case, no),
            Rejection::Fit(no) => {
                let changes = matches!(
                    no,
                    FitRefusal::NoHeadroom { .. } | FitRefusal::TooLittleDeviceMemory { .. }
                );
                (changes && !alone) || self.fit(case, no)
            }
            Rejection::Group(no) => {
                let changes = matches!(
                    no,
                    GroupRefusal::Affinity { .. }
                        | GroupRefusal::AntiAffinity { .. }
                        | GroupRefusal::Spread { .. }
                        | GroupRefusal::Disruption { .. }
                );
                (changes && !alone) || groups::refuses(&self.account, case, no)
            }
            Rejection::Load(no) => !alone || !self.is_clear || self.load(case, no),
            Rejection::Budget(no) => !alone || self.budget(case, no),
            Rejection::Worth(no) => self.worth(case, no),
        }
    }

    fn task(&self, Case { task, from, .. }: Case<'_>, no: TaskRefusal) -> bool {
        let Round { snapshot, config, before, after, .. } = *self.account.facts.round;
        let at = snapshot.at();
        let flown = self.account.facts.flights.get(&task.id).map(|flight| flight.id());
        let states = [before, after];
        let on = match task.placement {
            Placement::On(worker) => Some(worker),
            _ => None,
        };
        match no {
            TaskRefusal::Pinned => task.mobility == Mobility::Pinned,
            TaskRefusal::OutOfScope { label } => config.scope.as_ref().is_some_and(|scope| {
                scope.labels.first() == Some(&label)
                    && !scope.labels.iter().any(|label| task.labels.contains(label))
            }),
            TaskRefusal::OutOfShare { share, place } => {
                let fraction = super::mode::fraction(task.id);
                let stated = config.scope.as_ref().map(|scope| scope.share.get());
                stated.is_some_and(|it| is_near(it, share))
                    && is_near(place, fraction)
                    && place >= share
            }
            TaskRefusal::Frozen { until } => self.frozen(task, from, until),
            TaskRefusal::NotBefore { until } => task.not_before == Some(until) && until > at,
            TaskRefusal::InFlight { migration } => self.is_in_flight(task, migration),
            TaskRefusal::CoolingDown { until } => {
                let mut known = states.iter().filter_map(|state| state.cooldowns.get(&task.id));
                until > at && known.any(|cooldown| cooldown.until == until)
            }
            TaskRefusal::MovedBefore { spread, parted_above } => {
                let margin = config.stability.map_or(0.0, |section| section.dead_band) - 1e-9;
                let known = before.least_spread.is_some_and(|least| parted_above >= least + margin);
                let has_moved = states.iter().any(|state| state.moved.contains_key(&task.id));
                has_moved && known && spread <= parted_above
            }
            TaskRefusal::CameBack { times, until } => {
                let mut known = states.iter().filter_map(|state| state.back_offs.get(&task.id));
                until > at && known.any(|it| it.until == until && it.times == times)
            }
            TaskRefusal::LongRunning { running, most } => {
                let stated = config.cost_benefit.and_then(|section| section.max_running);
                stated == Some(most) && task.running == running && running > most
            }
            TaskRefusal::NearlyDone { remaining, least } => {
                least == config.check_interval
                    && task.expected_remaining() == Some(remaining)
                    && remaining < least
            }
            TaskRefusal::BadRecord => !is_sound_task(snapshot, task.id),
            TaskRefusal::Unplaced => {
                flown.is_none() && self.account.stays.get(&task.id) == Some(&Stay::Nowhere)
            }
            TaskRefusal::UnknownPlace { worker } => {
                let listed = snapshot.worker(worker).is_some();
                let told = || is_told_there(states, at, (task.id, worker));
                !listed && (on.is_none_or(|it| it == worker) || told())
            }
            TaskRefusal::DoubtfulSource { worker } => {
                let here = from.is_some_and(|from| from.id == worker);
                here && !is_sound_source(snapshot, worker, Purpose::Evacuate)
            }
        }
    }

    /// Whether this migration moves the task; or was to move it, and another worker than its own has been told to
    /// forget or to stop it.
    fn is_in_flight(&self, task: &Task, migration: MigrationId) -> bool {
        let Round { before, after, .. } = *self.account.facts.round;
        let flown = self.account.facts.flights.get(&task.id).map(|flight| flight.id());
        let (shown, here) = match task.placement {
            Placement::Moving { migration, .. } => (Some(migration), None),
            Placement::On(worker) => (None, Some(worker)),
            _ => (None, None),
        };
        let is_called_off = |ended: &EndedMigration| {
            let mut orders = ended.last_orders.iter();
            let told = orders.any(|(action, _)| match *action {
                Action::Abort { worker } | Action::Stop { from: worker } => Some(worker) != here,
                _ => false,
            });
            ended.id == migration && told
        };
        let called_off = || [before, after].iter().any(|it| it.ended.iter().any(is_called_off));
        flown == Some(migration) || shown == Some(migration) || called_off()
    }

    /// Whether freezes of the task or its worker end at this moment: all of them, or the strict ones.
    fn frozen(&self, task: &Task, from: Option<&Worker>, until: Timestamp) -> bool {
        let snapshot = self.account.facts.round.snapshot;
        let covers = |scope: FreezeScope| match scope {
            FreezeScope::All => true,
            FreezeScope::Kind(kind) => kind == task.kind,
            FreezeScope::Worker(worker) => from.is_some_and(|from| from.id == worker),
            FreezeScope::Zone(zone) => from.is_some_and(|from| from.zone == Some(zone)),
            FreezeScope::Group(id) => {
                let mut groups = snapshot.groups().iter().filter(|group| group.id == id);
                groups.any(|group| group.members.contains(&task.id))
            }
        };
        self.ends_at(task, covers, until)
    }

    /// Whether the last of the freezes that cover a move of a task ends at this moment: of the strict ones, if the task
    /// has no worker or must leave it.
    fn ends_at(&self, task: &Task, covers: impl Fn(FreezeScope) -> bool, until: Timestamp) -> bool {
        let round = self.account.facts.round;
        let at = round.snapshot.at();
        let freezes = round.snapshot.freezes().iter().filter(|freeze| freeze.until > at);
        let about: Vec<_> = freezes.filter(|freeze| covers(freeze.scope)).collect();
        let all = about.iter().map(|freeze| freeze.until).max();
        let strict = about.iter().filter(|freeze| freeze.strict).map(|freeze| freeze.until).max();
        let empties =
            |home: &Worker| home.stance == Stance::Drain || calendar::is_leaving(round, home);
        let forced = self.home_of(task.id).is_none_or(empties);
        let is_known = self.is_alone(task.id);
        (strict == Some(until) && (forced || !is_known))
            || (all == Some(until) && (!forced || !is_known))
    }

    fn target(&self, Case { task, from, to }: Case<'_>, no: TargetRefusal) -> bool {
        let round = self.account.facts.round;
        let Round { snapshot, before, after, .. } = *round;
        let Some(to) = to else { return false };
        match no {
            TargetRefusal::AlreadyThere => from.is_some_and(|from| from.id == to.id),
            TargetRefusal::NotAccepting { stance } => {
                stance != Stance::Accept && stance == to.stance
            }
            TargetRefusal::UnknownLoad => {
                let known = load(round.config.load, to, |resource| used(to, resource)).is_some();
                let sound = is_sound_worker(snapshot, to.id);
                let mut bad = snapshot.tasks().iter().filter(|it| !is_sound_task(snapshot, it.id));
                !known || !sound || bad.any(|_| true)
            }
            TargetRefusal::TargetFrozen { until } => {
                let zone = to.zone.map(FreezeScope::Zone);
                self.ends_at(task, |it| it == FreezeScope::Worker(to.id) || Some(it) == zone, until)
            }
            TargetRefusal::LeavesBefore { leaves, needed } => {
                let soon = calendar::soon(round);
                calendar::departure(round, to) == Some(leaves) && leaves < needed && needed >= soon
            }
            TargetRefusal::LeftRecently { until } => {
                let states = [before, after].into_iter();
                let known = states.filter_map(|state| state.cooldowns.get(&task.id));
                let mut left = known.flat_map(|cooldown| &cooldown.left);
                until > snapshot.at() && left.any(|it| *it == (to.id, until))
            }
            TargetRefusal::MayOverload { resource, after, most } => {
                let mut states = [before, round.after].into_iter();
                let has_moved = states.any(|state| state.moved.contains_key(&task.id));
                let told = overload::may_overload(
                    &self.account,
                    Case { task, from, to: Some(to) },
                    resource,
                );
                has_moved
                    && after > most
                    && told.is_some_and(|[least, all]| least <= after && after <= all)
            }
            TargetRefusal::OutsideClass { class } => {
                let mut known = snapshot.classes().iter().filter(|it| it.id == class);
                task.class == Some(class) && !known.any(|it| it.workers.contains_key(&to.id))
            }
        }
    }

    /// Whether the worker lacks it for the task, or for one of its alternatives.
    fn fit(&self, Case { task, to, .. }: Case<'_>, no: FitRefusal) -> bool {
        let snapshot = self.account.facts.round.snapshot;
        let Some(to) = to else { return false };
        let ways = (0..task.alternatives.len()).map(Some);
        let none = task.alternatives.is_empty().then_some(None);
        let mut ways = ways.chain(none).map(|way| run(snapshot, task, way));
        ways.any(|way| unfit::lacks(&self.account, &way, to, no))
    }

    fn load(&self, case: Case<'_>, no: LoadRefusal) -> bool {
        let ways = (0..case.task.alternatives.len()).map(Some);
        let none = case.task.alternatives.is_empty().then_some(None);
        ways.chain(none).any(|way| overload::overloads(&self.account, case, way, no))
    }

    fn budget(&self, Case { task, from, to }: Case<'_>, no: BudgetRefusal) -> bool {
        let account = &self.account;
        let round = account.facts.round;
        let Some(limits) = &round.config.migration else { return false };
        match no {
            BudgetRefusal::TargetBusy { limit, over } => {
                let Some(to) = to.map(|to| to.id) else { return false };
                let coming = account.incoming.get(&to).map_or(1, |count| count + 1);
                let placed = account.placed.get(&to).map_or(1, |count| count + 1);
                let all = limit as usize + over as usize;
                let each = limits.per_target.is_some_and(|most| most.get() == limit);
                let few = limit as usize == PLACEMENTS_PER_WORKER;
                let beyond = (each && all == coming) || (few && all == placed);
                over > 0 && beyond
            }
            BudgetRefusal::SourceBusy { limit, over } => {
                let out = from.and_then(|from| account.outgoing.get(&from.id)).unwrap_or(&0);
                let each = limits.per_source.is_some_and(|most| most.get() == limit);
                each && over > 0 && limit as usize + over as usize == out + 1
            }
            BudgetRefusal::BudgetSpent { limit, over } => {
                let allowed = limit as usize <= budget(round);
                allowed && over > 0 && limit as usize + over as usize == account.moving + 1
            }
            BudgetRefusal::BudgetLine { scope, unit, limit, per, spent, over } => {
                let is_line = |it: &Budget| {
                    (it.scope, it.unit, it.limit, it.per) == (scope, unit, limit, per)
                };
                let one_more = unit != Unit::Moves || spent + 1 == limit + over;
                over > 0 && one_more && limits.budgets.iter().any(is_line)
            }
            BudgetRefusal::BudgetInDoubt { scope, unit, until } => {
                let is_line = |it: &Budget| it.scope == scope && it.unit == unit;
                let mut windows = limits.budgets.iter().filter(|it| it.per.is_some());
                until > round.snapshot.at() && windows.any(is_line)
            }
            BudgetRefusal::MemoryFull { limit, over } => {
                let workers = round.snapshot.workers().len().max(1);
                let each = MEMORY_PER_WORKER * workers;
                over > 0 && (limit as usize).is_multiple_of(each) && limit > 0
            }
            BudgetRefusal::Unfair { tenant, had, all, tasks, of, over } => {
                let runs = |task: &&Task| {
                    matches!(task.placement, Placement::On(_) | Placement::Moving { .. })
                };
                let run: Vec<_> = round.snapshot.tasks().iter().filter(runs).collect();
                let own = run.iter().filter(|task| task.tenant == Some(tenant)).count();
                let any = run.iter().filter(|task| task.tenant.is_some()).count();
                let slack = limits.fairness.map_or(0, |section| u64::from(section.slack.get()));
                let [had, all] = [had, all].map(u64::from);
                // The tenant may have this many fewer than the interruption would make.
                let share = (had + 1) * any as u64;
                let due = own as u64 * all + (slack + u64::from(over)) * any as u64;
                let before = due.saturating_sub(any as u64);
                let counted = tasks as usize == own && of as usize == any;
                task.tenant == Some(tenant)
                    && over > 0
                    && counted
                    && (before < share && share <= due)
            }
            BudgetRefusal::UnknownSize => task.state_bytes.is_none(),
        }
    }

    fn worth(&self, Case { task, to, .. }: Case<'_>, no: WorthRefusal) -> bool {
        let round = self.account.facts.round;
        match no {
            WorthRefusal::NotWorthIt { cost, benefit, least, .. } => {
                let mut scored = round.outcome.candidates.iter();
                let pair =
                    scored.find(|it| it.task == task.id && Some(it.to) == to.map(|to| to.id));
                let told =
                    pair.is_some_and(|it| is_near(it.cost, cost) && is_near(it.benefit, benefit));
                told && is_near(least, pace(round).least_net) && benefit - cost <= least
            }
            WorthRefusal::NotRepaid { gain, left, price, .. } => {
                price.as_secs_f64() >= gain * left.as_secs_f64() - 1e-6
            }
            // Which figure is unknown is judged of moves only.
            WorthRefusal::UnknownTransfer => round.config.transfer.is_some(),
        }
    }
}

/// Whether a report says that the task is there, later than the snapshot.
fn is_told_there(states: [&State; 2], at: Timestamp, (task, worker): (TaskId, WorkerId)) -> bool {
    let arrivals = states.into_iter().flat_map(|state| &state.arrivals);
    let arrivals = arrivals.map(|it| (it.task, it.running, Some(it.to)));
    let ended = states.into_iter().flat_map(|state| state.ended.iter());
    let home = ended.filter_map(|it| it.shown_at_rest.map(|shown| (it.task, shown.at, shown.on)));
    let mut told = arrivals.chain(home).filter(|(_, since, _)| *since >= at);
    told.any(|(it, _, on)| (it, on) == (task, Some(worker)))
}
