//! Lists without end: a record with one is bad, and costs no more than to read it. What is good stalls no round either,
//! whatever the length of its lists.

use std::hint::black_box;
use std::time::Duration;

use evenkeel::id::{ClassId, DomainId, GroupId, LabelId, TopologyId};
use evenkeel::resource::Amounts;
use evenkeel::snapshot::{
    Alternative, Freeze, FreezeScope, Group, GroupRule, Maintenance, Stance, TargetClass,
};
use evenkeel::{
    Config, Device, Engine, ResourceId, Snapshot, SnapshotBuilder, Task, TaskId, Timestamp, Worker,
    WorkerId,
};

use super::clock::clock;
use super::{Hardware, job, sound, task, worker};

fn amounts(count: u16) -> Amounts {
    (0..count).map(|id| (ResourceId::custom(id), 1.0)).collect()
}

fn labels(count: u64) -> Vec<LabelId> {
    (0..count).map(LabelId::new).collect()
}

fn alternatives(count: usize) -> Vec<Alternative> {
    vec![Alternative::new(1.0).with_demand(ResourceId::CPU, 1.0); count]
}

/// Records with one entry more than there may be, and the one line that is said of each.
pub(crate) fn records() -> Vec<(SnapshotBuilder, &'static str)> {
    of_workers().into_iter().chain(of_tasks()).collect()
}

fn of_workers() -> Vec<(SnapshotBuilder, &'static str)> {
    let maintenance = || {
        let spans = (1_000..1_257).map(|at| Timestamp::from_secs(10 * at));
        spans.map(|at| Maintenance::new(at, at.after(Duration::from_secs(1)))).collect()
    };
    vec![
        (
            worker(|it| it.capacity = amounts(65)),
            "worker w3: capacity is 65 entries; it must be at most 64 entries",
        ),
        (
            worker(|it| it.reserved = amounts(65)),
            "worker w3: reserved is 65 entries; it must be at most 64 entries",
        ),
        (
            worker(|it| it.used = amounts(65)),
            "worker w3: used is 65 entries; it must be at most 64 entries",
        ),
        (
            worker(|it| it.labels = labels(257)),
            "worker w3: labels is 257 entries; it must be at most 256 entries",
        ),
        (
            worker(|it| it.devices = vec![Device::new(Hardware::Cuda); 257]),
            "worker w3: devices is 257 entries; it must be at most 256 entries",
        ),
        (
            worker(|it| {
                let domains = (0..65).map(|id| (TopologyId::new(id), DomainId::new(id)));
                it.domains = domains.collect();
            }),
            "worker w3: domains is 65 entries; it must be at most 64 entries",
        ),
        (
            worker(|it| it.maintenance = maintenance()),
            "worker w3: maintenance is 257 entries; it must be at most 256 entries",
        ),
    ]
}

fn of_tasks() -> Vec<(SnapshotBuilder, &'static str)> {
    let groups = (0..65)
        .map(|id| Group::new(GroupId::new(id), GroupRule::AntiAffinity, vec![TaskId::new(9)]));
    vec![
        (
            job(|it| it.demand = amounts(65)),
            "task t9: demand is 65 entries; it must be at most 64 entries",
        ),
        (
            job(|it| it.used = amounts(65)),
            "task t9: used is 65 entries; it must be at most 64 entries",
        ),
        (
            job(|it| it.labels = labels(257)),
            "task t9: labels is 257 entries; it must be at most 256 entries",
        ),
        (
            job(|it| it.requirements.labels = labels(65)),
            "task t9: requirements.labels is 65 entries; it must be at most 64 entries",
        ),
        (
            job(|it| it.requirements.forbidden_labels = labels(65)),
            "task t9: requirements.forbidden_labels is 65 entries; it must be at most 64 entries",
        ),
        (
            job(|it| (it.alternatives, it.alternative) = (alternatives(65), Some(64))),
            "task t9: alternatives is 65 entries; it must be at most 64 entries",
        ),
        (
            job(|it| {
                it.alternatives = alternatives(2);
                it.alternatives[1].demand = amounts(65);
            }),
            "task t9: alternatives.1.demand is 65 entries; it must be at most 64 entries",
        ),
        (
            job(|_| ()).groups(groups),
            "task t9: groups is 65 entries; it must be at most 64 entries",
        ),
    ]
}

/// With five tasks of 60 kinds each there are 301 kinds, with the cores that all name. The first four and some of the
/// fifth have the lowest ids.
#[test]
fn of_too_many_kinds_of_resources_those_count_that_most_records_name() {
    let strange = (0..5).map(|nth| {
        let own = (0..60).map(|id| (ResourceId::custom(100 * nth + id), 1.0));
        let mut task = task(10 + u64::from(nth), 2, 0.01);
        own.for_each(|(resource, amount)| task.demand.set(resource, amount));
        task
    });
    let mut often = super::cpu(4, 0.1);
    often.capacity.set(ResourceId::custom(999), 1.0);
    let uses = [task(20, 4, 0.01).with_demand(ResourceId::custom(999), 0.5)];
    let snapshot = sound().worker(often).tasks(strange).tasks(uses).build();
    let said: Vec<String> = snapshot.bad_records().iter().map(ToString::to_string).collect();
    let line =
        "task t14: demand.r414 is 1; it must be of one of the 256 resources that most records name";
    assert_eq!(said, [line]);
    let read: Snapshot = serde_json::from_str(&serde_json::to_string(&snapshot).unwrap()).unwrap();
    assert_eq!(read, snapshot);
}

/// Workers, half of them hot; two tasks on each.
fn cluster(workers: u64) -> (Vec<Worker>, Vec<Task>) {
    let used = |id: u64| if id.is_multiple_of(2) { 9.5 } else { 1.0 };
    let fleet = (0..workers).map(|id| super::cpu(id, used(id)));
    let tasks = (0..2 * workers).map(|id| task(id, id / 2, used(id / 2) / 2.0));
    (fleet.collect(), tasks.collect())
}

/// Four of five of so many tasks on the first worker.
fn crowd(tasks: u64) -> (Vec<Worker>, Vec<Task>) {
    let (workers, _) = cluster(tasks / 2);
    let crowd = (0..tasks).map(|id| task(id, 0, 9.0 / tasks as f64));
    (workers, crowd.collect())
}

fn build((workers, tasks): (Vec<Worker>, Vec<Task>)) -> SnapshotBuilder {
    Snapshot::builder(Timestamp::from_secs(30)).workers(workers).tasks(tasks)
}

/// A group of the first so many tasks.
fn all(id: u64, rule: GroupRule, tasks: u64) -> Group {
    Group::new(GroupId::new(id), rule, (0..tasks).map(TaskId::new).collect())
}

/// The fastest of some rounds on each of two snapshots, their checks included. They take turns, so that other work on
/// the machine slows both.
fn took(records: [&SnapshotBuilder; 2]) -> [f64; 2] {
    let mut fastest = [f64::INFINITY; 2];
    for _ in 0..7 {
        for (fastest, records) in fastest.iter_mut().zip(records) {
            let mut engine = Engine::new(Config::default()).unwrap();
            let copy = records.clone();
            let start = clock();
            let outcome = engine.tick(&black_box(copy.build())).unwrap();
            *fastest = fastest.min(clock().saturating_sub(start).as_secs_f64());
            drop(black_box(outcome));
        }
    }
    fastest
}

/// A cluster in which something is endless, the same without, and how many times as long it may take.
type Stall = (&'static str, SnapshotBuilder, SnapshotBuilder, f64);

fn lists_of_tasks() -> Vec<Stall> {
    let with = |spoil: &dyn Fn(&mut Task)| {
        let (workers, mut tasks) = cluster(2_000);
        spoil(&mut tasks[0]);
        build((workers, tasks))
    };
    let plain = || with(&|_| ());
    vec![
        ("16,000 resources of one task", with(&|it| it.demand = amounts(16_000)), plain(), 8.0),
        (
            "20,000 alternatives of one task",
            with(&|it| it.alternatives = alternatives(20_000)),
            plain(),
            3.0,
        ),
        ("20,000 labels of one task", with(&|it| it.labels = labels(20_000)), plain(), 3.0),
        (
            "20,000 labels that one task requires",
            with(&|it| it.requirements.labels = labels(20_000)),
            plain(),
            3.0,
        ),
        (
            "20,000 labels that one task forbids",
            with(&|it| it.requirements.forbidden_labels = labels(20_000)),
            plain(),
            3.0,
        ),
    ]
}

fn lists_of_snapshots() -> Vec<Stall> {
    let plain = || build(cluster(2_000));
    let freezes = (0..4_000).map(|id| {
        Freeze::new(FreezeScope::Worker(WorkerId::new(10_000 + id)), Timestamp::from_secs(900))
    });
    let groups = (0..4_000)
        .map(|id| Group::new(GroupId::new(id), GroupRule::AntiAffinity, vec![TaskId::new(0)]));
    let class = |id: u64| {
        TargetClass::new(ClassId::new(id))
            .with_workers((0..2_000).map(|worker| (WorkerId::new(worker), 0.0)))
    };
    let strange = |nth: u16| {
        let mut task = task(5_000 + u64::from(nth), 1, 0.0);
        (0..60).for_each(|id| task.demand.set(ResourceId::custom(60 * nth + id), 1.0));
        task
    };
    vec![
        ("4,000 freezes", plain().freezes(freezes), plain(), 3.0),
        ("one task in 4,000 groups", plain().groups(groups), plain(), 3.0),
        ("100 classes of 2,000 workers", plain().classes((0..100).map(class)), plain(), 3.0),
        ("1,000 tasks of 60 resources each", plain().tasks((0..1_000).map(strange)), plain(), 20.0),
    ]
}

fn large_groups() -> Vec<Stall> {
    const TASKS: u64 = 800;
    let plain = || build(crowd(TASKS));
    let drained = || {
        let (mut workers, tasks) = crowd(TASKS);
        workers[0].stance = Stance::Drain;
        build((workers, tasks))
    };
    let heavy = || {
        let (workers, mut tasks) = crowd(TASKS);
        tasks.iter_mut().for_each(|task| task.demand.set(ResourceId::CPU, 1.0));
        build((workers, tasks))
    };
    let varied = || {
        let (workers, mut tasks) = crowd(TASKS);
        for task in &mut tasks {
            task.alternatives = vec![Alternative::new(1.0), Alternative::new(2.0)];
        }
        build((workers, tasks))
    };
    let gang = |tasks: u64| {
        let (mut workers, tasks_of_all) = crowd(tasks);
        workers[0].stance = Stance::Drain;
        build((workers, tasks_of_all)).group(all(1, GroupRule::Gang, tasks))
    };
    let affinity = || all(1, GroupRule::Affinity, TASKS);
    let chain = (0..TASKS - 1).map(|id| {
        let members = vec![TaskId::new(id), TaskId::new(id + 1)];
        Group::new(GroupId::new(id), GroupRule::Affinity, members)
    });
    let limited = [affinity(), all(2, GroupRule::Disruption { max_unavailable: 900 }, TASKS)];
    let apart = [affinity(), all(2, GroupRule::AntiAffinity, TASKS)];
    vec![
        ("an affinity group of 800", plain().group(affinity()), plain(), 4.0),
        ("a chain of 799 affinity groups", plain().groups(chain), plain(), 4.0),
        ("an affinity group of 800 to be moved off", drained().group(affinity()), drained(), 4.0),
        ("an affinity group of 800 that fits nowhere", heavy().group(affinity()), heavy(), 4.0),
        ("an affinity group of 800 with alternatives", varied().group(affinity()), varied(), 4.0),
        ("an affinity group of 800 with a budget", drained().groups(limited), drained(), 6.0),
        ("an affinity group of 800 that keeps apart", drained().groups(apart), drained(), 6.0),
        ("a gang of 1,600 beside one of 400", gang(1_600), gang(400), 8.0),
    ]
}

#[test]
fn no_list_stalls_a_round() {
    let stalls = lists_of_tasks().into_iter().chain(lists_of_snapshots()).chain(large_groups());
    let mut faults = Vec::new();
    for (name, records, floor, most) in stalls {
        let [took, floor] = took([&records, &floor]);
        let ratio = took / floor;
        println!(
            "{name:<44} {:>8.1} ms, floor {:>8.1} ms, ratio {ratio:>6.2}",
            took * 1e3,
            floor * 1e3
        );
        if ratio > most {
            faults.push(format!("{name}: {ratio:.2} times as long as without, {most} at most"));
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
