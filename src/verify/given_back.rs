//! Which tasks may the host's scheduler start at any moment, because they were given back to it?

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::model::ids::TaskId;
use crate::model::time::Timestamp;
use crate::snapshot::{Placement, Snapshot};

/// The tasks that were given back to the scheduler, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct GivenBack {
    at: BTreeMap<TaskId, Timestamp>,
    /// The last snapshot.
    now: Timestamp,
}

impl GivenBack {
    /// Once a record shows a task in a queue, the order was carried out.
    pub(super) fn see(&mut self, snapshot: &Snapshot) {
        self.now = snapshot.at();
        let queued = snapshot.tasks().iter().filter(|task| task.placement == Placement::Unplaced);
        queued.for_each(|task| _ = self.at.remove(&task.id));
    }

    /// A task is given back.
    pub(super) fn note(&mut self, task: TaskId) {
        self.at.insert(task, self.now);
    }

    /// When a task was given back, if the host need not have dropped the order yet.
    pub(super) fn pending(&self, task: TaskId, timeout: Duration) -> Option<Timestamp> {
        self.at.get(&task).copied().filter(|given| self.now <= given.after(timeout))
    }
}
