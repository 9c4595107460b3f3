//! Which resources count, and how much of each does a worker have and use by its record?

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::model::resource::ResourceId;
use crate::snapshot::{Device, Snapshot, Worker};

/// One resource of one worker.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) capacity: Option<f64>,
    /// Reserved for tasks that are there or on their way there.
    pub(crate) claimed: f64,
    pub(crate) used: Option<f64>,
}

/// One device of one worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DeviceCell {
    pub(crate) device: Device,
    /// Reserved by tasks that are there.
    pub(crate) reserved_bytes: f64,
    /// Reserved for tasks on their way there.
    pub(crate) arriving_bytes: f64,
}

impl DeviceCell {
    /// Memory that is not used, not reserved, and not promised to a task on its way; `None` if the device's
    /// memory is unknown.
    pub(crate) fn free_bytes(&self) -> Option<f64> {
        let used = self.device.used_bytes.unwrap_or(0) as f64;
        let taken = used.max(self.reserved_bytes) + self.arriving_bytes;
        self.device.memory_bytes.map(|memory| memory as f64 - taken)
    }
}

/// Every resource that a worker has or a task asks for, in id order.
pub(super) fn columns(snapshot: &Snapshot) -> Vec<ResourceId> {
    let mut columns = BTreeSet::new();
    let mut add = |resource: ResourceId| {
        columns.insert(resource);
    };
    for worker in snapshot.workers() {
        worker.capacity.iter().for_each(|(resource, _)| add(resource));
        if !worker.devices.is_empty() {
            add(ResourceId::GPU_MEMORY);
        }
    }
    for task in snapshot.tasks() {
        task.demand.iter().for_each(|(resource, _)| add(resource));
        if task.requirements.gpu_memory_bytes.is_some() {
            add(ResourceId::GPU_MEMORY);
        }
        for alternative in &task.alternatives {
            alternative.demand.iter().for_each(|(resource, _)| add(resource));
            if alternative.gpu_memory_bytes.is_some() {
                add(ResourceId::GPU_MEMORY);
            }
        }
    }
    columns.into_iter().collect()
}

/// One resource of a worker as reported. If GPU memory is not stated, the devices' memory is added up.
pub(super) fn cell(worker: &Worker, resource: ResourceId) -> Cell {
    let devices = |bytes: fn(&Device) -> Option<u64>| {
        if resource != ResourceId::GPU_MEMORY || worker.devices.is_empty() {
            return None;
        }
        let sum =
            worker.devices.iter().try_fold(0_u64, |sum, device| sum.checked_add(bytes(device)?));
        sum.map(|sum| sum as f64)
    };
    let capacity =
        worker.capacity.known(resource).or_else(|| devices(|device| device.memory_bytes));
    let amounts = if broken!("balance_against_use") { &worker.reserved } else { &worker.used };
    let used = amounts.known(resource).or_else(|| devices(|device| device.used_bytes));
    Cell { capacity, claimed: 0.0, used }
}
