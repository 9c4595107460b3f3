//! Which tasks may the host's scheduler start at any moment, because they were given back to it?

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
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
    /// Whether the round of that snapshot is over.
    is_between: bool,
    /// Those given back between the last round and the next one: the host is told before the next snapshot.
    since: Vec<TaskId>,
}

impl GivenBack {
    /// Once a record shows a task in a queue, the order was carried out.
    pub(super) fn see(&mut self, snapshot: &Snapshot) {
        self.now = snapshot.at();
        self.is_between = false;
        for task in self.since.drain(..) {
            self.at.entry(task).and_modify(|at| *at = snapshot.at());
        }
        let queued = snapshot.tasks().iter().filter(|task| task.placement == Placement::Unplaced);
        queued.for_each(|task| _ = self.at.remove(&task.id));
    }

    /// The round of the last snapshot is over.
    pub(super) const fn end_round(&mut self) {
        self.is_between = true;
    }

    /// A task is given back.
    pub(super) fn note(&mut self, task: TaskId) {
        self.at.insert(task, self.now);
        if self.is_between {
            self.since.push(task);
        }
    }

    /// When a task was given back, if the host need not have dropped the order yet.
    pub(super) fn pending(&self, task: TaskId, timeout: Duration) -> Option<Timestamp> {
        self.at.get(&task).copied().filter(|given| self.now <= given.after(timeout))
    }
}
