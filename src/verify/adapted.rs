//! Do the trend, the band and the thresholds follow from the mean loads?

use alloc::format;
use alloc::vec::Vec;

use super::promise::Findings;
use super::round::Round;
use crate::config::{AdaptRule, Adaptation, Thresholds};
use crate::outcome::{Direction, LoadBand};

/// Within this of a bound either answer is right.
const ROUNDING: f64 = 1e-9;

/// The rounds of the trend, counted from the middle one.
const ROUNDS: [f64; 5] = [-2.0, -1.0, 0.0, 1.0, 2.0];

/// Reckons the step of this round anew, from the mean loads of the last four rounds and of this one.
pub(super) fn adapted(round: &Round<'_>, findings: &mut Findings) {
    let Some(section) = &round.config.adaptation else { return };
    let (outcome, configured) = (round.outcome, round.config.thresholds);
    let now = round.before.thresholds.unwrap_or(configured);
    let loads = round.before.system.last(ROUNDS.len() - 1).map(|record| record.mean);
    let loads: Vec<f64> = loads.chain(outcome.load.map(|load| load.mean)).collect();
    let said = outcome.thresholds;
    if loads.len() < ROUNDS.len() || outcome.load.is_none() {
        findings.need(said == now && outcome.trend.is_none(), || {
            format!("thresholds moved from {now:?} to {said:?} without five mean loads")
        });
        return;
    }
    let mean = loads.iter().sum::<f64>() / ROUNDS.len() as f64;
    let squares: f64 = ROUNDS.iter().map(|round| round * round).sum();
    let slope = loads.iter().zip(ROUNDS).map(|(load, round)| load * round).sum::<f64>() / squares;
    let Some(trend) = outcome.trend else {
        findings.add("there are five mean loads, and no trend".into());
        return;
    };
    let rises = slope - section.trend_slope;
    let falls = -slope - section.trend_slope;
    let is_so = match trend.direction {
        Direction::Increasing => rises > -ROUNDING,
        Direction::Decreasing => falls > -ROUNDING,
        Direction::Stable => rises.max(falls) <= ROUNDING,
    };
    findings.need(is_so && (trend.slope - slope).abs() <= ROUNDING, || {
        format!("the mean load changes by {slope} a round, not {trend:?}")
    });
    let is_so = match outcome.band {
        LoadBand::High => mean > section.high_load - ROUNDING,
        LoadBand::Low => mean < section.low_load + ROUNDING,
        LoadBand::Normal => {
            (section.low_load - ROUNDING..=section.high_load + ROUNDING).contains(&mean)
        }
    };
    findings.need(is_so, || format!("a mean load of {mean} is not {:?}", outcome.band));
    let factor = section.rate
        * match trend.direction {
            Direction::Increasing => 1.5,
            Direction::Decreasing => 0.5,
            Direction::Stable => 1.0,
        };
    let steps = steps(section, outcome.band, mean, (configured, now), factor);
    let reached = steps.into_iter().map(|by| reached(section, configured, now, by));
    let reached: Vec<Thresholds> = reached.collect();
    let is_close = |to: &Thresholds| {
        (to.high - said.high).abs() <= ROUNDING && (to.low - said.low).abs() <= ROUNDING
    };
    findings.need(reached.iter().any(is_close), || {
        format!("thresholds went from {now:?} to {said:?}, not to {:?}", reached[0])
    });
}

/// By how much the high and the low threshold move; two answers if the mean load is at a bound.
fn steps(
    section: &Adaptation,
    band: LoadBand,
    mean: f64,
    (configured, now): (Thresholds, Thresholds),
    factor: f64,
) -> Vec<[f64; 2]> {
    match (band, section.rule) {
        (LoadBand::High, _) => [[-1.2 * factor, 0.8 * factor]].into(),
        (LoadBand::Low, _) => [[0.8 * factor, -1.2 * factor]].into(),
        (LoadBand::Normal, AdaptRule::Step) => {
            let busy = (mean > 0.5 - ROUNDING).then_some([-factor, factor]);
            let idle = (mean < 0.5 + ROUNDING).then_some([factor, -factor]);
            busy.into_iter().chain(idle).collect()
        }
        (LoadBand::Normal, AdaptRule::Relax) => {
            let back = |to: f64, from: f64| (to - from).max(-factor).min(factor);
            [[back(configured.high, now.high), back(configured.low, now.low)]].into()
        }
    }
}

/// Where such a step leads: within the bounds, which configured thresholds widen if thresholds return to them, and far
/// enough apart; the threshold that gave way is the one that rose less, or fell more.
fn reached(
    section: &Adaptation,
    configured: Thresholds,
    now: Thresholds,
    [high_by, low_by]: [f64; 2],
) -> Thresholds {
    let within = |value: f64, [least, most]: [f64; 2], home: f64| match section.rule {
        AdaptRule::Step => value.min(most).max(least),
        AdaptRule::Relax => value.min(most.max(home)).max(least.min(home)),
    };
    let high = within(now.high + high_by, section.high_bounds, configured.high);
    let low = within(now.low + low_by, section.low_bounds, configured.low);
    match high - low < section.separation {
        true if high_by < low_by => Thresholds { high: low + section.separation, low },
        true => Thresholds { high, low: high - section.separation },
        false => Thresholds { high, low },
    }
}
