//! What does a round decide? What the host must do, and why; what is not done, and why not.
//!
//! These are plain values: nothing is logged, and the host keeps what it wants. Every type
//! serialises, and prints as a sentence that an operator can read.

mod advice;
mod balance;
mod cause;
mod command;
mod difference;
mod forecast;
mod fragmentation;
mod handover;
mod late;
mod load;
mod missing;
mod plan;
mod purpose;
mod refusal;
mod remedy;
mod scorecard;
mod tally;
mod verdict;

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

pub use advice::Advice;
pub use balance::{Balance, Imbalance, Sight};
pub use cause::Cause;
pub use command::{Action, Command, Ended, Fate, Reason, Why};
pub use difference::{Difference, Differences};
pub use forecast::{Forecast, WorkerForecast};
pub use fragmentation::{Fragmentation, WorkerFragmentation};
pub use handover::Handover;
pub use late::Late;
pub use load::{Direction, LoadBand, SystemLoad, Trend, WorkerLoad};
pub use missing::Missing;
pub use plan::{Batch, Bounds, Evenness, Highest, LevelBound, Plan, PlanMove, Stop};
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
use crate::model::ids::Epoch;
use crate::model::time::Timestamp;
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
    /// The workers that are missing and not taken for gone yet ([`Config::grace`](crate::Config::grace)), by id.
    /// Empty while the engine holds back: then every missing worker is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// Every pair of task and worker that was scored, chosen or not; empty if
    /// [`Config::cost_benefit`](crate::Config::cost_benefit) is off. Each pair appears at most once; under
    /// [`Config::stability`](crate::Config::stability) at most [`Outcome::CANDIDATES`] pairs per task, and for a task
    /// of a larger [gang](crate::snapshot::GroupRule::Gang) as many as its gang has members.
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
    /// At most this many pieces of advice of each kind are given, the gravest first.
    pub const ADVICE: usize = 8;
    /// At most this many workers are scored for one task, under
    /// [`Config::stability`](crate::Config::stability), unless it belongs to a larger gang.
    pub const CANDIDATES: usize = 8;

    /// The commands that begin a migration: [`Action::Release`], [`Action::Place`],
    /// [`Action::Evict`], [`Action::RequeueFor`] and [`Action::Start`].
    pub fn begun(&self) -> impl Iterator<Item = &Command> {
        self.commands.iter().filter(|command| command.action.begins().is_some())
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
        for missing in &self.missing {
            write!(f, "\nmissing    {missing}")?;
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
        self.initiated = self.initiated.saturating_add(other.initiated);
        self.completed = self.completed.saturating_add(other.completed);
        self.failed = self.failed.saturating_add(other.failed);
    }

    /// The share of completed migrations among those that have ended; `None` if none has.
    pub fn success_rate(&self) -> Option<f64> {
        let ended = self.completed.saturating_add(self.failed);
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
