//! The rules of groups: who stays together, who keeps apart, and how evenly.

use alloc::collections::{BTreeMap, BTreeSet};

use super::ends;
use crate::model::ids::{GroupId, TaskId, WorkerId};
use crate::outcome::Rejection;
use crate::snapshot::{GroupRule, Topology};
use crate::state::State;
use crate::view::{Errand, Place, Seat, View};

/// May this task go to this worker, as far as the groups that it is in are concerned?
pub(super) fn may_join(
    state: &State,
    view: &View<'_>,
    row: usize,
    to: Seat,
    errand: Errand,
) -> Result<(), Rejection> {
    for index in view.groups_of(row) {
        let group = &view.snapshot.groups()[*index as usize];
        let own = view.task(row).id;
        let others = group.members.iter().copied().filter(|id| *id != own);
        let others = others.map(|id| (id, whereabouts(state, view, id)));
        match group.rule {
            GroupRule::Affinity => affinity(state, view, row, to, group.id, others)?,
            GroupRule::AntiAffinity => {
                let mut there = others.filter(|(_, ends)| ends.contains(&Some(to)));
                if let Some((task, _)) = there.next() {
                    return Err(Rejection::AntiAffinity { group: group.id, task });
                }
            }
            GroupRule::Spread { max_skew, over } if errand >= Errand::Balance => {
                // What is broken already may be repaired, never made worse.
                let most = max_skew.get();
                if let Some(skew) = skews(state, view, row, to, over, others).broken(most) {
                    return Err(Rejection::Spread { group: group.id, skew, most });
                }
            }
            GroupRule::Spread { .. } | GroupRule::Disruption { .. } | GroupRule::Gang => {}
        }
    }
    Ok(())
}

/// May this task leave its worker, as far as the groups that it is in are concerned?
pub(crate) fn may_leave(view: &View<'_>, row: usize, errand: Errand) -> Result<(), Rejection> {
    // Who has no worker leaves none.
    if !matches!(view.ledger.places[row], Place::On(_)) {
        return Ok(());
    }
    for index in view.groups_of(row) {
        let index = *index as usize;
        let group = &view.snapshot.groups()[index];
        match group.rule {
            GroupRule::Disruption { max_unavailable: most } => {
                let unavailable = view.ledger.unavailable[index].saturating_add(1);
                if unavailable > most {
                    return Err(Rejection::Disruption { group: group.id, unavailable, most });
                }
            }
            GroupRule::Gang if errand >= Errand::Balance => {
                return Err(Rejection::Gang { group: group.id });
            }
            GroupRule::Affinity
            | GroupRule::AntiAffinity
            | GroupRule::Spread { .. }
            | GroupRule::Gang => {}
        }
    }
    Ok(())
}

/// The workers a member of a group counts on, whether or not a partial snapshot lists it.
fn whereabouts(state: &State, view: &View<'_>, id: TaskId) -> [Option<Seat>; 2] {
    if let Some(row) = view.snapshot.task_row(id) {
        return ends(view.ledger.places[row]);
    }
    let seat = |worker: Option<WorkerId>| worker.and_then(|it| view.snapshot.worker_row(it));
    let flight = state.in_flight.get(&id).filter(|it| it.is_bound());
    flight.map_or([None; 2], |flight| [seat(flight.from()), seat(Some(flight.to()))])
}

/// A group that stays together may go where some of it is, or leave as one: companions on the same
/// worker move with the task (the candidate stage sees to that), so they do not hold it back.
fn affinity(
    state: &State,
    view: &View<'_>,
    row: usize,
    to: Seat,
    group: GroupId,
    others: impl Iterator<Item = (TaskId, [Option<Seat>; 2])>,
) -> Result<(), Rejection> {
    let here = ends(view.ledger.places[row])[0];
    let mut elsewhere = None;
    for (id, place) in others {
        // A member in flight stands where it is going.
        let hidden = place[1].map_or_else(|| out_of_sight(state, view, id), |_| None);
        match place[1].or(place[0].filter(|_| hidden.is_none())) {
            Some(seat) if seat == to => return Ok(()),
            // Nor can one that is on its way here come along.
            Some(seat) if Some(seat) != here || place[1].is_some() => {
                elsewhere = elsewhere.or(Some(view.worker_id(seat)));
            }
            Some(_) => {}
            None => elsewhere = elsewhere.or(hidden),
        }
    }
    match elsewhere {
        Some(worker) => Err(Rejection::Affinity { group, worker }),
        None => Ok(()),
    }
}

/// The worker that a task is on or on its way to, though a partial snapshot does not list it.
fn out_of_sight(state: &State, view: &View<'_>, id: TaskId) -> Option<WorkerId> {
    if let Some(flight) = state.in_flight.get(&id).filter(|it| it.is_bound()) {
        return Some(flight.to()).filter(|to| view.snapshot.worker_row(*to).is_none());
    }
    match view.ledger.places[view.snapshot.task_row(id)?] {
        Place::Unknown(worker) => Some(worker),
        _ => None,
    }
}

/// The skew of a group over the domains: now and while a move is under way, with what moves counted on
/// both ends; and once all has landed, without the move and with it.
struct Skews {
    /// So many members are nobody knows in which domain: the worst is feared of a move, and the best
    /// hoped of how things are.
    hidden: u32,
    now: u32,
    under_way: u32,
    landed_without: u32,
    landed_with: u32,
}

impl Skews {
    /// The skew that a move would make, if it is more than there is already and more than so much.
    fn broken(&self, most: u32) -> Option<u32> {
        let grows = |with: u32, without: u32| {
            let (with, without) = (with + self.hidden, without.saturating_sub(self.hidden));
            Some(with).filter(|skew| *skew > most.max(without))
        };
        let landed = || grows(self.landed_with, self.landed_without);
        grows(self.under_way, self.now).or_else(landed)
    }
}

fn skews(
    state: &State,
    view: &View<'_>,
    row: usize,
    to: Seat,
    over: Topology,
    others: impl Iterator<Item = (TaskId, [Option<Seat>; 2])>,
) -> Skews {
    type Counts = BTreeMap<u64, u32>;
    let no_domains = BTreeSet::new();
    let open = view.domains.get(&over).unwrap_or(&no_domains);
    let domain = |seat: Option<Seat>| seat.and_then(|seat| over.domain(view.worker(seat)));
    // One member, on one end or both.
    let add = |counts: &mut Counts, [here, there]: [Option<Seat>; 2]| {
        let domains = [domain(here), domain(there).filter(|it| Some(*it) != domain(here))];
        domains.into_iter().flatten().for_each(|domain| *counts.entry(domain).or_default() += 1);
    };
    let skew = |mut counts: Counts, ends| {
        add(&mut counts, ends);
        let most = counts.values().max().copied().unwrap_or(0);
        // Where nobody is, a domain is known only if tasks may go there.
        let empty = open.iter().any(|domain| !counts.contains_key(domain));
        let least = counts.values().min().filter(|_| !empty).copied().unwrap_or(0);
        most - least
    };
    let (mut both, mut landed, mut hidden) = (Counts::new(), Counts::new(), 0);
    for (id, [here, there]) in others {
        match out_of_sight(state, view, id) {
            Some(worker) if over == Topology::Worker => {
                for counts in [&mut both, &mut landed] {
                    *counts.entry(worker.raw()).or_default() += 1;
                }
            }
            unseen => hidden += u32::from(unseen.is_some()),
        }
        add(&mut both, [here, there]);
        add(&mut landed, [there.or(here), None]);
    }
    let here = ends(view.ledger.places[row])[0];
    Skews {
        hidden,
        now: skew(both.clone(), [here, None]),
        under_way: skew(both.clone(), [here, Some(to)]).max(skew(both, [Some(to), None])),
        landed_without: skew(landed.clone(), [here, None]),
        landed_with: skew(landed, [Some(to), None]),
    }
}
