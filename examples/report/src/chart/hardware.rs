//! Load by kind of hardware.

use std::collections::BTreeMap;

use evenkeel::hardware::Hardware;

use crate::draw::{Axis, Figure, Ink, Key, Mark, Panel, Picture, Swatch, TRACKS, Ticks};
use crate::log::Log;
use crate::series::{Bin, bins, clock, highest, mean, percent, points, time_axis};

pub(super) fn picture(log: &Log) -> Result<Picture, &'static str> {
    let mut kinds: BTreeMap<Hardware, Vec<f64>> = BTreeMap::new();
    for kind in log.rounds.iter().flat_map(|round| &round.hardware) {
        kinds.entry(kind.hardware).or_default().extend(kind.load);
    }
    if kinds.values().all(Vec::is_empty) {
        return Err("The log does not say which hardware the workers have.");
    }
    let bins = bins(log);
    let mut panel = Panel {
        height: 310.0,
        x: time_axis(log),
        y: Axis::new(Ticks::Share, 0.0, 1.0, "mean load"),
        keys: Vec::new(),
        marks: Vec::new(),
    };
    let mut figures = Vec::new();
    for (place, (kind, loads)) in kinds.iter().enumerate() {
        let ink = Ink::Track((place as u64 % TRACKS) as u8);
        let points = points(&bins, |bin| load(bin, *kind));
        panel.y.to = highest(points.iter().map(|it| it.1), panel.y.to);
        panel.keys.push(Key { swatch: Swatch::Line(ink), text: kind.name() });
        panel.marks.push(Mark::Line { ink, points, stairs: false });
        figures.extend(mean(loads.iter().copied()).map(|it| Figure::share(kind.name(), it)));
    }
    panel.marks.extend(bins.iter().map(|bin| {
        let each = kinds.keys().map(|kind| format!("\n{kind}: {}", percent(load(bin, *kind))));
        Mark::Strip {
            x: (bin.from, bin.to),
            text: clock(log, bin.from) + &each.collect::<String>(),
        }
    }));

    let mut picture = Picture::new(
        "hardware",
        "Load by kind of hardware",
        "Mean load of the workers that have it; a worker counts for every kind that it has.",
    );
    (picture.panels, picture.figures) = (vec![panel], figures);
    Ok(picture)
}

/// The mean load of a kind in a bin.
fn load(bin: &Bin<'_>, kind: Hardware) -> Option<f64> {
    bin.mean(|round| round.hardware.iter().find(|it| it.hardware == kind)?.load)
}
