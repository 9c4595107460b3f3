//! What does the engine remember from round to round? History, migrations under way, what it has
//! learned, and what is spent of budgets.
//!
//! State is data: it serialises, and an engine that is resumed from it goes on as if nothing had
//! happened. Only two modules write it: `lifecycle` first in a round, `stage::record` last.

mod bad_entry;
mod check;
mod clock;
mod course;
mod in_flight;
mod memory;
mod migration;
mod missing;
mod spending;
mod target;
mod terms;
mod track;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Thresholds;
use crate::math::average::Average;
use crate::math::window::Window;
use crate::model::hardware::Hardware;
use crate::model::ids::{Epoch, KindId, MigrationId, TaskId, WorkerId};
use crate::model::time::Timestamp;
use crate::outcome::{Counts, SystemLoad};
use crate::snapshot::Snapshot;

pub use bad_entry::{BadEntry, Entry};
pub(crate) use check::check;
pub(crate) use course::{Course, Transport};
pub(crate) use in_flight::InFlight;
pub(crate) use memory::{AtRest, Cooldown, EndedMigration, EvictionBackoff, RecentArrival, STAYS};
pub(crate) use migration::Migration;
pub(crate) use missing::Absence;
pub(crate) use spending::{Charge, Concurrency, Key, MEMORY_PER_WORKER, Spending, Spent};
pub(crate) use target::Target;
pub(crate) use terms::{AtSource, Terms};
pub(crate) use track::{Pending, RECENT, SAMPLES, Sample, Track};

/// At most this many records of the system load history are kept: 100, as in the original.
pub(crate) const SYSTEM_RECORDS: usize = 100;
/// At most this many forecasts wait for their outcome.
pub(crate) const FORECASTS: usize = 16;
/// The bounds of the factor of the margins of forecasts.
pub(crate) const FACTORS: RangeInclusive<f64> = 1.0..=16.0;
/// At most this many placements are on their way to one worker at once.
pub(crate) const PLACEMENTS_PER_WORKER: usize = 16;
/// At most this many ended migrations are remembered for late reports: 100, as in the original.
pub(crate) const ENDED: usize = 100;

/// What an [`Engine`](crate::Engine) remembers between rounds. It is opaque but serialisable: save it,
/// and [resume](crate::Engine::resume) from it. JSON users need the `float_roundtrip` feature of
/// `serde_json`: without it about one number in ten is read back one bit off.
///
/// What was read is checked when an engine resumes from it: entries that are impossible are [`BadEntry`] values in
/// [`Engine::set_aside`](crate::Engine::set_aside).
///
/// # Bounds
///
/// | collection | at most |
/// |---|---|
/// | system history | 100 records |
/// | workers | those of the last complete snapshot, and transient workers |
/// | missing workers | the workers, and both ends of every migration under way |
/// | samples | 64 and the last 5 per worker |
/// | forecasts waiting for their outcome | 16, each a load and a margin per worker |
/// | migrations under way, and those among them whose sources are closed to them | the limit on migrations, 16 placements per worker, and 64 taken over per worker |
/// | recent arrivals; cooldowns; tasks that have moved; tasks that came back | 64 per worker each |
/// | ended migrations remembered for late reports | 100 |
/// | what was learned | success: workers x kinds; cost: kinds; speed: workers x kinds of hardware |
/// | counters | 60 minutes, 24 hours |
/// | spending of budgets with a window | 64 accounts per worker and line with a window (fairness counts as a line), 17 sums each |
/// | conditions for advice that have held for some rounds | 32 |
///
/// A transient worker is one that only partial snapshots have named since the last complete one. It is
/// forgotten when no snapshot has named it for as long as samples are kept (the performance window, or
/// the history of forecasts if that is longer), no task is reported on it, and no migration under way
/// comes from it or goes to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Version of this format.
    pub(crate) schema: u32,
    pub(crate) epoch: Epoch,
    /// The number of rounds in this epoch.
    pub(crate) ticks: u64,
    /// The number of the last migration issued in this epoch.
    pub(crate) issued: u64,
    /// The moment of the last snapshot.
    pub(crate) last: Option<Timestamp>,
    /// Since when too many workers have been missing to be believed; `None` if they are not.
    pub(crate) doubted_since: Option<Timestamp>,
    /// The workers that complete snapshots do not list, while they may still come back; every one of them is tracked,
    /// or an end of a migration under way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) missing: BTreeMap<WorkerId, Absence>,
    pub(crate) tracks: BTreeMap<WorkerId, Track>,
    pub(crate) system: Window<SystemLoad, SYSTEM_RECORDS>,
    /// The thresholds in force after the last round.
    pub(crate) thresholds: Option<Thresholds>,
    /// Whether the last round moved something to even out the loads.
    pub(crate) rebalancing: bool,
    pub(crate) forecasts: Window<Pending, FORECASTS>,
    /// How accurate forecasts have been.
    pub(crate) accuracy: Option<Average>,
    /// The factor of the margins of forecasts; `None` until a forecast was judged.
    pub(crate) factor: Option<f64>,
    pub(crate) in_flight: InFlight,
    /// The migrations under way whose sources would not take the task back, as the last round saw them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) closed_homes: BTreeSet<MigrationId>,
    pub(crate) concurrency: Option<Concurrency>,
    pub(crate) spending: Spending,
    pub(crate) arrivals: Vec<RecentArrival>,
    pub(crate) cooldowns: BTreeMap<TaskId, Cooldown>,
    /// Tasks that have moved, until when they stay, as long as the loads do not part: and later than that while their
    /// worker is overloaded.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) moved: BTreeMap<TaskId, Timestamp>,
    /// The least spread of the loads since they parted last; `None` before loads were compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) least_spread: Option<f64>,
    /// Tasks that came back to the worker from which they were evicted.
    pub(crate) back_offs: BTreeMap<TaskId, EvictionBackoff>,
    pub(crate) ended: Window<EndedMigration, ENDED>,
    pub(crate) learned: Learned,
    /// The conditions for advice, each with the moment since when it has held.
    pub(crate) advised: Vec<Standing>,
    pub(crate) counters: Counters,
}

const fn is_zero(count: &u32) -> bool {
    *count == 0
}

impl State {
    /// The version of the format that this release writes.
    pub const SCHEMA: u32 = 1;

    /// A state that remembers nothing.
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self {
            schema: Self::SCHEMA,
            epoch,
            ticks: 0,
            issued: 0,
            last: None,
            doubted_since: None,
            missing: BTreeMap::new(),
            tracks: BTreeMap::new(),
            system: Window::default(),
            thresholds: None,
            rebalancing: false,
            forecasts: Window::default(),
            accuracy: None,
            factor: None,
            in_flight: InFlight::default(),
            closed_homes: BTreeSet::new(),
            concurrency: None,
            spending: Spending::default(),
            arrivals: Vec::new(),
            cooldowns: BTreeMap::new(),
            moved: BTreeMap::new(),
            least_spread: None,
            back_offs: BTreeMap::new(),
            ended: Window::default(),
            learned: Learned::default(),
            advised: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// The version of the format that the state was written in.
    pub const fn schema(&self) -> u32 {
        self.schema
    }

    /// The epoch of the engine that wrote the state.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The moment of the last snapshot; `None` before the first.
    pub const fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// The loads are not as they were: tasks that have moved may move again.
    pub(crate) fn forget_moved(&mut self) {
        self.moved.clear();
        self.least_spread = None;
    }

    /// Migrations under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// How many of each thing the state holds, by name, so that the bounds can be checked.
    pub fn sizes(&self) -> [(&'static str, usize); 15] {
        let samples = self.tracks.values().map(|track| track.samples.len());
        [
            ("system records", self.system.len()),
            ("tracked workers", self.tracks.len()),
            ("missing workers", self.missing.len()),
            ("samples of one worker", samples.max().unwrap_or(0)),
            ("forecasts", self.forecasts.len()),
            ("migrations", self.in_flight.len()),
            ("closed homes", self.closed_homes.len()),
            ("landed", self.arrivals.len()),
            ("cooldowns", self.cooldowns.len()),
            ("moved", self.moved.len()),
            ("returned", self.back_offs.len()),
            ("ended", self.ended.len()),
            ("learned", self.learned.len()),
            ("spending", self.spending.len()),
            ("advice", self.advised.len()),
        ]
    }

    /// The thresholds in force, as adapted so far.
    pub(crate) fn thresholds(&self, configured: Thresholds) -> Thresholds {
        self.thresholds.unwrap_or(configured)
    }

    /// The highest number of a migration of this epoch that is under way or remembered; 0 if there is none.
    pub(crate) fn last_number(&self, epoch: Epoch) -> u64 {
        let ids = self.in_flight.values().map(Migration::id);
        let ids = ids.chain(self.ended.iter().map(|ended| ended.id));
        ids.filter(|id| id.epoch() == epoch).map(MigrationId::number).max().unwrap_or(0)
    }

    /// The id of the `nth` next migration; `record` marks it as issued.
    pub(crate) const fn migration(&self, nth: u64) -> MigrationId {
        MigrationId::new(self.epoch, self.issued + 1 + nth)
    }

    /// The tasks that were given back to the scheduler, as far as no snapshot has shown that it has them; and those of
    /// which the host may still carry out such an order, because it was given within `timeout`.
    pub(crate) fn given_back(
        &self,
        now: Timestamp,
        timeout: Duration,
    ) -> impl Iterator<Item = TaskId> {
        let again = move |at: Timestamp| now <= at.after(timeout);
        let is_given_back = move |ended: &&EndedMigration| {
            let may_come_late = ended.last_requeue.is_some_and(again);
            ended.is_given_back() || (may_come_late && !broken!("given_back_twice_waits"))
        };
        self.ended.iter().filter(is_given_back).map(|ended| ended.task)
    }

    /// The workers that are missing with this snapshot, and since when. If it is in doubt, those that it lists as out
    /// of reach are missing too.
    pub(crate) fn absences(
        &self,
        snapshot: &Snapshot,
        in_doubt: bool,
    ) -> BTreeMap<WorkerId, Absence> {
        missing::absences(&self.missing, (&self.tracks, &self.in_flight), snapshot, in_doubt)
    }

    /// The workers that are missing with this snapshot, as if none had been missing before.
    pub(crate) fn absences_from_now(&self, snapshot: &Snapshot) -> BTreeMap<WorkerId, Absence> {
        missing::absences(&BTreeMap::new(), (&self.tracks, &self.in_flight), snapshot, false)
    }

    /// Forgets the absence of workers that nothing refers to any more.
    pub(crate) fn forget_absences(&mut self) {
        missing::forget(&mut self.missing, &self.tracks, &self.in_flight);
    }

    /// Forgets what a late report of an earlier migration could do to a task that moves again: strand it, or rename it.
    pub(crate) fn forget_release(&mut self, task: TaskId) {
        let forget = |ended: &mut EndedMigration| {
            (ended.source_still_holds, ended.placement_unknown_since_leaving) = (false, None);
            if broken!("given_back_is_over_when_it_moves_again") {
                ended.last_orders.clear();
            }
            ended.drop_orders();
        };
        self.ended.replace_where(|ended| ended.task == task, forget);
    }
}

/// A condition for advice, and since when it has held in every round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standing {
    pub(crate) topic: Topic,
    pub(crate) since: Timestamp,
}

/// A condition for advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Topic {
    Split(TaskId),
    ScaleUp,
    ScaleDown,
    Slow(WorkerId, Hardware),
}

impl Topic {
    /// At most this many are remembered.
    pub(crate) const MOST: usize = 32;
}

/// What the engine has learned from migrations and reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Learned {
    /// Points of cost per kind.
    pub(crate) cost: BTreeMap<KindId, Average>,
    /// Share of successes per worker and kind.
    pub(crate) success: BTreeMap<WorkerId, BTreeMap<KindId, Average>>,
    /// Observed speed per worker and hardware, relative to one CPU worker.
    pub(crate) speed: BTreeMap<WorkerId, BTreeMap<Hardware, Average>>,
}

impl Learned {
    fn len(&self) -> usize {
        let success: usize = self.success.values().map(BTreeMap::len).sum();
        let speed: usize = self.speed.values().map(BTreeMap::len).sum();
        self.cost.len() + success + speed
    }

    /// The share of successes of `kind` on `worker`; `None` if nothing was seen.
    pub(crate) fn success(&self, worker: WorkerId, kind: KindId) -> Option<f64> {
        Some(self.success.get(&worker)?.get(&kind)?.mean())
    }

    /// The observed speed of one kind of hardware of `worker`; `None` if none was reported.
    pub(crate) fn speed(&self, worker: WorkerId, hardware: Hardware) -> Option<f64> {
        Some(self.speed.get(&worker)?.get(&hardware)?.mean())
    }
}

/// The migrations of the last hour, of the last day, and in all.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Counters {
    hour: Wheel<60>,
    day: Wheel<24>,
    pub(crate) total: Counts,
    /// Since the last round.
    pub(crate) round: Counts,
}

impl Counters {
    pub(crate) fn add(&mut self, at: Timestamp, counts: Counts) {
        let minute = at.as_millis() / 60_000;
        self.hour.slot(minute).add(counts);
        self.day.slot(minute / 60).add(counts);
        self.total.add(counts);
        self.round.add(counts);
    }

    pub(crate) fn last_hour(&self, now: Timestamp) -> Counts {
        self.hour.sum(now.as_millis() / 60_000)
    }

    pub(crate) fn last_day(&self, now: Timestamp) -> Counts {
        self.day.sum(now.as_millis() / 3_600_000)
    }
}

/// The counts of the last `N` slots of time, in a ring: slot number and counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Wheel<const N: usize> {
    slots: Vec<(u64, Counts)>,
}

impl<const N: usize> Wheel<N> {
    fn slot(&mut self, number: u64) -> &mut Counts {
        if self.slots.len() != N {
            self.slots.clear();
            self.slots.resize(N, (0, Counts::default()));
        }
        let at = usize::try_from(number % N as u64).unwrap_or_default();
        let (holds, counts) = &mut self.slots[at];
        if *holds < number {
            (*holds, *counts) = (number, Counts::default());
        }
        counts
    }

    fn sum(&self, now: u64) -> Counts {
        let mut sum = Counts::default();
        let recent = self
            .slots
            .iter()
            .filter(|(number, _)| now.checked_sub(*number).is_some_and(|ago| ago < N as u64));
        recent.for_each(|(_, counts)| sum.add(*counts));
        sum
    }
}

/// Figures about the rounds so far: what the specification's `get_load_balancer_stats` returns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Stats {
    /// The system's load at the last round, if known: average, minimum, maximum, spread, deviation,
    /// workers.
    pub load: Option<SystemLoad>,
    /// The thresholds in force.
    pub thresholds: Thresholds,
    /// Migrations under way.
    pub in_flight: u32,
    /// The migrations of the last 60 minutes, the current one included.
    pub last_hour: Counts,
    /// The migrations of the last 24 hours, the current one included.
    pub last_day: Counts,
    /// All migrations since the state was new.
    pub total: Counts,
    /// How accurate past forecasts were, 0 to 1; `None` until the first one is due.
    pub accuracy: Option<f64>,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.load {
            Some(load) => writeln!(f, "load       {load}")?,
            None => writeln!(f, "load       unknown")?,
        }
        writeln!(f, "thresholds {}", self.thresholds)?;
        writeln!(f, "in flight  {}", self.in_flight)?;
        writeln!(f, "last hour  {}", self.last_hour)?;
        writeln!(f, "last day   {}", self.last_day)?;
        write!(f, "in all     {}", self.total)?;
        match self.accuracy {
            Some(accuracy) => write!(f, "\naccuracy   {accuracy:.2}"),
            None => Ok(()),
        }
    }
}
