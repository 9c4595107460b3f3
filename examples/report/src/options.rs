//! The command line.

use std::path::PathBuf;

use clap::Parser;

use crate::chart::Metric;

/// One page of pictures from a run log.
///
/// Reads what a recorder or a simulation wrote, one JSON object per line (rows of the metrics table do for the charts
/// that they suffice for), and writes a page that needs no network.
#[derive(Clone, Debug, Parser)]
#[command(name = "report", max_term_width = 100)]
pub(crate) struct Options {
    /// The run log
    #[arg(value_name = "RUN.jsonl")]
    pub(crate) run: PathBuf,

    /// Another run, shown beside the first on the same scales
    #[arg(long, value_name = "OTHER.jsonl")]
    pub(crate) compare: Option<PathBuf>,

    /// The page [default: report.html, unless only --png or --svg is asked for]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Write every picture as a PNG file into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) png: Option<PathBuf>,

    /// Write every picture as an SVG file into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) svg: Option<PathBuf>,

    /// Only this chart; may be given more than once
    #[arg(long, value_name = "NAME")]
    metric: Vec<Metric>,

    /// Only the last so many days, such as 1 or 0.25
    #[arg(long, value_name = "N", value_parser = days)]
    pub(crate) days: Option<f64>,
}

impl Options {
    /// The charts asked for, in the page's order.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let asked = |metric: &Metric| self.metric.is_empty() || self.metric.contains(metric);
        <Metric as clap::ValueEnum>::value_variants().iter().copied().filter(asked).collect()
    }

    /// Where the page goes, if one is asked for.
    pub(crate) fn page(&self) -> Option<PathBuf> {
        let pictures_only = self.png.is_some() || self.svg.is_some();
        self.output.clone().or_else(|| (!pictures_only).then(|| PathBuf::from("report.html")))
    }
}

fn days(text: &str) -> Result<f64, String> {
    let days = text.parse().ok().filter(|days: &f64| days.is_finite() && *days > 0.0);
    days.ok_or_else(|| "expected a number of days above 0".to_owned())
}
