//! How does the host carry out its commands? The words of `host`.

use core::time::Duration;

use super::words::{Parsed, moment, pair, plain, unknown, valued};
use crate::model::ids::{TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Action, Command};
use crate::snapshot::Event;

/// How the host goes about it: the words of a `host` command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    pub(super) at: Timestamp,
    /// Stops when sources have let go: what is to be assigned waits for the next `host` command.
    pub(super) half: bool,
    /// The step that fails, the first time it comes up for each migration.
    pub(super) fails: Option<Step>,
    /// The step that is refused, likewise.
    pub(super) refuses: Option<Step>,
    /// Where what is evicted or queued again turns up, and under which name.
    pub(super) lands: Option<(WorkerId, Option<TaskId>)>,
    /// Does it, but says nothing.
    pub(super) quiet: bool,
    pub(super) only: Option<TaskId>,
}

/// What a command asks of its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Release,
    Assign,
}

impl Step {
    pub(super) const fn of(action: Action) -> Option<Self> {
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
    pub(super) fn objection(&self, step: Step, command: &Command) -> Option<Event> {
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
