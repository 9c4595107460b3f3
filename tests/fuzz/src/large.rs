//! Files that are as large as somebody's memory: refused or set aside in time and memory in proportion to their size.
//!
//! Each is made and read in a program of its own, so that the most memory which that program has had is what this file
//! costs. Where the system does not tell, only the time is judged.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use evenkeel::engine::Input;
use evenkeel::id::Epoch;
use evenkeel::shell::read_json;
use evenkeel::state::State;
use evenkeel::testkit::scenario;
use evenkeel::{Config, Engine, Snapshot};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A file ten times as large may take this many times as much, and another one in proportion: records are sorted, which
/// is about 12 times as much, and memory is slower where there is more of it. With the square it would be 100 times.
const MOST_FOR_TEN: f64 = 15.0;
/// Seconds that nobody can measure well.
const SHORT: f64 = 0.05;
/// MiB that a program may need for other reasons.
const LITTLE: f64 = 8.0;
/// What seems to cost too much is read so many times again, and the best time of each size counts.
const AGAIN: usize = 4;

/// Which file, and what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Large {
    /// `snapshot` is read by serde, `pipe` is a snapshot too, and read as the pipe reads it.
    pub file: &'static str,
    /// Many bad records, endless lists in a few of them, nesting that a reader takes, nesting that none takes, or
    /// numbers and counts far beyond anything.
    pub fault: &'static str,
}

impl Large {
    /// As it is asked for: `snapshot/records`.
    pub fn name(self) -> String {
        format!("{}/{}", self.file, self.fault)
    }
}

/// What a file has cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The time to read it, and for what was read to go through a round.
    pub seconds: f64,
    /// The most memory that was needed beyond the bare program, in MiB; the file is in memory too.
    pub mib: Option<f64>,
    /// What was said of it.
    pub says: String,
}

/// The same kind of file in two sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The kind.
    pub large: Large,
    /// How many times as large the second one is.
    pub times: f64,
    /// What each has cost.
    pub costs: [Cost; 2],
}

impl Compared {
    /// Whether the larger one costs more than in proportion.
    pub fn is_too_much(&self) -> bool {
        let most = MOST_FOR_TEN * self.times / 10.0;
        let [small, large] = &self.costs;
        let memory = small.mib.zip(large.mib);
        large.seconds > most * small.seconds.max(SHORT)
            || memory.is_some_and(|(small, large)| large > most * small + LITTLE)
    }

    /// A line of a table.
    pub fn line(&self) -> String {
        let [small, large] = &self.costs;
        let mib = |cost: &Cost| cost.mib.map_or(String::from("?"), |mib| format!("{mib:.0}"));
        format!(
            "{:<8} {:<7} {:>8.3} s {:>8.3} s {:>6} MiB {:>6} MiB  {}{}",
            self.large.file,
            self.large.fault,
            small.seconds,
            large.seconds,
            mib(small),
            mib(large),
            large.says,
            if self.is_too_much() { "  TOO MUCH" } else { "" }
        )
    }
}

/// Every kind of file.
pub fn every_large() -> Vec<Large> {
    let files = ["snapshot", "pipe", "state", "config", "scenario"];
    let faults = ["records", "lists", "nested", "deep", "counts"];
    files.into_iter().flat_map(|file| faults.map(|fault| Large { file, fault })).collect()
}

/// Lets `program`, which is this package's, read a kind of file in two sizes, in MB.
///
/// # Errors
///
/// The program cannot be run, or says something else than a cost; it may have been ended for its memory.
pub fn compare(program: &Path, large: Large, sizes: [usize; 2]) -> io::Result<Compared> {
    let cost = |megabytes: usize| {
        let (kind, size) = (large.name(), megabytes.to_string());
        let words = ["--read-large", &kind, "--megabytes", &size];
        let run = Command::new(program).args(words).output()?;
        let says = String::from_utf8_lossy(&run.stderr).into_owned();
        serde_json::from_slice::<Cost>(&run.stdout)
            .map_err(|error| io::Error::other(format!("{kind}, {size} MB: {error}: {says}")))
    };
    let times = sizes[1] as f64 / sizes[0] as f64;
    let mut compared = Compared { large, times, costs: [cost(sizes[0])?, cost(sizes[1])?] };
    // The machine may have been busy with something else.
    for _ in 0..AGAIN {
        if !compared.is_too_much() {
            break;
        }
        for (best, megabytes) in compared.costs.iter_mut().zip(sizes) {
            best.seconds = best.seconds.min(cost(megabytes)?.seconds);
        }
    }
    Ok(compared)
}

/// Makes a file and reads it, in this program; nothing if there is no such kind.
pub fn read_large(kind: &str, megabytes: usize) -> Option<Cost> {
    let mut kinds = every_large().into_iter();
    let large = kinds.find(|large| large.name() == kind)?;
    let before = most_mib();
    let text = text(large, megabytes * 1_000_000);
    let began = Instant::now();
    let says = read(large.file, &text);
    let seconds = began.elapsed().as_secs_f64();
    let mib = before.zip(most_mib()).map(|(before, most)| most - before);
    Some(Cost { seconds, mib, says })
}

/// The most memory that this program has had, in MiB.
fn most_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024.0)
}

// ---------------------------------------------------------------- reading

fn read(file: &str, text: &str) -> String {
    let read = match file {
        "snapshot" => serde_json::from_str(text).map(|it| round(&it)).map_err(|no| no.to_string()),
        "pipe" => match read_json::<Input>(text) {
            Ok(Input::Tick(snapshot)) => Ok(round(&snapshot)),
            Ok(_) => Ok(String::from("another input")),
            Err(error) => Err(error.to_string()),
        },
        "state" => resume(text),
        "config" => settings(text),
        _ => Ok(format!("{} faults", scenario::play(text).faults.len())),
    };
    let says = read.unwrap_or_else(|error| format!("refused: {error}"));
    says.chars().take(100).collect()
}

fn round(snapshot: &Snapshot) -> String {
    let mut engine = Engine::new(Config::default()).unwrap_or_else(|error| panic!("{error}"));
    let outcome = engine.tick(snapshot);
    let commands = outcome.map_or(0, |outcome| outcome.commands.len());
    let (workers, tasks) = (snapshot.workers().len(), snapshot.tasks().len());
    let bad = snapshot.bad_records().len();
    format!("{workers} workers, {tasks} tasks, {bad} bad records, {commands} commands")
}

fn resume(text: &str) -> Result<String, String> {
    let state: State = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let epoch = Epoch::new(state.epoch().raw() + 1);
    let engine = Engine::resume(Config::default(), state, epoch);
    let mut engine = engine.map_err(|error| error.to_string())?;
    let log = sample();
    let inputs = log["inputs"].as_array().cloned().unwrap_or_default();
    let inputs = inputs.into_iter().filter_map(|input| serde_json::from_value::<Input>(input).ok());
    let ran = inputs.map(|input| engine.apply(&input)).count();
    Ok(format!("{} entries set aside, {ran} inputs", engine.set_aside().len()))
}

fn settings(text: &str) -> Result<String, String> {
    let config: Config = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match config.check() {
        Ok(()) => Engine::new(config).map(|_| String::from("taken")).map_err(|no| no.to_string()),
        Err(errors) => Ok(format!("{} faults", errors.faults().len())),
    }
}

// ---------------------------------------------------------------- writing

/// A log with a sound state.
fn sample() -> Value {
    serde_json::from_str(include_str!("../corpus/state/log-0.json")).unwrap_or_default()
}

/// So many bytes of entries with a comma between them; they are numbered.
fn entries(bytes: usize, entry: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(bytes + 1_000);
    for nth in 0.. {
        if text.len() >= bytes {
            break;
        }
        text.push_str(if nth > 0 { "," } else { "" });
        text.push_str(&entry(nth));
    }
    text
}

/// A list in a list, and so on.
fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

fn text(large: Large, bytes: usize) -> String {
    match large.file {
        "snapshot" => snapshot(large.fault, bytes),
        "pipe" => format!("{{\"tick\": {}}}", snapshot(large.fault, bytes)),
        "state" => state(large.fault, bytes),
        "config" => config(large.fault, bytes),
        _ => story(large.fault, bytes),
    }
}

fn snapshot(fault: &str, bytes: usize) -> String {
    let (half, part) = (bytes / 2, bytes / 7);
    let (workers, tasks, groups) = match fault {
        "records" => (
            entries(half, |nth| {
                format!(r#"{{"id":{nth},"zone":"north","used":{{"cpu":"much"}}}}"#)
            }),
            entries(half, |nth| {
                format!(
                    r#"{{"id":{nth},"placement":{{"on":{}}},"priority":1000,"demand":{{"cpu":"two"}}}}"#,
                    nth / 2
                )
            }),
            String::new(),
        ),
        "lists" => (
            format!(
                r#"{{"id":1,"capacity":{{"cpu":16}},"used":{{"cpu":15}},"labels":[{}]}},
                {{"id":2,"capacity":{{"cpu":16}},"used":{{"cpu":1}},"devices":[{}]}},
                {{"id":3,"capacity":{{{}}}}}"#,
                entries(part, |nth| nth.to_string()),
                entries(part, |_| String::from(r#"{"hardware":"cuda","memory_bytes":5}"#)),
                // The greatest first: each one belongs before the others.
                entries(part, |nth| format!(r#""r{}":1"#, 60_000 - nth % 60_000)),
            ),
            format!(
                r#"{{"id":1,"placement":{{"on":1}},"demand":{{"cpu":2}},"alternatives":[{}]}},
                {{"id":2,"placement":{{"on":1}},"demand":{{"cpu":2}},"labels":[{}]}}"#,
                entries(part, |_| String::from(r#"{"speed":1.0}"#)),
                entries(part, |nth| (nth % 7).to_string()),
            ),
            format!(
                r#"{{"id":1,"rule":"gang","members":[{}]}},{{"id":2,"rule":"apart","members":[{}]}}"#,
                entries(part, |nth| nth.to_string()),
                entries(part, |nth| nth.to_string()),
            ),
        ),
        "nested" => (
            String::from(r#"{"id":1,"capacity":{"cpu":16}}"#),
            entries(bytes, |nth| format!(r#"{{"id":{nth},"labels":{}}}"#, nested(55))),
            String::new(),
        ),
        "deep" => ("[".repeat(bytes), String::new(), String::new()),
        _ => (
            entries(half, |nth| {
                format!(
                    r#"{{"id":{},"capacity":{{"cpu":1e308}},"zone":18446744073709551615}}"#,
                    nth % 9
                )
            }),
            format!(
                r#"{},{{"id":7,"priority":{}}}"#,
                entries(half / 2, |_| String::from(
                    r#"{"id":18446744073709551615,"placement":{"on":18446744073709551615},"demand":{"cpu":1e308}}"#
                )),
                "9".repeat(half / 2),
            ),
            String::new(),
        ),
    };
    format!(r#"{{"at":30000,"workers":[{workers}],"tasks":[{tasks}],"groups":[{groups}]}}"#)
}

/// A sound document, and at each of these places so many entries in the place of its own.
fn filled(document: &Value, places: &[(&str, String)]) -> String {
    let mut document = document.clone();
    for (place, _) in places {
        if let Some(value) = document.pointer_mut(place) {
            *value = json!(format!("@{place}@"));
        }
    }
    let mut text = document.to_string();
    for (place, entries) in places {
        text = text.replacen(&format!("\"@{place}@\""), entries, 1);
    }
    text
}

/// So many bytes of a record under numbers that count on.
fn keyed(bytes: usize, entry: impl Fn(usize) -> String) -> String {
    format!("{{{}}}", entries(bytes, |nth| format!("\"{}\":{}", nth + 1, entry(nth + 1))))
}

fn listed(bytes: usize, entry: &Value) -> String {
    let entry = entry.to_string();
    format!("[{}]", entries(bytes, |_| entry.clone()))
}

fn state(fault: &str, bytes: usize) -> String {
    let sound = sample()["state"].take();
    let mut track = sound["tracks"]["1"].clone();
    track["samples"][0]["load"] = json!(-1.0);
    let track = track.to_string();
    let flight = sound["in_flight"]["3"].to_string();
    let (half, part) = (bytes / 2, bytes / 4);
    let places = match fault {
        "records" => vec![
            ("/tracks", keyed(half, |_| track.clone())),
            // Each under a key that is not its task.
            ("/in_flight", keyed(half, |_| flight.clone())),
        ],
        "lists" => vec![
            ("/tracks/1/samples", listed(part, &json!({"at": 5, "load": 0.5}))),
            ("/tracks/1/recent", listed(part, &json!({"at": 5, "load": 0.5}))),
            ("/ended", listed(part, &sound["ended"][0])),
            ("/system", listed(part, &sound["system"][0])),
        ],
        "nested" => vec![("/tracks", keyed(bytes, |_| nested(55)))],
        "deep" => vec![("/tracks", "[".repeat(bytes))],
        _ => vec![
            (
                "/in_flight",
                keyed(half, |nth| {
                    let flight = flight.replace("\"task\":3", &format!("\"task\":{nth}"));
                    flight.replace("\"number\":6", "\"number\":18446744073709551615")
                }),
            ),
            (
                "/cooldowns",
                keyed(part, |_| json!({"left": [[1, u64::MAX]], "until": u64::MAX}).to_string()),
            ),
        ],
    };
    filled(&sound, &places)
}

fn config(fault: &str, bytes: usize) -> String {
    let sound = json!(Config::default());
    let row = |energy: f64| json!({"energy": energy, "hardware": "cpu", "min_compute": null, "performance": 1.0, "thermal": 0.8});
    let table = "/hardware/table";
    let places = match fault {
        "records" => vec![(table, listed(bytes, &row(-1.0)))],
        "lists" => vec![(table, listed(bytes, &row(0.5)))],
        "nested" => vec![(table, format!("[{}]", entries(bytes, |_| nested(55))))],
        "deep" => vec![(table, "[".repeat(bytes))],
        _ => vec![
            ("/thresholds/high", "9".repeat(bytes / 2)),
            ("/thresholds/low", "9".repeat(bytes / 2)),
        ],
    };
    filled(&sound, &places)
}

fn story(fault: &str, bytes: usize) -> String {
    let lines = |line: &str| line.repeat(bytes / line.len());
    match fault {
        "records" => lines("tock at=30s\n\n"),
        "lists" => {
            let labels = entries(bytes / 2, |nth| format!("l{nth}"));
            let members = entries(bytes / 2, |nth| format!("t{nth}"));
            format!(
                "workers\n  w1 load=0.9 labels={labels}\ngroups\n  g1 gang {members}\ntick at=30s\n"
            )
        }
        "nested" => format!("tick at=30s\n----\n{}", lines("command    m0.1 t1\n")),
        "deep" => format!("tick {}", "[".repeat(bytes)),
        _ => format!(
            "workers\n  w1 load=0.9\ntick at=30s\n{}",
            lines("  must show in_flight 1e308\n")
        ),
    }
}
