//! Rounds in bins: a chart has some hundred places along its axis, a day has thousands of rounds.

use evenkeel::shell::run_log::RoundLine;

use crate::draw::{Axis, BREAK, Ticks};
use crate::log::Log;
use crate::scale::{is_wall_clock, moment};

/// The most bins along an axis of time.
const MOST: usize = 240;

/// Where rounds come this many times as far apart as they mostly do, nothing is known in between.
const GAP: f64 = 4.0;
/// With more gaps than this, rounds come irregularly, and none is one.
const MOST_GAPS: usize = 60;

/// A line breaks where nothing is known for this part of the axis.
const LONG: f64 = 24.0;

/// Rounds that share a place along the axis of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bin<'a> {
    pub(crate) rounds: &'a [RoundLine],
    /// The moment of its first round.
    pub(crate) from: f64,
    /// The moment of the next bin's first round, unless there is a gap before it.
    pub(crate) to: f64,
}

/// The rounds of a log in about [`MOST`] bins of equally many; none holds rounds of both sides of a gap.
pub(crate) fn bins(log: &Log) -> Vec<Bin<'_>> {
    let rounds = &log.rounds;
    let each = rounds.len().div_ceil(MOST).max(1);
    let step = usual_step(rounds);
    let is_gap = |pair: &[RoundLine]| apart(&pair[0], &pair[1]) > GAP * step;
    let gaps = rounds.windows(2).filter(|pair| is_gap(pair)).count();
    let connected = |a: &RoundLine, b: &RoundLine| gaps > MOST_GAPS || apart(a, b) <= GAP * step;
    let runs = rounds.chunk_by(connected);
    runs.flat_map(|run| {
        let end = run.last().map_or(0.0, |round| round.at.as_secs_f64() + step);
        run.chunks(each).enumerate().map(move |(place, rounds)| {
            let to = run.get((place + 1) * each).map_or(end, |next| next.at.as_secs_f64());
            Bin { rounds, from: rounds[0].at.as_secs_f64(), to }
        })
    })
    .collect()
}

fn apart(a: &RoundLine, b: &RoundLine) -> f64 {
    b.at.as_secs_f64() - a.at.as_secs_f64()
}

/// The median of the spans between rounds.
fn usual_step(rounds: &[RoundLine]) -> f64 {
    let mut steps: Vec<f64> = rounds.windows(2).map(|pair| apart(&pair[0], &pair[1])).collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).copied().unwrap_or(0.0)
}

/// Equal stretches of the axis of time, as many as there are bins at least: each with the bin it lies in.
pub(crate) fn stretches<'a>(log: &Log, bins: &'a [Bin<'a>]) -> Vec<Option<&'a Bin<'a>>> {
    let axis = time_axis(log);
    let narrowest = bins.iter().map(|bin| bin.to - bin.from).fold(f64::INFINITY, f64::min);
    let count = ((axis.to - axis.from) / narrowest.max(1e-9)).round().clamp(1.0, 2.0 * MOST as f64);
    let width = (axis.to - axis.from) / count;
    let middles = (0..count as usize).map(|place| axis.from + (place as f64 + 0.5) * width);
    middles.map(|at| bins.iter().find(|bin| (bin.from..bin.to).contains(&at))).collect()
}

impl Bin<'_> {
    /// Its middle.
    pub(crate) fn middle(&self) -> f64 {
        f64::midpoint(self.from, self.to)
    }

    /// The sum of a count over its rounds.
    pub(crate) fn sum(&self, count: impl Fn(&RoundLine) -> u64) -> u64 {
        self.rounds.iter().map(count).sum()
    }

    /// The mean of what is known in its rounds.
    pub(crate) fn mean(&self, value: impl Fn(&RoundLine) -> Option<f64>) -> Option<f64> {
        mean(self.rounds.iter().filter_map(value))
    }
}

/// The mean, if there is something to take it of.
pub(crate) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_u64, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

/// The points of a line: a value per bin, left out where it is unknown.
pub(crate) fn line(bins: &[Bin<'_>], value: impl Fn(&RoundLine) -> Option<f64>) -> Vec<(f64, f64)> {
    points(bins, |bin| bin.mean(&value))
}

/// The same of a value of whole bins. The line breaks at gaps, and where nothing is known for long.
pub(crate) fn points(bins: &[Bin<'_>], value: impl Fn(&Bin<'_>) -> Option<f64>) -> Vec<(f64, f64)> {
    let span = bins.last().map_or(0.0, |last| last.to - bins[0].from);
    let (mut points, mut known, mut end) = (Vec::new(), f64::INFINITY, f64::INFINITY);
    let mut broken = false;
    for bin in bins {
        broken |= bin.from > end || bin.from - known > span / LONG;
        end = bin.to;
        let Some(value) = value(bin) else { continue };
        if core::mem::take(&mut broken) && !points.is_empty() {
            points.push(BREAK);
        }
        points.push((bin.middle(), value));
        known = bin.to;
    }
    points
}

/// The axis of time of a log.
pub(crate) fn time_axis(log: &Log) -> Axis {
    let known = is_wall_clock(log.begin(), log.epoch_unix_millis);
    let label = if known { "time of day, UTC" } else { "hours : minutes of the run" };
    let end = bins(log).last().map_or(0.0, |bin| bin.to);
    Axis::new(Ticks::Time(log.epoch_unix_millis), log.begin(), end, label)
}

/// A moment of a log, to the second.
pub(crate) fn clock(log: &Log, at: f64) -> String {
    moment(at, log.epoch_unix_millis, 1.0)
}

/// Percent with one decimal, or that nothing is known.
pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "unknown".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// The highest of some values, at least `least`.
pub(crate) fn highest(values: impl Iterator<Item = f64>, least: f64) -> f64 {
    values.fold(least, f64::max)
}
