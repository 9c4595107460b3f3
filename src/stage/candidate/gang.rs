//! Gangs: tasks on several workers that are interrupted together or not at all.
//!
//! Where one of a gang must leave its worker, all that have one leave theirs; those that have lost
//! theirs are found a place all at once. Either is a *party*, with whatever must stay together with
//! one of it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::Candidates;
use crate::model::ids::{GroupId, TaskId};
use crate::outcome::{Rejection, Tally};
use crate::snapshot::{Group, GroupRule, Stance};
use crate::view::{Errand, Party, Place, Seat, View};

/// The parties of a round.
#[derive(Debug, Default)]
pub(super) struct Gangs {
    /// The party of each task row that is in one, and the group that binds it.
    parties: BTreeMap<usize, Party>,
    bands: Vec<Band>,
}

/// What is known of one party.
#[derive(Debug, Default)]
struct Band {
    rows: Vec<usize>,
    /// Whether the worker of one of it is to be emptied.
    leaves: bool,
    /// One of it that cannot be told to move, and the group that binds it.
    blocked: Option<(GroupId, TaskId)>,
}

impl Gangs {
    pub(super) fn new(view: &View<'_>) -> Self {
        let mut gangs = Self::default();
        for group in view.snapshot.groups().iter().filter(|group| group.rule == GroupRule::Gang) {
            let rows = group.members.iter().filter_map(|id| view.snapshot.task_row(*id));
            for row in rows {
                if !gangs.parties.contains_key(&row) {
                    gangs.gather(view, row, group.id);
                }
            }
        }
        gangs
    }

    /// Collects the party of a task, if it is somewhere or has lost its worker.
    fn gather(&mut self, view: &View<'_>, first: usize, group: GroupId) {
        let Some(side) = Side::of(view.ledger.places[first]) else { return };
        let index = self.bands.len();
        let mut band = Band::default();
        let (mut next, mut asked) = (alloc::vec![(first, group)], BTreeSet::new());
        while let Some((row, group)) = next.pop() {
            if self.parties.contains_key(&row) {
                continue;
            }
            self.parties.insert(row, Party { index, group });
            band.rows.push(row);
            let seat = match view.ledger.places[row] {
                Place::On(seat) => Some(seat),
                _ => None,
            };
            let drains = |seat: Seat| {
                let emptied = view.workers[seat].stance == Stance::Drain;
                emptied && view.snapshot.is_certain(seat) && !view.is_done_in_time(row, seat)
            };
            band.leaves |= seat.is_some_and(drains);
            for group in view.groups_of(row).iter().copied() {
                let record = &view.snapshot.groups()[group as usize];
                let joins = match record.rule {
                    GroupRule::Gang if asked.insert((group, None)) => {
                        band.mates(view, record, side)
                    }
                    GroupRule::Affinity if asked.insert((group, seat)) => {
                        companions(view, record, view.ledger.places[row])
                    }
                    _ => continue,
                };
                next.extend(joins.into_iter().map(|row| (row, record.id)));
            }
        }
        self.bands.push(band);
    }

    /// The party of a task.
    pub(super) fn party(&self, row: usize) -> Option<Party> {
        self.parties.get(&row).copied()
    }

    /// How many tasks are in a party.
    pub(super) fn size(&self, party: Party) -> usize {
        self.bands[party.index].rows.len()
    }

    /// The group along with which a task must leave its worker, because the worker of another one
    /// is to be emptied.
    pub(super) fn leaves(&self, row: usize) -> Option<GroupId> {
        let party = self.party(row).filter(|party| self.bands[party.index].leaves);
        party.map(|party| party.group)
    }

    /// Drops every unit whose party cannot go as a whole.
    pub(super) fn keep_whole(
        &mut self,
        view: &View<'_>,
        found: &mut Candidates,
        tally: &mut Tally,
    ) {
        let Candidates { units, stuck, .. } = found;
        let going = units.iter().filter(|unit| unit.party.is_some());
        let going: BTreeSet<usize> = going.flat_map(|unit| unit.rows.iter().copied()).collect();
        for band in &mut self.bands {
            let stays = band.rows.iter().find(|row| !going.contains(row));
            let stays = stays.map(|row| (self.parties[row].group, view.task(*row).id));
            band.blocked = band.blocked.or(stays);
        }
        units.retain(|unit| {
            let blocked = unit.party.and_then(|party| self.bands[party.index].blocked);
            let Some((group, task)) = blocked else { return true };
            let lead = view.task(unit.rows[0]).id;
            let rejection = Rejection::Companion { group, task };
            tally.refuse(lead, None, rejection);
            if unit.errand == Errand::Drain {
                stuck.extend(unit.rows.iter().map(|row| (*row, Some(rejection))));
            }
            false
        });
    }
}

impl Band {
    /// The members of a gang that move with this party; notes one that should and cannot.
    fn mates(&mut self, view: &View<'_>, gang: &Group, side: Side) -> Vec<usize> {
        let mut rows = Vec::new();
        for id in gang.members.iter().copied() {
            let row = view.snapshot.task_row(id);
            match row.map(|row| (row, view.ledger.places[row])) {
                Some((row, place)) if Side::of(place) == Some(side) => rows.push(row),
                // On its way, or nobody knows where: as long as it is, the others do not leave.
                Some((_, Place::Moving { .. } | Place::Unknown(_))) | None
                    if side == Side::Placed =>
                {
                    self.blocked = self.blocked.or(Some((gang.id, id)));
                }
                _ => {}
            }
        }
        rows
    }
}

/// The members of a group that stay together which are where one of them is.
fn companions(view: &View<'_>, group: &Group, here: Place) -> Vec<usize> {
    let rows = group.members.iter().filter_map(|id| view.snapshot.task_row(*id));
    let together = rows.filter(|row| {
        let there = view.ledger.places[*row];
        there == here || (Side::of(here) == Some(Side::Lost) && Side::of(there) == Side::of(here))
    });
    together.collect()
}

/// Who moves together: those that have a worker, and those that have lost theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Placed,
    Lost,
}

impl Side {
    const fn of(place: Place) -> Option<Self> {
        match place {
            Place::On(_) => Some(Self::Placed),
            Place::Orphaned | Place::Stranded { .. } => Some(Self::Lost),
            Place::Moving { .. } | Place::Unplaced | Place::Unknown(_) => None,
        }
    }
}
