//! Tasks that leave their workers together or not at all: if one move of a gang, or of an affinity group, is called off
//! before any source has released a task, which others are called off with it?

use alloc::vec::Vec;

use crate::model::ids::{MigrationId, TaskId};
use crate::outcome::Cause;
use crate::snapshot::{Group, GroupRule, Snapshot};
use crate::state::{Course, Migration, State};

use super::apply::Lifecycle;
use super::event::Event;

impl Lifecycle<'_> {
    /// Calls off the migrations of every such group of which one task stays on its source. As a task may be in several
    /// groups, this may force others to stay too.
    pub(super) fn keep_groups_whole(&mut self, snapshot: &Snapshot) {
        let is_whole = |group: &&Group| match group.rule {
            GroupRule::Affinity => !broken!("affinity_stays_whole"),
            rule => rule.keeps_whole(),
        };
        let groups = snapshot.groups().iter().filter(is_whole);
        let mut again = true;
        while core::mem::take(&mut again) {
            for group in groups.clone() {
                let along = Cause::Along { group: group.id };
                for id in left_behind(self.state, group) {
                    let stays = self.apply(id, Event::GroupStays { along }, snapshot.at());
                    again |= stays && !broken!("gang_torn_by_another");
                }
            }
        }
    }
}

/// The migrations to call off of a group of which one task stays; none if a source has released any task of the group,
/// because the others then follow it.
fn left_behind(state: &State, group: &Group) -> Vec<MigrationId> {
    let migrations = || group.members.iter().filter_map(|member| state.in_flight.get(member));
    // Moves of a group begin together; an ended migration that began before them belongs to an earlier move.
    let Some(begun) = migrations().map(Migration::started).min() else { return Vec::new() };
    let is_here = |migration: &Migration| {
        matches!(migration.course(), Course::Releasing { .. }) && migration.started() == begun
    };
    let of_this_time = |at| at == begun || (broken!("gang_torn_for_ever") && at < begun);
    let stayed = |task: TaskId| {
        let mut ended = state.ended.iter();
        ended.any(|ended| ended.task == task && ended.requested_at.is_some_and(of_this_time))
    };
    let at_rest = || group.members.iter().filter(|member| !state.in_flight.contains_key(member));
    let torn = match group.rule {
        // Other members may have been on other workers before.
        GroupRule::Affinity => at_rest().any(|member| stayed(*member)),
        _ => at_rest().next().is_some() && at_rest().all(|member| stayed(*member)),
    };
    if torn && migrations().all(is_here) && !broken!("gang_torn_at_its_source") {
        migrations().map(Migration::id).collect()
    } else {
        Vec::new()
    }
}
