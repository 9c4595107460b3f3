//! Where is a migration in its life, and what should the host be doing for it now?
//!
//! A migration has terms (which task, from where to where, why) and a [`Course`]. It changes only by the methods
//! below.

mod command;

use serde::{Deserialize, Serialize};

use super::course::{Course, Inherited, Transport};
use super::{AtRest, Charge, Target, Terms};
use crate::model::ids::{KindId, MigrationId, TaskId, WorkerId};
use crate::model::resource::Amounts;
use crate::model::time::Timestamp;
use crate::outcome::{Fate, Reason};
use crate::snapshot::Phase;

/// A migration under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Migration {
    terms: Terms,
    course: Course,
    /// When it entered its course.
    since: Timestamp,
    started: Timestamp,
    /// `None` if the present life began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inherited: Option<Inherited>,
    /// The last snapshot that showed the task at rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shown_at_rest: Option<AtRest>,
    /// The last snapshot that showed the task without a worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shown_lost: Option<Timestamp>,
    /// The moment that the last report stated which changed the course, by the clock of whoever reported it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heard: Option<Timestamp>,
    /// The last snapshot before its target was asked by the answer to a report: the next one may be older than that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked_after: Option<Timestamp>,
    /// Whether its target was asked to start a copy before it was asked to run the task.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    asked_after_its_copy: bool,
    /// Since when a snapshot shows that its target carries that order out; `None` if none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) order_shown: Option<Timestamp>,
    /// How many releases and assignments were asked for.
    attempts: u32,
    /// How often its source was told to stop, beyond the first time.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub(crate) stops_repeated: u32,
    /// Which budgets the migration counts to, recorded when it began; `None` if no budget was in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    charge: Option<Charge>,
}

// ------------------------------------------------------------------------- what can happen to it
impl Migration {
    /// A migration that begins, or is found to be under way, in `course` at `since`.
    pub(crate) fn begin(terms: Terms, course: Course, since: Timestamp) -> Self {
        Self {
            terms,
            course,
            since,
            started: since,
            inherited: None,
            shown_at_rest: None,
            shown_lost: None,
            heard: None,
            asked_after: None,
            asked_after_its_copy: false,
            order_shown: None,
            attempts: 1,
            stops_repeated: 0,
            charge: None,
        }
    }

    /// A migration that a snapshot of the moment `now` shows to be under way: how many attempts it had is unknown.
    pub(crate) fn take_over(
        terms: Terms,
        course: Course,
        since: Timestamp,
        now: Timestamp,
    ) -> Self {
        let new = Self::begin(terms, course, since);
        let assigned = course.phase() == Phase::Assigned && !broken!("taken_over_attempts");
        let attempts = if assigned { new.first_assignment() } else { 1 };
        Self { attempts, inherited: Some(Inherited::Seen(now)), ..new }
    }

    /// A later life goes on with the state.
    pub(crate) fn inherit(&mut self) {
        self.inherited = Some(Inherited::Unseen);
    }

    /// A snapshot of this life tells of its task for the first time.
    pub(crate) fn first_seen(&mut self, at: Timestamp) {
        self.inherited = Some(Inherited::Seen(at));
    }

    /// Begins the next course.
    pub(crate) fn enter(&mut self, course: Course, at: Timestamp) {
        self.count_attempts(self.asked_by(course));
        let copied = self.transport() == Transport::StartThenStop;
        if copied && course.from().is_none() {
            self.terms.reason = Reason::Recover;
            // Its target is asked once more: the order begins nothing.
            self.count_attempts(u32::from(!broken!("overlap_begins_once")));
        }
        let is_stopping = |course| matches!(course, Course::Stopping { .. });
        let again = is_stopping(self.course) && is_stopping(course);
        self.stops_repeated = if again { self.stops_repeated.saturating_add(1) } else { 0 };
        self.asked_after_its_copy = copied
            && matches!((self.course, course), (Course::Copying { .. }, Course::Assigned { .. }));
        self.order_shown = None;
        (self.course, self.since) = (course, at);
        if let Course::Returning { from, .. } = course {
            // It is another worker that was asked before.
            if from != self.terms.to && !broken!("asked_at_home_since_it_was_asked_elsewhere") {
                self.asked_after = None;
            }
            self.terms.go_home(from);
        }
    }

    /// Counts releases and assignments that are asked for.
    fn count_attempts(&mut self, more: u32) {
        self.attempts = self.attempts.saturating_add(more);
    }

    /// The order that asks for its course does not leave the engine.
    pub(crate) fn take_order_back(&mut self) {
        if !broken!("unsent_order_is_an_attempt") {
            self.attempts = self.attempts.saturating_sub(1).max(1);
        }
    }

    /// How many releases and assignments are asked for when `next` begins. If a source releases the task while its
    /// target starts a copy, the target goes on with the task: that counts as the release.
    fn asked_by(&self, next: Course) -> u32 {
        let copied = self.transport() == Transport::StartThenStop;
        let released = copied && next.released().is_some();
        let is_copied = matches!(self.course, Course::Copying { .. } | Course::Stopping { .. });
        let continues = is_copied && released;
        let asks = matches!(next, Course::Assigned { .. } | Course::Returning { .. });
        let is_attempt = released && !broken!("let_go_is_an_attempt");
        u32::from(is_attempt) + u32::from(asks && !continues)
    }

    /// After a restart, goes on with the migration where the host shows it: assigned to `to`.
    pub(crate) fn resume(&mut self, course: Course, to: WorkerId, since: Timestamp) {
        if to != self.terms.to {
            (self.terms.to, self.terms.device) = (to, None);
            (self.asked_after, self.asked_after_its_copy, self.order_shown) = (None, false, None);
            self.count_attempts(1);
        }
        self.attempts = self.attempts.max(self.first_assignment());
        if since > self.since && !broken!("resumed_order_is_not_shown") {
            self.order_shown = Some(since);
        }
        (self.course, self.since) = (course, since);
    }

    /// After [`Self::resume`] with another worker: what the task does there, and what that costs, is as in `there`.
    pub(crate) fn go_on_by(&mut self, there: Terms) {
        self.terms.go_on_by(there);
    }

    /// Nothing of it happened after `now`: the clock was set back.
    pub(crate) fn set_clock_back(&mut self, now: Timestamp) {
        (self.since, self.started) = (self.since.min(now), self.started.min(now));
        self.heard = self.heard.map(|heard| heard.min(now));
        self.asked_after = None;
        self.shown_at_rest = self.shown_at_rest.map(|shown| shown.not_after(now));
        self.shown_lost = self.shown_lost.map(|lost| lost.min(now));
        self.order_shown = self.order_shown.map(|shown| shown.min(now));
        self.course = self.course.released_by(now);
    }

    /// Asks another target to run the task that no worker has.
    pub(crate) fn retarget(&mut self, target: Target, at: Timestamp) {
        let to = target.to;
        self.terms.go_to(target, self.course.from().is_some());
        (self.asked_after, self.asked_after_its_copy) = (None, false);
        if !broken!("shown_order_of_another_target") {
            self.order_shown = None;
        }
        self.count_attempts(1);
        self.course = match (self.from(), self.released()) {
            // Its source is the best of all targets: the task returns, as if its source had taken it back.
            (Some(from), released) if from == to && !broken!("home_as_a_target") => {
                Course::Returning { from, released, fate: Fate::Failed, called_off: false }
            }
            (Some(from), released) => Course::Assigned { from, released },
            (None, _) => Course::Placing,
        };
        self.since = at;
    }

    /// What was decided, for the check of a saved state.
    pub(super) fn terms_mut(&mut self) -> &mut Terms {
        &mut self.terms
    }

    /// A snapshot shows the task at rest.
    pub(crate) fn set_shown_at_rest(&mut self, shown: AtRest) {
        self.shown_at_rest = Some(shown);
    }

    /// A snapshot of this moment shows the task without a worker.
    pub(crate) fn set_shown_lost(&mut self, at: Timestamp) {
        self.shown_lost = Some(at);
    }

    /// A report of this moment has changed the course.
    pub(crate) fn set_heard(&mut self, at: Timestamp) {
        self.heard = Some(at);
    }

    /// Its target was asked between two snapshots, the first of this moment.
    pub(crate) fn set_asked_after(&mut self, last: Option<Timestamp>) {
        self.asked_after = last;
    }

    /// Records which budgets the migration counts to.
    pub(crate) fn set_charge(&mut self, charge: Option<Charge>) {
        self.charge = charge;
    }
}

// --------------------------------------------------------------------------------- what it is like
impl Migration {
    pub(crate) const fn id(&self) -> MigrationId {
        self.terms.id
    }

    pub(crate) const fn task(&self) -> TaskId {
        self.terms.task
    }

    pub(crate) const fn kind(&self) -> KindId {
        self.terms.kind
    }

    pub(crate) const fn reason(&self) -> Reason {
        self.terms.reason
    }

    /// Where the task came from; `None` if it had lost its worker.
    pub(crate) const fn from(&self) -> Option<WorkerId> {
        self.course.from()
    }

    /// Where the task goes now: the target, or the source again if it is returning.
    pub(crate) const fn to(&self) -> WorkerId {
        self.terms.to
    }

    pub(crate) const fn device(&self) -> Option<u16> {
        self.terms.device
    }

    /// The alternative by which the task will run on the target; `None` if it has none.
    pub(crate) const fn alternative(&self) -> Option<u16> {
        self.terms.alternative
    }

    /// What the task claims of a worker's capacity.
    pub(crate) const fn claim(&self) -> &Amounts {
        &self.terms.claim
    }

    /// The use that the task adds to its target.
    pub(crate) const fn load(&self) -> &Amounts {
        &self.terms.load
    }

    /// What the task claims of the capacity of this worker: its target, or its source, for which another alternative
    /// may count.
    pub(crate) fn claim_of(&self, worker: WorkerId) -> &Amounts {
        let is_source = worker != self.to() && self.from() == Some(worker);
        match &self.terms.at_source {
            Some(at_source) if is_source && !broken!("claims_at_home_what_it_did_there") => {
                &at_source.claim
            }
            _ => &self.terms.claim,
        }
    }

    /// The use that the move takes off the source; `None` if it is the load.
    pub(crate) fn freed_at_source(&self) -> Option<&Amounts> {
        self.terms.at_source.as_ref().map(|at_source| &at_source.load)
    }

    pub(crate) const fn course(&self) -> Course {
        self.course
    }

    pub(crate) const fn phase(&self) -> Phase {
        self.course.phase()
    }

    /// When it entered its course.
    pub(crate) const fn since(&self) -> Timestamp {
        self.since
    }

    pub(crate) const fn started(&self) -> Timestamp {
        self.started
    }

    /// Whether an earlier life began it.
    pub(crate) const fn is_inherited(&self) -> bool {
        self.inherited.is_some()
    }

    /// Whether a copy of the task is only assumed to run: this life knows no more than that the source stops the task.
    pub(crate) fn is_copy_assumed(&self) -> bool {
        let is_taken_over = self.reason() == Reason::TakenOver;
        is_taken_over && matches!(self.course, Course::Stopping { .. }) && self.heard.is_none()
    }

    /// Whether the state is all that is known of it: an earlier life began it, and no snapshot of this life has told of
    /// its task.
    pub(crate) const fn is_unseen(&self) -> bool {
        matches!(self.inherited, Some(Inherited::Unseen))
    }

    /// Whether what happened at this moment is known to be news: this life began the migration, or a snapshot of no
    /// later moment has told of its task.
    pub(crate) fn is_known_at(&self, at: Timestamp) -> bool {
        match self.inherited {
            None => true,
            Some(Inherited::Unseen) => false,
            Some(Inherited::Seen(seen)) => at >= seen,
        }
    }

    /// Since when this life has waited for the present step: not before it knew of it.
    pub(crate) fn waits_since(&self) -> Timestamp {
        match self.inherited {
            Some(Inherited::Seen(seen)) if !broken!("time_of_an_earlier_life") => {
                self.since.max(seen)
            }
            _ => self.since,
        }
    }

    /// When the source released the task; `None` if it has not, or has not reported it.
    pub(crate) const fn released(&self) -> Option<Timestamp> {
        self.course.released()
    }

    pub(crate) const fn transport(&self) -> Transport {
        self.course.transport()
    }

    /// Whether the task is on its way back to its source.
    pub(crate) const fn is_returning(&self) -> bool {
        matches!(self.course, Course::Returning { .. })
    }

    /// Which budgets the migration counts to; `None` if that is not recorded.
    pub(crate) const fn charge(&self) -> Option<&Charge> {
        self.charge.as_ref()
    }

    /// Whether it is a placement of a task that has lost its worker.
    pub(crate) const fn is_placement(&self) -> bool {
        self.from().is_none()
    }

    /// The last snapshot that showed the task at rest; `None` if none has.
    pub(crate) const fn shown_at_rest(&self) -> Option<AtRest> {
        self.shown_at_rest
    }

    /// Whether a snapshot has shown the task without a worker since it ran at this moment, and has not led to an order.
    pub(crate) fn is_lost_since(&self, at: Timestamp) -> bool {
        let waits = self.phase() == Phase::Released;
        self.shown_lost.is_some_and(|lost| at < lost && (waits || lost > self.since))
    }

    /// The moment that the last report stated which changed the course; `None` if none has.
    pub(crate) const fn heard(&self) -> Option<Timestamp> {
        self.heard
    }

    /// Whether its target was asked after the `last` snapshot.
    pub(crate) fn is_asked_since(&self, last: Option<Timestamp>) -> bool {
        self.asked_after.is_some() && self.asked_after == last
    }

    /// Whether the migration takes a task from a worker, which is what budgets limit.
    pub(crate) const fn interrupts(&self) -> bool {
        !self.is_placement() && !matches!(self.transport(), Transport::Requeue)
    }

    /// Whether the source has not yet released or stopped the task.
    pub(crate) const fn is_at_its_source(&self) -> bool {
        matches!(self.course, Course::Copying { .. }) || matches!(self.phase(), Phase::Releasing)
    }

    /// Whether some worker has been asked to run the task, or will be when the source releases it.
    pub(crate) const fn is_bound(&self) -> bool {
        !matches!(self.phase(), Phase::Released)
    }

    /// Since when a copy has run on the target while the source has not yet stopped the task; `None` if none does.
    pub(crate) fn copied(&self) -> Option<Timestamp> {
        matches!(self.course, Course::Stopping { .. }).then_some(self.since)
    }

    /// How many releases and assignments were asked for.
    pub(crate) const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The number of the attempt that is the first assignment: the release of a move comes before it.
    const fn first_assignment(&self) -> u32 {
        if self.is_placement() { 1 } else { 2 }
    }

    /// Whether a worker is asked to run the task, and another one was asked before.
    pub(crate) fn is_assigned_again(&self) -> bool {
        self.phase() == Phase::Assigned && self.attempts > self.first_assignment()
    }

    /// Whether a snapshot of this moment or later shows the task without a worker.
    pub(crate) fn is_shown_lost(&self, at: Timestamp) -> bool {
        self.shown_lost.is_some_and(|lost| lost >= at)
    }

    /// Whether its target was asked to start a copy before it was asked to run the task.
    pub(crate) const fn is_asked_after_its_copy(&self) -> bool {
        self.asked_after_its_copy
    }

    /// Whether its target was asked to start a copy before it was asked to run the task, and what happened at this
    /// moment may have happened to the copy: no snapshot shows that the later order was carried out by then.
    pub(crate) fn may_be_of_its_copy(&self, at: Timestamp) -> bool {
        self.asked_after_its_copy && self.order_shown.is_none_or(|shown| at < shown)
    }

    /// A snapshot shows that its target has been asked.
    pub(crate) fn set_order_shown(&mut self, since: Timestamp) {
        if since > self.since && self.order_shown.is_none() {
            self.order_shown = Some(since);
        }
    }
}
