//! Thresholds over time, and the load between them.

use std::fmt::Write as _;

use crate::draw::{Axis, Figure, Ink, Key, Mark, Panel, Picture, Swatch, Ticks, Tip};
use crate::log::Log;
use crate::series::{Bin, bins, clock, highest, line, mean, percent, time_axis};

/// The highest load that is drawn.
const MOST: f64 = 2.0;

pub(super) fn picture(log: &Log) -> Picture {
    let bins = bins(log);
    let mut picture = Picture::new(
        "thresholds",
        "Thresholds and the load between them",
        "A worker above the high threshold gives tasks away, one below the low threshold takes them. \
         Below: how far both thresholds moved.",
    );
    picture.panels = vec![loads(log, &bins), changes(log, &bins)];
    let means = log.rounds.iter().filter_map(|round| round.load).map(|load| load.mean);
    picture.figures = vec![Figure::count("rounds", log.rounds.len() as u64)];
    picture.figures.extend(mean(means).map(|it| Figure::share("mean load", it)));
    picture.figures.extend([
        Figure::count("rounds uneven", log.rounds.iter().filter(|it| it.uneven).count() as u64),
        Figure::count(
            "rounds with a change",
            log.rounds.iter().filter(|it| it.adaptation_rate > 0.0).count() as u64,
        ),
        Figure::share("all changes together", log.rounds.iter().map(|it| it.adaptation_rate).sum()),
    ]);
    picture
}

fn loads(log: &Log, bins: &[Bin<'_>]) -> Panel {
    let load = |pick: fn(&evenkeel::shell::run_log::LoadLine) -> f64| {
        line(bins, |it| it.load.as_ref().map(pick))
    };
    let (lows, highs, means) = (load(|it| it.min), load(|it| it.max), load(|it| it.mean));
    let highest = highest(highs.iter().map(|it| it.1), 1.0);
    let top = highest.min(MOST);
    let cut = |(at, load): &(f64, f64)| (*at, load.min(top));
    let pairs = lows.iter().zip(&highs);
    let range = pairs.map(|(low, high)| (low.0, cut(low).1, cut(high).1)).collect();
    let means = means.iter().map(cut).collect();
    let mut marks = vec![
        Mark::Area { ink: Ink::Range, points: range },
        Mark::Line { ink: Ink::Main, points: means, stairs: false },
        Mark::Line {
            ink: Ink::Warn,
            points: line(bins, |it| Some(it.thresholds.high)),
            stairs: true,
        },
        Mark::Line {
            ink: Ink::Calm,
            points: line(bins, |it| Some(it.thresholds.low)),
            stairs: true,
        },
    ];
    marks
        .extend(bins.iter().map(|bin| Mark::Strip { x: (bin.from, bin.to), text: told(log, bin) }));
    let label = if highest > top { "load, cut off at 200 %" } else { "load" };
    Panel {
        height: 230.0,
        x: Axis { label: "", ..time_axis(log) },
        y: Axis::new(Ticks::Share, 0.0, top, label),
        keys: vec![
            Key { swatch: Swatch::Line(Ink::Warn), text: "high threshold" },
            Key { swatch: Swatch::Line(Ink::Main), text: "mean load" },
            Key { swatch: Swatch::Fill(Ink::Range), text: "lowest to highest worker" },
            Key { swatch: Swatch::Line(Ink::Calm), text: "low threshold" },
        ],
        marks,
    }
}

fn told(log: &Log, bin: &Bin<'_>) -> String {
    let mean = |pick: fn(&evenkeel::shell::run_log::LoadLine) -> f64| {
        percent(bin.mean(|it| it.load.as_ref().map(pick)))
    };
    let mut text = format!(
        "{}\nmean load {}, workers {} to {}\nthresholds {} and {}",
        clock(log, bin.from),
        mean(|it| it.mean),
        mean(|it| it.min),
        mean(|it| it.max),
        percent(bin.mean(|it| Some(it.thresholds.low))),
        percent(bin.mean(|it| Some(it.thresholds.high))),
    );
    if let [round] = bin.rounds {
        if let Some(trend) = round.trend {
            let _ = write!(text, "\n{trend}");
        }
        if !round.balance.is_empty() {
            let _ = write!(text, "\n{}", round.balance);
        }
    }
    text
}

fn changes(log: &Log, bins: &[Bin<'_>]) -> Panel {
    let change = |bin: &Bin<'_>| bin.rounds.iter().map(|it| it.adaptation_rate).sum::<f64>();
    let bar = |bin: &Bin<'_>| Mark::Bar {
        ink: Ink::Guide,
        x: (bin.from, bin.to),
        y: (0.0, change(bin)),
        pad: 0.5,
        series: "",
        tip: Tip {
            text: format!("{}\nchange {}", clock(log, bin.from), percent(Some(change(bin)))),
            ..Tip::default()
        },
    };
    Panel {
        height: 56.0,
        x: time_axis(log),
        y: Axis::new(Ticks::Number, 0.0, highest(bins.iter().map(change), 0.1), "adaptation rate"),
        keys: Vec::new(),
        marks: bins.iter().filter(|bin| change(bin) > 0.0).map(bar).collect(),
    }
}
