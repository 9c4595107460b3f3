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
        Self { at, half: false, fails: None, refuses: None, quiet: false, only: None }
    }

    /// Reads `at=45s until=released fail=assign refuse=release quiet only=t1`.
    pub(super) fn read(words: &str, now: Timestamp) -> Parsed<Self> {
        let mut manner = Self::prompt(now);
        for word in words.split_whitespace() {
            match pair(word) {
                ("quiet", None) => manner.quiet = true,
                ("at", value) => manner.at = moment(valued("at", value)?)?,
                ("until", Some("released")) => manner.half = true,
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
        let Command { migration, task, .. } = *command;
        let (at, mut objected) = (manner.at, false);
        let mut event = None;
        match command.action {
            Action::Release { from, to } => {
                event = manner.objection(Step::Release, command);
                objected = event.is_some();
                if !objected {
                    let (from, phase) = (Some(from), Phase::Released);
                    self.records.shift_use(task, from, None);
                    self.put(
                        task,
                        Placement::Moving { migration, from, to, phase, since: at },
                        None,
                    );
                    event = Some(Event::Released { migration });
                }
            }
            Action::Assign { to, .. } | Action::Place { to, .. } if manner.half => {
                self.note_assigned(command, to, at);
                kept.push(*command);
            }
            Action::Assign { to, device } | Action::Place { to, device } => {
                event = manner.objection(Step::Assign, command);
                objected = event.is_some();
                if !objected {
                    self.run_by(task, command.alternative);
                    self.records.shift_use(task, None, Some(to));
                    self.put(task, Placement::On(to), device);
                    event = Some(Event::Running { migration });
                }
            }
            Action::Requeue => self.put(task, Placement::Unplaced, None),
            Action::Abort { .. } => {}
        }
        match event {
            Some(event) if !manner.quiet => self.send(&Report::new(at, event), heard),
            Some(event) => heard.said.push(format!("{at} unsaid: {event}")),
            None => heard.said.push(format!("{at} done: {migration} {task} {}", command.action)),
        }
        objected
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
        Action::Release { from, .. } => Some(from),
        Action::Assign { to, .. } | Action::Place { to, .. } => Some(to),
        Action::Abort { worker } => Some(worker),
        Action::Requeue => None,
    }
}
