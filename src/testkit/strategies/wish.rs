//! Tasks that run anywhere, and would rather run on an accelerator.

use alloc::vec;
use alloc::vec::Vec;

use proptest::collection::vec as list;
use proptest::option::{self, weighted};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::cluster::{Cluster, GIB, accelerated, compute, plain, traits};
use crate::hardware::{ComputeCapability, Hardware};
use crate::snapshot::{Alternative, Requirements};
use crate::{Device, ResourceId, Task, TaskId, Worker};

/// Workers at about equal loads, some of them with an idle device, and tasks that run on a CPU but would rather run on
/// a device.
pub fn wishful() -> impl Strategy<Value = Cluster> {
    let device = (select(vec![Hardware::Cuda, Hardware::Rocm]), select(vec![24_u64, 48, 80]));
    let fleet = list((option::of((device, option::of(0..8_u64), compute())), 0.0..0.15_f64), 2..6);
    let wish = (weighted(0.8, any::<bool>()), weighted(0.7, 1..12_u64), weighted(0.3, 0..1_u16));
    let work = list((wish, any::<Index>(), 0.1..2.5_f64, traits()), 1..12);
    (fleet, 0.2..0.85_f64, work).prop_map(|(fleet, level, work)| {
        let workers = (1..).zip(fleet).map(|(id, (device, noise))| {
            let used = ((level + noise) * 16.0).min(16.0);
            let worker = plain(id, 16.0, 64 * GIB).with_used(ResourceId::CPU, used);
            device.into_iter().fold(worker, |worker, ((kind, gib), used, compute)| {
                let mut device =
                    Device::new(kind).with_memory_bytes(gib * GIB).with_compute(compute);
                device.used_bytes = used.map(|used| used * GIB);
                worker.with_device(device)
            })
        });
        let workers: Vec<Worker> = workers.collect();
        let tasks = (1..).zip(work).map(|(id, ((wish, gib, device), at, cores, traits))| {
            let on = &workers[at.index(workers.len())];
            let mut task = Task::new(TaskId::new(id)).on(on.id).with_demand(ResourceId::CPU, cores);
            if let Some(either) = wish {
                let kinds = [Hardware::Cpu, Hardware::Cuda, Hardware::Rocm];
                task.requirements.any_of =
                    kinds.into_iter().take(if either { 3 } else { 2 }).collect();
                task.requirements.gpu_memory_bytes = gib.map(|gib| gib * GIB);
                task.device = device.filter(|_| !on.devices.is_empty() && gib.is_some());
            }
            traits.give(task)
        });
        let tasks = tasks.collect();
        Cluster { workers, tasks, ..Cluster::default() }
    })
}

/// Accelerators of several kinds, and tasks with several ways to run, each at its own price and speed.
pub fn versatile() -> impl Strategy<Value = Cluster> {
    let kinds = select(vec![None, Some(Hardware::Cpu), Some(Hardware::Cuda), Some(Hardware::Rocm)]);
    let way = (kinds, 0.2..8.0_f64, weighted(0.8, 0.2..8.0_f64), weighted(0.5, 1..20_u64));
    let ways = (list((way, weighted(0.1, compute())), 0..4), weighted(0.7, any::<Index>()));
    let work = list((ways, weighted(0.3, 0.05..6.0_f64), traits()), 12);
    (accelerated(), work).prop_map(|(mut cluster, work)| {
        for (task, ((ways, by), used, traits)) in cluster.tasks.iter_mut().zip(work) {
            if ways.is_empty() {
                continue;
            }
            task.requirements = Requirements::NONE;
            task.alternatives = ways.into_iter().map(alternative).collect();
            let by = by.map(|by| by.index(task.alternatives.len()));
            task.alternative = by.and_then(|by| u16::try_from(by).ok());
            used.into_iter().for_each(|used| task.used.set(ResourceId::CPU, used));
            *task = traits.give(task.clone());
        }
        cluster
    })
}

type Way = ((Option<Hardware>, f64, Option<f64>, Option<u64>), Option<ComputeCapability>);

fn alternative(((kind, speed, cores, gib), compute): Way) -> Alternative {
    let mut way = Alternative::new(speed);
    way.hardware = kind.into_iter().collect();
    cores.into_iter().for_each(|cores| way.demand.set(ResourceId::CPU, cores));
    let device = kind.is_some_and(|kind| kind != Hardware::Cpu);
    way.gpu_memory_bytes = gib.filter(|_| device).map(|gib| gib * GIB);
    way.min_cuda_compute = compute.filter(|_| kind == Some(Hardware::Cuda));
    way
}
