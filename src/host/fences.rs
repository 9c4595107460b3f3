//! Which commands are no longer obeyed?
//!
//! A worker refuses a command that a later migration of the same task has overtaken, and a command of a migration that
//! was called off at this worker.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::outcome::Command;

/// What the host has accepted last, and what was called off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fences {
    /// The last migration of each task.
    latest: BTreeMap<TaskId, MigrationId>,
    called_off: BTreeSet<(MigrationId, WorkerId)>,
}

impl Fences {
    /// Whether a later migration of the same task has been accepted.
    pub(crate) fn is_overtaken(&self, command: &Command) -> bool {
        self.latest.get(&command.task).is_some_and(|latest| *latest > command.migration)
    }

    /// Commands of earlier migrations of this task are overtaken from now on.
    pub(crate) fn accept(&mut self, command: &Command) {
        self.latest.insert(command.task, command.migration);
    }

    /// A worker does nothing more for a migration.
    pub(crate) fn call_off(&mut self, migration: MigrationId, worker: WorkerId) {
        self.called_off.insert((migration, worker));
    }

    /// A worker is asked for the same migration once more.
    pub(crate) fn reopen(&mut self, migration: MigrationId, worker: WorkerId) {
        self.called_off.remove(&(migration, worker));
    }

    /// Whether a migration was called off at a worker.
    pub(crate) fn is_called_off(&self, migration: MigrationId, worker: WorkerId) -> bool {
        self.called_off.contains(&(migration, worker))
    }

    /// Whether a worker does not obey a command any more.
    pub(crate) fn refuse(&self, command: &Command, worker: WorkerId) -> bool {
        self.is_overtaken(command) || self.is_called_off(command.migration, worker)
    }
}
