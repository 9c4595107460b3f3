//! How does a step of the transition table change the state, and what is learned when a migration ends?
//!
//! Effects are carried out here only, and migrations end here only.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::{Config, CostWeights};
use crate::math::average::learn;
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::time::{Timestamp, readable, seconds};
use crate::outcome::{Action, Cause, Command, Cost, Counts, Ended, Fate, Why};
use crate::snapshot::Phase;
use crate::state::{
    AtRest, Cooldown, EndedMigration, EvictionBackoff, MEMORY_PER_WORKER, Migration, RecentArrival,
    STAYS, State, Transport,
};

use super::course::next;
use super::event::{Event, Facts};
use super::step::{Effect, Next, Step};

/// What happened to migrations, and the commands that follow.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    pub(crate) commands: Vec<Command>,
    pub(crate) ended: Vec<Ended>,
    /// Reports that changed nothing.
    pub(crate) ignored: u32,
}

/// The migrations under way, and what was learned about them so far in this input.
#[derive(Debug)]
pub(crate) struct Lifecycle<'a> {
    pub(super) config: &'a Config,
    pub(super) state: &'a mut State,
    pub(super) out: Settled,
    /// The moment of the snapshot that is settled; `None` between rounds.
    pub(super) now: Option<Timestamp>,
}

impl<'a> Lifecycle<'a> {
    pub(crate) fn new(config: &'a Config, state: &'a mut State) -> Self {
        Self { config, state, out: Settled::default(), now: None }
    }

    /// Applies an event to a migration, and says whether that changed its course.
    pub(super) fn apply(&mut self, id: MigrationId, event: Event, at: Timestamp) -> bool {
        let Some(migration) = self.state.in_flight.by_id(id) else { return false };
        #[cfg(feature = "mutants")]
        if super::name::is_broken(migration.course(), event, migration.to()) {
            return false;
        }
        let facts = Facts::of(self.state, migration, at).as_shown_by(event);
        // Between rounds no snapshot shows what the sources take back: the last round's word counts.
        let is_closed = self.now.is_none() && self.state.closed_homes.contains(&id);
        let facts = if is_closed { facts.with_closed_source() } else { facts };
        let Step { next, effects } = next(migration.course(), event, &facts);
        if next == Next::Stay && effects.is_empty() {
            return false;
        }
        let before = migration.clone();
        let told = self.out.commands.len();
        let all = &mut self.state.in_flight;
        match next {
            Next::Stay => {}
            Next::Enter(course) => {
                all.update(before.task(), |migration| migration.enter(course, at));
            }
            Next::Resume(course, to) => {
                all.update(before.task(), |migration| migration.resume(course, to, at));
            }
            Next::End { fate, well } => {
                let called_off = event == Event::CalledOff || before.course().is_called_off();
                self.end(&before, (fate, well), called_off, at);
            }
        }
        for effect in effects {
            self.carry_out(effect, &before, at);
        }
        if matches!(next, Next::End { .. }) {
            self.remember_orders(id, told);
            let is_home = before.is_returning() && event == Event::Running;
            if is_home && !broken!("home_by_its_own_word") {
                let home = Some(AtRest { at, on: Some(before.to()) });
                let settle = |ended: &mut EndedMigration| ended.shown_at_rest = home;
                self.state.ended.replace_where(|ended| ended.id == id, settle);
            }
        }
        next != Next::Stay
    }

    /// Carries out one effect of a step; `migration` is as it was before the step.
    fn carry_out(&mut self, effect: Effect, migration: &Migration, at: Timestamp) {
        let task = migration.task();
        match effect {
            Effect::Order => {
                let ordered = self.state.in_flight.get(&task).and_then(Migration::command);
                // A worker in doubt is sent nothing.
                let waits = ordered.is_some_and(|order| self.is_asked_in_doubt(&order));
                self.out.commands.extend(ordered.filter(|_| !waits));
            }
            Effect::Abort(worker, cause) => self.tell(migration, Action::Abort { worker }, cause),
            Effect::Stop(from, cause) => self.tell(migration, Action::Stop { from }, cause),
            Effect::Requeue(cause) => self.tell(migration, Action::Requeue, cause),
            Effect::NoteMove(worker) => self.note_move(worker, at),
            Effect::RecordFailure => self.record_success(migration, false),
            Effect::Arrive(worker, task) => self.arrive(migration, worker, task, at),
            Effect::Rename(is) => self.rename(task, is),
            Effect::BackOff(task) => self.back_off(task, at),
            Effect::ForgetBackOff(task) => _ = self.state.back_offs.remove(&task),
            Effect::TakeOrderBack => {
                self.state.in_flight.update(task, Migration::take_order_back);
            }
            Effect::CoolDown(worker) => self.cool_down(task, Some(worker), at),
        }
    }

    /// Whether the command asks a missing worker to run a task.
    fn is_asked_in_doubt(&self, command: &Command) -> bool {
        let asked = command.action.asks();
        asked.is_some_and(|worker| self.state.missing.contains_key(&worker))
            && !broken!("doubted_worker_is_ordered")
    }

    /// What has been told since of a migration that has just ended stays to be done.
    fn remember_orders(&mut self, id: MigrationId, since: usize) {
        let told = &self.out.commands[since..];
        let told = told.iter().filter(|command| command.migration == id);
        let orders: Vec<(Action, Cause)> =
            told.filter_map(|command| Some((command.action, command.cause()?))).collect();
        if !orders.is_empty() && !broken!("last_orders") {
            let now = self.order_moment();
            let remember = |ended: &mut EndedMigration| {
                ended.last_orders.clone_from(&orders);
                ended.given = ended.given.max(now);
            };
            self.state.ended.replace_where(|ended| ended.id == id, remember);
        }
    }

    /// The earliest moment at which the host is given an order of this input, however long ago happened what a report
    /// tells: that of the snapshot, or just after the last one.
    pub(super) fn order_moment(&self) -> Timestamp {
        let just_after = |last: Timestamp| last.after(Duration::from_millis(1));
        let moment = self.now.or(self.state.last.map(just_after));
        moment.filter(|_| !broken!("given_when_it_happened")).unwrap_or_default()
    }

    fn tell(&mut self, migration: &Migration, action: Action, cause: Cause) {
        self.out.commands.push(migration.note(action, Why::Follows(cause)));
    }

    /// Ends a migration, well or not. If the host's scheduler chooses the target, a task that is not on
    /// the proposed one may still have ended well.
    fn end(
        &mut self,
        migration: &Migration,
        (fate, well): (Fate, bool),
        called_off: bool,
        at: Timestamp,
    ) {
        self.state.in_flight.remove(migration.task());
        self.state.closed_homes.remove(&migration.id());
        self.state.ended.push(remembered(migration, fate, at));
        let completed = u64::from(well);
        let counts = Counts { completed, failed: 1 - completed, ..Counts::default() };
        self.state.counters.add(at, counts);
        let tells_concurrency = migration.interrupts() || broken!("queued_raises_nothing");
        if let Some(concurrency) = &mut self.state.concurrency
            && tells_concurrency
        {
            concurrency.completed |= well;
            concurrency.failed |= matches!(fate, Fate::Failed | Fate::Refused | Fate::TimedOut);
        }
        // A migration that an operator called off says nothing about the task's kind, nor does one whose task finished
        // before it moved.
        let is_charged = well || !called_off || broken!("operator_costs_nothing");
        if fate != Fate::Finished && is_charged {
            self.record_cost(migration, well, at);
        }
        if fate == Fate::Completed {
            self.record_success(migration, true);
        } else if !matches!(fate, Fate::Finished | Fate::Diverted) {
            // A move that has just failed is not tried again at once.
            self.cool_down(migration.task(), None, at);
        }
        self.out.ended.push(Ended {
            migration: migration.id(),
            task: migration.task(),
            from: migration.from(),
            to: migration.to(),
            fate,
            at,
            took: readable(at.since(migration.started()).unwrap_or_default()),
        });
    }

    /// Records what the move cost, in points of the cost scale: one per `seconds_per_point` during which no
    /// worker had the task, and the base cost for a failure.
    fn record_cost(&mut self, migration: &Migration, well: bool, at: Timestamp) {
        let (Some(section), Some(_)) = (&self.config.cost_benefit, migration.from()) else {
            return;
        };
        let released = migration.released();
        let still = released.and_then(|released| at.since(released)).unwrap_or_default();
        let CostWeights { seconds_per_point, base, .. } = section.cost;
        let failure = if well { 0.0 } else { base };
        let points = (seconds(still) / seconds_per_point + failure).min(Cost::MOST);
        let mut average = self.state.learned.cost.get(&migration.kind()).copied();
        learn(&mut average, points, section.learning_rate);
        if let Some(average) = average {
            self.state.learned.cost.insert(migration.kind(), average);
        }
    }

    /// Records whether the target succeeded with a task of this kind.
    fn record_success(&mut self, migration: &Migration, success: bool) {
        let Some(section) = &self.config.cost_benefit else { return };
        if migration.is_returning() || !self.state.tracks.contains_key(&migration.to()) {
            return;
        }
        let kinds = self.state.learned.success.entry(migration.to()).or_default();
        let mut average = kinds.get(&migration.kind()).copied();
        learn(&mut average, f64::from(u8::from(success)), section.learning_rate);
        if let Some(average) = average {
            kinds.insert(migration.kind(), average);
        }
    }

    /// Records a task's arrival: its effect, which telemetry does not show yet, and its cooldown.
    fn arrive(&mut self, migration: &Migration, to: WorkerId, task: TaskId, at: Timestamp) {
        let from = migration.from();
        let released = migration.released().unwrap_or(at);
        let running = migration.copied().unwrap_or(at);
        if let Some(from) = from {
            self.note_move(from, released);
        }
        if !broken!("step_of_the_target_is_no_trend") {
            self.note_move(to, running);
        }
        if from.is_some() {
            self.cool_down(task, from, at);
            self.note_moved(task, at);
        }
        if self.state.arrivals.len() < self.room() {
            let (load, freed) = (migration.load().clone(), migration.freed_at_source().cloned());
            let freed_at_source = freed;
            let arrival =
                RecentArrival { task, from, to, released, running, load, freed_at_source };
            self.state.arrivals.push(arrival);
        }
    }

    /// Notes that a task has moved: for a while it stays where it is unless the loads part.
    fn note_moved(&mut self, task: TaskId, at: Timestamp) {
        let Some(stability) = &self.config.stability else { return };
        let until = at.after(stability.cooldown.saturating_mul(STAYS));
        if self.state.moved.len() < self.room() || self.state.moved.contains_key(&task) {
            self.state.moved.insert(task, until);
        }
    }

    /// Notes that our own move changes the worker's load at this moment.
    fn note_move(&mut self, worker: WorkerId, at: Timestamp) {
        let track = self.state.tracks.get_mut(&worker);
        if let (Some(stability), Some(track)) = (&self.config.stability, track) {
            track.note_own_move(at, stability.telemetry_lag);
        }
    }

    fn cool_down(&mut self, task: TaskId, left: Option<WorkerId>, at: Timestamp) {
        let Some(stability) = &self.config.stability else { return };
        let has_room = self.state.cooldowns.len() < self.room();
        if !has_room && !self.state.cooldowns.contains_key(&task) {
            return;
        }
        let until = at.after(stability.cooldown);
        let new = Cooldown { left: Vec::new(), until };
        let cooldown = self.state.cooldowns.entry(task).or_insert(new);
        cooldown.until = cooldown.until.max(until);
        cooldown.left.retain(|(worker, over)| *over > at && Some(*worker) != left);
        cooldown.left.extend(left.map(|worker| (worker, until)));
    }

    /// The task came back: it is left alone for a while, longer each time.
    fn back_off(&mut self, task: TaskId, at: Timestamp) {
        let limits = self.config.migration.as_ref();
        let eviction = limits.and_then(|limits| limits.host.eviction()).unwrap_or_default();
        let known = self.state.back_offs.get(&task);
        if known.is_none() && self.state.back_offs.len() >= self.room() {
            return;
        }
        let before = known.filter(|known| known.forget > at);
        let times = before.map_or(1, |known| known.times.saturating_add(1));
        let period = eviction.back_off(times);
        let until = at.after(period);
        let back_off = EvictionBackoff { times, until, forget: until.after(period) };
        self.state.back_offs.insert(task, back_off);
    }

    /// Moves everything remembered of a task to its new id. If something is remembered under the new id
    /// already, the report of the id came late, and the newer memory stays.
    fn rename(&mut self, was: TaskId, is: TaskId) {
        if was == is {
            return;
        }
        if let Some(cooldown) = self.state.cooldowns.remove(&was) {
            let known = self.state.cooldowns.entry(is).or_insert_with(|| cooldown.clone());
            let left: BTreeSet<WorkerId> = known.left.iter().map(|(worker, _)| *worker).collect();
            let others = cooldown.left.into_iter().filter(|(worker, _)| !left.contains(worker));
            known.left.extend(others);
        }
        if let Some(until) = self.state.moved.remove(&was) {
            self.state.moved.entry(is).or_insert(until);
        }
        if let Some(back_off) = self.state.back_offs.remove(&was) {
            self.state.back_offs.entry(is).or_insert(back_off);
        }
    }

    /// Records a task that was found after its migration was given up: it was interrupted all the same.
    pub(super) fn found_late(
        &mut self,
        ended: &EndedMigration,
        (worker, task): (WorkerId, TaskId),
        at: Timestamp,
    ) {
        let left = ended.placement_unknown_since_leaving;
        let known = |other: &mut EndedMigration| other.placement_unknown_since_leaving = None;
        if !broken!("heard_of_late_once") {
            self.state.ended.replace_where(|other| other.id == ended.id, known);
        }
        if left == Some(worker) && !broken!("heard_of_late_where_it_was") {
            self.rename(ended.task, task);
            self.back_off(task, at);
        } else {
            self.state.back_offs.remove(&ended.task);
            self.rename(ended.task, task);
            self.cool_down(task, left, at);
            self.note_moved(task, at);
        }
    }

    /// At most this many of each thing are remembered.
    fn room(&self) -> usize {
        MEMORY_PER_WORKER * self.state.tracks.len().max(1)
    }
}

/// The part of a migration that is remembered for late reports.
fn remembered(migration: &Migration, fate: Fate, at: Timestamp) -> EndedMigration {
    let arrived = matches!(fate, Fate::Completed | Fate::Diverted);
    // A task that its source evicts late is in the scheduler's hands.
    let by_scheduler = migration.transport().is_by_scheduler();
    // A snapshot that shows it without a worker tells of its copy too.
    let is_lost = migration.is_shown_lost(at);
    let is_copied = migration.transport() == Transport::StartThenStop;
    // A source that stops a task whose copy runs does what it was told.
    let is_known = migration.copied().is_some() && !migration.is_copy_assumed();
    let has_finished = fate == Fate::Finished && is_known && !broken!("stopped_after_it_finished");
    let still_holds =
        migration.phase() == Phase::Releasing && !(arrived || by_scheduler || has_finished);
    let stays = still_holds && fate != Fate::Finished;
    EndedMigration {
        id: migration.id(),
        task: migration.task(),
        at,
        is_settled: arrived || (fate == Fate::Finished && broken!("missing_once_is_finished")),
        last_orders: Vec::new(),
        given: at,
        last_requeue: None,
        shown_at_rest: migration.shown_at_rest(),
        source_still_holds: still_holds,
        placement_unknown_since_leaving: migration.from().filter(|_| by_scheduler && !arrived),
        copy_on: Some(migration.to()).filter(|_| is_copied && !arrived && !is_lost),
        requested_at: stays.then_some(migration.started()),
    }
}
