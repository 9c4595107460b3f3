//! The decision log: every migration with its reasons, as a table.

use std::fmt::Write as _;

use evenkeel::shell::run_log::MigrationLine;

use crate::log::Log;
use crate::scale::grouped;
use crate::series::clock;
use crate::svg::escape;

/// The most rows: a page is to be read.
const MOST: usize = 2_000;

/// The migrations of a log as a table of HTML.
pub(crate) fn table(log: &Log) -> String {
    let all = &log.migrations;
    if all.is_empty() {
        return "<p class=\"none\">No migration in the log.</p>".to_owned();
    }
    let shown = &all[all.len().saturating_sub(MOST)..];
    let mut out = String::new();
    if shown.len() < all.len() {
        let (shown, all) = (grouped(shown.len() as u64), grouped(all.len() as u64));
        let _ = write!(out, "<p class=\"none\">The last {shown} of {all} migrations.</p>");
    }
    let _ = write!(
        out,
        "<input class=\"filter\" type=\"search\" placeholder=\"Filter: a task, a worker, a word\" \
         aria-label=\"Filter the decision log\"><div class=\"scroll log\" tabindex=\"0\">\
         <table data-rows=\"{}\"><thead>\
         <tr><th>begun<th>migration<th>task<th>from<th>to<th>how it ended<th class=\"n\">benefit<th class=\"n\">cost\
         <th>reason</thead><tbody>",
        shown.len()
    );
    shown.iter().for_each(|it| row(&mut out, log, it));
    out.push_str("</tbody></table></div>");
    out
}

fn row(out: &mut String, log: &Log, migration: &MigrationLine) {
    let from = migration.from.map_or_else(|| "none".to_owned(), |from| from.raw().to_string());
    let points = |points: Option<f64>| points.map(|it| format!("{it:.2}")).unwrap_or_default();
    let scorecard = migration.scorecard.as_ref();
    let whole = scorecard.map(|it| escape(&it.to_string())).unwrap_or_default();
    let _ = write!(
        out,
        "<tr title=\"{whole}\"><td>{}<td>{}<td>{}<td>{from}<td>{}<td>{}<td class=\"n\">{}<td class=\"n\">{}<td>{}",
        clock(log, migration.begun.as_secs_f64()),
        migration.migration,
        migration.task.raw(),
        migration.to.raw(),
        ending(log, migration),
        points(scorecard.map(|it| it.benefit.total())),
        points(scorecard.map(|it| it.cost.total())),
        escape(migration.reason.as_deref().unwrap_or_default()),
    );
}

/// How a migration ended, and after how many seconds.
pub(super) fn ending(log: &Log, migration: &MigrationLine) -> String {
    match (migration.outcome, migration.ended) {
        (Some(fate), Some(ended)) => {
            let took = ended.since(migration.begun).unwrap_or_default();
            format!("{fate} after {:.0} s", took.as_secs_f64())
        }
        _ => format!("under way at {}", clock(log, log.end())),
    }
}
