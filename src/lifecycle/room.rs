//! Is there still room on a target for the tasks that are promised to it?

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::model::ids::{MigrationId, TaskId, WorkerId};
use crate::model::resource::{Amounts, ResourceId};
use crate::model::rows::{Column, Row, WorkerRow};
use crate::outcome::Cause;
use crate::snapshot::{Phase, Placement, Snapshot, Task, Worker};
use crate::state::{Migration, State};
use crate::view::{self, UnderWay};

/// How much of a target's capacity is claimed.
#[derive(Clone, Debug)]
pub(super) struct Room {
    /// The claims of the tasks that are on the target.
    taken: Amounts,
    /// An upper bound of the claims of the tasks on their way to the target; `None` if unknown.
    pub(super) most_promised: Option<Amounts>,
    /// The free memory of each device, in bytes; `None` if unknown.
    devices: Vec<Option<f64>>,
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
    lacks(snapshot, room, own, |resource| most.get(resource).unwrap_or(0.0)).is_none()
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
        let capacity = target.capacity.known(resource);
        let free = capacity.map(|capacity| {
            // Of adding and subtracting the same amounts.
            let rounding = 8.0 * f64::EPSILON * capacity;
            capacity - taken - promised(resource) + rounding
        });
        free.is_some_and(|free| amount > free)
    };
    let mut claim = own.migration.claim().iter();
    let lacking = claim.find(|(resource, amount)| lacks(*resource, *amount));
    let in_bytes = || {
        let bytes = device_bytes(own)? + promised(ResourceId::GPU_MEMORY);
        let is_lacking = device_for(snapshot, room, own, bytes).is_none();
        (is_lacking && !broken!("device_filled_meanwhile")).then_some(ResourceId::GPU_MEMORY)
    };
    lacking.map(|(resource, _)| resource).or_else(in_bytes)
}

/// The memory of a device that a task takes on its target; `None` if it runs on none.
fn device_bytes(own: &UnderWay<'_>) -> Option<f64> {
    own.migration.claim().known(ResourceId::GPU_MEMORY).filter(|bytes| *bytes > 0.0)
}

/// The device of the target that has room for so much: the one that was chosen, or else the fullest that suits the
/// task. A device of which not everything is known counts as having room.
fn device_for(snapshot: &Snapshot, room: &Room, own: &UnderWay<'_>, bytes: f64) -> Option<u16> {
    let target = &snapshot.workers()[own.to?.position()];
    let task = own.task.map(|row| &snapshot.tasks()[row.position()]);
    let needs = task.filter(|task| task.alternatives.is_empty()).map(|task| &task.requirements);
    let chosen = own.migration.device();
    let devices = (0..=u16::MAX).zip(target.devices.iter().zip(&room.devices));
    let suitable = devices.filter(|(index, (device, _))| match chosen {
        Some(chosen) => chosen == *index,
        None => needs.is_none_or(|needs| view::suits(needs, device)),
    });
    let free = suitable.map(|(index, (_, free))| (free.unwrap_or(f64::MAX), index));
    let fits = free.filter(|(free, _)| *free >= bytes);
    let fullest = fits.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    fullest.map(|(_, index)| index)
}

/// Takes room for one more task on its target.
pub(super) fn take(snapshot: &Snapshot, rooms: &mut Rooms, own: &UnderWay<'_>) {
    let Some(room) = own.to.and_then(|to| rooms[to].as_mut()) else { return };
    add(&mut room.taken, own.migration.claim());
    let Some(bytes) = device_bytes(own) else { return };
    let device = device_for(snapshot, room, own, bytes).or(own.migration.device());
    let free = device.and_then(|device| room.devices.get_mut(usize::from(device))?.as_mut());
    free.into_iter().for_each(|free| *free -= bytes);
}

/// The resource that the target has run out of for one more task; `None` if there is room.
pub(super) fn lacking(snapshot: &Snapshot, rooms: &Rooms, own: &UnderWay<'_>) -> Option<Cause> {
    let to = own.to?;
    let resource = lacks(snapshot, rooms[to].as_ref()?, own, |_| 0.0)?;
    Some(Cause::TargetFull { worker: snapshot.workers()[to.position()].id, resource })
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
    let promised = |resource: ResourceId| {
        let is_device = resource == ResourceId::GPU_MEMORY;
        let shares = |other: &&&Migration| !is_device || other.device() == migration.device();
        let promised = earlier.iter().filter(shares);
        promised.filter_map(|other| other.claim().known(resource)).sum()
    };
    let resource = lacks(snapshot, rooms[to].as_ref()?, own, promised)?;
    Some(Cause::TargetFull { worker, resource })
}

/// The room on the targets of migrations under way. The claims of the tasks there are as the worker states them, or
/// else the sum of the tasks' own.
pub(super) fn rooms(all: &[UnderWay<'_>], sent: &Sent, snapshot: &Snapshot) -> Rooms {
    // Room matters only while the order to the target has not left the engine.
    let is_sent =
        |it: &Migration| sent.contains(&(it.id(), it.to())) && !broken!("full_when_let_go");
    let leaving = all.iter().filter(|own| own.is_at_its_source || is_sent(own.migration));
    rooms_on(leaving.filter_map(|own| own.to), all, snapshot)
}

/// The room on these workers.
pub(super) fn rooms_on(
    workers: impl Iterator<Item = WorkerRow>,
    all: &[UnderWay<'_>],
    snapshot: &Snapshot,
) -> Rooms {
    let mut rooms = Column::filled(None, snapshot.workers().len());
    for worker in workers {
        let devices = devices(&snapshot.workers()[worker.position()]);
        rooms[worker] = Some(Room { taken: Amounts::new(), most_promised: None, devices });
    }
    if rooms.iter().all(Option::is_none) {
        return rooms;
    }
    let own = all.iter().map(|own| (own.migration.task(), own.is_at_its_source));
    let own: BTreeMap<TaskId, bool> = own.collect();
    // A task whose copy starts is shown as assigned, and runs on its source.
    let is_there = |task: &Task, phase: Phase| match own.get(&task.id) {
        Some(is_at_its_source) => *is_at_its_source,
        None => phase == Phase::Releasing,
    };
    for task in snapshot.tasks() {
        let worker = match task.placement {
            Placement::On(worker) => worker,
            // A task that has yet to leave takes its room as before.
            Placement::Moving { from: Some(from), phase, .. }
                if is_there(task, phase) && !broken!("room_of_the_leaving") =>
            {
                from
            }
            _ => continue,
        };
        let Some(row) = snapshot.worker_row(worker) else { continue };
        let Some(room) = &mut rooms[row] else { continue };
        let kinds = snapshot.workers()[row.position()].kinds();
        let now = view::alternative(task, kinds);
        let claims = view::claims(&view::by(task, now, now), kinds);
        add(&mut room.taken, &claims);
        if let Some(bytes) = claims.known(ResourceId::GPU_MEMORY) {
            on_device(room, task, &snapshot.workers()[row.position()], bytes);
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

/// The memory of each device of a worker, in bytes; `None` if unknown.
fn devices(worker: &Worker) -> Vec<Option<f64>> {
    worker.devices.iter().map(|device| device.memory_bytes.map(|memory| memory as f64)).collect()
}

/// Takes memory for a task that is on a worker: of the device that the host names, or else of the fullest that has room.
fn on_device(room: &mut Room, task: &Task, worker: &Worker, bytes: f64) {
    let suitable =
        worker.devices.iter().zip(&room.devices).enumerate().filter(|(_, (device, free))| {
            view::suits(&task.requirements, device) && free.is_some_and(|free| free >= bytes)
        });
    let free = suitable.filter_map(|(index, (_, free))| Some((*free.as_ref()?, index)));
    let fullest = || free.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let device = task.device.map(usize::from).or_else(|| Some(fullest()?.1));
    let free = device.and_then(|device| room.devices.get_mut(device)?.as_mut());
    free.into_iter().for_each(|free| *free -= bytes);
}

fn add(sum: &mut Amounts, more: &Amounts) {
    for (resource, amount) in more.iter() {
        sum.set(resource, sum.get(resource).unwrap_or(0.0) + amount);
    }
}
