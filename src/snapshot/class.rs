//! What a host says of workers that are open to some tasks and closed to others.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::ids::{ClassId, WorkerId};
use crate::model::setters::setters;

/// The workers that tasks of a class may go to, each with what it costs extra to go there: the host's
/// own veto and its own score (where a volume can be reached, whose hardware it is, what it costs).
/// One record serves any number of tasks ([`Task::class`](crate::Task::class)).
///
/// No command sends a task to a worker that is not in its class, but for the way back to where it
/// came from. Where a task is already is nobody's matter: a worker that is taken out of a class keeps
/// the tasks that it has.
///
/// ```
/// use evenkeel::WorkerId;
/// use evenkeel::id::ClassId;
/// use evenkeel::snapshot::TargetClass;
/// let near = TargetClass::new(ClassId::new(1))
///     .with_worker(WorkerId::new(1), 0.0)
///     .with_worker(WorkerId::new(2), 1.5);
/// assert_eq!(near.cost(WorkerId::new(2)), Some(1.5));
/// assert_eq!(near.cost(WorkerId::new(3)), None);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TargetClass {
    /// Its name.
    pub id: ClassId,
    /// Its workers, listed or not, each with extra points of the cost scale (0 to 10).
    pub workers: BTreeMap<WorkerId, f64>,
}

impl TargetClass {
    /// A class without workers: its tasks stay where they are.
    pub const fn new(id: ClassId) -> Self {
        Self { id, workers: BTreeMap::new() }
    }

    /// What it costs extra to go to a worker, in points; nothing where the worker is not in the class.
    pub fn cost(&self, worker: WorkerId) -> Option<f64> {
        self.workers.get(&worker).copied()
    }
}

setters! {
    TargetClass {
        entry with_worker(workers: WorkerId, f64);
        each with_workers(workers: (WorkerId, f64));
    }
}
