//! Which tasks must move together?
//!
//! The members of an affinity group that share a worker move together, and so do those that have lost their worker.
//! Groups may overlap: a companion's companions move too. With groups {t1, t2} and {t2, t3}, all three tasks on w1,
//! each of the three has the two others as companions.

use alloc::collections::btree_map::Entry;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::{Ledger, Place, View};
use crate::model::ids::GroupId;
use crate::model::rows::TaskRow;
use crate::snapshot::GroupRule;

/// The sets of tasks that move together, found once per round.
#[derive(Clone, Debug, Default)]
pub(crate) struct Companions {
    /// Per set: its tasks in order, each with the group that binds it to the first.
    sets: Vec<Vec<(TaskRow, GroupId)>>,
    /// The set of each task that is in one.
    set_of: BTreeMap<TaskRow, usize>,
}

impl Companions {
    pub(crate) fn new(view: &View<'_>, ledger: &Ledger) -> Self {
        let mut companions = Self::default();
        let is_affinity =
            |index: &u32| view.snapshot.groups()[*index as usize].rule == GroupRule::Affinity;
        for (row, groups) in &view.memberships {
            let is_known = companions.set_of.contains_key(row);
            let is_bound = groups.iter().any(is_affinity) && !broken!("affinity_moves_as_one");
            if is_known || !is_bound {
                continue;
            }
            let here = ledger.places[*row];
            let set = gather(view, ledger, *row, |place| match here {
                Place::On(_) => place == here,
                _ => here.is_lost() && place.is_lost(),
            });
            // A task that is on its way, or on no worker, moves with no other.
            if set.is_empty() {
                continue;
            }
            let index = companions.sets.len();
            companions.set_of.extend(set.iter().map(|(member, _)| (*member, index)));
            companions.sets.push(set);
        }
        companions
    }

    /// The tasks that move with this one, in order, each with the group that binds it.
    pub(crate) fn of(&self, row: TaskRow) -> impl Iterator<Item = (TaskRow, GroupId)> + Clone {
        let set = self.set_of.get(&row).map_or(&[][..], |set| self.sets[*set].as_slice());
        set.iter().copied().filter(move |(member, _)| *member != row)
    }

    /// The first task of a set leads it; a task without companions leads itself.
    pub(crate) fn leader(&self, row: TaskRow) -> TaskRow {
        self.set_of.get(&row).map_or(row, |set| self.sets[*set][0].0)
    }
}

/// The tasks without a worker that must be placed together with this one, in order, each with the group that binds
/// it.
pub(crate) fn placed_with(
    view: &View<'_>,
    ledger: &Ledger,
    row: TaskRow,
) -> Vec<(TaskRow, GroupId)> {
    let mut found = gather(view, ledger, row, Place::is_lost);
    found.retain(|(other, _)| *other != row);
    found
}

/// The tasks whose place passes the test and that groups which stay together bind to this one, each with the group
/// that binds it.
fn gather(
    view: &View<'_>,
    ledger: &Ledger,
    first: TaskRow,
    is_with: impl Fn(Place) -> bool,
) -> Vec<(TaskRow, GroupId)> {
    let mut found = BTreeMap::new();
    let mut asked = BTreeSet::new();
    let mut next = alloc::vec![first];
    while let Some(row) = next.pop() {
        for index in view.groups_of(row) {
            let group = &view.snapshot.groups()[*index as usize];
            if group.rule != GroupRule::Affinity || !asked.insert(*index) {
                continue;
            }
            let members = group.members.iter().filter_map(|id| view.snapshot.task_row(*id));
            for other in members.filter(|other| is_with(ledger.places[*other])) {
                if let Entry::Vacant(entry) = found.entry(other) {
                    entry.insert(group.id);
                    next.push(other);
                }
            }
        }
    }
    found.into_iter().collect()
}
