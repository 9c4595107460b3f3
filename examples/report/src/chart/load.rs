//! Load of every worker over time.

use std::collections::BTreeMap;

use crate::draw::{Axis, Cells, Figure, Key, Mark, Panel, Picture, Swatch, Ticks};
use crate::log::Log;
use crate::series::{Bin, bins, clock, highest, mean, stretches, time_axis};

/// The load of the last colour, at most: one that is far beyond should not make all others look idle.
const MOST: f64 = 1.25;

pub(super) fn picture(log: &Log) -> Result<Picture, &'static str> {
    let loads = || log.rounds.iter().flat_map(|round| &round.workers).filter_map(|it| it.load);
    let readings = loads().count() as u64;
    let average = mean(loads()).ok_or("The log names no load of a worker.")?;
    let (workers, bins) = (log.workers(), bins(log));
    let stretches = stretches(log, &bins);
    let columns: Vec<BTreeMap<u64, f64>> =
        stretches.iter().map(|it| it.map(column).unwrap_or_default()).collect();
    let value = |worker: &u64, column: usize| columns[column].get(worker).copied();
    let values: Vec<Option<f64>> = workers
        .iter()
        .flat_map(|worker| (0..columns.len()).map(move |it| value(worker, it)))
        .collect();
    let names = workers.iter().enumerate().map(|(row, id)| (row as f64 + 0.5, id.to_string()));
    let rows = workers.len() as f64;
    let top = highest(values.iter().flatten().copied(), 1.0).min(MOST);
    let begin =
        |it: Option<&Bin<'_>>| it.map_or_else(|| "no round".to_owned(), |it| clock(log, it.from));

    let mut picture = Picture::new(
        "load",
        "System load",
        "One row per worker, one column per stretch of time: the darker, the idler; the brighter, the fuller.",
    );
    picture.broad = true;
    picture.panels.push(Panel {
        height: (rows * 12.0).clamp(96.0, 640.0),
        x: time_axis(log),
        y: Axis::new(Ticks::Names(names.collect()), 0.0, rows, "worker"),
        keys: vec![Key { swatch: Swatch::Scale, text: "" }],
        marks: vec![Mark::Cells(Cells {
            columns: columns.len(),
            values,
            top,
            column_names: stretches.iter().copied().map(begin).collect(),
            row_names: workers.iter().map(|id| format!("worker {id}")).collect(),
        })],
    });
    picture.figures = vec![
        Figure::count("workers", workers.len() as u64),
        Figure::count("readings", readings),
        Figure::share("mean load", average),
        Figure::share("highest load", highest(loads(), 0.0)),
    ];
    Ok(picture)
}

/// The mean load of each worker in a bin.
fn column(bin: &Bin<'_>) -> BTreeMap<u64, f64> {
    let mut sums: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
    for worker in bin.rounds.iter().flat_map(|round| &round.workers) {
        if let Some(load) = worker.load {
            let sum = sums.entry(worker.worker.raw()).or_default();
            *sum = (sum.0 + load, sum.1 + 1.0);
        }
    }
    sums.into_iter().map(|(worker, (sum, count))| (worker, sum / count)).collect()
}
