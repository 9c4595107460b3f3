//! Does a move repay itself?
//!
//! The price of a move is its downtime (saving the state, the transfer over the slower of the two links, the
//! restart) and the work that is lost. Its gain, per second, is
//!
//! `gain = (load of the source now - load of the target after) + (speed there / speed here - 1)`
//!
//! and the move pays off if `gain x time left >= downtime + lost work`. The time left is the time until the task
//! ends on the target, at most up to the horizon, beyond which the loads are unknown. (A worker at load L is busy
//! for a share L of a task's time, and gives the task half of that share. Summed over the tasks of both workers, a
//! move of a task of load s gains s times the difference of the loads: the first term, per second of the task.)
//!
//! * From a worker at 0.95 to one that will be at 0.45: 0.50 a second. A state of 2 GiB over 100 MB/s
//!   takes 21 s, with 5 s on either side 31 s, and 20 s of work are lost: 51 s are repaid in 102 s.
//! * The same over 10 MB/s: 215 s + 10 s + 20 s = 245 s, repaid in 490 s. A task that ends in five minutes
//!   stays.
//! * From 0.60 to 0.50 onto hardware twice as fast: 0.10 + 1.00 = 1.10 a second. A minute is repaid
//!   in 55 s.

use core::time::Duration;

use super::rule::{Answer, Pair};
use super::speed;
use crate::config::Transfer;
use crate::model::rows::{TaskRow, WorkerRow};
use crate::model::time::{from_seconds, seconds};
use crate::outcome::{Handover, WorthRefusal};
use crate::round::{Fit, Round};
use crate::snapshot::{Mobility, Stance, StateAt, Task};
use crate::state::Transport;
use crate::view::{Footprint, View};

/// The longest span that is computed, so that absurd figures still give finite spans.
const MOST_SECS: f64 = 1e12;

/// The move repays its price in the time that is left.
pub(super) fn pays_off(round: &Round<'_>, pair: &Pair, fit: Fit, footprint: &Footprint) -> Answer {
    let Some(from) = pair.from else { return Ok(()) };
    let Some(handover) = handover(round, pair.row, [from, pair.to], fit, footprint) else {
        return Ok(());
    };
    let (Some(price), Some(gain)) = (handover.price(), handover.gain) else {
        return Err(WorthRefusal::UnknownTransfer.into());
    };
    let Handover { times, left, horizon, .. } = handover;
    if gain * seconds(left) >= seconds(price) {
        Ok(())
    } else {
        Err(WorthRefusal::NotRepaid { gain, times, left, price, horizon }.into())
    }
}

/// The price and the gain of moving one task with this fit and footprint, with the moves that the ledger holds;
/// `None` if moves need not pay off.
pub(crate) fn handover(
    round: &Round<'_>,
    row: TaskRow,
    [from, to]: [WorkerRow; 2],
    fit: Fit,
    footprint: &Footprint,
) -> Option<Handover> {
    let section = round.config.transfer.as_ref()?;
    let task = round.view.task(row);
    let stated = if broken!("horizon_of_the_gain") { None } else { section.horizon };
    let horizon = stated.unwrap_or_else(|| round.config.horizon());
    let horizon_secs = seconds(horizon);
    let times = speed::speedup(round, row, [from, to], fit.alternative);
    // The faster the task runs there, the sooner it ends.
    let shortens = if broken!("ends_sooner_where_it_runs_faster") { 1.0 } else { times };
    let ends = task.expected_remaining().map(|remaining| seconds(remaining) / shortens);
    let left_secs = match ends {
        Some(ends) if broken!("no_further_than_the_horizon") => ends,
        Some(ends) if !broken!("before_it_ends") => ends.min(horizon_secs),
        _ => horizon_secs,
    };
    let gap = load_gap(round, [from, to], footprint);
    Some(Handover {
        transfer: transfer_secs(round, section, task, [from, to]).map(from_seconds),
        downtime: downtime_secs(round, section, task, [from, to]).map(from_seconds),
        lost: task.lost_work(),
        gain: gap.map(|gap| gap + (times - 1.0)),
        times,
        left: from_seconds(left_secs.max(1.0)),
        horizon,
    })
}

/// By how much the target, once the task has arrived, is less loaded than the source is now.
fn load_gap(round: &Round<'_>, [from, to]: [WorkerRow; 2], footprint: &Footprint) -> Option<f64> {
    Some(round.level(from)? - round.level_after_arrival(to, footprint)?)
}

/// How long the transfer of the state takes, over the slower of the two links.
fn transfer_secs(
    round: &Round<'_>,
    section: &Transfer,
    task: &Task,
    [from, to]: [WorkerRow; 2],
) -> Option<f64> {
    let view = round.view;
    let target = view.worker(to);
    if task.is_reached(target.id, target.zone) {
        return Some(0.0);
    }
    let unknown = broken!("unknown_state").then_some(0);
    let bytes = task.state_bytes.or(section.state_bytes).or(unknown)?;
    let mut secs = link_secs(round, section, to, bytes)?;
    match task.state_at {
        None => {
            let at_source = link_secs(round, section, from, bytes)?;
            secs = if broken!("slower_link") { secs.min(at_source) } else { secs.max(at_source) };
        }
        Some(StateAt::Worker(id)) => {
            let holder = view.snapshot.worker_row(id)?;
            // A state on a worker that is out of reach may never arrive.
            let is_lost = view.workers[holder].stance == Stance::Offline;
            if is_lost && !broken!("state_out_of_reach") {
                return None;
            }
            secs = secs.max(link_secs(round, section, holder, bytes)?);
        }
        // Only the target's link to the storage is known.
        Some(StateAt::Zone(_) | StateAt::Shared) => {}
    }
    Some(secs.min(MOST_SECS))
}

/// How long this many bytes take over a worker's link, which all migrations to and from the worker share.
fn link_secs(round: &Round<'_>, section: &Transfer, worker: WorkerRow, bytes: u64) -> Option<f64> {
    let ledger = round.ledger;
    let others = ledger.outgoing[worker].saturating_add(ledger.incoming[worker]);
    let others = if broken!("links_are_shared") { 0 } else { others };
    let unknown = broken!("unknown_link").then_some(1e9);
    let bandwidth = bandwidth(section, round.view, worker).or(unknown)?;
    Some(bytes as f64 * (1.0 + f64::from(others)) / bandwidth)
}

/// How long a move stops its task: not at all if the task starts on its target before it stops at its source.
fn downtime_secs(
    round: &Round<'_>,
    section: &Transfer,
    task: &Task,
    ends: [WorkerRow; 2],
) -> Option<f64> {
    let overlaps = Transport::of(round.config.migration.as_ref(), task) == Transport::StartThenStop;
    if overlaps && !broken!("copy_never_stands_still") {
        return Some(0.0);
    }
    let around = match task.mobility {
        Mobility::Queued => 0.0,
        Mobility::Restart => seconds(section.restart),
        Mobility::Checkpoint | Mobility::Pinned if broken!("saving_takes_time") => {
            seconds(section.restart)
        }
        Mobility::Checkpoint | Mobility::Pinned => {
            seconds(section.checkpoint) + seconds(section.restart)
        }
    };
    transfer_secs(round, section, task, ends).map(|secs| secs + around)
}

/// How long a move stops its task; zero if that is unknown, or if moves need not pay off.
pub(super) fn downtime_or_zero(round: &Round<'_>, task: &Task, ends: [WorkerRow; 2]) -> Duration {
    let section = round.config.transfer.as_ref();
    let secs = section.and_then(|section| downtime_secs(round, section, task, ends));
    from_seconds(secs.unwrap_or(0.0))
}

fn bandwidth(section: &Transfer, view: &View<'_>, worker: WorkerRow) -> Option<f64> {
    let stated = view.worker(worker).bandwidth_bytes_per_second;
    stated.or(section.bandwidth_bytes_per_second)
}

/// The least time that a source needs to release a task; `None` if unknown.
pub(crate) fn leaving_time(
    section: &Transfer,
    view: &View<'_>,
    task: &Task,
    from: WorkerRow,
) -> Option<Duration> {
    if matches!(task.mobility, Mobility::Restart | Mobility::Queued) {
        return Some(Duration::ZERO);
    }
    let (saving, source) = (section.checkpoint, view.worker(from));
    if task.state_at.is_some_and(|at| at != StateAt::Worker(source.id)) {
        return Some(saving);
    }
    let bytes = task.state_bytes.or(section.state_bytes)?;
    let secs = seconds(saving) + bytes as f64 / bandwidth(section, view, from)?;
    Some(from_seconds(secs.min(MOST_SECS)))
}
