//! The command line: parsed by clap, then checked.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;
use clap::error::ErrorKind;

use crate::policies::Kind;

/// Stands for everything there is.
pub(crate) const ALL: &str = "all";
/// What runs unless something else is asked for: the group of the specification's scenarios.
const USUAL: &str = "five";
/// The most seeds of one command.
const MOST_SEEDS: u64 = 10_000;

/// Compare balancing policies in virtual time.
///
/// Every scenario runs on every cluster with every policy and every seed, on all cores. A table per scenario and
/// cluster shows the medians. Where several names may be given, commas separate them.
#[derive(Clone, Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "switches of the command line")]
#[command(name = "simulate", max_term_width = 100)]
pub(crate) struct Options {
    /// Scenarios of examples/scenarios, groups of them, or all [default: five]
    #[arg(long, value_name = "NAME|GROUP|all", value_delimiter = ',', conflicts_with = "file")]
    scenario: Vec<String>,

    /// A scenario file of your own
    #[arg(long, value_name = "SCENARIO")]
    pub(crate) file: Option<PathBuf>,

    /// How large the clusters are: small, medium, large [default: small; medium with --check]
    #[arg(long, value_name = "SIZE", value_delimiter = ',')]
    size: Vec<String>,

    /// Which clusters: homogeneous, heterogeneous, or all that the scenario has
    #[arg(long, value_name = "NAME|all", value_delimiter = ',', default_value = ALL)]
    pub(crate) cluster: Vec<String>,

    /// Who balances: none, fixed, fixed-best, reference, default, oracle, or all
    #[arg(long, value_name = "NAME|all", value_delimiter = ',', default_value = ALL)]
    policy: Vec<String>,

    /// Seeds from A up to but not including B
    #[arg(long, value_name = "A..B", default_value_t = Seeds(101..106))]
    pub(crate) seeds: Seeds,

    /// Settings of the policy default, as JSON: a whole configuration, or the specification's 13 options
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Policy default: keep the thresholds where they are
    #[arg(long)]
    pub(crate) disable_dynamic_thresholds: bool,

    /// Policy default: act on what is measured only, never on a forecast
    #[arg(long)]
    pub(crate) disable_predictive_balancing: bool,

    /// Policy default: move whatever may be moved, without weighing cost against benefit
    #[arg(long)]
    pub(crate) disable_cost_benefit_analysis: bool,

    /// Policy default: judge all hardware alike; what a task requires still holds
    #[arg(long)]
    pub(crate) disable_hardware_specific_strategies: bool,

    /// Policy default: leave energy and heat out of the score
    #[arg(long)]
    pub(crate) disable_resource_efficiency: bool,

    /// Policy default: from 0, move as little as possible, to 1, keep loads as even as possible
    #[arg(long, value_name = "0..1", conflicts_with = "curve")]
    pub(crate) preference: Option<f64>,

    /// Let a fifth of the moves fail, a worker in twenty die at minute 15 and return at minute 25, measurements come
    /// 30 s late, and of the reports a tenth be lost and a tenth repeated
    #[arg(long, conflicts_with = "vary")]
    pub(crate) faults: bool,

    /// Write one row per run to FILE, as one JSON array
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write one row per run to a file per scenario in DIR
    #[arg(long, value_name = "DIR")]
    pub(crate) csv: Option<PathBuf>,

    /// Write the log of every run to a file of its own in DIR: SCENARIO-SIZE-CLUSTER-POLICY-SEED.jsonl
    #[arg(long, value_name = "DIR")]
    pub(crate) log: Option<PathBuf>,

    /// Judge the policy default by the acceptance bars, or with --faults by what must hold under faults; exits with 1
    /// if something does not hold
    #[arg(long, conflicts_with_all = ["tune", "vary", "policy"])]
    pub(crate) check: bool,

    /// Search the best setting of the fixed policy again, on seeds 1 to 5, and keep it
    #[arg(long, conflicts_with_all = ["vary", "policy", "seeds", "json", "csv", "log"])]
    pub(crate) tune: bool,

    /// Halve and double every physical constant: does default stay ahead of fixed-best?
    #[arg(long, conflicts_with_all = ["policy", "json", "csv", "log"])]
    pub(crate) vary: bool,

    /// Evenness and moves of the policy default at preferences from 0 to 1; exits with 1 if either turns back
    #[arg(long, conflicts_with_all = ["tune", "vary", "check", "policy", "json", "csv", "log"])]
    pub(crate) curve: bool,
}

/// `A..B`: from A up to but not including B.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seeds(Range<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = || {
            let (from, to) = text.split_once("..")?;
            let range: Range<u64> = from.trim().parse().ok()?..to.trim().parse().ok()?;
            let count = range.end.checked_sub(range.start)?;
            (1..=MOST_SEEDS).contains(&count).then_some(range)
        };
        numbers()
            .map(Self)
            .ok_or_else(|| format!("expected 1 to {MOST_SEEDS} seeds, such as 101..106"))
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.0.start, self.0.end)
    }
}

/// Why nothing runs.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Help was asked for; it goes to standard output.
    Help(String),
    /// An option makes no sense; one sentence for standard error.
    Fault(String),
}

impl Options {
    /// Reads the command line, program name first.
    pub(crate) fn read(arguments: impl IntoIterator<Item = String>) -> Result<Self, Refusal> {
        let options = Self::try_parse_from(arguments).map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp => Refusal::Help(error.to_string()),
            _ => Refusal::Fault(first_sentence(&error.to_string())),
        })?;
        options.asked().map_err(Refusal::Fault)?;
        Ok(options)
    }

    /// Names of scenarios and groups.
    pub(crate) fn scenarios(&self) -> Vec<&str> {
        if self.scenario.is_empty() { vec![USUAL] } else { names(&self.scenario) }
    }

    /// Names of sizes.
    pub(crate) fn sizes(&self) -> Vec<&str> {
        match (self.size.is_empty(), self.check) {
            (true, true) => vec!["medium"],
            (true, false) => vec!["small"],
            (false, _) => names(&self.size),
        }
    }

    pub(crate) fn seeds(&self) -> Range<u64> {
        self.seeds.0.clone()
    }

    /// The policies that were asked for, in the order of the table.
    pub(crate) fn asked(&self) -> Result<Vec<Kind>, String> {
        for name in &self.policy {
            if name != ALL && !Kind::ALL.iter().any(|kind| kind.name() == name) {
                let known = Kind::ALL.map(Kind::name).join(", ");
                return Err(format!(
                    "--policy {name}: no such policy, there are {known} and {ALL}"
                ));
            }
        }
        if self.check && self.faults {
            return Ok(vec![Kind::None, Kind::FixedBest, Kind::Default]);
        }
        let wanted = |kind: &Kind| self.policy.iter().any(|it| it == ALL || it == kind.name());
        Ok(Kind::ALL.into_iter().filter(wanted).collect())
    }
}

fn names(given: &[String]) -> Vec<&str> {
    given.iter().map(String::as_str).collect()
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
        let words = line.split_whitespace().map(str::to_owned);
        Options::read(std::iter::once("simulate".to_owned()).chain(words))
    }

    #[test]
    fn without_options_the_five_run_small_with_every_policy() {
        let options = read("").expect("it is valid");
        assert_eq!((options.scenarios(), options.sizes()), (vec!["five"], vec!["small"]));
        assert_eq!((options.seeds(), options.asked()), (101..106, Ok(Kind::ALL.to_vec())));
        assert_eq!(read("--check").expect("it is valid").sizes(), ["medium"]);
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_one_sentence() {
        for line in
            ["--policy best", "--seeds 6..6", "--seeds 6", "--check --tune", "--bogus", "--size"]
        {
            match read(line) {
                Err(Refusal::Fault(sentence)) => {
                    assert_eq!(sentence.lines().count(), 1, "{sentence}")
                }
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
