//! One page of pictures from a run log: what moved, what did not, and why.
//!
//! ```text
//! cargo run --release -p report -- RUN.jsonl -o report.html [--compare OTHER.jsonl] [--png DIR] [--svg DIR]
//!                                  [--metric NAME] [--days N]
//! ```
//!
//! A log becomes pictures in three steps: `log` reads it, `chart` describes what is to be seen in the units of the
//! data (`draw`), `svg` draws that at a given width. The page has each picture twice, for a wide and for a narrow
//! screen; an SVG file is the same drawing with its own style sheet, a PNG file is that SVG through `resvg`. Charts
//! put rounds together (240 places along an axis of time), so that a page stays small; every mark says how many
//! records it stands for, and `tests/totals.rs` adds them up against the log.
//!
//! # Why no chart library
//!
//! Three were tried, on a run of 40 workers for an hour and one of 400 for a day, with three of the charts (heatmap,
//! thresholds, timeline). Vega-Lite 6 (BSD-3-Clause): 0.83 MB of script, a page of 6.2 MB for the day, drawn in 2.7 s
//! with the cells already put together; its static pictures need V8 (`vl-convert-rs`: 739 packages and a binary from
//! the network at build time). `ECharts` 6 (Apache-2.0): 1.12 MB of script, 6.5 MB, 5.1 s; static pictures need a
//! JavaScript engine as well, and arrows between lanes are code in its callbacks. `plotters` draws SVG and PNG
//! without either, but knows no hovering, no style sheet (so no dark page), and its arrows and lanes are drawn by
//! hand all the same. The drawing here: all twelve charts of that day in 5.5 MB, ready in 0.5 to 0.8 s (Chromium, two
//! busy cores); 0.54 MB for the hour; no script to vendor, 150 lines of our own for hovering, keys and the theme, 1,100
//! lines of Rust for axes, marks, colours, SVG and page, which no library would have saved the charts (1,300 lines)
//! from. Dependencies: `resvg` (Apache-2.0 or MIT) for PNG, and what it brings anyway.
#![forbid(unsafe_code)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "pixels, classes and bytes: small, not negative, and a cast of f64 saturates"
)]

mod cells;
mod chart;
mod draw;
mod log;
mod options;
mod page;
mod paint;
mod raster;
mod scale;
mod series;
mod svg;
mod table_row;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use draw::{Picture, share_axes};
use log::Log;
use options::Options;
use page::Shown;

/// Width of a picture in a file.
const BROAD: f64 = 1_160.0;
const USUAL: f64 = 760.0;

fn main() -> ExitCode {
    match report(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("report: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report(options: &Options) -> Result<(), String> {
    let mut logs = Vec::new();
    for path in [Some(&options.run), options.compare.as_ref()].into_iter().flatten() {
        let mut log = Log::read(path)?;
        if let Some(days) = options.days {
            log.keep_days(days);
        }
        log.notes.iter().for_each(|note| eprintln!("report: {}: {note}", path.display()));
        logs.push(log);
    }
    let mut shown: Vec<Shown> = Vec::new();
    for metric in options.metrics() {
        let mut runs: Vec<_> = logs.iter().map(|log| metric.pictures(log)).collect();
        same_scales(&mut runs);
        shown.push((metric, runs));
    }
    if let Some(path) = options.page() {
        write(&path, page::page(&logs, &shown).as_bytes())?;
    }
    files(options, &logs, &shown)
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

/// Every picture as files; those of the second run are named so.
fn files(options: &Options, logs: &[Log], shown: &[Shown]) -> Result<(), String> {
    let painter = options.png.as_ref().map(|_| raster::Painter::new()).transpose()?;
    for directory in [&options.png, &options.svg].into_iter().flatten() {
        fs::create_dir_all(directory)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    for (run, log) in logs.iter().enumerate() {
        let pictures = shown.iter().filter_map(|(_, runs)| runs[run].as_ref().ok()).flatten();
        for picture in pictures {
            let name =
                if run == 0 { picture.name.clone() } else { format!("{}-compared", picture.name) };
            let svg = svg::file(picture, &log.title, if picture.broad { BROAD } else { USUAL });
            if let Some(directory) = &options.svg {
                write(&directory.join(format!("{name}.svg")), svg.as_bytes())?;
            }
            if let (Some(directory), Some(painter)) = (&options.png, &painter) {
                write(&directory.join(format!("{name}.png")), &painter.png(&svg)?)?;
            }
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}
