//! What does a round decide? What the host must do, and why; what is not done, and why not.
//!
//! These are plain values: nothing is logged, and the host keeps what it wants. Every type
//! serialises, and prints as a sentence that an operator can read.

mod advice;
mod command;
mod difference;
mod fragmentation;
mod handover;
mod late;
mod purpose;
mod refusal;
mod remedy;
mod scorecard;
mod tally;
mod verdict;

use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use serde::{Deserialize, Serialize};

pub use advice::Advice;
pub use command::{Action, Cause, Command, Ended, Fate, Reason, Why};
pub use difference::{Difference, Differences};
pub use fragmentation::{Fragmentation, WorkerFragmentation};
pub use handover::Handover;
pub use late::Late;
pub use purpose::Purpose;
pub use refusal::{
    Admission, BudgetRefusal, FitRefusal, GroupRefusal, LoadRefusal, Reach, Rejection,
    TargetRefusal, TaskRefusal, WorthRefusal,
};
pub use remedy::Remedy;
pub use scorecard::{Benefit, Cost, Scorecard};
pub use tally::{Considered, Refusals, Refused, Tally};
pub use verdict::Verdict;

use crate::config::{Mode, Thresholds};
use crate::model::ids::{Epoch, WorkerId};
use crate::model::ratio::Utilization;
use crate::model::time::{Span, Timestamp, as_seconds};
use crate::snapshot::BadRecord;

/// What one round decided, with the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct Outcome {
    /// Version of this format: 1.
    pub version: u32,
    /// The epoch of the engine: which of its lives this is.
    pub epoch: Epoch,
    /// The number of this round within that life, from 1.
    pub tick: u64,
    /// The moment of the snapshot.
    pub at: Timestamp,
    /// The mode in force.
    #[serde(default, skip_serializing_if = "Mode::is_act")]
    pub mode: Mode,
    /// What the host is to do, in this order.
    pub commands: Vec<Command>,
    /// The commands that would begin migrations under [`Mode::Act`], in this order, with the ids that
    /// they would have had; empty in other modes than [`Mode::Advise`]. The host must not carry them
    /// out: reports on them are ignored, and the next round may use the same ids for other migrations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proposed: Vec<Command>,
    /// The migrations that ended in this round.
    pub ended: Vec<Ended>,
    /// How many migrations began in this round, and how many ended since the round before, in this
    /// round or by reports in between.
    pub counts: Counts,
    /// Migrations under way when the round was over.
    pub in_flight: u32,
    /// Every worker's load, by id.
    pub workers: Vec<WorkerLoad>,
    /// The loads of all workers together; `None` if no load is known.
    pub load: Option<SystemLoad>,
    /// How free device memory is cut up; `None` if
    /// [`Efficiency::fragmentation`](crate::config::Efficiency::fragmentation) is off, or no worker
    /// states its device memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragmentation: Option<Fragmentation>,
    /// Where the system's load is heading; `None` until there is enough history.
    pub trend: Option<Trend>,
    /// The thresholds in force.
    pub thresholds: Thresholds,
    /// How highly the system is loaded; this sets the pace.
    pub band: LoadBand,
    /// The loads that are expected at the end of the prediction window; `None` if there is no
    /// forecast.
    pub forecast: Option<Forecast>,
    /// Whether the cluster is even or uneven.
    pub balance: Balance,
    /// Why the engine held back in this round ([`Config::safeguard`](crate::Config::safeguard));
    /// `None` if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Every pair of task and worker that was scored, chosen or not; empty if
    /// [`Config::cost_benefit`](crate::Config::cost_benefit) is off. Each pair appears at most once; under
    /// [`Config::stability`](crate::Config::stability) at most [`Outcome::CANDIDATES`] pairs per task.
    pub candidates: Vec<Considered>,
    /// What was considered and refused, counted by reason.
    pub tally: Tally,
    /// The tasks that will still be on a worker when it leaves, unless something changes; by deadline
    /// and id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<Late>,
    /// What no move can mend, and what would mend it; empty if
    /// [`Config::advice`](crate::Config::advice) is off. At most [`Outcome::ADVICE`] of each kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<Advice>,
    /// Invalid records, at most [`Outcome::BAD_RECORDS`].
    pub bad_records: Vec<BadRecord>,
}

impl Outcome {
    /// The present version of the format.
    pub const VERSION: u32 = 1;
    /// At most this many bad records are shown; the snapshot has them all.
    pub const BAD_RECORDS: usize = 32;
    /// At most this many workers are scored for one task, under
    /// [`Config::stability`](crate::Config::stability).
    pub const CANDIDATES: usize = 8;

    /// The commands that begin a migration: [`Action::Release`], [`Action::Place`],
    /// [`Action::Evict`], [`Action::RequeueFor`] and [`Action::Start`].
    pub fn begun(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter().filter(|command| command.action.ends().is_some())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.mode.is_act() {
            writeln!(f, "mode       {}", self.mode)?;
        }
        match &self.load {
            Some(load) => writeln!(f, "load       {load}")?,
            None => writeln!(f, "load       unknown")?,
        }
        write!(f, "thresholds {}", self.thresholds)?;
        match &self.trend {
            Some(trend) => writeln!(f, "; {trend}")?,
            None => writeln!(f)?,
        }
        if let Some(forecast) = &self.forecast {
            writeln!(f, "forecast   {forecast}")?;
        }
        write!(f, "balance    {}", self.balance)?;
        if let Some(held) = &self.held {
            write!(f, "\nheld back  {held}")?;
        }
        if let Some(fragmentation) = &self.fragmentation {
            write!(f, "\ndevices    {fragmentation}")?;
        }
        let told = self.commands.iter().map(|command| ("command ", command));
        for (what, command) in told.chain(self.proposed.iter().map(|it| ("proposed", it))) {
            write!(f, "\n{what}   {command}")?;
            if let Some(scorecard) = &command.scorecard {
                write!(f, "\n           {scorecard}")?;
            }
            if let Some(handover) = &command.handover {
                write!(f, "\n           {handover}")?;
            }
        }
        for ended in &self.ended {
            write!(f, "\nended      {ended}")?;
        }
        for late in &self.late {
            write!(f, "\nlate       {late}")?;
        }
        for advice in &self.advice {
            write!(f, "\nadvice     {advice}")?;
        }
        for bad in &self.bad_records {
            write!(f, "\nbad record {bad}")?;
        }
        if !self.tally.is_empty() {
            write!(f, "\n{}", self.tally)?;
        }
        Ok(())
    }
}

/// So many workers are missing at once that the engine does not believe it: it begins nothing in this
/// round, and takes the missing workers for unknown, not for gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Held {
    /// Known workers that are missing or out of reach.
    pub missing: u32,
    /// Workers that were there when a snapshot was last believed.
    pub known: u32,
    /// Since when they have been missing.
    pub since: Timestamp,
    /// If they are still missing at this moment, they count as gone.
    pub until: Timestamp,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { missing, known, since, until } = self;
        write!(f, "{missing} of {known} known workers are missing since {since}")?;
        write!(f, "; they count as gone from {until} on")
    }
}

/// The engine's answer to one report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct Reply {
    /// What the host must do at once, in this order.
    pub commands: Vec<Command>,
    /// The migrations that the report ended.
    pub ended: Vec<Ended>,
    /// Whether the report said nothing new: it repeats an earlier one, or its migration is unknown or has
    /// ended. (Two reports about an ended migration are news: that its source released the task after all,
    /// and where an evicted task runs now.)
    pub ignored: bool,
    /// The report, if it is invalid; `None` otherwise.
    pub bad: Option<BadRecord>,
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(bad) = &self.bad {
            return write!(f, "{bad}");
        }
        if self.ignored {
            return f.write_str("nothing new");
        }
        let (mut lines, mut break_line) = (0, "");
        let mut line = |f: &mut fmt::Formatter<'_>, what: &str, text: &dyn fmt::Display| {
            lines += 1;
            write!(f, "{}{what} {text}", core::mem::replace(&mut break_line, "\n"))
        };
        for command in &self.commands {
            line(f, "command   ", command)?;
        }
        for ended in &self.ended {
            line(f, "ended     ", ended)?;
        }
        if lines == 0 { f.write_str("noted") } else { Ok(()) }
    }
}

/// How many migrations began, and how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// How many began.
    pub initiated: u64,
    /// How many completed. If the host's scheduler chooses the target, a diverted task counts too, unless
    /// it came back to its source.
    pub completed: u64,
    /// How many ended in any other way.
    pub failed: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.initiated += other.initiated;
        self.completed += other.completed;
        self.failed += other.failed;
    }

    /// The share of completed migrations among those that have ended; `None` if none has.
    pub fn success_rate(&self) -> Option<f64> {
        let ended = self.completed + self.failed;
        (ended > 0).then(|| self.completed as f64 / ended as f64)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { initiated, completed, failed } = self;
        write!(f, "{initiated} begun, {completed} completed, {failed} failed")
    }
}

/// 64-bit digests of everything that a round is decided from: see
/// [`Engine::fingerprints`](crate::Engine::fingerprints). They depend on the names of fields and
/// variants, not on their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fingerprints {
    /// The digest of the configuration.
    pub config: u64,
    /// The digest of the state before the round.
    pub state: u64,
    /// The digest of the snapshot.
    pub snapshot: u64,
}

/// One worker's load: 0 is idle, 1 is full.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerLoad {
    /// The worker.
    pub worker: WorkerId,
    /// The load as reported; `None` if unknown.
    pub reported: Option<Utilization>,
    /// The load as if every move that began before this round had arrived; `None` if unknown.
    pub projected: Option<Utilization>,
}

impl fmt::Display for WorkerLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.reported, self.projected) {
            (Some(reported), Some(projected))
                if (reported.get() - projected.get()).abs() >= 0.000_5 =>
            {
                write!(f, "{} {reported} ({projected} projected)", self.worker)
            }
            (Some(reported), _) => write!(f, "{} {reported}", self.worker),
            (None, _) => write!(f, "{} unknown", self.worker),
        }
    }
}

/// The loads of all usable workers taken together: one record of the system load history.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SystemLoad {
    /// The moment of the snapshot.
    pub at: Timestamp,
    /// How many workers have a known load.
    pub workers: u32,
    /// Mean load.
    pub mean: f64,
    /// Lowest load.
    pub min: f64,
    /// Highest load.
    pub max: f64,
    /// Sample standard deviation.
    pub deviation: f64,
}

impl SystemLoad {
    /// The specification's imbalance score: highest less lowest load.
    pub fn spread(&self) -> f64 {
        self.max - self.min
    }

    /// The population standard deviation, as the specification's original computes it.
    pub fn population_deviation(&self) -> f64 {
        let count = f64::from(self.workers.max(1));
        self.deviation * libm::sqrt((count - 1.0) / count)
    }
}

impl fmt::Display for SystemLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workers, mean, min, max, deviation, .. } = self;
        write!(f, "mean {mean:.3}, {min:.3} to {max:.3} over {workers} workers")?;
        write!(f, ", spread {:.3}, deviation {deviation:.3}", self.spread())
    }
}

/// Where the system's load is heading.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Trend {
    /// Up, down, or neither.
    pub direction: Direction,
    /// Change of the mean load per round, with its sign: the slope of the least-squares line.
    pub slope: f64,
    /// How well the line explains the load (R squared), 0 to 1.
    pub confidence: f64,
}

impl Trend {
    /// Change of the mean load per round, without its sign.
    pub const fn magnitude(&self) -> f64 {
        self.slope.abs()
    }
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { direction, slope, confidence } = self;
        write!(f, "load {direction} ({slope:+.4} per round, confidence {confidence:.2})")
    }
}

/// Which way a load is heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums, reason = "up, down, or neither: there is no fourth")]
pub enum Direction {
    /// Up.
    Increasing,
    /// Down.
    Decreasing,
    /// Neither.
    Stable,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Increasing => "increasing",
            Self::Decreasing => "decreasing",
            Self::Stable => "stable",
        })
    }
}

/// How highly the system as a whole is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(clippy::exhaustive_enums, reason = "above, below, or between two bounds")]
pub enum LoadBand {
    /// Above the upper bound (75 %).
    High,
    /// Between the bounds, or anywhere if adaptation is off.
    #[default]
    Normal,
    /// Below the lower bound (30 %).
    Low,
}

/// The loads that are expected at the end of the prediction window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Forecast {
    /// How far ahead the forecast looks.
    #[serde(with = "as_seconds")]
    pub horizon: Duration,
    /// Predicted mean load.
    pub mean: f64,
    /// Predicted spread: highest less lowest load.
    pub spread: f64,
    /// Mean of the workers' confidences, 0 to 1: the figure that must pass
    /// [`Prediction::confidence`](crate::config::Prediction::confidence).
    pub confidence: f64,
    /// How accurate past forecasts were: a moving average of max(0, 1 - 2 x mean absolute error);
    /// `None` until the first one is due.
    pub accuracy: Option<f64>,
    /// Each worker that has enough history, by id.
    pub workers: Vec<WorkerForecast>,
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mean, spread, confidence, .. } = self;
        write!(f, "mean {mean:.3}, spread {spread:.3} in {}", Span(self.horizon))?;
        write!(f, ", confidence {confidence:.2}")?;
        match self.accuracy {
            Some(accuracy) => write!(f, ", accuracy so far {accuracy:.2}"),
            None => Ok(()),
        }
    }
}

/// One worker's load at the end of the prediction window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerForecast {
    /// The worker.
    pub worker: WorkerId,
    /// Its predicted load, 0 to 1.
    pub load: f64,
    /// Lower end of its [prediction interval](Self::LEVEL), from 0 to `load`.
    pub low: f64,
    /// Upper end of its prediction interval, from `load` up; above 1 if demand may exceed capacity.
    pub high: f64,
    /// How well a line explains its recent loads, reduced while there are few: R squared x min(1,
    /// samples / 10).
    pub confidence: f64,
}

impl WorkerForecast {
    /// The share of loads that should fall between `low` and `high`: 80 %.
    ///
    /// The interval starts as the least-squares interval for a new observation: `load` plus or minus
    /// `t x s x sqrt(1 + 1 / n + (x - mean x)^2 / sum (x_i - mean x)^2)`, with `s^2` the sum of squared
    /// residuals over `n - 2` and `t` Student's 90 % point at `n - 2` degrees of freedom
    /// (NIST/SEMATECH e-Handbook of Statistical Methods, 4.5.2.1). A perfect line has no width; one
    /// through three points has `t` = 3.08 and is wide. It would hold 80 % if the load went on along
    /// its line with independent, normal residuals, which loads do not.
    ///
    /// If forecasts are [judged](crate::config::Prediction::judged), the margins of all workers are
    /// therefore multiplied by one learned factor from 1 to 16. If a share `m` of the workers falls
    /// outside its intervals, the factor is multiplied by 1 + 0.1 x (`m` - 0.2). It starts at 1.5; after
    /// a round with all workers outside it is 1.62, after one with none 1.47. 0.02 is added to a margin
    /// before the multiplication and subtracted after it, so that a perfect line that turns out wrong
    /// gets a width too.
    pub const LEVEL: f64 = 0.8;
}

/// Whether the cluster is even.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Balance {
    /// The loads of fewer than two workers are known: there is nothing to compare.
    Unknown,
    /// No move is needed to even out the loads.
    Even {
        /// Highest less lowest load.
        spread: f64,
    },
    /// Moves are needed to even out the loads.
    Uneven(Imbalance),
}

impl Balance {
    /// Whether moves are needed to even out the loads.
    pub const fn is_uneven(&self) -> bool {
        matches!(self, Self::Uneven(_))
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("unknown: the loads of fewer than two workers are known"),
            Self::Even { spread } => write!(f, "even: spread {spread:.3}"),
            Self::Uneven(imbalance) => write!(f, "uneven: {imbalance}"),
        }
    }
}

/// What makes a cluster uneven, with the evidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Imbalance {
    /// Whether the imbalance is present or predicted.
    pub sight: Sight,
    /// The most loaded worker.
    pub hottest: WorkerId,
    /// Its load.
    pub max: f64,
    /// Whether that is above the high threshold.
    pub over: bool,
    /// The least loaded worker.
    pub coldest: WorkerId,
    /// Its load.
    pub min: f64,
    /// Whether that is below the low threshold.
    pub under: bool,
    /// Highest less lowest load.
    pub spread: f64,
    /// The spread that must be exceeded.
    pub needed: f64,
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hottest, max, coldest, min, spread, needed, .. } = self;
        let over = if self.over { " (over)" } else { "" };
        let under = if self.under { " (under)" } else { "" };
        if let Sight::Predicted { confidence } = self.sight {
            write!(f, "predicted with confidence {confidence:.2}: ")?;
        }
        write!(f, "{hottest} at {max:.3}{over}, {coldest} at {min:.3}{under}")?;
        write!(f, ", spread {spread:.3} above {needed:.3}")
    }
}

/// Whether an imbalance is present or predicted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Sight {
    /// The measured loads are uneven.
    Present,
    /// The predicted loads are uneven.
    Predicted {
        /// The forecast's confidence, 0 to 1.
        confidence: f64,
    },
}
