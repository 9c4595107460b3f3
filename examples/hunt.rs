//! Looks for broken promises: `cargo run --release --example hunt --features testkit -- --rounds 100000 --seed 1 [--json
//! FILE]`; plays a schedule again: `... -- --schedule FILE`. The model: [`evenkeel::testkit::hunt`].
//!
//! Ends with 1 if a promise is broken, and with 2 if a file cannot be read or written.
#![forbid(unsafe_code)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use evenkeel::testkit::hunt::{Schedule, hunt, replay};
use indicatif::ProgressBar;

#[derive(Parser)]
struct Arguments {
    /// How many rounds to run.
    #[arg(long, default_value_t = 100_000)]
    rounds: u64,
    /// Where chance begins.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes what was found to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Plays this schedule and nothing else.
    #[arg(long)]
    schedule: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let played = match &arguments.schedule {
        Some(file) => play(file),
        None => search(&arguments),
    };
    played.unwrap_or_else(|error| {
        eprintln!("hunt: {error}");
        ExitCode::from(2)
    })
}

/// An error with the file that it is about.
fn of<T, E: Error>(file: &Path, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{}: {error}", file.display()))
}

fn play(file: &Path) -> Result<ExitCode, Box<dyn Error>> {
    let text = of(file, std::fs::read_to_string(file))?;
    let schedule: Schedule = of(file, serde_json::from_str(&text))?;
    let (story, violation) = replay(&schedule);
    story.iter().for_each(|line| println!("{line}"));
    if let Some(violation) = violation {
        println!("{} ({}): {}", violation.kind, violation.by, violation.says);
        return Ok(ExitCode::FAILURE);
    }
    println!("every promise is kept");
    Ok(ExitCode::SUCCESS)
}

fn search(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let bar = ProgressBar::new(arguments.rounds);
    let found = hunt(arguments.rounds, arguments.seed, |rounds| bar.set_position(rounds));
    bar.finish_and_clear();
    println!(
        "{} rounds, {} commands, {} migrations",
        found.rounds, found.commands, found.migrations
    );
    for (violation, times) in found.violations.iter().zip(&found.times) {
        println!("{times} times {} ({}): {}", violation.kind, violation.by, violation.says);
        println!("  {}", serde_json::to_string(&violation.schedule)?);
    }
    if let Some(file) = &arguments.json {
        of(file, std::fs::write(file, serde_json::to_string_pretty(&found)?))?;
    }
    let is_clean = found.violations.is_empty();
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
