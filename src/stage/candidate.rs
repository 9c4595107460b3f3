//! Who could move where? Every hard rule is asked here; every "no" goes into the tally.
//!
//! Four errands, most pressing first: tasks without a worker, workers to be emptied (and whoever has
//! to go along), loads to be evened out, tasks that would run faster elsewhere. A unit is what moves
//! together: one task, or the members of an affinity group that share a worker.
//!
//! Under the rules of stability, cost grows linearly with the snapshot: per unit, targets are asked
//! coldest first until [`TARGETS`] have said yes or [`QUESTIONS`] have been asked. Without them every
//! pair is asked, as the specification has it.

mod faster;
mod gang;
mod order;

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use self::faster::Faster;
use self::gang::Gangs;
use self::order::Order;
use crate::admission::{self, Levels};
use crate::config::Config;
use crate::handover::{self, Reckoner};
use crate::model::hardware::HardwareSet;
use crate::model::ids::ClassId;
use crate::outcome::{Balance, Outcome, Rejection, Tally};
use crate::snapshot::{GroupRule, Stance, Task};
use crate::state::State;
use crate::view::{Berth, Burden, Candidate, Errand, Place, Seat, Seek, Unit, View};

/// So many targets per unit are enough to choose from.
const TARGETS: usize = Outcome::CANDIDATES;
/// So many targets per unit are asked at most.
const QUESTIONS: usize = 256;
/// A target that so many units may choose is asked last by the others: or all would crowd the coldest
/// few, and a budget of a hundred moves would find eight targets.
const OFFERS: u32 = 32;

/// Units and where they could go.
#[derive(Debug, Default)]
pub(crate) struct Candidates {
    pub(crate) units: Vec<Unit>,
    pub(crate) pairs: Vec<Candidate>,
    /// Tasks on workers to be emptied that cannot go anywhere: row, and what stops them; nothing
    /// where no worker takes anything.
    pub(crate) stuck: Vec<(usize, Option<Rejection>)>,
}

/// Collects every candidate of the round.
pub(crate) fn candidates(
    config: &Config,
    state: &State,
    view: &View<'_>,
    balance: &Balance,
    levels: &Levels,
    tally: &mut Tally,
) -> Candidates {
    let uneven = matches!(balance, Balance::Uneven(_));
    let mut faster = Faster::new(config, state, view, levels);
    let mut found = units(config, state, view, uneven, levels, &mut faster, tally);
    if found.units.is_empty() {
        return found;
    }
    let mut search = Search::new(config, state, view, levels);
    let Candidates { units, pairs, stuck } = &mut found;
    for (index, unit) in units.iter().enumerate() {
        if unit.errand == Errand::Upgrade {
            search.upgrade(index, unit, &mut faster, tally, pairs);
        } else if let Err(no) = search.targets(index, unit, tally, pairs)
            && unit.errand == Errand::Drain
        {
            stuck.extend(unit.rows.iter().map(|row| (*row, no)));
        }
    }
    tally.candidates = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
    found
}

/// What may move, and why.
fn units(
    config: &Config,
    state: &State,
    view: &View<'_>,
    uneven: bool,
    levels: &Levels,
    faster: &mut Faster<'_>,
    tally: &mut Tally,
) -> Candidates {
    let gives = |seat: Seat| {
        let worker = &view.workers[seat];
        uneven && worker.balanced && levels.of(view, seat).is_some_and(|it| it > levels.give_above)
    };
    let errands: Vec<Option<Errand>> = (0..view.workers.len())
        .map(|seat| match view.workers[seat].stance {
            // Emptying asks for no figure of the source, only that it is to be emptied.
            Stance::Drain => Some(Errand::Drain),
            _ if gives(seat) => Some(Errand::Balance),
            _ => None,
        })
        .collect();
    let mut gangs = Gangs::new(view);
    let mut found = Candidates::default();
    for row in 0..view.snapshot.tasks().len() {
        let next = errand(view, row, &errands, &gangs, faster);
        let (errand, from) = match next {
            Ok(Some(next)) => next,
            Ok(None) => continue,
            Err(rejection) => {
                if matches!(rejection, Rejection::DoubtfulSource { .. }) {
                    found.stuck.push((row, Some(rejection)));
                }
                tally.refuse(view.task(row).id, None, rejection);
                continue;
            }
        };
        match unit(config, state, view, row, from, errand, &gangs) {
            Ok(unit) => found.units.extend(unit),
            Err(rejection) => {
                if errand == Errand::Drain {
                    found.stuck.push((row, Some(rejection)));
                    for (other, group) in companions(view, row, from) {
                        let own = admission::task(config, state, view, other, errand);
                        let bound = Rejection::Companion { group, task: view.task(row).id };
                        found.stuck.push((other, Some(own.err().unwrap_or(bound))));
                    }
                }
                tally.refuse(view.task(row).id, None, rejection);
            }
        }
    }
    gangs.keep_whole(view, &mut found, tally);
    found
}

/// Why a task is to move, and from where; nothing if it is not.
fn errand(
    view: &View<'_>,
    row: usize,
    errands: &[Option<Errand>],
    gangs: &Gangs,
    faster: &mut Faster<'_>,
) -> Result<Option<(Errand, Option<Seat>)>, Rejection> {
    let seat = match view.ledger.places[row] {
        Place::On(seat) => seat,
        Place::Orphaned | Place::Stranded { .. } => return Ok(Some((Errand::Recover, None))),
        Place::Unknown(worker) => return Err(Rejection::UnknownPlace { worker }),
        Place::Moving { .. } | Place::Unplaced => return Ok(None),
    };
    // Who is done before its worker leaves stays there, unless it stays together with one who is not.
    let done = |row: usize| view.is_done_in_time(row, seat);
    let all_done =
        || done(row) && companions(view, row, Some(seat)).iter().all(|(other, _)| done(*other));
    let own = errands[seat];
    let own = own.filter(|it| *it != Errand::Drain || !all_done());
    let stays = own != errands[seat];
    let drains = own.filter(|errand| *errand == Errand::Drain);
    let errand = match drains.or(gangs.leaves(row).map(Errand::Along)) {
        Some(_) if !view.snapshot.is_certain(seat) => {
            return Err(Rejection::DoubtfulSource { worker: view.worker_id(seat) });
        }
        Some(errand) => Some(errand),
        None if stays => None,
        None => own.or_else(|| {
            let asks = view.workers[seat].balanced && faster.is_worth_asking(row, seat);
            asks.then_some(Errand::Upgrade)
        }),
    };
    Ok(errand.map(|errand| (errand, Some(seat))))
}

/// The unit that this task leads; none if another one leads it.
fn unit(
    config: &Config,
    state: &State,
    view: &View<'_>,
    row: usize,
    from: Option<Seat>,
    errand: Errand,
    gangs: &Gangs,
) -> Result<Option<Unit>, Rejection> {
    let companions = companions(view, row, from);
    if companions.first().is_some_and(|(first, _)| *first < row) {
        return Ok(None);
    }
    admission::scope(config, view, row)?;
    admission::task(config, state, view, row, errand)?;
    companions_may(config, state, view, row, from, errand)?;
    let mut rows = alloc::vec![row];
    rows.extend(companions.into_iter().map(|(other, _)| other));
    let party = gangs.party(row);
    // Members of a gang that keep apart need a target each.
    let targets = party.map_or(TARGETS, |party| TARGETS.max(gangs.size(party)));
    Ok(Some(Unit { rows, from, errand, party, targets }))
}

/// Whether the tasks that a task stays together with could come along.
pub(crate) fn companions_may(
    config: &Config,
    state: &State,
    view: &View<'_>,
    row: usize,
    from: Option<Seat>,
    errand: Errand,
) -> Result<(), Rejection> {
    for (other, group) in companions(view, row, from) {
        let may = admission::scope(config, view, other)
            .and_then(|()| admission::task(config, state, view, other, errand));
        if may.is_err() {
            return Err(Rejection::Companion { group, task: view.task(other).id });
        }
    }
    Ok(())
}

/// Whether all these tasks without a worker could be placed there together, each with those before it
/// counted. The view is as it was, after.
pub(crate) fn together(
    state: &State,
    view: &mut View<'_>,
    rows: &[usize],
    to: Seat,
) -> Result<(), Rejection> {
    let mut burden = Burden::default();
    fits_together(view, rows, to, &mut burden)?;
    let (cells, devices) = (view.ledger.row(to).to_vec(), view.ledger.devices_of(to).to_vec());
    let places: Vec<Place> = rows.iter().map(|row| view.ledger.places[*row]).collect();
    let all = rows.iter().try_for_each(|row| {
        let (errand, seek) = (Errand::Recover, Seek::Any);
        let berth = admission::pair(state, view, *row, to, errand, seek, &mut burden)?;
        view.ledger.carry(&burden, None, to, false);
        let bytes = view.task_by(*row, berth.alternative).requirements.gpu_memory_bytes;
        view.ledger.keep(bytes, to, berth.device);
        let migration = state.migration(0);
        view.ledger.places[*row] = Place::Moving { migration, from: None, to: Some(to) };
        Ok(())
    });
    view.ledger.restore(to, &cells, &devices);
    rows.iter().zip(places).for_each(|(row, place)| view.ledger.places[*row] = place);
    all
}

/// Whether there is room for all of a unit at once, each by the alternative that it would take alone.
fn fits_together(
    view: &View<'_>,
    rows: &[usize],
    to: Seat,
    burden: &mut Burden,
) -> Result<(), Rejection> {
    let mut sum = Burden::default();
    for row in rows {
        let way = match view.forms(*row) {
            Some(_) => admission::berth(view, *row, to, Seek::Any, burden)?.alternative,
            None => None,
        };
        view.burden_by(*row, to, way, burden);
        sum.add(burden);
    }
    admission::headroom(view, to, &sum)
}

/// The tasks on the same worker that stay together with this one, by row, each with the group that
/// binds it.
pub(crate) fn companions(
    view: &View<'_>,
    row: usize,
    from: Option<Seat>,
) -> Vec<(usize, crate::model::ids::GroupId)> {
    if view.memberships.is_empty() {
        return Vec::new();
    }
    // Who has lost its worker is with the others that have.
    let with = |place: Place| match from {
        Some(from) => place == Place::On(from),
        None => matches!(place, Place::Orphaned | Place::Stranded { .. }),
    };
    let mut found = BTreeMap::new();
    let mut next = alloc::vec![row];
    // Groups may overlap: a companion's companions come along.
    while let Some(row) = next.pop() {
        for index in view.groups_of(row) {
            let group = &view.snapshot.groups()[*index as usize];
            if group.rule != GroupRule::Affinity {
                continue;
            }
            let rows = group.members.iter().filter_map(|id| view.snapshot.task_row(*id));
            for other in rows.filter(|other| with(view.ledger.places[*other])) {
                if found.insert(other, group.id).is_none() {
                    next.push(other);
                }
            }
        }
    }
    found.remove(&row);
    found.into_iter().collect()
}

/// The search for targets, with what it need not work out twice.
struct Search<'a> {
    config: &'a Config,
    state: &'a State,
    view: &'a View<'a>,
    levels: &'a Levels,
    /// Where moves must repay themselves.
    reckoner: Option<Reckoner<'a>>,
    /// Workers that take, coldest first.
    takers: Order,
    /// So many of them take what is moved to even out loads.
    cold: usize,
    /// The takers that have the hardware, per errand, class, and hardware asked for.
    equipped: BTreeMap<Asked, Equipped>,
    /// How many units may choose each worker.
    offers: Vec<u32>,
    burden: Burden,
}

/// Whether loads are evened out, the class, all of this hardware, and any of that.
type Asked = (bool, Option<ClassId>, HardwareSet, HardwareSet);

/// Workers with the hardware that a task asks for.
#[derive(Clone, Debug)]
struct Equipped {
    /// Coldest first.
    seats: Vec<Seat>,
    /// The first that has not been offered to many.
    fresh: usize,
    /// Takers of its class that lack the hardware, and takers of no such class.
    lacking: usize,
    outside: usize,
}

impl<'a> Search<'a> {
    fn new(config: &'a Config, state: &'a State, view: &'a View<'a>, levels: &'a Levels) -> Self {
        let level = |seat: &Seat| levels.of(view, *seat).unwrap_or(f64::INFINITY);
        let mut open: Vec<Seat> =
            (0..view.workers.len()).filter(|seat| admission::target(view, *seat).is_ok()).collect();
        // Of several as cold, who leaves soon is asked last.
        let warm = |seat: &Seat| level(seat) >= levels.take_below;
        let leaves = |seat: &Seat| view.workers[*seat].stance != Stance::Accept;
        open.sort_by(|a, b| {
            let last = (warm(a), leaves(a)).cmp(&(warm(b), leaves(b)));
            last.then(level(a).total_cmp(&level(b))).then(a.cmp(b))
        });
        let cold = open.partition_point(|seat| !warm(seat));
        let takers = Order::new(view, open);
        let offers = alloc::vec![0; view.workers.len()];
        let (equipped, burden) = (BTreeMap::new(), Burden::default());
        let reckoner = Reckoner::new(config, state, view, levels);
        Self { config, state, view, levels, reckoner, takers, cold, equipped, offers, burden }
    }

    /// Asks targets for a unit, coldest first.
    ///
    /// # Errors
    ///
    /// None will have it: what the first of them said, if any was asked.
    fn targets(
        &mut self,
        index: usize,
        unit: &Unit,
        tally: &mut Tally,
        pairs: &mut Vec<Candidate>,
    ) -> Result<(), Option<Rejection>> {
        let lead = self.view.task(unit.rows[0]);
        // A task that has no worker, or must leave it, is worth asking everybody.
        let (targets, questions) = match (&self.config.stability, unit.errand) {
            (Some(_), Errand::Balance | Errand::Upgrade) => (unit.targets, QUESTIONS),
            (Some(_), Errand::Recover | Errand::Drain | Errand::Along(_)) => {
                (unit.targets, usize::MAX)
            }
            (None, _) => (usize::MAX, usize::MAX),
        };
        let equipped = self.equipped(unit);
        let (seats, fresh) = (core::mem::take(&mut equipped.seats), equipped.fresh);
        let (lacking, outside) = (equipped.lacking, equipped.outside);
        let mut refusal = self.note_lacking(unit, lacking, tally);
        refusal = refusal.or(self.note_outside(unit, outside, tally));
        let mut accepted = 0;
        for seat in seats[fresh..].iter().chain(&seats[..fresh]).copied().take(questions) {
            if accepted == targets {
                break;
            }
            match self.admit(unit, seat, Seek::Any) {
                Ok(berth) => {
                    accepted += 1;
                    self.offers[seat] += 1;
                    pairs.push(Candidate::new(index, seat, berth));
                }
                Err(Rejection::AlreadyThere) => {}
                Err(rejection) => {
                    refusal = refusal.or(Some(rejection));
                    tally.refuse(lead.id, Some(self.view.worker_id(seat)), rejection);
                }
            }
        }
        self.equipped(unit).seats = seats;
        if accepted > 0 { Ok(()) } else { Err(refusal) }
    }

    /// Asks the workers where a task would run faster, fastest first.
    fn upgrade(
        &mut self,
        index: usize,
        unit: &Unit,
        faster: &mut Faster<'_>,
        tally: &mut Tally,
        pairs: &mut Vec<Candidate>,
    ) {
        // A group moves for its loads, not for the wishes of one member.
        let ([row], Some(from)) = (unit.rows.as_slice(), unit.from) else { return };
        let lead = self.view.task(*row);
        let least = faster.least(*row, from).unwrap_or(f64::INFINITY);
        let mut accepted = 0;
        for (times, seat) in faster.targets(*row, from).into_iter().take(QUESTIONS) {
            if accepted == TARGETS {
                break;
            }
            match self.admit(unit, seat, Seek::AtLeast(least)) {
                Ok(berth) => {
                    accepted += 1;
                    let slower = faster.times(*row, from, berth.alternative);
                    let times = slower.unwrap_or(times);
                    pairs.push(Candidate { times, ..Candidate::new(index, seat, berth) });
                }
                Err(rejection) => {
                    tally.refuse(lead.id, Some(self.view.worker_id(seat)), rejection);
                }
            }
        }
    }

    /// The takers that have the hardware which a unit asks for.
    fn equipped(&mut self, unit: &Unit) -> &mut Equipped {
        let needs = &self.view.task(unit.rows[0]).requirements;
        let class = self.view.task(unit.rows[0]).class;
        let balancing = unit.errand == Errand::Balance;
        let count = if balancing { self.cold } else { self.takers.seats.len() };
        let (view, takers) = (self.view, &self.takers);
        let key = (balancing, class, needs.all_of, needs.any_of);
        let equipped = self.equipped.entry(key).or_insert_with(|| {
            let mut seats = match class {
                Some(class) => takers.of_class(view, class, count),
                None => takers.seats[..count].to_vec(),
            };
            let outside = count - seats.len();
            seats.retain(|seat| {
                let kinds = view.workers[*seat].kinds;
                let any = needs.any_of.is_empty() || needs.any_of.intersects(kinds);
                any && needs.all_of.without(kinds).is_empty()
            });
            let lacking = count - outside - seats.len();
            Equipped { seats, fresh: 0, lacking, outside }
        });
        let crowded = |seat: &Seat| self.offers[*seat] >= OFFERS;
        while equipped.seats.get(equipped.fresh).is_some_and(crowded) {
            equipped.fresh += 1;
        }
        equipped
    }

    /// One refusal stands for all takers that lack the hardware: the first of them.
    fn note_lacking(&self, unit: &Unit, lacking: usize, tally: &mut Tally) -> Option<Rejection> {
        if lacking == 0 {
            return None;
        }
        let lead = self.view.task(unit.rows[0]);
        let needs = &lead.requirements;
        let mut takers = self.takers_for(unit).filter(|seat| self.is_in_class(lead, *seat));
        let refusal = takers.find_map(|seat| {
            let kinds = self.view.workers[seat].kinds;
            let missing = needs.all_of.without(kinds);
            if !missing.is_empty() {
                return Some((seat, Rejection::MissingHardware { needs: missing, all: true }));
            }
            let none = !needs.any_of.is_empty() && !needs.any_of.intersects(kinds);
            none.then_some((seat, Rejection::MissingHardware { needs: needs.any_of, all: false }))
        });
        let (seat, rejection) = refusal?;
        let to = Some(self.view.worker_id(seat));
        tally.refuse_many(u32::try_from(lacking).unwrap_or(u32::MAX), lead.id, to, rejection);
        Some(rejection)
    }

    /// The workers that take what a unit is moved for, coldest first.
    fn takers_for(&self, unit: &Unit) -> impl Iterator<Item = Seat> + '_ {
        let seats = &self.takers.seats;
        let count = if unit.errand == Errand::Balance { self.cold } else { seats.len() };
        seats[..count].iter().copied()
    }

    fn is_in_class(&self, task: &Task, seat: Seat) -> bool {
        task.class.is_none_or(|id| {
            let class = self.view.snapshot.class(id);
            class.is_some_and(|class| class.cost(self.view.worker_id(seat)).is_some())
        })
    }

    /// One refusal stands for all takers outside of the class: the first of them.
    fn note_outside(&self, unit: &Unit, outside: usize, tally: &mut Tally) -> Option<Rejection> {
        let lead = self.view.task(unit.rows[0]);
        let class = lead.class.filter(|_| outside > 0)?;
        let first = self.takers_for(unit).find(|seat| !self.is_in_class(lead, *seat));
        let to = first.map(|seat| self.view.worker_id(seat));
        let count = u32::try_from(outside).unwrap_or(u32::MAX);
        let rejection = Rejection::OutsideClass { class };
        tally.refuse_many(count, lead.id, to, rejection);
        Some(rejection)
    }

    /// Asks every rule for every task of the unit, each by itself; together they are asked again
    /// when it is chosen.
    fn admit(&mut self, unit: &Unit, to: Seat, seek: Seek) -> Result<Berth, Rejection> {
        let view = self.view;
        if unit.rows.len() > 1 {
            fits_together(view, &unit.rows, to, &mut self.burden)?;
        }
        let mut lead = Berth::default();
        for (nth, row) in unit.rows.iter().enumerate() {
            let burden = &mut self.burden;
            let berth = admission::pair(self.state, view, *row, to, unit.errand, seek, burden)?;
            if self.config.stability.is_some() && unit.errand == Errand::Balance {
                admission::guards(self.levels, view, unit.from, to, burden)?;
            }
            if let (Some(reckoner), Some(from)) = (&self.reckoner, voluntary(unit)) {
                handover::repaid(&reckoner.handover(*row, [from, to], berth, burden))?;
            }
            if nth == 0 {
                lead = berth;
            }
        }
        Ok(lead)
    }
}

/// Where a unit comes from that nothing forces to move.
fn voluntary(unit: &Unit) -> Option<Seat> {
    unit.from.filter(|_| matches!(unit.errand, Errand::Balance | Errand::Upgrade))
}
