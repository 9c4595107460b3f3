//! One page of pictures from a run log: what moved, what did not, and why.
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
