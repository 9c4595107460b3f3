//! The command line: parsed by clap, then checked as a whole, before anything is started.
//!
//! A run kills and joins at given seconds, so options that make sense one by one can still contradict each other.
//! [`Options::read`] refuses with one sentence that names the option, the value and the range.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::error::ErrorKind;
use clap::{Parser, ValueEnum};

/// The shortest run: 20 balancing rounds, one each second.
const MIN_SECONDS: u64 = 20;
/// The longest run: an hour is enough to watch.
const MAX_SECONDS: u64 = 3600;
/// The most workers, those that join included: with more, a worker's budget shrinks below what can be measured well.
const MAX_WORKERS: u64 = 12;
/// The most tasks: with more, a task's share of a core shrinks below what can be paced well.
const MAX_TASKS: u64 = 96;
/// Kills and joins stay so far away from the end, so that what follows from them can still be watched.
const QUIET_END: u64 = 5;

/// Watch real worker processes get rebalanced.
///
/// Starts worker processes with CPU budgets that differ, gives most of the tasks to one or two of them, and lets the
/// engine move tasks, once each second, until the load is even. Processor time and memory are measured by the
/// operating system; a moving task is checkpointed, cancelled, handed over and resumed.
#[derive(Clone, Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "six switches of the command line")]
#[command(name = "live-cluster", max_term_width = 100)]
pub(crate) struct Options {
    /// Worker processes at the start
    #[arg(long, default_value_t = 5, value_name = "N")]
    pub(crate) workers: u64,

    /// Tasks to run [default: 16, or 4 per worker if that is more]
    #[arg(long = "tasks", value_name = "N")]
    given_tasks: Option<u64>,

    /// Length of the run, one balancing round each second
    #[arg(long, default_value_t = 30, value_name = "S")]
    pub(crate) seconds: u64,

    /// Draws the tasks' sizes and places
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) seed: u64,

    /// Kill worker W at second S with SIGKILL; may be given several times
    #[arg(long = "kill", value_name = "W@S")]
    pub(crate) kills: Vec<Kill>,

    /// Let N more workers join at second S; may be given several times
    #[arg(long = "join", value_name = "N@S")]
    pub(crate) joins: Vec<Join>,

    /// Whose rules decide
    #[arg(long, value_enum, default_value_t = Policy::Default)]
    pub(crate) policy: Policy,

    /// Keep the thresholds where they are
    #[arg(long)]
    pub(crate) disable_dynamic_thresholds: bool,

    /// Act on what is measured only, never on a forecast
    #[arg(long)]
    pub(crate) disable_predictive_balancing: bool,

    /// Move whatever may be moved, hottest to coldest, without weighing cost against benefit
    #[arg(long)]
    pub(crate) disable_cost_benefit_analysis: bool,

    /// Judge all hardware alike; what a task requires still holds
    #[arg(long)]
    pub(crate) disable_hardware_specific_strategies: bool,

    /// Leave energy and heat out of the score
    #[arg(long)]
    pub(crate) disable_resource_efficiency: bool,

    /// Plain lines, even on a terminal; without one, and where CI is set, they are all there is
    #[arg(long)]
    pub(crate) plain: bool,

    /// Settings, as JSON with the specification's 13 option names
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Write every input of the engine to FILE, one JSON document per line, for replay
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,

    /// Write the run log to FILE, one JSON document per line: what a report is made of
    #[arg(long, value_name = "FILE")]
    pub(crate) run_log: Option<PathBuf>,

    /// Write a page of pictures of the run to FILE
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,

    /// Write the figures of the run to FILE as one JSON document
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Whose rules decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// The best that the crate's evidence supports.
    Default,
    /// The traditional balancer: fixed thresholds, no forecast, no cost.
    Fixed,
    /// Nobody: the engine watches and says what it sees. Tasks of a killed worker are restarted all the same.
    None,
    /// The specification's rules to the letter.
    Reference,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Fixed => "fixed",
            Self::None => "none",
            Self::Reference => "reference",
        })
    }
}

/// `W@S`: kill this worker at this second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kill {
    pub(crate) worker: u64,
    pub(crate) second: u64,
}

/// `N@S`: let so many workers join at this second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Join {
    pub(crate) count: u64,
    pub(crate) second: u64,
}

impl FromStr for Kill {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (worker, second) = pair(text, "a worker, @ and a second, such as 2@15")?;
        Ok(Self { worker, second })
    }
}

impl FromStr for Join {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (count, second) = pair(text, "a number of workers, @ and a second, such as 2@10")?;
        Ok(Self { count, second })
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.worker, self.second)
    }
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.count, self.second)
    }
}

/// Two whole numbers with an @ between them.
fn pair(text: &str, expected: &str) -> Result<(u64, u64), String> {
    let numbers = || {
        let (left, right) = text.split_once('@')?;
        Some((left.parse().ok()?, right.parse().ok()?))
    };
    numbers().ok_or_else(|| format!("expected {expected}"))
}

/// Why no run is started.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Help was asked for; it goes to standard output.
    Help(String),
    /// An option makes no sense; one sentence for standard error.
    Fault(String),
}

impl Options {
    /// Reads and checks the command line, program name first.
    pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, Refusal> {
        let options = Self::try_parse_from(arguments).map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp => Refusal::Help(error.to_string()),
            _ => Refusal::Fault(first_sentence(&error.to_string())),
        })?;
        options.check().map_err(Refusal::Fault)?;
        Ok(options)
    }

    /// How many tasks run.
    pub(crate) fn tasks(&self) -> u64 {
        self.given_tasks.unwrap_or_else(|| 16.max(self.workers_ever().saturating_mul(4)))
    }

    /// How many workers there are over the whole run.
    pub(crate) fn workers_ever(&self) -> u64 {
        self.joins.iter().fold(self.workers, |sum, join| sum.saturating_add(join.count))
    }

    fn check(&self) -> Result<(), String> {
        let Self { workers, seconds, .. } = *self;
        within("--workers", workers, 2, MAX_WORKERS)?;
        within("--seconds", seconds, MIN_SECONDS, MAX_SECONDS)?;
        let last = seconds - QUIET_END;
        for join in &self.joins {
            inside("--join", join, "the number of workers", join.count, 1, MAX_WORKERS)?;
            inside("--join", join, "the second", join.second, 1, last)?;
        }
        if self.workers_ever() > MAX_WORKERS {
            let all = self.workers_ever();
            return Err(format!(
                "--join: {all} workers in all are too many, there may be {MAX_WORKERS}"
            ));
        }
        within("--tasks", self.tasks(), 2 * workers, MAX_TASKS)?;
        for kill in &self.kills {
            inside("--kill", kill, "the second", kill.second, 1, last)?;
            inside("--kill", kill, "the worker", kill.worker, 1, self.workers_at(kill.second))?;
        }
        self.check_survivors()
    }

    /// Workers that have been started before this second, killed ones included: their numbers run from 1.
    fn workers_at(&self, second: u64) -> u64 {
        let joined = self.joins.iter().filter(|join| join.second < second);
        joined.fold(self.workers, |sum, join| sum.saturating_add(join.count))
    }

    /// Two workers have to be alive at every moment, or there is nothing to balance.
    fn check_survivors(&self) -> Result<(), String> {
        let mut killed = BTreeSet::new();
        let mut kills = self.kills.clone();
        kills.sort_by_key(|kill| kill.second);
        for kill in kills {
            if !killed.insert(kill.worker) {
                return Err(format!("--kill {kill}: worker {} is killed already", kill.worker));
            }
            let left = self.workers_at(kill.second) - killed.len() as u64;
            if left < 2 {
                return Err(format!(
                    "--kill {kill}: {left} worker would be left, at least 2 must be"
                ));
            }
        }
        Ok(())
    }
}

/// A number of its own must lie in a range.
fn within(option: &str, value: u64, least: u64, most: u64) -> Result<(), String> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(format!("{option} {value} is out of range: it must be {least} to {most}"))
}

/// A part of an option must lie in a range.
fn inside(
    option: &str,
    whole: impl fmt::Display,
    part: &str,
    value: u64,
    least: u64,
    most: u64,
) -> Result<(), String> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(format!("{option} {whole}: {part} {value} is out of range, it must be {least} to {most}"))
}

/// Clap's message without its heading and the hints below it.
fn first_sentence(message: &str) -> String {
    let paragraph = message.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, Refusal> {
        let arguments = line.split_whitespace().map(str::to_owned);
        Options::read(std::iter::once("live-cluster".to_owned()).chain(arguments))
    }

    fn fault(line: &str) -> String {
        match read(line) {
            Err(Refusal::Fault(sentence)) => sentence,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn without_options_there_are_five_workers_for_half_a_minute() {
        let options = read("").expect("it is valid");
        assert_eq!((options.workers, options.tasks(), options.seconds), (5, 20, 30));
        assert_eq!(options.policy, Policy::Default);
    }

    #[test]
    fn kills_and_joins_are_read() {
        let options = read("--kill 2@15 --join 2@10 --kill 7@20").expect("it is valid");
        assert_eq!(options.kills[1], Kill { worker: 7, second: 20 });
        assert_eq!(options.joins, [Join { count: 2, second: 10 }]);
        assert_eq!(options.workers_ever(), 7);
    }

    #[test]
    fn a_fault_names_the_option_the_value_and_the_range() {
        let table = [
            ("--workers 1", "--workers 1 is out of range: it must be 2 to 12"),
            ("--workers 13", "--workers 13 is out of range: it must be 2 to 12"),
            ("--tasks 9", "--tasks 9 is out of range: it must be 10 to 96"),
            ("--seconds 19", "--seconds 19 is out of range: it must be 20 to 3600"),
            ("--kill 9@10", "--kill 9@10: the worker 9 is out of range, it must be 1 to 5"),
            ("--kill 9@99", "--kill 9@99: the second 99 is out of range, it must be 1 to 25"),
            (
                "--kill 6@10 --join 1@10",
                "--kill 6@10: the worker 6 is out of range, it must be 1 to 5",
            ),
            (
                "--join 0@9",
                "--join 0@9: the number of workers 0 is out of range, it must be 1 to 12",
            ),
            ("--join 8@9", "--join: 13 workers in all are too many, there may be 12"),
            ("--kill 1@6 --kill 1@9", "--kill 1@9: worker 1 is killed already"),
            ("--workers 2 --kill 1@9", "--kill 1@9: 1 worker would be left, at least 2 must be"),
        ];
        for (line, sentence) in table {
            assert_eq!(fault(line), sentence);
        }
    }

    #[test]
    fn what_cannot_be_read_is_one_sentence_too() {
        for line in ["--kill 9", "--policy best", "--workers many", "--no-such-option"] {
            let sentence = fault(line);
            assert!(!sentence.contains('\n') && !sentence.starts_with("error"), "{sentence}");
        }
        assert!(fault("--kill 9").contains("expected a worker, @ and a second"));
    }

    #[test]
    fn help_is_not_a_fault() {
        assert!(matches!(read("--help"), Err(Refusal::Help(_))));
    }
}
