//! Plans the moves of a whole cluster: reads a problem, writes the moves as CSV, and says how good the plan is.
//!
//! ```text
//! cargo run --release --example plan -- PROBLEM.json[.gz] -o PLAN.csv [--max-moves K] [--effort N]
//! ```
//!
//! `PROBLEM` is in the format `lbproblem/1`: capacities, demands and limits as columns of integers, and the worker that
//! each task is on. `--max-moves` allows at most so many moves (the file may allow fewer), `--effort` at most about so
//! many evaluations. The plan has the header `task,from,to` and one move a line, in an order in which every prefix is
//! safe.
//!
//! A limit of 0.9 is expressed as a worker of 0.9 times the capacity that may be full: then no reservation exceeds it.

use std::error::Error;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use evenkeel::config::Effort;
use evenkeel::outcome::Plan;
use evenkeel::snapshot::Mobility;
use evenkeel::{Config, Engine, ResourceId, Snapshot, Task, TaskId, Timestamp, Worker, WorkerId};
use flate2::read::GzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;

/// Plans the moves of a whole cluster.
#[derive(Parser)]
struct Options {
    /// The problem, in the format lbproblem/1; may be compressed by gzip.
    problem: PathBuf,
    /// The file to which the plan is written.
    #[arg(short, long)]
    output: PathBuf,
    /// At most so many moves.
    #[arg(long)]
    max_moves: Option<u32>,
    /// At most about so many evaluations of a task and a worker.
    #[arg(long)]
    effort: Option<u64>,
}

/// A problem, column by column: `capacity[d][w]`, `demand[d][t]`.
#[derive(Deserialize)]
struct Problem {
    format: String,
    dims: Vec<String>,
    limit: Vec<f64>,
    num_workers: usize,
    num_tasks: usize,
    capacity: Vec<Vec<u64>>,
    demand: Vec<Vec<u64>>,
    assignment: Vec<usize>,
    #[serde(default)]
    max_moves: Option<u32>,
    #[serde(default)]
    pinned: Vec<usize>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("plan: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let bar = progress();
    bar.set_message("reading the problem");
    let of = |path: &Path, error: &dyn Display| format!("{}: {error}", path.display());
    let problem = Problem::read(&options.problem).map_err(|error| of(&options.problem, &error))?;
    let snapshot = problem.snapshot();
    if let Some(bad) = snapshot.bad_records().first() {
        return Err(of(&options.problem, bad).into());
    }
    let mut config = Config::default();
    config.thresholds.high = 1.0;
    let engine = Engine::new(config)?;

    bar.set_message(format!("{} tasks on {} workers", problem.num_tasks, problem.num_workers));
    let mut effort = Effort::default();
    effort.evaluations = options.effort;
    effort.moves = options.max_moves.into_iter().chain(problem.max_moves).min();
    let began = Instant::now();
    let plan = engine.plan(&snapshot, effort);
    let took = began.elapsed();
    bar.finish_and_clear();

    write_plan(&options.output, &plan).map_err(|error| of(&options.output, &error))?;
    print_report(&mut std::io::stdout().lock(), &problem, &plan, took)?;
    Ok(())
}

/// A line that shows that the program is at work, and for how long; drawn only on a terminal.
fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
    let bar = ProgressBar::new_spinner();
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

impl Problem {
    fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        let file = BufReader::new(File::open(path)?);
        let mut text = Vec::new();
        if path.extension().is_some_and(|ending| ending == "gz") {
            GzDecoder::new(file).read_to_end(&mut text)?;
        } else {
            { file }.read_to_end(&mut text)?;
        }
        let problem: Self = serde_json::from_slice(&text)?;
        problem.check()?;
        Ok(problem)
    }

    fn check(&self) -> Result<(), String> {
        if self.format != "lbproblem/1" {
            return Err(format!("format is {:?}; it must be \"lbproblem/1\"", self.format));
        }
        let dims = self.dims.len();
        is_as_long("limit", self.limit.len(), dims, "dims")?;
        let columns = [
            ("capacity", &self.capacity, self.num_workers, "num_workers"),
            ("demand", &self.demand, self.num_tasks, "num_tasks"),
        ];
        for (name, columns, length, said) in columns {
            is_as_long(name, columns.len(), dims, "dims")?;
            for (dim, column) in self.dims.iter().zip(columns) {
                is_as_long(&format!("{name} of {dim}"), column.len(), length, said)?;
            }
        }
        is_as_long("assignment", self.assignment.len(), self.num_tasks, "num_tasks")?;
        for (dim, limit) in self.dims.iter().zip(&self.limit) {
            if !(*limit > 0.0 && *limit <= 1.0) {
                return Err(format!("limit of {dim} is {limit}; it must be above 0, at most 1"));
            }
        }
        let (workers, tasks) = (self.num_workers, self.num_tasks);
        let lost = self.assignment.iter().zip(0..).find(|(worker, _)| **worker >= workers);
        if let Some((worker, task)) = lost {
            let task: usize = task;
            return Err(format!("task {task} is on worker {worker}; there are {workers} workers"));
        }
        match self.pinned.iter().find(|task| **task >= tasks) {
            Some(task) => Err(format!("pinned has task {task}; there are {tasks} tasks")),
            None => Ok(()),
        }
    }

    /// The resource of a dimension: one with a name, or one of the host's own.
    fn resource(&self, dim: usize) -> ResourceId {
        match self.dims[dim].as_str() {
            "mem" => ResourceId::MEMORY,
            name => name
                .parse()
                .unwrap_or_else(|_| ResourceId::custom(u16::try_from(dim).unwrap_or(u16::MAX))),
        }
    }

    fn snapshot(&self) -> Snapshot {
        let dims = 0..self.dims.len();
        let mut used = vec![vec![0_u64; self.num_workers]; self.dims.len()];
        for dim in dims.clone() {
            for (demand, worker) in self.demand[dim].iter().zip(&self.assignment) {
                let sum = &mut used[dim][*worker];
                *sum = sum.saturating_add(*demand);
            }
        }
        let workers = (0..self.num_workers).map(|id| {
            let mut worker = Worker::new(WorkerId::new(id as u64));
            for dim in dims.clone().filter(|dim| self.capacity[*dim][id] > 0) {
                let capacity = self.capacity[dim][id] as f64 * self.limit[dim];
                worker = worker
                    .with_capacity(self.resource(dim), capacity)
                    .with_used(self.resource(dim), used[dim][id] as f64);
            }
            worker
        });
        let mut is_pinned = vec![false; self.num_tasks];
        self.pinned.iter().for_each(|task| is_pinned[*task] = true);
        let tasks = (0..self.num_tasks).map(|id| {
            let on = WorkerId::new(self.assignment[id] as u64);
            let mut task = Task::new(TaskId::new(id as u64)).on(on);
            for dim in dims.clone().filter(|dim| self.demand[*dim][id] > 0) {
                task = task.with_demand(self.resource(dim), self.demand[dim][id] as f64);
            }
            if is_pinned[id] { task.with_mobility(Mobility::Pinned) } else { task }
        });
        Snapshot::builder(Timestamp::from_secs(60)).workers(workers).tasks(tasks).build()
    }
}

fn is_as_long(name: &str, length: usize, must: usize, said: &str) -> Result<(), String> {
    let holds = length == must;
    holds
        .then_some(())
        .ok_or_else(|| format!("{name} has {length} entries; {said} asks for {must}"))
}

fn write_plan(path: &Path, plan: &Plan) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(file, "task,from,to")?;
    for one in plan.moves() {
        if let Some(from) = one.from {
            writeln!(file, "{},{},{}", one.task.raw(), from.raw(), one.to.raw())?;
        }
    }
    file.flush()
}

/// Prints the plan in a few lines; loads in parts of the real capacities.
fn print_report(
    to: &mut impl Write,
    problem: &Problem,
    plan: &Plan,
    took: Duration,
) -> std::io::Result<()> {
    let limit = |resource: ResourceId| {
        let dim = (0..problem.dims.len()).find(|dim| problem.resource(*dim) == resource);
        dim.map_or(1.0, |dim| problem.limit[dim])
    };
    for (name, of) in [("before", &plan.before), ("after", &plan.after)] {
        write!(to, "{name:<8} unevenness {:.5}", of.unevenness)?;
        for it in &of.highest {
            write!(to, "  {} at most {:.3}", it.resource, it.load * limit(it.resource))?;
        }
        writeln!(to, "  over the limit {}", of.above_ceiling)?;
    }
    write!(to, "bounds ")?;
    for bound in &plan.bounds.highest {
        let [any, same] =
            [bound.any_plan, bound.as_many_moves].map(|level| level * limit(bound.resource));
        write!(to, "  {} at least {any:.3}, with as many moves {same:.3}", bound.resource)?;
    }
    writeln!(to, "  moves until nobody is over {}", plan.bounds.relieving_moves)?;
    writeln!(to, "moves    {} in {} batches; {}", plan.moves, plan.batches.len(), plan.stop)?;
    let millis = took.as_secs_f64() * 1e3;
    writeln!(to, "planned  in {millis:.1} ms, {} evaluations", plan.evaluations)
}
