//! Why may a worker no longer have the task that is on its way there?

use crate::model::ids::WorkerId;
use crate::model::rows::Row;
use crate::model::time::Timestamp;
use crate::outcome::Cause;
use crate::rules;
use crate::snapshot::{Snapshot, Stance};
use crate::view::UnderWay;

/// Why a target does not take the task that is on its way there.
pub(super) fn closure(snapshot: &Snapshot, worker: WorkerId) -> Cause {
    match snapshot.worker(worker) {
        None if snapshot.is_gone(worker) || broken!("out_of_sight_is_gone") => {
            Cause::TargetGone { worker }
        }
        None => Cause::TargetMissing { worker },
        Some(target) if target.stance != Stance::Accept => {
            Cause::TargetClosed { worker, stance: target.stance }
        }
        Some(target) => {
            let at = snapshot.at();
            Cause::TargetLeaves { worker, at: target.leaves(at).unwrap_or(at) }
        }
    }
}

/// Why a target may no longer have the task, whatever else is on its way there; `None` if it may.
pub(super) fn unfit(snapshot: &Snapshot, soon: Timestamp, own: &UnderWay<'_>) -> Option<Cause> {
    let worker = own.migration.to();
    let target = &snapshot.workers()[own.to?.position()];
    if target.stance != Stance::Accept && !broken!("target_closed") {
        return Some(Cause::TargetClosed { worker, stance: target.stance });
    }
    if let Some(at) = target.leaves(snapshot.at())
        && at < soon
        && !broken!("target_leaves")
    {
        return Some(Cause::TargetLeaves { worker, at });
    }
    let has_left = !own.is_at_its_source && broken!("class_closes_with_the_release");
    outside(snapshot, own).filter(|_| !has_left).or_else(|| unsuited(snapshot, own))
}

/// Whether the worker that the task is on its way to has lost hardware or labels that it needs.
pub(super) fn unsuited(snapshot: &Snapshot, own: &UnderWay<'_>) -> Option<Cause> {
    let task = &snapshot.tasks()[own.task?.position()];
    let worker = &snapshot.workers()[own.to?.position()];
    let is_suited = rules::suits_there(task, own.migration.alternative(), worker);
    let is_unsuited = !is_suited && !broken!("target_unsuited");
    is_unsuited.then_some(Cause::TargetUnsuited { worker: worker.id })
}

/// Whether the worker that the task is on its way to is outside its class.
pub(super) fn outside(snapshot: &Snapshot, own: &UnderWay<'_>) -> Option<Cause> {
    if snapshot.classes().is_empty() {
        return None;
    }
    let (worker, task) = (own.migration.to(), &snapshot.tasks()[own.task?.position()]);
    let class = rules::class_without(snapshot, task, worker)?;
    (!broken!("class_changes_meanwhile")).then_some(Cause::TargetOutside { worker, class })
}
