//! The command: logs in, a page and files of pictures out.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use crate::log::Log;
use crate::options::Options;
use crate::page::{self, Shown};
use crate::svg;

/// Makes the PNG of an SVG.
pub type Raster = Box<dyn Fn(&str) -> Result<Vec<u8>, String>>;

/// Width of a picture in a file.
const BROAD: f64 = 1_160.0;
const USUAL: f64 = 760.0;

/// Runs the command line. `raster` is asked for only where PNG files are.
pub fn command(raster: fn() -> Result<Raster, String>) -> ExitCode {
    match report(&Options::parse(), raster) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("report: {error}");
            ExitCode::FAILURE
        }
    }
}

fn report(options: &Options, raster: fn() -> Result<Raster, String>) -> Result<(), String> {
    let mut logs = Vec::new();
    for path in [Some(&options.run), options.compare.as_ref()].into_iter().flatten() {
        let mut log = Log::open(path)?;
        if let Some(days) = options.days {
            log.keep_days(days);
        }
        log.notes.iter().for_each(|note| eprintln!("report: {}: {note}", path.display()));
        logs.push(log);
    }
    let shown = page::shown(&logs, &options.metrics());
    if let Some(path) = options.page() {
        write(&path, page::page(&logs, &shown).as_bytes())?;
    }
    let raster = options.png.as_ref().map(|_| raster()).transpose()?;
    files(options, &logs, &shown, raster.as_ref())
}

/// Every picture as files; those of the second run are named so.
fn files(
    options: &Options,
    logs: &[Log],
    shown: &[Shown],
    raster: Option<&Raster>,
) -> Result<(), String> {
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
            if let (Some(directory), Some(raster)) = (&options.png, raster) {
                write(&directory.join(format!("{name}.png")), &raster(&svg)?)?;
            }
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(path, bytes).map_err(|error| format!("{}: {error}", path.display()))
}
