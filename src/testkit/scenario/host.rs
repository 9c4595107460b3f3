//! The reference host driven by a script: carries out what the engine asks for, in the records of the
//! story, and reports it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::must::Heard;
use super::words::{Parsed, moment, pair, plain, unknown, valued};
use super::world::World;
use crate::host::{Order, addressee, rename};
use crate::model::ids::{TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Action, Command};
use crate::snapshot::{Event, Report};

/// How the host goes about it: the words of a `host` command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    at: Timestamp,
    /// Stops when sources have let go: what is to be assigned waits for the next `host` command.
    half: bool,
    /// The step that fails, the first time it comes up for each migration.
    fails: Option<Step>,
    /// The step that is refused, likewise.
    refuses: Option<Step>,
    /// Where what is evicted or queued again turns up, and under which name.
    lands: Option<(WorkerId, Option<TaskId>)>,
    /// Does it, but says nothing.
    quiet: bool,
    only: Option<TaskId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Release,
    Assign,
}

impl Step {
    const fn of(action: Action) -> Option<Self> {
        match action {
            Action::Release { .. }
            | Action::Evict { .. }
            | Action::RequeueFor { .. }
            | Action::Stop { .. } => Some(Self::Release),
            Action::Assign { .. } | Action::Place { .. } | Action::Start { .. } => {
                Some(Self::Assign)
            }
            Action::Requeue | Action::Abort { .. } => None,
        }
    }
}

impl Manner {
    /// Does everything at once, a second after the last round.
    pub(super) fn prompt(now: Timestamp) -> Self {
        let at = now.after(Duration::from_secs(1));
        let (fails, refuses, lands, only) = (None, None, None, None);
        Self { at, half: false, fails, refuses, lands, quiet: false, only }
    }

    /// Reads `at=45s until=released fail=assign refuse=release lands=w3:t9 quiet only=t1`.
    pub(super) fn read(words: &str, now: Timestamp) -> Parsed<Self> {
        let mut manner = Self::prompt(now);
        for word in words.split_whitespace() {
            match pair(word) {
                ("quiet", None) => manner.quiet = true,
                ("at", value) => manner.at = moment(valued("at", value)?)?,
                ("until", Some("released" | "copied")) => manner.half = true,
                ("lands", value) => manner.lands = Some(landing(valued("lands", value)?)?),
                ("fail", value) => manner.fails = Some(step(valued("fail", value)?)?),
                ("refuse", value) => manner.refuses = Some(step(valued("refuse", value)?)?),
                ("only", value) => manner.only = Some(plain(valued("only", value)?)?),
                _ => return Err(unknown(word, "`host`")),
            }
        }
        Ok(manner)
    }

    /// What the host says to a step, unless it simply does it.
    fn objection(&self, step: Step, command: &Command) -> Option<Event> {
        let migration = command.migration;
        if self.fails == Some(step) {
            return Some(Event::Failed { migration });
        }
        (self.refuses == Some(step)).then_some(Event::Refused { migration })
    }
}

/// `w3`, or `w3:t9`.
fn landing(text: &str) -> Parsed<(WorkerId, Option<TaskId>)> {
    match text.split_once(':') {
        Some((worker, task)) => Ok((plain(worker)?, Some(plain(task)?))),
        None => Ok((plain(text)?, None)),
    }
}

fn step(text: &str) -> Parsed<Step> {
    match text {
        "release" => Ok(Step::Release),
        "assign" => Ok(Step::Assign),
        _ => Err(unknown(text, "`host`: release, assign")),
    }
}

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

    /// Tells the engine, and its twin, what happened.
    pub(super) fn send(&mut self, report: &Report, heard: &mut Heard) {
        heard.said.push(format!("{} {}", report.at, report.event));
        let engine = &mut self.engine;
        let reply = super::world::guarded(|| engine.report(report));
        if let Some(shadow) = &mut self.shadow {
            let _ = shadow.report(report);
        }
        let reply = match reply {
            Ok(reply) => reply,
            Err(panic) => {
                heard.faults.push(panic.clone());
                heard.said.push(panic);
                return;
            }
        };
        let twin = self.twin.report(&super::free::renumbered(report));
        heard.faults.extend(self.as_the_twin(&reply, &twin));
        let broken = self.watch.report(report, &reply);
        heard.faults.extend(broken.iter().map(ToString::to_string));
        let lines: Vec<String> = reply.to_string().lines().map(String::from).collect();
        heard.said.extend(lines);
        heard.values.push(serde_json::to_value(&reply).unwrap_or_default());
        heard.commands.extend(&reply.commands);
        heard.ended.extend(&reply.ended);
        heard.ignored |= reply.ignored;
        self.take_up(&reply.commands);
    }

    /// Puts commands on the host's list; what they overtake is struck from it.
    pub(super) fn take_up(&mut self, commands: &[Command]) {
        for command in commands {
            self.mail.strike(command.migration);
            let (given, due, manner) = (self.now, 0, ());
            self.mail.orders.push(Order { command: *command, given, due, manner });
        }
    }
}
