//! One page of pictures from a run log: what moved, what did not, and why.
//!
//! ```text
//! cargo run --release -p report -- RUN.jsonl -o report.html [--compare OTHER.jsonl] [--png DIR] [--svg DIR]
//!                                  [--metric NAME] [--days N]
//! ```
//!
//! All but the PNG files is the library's: whoever wants only the page builds no `resvg`.
#![forbid(unsafe_code)]

mod raster;

use std::process::ExitCode;

fn main() -> ExitCode {
    report::command(raster::raster)
}
