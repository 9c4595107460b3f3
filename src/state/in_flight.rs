//! Which migrations are under way, by task, by id, and by the worker that should take the task?
//!
//! The indexes are not saved: they follow from the migrations. A lookup costs O(log n).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer, Serialize};

use super::{Charge, Migration, Target};
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Cause, Command, Why};

/// The migrations under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct InFlight {
    /// Boxed, because a lookup reads through the nodes of the map: those stay small.
    migrations: BTreeMap<TaskId, Box<Migration>>,
    #[serde(skip)]
    tasks_by_id: BTreeMap<MigrationId, TaskId>,
    /// The tasks that some worker has or should have, by target.
    #[serde(skip)]
    tasks_by_target: BTreeMap<WorkerId, BTreeSet<TaskId>>,
    /// Migrations that take a task from the worker it runs on.
    #[serde(skip)]
    interrupting: usize,
    /// Migrations of tasks that have not lost their workers.
    #[serde(skip)]
    moving: usize,
    /// Migrations of which only the state tells.
    #[serde(skip)]
    unseen: usize,
    /// Migrations that were read under a key that is not their task, or with an id that another one has, each with
    /// its key. They are not under way, and are not written again.
    #[serde(skip)]
    misfiled: Vec<(TaskId, Box<Migration>)>,
}

/// The indexes are rebuilt after reading.
impl<'de> Deserialize<'de> for InFlight {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut read = Self::default();
        let saved = BTreeMap::<TaskId, Box<Migration>>::deserialize(from)?;
        for (task, migration) in saved {
            if task == migration.task() && read.by_id(migration.id()).is_none() {
                read.insert(*migration);
            } else {
                read.misfiled.push((task, migration));
            }
        }
        Ok(read)
    }
}

impl InFlight {
    /// Takes out what was read but cannot be under way, each migration with the task under which it was stored.
    pub(super) fn take_misfiled(&mut self) -> Vec<(TaskId, Box<Migration>)> {
        core::mem::take(&mut self.misfiled)
    }

    pub(crate) fn len(&self) -> usize {
        self.migrations.len()
    }

    /// How many migrations take a task from the worker it runs on.
    pub(crate) fn interrupting(&self) -> usize {
        self.interrupting
    }

    /// How many migrations are of tasks that have not lost their workers.
    pub(crate) fn moving(&self) -> usize {
        self.moving
    }

    pub(crate) fn contains_key(&self, task: &TaskId) -> bool {
        self.migrations.contains_key(task)
    }

    /// The migration of a task.
    pub(crate) fn get(&self, task: &TaskId) -> Option<&Migration> {
        self.migrations.get(task).map(AsRef::as_ref)
    }

    /// The migration of this id.
    pub(crate) fn by_id(&self, id: MigrationId) -> Option<&Migration> {
        self.get(self.tasks_by_id.get(&id)?)
    }

    /// The tasks with a migration under way, in order.
    pub(crate) fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.migrations.keys().copied()
    }

    /// All of them, by task.
    pub(crate) fn values(&self) -> impl ExactSizeIterator<Item = &Migration> + Clone {
        self.migrations.values().map(AsRef::as_ref)
    }

    /// The migrations whose target is `worker`, by task.
    pub(crate) fn bound_for(&self, worker: WorkerId) -> impl Iterator<Item = &Migration> {
        let tasks = self.tasks_by_target.get(&worker).into_iter().flatten();
        tasks.filter_map(|task| self.get(task))
    }

    /// Adds a migration, or replaces the one of the same task.
    pub(crate) fn insert(&mut self, migration: Migration) {
        let task = migration.task();
        self.remove(task);
        self.tasks_by_id.entry(migration.id()).or_insert(task);
        self.index(Role::of(&migration), task);
        self.migrations.insert(task, Box::new(migration));
    }

    /// Changes the migration of a task, which keeps its id and its task.
    pub(crate) fn update<T>(
        &mut self,
        task: TaskId,
        change: impl FnOnce(&mut Migration) -> T,
    ) -> Option<T> {
        let migration = self.migrations.get_mut(&task)?;
        let before = Role::of(migration);
        let changed = change(migration);
        let after = Role::of(migration);
        if before != after {
            self.forget(before, task);
            self.index(after, task);
        }
        Some(changed)
    }

    /// Gives another target to a migration whose task no worker has.
    pub(crate) fn retarget(
        &mut self,
        task: TaskId,
        target: Target,
        at: Timestamp,
    ) -> Option<Command> {
        let change = |migration: &mut Migration| {
            migration.retarget(target, at);
            let command = migration.command()?;
            // The source was chosen among all targets: the task was not turned back.
            let chosen = Why::Follows(Cause::Released);
            let why = if migration.is_returning() { chosen } else { command.why };
            Some(Command { why, ..command })
        };
        self.update(task, change)?
    }

    pub(crate) fn remove(&mut self, task: TaskId) -> Option<Migration> {
        let migration = self.migrations.remove(&task)?;
        if self.tasks_by_id.get(&migration.id()) == Some(&task) {
            self.tasks_by_id.remove(&migration.id());
        }
        self.forget(Role::of(&migration), task);
        Some(*migration)
    }

    fn index(&mut self, role: Role, task: TaskId) {
        self.interrupting += usize::from(role.interrupts);
        self.moving += usize::from(role.moves);
        self.unseen += usize::from(role.unseen);
        if let Some(worker) = role.bound_to {
            self.tasks_by_target.entry(worker).or_default().insert(task);
        }
    }

    fn forget(&mut self, role: Role, task: TaskId) {
        self.interrupting -= usize::from(role.interrupts);
        self.moving -= usize::from(role.moves);
        self.unseen -= usize::from(role.unseen);
        let Some(worker) = role.bound_to else { return };
        let Some(tasks) = self.tasks_by_target.get_mut(&worker) else { return };
        tasks.remove(&task);
        if tasks.is_empty() {
            self.tasks_by_target.remove(&worker);
        }
    }

    /// A later life goes on with them.
    pub(crate) fn inherit(&mut self) {
        self.migrations.values_mut().for_each(|migration| migration.inherit());
        self.unseen = self.migrations.len();
    }

    /// Changes all of them in what no index knows of, their moments, in the order of their tasks.
    pub(crate) fn update_all(&mut self, mut change: impl FnMut(&mut Migration)) {
        self.migrations.values_mut().for_each(|migration| change(migration));
    }

    /// The tasks of whose migrations only the state tells, in order.
    pub(crate) fn unseen(&self) -> impl Iterator<Item = TaskId> {
        let all = if self.unseen > 0 { Some(self.values()) } else { None };
        all.into_iter().flatten().filter(|migration| migration.is_unseen()).map(Migration::task)
    }

    /// Records the charge of migrations that began while no budget was in force.
    pub(crate) fn charge(&mut self, of: impl Fn(&Migration) -> Option<Charge>) {
        let uncharged = |migration: &&mut Box<Migration>| migration.charge().is_none();
        for migration in self.migrations.values_mut().filter(uncharged) {
            migration.set_charge(of(migration));
        }
    }
}

/// The indexed properties of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Role {
    /// The worker that is to run the task; `None` if the task waits for a target.
    bound_to: Option<WorkerId>,
    interrupts: bool,
    moves: bool,
    unseen: bool,
}

impl Role {
    fn of(migration: &Migration) -> Self {
        Self {
            bound_to: migration.is_bound().then_some(migration.to()),
            interrupts: migration.interrupts(),
            moves: !migration.is_placement(),
            unseen: migration.is_unseen(),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::super::course::Handoff;
    use super::super::{Course, Terms};
    use super::*;
    use crate::model::ids::{Epoch, KindId};
    use crate::model::resource::Amounts;
    use crate::outcome::Reason;

    fn migration(number: u64, to: u64, course: Course) -> Migration {
        let terms = Terms {
            id: MigrationId::new(Epoch::FIRST, number),
            task: TaskId::new(number),
            kind: KindId::new(1),
            reason: Reason::Recover,
            to: WorkerId::new(to),
            device: None,
            alternative: None,
            claim: Amounts::new(),
            load: Amounts::new(),
            at_source: None,
            scorecard: None,
            handover: None,
        };
        Migration::begin(terms, course, Timestamp::default())
    }

    /// By target, and by id.
    fn indexed(all: &InFlight) -> (Vec<u64>, Vec<u64>) {
        let bound = [1, 2].into_iter().flat_map(|to| all.bound_for(WorkerId::new(to)));
        let known = (1..9).filter_map(|id| all.by_id(MigrationId::new(Epoch::FIRST, id)));
        let ids = |migration: &Migration| migration.id().number();
        (bound.map(ids).collect(), known.map(ids).collect())
    }

    #[test]
    fn the_indexes_follow_the_migrations() {
        let mut all = InFlight::default();
        all.insert(migration(2, 2, Course::Placing));
        all.insert(migration(1, 2, Course::Placing));
        all.insert(migration(3, 1, Course::Unplaced));
        assert_eq!(indexed(&all), ([1, 2].into(), [1, 2, 3].into()));
        let from = WorkerId::new(1);
        let move_of_4 = Course::Leaving { from, by: Handoff::Requeue };
        all.insert(migration(4, 2, move_of_4));
        all.insert(migration(5, 2, Course::Releasing { from }));
        assert_eq!((all.interrupting(), all.moving()), (1, 2));
        all.update(TaskId::new(5), |migration| {
            migration.enter(Course::Placing, Timestamp::default());
        });
        assert_eq!((all.interrupting(), all.moving()), (0, 1));
        (4..6).for_each(|task| _ = all.remove(TaskId::new(task)));
        assert_eq!((all.interrupting(), all.moving()), (0, 0));
        let target = Target {
            to: WorkerId::new(1),
            device: None,
            alternative: None,
            claim: Amounts::new(),
            load: Amounts::new(),
            scorecard: None,
        };
        all.retarget(TaskId::new(3), target, Timestamp::default());
        all.remove(TaskId::new(2));
        assert_eq!(indexed(&all), ([3, 1].into(), [1, 3].into()));
    }
}
