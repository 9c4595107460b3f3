//! Does the worker have what this variant of the task needs, and room for it?

use super::rule::{Answer, AskVariant, Variant};
use crate::model::hardware::{Hardware, HardwareSet};
use crate::model::ids::LabelId;
use crate::model::resource::{ResourceId, whole};
use crate::model::rows::WorkerRow;
use crate::outcome::FitRefusal;
use crate::round::Round;
use crate::snapshot::{Placement, Requirements, Stance, Task, Worker};
use crate::view::{self, Footprint, runs_on_device, suits};

/// Whether a worker has the hardware and the labels that a task needs there, whatever is free: by this alternative, or,
/// if it is `None`, by the one by which the task ran there before.
pub(crate) fn suits_there(task: &Task, alternative: Option<u16>, worker: &Worker) -> bool {
    if task.requirements == Requirements::NONE && task.alternatives.is_empty() {
        return true;
    }
    let kinds = worker.kinds();
    let before = view::alternative(task, kinds);
    let as_there = view::by(task, alternative.or(before), before);
    let needs = &as_there.requirements;
    all_hardware(needs, kinds).is_ok()
        && any_hardware(needs, kinds).is_ok()
        && all_labels(needs, &worker.labels).is_ok()
        && no_forbidden_label(needs, &worker.labels).is_ok()
}

pub(super) fn has_all_hardware(round: &Round<'_>, on: &Variant<'_>) -> Answer {
    all_hardware(&on.task.requirements, round.view.workers[on.to].kinds)
}

pub(super) fn has_any_hardware(round: &Round<'_>, on: &Variant<'_>) -> Answer {
    any_hardware(&on.task.requirements, round.view.workers[on.to].kinds)
}

pub(super) fn has_labels(round: &Round<'_>, on: &Variant<'_>) -> Answer {
    all_labels(&on.task.requirements, &round.view.worker(on.to).labels)
}

pub(super) fn has_no_forbidden_label(round: &Round<'_>, on: &Variant<'_>) -> Answer {
    no_forbidden_label(&on.task.requirements, &round.view.worker(on.to).labels)
}

fn all_hardware(needs: &Requirements, kinds: HardwareSet) -> Answer {
    let needs = needs.all_of.without(kinds);
    if needs.is_empty() {
        Ok(())
    } else {
        Err(FitRefusal::MissingHardware { needs, all: true }.into())
    }
}

fn any_hardware(needs: &Requirements, kinds: HardwareSet) -> Answer {
    let needs = needs.any_of;
    let met = needs.is_empty()
        || if broken!("any_of_hardware") {
            needs.without(kinds).is_empty()
        } else {
            needs.intersects(kinds)
        };
    if met { Ok(()) } else { Err(FitRefusal::MissingHardware { needs, all: false }.into()) }
}

fn all_labels(needs: &Requirements, labels: &[LabelId]) -> Answer {
    match needs.labels.iter().find(|label| !labels.contains(*label)) {
        Some(label) => Err(FitRefusal::MissingLabel { label: *label }.into()),
        None => Ok(()),
    }
}

fn no_forbidden_label(needs: &Requirements, labels: &[LabelId]) -> Answer {
    match needs.forbidden_labels.iter().find(|label| labels.contains(*label)) {
        Some(label) => Err(FitRefusal::ForbiddenLabel { label: *label }.into()),
        None => Ok(()),
    }
}

/// The worker's memory as a whole is large enough, however much of it is free.
pub(super) fn memory_is_large_enough(round: &Round<'_>, on: &Variant<'_>) -> Answer {
    let Some(needs_bytes) = on.task.requirements.min_memory_bytes else { return Ok(()) };
    let has = round.view.worker(on.to).capacity.known(ResourceId::MEMORY);
    let is_unknown_enough = broken!("memory_of_the_whole_worker");
    if has.map_or(is_unknown_enough, |has| has >= needs_bytes as f64) {
        return Ok(());
    }
    Err(FitRefusal::TooLittleMemory { needs_bytes, has_bytes: has.map(whole) }.into())
}

/// A device whose compute capability is unknown is not capable.
pub(super) fn compute_capability(round: &Round<'_>, on: &Variant<'_>) -> Answer {
    let needs = &on.task.requirements;
    let Some(least) = needs.min_cuda_compute else { return Ok(()) };
    if !runs_on_device(needs, round.view.workers[on.to].kinds) {
        return Ok(());
    }
    match round.view.worker(on.to).compute(Hardware::Cuda) {
        Some(has) if has >= least => Ok(()),
        None if broken!("compute_capability") => Ok(()),
        has => Err(FitRefusal::TooLittleCompute { needs: least, has }.into()),
    }
}

/// Some suitable device has room, if the task needs one.
pub(super) fn room_on_a_device(round: &Round<'_>, on: &Variant<'_>) -> Answer {
    let Some(needs_bytes) = device_bytes(round, on.task, on.to) else { return Ok(()) };
    if on.footprint.is_kept {
        return Ok(());
    }
    let tightest = round.ledger.tightest(on.to, &on.task.requirements, needs_bytes as f64);
    let Err(widest) = tightest else { return Ok(()) };
    let free = widest.map_or(0.0, |(free, _)| free);
    let free_bytes = whole(free);
    // At least the difference of the two figures that are printed beside it, which are rounded.
    let difference = needs_bytes.saturating_sub(free_bytes);
    let lacking_bytes = whole(needs_bytes as f64 - free).max(difference);
    let device = widest.map(|(_, device)| device);
    Err(FitRefusal::TooLittleDeviceMemory { needs_bytes, free_bytes, device, lacking_bytes }.into())
}

/// The device that would hold the task; `None` if the task needs none, if none has room, or if the worker has kept room
/// for the task.
pub(super) fn device(round: &Round<'_>, on: &Variant<'_>) -> Option<u16> {
    let Variant { task, to, footprint } = *on;
    let bytes = device_bytes(round, task, to).filter(|_| !footprint.is_kept)?;
    round.ledger.tightest(to, &task.requirements, bytes as f64).ok()
}

/// The memory that a task needs on one device of this worker; `None` if it needs none there.
fn device_bytes(round: &Round<'_>, task: &Task, to: WorkerRow) -> Option<u64> {
    let bytes = task.requirements.gpu_memory_bytes?;
    runs_on_device(&task.requirements, round.view.workers[to].kinds).then_some(bytes)
}

/// There is room in every resource that the task asks for: reservations never exceed capacity.
pub(super) fn headroom(round: &Round<'_>, on: &Variant<'_>) -> Answer {
    if broken!("drains_need_room") && leaves_a_drained_worker(round, on.task) {
        return Ok(());
    }
    headroom_for(round, on.to, on.footprint)
}

fn leaves_a_drained_worker(round: &Round<'_>, task: &Task) -> bool {
    match task.placement {
        Placement::On(id) => {
            let worker = round.view.snapshot.worker(id);
            worker.is_some_and(|worker| worker.stance == Stance::Drain)
        }
        _ => false,
    }
}

pub(crate) fn headroom_for(round: &Round<'_>, to: WorkerRow, footprint: &Footprint) -> Answer {
    for (column, cell) in round.ledger.row(to).iter().enumerate() {
        let Some(needed) = footprint.claim[column].filter(|claim| *claim > 0.0) else { continue };
        // An unknown capacity counts as zero.
        let unknown = if broken!("unknown_capacity_is_none") { f64::MAX } else { 0.0 };
        let capacity = cell.capacity.unwrap_or(unknown);
        // What the worker has kept for the task is claimed already. The host may have placed others there meanwhile.
        let kept = if footprint.is_kept { needed } else { 0.0 };
        let free = capacity - cell.claimed + kept;
        // Of adding and subtracting the same amount.
        let rounding = if footprint.is_kept { 8.0 * f64::EPSILON * capacity } else { 0.0 };
        let is_over = footprint.is_kept && broken!("home_is_full");
        if needed > free + rounding && !is_over {
            let resource = round.ledger.columns[column];
            return Err(FitRefusal::NoHeadroom { resource, needed, free, capacity }.into());
        }
    }
    Ok(())
}

/// Whether a worker has the hardware, labels, memory and compute capability that a task needs, however much is free.
pub(crate) fn meets_requirements(round: &Round<'_>, task: &Task, to: WorkerRow) -> bool {
    let footprint = &Footprint::default();
    let on = Variant { task, to, footprint };
    let asked: [AskVariant; 6] = [
        has_all_hardware,
        has_any_hardware,
        has_labels,
        has_no_forbidden_label,
        memory_is_large_enough,
        compute_capability,
    ];
    asked.into_iter().all(|ask| ask(round, &on).is_ok())
}

/// Whether a worker has the hardware that a task needs, however much is free.
pub(crate) fn has_hardware(round: &Round<'_>, task: &Task, to: WorkerRow) -> Answer {
    let footprint = &Footprint::default();
    let on = Variant { task, to, footprint };
    has_all_hardware(round, &on).and_then(|()| has_any_hardware(round, &on))
}

/// Whether a worker that meets a task's requirements would have the capacity for it if it were empty.
pub(crate) fn could_hold(
    round: &Round<'_>,
    task: &Task,
    worker: WorkerRow,
    footprint: &Footprint,
) -> bool {
    let mut cells = round.ledger.row(worker).iter().zip(&footprint.claim);
    let has_room = cells.all(|(cell, claim)| match claim {
        Some(claim) if *claim > 0.0 => cell.capacity.is_some_and(|capacity| *claim <= capacity),
        _ => true,
    });
    let on_some_device = |bytes: u64| {
        let devices = round.view.worker(worker).devices.iter();
        let suitable = devices.filter(|device| suits(&task.requirements, device));
        suitable.filter_map(|device| device.memory_bytes).any(|memory| memory >= bytes)
    };
    has_room && device_bytes(round, task, worker).is_none_or(on_some_device)
}
