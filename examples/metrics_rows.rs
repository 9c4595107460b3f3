//! Metrics rows that outlive the process: one JSON line per round, appended and synced before the
//! next.
//!
//! ```text
//! cargo run --example metrics_rows -- ROWS.jsonl [--rounds N] [--pace MILLISECONDS]
//! ```
//!
//! Balances a small cluster whose tasks swell and shrink, in virtual time: a round is 30 s, and
//! takes `--pace` (0) milliseconds. The same arguments give the same rows. `--rounds` (2880) is a
//! day; started again, it goes on where the file ends, under a new epoch, so that no id repeats.
//!
//! A line that was cut short stays where it is: the file only ever grows. What reads it skips that
//! line and says so; `examples/duckdb/load.py` does, and loads the rest into a database.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use evenkeel::id::Epoch;
use evenkeel::shell::{Driver, MetricsRow, MetricsSink, TelemetrySource, WallClock};
use evenkeel::{
    Action, Command, Config, Engine, Event, Outcome, Report, ResourceId, Snapshot, Task, TaskId,
    Timestamp, Worker, WorkerId,
};

/// Seconds between two rounds.
const ROUND: u64 = 30;
/// Cores of each of the four workers.
const CORES: f64 = 16.0;
/// The cluster's first second: 2026-11-21 00:00:00 UTC. A host whose timestamps are Unix time
/// already says 0.
const CLOCK: WallClock = WallClock::new(1_795_219_200_000);

fn main() -> ExitCode {
    match Arguments::read(std::env::args().skip(1)).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("metrics_rows: {error}");
            ExitCode::from(2)
        }
    }
}

struct Arguments {
    rows: String,
    rounds: u64,
    pace: Duration,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut arguments = Self { rows: String::new(), rounds: 2880, pace: Duration::ZERO };
        while let Some(word) = words.next() {
            let mut number = || -> Result<u64, Box<dyn Error>> {
                let value = words.next().ok_or_else(|| format!("{word} needs a number"))?;
                value.parse().map_err(|error| format!("{word} {value}: {error}").into())
            };
            match word.as_str() {
                "--rounds" => arguments.rounds = number()?,
                "--pace" => arguments.pace = Duration::from_millis(number()?),
                file if arguments.rows.is_empty() && !file.starts_with("--") => {
                    arguments.rows = word;
                }
                other => return Err(format!("unexpected argument {other:?}").into()),
            }
        }
        if arguments.rows.is_empty() {
            return Err("which file? rows are appended to it".into());
        }
        Ok(arguments)
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let config = Config::default();
    let (rows, past) = Rows::open(&arguments.rows, config.clone())
        .map_err(|error| format!("{}: {error}", arguments.rows))?;
    let engine = Engine::in_epoch(config, past.next_epoch()?)?;
    let mut driver = Driver::new(engine, Cluster::after(past.rows), Vec::new(), rows);
    for _ in 0..arguments.rounds {
        let _turn = driver.turn()?;
        settle(&mut driver);
        if let Some(fault) = driver.sink.fault.take() {
            return Err(format!("{}: {fault}", arguments.rows).into());
        }
        sleep(arguments.pace);
    }
    println!(
        "{}: {} rows, {} of them new",
        arguments.rows,
        past.rows + arguments.rounds,
        arguments.rounds
    );
    Ok(())
}

// ---------------------------------------------------------------- the rows

/// Appends a row per round. Only one process at a time: the file is locked.
struct Rows {
    file: File,
    config: Config,
    /// Why the last row could not be written. A sink cannot stop a round; its owner looks here.
    fault: Option<Box<dyn Error>>,
}

/// What the file held.
struct Past {
    rows: u64,
    last_id: Option<i32>,
}

impl Rows {
    fn open(path: &str, config: Config) -> Result<(Self, Past), Box<dyn Error>> {
        let mut file = File::options().read(true).append(true).create(true).open(path)?;
        file.try_lock()?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        // What was cut short is ended here, so that the next row has a line of its own.
        if text.last().is_some_and(|last| *last != b'\n') {
            file.write_all(b"\n")?;
        }
        let lines = text.split(|byte| *byte == b'\n');
        let past = lines.filter_map(|line| serde_json::from_slice::<MetricsRow>(line).ok()).fold(
            Past { rows: 0, last_id: None },
            |past, row| Past { rows: past.rows + 1, last_id: past.last_id.max(Some(row.id)) },
        );
        Ok((Self { file, config, fault: None }, past))
    }

    /// One write, so that at most the last line is ever cut short; synced before the round goes on.
    fn append(&mut self, outcome: &Outcome) -> Result<(), Box<dyn Error>> {
        let mut line = serde_json::to_string(&MetricsRow::new(outcome, &self.config, CLOCK)?)?;
        line.push('\n');
        self.file.write_all(line.as_bytes())?;
        self.file.sync_data()?;
        Ok(())
    }
}

impl MetricsSink for Rows {
    fn record(&mut self, outcome: &Outcome) {
        if self.fault.is_none() {
            self.fault = self.append(outcome).err();
        }
    }
}

impl Past {
    /// The epoch after that of the last row: ids are 2^20 x epoch + number of the round.
    fn next_epoch(&self) -> Result<Epoch, Box<dyn Error>> {
        let Some(last) = self.last_id else { return Ok(Epoch::FIRST) };
        Ok(Epoch::new(u32::try_from(last >> 20)? + 1))
    }
}

// ---------------------------------------------------------------- the cluster

/// Four workers, and 24 tasks that swell and shrink, each at its own pace.
struct Cluster {
    round: u64,
    placed: BTreeMap<TaskId, WorkerId>,
}

impl Cluster {
    /// As it is after so many rounds, with every task back on the worker that it started on.
    fn after(round: u64) -> Self {
        let start = |task| (TaskId::new(task), WorkerId::new(1 + task / 6));
        Self { round, placed: (0..24).map(start).collect() }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_secs(self.round * ROUND)
    }

    /// Cores that a task uses: up and down between 0.4 and 4.
    fn demand(&self, task: TaskId) -> f64 {
        let period = 200 + 37 * (task.raw() % 7);
        let phase = (self.round + 61 * task.raw()) % period;
        0.4 + 3.6 * phase.min(period - phase) as f64 / (period / 2) as f64
    }

    fn used(&self, worker: WorkerId) -> f64 {
        let there = self.placed.iter().filter(|(_, on)| **on == worker);
        there.map(|(task, _)| self.demand(*task)).sum::<f64>().min(CORES)
    }
}

impl TelemetrySource for Cluster {
    type Error = Infallible;

    fn snapshot(&mut self) -> Result<Option<Snapshot>, Infallible> {
        self.round += 1;
        let workers = (1..=4).map(WorkerId::new).map(|worker| {
            Worker::new(worker)
                .with_capacity(ResourceId::CPU, CORES)
                .with_used(ResourceId::CPU, self.used(worker))
        });
        let tasks = self.placed.iter().map(|(task, worker)| {
            Task::new(*task).on(*worker).with_demand(ResourceId::CPU, self.demand(*task))
        });
        Ok(Some(Snapshot::builder(self.now()).workers(workers).tasks(tasks).build()))
    }
}

/// Carries out what the engine asked for, a step a second. One migration in seven cannot begin.
fn settle(driver: &mut Driver<Cluster, Vec<Command>, Rows>) {
    let mut at = driver.source.now();
    while let Some(command) = driver.executor.pop() {
        at = at.after(Duration::from_secs(1));
        let migration = command.migration;
        let event = match command.action {
            Action::Release { .. } if migration.number() % 7 == 0 => Event::Failed { migration },
            Action::Release { .. } => Event::Released { migration },
            Action::Assign { to, .. } => {
                driver.source.placed.insert(command.task, to);
                Event::Running { migration }
            }
            _ => continue,
        };
        let _reply = driver.report(&Report::new(at, event));
    }
}
