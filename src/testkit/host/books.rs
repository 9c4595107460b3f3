//! What was a host told about one task, and is what it does, reports and shows in keeping with that?
//!
//! | what the host does | must follow from |
//! |---|---|
//! | a copy starts on a worker | the last command, which asks that worker to run the task |
//! | a copy stops on a worker | the last command, which asks that worker to release the task; or a crash |
//! | a report | a command, and the truth of its moment |
//! | a placement in a snapshot | the truth of its moment, and the command that is on its way |

use core::time::Duration;
use std::collections::VecDeque;
use std::format;
use std::string::String;
use std::vec::Vec;

use super::duty::{Breach, Duty, breach};
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Action, Command};
use crate::snapshot::{Event, Phase, Placement, Report};

/// The step that the host was asked for last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) command: Command,
    /// The worker that is to carry the step out.
    pub(super) worker: WorkerId,
    /// When the command arrived first: the host may drop it once it is too old.
    first: Timestamp,
    /// When it arrived last.
    last: Timestamp,
    /// Whether the host may leave the step undone: it was called off or asked for before, or its worker has crashed, or
    /// its migration has ended.
    is_optional: bool,
    is_called_off: bool,
}

impl Asked {
    const fn starts(&self) -> bool {
        matches!(self.command.action, Action::Assign { .. } | Action::Place { .. })
    }
}

/// What makes copies of tasks start and stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The host and its workers, by the commands that they were given.
    Host,
    /// The scheduler of the host.
    Scheduler,
    /// A crash of this worker.
    Crash(WorkerId),
}

/// One task as the test kit knows it.
#[derive(Debug)]
pub(super) struct Books {
    task: TaskId,
    timeout: Duration,
    /// The workers that run the task, once for each copy.
    pub(super) copies: Vec<WorkerId>,
    pub(super) asked: Option<Asked>,
    /// The migration for which the task was released, as long as it goes on and no worker was asked to run the task.
    released: Option<MigrationId>,
    /// The commands that were not overtaken, oldest first.
    seen: Vec<Command>,
    /// The commands that arrived after a later migration had overtaken them.
    late: Vec<Command>,
    /// The reports that the engine has not been told.
    pub(super) mail: VecDeque<Report>,
}

impl Books {
    pub(super) const fn new(task: TaskId, timeout: Duration) -> Self {
        Self {
            task,
            timeout,
            copies: Vec::new(),
            asked: None,
            released: None,
            seen: Vec::new(),
            late: Vec::new(),
            mail: VecDeque::new(),
        }
    }

    fn fence(&self) -> Option<MigrationId> {
        self.seen.last().map(|command| command.migration)
    }

    /// The last command that was not overtaken.
    pub(super) fn last(&self) -> Option<Command> {
        self.seen.last().copied()
    }

    /// Whether the engine gave the task back to the scheduler, and nothing came after that.
    pub(super) fn is_given_back(&self) -> bool {
        matches!(self.last(), Some(Command { action: Action::Requeue, .. }))
    }

    /// Whether a command named this migration.
    pub(super) fn knows(&self, migration: MigrationId) -> bool {
        self.seen.iter().any(|command| command.migration == migration)
    }

    /// A command that a later migration has overtaken, and that would change something if it were obeyed.
    pub(super) fn harmful(&self, is_present: impl Fn(WorkerId) -> bool) -> Option<Command> {
        let fence = self.fence()?;
        let would_change = |command: &&Command| match command.action {
            Action::Release { from, .. } => self.copies.contains(&from),
            Action::Assign { to, .. } | Action::Place { to, .. } => {
                is_present(to) && !self.copies.contains(&to)
            }
            Action::Abort { worker } => self.asked.is_some_and(|asked| asked.worker == worker),
            _ => false,
        };
        let overtaken = self.seen.iter().rev().filter(|command| command.migration < fence);
        overtaken.copied().find(|command| would_change(&command))
    }

    /// A command arrives at the host.
    pub(super) fn hear(&mut self, command: &Command, at: Timestamp) {
        if self.fence().is_some_and(|fence| fence > command.migration) {
            self.late.push(*command);
            return;
        }
        let repeats = self.last().is_some_and(|last| asks_the_same(&last, command));
        self.seen.push(*command);
        match command.action {
            Action::Release { from: worker, .. }
            | Action::Assign { to: worker, .. }
            | Action::Place { to: worker, .. } => {
                let is_optional = repeats && self.asked.is_none_or(|asked| asked.is_optional);
                let first = self.asked.filter(|_| repeats).map_or(at, |asked| asked.first);
                let asked = Asked {
                    command: *command,
                    worker,
                    first,
                    last: at,
                    is_optional,
                    is_called_off: false,
                };
                self.asked = Some(asked);
                if asked.starts() {
                    self.released = None;
                }
            }
            _ => self.call_off(),
        }
    }

    fn call_off(&mut self) {
        if let Some(asked) = &mut self.asked {
            (asked.is_optional, asked.is_called_off) = (true, true);
        }
    }

    /// A migration has ended for the engine.
    pub(super) fn ended(&mut self, migration: MigrationId) {
        if let Some(asked) = self.asked.as_mut().filter(|it| it.command.migration == migration) {
            asked.is_optional = true;
        }
        if self.released == Some(migration) {
            self.released = None;
        }
    }

    /// A worker crashes, and what is on its way there may be lost.
    pub(super) fn crashed(&mut self, worker: WorkerId) {
        if let Some(asked) = self.asked.as_mut().filter(|asked| asked.worker == worker) {
            asked.is_optional = true;
        }
    }

    /// The step that the host must still carry out; `None` if there is none.
    pub(super) fn pending(&self, now: Timestamp) -> Option<Asked> {
        self.asked.filter(|asked| !asked.is_optional && asked.first.after(self.timeout) >= now)
    }

    // ------------------------------------------------------------ copies

    /// These workers run the task now.
    pub(super) fn run_on(
        &mut self,
        copies: Vec<WorkerId>,
        change: Change,
        now: Timestamp,
    ) -> Result<(), Breach> {
        let before = core::mem::replace(&mut self.copies, copies);
        for &worker in &self.copies {
            let count = |list: &[WorkerId]| list.iter().filter(|it| **it == worker).count();
            if count(&self.copies) > count(&before) {
                self.may_start(worker, change, now)?;
            }
        }
        let stopped = before.iter().filter(|worker| !self.copies.contains(worker));
        stopped.copied().try_for_each(|worker| self.may_stop(worker, change, now))?;
        match self.copies[..] {
            [] | [_] => Ok(()),
            [first, second, ..] if first == second => {
                Err(self.says(Duty::Commands, &format!("{first} runs it twice")))
            }
            [first, second, ..] => {
                Err(self.says(Duty::Commands, &format!("{first} and {second} both run it")))
            }
        }
    }

    fn may_start(&self, worker: WorkerId, change: Change, now: Timestamp) -> Result<(), Breach> {
        if change == Change::Scheduler {
            return Ok(());
        }
        let asked = self.asked.as_ref().filter(|asked| asked.starts() && asked.worker == worker);
        self.explained(asked, now, &format!("{worker} starts it"), |late| {
            matches!(late, Action::Assign { to, .. } | Action::Place { to, .. } if to == worker)
        })
    }

    fn may_stop(&self, worker: WorkerId, change: Change, now: Timestamp) -> Result<(), Breach> {
        let was_aborted = self.seen.iter().rev().any(|command| {
            command.action == Action::Abort { worker } && Some(command.migration) == self.fence()
        });
        if change == Change::Crash(worker) || was_aborted {
            return Ok(());
        }
        let asked = self.asked.as_ref().filter(|asked| !asked.starts() && asked.worker == worker);
        self.explained(
            asked,
            now,
            &format!("{worker} stops it"),
            |late| matches!(late, Action::Release { from, .. } if from == worker),
        )
    }

    /// Whether the last step that the host was asked for explains a change.
    fn explained(
        &self,
        asked: Option<&Asked>,
        now: Timestamp,
        change: &str,
        by_late: impl Fn(Action) -> bool,
    ) -> Result<(), Breach> {
        match asked {
            Some(asked) if asked.last.after(self.timeout) < now => {
                let passed = now.since(asked.last).unwrap_or_default().as_secs();
                let command = shown(&asked.command);
                let why = format!("{change}, {passed} s after the command `{command}`");
                Err(self.says(Duty::Order, &why))
            }
            Some(_) => Ok(()),
            None => Err(match self.late.iter().rev().find(|late| by_late(late.action)) {
                Some(late) => self.obeyed(late, change),
                None => self.says(Duty::Commands, &format!("{change}, which no command asks for")),
            }),
        }
    }

    /// The host has obeyed a command that was overtaken.
    fn obeyed(&self, late: &Command, change: &str) -> Breach {
        let by = self.fence().map_or_else(String::new, |fence| format!("{fence}"));
        let command = shown(late);
        self.says(Duty::Fence, &format!("{change}, by `{command}`, which {by} has overtaken"))
    }

    /// A command that was overtaken has arrived, and snapshots show the task as they did before, or not.
    pub(super) fn is_unmoved(
        &self,
        late: &Command,
        before: Option<Placement>,
        after: Option<Placement>,
    ) -> Result<(), Breach> {
        if before == after {
            return Ok(());
        }
        Err(self.obeyed(late, "snapshots show it elsewhere or in another phase"))
    }

    /// Everything that was on its way to a worker has arrived and is answered.
    pub(super) fn worked(&mut self, worker: WorkerId, now: Timestamp) -> Result<(), Breach> {
        let Some(asked) = self.asked.filter(|asked| asked.worker == worker) else { return Ok(()) };
        if asked.is_called_off {
            self.asked = None;
        }
        if self.pending(now).is_none() {
            return Ok(());
        }
        let command = shown(&asked.command);
        let is_done = self.copies.contains(&worker) == asked.starts();
        Err(if is_done {
            let why = format!("{worker} has carried out `{command}`, and no report says so");
            self.says(Duty::Reports, &why)
        } else {
            let hint = self.hint(asked.command.migration);
            self.says(Duty::Commands, &format!("{worker} does nothing about `{command}`{hint}"))
        })
    }

    /// A fence that forgets epochs ignores what it must not ignore: is that possible here?
    fn hint(&self, ignored: MigrationId) -> String {
        let mut ids = self.seen.iter().map(|command| command.migration);
        let is_mistaken =
            |id: &MigrationId| id.epoch() < ignored.epoch() && id.number() > ignored.number();
        ids.find(is_mistaken).map_or_else(String::new, |id| {
            format!(" ({id} is of an earlier epoch: does the fence, duty 6, compare epochs first?)")
        })
    }

    // ------------------------------------------------------------ reports

    /// The host reports something about the task, which must be true.
    pub(super) fn report(&mut self, report: Report) -> Result<(), Breach> {
        let Some(last) = self.last() else { return Ok(()) };
        let event = report.event;
        let is_news = self.asked.is_some_and(|asked| !asked.is_optional);
        self.mail.push_back(report);
        if event.migration() != Some(last.migration) {
            return Ok(());
        }
        let lie = |why: &str| Err(self.says(Duty::Reports, &format!("`{event}`, but {why}")));
        match (event, last.action) {
            (Event::Released { .. }, Action::Release { from, .. }) => {
                if self.copies.contains(&from) {
                    return lie(&format!("{from} runs it"));
                }
                if is_news {
                    self.released = Some(last.migration);
                }
            }
            (Event::Running { .. }, Action::Assign { to, .. } | Action::Place { to, .. }) => {
                if is_news && !self.copies.contains(&to) {
                    return lie(&format!("{to} does not run it"));
                }
                self.released = None;
            }
            (Event::Failed { .. } | Event::Refused { .. }, Action::Release { from, .. }) => {
                if self.released == Some(last.migration) {
                    return lie(&format!("{from} has released it"));
                }
            }
            (
                Event::Failed { .. } | Event::Refused { .. },
                Action::Assign { to, .. } | Action::Place { to, .. },
            ) => {
                if self.copies.contains(&to) {
                    return lie(&format!("{to} runs it"));
                }
                if is_news {
                    self.released = Some(last.migration);
                }
            }
            _ => return Ok(()),
        }
        self.asked = None;
        Ok(())
    }

    // ------------------------------------------------------------ snapshots

    /// A snapshot shows the task so, and must show the truth.
    pub(super) fn shown(&self, placement: Placement, now: Timestamp) -> Result<(), Breach> {
        let wrong = |why: String| Err(self.says(Duty::Placements, &why));
        let pending = self.pending(now);
        match placement {
            Placement::On(worker) if !self.copies.contains(&worker) => {
                wrong(format!("a snapshot shows it on {worker}, which does not run it"))
            }
            Placement::On(_) => match pending.filter(|asked| !asked.starts()) {
                Some(Asked { command, .. }) => {
                    let (hint, command) = (self.hint(command.migration), shown(&command));
                    wrong(format!(
                        "a snapshot shows it at rest, but `{command}` is on its way{hint}"
                    ))
                }
                None => Ok(()),
            },
            Placement::Moving { migration, phase, .. } => self.shown_moving(migration, phase),
            Placement::Orphaned => self.shown_nowhere("orphaned", pending.as_ref(), None),
            Placement::Unplaced => self.shown_nowhere("unplaced", pending.as_ref(), self.released),
        }
    }

    fn shown_nowhere(
        &self,
        name: &str,
        pending: Option<&Asked>,
        moved_by: Option<MigrationId>,
    ) -> Result<(), Breach> {
        let why = match (self.copies.first(), pending.filter(|asked| asked.starts()), moved_by) {
            (Some(worker), ..) => format!("{worker} runs it"),
            (None, Some(Asked { command, .. }), _) => {
                let hint = self.hint(command.migration);
                format!("`{}` is on its way{hint}", shown(command))
            }
            (None, None, Some(migration)) => format!("{migration} moves it"),
            (None, None, None) => return Ok(()),
        };
        Err(self.says(Duty::Placements, &format!("a snapshot shows it as {name}, but {why}")))
    }

    fn shown_moving(&self, migration: MigrationId, phase: Phase) -> Result<(), Breach> {
        let wrong = |why: String| Err(self.says(Duty::Placements, &why));
        let says = format!("a snapshot shows it as moving by {migration}, {phase}");
        // A later migration may only call the task off, and the answer to the earlier one is still on its way.
        let is_step =
            |command: &&Command| !matches!(command.action, Action::Abort { .. } | Action::Requeue);
        match self.seen.iter().rev().find(is_step).map(|command| command.migration) {
            _ if !self.knows(migration) => {
                return wrong(format!("{says}, but no command names {migration}"));
            }
            Some(last) if last > migration => {
                let why = format!("{says}, which {last} has overtaken");
                return Err(self.says(Duty::Fence, &why));
            }
            _ => {}
        }
        match (phase, self.copies.first()) {
            (Phase::Released, Some(worker)) => wrong(format!("{says}, but {worker} runs it")),
            (Phase::Releasing | Phase::Assigned, None) if self.released == Some(migration) => {
                wrong(format!(
                    "{says}, but its source has released it, and nobody was asked to run it"
                ))
            }
            _ => Ok(()),
        }
    }

    fn says(&self, duty: Duty, why: &str) -> Breach {
        breach(duty, format!("{}: {why}", self.task))
    }
}

/// Whether two commands ask for the same. After a restart, the engine may ask in the other words for a task to be run.
fn asks_the_same(one: &Command, other: &Command) -> bool {
    let target = |action| match action {
        Action::Assign { to, .. } | Action::Place { to, .. } => Some(to),
        _ => None,
    };
    let starts = target(one.action).is_some() && target(one.action) == target(other.action);
    one.migration == other.migration && (one.action == other.action || starts)
}

/// A command without its reason.
fn shown(command: &Command) -> String {
    let Command { migration, task, action, .. } = command;
    format!("{migration} {task} {action}")
}
