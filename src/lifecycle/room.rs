//! Is there still room on a target for the tasks that are promised to it?

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use crate::model::ids::{MigrationId, WorkerId};
use crate::model::resource::{Amounts, ResourceId};
use crate::model::rows::{Column, Row, WorkerRow};
use crate::outcome::Cause;
use crate::snapshot::{Phase, Placement, Snapshot, Worker};
use crate::state::{Migration, State};
use crate::view::{self, UnderWay};

/// How much of a target's capacity is claimed.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// The claims of the tasks that are on the target.
    taken: Amounts,
    /// An upper bound of the claims of the tasks on their way to the target; `None` if unknown.
    pub(super) most_promised: Option<Amounts>,
}

/// The room on each worker; `None` for a worker that is no target.
pub(super) type Rooms = Column<WorkerRow, Option<Room>>;

/// The orders to run a task that have not left the engine.
pub(super) type Sent = BTreeSet<(MigrationId, WorkerId)>;

/// Whether the target has room for all tasks on their way to it: then it has room for this one, whichever were
/// promised earlier.
pub(super) fn has_room(snapshot: &Snapshot, rooms: &Rooms, own: &UnderWay<'_>) -> bool {
    let Some(to) = own.to else { return true };
    let Some(room) = &rooms[to] else { return false };
    let Some(most) = &room.most_promised else { return false };
    let mut claim = own.migration.claim().iter();
    claim.all(|(resource, amount)| {
        let promised = most.get(resource).unwrap_or(0.0);
        !lacks(&snapshot.workers()[to.position()], Some(room), (resource, amount), promised)
    })
}

/// Whether a target lacks an amount of a resource, with this much promised to other tasks.
fn lacks(
    target: &Worker,
    room: Option<&Room>,
    (resource, amount): (ResourceId, f64),
    promised: f64,
) -> bool {
    let taken = room.and_then(|room| room.taken.known(resource)).unwrap_or(0.0);
    let free = target.capacity.known(resource).map(|capacity| capacity - taken - promised);
    free.is_some_and(|free| amount > free) && !broken!("target_full")
}

/// Takes room for one more task on its target.
pub(super) fn take(rooms: &mut Rooms, own: &UnderWay<'_>) {
    if let Some(room) = own.to.and_then(|to| rooms[to].as_mut()) {
        add(&mut room.taken, own.migration.claim());
    }
}

/// The resource that the target has run out of for one more task; `None` if there is room.
pub(super) fn lacking(snapshot: &Snapshot, rooms: &Rooms, own: &UnderWay<'_>) -> Option<Cause> {
    let to = own.to?;
    let (target, room) = (&snapshot.workers()[to.position()], rooms[to].as_ref());
    let mut claim = own.migration.claim().iter();
    let (resource, _) =
        claim.find(|(resource, amount)| lacks(target, room, (*resource, *amount), 0.0))?;
    Some(Cause::TargetFull { worker: target.id, resource })
}

/// The resource that the target has run out of; `None` if there is room. Migrations whose order has left the engine
/// have their room, then those that began earlier get theirs; a migration whose task is shown on the target counts
/// among the tasks there.
pub(super) fn full(
    state: &State,
    snapshot: &Snapshot,
    (rooms, sent): (&Rooms, &Sent),
    own: &UnderWay<'_>,
) -> Option<Cause> {
    let (migration, worker, to) = (own.migration, own.migration.to(), own.to?);
    if has_room(snapshot, rooms, own) {
        return None;
    }
    let (target, room) = (&snapshot.workers()[to.position()], rooms[to].as_ref());
    let is_there = |other: &Migration| {
        let task = snapshot.task(other.task());
        task.is_some_and(|task| task.placement == Placement::On(worker))
            && !broken!("room_is_taken_twice")
    };
    let bound = state.in_flight.bound_for(worker);
    let is_told = |other: &Migration| {
        let has_left = !sent.contains(&(other.id(), worker)) && !broken!("told_later_has_its_room");
        other.phase() == Phase::Assigned && has_left
    };
    let comes_first = |other: &Migration| is_told(other) || other.id() < migration.id();
    let is_other = |other: &Migration| other.id() != migration.id();
    let earlier: Vec<&Migration> =
        bound.filter(|other| is_other(other) && comes_first(other) && !is_there(other)).collect();
    let lacking = migration.claim().iter().find(|(resource, amount)| {
        let promised = earlier.iter().filter_map(|other| other.claim().known(*resource));
        lacks(target, room, (*resource, *amount), promised.sum())
    });
    lacking.map(|(resource, _)| Cause::TargetFull { worker, resource })
}

/// The room on the targets of migrations under way. The claims of the tasks there are as the worker states them, or
/// else the sum of the tasks' own.
pub(super) fn rooms(all: &[UnderWay<'_>], sent: &Sent, snapshot: &Snapshot) -> Rooms {
    let mut rooms = Column::filled(None, snapshot.workers().len());
    // Room matters only while the order to the target has not left the engine.
    let is_sent =
        |it: &Migration| sent.contains(&(it.id(), it.to())) && !broken!("full_when_let_go");
    let leaving = all.iter().filter(|own| own.is_at_its_source || is_sent(own.migration));
    for to in leaving.filter_map(|own| own.to) {
        rooms[to] = Some(Room { taken: Amounts::new(), most_promised: None });
    }
    if rooms.iter().all(Option::is_none) {
        return rooms;
    }
    for task in snapshot.tasks() {
        let Placement::On(worker) = task.placement else { continue };
        let Some(row) = snapshot.worker_row(worker) else { continue };
        let Some(room) = &mut rooms[row] else { continue };
        let kinds = snapshot.workers()[row.position()].kinds();
        let now = view::alternative(task, kinds);
        add(&mut room.taken, &view::claims(&view::by(task, now, now), kinds));
    }
    // A task that has yet to leave takes its room as before.
    for own in all.iter().filter(|own| own.is_at_its_source && !broken!("room_of_the_leaving")) {
        let Some(room) = own.from.and_then(|from| rooms[from].as_mut()) else { continue };
        let record = own.task.map(|row| &snapshot.tasks()[row.position()]);
        if let Some(Placement::Moving { .. }) = record.map(|task| task.placement)
            && let Some(from) = own.migration.from()
        {
            add(&mut room.taken, own.migration.claim_of(from));
        }
    }
    for (room, worker) in rooms.iter_mut().zip(snapshot.workers()) {
        let Some(room) = room else { continue };
        worker.reserved.iter().for_each(|(resource, amount)| room.taken.set(resource, amount));
    }
    rooms
}

/// Adds up the claims on their way to each target, by task, in the order in which [`full`] adds up a part of them.
pub(super) fn promise(all: &[UnderWay<'_>], rooms: &mut Rooms) {
    for room in rooms.iter_mut().flatten() {
        room.most_promised = Some(Amounts::new());
    }
    for own in all.iter().filter(|own| own.is_bound()) {
        let room = own.to.and_then(|to| rooms[to].as_mut());
        let Some(promised) = room.and_then(|room| room.most_promised.as_mut()) else { continue };
        let claim = own.migration.claim();
        for (resource, _) in claim.iter() {
            let more = claim.known(resource).unwrap_or(0.0);
            promised.set(resource, promised.get(resource).unwrap_or(0.0) + more);
        }
    }
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (resource, amount) in more.iter() {
        sum.set(resource, sum.get(resource).unwrap_or(0.0) + amount);
    }
}
