//! What is kept from one command of a story to the next, and how does the engine answer each?

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::free::Played;
use super::must::Heard;
use super::records::Records;
use super::words::Parsed;
use crate::config::Config;
use crate::engine::{Engine, Input, Output, Stale};
use crate::host::{Mail, Order};
use crate::model::time::Timestamp;
use crate::outcome::{Command, Outcome};
use crate::snapshot::Report;
use crate::verify::Watch;

/// Everything that lasts from one command of a story to the next.
#[derive(Debug)]
pub(super) struct World {
    pub(super) config: Config,
    pub(super) engine: Engine,
    /// Lives through the same story under other numbers.
    pub(super) twin: Engine,
    /// Where numbers decide, it lives through another one.
    pub(super) parted: bool,
    /// Reads along under other settings, if it was asked for.
    pub(super) shadow: Option<Engine>,
    pub(super) records: Records,
    /// Commands that the host has yet to carry out, and reports that the next snapshot carries.
    pub(super) mail: Mail<()>,
    /// Watches all rounds and reports together.
    pub(super) watch: Watch,
    /// What `save` wrote down: the state, the twin's, and what the watch had seen by then.
    pub(super) saved: Option<(String, String, Watch)>,
    pub(super) now: Timestamp,
    /// How many rounds and reports the engine was given.
    pub(super) inputs: usize,
    /// How long the rounds were, as JSON.
    pub(super) bytes: usize,
    pub(super) told_worker_defaults: bool,
    pub(super) told_task_defaults: bool,
}

/// Runs something that must not panic; a panic becomes a sentence.
pub(super) fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        format!("panic: {}", text.unwrap_or("without a word"))
    })
}

impl World {
    pub(super) fn new() -> Parsed<Self> {
        let config = Config::default();
        let engine = Engine::new(config.clone()).map_err(|faults| faults.to_string())?;
        Ok(Self {
            watch: Watch::new(&config),
            config,
            twin: engine.clone(),
            parted: false,
            shadow: None,
            engine,
            records: Records::default(),
            mail: Mail::new(),
            saved: None,
            now: Timestamp::default(),
            inputs: 0,
            bytes: 0,
            told_worker_defaults: false,
            told_task_defaults: false,
        })
    }

    /// One round and its free checks; nothing if it panicked.
    pub(super) fn tick(
        &mut self,
        at: Timestamp,
        partial: bool,
        heard: &mut Heard,
    ) -> Option<Result<Outcome, Stale>> {
        let sheet = self.records.sheet(at, partial, self.mail.reports_due(0).collect());
        let (before, snapshot) = (self.engine.clone(), sheet.snapshot());
        self.inputs += 1;
        self.bytes += serde_json::to_string(&snapshot).map_or(0, |text| text.len());
        let engine = &mut self.engine;
        let result = match guarded(|| engine.tick(&snapshot)) {
            Ok(result) => result,
            Err(panic) => {
                self.engine = before;
                heard.said.push(panic.clone());
                heard.faults.push(panic);
                return None;
            }
        };
        if let Some(Ok(other)) = self.shadow.as_mut().map(|shadow| shadow.tick(&snapshot)) {
            heard.differences.extend(result.as_ref().ok().map(|it| it.differences(&other)));
        }
        let played =
            Played { sheet: &sheet, before: &before, after: &self.engine, result: &result };
        let mut faults = played.disagreements();
        let twin = self.twin.tick(&sheet.renumbered().snapshot());
        faults.extend(self.as_the_twin(&result, &twin));
        let (input, output) = (Input::Tick(snapshot), output(&result));
        faults.extend(self.watch.see(&input, &output).iter().map(ToString::to_string));
        heard.said.extend(faults.iter().map(|fault| format!("FREE CHECK {fault}")));
        heard.faults.extend(faults);
        self.now = self.now.max(at);
        let (commands, ended) = match &result {
            Ok(outcome) => (&outcome.commands, &outcome.ended),
            Err(stale) => (&stale.commands, &stale.ended),
        };
        self.take_up(commands);
        heard.commands.extend(commands);
        heard.ended.extend(ended);
        heard.stale |= result.is_err();
        if let Ok(outcome) = &result {
            heard.values.push(serde_json::to_value(outcome).unwrap_or_default());
            heard.outcomes.push(outcome.clone());
        }
        Some(result)
    }

    /// Tells the engine, and its twin, what happened.
    pub(super) fn send(&mut self, report: &Report, heard: &mut Heard) {
        heard.said.push(format!("{} {}", report.at, report.event));
        self.inputs += 1;
        let engine = &mut self.engine;
        let reply = guarded(|| engine.report(report));
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
    fn take_up(&mut self, commands: &[Command]) {
        for command in commands {
            self.mail.strike(command.migration);
            let (given, due, manner) = (self.now, 0, ());
            self.mail.orders.push(Order { command: *command, given, due, manner });
        }
    }

    /// What the twin says otherwise, though it should not.
    fn as_the_twin<T: serde::Serialize>(&self, original: &T, twin: &T) -> Vec<String> {
        if self.parted { Vec::new() } else { super::free::same_when_renumbered(original, twin) }
    }
}

/// A round's result as one of the outputs.
fn output(result: &Result<Outcome, Stale>) -> Output {
    match result {
        Ok(outcome) => Output::Outcome(outcome.clone().into()),
        Err(stale) => Output::Stale(stale.clone()),
    }
}
