//! What may a stage read in a round, and what do stages hand on to each other?

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Deref;

use crate::config::{Config, Pace, Thresholds};
use crate::math::average::Average;
use crate::model::ids::{GroupId, TaskId, WorkerId};
use crate::model::rows::{Row, TaskRow, WorkerRow};
use crate::outcome::{
    Advice, Balance, Considered, Forecast, Fragmentation, Handover, LoadBand, Purpose, Rejection,
    Scorecard, Tally, Trend,
};
use crate::state::{Standing, State, Transport};
use crate::view::{Companions, Footprint, Ledger, Place, View};

/// Everything that does not change while a plan grows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) state: &'a State,
    pub(crate) view: &'a View<'a>,
    pub(crate) bands: &'a Bands,
    pub(crate) companions: &'a Companions,
    pub(crate) pace: Pace,
}

impl<'a> Context<'a> {
    /// The round with the moves that a ledger holds.
    pub(crate) const fn with<'r>(&self, ledger: &'r Ledger) -> Round<'r>
    where
        'a: 'r,
    {
        Round { context: *self, ledger }
    }
}

/// Everything that a rule, a score or a search may read, with the moves that the ledger holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round<'a> {
    pub(crate) context: Context<'a>,
    pub(crate) ledger: &'a Ledger,
}

impl<'a> Deref for Round<'a> {
    type Target = Context<'a>;

    fn deref(&self) -> &Self::Target {
        &self.context
    }
}

impl Round<'_> {
    /// The level of a worker: its load in the ledger, shifted to the forecast if the forecast triggered.
    pub(crate) fn level(&self, worker: WorkerRow) -> Option<f64> {
        Some(self.ledger.load(worker)? + self.bands.shift(worker))
    }

    /// The level of a target once a footprint has arrived.
    pub(crate) fn level_after_arrival(&self, to: WorkerRow, footprint: &Footprint) -> Option<f64> {
        let load = self.ledger.load_with(to, |column| footprint.load[column])?;
        Some(load + self.bands.shift(to))
    }

    /// The level of a source once a footprint has left.
    pub(crate) fn level_after_departure(
        &self,
        from: WorkerRow,
        footprint: &Footprint,
    ) -> Option<f64> {
        let load = self.ledger.load_with(from, |column| -footprint.freed(column))?;
        Some(load + self.bands.shift(from))
    }

    /// Whether a worker must give tasks: it takes part in balancing, and its level is in the band of donors.
    pub(crate) fn donates(&self, worker: WorkerRow) -> bool {
        let balanced = self.view.workers[worker].balanced;
        balanced && self.level(worker).is_some_and(|level| level > self.bands.donate_above)
    }

    /// Whether a move would interrupt the task: the task is on a worker, and would not just be queued again.
    pub(crate) fn is_interrupted(&self, row: TaskRow) -> bool {
        let transport = Transport::of(self.config.migration.as_ref(), self.view.task(row));
        let is_queued = transport == Transport::Requeue && !broken!("requeue_is_free");
        matches!(self.ledger.places[row], Place::On(_)) && !is_queued
    }

    pub(crate) fn task_id(&self, row: TaskRow) -> TaskId {
        self.view.task(row).id
    }

    pub(crate) fn worker_id(&self, row: WorkerRow) -> WorkerId {
        self.view.worker_id(row)
    }
}

/// The results of the stages before the plan.
#[derive(Clone, Debug)]
pub(crate) struct Survey<'a> {
    pub(crate) view: View<'a>,
    /// The ledger as the round begins.
    pub(crate) ledger: Ledger,
    pub(crate) companions: Companions,
    pub(crate) adapted: Adapted,
    pub(crate) calibration: Calibration,
    pub(crate) forecast: Option<Forecast>,
    pub(crate) balance: Balance,
    pub(crate) bands: Bands,
    /// How free device memory is cut up; `None` if that is not asked for.
    pub(crate) fragmentation: Option<Fragmentation>,
}

impl Survey<'_> {
    pub(crate) fn context<'r>(&'r self, config: &'r Config, state: &'r State) -> Context<'r> {
        let Self { view, bands, companions, adapted, .. } = self;
        Context { config, state, view, bands, companions, pace: adapted.pace }
    }
}

/// The levels that moves are judged by. With a mean of 0.5 and thresholds of 0.85 and 0.2, workers above
/// 0.85 donate until they are at 0.5, to workers below 0.85 that no move pushes above 0.85.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bands {
    /// What the forecast adds to each worker's load; empty if measured loads triggered.
    pub(crate) shift: Vec<f64>,
    /// Workers above this level donate. Infinite while the loads are even: no worker must donate.
    pub(crate) donate_above: f64,
    /// Workers donate until they are at this level.
    pub(crate) donate_until: f64,
    /// Workers below this level accept.
    pub(crate) accept_below: f64,
    /// Above this level a worker is overloaded.
    pub(crate) high: f64,
    /// No move pushes a resource of its target above this level.
    pub(crate) ceiling: f64,
    /// Loads with at most this spread are even.
    pub(crate) even_spread: f64,
    /// A move leaves its target at least this far below the level that its source had.
    pub(crate) dead_band: f64,
    /// The spread of the present loads; `None` if fewer than two are known.
    pub(crate) spread: Option<f64>,
    /// How far the loads are apart, compared with before; `None` if that is not known.
    pub(crate) parting: Option<Parting>,
    /// The use of overloaded workers that none of their tasks accounts for, per column, if a task there has moved.
    pub(crate) unstated: Unstated,
}

/// What overloaded workers use that none of their tasks accounts for, per column.
pub(crate) type Unstated = BTreeMap<WorkerRow, Vec<f64>>;

/// How far the loads are apart, and from where on they have parted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Parting {
    pub(crate) spread: f64,
    /// The least spread since the loads parted last, and the dead band.
    pub(crate) above: f64,
}

impl Parting {
    /// Whether the loads have not parted again.
    pub(crate) fn is_over(self) -> bool {
        self.spread <= self.above
    }
}

impl Bands {
    pub(crate) fn shift(&self, worker: WorkerRow) -> f64 {
        self.shift.get(worker.position()).copied().unwrap_or(0.0)
    }
}

/// Tasks that move together: one task, or the members of an affinity group that share a worker.
#[derive(Clone, Debug)]
pub(crate) struct MoveSet {
    /// Task rows in order; the first leads.
    pub(crate) rows: Vec<TaskRow>,
    pub(crate) from: Option<WorkerRow>,
    pub(crate) purpose: Purpose,
    /// The gang move that the set is part of; `None` if it is part of none.
    pub(crate) gang: Option<GangMember>,
}

impl MoveSet {
    pub(crate) fn lead(&self) -> TaskRow {
        self.rows[0]
    }

    /// The group that the set follows; `None` if that is not its purpose.
    pub(crate) fn follows(&self) -> Option<GroupId> {
        match self.purpose {
            Purpose::FollowGang => self.gang.map(|gang| gang.group),
            _ => None,
        }
    }
}

/// Binds a task to the others of its gang, which may move to different workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GangMember {
    /// The index of the gang move in this round.
    pub(crate) index: usize,
    /// The group that binds the task to the gang move.
    pub(crate) group: GroupId,
}

/// How a task would run on a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fit {
    /// The alternative that it runs by; `None` if it has none.
    pub(crate) alternative: Option<u16>,
    /// The device that it runs on; `None` if it needs none.
    pub(crate) device: Option<u16>,
}

/// Which of a task's alternatives are acceptable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum VariantFilter {
    /// The fastest for which there is room.
    Any,
    /// The fastest for which there is room, if it is at least this fast.
    AtLeast(f64),
    /// This one.
    Only(Option<u16>),
}

/// A set of tasks and a worker that could take it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// The index of the set.
    pub(crate) set: usize,
    pub(crate) to: WorkerRow,
    /// How the task that leads the set would run.
    pub(crate) fit: Fit,
    /// How many times as fast the task runs there, if the purpose is an upgrade.
    pub(crate) speedup: f64,
    /// The scorecard; `None` if moves are not scored.
    pub(crate) scorecard: Option<Scorecard>,
    /// The position of the candidate among the pairs that were scored.
    pub(crate) position: usize,
}

impl Candidate {
    pub(crate) const fn new(set: usize, to: WorkerRow, fit: Fit) -> Self {
        Self { set, to, fit, speedup: 1.0, scorecard: None, position: 0 }
    }

    /// The net benefit; 0 if moves are not scored.
    pub(crate) fn net(&self) -> f64 {
        self.scorecard.map_or(0.0, |scorecard| scorecard.net())
    }
}

/// A move that was chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlannedMove {
    pub(crate) row: TaskRow,
    pub(crate) from: Option<WorkerRow>,
    pub(crate) to: WorkerRow,
    pub(crate) fit: Fit,
    pub(crate) purpose: Purpose,
    /// The group that the task follows; `None` if that is not the purpose.
    pub(crate) follows: Option<GroupId>,
    /// How many times as fast the task runs there, if the purpose is an upgrade.
    pub(crate) speedup: f64,
    pub(crate) scorecard: Option<Scorecard>,
    pub(crate) handover: Option<Handover>,
}

/// Tasks on workers to be emptied that can go to no worker, and what stops each; `None` if no worker accepts tasks.
pub(crate) type Stuck = BTreeMap<TaskRow, Option<Rejection>>;

/// What planning returns.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) moves: Vec<PlannedMove>,
    /// Every pair that was scored.
    pub(crate) considered: Vec<Considered>,
    pub(crate) stuck: Stuck,
    pub(crate) tally: Tally,
}

/// What adaptation returns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adapted {
    pub(crate) thresholds: Thresholds,
    pub(crate) trend: Option<Trend>,
    pub(crate) band: LoadBand,
    pub(crate) pace: Pace,
}

impl Adapted {
    /// The configured thresholds and a normal pace, for a configuration without adaptation.
    pub(crate) fn fixed(thresholds: Thresholds) -> Self {
        let (trend, band, pace) = (None, LoadBand::Normal, Pace::default());
        Self { thresholds, trend, band, pace }
    }
}

/// How accurate the forecasts were that have fallen due.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calibration {
    /// Moving average of max(0, 1 - 2 x mean absolute error).
    pub(crate) accuracy: Option<Average>,
    /// The factor of the margins; `None` if no forecast was judged.
    pub(crate) factor: Option<f64>,
}

/// Advice about what no move can mend, and since when each condition has held.
#[derive(Clone, Debug, Default)]
pub(crate) struct Advised {
    pub(crate) told: Vec<Advice>,
    pub(crate) standing: Vec<Standing>,
}
