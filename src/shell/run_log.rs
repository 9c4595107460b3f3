//! The run log: everything that a run has to show, as one JSON object per line. This page is its
//! schema, version [`RunLine::VERSION`].
//!
//! [`Recorder`](super::Recorder) makes the lines, [`Line`] reads and writes them. The first line is
//! a [`RunLine`]; then come [`RoundLine`]s, [`MigrationLine`]s and [`StayLine`]s in the order in which they were
//! known. The key `line` says which: `run`, `round`, `stay`, `migration`.
//!
//! | unit | of |
//! |---|---|
//! | seconds | every moment and span, on the clock of the host's [timestamps](crate::Timestamp) |
//! | 0 idle, 1 full | every load, threshold and spread; a load may exceed 1 |
//! | 0 to 1 | every confidence and accuracy |
//! | points | every cost and benefit |
//! | watts, joules, degrees Celsius | power, energy, temperature |
//!
//! Ids are the host's numbers; a migration's is text, as it prints (`m0.1`). What is unknown is
//! `null`, never 0. A reader skips lines of a kind that it does not know ([`Line::Unknown`]) and
//! keys that it does not know: a later version may have more of both. A last line that is cut off
//! in the middle is the mark of a writer that died; the rest holds.
//!
//! # The specification's nine key metrics
//!
//! | metric | where |
//! |---|---|
//! | system load | [`RoundLine::load`], [`RoundLine::spread`], [`RoundLine::workers`] |
//! | threshold adjustments | [`RoundLine::thresholds`] |
//! | migrations | [`MigrationLine::outcome`], [`MigrationLine::scorecard`], [`RoundLine::initiated`] |
//! | prediction accuracy | [`RoundLine::judged`], [`Forecast::accuracy`] |
//! | decision logs | [`MigrationLine::reason`], [`RoundLine::candidates`], [`RoundLine::refusals`] |
//! | resource efficiency | [`RoundLine::energy`], [`RoundLine::thermal`] |
//! | hardware utilization | [`RoundLine::hardware`] |
//! | trend analysis | [`RoundLine::trend`] |
//! | adaptation rate | [`RoundLine::adaptation_rate`] |

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::config::{Config, Thresholds};
use crate::model::hardware::{Hardware, HardwareSet};
use crate::model::ids::{Epoch, MigrationId, TaskId, WorkerId};
use crate::model::time::{Timestamp, at_optional_seconds, at_seconds};
use crate::outcome::{Fate, Forecast, LoadBand, Scorecard, Trend};
use crate::snapshot::Stance;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Line {
    /// The first: what ran.
    Run(Box<RunLine>),
    /// A balancing round.
    Round(Box<RoundLine>),
    /// A task was on a worker.
    Stay(StayLine),
    /// A migration, from its begin to its end.
    Migration(Box<MigrationLine>),
    /// A line of another kind, by a later version; read, never written.
    #[serde(other)]
    Unknown,
}

/// What ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunLine {
    /// Version of the schema: [`RunLine::VERSION`].
    pub version: u32,
    /// What the host calls the run.
    pub title: String,
    /// Where second 0 lies on the wall clock, in milliseconds of Unix time; 0 where seconds are
    /// Unix time already, or lie nowhere.
    pub epoch_unix_millis: u64,
    /// The settings at the begin.
    pub config: Config,
}

impl RunLine {
    /// The present version of the schema.
    pub const VERSION: u32 = 1;
}

/// What one balancing round saw, foresaw and did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RoundLine {
    /// The life of the engine.
    pub epoch: Epoch,
    /// The number of the round within that life, from 1.
    pub tick: u64,
    /// The moment of the snapshot.
    #[serde(with = "at_seconds")]
    pub at: Timestamp,
    /// The workers' loads taken together; null if none is known.
    pub load: Option<LoadLine>,
    /// Highest less lowest load: the specification's imbalance score; null if no load is known.
    pub spread: Option<f64>,
    /// The thresholds in force.
    pub thresholds: Thresholds,
    /// How highly the system is loaded: `high`, `normal`, `low`.
    pub band: LoadBand,
    /// Where the mean load is heading: `direction` (`increasing`, `decreasing`, `stable`), `slope`
    /// (change per round, signed), `confidence`. Null while there is too little history.
    pub trend: Option<Trend>,
    /// How far the thresholds have moved since the round before: the change of the high one and the
    /// change of the low one, each without its sign, added up. 0 in the first round.
    pub adaptation_rate: f64,
    /// Even or uneven, and why, in words.
    pub balance: String,
    /// Whether something was to be done about it.
    pub uneven: bool,
    /// What is coming: `horizon` (seconds ahead), `mean`, `spread`, `confidence`, `accuracy` (of
    /// past forecasts; null before the first was due), and per worker `worker`, `load`, `low` and
    /// `high` (the ends of the [prediction interval](crate::outcome::WorkerForecast::low)), `confidence`.
    /// Null without a forecast.
    pub forecast: Option<Forecast>,
    /// Earlier forecasts that came due with this round, beside what came.
    pub judged: Vec<Judged>,
    /// Every worker in the snapshot, by id.
    pub workers: Vec<WorkerLine>,
    /// Every kind of hardware that a worker in the snapshot has.
    pub hardware: Vec<HardwareLoad>,
    /// Power and energy.
    pub energy: Energy,
    /// Temperature; null where no worker's is known.
    pub thermal: Option<Thermal>,
    /// How many pairs of task and worker were scored. 0 where cost-benefit analysis is off.
    pub scored: u32,
    /// Those pairs. Where there are more than the [recorder](super::Recorder::with_candidates)
    /// keeps: all that were chosen, and of the others every so-manieth.
    pub candidates: Vec<CandidateLine>,
    /// What was refused, by reason: scored pairs and all that did not get so far.
    pub refusals: Vec<RefusedLine>,
    /// Migrations begun in this round.
    pub initiated: u64,
    /// Migrations completed since the round before.
    pub completed: u64,
    /// Migrations that ended otherwise since the round before.
    pub failed: u64,
    /// Migrations under way when the round was over.
    pub in_flight: u32,
}

/// The workers' loads taken together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LoadLine {
    /// Mean load.
    pub mean: f64,
    /// Lowest load.
    pub min: f64,
    /// Highest load.
    pub max: f64,
    /// Sample standard deviation.
    pub deviation: f64,
}

/// A forecast of one worker's load, and the load that came. Forecasts are kept at most 16 to a
/// horizon, so that not every one is judged where rounds are shorter than that.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Judged {
    /// The worker.
    pub worker: WorkerId,
    /// When the forecast was made.
    #[serde(with = "at_seconds")]
    pub made: Timestamp,
    /// For when. The outcome is that of the first round from then on.
    #[serde(with = "at_seconds")]
    pub due: Timestamp,
    /// The load that was foreseen.
    pub load: f64,
    /// Lower end of its interval.
    pub low: f64,
    /// Upper end of its interval.
    pub high: f64,
    /// Its confidence.
    pub confidence: f64,
    /// The load that came, as reported.
    pub outcome: f64,
}

/// One worker in one round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WorkerLine {
    /// The worker.
    pub worker: WorkerId,
    /// Its load as reported; null if unknown.
    pub load: Option<f64>,
    /// Its load with everything that was under way before the round, as if it had arrived.
    pub projected: Option<f64>,
    /// Tasks on it.
    pub tasks: u32,
    /// Power drawn, in watts; null if unknown.
    pub watts: Option<f64>,
    /// Temperature in degrees Celsius; null if unknown.
    pub celsius: Option<f64>,
    /// What it accepts (`accept`, `hold`, `drain`, `offline`); null where the recorder was not
    /// given the snapshot.
    pub stance: Option<Stance>,
    /// What it has, as a list of names; empty where the recorder was not given the snapshot.
    pub hardware: HardwareSet,
}

/// One kind of hardware in one round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HardwareLoad {
    /// The kind.
    pub hardware: Hardware,
    /// Workers in the snapshot that have it.
    pub workers: u32,
    /// Mean load of those among them whose load is known; null if none is.
    pub load: Option<f64>,
}

/// Power and energy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Energy {
    /// What the workers in the snapshot draw, in watts; null where none says.
    pub watts: Option<f64>,
    /// What all workers have drawn since their first report, in joules: each worker's power,
    /// straight from report to report. Null before any has said twice.
    pub joules: Option<f64>,
}

/// Temperature of the workers that say, in degrees Celsius.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Thermal {
    /// Their mean.
    pub mean: f64,
    /// The hottest one's.
    pub max: f64,
}

/// A pair of task and worker that was scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CandidateLine {
    /// The task; of several that move as one, the first.
    pub task: TaskId,
    /// Where it is; null if it has no worker.
    pub from: Option<WorkerId>,
    /// Where it could go.
    pub to: WorkerId,
    /// What the move costs, in points.
    pub cost: f64,
    /// What it is good for, in points.
    pub benefit: f64,
    /// Whether the move was chosen.
    pub taken: bool,
    /// Why not, by the [name of the reason](crate::outcome::Rejection::name); null if it was chosen, or if
    /// another worker was chosen for the task.
    pub refused: Option<Cow<'static, str>>,
}

/// The refusals for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RefusedLine {
    /// The [name of the reason](crate::outcome::Rejection::name).
    pub reason: Cow<'static, str>,
    /// How many there were.
    pub count: u32,
}

/// A task was on a worker: known once it has left or finished, or when the log is finished.
///
/// The stays of one task do not overlap. Their ends are as exact as the host's telling: the moments
/// of its reports, or else of the snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StayLine {
    /// The task.
    pub task: TaskId,
    /// The worker.
    pub worker: WorkerId,
    /// Since when it was there.
    #[serde(with = "at_seconds")]
    pub from: Timestamp,
    /// Until when; later than `from`.
    #[serde(with = "at_seconds")]
    pub until: Timestamp,
}

/// A migration: known once it has ended, or when the log is finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MigrationLine {
    /// Its id.
    #[serde(with = "as_text")]
    pub migration: MigrationId,
    /// Its task.
    pub task: TaskId,
    /// Where the task came from; null if it had no worker.
    pub from: Option<WorkerId>,
    /// Where it went, or was to go.
    pub to: WorkerId,
    /// When it began.
    #[serde(with = "at_seconds")]
    pub begun: Timestamp,
    /// When it ended; null where it was under way when the log was finished.
    #[serde(default, with = "at_optional_seconds")]
    pub ended: Option<Timestamp>,
    /// How it ended: `completed`, `failed`, `timed_out`, `refused`, `diverted`, `aborted`,
    /// `finished` (the task, meanwhile). Null where it was under way.
    pub outcome: Option<Fate>,
    /// Why it was begun, in words; null if that was before the log.
    pub reason: Option<String>,
    /// What spoke for it and against it, factor by factor; null where there was no choice, or it
    /// was begun before the log.
    pub scorecard: Option<Scorecard>,
}

/// Serde: an id as it prints.
mod as_text {
    use alloc::string::String;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::model::ids::MigrationId;

    pub(super) fn serialize<S: Serializer>(id: &MigrationId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<MigrationId, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
