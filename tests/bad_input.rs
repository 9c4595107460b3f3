//! Bad input gets one clear line with the record, the field and the value; the rest goes on.

use evenkeel::{
    Amounts, Config, Device, Engine, Event, Group, GroupId, GroupRule, Hardware, LabelId, Options,
    Report, Requirements, ResourceId, Snapshot, SnapshotBuilder, Task, TaskId, Timestamp, Worker,
    WorkerId,
};

const HOT: WorkerId = WorkerId::new(1);
const IDLE: WorkerId = WorkerId::new(2);

fn worker(id: WorkerId, used: f64) -> Worker {
    Worker::new(id).with_capacity(ResourceId::CPU, 16.0).with_used(ResourceId::CPU, used)
}

fn task(id: u64, cores: f64) -> Task {
    Task::new(TaskId::new(id)).on(HOT).with_demand(ResourceId::CPU, cores)
}

/// A cluster that is well but for what a case adds: w1 is hot, and t1 goes to w2.
fn cluster() -> SnapshotBuilder {
    Snapshot::builder(Timestamp::from_secs(30))
        .workers([worker(HOT, 15.2), worker(IDLE, 1.6)])
        .task(task(1, 4.0))
}

fn other(change: impl FnOnce(&mut Worker)) -> SnapshotBuilder {
    let mut bad = worker(WorkerId::new(9), 8.0);
    change(&mut bad);
    cluster().worker(bad)
}

fn stray(change: impl FnOnce(&mut Task)) -> SnapshotBuilder {
    let mut bad = task(9, 4.0);
    change(&mut bad);
    cluster().task(bad)
}

/// Hostile records, each with the one line that it gets.
fn records() -> Vec<(SnapshotBuilder, &'static str)> {
    vec![
        (
            other(|it| it.used.set(ResourceId::CPU, f64::NAN)),
            "worker w9: used.cpu is NaN; it must be a finite number from 0 up",
        ),
        (
            other(|it| it.used.set(ResourceId::MEMORY, f64::INFINITY)),
            "worker w9: used.memory is inf; it must be a finite number from 0 up",
        ),
        (
            other(|it| it.capacity.set(ResourceId::CPU, -16.0)),
            "worker w9: capacity.cpu is -16; it must be a finite number from 0 up",
        ),
        (
            other(|it| it.reserved.set(ResourceId::custom(2), f64::NEG_INFINITY)),
            "worker w9: reserved.r2 is -inf; it must be a finite number from 0 up",
        ),
        (
            other(|it| it.temperature_celsius = Some(f64::NAN)),
            "worker w9: temperature_celsius is NaN; it must be a finite number",
        ),
        (
            other(|it| it.power_watts = Some(-3.0)),
            "worker w9: power_watts is -3; it must be a finite number from 0 up",
        ),
        (
            cluster().workers([worker(WorkerId::new(9), 1.0), worker(WorkerId::new(9), 2.0)]),
            "worker w9: id is w9 again; it must be unique",
        ),
        (
            stray(|it| it.demand.set(ResourceId::CPU, f64::NAN)),
            "task t9: demand.cpu is NaN; it must be a finite number from 0 up",
        ),
        (
            stray(|it| it.demand.set(ResourceId::GPU_MEMORY, -1.0)),
            "task t9: demand.gpu_memory is -1; it must be a finite number from 0 up",
        ),
        (
            stray(|it| it.used.set(ResourceId::DISK, f64::INFINITY)),
            "task t9: used.disk is inf; it must be a finite number from 0 up",
        ),
        (
            stray(|it| it.extra_cost = Some(-2.0)),
            "task t9: extra_cost is -2; it must be a finite number from 0 up",
        ),
        (
            stray(|it| it.extra_cost = Some(f64::NAN)),
            "task t9: extra_cost is NaN; it must be a finite number from 0 up",
        ),
        (
            stray(|it| it.priority = 200),
            "task t9: priority is 200; it must be a whole number from 0 to 10",
        ),
        (
            stray(|it| it.device = Some(0)),
            "task t9: device is 0; it must be the index of one of the 0 devices of w1",
        ),
        (
            stray(|it| {
                let mut needs = Requirements::NONE;
                needs.labels = vec![LabelId::new(4)];
                needs.forbidden_labels = vec![LabelId::new(4)];
                it.requirements = needs;
            }),
            "task t9: requirements.labels is l4; it must be either required or forbidden, not both",
        ),
        (
            cluster().tasks([task(9, 1.0), task(9, 2.0)]),
            "task t9: id is t9 again; it must be unique",
        ),
        (
            cluster().group(Group::new(
                GroupId::new(5),
                GroupRule::AntiAffinity,
                vec![TaskId::new(1), TaskId::new(77)],
            )),
            "group g5: members is t77; it must be a task of the snapshot",
        ),
        (
            cluster()
                .group(Group::new(GroupId::new(5), GroupRule::AntiAffinity, vec![TaskId::new(1)]))
                .group(Group::new(GroupId::new(5), GroupRule::AntiAffinity, vec![])),
            "group g5: id is g5 again; it must be unique",
        ),
        (
            cluster().report(performance(0.0)),
            "report on w2: speed is 0; it must be a finite number above 0",
        ),
        (
            cluster().report(performance(f64::NAN)),
            "report on w2: speed is NaN; it must be a finite number above 0",
        ),
    ]
}

fn performance(speed: f64) -> Report {
    let event = Event::Performance { worker: IDLE, hardware: Hardware::Cpu, speed };
    Report::new(Timestamp::from_secs(20), event)
}

#[test]
fn a_hostile_record_gets_one_clear_line_and_the_rest_goes_on() {
    for (builder, line) in records() {
        let snapshot = builder.build();
        let lines: Vec<String> = snapshot.bad_records().iter().map(ToString::to_string).collect();
        assert_eq!(lines, [line]);
        let mut engine = Engine::new(Config::default()).unwrap();
        let outcome = engine.tick(&snapshot).unwrap();
        assert_eq!(outcome.bad_records.len(), 1, "{line}");
        let moved = outcome.begun().any(|command| command.task == TaskId::new(1));
        assert!(moved, "t1 did not move beside: {line}\n{outcome}");
        let touched = outcome.commands.iter().any(|command| command.task == TaskId::new(9));
        assert!(!touched, "t9 was touched: {line}\n{outcome}");
    }
}

#[test]
fn several_faults_of_one_record_are_told_one_by_one() {
    let device = Device::new(Hardware::Cuda);
    let mut bad = worker(WorkerId::new(9), f64::NAN).with_device(device);
    bad.capacity = Amounts::new().with(ResourceId::CPU, -1.0).with(ResourceId::MEMORY, f64::NAN);
    let snapshot = cluster().worker(bad).build();
    assert_eq!(snapshot.bad_records().len(), 3);
}

#[test]
fn a_bad_report_at_the_open_door_changes_nothing() {
    let mut engine = Engine::new(Config::default()).unwrap();
    let _ = engine.tick(&cluster().build()).unwrap();
    let before = engine.state().clone();
    let reply = engine.report(&performance(-1.0));
    let line = "report on w2: speed is -1; it must be a finite number above 0";
    assert_eq!(reply.bad.map(|bad| bad.to_string()).as_deref(), Some(line));
    assert_eq!(engine.state(), &before);
}

/// Files of options, each with the lines that it gets: all faults at once.
const OPTIONS: [(&str, &[&str]); 15] = [
    (r#"{"check_interval": 0}"#, &["check_interval is 0; it must be a number of seconds above 0"]),
    (
        r#"{"check_interval": -30}"#,
        &["check_interval is -30; it must be a number of seconds above 0"],
    ),
    (
        r#"{"check_interval": "soon"}"#,
        &["check_interval is \"soon\"; it must be a number of seconds above 0"],
    ),
    (
        r#"{"utilization_threshold_high": 85}"#,
        &["utilization_threshold_high is 85; it must be a number from 0 to 1"],
    ),
    (
        r#"{"utilization_threshold_high": 0.3, "utilization_threshold_low": 0.6}"#,
        &["utilization_threshold_low is 0.6; it must be below utilization_threshold_high (0.3)"],
    ),
    (
        r#"{"performance_window": 0.2}"#,
        &["performance_window is 0.2; it must be at least one check_interval (0.5 min)"],
    ),
    (
        r#"{"max_simultaneous_migrations": 0}"#,
        &["max_simultaneous_migrations is 0; it must be a whole number from 1 up"],
    ),
    (
        r#"{"max_simultaneous_migrations": 2.5}"#,
        &["max_simultaneous_migrations is 2.5; it must be a whole number from 1 up"],
    ),
    (
        r#"{"enable_task_migration": "yes"}"#,
        &["enable_task_migration is \"yes\"; it must be true or false"],
    ),
    (
        r#"{"enable_predictive_balancing": 1}"#,
        &["enable_predictive_balancing is 1; it must be true or false"],
    ),
    (
        r#"{"threshold_adjustment_rate": [0.05]}"#,
        &["threshold_adjustment_rate is a list; it must be a number from 0 to 1"],
    ),
    (
        r#"{"prediction_window": 1e12}"#,
        &["prediction_window is 1000000000000; it must be a number of minutes above 0"],
    ),
    (
        r#"{"prediction_windw": 3}"#,
        &[
            "prediction_windw is 3; it must be one of the 13 options (did you mean prediction_window?)",
        ],
    ),
    (r#"{"colour": null}"#, &["colour is empty; it must be one of the 13 options"]),
    (
        r#"{"colour": "blue", "check_interval": 0, "enable_task_migration": 3}"#,
        &[
            "colour is \"blue\"; it must be one of the 13 options",
            "check_interval is 0; it must be a number of seconds above 0",
            "enable_task_migration is 3; it must be true or false",
        ],
    ),
];

#[test]
fn a_hostile_file_of_options_gets_a_clear_line_per_fault_all_at_once() {
    for (file, lines) in OPTIONS {
        let options: Options = serde_json::from_str(file).unwrap();
        let faults = options.apply_to(Config::default()).unwrap_err();
        assert_eq!(faults.to_string(), lines.join("\n"), "{file}");
    }
}

#[test]
fn options_load_from_toml_too() {
    let options: Options =
        toml::from_str("check_interval = 15\nenable_resource_efficiency = false\n").unwrap();
    let config = options.apply_to(Config::default()).unwrap();
    assert_eq!(config.check_interval.as_secs(), 15);
    assert!(config.efficiency.is_none() && config.prediction.is_some());
}

/// Changes to a configuration, each with its line.
type Change = (fn(&mut Config), &'static str);

#[test]
fn impossible_settings_get_a_clear_line_each() {
    let changes: [Change; 8] = [
        (
            |it| it.thresholds.high = f64::NAN,
            "thresholds.high is NaN; it must be a number from 0 to 1",
        ),
        (
            |it| it.thresholds.low = 0.9,
            "thresholds.low is 0.9; it must be below thresholds.high (0.85)",
        ),
        (
            |it| it.check_interval = std::time::Duration::ZERO,
            "check_interval is 0s; it must be longer than 0s",
        ),
        (
            |it| it.adaptation.as_mut().unwrap().separation = 0.9,
            "adaptation.separation is 0.9; it must be at most 0.85, or the bounds leave no room for it",
        ),
        (
            |it| it.adaptation.as_mut().unwrap().high_bounds = [0.9, 0.6],
            "adaptation.high_bounds is 0.9 to 0.6; it must be a rising pair of numbers from 0 to 1",
        ),
        (
            |it| it.cost_benefit.as_mut().unwrap().benefit.energy = -1.0,
            "cost_benefit.benefit.energy is -1; it must be a finite number from 0 up",
        ),
        (
            |it| it.migration.as_mut().unwrap().timeout = std::time::Duration::ZERO,
            "migration.timeout is 0s; it must be longer than 0s",
        ),
        (
            |it| it.stability.as_mut().unwrap().dead_band = 2.0,
            "stability.dead_band is 2; it must be a number from 0 to 1",
        ),
    ];
    for (change, line) in changes {
        let mut config = Config::default();
        change(&mut config);
        let errors = Engine::new(config).unwrap_err();
        assert_eq!(errors.to_string(), line);
    }
}

#[test]
fn an_unknown_section_or_field_is_refused() {
    let unknown = serde_json::from_str::<Config>(r#"{"predicton": null}"#).unwrap_err().to_string();
    assert!(unknown.contains("unknown field `predicton`"), "{unknown}");
}
