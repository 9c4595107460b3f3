//! Where are the members of each group? They are kept as counts and ordered sets, so that a rule costs O(log n) per
//! pair, however large the group is.
//!
//! Five members in zones 1, 1, 1, 2 and 3 have a skew of 3 - 1 = 2; a move from zone 1 to zone 2 makes it
//! 2 - 1 = 1, and while it is under way, counted on both ends, 3 - 1 = 2.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use alloc::vec::Vec;

use super::domains::Domains;
use super::{Place, UnderWay, View};
use crate::model::ids::{TaskId, WorkerId};
use crate::model::rows::{Column, Row, TaskRow, WorkerRow};
use crate::snapshot::{GroupRule, Topology};
use crate::state::State;

/// One index per group of the snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupIndexes(Vec<GroupIndex>);

/// The index that the rule of a group needs.
#[derive(Clone, Debug)]
enum GroupIndex {
    Affinity(AffinityIndex),
    AntiAffinity(AntiAffinityIndex),
    Spread(SpreadIndex),
    /// None: the rule is about leaving, and counts the unavailable members.
    None,
}

/// Where a member of a group counts.
#[derive(Clone, Copy, Debug)]
struct Whereabouts {
    ends: [Option<WorkerRow>; 2],
    /// The worker that a member which no worker has may have to go back to.
    kept: Option<WorkerRow>,
    /// The worker that the member is on or on its way to, if a partial snapshot does not list that worker.
    hidden: Option<WorkerId>,
}

impl Whereabouts {
    fn of(place: Place) -> Self {
        Self { ends: place.ends(), kept: place.kept(), hidden: None }
    }

    /// Where a member is when the round begins, whether or not a partial snapshot lists it.
    fn observed(
        state: &State,
        view: &View<'_>,
        places: &Column<TaskRow, Place>,
        member: TaskId,
    ) -> Self {
        let place = view.snapshot.task_row(member).map(|row| places[row]);
        let own = state.in_flight.get(&member);
        let under_way = || own.map(|migration| UnderWay::of(migration, None, &view.snapshot));
        let kept = place.or_else(|| under_way().map(|own| own.place())).and_then(Place::kept);
        let migration = own.filter(|migration| migration.is_bound());
        let row = |worker: WorkerId| view.snapshot.worker_row(worker);
        let ends = match (place, migration) {
            (Some(place), _) => place.ends(),
            (None, Some(migration)) => [migration.from().and_then(row), row(migration.to())],
            (None, None) => [None; 2],
        };
        let hidden = match (migration, place) {
            (Some(migration), _) => Some(migration.to()).filter(|to| row(*to).is_none()),
            (None, Some(Place::Unknown(worker))) => Some(worker),
            (None, _) => None,
        };
        Self { ends, kept, hidden }
    }
}

impl GroupIndexes {
    /// Indexes the groups of a snapshot as the round begins.
    pub(crate) fn new(state: &State, view: &View<'_>, places: &Column<TaskRow, Place>) -> Self {
        let groups = view.snapshot.groups().iter().map(|group| {
            let mut index = GroupIndex::empty(view, group.rule);
            if !matches!(index, GroupIndex::None) {
                for member in group.members.iter().copied() {
                    index.add(member, Whereabouts::observed(state, view, places, member));
                }
            }
            index
        });
        Self(groups.collect())
    }

    /// Moves a member of these groups from one place to another.
    pub(super) fn relocate(&mut self, groups: &[u32], member: TaskId, from: Place, to: Place) {
        if from == to {
            return;
        }
        for group in groups {
            if let Some(index) = self.0.get_mut(*group as usize) {
                index.remove(member, Whereabouts::of(from));
                index.add(member, Whereabouts::of(to));
            }
        }
    }

    /// In a group that stays together, the worker of the first member that keeps `own` from going to `to`: the worker
    /// that this member is on or on its way to. `None` if the group is at `to` already, or all of it is with `own`.
    pub(crate) fn elsewhere(
        &self,
        group: u32,
        (own, here): (TaskId, Option<WorkerRow>),
        to: WorkerRow,
    ) -> Option<Elsewhere> {
        match self.0.get(group as usize)? {
            GroupIndex::Affinity(index) => index.elsewhere(own, here, to),
            _ => None,
        }
    }

    /// In a group that keeps apart, the first other member that counts on a worker; `None` if there is none.
    pub(crate) fn occupant(&self, group: u32, own: TaskId, worker: WorkerRow) -> Option<TaskId> {
        match self.0.get(group as usize)? {
            GroupIndex::AntiAffinity(index) => {
                let there = index.there.get(&worker)?;
                there.iter().copied().find(|member| *member != own)
            }
            _ => None,
        }
    }

    /// The skew after a move of `own`, if it is above `most` and above the present skew; `None` otherwise.
    pub(crate) fn broken_skew(
        &self,
        group: u32,
        place: Place,
        to: WorkerRow,
        most: u32,
    ) -> Option<u32> {
        match self.0.get(group as usize)? {
            GroupIndex::Spread(index) => index.broken(place, to, most),
            _ => None,
        }
    }
}

impl GroupIndex {
    fn empty(view: &View<'_>, rule: GroupRule) -> Self {
        match rule {
            GroupRule::Affinity => Self::Affinity(AffinityIndex::default()),
            GroupRule::AntiAffinity => Self::AntiAffinity(AntiAffinityIndex::default()),
            GroupRule::Spread { over, .. } => Self::Spread(SpreadIndex::new(view, over)),
            GroupRule::Disruption { .. } | GroupRule::Gang => Self::None,
        }
    }

    fn add(&mut self, member: TaskId, at: Whereabouts) {
        match self {
            Self::Affinity(index) => index.add(member, at),
            Self::AntiAffinity(index) => index.add(member, at),
            Self::Spread(index) => index.count(at, true),
            Self::None => {}
        }
    }

    fn remove(&mut self, member: TaskId, at: Whereabouts) {
        match self {
            Self::Affinity(index) => index.remove(member, at),
            Self::AntiAffinity(index) => index.remove(member, at),
            Self::Spread(index) => index.count(at, false),
            Self::None => {}
        }
    }
}

// ---------------------------------------------------------------- affinity

/// A worker that a member of a group is on or on its way to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    Listed(WorkerRow),
    Unlisted(WorkerId),
}

/// The members of a group that stays together.
#[derive(Clone, Debug, Default)]
struct AffinityIndex {
    /// Members that rest on a worker.
    resting: BTreeMap<WorkerRow, BTreeSet<TaskId>>,
    /// The first of them on each worker, in the order of members.
    first_resting: BTreeSet<(TaskId, WorkerRow)>,
    /// Members on their way, by member and by target.
    moving: BTreeMap<TaskId, WorkerRow>,
    arriving: BTreeMap<WorkerRow, BTreeSet<TaskId>>,
    hidden: BTreeMap<TaskId, WorkerId>,
}

impl AffinityIndex {
    fn add(&mut self, member: TaskId, at: Whereabouts) {
        match (at.ends, at.hidden) {
            ([_, Some(to)], _) => {
                self.moving.insert(member, to);
                self.arriving.entry(to).or_default().insert(member);
            }
            (_, Some(worker)) if !broken!("companion_out_of_sight") => {
                self.hidden.insert(member, worker);
            }
            ([Some(worker), None], None) => {
                self.change_resting(worker, |members| {
                    members.insert(member);
                });
            }
            ([None, None], _) | (_, Some(_)) => {}
        }
    }

    fn remove(&mut self, member: TaskId, at: Whereabouts) {
        self.hidden.remove(&member);
        if let Some(to) = self.moving.remove(&member)
            && let Some(members) = self.arriving.get_mut(&to)
        {
            members.remove(&member);
        }
        if let [Some(worker), None] = at.ends {
            self.change_resting(worker, |members| {
                members.remove(&member);
            });
        }
    }

    fn change_resting(&mut self, worker: WorkerRow, change: impl FnOnce(&mut BTreeSet<TaskId>)) {
        let members = self.resting.entry(worker).or_default();
        let before = members.first().copied();
        change(members);
        let after = members.first().copied();
        if before != after {
            before.map(|first| self.first_resting.remove(&(first, worker)));
            after.map(|first| self.first_resting.insert((first, worker)));
        }
    }

    fn elsewhere(&self, own: TaskId, here: Option<WorkerRow>, to: WorkerRow) -> Option<Elsewhere> {
        let others_at = |members: Option<&BTreeSet<TaskId>>| {
            members.is_some_and(|members| members.iter().any(|member| *member != own))
        };
        // A companion that is on its way to the task's own worker would be left alone there.
        let left = here.filter(|here| *here != to && others_at(self.arriving.get(here)));
        if let Some(here) = left.filter(|_| !broken!("arriving_companion_is_left")) {
            return Some(Elsewhere::Listed(here));
        }
        if others_at(self.resting.get(&to)) || others_at(self.arriving.get(&to)) {
            return None;
        }
        // A companion that is on its way to this worker cannot move with the task either.
        let moving = self.moving.iter().find(|(member, _)| **member != own);
        let resting = self.first_resting.iter().find(|(_, worker)| Some(*worker) != here);
        let hidden = self.hidden.iter().find(|(member, _)| **member != own);
        let moving = moving.map(|(member, to)| (*member, Elsewhere::Listed(*to)));
        let resting = resting.map(|(member, worker)| (*member, Elsewhere::Listed(*worker)));
        let hidden = hidden.map(|(member, worker)| (*member, Elsewhere::Unlisted(*worker)));
        let first = [moving, resting, hidden].into_iter().flatten().min_by_key(|(id, _)| *id);
        first.map(|(_, elsewhere)| elsewhere)
    }
}

// ---------------------------------------------------------------- anti-affinity

/// The members of a group that keeps apart, on both ends of their moves.
#[derive(Clone, Debug, Default)]
struct AntiAffinityIndex {
    there: BTreeMap<WorkerRow, BTreeSet<TaskId>>,
}

impl AntiAffinityIndex {
    fn add(&mut self, member: TaskId, at: Whereabouts) {
        let [here, there] = at.ends;
        let is_last_only = there.is_some() && broken!("both_ends_in_transit");
        let here = if is_last_only { None } else { here };
        for worker in [here, there, at.kept].into_iter().flatten() {
            self.there.entry(worker).or_default().insert(member);
        }
    }

    fn remove(&mut self, member: TaskId, at: Whereabouts) {
        for worker in at.ends.into_iter().chain([at.kept]).flatten() {
            if let Some(members) = self.there.get_mut(&worker) {
                members.remove(&member);
            }
        }
    }
}

// ---------------------------------------------------------------- spread

/// The members of a group per domain: once with moving members counted on both ends, and once as if all had arrived.
#[derive(Clone, Debug)]
struct SpreadIndex {
    over: Topology,
    domains: Rc<Domains>,
    both: DomainCounts,
    landed: DomainCounts,
    /// How many members are in an unknown domain. For a move the worst case is assumed, for the present the best.
    hidden: u32,
}

impl SpreadIndex {
    fn new(view: &View<'_>, over: Topology) -> Self {
        let domains = view.domains.get(&over).cloned().unwrap_or_default();
        let counts = DomainCounts::default();
        Self { over, domains, both: counts.clone(), landed: counts, hidden: 0 }
    }

    fn domain(&self, worker: Option<WorkerRow>) -> Option<u64> {
        self.domains.of.get(worker?.position()).copied().flatten()
    }

    /// The domains in which a member counts while it moves, each once.
    fn counted(&self, [here, there]: [Option<WorkerRow>; 2]) -> [Option<u64>; 2] {
        let (here, there) = (self.domain(here), self.domain(there));
        [here, there.filter(|_| there != here)]
    }

    fn count(&mut self, at: Whereabouts, arrives: bool) {
        let [here, there] = at.ends;
        let mut both = self.counted(at.ends).to_vec();
        // What is on its way to a worker out of sight does not land where it comes from.
        let is_hidden = at.hidden.is_some() && !broken!("lands_where_it_comes_from");
        let mut landed = alloc::vec![self.domain(there.or(here)).filter(|_| !is_hidden)];
        match at.hidden {
            Some(worker) if self.over == Topology::Worker => {
                both.push(Some(worker.raw()));
                landed.push(Some(worker.raw()));
            }
            Some(_) if broken!("spread_out_of_sight") => {}
            Some(_) if arrives => self.hidden += 1,
            Some(_) => self.hidden -= 1,
            None => {}
        }
        let Self { domains, both: counts, .. } = self;
        let open = &domains.open;
        both.into_iter().flatten().for_each(|domain| counts.change(open, domain, arrives));
        let counts = &mut self.landed;
        landed.into_iter().flatten().for_each(|domain| counts.change(open, domain, arrives));
    }

    fn broken(&self, place: Place, to: WorkerRow, most: u32) -> Option<u32> {
        let open = &self.domains.open;
        let [here, there] = place.ends();
        let (own_both, own_landed) =
            (self.counted([here, there]), [self.domain(there.or(here)), None]);
        let both = |ends| self.both.skew(open, own_both, self.counted(ends));
        let landed = |at| self.landed.skew(open, own_landed, [self.domain(at), None]);
        let grows = |with: u32, without: u32| {
            let (with, without) = (with + self.hidden, without.saturating_sub(self.hidden));
            let without = if broken!("spread_may_be_repaired") { 0 } else { without };
            Some(with).filter(|skew| *skew > most.max(without))
        };
        let under_way = both([here, Some(to)]).max(both([Some(to), None]));
        // A group that is too uneven already may be repaired, never made worse.
        let in_transit = grows(under_way, both([here, None]));
        if broken!("zones_once_all_has_landed") {
            return in_transit;
        }
        in_transit.or_else(|| grows(landed(Some(to)), landed(here)))
    }
}

/// How many members are in each domain, and how many domains have each count.
#[derive(Clone, Debug, Default)]
struct DomainCounts {
    counts: BTreeMap<u64, u32>,
    by_count: BTreeMap<u32, u32>,
    /// Domains with members that tasks may go to.
    open_occupied: usize,
}

impl DomainCounts {
    fn change(&mut self, open: &BTreeSet<u64>, domain: u64, arrives: bool) {
        let before = self.counts.get(&domain).copied().unwrap_or(0);
        let after = if arrives { before + 1 } else { before.saturating_sub(1) };
        if let Some(domains) = self.by_count.get_mut(&before) {
            *domains -= 1;
            if *domains == 0 {
                self.by_count.remove(&before);
            }
        }
        if (before == 0) != (after == 0) && open.contains(&domain) {
            self.open_occupied =
                if arrives { self.open_occupied + 1 } else { self.open_occupied - 1 };
        }
        if after == 0 {
            self.counts.remove(&domain);
        } else {
            self.counts.insert(domain, after);
            *self.by_count.entry(after).or_default() += 1;
        }
    }

    /// The skew with one member taken out of some domains and put into others: the fullest domain less the emptiest. A
    /// domain without members that tasks may go to counts as the emptiest.
    fn skew(&self, open: &BTreeSet<u64>, out: [Option<u64>; 2], into: [Option<u64>; 2]) -> u32 {
        let mut touched: Vec<(u64, u32, u32)> = Vec::with_capacity(4);
        let changes = out.into_iter().map(|domain| (domain, -1));
        for (domain, by) in changes.chain(into.into_iter().map(|domain| (domain, 1))) {
            let Some(domain) = domain else { continue };
            let known = touched.iter().position(|entry| entry.0 == domain).unwrap_or_else(|| {
                let before = self.counts.get(&domain).copied().unwrap_or(0);
                touched.push((domain, before, before));
                touched.len() - 1
            });
            touched[known].2 = touched[known].2.saturating_add_signed(by);
        }
        // A count matters if a domain that is not touched has it.
        let is_untouched = |(count, domains): &(&u32, &u32)| {
            let same = touched.iter().filter(|(_, before, _)| before == *count).count();
            (**domains as usize) > same
        };
        let highest = self.by_count.iter().rev().find(is_untouched).map(|(count, _)| *count);
        let lowest = self.by_count.iter().find(is_untouched).map(|(count, _)| *count);
        let after = || touched.iter().map(|(_, _, after)| *after).filter(|after| *after > 0);
        let most = highest.into_iter().chain(after()).max().unwrap_or(0);
        let least = lowest.into_iter().chain(after()).min().unwrap_or(0);
        most - if self.is_any_empty(open, &touched) { 0 } else { least }
    }

    /// Whether a domain that tasks may go to has no member.
    fn is_any_empty(&self, open: &BTreeSet<u64>, touched: &[(u64, u32, u32)]) -> bool {
        let mut occupied = self.open_occupied;
        for (domain, before, after) in touched {
            if open.contains(domain) {
                occupied = occupied + usize::from(*after > 0) - usize::from(*before > 0);
            }
        }
        occupied < open.len()
    }
}
