//! Is there room for what is sent to a worker, does the worker take it, and do groups keep their rules?
//!
//! Judged by the last snapshot, which the engine has seen, and by what the engine itself has begun since: every command
//! of a round by itself, in the order in which they are carried out. What is on its way counts on both ends.

use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::String;
use std::vec::Vec;

use super::job::{Breach, breach};
use super::rules::{self, ends};
use super::schedule::Kind;
use super::world::RESOURCES;
use crate::config::Grace;
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Action, Cause, Command, Ended};
use crate::snapshot::{Coverage, Event, GroupRule, Phase, Placement, Report, Snapshot, Stance};

/// What the engine has begun: from where, and where to at present.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    under_way: BTreeMap<MigrationId, Way>,
    /// What has ended counts nowhere, even if it is still shown.
    ended: BTreeSet<MigrationId>,
    /// Workers that were gone at some time: what they had let go before is not theirs any more.
    were_gone: BTreeSet<WorkerId>,
    /// How long a worker is missing before it is gone.
    grace: Option<Grace>,
    /// Since when each task that has arrived runs there: a snapshot of before shows it elsewhere.
    arrived: BTreeMap<TaskId, (Timestamp, WorkerId)>,
    /// The workers that this life of the engine has been shown, with how long each has been missing since.
    shown: BTreeMap<WorkerId, Option<Absence>>,
}

/// Complete snapshots without a worker: the first, and how many.
#[derive(Clone, Copy, Debug)]
struct Absence {
    since: Timestamp,
    snapshots: u32,
}

#[derive(Clone, Copy, Debug)]
struct Way {
    task: TaskId,
    from: Option<WorkerId>,
    to: Option<WorkerId>,
    /// Whether its source runs it until a copy runs: an orphan does not go back there.
    is_copied: bool,
    /// Whether its source has let it go.
    is_let_go: bool,
    /// Whether its target has been asked to run it.
    is_asked: bool,
    /// The first snapshot after that; `None` if there is none yet.
    asked_by: Option<Timestamp>,
}

impl Way {
    /// The workers on which the task counts.
    fn counts_on(&self) -> impl Iterator<Item = WorkerId> {
        let to = self.to.filter(|_| self.is_asked || !self.is_let_go);
        self.from.into_iter().chain(to)
    }
}

/// Where each task counts.
type Places = BTreeMap<TaskId, Vec<WorkerId>>;

impl Ledger {
    pub(super) fn new(grace: Option<Grace>) -> Self {
        Self { grace, ..Self::default() }
    }

    /// The engine goes on from an earlier state: snapshots have to say what is under way.
    pub(super) fn forget(&mut self) {
        self.under_way.clear();
        self.arrived.clear();
        self.ended.clear();
        self.shown.clear();
    }

    /// Counts the complete snapshots that do not list a worker. One that is said to be out of reach is gone.
    fn miss(&mut self, snapshot: &Snapshot) {
        let at = snapshot.at();
        for (worker, absence) in &mut self.shown {
            if snapshot.worker(*worker).is_none() && snapshot.coverage() == Coverage::Complete {
                let (since, before) = absence.map_or((at, 0), |it| (it.since, it.snapshots));
                *absence = Some(Absence { since, snapshots: before + 1 });
            }
        }
        for worker in snapshot.workers() {
            if worker.stance == Stance::Offline {
                self.shown.remove(&worker.id);
            } else {
                self.shown.insert(worker.id, None);
            }
        }
    }

    /// Whether a worker is missing for so short a time that it is not gone.
    fn waits_for(&self, worker: WorkerId, at: Timestamp) -> bool {
        let absence = self.shown.get(&worker).copied().flatten();
        let Some((absence, grace)) = absence.zip(self.grace) else { return false };
        at < absence.since.after(grace.span) || absence.snapshots <= grace.rounds
    }

    /// No task of a worker that may still come back is placed elsewhere.
    fn is_patient(&self, snapshot: &Snapshot, commands: &[Command]) -> Result<(), Breach> {
        for command in commands {
            let (Some((None, _)), Some(task)) =
                (command.action.begins(), snapshot.task(command.task))
            else {
                continue;
            };
            if let Placement::On(worker) = task.placement
                && self.waits_for(worker, snapshot.at())
            {
                return Err(breach(Kind::TooSoon, command, &format!("{worker} is missing")));
            }
        }
        Ok(())
    }

    pub(super) fn hear(&mut self, commands: &[Command], ended: &[Ended]) {
        for ended in ended {
            self.under_way.remove(&ended.migration);
            self.ended.insert(ended.migration);
        }
        for command in commands {
            let Some((from, to)) = ends(command) else { continue };
            let is_copied = matches!(command.action, Action::Start { .. });
            let is_asked = !leaves(command) || is_copied;
            let new = Way {
                task: command.task,
                from,
                to: None,
                is_copied,
                is_let_go: false,
                is_asked,
                asked_by: None,
            };
            let way = self.under_way.entry(command.migration).or_insert(new);
            (way.to, way.is_asked, way.asked_by) = (Some(to), is_asked, None);
        }
    }

    /// A target that has failed or refused is promised nothing any more. One that is to be asked once the source lets
    /// go is promised its task, but does not have it.
    pub(super) fn tell(&mut self, report: &Report) {
        let way = report.event.migration().and_then(|id| self.under_way.get_mut(&id));
        let Some(way) = way else { return };
        match report.event {
            Event::Failed { .. } | Event::Refused { .. } => way.to = None,
            Event::Released { .. } => way.is_let_go = true,
            Event::Running { .. } => {
                self.arrived.extend(way.to.map(|to| (way.task, (report.at, to))));
            }
            _ => {}
        }
    }

    /// A round over this snapshot.
    pub(super) fn judge(
        &mut self,
        snapshot: &Snapshot,
        commands: &[Command],
        ended: &[Ended],
    ) -> Result<(), Breach> {
        self.hear(&[], ended);
        snapshot.reports().iter().for_each(|report| self.tell(report));
        self.miss(snapshot);
        let unlisted = |worker: WorkerId| self.waits_for(worker, snapshot.at());
        let away: BTreeSet<WorkerId> =
            self.shown.keys().copied().filter(|it| unlisted(*it)).collect();
        let is_there = |worker: &WorkerId| match snapshot.worker(*worker) {
            Some(worker) => worker.stance != Stance::Offline,
            None => snapshot.coverage() == Coverage::Partial || away.contains(worker),
        };
        self.is_patient(snapshot, commands)?;
        for (id, way) in &mut self.under_way {
            self.were_gone.extend(way.from.iter().filter(|from| !is_there(from)));
            way.from = way.from.filter(is_there);
            way.to = way.to.filter(is_there);
            let placement = snapshot.task(way.task).map(|task| task.placement);
            let has_no_source = match placement {
                Some(Placement::Orphaned) => true,
                Some(Placement::Moving { migration, from, .. }) => {
                    migration == *id && from.is_none()
                }
                _ => false,
            };
            if way.is_copied && has_no_source {
                way.from = None;
            }
            if let Some(Placement::Moving { migration, phase: Phase::Released, since, .. }) =
                placement
                && migration == *id
            {
                way.is_let_go = true;
                // Its target has given up since, and the report of that is lost or late.
                way.to = way.to.filter(|_| way.asked_by.is_none_or(|asked| since <= asked));
            }
        }
        self.whole_groups(snapshot, commands)?;
        let bound = self.under_way.values().map(|way| (way.task, way.to));
        rules::judge(snapshot, bound.collect(), commands)?;
        if snapshot.coverage() == Coverage::Complete {
            self.prefixes(snapshot, commands)?;
        }
        self.hear(commands, &[]);
        for way in self.under_way.values_mut().filter(|way| way.is_asked) {
            way.asked_by = way.asked_by.or(Some(snapshot.at()));
        }
        Ok(())
    }

    /// Every command by itself, after those before it.
    fn prefixes(&self, snapshot: &Snapshot, commands: &[Command]) -> Result<(), Breach> {
        let (mut now, mut held) = (self.places(snapshot), self.held(snapshot));
        for command in commands {
            let Some((_, to)) = ends(command) else { continue };
            let way = self.under_way.get(&command.migration);
            let was_promised = way.is_some_and(|way| way.to == Some(to) || way.from == Some(to))
                || is_shown_bound(snapshot, command, to);
            let is_return = command.cause() == Some(Cause::Return);
            let is_sent = is_return || command.cause() == Some(Cause::Released);
            let is_there =
                snapshot.task(command.task).is_some_and(|it| it.placement == Placement::On(to));
            if !was_promised && !is_return {
                is_open(snapshot, command, to)?;
                has_room(snapshot, &now, command, to)?;
                is_apart(snapshot, &now, command, to)?;
            } else if is_sent && !is_there {
                // The host may have started another task where this one was, or was promised.
                has_room(snapshot, &held, command, to)?;
                is_apart(snapshot, &held, command, to)?;
            }
            held.insert(command.task, Vec::from([to]));
            let at = now.entry(command.task).or_default();
            if let Some(way) = way {
                at.retain(|&worker| Some(worker) != way.to || Some(worker) == way.from);
            }
            at.push(to);
        }
        Ok(())
    }

    /// The workers that run each task, or have been told to.
    fn held(&self, snapshot: &Snapshot) -> Places {
        let mut held = Places::new();
        for task in snapshot.tasks() {
            let worker = match task.placement {
                Placement::On(worker) => Some(worker),
                Placement::Moving { from, phase: Phase::Releasing, .. } => from,
                Placement::Moving { to, phase: Phase::Assigned, .. } => Some(to),
                _ => None,
            };
            let arrived = self.arrived.get(&task.id).filter(|(since, _)| *since > snapshot.at());
            let worker = arrived.map(|(_, worker)| *worker).or(worker);
            held.insert(task.id, worker.into_iter().collect());
        }
        for way in self.under_way.values() {
            let to = way.to.filter(|_| way.is_asked);
            let from = way.from.filter(|_| !way.is_let_go);
            held.entry(way.task).or_default().extend(from.into_iter().chain(to));
        }
        held
    }

    fn places(&self, snapshot: &Snapshot) -> Places {
        let mut places = Places::new();
        for task in snapshot.tasks() {
            let workers = match task.placement {
                Placement::On(worker) => Vec::from([worker]),
                Placement::Moving { migration, from, phase, .. }
                    if self.knows(migration) || phase == Phase::Released =>
                {
                    from.into_iter().filter(|from| !self.were_gone.contains(from)).collect()
                }
                Placement::Moving { from, to, .. } => from.into_iter().chain([to]).collect(),
                _ => Vec::new(),
            };
            let arrived = self.arrived.get(&task.id).filter(|(since, _)| *since > snapshot.at());
            let workers = arrived.map_or(workers, |(_, worker)| Vec::from([*worker]));
            places.insert(task.id, workers);
        }
        for way in self.under_way.values() {
            places.entry(way.task).or_default().extend(way.counts_on());
        }
        places
    }

    /// A gang leaves its workers as a whole, and tasks that are together stay together. A member that a partial
    /// snapshot leaves out may be anywhere.
    fn whole_groups(&self, snapshot: &Snapshot, commands: &[Command]) -> Result<(), Breach> {
        for group in snapshot.groups() {
            let begun = |task: &TaskId| commands.iter().find(|c| c.task == *task && leaves(c));
            let Some(first) = group.members.iter().find_map(begun) else { continue };
            let on = |task: &TaskId| match snapshot.task(*task).map(|task| task.placement) {
                Some(Placement::On(worker)) => Some(worker),
                _ => None,
            };
            let is_left = |task: &&TaskId| match group.rule {
                GroupRule::Gang => on(task).is_some() && begun(task).is_none(),
                GroupRule::Affinity => {
                    let bound = target(begun(task)).or_else(|| self.bound(**task));
                    on(task) == on(&first.task) && bound != target(Some(first))
                }
                _ => false,
            };
            let is_unknown = |task: &&TaskId| {
                let is_whole = matches!(group.rule, GroupRule::Gang | GroupRule::Affinity);
                is_whole
                    && snapshot.coverage() == Coverage::Partial
                    && snapshot.task(**task).is_none()
            };
            if let Some(left) = group.members.iter().find(is_left) {
                let why = format!("{left} of {} does not come along", group.id);
                return Err(breach(Kind::Rule, first, &why));
            }
            if let Some(unknown) = group.members.iter().find(is_unknown) {
                let why = format!("{unknown} of {} is not shown", group.id);
                return Err(Breach {
                    by: String::from("a member is unknown"),
                    ..breach(Kind::Rule, first, &why)
                });
            }
        }
        Ok(())
    }

    /// Where a task that is under way goes.
    fn bound(&self, task: TaskId) -> Option<WorkerId> {
        self.under_way.values().find(|way| way.task == task).and_then(|way| way.to)
    }

    fn knows(&self, migration: MigrationId) -> bool {
        self.under_way.contains_key(&migration) || self.ended.contains(&migration)
    }
}

/// Whether the host has shown that the command's migration goes there.
fn is_shown_bound(snapshot: &Snapshot, command: &Command, to: WorkerId) -> bool {
    let placement = snapshot.task(command.task).map(|task| task.placement);
    matches!(placement, Some(Placement::Moving { migration, to: shown, .. })
        if migration == command.migration && shown == to)
}

fn is_open(snapshot: &Snapshot, command: &Command, to: WorkerId) -> Result<(), Breach> {
    match snapshot.worker(to).map(|worker| worker.stance) {
        Some(Stance::Accept) => Ok(()),
        Some(stance) => Err(breach(Kind::Closed, command, &format!("{to} is {stance}"))),
        None => Err(breach(Kind::Closed, command, &format!("{to} is gone"))),
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
            return Err(breach(Kind::NoRoom, command, &why));
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
                return Err(breach(Kind::Rule, command, &why));
            }
        }
    }
    Ok(())
}

fn target(command: Option<&Command>) -> Option<WorkerId> {
    command.and_then(|command| command.action.begins()).map(|(_, to)| to)
}

/// Whether a command takes a task from a worker.
fn leaves(command: &Command) -> bool {
    matches!(command.action.begins(), Some((Some(_), _)))
}
