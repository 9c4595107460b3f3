//! Is a report news, or is more known already than it says?
//!
//! Reports come late, twice, or from a clock that is ahead. A snapshot is the truth of its moment: if it shows a
//! task at rest, on a living worker or in a queue, then a release or a failure of an earlier moment does not matter any
//! more. A snapshot of 60 s shows t1 on w1; that w2 refused t1 at 50 s is no reason to give it to w3.

use crate::config::Config;
use crate::model::rows::{Row, TaskRow};
use crate::model::time::Timestamp;
use crate::snapshot::{Event as Told, Phase, Placement, Report, Snapshot, Stance};
use crate::state::{AtRest, Course, Migration, State, Transport};
use crate::view::Walk;

use super::apply::Lifecycle;

impl Lifecycle<'_> {
    /// Notes of which migrations the snapshot shows the task at rest, or without a worker: what was reported before is
    /// no news from here on.
    pub(super) fn note_shown(&mut self, snapshot: &Snapshot) {
        let mut walk = Walk::new(snapshot.tasks());
        self.state.in_flight.update_all(|migration| {
            let Some(row) = walk.row(migration.task()) else { return };
            let task = &snapshot.tasks()[row.position()];
            if let Some(shown) = at_rest(snapshot, row) {
                migration.set_shown_at_rest(shown);
            }
            if let Placement::Moving { migration: shown, to, phase: Phase::Assigned, since, .. } =
                task.placement
                && (shown, to) == (migration.id(), migration.to())
            {
                migration.set_order_shown(since);
            }
            if task.placement == Placement::Orphaned && snapshot.is_place_known(row) {
                migration.set_shown_lost(snapshot.at());
            }
        });
    }
}

/// Where a snapshot shows a task at rest: on a living worker, or in a queue; `None` if it does not.
pub(super) fn at_rest(snapshot: &Snapshot, row: TaskRow) -> Option<AtRest> {
    let (at, task) = (snapshot.at(), &snapshot.tasks()[row.position()]);
    match task.placement {
        _ if !snapshot.is_place_known(row) => None,
        Placement::On(id) => {
            let is_living = snapshot.worker(id)?.stance != Stance::Offline;
            is_living.then_some(AtRest { at, on: Some(id) })
        }
        Placement::Unplaced => Some(AtRest { at, on: None }),
        Placement::Orphaned | Placement::Moving { .. } => None,
    }
}

/// Whether something reported of this moment happened after what a snapshot has shown, if one has.
pub(super) fn is_later(at: Timestamp, shown: Option<AtRest>) -> bool {
    shown.is_none_or(|shown| at >= shown.at) || broken!("older_than_the_snapshot")
}

/// Whether a report on a migration under way says more than is known.
pub(super) fn is_news(
    state: &State,
    migration: &Migration,
    report: &Report,
    latest: Timestamp,
) -> bool {
    let shown = migration.shown_at_rest();
    let has_task_run = match (report.event, migration.course()) {
        // On its target it is only because its source has let go.
        (Told::Released { .. }, Course::Releasing { .. } | Course::Copying { .. }) => {
            shown.is_some_and(|shown| shown.on != Some(migration.to()))
        }
        (Told::Failed { .. } | Told::Refused { .. }, course) => {
            course.phase() == Phase::Assigned && !matches!(course, Course::Copying { .. })
        }
        _ => false,
    };
    // Whoever ran it has lost it since.
    let is_lost = matches!(report.event, Told::Running { .. })
        && migration.is_lost_since(report.at)
        && !broken!("ran_before_it_was_lost");
    let is_overtaken = is_lost || has_task_run && !is_later(report.at, shown);
    !is_overtaken && !is_stale(state, migration, report, latest) && !is_doubtful(migration, report)
}

/// Whether a report is about an assignment that ended before the present one. Read as news, such a failure would run
/// the task in two places, and such a success in none.
///
/// Of the first assignment of a migration that this life has begun there is none before: a failure counts, even if
/// the clock of the target is behind that of the source.
fn is_stale(state: &State, migration: &Migration, report: &Report, latest: Timestamp) -> bool {
    let (at, since) = (report.at.min(latest), migration.since());
    let again = migration.is_assigned_again();
    let is_inherited = migration.id().epoch() != state.epoch() || broken!("clock_that_is_behind");
    match report.event {
        Told::Failed { .. } | Told::Refused { .. } => {
            let before = is_inherited && migration.phase() == Phase::Assigned && at < since;
            // Both may be of a moment to come, by a clock that is ahead.
            let is_told = migration.heard() == Some(report.at) && !broken!("clock_that_is_ahead");
            (before && !broken!("failure_before_the_assignment"))
                || (again && (at <= since || is_told))
                || (migration.may_be_of_its_copy(report.at) && !broken!("failure_of_its_copy"))
        }
        Told::Running { .. } => again && at < since,
        _ => false,
    }
}

/// Whether a later life cannot know what a report on a migration of an earlier one is about: no snapshot has told of
/// its task yet, or the report is older than the first that has.
///
/// The state may be older than the release; then it is the target that failed, and to end the migration as if the
/// source had would leave the task with no worker. Or it is older than the way home; then it is not the target that
/// runs the task. Or it is older than the end of the migration; then a release was answered before. The snapshot shows
/// what came of it.
fn is_doubtful(migration: &Migration, report: &Report) -> bool {
    match report.event {
        Told::Released { .. } | Told::Failed { .. } | Told::Refused { .. } => {
            !migration.is_known_at(report.at) && !broken!("reports_of_an_earlier_life")
        }
        // Hosts need not show that a copy runs; but it is the copy that runs only if it was asked for before.
        Told::Running { .. } => {
            let is_of_before = migration.is_inherited() && report.at < migration.since();
            let is_doubtful = migration.is_unseen() || is_of_before;
            is_doubtful && !broken!("running_of_an_earlier_life")
        }
        // An operator's word is none of the past; but who has the task must be known, unless its target is asked.
        Told::Aborted { .. } => {
            let copies = migration.transport() == Transport::StartThenStop;
            let doubt = match migration.phase() {
                _ if copies => !broken!("abort_of_a_copy_in_doubt"),
                Phase::Releasing => !broken!("abort_of_a_copy_in_doubt"),
                // Its next target may have been told since.
                Phase::Released => !broken!("abort_of_a_task_in_doubt"),
                Phase::Assigned => false,
            };
            migration.is_unseen() && doubt
        }
        _ => false,
    }
}

/// The latest plausible moment of a report: not so long after the last snapshot that time-outs and cooldowns counted
/// from it would never end.
pub(super) fn latest(config: &Config, state: &State, now: Option<Timestamp>) -> Timestamp {
    // After a restart there is no snapshot yet; the migrations taken over give a moment.
    let taken_over = || state.in_flight.values().map(Migration::since).max();
    let last = state.last.max(now).or_else(taken_over);
    last.map_or(Timestamp::default(), |last| last.after(config.timeout()))
}
