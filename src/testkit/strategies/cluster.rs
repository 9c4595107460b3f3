//! Clusters: records that a snapshot is built of.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use proptest::collection::vec as list;
use proptest::option::{self, weighted};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};

use crate::hardware::{ComputeCapability, Hardware, HardwareSet};
use crate::id::{KindId, LabelId, MigrationId, TenantId, ZoneId};
use crate::ratio::Ratio;
use crate::snapshot::{
    BadRecord, Freeze, Group, Mobility, Phase, Placement, Requirements, Stance, TargetClass,
};
use crate::{
    Device, ResourceId, Snapshot, SnapshotBuilder, Task, TaskId, Timestamp, Worker, WorkerId,
};

/// Bytes in a GiB, which every amount of memory is a multiple of.
pub(super) const GIB: u64 = 1 << 30;

/// The records of a cluster, before they are checked. Its debug form is one line of JSON per record.
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Cluster {
    /// Its workers, in any order.
    pub workers: Vec<Worker>,
    /// Its tasks, in any order.
    pub tasks: Vec<Task>,
    /// Its groups, in any order.
    pub groups: Vec<Group>,
    /// What is frozen, in any order.
    pub freezes: Vec<Freeze>,
    /// Its classes of targets, in any order.
    pub classes: Vec<TargetClass>,
    /// What the host could not read.
    pub unread: Vec<BadRecord>,
    /// Whether records may be missing without being gone.
    pub partial: bool,
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.partial { "partial cluster" } else { "cluster" })?;
        self.workers.iter().try_for_each(|worker| line(f, "worker", worker))?;
        self.tasks.iter().try_for_each(|task| line(f, "task", task))?;
        self.groups.iter().try_for_each(|group| line(f, "group", group))?;
        self.freezes.iter().try_for_each(|freeze| line(f, "freeze", freeze))?;
        self.classes.iter().try_for_each(|class| line(f, "class", class))?;
        self.unread.iter().try_for_each(|bad| line(f, "unread", bad))
    }
}

fn line(f: &mut fmt::Formatter<'_>, what: &str, record: &impl serde::Serialize) -> fmt::Result {
    let json = serde_json::to_string(record).map_err(|_| fmt::Error)?;
    write!(f, "\n{what} {json}")
}

impl Cluster {
    /// A snapshot of it at one moment.
    pub fn snapshot(&self, at: Timestamp) -> Snapshot {
        self.builder(at).build()
    }

    /// A snapshot still to be built, so that reports can be added.
    pub fn builder(&self, at: Timestamp) -> SnapshotBuilder {
        let mut builder = Snapshot::builder(at)
            .workers(self.workers.iter().cloned())
            .tasks(self.tasks.iter().cloned());
        builder = self.groups.iter().cloned().fold(builder, SnapshotBuilder::group);
        builder = self.freezes.iter().copied().fold(builder, SnapshotBuilder::freeze);
        builder = self.classes.iter().cloned().fold(builder, SnapshotBuilder::class);
        builder = self.unread.iter().cloned().fold(builder, SnapshotBuilder::bad_record);
        if self.partial { builder.partial() } else { builder }
    }
}

/// Equal workers at about equal loads.
pub fn uniform() -> impl Strategy<Value = Cluster> {
    (1..6_u64, 0.0..1.0_f64, list(0.0..0.1_f64, 5)).prop_map(|(count, level, noise)| {
        let workers = (1..=count).zip(noise).map(|(id, noise)| {
            plain(id, 16.0, 64 * GIB).with_used(ResourceId::CPU, (level + noise) * 16.0)
        });
        let tasks = (1..=count * 3).map(|id| {
            Task::new(TaskId::new(id))
                .on(WorkerId::new(1 + id % count))
                .with_demand(ResourceId::CPU, level * 16.0 / 3.0)
        });
        Cluster { workers: workers.collect(), tasks: tasks.collect(), ..Cluster::default() }
    })
}

/// Equal workers, most tasks on few of them; what is measured is what the tasks use.
pub fn skewed() -> impl Strategy<Value = Cluster> {
    let tasks = list((0.2..6.0_f64, 0..8_u64, 0..4_u64, any::<Index>(), traits()), 1..16);
    (2..7_u64, tasks).prop_map(|(count, tasks)| {
        let tasks = (1..).zip(tasks).map(|(id, (cores, gib, hot, at, traits))| {
            let on = if hot > 0 { 1 } else { 1 + at.index(count as usize) as u64 };
            let task = Task::new(TaskId::new(id))
                .on(WorkerId::new(on))
                .with_demand(ResourceId::CPU, cores)
                .with_demand(ResourceId::MEMORY, (gib * GIB) as f64);
            traits.give(task)
        });
        let tasks: Vec<Task> = tasks.collect();
        let workers = (1..=count).map(|id| measured(plain(id, 24.0, 64 * GIB), &tasks)).collect();
        Cluster { workers, tasks, ..Cluster::default() }
    })
}

/// Workers and tasks of every sort, as they come.
pub fn heterogeneous() -> impl Strategy<Value = Cluster> {
    (2..7_usize, 0..14_usize).prop_flat_map(|(workers, tasks)| {
        let fleet: Vec<_> = (1..=workers as u64).map(worker).collect();
        let work: Vec<_> = (1..=tasks as u64).map(|id| task(id, workers as u64)).collect();
        (fleet, work).prop_map(|(workers, tasks)| Cluster { workers, tasks, ..Cluster::default() })
    })
}

/// Accelerators of several kinds, and tasks that need them; device memory is short.
pub fn accelerated() -> impl Strategy<Value = Cluster> {
    let kinds = || select(vec![Hardware::Cuda, Hardware::Cuda, Hardware::Rocm]);
    let device = (kinds(), select(vec![8_u64, 16, 24]), option::of(0..10_u64), compute());
    let fleet = list((list(device, 0..4), 0.0..1.0_f64), 2..6);
    let needs = (
        subsequence(vec![Hardware::Cpu, Hardware::Cuda, Hardware::Rocm], 0..=3),
        any::<bool>(),
        weighted(0.7, 1..14_u64),
        weighted(0.2, compute()),
    );
    let work = list((needs, any::<Index>(), any::<Index>(), 0.5..6.0_f64), 0..12);
    (fleet, work).prop_map(|(fleet, work)| {
        let workers = (1..).zip(fleet).map(|(id, (devices, level))| {
            let worker = plain(id, 16.0, 64 * GIB).with_used(ResourceId::CPU, level * 16.0);
            devices.into_iter().fold(worker, |worker, (kind, gib, used, compute)| {
                let mut device =
                    Device::new(kind).with_memory_bytes(gib * GIB).with_compute(compute);
                device.used_bytes = used.map(|used| used.min(gib) * GIB);
                worker.with_device(device)
            })
        });
        let workers: Vec<Worker> = workers.collect();
        let tasks = (1..).zip(work).map(|(id, ((kinds, all, gib, compute), at, device, cores))| {
            let on = &workers[at.index(workers.len())];
            let mut task = Task::new(TaskId::new(id)).on(on.id).with_demand(ResourceId::CPU, cores);
            let kinds: HardwareSet = kinds.into_iter().collect();
            let set =
                if all { &mut task.requirements.all_of } else { &mut task.requirements.any_of };
            *set = kinds;
            task.requirements.gpu_memory_bytes = gib.map(|gib| gib * GIB);
            task.requirements.min_cuda_compute = compute;
            if !on.devices.is_empty() && gib.is_some() {
                task.device = u16::try_from(device.index(on.devices.len())).ok();
            }
            task
        });
        let tasks = tasks.collect();
        Cluster { workers, tasks, ..Cluster::default() }
    })
}

/// Workers with hardly any room, some of which state what they have promised.
pub fn crowded() -> impl Strategy<Value = Cluster> {
    let tasks = list((1.0..6.0_f64, 1..24_u64, any::<Index>()), 2..14);
    (2..6_u64, tasks, list(weighted(0.3, 0.0..1.0_f64), 6)).prop_map(|(count, tasks, stated)| {
        let tasks = (1..).zip(tasks).map(|(id, (cores, gib, at))| {
            Task::new(TaskId::new(id))
                .on(WorkerId::new(1 + (at.index(count as usize * 2) as u64).saturating_sub(count)))
                .with_demand(ResourceId::CPU, cores)
                .with_demand(ResourceId::MEMORY, (gib * GIB) as f64)
                .with_used(ResourceId::MEMORY, (gib * GIB / 2) as f64)
        });
        let tasks: Vec<Task> = tasks.collect();
        let workers = (1..=count).zip(stated).map(|(id, stated)| {
            let mut worker = measured(plain(id, 12.0, 48 * GIB), &tasks);
            if let Some(share) = stated {
                worker.reserved.set(ResourceId::CPU, share * 12.0);
            }
            worker
        });
        let workers = workers.collect();
        Cluster { workers, tasks, ..Cluster::default() }
    })
}

/// What hardly occurs: no workers, no tasks, no capacity, nothing known, everything full.
pub fn degenerate() -> impl Strategy<Value = Cluster> {
    let worker = |id| {
        let capacity = option::of(select(vec![0.0, 1e-9, 1.0, 1.8e19]));
        let used = option::of(select(vec![0.0, 1e-300, 1.0, 1.8e19]));
        (capacity, used).prop_map(move |(capacity, used)| {
            let mut worker = Worker::new(WorkerId::new(id));
            capacity.into_iter().for_each(|it| worker.capacity.set(ResourceId::CPU, it));
            used.into_iter().for_each(|it| worker.used.set(ResourceId::CPU, it));
            worker
        })
    };
    let cores = || select(vec![0.0, 1e-300, 1.0, 1.8e19]);
    (0..4_u64, list((0..5_u64, cores()), 0..6)).prop_flat_map(move |(count, tasks)| {
        let workers: Vec<_> = (1..=count).map(worker).collect();
        let tasks: Vec<Task> = (1..)
            .zip(tasks)
            .map(|(id, (on, cores))| {
                let task = Task::new(TaskId::new(id)).with_demand(ResourceId::CPU, cores);
                if on == 0 { task } else { task.on(WorkerId::new(on)) }
            })
            .collect();
        workers.prop_map(move |workers| {
            let tasks = tasks.clone();
            Cluster { workers, tasks, ..Cluster::default() }
        })
    })
}

/// A worker with a CPU and memory of which nothing is used.
pub(super) fn plain(id: u64, cores: f64, bytes: u64) -> Worker {
    Worker::new(WorkerId::new(id))
        .with_capacity(ResourceId::CPU, cores)
        .with_capacity(ResourceId::MEMORY, bytes as f64)
        .with_used(ResourceId::CPU, 0.0)
        .with_used(ResourceId::MEMORY, 0.0)
}

/// The worker, using what the tasks on it use.
pub(super) fn measured(mut worker: Worker, tasks: &[Task]) -> Worker {
    for resource in [ResourceId::CPU, ResourceId::MEMORY] {
        let here = tasks.iter().filter(|task| task.placement == Placement::On(worker.id));
        let used: f64 = here.filter_map(|task| task.load(resource)).sum();
        worker.used.set(resource, used + 0.0);
    }
    worker
}

pub(super) fn compute() -> impl Strategy<Value = ComputeCapability> + Clone {
    select(vec![(5, 2), (6, 0), (7, 5), (8, 6), (9, 0)])
        .prop_map(|(major, minor)| ComputeCapability::new(major, minor))
}

fn labels(most: u64) -> impl Strategy<Value = Vec<LabelId>> {
    subsequence((1..=most).map(LabelId::new).collect::<Vec<_>>(), 0..=most as usize)
}

/// Any worker, with whatever may be known of it.
pub fn worker(id: u64) -> impl Strategy<Value = Worker> {
    let kinds = subsequence(Hardware::ALL.to_vec(), 0..=3);
    let memory = option::of((8..65_u64, option::of(0.0..1.1_f64)));
    let rest = list((any::<Index>(), 1.0..1e9_f64, option::of(0.0..1.1_f64)), 0..3);
    let stance = prop_oneof![
        10 => Just(Stance::Accept),
        1 => Just(Stance::Hold),
        1 => Just(Stance::Drain),
        1 => Just(Stance::Offline),
    ];
    let body = (kinds, 1.0..32.0_f64, weighted(0.95, 0.0..1.1_f64), memory, rest);
    let more = (
        stance,
        weighted(0.2, 0.0..1.0_f64),
        prop_oneof![3 => Just(0), 1 => 0..120_u64],
        option::of(1..4_u64),
        labels(3),
        option::of(0.0..=1.0_f64),
        option::of(20.0..95.0_f64),
    );
    (body, more).prop_map(move |((kinds, cores, level, memory, rest), more)| {
        let (stance, reserved, age, zone, labels, health, celsius) = more;
        let mut worker =
            kinds.into_iter().fold(Worker::new(WorkerId::new(id)), Worker::with_hardware);
        worker.capacity.set(ResourceId::CPU, cores);
        level.into_iter().for_each(|level| worker.used.set(ResourceId::CPU, level * cores));
        if let Some((gib, level)) = memory {
            worker.capacity.set(ResourceId::MEMORY, (gib * GIB) as f64);
            let used = level.map(|level| level * (gib * GIB) as f64);
            used.into_iter().for_each(|used| worker.used.set(ResourceId::MEMORY, used));
        }
        for (which, capacity, level) in rest {
            let resource =
                *which.get(&[ResourceId::NETWORK, ResourceId::DISK, ResourceId::custom(0)]);
            worker.capacity.set(resource, capacity);
            level.into_iter().for_each(|level| worker.used.set(resource, level * capacity));
        }
        reserved.into_iter().for_each(|share| worker.reserved.set(ResourceId::CPU, share * cores));
        (worker.stance, worker.metric_age) = (stance, Duration::from_secs(age));
        (worker.zone, worker.labels) = (zone.map(ZoneId::new), labels);
        worker.health = health.map(Ratio::saturating);
        worker.temperature_celsius = celsius;
        worker
    })
}

/// What a task may be like, beside what it asks for.
#[derive(Clone, Debug)]
pub(super) struct Traits {
    running: u64,
    remaining: Option<u64>,
    progress: Option<f64>,
    checkpoint: Option<u64>,
    state: Option<u64>,
    priority: u8,
    mobility: Mobility,
    not_before: Option<u64>,
    extra: Option<f64>,
    kind: u64,
    tenant: Option<u64>,
    labels: Vec<LabelId>,
}

impl Traits {
    pub(super) fn give(self, mut task: Task) -> Task {
        task.running = Duration::from_secs(self.running);
        task.remaining = self.remaining.map(Duration::from_secs);
        task.progress = self.progress.map(Ratio::saturating);
        task.checkpoint_age = self.checkpoint.map(Duration::from_secs);
        task.state_bytes = self.state.map(|gib| gib * GIB);
        (task.priority, task.mobility) = (self.priority, self.mobility);
        task.not_before = self.not_before.map(Timestamp::from_secs);
        (task.extra_cost, task.kind) = (self.extra, KindId::new(self.kind));
        task.tenant = self.tenant.map(TenantId::new);
        task.labels = self.labels;
        // Tasks of one kind are alike: those of this one may run twice at once.
        task.overlaps = self.kind == 1;
        task
    }
}

pub(super) fn traits() -> impl Strategy<Value = Traits> {
    let mobility = prop_oneof![
        6 => Just(Mobility::Checkpoint),
        1 => Just(Mobility::Restart),
        1 => Just(Mobility::Queued),
        1 => Just(Mobility::Pinned),
    ];
    let times = (0..400_u64, weighted(0.3, 0..600_u64), weighted(0.2, 0.0..=1.0_f64));
    let costs = (weighted(0.5, 0..300_u64), option::of(0..6_u64), weighted(0.1, 0.0..4.0_f64));
    let whose = (0..3_u64, weighted(0.5, 1..4_u64), labels(2));
    (times, costs, 0..=10_u8, mobility, weighted(0.1, 0..300_u64), whose).prop_map(
        |(
            (running, remaining, progress),
            (checkpoint, state, extra),
            priority,
            mobility,
            not_before,
            (kind, tenant, labels),
        )| {
            Traits {
                running,
                remaining,
                progress,
                checkpoint,
                state,
                priority,
                mobility,
                not_before,
                extra,
                kind,
                tenant,
                labels,
            }
        },
    )
}

fn requirements() -> impl Strategy<Value = Requirements> {
    let kinds = || subsequence(Hardware::ALL.to_vec(), 0..=2);
    let memory = weighted(0.2, 4..80_u64);
    (weighted(0.3, kinds()), weighted(0.3, kinds()), memory, labels(2), labels(1), any::<bool>())
        .prop_map(|(all, any, memory, labels, forbidden, efficient)| {
            let set = |kinds: Option<Vec<Hardware>>| kinds.into_iter().flatten().collect();
            let mut needs = Requirements::NONE;
            (needs.all_of, needs.any_of) = (set(all), set(any));
            needs.min_memory_bytes = memory.map(|gib| gib * GIB);
            // A label that is both required and forbidden is a bad record: see `hostile`.
            needs.forbidden_labels =
                forbidden.into_iter().filter(|it| !labels.contains(it)).collect();
            (needs.labels, needs.power_efficient) = (labels, efficient);
            needs
        })
}

/// Any task of a cluster with this many workers, in any place.
pub fn task(id: u64, workers: u64) -> impl Strategy<Value = Task> {
    let on = (0..workers).prop_map(|nth| Placement::On(WorkerId::new(nth + 1)));
    let phase = select(vec![Phase::Releasing, Phase::Released, Phase::Assigned]);
    let moving = (0..workers, option::of(0..workers), phase, 0..30_u64).prop_map(
        move |(to, from, phase, since)| Placement::Moving {
            migration: MigrationId::new(crate::id::Epoch::FIRST, 1_000 + id),
            from: from.map(|nth| WorkerId::new(nth + 1)),
            to: WorkerId::new(to + 1),
            phase,
            since: Timestamp::from_secs(since),
        },
    );
    let placement = prop_oneof![
        16 => on,
        1 => Just(Placement::Unplaced),
        1 => Just(Placement::Orphaned),
        1 => moving,
    ];
    let demand = (0.1..8.0_f64, weighted(0.6, 0..16_u64), weighted(0.3, 0.05..8.0_f64));
    let needs = prop_oneof![4 => Just(Requirements::NONE), 1 => requirements()];
    let rest = weighted(0.2, (any::<Index>(), 0.0..1e8_f64));
    (placement, demand, needs, traits(), rest).prop_map(
        move |(placement, (cores, gib, used), needs, traits, rest)| {
            let mut task = Task::new(TaskId::new(id)).with_demand(ResourceId::CPU, cores);
            gib.into_iter().for_each(|gib| task.demand.set(ResourceId::MEMORY, (gib * GIB) as f64));
            used.into_iter().for_each(|used| task.used.set(ResourceId::CPU, used));
            if let Some((which, amount)) = rest {
                let named = [ResourceId::NETWORK, ResourceId::DISK, ResourceId::custom(0)];
                task.demand.set(*which.get(&named), amount);
            }
            (task.placement, task.requirements) = (placement, needs);
            traits.give(task)
        },
    )
}
