//! Mutates the corpus of one target or of all, or plays a finding again. See the library of this package.
#![forbid(unsafe_code)]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use fuzz::{Drive, Found, Target, drive, execute, retell, write_corpus};

#[derive(Parser)]
struct Arguments {
    /// What is fuzzed: `snapshot`, `config`, `state`, `scenario`, `operations` or `all`.
    #[arg(long, default_value = "all")]
    target: String,
    /// How often an input is mutated and given.
    #[arg(long, default_value_t = 2_000)]
    executions: u64,
    /// Where chance begins.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Saves findings in this folder.
    #[arg(long, default_value = "target/fuzz")]
    findings: PathBuf,
    /// Plays this file once, and nothing else.
    #[arg(long)]
    replay: Option<PathBuf>,
    /// With `--replay`: prints what the bytes of `operations` chose, and what the engine answered.
    #[arg(long, requires = "replay")]
    story: bool,
    /// Writes the logs of the corpus anew, and nothing else.
    #[arg(long)]
    write_corpus: bool,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    if arguments.write_corpus {
        write_corpus()?;
        return Ok(ExitCode::SUCCESS);
    }
    let targets = match arguments.target.as_str() {
        "all" => Target::ALL.to_vec(),
        name => vec![name.parse()?],
    };
    if let Some(file) = &arguments.replay {
        let input = std::fs::read(file)?;
        if arguments.story {
            print!("{}", retell(&input));
        }
        for target in targets {
            match execute(target, &input) {
                Ok(ran) => println!("{target}: {} inputs, no finding", ran.inputs),
                Err(says) => {
                    println!("{target}: {says}");
                    return Ok(ExitCode::FAILURE);
                }
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    // A panic is a finding, and is told as one.
    std::panic::set_hook(Box::new(|_| ()));
    let mut is_clean = true;
    for target in targets {
        let (executions, seed) = (arguments.executions, arguments.seed);
        let findings = Some(arguments.findings.clone());
        let found = drive(&Drive { target, executions, seed, findings })?;
        print(target, executions, seed, &found);
        is_clean &= found.findings.is_empty();
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(target: Target, executions: u64, seed: u64, found: &Found) {
    println!(
        "{target}: seed {seed}, {executions} executions, {} inputs, {} executions with fewer than ten, {} findings",
        found.inputs,
        found.unread,
        found.findings.len()
    );
    println!(
        "  slowest input of {} bytes: {:.0} ns a byte, {:.1} times the median of {:.0}",
        found.slowest_input.len(),
        found.slowest,
        found.slowest / found.median.max(1.0),
        found.median
    );
    if let Some(file) = &found.slowest_file {
        println!("  saved as {}", file.display());
    }
    for finding in &found.findings {
        let file = finding.file.as_deref().unwrap_or_else(|| std::path::Path::new("-"));
        println!("  {} times, {}: {}", finding.times, file.display(), finding.says);
    }
}
