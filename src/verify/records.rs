//! Which records of workers and tasks can be relied on, and what do they state?

use alloc::vec::Vec;
use core::time::Duration;

use crate::config::LoadRule;
use crate::model::ids::{TaskId, WorkerId};
use crate::model::resource::ResourceId;
use crate::model::time::Timestamp;
use crate::outcome::Purpose;
use crate::snapshot::{Device, Record, Snapshot, Stance, Worker};

/// Whether the snapshot lists a worker and the worker is not out of reach.
pub(super) fn is_live(snapshot: &Snapshot, worker: WorkerId) -> bool {
    snapshot.worker(worker).is_some_and(|worker| worker.stance != Stance::Offline)
}

/// Whether a worker's record can be relied on.
pub(super) fn is_sound_worker(snapshot: &Snapshot, worker: WorkerId) -> bool {
    let record = Record::Worker(worker);
    snapshot.bad_records().iter().all(|bad| bad.record != record)
}

/// Whether a worker's record can be relied on as the source of a step. To empty the worker no figure of it is needed
/// (capacity, use, reservations, temperature, power, bandwidth), nor lists that are too long.
pub(super) fn is_sound_source(snapshot: &Snapshot, worker: WorkerId, purpose: Purpose) -> bool {
    let record = Record::Worker(worker);
    let mut bad = snapshot.bad_records().iter().filter(|bad| bad.record == record);
    bad.all(|bad| {
        let field = bad.field.as_str();
        let first = field.split('.').next().unwrap_or(field);
        let is_amount = matches!(first, "capacity" | "reserved" | "used");
        let is_other =
            matches!(field, "temperature_celsius" | "power_watts" | "bandwidth_bytes_per_second");
        // Lists that are too long.
        let is_list = matches!(field, "labels" | "domains" | "devices");
        let figure = is_amount || is_other || is_list;
        matches!(purpose, Purpose::Evacuate | Purpose::FollowGang) && figure
    })
}

/// Whether a task's record can be relied on.
pub(super) fn is_sound_task(snapshot: &Snapshot, task: TaskId) -> bool {
    let record = Record::Task(task);
    snapshot.bad_records().iter().all(|bad| bad.record != record)
}

/// A finite amount from 0 up.
pub(super) fn possible(amount: Option<f64>) -> Option<f64> {
    // No count of bytes exceeds 2^64.
    amount.filter(|amount| (0.0..=u64::MAX as f64).contains(amount))
}

fn device_sum(worker: &Worker, bytes: impl Fn(&Device) -> Option<u64>) -> Option<f64> {
    if worker.devices.is_empty() {
        return None;
    }
    let mut sum = 0.0;
    for device in &worker.devices {
        sum += bytes(device)? as f64;
    }
    Some(sum)
}

/// A worker's capacity of a resource.
pub(super) fn capacity(worker: &Worker, resource: ResourceId) -> Option<f64> {
    let devices = || device_sum(worker, |device| device.memory_bytes);
    let stated = possible(worker.capacity.get(resource));
    stated.or_else(|| (resource == ResourceId::GPU_MEMORY).then(devices).flatten())
}

/// The measured use of a resource.
pub(super) fn used(worker: &Worker, resource: ResourceId) -> Option<f64> {
    let devices = || device_sum(worker, |device| device.used_bytes);
    let stated = possible(worker.used.get(resource));
    stated.or_else(|| (resource == ResourceId::GPU_MEMORY).then(devices).flatten())
}

/// The resources a worker can be loaded in.
pub(super) fn resources(worker: &Worker) -> Vec<ResourceId> {
    let mut resources: Vec<ResourceId> = worker.capacity.iter().map(|(id, _)| id).collect();
    if !worker.devices.is_empty() && !resources.contains(&ResourceId::GPU_MEMORY) {
        resources.push(ResourceId::GPU_MEMORY);
    }
    resources
}

/// A worker's load, given the use of each resource; at most 1,000.
pub(super) fn load(
    rule: LoadRule,
    worker: &Worker,
    used: impl Fn(ResourceId) -> Option<f64>,
) -> Option<f64> {
    let mut shares = Vec::new();
    for resource in resources(worker) {
        let counts = match rule {
            LoadRule::Dominant => resource != ResourceId::GPU_MEMORY,
            LoadRule::Mean => {
                resource == ResourceId::CPU
                    || resource == ResourceId::MEMORY
                    || resource == ResourceId::GPU_MEMORY
            }
        };
        let room = capacity(worker, resource).filter(|room| *room > 0.0);
        if let (true, Some(room), Some(used)) = (counts, room, used(resource)) {
            shares.push((used / room).min(1_000.0));
        }
    }
    let sum: f64 = shares.iter().sum();
    match rule {
        LoadRule::Dominant => shares.iter().copied().reduce(f64::max),
        LoadRule::Mean => (!shares.is_empty()).then(|| sum / shares.len() as f64),
    }
}

/// Whether measurements of a worker must show what happened at `event`.
pub(super) fn has_seen(at: Timestamp, worker: &Worker, event: Timestamp, lag: Duration) -> bool {
    at.before(worker.metric_age) >= event.after(lag)
}
