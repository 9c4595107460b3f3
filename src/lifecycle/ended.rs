//! What is heard and seen of migrations that are over?
//!
//! A migration may end before its last orders are carried out, or before its source has let go. What the host
//! shows of it then says what is left to do: m0.1 ended at 40 s, when an operator called it off; a snapshot of 60 s
//! shows its task as released by the source, so nobody has it, and it goes back to the scheduler. A snapshot of 60 s
//! that shows it on a worker says that all was done.

use crate::model::ids::MigrationId;
use crate::model::time::Timestamp;
use crate::outcome::{Action, Cause};
use crate::snapshot::{self, Coverage, Phase, Placement, Report, Snapshot};
use crate::state::{AtRest, EndedMigration, State};

use super::apply::Lifecycle;
use super::news::{at_rest, is_later};

impl Lifecycle<'_> {
    /// Reads a report on a migration that is over, or that never was.
    pub(super) fn read_late(&mut self, report: &Report, latest: Timestamp) {
        let State { ended, in_flight, .. } = &*self.state;
        let known = ended.iter().find(|ended| Some(ended.id) == report.event.migration());
        let known = known.filter(|ended| !in_flight.contains_key(&ended.task));
        let Some(ended) = known.cloned() else {
            self.out.ignored += 1;
            return;
        };
        match report.event {
            // The source let go although the migration was over: nobody has the task. Once.
            snapshot::Event::Released { .. }
                if ended.source_still_holds
                    && is_later(report.at, ended.shown_at_rest)
                    && !broken!("late_release_is_not_lost") =>
            {
                self.give_back_late(ended.id);
            }
            snapshot::Event::Diverted { worker, task, .. }
                if ended.placement_unknown_since_leaving.is_some() && !broken!("heard_of_late") =>
            {
                self.found_late(&ended, (worker, task), report.at.min(latest));
            }
            _ => self.out.ignored += 1,
        }
    }

    /// Nobody has the task of a migration that is over: it is the scheduler's.
    fn give_back_late(&mut self, id: MigrationId) {
        let order = (Action::Requeue, Cause::Late);
        let gone = |other: &mut EndedMigration| {
            other.source_still_holds = false;
            if !broken!("gang_follows_who_was_let_go_late") {
                other.requested_at = None;
            }
            other.last_orders = alloc::vec![order];
        };
        self.state.ended.replace_where(|other| other.id == id, gone);
        let ended = self.state.ended.iter().filter(|ended| ended.id == id);
        self.out.commands.extend(ended.flat_map(EndedMigration::commands));
    }

    /// What the snapshot shows of tasks whose migrations are over: last orders that were carried out are forgotten,
    /// and the others are given again; a task that its source has let go is the scheduler's.
    pub(super) fn see_ended(&mut self, snapshot: &Snapshot) {
        let mut left = alloc::vec::Vec::new();
        for ended in self.state.ended.iter().filter(|ended| ended.at < snapshot.at()) {
            if let Some(left_to_do) = left_to_do(self.state, snapshot, ended) {
                left.push((ended.id, left_to_do));
            }
        }
        for (id, left_to_do) in left {
            match left_to_do {
                LeftToDo::Nothing(shown) => {
                    let done = |ended: &mut EndedMigration| {
                        ended.last_orders.clear();
                        ended.shown_at_rest = shown.or(ended.shown_at_rest);
                    };
                    self.state.ended.replace_where(|ended| ended.id == id, done);
                }
                LeftToDo::LastOrders => {
                    let ended = self.state.ended.iter().filter(|ended| ended.id == id);
                    self.out.commands.extend(ended.flat_map(EndedMigration::commands));
                }
                LeftToDo::GiveBack => self.give_back_late(id),
            }
        }
    }
}

/// What a snapshot shows to be left of a migration that is over.
enum LeftToDo {
    /// The task is at rest, or gone, or moves by another migration.
    Nothing(Option<AtRest>),
    /// The host still carries it out: what it was told last is not done yet.
    LastOrders,
    /// Nobody has the task.
    GiveBack,
}

/// What is left to do of a migration that ended before the snapshot; `None` if the snapshot does not tell.
fn left_to_do(state: &State, snapshot: &Snapshot, ended: &EndedMigration) -> Option<LeftToDo> {
    let Some(task) = snapshot.task(ended.task) else {
        let is_complete = snapshot.coverage() == Coverage::Complete;
        return is_complete.then_some(LeftToDo::Nothing(None));
    };
    if state.in_flight.contains_key(&ended.task) {
        return Some(LeftToDo::Nothing(None));
    }
    match task.placement {
        Placement::Moving { migration, phase, .. } if migration == ended.id => {
            let nobody_has_it = phase == Phase::Released
                && !ended.is_settled
                && ended.placement_unknown_since_leaving.is_none()
                && !broken!("released_though_it_is_over");
            if nobody_has_it {
                return Some(LeftToDo::GiveBack);
            }
            (!ended.last_orders.is_empty()).then_some(LeftToDo::LastOrders)
        }
        _ => Some(LeftToDo::Nothing(at_rest(snapshot, task))),
    }
}
