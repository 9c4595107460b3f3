//! How does the cost of a round grow with groups and with migrations under way?
//!
//! Each shape stands beside its floor: the same round without groups, or without migrations under way, taken in
//! the same run. The ratio of the two is asserted, and the exponent of growth: both belong to the code and hardly to
//! the machine. With t(n) the time for n workers, the exponent is `log4(t(4n) / t(n))`: 1 is linear. It is asserted
//! of rounds without groups by themselves, and of all others beside their floor: what a machine loses as the records
//! outgrow its caches, both lose.
//!
//! Rounds of all sizes of a shape and of its floor take turns, and the fastest of each counts, in time that the
//! thread has run: what else runs on the machine slows some rounds down, and speeds none up.
//!
//! ```text
//! cargo bench --bench growth              measures, prints a line per shape and size, and asserts
//! cargo bench --bench growth -- under     only the shapes with `under` in their names
//! cargo bench --bench growth -- --test    runs the smallest size of every shape once
//! ```
#![forbid(unsafe_code)]

#[path = "../tests/setup/clock.rs"]
mod clock;

use std::hint::black_box;
use std::num::NonZeroU32;
use std::ops::Range;
use std::time::Duration;

use evenkeel::id::{Epoch, GroupId, MigrationId, ZoneId};
use evenkeel::snapshot::{Group, GroupRule, Phase, Placement, Topology};
use evenkeel::{
    Config, Engine, ResourceId, Snapshot, SnapshotBuilder, Task, TaskId, Timestamp, Worker,
    WorkerId,
};

use clock::clock;

/// Sizes measured; each is twice the one before.
const SIZES: u32 = 3;
/// Workers of the smallest size where each has two tasks: the largest has 4,000 tasks.
const WITH_TWO: u64 = 500;
/// Workers of the smallest size where each has eight tasks: the largest has 8,000 tasks.
const WITH_EIGHT: u64 = 250;
const TASKS_PER_WORKER: u64 = 2;
/// Rounds measured of each shape and size, at least and at most; the fastest counts.
const ROUNDS: Range<usize> = 15..500;
/// How long a shape is measured, in time that the thread has run, once it has had the least number of rounds.
const PATIENCE: Duration = Duration::from_secs(5);
/// No shape grows faster than this beside its floor, or by itself where it has none.
const MOST_EXPONENT: f64 = 1.15;

/// The records of a moment, in seconds, for so many workers.
type Records = fn(u64, u64) -> Snapshot;

/// A round to be measured, and how many times as long as its floor it may take.
struct Shape {
    name: &'static str,
    most_ratio: f64,
    /// Workers of the smallest size.
    smallest: u64,
    /// What the engine has seen before.
    before: Records,
    measured: Records,
    /// What it has seen before, and sees, in the round to compare with; `None` for a round that has no floor.
    floor: Option<Records>,
}

impl Shape {
    /// Two tasks per worker; the engine has seen the same records before.
    const fn groups(
        name: &'static str,
        most_ratio: f64,
        measured: Records,
        floor: Records,
    ) -> Self {
        Self {
            name,
            most_ratio,
            smallest: WITH_TWO,
            before: measured,
            measured,
            floor: Some(floor),
        }
    }

    /// Eight tasks per worker, all of them at rest in the round to compare with.
    const fn moves(
        name: &'static str,
        most_ratio: f64,
        before: Records,
        measured: Records,
    ) -> Self {
        Self { name, most_ratio, smallest: WITH_EIGHT, before, measured, floor: Some(still) }
    }
}

const SHAPES: [Shape; 8] = [
    Shape::groups("one spread group over workers", 3.0, over_workers, plain),
    Shape::groups("one spread group over zones", 3.0, over_zones, plain),
    Shape::groups("one anti-affinity group", 3.0, apart, plain),
    Shape::groups("one affinity group on a hot worker", 3.0, together, crowd),
    Shape {
        name: "no groups",
        most_ratio: f64::INFINITY,
        smallest: WITH_TWO,
        before: plain,
        measured: plain,
        floor: None,
    },
    Shape::moves("all tasks under way", 2.0, moving, moving),
    Shape::moves("half of the tasks under way", 2.0, mixed, mixed),
    Shape::moves("all tasks found under way", 5.0, still, moving),
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
    under_way(at, count, |_| Some(Phase::Releasing))
}

/// The same, half of them on their way, in either phase; the others rest where those go.
fn mixed(at: u64, count: u64) -> Snapshot {
    under_way(at, count, |id| match id % 4 {
        0 => Some(Phase::Releasing),
        1 => Some(Phase::Assigned),
        _ => None,
    })
}

/// The tasks at rest of [`still`], some of them on their way to the next worker.
fn under_way(at: u64, count: u64, phase: fn(u64) -> Option<Phase>) -> Snapshot {
    let workers = workers(count).map(|worker| worker.with_used(ResourceId::CPU, 8.0));
    let tasks = (0..count * 8).map(|id| {
        let mut task = task(id, id / 8, 1.0);
        if let Some(phase) = phase(id) {
            task.placement = Placement::Moving {
                migration: MigrationId::new(Epoch::FIRST, id + 1),
                from: Some(WorkerId::new(id / 8)),
                to: WorkerId::new((id / 8 + 1) % count),
                phase,
                since: Timestamp::from_secs(260),
            };
        }
        task
    });
    build(at, workers, tasks, &[])
}

/// A round, ready to be run again and again.
struct Ready {
    engine: Engine,
    next: Snapshot,
    fastest: f64,
}

impl Ready {
    fn new(before: Records, next: Records, count: u64) -> Self {
        let config = Config::default();
        let mut engine = Engine::in_epoch(config, Epoch::new(1)).expect("the default is valid");
        let _ = engine.tick(&before(270, count)).expect("the first snapshot is new");
        Self { engine, next: next(300, count), fastest: f64::INFINITY }
    }

    fn run(&mut self) {
        let mut engine = self.engine.clone();
        let start = clock();
        let outcome = black_box(engine.tick(black_box(&self.next)));
        self.fastest = self.fastest.min(clock().saturating_sub(start).as_secs_f64());
        let _ = outcome.expect("the snapshot is new");
    }
}

/// The fastest rounds of a shape and of its floor, in seconds, size by size.
fn measure(shape: &Shape, sizes: u32, rounds: Range<usize>) -> Vec<(u64, f64, Option<f64>)> {
    let counts = (0..sizes).map(|size| shape.smallest << size);
    let mut pairs: Vec<(u64, Ready, Option<Ready>)> = counts
        .map(|count| {
            let floor = shape.floor.map(|floor| Ready::new(floor, floor, count));
            (count, Ready::new(shape.before, shape.measured, count), floor)
        })
        .collect();
    let start = clock();
    for nth in 0..rounds.end {
        if nth >= rounds.start && clock().saturating_sub(start) > PATIENCE {
            break;
        }
        for (_, round, floor) in &mut pairs {
            round.run();
            floor.iter_mut().for_each(Ready::run);
        }
    }
    let times = pairs.into_iter();
    times.map(|(count, round, floor)| (count, round.fastest, floor.map(|it| it.fastest))).collect()
}

/// How time grows with size, from the smallest size to the largest: 1 is linear. `None` for one size alone.
fn exponent(times: &[(u64, f64)]) -> Option<f64> {
    let [(few, short), .., (many, long)] = *times else { return None };
    Some((long / short).ln() / (many as f64 / few as f64).ln())
}

/// Measures a shape, prints it, and says which bars it misses.
fn judge(shape: &Shape, sizes: u32, rounds: Range<usize>) -> Vec<String> {
    let Shape { name, most_ratio, .. } = shape;
    let mut faults = Vec::new();
    let rows = measure(shape, sizes, rounds);
    for (count, took, floor) in &rows {
        print!("{name:<36} {count:>5} workers: {:>8.2} ms", took * 1e3);
        if let Some(floor) = floor {
            let ratio = took / floor;
            print!(", floor {:>8.2} ms, ratio {ratio:>5.2}", floor * 1e3);
            if ratio > *most_ratio {
                faults.push(format!("{name}: ratio {ratio:.2} above {most_ratio}"));
            }
        }
        println!();
    }
    let own: Vec<(u64, f64)> = rows.iter().map(|(count, took, _)| (*count, *took)).collect();
    let floor: Vec<(u64, f64)> =
        rows.iter().filter_map(|(count, _, floor)| Some((*count, (*floor)?))).collect();
    if let Some(own) = exponent(&own) {
        let growth = exponent(&floor).map_or(own, |floor| 1.0 + own - floor);
        println!("{name:<36} exponent {growth:.2} (by itself {own:.2})");
        if growth > MOST_EXPONENT {
            faults.push(format!("{name}: exponent {growth:.2} above {MOST_EXPONENT}"));
        }
    }
    faults
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let test = arguments.iter().any(|argument| argument == "--test");
    let (sizes, rounds) = if test { (1, 0..1) } else { (SIZES, ROUNDS) };
    let words: Vec<&String> = arguments.iter().filter(|word| !word.starts_with("--")).collect();
    let is_asked =
        |shape: &&Shape| words.is_empty() || words.iter().any(|word| shape.name.contains(*word));
    let shapes = SHAPES.iter().filter(is_asked);
    let faults: Vec<String> =
        shapes.flat_map(|shape| judge(shape, sizes, rounds.clone())).collect();
    // One round alone says nothing of its cost.
    assert!(test || faults.is_empty(), "\n{}\n", faults.join("\n"));
}
