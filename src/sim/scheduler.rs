//! The scheduler that the balancer helps: it gives every new task a worker, and knows no better than
//! the scenario says.

use alloc::vec::Vec;

use super::cluster::Cluster;
use super::machine::{Job, Machine};
use super::plan::UsesGpu;
use super::scenario::{Placer, Placing};
use crate::model::hardware::Hardware;
use crate::model::resource::GIB;
use crate::snapshot::Stance;

/// Gives new tasks a worker.
#[derive(Clone, Debug)]
pub(super) struct Scheduler {
    /// Each worker's place in an order drawn once.
    rank: Vec<usize>,
    placing: Placing,
    /// Whose turn it is, where it goes by turns.
    pub(super) turn: usize,
}

impl Scheduler {
    pub(super) const fn new(rank: Vec<usize>, placing: Placing) -> Self {
        Self { rank, placing, turn: 0 }
    }

    /// A worker for a task; none if no worker could run it now.
    pub(super) fn choose(&self, cluster: &Cluster<'_>, job: usize, initial: bool) -> Option<usize> {
        let job = &cluster.jobs[job];
        let waits = cluster.scenario.tasks.wait;
        let able = |seat: &usize| can_take(&cluster.machines[*seat], job, waits);
        let able: Vec<usize> = (0..cluster.machines.len()).filter(able).collect();
        let placer = if initial { self.placing.initial } else { self.placing.arrivals };
        match placer {
            Placer::LeastLoaded => least_loaded(cluster, job, &able),
            Placer::Proportional => {
                pick(job.spec.luck, &able, |seat| cluster.machines[seat].class.cores)
            }
            Placer::Skewed(exponent) => pick(job.spec.luck, &able, |seat| {
                let rank = self.rank.get(seat).map_or(cluster.machines.len(), |rank| rank + 1);
                libm::pow(rank as f64, -exponent)
            }),
            Placer::RoundRobin => {
                let next = able.iter().find(|seat| **seat >= self.turn);
                next.or(able.first()).copied()
            }
        }
    }
}

/// Whether a worker has what a task must have. A task that must have a GPU waits for one at a worker
/// only where tasks wait at workers.
fn can_take(machine: &Machine, job: &Job, waits: bool) -> bool {
    if !machine.present || machine.stance != Stance::Accept {
        return false;
    }
    let class = &machine.class;
    let bytes = match job.spec.gpu {
        UsesGpu::No => return true,
        UsesGpu::Maybe(_) => {
            return class.hardware.contains(&Hardware::Cpu) || !class.devices.is_empty();
        }
        UsesGpu::Only(bytes) => bytes,
    };
    let mut devices = machine.class.devices.iter().zip(&machine.promised);
    devices.any(|(device, promised)| {
        let taken = if waits { 0.0 } else { *promised };
        device.memory_gib * GIB - taken >= bytes
    })
}

/// Whether a worker could run a task beside all that wants to run there, with at most this share of its cores.
pub(super) fn has_room(cluster: &Cluster<'_>, job: usize, share: f64) -> bool {
    let job = &cluster.jobs[job];
    (0..cluster.machines.len()).any(|seat| {
        let machine = &cluster.machines[seat];
        let (cores, memory) = promised(cluster, job, seat);
        can_take(machine, job, false)
            && has_device(cluster, job, machine)
            && cores <= share * machine.class.cores
            && memory <= machine.memory_bytes()
    })
}

/// Whether a device of a worker has room for a task beside those there that state a need for one and name none, though
/// some of them run without: the balancer is told no more. The largest goes first, to the device with the least room.
fn has_device(cluster: &Cluster<'_>, job: &Job, machine: &Machine) -> bool {
    let UsesGpu::Only(bytes) = job.spec.gpu else { return true };
    let devices = machine.class.devices.iter().zip(&machine.promised);
    let mut free: Vec<f64> =
        devices.map(|(device, promised)| device.memory_gib * GIB - promised).collect();
    let there = machine.jobs.iter().map(|job| &cluster.jobs[*job]);
    let unnamed = there.filter(|job| job.device.is_none());
    let mut wanted: Vec<f64> = unnamed.filter_map(|job| job.spec.device_bytes()).collect();
    wanted.sort_by(|a, b| b.total_cmp(a));
    for bytes in wanted {
        let fits = free.iter_mut().filter(|free| **free >= bytes);
        if let Some(best) = fits.min_by(|a, b| a.total_cmp(b)) {
            *best -= bytes;
        }
    }
    free.iter().any(|free| *free >= bytes)
}

/// Cores and memory that all tasks of a worker want, and one more.
fn promised(cluster: &Cluster<'_>, job: &Job, seat: usize) -> (f64, f64) {
    let jobs = cluster.machines[seat].jobs.iter().map(|job| &cluster.jobs[*job]);
    let all = jobs.chain(core::iter::once(job));
    all.fold((0.0, 0.0), |(cores, memory), job| {
        (cores + job.demand(cluster.scenario, cluster.now), memory + job.spec.memory)
    })
}

/// The least loaded worker that fits by demand; if none does, the least loaded.
fn least_loaded(cluster: &Cluster<'_>, job: &Job, able: &[usize]) -> Option<usize> {
    let rows = able.iter().map(|seat| {
        let machine = &cluster.machines[*seat];
        let (cores, memory) = promised(cluster, job, *seat);
        let fits = cores <= machine.class.cores && memory <= machine.memory_bytes();
        (!fits, cores / machine.class.cores, *seat)
    });
    let best = rows.min_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    best.map(|(_, _, seat)| seat)
}

/// The worker at this share of all weight.
fn pick(luck: f64, able: &[usize], weight: impl Fn(usize) -> f64) -> Option<usize> {
    let total: f64 = able.iter().map(|seat| weight(*seat)).sum();
    let mut left = luck * total;
    for seat in able {
        left -= weight(*seat);
        if left < 0.0 {
            return Some(*seat);
        }
    }
    able.last().copied()
}
