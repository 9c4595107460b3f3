//! What makes no sense is said in one line: the record, the field, the value, and what it must be. The rest goes on.
#![forbid(unsafe_code)]

#[path = "setup/clock.rs"]
mod clock;
#[path = "bad_input/lists.rs"]
mod lists;
#[path = "setup/records.rs"]
mod records;

use std::num::NonZeroU32;
use std::time::Duration;

use evenkeel::config::{
    AdaptiveConcurrency, BenefitRule, Budget, Eviction, Fairness, HostAbility, Options, Safeguard,
    Scope, Transfer, Unit,
};
use evenkeel::hardware::{Hardware, HardwareTable, PROFILES};
use evenkeel::id::{ClassId, GroupId, LabelId};
use evenkeel::outcome::Verdict;
use evenkeel::snapshot::{
    Alternative, BadRecord, Group, GroupRule, Mobility, Record, Stance, StateAt, TargetClass,
};
use evenkeel::testkit::scenario::play;
use evenkeel::{
    Config, Engine, Event, Outcome, Report, ResourceId, Snapshot, SnapshotBuilder, Task, TaskId,
    Timestamp, Worker, WorkerId, verify,
};
use records::{cpu, task};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

/// The move that must happen whatever else the snapshot holds.
const DECISION: &str = "m0.1 t1 w1 -> w2: w1 at 0.950 above 0.850";

/// A hot worker and an idle one.
fn sound() -> SnapshotBuilder {
    Snapshot::builder(Timestamp::from_secs(30))
        .workers([cpu(1, 9.5), cpu(2, 1.0)])
        .tasks([task(1, 1, 4.0), task(2, 1, 5.5)])
}

/// With a third worker, spoilt.
fn worker(spoil: impl Fn(&mut Worker)) -> SnapshotBuilder {
    let mut worker = cpu(3, 5.0);
    spoil(&mut worker);
    sound().worker(worker)
}

/// With a third worker and a task on it, spoilt.
fn job(spoil: impl Fn(&mut Task)) -> SnapshotBuilder {
    let mut task = task(9, 3, 1.0);
    spoil(&mut task);
    sound().worker(cpu(3, 5.0)).task(task)
}

fn group(id: u64, members: &[u64]) -> Group {
    let members = members.iter().copied().map(TaskId::new).collect();
    Group::new(GroupId::new(id), GroupRule::AntiAffinity, members)
}

fn speed(speed: f64) -> SnapshotBuilder {
    let (worker, hardware) = (WorkerId::new(2), Hardware::Cpu);
    let event = Event::Performance { worker, hardware, speed };
    sound().report(Report::new(Timestamp::from_secs(29), event))
}

/// Hostile classes, and the one line that is said of each.
fn class_records() -> Vec<(SnapshotBuilder, &'static str)> {
    vec![
        (
            job(|it| it.class = Some(ClassId::new(7))),
            "task t9: class is c7; it must be a class of the snapshot",
        ),
        (
            sound().class(TargetClass::new(ClassId::new(4)).with_worker(WorkerId::new(2), NAN)),
            "class c4: workers is NaN for w2; it must be a finite number from 0 up",
        ),
        (
            sound()
                .class(TargetClass::new(ClassId::new(4)))
                .class(TargetClass::new(ClassId::new(4))),
            "class c4: id is c4 again; it must be unique",
        ),
    ]
}

/// Every hostile record, and the one line that is said of it.
fn records() -> Vec<(SnapshotBuilder, &'static str)> {
    let (memory, own) = (ResourceId::MEMORY, ResourceId::custom(2));
    vec![
        (
            worker(|it| it.capacity.set(ResourceId::CPU, NAN)),
            "worker w3: capacity.cpu is NaN; it must be a finite number from 0 up",
        ),
        (
            worker(|it| it.capacity.set(memory, INF)),
            "worker w3: capacity.memory is inf; it must be a finite number from 0 up",
        ),
        (
            worker(|it| it.capacity.set(own, -1.0)),
            "worker w3: capacity.r2 is -1; it must be a finite number from 0 up",
        ),
        (
            worker(|it| it.used.set(ResourceId::CPU, NAN)),
            "worker w3: used.cpu is NaN; it must be a finite number from 0 up",
        ),
        (
            worker(|it| it.used.set(ResourceId::GPU, -0.5)),
            "worker w3: used.gpu is -0.5; it must be a finite number from 0 up",
        ),
        (
            worker(|it| it.reserved.set(memory, -INF)),
            "worker w3: reserved.memory is -inf; it must be a finite number from 0 up",
        ),
        (
            worker(|it| it.temperature_celsius = Some(NAN)),
            "worker w3: temperature_celsius is NaN; it must be a finite number",
        ),
        (
            worker(|it| it.power_watts = Some(-3.0)),
            "worker w3: power_watts is -3; it must be a finite number from 0 up",
        ),
        (
            sound().workers([cpu(3, 1.0), cpu(3, 2.0)]),
            "worker w3: id is w3 again; it must be unique",
        ),
        (
            job(|it| it.demand.set(ResourceId::CPU, NAN)),
            "task t9: demand.cpu is NaN; it must be a finite number from 0 up",
        ),
        (
            job(|it| it.demand.set(ResourceId::DISK, -7.0)),
            "task t9: demand.disk is -7; it must be a finite number from 0 up",
        ),
        (
            job(|it| it.used.set(ResourceId::NETWORK, INF)),
            "task t9: used.network is inf; it must be a finite number from 0 up",
        ),
        (
            job(|it| it.extra_cost = Some(-2.0)),
            "task t9: extra_cost is -2; it must be a finite number from 0 up",
        ),
        (
            job(|it| it.priority = 200),
            "task t9: priority is 200; it must be a whole number from 0 to 10",
        ),
        (
            job(|it| {
                it.requirements.labels = vec![LabelId::new(3), LabelId::new(4)];
                it.requirements.forbidden_labels = vec![LabelId::new(4)];
            }),
            "task t9: requirements.labels is l4; it must be either required or forbidden, not both",
        ),
        (
            job(|it| it.device = Some(7)),
            "task t9: device is 7; it must be the index of one of the 0 devices of w3",
        ),
        (
            sound().tasks([task(9, 2, 0.1), task(9, 1, 0.1)]),
            "task t9: id is t9 again; it must be unique",
        ),
        (
            sound().group(group(5, &[1])).group(group(5, &[2])),
            "group g5: id is g5 again; it must be unique",
        ),
        (
            sound().group(group(5, &[2, 99])),
            "group g5: members is t99; it must be a task of the snapshot",
        ),
        (speed(NAN), "report on w2: speed is NaN; it must be a finite number above 0"),
        (speed(0.0), "report on w2: speed is 0; it must be a finite number above 0"),
        (
            sound().bad_record(BadRecord::new(Record::Line(7), "stance", "\"drian\"", "a stance")),
            "line 7: stance is \"drian\"; it must be a stance",
        ),
        (
            sound().worker(cpu(3, 5.0)).bad_record(BadRecord::new(
                Record::Worker(WorkerId::new(3)),
                "zone",
                "\"north\"",
                "a number",
            )),
            "worker w3: zone is \"north\"; it must be a number",
        ),
    ]
}

/// Figures that are numbers, but out of all proportion.
fn disproportionate() -> Vec<(SnapshotBuilder, &'static str)> {
    vec![
        (
            worker(|it| it.capacity.set(ResourceId::CPU, 1e-300)),
            "worker w3: capacity.cpu is 1e-300; it must be 0, or at least 0.000000001",
        ),
        (
            worker(|it| it.capacity.set(ResourceId::MEMORY, 1e20)),
            "worker w3: capacity.memory is 1e20; it must be at most 2^64",
        ),
        (
            worker(|it| it.power_watts = Some(1e300)),
            "worker w3: power_watts is 1e300; it must be at most 2^64",
        ),
        (
            worker(|it| it.temperature_celsius = Some(-1e300)),
            "worker w3: temperature_celsius is -1e300; it must be a number from -1000000 to 1000000",
        ),
        (
            worker(|it| it.bandwidth_bytes_per_second = Some(1e300)),
            "worker w3: bandwidth_bytes_per_second is 1e300; it must be at most 2^64",
        ),
        (
            job(|it| it.demand.set(ResourceId::CPU, 1e308)),
            "task t9: demand.cpu is 1e308; it must be at most 2^64",
        ),
        (
            job(|it| it.extra_cost = Some(1e308)),
            "task t9: extra_cost is 1e308; it must be at most 2^64",
        ),
        (
            sound().class(TargetClass::new(ClassId::new(4)).with_worker(WorkerId::new(2), 1e308)),
            "class c4: workers is 1e308 for w2; it must be at most 2^64",
        ),
        (
            speed(1e-308),
            "report on w2: speed is 1e-308; it must be a number from 0.000001 to 1000000",
        ),
        (
            job(|it| it.alternatives.push(Alternative::new(1e300))),
            "task t9: alternatives.0.speed is 1e300; it must be a number from 0.000001 to 1000000",
        ),
    ]
}

/// The same of tasks that can run in several ways.
fn alternatives() -> Vec<(SnapshotBuilder, &'static str)> {
    vec![
        (
            job(|it| it.alternatives.push(Alternative::new(NAN))),
            "task t9: alternatives.0.speed is NaN; it must be a finite number above 0",
        ),
        (
            job(|it| {
                it.alternatives.push(Alternative::new(1.0).with_demand(ResourceId::CPU, -1.0));
            }),
            "task t9: alternatives.0.demand.cpu is -1; it must be a finite number from 0 up",
        ),
        (
            job(|it| it.alternative = Some(1)),
            "task t9: alternative is 1; it must be the index of one of its 0 alternatives",
        ),
        (
            job(|it| {
                it.requirements.gpu_memory_bytes = Some(1);
                it.alternatives.push(Alternative::new(1.0));
            }),
            "task t9: alternatives is 1; it must be absent where the task names hardware or device memory of its own",
        ),
    ]
}

/// Hostile links, and the one line that is said of each.
fn links() -> Vec<(SnapshotBuilder, &'static str)> {
    let link = |bytes| worker(|it| it.bandwidth_bytes_per_second = Some(bytes));
    vec![
        (
            link(NAN),
            "worker w3: bandwidth_bytes_per_second is NaN; it must be a finite number above 0",
        ),
        (
            link(0.0),
            "worker w3: bandwidth_bytes_per_second is 0; it must be a finite number above 0",
        ),
        (
            link(-5.0),
            "worker w3: bandwidth_bytes_per_second is -5; it must be a finite number above 0",
        ),
        (
            link(INF),
            "worker w3: bandwidth_bytes_per_second is inf; it must be a finite number above 0",
        ),
    ]
}

#[test]
fn every_hostile_record_gets_one_clear_line_and_the_rest_its_decision() {
    let more = alternatives().into_iter().chain(class_records()).chain(links());
    let more = more.chain(disproportionate());
    let more = more.chain(lists::records());
    let records: Vec<_> = records().into_iter().chain(more).collect();
    println!("{} hostile records", records.len());
    for (builder, line) in records {
        let snapshot = builder.build();
        let mut engine = Engine::new(Config::default()).unwrap();
        let (outcome, violations) = verify::tick(&mut engine, &snapshot).unwrap();
        let said: Vec<String> = snapshot.bad_records().iter().map(ToString::to_string).collect();
        assert_eq!(said, [line]);
        assert_eq!(outcome.bad_records, snapshot.bad_records());
        assert!(outcome.to_string().contains(&format!("\nbad record {line}")), "{outcome}");
        let commands: Vec<String> = outcome.commands.iter().map(ToString::to_string).collect();
        assert_eq!(commands, [DECISION], "{line}");
        assert_eq!(violations, [], "{line}");
    }
}

/// The longest span that a setting can have.
const LONGEST: Duration = Duration::from_secs(1_000_000_000);

/// One after the other makes a hand-over absurd.
const ABSURD: [fn(&mut Task, &mut Worker, &mut Transfer); 9] = [
    |task, _, _| task.state_bytes = Some(u64::MAX),
    |task, _, _| task.checkpoint_age = Some(Duration::MAX),
    |task, _, _| (task.mobility, task.running) = (Mobility::Restart, Duration::MAX),
    |task, _, _| task.remaining = Some(Duration::MAX),
    |task, _, _| task.state_at = Some(StateAt::Worker(WorkerId::new(77))),
    |task, _, _| (task.state_bytes, task.remaining) = (Some(0), Some(Duration::ZERO)),
    |_, worker, _| worker.bandwidth_bytes_per_second = Some(f64::MIN_POSITIVE),
    |_, _, section| (section.checkpoint, section.restart) = (LONGEST, LONGEST),
    |_, _, section| section.horizon = Some(Duration::from_nanos(1)),
];

#[test]
fn absurd_hand_overs_are_refused_and_their_figures_are_numbers() {
    for spoil in ABSURD {
        let (mut config, mut worker) = (Config::default(), cpu(1, 9.5));
        let mut task = task(1, 1, 4.0)
            .with_state_bytes(1 << 30)
            .with_checkpoint_age(Duration::ZERO)
            .with_running(Duration::from_secs(60));
        let section = config.transfer.get_or_insert_default();
        section.bandwidth_bytes_per_second = Some(1e9);
        spoil(&mut task, &mut worker, section);
        let snapshot = Snapshot::builder(Timestamp::from_secs(30));
        let snapshot = snapshot.workers([worker, cpu(2, 1.0)]).task(task).build();
        assert_eq!(snapshot.bad_records(), []);
        let mut engine = Engine::new(config).unwrap();
        let verdict = engine.look(&snapshot).consider(TaskId::new(1), WorkerId::new(2)).unwrap();
        let (outcome, violations) = verify::tick(&mut engine, &snapshot).unwrap();
        assert_eq!(violations, [], "{outcome}");
        let text = serde_json::to_string(&(&outcome, &verdict)).unwrap();
        let (read, asked): (Outcome, Verdict) = serde_json::from_str(&text).unwrap();
        assert_eq!((read, asked), (outcome, verdict));
        if verdict
            .handover
            .is_none_or(|it| it.price().is_none_or(|price| price > Duration::from_secs(600)))
        {
            assert!(verdict.admission.rejection().is_some(), "{verdict}");
        }
    }
}

#[test]
fn a_task_on_a_worker_that_never_was_stays_and_says_why() {
    let snapshot = sound().task(task(9, 77, 1.0)).build();
    let outcome = Engine::new(Config::default()).unwrap().tick(&snapshot).unwrap();
    assert_eq!(outcome.commands[0].to_string(), DECISION);
    let line = "\nrefused    t9: reported on w77, which is unknown";
    assert!(outcome.to_string().contains(line), "{outcome}");
}

/// What a round says to a third worker, one record per stance, with a task on it.
fn said_of_third(stances: &[Stance], unread: Option<&str>, used: f64) -> Outcome {
    let third = |(nth, stance): (usize, &Stance)| cpu(3, nth as f64 + used).with_stance(*stance);
    let bad =
        |field| BadRecord::new(Record::Worker(WorkerId::new(3)), field, "gibberish", "readable");
    let builder = sound().workers(stances.iter().enumerate().map(third)).task(task(9, 3, 1.0));
    let snapshot = unread.map(bad).into_iter().fold(builder, SnapshotBuilder::bad_record).build();
    let mut engine = Engine::new(Config::default()).unwrap();
    let (outcome, violations) = verify::tick(&mut engine, &snapshot).unwrap();
    assert_eq!(violations, []);
    outcome
}

#[test]
fn a_draining_worker_is_emptied_unless_its_record_as_a_whole_is_in_doubt() {
    let drains = "t9 w3 -> w2: w3 is draining";
    let stays = "t9: the record of w3 is duplicate or unreadable";
    for (stances, unread, expected) in [
        (&[Stance::Drain][..], None, drains),
        (&[Stance::Drain], Some("used.cpu"), drains),
        (&[Stance::Drain], Some("temperature_celsius"), drains),
        (&[Stance::Drain], Some("bandwidth_bytes_per_second"), drains),
        (&[Stance::Drain], Some("line"), stays),
        (&[Stance::Drain, Stance::Drain], None, stays),
    ] {
        let said = said_of_third(stances, unread, 5.0).to_string();
        assert!(said.contains(expected), "{stances:?} {unread:?}\n{said}");
        let other = if expected == drains { stays } else { drains };
        assert!(!said.contains(other), "{stances:?} {unread:?}\n{said}");
    }
}

#[test]
fn a_worker_that_is_said_to_be_two_things_is_neither() {
    for stances in [
        [Stance::Accept, Stance::Offline],
        [Stance::Offline, Stance::Accept],
        [Stance::Drain, Stance::Offline],
        [Stance::Hold, Stance::Drain],
    ] {
        // Which of the two sorts first differs from figure to figure.
        for used in [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0] {
            let outcome = said_of_third(&stances, None, used);
            let moved = outcome.begun().any(|command| command.task == TaskId::new(9));
            assert!(!moved, "{stances:?} {used}\n{outcome}");
        }
    }
    // Where all agree that it is out of reach, it is.
    let outcome = said_of_third(&[Stance::Offline; 2], None, 5.0);
    assert!(outcome.begun().any(|command| command.task == TaskId::new(9)), "{outcome}");
}

#[test]
fn all_faults_of_a_snapshot_are_told_at_once() {
    let hot = cpu(3, NAN).with_power_watts(-1.0);
    let odd = task(9, 3, -1.0).with_priority(11).with_device(1);
    let snapshot = sound().worker(hot).task(odd).group(group(5, &[99])).build();
    let lines: Vec<String> = snapshot.bad_records().iter().map(ToString::to_string).collect();
    let expected = [
        "worker w3: power_watts is -1; it must be a finite number from 0 up",
        "worker w3: used.cpu is NaN; it must be a finite number from 0 up",
        "task t9: demand.cpu is -1; it must be a finite number from 0 up",
        "task t9: device is 1; it must be the index of one of the 0 devices of w3",
        "task t9: priority is 11; it must be a whole number from 0 to 10",
        "group g5: members is t99; it must be a task of the snapshot",
    ];
    assert_eq!(lines, expected);
    let outcome = Engine::new(Config::default()).unwrap().tick(&snapshot).unwrap();
    assert_eq!(outcome.commands[0].to_string(), DECISION);
}

#[test]
fn a_flood_of_bad_records_is_shown_in_part_and_kept_in_full() {
    let flood = (10..200).map(|id| cpu(id, NAN));
    let snapshot = sound().workers(flood).build();
    assert_eq!(snapshot.bad_records().len(), 190);
    let outcome = Engine::new(Config::default()).unwrap().tick(&snapshot).unwrap();
    assert_eq!(outcome.bad_records.len(), 32);
    assert_eq!(outcome.commands[0].to_string(), DECISION);
}

#[test]
fn a_bad_report_is_told_of_and_changes_nothing() {
    let mut engine = Engine::new(Config::default()).unwrap();
    assert!(engine.tick(&sound().build()).is_ok());
    let before = engine.state().clone();
    let (worker, hardware) = (WorkerId::new(2), Hardware::Cpu);
    let event = Event::Performance { worker, hardware, speed: -1.0 };
    let reply = engine.report(&Report::new(Timestamp::from_secs(31), event));
    let line = "report on w2: speed is -1; it must be a finite number above 0";
    assert_eq!(reply.to_string(), line);
    assert_eq!(*engine.state(), before);
}

/// Texts of which something cannot be read, and what is said of it.
const BROKEN_TEXTS: [(&str, &str); 6] = [
    (
        r#"{"at": 1, "workers": [{"id": 1, "metric_age": -5}]}"#,
        "worker w1: metric_age is -5; it must be a span in seconds",
    ),
    (
        r#"{"at": 1, "workers": [{"id": 1, "metric_age": "old"}]}"#,
        "worker w1: metric_age is \"old\"; it must be a number",
    ),
    (
        r#"{"at": 1, "workers": [{"id": 1, "capacity": {"cpus": 4}}]}"#,
        "worker w1: capacity.cpus is \"cpus\"; it must be cpu, memory, gpu, gpu_memory, network, disk, \
         or r and a number from 0 to 65529",
    ),
    (
        r#"{"at": 1, "workers": [{"id": 1, "stance": "drian"}]}"#,
        "worker w1: stance is \"drian\"; it must be one of accept, hold, drain, offline",
    ),
    (
        r#"{"at": 1, "workers": [{"id": 1, "health": 1.5}]}"#,
        "worker w1: health is 1.5; it must be a number from 0 to 1",
    ),
    (
        r#"{"at": 1, "tasks": [{"id": "t9"}]}"#,
        "snapshot: tasks.0.id is \"t9\"; it must be a whole number from 0 to 18446744073709551615; \
         the snapshot counts as partial",
    ),
];

#[test]
fn what_cannot_be_read_is_said_and_the_rest_is_kept() {
    for (text, says) in BROKEN_TEXTS {
        let snapshot: Snapshot = serde_json::from_str(text).unwrap();
        let said: Vec<String> = snapshot.bad_records().iter().map(ToString::to_string).collect();
        assert_eq!(said, [says]);
    }
}

// ---------------------------------------------------------------- settings

/// The default settings, spoilt.
fn spoilt(spoil: impl Fn(&mut Config)) -> Config {
    let mut config = Config::default();
    spoil(&mut config);
    config
}

/// Settings for a host that evicts, with something wrong in them.
fn evicting(spoil: impl Fn(&mut Eviction)) -> Config {
    spoilt(|config| {
        let mut eviction = Eviction::default();
        spoil(&mut eviction);
        config.migration.as_mut().unwrap().host = HostAbility::Evict(eviction);
    })
}

/// Settings with one line of a table of budgets.
fn budget(budget: Budget) -> Config {
    spoilt(|it| it.migration.as_mut().unwrap().budgets.push(budget))
}

/// Longer than any span of a setting can be.
const TOO_LONG: Duration = Duration::from_secs(1_000_000_800);

#[test]
fn no_span_of_a_setting_is_longer_than_32_years() {
    let spoilt_by_field = vec![
        ("migration.timeout", spoilt(|it| it.migration.as_mut().unwrap().timeout = TOO_LONG)),
        ("prediction.window", spoilt(|it| it.prediction.as_mut().unwrap().window = TOO_LONG)),
        ("prediction.history", spoilt(|it| it.prediction.as_mut().unwrap().history = TOO_LONG)),
        ("performance_window", spoilt(|it| it.performance_window = TOO_LONG)),
        ("stability.cooldown", spoilt(|it| it.stability.as_mut().unwrap().cooldown = TOO_LONG)),
        (
            "cost_benefit.max_running",
            spoilt(|it| it.cost_benefit.as_mut().unwrap().max_running = Some(TOO_LONG)),
        ),
        (
            "transfer.checkpoint",
            spoilt(|it| it.transfer.get_or_insert_default().checkpoint = TOO_LONG),
        ),
        ("transfer.restart", spoilt(|it| it.transfer.get_or_insert_default().restart = TOO_LONG)),
        (
            "transfer.horizon",
            spoilt(|it| it.transfer.get_or_insert_default().horizon = Some(TOO_LONG)),
        ),
        (
            "safeguard.believed_after",
            spoilt(|it| it.safeguard.get_or_insert_default().believed_after = TOO_LONG),
        ),
        ("grace.span", spoilt(|it| it.grace.get_or_insert_default().span = TOO_LONG)),
        ("calendar.lead", spoilt(|it| it.calendar.get_or_insert_default().lead = TOO_LONG)),
        ("advice.patience", spoilt(|it| it.advice.get_or_insert_default().patience = TOO_LONG)),
        (
            "advice.patience_down",
            spoilt(|it| it.advice.get_or_insert_default().patience_down = TOO_LONG),
        ),
        ("migration.host.evict.back_off_most", evicting(|it| it.back_off_most = TOO_LONG)),
        (
            "migration.budgets.0.per",
            budget(Budget::new(Scope::Tenant, Unit::Moves, 1).with_per(TOO_LONG)),
        ),
        (
            "migration.fairness.window",
            spoilt(|it| {
                let fairness = Fairness::new(TOO_LONG, NonZeroU32::MIN);
                it.migration.as_mut().unwrap().fairness = Some(fairness);
            }),
        ),
    ];
    for (field, config) in spoilt_by_field {
        let line =
            format!("{field} is 277778h; it must be at most 1000000000 seconds, about 32 years");
        assert_eq!(config.check().unwrap_err().to_string(), line);
    }
}

#[test]
fn no_figure_of_a_setting_is_out_of_all_proportion() {
    for (config, line) in [
        (
            spoilt(|it| it.cost_benefit.as_mut().unwrap().benefit.hardware = 1e300),
            "cost_benefit.benefit.hardware is 1e300; it must be at most 1000000",
        ),
        (
            spoilt(|it| it.cost_benefit.as_mut().unwrap().cost.seconds_per_point = 1e-300),
            "cost_benefit.cost.seconds_per_point is 1e-300; it must be a number from 0.001 to 1000000000",
        ),
        (
            spoilt(|it| it.hardware.as_mut().unwrap().upgrade = Some(1e7)),
            "hardware.upgrade is 10000000; it must be at most 1000000",
        ),
        (
            spoilt(|it| it.grace.get_or_insert_default().rounds = u32::MAX),
            "grace.rounds is 4294967295; it must be at most 1000000",
        ),
        (
            spoilt(|it| it.efficiency.as_mut().unwrap().hot_celsius = 1e300),
            "efficiency.hot_celsius is 1e300; it must be a number from -1000000 to 1000000",
        ),
        (
            spoilt(|it| {
                it.transfer.get_or_insert_default().bandwidth_bytes_per_second = Some(1e300);
            }),
            "transfer.bandwidth_bytes_per_second is 1e300; it must be at most 2^64",
        ),
    ] {
        assert_eq!(config.check().unwrap_err().to_string(), line);
    }
}

/// Hostile limits, and the one line that is said of each.
fn limits() -> Vec<(Config, &'static str)> {
    vec![
        (
            spoilt(|it| it.migration.as_mut().unwrap().timeout = Duration::ZERO),
            "migration.timeout is 0s; it must be longer than 0s",
        ),
        (
            spoilt(|it| it.migration.as_mut().unwrap().share_of_workers = Some(2.0)),
            "migration.share_of_workers is 2; it must be a number from 0 to 1",
        ),
        (
            budget(Budget::new(Scope::Tenant, Unit::Moves, 1).with_per(Duration::ZERO)),
            "migration.budgets.0.per is 0s; it must be longer than 0s",
        ),
        (
            spoilt(|it| {
                let fairness = Fairness::new(Duration::ZERO, NonZeroU32::MIN);
                it.migration.as_mut().unwrap().fairness = Some(fairness);
            }),
            "migration.fairness.window is 0s; it must be longer than 0s",
        ),
        (
            spoilt(|it| {
                let two = NonZeroU32::MIN.saturating_add(1);
                let adaptive = AdaptiveConcurrency::new(two, NonZeroU32::MIN);
                it.migration.as_mut().unwrap().adaptive = Some(adaptive);
            }),
            "migration.adaptive.least is 2; it must be at most migration.adaptive.most (1)",
        ),
        (
            evicting(|it| it.back_off = Duration::ZERO),
            "migration.host.evict.back_off is 0s; it must be longer than 0s",
        ),
        (
            evicting(|it| it.back_off_most = Duration::from_secs(60)),
            "migration.host.evict.back_off_most is 1m; it must be at least migration.host.evict.back_off (5m)",
        ),
    ]
}

/// A setting under its old name is refused, and the refusal says what to write now: in a file, and in a story.
#[test]
fn a_renamed_setting_is_refused_with_its_new_name() {
    let cases = [
        ("overlap", "true", r#"`migration.overlap = true` is now `migration.host = "overlap"`"#),
        (
            "eviction",
            "{}",
            "`migration.eviction = { .. }` is now `migration.host = { evict = { .. } }`",
        ),
    ];
    for (name, value, now) in cases {
        let file = format!(r#"{{"migration": {{"{name}": {value}}}}}"#);
        let refused = serde_json::from_str::<Config>(&file).unwrap_err();
        assert!(refused.to_string().starts_with(now), "{refused}");
        assert_eq!(refused.line(), 1, "{refused}");
        let story = format!("config migration.{name}={value}\n----\n");
        let faults = play(&story).faults;
        assert!(faults.iter().any(|fault| fault.to_string().contains(now)), "{faults:?}");
    }
    // The old name of a setting in one section is only an unknown word in another one.
    let elsewhere = serde_json::from_str::<Config>(r#"{"stability": {"overlap": true}}"#);
    assert!(!elsewhere.unwrap_err().to_string().contains("is now"));
}

/// What the host can do is one setting.
#[test]
fn what_the_host_can_do_has_one_word() {
    let read = |file| serde_json::from_str::<Config>(file).unwrap().migration.unwrap().host;
    assert_eq!(read(r#"{"migration": {"host": "overlap"}}"#), HostAbility::Overlap);
    assert_eq!(
        read(r#"{"migration": {"host": {"evict": {"back_off": 60}}}}"#),
        HostAbility::Evict(Eviction::default().with_back_off(Duration::from_secs(60)))
    );
    assert_eq!(read("{}"), HostAbility::Release);
}

/// Settings that nothing reads, and what they would need.
fn unread() -> Vec<(Config, &'static str)> {
    vec![
        (
            spoilt(|it| it.cost_benefit = None),
            "hardware.upgrade is 2; it must be unset unless cost_benefit is set: nothing else reads it",
        ),
        (
            spoilt(|it| {
                *it = it.clone().without_cost_benefit();
                it.efficiency.as_mut().unwrap().hot_celsius = 70.0;
            }),
            "efficiency.hot_celsius is 70; it must be 85 unless cost_benefit is set: nothing else reads it",
        ),
        (
            spoilt(|it| {
                let section = it.cost_benefit.as_mut().unwrap();
                (section.rule, section.benefit.relief) = (BenefitRule::Difference, 7.0);
            }),
            "cost_benefit.benefit.relief is 7; it must be 5 unless cost_benefit.rule = relief is set: \
             nothing else reads it",
        ),
    ]
}

fn configs() -> Vec<(Config, &'static str)> {
    let secs = Duration::from_secs;
    vec![
        (
            spoilt(|it| it.thresholds.high = 1.5),
            "thresholds.high is 1.5; it must be a number from 0 to 1",
        ),
        (
            spoilt(|it| it.thresholds.high = NAN),
            "thresholds.high is NaN; it must be a number from 0 to 1",
        ),
        (
            spoilt(|it| it.thresholds.low = -0.1),
            "thresholds.low is -0.1; it must be a number from 0 to 1",
        ),
        (
            spoilt(|it| it.thresholds.low = 0.9),
            "thresholds.low is 0.9; it must be below thresholds.high (0.85)",
        ),
        (
            spoilt(|it| it.check_interval = Duration::ZERO),
            "check_interval is 0s; it must be longer than 0s",
        ),
        (
            spoilt(|it| it.performance_window = secs(20)),
            "performance_window is 20s; it must be at least one check_interval (30s)",
        ),
        (
            spoilt(|it| it.detection.imbalance = INF),
            "detection.imbalance is inf; it must be a number from 0 to 1",
        ),
        (
            spoilt(|it| it.adaptation.as_mut().unwrap().rate = -0.05),
            "adaptation.rate is -0.05; it must be a number from 0 to 1",
        ),
        (
            spoilt(|it| it.adaptation.as_mut().unwrap().high_bounds = [0.95, 0.6]),
            "adaptation.high_bounds is 0.95 to 0.6; it must be a rising pair of numbers from 0 to 1",
        ),
        (
            spoilt(|it| it.adaptation.as_mut().unwrap().separation = 0.9),
            "adaptation.separation is 0.9; it must be at most 0.85, or the bounds leave no room for it",
        ),
        (
            spoilt(|it| it.adaptation.as_mut().unwrap().low_load = 0.8),
            "adaptation.low_load is 0.8; it must be below adaptation.high_load (0.75)",
        ),
        (
            spoilt(|it| it.adaptation.as_mut().unwrap().low_pace.least_net = NAN),
            "adaptation.low_pace.least_net is NaN; it must be a finite number from 0 up",
        ),
        (
            spoilt(|it| it.prediction.as_mut().unwrap().history = secs(59)),
            "prediction.history is 59s; it must be at least two check_intervals (30s each)",
        ),
        (
            spoilt(|it| it.prediction.as_mut().unwrap().confidence = 70.0),
            "prediction.confidence is 70; it must be a number from 0 to 1",
        ),
        (
            spoilt(|it| it.cost_benefit.as_mut().unwrap().cost.seconds_per_point = 0.0),
            "cost_benefit.cost.seconds_per_point is 0; it must be a finite number above 0",
        ),
        (
            spoilt(|it| it.cost_benefit.as_mut().unwrap().benefit.energy = -3.0),
            "cost_benefit.benefit.energy is -3; it must be a finite number from 0 up",
        ),
        (
            spoilt(|it| {
                let mut rows = PROFILES.to_vec();
                rows[1].performance = 0.0;
                it.hardware.as_mut().unwrap().table = HardwareTable::new(rows);
            }),
            "hardware.table.cuda.performance is 0; it must be a finite number above 0",
        ),
        (
            spoilt(|it| it.efficiency.as_mut().unwrap().cool_celsius = 90.0),
            "efficiency.cool_celsius is 90; it must be below efficiency.hot_celsius (85)",
        ),
        (
            spoilt(|it| it.stability.as_mut().unwrap().noise_margin = -1.0),
            "stability.noise_margin is -1; it must be a finite number from 0 up",
        ),
        (
            spoilt(|it| it.detection.settled = Some(0.5)),
            "detection.settled is 0.5; it must be at most detection.sufficient (0.3)",
        ),
        (
            spoilt(|it| it.stability.as_mut().unwrap().dead_band = NAN),
            "stability.dead_band is NaN; it must be a number from 0 to 1",
        ),
    ]
}

/// Lists that are too long.
fn long_configs() -> Vec<(Config, &'static str)> {
    vec![
        (
            spoilt(|it| {
                let labels = (0..65).map(LabelId::new).collect();
                it.scope.get_or_insert_default().labels = labels;
            }),
            "scope.labels is 65 entries; it must be at most 64 entries",
        ),
        (
            spoilt(|it| {
                let rows = PROFILES.repeat(8);
                it.hardware.as_mut().unwrap().table = HardwareTable::new(rows);
            }),
            "hardware.table is 80 entries; it must be at most 64 entries",
        ),
        (
            spoilt(|it| {
                let budget = Budget::new(Scope::Global, Unit::Moves, 9);
                it.migration.as_mut().unwrap().budgets = vec![budget; 65];
            }),
            "migration.budgets is 65 entries; it must be at most 64 entries",
        ),
    ]
}

/// The same of sections that no preset has.
fn further_configs() -> Vec<(Config, &'static str)> {
    vec![
        (
            spoilt(|it| {
                it.safeguard = Some(Safeguard::default().with_missing_share(1.5));
            }),
            "safeguard.missing_share is 1.5; it must be a number from 0 to 1",
        ),
        (
            spoilt(|it| {
                it.safeguard = Some(Safeguard::default().with_believed_after(Duration::ZERO));
            }),
            "safeguard.believed_after is 0s; it must be longer than 0s",
        ),
        (
            spoilt(|it| it.advice.get_or_insert_default().keep_below = NAN),
            "advice.keep_below is NaN; it must be a number from 0 to 1",
        ),
        (
            spoilt(|it| it.advice.get_or_insert_default().slow = 1.5),
            "advice.slow is 1.5; it must be a number from 0 to 1",
        ),
        (
            spoilt(|it| it.transfer.get_or_insert_default().bandwidth_bytes_per_second = Some(0.0)),
            "transfer.bandwidth_bytes_per_second is 0; it must be a finite number above 0",
        ),
        (
            spoilt(|it| it.transfer.get_or_insert_default().bandwidth_bytes_per_second = Some(NAN)),
            "transfer.bandwidth_bytes_per_second is NaN; it must be a finite number above 0",
        ),
        (
            spoilt(|it| it.transfer.get_or_insert_default().horizon = Some(Duration::ZERO)),
            "transfer.horizon is 0s; it must be longer than 0s",
        ),
    ]
}

#[test]
fn every_hostile_configuration_gets_one_clear_line() {
    let configs = configs()
        .into_iter()
        .chain(long_configs())
        .chain(further_configs())
        .chain(limits())
        .chain(unread());
    let configs: Vec<_> = configs.collect();
    println!("{} hostile configurations", configs.len());
    for (config, line) in configs {
        assert_eq!(Engine::new(config.clone()).unwrap_err().to_string(), line);
        let mut engine = Engine::new(Config::default()).unwrap();
        assert_eq!(engine.reconfigure(config).unwrap_err().faults().len(), 1);
        assert_eq!(*engine.config(), Config::default());
    }
}

/// Every hostile option file, and all that is said of it, a line per fault.
const OPTIONS: [(&str, &str); 18] = [
    (
        r#"{"chekc_interval": 10}"#,
        "chekc_interval is 10; it must be one of the 13 options (did you mean check_interval?)",
    ),
    (r#"{"colour": "blue"}"#, "colour is \"blue\"; it must be one of the 13 options"),
    (
        r#"{"check_interval": 0}"#,
        "check_interval is 0; it must be a number of seconds above 0, at most 1e9",
    ),
    (
        r#"{"check_interval": -30}"#,
        "check_interval is -30; it must be a number of seconds above 0, at most 1e9",
    ),
    (
        r#"{"check_interval": 2e9}"#,
        "check_interval is 2000000000; it must be a number of seconds above 0, at most 1e9",
    ),
    (
        r#"{"check_interval": "30"}"#,
        "check_interval is \"30\"; it must be a number of seconds above 0, at most 1e9",
    ),
    (
        r#"{"check_interval": [30]}"#,
        "check_interval is a list; it must be a number of seconds above 0, at most 1e9",
    ),
    (
        r#"{"utilization_threshold_high": 85}"#,
        "utilization_threshold_high is 85; it must be a number from 0 to 1",
    ),
    (
        r#"{"utilization_threshold_low": 0.9}"#,
        "utilization_threshold_low is 0.9; it must be below utilization_threshold_high (0.85)",
    ),
    (
        r#"{"max_simultaneous_migrations": 0}"#,
        "max_simultaneous_migrations is 0; it must be a whole number from 1 up",
    ),
    (
        r#"{"max_simultaneous_migrations": 2.5}"#,
        "max_simultaneous_migrations is 2.5; it must be a whole number from 1 up",
    ),
    (r#"{"enable_task_migration": 1}"#, "enable_task_migration is 1; it must be true or false"),
    (
        r#"{"prediction_window": 1e12}"#,
        "prediction_window is 1000000000000; it must be a number of minutes above 0, at most 1e7",
    ),
    (
        r#"{"threshold_adjustment_rate": {"of": 0.05}}"#,
        "threshold_adjustment_rate is a table; it must be a number from 0 to 1",
    ),
    (
        r#"{"enable_predictive_balancing": "yes"}"#,
        "enable_predictive_balancing is \"yes\"; it must be true or false",
    ),
    (
        r#"{"utilization_threshold_high": 0.3, "utilization_threshold_low": 0.6}"#,
        "utilization_threshold_low is 0.6; it must be below utilization_threshold_high (0.3)",
    ),
    (
        r#"{"check_interval": 120, "performance_window": 1}"#,
        "performance_window is 1; it must be at least one check_interval (2 min)",
    ),
    (
        r#"{"prediction_window": null, "threshold_adjustment_rate": -1, "enable_dynamic_tresholds": true}"#,
        "enable_dynamic_tresholds is true; it must be one of the 13 options (did you mean enable_dynamic_thresholds?)\n\
         threshold_adjustment_rate is -1; it must be a number from 0 to 1\n\
         prediction_window is empty; it must be a number of minutes above 0, at most 1e7",
    ),
];

#[test]
fn every_hostile_option_gets_one_clear_line() {
    for (text, lines) in OPTIONS {
        let options: Options = serde_json::from_str(text).unwrap();
        let faults = options.apply_to(Config::reference()).unwrap_err();
        assert_eq!(faults.to_string(), lines);
    }
}

#[test]
fn options_load_from_toml_too_and_complain_alike() {
    let file = "check_interval = 15\nenable_resource_efficiency = false\n";
    let options: Options = toml::from_str(file).unwrap();
    let config = options.apply_to(Config::default()).unwrap();
    assert_eq!(config.check_interval, Duration::from_secs(15));
    assert!(config.efficiency.is_none() && config.prediction.is_some());
    let options: Options = toml::from_str("check_interval = nan\n").unwrap();
    let faults = options.apply_to(Config::default()).unwrap_err().to_string();
    let line = "check_interval is NaN; it must be a number of seconds above 0, at most 1e9";
    assert_eq!(faults, line);
}

#[test]
fn all_faults_of_a_configuration_are_told_at_once() {
    let config = spoilt(|it| {
        it.check_interval = Duration::ZERO;
        (it.thresholds.high, it.thresholds.low) = (0.2, 0.85);
        it.detection.imbalance = -1.0;
        it.adaptation.as_mut().unwrap().separation = NAN;
        it.prediction.as_mut().unwrap().window = Duration::ZERO;
        it.cost_benefit.as_mut().unwrap().benefit.health = INF;
        it.migration.as_mut().unwrap().timeout = Duration::ZERO;
    });
    let expected = "\
check_interval is 0s; it must be longer than 0s
thresholds.low is 0.85; it must be below thresholds.high (0.2)
detection.imbalance is -1; it must be a number from 0 to 1
adaptation.separation is NaN; it must be a number from 0 to 1
prediction.window is 0s; it must be longer than 0s
cost_benefit.benefit.health is inf; it must be a finite number from 0 up
migration.timeout is 0s; it must be longer than 0s";
    assert_eq!(config.check().unwrap_err().to_string(), expected);
}

#[test]
fn settings_that_cannot_be_read_say_where() {
    for (text, begins) in [
        (r#"{"treshold": {}}"#, "unknown field `treshold`, expected one of `mode`, `scope`"),
        (r#"{"thresholds": {"hihg": 0.9}}"#, "unknown field `hihg`, expected `high` or `low`"),
        (r#"{"check_interval": -1}"#, "-1 is not a span in seconds"),
        (
            r#"{"migration": {"max_simultaneous": 0}}"#,
            "invalid value: integer `0`, expected a nonzero u32",
        ),
        (r#"{"load": "median"}"#, "unknown variant `median`, expected `mean` or `dominant`"),
        (r#"{"transfer": {"restart": -1}}"#, "-1 is not a span in seconds"),
        (r#"{"transfer": {"state_bytes": -1}}"#, "invalid value: integer `-1`, expected u64"),
        (
            r#"{"transfer": {"bandwith": 1e9}}"#,
            "unknown field `bandwith`, expected one of `bandwidth_bytes_per_second`",
        ),
    ] {
        let complaint = serde_json::from_str::<Config>(text).unwrap_err().to_string();
        assert!(complaint.starts_with(begins), "{complaint}");
    }
}
