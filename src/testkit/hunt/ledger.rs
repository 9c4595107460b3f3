//! Is there room for what is sent to a worker, does the worker take it, and do groups keep their rules?
//!
//! Judged by the last snapshot, which the engine has seen, and by what the engine itself has begun since: every command
//! of a round by itself, in the order in which they are carried out. What is on its way counts on both ends.

use std::collections::BTreeMap;
use std::format;
use std::vec::Vec;

use super::job::{Breach, breach};
use super::schedule::Kind;
use super::world::RESOURCES;
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::outcome::{Action, Cause, Command, Ended};
use crate::snapshot::{GroupRule, Placement, Snapshot, Stance};

/// What the engine has begun and not ended: the workers of each migration.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    under_way: BTreeMap<MigrationId, (TaskId, Vec<WorkerId>)>,
}

/// Where each task counts.
type Places = BTreeMap<TaskId, Vec<WorkerId>>;

impl Ledger {
    /// The engine goes on from an earlier state: snapshots have to say what is under way.
    pub(super) fn forget(&mut self) {
        self.under_way.clear();
    }

    pub(super) fn hear(&mut self, commands: &[Command], ended: &[Ended]) {
        for ended in ended {
            self.under_way.remove(&ended.migration);
        }
        for command in commands {
            let Some((from, to)) = ends(command) else { continue };
            let way = self.under_way.entry(command.migration);
            let (_, workers) = way.or_insert_with(|| (command.task, Vec::new()));
            workers.extend(from.into_iter().chain([to]));
        }
    }

    /// A round over a complete snapshot.
    pub(super) fn judge(
        &mut self,
        snapshot: &Snapshot,
        commands: &[Command],
        ended: &[Ended],
    ) -> Result<(), Breach> {
        self.hear(&[], ended);
        let before = places(snapshot);
        let mut now = before.clone();
        for (task, workers) in self.under_way.values() {
            now.entry(*task).or_default().extend(workers);
        }
        for command in commands {
            let Some((_, to)) = ends(command) else { continue };
            let goes_home = command.cause() == Some(Cause::Return);
            if !goes_home {
                is_open(snapshot, command, to)?;
                has_room(snapshot, &now, command, to)?;
                is_apart(snapshot, &now, command, to)?;
            }
            now.entry(command.task).or_default().push(to);
        }
        whole_groups(snapshot, &before, commands)?;
        self.hear(commands, &[]);
        Ok(())
    }
}

/// Where a command takes a task from, if it begins a migration, and where it takes it.
fn ends(command: &Command) -> Option<(Option<WorkerId>, WorkerId)> {
    match command.action {
        Action::Assign { to, .. } => Some((None, to)),
        action => action.begins(),
    }
}

fn places(snapshot: &Snapshot) -> Places {
    let tasks = snapshot.tasks().iter();
    let places = tasks.map(|task| {
        let workers = match task.placement {
            Placement::On(worker) => Vec::from([worker]),
            Placement::Moving { from, to, .. } => from.into_iter().chain([to]).collect(),
            _ => Vec::new(),
        };
        (task.id, workers)
    });
    places.collect()
}

fn is_open(snapshot: &Snapshot, command: &Command, to: WorkerId) -> Result<(), Breach> {
    match snapshot.worker(to).map(|worker| worker.stance) {
        Some(Stance::Accept) => Ok(()),
        Some(stance) => Err(breach(Kind::Closed, *command, &format!("{to} is {stance}"))),
        None => Err(breach(Kind::Closed, *command, &format!("{to} is gone"))),
    }
}

fn has_room(
    snapshot: &Snapshot,
    now: &Places,
    command: &Command,
    to: WorkerId,
) -> Result<(), Breach> {
    for resource in RESOURCES {
        let demand = |task: &TaskId| {
            snapshot.task(*task).and_then(|task| task.demand.get(resource)).unwrap_or(0.0)
        };
        let others = now.iter().filter(|(task, at)| **task != command.task && at.contains(&to));
        let taken: f64 = others.map(|(task, _)| demand(task)).sum();
        let needed = demand(&command.task);
        let capacity = snapshot.worker(to).and_then(|worker| worker.capacity.get(resource));
        if capacity.is_some_and(|has| taken + needed > has + 1e-6) {
            let why = format!("{needed} of {resource} beside {taken} on {to}");
            return Err(breach(Kind::NoRoom, *command, &why));
        }
    }
    Ok(())
}

fn is_apart(
    snapshot: &Snapshot,
    now: &Places,
    command: &Command,
    to: WorkerId,
) -> Result<(), Breach> {
    let groups = snapshot.groups().iter().filter(|group| group.members.contains(&command.task));
    for group in groups.filter(|group| group.rule == GroupRule::AntiAffinity) {
        let others = group.members.iter().filter(|&&member| member != command.task);
        for member in others {
            if now.get(member).is_some_and(|at| at.contains(&to)) {
                let why = format!("{member} of {} is on {to}", group.id);
                return Err(breach(Kind::Rule, *command, &why));
            }
        }
    }
    Ok(())
}

/// A gang leaves its workers as a whole, and tasks that are together stay together.
fn whole_groups(snapshot: &Snapshot, before: &Places, commands: &[Command]) -> Result<(), Breach> {
    for group in snapshot.groups() {
        let begun = |task: &TaskId| commands.iter().find(|c| c.task == *task && leaves(c));
        let Some(first) = group.members.iter().find_map(begun) else { continue };
        let is_running = |task: &&TaskId| {
            let placement = snapshot.task(**task).map(|task| task.placement);
            matches!(placement, Some(Placement::On(_)))
        };
        let left = group.members.iter().filter(is_running).find(|task| begun(task).is_none());
        let home = before.get(&first.task);
        let together = group.members.iter().all(|task| before.get(task) == home);
        let is_whole = match group.rule {
            GroupRule::Gang => left.is_none(),
            GroupRule::Affinity if together => {
                let to = first.action.begins().map(|(_, to)| to);
                let target = |task| begun(task).and_then(|c| c.action.begins()).map(|(_, to)| to);
                group.members.iter().all(|task| target(task) == to)
            }
            _ => true,
        };
        if !is_whole {
            let why = format!("the rest of {} does not come along", group.id);
            return Err(breach(Kind::Rule, *first, &why));
        }
    }
    Ok(())
}

/// Whether a command takes a task from a worker.
fn leaves(command: &Command) -> bool {
    matches!(command.action.begins(), Some((Some(_), _)))
}
