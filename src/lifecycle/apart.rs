//! Would a task that is about to be sent meet a task from which it is kept apart?
//!
//! A plan keeps them apart. By the time the source releases the task, though, the host's scheduler may have started the
//! other one on the target; and an engine that has lost its state may not know that the other one goes there. Between
//! snapshots, the answer to a report knows only what the last round noted of the source.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::room::{Known, Sent};
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::snapshot::{GroupRule, Phase, Snapshot};
use crate::state::{Course, Migration, State};
use crate::view::UnderWay;

/// The tasks that have yet to be sent, each with its migration and where it goes.
pub(super) type Going = BTreeMap<TaskId, (MigrationId, WorkerId)>;

/// The tasks on their way to targets to which no order has left the engine.
pub(super) fn going(all: &[UnderWay<'_>], sent: &Sent) -> Going {
    let waits = |migration: &Migration| {
        let is_releasing = matches!(migration.course(), Course::Releasing { .. });
        is_releasing || sent.contains(&(migration.id(), migration.to()))
    };
    let waiting = all.iter().map(|own| own.migration).filter(|migration| waits(migration));
    waiting.map(|it| (it.task(), (it.id(), it.to()))).collect()
}

/// For every task that has yet to be sent and would meet another one where it goes: that other one.
pub(super) fn meetings(
    state: &State,
    snapshot: &Snapshot,
    waiting: impl FnOnce() -> Going,
) -> BTreeMap<TaskId, TaskId> {
    let mut met = BTreeMap::new();
    let mut groups =
        snapshot.groups().iter().filter(|group| group.rule == GroupRule::AntiAffinity).peekable();
    if groups.peek().is_none() || broken!("met_on_its_way") {
        return met;
    }
    let waiting = waiting();
    if waiting.is_empty() {
        return met;
    }
    let known = Known::of(state, snapshot).without_arrivals(broken!("met_where_it_has_arrived"));
    for group in groups {
        let going = group.members.iter().filter_map(|&task| Some((*waiting.get(&task)?, task)));
        let mut going: Vec<((MigrationId, WorkerId), TaskId)> = going.collect();
        if going.is_empty() {
            continue;
        }
        going.sort_unstable();
        let mut there: BTreeMap<WorkerId, TaskId> = BTreeMap::new();
        for member in &group.members {
            let [from, to] = places(state, snapshot, &known, *member);
            // One that waits itself is on its source only.
            let to = to.filter(|_| !waiting.contains_key(member));
            there.extend(from.into_iter().chain(to).map(|worker| (worker, *member)));
        }
        for ((_, to), task) in going {
            let other = *there.entry(to).or_insert(task);
            if other != task {
                met.entry(task).or_insert(other);
            }
        }
    }
    met
}

/// The worker that a task runs on or leaves, and the one that it is on its way to, or where its copy may run.
fn places(
    state: &State,
    snapshot: &Snapshot,
    known: &Known<'_>,
    task: TaskId,
) -> [Option<WorkerId>; 2] {
    if let Some(migration) = state.in_flight.get(&task) {
        let has_left = migration.phase() == Phase::Released || migration.released().is_some();
        let to = Some(migration.to()).filter(|_| migration.phase() != Phase::Released);
        return [migration.from().filter(|_| !has_left), to];
    }
    let here = snapshot.task(task).map(|task| known.where_it_is(task, snapshot));
    let is_there = |worker: &WorkerId| !snapshot.is_gone(*worker);
    here.unwrap_or_default().map(|worker| worker.filter(is_there))
}
