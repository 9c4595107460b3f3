//! What scripts get to see: a row per run.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use evenkeel::sim::Metrics;
use serde_json::{Value, json};

use crate::runs::{Cell, Outcome};

/// A figure of a run; null where it does not apply, and for what is no number.
type Of = fn(&Metrics) -> Value;

const METRICS: [(&str, Of); 18] = [
    ("seconds_to_rebalance", |it| json!(it.seconds_to_rebalance)),
    ("load_stddev", |it| json!(it.load_stddev)),
    ("useful_utilization", |it| json!(it.useful_utilization)),
    ("energy_per_work", |it| json!(it.energy_per_work)),
    ("completion_mean", |it| json!(it.completion_mean)),
    ("completion_p95", |it| json!(it.completion_p95)),
    ("makespan", |it| json!(it.makespan)),
    ("migrations", |it| json!(it.migrations)),
    ("migrations_undone", |it| json!(it.migrations_undone)),
    ("migrations_failed", |it| json!(it.migrations_failed)),
    ("overload_seconds", |it| json!(it.overload_seconds)),
    ("memory_overload_seconds", |it| json!(it.memory_overload_seconds)),
    ("work_lost", |it| json!(it.work_lost)),
    ("thrash", |it| json!(it.thrash)),
    ("tasks_finished", |it| json!(it.tasks_finished)),
    ("longest_adrift", |it| json!(it.longest_adrift)),
    ("longest_forgotten", |it| json!(it.longest_forgotten)),
    ("longest_passed_over", |it| json!(it.longest_passed_over)),
];

/// Which run it is.
fn keys(cells: &[Cell<'_>], outcome: &Outcome) -> [(&'static str, Value); 5] {
    let cell = cells[outcome.cell];
    [
        ("scenario", json!(cell.named.name)),
        ("size", json!(cell.size)),
        ("cluster", json!(cell.cluster)),
        ("policy", json!(outcome.kind.name())),
        ("seed", json!(outcome.seed)),
    ]
}

fn metrics(outcome: &Outcome) -> impl Iterator<Item = (&'static str, Value)> {
    METRICS.iter().map(|(name, of)| (*name, of(&outcome.run.metrics)))
}

/// Members of a JSON object, in this order.
fn members(fields: impl IntoIterator<Item = (&'static str, Value)>) -> String {
    let fields = fields.into_iter().map(|(name, value)| format!("\"{name}\":{value}"));
    fields.collect::<Vec<String>>().join(",")
}

/// One array, one row per line.
pub(crate) fn json(file: &Path, cells: &[Cell<'_>], outcomes: &[&Outcome]) -> Result<(), String> {
    let rows = outcomes.iter().map(|outcome| {
        let (keys, metrics) = (members(keys(cells, outcome)), members(metrics(outcome)));
        format!("{{{keys},\"metrics\":{{{metrics}}}}}")
    });
    let rows: Vec<String> = rows.collect();
    fs::write(file, format!("[\n{}\n]\n", rows.join(",\n")))
        .map_err(|fault| format!("--json {}: {fault}", file.display()))
}

/// One file per scenario with the same columns.
pub(crate) fn csv(folder: &Path, cells: &[Cell<'_>], outcomes: &[&Outcome]) -> Result<(), String> {
    let told = |fault: std::io::Error| format!("--csv {}: {fault}", folder.display());
    fs::create_dir_all(folder).map_err(told)?;
    let mut names: Vec<&str> = cells.iter().map(|cell| cell.named.name.as_str()).collect();
    names.dedup();
    for name in names {
        let mut text = String::new();
        for outcome in outcomes.iter().filter(|it| cells[it.cell].named.name == name) {
            let fields = || keys(cells, outcome).into_iter().chain(metrics(outcome));
            if text.is_empty() {
                let heads: Vec<&str> = fields().map(|(name, _)| name).collect();
                let _ = writeln!(text, "{}", heads.join(","));
            }
            let values: Vec<String> = fields().map(|(_, value)| quoted(&value)).collect();
            let _ = writeln!(text, "{}", values.join(","));
        }
        fs::write(folder.join(format!("{name}.csv")), text).map_err(told)?;
    }
    Ok(())
}

fn quoted(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.contains([',', '"', '\n']) => {
            format!("\"{}\"", text.replace('"', "\"\""))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
