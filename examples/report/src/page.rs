//! The page: every picture in the widths it may be looked at in, the style sheet and the script, in one file.

use std::fmt::Write as _;

use crate::chart::Metric;
use crate::chart::decisions::table;
use crate::draw::{Picture, share_axes};
use crate::log::Log;
use crate::paint;
use crate::scale::{grouped, moment};
use crate::svg::{self, STYLE, escape};

/// Widths in pixels: the whole page, half of it, a telephone; and a timeline on a telephone, which scrolls.
const BROAD: f64 = 1_160.0;
const HALF: f64 = 560.0;
const NARROW: f64 = 336.0;

/// A metric's pictures, run by run, or why a run has none.
pub(crate) type Shown = (Metric, Vec<Result<Vec<Picture>, &'static str>>);

/// These charts of all runs, on the same scales.
pub(crate) fn shown(logs: &[Log], metrics: &[Metric]) -> Vec<Shown> {
    let of_all = |metric: &Metric| {
        let mut runs: Vec<_> = logs.iter().map(|log| metric.pictures(log)).collect();
        same_scales(&mut runs);
        (*metric, runs)
    };
    metrics.iter().map(of_all).collect()
}

/// The pictures of several runs on the same scales.
fn same_scales(runs: &mut [Result<Vec<Picture>, &'static str>]) {
    let most = runs.iter().flatten().map(Vec::len).max().unwrap_or(0);
    for place in 0..most {
        let mut pictures: Vec<&mut Picture> =
            runs.iter_mut().flatten().filter_map(|pictures| pictures.get_mut(place)).collect();
        share_axes(&mut pictures);
    }
}

/// The whole page.
pub(crate) fn page(logs: &[Log], shown: &[Shown]) -> String {
    let mut main = String::new();
    for (metric, runs) in shown {
        section(&mut main, logs, *metric, runs);
    }
    let mut title = escape(&logs[0].title);
    for other in &logs[1..] {
        let _ = write!(title, " <small>beside</small> {}", escape(&other.title));
    }
    let plain = escape(&logs.iter().map(|log| log.title.as_str()).collect::<Vec<_>>().join(" / "));
    let links = shown.iter().map(|(metric, _)| format!("<a href=\"#{0}\">{0}</a>", metric.name()));
    let (light, dark) = (paint::variables(false), paint::variables(true));
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <link rel=\"icon\" href=\"data:,\"><title>{plain}</title><style>\
         :root{{color-scheme:light;{light}}}:root[data-theme=dark]{{color-scheme:dark;{dark}}}\
         @media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\
         @media print{{:root,:root[data-theme=dark]{{color-scheme:light;{light}}}}}\
         {STYLE}{}{}</style></head><body><header><div><h1>{title}</h1>{}</div>\
         <button id=\"theme\" type=\"button\" hidden>theme: auto</button></header><nav aria-label=\"Charts\">{}</nav>\
         <main class=\"{}\">{main}</main><div id=\"tip\" role=\"status\" aria-live=\"polite\"></div>\
         <script>{}</script></body></html>\n",
        paint::rules(),
        include_str!("page.css"),
        logs.iter().map(summary).collect::<String>(),
        links.collect::<String>(),
        if logs.len() > 1 { "pair" } else { "single" },
        include_str!("page.js"),
    )
}

/// A run in one line, and what a reader should know about its file.
fn summary(log: &Log) -> String {
    let at = |at| moment(at, log.epoch_unix_millis, 1.0);
    let (rounds, workers) = (grouped(log.rounds.len() as u64), log.workers().len());
    let mut text =
        format!("{rounds} rounds, {workers} workers, {} to {}", at(log.begin()), at(log.end()));
    for note in &log.notes {
        let _ = write!(text, "; {note}");
    }
    format!("<p>{}</p>", escape(&text))
}

fn section(
    out: &mut String,
    logs: &[Log],
    metric: Metric,
    runs: &[Result<Vec<Picture>, &'static str>],
) {
    let first = runs.iter().flatten().flatten().next();
    let broad = metric == Metric::Decisions || first.is_some_and(|it| it.broad) || logs.len() > 1;
    let (title, lead) = match (metric, first) {
        (Metric::Decisions, _) => {
            ("Decision log".to_owned(), "Every migration and why it was begun.")
        }
        (Metric::Timeline, _) => ("Timeline".to_owned(), first.map_or("", |it| it.lead)),
        (_, Some(picture)) => (picture.title.clone(), picture.lead),
        (_, None) => (metric.help(), ""),
    };
    let class = if broad { "broad" } else { "half" };
    let id = metric.name();
    let _ = write!(
        out,
        "<section id=\"{id}\" class=\"{class}\"><h2>{title}</h2><p class=\"lead\">{lead}</p>"
    );
    out.push_str("<div class=\"runs\">");
    for (log, pictures) in logs.iter().zip(runs) {
        let _ = write!(out, "<div class=\"run\">");
        if logs.len() > 1 {
            let _ = write!(out, "<h3>{}</h3>", escape(&log.title));
        }
        match pictures {
            Err(why) => {
                let _ = write!(out, "<p class=\"none\">{why}</p>");
            }
            Ok(_) if metric == Metric::Decisions => out.push_str(&table(log)),
            Ok(pictures) => {
                pictures.iter().enumerate().for_each(|it| figure(out, metric, logs.len() > 1, it));
            }
        }
        out.push_str("</div>");
    }
    out.push_str("</div></section>");
}

/// One picture with its figures; of several timelines, all but the first are folded.
fn figure(out: &mut String, metric: Metric, pair: bool, (place, picture): (usize, &Picture)) {
    let folded = place > 0;
    if folded {
        let _ = write!(out, "<details><summary>{}</summary>", escape(&picture.title));
    }
    let _ = write!(out, "<figure data-picture=\"{}\">", picture.name);
    if metric == Metric::Timeline {
        let _ = write!(out, "<div class=\"scroll\">{}</div>", svg::inline(picture, BROAD, "long"));
    } else {
        let wide = if picture.broad && !pair { BROAD } else { HALF };
        out.push_str(&svg::inline(picture, wide, "wide"));
        out.push_str(&svg::inline(picture, NARROW, "narrow"));
    }
    out.push_str("<figcaption><dl>");
    for figure in &picture.figures {
        let (name, text) = (figure.name, &figure.text);
        let _ = write!(
            out,
            "<div><dt>{name}</dt><dd data-value=\"{}\">{text}</dd></div>",
            figure.value
        );
    }
    out.push_str("</dl></figcaption></figure>");
    if folded {
        out.push_str("</details>");
    }
}
