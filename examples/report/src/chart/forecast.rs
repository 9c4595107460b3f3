//! Forecasts beside what came.

use evenkeel::outcome::WorkerForecast;
use evenkeel::shell::run_log::Judged;

use crate::draw::{Axis, Figure, Ink, Key, Mark, Panel, Picture, Swatch, Ticks};
use crate::log::Log;
use crate::series::{Bin, bins, clock, highest, line, mean, percent, points, time_axis};

pub(super) fn picture(log: &Log) -> Result<Picture, &'static str> {
    if log.rounds.iter().all(|round| round.forecast.is_none()) && log.judged().next().is_none() {
        return Err("No forecast was made.");
    }
    let bins = bins(log);
    let mut picture = Picture::new(
        "forecast",
        "Forecast and outcome",
        "What was foreseen for a moment, and what came: means over the workers. \
         Below: how accurate forecasts have been so far, and how often the load fell into the interval.",
    );
    picture.panels = vec![loads(log, &bins), quality(log, &bins)];
    picture.figures.push(Figure::count("forecasts that came due", log.judged().count() as u64));
    if let Some(error) = mean(log.judged().map(|it| (it.load - it.outcome).abs())) {
        let inside =
            log.judged().filter(|it| holds(it)).count() as f64 / log.judged().count() as f64;
        picture.figures.push(Figure::share("mean error", error));
        picture.figures.push(Figure::share("inside the interval", inside));
        picture.figures.push(Figure::share("the interval's claim", WorkerForecast::LEVEL));
    }
    Ok(picture)
}

/// A load that is off by less is where it was expected: a perfect line has an interval of no width.
const ROUNDING: f64 = 1e-9;

/// Whether what came lies inside the interval.
pub(super) fn holds(judged: &Judged) -> bool {
    (judged.low - ROUNDING..=judged.high + ROUNDING).contains(&judged.outcome)
}

/// The mean of a figure over the forecasts that came due in a bin.
fn due(bin: &Bin<'_>, value: impl Fn(&Judged) -> f64) -> Option<f64> {
    mean(bin.rounds.iter().flat_map(|round| &round.judged).map(value))
}

fn loads(log: &Log, bins: &[Bin<'_>]) -> Panel {
    let each = |value: fn(&Judged) -> f64| points(bins, |bin| due(bin, value));
    let (mut foreseen, mut came) = (each(|it| it.load), each(|it| it.outcome));
    if foreseen.is_empty() {
        let system = log
            .rounds
            .iter()
            .filter_map(|it| it.forecast.as_ref().map(|forecast| (it.at.as_secs_f64(), forecast)));
        foreseen = system
            .map(|(at, it)| (at + it.horizon.as_secs_f64(), it.mean))
            .filter(|it| it.0 <= log.end())
            .collect();
        came = line(bins, |it| it.load.map(|load| load.mean));
    }
    let (lows, highs) = (each(|it| it.low), each(|it| it.high));
    let top = highest(highs.iter().chain(&came).map(|it| it.1), 1.0).min(1.5);
    let pairs = lows.iter().zip(&highs);
    let range = pairs.map(|(low, high)| (low.0, low.1.min(top), high.1.min(top))).collect();
    came.iter_mut().for_each(|it| it.1 = it.1.min(top));
    let mut marks = vec![
        Mark::Area { ink: Ink::Range, points: range },
        Mark::Line { ink: Ink::Warn, points: foreseen, stairs: false },
        Mark::Line { ink: Ink::Main, points: came, stairs: false },
    ];
    marks.extend(bins.iter().filter(|bin| due(bin, |it| it.load).is_some()).map(|bin| {
        Mark::Strip {
            x: (bin.from, bin.to),
            text: format!(
                "{}\nforeseen {}, between {} and {}\ncame {}",
                clock(log, bin.from),
                percent(due(bin, |it| it.load)),
                percent(due(bin, |it| it.low)),
                percent(due(bin, |it| it.high)),
                percent(due(bin, |it| it.outcome)),
            ),
        }
    }));
    Panel {
        height: 180.0,
        x: Axis { label: "", ..time_axis(log) },
        y: Axis::new(Ticks::Share, 0.0, top, "load"),
        keys: vec![
            Key { swatch: Swatch::Line(Ink::Main), text: "outcome" },
            Key { swatch: Swatch::Line(Ink::Warn), text: "forecast" },
            Key { swatch: Swatch::Fill(Ink::Range), text: "its interval" },
        ],
        marks,
    }
}

fn quality(log: &Log, bins: &[Bin<'_>]) -> Panel {
    let inside = |bin: &Bin<'_>| due(bin, |it| f64::from(u8::from(holds(it))));
    let accuracy = |bin: &Bin<'_>| bin.mean(|it| it.forecast.as_ref()?.accuracy);
    let mut marks = vec![
        Mark::Line { ink: Ink::Calm, points: points(bins, inside), stairs: false },
        Mark::Line { ink: Ink::Main, points: points(bins, accuracy), stairs: false },
    ];
    let known = bins.iter().filter(|bin| accuracy(bin).or_else(|| inside(bin)).is_some());
    marks.extend(known.map(|bin| {
        let (accuracy, inside) = (percent(accuracy(bin)), percent(inside(bin)));
        let text =
            format!("{}\naccuracy {accuracy}\ninside the interval {inside}", clock(log, bin.from));
        Mark::Strip { x: (bin.from, bin.to), text }
    }));
    Panel {
        height: 90.0,
        x: time_axis(log),
        y: Axis::new(Ticks::Share, 0.0, 1.0, "quality"),
        keys: vec![
            Key { swatch: Swatch::Line(Ink::Main), text: "accuracy so far" },
            Key { swatch: Swatch::Line(Ink::Calm), text: "inside the interval" },
        ],
        marks,
    }
}
