//! Would a move leave the loads as a refusal says?

use super::account::Account;
use super::calendar::is_balanced;
use super::evidence::{loads, pace};
use super::facts::Case;
use super::footprint::effect;
use super::plan::dead_band;
use super::promise::about;
use super::records::capacity;
use super::score::is_near;
use crate::config::{Basis, Trigger};
use crate::model::ids::WorkerId;
use crate::model::resource::ResourceId;
use crate::outcome::{Balance, LoadRefusal, Sight};
use crate::snapshot::Worker;

/// Whether a move, by an alternative if the task has any, would leave the loads as stated.
pub(super) fn overloads(
    account: &Account<'_>,
    Case { task, from, to }: Case<'_>,
    way: Option<usize>,
    no: LoadRefusal,
) -> bool {
    let round = account.facts.round;
    let level = |worker: &Worker| account.level_with(worker, |_| 0.0);
    if let LoadRefusal::Relieved { projected, least } = no {
        let here = from.and_then(level);
        let told = here.is_some_and(|here| is_near(here, projected)) && projected <= least;
        return told && bounds(account).is_none_or(|[until, _]| is_near(until, least));
    }
    let Some(to) = to else { return false };
    let [added, freed] = effect(round.snapshot, &[task], way, (from, to));
    let arrived = account.level_with(to, |it| added.get(&it).copied().unwrap_or(0.0));
    let freed = |it| -freed.get(&it).copied().unwrap_or(0.0);
    let departed = from.and_then(|from| account.level_with(from, freed));
    let here = from.and_then(level);
    match no {
        LoadRefusal::Relieved { .. } => false,
        LoadRefusal::Filled { projected, most } => {
            let told =
                level(to).is_some_and(|there| is_near(there, projected)) && projected >= most;
            told && bounds(account).is_none_or(|[_, below]| is_near(below, most))
        }
        LoadRefusal::WouldOverload { resource, after, most, added: said } => {
            let ceiling = round.outcome.thresholds.high.max(round.config.thresholds.high);
            let room = capacity(to, resource).filter(|room| *room > 0.0);
            let sum = room.zip(account.in_use(to.id, resource)).zip(added.get(&resource));
            sum.is_some_and(|((room, used), added)| {
                let full = ((used + added) / room).min(1_000.0) + account.facts.shift(to.id);
                is_near(full, after) && is_near(added / room, said) && is_near(ceiling, most)
            }) && after > most
        }
        LoadRefusal::NoRelief => {
            here.zip(departed).is_some_and(|(before, after)| about(after) >= before)
        }
        LoadRefusal::NoGain { after, most } => {
            let told = arrived.is_some_and(|arrived| is_near(arrived, after));
            let below = here.map(|here| here - dead_band(round));
            told && below.is_some_and(|below| is_near(below, most)) && after > most
        }
        LoadRefusal::WiderSpread { after, before } => {
            let Some(from) = from else { return false };
            let changed = [(from.id, departed), (to.id, arrived)];
            let (was, is) = (spread(account, &[]), spread(account, &changed));
            let even = round.config.detection.imbalance * pace(round).imbalance_factor;
            let start = is_near(was, before) || is_near(was.max(even), before);
            start && is_near(is, after) && after > before
        }
    }
}

/// What a voluntary move, by an alternative if the task has any, would make worse; `None` if nothing.
pub(super) fn worsens(
    account: &Account<'_>,
    Case { task, from, to }: Case<'_>,
    way: Option<usize>,
    evens: bool,
) -> Option<&'static str> {
    let (round, to) = (account.facts.round, to?);
    let [added, freed] = effect(round.snapshot, &[task], way, (from, to));
    let ceiling = round.outcome.thresholds.high.max(round.config.thresholds.high);
    let full = added.iter().any(|(resource, added)| {
        let room = capacity(to, *resource).filter(|room| *room > 0.0 && *added > 0.0);
        let used = room.zip(account.in_use(to.id, *resource));
        let after = used.map(|(room, used)| (used + added) / room + account.facts.shift(to.id));
        *resource != ResourceId::GPU_MEMORY && after.is_some_and(|after| after > about(ceiling))
    });
    if full {
        return Some("a resource would be above the ceiling");
    }
    let here = from.and_then(|from| account.level_with(from, |_| 0.0));
    let arrived = account.level_with(to, |it| added.get(&it).copied().unwrap_or(0.0));
    let freed = |it| -freed.get(&it).copied().unwrap_or(0.0);
    let departed = from.and_then(|from| account.level_with(from, freed));
    if evens && here.zip(departed).is_some_and(|(here, departed)| departed >= about(here)) {
        return Some("it relieves nothing");
    }
    let most = here.map(|here| here - dead_band(round));
    if evens && arrived.zip(most).is_some_and(|(arrived, most)| arrived > about(most)) {
        return Some("the target would be loaded as much as the source");
    }
    let changed = [(from?.id, departed), (to.id, arrived)];
    let even = round.config.detection.imbalance * pace(round).imbalance_factor;
    let before = spread(account, &[]).max(if evens { 0.0 } else { even });
    (spread(account, &changed) > about(before) + 1e-9).then_some("the spread would grow")
}

/// The spread of the balanced workers, with other levels for some.
fn spread(account: &Account<'_>, changed: &[(WorkerId, Option<f64>)]) -> f64 {
    let round = account.facts.round;
    let workers = round.snapshot.workers().iter().filter(|worker| is_balanced(round, worker));
    let levels = workers.filter_map(|worker| {
        let other = changed.iter().find(|(id, _)| *id == worker.id);
        other.map_or_else(|| account.level_with(worker, |_| 0.0), |(_, level)| *level)
    });
    let ends = levels.fold(None, |ends: Option<[f64; 2]>, level| match ends {
        Some([min, max]) => Some([min.min(level), max.max(level)]),
        None => Some([level, level]),
    });
    ends.map_or(0.0, |[min, max]| max - min)
}

/// Down to which level workers give tasks, and below which level they take them; `None` unless measured loads are
/// uneven.
fn bounds(account: &Account<'_>) -> Option<[f64; 2]> {
    let round = account.facts.round;
    let (config, now) = (round.config, round.outcome.thresholds);
    let Balance::Uneven(found) = &round.outcome.balance else { return None };
    let levels = loads(round, config.detection.basis);
    if found.sight != Sight::Present || config.detection.basis == Basis::RecentMean {
        return None;
    }
    let mean = levels.iter().map(|(_, level)| level).sum::<f64>() / levels.len().max(1) as f64;
    Some(match config.detection.trigger {
        Trigger::Both => [now.high, now.low],
        Trigger::Either if found.over => [mean.min(now.high), now.high],
        Trigger::Either if found.under => [mean, now.low],
        Trigger::Either => [mean, mean],
    })
}

/// The least and the most that a resource of the target can be loaded to by a task that may use more than it asks for:
/// by what it asks for alone, and with three times as much again, as far as its source is used by nobody that is known.
pub(super) fn may_overload(
    account: &Account<'_>,
    Case { task, from, to }: Case<'_>,
    resource: ResourceId,
) -> Option<[f64; 2]> {
    let (round, from, to) = (account.facts.round, from?, to?);
    let room = capacity(to, resource).filter(|room| *room > 0.0)?;
    let used = account.in_use(to.id, resource)?;
    let ways = (0..task.alternatives.len()).map(Some);
    let none = task.alternatives.is_empty().then_some(None);
    let adds = |way| {
        let [added, _] = effect(round.snapshot, &[task], way, (Some(from), to));
        added.get(&resource).copied()
    };
    let most = ways.chain(none).filter_map(adds).fold(0.0, f64::max);
    let extra = account.in_use(from.id, resource)?.min(3.0 * most);
    let stands = |added: f64| ((used + added) / room).min(1_000.0) + account.facts.shift(to.id);
    (most > 0.0).then(|| [used / room - 1e-6, stands(most + extra) + 1e-6])
}
