//! What does a snapshot show about the migrations under way, reported or not?
//!
//! Three questions are asked, each about all migrations before the next: where the snapshot shows the
//! task, what it shows of the source and the target, and whether the course has taken too long. So a task
//! that has arrived no longer counts as on its way when the second question is asked. The answers become
//! events of the transition table.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::rows::Row;
use crate::model::time::Timestamp;
use crate::outcome::{Action, Cause, Command, Reason};
use crate::snapshot::{Coverage, Phase, Placement, Snapshot, Stance, Task};
use crate::state::{Course, Migration, State, Track, Transport};
use crate::view::{UnderWay, under_way};

use super::apart::{going, meetings};
use super::apply::Lifecycle;
use super::event::{Event, Shown};
use super::home::Homes;
use super::news::at_rest;
use super::room::{Sent, full, has_room, promise, rooms};

impl Lifecycle<'_> {
    /// Notes what the snapshot says about workers, as far as it matters to migrations.
    pub(super) fn notice_workers(&mut self, snapshot: &Snapshot) {
        let partial = snapshot.coverage() == Coverage::Partial;
        if !partial {
            for (id, track) in &mut self.state.tracks {
                if !snapshot.is_awaited(*id) {
                    (track.gone, track.passing) = (snapshot.worker_row(*id).is_none(), None);
                }
            }
        }
        let soon = self.config.soon(snapshot.at());
        let passing = partial.then_some(snapshot.at());
        let (knows, mut begins) = (!self.state.tracks.is_empty(), false);
        for worker in snapshot.workers() {
            let known = self.state.tracks.get(&worker.id);
            let took = known.is_some_and(|track| track.stance == Stance::Accept && !track.gone);
            begins |= worker.stance == Stance::Accept && !took;
            let new = || Track { passing, ..Track::default() };
            let track = self.state.tracks.entry(worker.id).or_insert_with(new);
            (track.stance, track.gone) = (worker.stance, false);
            track.leaving = worker.stance_by(snapshot.at(), soon) != worker.stance;
            track.passing = track.passing.and(passing);
        }
        // Another worker takes tasks: that is a change, however far the loads are apart.
        if knows && begins && !broken!("worker_that_joins_is_news") {
            self.state.forget_moved();
        }
    }

    /// Observes all migrations under way. The event of one migration changes no other one, except that it may make
    /// room, or take it.
    pub(super) fn observe(&mut self, snapshot: &Snapshot, holds_back: bool) {
        let all = under_way(&self.state.in_flight, snapshot);
        let shown = all.iter().filter_map(|own| self.of_task(snapshot, own));
        let shown: Vec<Observation> = shown.collect();
        self.apply_all(snapshot, shown);
        self.observe_workers(snapshot);
        let all = under_way(&self.state.in_flight, snapshot);
        let ordered: BTreeSet<MigrationId> =
            self.out.commands.iter().map(|command| command.migration).collect();
        let overdue = all.iter().filter_map(|own| {
            // What has been ordered just now has not taken too long.
            if ordered.contains(&own.migration.id()) && !broken!("overdue_at_once") {
                return None;
            }
            let event = self.of_time(snapshot, own, holds_back)?;
            Some((own.migration.id(), event, snapshot.at()))
        });
        let overdue: Vec<Observation> = overdue.collect();
        self.apply_all(snapshot, overdue);
    }

    fn apply_all(&mut self, snapshot: &Snapshot, observations: Vec<Observation>) {
        for (id, event, at) in observations {
            match event {
                Event::AssignedTo { to } => self.go_on_at(snapshot, id, to, at),
                _ => _ = self.apply(id, event, at),
            }
        }
    }

    /// What the snapshot shows of the task.
    fn of_task(&self, snapshot: &Snapshot, own: &UnderWay<'_>) -> Option<Observation> {
        let UnderWay { migration, task, since, .. } = *own;
        let (id, at) = (migration.id(), snapshot.at());
        let Some(row) = task else {
            let is_missing = snapshot.coverage() == Coverage::Complete
                && (!waits(snapshot, own) || broken!("grace_waits_for_the_task"));
            return is_missing.then_some((id, Event::Missing, at));
        };
        if !snapshot.is_place_known(row) {
            return None;
        }
        let task = &snapshot.tasks()[row.position()];
        let event = match task.placement {
            Placement::On(worker) if migration.from() == Some(worker) => {
                // The snapshot follows the release so soon that it may show the task before the release.
                let stability = self.config.stability;
                let lag = stability.map(|section| section.telemetry_lag).unwrap_or_default();
                let with_scheduler = matches!(migration.course(), Course::WithScheduler { .. });
                if with_scheduler && at <= since.after(lag) {
                    return None;
                }
                Event::ShownAtSource
            }
            Placement::On(worker) if worker == migration.to() => Event::ShownAtTarget,
            // The task is still reported on the worker that it has lost: nothing new.
            Placement::On(worker)
                if is_lost(self.state, snapshot, worker) && !broken!("placed_once") =>
            {
                return None;
            }
            Placement::On(worker) => Event::ShownElsewhere { worker },
            Placement::Moving { .. } => return of_move(snapshot, own, task),
            // Its copy may run there still.
            Placement::Orphaned if has_copy_out_of_sight(snapshot, migration) => return None,
            Placement::Orphaned => {
                Event::ShownOrphaned { unfit: closure(snapshot, migration.to()) }
            }
            Placement::Unplaced => Event::ShownQueued,
        };
        Some((id, event, at))
    }

    /// Observes the sources and the targets: first what each shows by itself, then whether the targets have room. A task
    /// that goes home comes before those that have yet to leave for the same worker, since no worker has it.
    fn observe_workers(&mut self, snapshot: &Snapshot) {
        let all = under_way(&self.state.in_flight, snapshot);
        let sent = self.just_assigned(snapshot);
        let lost = all.iter().filter_map(|own| {
            let event = self.of_workers(snapshot, &sent, own)?;
            Some((own.migration.id(), (own.migration.task(), event)))
        });
        let lost: BTreeMap<MigrationId, (TaskId, Event)> = lost.collect();
        let ids: BTreeSet<MigrationId> = sent.iter().map(|(id, _)| *id).collect();
        let mut homes =
            self.homes(snapshot, &all, |id| lost.contains_key(&id) || ids.contains(&id));
        for task in core::mem::take(&mut homes.sent) {
            self.ask_home(snapshot, &mut homes, task);
        }
        for (id, (task, event)) in lost {
            if self.apply(id, event, snapshot.at()) {
                self.ask_home(snapshot, &mut homes, task);
            }
        }
        while self.ask_targets(snapshot, &mut homes) {}
        let all = under_way(&self.state.in_flight, snapshot);
        // Its target is gone, and its source would not take it back: it runs there all the same.
        let home = all.iter().filter(|own| {
            let waits = matches!(own.migration.course(), Course::Unassigned { .. });
            waits && is_home(snapshot, own) && !broken!("home_though_its_target_is_gone")
        });
        let home: Vec<Observation> =
            home.map(|own| (own.migration.id(), Event::ShownAtSource, snapshot.at())).collect();
        self.apply_all(snapshot, home);
    }

    /// Calls off the migrations whose targets have no room for them any more, or hold a task from which theirs is kept
    /// apart, in the order of tasks; says whether there are any. Each makes room for those after it, and may take room
    /// at home: so the others are asked again.
    fn ask_targets(&mut self, snapshot: &Snapshot, homes: &mut Homes) -> bool {
        let all = under_way(&self.state.in_flight, snapshot);
        let sent = self.just_assigned(snapshot);
        let mut rooms = rooms(&all, &sent, snapshot);
        promise(&all, &mut rooms);
        let met = meetings(self.state, snapshot, &going(&all, &sent));
        let is_unseen =
            |own: &UnderWay<'_>| own.migration.is_unseen() && !broken!("unseen_loses_no_worker");
        let may_stay = |own: &UnderWay<'_>| own.is_at_its_source || is_sent(&sent, own.migration);
        let asked = all.iter().filter(|own| own.is_bound() && may_stay(own) && !is_unseen(own));
        let asked = asked.filter(|own| {
            met.contains_key(&own.migration.task()) || !has_room(snapshot, &rooms, own)
        });
        let asked: BTreeSet<TaskId> = asked.map(|own| own.migration.task()).collect();
        let mut any = false;
        for task in asked {
            let Some(migration) = self.state.in_flight.get(&task) else { continue };
            let (id, worker) = (migration.id(), migration.to());
            let own = UnderWay::of(migration, snapshot.task_row(task), snapshot);
            let holds = met.get(&task).map(|task| Cause::TargetHolds { worker, task: *task });
            let full = || full(self.state, snapshot, (&rooms, &sent), &own);
            let Some(unfit) = holds.or_else(full) else { continue };
            let just_assigned = is_sent(&sent, migration);
            let event = Event::TargetUnfit { unfit, just_assigned };
            if self.apply(id, event, snapshot.at()) {
                any = true;
                self.ask_home(snapshot, homes, task);
            }
        }
        any
    }

    /// What the snapshot shows of the source and the target of a migration; `None` if it no longer matters.
    fn of_workers(&self, snapshot: &Snapshot, sent: &Sent, own: &UnderWay<'_>) -> Option<Event> {
        let (migration, to) = (own.migration, own.migration.to());
        // Who has the task may have changed since the state was saved.
        if migration.is_unseen() && !broken!("unseen_loses_no_worker") {
            return None;
        }
        let source_gone = migration.from().is_some_and(|from| snapshot.is_gone(from));
        if source_gone && own.is_at_its_source && !broken!("dead_source") {
            let task = own.task.map(|row| &snapshot.tasks()[row.position()]);
            if has_copy_out_of_sight(snapshot, migration) {
                return None;
            }
            let moves = migration.from() != Some(to);
            let on_target = moves && task.is_some_and(|task| task.placement == Placement::On(to));
            return Some(Event::SourceGone { on_target, unfit: closure(snapshot, to) });
        }
        if snapshot.is_gone(to) && !broken!("dead_target") {
            if self.may_be_older(snapshot, own) && !broken!("gone_before_it_was_asked") {
                return None;
            }
            let unfit = Cause::TargetGone { worker: to };
            return Some(Event::TargetGone { unfit });
        }
        let just_assigned = is_sent(sent, migration);
        if !just_assigned && !own.is_at_its_source {
            return None;
        }
        if just_assigned && snapshot.is_awaited(to) && !broken!("grace_sends_nothing_there") {
            let unfit = Cause::TargetMissing { worker: to };
            return Some(Event::TargetUnfit { unfit, just_assigned });
        }
        let soon = self.config.soon(snapshot.at());
        let unfit = unfit(snapshot, soon, own)?;
        Some(Event::TargetUnfit { unfit, just_assigned })
    }

    /// Whether the snapshot may have been made before the target was asked, by the answer to a report: then a target
    /// that is shown as gone may be back since. It was made later if it shows the order, or if it is not the first.
    fn may_be_older(&self, snapshot: &Snapshot, own: &UnderWay<'_>) -> bool {
        let migration = own.migration;
        let shown = own.task.map(|row| snapshot.tasks()[row.position()].placement);
        let is_asked = matches!(shown, Some(Placement::Moving {
            migration: shown, to, phase: Phase::Assigned, since, ..
        }) if (shown, to) == (migration.id(), migration.to()) && since >= migration.since());
        let shows_the_order = is_asked && !broken!("the_order_is_shown");
        migration.is_asked_since(self.state.last) && !shows_the_order
    }

    /// The migrations that this snapshot has assigned to a target, because it reported their release. A target that may
    /// have a copy was asked before: its answer decides.
    fn just_assigned(&self, snapshot: &Snapshot) -> Sent {
        let may_have_a_copy = |command: &Command| {
            let migration = self.state.in_flight.by_id(command.migration);
            migration.is_some_and(|migration| {
                let task = snapshot.task(command.task);
                let overlaps = task.is_some_and(|task| {
                    let transport = Transport::of(self.config.migration.as_ref(), task);
                    transport == Transport::StartThenStop
                });
                let is_assumed = migration.reason() == Reason::TakenOver && overlaps;
                migration.is_asked_after_its_copy() || is_assumed
            }) && !broken!("copy_is_not_waited_for")
        };
        let commands = self.out.commands.iter();
        let released = commands.filter(|command| {
            command.cause() == Some(Cause::Released) && !may_have_a_copy(command)
        });
        let sent = released.filter_map(|command| match command.action {
            Action::Assign { to, .. } => Some((command.migration, to)),
            _ => None,
        });
        sent.collect()
    }

    /// Whether the course has taken too long.
    fn of_time(&self, snapshot: &Snapshot, own: &UnderWay<'_>, holds_back: bool) -> Option<Event> {
        let UnderWay { migration, task, phase, since, .. } = *own;
        let timeout = self.config.timeout();
        let is_in_time =
            |since: Timestamp| snapshot.at().since(since).is_none_or(|waited| waited <= timeout);
        if is_in_time(since) || broken!("time_out") {
            return None;
        }
        let is_unseen = migration.is_unseen() && !broken!("unseen_is_not_overdue");
        if is_unseen || is_in_time(migration.waits_since()) {
            return None;
        }
        // No other target is looked for, nor was one in the last round.
        let held_back = self.state.doubted_since.is_some();
        let is_stopped = (holds_back || held_back) && phase == Phase::Released;
        if is_stopped && !broken!("mass_disappearance_stops_the_clock") {
            return None;
        }
        if waits(snapshot, own) && !broken!("grace_stops_the_clock") {
            return None;
        }
        let (id, from) = (migration.id(), migration.from());
        let task = task.filter(|row| snapshot.is_place_known(*row));
        let placement = task.map(|row| snapshot.tasks()[row.position()].placement);
        let shown = match placement {
            Some(Placement::On(worker)) if from == Some(worker) => Shown::AtSource,
            Some(Placement::On(_)) => Shown::Elsewhere,
            Some(Placement::Moving { migration, phase: Phase::Releasing, .. })
                if migration == id && !broken!("stopping_is_not_stopped") =>
            {
                Shown::LeavingSource
            }
            Some(Placement::Orphaned) => Shown::Orphaned,
            _ => Shown::Nowhere,
        };
        Some(Event::Overdue { shown, late: Cause::TimedOut { phase, since } })
    }
}

/// An event of a migration, and when it happened.
type Observation = (MigrationId, Event, Timestamp);

/// Whether the order that sends the task to its target has not left the engine.
fn is_sent(sent: &Sent, migration: &Migration) -> bool {
    sent.contains(&(migration.id(), migration.to())) && !broken!("closes_with_the_release")
}

/// Whether the snapshot shows the task on its source, which is there.
fn is_home(snapshot: &Snapshot, own: &UnderWay<'_>) -> bool {
    let shown = own.task.and_then(|row| at_rest(snapshot, &snapshot.tasks()[row.position()]));
    shown.is_some_and(|shown| shown.on == own.migration.from())
}

/// Whether a worker is gone, or was gone when it was last listed.
fn is_lost(state: &State, snapshot: &Snapshot, worker: WorkerId) -> bool {
    let was_gone = || state.tracks.get(&worker).is_some_and(|track| track.gone);
    snapshot.is_gone(worker) || (snapshot.worker_row(worker).is_none() && was_gone())
}

/// Whether a migration waits for a worker that is missing and not gone yet: the one that runs the task, or the one that
/// is to run it.
pub(super) fn waits(snapshot: &Snapshot, own: &UnderWay<'_>) -> bool {
    let source = own.migration.from().filter(|_| own.is_at_its_source);
    let target = own.is_bound().then_some(own.migration.to());
    source.into_iter().chain(target).any(|worker| snapshot.is_awaited(worker))
}

/// Whether a copy may run on a target that is missing and not gone yet: nothing is ordered there, or elsewhere.
fn has_copy_out_of_sight(snapshot: &Snapshot, migration: &Migration) -> bool {
    let is_copied = migration.transport() == Transport::StartThenStop;
    is_copied && snapshot.is_awaited(migration.to()) && !broken!("grace_waits_for_a_copy")
}

/// What the snapshot shows of a task that moves.
fn of_move(snapshot: &Snapshot, own: &UnderWay<'_>, task: &Task) -> Option<Observation> {
    let migration = own.migration;
    let (id, mut at) = (migration.id(), snapshot.at());
    let event = match task.placement {
        // It was asked after all: an order reached the host late, and its answer decides.
        Placement::Moving {
            migration: shown, phase: Phase::Assigned, to, since: asked, ..
        } if shown == id
            && (asked > own.since || !has_answered(migration, asked))
            && own.phase == Phase::Released
            && !snapshot.is_gone(to)
            && !broken!("asked_after_all") =>
        {
            at = asked.min(at);
            Event::AssignedTo { to }
        }
        Placement::Moving { .. } if has_lost_its_source(snapshot, task, migration) => {
            Event::SourceGone { on_target: false, unfit: closure(snapshot, migration.to()) }
        }
        // The host is in the phase that the engine assumes.
        Placement::Moving { phase, .. } if phase == own.phase => return None,
        // A release that an earlier migration of the task asked for is one all the same: its word came late.
        Placement::Moving { migration: shown, phase, since: shown_since, .. }
            if shown == id
                || (shown < id
                    && phase == Phase::Released
                    && !broken!("released_for_an_earlier_one")) =>
        {
            at = shown_since.min(at).max(own.since);
            if shown < id && Event::LetGoBefore.is_possible(migration.course()) {
                Event::LetGoBefore
            } else {
                Event::ShownInPhase(phase)
            }
        }
        _ => return None,
    };
    Some((id, event, at))
}

/// Whether anything has been reported of a migration since its target was asked: if not, only the loss of the target
/// has ended the wait for its answer, and it is back.
fn has_answered(migration: &Migration, asked: Timestamp) -> bool {
    migration.heard().is_some_and(|heard| asked <= heard) || broken!("asked_before_it_was_lost")
}

/// Whether the host goes on with a copy as with a task that has no source any more.
pub(super) fn has_lost_its_source(snapshot: &Snapshot, task: &Task, migration: &Migration) -> bool {
    let is_copying = matches!(migration.course(), Course::Copying { .. });
    let has_no_source = matches!(task.placement, Placement::Moving {
        migration: shown, from: None, to, phase: Phase::Assigned, ..
    } if (shown, to) == (migration.id(), migration.to()));
    is_copying
        && has_no_source
        && !has_copy_out_of_sight(snapshot, migration)
        && !broken!("source_that_the_host_has_lost")
}

/// Why a target does not take the task that is on its way there.
pub(super) fn closure(snapshot: &Snapshot, worker: WorkerId) -> Cause {
    match snapshot.worker(worker) {
        None if snapshot.is_gone(worker) || broken!("out_of_sight_is_gone") => {
            Cause::TargetGone { worker }
        }
        None => Cause::TargetMissing { worker },
        Some(target) if target.stance != Stance::Accept => {
            Cause::TargetClosed { worker, stance: target.stance }
        }
        Some(target) => {
            let at = snapshot.at();
            Cause::TargetLeaves { worker, at: target.leaves(at).unwrap_or(at) }
        }
    }
}

/// Why a target may no longer have the task, whatever else is on its way there; `None` if it may.
fn unfit(snapshot: &Snapshot, soon: Timestamp, own: &UnderWay<'_>) -> Option<Cause> {
    let worker = own.migration.to();
    let target = &snapshot.workers()[own.to?.position()];
    if target.stance != Stance::Accept && !broken!("target_closed") {
        return Some(Cause::TargetClosed { worker, stance: target.stance });
    }
    if let Some(at) = target.leaves(snapshot.at())
        && at < soon
        && !broken!("target_leaves")
    {
        return Some(Cause::TargetLeaves { worker, at });
    }
    let has_left = !own.is_at_its_source && broken!("class_closes_with_the_release");
    outside(snapshot, own).filter(|_| !has_left)
}

/// Whether the worker that the task is on its way to is outside its class.
pub(super) fn outside(snapshot: &Snapshot, own: &UnderWay<'_>) -> Option<Cause> {
    if snapshot.classes().is_empty() {
        return None;
    }
    let worker = own.migration.to();
    let class = own.task.and_then(|row| snapshot.class(snapshot.tasks()[row.position()].class?))?;
    let is_outside = class.cost(worker).is_none() && !broken!("class_changes_meanwhile");
    is_outside.then_some(Cause::TargetOutside { worker, class: class.id })
}
