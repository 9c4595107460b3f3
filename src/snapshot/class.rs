//! Which workers are open to some tasks and closed to others?

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::ids::{ClassId, WorkerId};
use crate::model::setters::setters;

/// The workers that tasks of a class may go to, each with an extra cost of going there. With it the host
/// adds its own veto and its own score (which workers reach a volume, who owns the hardware, what it
/// costs). One record serves any number of tasks ([`Task::class`](crate::Task::class)).
///
/// No command sends a task to a worker outside its class, except back to its source. Tasks that are
/// already on a worker stay there when the worker is taken out of the class.
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
    /// The id of the class.
    pub id: ClassId,
    /// Its workers, each with extra points of the cost scale (0 to 10). They need not be in the snapshot.
    pub workers: BTreeMap<WorkerId, f64>,
}

impl TargetClass {
    /// A class without workers: its tasks stay where they are.
    pub const fn new(id: ClassId) -> Self {
        Self { id, workers: BTreeMap::new() }
    }

    /// The extra cost of going to a worker, in points; `None` if the worker is not in the class.
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
