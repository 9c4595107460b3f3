//! What does a snapshot show of the migrations under way, whether or not anybody reported it?
//!
//! Each question is asked of all migrations before the next: what the snapshot shows of the task,
//! what it shows of the workers at either end, and whether the course has taken too long. Who has
//! arrived is then not counted as on its way. The answers become events of the transition table.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::model::ids::{MigrationId, WorkerId};
use crate::model::resource::Amounts;
use crate::model::time::Timestamp;
use crate::outcome::{Action, Cause};
use crate::snapshot::{Coverage, Phase, Placement, Snapshot, Stance, Worker};
use crate::state::{Course, Migration, State, Track};
use crate::view;

use super::apply::Lifecycle;
use super::event::{Event, Shown};

impl Lifecycle<'_> {
    /// What the snapshot says of workers, as far as migrations care.
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

    /// What the snapshot shows of all migrations under way.
    pub(super) fn observe(&mut self, snapshot: &Snapshot, holds_back: bool) {
        let ids: Vec<MigrationId> = self.state.in_flight.values().map(Migration::id).collect();
        let claimed = claimed(self.state, snapshot);
        for id in &ids {
            self.observe_task(snapshot, *id);
        }
        let sent = self.just_assigned();
        for id in &ids {
            self.observe_workers(snapshot, &claimed, &sent, *id);
        }
        for id in &ids {
            self.observe_time(snapshot, *id, holds_back);
        }
    }

    /// What the snapshot shows of the task.
    fn observe_task(&mut self, snapshot: &Snapshot, id: MigrationId) {
        let Some(migration) = self.state.in_flight.by_id(id) else { return };
        let (mut at, since) = (snapshot.at(), migration.since());
        let Some(record) = snapshot.task(migration.task()) else {
            if snapshot.coverage() == Coverage::Complete {
                self.apply(id, Event::Missing, at);
            }
            return;
        };
        let event = match record.placement {
            Placement::On(worker) if migration.from() == Some(worker) => {
                // Shown so soon after it has left, it may not have left yet.
                let stability = self.config.stability;
                let lag = stability.map(|section| section.telemetry_lag).unwrap_or_default();
                let with_scheduler = matches!(migration.course(), Course::WithScheduler { .. });
                if with_scheduler && at <= since.after(lag) {
                    return;
                }
                Event::ShownAtSource
            }
            Placement::On(worker) if worker == migration.to() => Event::ShownAtTarget,
            // Still said to be where it was lost: nothing new.
            Placement::On(worker)
                if is_lost(self.state, snapshot, worker) && !broken!("placed_once") =>
            {
                return;
            }
            Placement::On(worker) => Event::ShownElsewhere { worker },
            Placement::Moving { migration: shown, phase, since: shown_since, .. }
                if shown == id =>
            {
                at = shown_since.min(at).max(since);
                Event::ShownInPhase(phase)
            }
            Placement::Moving { .. } => return,
            Placement::Orphaned => {
                Event::ShownOrphaned { unfit: closure(snapshot, migration.to()) }
            }
            Placement::Unplaced => Event::ShownQueued,
        };
        self.apply(id, event, at);
    }

    /// What the snapshot shows of the workers at either end.
    fn observe_workers(
        &mut self,
        snapshot: &Snapshot,
        claimed: &BTreeMap<WorkerId, Amounts>,
        sent: &BTreeSet<(MigrationId, WorkerId)>,
        id: MigrationId,
    ) {
        let Some(migration) = self.state.in_flight.by_id(id) else { return };
        let to = migration.to();
        let source_gone = migration.from().is_some_and(|from| is_gone(snapshot, from));
        let event = if source_gone && migration.is_at_its_source() && !broken!("dead_source") {
            let task = snapshot.task(migration.task());
            let on_target = task.is_some_and(|task| task.placement == Placement::On(to));
            Event::SourceGone { on_target, unfit: closure(snapshot, to) }
        } else if is_gone(snapshot, to) && !broken!("dead_target") {
            Event::TargetGone { unfit: Cause::TargetGone { worker: to } }
        } else {
            let just_assigned = sent.contains(&(id, to)) && !broken!("closes_with_the_release");
            if !just_assigned && !migration.is_at_its_source() {
                return;
            }
            let soon = self.config.soon(snapshot.at());
            let unfit = unfit(snapshot, soon, migration)
                .or_else(|| full(self.state, snapshot, claimed, migration));
            let Some(unfit) = unfit else { return };
            Event::TargetUnfit { unfit, just_assigned }
        };
        self.apply(id, event, snapshot.at());
    }

    /// The migrations that this very snapshot has sent to a target, because their source let go.
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
    fn observe_time(&mut self, snapshot: &Snapshot, id: MigrationId, holds_back: bool) {
        let Some(migration) = self.state.in_flight.by_id(id) else { return };
        let (at, phase, since) = (snapshot.at(), migration.phase(), migration.since());
        let timeout = self.config.timeout();
        let is_in_time = at.since(since).is_none_or(|waited| waited <= timeout);
        if is_in_time || broken!("time_out") {
            return;
        }
        let unseen = holds_back && is_out_of_sight(snapshot, migration);
        if unseen && !broken!("mass_disappearance_stops_the_clock") {
            return;
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
        self.apply(id, Event::Overdue { shown, late: Cause::TimedOut { phase, since } }, at);
    }
}

/// Whether a worker is gone, or was when last heard of.
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

/// Whether an end of a migration is not in the snapshot.
fn is_out_of_sight(snapshot: &Snapshot, migration: &Migration) -> bool {
    let mut ends = migration.from().into_iter().chain([migration.to()]);
    ends.any(|worker| snapshot.worker(worker).is_none())
}

/// Why a target does not take what was on its way there.
fn closure(snapshot: &Snapshot, worker: WorkerId) -> Cause {
    match snapshot.worker(worker) {
        None => Cause::TargetGone { worker },
        Some(it) if it.stance != Stance::Accept => {
            Cause::TargetClosed { worker, stance: it.stance }
        }
        Some(it) => {
            let at = snapshot.at();
            Cause::TargetLeaves { worker, at: it.leaves(at).unwrap_or(at) }
        }
    }
}

/// Why a target must not have the task any more, whatever else is on its way there.
fn unfit(snapshot: &Snapshot, soon: Timestamp, migration: &Migration) -> Option<Cause> {
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
    let class = snapshot.task(migration.task()).and_then(|task| snapshot.class(task.class?));
    let has_left = !migration.is_at_its_source() && broken!("class_closes_with_the_release");
    let is_outside = class?.cost(worker).is_none() && !broken!("class_changes_meanwhile");
    (is_outside && !has_left).then_some(Cause::TargetOutside { worker, class: class?.id })
}

/// What the target has run out of. Migrations that were begun earlier come first; one whose task is
/// shown on the target is counted among the tasks there.
fn full(
    state: &State,
    snapshot: &Snapshot,
    claimed: &BTreeMap<WorkerId, Amounts>,
    migration: &Migration,
) -> Option<Cause> {
    let worker = migration.to();
    let target = snapshot.worker(worker)?;
    let is_there = |other: &Migration| {
        let task = snapshot.task(other.task());
        task.is_some_and(|task| task.placement == Placement::On(worker))
            && !broken!("room_is_taken_twice")
    };
    let bound = state.in_flight.bound_for(worker);
    let earlier: Vec<&Migration> =
        bound.filter(|other| other.id() < migration.id() && !is_there(other)).collect();
    migration.claim().iter().find_map(|(resource, amount)| {
        let taken = claimed.get(&worker).and_then(|sum| sum.known(resource)).unwrap_or(0.0);
        let promised = earlier.iter().filter_map(|other| other.claim().known(resource));
        let free = target.capacity.known(resource)? - taken - promised.sum::<f64>();
        let is_full = amount > free && !broken!("target_full");
        is_full.then_some(Cause::TargetFull { worker, resource })
    })
}

/// What tasks claim that are on the targets of migrations under way: as a worker states it, or else
/// their claims added up.
fn claimed(state: &State, snapshot: &Snapshot) -> BTreeMap<WorkerId, Amounts> {
    let releasing = state.in_flight.values().filter(|migration| migration.is_at_its_source());
    let mut sums: BTreeMap<WorkerId, Amounts> =
        releasing.map(|migration| (migration.to(), Amounts::new())).collect();
    if sums.is_empty() {
        return sums;
    }
    for task in snapshot.tasks() {
        let Placement::On(worker) = task.placement else { continue };
        let Some(sum) = sums.get_mut(&worker) else { continue };
        let kinds = snapshot.worker(worker).map(Worker::kinds).unwrap_or_default();
        let now = view::alternative(task, kinds);
        for (resource, claim) in view::claims(&view::by(task, now, now), kinds).iter() {
            sum.set(resource, sum.get(resource).unwrap_or(0.0) + claim);
        }
    }
    for (id, sum) in &mut sums {
        let stated = snapshot.worker(*id).map(|worker| &worker.reserved);
        stated.into_iter().flat_map(Amounts::iter).for_each(|(resource, it)| sum.set(resource, it));
    }
    sums
}
