//! Which candidates, in which order? The most pressing first, then the best, as far as the budgets
//! go.
//!
//! Each candidate is admitted again as the ledger stands by then: the second-best task for an idle
//! worker may be the worst once the first has been promised. A unit of several tasks is taken whole
//! or not at all, and so are all the units of a gang.

mod fair;
mod table;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::num::NonZeroU32;

use crate::admission::{self, Levels};
use crate::config::{Config, MigrationLimits, Mode};
use crate::handover::{self, Reckoner};
use crate::model::ids::{MigrationId, TenantId};
use crate::model::time::Timestamp;
use crate::outcome::{Handover, Reach, Rejection, Tally};
use crate::snapshot::Stance;
use crate::state::{Charge, MEMORY_PER_WORKER, PLACEMENTS_PER_WORKER, State, Transport};
use crate::view::{
    Berth, Burden, Candidate, Errand, Interruption, Party, Place, Planned, Scored, Seat, Seek,
    Unit, View, charge,
};

use self::fair::Fair;
use self::table::Table;

/// Chooses the moves of this round; and what has stopped every unit that stays.
pub(crate) fn select(
    config: &Config,
    state: &State,
    view: &mut View<'_>,
    levels: &Levels,
    units: &[Unit],
    scored: &mut Scored,
    tally: &mut Tally,
) -> (Vec<Planned>, Vec<Option<Rejection>>) {
    let Some(limits) = &config.migration else { return <_>::default() };
    let mut pairs = core::mem::take(&mut scored.pairs);
    if config.mode == Mode::Observe {
        let adrift = |row: &usize| matches!(view.ledger.places[*row], Place::Stranded { .. });
        pairs.retain(|pair| units[pair.unit].rows.iter().all(adrift));
    }
    order(config, view, levels, units, &mut pairs);
    let budget = match state.concurrency {
        Some(concurrency) => concurrency.now as usize,
        None => budget(limits, view, levels),
    };
    let flights = || state.in_flight.values();
    let spent = flights().filter(|flight| flight.interrupts()).count();
    let moving = flights().filter(|flight| !flight.is_placement()).count();
    let (table, fair) = (Table::open(limits, state, view), Fair::open(limits, state, view));
    let plan = Vec::new();
    let mut chooser =
        Chooser { config, state, levels, limits, budget, spent, moving, table, fair, plan };
    let (parties, pressing) = (parties(units, &pairs), pressing(units, &pairs));
    let mut fates = Fates::new(units.len(), scored, tally);
    for pair in pairs {
        let unit = &units[pair.unit];
        if let Some(party) = unit.party.filter(|_| !fates.done[pair.unit]) {
            chooser.take_whole(view, units, &parties[&party.index], &mut fates);
        } else if let Some(own) = pressing.get(&pair.unit).filter(|_| !fates.done[pair.unit]) {
            let first = chooser.take_first(view, unit, own, &mut fates);
            first.into_iter().for_each(|pair| fates.take(pair));
            fates.done[pair.unit] = true;
        }
        if fates.done[pair.unit] {
            fates.scored.refuse(pair.nth, fates.stopped[pair.unit]);
            continue;
        }
        match chooser.take(view, unit, pair) {
            Ok(()) => fates.take(pair),
            Err(rejection) => fates.refuse(view, unit, pair, rejection),
        }
    }
    let stopped = fates.stopped;
    (chooser.plan, stopped)
}

/// The tasks that are to leave their workers and that the table of budgets stops, wherever they would go.
pub(crate) fn out_of_budget(
    units: &[Unit],
    stopped: &[Option<Rejection>],
) -> impl Iterator<Item = (usize, Option<Rejection>)> {
    let line = |no: &Rejection| match no {
        Rejection::UnknownSize => true,
        Rejection::BudgetLine { .. } | Rejection::BudgetInDoubt { .. } => no.reach() == Reach::Task,
        _ => false,
    };
    let waiting = units
        .iter()
        .zip(stopped)
        .filter(move |(unit, no)| unit.errand == Errand::Drain && no.as_ref().is_some_and(line));
    waiting.flat_map(|(unit, no)| unit.rows.iter().map(|row| (*row, *no)))
}

/// The candidates of every unit of each party, in their order.
type Parties = BTreeMap<usize, BTreeMap<usize, Vec<Candidate>>>;

fn parties(units: &[Unit], pairs: &[Candidate]) -> Parties {
    let mut parties = Parties::new();
    for (index, unit) in units.iter().enumerate() {
        if let Some(party) = unit.party {
            parties.entry(party.index).or_default().insert(index, Vec::new());
        }
    }
    for pair in pairs {
        let party = units[pair.unit].party.and_then(|party| parties.get_mut(&party.index));
        if let Some(own) = party.and_then(|units| units.get_mut(&pair.unit)) {
            own.push(*pair);
        }
    }
    parties
}

/// The candidates of every other unit that must leave its worker or has none, in their order.
fn pressing(units: &[Unit], pairs: &[Candidate]) -> BTreeMap<usize, Vec<Candidate>> {
    let mut pressing: BTreeMap<usize, Vec<Candidate>> = BTreeMap::new();
    let lone = |pair: &&Candidate| {
        let unit = &units[pair.unit];
        unit.party.is_none() && unit.errand < Errand::Balance
    };
    for pair in pairs.iter().filter(lone) {
        pressing.entry(pair.unit).or_default().push(*pair);
    }
    pressing
}

/// What has become of the units so far.
struct Fates<'a> {
    done: Vec<bool>,
    /// What stopped a unit that is done; nothing if it was taken.
    stopped: Vec<Option<Rejection>>,
    scored: &'a mut Scored,
    tally: &'a mut Tally,
}

impl<'a> Fates<'a> {
    fn new(units: usize, scored: &'a mut Scored, tally: &'a mut Tally) -> Self {
        let (done, stopped) = (alloc::vec![false; units], alloc::vec![None; units]);
        Self { done, stopped, scored, tally }
    }

    fn take(&mut self, pair: Candidate) {
        (self.done[pair.unit], self.stopped[pair.unit]) = (true, None);
        self.scored.take(pair.nth);
    }

    fn refuse(&mut self, view: &View<'_>, unit: &Unit, pair: Candidate, rejection: Rejection) {
        let whole = rejection.reach() == Reach::Task;
        (self.done[pair.unit], self.stopped[pair.unit]) = (whole, Some(rejection));
        let to = (!whole).then(|| view.worker_id(pair.to));
        self.tally.refuse(view.task(unit.rows[0]).id, to, rejection);
        self.scored.refuse(pair.nth, Some(rejection));
    }

    /// A unit stays because another one of its party does.
    fn leave(&mut self, view: &View<'_>, index: usize, unit: &Unit, rejection: Rejection) {
        (self.done[index], self.stopped[index]) = (true, Some(rejection));
        self.tally.refuse(view.task(unit.rows[0]).id, None, rejection);
    }
}

/// Migrations that may be under way at once.
fn budget(limits: &MigrationLimits, view: &View<'_>, levels: &Levels) -> usize {
    let workers = view.snapshot.workers().iter();
    let live = workers.filter(|worker| worker.stance != Stance::Offline).count();
    let gives = |seat: &Seat| {
        let level = levels.of(view, *seat).filter(|_| view.workers[*seat].balanced);
        level.is_some_and(|level| level > levels.give_above)
    };
    limits.at_once(live, (0..view.workers.len()).filter(gives).count())
}

/// Best first. Ties end in ids, so that no order of the input shows.
fn order(
    config: &Config,
    view: &View<'_>,
    levels: &Levels,
    units: &[Unit],
    pairs: &mut [Candidate],
) {
    let scored = config.cost_benefit.is_some();
    let level = |seat: Option<Seat>| seat.and_then(|seat| levels.of(view, seat)).unwrap_or(0.0);
    let due = |unit: &Unit| {
        let source = unit.from.filter(|_| unit.errand == Errand::Drain);
        let leaves = source.and_then(|from| view.workers[from].leaves);
        leaves.unwrap_or(Timestamp::from_millis(u64::MAX))
    };
    let sizes: Vec<f64> = units.iter().map(|unit| size(view, unit)).collect();
    pairs.sort_by(|a, b| {
        let (ua, ub) = (&units[a.unit], &units[b.unit]);
        let coldest = level(Some(a.to)).total_cmp(&level(Some(b.to)));
        let better = if scored {
            b.net().total_cmp(&a.net())
        } else {
            let hottest = level(ub.from).total_cmp(&level(ua.from));
            let largest = sizes[b.unit].total_cmp(&sizes[a.unit]);
            hottest.then(largest).then(coldest)
        };
        let pressing: Ordering = ua.errand.cmp(&ub.errand);
        // Of those that must go, who must be gone first goes first.
        let first = due(ua).cmp(&due(ub));
        let ids = ua.rows[0].cmp(&ub.rows[0]).then(coldest).then(a.to.cmp(&b.to));
        pressing.then(first).then(better).then(ids)
    });
}

/// How large a unit is: the largest share of its source's capacity that it takes.
fn size(view: &View<'_>, unit: &Unit) -> f64 {
    let Some(from) = unit.from else { return 0.0 };
    let mut loads = alloc::vec![0.0; view.ledger.columns.len()];
    for row in &unit.rows {
        let burden = view.ledger.burden(view.task_here(*row), view.workers[from].kinds);
        loads.iter_mut().zip(burden.load).for_each(|(sum, load)| *sum += load);
    }
    let shares = view.ledger.row(from).iter().zip(&loads).filter_map(|(cell, load)| {
        let capacity = cell.capacity.filter(|capacity| *capacity > 0.0)?;
        Some(load / capacity)
    });
    shares.fold(0.0, f64::max)
}

/// By which alternative each task of a unit would run: the first as its candidate has it.
fn ways(view: &View<'_>, unit: &Unit, pair: Candidate) -> Vec<Option<u16>> {
    let companion = |row: &usize| {
        view.forms(*row)?;
        let mut burden = Burden::default();
        admission::berth(view, *row, pair.to, Seek::Any, &mut burden).ok()?.alternative
    };
    let first = core::iter::once(pair.berth.alternative);
    first.chain(unit.rows[1..].iter().map(companion)).collect()
}

struct Chooser<'a> {
    config: &'a Config,
    state: &'a State,
    levels: &'a Levels,
    limits: &'a MigrationLimits,
    budget: usize,
    /// Tasks that are interrupted, chosen ones included.
    spent: usize,
    /// Those, and those that are queued again.
    moving: usize,
    table: Table,
    fair: Option<Fair>,
    plan: Vec<Planned>,
}

impl Chooser<'_> {
    /// Takes a candidate, or says why not; then nothing has changed.
    fn take(&mut self, view: &mut View<'_>, unit: &Unit, pair: Candidate) -> Result<(), Rejection> {
        self.budgets(view, unit, pair.to)?;
        let charges = self.charges(view, unit, pair.to);
        self.table.check(&charges)?;
        let tenants = self.tenants(view, unit);
        if let (Some(fair), Errand::Balance | Errand::Upgrade) = (&self.fair, unit.errand) {
            fair.check(&tenants)?;
        }
        let ways = ways(view, unit, pair);
        match unit.errand {
            Errand::Balance => self.still_needed(view, unit, pair.to, &ways)?,
            Errand::Upgrade => self.still_even(view, unit, pair.to, &ways)?,
            Errand::Recover | Errand::Drain | Errand::Along(_) => {}
        }
        let before = unit.rows.len();
        let saved = (before > 1).then(|| view.ledger.clone());
        let planned = self.plan.len();
        for (row, way) in unit.rows.iter().zip(&ways) {
            // What has been judged by its effect on the loads is taken just so.
            let chosen = matches!(unit.errand, Errand::Balance | Errand::Upgrade);
            let seek = if chosen { Seek::Only(*way) } else { Seek::Any };
            if let Err(rejection) = self.carry(view, unit, *row, pair, seek) {
                // All or nothing.
                if let Some(saved) = saved {
                    view.ledger = saved;
                }
                self.plan.truncate(planned);
                return Err(rejection);
            }
        }
        if unit.from.is_some() {
            self.spent += self.interrupted(view, unit);
            self.moving += unit.rows.len();
        }
        charges.iter().for_each(|charge| self.table.enter(charge));
        self.fair.iter_mut().for_each(|fair| fair.enter(&tenants));
        Ok(())
    }

    /// Takes every unit of a party, each to the first of its candidates that is admitted, or none.
    fn take_whole(
        &mut self,
        view: &mut View<'_>,
        units: &[Unit],
        party: &BTreeMap<usize, Vec<Candidate>>,
        fates: &mut Fates<'_>,
    ) {
        let (ledger, table) = (view.ledger.clone(), self.table.clone());
        let fair = self.fair.clone();
        let (spent, moving, planned) = (self.spent, self.moving, self.plan.len());
        let mut chosen = Vec::with_capacity(party.len());
        for (index, pairs) in party {
            let unit = &units[*index];
            if let Some(first) = self.take_first(view, unit, pairs, fates) {
                chosen.push(first);
                continue;
            }
            (view.ledger, self.table, self.fair) = (ledger, table, fair);
            (self.spent, self.moving) = (spent, moving);
            self.plan.truncate(planned);
            fates.done[*index] = true;
            let Some(Party { group, .. }) = unit.party else { return };
            let no = Rejection::Companion { group, task: view.task(unit.rows[0]).id };
            for other in party.keys().filter(|other| *other != index) {
                fates.leave(view, *other, &units[*other], no);
            }
            return;
        }
        chosen.into_iter().for_each(|pair| fates.take(pair));
    }

    /// Takes the first candidate of a unit that is admitted: what must go somewhere goes above the ceiling
    /// where there is nowhere else.
    fn take_first(
        &mut self,
        view: &mut View<'_>,
        unit: &Unit,
        pairs: &[Candidate],
        fates: &mut Fates<'_>,
    ) -> Option<Candidate> {
        let above = pairs.iter().map(|pair| self.is_above(view, unit, *pair));
        let above: Vec<bool> = above.collect();
        let [below, above] = [false, true].map(|asked| {
            let same = pairs.iter().zip(&above).filter(move |(_, above)| **above == asked);
            same.map(|(pair, _)| *pair)
        });
        for pair in below.chain(above) {
            match self.take(view, unit, pair) {
                Ok(()) => return Some(pair),
                Err(rejection) => fates.refuse(view, unit, pair, rejection),
            }
            if fates.done[pair.unit] {
                break;
            }
        }
        None
    }

    /// Whether a unit would push its target above the ceiling, as the ledger stands.
    fn is_above(&self, view: &View<'_>, unit: &Unit, pair: Candidate) -> bool {
        let asked = self.config.stability.is_some() && unit.errand < Errand::Balance;
        asked && {
            let burden = view.burden(&unit.rows, pair.to, &ways(view, unit, pair));
            admission::ceiling(self.levels, view, pair.to, &burden).is_err()
        }
    }

    /// Whom a unit belongs to, as far as fairness asks. What only needs another target has been counted.
    fn tenants(&self, view: &View<'_>, unit: &Unit) -> Vec<TenantId> {
        let rows = unit.rows.iter().filter(|_| self.fair.is_some());
        let begun = |row: &&usize| !matches!(view.ledger.places[**row], Place::Stranded { .. });
        let hit =
            |row: &&usize| begun(row) && (unit.from.is_none() || self.interrupts(view, **row));
        rows.filter(hit).filter_map(|row| view.task(*row).tenant).collect()
    }

    /// What the table of budgets asks of a unit: nothing where it interrupts nobody.
    fn charges(&self, view: &View<'_>, unit: &Unit, to: Seat) -> Vec<Charge> {
        let ends = unit.from.zip(unit.errand.purpose()).filter(|_| !self.table.is_empty());
        let Some((from, purpose)) = ends else { return Vec::new() };
        let (from, to) = (view.worker_id(from), view.worker_id(to));
        let rows = unit.rows.iter().filter(|row| self.interrupts(view, **row)).map(|row| {
            let (row, kind) = (Some(*row), view.task(*row).kind);
            charge(view, &Interruption { row, kind, from, to, purpose: Some(purpose) })
        });
        rows.collect()
    }

    /// Whether a task that is moved is interrupted, and not queued again.
    fn interrupts(&self, view: &View<'_>, row: usize) -> bool {
        Transport::of(Some(self.limits), view.task(row)) != Transport::Requeue
    }

    /// How many tasks of a unit run, and would be interrupted.
    fn interrupted(&self, view: &View<'_>, unit: &Unit) -> usize {
        let rows = unit.rows.iter().filter(|row| self.interrupts(view, **row));
        unit.from.map_or(0, |_| rows.count())
    }

    fn budgets(&self, view: &View<'_>, unit: &Unit, to: Seat) -> Result<(), Rejection> {
        let (count, interrupted) = (unit.rows.len(), self.interrupted(view, unit));
        let short = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let (free, there) = (count - interrupted, view.ledger.placements[to] as usize);
        if free > 0 && there + free > PLACEMENTS_PER_WORKER {
            let over = short(there + free - PLACEMENTS_PER_WORKER);
            return Err(Rejection::TargetBusy { limit: short(PLACEMENTS_PER_WORKER), over });
        }
        let Some(from) = unit.from else { return Ok(()) };
        if interrupted > 0 {
            self.budgets_of_moves(view, [from, to], interrupted, count)?;
        }
        let held = self.state.cooldowns.len().max(self.state.back_offs.len());
        let most = MEMORY_PER_WORKER * view.workers.len().max(1);
        if held + self.moving + count > most {
            let over = short(held + self.moving + count - most);
            return Err(Rejection::MemoryFull { limit: short(most), over });
        }
        Ok(())
    }

    /// May so many more be interrupted, in all and on this source, and so many arrive with them on this target?
    fn budgets_of_moves(
        &self,
        view: &View<'_>,
        [from, to]: [Seat; 2],
        count: usize,
        arrive: usize,
    ) -> Result<(), Rejection> {
        let short = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        if self.spent + count > self.budget {
            let over = short(self.spent + count - self.budget);
            return Err(Rejection::BudgetSpent { limit: short(self.budget), over });
        }
        let out = view.ledger.outgoing[from] + short(count);
        let coming = view.ledger.incoming[to] + short(arrive);
        let over = |most: NonZeroU32, all: u32| all.saturating_sub(most.get());
        if let Some(most) = self.limits.per_source.filter(|most| over(*most, out) > 0) {
            return Err(Rejection::SourceBusy { limit: most.get(), over: over(most, out) });
        }
        if let Some(most) = self.limits.per_target.filter(|most| over(*most, coming) > 0) {
            return Err(Rejection::TargetBusy { limit: most.get(), over: over(most, coming) });
        }
        Ok(())
    }

    /// Whether the source still gives and the target still takes, after the moves chosen so far,
    /// and nothing gets worse by this one.
    fn still_needed(
        &self,
        view: &View<'_>,
        unit: &Unit,
        to: Seat,
        ways: &[Option<u16>],
    ) -> Result<(), Rejection> {
        let (levels, from) = (self.levels, unit.from);
        let (give, take) = (levels.give_until, levels.take_below);
        if let Some(projected) =
            from.and_then(|from| levels.of(view, from)).filter(|it| *it <= give)
        {
            return Err(Rejection::Relieved { projected, least: give });
        }
        if let Some(projected) = levels.of(view, to).filter(|it| *it >= take) {
            return Err(Rejection::Filled { projected, most: take });
        }
        let (Some(_), Some(from)) = (&self.config.stability, from) else { return Ok(()) };
        let burden = view.burden(&unit.rows, to, ways);
        admission::guards(levels, view, Some(from), to, &burden)?;
        admission::no_wider(levels, view, from, to, &burden)
    }

    /// Whether a move for speed leaves loads as even as they are, or even enough.
    fn still_even(
        &self,
        view: &View<'_>,
        unit: &Unit,
        to: Seat,
        ways: &[Option<u16>],
    ) -> Result<(), Rejection> {
        let Some(from) = unit.from else { return Ok(()) };
        let burden = view.burden(&unit.rows, to, ways);
        admission::ceiling(self.levels, view, to, &burden)?;
        admission::even_enough(self.levels, view, from, to, &burden)
    }

    /// Admits one task as the ledger stands, and carries it in the ledger.
    fn carry(
        &mut self,
        view: &mut View<'_>,
        unit: &Unit,
        row: usize,
        pair: Candidate,
        seek: Seek,
    ) -> Result<(), Rejection> {
        let (from, to, errand) = (unit.from, pair.to, unit.errand);
        admission::groups::may_leave(view, row, unit.errand)?;
        let mut burden = Burden::default();
        let berth = admission::pair(self.state, view, row, to, errand, seek, &mut burden)?;
        let handover = self.handover(view, row, unit, to, (berth, &burden))?;
        let interrupts = from.is_some() && self.interrupts(view, row);
        view.ledger.carry(&burden, from, to, interrupts);
        if from.is_some() {
            view.note_absence(row);
        }
        let bytes = view.task_by(row, berth.alternative).requirements.gpu_memory_bytes;
        view.ledger.keep(bytes, to, berth.device);
        // The id that the migration will have; only that it is one matters here.
        let migration = match view.ledger.places[row] {
            Place::Stranded { migration } => migration,
            _ => self.next(),
        };
        view.ledger.places[row] = Place::Moving { migration, from, to: Some(to) };
        let Candidate { times, scorecard, .. } = pair;
        self.plan.push(Planned { row, from, to, berth, errand, times, scorecard, handover });
        Ok(())
    }

    /// What a move costs in time, where that is asked; what nothing forces must repay itself.
    fn handover(
        &self,
        view: &View<'_>,
        row: usize,
        unit: &Unit,
        to: Seat,
        (berth, burden): (Berth, &Burden),
    ) -> Result<Option<Handover>, Rejection> {
        let reckoner = Reckoner::new(self.config, self.state, view, self.levels);
        let Some((reckoner, from)) = reckoner.zip(unit.from) else { return Ok(None) };
        let handover = reckoner.handover(row, [from, to], berth, burden);
        if matches!(unit.errand, Errand::Balance | Errand::Upgrade) {
            handover::repaid(&handover)?;
        }
        Ok(Some(handover))
    }

    fn next(&self) -> MigrationId {
        self.state.migration(self.plan.len() as u64)
    }
}
