//! What does a snapshot show about the migrations under way, reported or not?
//!
//! Three questions are asked, each about all migrations before the next: where the snapshot shows the
//! task, what it shows of the source and the target, and whether the course has taken too long. So a task
//! that has arrived no longer counts as on its way when the second question is asked. The answers become
//! events of the transition table.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::model::ids::{MigrationId, WorkerId};
use crate::model::rows::Row;
use crate::model::time::Timestamp;
use crate::outcome::{Cause, Fate};
use crate::snapshot::{Coverage, Phase, Placement, Snapshot, Stance, Task};
use crate::state::{Course, Migration, State, Track, Transport};
use crate::view::{UnderWay, under_way};

use super::apply::Lifecycle;
use super::event::{Event, Shown};
use super::news::at_rest;
use super::unfit::closure;

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
        let all = if shown.is_empty() {
            all
        } else {
            self.apply_all(snapshot, shown);
            under_way(&self.state.in_flight, snapshot)
        };
        let ends = self.ends(snapshot, &all);
        let (lost, mut homes) = (ends.lost, ends.homes);
        let is_quiet = lost.is_empty() && homes.sent.is_empty();
        let all = if is_quiet {
            all
        } else {
            self.observe_workers(snapshot, lost, &mut homes);
            under_way(&self.state.in_flight, snapshot)
        };
        let asked = self.asked(snapshot, &all);
        let all = if is_quiet && asked.migrations.is_empty() {
            all
        } else {
            self.ask_targets(snapshot, asked, &mut homes);
            self.see_home(snapshot);
            under_way(&self.state.in_flight, snapshot)
        };
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

    pub(super) fn apply_all(&mut self, snapshot: &Snapshot, observations: Vec<Observation>) {
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
pub(super) type Observation = (MigrationId, Event, Timestamp);

/// Whether the snapshot shows the task on its source, which is there.
pub(super) fn is_home(snapshot: &Snapshot, own: &UnderWay<'_>) -> bool {
    let shown = own.task.and_then(|row| at_rest(snapshot, row));
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
pub(super) fn has_copy_out_of_sight(snapshot: &Snapshot, migration: &Migration) -> bool {
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
        // Its target has given up since a snapshot showed that it was asked: the word of that was lost.
        Placement::Moving { migration: shown, phase: Phase::Released, since, .. }
            if shown == id && has_given_up(migration, since) =>
        {
            Event::Failed(Fate::Failed)
        }
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

/// Whether its target was shown to be asked to run the task, and no worker has had the task since a later moment. (To
/// start a copy is another order: then its source has released the task.)
fn has_given_up(migration: &Migration, since: Timestamp) -> bool {
    let is_asked = matches!(
        migration.course(),
        Course::Assigned { .. }
            | Course::Returning { .. }
            | Course::Placing
            | Course::CallingOff { .. }
            | Course::CallingOffPlacing
    );
    let is_later = migration.order_shown.is_some_and(|asked| asked < since);
    is_asked && is_later && !broken!("given_up_without_a_word")
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
