//! Evenness against movement: what the preference does to the policy `default`, from 0 to 1.
//!
//! A line per preference: the median deviation of the loads and the median moves per hour over the seeds, and a bar
//! for each. `default` is evenkeel's own or the file's.

use std::fmt::Write as _;

use evenkeel::ratio::Ratio;
use evenkeel::sim::{Metrics, Policy};

use crate::figures::{number, quantile};
use crate::options::Options;
use crate::policies::Balancers;
use crate::runs::{self, Cell};
use crate::{Report, parallel};

/// Where the curve is measured.
const POINTS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// The longest bar, in characters.
const BAR: f64 = 24.0;

/// Medians over the seeds at one preference.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    deviation: f64,
    moves: f64,
}

/// Draws the curve of every cell, and says whether it falls and rises as it should.
pub(crate) fn curve(
    options: &Options,
    cells: &[Cell<'_>],
    who: &Balancers,
) -> Result<Report, String> {
    let seeds: Vec<u64> = options.seeds().collect();
    let mut jobs = Vec::new();
    for cell in cells {
        for point in POINTS {
            let config = who.config.clone().with_preference(Ratio::saturating(point));
            let policy = Policy::engine(config);
            jobs.extend(seeds.iter().map(|seed| (*cell, policy.clone(), *seed)));
        }
    }
    let runs =
        parallel::map("measuring", &jobs, |(cell, policy, seed)| runs::one(cell, policy, *seed))?;
    let runs: Vec<Metrics> = runs.into_iter().map(|run| run.metrics).collect();
    let mut report = Report { text: String::new(), holds: true };
    for (cell, runs) in cells.iter().zip(runs.chunks(seeds.len() * POINTS.len())) {
        let hours = cell.named.scenario.duration / 3_600.0;
        let points = runs.chunks(seeds.len()).map(|runs| median(runs, hours));
        let points: Option<Vec<Point>> = points.collect();
        let points = points.ok_or_else(|| format!("{cell}: no run has a figure"))?;
        draw(cell, &points, &mut report.text);
        if !is_monotone(&points) {
            let _ = writeln!(report.text, "{cell}: the curve turns back");
            report.holds = false;
        }
        report.text.push('\n');
    }
    Ok(report)
}

fn median(runs: &[Metrics], hours: f64) -> Option<Point> {
    let deviation = quantile(runs.iter().map(|run| run.load_stddev), 0.5)?;
    let moves = quantile(runs.iter().map(|run| run.migrations as f64 / hours), 0.5)?;
    Some(Point { deviation, moves })
}

/// More of the preference is never less even, and never fewer moves.
fn is_monotone(points: &[Point]) -> bool {
    let pairs = points.iter().zip(points.iter().skip(1));
    pairs.into_iter().all(|(a, b)| b.deviation <= a.deviation && b.moves >= a.moves)
}

fn draw(cell: &Cell<'_>, points: &[Point], text: &mut String) {
    let most = |of: fn(&Point) -> f64| points.iter().map(of).fold(f64::MIN_POSITIVE, f64::max);
    let (widest, busiest) = (most(|it| it.deviation), most(|it| it.moves));
    let _ = writeln!(text, "{cell}");
    let _ = writeln!(text, "preference  stddev {:24}  moves/h", "");
    for (preference, point) in POINTS.iter().zip(points) {
        let (deviation, moves) = (point.deviation, point.moves);
        let line = format!(
            "{preference:>10.2}  {:>6} {:24}  {:>7} {}",
            number(Some(deviation), 3),
            bar(deviation / widest),
            number(Some(moves), 0),
            bar(moves / busiest),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn bar(share: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length")]
    let length = (share * BAR).round() as usize;
    "#".repeat(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_falls_in_deviation_and_rises_in_moves() {
        let points = [(0.2, 1.0), (0.1, 5.0), (0.1, 9.0)];
        let mut points = points.map(|(deviation, moves)| Point { deviation, moves });
        assert!(is_monotone(&points));
        points[2].moves = 4.0;
        assert!(!is_monotone(&points));
    }
}
