//! Every cell with every policy and every seed.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use evenkeel::sim::{Metric, Metrics, Policy, Run, simulate};

use crate::logs;
use crate::options::{ALL, Options};
use crate::parallel;
use crate::policies::{Balancers, Kind};
use crate::scenarios::Named;

/// A scenario at a size on a cluster: what a table is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell<'a> {
    pub(crate) named: &'a Named,
    pub(crate) size: &'a str,
    pub(crate) cluster: &'a str,
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.named.name, self.size, self.cluster)
    }
}

impl Cell<'_> {
    /// The metric that the scenario is about.
    pub(crate) fn own(&self) -> Metric {
        self.named.scenario.measure.own
    }
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Which cell, by number.
    pub(crate) cell: usize,
    pub(crate) kind: Kind,
    pub(crate) seed: u64,
    pub(crate) run: Run,
}

/// What the options choose from these scenarios.
pub(crate) fn cells<'a>(
    options: &'a Options,
    scenarios: &'a [Named],
) -> Result<Vec<Cell<'a>>, String> {
    let mut cells = Vec::new();
    for named in scenarios {
        let (name, scenario) = (&named.name, &named.scenario);
        let sizes = pick("--size", name, &options.sizes(), scenario.sizes.keys())?;
        let wanted: Vec<&str> = options.cluster.iter().map(String::as_str).collect();
        let clusters = pick("--cluster", name, &wanted, scenario.clusters.keys())?;
        for size in sizes {
            cells.extend(clusters.iter().map(|cluster| Cell { named, size, cluster }));
        }
    }
    Ok(cells)
}

/// Those that are wanted of those that there are.
fn pick<'a>(
    option: &str,
    scenario: &str,
    wanted: &[&str],
    known: impl Iterator<Item = &'a String> + Clone,
) -> Result<Vec<&'a str>, String> {
    if known.clone().next().is_none() {
        return Err(format!("scenario {scenario} has nothing to choose from for {option}"));
    }
    for name in wanted {
        if *name != ALL && !known.clone().any(|it| it == name) {
            let known: Vec<&str> = known.map(String::as_str).collect();
            let known = known.join(", ");
            return Err(format!("{option} {name}: scenario {scenario} has only {known}"));
        }
    }
    let wanted = |name: &&'a str| wanted.iter().any(|it| *it == ALL || it == name);
    Ok(known.map(String::as_str).filter(wanted).collect())
}

/// One run to do.
struct Job {
    cell: usize,
    kind: Kind,
    seed: u64,
    policy: Policy,
}

/// Runs it all, by cell, policy and seed, and logs it if a folder is given. There is no `thrash` without `none`,
/// which it is relative to.
pub(crate) fn run(
    cells: &[Cell<'_>],
    kinds: &[Kind],
    seeds: &Range<u64>,
    who: &Balancers,
    log: Option<&Path>,
) -> Result<Vec<Outcome>, String> {
    let mut jobs = Vec::new();
    for (number, cell) in cells.iter().enumerate() {
        for kind in kinds {
            let policy = who.policy(*kind, cell)?;
            let job = |seed| Job { cell: number, kind: *kind, seed, policy: policy.clone() };
            jobs.extend(seeds.clone().map(job));
        }
    }
    let mut outcomes = parallel::map("simulating", &jobs, |job| {
        let cell = &cells[job.cell];
        let run = match log {
            Some(folder) => logs::one(folder, cell, job.kind, &job.policy, job.seed)?,
            None => one(cell, &job.policy, job.seed)?,
        };
        Ok(Outcome { cell: job.cell, kind: job.kind, seed: job.seed, run })
    })?;
    set_thrash(&mut outcomes);
    Ok(outcomes)
}

/// One run; its `thrash` is not known yet.
pub(crate) fn one(cell: &Cell<'_>, policy: &Policy, seed: u64) -> Result<Run, String> {
    let run = simulate(&cell.named.scenario, cell.size, cell.cluster, policy, seed);
    run.map_err(|fault| format!("{cell}: {fault}"))
}

/// Variation relative to `none` with the same seed.
fn set_thrash(outcomes: &mut [Outcome]) {
    let calm = outcomes.iter().filter(|it| it.kind == Kind::None);
    let calm: BTreeMap<(usize, u64), f64> =
        calm.map(|it| ((it.cell, it.seed), it.run.metrics.variation)).collect();
    for outcome in outcomes {
        let none = calm.get(&(outcome.cell, outcome.seed)).copied().unwrap_or(0.0);
        let metrics = &mut outcome.run.metrics;
        metrics.thrash = (none > 0.0).then(|| metrics.variation / none);
    }
}

/// The runs of one cell with one policy.
pub(crate) fn of(outcomes: &[Outcome], cell: usize, kind: Kind) -> Vec<&Metrics> {
    whole(outcomes, cell, kind).map(|it| &it.run.metrics).collect()
}

/// The same, with seed and books.
pub(crate) fn whole(
    outcomes: &[Outcome],
    cell: usize,
    kind: Kind,
) -> impl Iterator<Item = &Outcome> {
    outcomes.iter().filter(move |it| it.cell == cell && it.kind == kind)
}
