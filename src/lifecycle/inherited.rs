//! Which migrations of an earlier life are under way, and where are they now?
//!
//! After a restart the state may be some rounds old: what the first snapshot shows of its migrations is
//! newer. The snapshot may also show migrations that the state does not know; their tasks must not be
//! moved a second time.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::config::Config;
use crate::model::bounds::MOST_SHOWN;
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Fate, Reason};
use crate::snapshot::{Coverage, Phase, Placement, Report, Snapshot, Task, Worker};
use crate::state::{
    AtSource, Course, EndedMigration, InFlight, MEMORY_PER_WORKER, Migration, State, Terms,
    Transport,
};
use crate::view::{self, UnderWay};

use super::apply::Lifecycle;
use super::event::Event;
use super::event_of;
use super::observed::{has_lost_its_source, waits};
use super::unfit::closure;

/// A move that a host says it carries out.
#[derive(Clone, Copy)]
struct Shown {
    id: MigrationId,
    from: Option<WorkerId>,
    to: WorkerId,
    phase: Phase,
    since: Timestamp,
}

impl Shown {
    fn of(task: &Task) -> Option<Self> {
        match task.placement {
            Placement::Moving { migration: id, from, to, phase, since } => {
                Some(Self { id, from, to, phase, since })
            }
            _ => None,
        }
    }
}

impl Lifecycle<'_> {
    /// Continues the migrations of an earlier life from where the first snapshot that tells of them shows them. A
    /// migration that another one has followed is over, and so is one whose task the scheduler has, or whose task was
    /// released and is back on its source.
    pub(super) fn catch_up(&mut self, snapshot: &Snapshot) {
        let unseen: Vec<TaskId> = self.state.in_flight.unseen().collect();
        let reports = snapshot.reports().iter().filter(|_| !unseen.is_empty());
        let told = reports.filter_map(|report| Some((report.event.migration()?, report)));
        let told: BTreeMap<MigrationId, &Report> = told.collect();
        for id in unseen {
            let task = snapshot.task(id);
            let is_missing = snapshot.coverage() == Coverage::Complete
                && self.state.in_flight.get(&id).is_some_and(|migration| {
                    // While its worker is missing, so may the task be.
                    let own = UnderWay::of(migration, None, snapshot);
                    !waits(snapshot, &own) || broken!("seen_though_its_worker_is_missing")
                });
            if task.is_some() || is_missing {
                let seen = |migration: &mut Migration| migration.first_seen(snapshot.at());
                self.state.in_flight.update(id, seen);
            }
            let Some(task) = task else { continue };
            let Some(migration) = self.state.in_flight.get(&task.id) else { continue };
            let (id, from) = (migration.id(), migration.from());
            let (event, at) = match (task.placement, Shown::of(task)) {
                (Placement::On(worker), _) if from == Some(worker) && !broken!("home_again") => {
                    let failed = told.get(&id).and_then(|report| failed_at_home(migration, report));
                    (failed.unwrap_or(Event::HomeAgain), snapshot.at())
                }
                (_, Some(shown)) if shown.id > id => (Event::Superseded, shown.since),
                (Placement::Unplaced, _)
                    if !migration.transport().is_by_scheduler() && !broken!("queued_since") =>
                {
                    (Event::Superseded, snapshot.at())
                }
                _ if has_lost_its_source(snapshot, task, migration) => {
                    let unfit = closure(snapshot, migration.to());
                    (Event::SourceGone { on_target: false, unfit }, snapshot.at())
                }
                // Its copy runs, so a failure that rides in this snapshot is that of its source.
                (_, Some(shown))
                    if (shown.id, shown.phase) == (id, Phase::Releasing)
                        && matches!(migration.course(), Course::Copying { .. })
                        && !broken!("copy_is_shown_before_its_reports") =>
                {
                    (Event::ShownInPhase(shown.phase), shown.since)
                }
                (_, Some(shown)) if shown.id == id && shown.phase == Phase::Assigned => {
                    self.go_on_at(snapshot, id, shown.to, shown.since.min(snapshot.at()));
                    continue;
                }
                _ => continue,
            };
            self.apply(id, event, at.min(snapshot.at()));
        }
    }

    /// Goes on with a migration where the host shows it. What the task claims and adds there follows from that worker.
    pub(super) fn go_on_at(
        &mut self,
        snapshot: &Snapshot,
        id: MigrationId,
        to: WorkerId,
        at: Timestamp,
    ) {
        let was =
            self.state.in_flight.by_id(id).map(|migration| (migration.task(), migration.to()));
        let Some((task, before)) = was else { return };
        let changed = self.apply(id, Event::AssignedTo { to }, at);
        let shown = snapshot.task(task).and_then(|task| Some((task, Shown::of(task)?)));
        if let Some((task, shown)) = shown
            && (changed && before != to)
            && !broken!("goes_on_with_the_claims_of_another_target")
        {
            let there = terms(snapshot, task, shown);
            self.state.in_flight.update(task.id, |migration| migration.go_on_by(there));
        }
    }

    /// Takes over migrations that the host carries out and this state does not know.
    pub(super) fn adopt(&mut self, snapshot: &Snapshot) {
        for (task, shown) in unknown(&self.state.in_flight, snapshot) {
            if !is_to_be_adopted(self.state, task.id, shown.id) {
                continue;
            }
            // This life issued the id and lost it with a state that was not saved: it must not be issued again.
            if shown.id.epoch() == self.state.epoch {
                self.state.issued = shown.id.number();
            }
            self.state.forget_release(task.id);
            let shown = Shown { since: shown.since.min(snapshot.at()), ..shown };
            let course = course(self.config, task, shown);
            // The wait for a target begins now.
            let since = match course {
                Course::Unplaced if shown.phase == Phase::Releasing => snapshot.at(),
                _ => shown.since,
            };
            let migration =
                Migration::take_over(terms(snapshot, task, shown), course, since, snapshot.at());
            self.state.in_flight.insert(migration);
        }
    }
}

/// The moves that a host shows for tasks without a migration under way. Both lists are in the order of tasks.
fn unknown<'a>(in_flight: &InFlight, snapshot: &'a Snapshot) -> Vec<(&'a Task, Shown)> {
    let mut moved = in_flight.tasks().peekable();
    let shown = snapshot.tasks().iter().filter_map(|task| Some((task, Shown::of(task)?)));
    let unknown = shown.filter(|(task, _)| {
        while moved.next_if(|moved| *moved < task.id).is_some() {}
        moved.peek() != Some(&task.id)
    });
    unknown.collect()
}

/// Whether the engine must take over a migration that the host shows for a task without another migration.
fn is_to_be_adopted(state: &State, task: TaskId, id: MigrationId) -> bool {
    let known = state.in_flight.by_id(id).is_some();
    // A migration of this life that is not in flight is over, whatever the host still shows.
    let is_over = || {
        let issued = id.epoch() == state.epoch && id.number() <= state.issued;
        let has_ended = |ended: &EndedMigration| ended.task == task && id <= ended.id;
        issued || state.ended.iter().any(has_ended)
    };
    let full = state.in_flight.len() >= MEMORY_PER_WORKER * state.tracks.len().max(1);
    // The snapshot's check has named a number that no engine issues.
    let is_possible = id.number() <= MOST_SHOWN;
    is_possible && !known && !full && !is_over() && !broken!("adopted")
}

/// What is known about a migration that another life began.
fn terms(snapshot: &Snapshot, task: &Task, shown: Shown) -> Terms {
    let Shown { id, from, to, .. } = shown;
    let kinds = snapshot.worker(to).map(Worker::kinds).unwrap_or_default();
    let home = from.and_then(|from| snapshot.worker(from));
    // The stated alternative is that of the source, as long as the task has one.
    let alternative = match from {
        Some(from) if from != to && !broken!("alternative_of_its_target") => {
            view::alternative_elsewhere(task, kinds)
        }
        _ => view::alternative(task, kinds),
    };
    let now = view::alternative(task, home.map(Worker::kinds).unwrap_or_default());
    let as_there = view::by(task, alternative, now);
    let (claim, load) = (view::claims(&as_there, kinds), view::loads(&as_there, kinds));
    let at_source = home.and_then(|home| {
        let (task, kinds) = (view::by(task, now, now), home.kinds());
        let here = AtSource { claim: view::claims(&task, kinds), load: view::loads(&task, kinds) };
        here.unless_same(&claim, &load)
    });
    Terms {
        id,
        task: task.id,
        kind: task.kind,
        reason: if broken!("taken_over_is_said") { Reason::Recover } else { Reason::TakenOver },
        to,
        device: None,
        alternative,
        claim,
        load,
        at_source,
        scorecard: None,
        handover: None,
    }
}

/// A step of the migration has failed, and its task is on its source: whoever failed, it stays there. `None` if the
/// report says something else, or the engine does not wait for the source to release the task.
fn failed_at_home(migration: &Migration, report: &Report) -> Option<Event> {
    let is_releasing = matches!(migration.course(), Course::Releasing { .. });
    let failed = event_of(report).filter(|event| matches!(event, Event::Failed(_)));
    failed.filter(|_| is_releasing && !broken!("refused_before_this_life"))
}

/// The course of a migration that another life began, carried out as this life would. A task that no worker has is with
/// the scheduler, if the scheduler is to place it.
fn course(config: &Config, task: &Task, shown: Shown) -> Course {
    let Shown { from, to, phase, since, .. } = shown;
    let Some(from) = from else {
        return if phase == Phase::Assigned { Course::Placing } else { Course::Unplaced };
    };
    let released = Some(since);
    if from == to && phase == Phase::Assigned && !broken!("on_its_way_home") {
        return Course::Returning { from, released, fate: Fate::Failed, called_off: false };
    }
    let transport = Transport::of(config.migration.as_ref(), task);
    match (transport.first(from), phase) {
        (Course::Copying { .. }, Phase::Releasing) if broken!("overlap_adopted") => {
            Course::Releasing { from }
        }
        (Course::Copying { .. }, Phase::Releasing) => Course::Stopping { from },
        (Course::Copying { .. }, Phase::Assigned) => Course::Copying { from },
        (first, Phase::Releasing) => first,
        (Course::Leaving { by, .. }, _) => Course::WithScheduler { from, by, released: since },
        (_, Phase::Released) => Course::Unassigned { from, released },
        (_, Phase::Assigned) => Course::Assigned { from, released },
    }
}
