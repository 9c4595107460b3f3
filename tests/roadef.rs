//! Twelve resources that the engine has never heard of: the ROADEF/EURO 2012 machine reassignment instance `a2_2`, its
//! machines, processes and initial assignment as a snapshot, and the challenge's own checker as the judge.
//!
//! What both express: capacity in every resource, transient usage (a moving process is charged on both machines), and
//! conflict (no two processes of a service on one machine: anti-affinity). What the engine does not express: a least
//! number of locations per service (its spread is a skew), and dependencies over neighborhoods, of which `a2_2` has none.
//!
//! The data lies under `EVENKEEL_DATA`, or `../shared/data`; `.ci/run data` runs this.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use evenkeel::id::{Epoch, GroupId, MigrationId};
use evenkeel::outcome::{FitRefusal, GroupRefusal, Rejection};
use evenkeel::snapshot::{Group, GroupRule, Phase, Placement};
use evenkeel::{
    Action, Config, Engine, Event, Outcome, Report, ResourceId, Snapshot, Task, TaskId, Timestamp,
    Worker, WorkerId,
};
use rand::{RngExt, SeedableRng, rngs::Xoshiro256PlusPlus};

/// So many moves are compared in each test.
const MOVES: usize = 1_000;

fn data() -> PathBuf {
    let root = std::env::var_os("EVENKEEL_DATA").map_or("../shared/data".into(), PathBuf::from);
    let data = root.join("roadef");
    assert!(
        data.is_dir(),
        "there is no {}: set EVENKEEL_DATA to where the data lies",
        data.display()
    );
    data
}

fn numbers(path: &Path) -> std::vec::IntoIter<usize> {
    let text = std::fs::read_to_string(path).unwrap();
    text.split_whitespace().map(|word| word.parse().unwrap()).collect::<Vec<_>>().into_iter()
}

/// An instance, as far as a snapshot has use for it.
struct Instance {
    /// Per machine, per resource.
    capacity: Vec<Vec<usize>>,
    /// Per process.
    service: Vec<usize>,
    /// Per process, per resource.
    requirement: Vec<Vec<usize>>,
    /// The machine of each process.
    initial: Vec<usize>,
}

impl Instance {
    fn read(data: &Path, name: &str) -> Self {
        let mut next = numbers(&data.join(format!("model_{name}.txt")));
        let mut take = |count: usize| next.by_ref().take(count).collect::<Vec<_>>();
        let resources = take(1)[0];
        take(2 * resources);
        let machines = take(1)[0];
        let mut capacity = Vec::new();
        for _ in 0..machines {
            take(2);
            capacity.push(take(resources));
            take(resources + machines);
        }
        for _ in 0..take(1)[0] {
            let dependencies = take(2)[1];
            take(dependencies);
        }
        let (mut service, mut requirement) = (Vec::new(), Vec::new());
        for _ in 0..take(1)[0] {
            service.push(take(1)[0]);
            requirement.push(take(resources));
            take(1);
        }
        let initial = numbers(&data.join(format!("assignment_{name}.txt"))).collect();
        Self { capacity, service, requirement, initial }
    }

    /// Machines as workers, processes as tasks, services as groups that stand apart; what is in `moving` is on its way
    /// to another machine.
    fn snapshot(&self, at: u64, places: &[usize], moving: &BTreeMap<usize, usize>) -> Snapshot {
        let resources = || (0..).map(ResourceId::custom);
        let mut used = vec![vec![0; self.capacity[0].len()]; self.capacity.len()];
        for (process, machine) in places.iter().enumerate() {
            let row = used[*machine].iter_mut().zip(&self.requirement[process]);
            row.for_each(|(used, required)| *used += required);
        }
        let workers =
            self.capacity.iter().zip(used).enumerate().map(|(machine, (capacity, used))| {
                let mut worker = Worker::new(worker(machine));
                worker.capacity = resources().zip(capacity.iter().map(|it| *it as f64)).collect();
                worker.used = resources().zip(used.iter().map(|it| *it as f64)).collect();
                worker
            });
        let tasks = places.iter().enumerate().map(|(process, machine)| {
            let mut task = Task::new(task(process)).on(worker(*machine));
            task.demand =
                resources().zip(self.requirement[process].iter().map(|it| *it as f64)).collect();
            if let Some(to) = moving.get(&process) {
                task.placement = Placement::Moving {
                    migration: MigrationId::new(Epoch::FIRST, 1 + process as u64),
                    from: Some(worker(*machine)),
                    to: worker(*to),
                    phase: Phase::Releasing,
                    since: Timestamp::from_secs(at),
                };
            }
            task
        });
        let mut members: BTreeMap<usize, Vec<TaskId>> = BTreeMap::new();
        for (process, service) in self.service.iter().enumerate() {
            members.entry(*service).or_default().push(task(process));
        }
        let group = |(service, members): (usize, Vec<TaskId>)| {
            Group::new(GroupId::new(service as u64), GroupRule::AntiAffinity, members)
        };
        let builder = Snapshot::builder(Timestamp::from_secs(at)).workers(workers).tasks(tasks);
        members.into_iter().map(group).fold(builder, evenkeel::SnapshotBuilder::group).build()
    }
}

fn worker(machine: usize) -> WorkerId {
    WorkerId::new(machine as u64)
}

fn task(process: usize) -> TaskId {
    TaskId::new(process as u64)
}

/// What the checker says of a batch of moves.
struct Judged {
    /// By the instance's own rules.
    feasible: bool,
    /// With every resource charged on both machines while a process moves.
    over_capacity: bool,
    conflict: bool,
}

/// The checker's verdict on each batch.
fn judge(data: &Path, name: &str, batches: &[Vec<(usize, usize)>]) -> Vec<Judged> {
    let mut child = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/roadef/judge.py"))
        .arg(data.join("score.py"))
        .arg(data.join(format!("model_{name}.txt")))
        .arg(data.join(format!("assignment_{name}.txt")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed to run the checker");
    let mut lines = String::new();
    for batch in batches {
        let words = batch.iter().map(|(process, machine)| format!("{process} {machine} "));
        lines.extend(words.chain([String::from("\n")]));
    }
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "the checker failed");
    let text = String::from_utf8(output.stdout).unwrap();
    let judged = text.lines().map(|line| {
        let (own, strict) = line.split_once('|').unwrap();
        // The engine does not know of locations and neighborhoods.
        let known = |kind: &&str| ["capacity", "transient", "conflict"].contains(kind);
        let strict: Vec<&str> = strict.split_whitespace().filter(known).collect();
        Judged {
            feasible: own.split_whitespace().filter(known).count() == 0,
            over_capacity: strict.iter().any(|kind| *kind != "conflict"),
            conflict: strict.contains(&"conflict"),
        }
    });
    let judged: Vec<Judged> = judged.collect();
    assert_eq!(judged.len(), batches.len());
    judged
}

/// The engine's answer by its hard rules alone: the traditional preset has no others.
fn asked(engine: &Engine, snapshot: &Snapshot, process: usize, to: usize) -> Option<Rejection> {
    let verdict = engine.look(snapshot).consider(task(process), worker(to)).unwrap();
    verdict.admission.rejection().copied()
}

#[test]
#[ignore = "needs data that is not in the repository: `.ci/run data`"]
fn a_thousand_single_moves_are_admitted_just_as_the_checker_has_it() {
    let data = data();
    let instance = Instance::read(&data, "a2_2");
    assert_eq!((instance.capacity.len(), instance.initial.len()), (100, 1_000));
    assert!(instance.capacity.iter().all(|capacity| capacity.len() == 12));
    let engine = Engine::new(Config::fixed()).unwrap();
    let snapshot = instance.snapshot(30, &instance.initial, &BTreeMap::new());
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(12);
    let (mut batches, mut answers) = (Vec::new(), Vec::new());
    while batches.len() < MOVES {
        let (process, to) = (dice.random_range(0..1_000), dice.random_range(0..100));
        if instance.initial[process] != to {
            answers.push(asked(&engine, &snapshot, process, to));
            batches.push(vec![(process, to)]);
        }
    }
    let judged = judge(&data, "a2_2", &batches);
    let (mut full, mut conflict) = (0, 0);
    for ((batch, answer), judged) in batches.iter().zip(&answers).zip(&judged) {
        assert_eq!(answer.is_none(), judged.feasible, "{batch:?}: {answer:?}");
        full += usize::from(matches!(answer, Some(Rejection::Fit(FitRefusal::NoHeadroom { .. }))));
        conflict += usize::from(matches!(
            answer,
            Some(Rejection::Group(GroupRefusal::AntiAffinity { .. }))
        ));
    }
    let admitted = MOVES - full - conflict;
    println!(
        "{MOVES} of {MOVES} agree: {admitted} admitted, {full} too full, {conflict} in conflict"
    );
    assert!(admitted > 50 && full > 50 && conflict > 10, "a comparison needs both answers");
}

#[test]
#[ignore = "needs data that is not in the repository: `.ci/run data`"]
fn a_thousand_moves_beside_others_under_way_are_admitted_just_as_the_checker_has_it() {
    let data = data();
    let instance = Instance::read(&data, "a2_2");
    let engine = Engine::new(Config::fixed()).unwrap();
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(21);
    let (mut moving, mut batches, mut answers) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut snapshot = instance.snapshot(30, &instance.initial, &moving);
    while batches.len() < MOVES {
        let (process, to) = (dice.random_range(0..1_000), dice.random_range(0..100));
        if instance.initial[process] == to || moving.contains_key(&process) {
            continue;
        }
        let answer = asked(&engine, &snapshot, process, to);
        let under_way = moving.iter().map(|(process, to)| (*process, *to));
        batches.push(under_way.chain([(process, to)]).collect::<Vec<_>>());
        if answer.is_none() {
            moving.insert(process, to);
        }
        answers.push(answer);
        // With forty under way, all begins anew.
        if moving.len() == 40 {
            moving.clear();
        }
        snapshot = instance.snapshot(30, &instance.initial, &moving);
    }
    let judged = judge(&data, "a2_2", &batches);
    let (mut strict, mut leaving) = (0, 0);
    for ((batch, answer), judged) in batches.iter().zip(&answers).zip(&judged) {
        // On both ends the engine charges every resource, and counts every member of a group.
        let full = matches!(answer, Some(Rejection::Fit(FitRefusal::NoHeadroom { .. })));
        assert_eq!(full, judged.over_capacity, "{batch:?}: {answer:?}");
        let apart = matches!(answer, Some(Rejection::Group(GroupRefusal::AntiAffinity { .. })));
        assert!(full || apart || !judged.conflict, "{batch:?}: {answer:?}");
        if apart && !judged.conflict {
            let (process, to) = batch[batch.len() - 1];
            let leaves = |(other, _): &(usize, usize)| {
                instance.service[*other] == instance.service[process]
                    && instance.initial[*other] == to
            };
            assert!(batch.iter().any(leaves), "{batch:?}: {answer:?}");
            leaving += 1;
        }
        // So it is never more lenient than the challenge.
        assert!(answer.is_some() || judged.feasible, "{batch:?}");
        strict += usize::from(answer.is_some() && judged.feasible);
    }
    let admitted = answers.iter().filter(|answer| answer.is_none()).count();
    println!(
        "{MOVES} of {MOVES} agree: {admitted} admitted; {strict} refused that the challenge allows, because it \
         charges 8 of 12 resources, and groups ({leaving}), at the new machine only"
    );
    assert!(admitted > 50, "a comparison needs both answers");
}

#[test]
#[ignore = "needs data that is not in the repository: `.ci/run data`"]
fn what_the_engine_moves_by_itself_breaks_nothing() {
    let data = data();
    let instance = Instance::read(&data, "a2_2");
    let mut engine = Engine::new(Config::default()).unwrap();
    let (mut places, mut batches) = (instance.initial.clone(), Vec::new());
    for round in 1..=20 {
        let snapshot = instance.snapshot(30 * round, &places, &BTreeMap::new());
        let outcome = engine.tick(&snapshot).unwrap();
        let at = Timestamp::from_secs(30 * round + 1);
        carry_out(&mut engine, &outcome, at, &mut places);
        let moved = places.iter().zip(&instance.initial).enumerate();
        let moved = moved.filter(|(_, (now, was))| now != was);
        batches.push(moved.map(|(process, (now, _))| (process, *now)).collect::<Vec<_>>());
    }
    let moved = batches.last().map_or(0, Vec::len);
    assert!(moved >= 5, "it has moved {moved}");
    for (round, judged) in judge(&data, "a2_2", &batches).iter().enumerate() {
        assert!(!judged.conflict, "after round {round}");
    }
    for (machine, capacity) in instance.capacity.iter().enumerate() {
        for (resource, most) in capacity.iter().enumerate() {
            let here = (0..places.len()).filter(|process| places[*process] == machine);
            let needed: usize = here.map(|it| instance.requirement[it][resource]).sum();
            assert!(needed <= *most, "machine {machine}, resource {resource}: {needed} of {most}");
        }
    }
    println!("{moved} processes moved in 20 rounds, no machine too full, no service in conflict");
}

/// Does at once what the outcome asks for, and reports it.
fn carry_out(engine: &mut Engine, outcome: &Outcome, at: Timestamp, places: &mut [usize]) {
    for command in &outcome.commands {
        let Action::Release { to, .. } = command.action else { continue };
        let migration = command.migration;
        let reply = engine.report(&Report::new(at, Event::Released { migration }));
        assert_eq!(reply.commands.len(), 1);
        let reply = engine.report(&Report::new(at, Event::Running { migration }));
        assert_eq!(reply.ended.len(), 1);
        let process = usize::try_from(command.task.raw()).unwrap();
        places[process] = usize::try_from(to.raw()).unwrap();
    }
}
