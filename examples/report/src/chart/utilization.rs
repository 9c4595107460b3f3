//! How the loads of the workers are distributed.

use crate::draw::{Axis, Figure, Ink, Key, Mark, Panel, Picture, Swatch, Ticks, Tip};
use crate::log::Log;
use crate::scale::grouped;
use crate::series::{highest, mean};

/// Width of a class of loads, and the most classes: the last takes what is beyond.
const CLASS: f64 = 0.05;
const MOST: usize = 40;

pub(super) fn picture(log: &Log) -> Result<Picture, &'static str> {
    let mut loads: Vec<f64> =
        log.rounds.iter().flat_map(|round| &round.workers).filter_map(|it| it.load).collect();
    if loads.is_empty() {
        return Err("The log names no load of a worker.");
    }
    loads.sort_by(f64::total_cmp);
    let mut counts = vec![0_u64; class_of(loads[loads.len() - 1]).max(19) + 1];
    loads.iter().for_each(|load| counts[class_of(*load)] += 1);
    let limit = |pick: fn(&evenkeel::shell::run_log::RoundLine) -> f64| {
        mean(log.rounds.iter().map(pick)).unwrap_or(0.0)
    };
    let (low, high) = (limit(|it| it.thresholds.low), limit(|it| it.thresholds.high));
    let tallest = highest(counts.iter().map(|count| *count as f64), 1.0);

    let mut picture = Picture::new(
        "utilization",
        "Distribution of worker utilization",
        "How often a worker was found at which load, over all rounds.",
    );
    let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(class, count)| {
        let (from, to) = (class as f64 * CLASS, (class + 1) as f64 * CLASS);
        let share = *count as f64 / loads.len() as f64 * 100.0;
        let until = match class + 1 {
            MOST => " and more".to_owned(),
            _ => format!(" to {:.0} %", to * 100.0),
        };
        let (from_percent, count_text) = (from * 100.0, grouped(*count));
        let text = format!("load {from_percent:.0} %{until}\n{count_text} readings, {share:.1} %");
        let tip = Tip { text, count: *count, task: None };
        Mark::Bar {
            ink: Ink::Main,
            x: (from, to),
            y: (0.0, *count as f64),
            pad: 1.0,
            series: "readings",
            tip,
        }
    });
    let rule = |ink, at| Mark::Line { ink, points: vec![(at, 0.0), (at, tallest)], stairs: false };
    picture.panels = vec![Panel {
        height: 312.0,
        x: Axis::new(Ticks::Share, 0.0, counts.len() as f64 * CLASS, "load"),
        y: Axis::new(Ticks::Count, 0.0, tallest, "readings"),
        keys: vec![
            Key { swatch: Swatch::Line(Ink::Calm), text: "low threshold, mean" },
            Key { swatch: Swatch::Line(Ink::Warn), text: "high threshold, mean" },
        ],
        marks: bars.chain([rule(Ink::Calm, low), rule(Ink::Warn, high)]).collect(),
    }];
    let quantile = |part: f64| loads[((loads.len() - 1) as f64 * part).round() as usize];
    picture.figures = vec![
        Figure::count("readings", loads.len() as u64),
        Figure::share("median", quantile(0.5)),
        Figure::share("tenth below", quantile(0.1)),
        Figure::share("tenth above", quantile(0.9)),
    ];
    Ok(picture)
}

fn class_of(load: f64) -> usize {
    ((load / CLASS + 1e-9) as usize).min(MOST - 1)
}
