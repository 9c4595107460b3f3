//! What a host in another language writes into the pipe, broken in every way that it can be broken: nothing that cannot
//! be read is gone.
#![forbid(unsafe_code)]

use evenkeel::engine::{Input, Output};
use evenkeel::shell::read_json;
use evenkeel::snapshot::Coverage;
use evenkeel::{Config, Engine, Outcome, Snapshot};

const W1: &str = r#"{"id": 1, "capacity": {"cpu": 16}, "used": {"cpu": 4}}"#;
const W2: &str = r#"{"id": 2, "capacity": {"cpu": 16}, "used": {"cpu": 8}}"#;
const T1: &str = r#"{"id": 1, "placement": {"on": 2}, "demand": {"cpu": 2}}"#;

fn line(at: u64, workers: &[&str], tasks: &[&str]) -> String {
    let (workers, tasks) = (workers.join(", "), tasks.join(", "));
    format!(r#"{{"tick": {{"at": {at}, "workers": [{workers}], "tasks": [{tasks}]}}}}"#)
}

/// A host that knows which workers are gone: nothing but the record itself keeps a worker.
fn engine() -> Engine {
    Engine::new(Config::default().without_grace().without_safeguard()).expect("a preset")
}

fn tick(engine: &mut Engine, line: &str) -> Outcome {
    let input: Input = read_json(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    match engine.apply(&input) {
        Output::Outcome(outcome) => *outcome,
        other => panic!("{other:?}"),
    }
}

/// A sound round, and then one with these records.
fn second(workers: &[&str], tasks: &[&str]) -> Outcome {
    let mut engine = engine();
    let first = tick(&mut engine, &line(30_000, &[W1, W2], &[T1]));
    assert!(first.commands.is_empty(), "{first}");
    tick(&mut engine, &line(60_000, workers, tasks))
}

fn said(outcome: &Outcome) -> Vec<String> {
    outcome.bad_records.iter().map(ToString::to_string).collect()
}

#[test]
fn a_worker_with_a_broken_record_is_there_and_its_task_stays() {
    let whole = "a whole number from 0 to 18446744073709551615";
    let amount = "a finite number from 0 up";
    let broken = [
        (r#""zone": "north""#, format!("zone is \"north\"; it must be {whole}")),
        (r#""zone": -1"#, format!("zone is -1; it must be {whole}")),
        (r#""zone": 1e400"#, format!("zone is inf; it must be {whole}")),
        (r#""used": {"cpu": 1e400}"#, format!("used.cpu is inf; it must be {amount}")),
        (r#""used": {"cpu": NaN}"#, format!("used.cpu is NaN; it must be {amount}")),
        (r#""used": {"cpu": -Infinity}"#, format!("used.cpu is -inf; it must be {amount}")),
        (r#""used": {"cpu": "many"}"#, "used.cpu is \"many\"; it must be a number".to_string()),
        (r#""used": 7"#, "used is 7; it must be a record".to_string()),
        (
            r#""stance": "asleep""#,
            "stance is \"asleep\"; it must be one of accept, hold, drain, offline".to_string(),
        ),
        (r#""health": 1.5"#, "health is 1.5; it must be a number from 0 to 1".to_string()),
        (r#""metric_age": -3"#, "metric_age is -3; it must be a span in seconds".to_string()),
        (
            r#""devices": [{"memory_bytes": 5}]"#,
            "devices.0.hardware is missing; it must be given".into(),
        ),
        (r#""labels": 4"#, "labels is 4; it must be a list".to_string()),
        (r#""power_watts": [1]"#, "power_watts is [1]; it must be a number".to_string()),
    ];
    for (field, says) in broken {
        let w2 = format!(r#"{{"id": 2, "capacity": {{"cpu": 16}}, {field}}}"#);
        let outcome = second(&[W1, &w2], &[T1]);
        assert!(outcome.commands.is_empty(), "{field}: {outcome}");
        assert_eq!(said(&outcome), [format!("worker w2: {says}")], "{field}");
        assert_eq!(outcome.workers.len(), 2, "{field}");
    }
}

#[test]
fn a_record_that_is_broken_all_over_is_kept_by_its_id() {
    let fields: Vec<String> = (0..50).map(|nth| format!(r#""r{nth}": "x""#)).collect();
    let w2 = format!(r#"{{"id": 2, "used": {{{}}}}}"#, fields.join(", "));
    let t1 =
        format!(r#"{{"id": 1, "placement": {{"on": 2}}, "demand": {{{}}}}}"#, fields.join(", "));
    let outcome = second(&[W1, &w2], &[&t1]);
    assert!(outcome.commands.is_empty(), "{outcome}");
    assert_eq!(outcome.workers.len(), 2);
    assert!(outcome.bad_records.len() <= 18, "{outcome}");
}

#[test]
fn a_task_with_a_broken_record_is_neither_moved_nor_placed_nor_forgotten() {
    for field in [
        r#""priority": 1000"#,
        r#""demand": {"cpu": "two"}"#,
        r#""demand": {"cpu": Infinity}"#,
        r#""requirements": {"any_of": ["abacus"]}"#,
        r#""mobility": "liquid""#,
        r#""not_before": 1e400"#,
    ] {
        let placed = format!(r#"{{"id": 1, "placement": {{"on": 2}}, {field}}}"#);
        let orphan = format!(r#"{{"id": 1, "placement": "orphaned", {field}}}"#);
        for (t1, w2) in [(placed, W2), (orphan, W2)] {
            let outcome = second(&[W1, w2], &[&t1]);
            assert!(outcome.commands.is_empty(), "{field}: {outcome}");
            assert!(said(&outcome)[0].starts_with("task t1: "), "{field}: {outcome}");
        }
    }
}

#[test]
fn a_move_under_way_goes_on_while_nobody_can_read_where_its_task_is() {
    let mut engine = engine();
    let hot = r#"{"id": 1, "capacity": {"cpu": 16}, "used": {"cpu": 15.2}}"#;
    let cool = r#"{"id": 2, "capacity": {"cpu": 16}, "used": {"cpu": 1.6}}"#;
    let t1 = r#"{"id": 1, "placement": {"on": 1}, "demand": {"cpu": 5}}"#;
    let outcome = tick(&mut engine, &line(30_000, &[hot, cool], &[t1]));
    assert_eq!(outcome.begun().count(), 1, "{outcome}");
    for (nth, placement) in [r#"{"on": "home"}"#, "7", r#"{"at": 3}"#, "NaN"].iter().enumerate() {
        let t1 = format!(r#"{{"id": 1, "placement": {placement}, "demand": {{"cpu": 5}}}}"#);
        let at = 40_000 + 1_000 * nth as u64;
        let outcome = tick(&mut engine, &line(at, &[hot, cool], &[&t1]));
        assert!(outcome.commands.is_empty() && outcome.ended.is_empty(), "{placement}: {outcome}");
        assert!(said(&outcome)[0].starts_with("task t1: placement"), "{outcome}");
        assert_eq!(outcome.in_flight, 1, "{placement}");
    }
}

#[test]
fn a_record_that_cannot_be_named_makes_the_snapshot_partial() {
    let nameless = [
        (r#"{"id": "w2"}"#, "workers.1.id is \"w2\"; it must be a whole number from 0 to"),
        (r#"{"id": 1e400}"#, "workers.1.id is inf; it must be a whole number from 0 to"),
        (r#"{"id": 2.5}"#, "workers.1.id is 2.5; it must be a whole number from 0 to"),
        (r#"{"id": 2, "id": 3}"#, "workers.1.id is given twice; it must be given once"),
        (r#"{"zone": 2}"#, "workers.1.id is missing; it must be given"),
        ("null", "workers.1 is null; it must be a record"),
        (r#""w2""#, "workers.1 is \"w2\"; it must be a record"),
    ];
    for (w2, says) in nameless {
        let outcome = second(&[W1, w2], &[T1]);
        assert!(outcome.commands.is_empty(), "{w2}: {outcome}");
        let said = said(&outcome).remove(0);
        assert!(said.starts_with(&format!("snapshot: {says}")), "{said}");
        assert!(said.ends_with("the snapshot counts as partial"), "{said}");
    }
    let mut engine = engine();
    let _ = tick(&mut engine, &line(30_000, &[W1, W2], &[T1]));
    for (at, text) in [
        (60_000, r#""workers": 5, "tasks": []"#),
        (70_000, r#""workers": [], "workers": [], "tasks": []"#),
        (80_000, r#""workers": [], "tasks": [], "coverage": "most""#),
    ] {
        let text = format!(r#"{{"at": {at}, {text}}}"#);
        let snapshot: Snapshot = read_json(&text).expect("it is kept");
        assert_eq!(snapshot.coverage(), Coverage::Partial, "{text}");
        let outcome = engine.tick(&snapshot).expect("it is new");
        assert!(outcome.commands.is_empty(), "{outcome}");
    }
}

#[test]
fn what_protects_tasks_protects_them_when_it_cannot_be_read() {
    let hot = r#"{"id": 1, "capacity": {"cpu": 16}, "used": {"cpu": 15.2}}"#;
    let cool = r#"{"id": 2, "capacity": {"cpu": 16}, "used": {"cpu": 1.6}}"#;
    let t1 = r#"{"id": 1, "placement": {"on": 1}, "demand": {"cpu": 5}, "class": 3}"#;
    let plain = r#"{"id": 1, "placement": {"on": 1}, "demand": {"cpu": 5}}"#;
    let round = |task: &str, more: &str| {
        let text = format!(
            r#"{{"tick": {{"at": 30000, "workers": [{hot}, {cool}], "tasks": [{task}], {more}}}}}"#
        );
        tick(&mut engine(), &text)
    };
    assert_eq!(round(plain, r#""groups": []"#).begun().count(), 1);
    for (task, more) in [
        (plain, r#""groups": [{"id": 1, "rule": "antiaffinity?", "members": [1]}]"#),
        (plain, r#""freezes": [{"scope": "al", "until": 9}]"#),
        (t1, r#""classes": [{"id": 3, "workers": "all"}]"#),
        (t1, r#""classes": [{"id": 3, "workers": {"2": "cheap"}}]"#),
    ] {
        let outcome = round(task, more);
        assert!(outcome.commands.is_empty(), "{more}: {outcome}");
        assert!(!outcome.bad_records.is_empty(), "{more}");
    }
}

#[test]
fn a_snapshot_that_was_read_with_faults_is_written_and_read_back_the_same() {
    let w2 = r#"{"id": 2, "zone": "north", "used": {"cpu": 1e400, "memory": "all"}}"#;
    let t1 = r#"{"id": 1, "placement": 5, "demand": {"cpu": NaN}, "priority": 999}"#;
    let text = format!(r#"{{"at": 60000, "workers": [{W1}, {w2}, 7], "tasks": [{t1}]}}"#);
    let snapshot: Snapshot = read_json(&text).expect("it is kept");
    assert!(snapshot.bad_records().len() >= 6, "{:?}", snapshot.bad_records());
    let written = serde_json::to_string(&snapshot).expect("it is data");
    let by_serde: Snapshot = serde_json::from_str(&written).expect("it reads back");
    let by_us: Snapshot = read_json(&written).expect("it reads back");
    assert_eq!(written, serde_json::to_string(&by_serde).expect("it is data"));
    assert_eq!(written, serde_json::to_string(&by_us).expect("it is data"));
    let outcome = |snapshot: &Snapshot| engine().tick(snapshot).expect("the first");
    assert_eq!(outcome(&snapshot), outcome(&by_us));
}

#[test]
fn only_a_snapshot_without_a_moment_is_refused() {
    for text in [r#"{"workers": []}"#, r#"{"at": "now"}"#, r#"{"at": 1e400}"#, "[]", "3"] {
        assert!(read_json::<Snapshot>(text).is_err(), "{text}");
    }
}

#[test]
fn a_name_that_breaks_the_line_or_has_no_end_is_shown_in_part() {
    let long = "n".repeat(100_000);
    for (name, shown) in
        [("a\\nb", String::from("a\\nb")), (&*long, format!("{}...", "n".repeat(60)))]
    {
        let w2 = format!(r#"{{"id": 2, "used": {{"{name}": 1}}}}"#);
        let said = said(&second(&[W1, &w2], &[T1])).remove(0);
        assert!(said.starts_with(&format!("worker w2: used.{shown} is ")), "{said}");
        assert!(said.len() < 400, "{said}");
    }
}

#[test]
fn settings_that_cannot_be_read_are_named_in_plain_words() {
    for (settings, says) in [
        (
            r#"{"detection": {"devices": 1}}"#,
            "reconfigure.detection.devices is unknown; it must be one of the fields basis, trigger",
        ),
        (
            r#"{"adaptation": {"low_bounds": [0.4]}}"#,
            "reconfigure.adaptation.low_bounds is [0.4]; it must be a list of 2 values",
        ),
        (
            r#"{"migration": {"overlap": true}}"#,
            "`migration.overlap = true` is now `migration.host",
        ),
    ] {
        let line = format!(r#"{{"reconfigure": {settings}}}"#);
        let error = read_json::<Input>(&line).expect_err("it cannot be read").to_string();
        assert!(error.contains(says), "{error}");
    }
}
