//! Does everything that the engine says over time fit together?

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::ToString;
use std::vec::Vec;

use super::bounds::{Way, Ways, has_no_source, turn};
use super::job::{Breach, breach, words};
use super::rules::is_forced;
use super::schedule::Kind;
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Action, Command, Ended, Fate};
use crate::snapshot::{Coverage, Event, Report, Snapshot, Stance};

/// What the engine has said in the life it remembers.
#[derive(Clone, Copy, Debug)]
enum Entry {
    Begun {
        migration: MigrationId,
        task: TaskId,
        at: Timestamp,
        from: Option<WorkerId>,
    },
    /// A later step was commanded.
    Turned {
        migration: MigrationId,
        action: Action,
    },
    /// Its source is lost: it interrupts nothing any more.
    Orphaned {
        migration: MigrationId,
    },
    /// Its target has failed or refused.
    Failed {
        migration: MigrationId,
    },
    /// Its source has released the task.
    Released {
        migration: MigrationId,
    },
    Ended {
        migration: MigrationId,
        task: TaskId,
        at: Timestamp,
        has_moved: bool,
    },
}

/// The books of everything that was said.
#[derive(Clone, Debug, Default)]
pub(super) struct Judge {
    /// Every id of every life, and the task it was issued for.
    issued: BTreeMap<MigrationId, TaskId>,
    /// What the present life remembers; a life that goes on from an older state remembers less.
    log: Vec<Entry>,
    cooldown: Duration,
    /// The workers that take tasks, as far as snapshots have shown.
    accepting: BTreeSet<WorkerId>,
    /// Since when nothing has changed, once that is so long that nothing may begin.
    silent_since: Option<Timestamp>,
    pub(super) migrations: u64,
}

impl Judge {
    pub(super) fn new(cooldown: Duration) -> Self {
        Self { cooldown, ..Self::default() }
    }

    pub(super) const fn remembered(&self) -> usize {
        self.log.len()
    }

    /// The engine goes on from a state that was saved when it remembered so much.
    pub(super) fn forget(&mut self, remembered: usize) {
        self.log.truncate(remembered);
    }

    /// What was under way, and what had ended, when so much was remembered.
    pub(super) fn then(&self, remembered: usize) -> (Vec<MigrationId>, Vec<MigrationId>) {
        let (mut open, mut ended) = (Vec::new(), Vec::new());
        for entry in self.log.iter().take(remembered) {
            match *entry {
                Entry::Begun { migration, .. } => open.push(migration),
                Entry::Turned { .. }
                | Entry::Orphaned { .. }
                | Entry::Failed { .. }
                | Entry::Released { .. } => {}
                Entry::Ended { migration, .. } => {
                    open.retain(|&other| other != migration);
                    ended.push(migration);
                }
            }
        }
        (open, ended)
    }

    /// The migrations under way, from where and where to.
    pub(super) fn ways(&self) -> Ways {
        let mut ways = Ways::new();
        for entry in &self.log {
            match *entry {
                Entry::Begun { migration, task, from, .. } => {
                    ways.insert(migration, Way::new(task, from));
                }
                Entry::Turned { migration, action } => turn(&mut ways, migration, action),
                Entry::Orphaned { migration } => {
                    ways.entry(migration).and_modify(|way| way.from = None);
                }
                Entry::Failed { migration } => {
                    ways.entry(migration).and_modify(Way::gives_up);
                }
                Entry::Released { migration } => {
                    ways.entry(migration).and_modify(|way| way.was_nowhere = true);
                }
                Entry::Ended { migration, .. } => {
                    ways.remove(&migration);
                }
            }
        }
        ways
    }

    /// Whether this life remembers that it began, went on with, or has ended.
    pub(super) fn knows(&self, id: MigrationId) -> bool {
        self.log.iter().any(|entry| match *entry {
            Entry::Begun { migration, .. } | Entry::Ended { migration, .. } => migration == id,
            _ => false,
        })
    }

    /// A snapshot tells which sources are lost.
    pub(super) fn see(&mut self, snapshot: &Snapshot) {
        let workers = snapshot.workers();
        match snapshot.coverage() {
            Coverage::Complete => self.accepting.clear(),
            Coverage::Partial => self.accepting.retain(|it| snapshot.worker(*it).is_none()),
        }
        let accepting = workers.iter().filter(|worker| worker.stance == Stance::Accept);
        self.accepting.extend(accepting.map(|worker| worker.id));
        snapshot.reports().iter().for_each(|report| self.tell(report));
        for (migration, Way { task, from, .. }) in self.ways() {
            if from.is_some_and(|from| has_no_source(snapshot, task, from)) {
                self.log.push(Entry::Orphaned { migration });
            }
        }
    }

    pub(super) fn tell(&mut self, report: &Report) {
        match report.event {
            Event::Failed { migration } | Event::Refused { migration } => {
                self.log.push(Entry::Failed { migration });
            }
            Event::Released { migration, .. } => {
                self.log.push(Entry::Released { migration });
                // Its target is not told to run it then.
                let way = self.ways().remove(&migration);
                if way.and_then(|way| way.to).is_some_and(|to| !self.accepting.contains(&to)) {
                    self.log.push(Entry::Failed { migration });
                }
            }
            _ => {}
        }
    }

    /// Nothing has changed since this moment, and nothing may begin any more.
    pub(super) const fn falls_silent(&mut self, since: Timestamp) {
        self.silent_since = Some(since);
    }

    fn end(&self, id: MigrationId) -> Option<Timestamp> {
        self.log.iter().find_map(|entry| match *entry {
            Entry::Ended { migration, at, .. } if migration == id => Some(at),
            _ => None,
        })
    }

    /// The migrations of this task that are under way, and when they were begun.
    fn under_way(&self, of: TaskId) -> impl Iterator<Item = (MigrationId, Timestamp)> {
        self.log.iter().filter_map(move |entry| match *entry {
            Entry::Begun { migration, task, at, .. }
                if task == of && self.end(migration).is_none() =>
            {
                Some((migration, at))
            }
            _ => None,
        })
    }

    /// A round, or what followed a report.
    pub(super) fn hear(
        &mut self,
        at: Timestamp,
        commands: &[Command],
        ended: &[Ended],
    ) -> Result<(), Breach> {
        for ended in ended {
            self.hear_end(ended)?;
        }
        for command in commands {
            match command.action {
                Action::Assign { .. } => self.goes_on(at, command)?,
                _ if command.action.begins().is_some() => self.begins(at, command)?,
                _ => {}
            }
            let Command { migration, action, .. } = *command;
            self.log.push(Entry::Turned { migration, action });
        }
        Ok(())
    }

    fn hear_end(&mut self, ended: &Ended) -> Result<(), Breach> {
        let &Ended { migration, task, from, at, fate, .. } = ended;
        if let Some(before) = self.end(migration) {
            let by = words(&format!("{fate:?}"));
            let says = format!("{ended}: it had ended at {before}");
            return Err(Breach { kind: Kind::EndedTwice, by, says });
        }
        let has_moved = from.is_some() && fate == Fate::Completed;
        self.log.push(Entry::Ended { migration, task, at, has_moved });
        Ok(())
    }

    fn goes_on(&mut self, at: Timestamp, command: &Command) -> Result<(), Breach> {
        let Command { migration, task, .. } = *command;
        if let Some(end) = self.end(migration) {
            return Err(breach(Kind::IdReused, command, &format!("it ended at {end}")));
        }
        if self.under_way(task).all(|(other, _)| other != migration) {
            let from = command.action.begins().and_then(|(from, _)| from);
            self.log.push(Entry::Begun { migration, task, at, from });
        }
        Ok(())
    }

    fn begins(&mut self, at: Timestamp, command: &Command) -> Result<(), Breach> {
        let Command { migration, task, .. } = *command;
        if let Some(&other) = self.issued.get(&migration).filter(|&&other| other != task) {
            return Err(breach(Kind::IdReused, command, &format!("it stands for {other}")));
        }
        if let Some((other, _)) = self.under_way(task).find(|&(other, _)| other != migration) {
            return Err(breach(Kind::TwoAtOnce, command, &format!("{other} is under way")));
        }
        self.rests(at, command)?;
        if let Some(since) = self.silent_since {
            let why = format!("nothing has changed since {since}");
            return Err(breach(Kind::Unrest, command, &why));
        }
        self.goes_on(at, command)?;
        if self.issued.insert(migration, task).is_none() {
            self.migrations += 1;
        }
        Ok(())
    }

    /// A task that has moved stays for the cooldown, unless it has to leave.
    fn rests(&self, at: Timestamp, command: &Command) -> Result<(), Breach> {
        let moved = self.log.iter().rev().find_map(|entry| match *entry {
            Entry::Ended { task, at, has_moved: true, .. } if task == command.task => Some(at),
            _ => None,
        });
        match moved {
            Some(moved) if !is_forced(command) && at < moved.after(self.cooldown) => {
                Err(breach(Kind::Cooldown, command, &format!("it moved at {moved}")))
            }
            _ => Ok(()),
        }
    }

    /// Whatever was begun before this moment has ended.
    pub(super) fn all_over(&self, before: Timestamp) -> Result<(), Breach> {
        for entry in &self.log {
            let Entry::Begun { migration, task, at, .. } = *entry else { continue };
            if at < before && self.end(migration).is_none() {
                let says = format!("{migration} of {task} was begun at {at} and has not ended");
                return Err(Breach { kind: Kind::NeverEnded, by: "time".to_string(), says });
            }
        }
        Ok(())
    }
}
