//! Hosts that do it differently: they evict, and start a copy before they stop the original.

use alloc::format;
use alloc::vec::Vec;

use proptest::sample::Index;

use super::{Holder, Host, Work};
use crate::outcome::{Action, Command};
use crate::resource::Amounts;
use crate::{Event, Task, TaskId, WorkerId};

/// The worker that carries out a command, and whether it takes the task from there.
pub(super) const fn doer(action: Action) -> Option<(WorkerId, bool)> {
    match action {
        Action::Release { from, .. }
        | Action::Evict { from, .. }
        | Action::RequeueFor { from, .. }
        | Action::Stop { from } => Some((from, true)),
        Action::Assign { to, .. } | Action::Place { to, .. } | Action::Start { to, .. } => {
            Some((to, false))
        }
        Action::Requeue | Action::Abort { .. } => None,
    }
}

impl Work {
    pub(super) fn new(task: Task, holder: Holder) -> Self {
        Self { task, holder, copy: None, way: None }
    }

    /// It runs by the alternative that a command names from now on.
    pub(super) fn run_by(&mut self, way: Option<u16>) {
        if let Some(way) = way.filter(|way| self.task.alternative != Some(*way)) {
            (self.task.alternative, self.task.used) = (Some(way), Amounts::new());
        }
    }

    /// Its copy is the task from now on; without one, nobody has it.
    pub(super) fn turn_into_copy(&mut self) {
        let (copy, way) = (self.copy.take(), self.way.take());
        self.holder = copy.map_or(Holder::Orphan, |(_, worker)| Holder::Runs(worker));
        self.run_by(way.filter(|_| copy.is_some()));
    }
}

impl Host {
    /// The task leaves its worker, and the scheduler finds it a place: at once, or when it likes.
    pub(super) fn evict(
        &mut self,
        command: &Command,
        from: WorkerId,
        hint: WorkerId,
        elsewhere: Option<Index>,
    ) -> Option<Event> {
        let Command { migration, task, .. } = *command;
        let open = self.workers.values().filter(|body| body.runs());
        let open: Vec<WorkerId> = open.map(|body| body.record.id).collect();
        let next = TaskId::new(self.tasks.keys().map(|id| id.raw()).max().unwrap_or(0) + 1);
        let work = self.tasks.get_mut(&task)?;
        if work.holder != Holder::Runs(from) {
            return Some(Event::Failed { migration });
        }
        work.task.device = None;
        let Some(other) = elsewhere else {
            if migration.number() % 3 == 0 || !open.contains(&hint) {
                work.holder = Holder::Queue;
                return Some(Event::Released { migration });
            }
            work.holder = Holder::Runs(hint);
            return Some(Event::Running { migration });
        };
        let worker = *other.get(&open);
        work.holder = Holder::Runs(worker);
        if migration.number() % 2 == 0 {
            return Some(Event::Diverted { migration, worker, task });
        }
        let mut work = self.tasks.remove(&task)?;
        work.task.id = next;
        self.tasks.insert(next, work);
        Some(Event::Diverted { migration, worker, task: next })
    }

    /// A second copy starts.
    pub(super) fn start(
        &mut self,
        command: &Command,
        from: WorkerId,
        to: WorkerId,
    ) -> Option<Event> {
        let migration = command.migration;
        let work = self.tasks.get_mut(&command.task)?;
        if !work.task.overlaps {
            self.faults.push(format!("{command}: it does not declare that it may run twice"));
        } else if work.copy.is_some_and(|(_, worker)| worker != to) {
            self.faults.push(format!("{command}: there is a second copy already"));
        }
        if work.holder != Holder::Runs(from) {
            return Some(Event::Failed { migration });
        }
        (work.copy, work.way) = (Some((migration, to)), command.alternative);
        Some(Event::Running { migration })
    }

    /// The first copy stops.
    pub(super) fn stop(&mut self, command: &Command, from: WorkerId) -> Option<Event> {
        let migration = command.migration;
        let work = self.tasks.get_mut(&command.task)?;
        if work.holder != Holder::Runs(from) {
            return Some(Event::Failed { migration });
        }
        work.task.device = None;
        work.turn_into_copy();
        Some(Event::Released { migration })
    }
}
