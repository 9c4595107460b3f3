//! Why tasks stayed where they were.

use std::collections::BTreeMap;

use crate::draw::{Axis, Figure, Ink, Mark, Panel, Picture, Ticks, Tip};
use crate::log::Log;
use crate::scale::grouped;
use crate::series::highest;

pub(super) fn picture(log: &Log) -> Result<Picture, &'static str> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for refused in log.rounds.iter().flat_map(|round| &round.refusals) {
        *counts.entry(refused.reason.as_ref()).or_default() += u64::from(refused.count);
    }
    let total: u64 = counts.values().sum();
    if total == 0 {
        return Err("Nothing was refused.");
    }
    let mut counts: Vec<(&str, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
    let rows = counts.len() as f64;
    let names = counts.iter().enumerate().map(|(row, it)| (row as f64 + 0.5, it.0.to_owned()));
    let bars = counts.iter().enumerate().map(|(row, (reason, count))| {
        let share = *count as f64 / total as f64 * 100.0;
        let tip = Tip {
            text: format!("{reason}\n{}, {share:.1} %", grouped(*count)),
            count: *count,
            task: None,
        };
        let y = (row as f64 + 0.15, row as f64 + 0.85);
        Mark::Bar { ink: Ink::Warn, x: (0.0, *count as f64), y, pad: 0.0, series: "refusals", tip }
    });

    let mut picture = Picture::new(
        "refusals",
        "Why tasks stayed where they were",
        "Moves that were thought of and refused, by reason, over all rounds.",
    );
    picture.broad = true;
    picture.panels = vec![Panel {
        height: (rows * 24.0).max(72.0),
        x: Axis::new(
            Ticks::Count,
            0.0,
            highest(counts.iter().map(|it| it.1 as f64), 1.0),
            "refusals",
        ),
        y: Axis::new(Ticks::Names(names.collect()), 0.0, rows, "reason"),
        keys: Vec::new(),
        marks: bars.collect(),
    }];
    picture.figures =
        vec![Figure::count("refusals", total), Figure::count("reasons", counts.len() as u64)];
    Ok(picture)
}
