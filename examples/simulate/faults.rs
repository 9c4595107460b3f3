//! What must hold under the faults of `--faults`: nothing lost, nothing forgotten, nearly everything complete, and
//! `default` still ahead.
//!
//! | judged | figure | bar |
//! |---|---|---|
//! | nothing lost | runs whose books do not balance: each task is complete or in one place, and so is its work | none |
//! | nobody forgotten | the longest time without a command about a task that had neither worker nor scheduler | the time-out and two rounds |
//! | complete | of the tasks that `default` completes without these faults, the share that it completes with them | 95 % in every run |
//! | ahead | the scenario's own metric, medians | better than `fixed-best`, which is sought under the same faults |
//!
//! * In `completion`, whose cluster is full, a task whose worker has died waits until somebody has room. There the time
//!   counts while a worker has room for it.
//! * Where `fixed-best` is better than `none` by a thousandth at most, there is nothing to gain. There `default` is as
//!   good if it is not worse than `fixed-best` by more than a thousandth.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use evenkeel::Config;

use crate::Report;
use crate::figures::{figure, median, number};
use crate::options::Options;
use crate::policies::{Balancers, Kind};
use crate::runs::{self, Cell, Outcome};
use crate::scenarios;

/// Of what could be complete, at least this share is.
const COMPLETE: f64 = 0.95;
/// Figures that differ by no more than this share are equally good, where there is nothing to gain.
const AS_GOOD: f64 = 0.001;
/// Scenarios whose cluster is full: a task that has lost its worker waits until another has room.
const FULL: [&str; 1] = ["completion"];

/// Judges all cells. `default` runs once more without the faults: what is complete then could be complete.
pub(crate) fn check(
    options: &Options,
    cells: &[Cell<'_>],
    outcomes: &[Outcome],
    who: &Balancers,
) -> Result<Report, String> {
    let calm = scenarios::named(options)?;
    let calm = runs::cells(options, &calm)?;
    let calm = runs::run(&calm, &[Kind::Default], &options.seeds(), who, None)?;
    let mut text = String::from("With faults\n");
    let (mut judged, mut missed) = (0, 0);
    for (number, cell) in cells.iter().enumerate() {
        let judge = Judge { cell, number, outcomes, calm: &calm, config: &who.config };
        for (holds, what) in [judge.lost(), judge.adrift(), judge.complete(), judge.ahead()] {
            let verdict = if holds { "holds" } else { "falls short" };
            let _ = writeln!(text, "  {verdict:<11}  {cell}: {what}");
            (judged, missed) = (judged + 1, missed + usize::from(!holds));
        }
    }
    let _ = writeln!(text, "{} of {judged} hold", judged - missed);
    Ok(Report { text, holds: missed == 0 })
}

/// Whether something holds, and its figures.
type Verdict = (bool, String);

struct Judge<'a> {
    cell: &'a Cell<'a>,
    number: usize,
    outcomes: &'a [Outcome],
    /// The runs of `default` without faults.
    calm: &'a [Outcome],
    config: &'a Config,
}

impl<'a> Judge<'a> {
    fn ours(&self) -> impl Iterator<Item = &'a Outcome> {
        runs::whole(self.outcomes, self.number, Kind::Default)
    }

    fn lost(&self) -> Verdict {
        let (mut runs, mut tasks, mut bad) = (0, 0, Vec::new());
        for outcome in self.ours() {
            (runs, tasks) = (runs + 1, tasks + outcome.run.books.tasks_arrived);
            if !outcome.run.books.balance() {
                bad.push(outcome.seed.to_string());
            }
        }
        let found = if bad.is_empty() {
            format!("the books of all {runs} runs balance")
        } else {
            format!("the books do not balance with the seeds {}", bad.join(", "))
        };
        (
            bad.is_empty() && tasks > 0,
            format!("nothing lost: {found}, {tasks} tasks and their work"),
        )
    }

    fn adrift(&self) -> Verdict {
        let limits = self.config.migration.clone().unwrap_or_default();
        let most = limits.timeout.as_secs_f64() + 2.0 * self.cell.named.scenario.round;
        let longest = |of: fn(&Outcome) -> f64| self.ours().map(of).fold(0.0, f64::max);
        let adrift = longest(|it| it.run.metrics.longest_adrift);
        if FULL.contains(&self.cell.named.name.as_str()) {
            let passed_over = longest(|it| it.run.metrics.longest_passed_over);
            let what = format!(
                "nobody forgotten: {passed_over:.0} s at the longest without a command while a worker had room, \
                 {most:.0} allowed (with nobody for {adrift:.0} s: the cluster is full)"
            );
            return (passed_over <= most, what);
        }
        let forgotten = longest(|it| it.run.metrics.longest_forgotten);
        let what = format!(
            "nobody forgotten: {forgotten:.0} s at the longest without a command, {most:.0} allowed (with nobody for \
             {adrift:.0} s)"
        );
        (forgotten <= most, what)
    }

    /// The same seed brings the same tasks.
    fn complete(&self) -> Verdict {
        let (mut possible, mut complete, mut least) = (0, 0, f64::INFINITY);
        let calm = runs::whole(self.calm, self.number, Kind::Default);
        for (outcome, calm) in self.ours().zip(calm) {
            let could: BTreeSet<_> = calm.run.finished.iter().collect();
            let did = outcome.run.finished.iter().filter(|task| could.contains(task)).count();
            least = least.min(did as f64 / could.len().max(1) as f64);
            (possible, complete) = (possible + could.len(), complete + did);
        }
        let what = format!(
            "complete: {complete} of the {possible} tasks that are complete without these faults, {:.1} % in the worst \
             run; at least {:.0} %",
            least * 100.0,
            COMPLETE * 100.0
        );
        (least >= COMPLETE && possible > 0, what)
    }

    fn ahead(&self) -> Verdict {
        let about = figure(self.cell.own());
        let of = |kind| {
            let runs = runs::of(self.outcomes, self.number, kind);
            median(&runs, |run| run.get(self.cell.own()))
        };
        let [none, best, ours] = [Kind::None, Kind::FixedBest, Kind::Default].map(of);
        let figures = format!(
            "{}: default {}, fixed-best {}, none {} ({})",
            about.name,
            number(ours, about.decimals),
            number(best, about.decimals),
            number(none, about.decimals),
            about.direction()
        );
        let (Some(none), Some(best), Some(ours)) = (none, best, ours) else {
            return (false, format!("{figures}; a figure is missing"));
        };
        let gain = |from: f64, to: f64| about.gain(from, to) / best.abs().max(f64::MIN_POSITIVE);
        let gained = gain(best, ours);
        let percent = gained.abs() * 100.0;
        if gained > 0.0 {
            return (true, format!("{figures}; ahead by {percent:.2} %"));
        }
        if gain(none, best) > AS_GOOD {
            return (false, format!("{figures}; behind by {percent:.2} %"));
        }
        let what = format!(
            "{figures}; nothing to gain, as none is as good: behind by {percent:.2} %, {:.1} % allowed",
            AS_GOOD * 100.0
        );
        (gained >= -AS_GOOD, what)
    }
}
