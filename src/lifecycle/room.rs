//! Is there still room on a target for the tasks that are promised to it?

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::devices::Devices;
use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::resource::{Amounts, ResourceId};
use crate::model::rows::{Column, Row, TaskRow, WorkerRow};
use crate::outcome::Cause;
use crate::snapshot::{Phase, Placement, Snapshot, Task};
use crate::state::{Course, Migration, RecentArrival, State};
use crate::view::{self, UnderWay};

/// How much of a target's capacity is claimed.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// The claims of the tasks that are on the target.
    taken: Amounts,
    /// The claims of the tasks on their way to the target.
    promised: Amounts,
    devices: Devices,
}

/// The room on each worker; `None` for a worker that is no target.
pub(super) type Rooms = Column<WorkerRow, Option<Box<Room>>>;

/// The orders to run a task that have not left the engine.
pub(super) type Sent = BTreeSet<(MigrationId, WorkerId)>;

/// Whether the target has room for all tasks on their way to it: then it has room for this one, whichever were
/// promised earlier.
pub(super) fn has_room(snapshot: &Snapshot, rooms: &Rooms, own: &UnderWay<'_>) -> bool {
    let Some(room) = own.to.and_then(|to| rooms[to].as_ref()) else { return true };
    // This one is among them.
    let claim = own.migration.claim();
    let others = |resource: ResourceId| {
        let promised = room.promised.get(resource).zip(claim.known(resource));
        promised.map_or(0.0, |(all, own)| all - own)
    };
    // All others may be on the same device.
    let bytes = device_bytes(own.migration).map(|bytes| bytes + others(ResourceId::GPU_MEMORY));
    lacks(snapshot, room, own, others).is_none()
        && !lacks_device(snapshot, &room.devices, own, bytes)
}

/// The first resource that the target lacks for a task, with this much promised to others.
fn lacks(
    snapshot: &Snapshot,
    room: &Room,
    own: &UnderWay<'_>,
    promised: impl Fn(ResourceId) -> f64,
) -> Option<ResourceId> {
    if broken!("target_full") {
        return None;
    }
    let target = &snapshot.workers()[own.to?.position()];
    let lacks = |resource: ResourceId, amount: f64| {
        let taken = room.taken.known(resource).unwrap_or(0.0);
        let free = target.capacity.known(resource).map(|capacity| {
            // Of adding and subtracting the same amounts.
            let rounding = 8.0 * f64::EPSILON * capacity;
            capacity - taken - promised(resource) + rounding
        });
        free.is_some_and(|free| amount > free)
    };
    let mut claim = own.migration.claim().iter();
    claim.find(|(resource, amount)| lacks(*resource, *amount)).map(|(resource, _)| resource)
}

/// Whether no device of the target has these bytes for a task; `None` for a task that runs on none.
fn lacks_device(
    snapshot: &Snapshot,
    devices: &Devices,
    own: &UnderWay<'_>,
    bytes: Option<f64>,
) -> bool {
    let (Some(bytes), Some(to)) = (bytes, own.to) else { return false };
    let target = &snapshot.workers()[to.position()];
    let task = own.task.map(|row| &snapshot.tasks()[row.position()]);
    let needs = task.filter(|task| task.alternatives.is_empty()).map(|task| &task.requirements);
    let on = (own.migration.device(), needs);
    !devices.have_room(target, on, bytes) && !broken!("device_filled_meanwhile")
}

/// The memory of a device that a task takes on its target; `None` if it runs on none.
fn device_bytes(migration: &Migration) -> Option<f64> {
    migration.claim().known(ResourceId::GPU_MEMORY).filter(|bytes| *bytes > 0.0)
}

/// Takes room for one more task on its target.
pub(super) fn take(rooms: &mut Rooms, own: &UnderWay<'_>) {
    let Some(room) = own.to.and_then(|to| rooms[to].as_mut()) else { return };
    add(&mut room.taken, own.migration.claim());
    if let Some(bytes) = device_bytes(own.migration) {
        room.devices.take(own.migration.device(), bytes);
    }
}

/// The resource that the target has run out of for one more task; `None` if there is room.
pub(super) fn lacking(snapshot: &Snapshot, rooms: &Rooms, own: &UnderWay<'_>) -> Option<Cause> {
    let room = rooms[own.to?].as_ref()?;
    let is_device = lacks_device(snapshot, &room.devices, own, device_bytes(own.migration));
    let resource = lacks(snapshot, room, own, |_| 0.0)
        .or_else(|| is_device.then_some(ResourceId::GPU_MEMORY))?;
    Some(Cause::TargetFull { worker: own.migration.to(), resource })
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
    let (migration, worker, room) = (own.migration, own.migration.to(), rooms[own.to?].as_ref()?);
    if has_room(snapshot, rooms, own) {
        return None;
    }
    let is_there = |other: &Migration| {
        let task = snapshot.task(other.task());
        task.is_some_and(|task| task.placement == Placement::On(worker))
            && !broken!("room_is_taken_twice")
    };
    let is_told = |it: &Migration| {
        let is_sent = sent.contains(&(it.id(), worker)) || broken!("told_later_has_its_room");
        is_told(it) && !is_sent
    };
    let rank = |it: &Migration| (!is_told(it), it.id());
    let bound = state.in_flight.bound_for(worker);
    let earlier: Vec<&Migration> =
        bound.filter(|other| rank(other) < rank(migration) && !is_there(other)).collect();
    let promised = |resource: ResourceId| {
        earlier.iter().filter_map(|other| other.claim().known(resource)).sum()
    };
    let mut devices = room.devices.clone();
    for other in &earlier {
        devices.take(other.device(), device_bytes(other).unwrap_or(0.0));
    }
    let is_device = lacks_device(snapshot, &devices, own, device_bytes(own.migration));
    let resource = lacks(snapshot, room, own, promised)
        .or_else(|| is_device.then_some(ResourceId::GPU_MEMORY))?;
    Some(Cause::TargetFull { worker, resource })
}

/// Whether the target has been told to run the task, or to start a copy of it.
pub(super) fn is_told(migration: &Migration) -> bool {
    let is_copied = matches!(migration.course(), Course::Copying { .. } | Course::Stopping { .. });
    migration.phase() == Phase::Assigned || is_copied && !broken!("copy_takes_its_room")
}

/// The room on the targets of migrations under way. The claims of the tasks there are as the worker states them, or
/// else the sum of the tasks' own.
pub(super) fn rooms(
    state: &State,
    snapshot: &Snapshot,
    (all, sent): (&[UnderWay<'_>], &Sent),
) -> Rooms {
    // Room matters only while the order to the target has not left the engine.
    let is_sent =
        |it: &Migration| sent.contains(&(it.id(), it.to())) && !broken!("full_when_let_go");
    let leaving = all.iter().filter(|own| own.is_at_its_source || is_sent(own.migration));
    rooms_on(leaving.filter_map(|own| own.to), state, snapshot, all)
}

/// The room on these workers.
pub(super) fn rooms_on(
    workers: impl Iterator<Item = WorkerRow>,
    state: &State,
    snapshot: &Snapshot,
    all: &[UnderWay<'_>],
) -> Rooms {
    let mut rooms = Column::filled(None, snapshot.workers().len());
    for worker in workers {
        let devices = Devices::of(&snapshot.workers()[worker.position()]);
        rooms[worker] =
            Some(Box::new(Room { taken: Amounts::new(), promised: Amounts::new(), devices }));
    }
    if rooms.iter().all(Option::is_none) {
        return rooms;
    }
    let mut under_way = all.iter().filter(|own| own.task.is_some()).peekable();
    let known = Known::of(state, snapshot);
    for (row, task) in TaskRow::first(snapshot.tasks().len()).zip(snapshot.tasks()) {
        let own = under_way.next_if(|own| own.task == Some(row));
        let here = match own {
            Some(own) => [there(task, own.is_at_its_source), None],
            None => known.where_it_is(task, snapshot),
        };
        for row in here.into_iter().flatten().filter_map(|worker| snapshot.worker_row(worker)) {
            let Some(room) = &mut rooms[row] else { continue };
            let kinds = snapshot.workers()[row.position()].kinds();
            let now = view::alternative(task, kinds);
            let claims = view::claims(&view::by(task, now, now), kinds);
            add(&mut room.taken, &claims);
            if let Some(bytes) = claims.known(ResourceId::GPU_MEMORY) {
                room.devices.take(task.device, bytes);
            }
        }
    }
    for (room, worker) in rooms.iter_mut().zip(snapshot.workers()) {
        let Some(room) = room else { continue };
        for (resource, _) in worker.reserved.iter() {
            if let Some(amount) = worker.reserved.known(resource) {
                room.taken.set(resource, amount);
            }
        }
    }
    rooms
}

/// The worker on which a task of a migration under way runs; `None` if it has left its source. One whose copy starts is
/// shown as assigned, and runs on its source.
fn there(task: &Task, is_at_its_source: bool) -> Option<WorkerId> {
    match task.placement {
        Placement::On(worker) => Some(worker),
        Placement::Moving { from, .. } => {
            from.filter(|_| is_at_its_source && !broken!("room_of_the_leaving"))
        }
        _ => None,
    }
}

/// What is known of tasks of no migration under way, beside their records.
pub(super) struct Known<'a> {
    arrivals: BTreeMap<TaskId, &'a RecentArrival>,
    /// The tasks whose copies were called off.
    copied: BTreeSet<TaskId>,
}

impl<'a> Known<'a> {
    /// Of a task that arrived on a worker that is gone, only the record tells where it is.
    pub(super) fn of(state: &'a State, snapshot: &Snapshot) -> Self {
        let copied = state.ended.iter().filter(|ended| ended.copy_on.is_some());
        let is_told = |_: &TaskId| !broken!("copied_and_called_off_is_at_both");
        let is_there = |it: &&RecentArrival| {
            !snapshot.is_gone(it.to) || broken!("arrived_where_nothing_is_any_more")
        };
        let arrivals = state.arrivals.iter().filter(is_there);
        Self {
            arrivals: arrivals.map(|arrival| (arrival.task, arrival)).collect(),
            copied: copied.map(|ended| ended.task).filter(is_told).collect(),
        }
    }

    /// The same, if nothing were known of arrivals.
    pub(super) fn without_arrivals(self, is_so: bool) -> Self {
        if is_so { Self { arrivals: BTreeMap::new(), ..self } } else { self }
    }

    /// The workers on which a task runs, or may run: a record may be older than what is known of its arrival. A copy
    /// that was called off may run yet, beside the task on its source.
    pub(super) fn where_it_is(&self, task: &Task, snapshot: &Snapshot) -> [Option<WorkerId>; 2] {
        let arrival = self.arrivals.get(&task.id).copied();
        let is_newer = |it: &&RecentArrival| it.running > snapshot.at();
        match task.placement {
            Placement::On(worker) => {
                [Some(arrival.filter(is_newer).map_or(worker, |it| it.to)), None]
            }
            _ if broken!("room_of_the_leaving") => [None; 2],
            Placement::Moving { from, to, phase, .. } => {
                let shown = match phase {
                    Phase::Releasing | Phase::Assigned if self.copied.contains(&task.id) => {
                        [from, Some(to).filter(|to| from != Some(*to))]
                    }
                    Phase::Releasing => [from, None],
                    Phase::Assigned => [Some(to), None],
                    Phase::Released => [None; 2],
                };
                let arrived = arrival.filter(|_| !broken!("room_of_what_is_there_by_now"));
                arrived.map_or(shown, |it| [Some(it.to), None])
            }
            _ => [None; 2],
        }
    }
}

/// Adds up the claims on their way to each target, by task, in the order in which [`full`] adds up a part of them.
pub(super) fn promise(all: &[UnderWay<'_>], rooms: &mut Rooms) {
    for own in all.iter().filter(|own| own.is_bound()) {
        let Some(room) = own.to.and_then(|to| rooms[to].as_mut()) else { continue };
        add(&mut room.promised, own.migration.claim());
    }
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (resource, amount) in more.iter() {
        sum.set(resource, sum.get(resource).unwrap_or(0.0) + amount);
    }
}
