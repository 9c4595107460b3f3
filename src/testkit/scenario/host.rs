//! The reference host driven by a script: carries out what the engine asks for, in the records of the
//! story, and reports it.

use alloc::format;
use alloc::vec::Vec;

use super::manner::{Manner, Step};
use super::must::Heard;
use super::world::World;
use crate::host::{Order, addressee, rename};
use crate::model::ids::WorkerId;
use crate::model::time::Timestamp;
use crate::outcome::{Action, Command};
use crate::snapshot::{Event, Report};

impl World {
    /// Carries out the commands that wait, and those that follow from its reports.
    pub(super) fn carry_out(&mut self, manner: Manner) -> Heard {
        let mut heard = Heard::default();
        let (mut kept, mut objected) = (Vec::new(), Vec::new());
        while !self.mail.orders.is_empty() {
            let order = self.mail.orders.remove(0);
            let Command { migration, task, action, .. } = order.command;
            if manner.only.is_some_and(|only| only != task) {
                kept.push(order);
                continue;
            }
            if let Some(worker) = addressee(action).filter(|worker| !self.records.answers(*worker))
            {
                heard.said.push(format!("{worker} does not answer to {migration}"));
                continue;
            }
            let mut manner = manner;
            if objected.contains(&migration) {
                (manner.fails, manner.refuses) = (None, None);
            }
            if self.obey(&order, manner, &mut heard, &mut kept) {
                objected.push(migration);
            }
        }
        self.mail.orders = kept;
        if heard.said.is_empty() {
            heard.said.push("nothing to carry out".into());
        }
        heard
    }

    /// Carries out one command; whether the host objected.
    fn obey(
        &mut self,
        order: &Order<()>,
        manner: Manner,
        heard: &mut Heard,
        kept: &mut Vec<Order<()>>,
    ) -> bool {
        let command = &order.command;
        let Command { migration, task, action, .. } = *command;
        let waits = manner.half
            && matches!(action, Action::Assign { .. } | Action::Place { .. } | Action::Stop { .. });
        let step = if waits { None } else { Step::of(action) };
        let objection = step.and_then(|step| manner.objection(step, command));
        let event = match objection {
            Some(event) => Some(event),
            None if waits => {
                self.note_assigned(command, manner.at);
                kept.push(*order);
                None
            }
            None => self.perform(command, manner),
        };
        let at = manner.at;
        match event {
            Some(event) if !manner.quiet => self.send(&Report::new(at, event), heard),
            Some(event) => heard.said.push(format!("{at} unsaid: {event}")),
            None => heard.said.push(format!("{at} done: {migration} {task} {action}")),
        }
        objection.is_some()
    }

    /// Does what a command asks for; what there is to report.
    fn perform(&mut self, command: &Command, manner: Manner) -> Option<Event> {
        let Command { migration, task, action, .. } = *command;
        let lands = match action {
            Action::Evict { hint: to, .. } | Action::RequeueFor { to, .. } if !manner.half => {
                Some(manner.lands.unwrap_or((to, None)))
            }
            _ => None,
        };
        let failed = Some(Event::Failed { migration });
        let answers = |worker: &WorkerId| self.records.answers(*worker);
        let Some(hosted) = self.records.tasks.get(&task) else { return failed };
        let holders = [hosted.holder(), hosted.copied_on()].into_iter().flatten();
        let gone: Vec<WorkerId> = holders.filter(|worker| !answers(worker)).collect();
        let Some(hosted) = self.records.tasks.get_mut(&task) else { return failed };
        // The records of a story may still show a task on a worker that has died.
        gone.into_iter().for_each(|worker| hosted.lose(worker));
        let before = hosted.clone();
        let event = hosted.perform(command, lands.map(|(worker, _)| worker), manner.at);
        let after = hosted.clone();
        self.records.shift_use(&before, &after);
        match (event, lands) {
            (Ok(_), Some((worker, Some(name)))) if name != task => {
                rename(&mut self.records.tasks, task, name);
                Some(Event::Diverted { migration, worker, task: name })
            }
            (event, _) => event.unwrap_or(failed),
        }
    }

    /// The host's record of a task that its target has been asked to run.
    fn note_assigned(&mut self, command: &Command, at: Timestamp) {
        if let Action::Assign { to, .. } | Action::Place { to, .. } = command.action
            && let Some(hosted) = self.records.tasks.get_mut(&command.task)
        {
            hosted.head_for(command.migration, to, at);
        }
    }
}
