//! What a round costs, beside its floor: one bare pass over the same snapshot that adds up the load of every
//! worker. Absolute times belong to a machine; the ratio of the two, taken in one run, says more.
//!
//! ```text
//! cargo bench --bench tick             measures, and prints the ratios at the end of every size
//! cargo bench --bench tick -- --test   runs everything once
//! ```
#![forbid(unsafe_code)]
#![allow(missing_docs, reason = "criterion's macros make public items without any")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Bencher, BenchmarkId, Criterion, Throughput};
use criterion::{criterion_group, criterion_main};
use evenkeel::id::KindId;
use evenkeel::snapshot::Placement;
use evenkeel::{Config, Engine, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId};

/// Workers; ten tasks each.
const SIZES: [u64; 4] = [10, 100, 1_000, 10_000];
const TASKS_PER_WORKER: u64 = 10;
/// Rounds that have gone before: enough for a trend and a forecast.
const HISTORY: u64 = 8;
const GIB: f64 = 1_073_741_824.0;

/// Whether there is something to do.
#[derive(Clone, Copy)]
enum Shape {
    /// All workers carry about the same: the common case, nothing moves.
    Even,
    /// Every tenth worker is overloaded.
    Uneven,
}

fn cluster(shape: Shape, workers: u64) -> (Vec<Worker>, Vec<Task>) {
    let is_hot = |worker: u64| matches!(shape, Shape::Uneven) && worker.is_multiple_of(10);
    // A little different from worker to worker and from task to task, in whole thousandths.
    let load = |task: u64| {
        let thousandths = if is_hot(task / TASKS_PER_WORKER) { 1_400 } else { 750 };
        (thousandths + task * 37 % 101) as f64 / 1_000.0
    };
    let tasks = (0..workers * TASKS_PER_WORKER).map(|id| {
        Task::new(TaskId::new(id))
            .with_kind(KindId::new(id % 8))
            .on(WorkerId::new(id / TASKS_PER_WORKER))
            .with_demand(ResourceId::CPU, load(id))
            .with_demand(ResourceId::MEMORY, GIB)
            .with_running(Duration::from_secs(30 + id % 200))
    });
    let workers = (0..workers).map(|id| {
        let first = id * TASKS_PER_WORKER;
        let used: f64 = (first..first + TASKS_PER_WORKER).map(load).sum();
        Worker::new(WorkerId::new(id))
            .with_capacity(ResourceId::CPU, 16.0)
            .with_capacity(ResourceId::MEMORY, 64.0 * GIB)
            .with_used(ResourceId::CPU, used)
            .with_used(ResourceId::MEMORY, 10.0 * GIB)
    });
    (workers.collect(), tasks.collect())
}

fn snapshot(at: u64, workers: Vec<Worker>, tasks: Vec<Task>) -> Snapshot {
    Snapshot::builder(Timestamp::from_secs(at * 30)).workers(workers).tasks(tasks).build()
}

/// An engine with some history, and the snapshot it is to judge next.
fn engine(shape: Shape, workers: u64) -> (Engine, Snapshot) {
    let mut engine = Engine::new(Config::default()).expect("the default configuration is valid");
    let even = cluster(Shape::Even, workers);
    for at in 1..=HISTORY {
        let _ = engine.tick(&snapshot(at, even.0.clone(), even.1.clone()));
    }
    let (workers, tasks) = cluster(shape, workers);
    (engine, snapshot(HISTORY + 1, workers, tasks))
}

/// The least that any balancer does: read every task once. Worker `n` is row `n` here.
fn bare_pass(snapshot: &Snapshot) -> Vec<f64> {
    let mut loads = vec![0.0; snapshot.workers().len()];
    for task in snapshot.tasks() {
        if let Placement::On(worker) = task.placement {
            let load = task.demand.get(ResourceId::CPU).unwrap_or(0.0);
            if let Some(sum) = loads.get_mut(usize::try_from(worker.raw()).unwrap_or(usize::MAX)) {
                *sum += load;
            }
        }
    }
    loads
}

/// Measures, and notes the time of one iteration in every sample.
fn sample<T>(
    bencher: &mut Bencher<'_>,
    samples: &mut Vec<f64>,
    mut once: impl FnMut() -> (T, Duration),
) {
    bencher.iter_custom(|iterations| {
        let mut spent = Duration::ZERO;
        for _ in 0..iterations {
            let (result, time) = once();
            black_box(result);
            spent += time;
        }
        samples.push(spent.as_secs_f64() / iterations as f64);
        spent
    });
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let result = black_box(work());
    (result, start.elapsed())
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

fn rounds(criterion: &mut Criterion) {
    for (name, shape) in [("even", Shape::Even), ("uneven", Shape::Uneven)] {
        let mut group = criterion.benchmark_group(format!("tick/{name}"));
        group.sample_size(10).warm_up_time(Duration::from_millis(500));
        let mut lines = Vec::new();
        for workers in SIZES {
            let tasks = workers * TASKS_PER_WORKER;
            let (engine, snapshot) = engine(shape, workers);
            let (mut floor, mut tick) = (Vec::new(), Vec::new());
            group.throughput(Throughput::Elements(tasks));
            let size = format!("{workers}x{tasks}");
            group.bench_function(BenchmarkId::new("floor", &size), |bencher| {
                sample(bencher, &mut floor, || timed(|| bare_pass(black_box(&snapshot))));
            });
            let mut moves = 0;
            group.bench_function(BenchmarkId::new("tick", &size), |bencher| {
                sample(bencher, &mut tick, || {
                    let mut engine = engine.clone();
                    let (outcome, time) = timed(|| engine.tick(black_box(&snapshot)));
                    moves = outcome.as_ref().map_or(0, |outcome| outcome.commands.len());
                    ((engine, outcome), time)
                });
            });
            if floor.len() < 2 || tick.len() < 2 {
                continue; // run once to see that it runs: no figures
            }
            let (floor, tick) = (median(&mut floor), median(&mut tick));
            lines.push(format!(
                "{name:>6} {size:>14}: tick {:>10.1} us, {moves:>4} moves; floor {:>8.2} us; ratio {:>6.0}",
                tick * 1e6,
                floor * 1e6,
                tick / floor,
            ));
        }
        group.finish();
        println!("{}", lines.join("\n"));
    }
}

fn snapshots(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("snapshot");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    for workers in SIZES {
        let tasks = workers * TASKS_PER_WORKER;
        let records = cluster(Shape::Uneven, workers);
        group.throughput(Throughput::Elements(workers + tasks));
        group.bench_function(BenchmarkId::new("build", format!("{workers}x{tasks}")), |bencher| {
            bencher.iter_batched(
                || records.clone(),
                |(workers, tasks)| snapshot(1, workers, tasks),
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, rounds, snapshots);
criterion_main!(benches);
