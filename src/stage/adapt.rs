//! Which loads count as high and low at present, and how boldly should the engine act?
//!
//! The rule [`Step`](AdaptRule::Step) is the specification's pseudo-code, line by line. With configured
//! thresholds of 0.85 and 0.2, a rate of 0.05 and a stable mean load of 0.8, one round gives 0.85 - 0.05
//! x 1.2 = 0.79 and 0.2 + 0.05 x 0.8 = 0.24.
//!
//! The figures of the pace are this crate's: the specification asks for a more aggressive policy above 75 %
//! and a more conservative one below 30 %, without figures. A high load lowers the spread that triggers; a
//! low load raises it, and also the net benefit that a move needs.

use alloc::vec::Vec;

use crate::config::{AdaptRule, Adaptation, Pace, Thresholds};
use crate::math::line::Line;
use crate::outcome::{Direction, LoadBand, Trend};
use crate::round::Adapted;
use crate::state::State;
use crate::view::View;

/// The trend needs at least this many records.
const RECORDS: usize = 5;

/// One step of the thresholds.
pub(crate) fn adapt(
    section: &Adaptation,
    configured: Thresholds,
    state: &State,
    view: &View<'_>,
) -> Adapted {
    let now = state.thresholds(configured);
    let before = state.system.last(RECORDS - 1).map(|record| record.mean);
    let loads: Vec<f64> = before.chain(view.load.map(|load| load.mean)).collect();
    if loads.len() < RECORDS || view.load.is_none() {
        return Adapted::fixed(now);
    }
    let mean = loads.iter().sum::<f64>() / loads.len() as f64;
    let trend = trend(section, &loads);
    let (band, pace) = pace(section, mean);
    let direction = trend.map_or(Direction::Stable, |trend| trend.direction);
    let factor = match direction {
        Direction::Increasing if broken!("trend") => section.rate,
        Direction::Increasing => section.rate * 1.5,
        Direction::Decreasing => section.rate * 0.5,
        Direction::Stable => section.rate,
    };
    let thresholds = step(section, configured, now, band, mean, factor);
    Adapted { thresholds, trend, band, pace }
}

/// The thresholds and the pace in force after a round.
pub(crate) fn in_force(section: &Adaptation, configured: Thresholds, state: &State) -> Adapted {
    let fixed = Adapted::fixed(state.thresholds(configured));
    let loads: Vec<f64> = state.system.last(RECORDS).map(|record| record.mean).collect();
    if loads.len() < RECORDS {
        return fixed;
    }
    let (band, pace) = pace(section, loads.iter().sum::<f64>() / loads.len() as f64);
    Adapted { band, pace, ..fixed }
}

/// How highly the system is loaded, and the pace that goes with it.
fn pace(section: &Adaptation, mean: f64) -> (LoadBand, Pace) {
    if mean > section.high_load {
        (LoadBand::High, section.high_pace)
    } else if mean < section.low_load {
        (LoadBand::Low, section.low_pace)
    } else {
        (LoadBand::Normal, Pace::default())
    }
}

/// The trend of the mean load: least squares against the number of the record.
fn trend(section: &Adaptation, loads: &[f64]) -> Option<Trend> {
    let points = loads.iter().enumerate().map(|(index, load)| (index as f64, *load));
    let Line { slope, fit: confidence, .. } = Line::through(points)?;
    let direction = if slope > section.trend_slope {
        Direction::Increasing
    } else if slope < -section.trend_slope {
        Direction::Decreasing
    } else {
        Direction::Stable
    };
    Some(Trend { direction, slope, confidence })
}

fn step(
    section: &Adaptation,
    configured: Thresholds,
    now: Thresholds,
    band: LoadBand,
    mean: f64,
    factor: f64,
) -> Thresholds {
    let (high_adjust, low_adjust) = match (band, section.rule) {
        (LoadBand::High, _) if broken!("high_load_step") => (-factor, factor * 0.8),
        (LoadBand::High, _) => (-factor * 1.2, factor * 0.8),
        (LoadBand::Low, _) => (factor * 0.8, -factor * 1.2),
        (LoadBand::Normal, AdaptRule::Step) if mean > 0.5 => (-factor, factor),
        (LoadBand::Normal, AdaptRule::Step) => (factor, -factor),
        (LoadBand::Normal, AdaptRule::Relax) => {
            let back = |to: f64, from: f64| (to - from).clamp(-factor, factor);
            let high = if broken!("relax") { 0.0 } else { back(configured.high, now.high) };
            (high, back(configured.low, now.low))
        }
    };
    // Configured values outside the bounds widen the bounds, so that thresholds can return to them.
    let [least, most] = reaching(section.high_bounds, configured.high, section.rule);
    let mut high = (now.high + high_adjust).min(most).max(least);
    let [least, most] = reaching(section.low_bounds, configured.low, section.rule);
    let mut low = (now.low + low_adjust).min(most).max(least);
    if high - low < section.separation && !broken!("separation") {
        if high_adjust < low_adjust {
            high = low + section.separation;
        } else {
            low = high - section.separation;
        }
    }
    Thresholds { high, low }
}

/// The bounds, widened to the configured value if thresholds return to it.
fn reaching([least, most]: [f64; 2], configured: f64, rule: AdaptRule) -> [f64; 2] {
    match rule {
        AdaptRule::Step => [least, most],
        AdaptRule::Relax => [least.min(configured), most.max(configured)],
    }
}
