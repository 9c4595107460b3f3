//! What does a task claim of a worker's capacity, and what does it use?
//!
//! A task that asks for 4 cores and uses 2.5 claims 4 and loads its worker with 2.5; one that asks for
//! nothing and uses 2.5 claims 2.5. A task that can run on a CPU or on a GPU claims no GPU memory on a worker
//! without a GPU.

use alloc::vec::Vec;

use crate::model::hardware::{ComputeCapability, Hardware, HardwareSet};
use crate::model::resource::{Amounts, ResourceId};
use crate::snapshot::{Device, Requirements, Task};

/// What a task, or a set that moves together, takes of a worker: one entry per column of the ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Footprint {
    /// Capacity that is reserved; `None` if the task does not ask for the resource.
    pub(crate) claim: Vec<Option<f64>>,
    /// Use that is added.
    pub(crate) load: Vec<f64>,
    /// Use that the source is relieved of, if that is another amount; empty if it is the same.
    pub(super) freed_at_source: Vec<f64>,
    /// Whether the worker has kept room for the task, which may have to go back to it: nothing more is reserved there.
    pub(crate) is_kept: bool,
}

impl Footprint {
    /// Empties the footprint and keeps its buffers.
    pub(crate) fn clear(&mut self) {
        self.claim.clear();
        self.load.clear();
        self.freed_at_source.clear();
        self.is_kept = false;
    }

    /// Use of one column that the source is relieved of.
    pub(crate) fn freed(&self, column: usize) -> f64 {
        self.freed_at_source.get(column).copied().unwrap_or(self.load[column])
    }

    /// The capacity of one column that is reserved beyond what the worker has kept.
    pub(crate) fn reserves(&self, column: usize) -> f64 {
        self.claim[column].filter(|_| !self.is_kept).unwrap_or(0.0)
    }

    /// Adds the footprint of another task. Nothing more is reserved for one that the worker has kept room for.
    pub(crate) fn add(&mut self, other: &Self) {
        let claims = other.claim.iter().map(|claim| claim.filter(|_| !other.is_kept));
        if self.load.is_empty() {
            self.claim.clear();
            self.claim.extend(claims);
            self.load.clone_from(&other.load);
            self.freed_at_source.clone_from(&other.freed_at_source);
            return;
        }
        if !(self.freed_at_source.is_empty() && other.freed_at_source.is_empty()) {
            let columns = 0..self.load.len();
            self.freed_at_source =
                columns.map(|column| self.freed(column) + other.freed(column)).collect();
        }
        for (sum, load) in self.load.iter_mut().zip(&other.load) {
            *sum += load;
        }
        for (sum, claim) in self.claim.iter_mut().zip(claims) {
            *sum = match (*sum, claim) {
                (Some(sum), Some(claim)) => Some(sum + claim),
                (sum, claim) => sum.or(claim),
            };
        }
    }
}

/// What a task claims of a worker's capacity: its demand, or its use if it asks for nothing.
pub(super) fn claim(task: &Task, resource: ResourceId) -> Option<f64> {
    let on_device = || {
        let bytes = task.requirements.gpu_memory_bytes?;
        (resource == ResourceId::GPU_MEMORY).then_some(bytes as f64)
    };
    let unasked = || if broken!("used_unasked") { None } else { task.used.known(resource) };
    task.demand.known(resource).or_else(on_device).or_else(unasked)
}

/// All that a task claims of a worker with this hardware, resource by resource.
pub(crate) fn claims(task: &Task, kinds: HardwareSet) -> Amounts {
    let mut claims: Amounts = resources(task, kinds)
        .filter_map(|resource| Some((resource, claim(task, resource)?)))
        .collect();
    let memory = ResourceId::GPU_MEMORY;
    if task.requirements.gpu_memory_bytes.is_some() && !skips(task, kinds, memory) {
        claims.set(memory, claim(task, memory).unwrap_or(0.0));
    }
    claims
}

/// All use that a task adds to a worker with this hardware, resource by resource.
pub(crate) fn loads(task: &Task, kinds: HardwareSet) -> Amounts {
    let resources = resources(task, kinds);
    resources.filter_map(|resource| Some((resource, task.load(resource)?))).collect()
}

fn resources(task: &Task, kinds: HardwareSet) -> impl Iterator<Item = ResourceId> + '_ {
    let all = task.demand.iter().chain(task.used.iter()).map(|(resource, _)| resource);
    all.filter(move |resource| !skips(task, kinds, *resource))
}

/// Whether a task does not use a resource because it runs on the CPU, for lack of an accelerator.
pub(super) fn skips(task: &Task, kinds: HardwareSet, resource: ResourceId) -> bool {
    [ResourceId::GPU, ResourceId::GPU_MEMORY].contains(&resource)
        && !task.requirements.hardware().is_empty()
        && !runs_on_device(&task.requirements, kinds)
}

/// Whether a task would run on an accelerator of a worker with this hardware, and so needs room on one. A task
/// that can also run on a CPU needs none if the worker has no accelerator for it.
pub(crate) fn runs_on_device(needs: &Requirements, kinds: HardwareSet) -> bool {
    let cpu = HardwareSet::of(Hardware::Cpu);
    let accelerators = needs.hardware().without(cpu);
    if needs.any_of.contains(Hardware::Cpu) && needs.all_of.without(cpu).is_empty() {
        return accelerators.intersects(kinds);
    }
    !accelerators.is_empty() || needs.gpu_memory_bytes.is_some() || needs.min_cuda_compute.is_some()
}

/// Whether a device is of a kind that a task can use.
pub(crate) fn suits(needs: &Requirements, device: &Device) -> bool {
    let accelerators = needs.hardware().without(HardwareSet::of(Hardware::Cpu));
    let kind = accelerators.is_empty() || accelerators.contains(device.hardware);
    let capable = |least: ComputeCapability| {
        device.hardware == Hardware::Cuda && device.compute.is_some_and(|has| has >= least)
    };
    kind && needs.min_cuda_compute.is_none_or(capable)
}
