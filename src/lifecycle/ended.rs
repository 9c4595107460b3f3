//! What do reports and snapshots say of migrations that are over?
//!
//! A migration may end before its last orders are carried out, or before its source releases the task. What the host
//! shows of it then says what is left to do: m0.1 ended at 40 s, when an operator called it off; a snapshot of 60 s
//! shows its task as released by the source, so no worker has it, and it goes back to the scheduler. A snapshot of 60 s
//! that shows it on a worker says that the last orders were carried out.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::config::Config;
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::rows::Row;
use crate::model::time::Timestamp;
use crate::outcome::{Action, Cause, Command};
use crate::snapshot::{self, Phase, Placement, Report, Snapshot};
use crate::state::{AtRest, EndedMigration, InFlight, State, Transport};

use super::apply::Lifecycle;
use super::news::{at_rest, is_later};

impl Lifecycle<'_> {
    /// Reads a report on a migration that is over or unknown.
    pub(super) fn read_late(&mut self, report: &Report, latest: Timestamp) {
        let State { ended, in_flight, .. } = &*self.state;
        let known = ended.iter().find(|ended| Some(ended.id) == report.event.migration());
        let known = known.filter(|ended| !in_flight.contains_key(&ended.task));
        let Some(ended) = known.cloned() else {
            self.out.ignored += 1;
            return;
        };
        match report.event {
            // The source released the task although the migration was over: no worker has it. This counts once.
            snapshot::Event::Released { .. }
                if ended.source_still_holds
                    && is_later(report.at, ended.shown_at_rest)
                    && !broken!("late_release_is_not_lost") =>
            {
                let is_old = broken!("late_release_is_ordered_back_now");
                let now = self.order_moment();
                self.give_back_late(ended.id, if is_old { report.at } else { report.at.max(now) });
            }
            snapshot::Event::Diverted { worker, task, .. }
                if ended.placement_unknown_since_leaving.is_some() && !broken!("heard_of_late") =>
            {
                self.found_late(&ended, (worker, task), report.at.min(latest));
            }
            // Its target has forgotten the copy, as it was told.
            snapshot::Event::Aborted { .. }
            | snapshot::Event::Failed { .. }
            | snapshot::Event::Refused { .. }
                if ended.copy_on.is_some()
                    && report.at > ended.given
                    && !self.is_told_now(ended.id)
                    && !broken!("called_off_copy_answers") =>
            {
                let forget = |ended: &mut EndedMigration| ended.forget_copy();
                self.state.ended.replace_where(|it| it.id == ended.id, forget);
            }
            _ => self.out.ignored += 1,
        }
    }

    /// Whether an order of this migration follows from the input that is being taken in: nothing in the same input
    /// answers it, whatever moment it states.
    fn is_told_now(&self, id: MigrationId) -> bool {
        let is_its = |command: &Command| command.migration == id;
        self.out.commands.iter().any(is_its) && !broken!("answered_before_it_is_told")
    }

    /// No worker has the task of a migration that is over: it goes back to the scheduler.
    fn give_back_late(&mut self, id: MigrationId, given: Timestamp) {
        let commands = &mut self.out.commands;
        self.state.ended.replace_where(
            |ended| ended.id == id,
            |ended| {
                let_go_late(ended);
                ended.given = given;
                commands.extend(ended.commands());
            },
        );
    }

    /// What the snapshot shows of tasks whose migrations are over: last orders that were carried out are forgotten,
    /// and the others are given again; a task that its source has released goes back to the scheduler.
    ///
    /// What this snapshot has led to is not given twice in its round.
    pub(super) fn see_ended(&mut self, snapshot: &Snapshot) {
        let told: BTreeSet<MigrationId> = if broken!("last_orders_once") {
            BTreeSet::new()
        } else {
            self.out.commands.iter().map(|command| command.migration).collect()
        };
        let config = self.config;
        let (State { ended, in_flight, epoch, issued, last, .. }, commands) =
            (&mut *self.state, &mut self.out.commands);
        // Hosts ignore commands of all but the last migration of a task.
        let mut newest: BTreeMap<TaskId, MigrationId> = BTreeMap::new();
        for ended in ended.iter() {
            let id = newest.entry(ended.task).or_insert(ended.id);
            *id = ended.id.max(*id);
        }
        let is_last = |ended: &EndedMigration| newest.get(&ended.task) == Some(&ended.id);
        let is_due = |ended: &EndedMigration| {
            ended.at < snapshot.at() && !told.contains(&ended.id) && is_last(ended)
        };
        // An order since the last snapshot was given before this one, whatever the clocks say. If it was to give a task
        // back, the host may carry it out as late as if it had been given now.
        let is_since = |ended: &EndedMigration| {
            let is_late = ended.is_given_back() || ended.given > snapshot.at();
            is_late && Some(ended.given) > *last && !broken!("given_since_the_last_round")
        };
        ended.replace_where(is_since, |ended| ended.given = snapshot.at());
        ended.replace_where(is_due, |ended| {
            let is_new = match left_to_do(config, in_flight, snapshot, ended) {
                LeftToDo::Unknown | LeftToDo::Wait => return,
                LeftToDo::Nothing(shown) => {
                    // A task in the queue has been given back.
                    if shown.is_some_and(|shown| shown.on.is_none()) {
                        ended.last_orders.clear();
                    }
                    ended.drop_orders();
                    ended.shown_at_rest = shown.or(ended.shown_at_rest);
                    return;
                }
                LeftToDo::LastOrders => false,
                LeftToDo::CallOff(workers) => call_off(ended, workers),
                LeftToDo::GiveBack => let_go_late(ended),
            };
            ended.given = snapshot.at();
            if !is_new && ended.is_given_back() {
                ended.last_requeue = Some(snapshot.at());
                if ended.id.epoch() != *epoch && !broken!("given_back_by_this_life") {
                    // A host that has seen a later migration of the task, which this life may not know of, ignores the
                    // old id.
                    *issued += 1;
                    ended.id = MigrationId::new(*epoch, *issued);
                }
            }
            commands.extend(ended.commands());
        });
    }
}

/// Its source has released the task after the end: the last order is to give it back, after a copy of it has been
/// called off. Returns whether that is new.
fn let_go_late(ended: &mut EndedMigration) -> bool {
    ended.source_still_holds = false;
    if !broken!("gang_follows_who_was_let_go_late") {
        ended.requested_at = None;
    }
    let is_new = !ended.is_given_back();
    if is_new {
        ended.last_orders = alloc::vec![(Action::Requeue, Cause::Late)];
    }
    let copy = ended.copy_on.filter(|_| !broken!("copy_forgotten_before_it_is_given_back"));
    call_off(ended, [copy, None]) || is_new
}

/// These workers are still carrying the migration out: they are told to forget it, before anything else. Returns
/// whether one of them had not been told.
fn call_off(ended: &mut EndedMigration, workers: [Option<WorkerId>; 2]) -> bool {
    let told = ended.last_orders.len();
    for worker in workers.into_iter().flatten() {
        let is_told = |(action, _): &(Action, Cause)| match *action {
            Action::Abort { worker: told } | Action::Stop { from: told } => told == worker,
            _ => false,
        };
        if !ended.last_orders.iter().any(is_told) {
            ended.last_orders.insert(0, (Action::Abort { worker }, Cause::Over));
        }
    }
    ended.last_orders.len() > told
}

/// What a snapshot shows to be left of a migration that is over.
enum LeftToDo {
    /// The snapshot does not tell.
    Unknown,
    /// The task was given back to the scheduler, which does not show it yet; or a copy of it was called off, and may be
    /// all there is of it.
    Wait,
    /// The task is at rest, or gone, or moves by another migration.
    Nothing(Option<AtRest>),
    /// The host still carries the migration out: its last orders have not been carried out yet.
    LastOrders,
    /// These workers still carry it out, by an order that reached them late.
    CallOff([Option<WorkerId>; 2]),
    /// No worker has the task, or only a copy of it.
    GiveBack,
}

/// What is left to do of a migration that ended before the snapshot.
fn left_to_do(
    config: &Config,
    in_flight: &InFlight,
    snapshot: &Snapshot,
    ended: &EndedMigration,
) -> LeftToDo {
    let Some(row) = snapshot.task_row(ended.task) else {
        return if snapshot.is_whole() { LeftToDo::Nothing(None) } else { LeftToDo::Unknown };
    };
    if !snapshot.is_place_known(row) {
        return LeftToDo::Unknown;
    }
    let task = &snapshot.tasks()[row.position()];
    if in_flight.contains_key(&ended.task) {
        return LeftToDo::Nothing(None);
    }
    match task.placement {
        // By this migration, or by an earlier one whose order came late.
        Placement::Moving { migration, from, to, phase, since } if migration <= ended.id => {
            // A task whose source goes on with the migration after it had arrived has not arrived.
            let goes_on = since > ended.at && phase != Phase::Assigned;
            let is_settled = ended.is_settled && (!goes_on || broken!("settled_for_ever"));
            let is_ours = !is_settled && ended.placement_unknown_since_leaving.is_none();
            // However its host moves tasks by now.
            let is_known = ended.copy_on.is_some() && !broken!("copies_as_the_settings_say_now");
            let copies = from.is_some()
                && (is_known
                    || Transport::of(config.migration.as_ref(), task) == Transport::StartThenStop);
            match phase {
                Phase::Released if is_ours && !broken!("released_though_it_is_over") => {
                    LeftToDo::GiveBack
                }
                Phase::Assigned if is_ours && !broken!("assigned_though_it_is_over") => {
                    LeftToDo::CallOff([Some(to), None])
                }
                Phase::Releasing if is_ours && !broken!("releasing_though_it_is_over") => {
                    LeftToDo::CallOff([from, copies.then_some(to)])
                }
                _ => LeftToDo::LastOrders,
            }
        }
        // An order that is older is dropped by the host.
        Placement::Orphaned
            if (ended.is_given_back() || ended.may_have_copy(snapshot))
                && snapshot.at() <= ended.given.after(config.timeout()) =>
        {
            LeftToDo::Wait
        }
        _ => LeftToDo::Nothing(at_rest(snapshot, row)),
    }
}
