//! Runs scenarios through the engine in virtual time and compares policies.
//!
//! ```text
//! cargo run --release --example simulate --features sim -- --scenario five --size small
//! cargo run --release --example simulate --features sim -- --file examples/scenarios/my_cluster.toml
//! cargo run --release --example simulate --features sim -- --check
//! cargo run --release --example simulate --features sim -- --check --faults
//! ```
//!
//! The same command prints the same bytes and writes the same files, on any number of cores.
//!
//! | file | what it knows |
//! |---|---|
//! | `options`, `settings` | what to run, and the configuration of the policy `default` |
//! | `scenarios` | scenario files, and how they share what is common |
//! | `policies` | who balances |
//! | `runs`, `parallel` | cells, seeds and policies, on all cores |
//! | `tune` | the best setting of the traditional balancer, and the file that keeps it |
//! | `figures`, `table`, `rows` | what people and scripts get to see |
//! | `logs` | every round of a run, for the report |
//! | `curve` | evenness against movement, preference by preference |
//! | `check` | the bars that `default` must clear |
//! | `faults` | what must hold under faults |
//! | `vary` | whether the ranking depends on a constant |

#![forbid(unsafe_code)]

mod check;
mod curve;
mod faults;
mod figures;
mod logs;
mod options;
mod parallel;
mod policies;
mod rows;
mod runs;
mod scenarios;
mod settings;
mod table;
mod tune;
mod vary;

use std::io::Write as _;
use std::process::ExitCode;

use options::{Options, Refusal};
use policies::{Balancers, Kind};
use runs::{Cell, Outcome};
use scenarios::Named;
use tune::Best;

/// Everything ran, and something did not hold.
const BROKEN: u8 = 1;
/// Something that was asked for is impossible.
const REFUSED: u8 = 2;

/// What to print, and whether all of it is as it should be.
struct Report {
    text: String,
    holds: bool,
}

fn main() -> ExitCode {
    let options = match Options::read(std::env::args()) {
        Ok(options) => options,
        Err(Refusal::Help(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(Refusal::Fault(sentence)) => return refuse(&sentence),
    };
    match run(&options) {
        Ok(report) => {
            // Who reads only the first lines closes the pipe early; that is no fault.
            let _ = std::io::stdout().write_all(report.text.as_bytes());
            if report.holds { ExitCode::SUCCESS } else { ExitCode::from(BROKEN) }
        }
        Err(sentence) => refuse(&sentence),
    }
}

/// Says why it ends here.
fn refuse(sentence: &str) -> ExitCode {
    eprintln!("{sentence}");
    ExitCode::from(REFUSED)
}

fn run(options: &Options) -> Result<Report, String> {
    let config = settings::settings(options)?;
    let scenarios = scenarios::chosen(options)?;
    let cells = runs::cells(options, &scenarios)?;
    if options.tune {
        return tune(options, &scenarios, &cells);
    }
    let (seeds, tuning) = (options.seeds(), tune::SEEDS);
    if seeds.start <= *tuning.end() && *tuning.start() < seeds.end {
        let seeds = &options.seeds;
        eprintln!(
            "--seeds {seeds}: fixed-best was chosen on seeds 1 to 5, so it is favoured there"
        );
    }
    let asked = options.asked()?;
    let mut best = Best::for_scenarios(&scenarios, options.faults)?;
    if asked.contains(&Kind::FixedBest) {
        best.complete(&cells)?;
    }
    let who = Balancers { config, best };
    if options.vary {
        return vary::vary(options, &cells, &who);
    }
    if options.curve {
        return curve::curve(options, &cells, &who);
    }
    // Thrash is relative to none.
    let mut kinds = asked.clone();
    if !kinds.contains(&Kind::None) {
        kinds.insert(0, Kind::None);
    }
    let outcomes = runs::run(&cells, &kinds, &options.seeds(), &who, options.log.as_deref())?;
    write(options, &cells, &outcomes, &asked)?;
    let mut text = table::tables(&cells, &outcomes, &asked, &who);
    let mut holds = true;
    if options.check {
        let verdict = if options.faults {
            faults::check(options, &cells, &outcomes, &who)?
        } else {
            check::check(&cells, &outcomes)
        };
        text.push_str(&verdict.text);
        holds = verdict.holds;
    }
    Ok(Report { text, holds })
}

/// Searches all settings anew and rewrites the file.
fn tune(options: &Options, scenarios: &[Named], cells: &[Cell<'_>]) -> Result<Report, String> {
    if let Some(foreign) = scenarios.iter().find(|it| !it.bundled) {
        let folder = scenarios::FOLDER;
        return Err(format!(
            "--tune: {} is not in {folder}, whose settings are kept",
            foreign.name
        ));
    }
    let mut best = Best::for_scenarios(scenarios, options.faults)?;
    let text = best.search(cells)?;
    best.write()?;
    Ok(Report { text, holds: true })
}

fn write(
    options: &Options,
    cells: &[Cell<'_>],
    outcomes: &[Outcome],
    asked: &[Kind],
) -> Result<(), String> {
    let shown: Vec<&Outcome> = outcomes.iter().filter(|it| asked.contains(&it.kind)).collect();
    if let Some(file) = &options.json {
        rows::json(file, cells, &shown)?;
    }
    if let Some(folder) = &options.csv {
        rows::csv(folder, cells, &shown)?;
    }
    Ok(())
}
