//! By which of its alternatives does a task run, and how much of a worker does it claim and use?

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::facts::Step;
use super::records::possible;
use crate::model::hardware::{Hardware, HardwareSet};
use crate::model::resource::ResourceId;
use crate::snapshot::{Placement, Snapshot, Task, Worker};

/// The alternative by which a task runs on a worker: as its record states, or the fastest that the worker has the
/// hardware for, or the first; `None` if it has no alternatives.
pub(super) fn runs_by(task: &Task, worker: Option<&Worker>) -> Option<usize> {
    let said = task.alternative.map(usize::from).filter(|nth| *nth < task.alternatives.len());
    said.or_else(|| could_run_by(task, worker))
}

/// Like [`runs_by`], for a worker that the record says nothing about.
pub(super) fn could_run_by(task: &Task, worker: Option<&Worker>) -> Option<usize> {
    let equipped = |nth: &usize| {
        let has = |kind| worker.is_some_and(|worker| worker.kinds().contains(kind));
        task.alternatives[*nth].hardware.iter().all(has)
    };
    let speed = |nth: usize| task.alternatives[nth].speed;
    let faster = |best, next| if speed(next) > speed(best) { next } else { best };
    let able = (0..task.alternatives.len()).filter(equipped).reduce(faster);
    able.or((!task.alternatives.is_empty()).then_some(0))
}

/// The alternative by which a task runs now; `None` if it has none.
pub(super) fn runs_now(snapshot: &Snapshot, task: &Task) -> Option<usize> {
    let home = match task.placement {
        Placement::On(worker) => Some(worker),
        Placement::Moving { from, .. } => from,
        _ => None,
    };
    runs_by(task, home.and_then(|home| snapshot.worker(home)))
}

/// A task as it runs by one of its alternatives. Its measured use is known only for the present one.
pub(super) fn run<'a>(snapshot: &Snapshot, task: &'a Task, nth: Option<usize>) -> Cow<'a, Task> {
    let Some(way) = nth.and_then(|nth| task.alternatives.get(nth)) else {
        return Cow::Borrowed(task);
    };
    let mut as_run = Task::new(task.id).with_mobility(task.mobility);
    let common = task.demand.iter().filter(|(resource, _)| way.demand.get(*resource).is_none());
    as_run.demand = common.chain(way.demand.iter()).collect();
    if runs_now(snapshot, task) == nth {
        as_run.used = task.used.clone();
    }
    as_run.requirements = task.requirements.clone();
    as_run.requirements.all_of = way.hardware;
    as_run.requirements.gpu_memory_bytes = way.gpu_memory_bytes;
    as_run.requirements.min_cuda_compute = way.min_cuda_compute;
    (as_run.device, as_run.placement) = (task.device, task.placement);
    Cow::Owned(as_run)
}

/// A task as it runs now.
pub(super) fn run_now<'a>(snapshot: &Snapshot, task: &'a Task) -> Cow<'a, Task> {
    run(snapshot, task, runs_now(snapshot, task))
}

impl Step<'_> {
    /// The task as it will run on the target.
    pub(super) fn there(&self, snapshot: &Snapshot) -> Cow<'_, Task> {
        run(snapshot, self.task, self.command.alternative.map(usize::from))
    }
}

/// Whether a task would run on an accelerator of this worker.
pub(super) fn accelerated(task: &Task, worker: &Worker) -> bool {
    let needs = &task.requirements;
    let accelerator = |kinds: HardwareSet| kinds.iter().any(|kind| kind != Hardware::Cpu);
    let runs_on_cpu_too = needs.any_of.contains(Hardware::Cpu) && !accelerator(needs.all_of);
    if runs_on_cpu_too {
        let has = worker.kinds();
        return needs.any_of.iter().any(|kind| kind != Hardware::Cpu && has.contains(kind));
    }
    accelerator(needs.all_of)
        || accelerator(needs.any_of)
        || needs.gpu_memory_bytes.is_some()
        || needs.min_cuda_compute.is_some()
}

/// Whether a task on this worker does not use a resource because the worker has no accelerator for the task.
fn spared(task: &Task, worker: &Worker, resource: ResourceId) -> bool {
    let needs = &task.requirements;
    let names_hardware = !needs.all_of.is_empty() || !needs.any_of.is_empty();
    let on_device = resource == ResourceId::GPU || resource == ResourceId::GPU_MEMORY;
    on_device && names_hardware && !accelerated(task, worker)
}

/// What a task claims of a worker's capacity.
pub(super) fn claim(task: &Task, worker: &Worker, resource: ResourceId) -> f64 {
    if spared(task, worker, resource) {
        return 0.0;
    }
    let device = task.requirements.gpu_memory_bytes.filter(|_| resource == ResourceId::GPU_MEMORY);
    let asked = possible(task.demand.get(resource)).or(device.map(|bytes| bytes as f64));
    asked.or(possible(task.used.get(resource))).unwrap_or(0.0)
}

/// The use that a task adds to a worker.
pub(super) fn added_use(task: &Task, worker: &Worker, resource: ResourceId) -> f64 {
    if spared(task, worker, resource) {
        return 0.0;
    }
    let measured = possible(task.used.get(resource));
    measured.or(possible(task.demand.get(resource))).unwrap_or(0.0)
}

/// What tasks add to the use of their target, and what they free at their source.
pub(super) fn effect(
    snapshot: &Snapshot,
    tasks: &[&Task],
    way: Option<usize>,
    (from, to): (Option<&Worker>, &Worker),
) -> [BTreeMap<ResourceId, f64>; 2] {
    let (mut added, mut freed) = (BTreeMap::new(), BTreeMap::new());
    for task in tasks {
        let (here, there) = (run_now(snapshot, task), run(snapshot, task, way));
        for resource in asked(&there) {
            *added.entry(resource).or_default() += added_use(&there, to, resource);
        }
        // A task without alternatives frees at its source what it takes at its target.
        let source = from.filter(|_| !task.alternatives.is_empty()).unwrap_or(to);
        for resource in asked(&here) {
            *freed.entry(resource).or_default() += added_use(&here, source, resource);
        }
    }
    [added, freed]
}

/// The resources that a task asks for or uses.
pub(super) fn asked(task: &Task) -> BTreeSet<ResourceId> {
    let mut resources: BTreeSet<ResourceId> = task.demand.iter().map(|(id, _)| id).collect();
    resources.extend(task.used.iter().map(|(id, _)| id));
    resources.extend(task.requirements.gpu_memory_bytes.map(|_| ResourceId::GPU_MEMORY));
    resources
}

/// Whether a task can use a device of a worker.
pub(super) fn suits(task: &Task, worker: &Worker, device: u16) -> bool {
    let Some(device) = worker.devices.get(usize::from(device)) else { return false };
    let needs = &task.requirements;
    let named =
        needs.all_of.iter().chain(needs.any_of.iter()).filter(|kind| *kind != Hardware::Cpu);
    let named: Vec<_> = named.collect();
    let kind = named.is_empty() || named.contains(&device.hardware);
    let cuda = device.hardware == Hardware::Cuda;
    let capable = needs
        .min_cuda_compute
        .is_none_or(|least| cuda && device.compute.is_some_and(|has| has >= least));
    kind && capable
}
