//! Inputs in, outputs out, line by line: replays a recorded log, and serves a host in any language
//! over a pipe.
//!
//! ```text
//! cargo run --example replay -- LOG [--check OUTPUTS] [--config FILE] [--resume STATE] [--save STATE]
//! ```
//!
//! `LOG` holds one [`Input`] as JSON per line (`{"tick": {...}}`, `{"report": {...}}`,
//! `{"reconfigure": {...}}`); `-` is standard input, and every output is flushed at once, so that a
//! host can wait for it. A line that cannot be read answers `{"error": "line 3: ..."}` on its own
//! and the rest goes on. What cannot be read of a snapshot is a bad record: a field costs that field, and its worker or
//! task is left alone; Python's `NaN` and `Infinity` may occur.
//!
//! `--check` compares with recorded outputs and fails at the first difference. `--config` holds the
//! specification's options, or a whole [`Config`]. `--resume` goes on from a saved state in the
//! next epoch; `--save` writes the state at the end.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::process::ExitCode;

use evenkeel::config::Options;
use evenkeel::engine::Input;
use evenkeel::id::Epoch;
use evenkeel::state::State;
use evenkeel::{Config, Engine};
use serde_json::json;

fn main() -> ExitCode {
    match Arguments::read(std::env::args().skip(1)).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("replay: {error}");
            ExitCode::from(2)
        }
    }
}

#[derive(Default)]
struct Arguments {
    log: String,
    check: Option<String>,
    config: Option<String>,
    resume: Option<String>,
    save: Option<String>,
}

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut arguments = Self::default();
        while let Some(word) = words.next() {
            let slot = match word.as_str() {
                "--check" => &mut arguments.check,
                "--config" => &mut arguments.config,
                "--resume" => &mut arguments.resume,
                "--save" => &mut arguments.save,
                log if arguments.log.is_empty() && !log.starts_with("--") => {
                    arguments.log = word;
                    continue;
                }
                other => return Err(format!("unexpected argument {other:?}").into()),
            };
            *slot = Some(words.next().ok_or_else(|| format!("{word} needs a file"))?);
        }
        if arguments.log.is_empty() {
            return Err("which log? give a file, or - for standard input".into());
        }
        Ok(arguments)
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut engine = engine(arguments)?;
    let input: Box<dyn BufRead> = match arguments.log.as_str() {
        "-" => Box::new(io::stdin().lock()),
        path => Box::new(BufReader::new(named(path, fs::File::open(path))?)),
    };
    let mut recorded = match &arguments.check {
        Some(path) => Some(BufReader::new(named(path, fs::File::open(path))?).lines()),
        None => None,
    };
    let mut output = io::stdout().lock();
    let (mut lines, mut alike) = (0_u64, 0_u64);
    for line in input.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        lines += 1;
        let answer = answer(&mut engine, lines, &line);
        let Some(recorded) = &mut recorded else {
            writeln!(output, "{answer}")?;
            output.flush()?;
            continue;
        };
        let expected = recorded.next().ok_or(format!("line {lines} has no recorded output"))??;
        if expected.trim() != answer {
            return Err(
                format!("line {lines} differs\nrecorded {expected}\nreplayed {answer}").into()
            );
        }
        alike += 1;
    }
    if let Some(mut recorded) = recorded {
        if recorded.next().is_some() {
            return Err(
                format!("the log ends after {lines} lines, the recorded outputs go on").into()
            );
        }
        writeln!(output, "{alike} of {lines} outputs identical")?;
    }
    if let Some(path) = &arguments.save {
        named(path, fs::write(path, serde_json::to_string(engine.state())?))?;
    }
    Ok(())
}

fn engine(arguments: &Arguments) -> Result<Engine, Box<dyn Error>> {
    let config = match &arguments.config {
        Some(path) => config(&named(path, fs::read_to_string(path))?)
            .map_err(|error| format!("{path}: {error}"))?,
        None => Config::default(),
    };
    let Some(path) = &arguments.resume else { return Ok(Engine::new(config)?) };
    let state: State = serde_json::from_str(&named(path, fs::read_to_string(path))?)
        .map_err(|error| format!("{path}: {error}"))?;
    let next = Epoch::new(state.epoch().raw() + 1);
    Ok(Engine::resume(config, state, next)?)
}

/// The specification's options, or else a whole configuration.
fn config(text: &str) -> Result<Config, Box<dyn Error>> {
    let whole: Result<Config, _> = serde_json::from_str(text);
    if let Ok(config) = whole {
        config.check()?;
        Ok(config)
    } else {
        let options: Options = serde_json::from_str(text)?;
        Ok(options.apply_to(Config::default())?)
    }
}

/// One line's answer, as one line.
fn answer(engine: &mut Engine, number: u64, line: &str) -> String {
    let answer = match evenkeel::shell::read_json::<Input>(line) {
        Ok(input) => serde_json::to_value(engine.apply(&input)),
        Err(error) => Ok(json!({ "error": format!("line {number}: {error}") })),
    };
    match answer {
        Ok(answer) => answer.to_string(),
        Err(error) => json!({ "error": format!("line {number}: {error}") }).to_string(),
    }
}

/// Names the file in an error.
fn named<T>(path: &str, result: io::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("{path}: {error}"))
}
