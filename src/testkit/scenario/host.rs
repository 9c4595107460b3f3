//! The reference host: carries out what the engine asks for, in the records of the story, and
//! reports it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use super::must::Heard;
use super::words::{Parsed, moment, pair, plain, unknown, valued};
use super::world::World;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::resource::Amounts;
use crate::model::time::Timestamp;
use crate::outcome::{Action, Command};
use crate::snapshot::{Event, Phase, Placement, Report, Stance};

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
        while !self.pending.is_empty() {
            let command = self.pending.remove(0);
            let addressed = manner.only.is_none_or(|task| task == command.task);
            if !addressed {
                kept.push(command);
                continue;
            }
            if let Some(worker) = addressee(&command).filter(|worker| !self.answers(*worker)) {
                heard.said.push(format!("{worker} does not answer to {}", command.migration));
                continue;
            }
            let mut manner = manner;
            if objected.contains(&command.migration) {
                (manner.fails, manner.refuses) = (None, None);
            }
            if self.obey(&command, manner, &mut heard, &mut kept) {
                objected.push(command.migration);
            }
        }
        self.pending = kept;
        if heard.said.is_empty() {
            heard.said.push("nothing to carry out".into());
        }
        heard
    }

    /// Whether a worker is there to be asked.
    fn answers(&self, worker: WorkerId) -> bool {
        let site = self.records.workers.get(&worker);
        site.is_some_and(|site| site.worker.stance != Stance::Offline)
    }

    /// Carries out one command; whether the host objected.
    fn obey(
        &mut self,
        command: &Command,
        manner: Manner,
        heard: &mut Heard,
        kept: &mut Vec<Command>,
    ) -> bool {
        let migration = command.migration;
        let step = match command.action {
            Action::Release { .. }
            | Action::Evict { .. }
            | Action::RequeueFor { .. }
            | Action::Stop { .. } => Some(Step::Release),
            Action::Assign { .. } | Action::Place { .. } | Action::Start { .. } => {
                Some(Step::Assign)
            }
            Action::Requeue | Action::Abort { .. } => None,
        };
        let waits = matches!(
            command.action,
            Action::Assign { .. } | Action::Place { .. } | Action::Stop { .. }
        );
        let objection = step.filter(|_| !(manner.half && waits));
        let objection = objection.and_then(|step| manner.objection(step, command));
        let event = match objection {
            Some(event) => Some(event),
            None if manner.half && waits => {
                if let Action::Assign { to, .. } | Action::Place { to, .. } = command.action {
                    self.note_assigned(command, to, manner.at);
                }
                kept.push(*command);
                None
            }
            None => self.perform(command, manner),
        };
        let (at, task) = (manner.at, command.task);
        match event {
            Some(event) if !manner.quiet => self.send(&Report::new(at, event), heard),
            Some(event) => heard.said.push(format!("{at} unsaid: {event}")),
            None => heard.said.push(format!("{at} done: {migration} {task} {}", command.action)),
        }
        objection.is_some()
    }

    /// Does what a command asks for; what there is to report.
    fn perform(&mut self, command: &Command, manner: Manner) -> Option<Event> {
        let Command { migration, task, .. } = *command;
        let since = manner.at;
        match command.action {
            Action::Release { from, to } => {
                let (from, phase) = (Some(from), Phase::Released);
                self.records.shift_use(task, from, None);
                self.put(task, Placement::Moving { migration, from, to, phase, since }, None);
                Some(Event::Released { migration })
            }
            Action::Evict { from, .. } | Action::RequeueFor { from, .. } if manner.half => {
                self.records.shift_use(task, Some(from), None);
                self.put(task, Placement::Unplaced, None);
                Some(Event::Released { migration })
            }
            Action::Evict { from, hint: to } | Action::RequeueFor { from, to } => {
                let (worker, name) = manner.lands.unwrap_or((to, None));
                self.records.shift_use(task, Some(from), Some(worker));
                self.put(task, Placement::On(worker), None);
                let name = name.map_or(task, |name| self.records.rename(task, name));
                let plainly = (worker, name) == (to, task);
                let diverted = Event::Diverted { migration, worker, task: name };
                Some(if plainly { Event::Running { migration } } else { diverted })
            }
            Action::Assign { to, device } | Action::Place { to, device } => {
                self.run_by(task, command.alternative);
                // A copy that was started first is there already.
                if self.records.copies.remove(&task).is_none() {
                    self.records.shift_use(task, None, Some(to));
                }
                self.put(task, Placement::On(to), device);
                Some(Event::Running { migration })
            }
            Action::Start { to, device, .. } => {
                if self.records.copies.insert(task, (to, device)).is_none() {
                    self.records.shift_use(task, None, Some(to));
                }
                Some(Event::Running { migration })
            }
            Action::Stop { from } => {
                let (to, device) = self.records.copies.remove(&task)?;
                self.records.shift_use(task, Some(from), None);
                self.put(task, Placement::On(to), device);
                Some(Event::Released { migration })
            }
            Action::Requeue => {
                self.put(task, Placement::Unplaced, None);
                None
            }
            Action::Abort { worker } => {
                if self.records.copies.get(&task).is_some_and(|(at, _)| *at == worker) {
                    self.records.copies.remove(&task);
                    self.records.shift_use(task, Some(worker), None);
                }
                None
            }
        }
    }

    fn put(&mut self, task: TaskId, placement: Placement, device: Option<u16>) {
        if let Some(record) = self.records.tasks.get_mut(&task) {
            (record.placement, record.device) = (placement, device);
        }
    }

    /// From now on a task runs by this alternative, if one is named; of that nothing is measured yet.
    fn run_by(&mut self, task: TaskId, alternative: Option<u16>) {
        let record = self.records.tasks.get_mut(&task);
        if let Some(record) =
            record.filter(|it| alternative.is_some_and(|nth| it.alternative != Some(nth)))
        {
            (record.alternative, record.used) = (alternative, Amounts::new());
        }
    }

    /// The host's record of a task that its target has been asked to run.
    fn note_assigned(&mut self, command: &Command, target: WorkerId, at: Timestamp) {
        let record = self.records.tasks.get_mut(&command.task);
        if let Some(Placement::Moving { to, phase, since, .. }) =
            record.map(|record| &mut record.placement)
        {
            (*to, *phase, *since) = (target, Phase::Assigned, at);
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
            self.pending.retain(|it| {
                it.migration != command.migration
                    || matches!(it.action, Action::Abort { .. } | Action::Requeue)
            });
            self.pending.push(*command);
        }
    }
}

/// The worker that has to do something.
const fn addressee(command: &Command) -> Option<WorkerId> {
    match command.action {
        Action::Release { from, .. } | Action::Evict { from, .. } | Action::Stop { from } => {
            Some(from)
        }
        Action::Assign { to, .. } | Action::Place { to, .. } | Action::Start { to, .. } => Some(to),
        Action::Abort { worker } => Some(worker),
        Action::Requeue | Action::RequeueFor { .. } => None,
    }
}
