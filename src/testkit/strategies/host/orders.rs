//! How commands arrive at a host, what it makes of them, and how the engine hears of that.

use alloc::format;
use alloc::vec::Vec;

use proptest::sample::Index;

use super::super::script::{Deed, Done, Told};
use super::Host;
use crate::engine::{Input, Output};
use crate::host::{Objection, Order, addressee, rename};
use crate::id::MigrationId;
use crate::outcome::{Action, Cause, Command};
use crate::snapshot::{Placement, Stance};
use crate::{Event, Report, TaskId, WorkerId};

impl Host {
    /// What is due of the commands, and of the reports that come late.
    pub(super) fn carry_out(&mut self, deeds: &[Deed], door: &mut dyn FnMut(Input) -> Output) {
        // What a report is answered with may be due at once.
        for _ in 0..8 {
            let due = self.mail.orders_due(self.turn);
            if due.is_empty() {
                break;
            }
            for order in due {
                let Some(event) = self.execute(&order) else { continue };
                let report = Report::new(self.now, event);
                let told = order.manner.told;
                let hidden = !self.shows_moving && matches!(event, Event::Released { .. });
                match told {
                    Told::Never if !hidden => {}
                    Told::Late | Told::Never => self.mail.send(self.turn + 2, report),
                    Told::WithSnapshot => self.mail.send(self.turn, report),
                    Told::AtOnce | Told::Twice => {
                        let output = door(Input::Report(report));
                        self.obey(&output, deeds);
                    }
                }
                if told == Told::Twice {
                    self.mail.send(self.turn, report);
                }
            }
        }
    }

    /// Carries out one command; what there is to tell of it.
    fn execute(&mut self, order: &Order<Deed>) -> Option<Event> {
        let command = &order.command;
        let Command { migration, task, action, .. } = *command;
        let at = addressee(action)?;
        if !self.is_alive(at) || self.fences.refuse(command, at) {
            return None;
        }
        let elsewhere = match order.manner.result? {
            Done::Failed => return Some(Event::Failed { migration }),
            Done::Refused => return Some(Event::Refused { migration }),
            Done::Elsewhere(other)
                if matches!(action, Action::Assign { .. } | Action::Place { .. }) =>
            {
                return self.divert(migration, task, other);
            }
            Done::Elsewhere(other) => Some(other),
            Done::Well => None,
        };
        match action {
            Action::Evict { hint: to, .. } | Action::RequeueFor { to, .. } => {
                self.evict(command, to, elsewhere)
            }
            _ => self.perform(command, None),
        }
    }

    /// Carries out a command as it stands. What the model objects to is a fault of the engine, unless the task has left
    /// meanwhile.
    fn perform(&mut self, command: &Command, lands: Option<WorkerId>) -> Option<Event> {
        let failed = Some(Event::Failed { migration: command.migration });
        let Some(hosted) = self.tasks.get_mut(&command.task) else { return failed };
        match hosted.perform(command, lands, self.now) {
            Ok(event) => event,
            Err(Objection::NotThere) => failed,
            Err(objection) => {
                self.faults.push(format!("{command}: {objection}"));
                None
            }
        }
    }

    /// The task leaves its worker, and the scheduler finds it a place: at once, or when it likes, and perhaps under
    /// another name.
    fn evict(
        &mut self,
        command: &Command,
        hint: WorkerId,
        elsewhere: Option<Index>,
    ) -> Option<Event> {
        let Command { migration, task, .. } = *command;
        let open = self.workers.values().filter(|body| body.alive);
        let open: Vec<WorkerId> = open.map(|body| body.record.id).collect();
        let Some(other) = elsewhere else {
            let at_once = migration.number() % 3 != 0 && open.contains(&hint);
            return self.perform(command, at_once.then_some(hint));
        };
        let worker = *other.get(&open);
        let event = self.perform(command, Some(worker))?;
        if matches!(event, Event::Failed { .. }) {
            return Some(event);
        }
        let mut name = task;
        if migration.number() % 2 != 0 {
            name = self.next_name();
            rename(&mut self.tasks, task, name);
        }
        Some(Event::Diverted { migration, worker, task: name })
    }

    /// The host puts a task where it likes, though not quietly back where it came from.
    fn divert(&mut self, migration: MigrationId, task: TaskId, other: Index) -> Option<Event> {
        let source = match self.tasks.get(&task)?.task.placement {
            Placement::On(_) => return None,
            Placement::Moving { from, .. } => from,
            Placement::Orphaned | Placement::Unplaced => None,
        };
        let open = self.workers.values().filter(|body| {
            body.alive && body.record.stance == Stance::Accept && Some(body.record.id) != source
        });
        let open: Vec<WorkerId> = open.map(|body| body.record.id).collect();
        if open.is_empty() {
            return Some(Event::Failed { migration });
        }
        let worker = *other.get(&open);
        self.tasks.get_mut(&task)?.run_on(worker);
        Some(Event::Diverted { migration, worker, task })
    }

    /// Takes the commands of an output as orders.
    pub(in super::super) fn obey(&mut self, output: &Output, deeds: &[Deed]) {
        let commands: &[Command] = match output {
            Output::Outcome(outcome) => &outcome.commands,
            Output::Reply(reply) => &reply.commands,
            Output::Stale(stale) => &stale.commands,
            _ => &[],
        };
        if let Output::Outcome(outcome) = output {
            self.in_epoch(outcome.epoch);
        }
        for command in commands {
            if self.fences.is_overtaken(command) {
                continue;
            }
            self.note_begin(command);
            self.charge(command);
            match command.action {
                Action::Abort { worker } => {
                    self.fences.call_off(command.migration, worker);
                    if let Some(hosted) = self.tasks.get_mut(&command.task) {
                        hosted.abort(command.migration, worker);
                    }
                }
                Action::Requeue => self.requeue(command),
                _ => {
                    if let Action::Assign { to, .. } | Action::Place { to, .. } = command.action {
                        self.head_for(command, to);
                    }
                    self.order_as(command, deeds);
                }
            }
        }
    }

    /// What is to be done is done by the script.
    fn order_as(&mut self, command: &Command, deeds: &[Deed]) {
        let nth = self.given.checked_rem(deeds.len());
        let deed = nth.map_or(Deed::WELL, |nth| deeds[nth]);
        self.given += 1;
        let due = self.turn + deed.delay;
        self.mail.orders.push(Order { command: *command, given: self.now, due, manner: deed });
    }

    /// A task that is on its way already, as every snapshot shows, is not told to go a second time.
    fn note_begin(&mut self, command: &Command) {
        let id = command.migration;
        if self.shows_orders && command.action.begins().is_some() {
            let other = self.moved_by(command.task).filter(|other| *other != id);
            if let Some(other) = other {
                self.faults.push(format!("{command}: {other} moves it already"));
            }
        }
        self.fences.accept(command);
    }

    /// The migration that moves a task, or is about to.
    pub(super) fn moved_by(&self, task: TaskId) -> Option<MigrationId> {
        let hosted = self.tasks.get(&task)?;
        let pending = || hosted.pending(&self.mail, &self.fences);
        hosted.migration().or_else(|| Some(pending()?.command.migration))
    }

    /// Whether a move of it is really under way, or about to be: what budgets count.
    pub(super) fn moves(&self, task: TaskId) -> bool {
        let Some(hosted) = self.tasks.get(&task) else { return false };
        match hosted.task.placement {
            Placement::Moving { .. } => true,
            Placement::On(_) => {
                // Back to the queue, or stopped though its copy died meanwhile: it moves nowhere.
                let nowhere = |it: &Order<Deed>| {
                    matches!(it.command.action, Action::RequeueFor { .. } | Action::Stop { .. })
                };
                let pending = hosted.pending(&self.mail, &self.fences);
                hosted.copy.is_some() || pending.is_some_and(|order| !nowhere(order))
            }
            Placement::Orphaned | Placement::Unplaced => false,
        }
    }

    fn head_for(&mut self, command: &Command, worker: WorkerId) {
        self.fences.reopen(command.migration, worker);
        self.mail.strike(command.migration);
        if let Some(hosted) = self.tasks.get_mut(&command.task) {
            hosted.head_for(command.migration, worker, self.now);
        }
    }

    /// A task that a worker has needs no scheduler.
    fn requeue(&mut self, command: &Command) {
        let Some(hosted) = self.tasks.get_mut(&command.task) else { return };
        hosted.requeue();
        let Some(here) = hosted.holder() else { return };
        let is_its = |order: &Order<Deed>| order.command.migration == command.migration;
        let pending = self.mail.orders.iter().any(is_its)
            && !self.fences.is_called_off(command.migration, here);
        if pending && command.cause() == Some(Cause::Late) {
            self.faults.push(format!("{command}: it runs on {here}"));
        }
    }

    /// The scheduler places what is queued, without asking.
    pub(super) fn place_queued(&mut self) {
        let open = |body: &&super::Body| body.alive && body.record.stance == Stance::Accept;
        let open: Vec<WorkerId> =
            self.workers.values().filter(open).map(|body| body.record.id).collect();
        let tasks = self.tasks.values_mut();
        let queued = tasks.filter(|hosted| hosted.task.placement == Placement::Unplaced);
        for (nth, hosted) in queued.enumerate().filter(|_| !open.is_empty()) {
            hosted.run_on(open[(nth + self.turn) % open.len()]);
        }
    }
}
