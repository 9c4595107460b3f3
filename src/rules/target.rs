//! May this worker take this task, whatever the task needs?

use super::rule::{Answer, Pair};
use super::task::{frozen_until, scopes_of};
use super::{payback, speed};
use crate::model::bounds::MOST_LOAD;
use crate::model::ids::{ClassId, WorkerId};
use crate::model::rows::WorkerRow;
use crate::outcome::TargetRefusal;
use crate::round::{Fit, Round};
use crate::snapshot::{Snapshot, Stance, Task};
use crate::view::Place;

pub(super) fn accepts(round: &Round<'_>, to: WorkerRow) -> Answer {
    match round.view.worker(to).stance {
        Stance::Accept => Ok(()),
        stance => Err(TargetRefusal::NotAccepting { stance }.into()),
    }
}

pub(super) fn load_is_known(round: &Round<'_>, to: WorkerRow) -> Answer {
    let snapshot = &round.view.snapshot;
    let has_room = snapshot.is_room_known(to) || broken!("room_of_a_bad_task_is_unknown");
    let known = snapshot.is_usable(to) && round.view.workers[to].reported.is_some() && has_room;
    if known { Ok(()) } else { Err(TargetRefusal::UnknownLoad.into()) }
}

pub(super) fn not_there_already(round: &Round<'_>, pair: &Pair) -> Answer {
    let there = round.ledger.places[pair.row] == Place::On(pair.to);
    if there { Err(TargetRefusal::AlreadyThere.into()) } else { Ok(()) }
}

pub(super) fn not_frozen(round: &Round<'_>, pair: &Pair) -> Answer {
    let place = round.ledger.places[pair.row];
    match frozen_until(round, place, pair.purpose, scopes_of(round, pair.to)) {
        Some(until) => Err(TargetRefusal::TargetFrozen { until }.into()),
        None => Ok(()),
    }
}

/// Whether a freeze of this worker or its zone is in force, whichever purposes it applies to.
pub(crate) fn is_frozen_somewhere(round: &Round<'_>, worker: WorkerRow) -> bool {
    scopes_of(round, worker).any(|scope| round.view.freezes.contains_key(&scope))
}

/// Tasks of this class may go to the worker.
pub(super) fn within_class(round: &Round<'_>, pair: &Pair) -> Answer {
    let Some(id) = round.view.task(pair.row).class else { return Ok(()) };
    let class = round.view.snapshot.class(id);
    let cost = class.and_then(|class| class.cost(round.worker_id(pair.to)));
    if cost.is_some() { Ok(()) } else { Err(TargetRefusal::OutsideClass { class: id }.into()) }
}

/// The class of a task, if the worker is not in it; `None` if it is, or if the task has no class that is described.
pub(crate) fn class_without(snapshot: &Snapshot, task: &Task, worker: WorkerId) -> Option<ClassId> {
    let class = snapshot.class(task.class?)?;
    class.cost(worker).is_none().then_some(class.id)
}

/// The worker stays until the task, after its downtime, is done there or has saved its state; and the worker itself is
/// not about to be emptied.
pub(super) fn stays_long_enough(round: &Round<'_>, pair: &Pair, fit: Fit) -> Answer {
    let Some(leaves) = round.view.workers[pair.to].departs_at else { return Ok(()) };
    let (task, at) = (round.view.task(pair.row), round.view.snapshot.at());
    let (arrives, speedup) = match round.ledger.places[pair.row] {
        Place::On(from) => {
            let downtime = payback::downtime_or_zero(round, task, [from, pair.to]);
            let times = speed::speedup(round, pair.row, [from, pair.to], fit.alternative);
            (
                if broken!("hand_over_needs_longer") { at } else { at.after(downtime) },
                if broken!("slow_hardware_needs_longer") { times.max(1.0) } else { times },
            )
        }
        _ => (at, 1.0),
    };
    let unknown = if broken!("leaves_within_the_horizon") { at } else { round.view.horizon };
    let needed = task.settles(arrives, speedup).unwrap_or(unknown).max(round.view.soon);
    if leaves < needed {
        Err(TargetRefusal::LeavesBefore { leaves, needed }.into())
    } else {
        Ok(())
    }
}

/// The task did not leave this worker within the cooldown.
pub(super) fn not_left_recently(round: &Round<'_>, pair: &Pair, _: Fit) -> Answer {
    let cooldown = round.state.cooldowns.get(&round.task_id(pair.row));
    let there = round.worker_id(pair.to);
    let left = cooldown.into_iter().flat_map(|cooldown| &cooldown.left);
    let until = left.filter(|(worker, _)| *worker == there).map(|(_, until)| *until).max();
    match until {
        Some(until) if until > round.view.snapshot.at() => {
            Err(TargetRefusal::LeftRecently { until }.into())
        }
        _ => Ok(()),
    }
}

/// A task whose use is not stated may use this many times as much again as it asks for.
pub(crate) const BURST: f64 = 3.0;

/// A task that has moved, and whose worker is overloaded, does not go to a worker that it would overload too if the use
/// that nobody at its source accounts for were its own, up to three times its demand.
pub(super) fn carries_no_overload_on(round: &Round<'_>, pair: &Pair, fit: Fit) -> Answer {
    let view = round.view;
    let has_moved = round.state.moved.contains_key(&round.task_id(pair.row));
    let unstated = pair.from.and_then(|from| round.bands.unstated.get(&from));
    let Some(unstated) = unstated.filter(|_| has_moved) else {
        return Ok(());
    };
    let (ledger, most) = (round.ledger, round.bands.ceiling);
    let as_there = view.task_by(pair.row, fit.alternative);
    let footprint = ledger.footprint(as_there, view.workers[pair.to].kinds);
    for (column, cell) in ledger.row(pair.to).iter().enumerate() {
        let (resource, load) = (ledger.columns[column], footprint.load[column]);
        let (Some(used), Some(capacity)) = (cell.used, cell.capacity) else { continue };
        let is_stated = as_there.used.known(resource).is_some();
        if resource.is_room() || load <= 0.0 || capacity <= 0.0 || is_stated {
            continue;
        }
        let extra = unstated[column].clamp(0.0, BURST * load);
        let after = ((used + load + extra) / capacity).min(MOST_LOAD) + round.bands.shift(pair.to);
        if extra > 0.0 && after > most {
            return Err(TargetRefusal::MayOverload { resource, after, most }.into());
        }
    }
    Ok(())
}
