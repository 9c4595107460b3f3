//! How does the cost of a round grow with groups and with migrations under way?
//!
//! Each shape stands beside its floor: the same round without groups, or without migrations under way, taken in
//! the same run. The ratio of the two and the exponent of growth are asserted; both belong to the code and not to
//! the machine. With t(n) the time for n workers, the exponent is `log2(t(2n) / t(n))`: 1 is linear.
//!
//! ```text
//! cargo bench --bench growth             measures, prints a line per shape and size, and asserts
//! cargo bench --bench growth -- --test   runs the smallest size of every shape once
//! ```
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use evenkeel::id::{Epoch, GroupId, MigrationId, ZoneId};
use evenkeel::snapshot::{Group, GroupRule, Phase, Placement, Topology};
use evenkeel::{
    Config, Engine, ResourceId, Snapshot, SnapshotBuilder, Task, TaskId, Timestamp, Worker,
    WorkerId,
};

/// Workers of the smallest and of the largest size; each size is twice the one before.
const SMALLEST: u64 = 500;
const SIZES: u32 = 3;
const TASKS_PER_WORKER: u64 = 2;
/// Rounds measured of each shape and size; the fastest counts.
const ROUNDS: usize = 7;
/// No shape grows faster than this.
const MOST_EXPONENT: f64 = 1.15;

/// A round to be measured, and how many times as long as its floor it may take.
struct Shape {
    name: &'static str,
    most_ratio: f64,
    snapshot: fn(u64, u64) -> Snapshot,
    floor: fn(u64, u64) -> Snapshot,
}

const SHAPES: [Shape; 6] = [
    Shape {
        name: "one spread group over workers",
        most_ratio: 3.0,
        snapshot: over_workers,
        floor: plain,
    },
    Shape {
        name: "one spread group over zones",
        most_ratio: 3.0,
        snapshot: over_zones,
        floor: plain,
    },
    Shape { name: "one anti-affinity group", most_ratio: 3.0, snapshot: apart, floor: plain },
    Shape {
        name: "one affinity group on a hot worker",
        most_ratio: 3.0,
        snapshot: together,
        floor: crowd,
    },
    Shape { name: "migrations under way", most_ratio: 2.0, snapshot: moving, floor: still },
    Shape { name: "no groups", most_ratio: 1.5, snapshot: plain, floor: plain },
];

/// Half of the workers at 0.95, half at 0.15.
fn load(worker: u64) -> f64 {
    if worker.is_multiple_of(2) { 15.2 } else { 2.4 }
}

fn workers(count: u64) -> impl Iterator<Item = Worker> {
    (0..count).map(|id| {
        Worker::new(WorkerId::new(id))
            .with_capacity(ResourceId::CPU, 16.0)
            .with_used(ResourceId::CPU, load(id))
            .with_zone(ZoneId::new(id % 4))
    })
}

fn task(id: u64, worker: u64, cores: f64) -> Task {
    Task::new(TaskId::new(id))
        .on(WorkerId::new(worker))
        .with_demand(ResourceId::CPU, cores)
        .with_running(Duration::from_secs(30 + id % 200))
}

fn tasks(count: u64) -> impl Iterator<Item = Task> {
    let cores = |id: u64| load(id / TASKS_PER_WORKER) / TASKS_PER_WORKER as f64;
    (0..count * TASKS_PER_WORKER).map(move |id| task(id, id / TASKS_PER_WORKER, cores(id)))
}

fn build(
    at: u64,
    workers: impl Iterator<Item = Worker>,
    tasks: impl Iterator<Item = Task>,
    rules: &[GroupRule],
) -> Snapshot {
    let tasks: Vec<Task> = tasks.collect();
    let members: Vec<TaskId> = tasks.iter().map(|task| task.id).collect();
    let groups =
        (0..).zip(rules).map(|(id, rule)| Group::new(GroupId::new(id), *rule, members.clone()));
    let builder = Snapshot::builder(Timestamp::from_secs(at)).workers(workers).tasks(tasks);
    groups.fold(builder, SnapshotBuilder::group).build()
}

fn plain(at: u64, count: u64) -> Snapshot {
    build(at, workers(count), tasks(count), &[])
}

fn spread(over: Topology) -> GroupRule {
    GroupRule::Spread { max_skew: NonZeroU32::MIN.saturating_add(1), over }
}

fn over_workers(at: u64, count: u64) -> Snapshot {
    build(at, workers(count), tasks(count), &[spread(Topology::Worker)])
}

fn over_zones(at: u64, count: u64) -> Snapshot {
    build(at, workers(count), tasks(count), &[spread(Topology::Zone)])
}

fn apart(at: u64, count: u64) -> Snapshot {
    build(at, workers(count), tasks(count), &[GroupRule::AntiAffinity])
}

/// Four tasks of five of all on the first worker.
fn crowded(count: u64) -> impl Iterator<Item = Task> {
    let there = count * TASKS_PER_WORKER * 4 / 5;
    (0..there).map(move |id| task(id, 0, 15.2 / there as f64))
}

fn crowd(at: u64, count: u64) -> Snapshot {
    build(at, workers(count), crowded(count), &[])
}

fn together(at: u64, count: u64) -> Snapshot {
    build(at, workers(count), crowded(count), &[GroupRule::Affinity])
}

/// Eight tasks per worker, all of them at rest.
fn still(at: u64, count: u64) -> Snapshot {
    let workers = workers(count).map(|worker| worker.with_used(ResourceId::CPU, 8.0));
    build(at, workers, (0..count * 8).map(|id| task(id, id / 8, 1.0)), &[])
}

/// The same, all of them on their way, ordered in an earlier life.
fn moving(at: u64, count: u64) -> Snapshot {
    let workers = workers(count).map(|worker| worker.with_used(ResourceId::CPU, 8.0));
    let tasks = (0..count * 8).map(|id| {
        let mut task = task(id, id / 8, 1.0);
        task.placement = Placement::Moving {
            migration: MigrationId::new(Epoch::FIRST, id + 1),
            from: Some(WorkerId::new(id / 8)),
            to: WorkerId::new((id / 8 + 1) % count),
            phase: Phase::Releasing,
            since: Timestamp::from_secs(260),
        };
        task
    });
    build(at, workers, tasks, &[])
}

/// The fastest of some rounds, in seconds; each is the second round over the same records.
fn round(snapshot: fn(u64, u64) -> Snapshot, count: u64, rounds: usize) -> f64 {
    let config = Config::default();
    let mut engine = Engine::in_epoch(config, Epoch::new(1)).expect("the default is valid");
    let _ = engine.tick(&snapshot(270, count)).expect("the first snapshot is new");
    let next = snapshot(300, count);
    let times = (0..rounds).map(|_| {
        let mut engine = engine.clone();
        let start = Instant::now();
        let _ = black_box(engine.tick(black_box(&next))).expect("the snapshot is new");
        start.elapsed().as_secs_f64()
    });
    times.fold(f64::INFINITY, f64::min)
}

fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let (sizes, rounds) = if test { (1, 1) } else { (SIZES, ROUNDS) };
    let mut faults = Vec::new();
    for shape in SHAPES {
        let mut before = None;
        for size in 0..sizes {
            let count = SMALLEST << size;
            let took = round(shape.snapshot, count, rounds);
            let floor = round(shape.floor, count, rounds);
            let ratio = took / floor;
            let exponent = before.map(|before: f64| (took / before).log2());
            println!(
                "{:<36} {count:>5} workers: {:>9.2} ms, floor {:>9.2} ms, ratio {ratio:>6.2}, exponent {}",
                shape.name,
                took * 1e3,
                floor * 1e3,
                exponent.map_or("-".to_owned(), |exponent| format!("{exponent:.2}")),
            );
            if !test && ratio > shape.most_ratio {
                faults.push(format!("{}: ratio {ratio:.2} above {}", shape.name, shape.most_ratio));
            }
            if let Some(exponent) = exponent.filter(|exponent| *exponent > MOST_EXPONENT) {
                faults
                    .push(format!("{}: exponent {exponent:.2} above {MOST_EXPONENT}", shape.name));
            }
            before = Some(took);
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
