//! Plans for the whole cluster: what they promise, as properties, and some cases with the plan that they should have.
//!
//! A failure prints the smallest case it could find and the seed, which also goes to `plan.proptest-regressions`.
#![forbid(unsafe_code)]

#[path = "setup/cases.rs"]
mod cases;

use std::collections::BTreeMap;

use cases::cases;
use evenkeel::config::Effort;
use evenkeel::outcome::{Plan, Purpose, Rejection, Stop};
use evenkeel::snapshot::{Placement, Stance};
use evenkeel::testkit::strategies::{self, Cluster};
use evenkeel::{
    Config, Engine, ResourceId, Snapshot, SnapshotBuilder, Task, TaskId, Timestamp, Worker,
    WorkerId,
};
use proptest::prelude::*;

/// Tolerates the rounding of sums.
const ROUNDING: f64 = 1e-9;

fn at() -> Timestamp {
    Timestamp::from_secs(30)
}

fn efforts() -> impl Strategy<Value = Effort> {
    prop_oneof![
        Just(Effort::default()),
        (0..8_u32).prop_map(|moves| Effort::default().with_moves(moves)),
        (0..3_000_u64).prop_map(|evaluations| Effort::default().with_evaluations(evaluations)),
        (0..1_u64 << 32).prop_map(|bytes| Effort::default().with_bytes(bytes)),
    ]
}

/// The workers of all tasks once the first batches of a plan have arrived.
fn places(cluster: &Cluster, plan: &Plan, batches: usize) -> BTreeMap<TaskId, WorkerId> {
    let mut places = BTreeMap::new();
    for task in &cluster.tasks {
        if let Placement::On(worker) = task.placement {
            places.insert(task.id, worker);
        }
    }
    let landed = plan.batches[..batches].iter().flat_map(|batch| &batch.moves);
    places.extend(landed.map(|one| (one.task, one.to)));
    places
}

// ---------------------------------------------------------------- promises

proptest! {
    #![proptest_config(cases(2_000))]

    /// A plan leaves fewer tasks without a place, or as many and more even loads; it does not exceed its effort; no task
    /// moves twice; no bound is beaten; and the same question has the same answer.
    #[test]
    fn a_plan_is_never_worse_than_none(
        config in strategies::configs(),
        cluster in strategies::clusters(),
        effort in efforts(),
    ) {
        let engine = Engine::new(config).unwrap();
        let snapshot = cluster.snapshot(at());
        let plan = engine.plan(&snapshot, effort);
        prop_assert_eq!(&plan, &engine.plan(&snapshot, effort));
        let (before, after) = (&plan.before, &plan.after);
        let is_better = after.pending < before.pending
            || after.pending == before.pending
                && after.unevenness <= before.unevenness + ROUNDING;
        prop_assert!(is_better, "{before} -> {after}");
        prop_assert_eq!(plan.moves, plan.moves().count() as u64);
        prop_assert!(effort.moves.is_none_or(|most| plan.moves <= u64::from(most)));
        prop_assert!(effort.bytes.is_none_or(|most| plan.bytes <= most));
        let mut moved: Vec<TaskId> = plan.moves().map(|one| one.task).collect();
        moved.sort_unstable();
        moved.dedup();
        prop_assert_eq!(moved.len() as u64, plan.moves);
        for (highest, bound) in after.highest.iter().zip(&plan.bounds.highest) {
            prop_assert_eq!(highest.resource, bound.resource);
            prop_assert!(highest.load >= bound.as_many_moves - ROUNDING, "{plan:?}");
        }
    }

    /// The first batch is judged on the snapshot itself, so `consider` may refuse its moves for nothing but what they do
    /// to the loads, and what they are worth. (Of later moves in a batch, groups may allow more than of the first.)
    #[test]
    fn the_first_batch_agrees_with_consider(
        config in strategies::configs(),
        cluster in strategies::clusters(),
    ) {
        let engine = Engine::new(config).unwrap();
        let snapshot = cluster.snapshot(at());
        let plan = engine.plan(&snapshot, Effort::default());
        let look = engine.look(&snapshot);
        let batch = plan.batches.first().map_or(&[][..], |batch| batch.moves.as_slice());
        for (nth, one) in batch.iter().enumerate() {
            let verdict = look.consider(one.task, one.to).unwrap();
            let is_hard = match verdict.admission.rejection() {
                Some(Rejection::Fit(_) | Rejection::Target(_) | Rejection::Task(_)) => true,
                Some(Rejection::Group(_)) => nth == 0,
                _ => false,
            };
            prop_assert!(!is_hard, "{}: {}", one, verdict);
        }
    }

    /// At every prefix of every batch, with the tasks of the batch counted on both of their workers, what is reserved
    /// on a worker that something arrives at is within its capacity.
    #[test]
    fn every_prefix_has_room(cluster in strategies::skewed(), effort in efforts()) {
        let engine = Engine::new(Config::default()).unwrap();
        let plan = engine.plan(&cluster.snapshot(at()), effort);
        let resources = [ResourceId::CPU, ResourceId::MEMORY];
        let demand = |id: TaskId, resource| {
            let task = cluster.tasks.iter().find(|task| task.id == id);
            task.and_then(|task| task.demand.get(resource)).unwrap_or(0.0)
        };
        for (nth, batch) in plan.batches.iter().enumerate() {
            let here = places(&cluster, &plan, nth);
            for (count, one) in batch.moves.iter().enumerate() {
                prop_assert_eq!(one.from, here.get(&one.task).copied());
                let worker = cluster.workers.iter().find(|worker| worker.id == one.to).unwrap();
                let resting = here.iter().filter(|(_, on)| **on == one.to).map(|(task, _)| *task);
                let coming = batch.moves[..=count].iter().filter(|other| other.to == one.to);
                let all: Vec<TaskId> = resting.chain(coming.map(|other| other.task)).collect();
                for resource in resources.into_iter().filter(|it| demand(one.task, *it) > 0.0) {
                    let reserved: f64 = all.iter().map(|task| demand(*task, resource)).sum();
                    let capacity = worker.capacity.get(resource).unwrap_or(0.0);
                    prop_assert!(reserved <= capacity * (1.0 + ROUNDING), "{plan:?}");
                }
            }
        }
    }

    /// A worker that no task may use changes nothing.
    #[test]
    fn a_worker_on_hold_counts_nowhere(mut cluster in strategies::skewed()) {
        let mut config = Config::default();
        config.adaptation = None;
        let engine = Engine::new(config).unwrap();
        let without = engine.plan(&cluster.snapshot(at()), Effort::default());
        let idle = Worker::new(WorkerId::new(1_000))
            .with_capacity(ResourceId::CPU, 24.0)
            .with_used(ResourceId::CPU, 0.0)
            .with_stance(Stance::Hold);
        cluster.workers.push(idle);
        let with = engine.plan(&cluster.snapshot(at()), Effort::default());
        prop_assert_eq!(without, with);
    }

    /// The order of the records does not matter.
    #[test]
    fn the_order_of_records_does_not_matter(mut cluster in strategies::clusters()) {
        let engine = Engine::new(Config::default()).unwrap();
        let forwards = engine.plan(&cluster.snapshot(at()), Effort::default());
        cluster.workers.reverse();
        cluster.tasks.reverse();
        prop_assert_eq!(forwards, engine.plan(&cluster.snapshot(at()), Effort::default()));
    }
}

// ---------------------------------------------------------------- cases

/// A worker with this many cores, of which so many are in use.
fn worker(id: u64, cores: f64, used: f64) -> Worker {
    Worker::new(WorkerId::new(id))
        .with_capacity(ResourceId::CPU, cores)
        .with_used(ResourceId::CPU, used)
}

fn task(id: u64, on: u64, cores: f64) -> Task {
    Task::new(TaskId::new(id)).on(WorkerId::new(on)).with_demand(ResourceId::CPU, cores)
}

fn plan(snapshot: SnapshotBuilder) -> Plan {
    Engine::new(Config::default()).unwrap().plan(&snapshot.build(), Effort::default())
}

fn targets(plan: &Plan) -> Vec<(u64, u64)> {
    plan.moves().map(|one| (one.task.raw(), one.to.raw())).collect()
}

#[test]
fn orphans_are_spread() {
    let orphan = |id| task(id, 1, 3.0).with_placement(Placement::Orphaned);
    let snapshot = Snapshot::builder(at())
        .workers([worker(1, 10.0, 0.0), worker(2, 10.0, 0.0)])
        .tasks([orphan(1), orphan(2)]);
    let plan = plan(snapshot);
    assert_eq!(targets(&plan), [(1, 1), (2, 2)]);
    assert!(plan.moves().all(|one| one.from.is_none() && one.purpose == Purpose::Recover));
    assert_eq!((plan.before.pending, plan.after.pending), (2, 0));
}

#[test]
fn a_draining_worker_is_emptied() {
    let snapshot = Snapshot::builder(at())
        .workers([worker(1, 16.0, 8.0).with_stance(Stance::Drain)])
        .workers([worker(2, 16.0, 4.0), worker(3, 16.0, 0.0)])
        .tasks([task(1, 1, 4.0), task(2, 1, 4.0), task(3, 2, 4.0)]);
    let plan = plan(snapshot);
    assert_eq!(plan.after.pending, 0);
    assert!(plan.moves().all(|one| one.purpose == Purpose::Evacuate));
    assert_eq!(targets(&plan), [(1, 3), (2, 2)]);
}

/// 240 tasks of a quarter core: none is too small to move.
#[test]
fn small_tasks_add_up() {
    let tasks = (1..=240).map(|id| task(id, 1, 0.25));
    let workers = [worker(1, 64.0, 60.0), worker(2, 64.0, 0.0)];
    let plan = plan(Snapshot::builder(at()).workers(workers).tasks(tasks));
    assert!((118..=120).contains(&plan.moves), "{} moves", plan.moves);
    assert!(plan.after.unevenness < 0.001);
}

/// Loads count, not tasks: 16 cores and 128 are even at the same load.
#[test]
fn large_workers_take_more() {
    let tasks = (1..=36).map(|id| task(id, 1 + id / 15, 1.0));
    let workers = [worker(1, 16.0, 14.0), worker(2, 16.0, 15.0), worker(3, 128.0, 7.0)];
    let plan = plan(Snapshot::builder(at()).workers(workers).tasks(tasks));
    assert!(plan.moves().all(|one| one.to == WorkerId::new(3)));
    assert!((20..=22).contains(&plan.moves), "{} moves", plan.moves);
}

/// w1 is full of processors and w2 of memory. w1 has no room for a task of w2 beside its own two; w2 has room for one of
/// w1. So that one goes first, and the other when it has arrived.
#[test]
fn an_exchange_is_made_in_a_safe_order() {
    let both = |worker: Worker, memory: f64, used: f64| {
        worker.with_capacity(ResourceId::MEMORY, memory).with_used(ResourceId::MEMORY, used)
    };
    let with = |task: Task, memory: f64| task.with_demand(ResourceId::MEMORY, memory);
    let snapshot = Snapshot::builder(at())
        .workers([both(worker(1, 100.0, 84.0), 100.0, 40.0)])
        .workers([both(worker(2, 130.0, 52.0), 120.0, 80.0)])
        .tasks([with(task(1, 1, 42.0), 20.0), with(task(2, 1, 42.0), 20.0)])
        .tasks([with(task(3, 2, 26.0), 40.0), with(task(4, 2, 26.0), 40.0)]);
    let plan = plan(snapshot);
    let sizes: Vec<usize> = plan.batches.iter().map(|batch| batch.moves.len()).collect();
    assert_eq!((plan.moves, sizes), (2, vec![1, 1]));
    assert!(plan.after.unevenness < 0.5 * plan.before.unevenness);
    assert!(plan.moves().map(|one| one.gain).sum::<f64>() > 0.0);
}

#[test]
fn the_effort_limits_the_plan() {
    let snapshot = Snapshot::builder(at())
        .workers([worker(1, 16.0, 15.0), worker(2, 16.0, 0.0)])
        .tasks((1..=15).map(|id| task(id, 1, 1.0).with_state_bytes(100)))
        .build();
    let engine = Engine::new(Config::default()).unwrap();
    let stop = |effort| {
        let plan = engine.plan(&snapshot, effort);
        (plan.moves, plan.stop)
    };
    assert_eq!(stop(Effort::default()), (7, Stop::NothingImproves));
    assert_eq!(stop(Effort::default().with_moves(3)), (3, Stop::Moves));
    assert_eq!(stop(Effort::default().with_bytes(250)), (2, Stop::Bytes));
    assert_eq!(stop(Effort::default().with_evaluations(0)), (0, Stop::Evaluations));
}
