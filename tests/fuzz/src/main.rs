//! Mutates the corpus of one target or of all, or plays a finding again. See the library of this package.
#![forbid(unsafe_code)]

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use fuzz::{
    Drive, Found, Target, compare, drive, every_large, execute, read_large, retell, write_corpus,
};

#[derive(Parser)]
struct Arguments {
    /// What is fuzzed: `snapshot`, `config`, `state`, `pipe`, `scenario`, `operations` or `all`.
    #[arg(long, default_value = "all")]
    target: String,
    /// How many executions count: those in which the engine was given at least ten inputs.
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
    /// Reads hostile files of these two sizes, in MB, and compares what they cost, and nothing else.
    #[arg(long, num_args = 2, value_names = ["SMALL", "LARGE"])]
    large: Option<Vec<usize>>,
    /// With `--large`: only kinds of files whose name contains this.
    #[arg(long, default_value = "")]
    kind: String,
    /// Reads one such file, and prints what it costs; this is how the sizes are compared.
    #[arg(long, hide = true, requires = "megabytes")]
    read_large: Option<String>,
    #[arg(long, hide = true)]
    megabytes: Option<usize>,
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    if arguments.write_corpus {
        write_corpus()?;
        return Ok(ExitCode::SUCCESS);
    }
    if let (Some(kind), Some(megabytes)) = (&arguments.read_large, arguments.megabytes) {
        let cost = read_large(kind, megabytes).ok_or("there is no such file")?;
        println!("{}", serde_json::to_string(&cost)?);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some([small, large]) = arguments.large.as_deref() {
        return compare_large([*small, *large], &arguments.kind);
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
        is_clean &= found.findings.is_empty() && !found.is_slow() && found.executions == executions;
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints a line per kind of file.
fn compare_large(sizes: [usize; 2], kind: &str) -> Result<ExitCode, Box<dyn Error>> {
    let program = std::env::current_exe()?;
    let mut is_clean = true;
    println!(
        "{} MB and {} MB: time, memory, and what is said of the larger file",
        sizes[0], sizes[1]
    );
    for large in every_large().into_iter().filter(|large| large.name().contains(kind)) {
        match compare(&program, large, sizes) {
            Ok(compared) => {
                println!("{}", compared.line());
                is_clean &= !compared.is_too_much();
            }
            Err(error) => {
                println!("{error}");
                is_clean = false;
            }
        }
    }
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(target: Target, executions: u64, seed: u64, found: &Found) {
    println!(
        "{target}: seed {seed}, {} of {executions} executions with at least ten inputs, {} inputs, {} findings; \
         {} more executions with fewer inputs, which do not count; {:.0} s",
        found.executions,
        found.inputs,
        found.findings.len(),
        found.unread,
        found.took.as_secs_f64()
    );
    println!(
        "  slowest input of {} bytes: {:.0} ns a byte, {:.1} times the median of {:.0}; at most 10 times is allowed",
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
