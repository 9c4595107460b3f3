//! Which commands are no longer obeyed?
//!
//! A worker refuses a command that a later migration of the same task has overtaken, and a command of a migration that
//! was called off at this worker.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::outcome::Command;

/// The last migration that the host has accepted for each task, and the migrations that were called off.
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

    /// Accepts a command: commands of earlier migrations of its task are overtaken from now on.
    pub(crate) fn accept(&mut self, command: &Command) {
        self.latest.insert(command.task, command.migration);
    }

    /// Notes that a worker does nothing more for a migration.
    pub(crate) fn call_off(&mut self, migration: MigrationId, worker: WorkerId) {
        self.called_off.insert((migration, worker));
    }

    /// Notes that a worker is asked again for the same migration.
    pub(crate) fn reopen(&mut self, migration: MigrationId, worker: WorkerId) {
        self.called_off.remove(&(migration, worker));
    }

    /// Whether a migration was called off at a worker.
    pub(crate) fn is_called_off(&self, migration: MigrationId, worker: WorkerId) -> bool {
        self.called_off.contains(&(migration, worker))
    }

    /// Whether a worker no longer obeys a command.
    pub(crate) fn refuse(&self, command: &Command, worker: WorkerId) -> bool {
        self.is_overtaken(command) || self.is_called_off(command.migration, worker)
    }
}
