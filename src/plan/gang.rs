//! Which tasks must be interrupted together, though they are on several workers?
//!
//! If one member of a gang must leave its worker, all members that have a worker leave theirs. Members that have
//! lost their workers are placed all at once. Either is a *gang move*; companions of its members belong to it too.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::model::ids::{GroupId, TaskId};
use crate::model::rows::{TaskRow, WorkerRow};
use crate::outcome::{GroupRefusal, Purpose, Rejection};
use crate::round::{GangMember, MoveSet, Round, Stuck};
use crate::snapshot::{Group, GroupRule, Stance};
use crate::view::Place;

/// The gang moves of a round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gangs {
    /// The gang move of each task that is in one, and the group that binds it.
    members: BTreeMap<TaskRow, GangMember>,
    moves: Vec<GangMove>,
}

/// What is known about one gang move.
#[derive(Clone, Debug, Default)]
struct GangMove {
    rows: Vec<TaskRow>,
    /// Whether the worker of one of its tasks must be emptied.
    must_leave: bool,
    /// A task of it that cannot be commanded to move, and the group that binds that task.
    blocked: Option<(GroupId, TaskId)>,
}

impl Gangs {
    pub(super) fn new(round: &Round<'_>) -> Self {
        let mut gangs = Self::default();
        let snapshot = &round.view.snapshot;
        for group in snapshot.groups().iter().filter(|group| group.rule == GroupRule::Gang) {
            for row in group.members.iter().filter_map(|id| snapshot.task_row(*id)) {
                if !gangs.members.contains_key(&row) {
                    gangs.gather(round, row, group.id);
                }
            }
        }
        gangs
    }

    /// Collects the gang move of a task, if the task is on a worker or has lost its worker.
    fn gather(&mut self, round: &Round<'_>, first: TaskRow, group: GroupId) {
        let Some(side) = Side::of(round.ledger.places[first]) else { return };
        let index = self.moves.len();
        let mut gang = GangMove::default();
        let (mut next, mut asked) = (alloc::vec![(first, group)], BTreeSet::new());
        while let Some((row, group)) = next.pop() {
            if self.members.contains_key(&row) {
                continue;
            }
            self.members.insert(row, GangMember { index, group });
            gang.rows.push(row);
            let worker = match round.ledger.places[row] {
                Place::On(worker) => Some(worker),
                _ => None,
            };
            gang.must_leave |= worker.is_some_and(|worker| is_emptied(round, row, worker))
                && !broken!("gang_goes_along");
            for group in round.view.groups_of(row).iter().copied() {
                let record = &round.view.snapshot.groups()[group as usize];
                let joins = match record.rule {
                    GroupRule::Gang if asked.insert((group, None)) => {
                        gang.mates(round, record, side)
                    }
                    GroupRule::Affinity if asked.insert((group, worker)) => {
                        companions(round, record, round.ledger.places[row])
                    }
                    _ => continue,
                };
                next.extend(joins.into_iter().map(|row| (row, record.id)));
            }
        }
        self.moves.push(gang);
    }

    /// The gang move that a task is part of; `None` if it is part of none.
    pub(super) fn member(&self, row: TaskRow) -> Option<GangMember> {
        self.members.get(&row).copied()
    }

    /// Whether a task must leave its worker because the worker of another member of its gang must be emptied.
    pub(super) fn must_leave(&self, row: TaskRow) -> bool {
        self.member(row).is_some_and(|member| self.moves[member.index].must_leave)
    }

    /// Drops every set whose gang cannot go as a whole.
    pub(super) fn keep_whole(
        &mut self,
        round: &Round<'_>,
        (sets, stuck): (&mut Vec<MoveSet>, &mut Stuck),
        mut refuse: impl FnMut(TaskRow, Rejection),
    ) {
        let mut going = BTreeSet::new();
        for set in sets.iter().filter(|set| set.gang.is_some()) {
            going.extend(set.rows.iter().copied());
        }
        for gang in &mut self.moves {
            let stays = gang.rows.iter().find(|row| !going.contains(row));
            let stays = stays.map(|row| (self.members[row].group, round.task_id(*row)));
            gang.blocked = gang.blocked.or(stays);
        }
        sets.retain(|set| {
            let blocked = set.gang.and_then(|member| self.moves[member.index].blocked);
            let Some((group, task)) = blocked else { return true };
            if broken!("gang_stays_whole") {
                return true;
            }
            let rejection = Rejection::Group(GroupRefusal::Companion { group, task });
            refuse(set.lead(), rejection);
            if set.purpose == Purpose::Evacuate {
                stuck.extend(set.rows.iter().map(|row| (*row, Some(rejection))));
            }
            false
        });
    }
}

impl GangMove {
    /// The members of a gang that move with this task; notes one that should move and cannot.
    fn mates(&mut self, round: &Round<'_>, gang: &Group, side: Side) -> Vec<TaskRow> {
        let mut rows = Vec::new();
        let waits = side == Side::Placed || broken!("gang_goes_on");
        for id in gang.members.iter().copied() {
            let row = round.view.snapshot.task_row(id);
            match row.map(|row| (row, round.ledger.places[row])) {
                Some((row, place)) if Side::of(place) == Some(side) => rows.push(row),
                // While a member is on its way, or its worker is unknown, the others do not leave.
                Some((_, Place::Moving { .. } | Place::Unknown(_)))
                    if waits && !broken!("gang_waits_for_one_on_its_way") =>
                {
                    self.blocked = self.blocked.or(Some((gang.id, id)));
                }
                _ => {}
            }
        }
        rows
    }
}

/// Whether a task's worker is to be emptied before the task is done.
fn is_emptied(round: &Round<'_>, row: TaskRow, worker: WorkerRow) -> bool {
    let view = round.view;
    let drains = view.workers[worker].stance == Stance::Drain;
    drains && view.snapshot.is_certain(worker) && !view.is_done_in_time(row, worker)
}

/// The members, of a group that stays together, that are in the same place as one of them.
fn companions(round: &Round<'_>, group: &Group, here: Place) -> Vec<TaskRow> {
    let is_with = |row: &TaskRow| {
        let there = round.ledger.places[*row];
        let shares = there == here && !broken!("gang_takes_its_companions");
        shares || (here.is_lost() && there.is_lost())
    };
    let rows = group.members.iter().filter_map(|id| round.view.snapshot.task_row(*id));
    rows.filter(is_with).collect()
}

/// Which tasks of a gang move together: those that have a worker, and those that have lost theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Placed,
    Lost,
}

impl Side {
    fn of(place: Place) -> Option<Self> {
        match place {
            Place::On(_) => Some(Self::Placed),
            _ if broken!("gang_of_orphans") => None,
            Place::Orphaned | Place::Stranded { .. } => Some(Self::Lost),
            Place::Moving { .. } | Place::Unplaced | Place::Unknown(_) => None,
        }
    }
}
