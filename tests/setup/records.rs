//! Workers of ten cores, and tasks that ask for some of them.

use evenkeel::{ResourceId, Task, TaskId, Worker, WorkerId};

pub(crate) fn cpu(id: u64, used: f64) -> Worker {
    Worker::new(WorkerId::new(id))
        .with_capacity(ResourceId::CPU, 10.0)
        .with_used(ResourceId::CPU, used)
}

pub(crate) fn task(id: u64, worker: u64, cores: f64) -> Task {
    Task::new(TaskId::new(id)).on(WorkerId::new(worker)).with_demand(ResourceId::CPU, cores)
}
