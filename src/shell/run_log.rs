//! What does the run log contain? Everything worth showing of a run, one JSON object per line. This page
//! is its schema, version [`RunLine::VERSION`].
//!
//! [`Recorder`](super::Recorder) makes the lines, [`Line`] reads and writes them. The first line is a
//! [`RunLine`]; then come [`RoundLine`]s, [`MigrationLine`]s and [`StayLine`]s in the order in which they
//! became known. The key `line` names the kind: `run`, `round`, `stay`, `migration`.
//!
//! | unit | of |
//! |---|---|
//! | seconds | every moment and span, on the clock of the host's [timestamps](crate::Timestamp) |
//! | 0 idle, 1 full | every load, threshold and spread; a load may exceed 1 |
//! | 0 to 1 | every confidence and accuracy |
//! | points | every cost and benefit |
//! | watts, joules, degrees Celsius | power, energy, temperature |
//!
//! Ids are the host's numbers; the id of a migration is text, as it prints (`m0.1`). An unknown figure
//! is `null`, never 0. A reader should skip kinds of lines ([`Line::Unknown`]) and keys that it does not
//! know: a later version may have more of both. If the last line is cut off, the writer died while
//! writing it; the other lines hold.
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
    /// A migration, from start to end.
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
    /// Where second 0 lies on the wall clock, in milliseconds of Unix time; 0 if the seconds are Unix
    /// time already, or have no place on the wall clock.
    pub epoch_unix_millis: u64,
    /// The initial settings.
    pub config: Config,
}

impl RunLine {
    /// The present version of the schema.
    pub const VERSION: u32 = 1;
}

/// What one round observed, predicted and did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RoundLine {
    /// The epoch of the engine.
    pub epoch: Epoch,
    /// The number of the round within that epoch, from 1.
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
    /// Whether moves were needed to even out the loads.
    pub uneven: bool,
    /// The forecast: `horizon` (seconds ahead), `mean`, `spread`, `confidence`, `accuracy` (of
    /// past forecasts; null before the first was due), and per worker `worker`, `load`, `low` and
    /// `high` (the ends of the [prediction interval](crate::outcome::WorkerForecast::low)), `confidence`.
    /// Null without a forecast.
    pub forecast: Option<Forecast>,
    /// Earlier forecasts that came due with this round, beside the loads that came.
    pub judged: Vec<Judged>,
    /// Every worker in the snapshot, by id.
    pub workers: Vec<WorkerLine>,
    /// Every kind of hardware that a worker in the snapshot has.
    pub hardware: Vec<HardwareLoad>,
    /// Power and energy.
    pub energy: Energy,
    /// Temperature; null where no worker's is known.
    pub thermal: Option<Thermal>,
    /// How many pairs of task and worker were scored; 0 if cost-benefit analysis is off.
    pub scored: u32,
    /// Those pairs. If there are more than the [recorder](super::Recorder::with_candidates) keeps: all
    /// that were chosen, and every n-th of the others.
    pub candidates: Vec<CandidateLine>,
    /// The refusals by reason, of scored pairs and of pairs that were refused before.
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

/// A forecast of one worker's load, and the load that came. At most 16 forecasts per horizon are kept,
/// so not every one is judged if rounds follow each other faster.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Judged {
    /// The worker.
    pub worker: WorkerId,
    /// When the forecast was made.
    #[serde(with = "at_seconds")]
    pub made: Timestamp,
    /// The moment that the forecast is for. The first round from then on gives the outcome.
    #[serde(with = "at_seconds")]
    pub due: Timestamp,
    /// The predicted load.
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
    /// Its load as if every move that began before the round had arrived; null if unknown.
    pub projected: Option<f64>,
    /// Tasks on it.
    pub tasks: u32,
    /// Power drawn, in watts; null if unknown.
    pub watts: Option<f64>,
    /// Temperature in degrees Celsius; null if unknown.
    pub celsius: Option<f64>,
    /// Its stance (`accept`, `hold`, `drain`, `offline`); null if the recorder was not given the
    /// snapshot.
    pub stance: Option<Stance>,
    /// Its kinds of hardware, as a list of names; empty if the recorder was not given the snapshot.
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
    /// The power that the workers in the snapshot draw, in watts; null if none reports it.
    pub watts: Option<f64>,
    /// The energy that all workers have drawn since their first report, in joules: each worker's power,
    /// interpolated linearly between reports. Null until one has reported twice.
    pub joules: Option<f64>,
}

/// Temperature of the workers that report it, in degrees Celsius.
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
    /// The task; the first, if several move together.
    pub task: TaskId,
    /// The worker that the task is on; null if it has none.
    pub from: Option<WorkerId>,
    /// The worker that the task could move to.
    pub to: WorkerId,
    /// The cost of the move, in points.
    pub cost: f64,
    /// The benefit of the move, in points.
    pub benefit: f64,
    /// Whether the move was chosen.
    pub taken: bool,
    /// The [name of the refusal](crate::outcome::Rejection::name); null if the move was chosen, or if another
    /// worker was chosen for the task.
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
/// The stays of one task do not overlap. Their ends are as exact as the host's information: the moments
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
    /// The source; null if the task had no worker.
    pub from: Option<WorkerId>,
    /// The target.
    pub to: WorkerId,
    /// When the migration began.
    #[serde(with = "at_seconds")]
    pub begun: Timestamp,
    /// When the migration ended; null if it was under way when the log was finished.
    #[serde(default, with = "at_optional_seconds")]
    pub ended: Option<Timestamp>,
    /// How the migration ended: `completed`, `failed`, `timed_out`, `refused`, `diverted`, `aborted`, or
    /// `finished` (the task finished meanwhile). Null if it was under way.
    pub outcome: Option<Fate>,
    /// Why the migration began, in words; null if it began before the log.
    pub reason: Option<String>,
    /// The cost and the benefit, factor by factor; null if nothing was weighed, or the migration began
    /// before the log.
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
