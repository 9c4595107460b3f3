//! One page of pictures from a run log: what moved, what did not, and why.
//!
//! A log becomes pictures in three steps: `log` reads it, `chart` describes what is to be seen in the units of the
//! data (`draw`), `svg` draws that at a given width. The page has each picture twice, for a wide and for a narrow
//! screen; an SVG file is the same drawing with its own style sheet, a PNG file is that SVG through `resvg`. Charts
//! put rounds together (240 places along an axis of time), so that a page stays small; every mark says how many
//! records it stands for, and `tests/totals.rs` adds them up against the log.
//!
//! # Why no chart library
//!
//! Two were tried, on a run of 40 workers for an hour and one of 400 for a day, with three of the charts (heatmap,
//! thresholds, timeline), and a third was read about. Vega-Lite 6 (BSD-3-Clause): 0.83 MB of script, a page of 6.2 MB for the day, drawn in 2.7 s
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
mod command;
mod draw;
mod log;
mod options;
mod page;
mod paint;
mod scale;
mod series;
mod svg;
mod table_row;

use std::io::BufRead;

use clap::ValueEnum;

pub use command::{Raster, command};

use chart::Metric;
use log::Log;

/// The page of a run log: every chart there is, in one text that needs no network.
///
/// `title` names the run where the log does not. A torn last line is left out, and the page says so.
///
/// # Errors
///
/// The log cannot be read, or has no balancing round in it: a sentence.
pub fn page(lines: impl BufRead, title: &str) -> Result<String, String> {
    let logs = [Log::read(lines, title)?];
    Ok(page::page(&logs, &page::shown(&logs, Metric::value_variants())))
}
