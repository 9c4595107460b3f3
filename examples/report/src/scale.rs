//! From data to pixels, and the round numbers along an axis.

use evenkeel::Timestamp;
use evenkeel::shell::WallClock;

use crate::draw::{Axis, Ticks};

/// A straight map from an axis to a stretch of pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    from: f64,
    factor: f64,
    start: f64,
}

impl Scale {
    pub(crate) fn new(axis: &Axis, start: f64, end: f64) -> Self {
        Self { from: axis.from, factor: (end - start) / (axis.to - axis.from), start }
    }

    pub(crate) fn at(&self, value: f64) -> f64 {
        self.start + (value - self.from) * self.factor
    }
}

/// Spans that clocks are read in, in seconds.
const CLOCK: [f64; 20] = [
    1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0,
    10_800.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0, 604_800.0,
];

/// Where the ticks of an axis are and what they say, at most so many.
pub(crate) fn ticks(axis: &Axis, most: usize) -> Vec<(f64, String)> {
    let span = axis.to - axis.from;
    let rough = span / most.max(1) as f64;
    match &axis.ticks {
        Ticks::Names(names) => {
            let step = names.len().div_ceil(most.max(1)).max(1);
            names.iter().step_by(step).cloned().collect()
        }
        Ticks::Time(epoch) => {
            let step = CLOCK.into_iter().find(|it| *it >= rough).unwrap_or(span);
            every(axis, step).map(|at| (at, moment(at, *epoch, step))).collect()
        }
        Ticks::Number => {
            let step = round_step(rough);
            let decimals = if step >= 1.0 { 0 } else { (-step.log10()).ceil() as usize };
            every(axis, step).map(|at| (at, number(at, decimals))).collect()
        }
        Ticks::Count => every(axis, round_step(rough).max(1.0))
            .map(|at| (at, grouped(at.abs().round() as u64)))
            .collect(),
        Ticks::Share => every(axis, round_step(rough))
            .map(|at| (at, format!("{:.0} %", at * 100.0 + 0.0)))
            .collect(),
    }
}

/// An axis of numbers, with its ends moved to the next ticks.
pub(crate) fn rounded(axis: &Axis, most: usize) -> Axis {
    let mut axis = axis.clone();
    if matches!(axis.ticks, Ticks::Number | Ticks::Count) {
        let step = round_step((axis.to - axis.from) / most.max(1) as f64);
        axis.from = (axis.from / step + 1e-9).floor() * step;
        axis.to = (axis.to / step - 1e-9).ceil() * step;
    }
    axis
}

/// The multiples of a step within an axis.
fn every(axis: &Axis, step: f64) -> impl Iterator<Item = f64> {
    let (first, last) = ((axis.from / step - 1e-9).ceil(), (axis.to / step + 1e-9).floor());
    let count = (last - first).max(-1.0) as i64;
    (0..=count).map(move |it| (first + it as f64) * step)
}

/// The next of 1, 2, 5 and 10, times a power of ten.
fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|it| it * power)
        .find(|it| *it >= rough * 0.999)
        .unwrap_or(rough)
}

/// A moment: the time of day in UTC where the log says when it began, else hours since second 0.
pub(crate) fn moment(at: f64, epoch_unix_millis: u64, precision: f64) -> String {
    if is_wall_clock(at, epoch_unix_millis) {
        let clock = WallClock::new(epoch_unix_millis);
        let text = clock.show(Timestamp::from_millis((at * 1_000.0).round().max(0.0) as u64));
        let (date, time) = text.split_once(' ').unwrap_or((&text, ""));
        return match precision {
            it if it >= 86_400.0 => date.to_owned(),
            it if it >= 60.0 => time[..5].to_owned(),
            _ => time[..8].to_owned(),
        };
    }
    let seconds = at.round().max(0.0) as u64;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if precision >= 60.0 {
        format!("{hours}:{minutes:02}")
    } else {
        format!("{hours}:{minutes:02}:{seconds:02}")
    }
}

/// Whether seconds can be read as a date: an epoch is given, or the seconds are those of Unix time.
pub(crate) fn is_wall_clock(at: f64, epoch_unix_millis: u64) -> bool {
    epoch_unix_millis > 0 || at > 1e9
}

/// 12345 as 12,345.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with so many decimals, its thousands grouped.
pub(crate) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let sign =
        if value < 0.0 && text.bytes().any(|it| (b'1'..=b'9').contains(&it)) { "-" } else { "" };
    format!("{sign}{}{rest}", whole.parse().map_or_else(|_| whole.to_owned(), grouped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        let texts = |axis: &Axis, most| -> Vec<String> {
            ticks(axis, most).into_iter().map(|it| it.1).collect()
        };
        assert_eq!(
            texts(&Axis::new(Ticks::Share, 0.0, 1.0, ""), 5),
            ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]
        );
        assert_eq!(texts(&Axis::new(Ticks::Number, 0.0, 0.3, ""), 3), ["0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(texts(&Axis::new(Ticks::Count, -3.0, 7.0, ""), 3), ["0", "5"]);
        assert_eq!(
            texts(&Axis::new(Ticks::Time(0), 30.0, 3_600.0, ""), 4),
            ["0:15", "0:30", "0:45", "1:00"]
        );
    }

    #[test]
    fn moments_are_clock_times_where_there_is_a_clock() {
        assert_eq!(moment(90.0, 0, 1.0), "0:01:30");
        assert_eq!(moment(90.0, 951_782_400_000, 60.0), "00:01");
        assert_eq!(moment(1_582_934_400.0, 0, 86_400.0), "2020-02-29");
    }

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(number(-1234.56, 1), "-1,234.6");
        assert_eq!(number(-0.001, 2), "0.00");
        assert_eq!(
            (grouped(0), grouped(999), grouped(1_234_567)),
            ("0".into(), "999".into(), "1,234,567".into())
        );
    }
}
