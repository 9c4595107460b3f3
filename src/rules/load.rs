//! Does the move improve the loads? The target must stay below its ceiling in every resource, and below the load
//! that the source had.
//!
//! From a worker at 0.90 to one at 0.30, with a dead band of 0.05: a task that adds 0.40 leaves the target at 0.70,
//! below 0.90 - 0.05 = 0.85, which is a gain. A task that adds 0.57 would leave it at 0.87, which is none.

use super::rule::{Answer, Effect};
use crate::model::bounds::MOST_LOAD;
use crate::model::rows::WorkerRow;
use crate::outcome::{LoadRefusal, Rejection};
use crate::round::Round;
use crate::view::Footprint;

/// Tolerates the rounding error of subtracting and adding the same amount.
const ROUNDING: f64 = 1e-9;

/// After the moves chosen so far, the source is still loaded enough to donate.
pub(super) fn source_still_donates(round: &Round<'_>, effect: &Effect<'_>) -> Answer {
    let least = round.bands.donate_until;
    match effect.from.and_then(|from| round.level(from)) {
        Some(projected) if projected <= least => {
            Err(LoadRefusal::Relieved { projected, least }.into())
        }
        _ => Ok(()),
    }
}

/// After the moves chosen so far, the target is still loaded little enough to accept.
pub(super) fn target_still_accepts(round: &Round<'_>, effect: &Effect<'_>) -> Answer {
    let most = round.bands.accept_below;
    match round.level(effect.to) {
        Some(projected) if projected >= most => Err(LoadRefusal::Filled { projected, most }.into()),
        _ => Ok(()),
    }
}

/// No resource of the target that the task uses is pushed above the ceiling. (A resource that only limits placement is
/// left out: the rule about headroom has judged it.)
pub(super) fn ceiling(round: &Round<'_>, effect: &Effect<'_>) -> Answer {
    ceiling_of(round, effect.to, effect.footprint)
}

/// Whether a footprint would push a resource of a worker above the ceiling.
pub(crate) fn is_above_ceiling(
    round: &Round<'_>,
    to: WorkerRow,
    footprint: &Footprint,
) -> Option<Rejection> {
    ceiling_of(round, to, footprint).err()
}

fn ceiling_of(round: &Round<'_>, to: WorkerRow, footprint: &Footprint) -> Answer {
    let (ledger, most) = (round.ledger, round.bands.ceiling);
    for (column, cell) in ledger.row(to).iter().enumerate() {
        let (Some(used), Some(capacity)) = (cell.used, cell.capacity) else { continue };
        let resource = ledger.columns[column];
        let added = footprint.load[column];
        if resource.is_room() || added <= 0.0 || capacity <= 0.0 {
            continue;
        }
        let after = ((used + added) / capacity).min(MOST_LOAD) + round.bands.shift(to);
        if after > most {
            let added = added / capacity;
            return Err(LoadRefusal::WouldOverload { resource, after, most, added }.into());
        }
    }
    Ok(())
}

/// The source is less loaded without the task.
pub(super) fn relief(round: &Round<'_>, effect: &Effect<'_>) -> Answer {
    let Some(from) = effect.from else { return Ok(()) };
    let after = round.level_after_departure(from, effect.footprint);
    match (round.level(from), after) {
        (Some(before), Some(after)) if after >= before => Err(LoadRefusal::NoRelief.into()),
        _ => Ok(()),
    }
}

/// The target's load after the move is below the source's load before it, by at least the dead band.
pub(super) fn gain(round: &Round<'_>, effect: &Effect<'_>) -> Answer {
    let source = effect.from.and_then(|from| round.level(from));
    let after = round.level_after_arrival(effect.to, effect.footprint);
    let (Some(source), Some(after)) = (source, after) else { return Ok(()) };
    let dead_band = if broken!("dead_band") { 0.0 } else { round.bands.dead_band };
    let most = source - dead_band;
    if after > most { Err(LoadRefusal::NoGain { after, most }.into()) } else { Ok(()) }
}

/// The spread over the balanced workers does not grow.
pub(super) fn spread_does_not_grow(round: &Round<'_>, effect: &Effect<'_>) -> Answer {
    let (before, after) = spreads(round, effect);
    if after > before + ROUNDING {
        Err(LoadRefusal::WiderSpread { after, before }.into())
    } else {
        Ok(())
    }
}

/// The spread does not grow beyond what counts as even.
pub(super) fn loads_stay_even(round: &Round<'_>, effect: &Effect<'_>) -> Answer {
    let (before, after) = spreads(round, effect);
    let is_narrow = broken!("upgrade_may_use_what_is_even");
    let before = if is_narrow { before } else { before.max(round.bands.even_spread) };
    if after > before + ROUNDING {
        Err(LoadRefusal::WiderSpread { after, before }.into())
    } else {
        Ok(())
    }
}

/// The spread before a move and after it. A task without a worker changes its target only.
fn spreads(round: &Round<'_>, effect: &Effect<'_>) -> (f64, f64) {
    let Some(from) = effect.from else { return (0.0, 0.0) };
    let departed = round.level_after_departure(from, effect.footprint);
    let arrived = round.level_after_arrival(effect.to, effect.footprint);
    round.ledger.spreads([(from, departed), (effect.to, arrived)])
}
