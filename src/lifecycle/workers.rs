//! What does a snapshot show of the sources and the targets of migrations?
//!
//! First what each shows by itself, then whether the targets have room. What one migration makes room for, or takes at
//! home, matters to the others: they are asked until nothing changes.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::apart::{going, meetings};
use super::apply::Lifecycle;
use super::event::Event;
use super::home::Homes;
use super::observed::{Observation, has_copy_out_of_sight, is_home};
use super::room::{Rooms, Sent, full, has_room, promise, rooms};
use super::unfit::{closure, unfit};
use crate::model::ids::{MigrationId, TaskId};
use crate::model::rows::Row;
use crate::outcome::{Action, Cause, Command, Reason};
use crate::snapshot::{Phase, Placement, Snapshot};
use crate::state::{Course, Migration, Transport};
use crate::view::{UnderWay, under_way};

/// What a snapshot shows of the sources and the targets.
pub(super) struct Ends {
    /// The migrations that have lost one of them, in the order in which they began, each with its task.
    pub(super) lost: BTreeMap<MigrationId, (TaskId, Event)>,
    pub(super) homes: Homes,
}

/// What is asked of targets.
pub(super) struct Asked {
    /// The migrations for which it is asked, those that began earlier first.
    pub(super) migrations: BTreeSet<MigrationId>,
    rooms: Rooms,
    /// Who would meet a task from which it is kept apart.
    met: BTreeMap<TaskId, TaskId>,
    /// The orders that have not left the engine.
    sent: Sent,
}

/// Whether it matters if the target has room.
fn is_asked(sent: &Sent, own: &UnderWay<'_>) -> bool {
    let is_unseen = own.migration.is_unseen() && !broken!("unseen_loses_no_worker");
    let may_stay = own.is_at_its_source || is_sent(sent, own.migration);
    own.is_bound() && may_stay && !is_unseen
}

/// Whether the order that sends the task to its target has not left the engine.
fn is_sent(sent: &Sent, migration: &Migration) -> bool {
    sent.contains(&(migration.id(), migration.to())) && !broken!("closes_with_the_release")
}

impl Lifecycle<'_> {
    /// What the snapshot shows of each source and each target by itself, and what the sources can take back.
    pub(super) fn ends(&self, snapshot: &Snapshot, all: &[UnderWay<'_>]) -> Ends {
        let sent = self.just_assigned(snapshot);
        let lost = all.iter().filter_map(|own| {
            let event = self.of_workers(snapshot, &sent, own)?;
            Some((own.migration.id(), (own.migration.task(), event)))
        });
        let lost: BTreeMap<MigrationId, (TaskId, Event)> = lost.collect();
        let homes = self.homes(snapshot, (all, &sent), |migration| {
            lost.contains_key(&migration.id()) || is_sent(&sent, migration)
        });
        Ends { lost, homes }
    }

    /// Those that began earlier come first. A task that goes home comes before those that have yet to leave for the
    /// same worker, since no worker has it.
    pub(super) fn observe_workers(
        &mut self,
        snapshot: &Snapshot,
        lost: BTreeMap<MigrationId, (TaskId, Event)>,
        homes: &mut Homes,
    ) {
        for task in core::mem::take(&mut homes.sent) {
            self.ask_home(snapshot, homes, task);
        }
        for (id, (task, event)) in lost {
            if self.apply(id, event, snapshot.at()) {
                self.ask_home(snapshot, homes, task);
            }
        }
    }

    /// Which tasks their targets may have no room for, or may have to keep apart from another one.
    pub(super) fn asked(&self, snapshot: &Snapshot, all: &[UnderWay<'_>]) -> Asked {
        let sent = self.just_assigned(snapshot);
        let mut rooms = rooms(self.state, snapshot, (all, &sent));
        promise(all, &mut rooms);
        let met = meetings(self.state, snapshot, || going(all, &sent));
        let is_in_doubt = |own: &&UnderWay<'_>| {
            met.contains_key(&own.migration.task()) || !has_room(snapshot, &rooms, own)
        };
        let asked = all.iter().filter(|own| is_asked(&sent, own)).filter(is_in_doubt);
        let migrations = asked.map(|own| own.migration.id()).collect();
        Asked { migrations, rooms, met, sent }
    }

    /// Calls off the migrations whose targets have no room for them any more, or hold a task from which theirs is kept
    /// apart, in the order in which they began. Each makes room for those after it, and may take room at home: so the
    /// others are asked again.
    pub(super) fn ask_targets(&mut self, snapshot: &Snapshot, mut asked: Asked, homes: &mut Homes) {
        loop {
            let mut any = false;
            let Asked { migrations, rooms, met, sent } = asked;
            for id in migrations {
                let Some(migration) = self.state.in_flight.by_id(id) else { continue };
                let (task, worker) = (migration.task(), migration.to());
                let own = UnderWay::of(migration, snapshot.task_row(task), snapshot);
                let holds = met.get(&task).map(|task| Cause::TargetHolds { worker, task: *task });
                let full = || full(self.state, snapshot, (&rooms, &sent), &own);
                let Some(unfit) = holds.or_else(full) else { continue };
                let just_assigned = is_sent(&sent, migration);
                if self.apply(id, Event::TargetUnfit { unfit, just_assigned }, snapshot.at()) {
                    any = true;
                    self.ask_home(snapshot, homes, task);
                }
            }
            if !any {
                return;
            }
            asked = self.asked(snapshot, &under_way(&self.state.in_flight, snapshot));
        }
    }

    /// A task whose target is gone, and that its source would not take back, may run there all the same.
    pub(super) fn see_home(&mut self, snapshot: &Snapshot) {
        let all = under_way(&self.state.in_flight, snapshot);
        let home = all.iter().filter(|own| {
            let waits = matches!(own.migration.course(), Course::Unassigned { .. });
            waits && is_home(snapshot, own) && !broken!("home_though_its_target_is_gone")
        });
        let home: Vec<Observation> =
            home.map(|own| (own.migration.id(), Event::ShownAtSource, snapshot.at())).collect();
        self.apply_all(snapshot, home);
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
}
