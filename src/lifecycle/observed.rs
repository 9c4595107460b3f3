//! What does a snapshot show about the migrations under way, reported or not?
//!
//! Three questions are asked, each about all migrations before the next: where the snapshot shows the
//! task, what it shows of the source and the target, and whether the course has taken too long. So a task
//! that has arrived no longer counts as on its way when the second question is asked. The answers become
//! events of the transition table.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::model::ids::{MigrationId, WorkerId};
use crate::model::resource::Amounts;
use crate::model::time::Timestamp;
use crate::outcome::{Action, Cause};
use crate::snapshot::{Coverage, Phase, Placement, Snapshot, Stance, Task, Worker};
use crate::state::{Course, Migration, State, Track};
use crate::view;

use super::apply::Lifecycle;
use super::event::{Event, Shown};

impl Lifecycle<'_> {
    /// Notes what the snapshot says about workers, as far as it matters to migrations.
    pub(super) fn notice_workers(&mut self, snapshot: &Snapshot) {
        let partial = snapshot.coverage() == Coverage::Partial;
        if !partial {
            for (id, track) in &mut self.state.tracks {
                (track.gone, track.passing) = (snapshot.worker_row(*id).is_none(), None);
            }
        }
        let soon = self.config.soon(snapshot.at());
        let passing = partial.then_some(snapshot.at());
        for worker in snapshot.workers() {
            let new = || Track { passing, ..Track::default() };
            let track = self.state.tracks.entry(worker.id).or_insert_with(new);
            (track.stance, track.gone) = (worker.stance, false);
            track.leaving = worker.stance_by(snapshot.at(), soon) != worker.stance;
            track.passing = track.passing.and(passing);
        }
    }

    /// Observes all migrations under way. The event of one migration changes no other one, except that it
    /// may make room.
    pub(super) fn observe(&mut self, snapshot: &Snapshot, holds_back: bool) {
        let mut rooms = rooms(self.state, snapshot);
        let shown = with_tasks(self.migrations(), snapshot)
            .filter_map(|(migration, task)| self.of_task(snapshot, migration, task));
        let shown: Vec<Observation> = shown.collect();
        self.apply_all(shown);
        self.observe_workers(snapshot, &mut rooms);
        let at = snapshot.at();
        let overdue = self.migrations().filter_map(|migration| {
            Some((migration.id(), self.of_time(snapshot, migration, holds_back)?, at))
        });
        let overdue: Vec<Observation> = overdue.collect();
        self.apply_all(overdue);
    }

    fn migrations(&self) -> impl Iterator<Item = &Migration> {
        self.state.in_flight.values()
    }

    fn apply_all(&mut self, observations: Vec<Observation>) {
        for (id, event, at) in observations {
            self.apply(id, event, at);
        }
    }

    /// What the snapshot shows of the task.
    fn of_task(
        &self,
        snapshot: &Snapshot,
        migration: &Migration,
        task: Option<&Task>,
    ) -> Option<Observation> {
        let (id, mut at, since) = (migration.id(), snapshot.at(), migration.since());
        let Some(task) = task else {
            let is_missing = snapshot.coverage() == Coverage::Complete;
            return is_missing.then_some((id, Event::Missing, at));
        };
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
            // The host is in the phase that the engine assumes.
            Placement::Moving { phase, .. } if phase == migration.phase() => return None,
            Placement::Moving { migration: shown, phase, since: shown_since, .. }
                if shown == id =>
            {
                at = shown_since.min(at).max(since);
                Event::ShownInPhase(phase)
            }
            Placement::Moving { .. } => return None,
            Placement::Orphaned => {
                Event::ShownOrphaned { unfit: closure(snapshot, migration.to()) }
            }
            Placement::Unplaced => Event::ShownQueued,
        };
        Some((id, event, at))
    }

    /// Observes the source and the target of all migrations. A migration that is called off makes room for
    /// those that are asked after it.
    fn observe_workers(&mut self, snapshot: &Snapshot, rooms: &mut BTreeMap<WorkerId, Room>) {
        promise(self.state, rooms);
        let sent = self.just_assigned();
        let ends = with_tasks(self.migrations(), snapshot).filter_map(|(migration, task)| {
            Some((migration.id(), self.of_workers(snapshot, &sent, migration, task)?))
        });
        let ends: Vec<(MigrationId, Ends)> = ends.collect();
        for (id, ends) in ends {
            let Some(migration) = self.state.in_flight.by_id(id) else { continue };
            let event = match ends {
                Ends::Known(event) => event,
                Ends::HasRoom { just_assigned } => {
                    match full(self.state, snapshot, rooms, migration) {
                        Some(unfit) => Event::TargetUnfit { unfit, just_assigned },
                        None => continue,
                    }
                }
            };
            // The task may go back there, so how much the source has promised is no longer known.
            let back = migration.from().and_then(|from| rooms.get_mut(&from));
            back.into_iter().for_each(|room| room.most_promised = None);
            self.apply(id, event, snapshot.at());
        }
    }

    /// What the snapshot shows of the source and the target of a migration; `None` if it no longer matters.
    fn of_workers(
        &self,
        snapshot: &Snapshot,
        sent: &BTreeSet<(MigrationId, WorkerId)>,
        migration: &Migration,
        task: Option<&Task>,
    ) -> Option<Ends> {
        let (id, to) = (migration.id(), migration.to());
        let source_gone = migration.from().is_some_and(|from| is_gone(snapshot, from));
        if source_gone && migration.is_at_its_source() && !broken!("dead_source") {
            let on_target = task.is_some_and(|task| task.placement == Placement::On(to));
            return Some(Ends::Known(Event::SourceGone {
                on_target,
                unfit: closure(snapshot, to),
            }));
        }
        if is_gone(snapshot, to) && !broken!("dead_target") {
            let unfit = Cause::TargetGone { worker: to };
            return Some(Ends::Known(Event::TargetGone { unfit }));
        }
        let just_assigned = sent.contains(&(id, to)) && !broken!("closes_with_the_release");
        if !just_assigned && !migration.is_at_its_source() {
            return None;
        }
        let soon = self.config.soon(snapshot.at());
        Some(match unfit(snapshot, soon, migration, task) {
            Some(unfit) => Ends::Known(Event::TargetUnfit { unfit, just_assigned }),
            None => Ends::HasRoom { just_assigned },
        })
    }

    /// The migrations that this snapshot has assigned to a target, because it reported their release.
    fn just_assigned(&self) -> BTreeSet<(MigrationId, WorkerId)> {
        let commands = self.out.commands.iter();
        let released = commands.filter(|command| command.cause() == Some(Cause::Released));
        let sent = released.filter_map(|command| match command.action {
            Action::Assign { to, .. } => Some((command.migration, to)),
            _ => None,
        });
        sent.collect()
    }

    /// Whether the course has taken too long.
    fn of_time(
        &self,
        snapshot: &Snapshot,
        migration: &Migration,
        holds_back: bool,
    ) -> Option<Event> {
        let (id, phase, since) = (migration.id(), migration.phase(), migration.since());
        let timeout = self.config.timeout();
        let is_in_time = snapshot.at().since(since).is_none_or(|waited| waited <= timeout);
        if is_in_time || broken!("time_out") {
            return None;
        }
        let unseen = holds_back && is_out_of_sight(snapshot, migration);
        if unseen && !broken!("mass_disappearance_stops_the_clock") {
            return None;
        }
        let placement = snapshot.task(migration.task()).map(|record| record.placement);
        let shown = match placement {
            Some(Placement::On(worker)) if migration.from() == Some(worker) => Shown::AtSource,
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

/// What a snapshot shows of the source and the target of a migration.
enum Ends {
    /// An event.
    Known(Event),
    /// The target may have the task if there is still room for it.
    HasRoom { just_assigned: bool },
}

/// How much of a target's capacity is claimed.
struct Room {
    /// The claims of the tasks that are on the target.
    taken: Amounts,
    /// An upper bound of the claims of the tasks on their way to the target; `None` if unknown.
    most_promised: Option<Amounts>,
}

/// Migrations by task, each with the record of its task. Both are in the same order, so if the task of the next
/// migration is the next task, no search is needed.
fn with_tasks<'a>(
    migrations: impl Iterator<Item = &'a Migration>,
    snapshot: &'a Snapshot,
) -> impl Iterator<Item = (&'a Migration, Option<&'a Task>)> {
    let mut rest = snapshot.tasks();
    migrations.map(move |migration| {
        let id = migration.task();
        if rest.first().is_some_and(|first| first.id < id) {
            rest = &rest[rest.partition_point(|task| task.id < id)..];
        }
        let Some((task, after)) = rest.split_first().filter(|(task, _)| task.id == id) else {
            return (migration, None);
        };
        rest = after;
        (migration, Some(task))
    })
}

/// Whether a worker is gone, or was gone when it was last listed.
fn is_lost(state: &State, snapshot: &Snapshot, worker: WorkerId) -> bool {
    let was_gone = || state.tracks.get(&worker).is_some_and(|track| track.gone);
    is_gone(snapshot, worker) || (snapshot.worker(worker).is_none() && was_gone())
}

fn is_gone(snapshot: &Snapshot, worker: WorkerId) -> bool {
    match snapshot.worker(worker) {
        Some(worker) => worker.stance == Stance::Offline,
        None => snapshot.coverage() == Coverage::Complete,
    }
}

/// Whether the source or the target of a migration is not in the snapshot.
fn is_out_of_sight(snapshot: &Snapshot, migration: &Migration) -> bool {
    let mut ends = migration.from().into_iter().chain([migration.to()]);
    ends.any(|worker| snapshot.worker(worker).is_none())
}

/// Why a target does not take the task that is on its way there.
fn closure(snapshot: &Snapshot, worker: WorkerId) -> Cause {
    match snapshot.worker(worker) {
        None => Cause::TargetGone { worker },
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
fn unfit(
    snapshot: &Snapshot,
    soon: Timestamp,
    migration: &Migration,
    task: Option<&Task>,
) -> Option<Cause> {
    let worker = migration.to();
    let target = snapshot.worker(worker)?;
    if target.stance != Stance::Accept && !broken!("target_closed") {
        return Some(Cause::TargetClosed { worker, stance: target.stance });
    }
    if let Some(at) = target.leaves(snapshot.at())
        && at < soon
        && !broken!("target_leaves")
    {
        return Some(Cause::TargetLeaves { worker, at });
    }
    let class = task.and_then(|task| snapshot.class(task.class?));
    let has_left = !migration.is_at_its_source() && broken!("class_closes_with_the_release");
    let is_outside = class?.cost(worker).is_none() && !broken!("class_changes_meanwhile");
    (is_outside && !has_left).then_some(Cause::TargetOutside { worker, class: class?.id })
}

/// The resource that the target has run out of; `None` if there is room. Migrations that began earlier get room first;
/// a migration whose task is shown on the target counts among the tasks there.
fn full(
    state: &State,
    snapshot: &Snapshot,
    rooms: &BTreeMap<WorkerId, Room>,
    migration: &Migration,
) -> Option<Cause> {
    let worker = migration.to();
    let target = snapshot.worker(worker)?;
    let room = rooms.get(&worker);
    let lacks = |resource, amount: f64, promised: f64| {
        let taken = room.and_then(|room| room.taken.known(resource)).unwrap_or(0.0);
        let free = target.capacity.known(resource).map(|capacity| capacity - taken - promised);
        free.is_some_and(|free| amount > free) && !broken!("target_full")
    };
    // If there is room for all tasks on their way, there is room for the earlier ones.
    if let Some(most) = room.and_then(|room| room.most_promised.as_ref()) {
        let promised = |resource| most.get(resource).unwrap_or(0.0);
        let mut claim = migration.claim().iter();
        if !claim.any(|(resource, amount)| lacks(resource, amount, promised(resource))) {
            return None;
        }
    }
    let is_there = |other: &Migration| {
        let task = snapshot.task(other.task());
        task.is_some_and(|task| task.placement == Placement::On(worker))
            && !broken!("room_is_taken_twice")
    };
    let bound = state.in_flight.bound_for(worker);
    let earlier: Vec<&Migration> =
        bound.filter(|other| other.id() < migration.id() && !is_there(other)).collect();
    let lacking = migration.claim().iter().find(|(resource, amount)| {
        let promised = earlier.iter().filter_map(|other| other.claim().known(*resource));
        lacks(*resource, *amount, promised.sum())
    });
    lacking.map(|(resource, _)| Cause::TargetFull { worker, resource })
}

/// The room on the targets of migrations under way. The claims of the tasks there are as the worker states them, or
/// else the sum of the tasks' own.
fn rooms(state: &State, snapshot: &Snapshot) -> BTreeMap<WorkerId, Room> {
    let mut rooms: BTreeMap<WorkerId, Room> = BTreeMap::new();
    for migration in state.in_flight.values() {
        // Room matters only while the task is still on its source.
        if migration.is_at_its_source() {
            let room = Room { taken: Amounts::new(), most_promised: None };
            rooms.entry(migration.to()).or_insert(room);
        }
    }
    if rooms.is_empty() {
        return rooms;
    }
    for task in snapshot.tasks() {
        let Placement::On(worker) = task.placement else { continue };
        let Some(room) = rooms.get_mut(&worker) else { continue };
        let kinds = snapshot.worker(worker).map(Worker::kinds).unwrap_or_default();
        let now = view::alternative(task, kinds);
        add(&mut room.taken, &view::claims(&view::by(task, now, now), kinds));
    }
    for (id, room) in &mut rooms {
        let stated = snapshot.worker(*id).map(|worker| &worker.reserved);
        let stated = stated.into_iter().flat_map(Amounts::iter);
        stated.for_each(|(resource, amount)| room.taken.set(resource, amount));
    }
    rooms
}

/// Adds up the claims on their way to each target, by task, in the order in which [`full`] adds up a part of them.
fn promise(state: &State, rooms: &mut BTreeMap<WorkerId, Room>) {
    for room in rooms.values_mut() {
        room.most_promised = Some(Amounts::new());
    }
    for migration in state.in_flight.values().filter(|migration| migration.is_bound()) {
        let room = rooms.get_mut(&migration.to());
        let Some(promised) = room.and_then(|room| room.most_promised.as_mut()) else { continue };
        for (resource, _) in migration.claim().iter() {
            let more = migration.claim().known(resource).unwrap_or(0.0);
            promised.set(resource, promised.get(resource).unwrap_or(0.0) + more);
        }
    }
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (resource, amount) in more.iter() {
        sum.set(resource, sum.get(resource).unwrap_or(0.0) + amount);
    }
}
