//! What people get to see: a table per cell, a row per policy.

use std::fmt::Write as _;

use evenkeel::sim::Metrics;

use crate::figures::{Figure, figure, median, number, quantile};
use crate::policies::{Balancers, Kind};
use crate::runs::{self, Cell, Outcome};

/// A figure of a run, where it applies.
type Of = fn(&Metrics) -> Option<f64>;

/// Heading, decimals, figure.
const COLUMNS: [(&str, usize, Of); 9] = [
    ("overload s", 0, |it| Some(it.overload_seconds)),
    ("stddev", 3, |it| Some(it.load_stddev)),
    ("useful", 3, |it| Some(it.useful_utilization)),
    ("J/work", 2, |it| it.energy_per_work),
    ("mean s", 0, |it| Some(it.completion_mean)),
    ("p95 s", 0, |it| Some(it.completion_p95)),
    ("moves", 0, |it| Some(it.migrations as f64)),
    ("undone", 0, |it| Some(it.migrations_undone as f64)),
    ("thrash", 2, |it| it.thrash),
];

/// A table per cell.
pub(crate) fn tables(
    cells: &[Cell<'_>],
    outcomes: &[Outcome],
    kinds: &[Kind],
    who: &Balancers,
) -> String {
    let mut text = String::new();
    for (number, cell) in cells.iter().enumerate() {
        table(&mut text, number, cell, outcomes, kinds);
        if let Some(setting) = who.best.get(cell).filter(|_| kinds.contains(&Kind::FixedBest)) {
            let _ = writeln!(text, "fixed-best: {setting}");
        }
        text.push('\n');
    }
    text
}

fn table(text: &mut String, cell: usize, about: &Cell<'_>, outcomes: &[Outcome], kinds: &[Kind]) {
    let own = figure(about.own());
    let _ = writeln!(text, "{about}: {}", about.named.scenario.title);
    let _ = writeln!(text, "Own metric, {}: {}; {}.", own.name, own.says, own.direction());
    let fixed = own_median(about, &runs::of(outcomes, cell, Kind::Fixed));
    let mut lines = vec![heading(own)];
    for kind in kinds {
        let those = runs::of(outcomes, cell, *kind);
        let mut line = vec![kind.name().to_owned()];
        line.push(range(about, own, &those));
        let ratio = own_median(about, &those).zip(fixed).filter(|(_, fixed)| *fixed > 0.0);
        line.push(number(ratio.map(|(own, fixed)| own / fixed), 2));
        for (_, decimals, of) in COLUMNS {
            line.push(number(median(&those, of), decimals));
        }
        lines.push(line);
    }
    text.push_str(&aligned(&lines));
}

fn own_median(cell: &Cell<'_>, runs: &[&Metrics]) -> Option<f64> {
    median(runs, |run| run.get(cell.own()))
}

fn heading(own: &Figure) -> Vec<String> {
    let first = ["policy".to_owned(), format!("{} (10-90 %)", own.name), "/ fixed".to_owned()];
    first.into_iter().chain(COLUMNS.iter().map(|(name, ..)| (*name).to_owned())).collect()
}

/// The median with 10 % and 90 %.
fn range(cell: &Cell<'_>, own: &Figure, runs: &[&Metrics]) -> String {
    let values = || runs.iter().filter_map(|run| run.get(cell.own()));
    let at = |share| number(quantile(values(), share), own.decimals);
    format!("{} ({}-{})", at(0.5), at(0.1), at(0.9))
}

/// Columns of equal width: the first to the left, numbers to the right.
pub(crate) fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(row, "  {cell:<width$}"),
                _ => write!(row, "  {cell:>width$}"),
            };
        }
        let _ = writeln!(text, "{}", row.trim_end());
    }
    text
}
