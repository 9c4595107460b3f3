//! The metrics row is exactly the specification's table and its JSON document.

use std::time::Duration;

use evenkeel::id::Epoch;
use evenkeel::shell::{MetricsRow, RowError, WallClock};
use evenkeel::{
    Config, Engine, Event, Outcome, Report, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker,
    WorkerId,
};
use serde_json::Value;

/// The document as the specification prints it.
const SAMPLE: &str = r#"{
  "worker_count": 5,
  "active_migrations": 2,
  "thresholds": {
    "high": 0.82,
    "low": 0.24,
    "initial_high": 0.85,
    "initial_low": 0.20
  },
  "migrations": {
    "initiated": 3,
    "successful": 2,
    "success_rate": 0.67
  },
  "features": {
    "dynamic_thresholds": true,
    "predictive_balancing": true,
    "cost_benefit_analysis": true,
    "hardware_specific": true,
    "resource_efficiency": true
  },
  "prediction": {
    "current_load": 0.68,
    "predicted_load": 0.74,
    "confidence": 0.85,
    "window_minutes": 3
  }
}"#;

/// The table as the specification declares it.
const DDL: &str = "CREATE TABLE load_balancer_metrics (
    id INTEGER PRIMARY KEY,
    timestamp TIMESTAMP,
    system_load FLOAT,              -- Average system-wide utilization (0.0-1.0)
    threshold_high FLOAT,           -- Current high threshold value
    threshold_low FLOAT,            -- Current low threshold value
    imbalance_score FLOAT,          -- Current system imbalance score (0.0-1.0)
    migrations_initiated INTEGER,   -- Number of migrations initiated in this interval
    migrations_successful INTEGER,  -- Number of migrations successfully completed
    prediction_accuracy FLOAT,      -- Accuracy of previous load predictions (0.0-1.0)
    metrics JSON                    -- Additional detailed metrics in JSON format
)";

/// The table's columns and their SQL types, in its order.
fn columns() -> Vec<(&'static str, &'static str)> {
    let lines = DDL.lines().filter(|line| line.starts_with("    "));
    let words = lines.map(|line| {
        let mut words = line.split([' ', ',']).filter(|word| !word.is_empty());
        (words.next().unwrap(), words.next().unwrap())
    });
    words.collect()
}

/// The SQL type that holds a value as it stands in JSON.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Bool(_) => "BOOLEAN",
        Value::Number(number) if number.is_f64() => "FLOAT",
        Value::Number(_) => "INTEGER",
        Value::String(text) if is_timestamp(text) => "TIMESTAMP",
        Value::String(_) => "VARCHAR",
        Value::Array(_) => "ARRAY",
        Value::Object(_) => "JSON",
    }
}

/// `2026-11-21 08:51:13.000`
fn is_timestamp(text: &str) -> bool {
    let digits = |at: usize| !matches!(at, 4 | 7 | 10 | 13 | 16 | 19);
    let marks = text.chars().enumerate().all(|(at, letter)| digits(at) == letter.is_ascii_digit());
    marks && text.len() == 23
}

/// Same keys, same nesting, same types.
fn assert_same_shape(path: &str, given: &Value, wanted: &Value) {
    assert_eq!(kind(given), kind(wanted), "{path}");
    if let (Value::Object(given), Value::Object(wanted)) = (given, wanted) {
        let names = |object: &serde_json::Map<String, Value>| {
            object.keys().cloned().collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(names(given), names(wanted), "{path}");
        for (name, value) in given {
            assert_same_shape(&format!("{path}.{name}"), value, &wanted[name]);
        }
    }
}

fn snapshot(at: u64, hot: f64) -> Snapshot {
    let worker = |id, used| {
        Worker::new(WorkerId::new(id))
            .with_capacity(ResourceId::CPU, 10.0)
            .with_used(ResourceId::CPU, used)
    };
    let task = Task::new(TaskId::new(1)).on(WorkerId::new(1)).with_demand(ResourceId::CPU, 3.0);
    Snapshot::builder(Timestamp::from_secs(at))
        .workers([worker(1, hot), worker(2, 1.0)])
        .task(task)
        .build()
}

/// A run that is long enough for a forecast to have fallen due, with a migration in it.
fn run(config: Config) -> (Engine, Vec<Outcome>) {
    let mut engine = Engine::new(config).unwrap();
    let ticks = (1..=20_u32).map(|tick| {
        let load = if tick < 20 { 5.0 + f64::from(tick) / 10.0 } else { 9.9 };
        engine.tick(&snapshot(u64::from(tick) * 30, load)).unwrap()
    });
    let outcomes = ticks.collect();
    (engine, outcomes)
}

#[test]
fn the_row_has_the_columns_of_the_table_and_the_keys_of_the_document() {
    let (mut engine, _) = run(Config::default());
    // The migration completes, so that there is a rate of success.
    let begun = engine.outstanding()[0].migration;
    for (at, event) in
        [(601, Event::Released { migration: begun }), (602, Event::Running { migration: begun })]
    {
        let reply = engine.report(&Report::new(Timestamp::from_secs(at), event));
        assert!(!reply.ignored);
    }
    let outcome = engine.tick(&snapshot(630, 6.9)).unwrap();
    let row = MetricsRow::new(&outcome, engine.config(), WallClock::default()).unwrap();
    let given = serde_json::to_value(&row).unwrap();
    let text = serde_json::to_string(&row).unwrap();
    let (columns, mut last) = (columns(), 0);
    assert_eq!(columns.len(), 10);
    for (column, wanted) in &columns {
        assert_eq!(kind(&given[column]), *wanted, "{column}");
        let at = text.find(&format!("\"{column}\":")).unwrap();
        assert!(at >= last, "{column} stands before its place");
        last = at;
    }
    assert_eq!(given.as_object().unwrap().len(), columns.len());
    let sample: Value = serde_json::from_str(SAMPLE).unwrap();
    assert_same_shape("metrics", &given["metrics"], &sample);
    assert_eq!(serde_json::from_str::<MetricsRow>(&text).unwrap(), row);
}

#[test]
fn what_is_not_known_is_null_and_every_key_is_there_all_the_same() {
    let mut config = Config::reference();
    config.prediction = None;
    let mut engine = Engine::new(config).unwrap();
    let outcome = engine.tick(&snapshot(30, 5.0)).unwrap();
    let row = MetricsRow::new(&outcome, engine.config(), WallClock::default()).unwrap();
    let given = serde_json::to_value(&row).unwrap();
    let document = &given["metrics"];
    let nulls = [
        given.get("prediction_accuracy"),
        document["migrations"].get("success_rate"),
        document["prediction"].get("predicted_load"),
        document["prediction"].get("confidence"),
        document["prediction"].get("window_minutes"),
    ];
    assert_eq!(nulls, [Some(&Value::Null); 5]);
    // A window of a minute and a half is no whole number of minutes.
    let mut config = Config::reference();
    config.prediction.as_mut().unwrap().window = Duration::from_secs(90);
    let row = MetricsRow::new(&outcome, &config, WallClock::default()).unwrap();
    let given = serde_json::to_value(&row).unwrap();
    assert_eq!(given["metrics"]["prediction"]["window_minutes"], 1.5);
}

#[test]
fn figures_are_those_of_the_outcome() {
    let (engine, outcomes) = run(Config::reference());
    let outcome = outcomes.last().unwrap();
    let clock = WallClock::new(1_795_251_073_000);
    let row = MetricsRow::new(outcome, engine.config(), clock).unwrap();
    let load = outcome.load.unwrap();
    assert_eq!(row.id, 20);
    assert_eq!(row.timestamp, "2026-11-21 09:01:13.000");
    assert_eq!(row.system_load.to_bits(), load.mean.to_bits());
    assert_eq!(row.imbalance_score.to_bits(), load.spread().to_bits());
    assert_eq!(row.threshold_high.to_bits(), outcome.thresholds.high.to_bits());
    assert_eq!(row.migrations_initiated as usize, outcome.begun().count());
    assert_eq!(row.metrics.thresholds.initial_high.to_bits(), 0.85_f64.to_bits());
    assert_eq!(row.metrics.prediction.window_minutes, Some(3.0));
    assert_eq!(row.metrics.worker_count, 2);
}

#[test]
fn ids_never_repeat_across_restarts() {
    let mut ids = std::collections::BTreeSet::new();
    let mut engine = Engine::new(Config::default()).unwrap();
    for life in 0..3_u32 {
        if life > 0 {
            let state = engine.state().clone();
            engine = Engine::resume(Config::default(), state, Epoch::new(life)).unwrap();
        }
        for tick in 1..=5_u64 {
            let at = u64::from(life) * 1_000 + tick * 30;
            let outcome = engine.tick(&snapshot(at, 5.0)).unwrap();
            let row = MetricsRow::new(&outcome, engine.config(), WallClock::default()).unwrap();
            assert!(ids.insert(row.id), "{} twice", row.id);
        }
    }
    // From nothing at all, in a later epoch.
    let mut engine = Engine::in_epoch(Config::default(), Epoch::new(3)).unwrap();
    let outcome = engine.tick(&snapshot(30, 5.0)).unwrap();
    let row = MetricsRow::new(&outcome, engine.config(), WallClock::default()).unwrap();
    assert!(ids.insert(row.id));
}

#[test]
fn an_id_that_does_not_fit_is_an_error() {
    let mut engine = Engine::in_epoch(Config::default(), Epoch::new(2_048)).unwrap();
    let outcome = engine.tick(&snapshot(30, 5.0)).unwrap();
    let row = MetricsRow::new(&outcome, engine.config(), WallClock::default());
    assert_eq!(row, Err(RowError::IdsSpent { epoch: Epoch::new(2_048), tick: 1 }));
}
