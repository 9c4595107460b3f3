//! Everything a round has to say: what to do, and why; what is not done, and why not.
//!
//! Values only. Nothing is logged; what the host wants to keep, it keeps. Every type prints as a
//! sentence an operator can read, and serialises.

mod advice;
mod balance;
mod command;
mod difference;
mod forecast;
mod fragmentation;
mod handover;
mod late;
mod load;
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
pub use command::{Action, Cause, Command, Ended, Fate, Reason, Why};
pub use difference::{Difference, Differences};
pub use forecast::{Forecast, WorkerForecast};
pub use fragmentation::{Fragmentation, WorkerFragmentation};
pub use handover::Handover;
pub use late::Late;
pub use load::{Direction, LoadBand, SystemLoad, Trend, WorkerLoad};
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

/// What one balancing round decided, and on what grounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct Outcome {
    /// Version of this format: 1.
    pub version: u32,
    /// The life of the engine.
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
    /// Under [`Mode::Advise`] what would be begun, in this order, under the ids it would have had.
    /// Not for the host to carry out: no report on it is understood, and in the next round the same
    /// ids may stand for other migrations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proposed: Vec<Command>,
    /// The migrations that came to their end in this round.
    pub ended: Vec<Ended>,
    /// Migrations begun in this round, and those that ended since the round before, by reports in
    /// between too.
    pub counts: Counts,
    /// Migrations under way when the round was over.
    pub in_flight: u32,
    /// Every worker's load, by id.
    pub workers: Vec<WorkerLoad>,
    /// The loads taken together; nothing if none is known.
    pub load: Option<SystemLoad>,
    /// How free device memory is cut up, where that is asked for
    /// ([`Efficiency::fragmentation`](crate::config::Efficiency::fragmentation)) and there is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fragmentation: Option<Fragmentation>,
    /// Where the system's load is heading, once there is enough history.
    pub trend: Option<Trend>,
    /// The thresholds in force.
    pub thresholds: Thresholds,
    /// How highly the system is loaded, which sets the pace.
    pub band: LoadBand,
    /// What is coming, as far as it can be told.
    pub forecast: Option<Forecast>,
    /// Even or uneven.
    pub balance: Balance,
    /// Why the engine refused to act in this round, if it did
    /// ([`Config::safeguard`](crate::Config::safeguard)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Every pair of task and worker that was scored, whatever became of it; empty where
    /// cost-benefit analysis is off. One per task and worker at most, and under
    /// [`Config::stability`](crate::Config::stability) not more than [`Outcome::CANDIDATES`] per task.
    pub candidates: Vec<Considered>,
    /// What was considered and refused, counted by reason.
    pub tally: Tally,
    /// Who will still be on a worker when it leaves, as things stand; by deadline and id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<Late>,
    /// What no move can mend, and what would; nothing unless
    /// [`Config::advice`](crate::Config::advice) is on. At most [`Outcome::ADVICE`] of each kind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub advice: Vec<Advice>,
    /// Records that made no sense, at most [`Outcome::BAD_RECORDS`] of them.
    pub bad_records: Vec<BadRecord>,
}

impl Outcome {
    /// The present version of the format.
    pub const VERSION: u32 = 1;
    /// So many bad records are shown at most; the snapshot has them all.
    pub const BAD_RECORDS: usize = 32;
    /// So much advice is given at most of each kind: of what is more, the gravest.
    pub const ADVICE: usize = 8;
    /// So many workers are weighed for one task, at most, under
    /// [`Config::stability`](crate::Config::stability).
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

/// Too many workers are missing at once to be believed: nothing is begun in this round, and what is
/// missing is unknown, not gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Held {
    /// Known workers that are missing or out of reach.
    pub missing: u32,
    /// Workers that were there when a snapshot was last believed.
    pub known: u32,
    /// Since when.
    pub since: Timestamp,
    /// If they are still missing by then, they are believed to be gone.
    pub until: Timestamp,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { missing, known, since, until } = self;
        write!(f, "{missing} of {known} known workers are missing since {since}")?;
        write!(f, "; believed from {until} on")
    }
}

/// What follows from one report.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[must_use]
#[non_exhaustive]
pub struct Reply {
    /// What the host is to do at once, in this order.
    pub commands: Vec<Command>,
    /// The migration that came to its end by it, if any.
    pub ended: Vec<Ended>,
    /// Whether the report said nothing new: of a migration that is unknown or over, or told before. (Some
    /// words on one that is over are news: that its source let go after all, that an evicted task has turned
    /// up.)
    pub ignored: bool,
    /// The report, if it made no sense.
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

/// Migrations by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// Begun.
    pub initiated: u64,
    /// Ended well. Where the host's scheduler chooses the target, what was diverted has, too, unless
    /// it came back to its source.
    pub completed: u64,
    /// Ended otherwise.
    pub failed: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.initiated += other.initiated;
        self.completed += other.completed;
        self.failed += other.failed;
    }

    /// Completed migrations out of those that have ended; nothing before any has.
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

/// 64-bit digests of what a round is decided from: see
/// [`Engine::fingerprints`](crate::Engine::fingerprints). They depend on the names of fields and
/// variants, and on no order among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fingerprints {
    /// Of the configuration.
    pub config: u64,
    /// Of the state, as it is before the round.
    pub state: u64,
    /// Of the snapshot.
    pub snapshot: u64,
}
