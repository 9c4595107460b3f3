//! Is a saved state possible? What is not is set aside by name, one line each; the rest is used.
//!
//! A file may be damaged, or changed by hand. Every key, order, counter and number is checked that the engine relies
//! on; a state that the engine has saved passes unchanged. The cost is linear in the size of the state.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;

use super::bad_entry::{BadEntry, Entry};
use super::spending::Account;
use super::{Course, FACTORS, Learned, Migration, Pending, Sample, State, Topic, Track, Wheel};
use crate::math::average::Average;
use crate::math::window::Window;
use crate::model::bounds::{MOST_FIGURE, MOST_ISSUED, MOST_LOAD, SPEEDS, exact};
use crate::model::ids::MigrationId;
use crate::model::resource::{Amounts, is_amount};
use crate::outcome::{Cost, Handover, Reason, Scorecard, SystemLoad};

/// At most this many last orders belong to one migration that has ended.
const LAST_ORDERS: usize = 8;
/// Shares of a whole.
const SHARES: RangeInclusive<f64> = 0.0..=1.0;
/// The loads of workers that count.
const LOADS: RangeInclusive<f64> = 0.0..=MOST_LOAD;

/// Sets aside what is impossible in a state, and lists it.
pub(crate) fn check(state: &mut State) -> Vec<BadEntry> {
    let mut check = Check::default();
    check.in_flight(state);
    // Only migrations under way have homes.
    state.closed_homes.retain(|id| state.in_flight.by_id(*id).is_some());
    check.ended(state);
    check.issued(state);
    for (id, track) in &mut state.tracks {
        check.track(Entry::Worker(*id), track);
    }
    check.system(state);
    check.forecasts(state);
    check.spending(state);
    check.memory(state);
    check.learned(&mut state.learned);
    check.wheel("counters.hour", &mut state.counters.hour);
    check.wheel("counters.day", &mut state.counters.day);
    check.0
}

/// Collects what is set aside.
#[derive(Default)]
struct Check(Vec<BadEntry>);

impl Check {
    /// Notes a fault unless the condition holds, and returns the condition.
    fn need(
        &mut self,
        holds: bool,
        entry: Entry,
        field: &str,
        value: &dyn fmt::Display,
        must: &str,
    ) -> bool {
        if !holds {
            self.0.push(BadEntry::new(entry, field, value, must));
        }
        holds
    }

    /// Whether a number is in its range; notes it if not.
    fn number(
        &mut self,
        entry: Entry,
        field: &str,
        number: f64,
        range: &RangeInclusive<f64>,
    ) -> bool {
        let must = format!("a number from {} to {}", exact(*range.start()), exact(*range.end()));
        self.need(range.contains(&number), entry, field, &exact(number), &must)
    }

    /// Removes an average that is out of its range.
    fn average(
        &mut self,
        entry: Entry,
        field: &str,
        average: &mut Option<Average>,
        range: &RangeInclusive<f64>,
    ) {
        if average.is_some_and(|average| !self.number(entry, field, average.mean(), range)) {
            *average = None;
        }
    }

    /// Removes impossible amounts, which are then unknown.
    fn amounts(&mut self, entry: Entry, field: &str, amounts: &mut Amounts) {
        if amounts.iter().all(|(_, amount)| is_amount(amount)) {
            return;
        }
        let possible = amounts.iter().filter(|(resource, amount)| {
            let (holds, field) = (is_amount(*amount), format!("{field}.{resource}"));
            self.need(holds, entry, &field, &exact(*amount), "a number from 0 to 2^64")
        });
        *amounts = possible.collect();
    }
}

// --------------------------------------------------------------------------------------- migrations
impl Check {
    fn in_flight(&mut self, state: &mut State) {
        for (key, migration) in state.in_flight.take_misfiled() {
            let (entry, task) = (Entry::Migration(migration.id()), migration.task());
            let must = format!("{key}, under which it is stored");
            let fits = self.need(task == key, entry, "task", &task, &must);
            self.need(!fits, entry, "id", &format!("{} again", migration.id()), "unique");
        }
        let impossible: Vec<_> = state.in_flight.values().filter(|one| !self.course(one)).collect();
        let impossible: Vec<_> = impossible.into_iter().map(Migration::task).collect();
        impossible.into_iter().for_each(|task| _ = state.in_flight.remove(task));
        let tasks: Vec<_> = state.in_flight.tasks().collect();
        for task in tasks {
            state.in_flight.update(task, |migration| self.figures(migration));
        }
    }

    /// Whether a migration may have this id and this course.
    fn course(&mut self, migration: &Migration) -> bool {
        let (entry, to) = (Entry::Migration(migration.id()), migration.to());
        let home = match migration.course() {
            Course::Returning { from, .. } => from,
            _ => to,
        };
        let must = format!("{home}, to which it returns");
        self.id(migration.id()) && self.need(home == to, entry, "to", &to, &must)
    }

    fn id(&mut self, id: MigrationId) -> bool {
        let holds = id.number() <= MOST_ISSUED;
        self.need(holds, Entry::Migration(id), "number", &id.number(), "below 2^63")
    }

    /// Removes the impossible figures of a migration.
    fn figures(&mut self, migration: &mut Migration) {
        let entry = Entry::Migration(migration.id());
        let terms = migration.terms_mut();
        self.amounts(entry, "claim", &mut terms.claim);
        self.amounts(entry, "load", &mut terms.load);
        if let Some(at_source) = &mut terms.at_source {
            self.amounts(entry, "at_source.claim", &mut at_source.claim);
            self.amounts(entry, "at_source.load", &mut at_source.load);
        }
        let figures = terms.scorecard.iter().flat_map(points);
        if !self.all(entry, "scorecard", figures) {
            terms.scorecard = None;
        }
        let figures = terms
            .handover
            .iter()
            .flat_map(|Handover { gain, times, .. }| [gain.unwrap_or_default(), *times]);
        if !self.all(entry, "handover", figures) {
            terms.handover = None;
        }
        if !self.all(entry, "reason", reason(terms.reason).into_iter()) {
            terms.reason = Reason::TakenOver;
        }
    }

    /// Whether all figures are numbers that can be written; notes the first that is not.
    fn all(&mut self, entry: Entry, field: &str, figures: impl Iterator<Item = f64>) -> bool {
        let range = -MOST_FIGURE..=MOST_FIGURE;
        let first = figures.into_iter().find(|figure| !range.contains(figure));
        first.is_none_or(|figure| self.number(entry, field, figure, &range))
    }

    fn ended(&mut self, state: &mut State) {
        let mut ids: BTreeSet<MigrationId> = BTreeSet::new();
        let in_flight = &state.in_flight;
        state.ended.retain(|ended| {
            let (id, entry) = (ended.id, Entry::Migration(ended.id));
            let is_new = in_flight.by_id(id).is_none() && ids.insert(id);
            let orders = ended.last_orders.len();
            self.id(id)
                && self.need(is_new, entry, "id", &format!("{id} again"), "unique")
                && self.need(orders <= LAST_ORDERS, entry, "last_orders", &orders, "at most 8")
        });
    }

    /// No id is issued twice: the counter is at least the highest number of the epoch.
    fn issued(&mut self, state: &mut State) {
        let known = state.last_number(state.epoch);
        let must = format!("at least {known}, the number of a migration of {}", state.epoch);
        let holds = state.issued >= known;
        if !self.need(holds, Entry::State, "issued", &state.issued, &must) {
            state.issued = known;
        }
    }
}

/// The points of a scorecard.
fn points(scorecard: &Scorecard) -> impl Iterator<Item = f64> + use<> {
    let Scorecard { cost, benefit } = scorecard;
    let benefits = benefit.factors().into_iter().map(|(_, points)| points);
    cost.factors().into_iter().map(|(_, points)| points).chain(benefits)
}

/// The figures of a reason.
fn reason(reason: Reason) -> [f64; 3] {
    match reason {
        Reason::Recover
        | Reason::TakenOver
        | Reason::Drain { .. }
        | Reason::Leaves { .. }
        | Reason::Along { .. } => [0.0; 3],
        Reason::Overload { load, high: bound, .. }
        | Reason::Underload { load, low: bound, .. }
        | Reason::Spread { load, spread: bound, .. } => [load, bound, 0.0],
        Reason::Forecast { predicted, high, confidence, .. } => [predicted, high, confidence],
        Reason::Faster { times, .. } => [times, 0.0, 0.0],
    }
}

// ------------------------------------------------------------------------------------------ history
impl Check {
    fn track(&mut self, entry: Entry, track: &mut Track) {
        self.samples(entry, "samples", &mut track.samples);
        self.samples(entry, "recent", &mut track.recent);
        if let Some((from, until)) = track.level_shift {
            let value = format!("{from} to {until}");
            let must = "a beginning and a later end";
            if !self.need(from <= until, entry, "level_shift", &value, must) {
                track.level_shift = None;
            }
        }
    }

    /// Forgets samples that are no loads, or not in the order of time.
    fn samples<const N: usize>(
        &mut self,
        entry: Entry,
        field: &str,
        samples: &mut Window<Sample, N>,
    ) {
        let mut last = None;
        samples.retain(|sample| {
            let (at, load) = (sample.at, sample.load);
            let rises = last.is_none_or(|last| last < at);
            let must = "later than the one before";
            let holds = self.number(entry, &format!("{field}.load"), load, &LOADS)
                && self.need(rises, entry, &format!("{field}.at"), &at, must);
            if holds {
                last = Some(at);
            }
            holds
        });
    }

    fn system(&mut self, state: &mut State) {
        let entry = Entry::State;
        state.system.retain(|load| {
            let SystemLoad { mean, min, max, deviation, .. } = *load;
            let mut figures = [mean, min, max, deviation].into_iter();
            figures.all(|figure| self.number(entry, "system", figure, &LOADS))
        });
        if let Some(thresholds) = state.thresholds {
            // A separation may push a threshold beyond a share, but not further.
            let mut figures = [thresholds.high, thresholds.low].into_iter();
            if !figures.all(|figure| self.number(entry, "thresholds", figure, &(-1.0..=2.0))) {
                state.thresholds = None;
            }
        }
    }

    fn forecasts(&mut self, state: &mut State) {
        let mut last = None;
        state.forecasts.retain(|pending| {
            let Pending { due, loads, margins } = pending;
            let rises = last.is_none_or(|last| last < *due);
            let workers = loads.windows(2).all(|pair| pair[0].0 < pair[1].0);
            let field = "forecasts";
            let holds = self.need(rises, Entry::State, field, due, "in the order of time")
                && self.need(workers, Entry::State, field, due, "in the order of workers")
                && self.margins(loads.len(), margins.len())
                && loads.iter().all(|(id, load)| {
                    self.number(Entry::Worker(*id), "forecasts.loads", *load, &SHARES)
                })
                && self.all(Entry::State, "forecasts.margins", margins.iter().copied());
            if holds {
                last = Some(*due);
            }
            holds
        });
        let (accuracy, factors) = (&mut state.accuracy, FACTORS);
        self.average(Entry::State, "accuracy", accuracy, &SHARES);
        let factor = state.factor;
        if factor.is_some_and(|factor| !self.number(Entry::State, "factor", factor, &factors)) {
            state.factor = None;
        }
    }

    fn margins(&mut self, loads: usize, margins: usize) -> bool {
        let must = format!("none, or one for each of {loads} loads");
        let holds = margins == 0 || margins == loads;
        self.need(holds, Entry::State, "forecasts.margins", &margins, &must)
    }
}

// ------------------------------------------------------------------------------------------- memory
impl Check {
    fn spending(&mut self, state: &mut State) {
        let (entry, unordered) = (Entry::State, "out of order");
        let (mut nth, mut last) = (0_usize, None);
        state.spending.accounts.retain(|Account { per, key, parts }| {
            let (field, place) = (format!("spending.accounts.{nth}"), (*per, *key));
            nth += 1;
            let rises = last.is_none_or(|last| last < place);
            let parts = parts.windows(2).all(|pair| pair[0].0 < pair[1].0);
            let holds = self.need(*per > 0, entry, &format!("{field}.per"), per, "above 0")
                && self.need(rises, entry, &field, &unordered, "sorted by window and key")
                && self.need(parts, entry, &format!("{field}.parts"), &unordered, "sorted by time");
            if holds {
                last = Some(place);
            }
            holds
        });
    }

    fn memory(&mut self, state: &mut State) {
        for arrival in &mut state.arrivals {
            let entry = Entry::Task(arrival.task);
            self.amounts(entry, "arrivals.load", &mut arrival.load);
            if let Some(freed) = &mut arrival.freed_at_source {
                self.amounts(entry, "arrivals.freed_at_source", freed);
            }
        }
        for (task, cooldown) in &mut state.cooldowns {
            let mut workers = BTreeSet::new();
            cooldown.left.retain(|(worker, _)| {
                let (is_new, value) = (workers.insert(*worker), format!("{worker} again"));
                self.need(is_new, Entry::Task(*task), "cooldowns.left", &value, "unique")
            });
        }
        state.least_spread = state
            .least_spread
            .filter(|least| self.number(Entry::State, "least_spread", *least, &LOADS));
        let (most, standing) = (Topic::MOST, state.advised.len());
        if !self.need(standing <= most, Entry::State, "advised", &standing, "at most 32") {
            state.advised.truncate(most);
        }
    }

    fn learned(&mut self, learned: &mut Learned) {
        let points = 0.0..=Cost::MOST;
        learned.cost.retain(|kind, average| {
            self.number(Entry::Kind(*kind), "learned.cost", average.mean(), &points)
        });
        for (worker, kinds) in &mut learned.success {
            kinds.retain(|kind, average| {
                let field = format!("learned.success.{kind}");
                self.number(Entry::Worker(*worker), &field, average.mean(), &SHARES)
            });
        }
        for (worker, kinds) in &mut learned.speed {
            kinds.retain(|hardware, average| {
                let field = format!("learned.speed.{hardware}");
                self.number(Entry::Worker(*worker), &field, average.mean(), &SPEEDS)
            });
        }
    }

    /// Every slot of a ring holds a moment of its own, or nothing.
    fn wheel<const N: usize>(&mut self, field: &str, wheel: &mut Wheel<N>) {
        let slots = &wheel.slots;
        let fits =
            |(place, (number, _)): (u64, &(u64, _))| *number == 0 || number % (N as u64) == place;
        let holds = (slots.is_empty() || slots.len() == N) && (0..).zip(slots).all(fits);
        let (value, must): (_, String) =
            (slots.len(), format!("{N} slots in their places, or none"));
        if !self.need(holds, Entry::State, field, &value, &must) {
            wheel.slots.clear();
        }
    }
}
