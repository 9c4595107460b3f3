//! Plays every schedule up to a number of steps: `cargo run --release --example explore --features testkit -- --tasks 2
//! --workers 3 --depth 8 --faults 2 [--host release|overlap|evict] [--states N] [--json FILE]`. Ends with 1 if a promise
//! is broken. The model: [`evenkeel::testkit::hunt`].
#![forbid(unsafe_code)]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use evenkeel::testkit::hunt::{Explored, Scope, Settings, Setup, explore};

#[derive(Parser)]
struct Arguments {
    /// Tasks, all on the first worker, which is draining.
    #[arg(long, default_value_t = 1)]
    tasks: usize,
    /// Workers.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Steps of a schedule.
    #[arg(long, default_value_t = 6)]
    depth: usize,
    /// Faults among them; as many as there are steps unless stated.
    #[arg(long)]
    faults: Option<usize>,
    /// Restarts among the faults.
    #[arg(long, default_value_t = 1)]
    restarts: usize,
    /// The ages of saved states from which the engine may go on.
    #[arg(long, default_value_t = 3)]
    saves: usize,
    /// How the host moves tasks: `release`, `overlap` or `evict`.
    #[arg(long, default_value = "release")]
    host: String,
    /// A dead worker is listed as out of reach, instead of left out.
    #[arg(long)]
    dead_are_listed: bool,
    /// A task that could not be placed is shown as released, and not as orphaned.
    #[arg(long)]
    keeps_moving: bool,
    /// Ends early after so many states.
    #[arg(long)]
    states: Option<usize>,
    /// Writes what was found to this file.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn scope(arguments: &Arguments) -> Scope {
    let mut settings = Settings::default();
    (settings.timeout, settings.only_the_present) = (15, true);
    (settings.overlap, settings.evicts) = (arguments.host == "overlap", arguments.host == "evict");
    settings.dead_are_listed = arguments.dead_are_listed;
    settings.keeps_moving = arguments.keeps_moving;
    let setup = Setup::to_drain(arguments.tasks, arguments.workers, settings);
    let mut scope = Scope::new(setup, arguments.depth);
    scope.faults = arguments.faults.unwrap_or(usize::MAX);
    scope.states = arguments.states.unwrap_or(usize::MAX);
    (scope.restarts, scope.saves) = (arguments.restarts, arguments.saves);
    scope
}

fn print(found: &Explored) -> Result<(), Box<dyn Error>> {
    let states: usize = found.states.iter().sum();
    let end = if found.is_complete { "" } else { ", ended early" };
    println!("{states} states, {} transitions{end}", found.transitions);
    println!(
        "{} repeated states compared, {} are not what they were taken for",
        found.compared,
        found.unlike.len()
    );
    if let Some(pair) = found.unlike.first() {
        println!("  {}", serde_json::to_string(pair)?);
    }
    for (violation, times) in found.violations.iter().zip(&found.times) {
        println!("{times} times {} ({}): {}", violation.kind, violation.by, violation.says);
        println!("  {}", serde_json::to_string(&violation.schedule)?);
    }
    Ok(())
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    println!("{} tasks x {} workers", arguments.tasks, arguments.workers);
    let found =
        explore(&scope(&arguments), |depth, states| println!("depth {depth}: {states} states"));
    print(&found)?;
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&found)?)?;
    }
    let is_clean = found.violations.is_empty();
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
