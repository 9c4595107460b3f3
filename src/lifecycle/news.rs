//! Is a report news, or is more known already than it says?
//!
//! Reports come late, twice, or from a clock that is ahead. A snapshot is the truth of its moment: what it shows at
//! rest, on a living worker or in a queue, was not let go before, nor does a failure from before matter. A snapshot of
//! 60 s shows t1 on w1; that w2 refused it at 50 s is no reason to give it to w3.

use crate::config::Config;
use crate::model::rows::Row;
use crate::model::time::Timestamp;
use crate::snapshot::{Event as Told, Phase, Placement, Report, Snapshot, Stance, Task};
use crate::state::{AtRest, Course, Migration, State, Transport};
use crate::view::Walk;

use super::apply::Lifecycle;

impl Lifecycle<'_> {
    /// Notes of which migrations the snapshot shows the task at rest: what was reported before is no news from here
    /// on.
    pub(super) fn note_at_rest(&mut self, snapshot: &Snapshot) {
        let mut walk = Walk::new(snapshot.tasks());
        self.state.in_flight.note_at_rest(|migration| {
            let row = walk.row(migration.task())?;
            at_rest(snapshot, &snapshot.tasks()[row.position()])
        });
    }
}

/// Where a snapshot shows a task at rest: on a living worker, or in a queue; `None` if it does not.
pub(super) fn at_rest(snapshot: &Snapshot, task: &Task) -> Option<AtRest> {
    let at = snapshot.at();
    match task.placement {
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
    let is_overtaken = has_task_run && !is_later(report.at, shown);
    !is_overtaken && !is_stale(migration, report, latest) && !is_doubtful(state, migration, report)
}

/// Whether a report speaks of an assignment that was over when the present one was made. Taken for
/// news, a failure would have the task run in two places, and a success would have it in none.
fn is_stale(migration: &Migration, report: &Report, latest: Timestamp) -> bool {
    let (at, since) = (report.at.min(latest), migration.since());
    let again = migration.is_assigned_again();
    match report.event {
        Told::Failed { .. } | Told::Refused { .. } => {
            let before = migration.phase() == Phase::Assigned && at < since;
            // A clock that is ahead tells of the moment of the assignment as of one to come.
            let is_told = migration.heard() == Some(report.at) && !broken!("clock_that_is_ahead");
            (before && !broken!("failure_before_the_assignment"))
                || (again && (at <= since || is_told))
        }
        Told::Running { .. } => again && at < since,
        _ => false,
    }
}

/// Whether a later life cannot know what a report speaks of before it has seen a snapshot: the state
/// that it goes on from may be older than the release, and then it is not the source that failed.
/// Taken for the source's, the end of the migration would leave the task to nobody. Or older than the
/// moment when the copy began to run, and then it is not the copy that failed. Or older than the end of the
/// migration, and then a release is long answered.
fn is_doubtful(state: &State, migration: &Migration, report: &Report) -> bool {
    if !state.is_resumed() {
        return false;
    }
    let releasing = migration.phase() == Phase::Releasing;
    match report.event {
        Told::Failed { .. } | Told::Refused { .. } => {
            let may_run = migration.transport() == Transport::StartThenStop
                && !broken!("failure_of_a_copy_in_doubt");
            releasing || may_run
        }
        Told::Aborted { .. } => releasing,
        Told::Released { .. } => !broken!("answered_release"),
        _ => false,
    }
}

/// The latest moment at which a report can be believed to have happened: not so long after the last
/// snapshot that time-outs and cooldowns counted from there would never end.
pub(super) fn latest(config: &Config, state: &State, now: Option<Timestamp>) -> Timestamp {
    // A later life has seen no snapshot yet; what it took over has its moments.
    let taken_over = || state.in_flight.values().map(Migration::since).max();
    let last = state.last.max(now).or_else(taken_over);
    last.map_or(Timestamp::default(), |last| last.after(config.timeout()))
}
