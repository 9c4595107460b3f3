//! Power and temperature.

use evenkeel::shell::run_log::{RoundLine, Thermal};

use crate::draw::{Axis, Figure, Ink, Key, Mark, Panel, Picture, Swatch, Ticks};
use crate::log::Log;
use crate::series::{Bin, bins, clock, highest, line, mean, time_axis};

/// Joules in a kilowatt-hour.
const KILOWATT_HOUR: f64 = 3.6e6;

pub(super) fn picture(log: &Log) -> Result<Picture, &'static str> {
    let bins = bins(log);
    let mut picture = Picture::new(
        "energy",
        "Energy and temperature",
        "What all workers draw together, and how hot they are: the mean and the hottest.",
    );
    let watts = |round: &RoundLine| round.energy.watts;
    let power = line(&bins, watts);
    if !power.is_empty() {
        picture.panels.push(power_panel(log, &bins, power));
        picture.figures.extend(
            mean(log.rounds.iter().filter_map(watts))
                .map(|it| Figure::number("mean power", it, 0, " W")),
        );
        picture
            .figures
            .extend(joules(log).map(|it| Figure::number("energy", it / KILOWATT_HOUR, 2, " kWh")));
    }
    let hottest = log.rounds.iter().filter_map(|it| it.thermal).map(|it| it.max);
    if hottest.clone().next().is_some() {
        picture.panels.push(heat_panel(log, &bins));
        picture.figures.push(Figure::number("hottest", hottest.fold(f64::MIN, f64::max), 1, " °C"));
    }
    if picture.panels.is_empty() {
        return Err("No worker says what it draws or how hot it is.");
    }
    let above = picture.panels.len() - 1;
    picture.panels[..above].iter_mut().for_each(|panel| panel.x.label = "");
    Ok(picture)
}

/// The energy from the first round to the last; it is counted anew where a host has begun anew.
fn joules(log: &Log) -> Option<f64> {
    let mut known = log.rounds.iter().filter_map(|round| round.energy.joules);
    let mut before = known.next()?;
    Some(known.fold(0.0, |sum, joules| {
        let begun = core::mem::replace(&mut before, joules);
        sum + if joules < begun { joules } else { joules - begun }
    }))
}

fn power_panel(log: &Log, bins: &[Bin<'_>], power: Vec<(f64, f64)>) -> Panel {
    let top = highest(power.iter().map(|it| it.1), 1.0) * 1.05;
    let ground = power.iter().map(|(at, watts)| (*at, 0.0, *watts)).collect();
    let mut marks = vec![
        Mark::Area { ink: Ink::Range, points: ground },
        Mark::Line { ink: Ink::Main, points: power, stairs: false },
    ];
    marks.extend(bins.iter().filter_map(|bin| {
        let watts = bin.mean(|it| it.energy.watts)?;
        Some(Mark::Strip {
            x: (bin.from, bin.to),
            text: format!("{}\n{watts:.0} W", clock(log, bin.from)),
        })
    }));
    let (x, y) = (time_axis(log), Axis::new(Ticks::Number, 0.0, top, "power, in watts"));
    Panel { height: 140.0, x, y, keys: Vec::new(), marks }
}

fn heat_panel(log: &Log, bins: &[Bin<'_>]) -> Panel {
    let each = |value: fn(&Thermal) -> f64| line(bins, |it| it.thermal.as_ref().map(value));
    let (means, hottest) = (each(|it| it.mean), each(|it| it.max));
    let top = highest(hottest.iter().map(|it| it.1), f64::MIN);
    let bottom = means.iter().map(|it| it.1).fold(top, f64::min);
    let mut marks = vec![
        Mark::Line { ink: Ink::Main, points: means, stairs: false },
        Mark::Line { ink: Ink::Warn, points: hottest, stairs: false },
    ];
    marks.extend(bins.iter().filter_map(|bin| {
        let (mean, max) =
            (bin.mean(|it| Some(it.thermal?.mean))?, bin.mean(|it| Some(it.thermal?.max))?);
        let text = format!("{}\nmean {mean:.1} °C\nhottest {max:.1} °C", clock(log, bin.from));
        Some(Mark::Strip { x: (bin.from, bin.to), text })
    }));
    Panel {
        height: 140.0,
        x: time_axis(log),
        y: Axis::new(
            Ticks::Number,
            (bottom - 2.0).floor(),
            (top + 2.0).ceil(),
            "temperature, in °C",
        ),
        keys: vec![
            Key { swatch: Swatch::Line(Ink::Main), text: "mean" },
            Key { swatch: Swatch::Line(Ink::Warn), text: "hottest worker" },
        ],
        marks,
    }
}
