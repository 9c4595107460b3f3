//! `fixed-best`: the best setting of the traditional balancer for a scenario, size and cluster.
//!
//! Chosen by the scenario's own metric over seeds that no evaluation uses, then kept in a file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use evenkeel::sim::{Metric, Policy, Setting};

use crate::figures::{figure, number, quantile};
use crate::parallel;
use crate::runs::{self, Cell};
use crate::scenarios::{FOLDER, Named};

/// The tuning seeds.
pub(crate) const SEEDS: RangeInclusive<u64> = 1..=5;
/// The files, without and with `--faults`; they have no title, so they are no scenarios.
const FILES: [&str; 2] = ["fixed-best.toml", "fixed-best-with-faults.toml"];

/// What a file says about itself.
fn header(faults: bool) -> String {
    let (under, option) =
        if faults { ("# All under the faults of --faults.\n", " --faults") } else { ("", "") };
    format!(
        "\
# The best setting of the traditional balancer per scenario, size and cluster: by the scenario's own metric, the
# median over the tuning seeds 1 to 5; where that is a tie, by overload-seconds. Written, entry by entry, by
#
#     cargo run --release --example simulate --features sim -- --tune{option} --scenario NAME --size SIZE
#
{under}# An entry that is missing is sought when a run needs it.
"
    )
}

/// By scenario, size and cluster.
type Settings = BTreeMap<String, BTreeMap<String, BTreeMap<String, Setting>>>;

/// The best settings that are known.
#[derive(Debug, Default)]
pub(crate) struct Best {
    settings: Settings,
    /// Whether they are those under faults.
    faults: bool,
}

impl Best {
    /// What is kept for these scenarios: for those of the folder the file's, for others nothing.
    pub(crate) fn for_scenarios(scenarios: &[Named], faults: bool) -> Result<Self, String> {
        let mut best = Self { settings: Settings::default(), faults };
        let path = best.path();
        if scenarios.iter().any(|it| !it.bundled) || !path.exists() {
            return Ok(best);
        }
        let told = |fault: &str| format!("{}: {}", path.display(), fault.trim());
        let text = fs::read_to_string(&path).map_err(|fault| told(&fault.to_string()))?;
        best.settings = toml::from_str(&text).map_err(|fault| told(fault.message()))?;
        Ok(best)
    }

    fn path(&self) -> PathBuf {
        [FOLDER, FILES[usize::from(self.faults)]].iter().collect()
    }

    pub(crate) fn get(&self, cell: &Cell<'_>) -> Option<Setting> {
        self.settings.get(&cell.named.name)?.get(cell.size)?.get(cell.cluster).copied()
    }

    /// Searches for what is missing, for this run only.
    pub(crate) fn complete(&mut self, cells: &[Cell<'_>]) -> Result<(), String> {
        let missing = cells.iter().filter(|cell| self.get(cell).is_none());
        let missing: Vec<Cell<'_>> = missing.copied().collect();
        if missing.is_empty() {
            return Ok(());
        }
        for cell in &missing {
            let file = FILES[usize::from(self.faults)];
            eprintln!("{cell}: {file} has no best setting, so it is searched now");
        }
        self.search(&missing).map(|_| ())
    }

    /// Searches for the best settings of these cells, and says what it found.
    pub(crate) fn search(&mut self, cells: &[Cell<'_>]) -> Result<String, String> {
        let mut jobs = Vec::new();
        for cell in cells {
            for setting in Setting::grid() {
                jobs.extend(SEEDS.map(|seed| (*cell, setting, seed)));
            }
        }
        let values = parallel::map("searching fixed-best", &jobs, |(cell, setting, seed)| {
            let metrics = runs::one(cell, &Policy::fixed_with(*setting), *seed)?.metrics;
            Ok(metrics.get(judged_by(cell)).map(|own| (own, metrics.overload_seconds)))
        })?;
        let seeds = SEEDS.count();
        let per_cell = seeds * Setting::grid().count();
        let mut text = String::new();
        for (cell, values) in cells.iter().zip(values.chunks(per_cell)) {
            let medians = values.chunks(seeds).map(|runs| {
                let own = quantile(runs.iter().flatten().map(|run| run.0), 0.5)?;
                Some((own, quantile(runs.iter().flatten().map(|run| run.1), 0.5)?))
            });
            let (setting, value) = best(cell, Setting::grid().zip(medians))?;
            let metric = figure(judged_by(cell));
            let value = number(Some(value), metric.decimals);
            let _ = writeln!(text, "{cell}: {setting} ({} {value})", metric.name);
            self.keep(cell, setting);
        }
        Ok(text)
    }

    fn keep(&mut self, cell: &Cell<'_>, setting: Setting) {
        let sizes = self.settings.entry(cell.named.name.clone()).or_default();
        sizes.entry(cell.size.to_owned()).or_default().insert(cell.cluster.to_owned(), setting);
    }

    /// Writes the file anew.
    pub(crate) fn write(&self) -> Result<(), String> {
        let path = self.path();
        let told = |fault: &str| format!("{}: {fault}", path.display());
        let text = toml::to_string(&self.settings).map_err(|fault| told(&fault.to_string()))?;
        let header = header(self.faults);
        fs::write(&path, format!("{header}\n{text}")).map_err(|fault| told(&fault.to_string()))
    }
}

/// Thrash alone would be best served by not moving anything at all.
fn judged_by(cell: &Cell<'_>) -> Metric {
    match cell.own() {
        Metric::Thrash => Metric::LoadStddev,
        own => own,
    }
}

/// The best; of equally good ones that with the least overload, of these the first.
fn best(
    cell: &Cell<'_>,
    tried: impl Iterator<Item = (Setting, Option<(f64, f64)>)>,
) -> Result<(Setting, f64), String> {
    let metric = figure(judged_by(cell));
    let known = tried.filter_map(|(setting, values)| Some((setting, values?)));
    let best = known.reduce(|best, next| {
        let ((_, (was, overload)), (_, (is, less))) = (best, next);
        let better = metric.is_better(is, was) || !metric.is_better(was, is) && less < overload;
        if better { next } else { best }
    });
    let own = metric.name;
    best.map(|(setting, (value, _))| (setting, value))
        .ok_or_else(|| format!("{cell}: no run has a figure for its own metric, {own}"))
}
