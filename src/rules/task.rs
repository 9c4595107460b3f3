//! May this task leave its worker, or be placed?

use super::rule::Answer;
use crate::config::TaskScope;
use crate::model::rows::{TaskRow, WorkerRow};
use crate::model::time::Timestamp;
use crate::outcome::{Purpose, TaskRefusal};
use crate::round::{Parting, Round};
use crate::snapshot::{FreezeScope, Mobility};
use crate::state::Transport;
use crate::view::Place;

/// A worker is emptied only if its record is certain.
pub(super) fn leaves_a_certain_source(round: &Round<'_>, row: TaskRow, _: Purpose) -> Answer {
    source_is_certain(round, row)
}

/// The record of the task's worker is certain: there is only one, and the host could read it.
pub(crate) fn source_is_certain(round: &Round<'_>, row: TaskRow) -> Answer {
    match round.ledger.places[row] {
        Place::On(worker)
            if !round.view.snapshot.is_certain(worker) && !broken!("source is certain") =>
        {
            Err(TaskRefusal::DoubtfulSource { worker: round.worker_id(worker) }.into())
        }
        _ => Ok(()),
    }
}

/// The task is in scope. A migration under way goes on in any case.
pub(super) fn within_scope(round: &Round<'_>, row: TaskRow, purpose: Purpose) -> Answer {
    let Some(scope) = &round.config.scope else { return Ok(()) };
    let is_under_way = matches!(round.ledger.places[row], Place::Stranded { .. });
    if is_under_way && !broken!("scope_narrows") {
        return Ok(());
    }
    if purpose == Purpose::Recover && broken!("scope_reaches_everything") {
        return Ok(());
    }
    let task = round.view.task(row);
    if let Some(label) = scope.lacks(&task.labels)
        && !broken!("scope_label")
    {
        return Err(TaskRefusal::OutOfScope { label }.into());
    }
    let (place, share) = (TaskScope::place(task.id), scope.share.get());
    let place = if broken!("scope_share") { (place + share) % 1.0 } else { place };
    if place < share { Ok(()) } else { Err(TaskRefusal::OutOfShare { share, place }.into()) }
}

pub(super) fn record_is_sound(round: &Round<'_>, row: TaskRow, _: Purpose) -> Answer {
    if round.view.snapshot.is_sound(row) { Ok(()) } else { Err(TaskRefusal::BadRecord.into()) }
}

pub(super) fn not_in_flight(round: &Round<'_>, row: TaskRow, _: Purpose) -> Answer {
    match round.ledger.places[row] {
        Place::Moving { migration, .. } => Err(TaskRefusal::InFlight { migration }.into()),
        _ => Ok(()),
    }
}

/// No other worker was told to forget or to stop the task, as far as no snapshot shows that it was done: it may run it.
pub(super) fn nowhere_called_off(round: &Round<'_>, row: TaskRow, _: Purpose) -> Answer {
    match round.view.called_off.get(&round.task_id(row)) {
        Some(migration) => Err(TaskRefusal::InFlight { migration: *migration }.into()),
        None => Ok(()),
    }
}

/// A task that was never placed is left to the scheduler.
pub(super) fn has_a_worker(round: &Round<'_>, row: TaskRow, _: Purpose) -> Answer {
    match round.ledger.places[row] {
        Place::Unplaced => Err(TaskRefusal::Unplaced.into()),
        _ => Ok(()),
    }
}

pub(super) fn place_is_known(round: &Round<'_>, row: TaskRow, _: Purpose) -> Answer {
    match round.ledger.places[row] {
        Place::Unknown(worker) => Err(TaskRefusal::UnknownPlace { worker }.into()),
        _ => Ok(()),
    }
}

/// No freeze is in force of everything, of the task's kind, of one of its groups, of its worker, or of its worker's
/// zone.
pub(super) fn not_frozen(round: &Round<'_>, row: TaskRow, purpose: Purpose) -> Answer {
    let (view, place) = (round.view, round.ledger.places[row]);
    let groups = view.groups_of(row).iter().map(|index| &view.snapshot.groups()[*index as usize]);
    let groups = groups.map(|group| FreezeScope::Group(group.id));
    let here = match place {
        Place::On(worker) => Some(worker),
        _ => None,
    };
    let here = here.into_iter().flat_map(|worker| scopes_of(round, worker));
    let own = [FreezeScope::All, FreezeScope::Kind(view.task(row).kind)];
    match frozen_until(round, place, purpose, own.into_iter().chain(groups).chain(here)) {
        Some(until) => Err(TaskRefusal::Frozen { until }.into()),
        None => Ok(()),
    }
}

/// The latest end of an active freeze in these scopes that applies to this purpose; `None` if there is none.
/// Migrations under way go on, and what the scheduler places is not a move.
pub(super) fn frozen_until(
    round: &Round<'_>,
    place: Place,
    purpose: Purpose,
    scopes: impl Iterator<Item = FreezeScope>,
) -> Option<Timestamp> {
    let begins = purpose != Purpose::Recover || place == Place::Orphaned;
    if !begins || round.view.freezes.is_empty() {
        return None;
    }
    let all = purpose.is_voluntary() || broken!("freeze_lets_drains_go_on");
    let is_spared = purpose == Purpose::FollowGang && broken!("gang_is_frozen_whole");
    let ends = scopes.filter_map(|scope| round.view.freezes.get(&scope));
    let ends = ends.filter_map(|ends| {
        if all { Some(ends.voluntary) } else { ends.strict.filter(|_| !is_spared) }
    });
    ends.max()
}

/// The freezes that cover a worker.
pub(super) fn scopes_of(
    round: &Round<'_>,
    worker: WorkerRow,
) -> impl Iterator<Item = FreezeScope> + use<> {
    let zone = round.view.worker(worker).zone.map(FreezeScope::Zone);
    [Some(FreezeScope::Worker(round.worker_id(worker))), zone].into_iter().flatten()
}

pub(super) fn not_pinned(round: &Round<'_>, row: TaskRow, _: Purpose) -> Answer {
    let pinned = round.view.task(row).mobility == Mobility::Pinned;
    if pinned { Err(TaskRefusal::Pinned.into()) } else { Ok(()) }
}

pub(super) fn not_before_its_time(round: &Round<'_>, row: TaskRow, _: Purpose) -> Answer {
    match round.view.task(row).not_before {
        Some(until) if until > round.view.snapshot.at() => {
            Err(TaskRefusal::NotBefore { until }.into())
        }
        _ => Ok(()),
    }
}

/// The host's scheduler has not just put the task back where it was evicted from.
pub(super) fn eviction_back_off(round: &Round<'_>, row: TaskRow, _: Purpose) -> Answer {
    let task = round.view.task(row);
    let Some(returned) = round.state.back_offs.get(&task.id) else { return Ok(()) };
    let evicts = Transport::of(round.config.migration.as_ref(), task).is_by_scheduler();
    if evicts && returned.until > round.view.snapshot.at() {
        return Err(TaskRefusal::CameBack { times: returned.times, until: returned.until }.into());
    }
    Ok(())
}

pub(super) fn cooldown(round: &Round<'_>, row: TaskRow, purpose: Purpose) -> Answer {
    if purpose == Purpose::Upgrade && broken!("upgrade_waits_for_the_cooldown") {
        return Ok(());
    }
    match round.state.cooldowns.get(&round.task_id(row)) {
        Some(cooldown) if cooldown.until > round.view.snapshot.at() => {
            Err(TaskRefusal::CoolingDown { until: cooldown.until }.into())
        }
        _ => Ok(()),
    }
}

/// A task that has moved does not move again to even out what has not changed since, unless its worker is overloaded or
/// a forecast asks for it.
pub(super) fn moves_once(round: &Round<'_>, row: TaskRow, _: Purpose) -> Answer {
    let Some(parting) = round.bands.parting.filter(|parting| parting.is_over()) else {
        return Ok(());
    };
    let Place::On(worker) = round.ledger.places[row] else { return Ok(()) };
    let is_foreseen = !round.bands.shift.is_empty();
    let is_overloaded = round.level(worker).is_some_and(|level| level > round.bands.high);
    let until = round.state.moved.get(&round.task_id(row));
    let has_moved = until.is_some_and(|until| *until > round.view.snapshot.at());
    if has_moved && !is_foreseen && (!is_overloaded || broken!("overloaded_again")) {
        let Parting { spread, above } = parting;
        return Err(TaskRefusal::MovedBefore { spread, parted_above: above }.into());
    }
    Ok(())
}

/// A task that has run for a long time counts as almost done.
pub(super) fn not_long_running(round: &Round<'_>, row: TaskRow, _: Purpose) -> Answer {
    let running = round.view.task(row).running;
    let most = round.config.cost_benefit.as_ref().and_then(|section| section.max_running);
    match most {
        Some(most) if running > most => Err(TaskRefusal::LongRunning { running, most }.into()),
        _ => Ok(()),
    }
}

/// A task that ends before the next round could see the effect is not worth the disturbance.
pub(super) fn not_nearly_done(round: &Round<'_>, row: TaskRow, _: Purpose) -> Answer {
    let least = round.config.check_interval;
    match round.view.task(row).expected_remaining() {
        Some(remaining) if round.config.stability.is_some() && remaining < least => {
            Err(TaskRefusal::NearlyDone { remaining, least }.into())
        }
        _ => Ok(()),
    }
}
