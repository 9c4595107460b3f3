//! Rounds in bins: a chart has some hundred places along its axis, a day has thousands of rounds.

use evenkeel::shell::run_log::Round;

use crate::draw::{Axis, Ticks};
use crate::log::Log;
use crate::scale::{is_wall_clock, moment};

/// The most bins along an axis of time.
const MOST: usize = 240;

/// Rounds that share a place along the axis of time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bin<'a> {
    pub(crate) rounds: &'a [Round],
    /// The moment of its first round.
    pub(crate) from: f64,
    /// The moment of the next bin's first round.
    pub(crate) to: f64,
}

/// The rounds of a log in at most [`MOST`] bins of equally many.
pub(crate) fn bins(log: &Log) -> Vec<Bin<'_>> {
    let rounds = &log.rounds;
    let each = rounds.len().div_ceil(MOST).max(1);
    let step = (log.end() - log.begin()) / (rounds.len().max(2) - 1) as f64;
    let chunks = rounds.chunks(each).enumerate();
    let bin = |(place, chunk): (usize, &'_ [Round])| {
        let next = rounds.get((place + 1) * each).map_or(log.end() + step, |round| round.at);
        (chunk.first().map_or(0.0, |round| round.at), next)
    };
    chunks
        .map(|(place, rounds)| {
            let (from, to) = bin((place, rounds));
            Bin { rounds, from, to }
        })
        .collect()
}

impl Bin<'_> {
    /// Its middle.
    pub(crate) fn middle(&self) -> f64 {
        f64::midpoint(self.from, self.to)
    }

    /// The sum of a count over its rounds.
    pub(crate) fn sum(&self, count: impl Fn(&Round) -> u64) -> u64 {
        self.rounds.iter().map(count).sum()
    }

    /// The mean of what is known in its rounds.
    pub(crate) fn mean(&self, value: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        mean(self.rounds.iter().filter_map(value))
    }
}

/// The mean, if there is something to take it of.
pub(crate) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_u64, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

/// The points of a line: a value per bin, left out where it is unknown.
pub(crate) fn line(bins: &[Bin<'_>], value: impl Fn(&Round) -> Option<f64>) -> Vec<(f64, f64)> {
    bins.iter().filter_map(|bin| Some((bin.middle(), bin.mean(&value)?))).collect()
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
