//! Is no more under way at once than the settings allow, and does the engine remember no more than it says?
//!
//! Counted are migrations that take a task from a worker, from their first command until they end, or until that worker
//! is lost: to place a task that has lost its worker interrupts nothing. A task that its source has released counts in
//! all, and no more against its source.

use std::collections::BTreeMap;
use std::format;
use std::string::String;

use super::job::{Breach, breach};
use super::schedule::Kind;
use crate::config::Config;
use crate::model::hardware::Hardware;
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::outcome::{Action, Command, Ended};
use crate::snapshot::{Coverage, Phase, Placement, Snapshot, Stance};
use crate::state::State;

/// A migration under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    pub(super) task: TaskId,
    /// The worker that it takes the task from; `None` if the task had lost its worker.
    pub(super) from: Option<WorkerId>,
    /// The worker that it is bound for; `None` while there is none.
    pub(super) to: Option<WorkerId>,
    /// Whether no worker had it at some time: it does not count against the limit of its source from then on.
    pub(super) was_nowhere: bool,
}

/// The migrations under way.
pub(super) type Ways = BTreeMap<MigrationId, Way>;

/// How many migrations may be under way at once; `None` if there is no such limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    all: Option<usize>,
    from_one: Option<usize>,
    to_one: Option<usize>,
}

impl Limits {
    /// As the settings say. A limit that grows with the cluster or its needs is none here.
    pub(super) fn of(config: &Config) -> Self {
        let Some(limits) = &config.migration else {
            return Self { all: Some(0), from_one: None, to_one: None };
        };
        let grows = limits.share_of_workers.is_some() || limits.per_giver.is_some();
        let all = Some(limits.max_simultaneous).filter(|_| !grows);
        let count = |limit: core::num::NonZeroU32| limit.get() as usize;
        Self {
            all: all.map(count),
            from_one: limits.per_source.map(count),
            to_one: limits.per_target.map(count),
        }
    }

    /// A round: every command that takes a task from a worker, after those before it.
    pub(super) fn judge(
        &self,
        mut ways: Ways,
        is_known: impl Fn(MigrationId) -> bool,
        snapshot: &Snapshot,
        commands: &[Command],
        ended: &[Ended],
    ) -> Result<(), Breach> {
        take_over(&mut ways, snapshot, is_known);
        ways.retain(|migration, _| ended.iter().all(|ended| ended.migration != *migration));
        for command in commands {
            let Command { migration, task, action, .. } = *command;
            if let Some((Some(from), to)) = action.begins() {
                ways.insert(migration, Way { to: Some(to), ..Way::new(task, Some(from)) });
                self.allows(&ways, command, from, to)?;
            } else {
                turn(&mut ways, migration, action);
            }
        }
        Ok(())
    }

    fn allows(
        &self,
        ways: &Ways,
        command: &Command,
        from: WorkerId,
        to: WorkerId,
    ) -> Result<(), Breach> {
        let moves = || ways.values().filter(|way| way.from.is_some());
        let counts = [
            (moves().count(), self.all, "in all"),
            (moves().filter(|way| way.leaves(from)).count(), self.from_one, "from there"),
            (moves().filter(|way| way.is_bound_for(to)).count(), self.to_one, "to there"),
        ];
        for (count, limit, what) in counts {
            if limit.is_some_and(|limit| count > limit) {
                let by = format!("{what}, {}", breach(Kind::TooMany, command, "").by);
                let why = format!("{count} at once {what}");
                return Err(Breach { by, ..breach(Kind::TooMany, command, &why) });
            }
        }
        Ok(())
    }
}

impl Way {
    pub(super) const fn new(task: TaskId, from: Option<WorkerId>) -> Self {
        Self { task, from, to: None, was_nowhere: false }
    }

    /// Its target does not have it, or not any more.
    pub(super) const fn gives_up(&mut self) {
        (self.to, self.was_nowhere) = (None, true);
    }

    fn leaves(&self, worker: WorkerId) -> bool {
        self.from == Some(worker) && !self.was_nowhere
    }

    /// Whether it is on its way there, and not back to where it came from.
    fn is_bound_for(&self, worker: WorkerId) -> bool {
        self.to == Some(worker) && self.from != Some(worker)
    }
}

/// Whether the worker that a task is taken from is lost, or has lost the task.
pub(super) fn has_no_source(snapshot: &Snapshot, task: TaskId, from: WorkerId) -> bool {
    let is_gone = match snapshot.worker(from) {
        Some(worker) => worker.stance == Stance::Offline,
        None => snapshot.coverage() == Coverage::Complete,
    };
    let shown = snapshot.task(task).map(|task| task.placement);
    is_gone || matches!(shown, Some(Placement::Orphaned | Placement::Moving { from: None, .. }))
}

/// What an earlier life began counts as long as it is shown, and its source is there.
fn take_over(ways: &mut Ways, snapshot: &Snapshot, is_known: impl Fn(MigrationId) -> bool) {
    for task in snapshot.tasks() {
        let Placement::Moving { migration, from: Some(from), to, phase, .. } = task.placement
        else {
            continue;
        };
        // No worker has it, or the host knows of a step that this life does not remember.
        let own = ways.get_mut(&migration);
        let own = own.filter(|way| way.to != Some(to) || phase == Phase::Released);
        own.into_iter().for_each(Way::gives_up);
        let is_earlier = !is_known(migration) && ways.values().all(|way| way.task != task.id);
        let source = snapshot.worker(from).filter(|worker| worker.stance != Stance::Offline);
        if is_earlier && source.is_some() {
            let to = Some(to).filter(|_| phase != Phase::Released);
            let was_nowhere = to.is_none();
            ways.insert(migration, Way { task: task.id, from: Some(from), to, was_nowhere });
        }
    }
}

/// A command of a migration says where it goes from now on.
pub(super) fn turn(ways: &mut Ways, migration: MigrationId, action: Action) {
    let Some(way) = ways.get_mut(&migration) else { return };
    match action {
        _ if action.begins().is_some() => way.to = action.begins().map(|(_, to)| to),
        Action::Assign { to, .. } => way.to = Some(to),
        Action::Abort { worker } if way.to == Some(worker) => way.gives_up(),
        _ => {}
    }
}

/// The tasks and workers of a cluster, all that there ever were.
#[derive(Clone, Copy, Debug)]
pub(super) struct Census {
    pub(super) tasks: usize,
    pub(super) workers: usize,
}

impl Census {
    /// How many of a thing the engine remembers at most, as the documentation of [`State`] has it: with one kind of
    /// task, one migration of a task at a time, no budget with a window, and no advice.
    fn most(self, name: &str) -> usize {
        let Self { tasks, workers } = self;
        match name {
            "system records" | "ended" => 100,
            "tracked workers" | "missing workers" => workers,
            "samples of one worker" => 64,
            "forecasts" => 16,
            "migrations" | "closed homes" => tasks,
            "landed" => 64 * workers,
            "cooldowns" | "moved" | "returned" => tasks.min(64 * workers),
            "learned" => workers + 1 + workers * Hardware::ALL.len(),
            _ => 0,
        }
    }

    /// The engine remembers no more than it says.
    pub(super) fn bounds(self, state: &State) -> Result<(), Breach> {
        too_much(state, |name| self.most(name))
    }

    /// Everything is over, and has been for long: of single tasks nothing is remembered, but which have moved and may
    /// overload their worker.
    pub(super) fn forgets(self, state: &State) -> Result<(), Breach> {
        const LASTS: [&str; 7] = [
            "system records",
            "tracked workers",
            "samples of one worker",
            "forecasts",
            "ended",
            "learned",
            "moved",
        ];
        too_much(state, |name| if LASTS.contains(&name) { self.most(name) } else { 0 })
    }
}

fn too_much(state: &State, most: impl Fn(&str) -> usize) -> Result<(), Breach> {
    for (name, size) in state.sizes() {
        let most = most(name);
        if size > most {
            let says = format!("the engine remembers {size} {name}, at most {most} are expected");
            return Err(Breach { kind: Kind::TooLarge, by: String::from(name), says });
        }
    }
    Ok(())
}
