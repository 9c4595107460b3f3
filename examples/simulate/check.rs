//! The bars that the policy `default` must clear. Everything here compares medians over the seeds, except where
//! it says otherwise.

use std::fmt::Write as _;

use evenkeel::sim::{Metric, Metrics};

use crate::Report;
use crate::figures::{figure, median, number};
use crate::policies::Kind;
use crate::runs::{self, Cell, Outcome};
use crate::table::aligned;

/// So much better than `fixed-best`, as a share of its figure.
struct Bar {
    scenario: &'static str,
    metric: Metric,
    gain: f64,
}

const BARS: [Bar; 4] = [
    Bar { scenario: "spike", metric: Metric::SecondsToRebalance, gain: 0.54 },
    Bar { scenario: "gradual", metric: Metric::LoadStddev, gain: 0.56 },
    Bar { scenario: "mixed", metric: Metric::UsefulUtilization, gain: 0.26 },
    Bar { scenario: "completion", metric: Metric::CompletionMean, gain: 0.25 },
];
/// Scenarios in which nothing is to move any more after so many seconds.
const QUIET: [(&str, f64); 1] = [("steady", 300.0)];
/// What must be closed of the gap between `fixed-best` and `oracle` where the oracle misses the bar too.
const OF_THE_GAP: f64 = 0.8;
/// `default` may be worse by this share of the other's figure ...
const TOLERANCE: f64 = 0.02;
/// ... and this share of the figure of `none`.
const SLACK: f64 = 0.01;
/// The most that loads may go up and down, relative to `none`.
const MOST_THRASH: f64 = 1.1;
/// What `fixed-best` closes of the gap between `none` and `oracle`, where it is an honest baseline.
const HONEST: f64 = 0.5;

/// The lines of the verdict.
struct Verdict {
    lines: Vec<Vec<String>>,
    missed: usize,
}

impl Verdict {
    fn say(&mut self, cell: &Cell<'_>, what: &str, holds: bool) {
        let verdict = if holds { "pass" } else { "FAIL" };
        self.missed += usize::from(!holds);
        self.lines.push(vec![format!("{verdict}  {cell}: {what}")]);
    }

    fn note(&mut self, cell: &Cell<'_>, what: &str) {
        self.lines.push(vec![format!("note  {cell}: {what}")]);
    }
}

/// Judges all cells.
pub(crate) fn check(cells: &[Cell<'_>], outcomes: &[Outcome]) -> Report {
    let mut verdict = Verdict { lines: Vec::new(), missed: 0 };
    for (number, cell) in cells.iter().enumerate() {
        let judge = Judge { cell, number, outcomes };
        judge.bars(&mut verdict);
        judge.not_worse(&mut verdict);
        judge.calm(&mut verdict);
        judge.honesty(&mut verdict);
    }
    let mut text = String::from("Acceptance\n");
    text.push_str(&aligned(&verdict.lines));
    let judged = verdict.lines.iter().filter(|line| !line[0].starts_with("note")).count();
    let _ = writeln!(text, "{} of {judged} hold", judged - verdict.missed);
    Report { text, holds: verdict.missed == 0 }
}

struct Judge<'a> {
    cell: &'a Cell<'a>,
    number: usize,
    outcomes: &'a [Outcome],
}

impl Judge<'_> {
    fn runs(&self, kind: Kind) -> Vec<&Metrics> {
        runs::of(self.outcomes, self.number, kind)
    }

    fn figure(&self, kind: Kind, metric: Metric) -> Option<f64> {
        median(&self.runs(kind), |run| run.get(metric))
    }

    /// The specification's results.
    fn bars(&self, verdict: &mut Verdict) {
        for bar in BARS.iter().filter(|bar| bar.scenario == self.cell.named.name) {
            let figures = [Kind::FixedBest, Kind::Default, Kind::Oracle];
            let [best, ours, oracle] = figures.map(|kind| self.figure(kind, bar.metric));
            let (Some(best), Some(ours), Some(oracle)) = (best, ours, oracle) else {
                verdict.say(self.cell, "a figure of the bar is missing", false);
                continue;
            };
            self.bar(verdict, bar, [best, ours, oracle]);
        }
    }

    fn bar(&self, verdict: &mut Verdict, bar: &Bar, [best, ours, oracle]: [f64; 3]) {
        let about = figure(bar.metric);
        let gain = |to: f64| about.gain(best, to) / best.abs().max(f64::MIN_POSITIVE);
        let (gained, possible) = (gain(ours), gain(oracle));
        let (holds, rule) = if possible >= bar.gain || gained >= bar.gain {
            (gained >= bar.gain, format!("the bar is {:.0} %", bar.gain * 100.0))
        } else if possible > 0.0 {
            let closed = gained / possible;
            let rule = format!(
                "the oracle gains {:.1} %, less than the bar of {:.0} %: {:.0} % of that gap closed, 80 % needed",
                possible * 100.0,
                bar.gain * 100.0,
                closed * 100.0
            );
            (closed >= OF_THE_GAP, rule)
        } else {
            let rule = "the oracle gains nothing: there is no gap, at most 2 % may be lost";
            (gained >= -TOLERANCE, rule.to_owned())
        };
        let show = |value| number(Some(value), about.decimals);
        let figures = format!(
            "{}: fixed-best {}, default {}, oracle {}",
            about.name,
            show(best),
            show(ours),
            show(oracle)
        );
        let what = format!("{figures}; gain {:.1} %; {rule}", gained * 100.0);
        verdict.say(self.cell, &what, holds);
    }

    /// Not noticeably worse than any baseline.
    fn not_worse(&self, verdict: &mut Verdict) {
        let mut metrics = vec![self.cell.own()];
        metrics.extend([Metric::OverloadSeconds, Metric::CompletionP95]);
        if metrics[1..].contains(&metrics[0]) {
            metrics.remove(0);
        }
        for metric in metrics {
            let about = figure(metric);
            for kind in [Kind::FixedBest, Kind::Reference] {
                let figures = [kind, Kind::Default, Kind::None].map(|it| self.figure(it, metric));
                let [Some(theirs), Some(ours), Some(none)] = figures else { continue };
                let slack = TOLERANCE * theirs.abs() + SLACK * none.abs();
                let holds = about.gain(theirs, ours) >= -slack;
                let show = |value| number(Some(value), about.decimals);
                let what = format!(
                    "{}: default {}, {} {}; may be worse by {} (2 % and 1 % of none's {})",
                    about.name,
                    show(ours),
                    kind.name(),
                    show(theirs),
                    number(Some(slack), about.decimals.max(1)),
                    show(none)
                );
                verdict.say(self.cell, &what, holds);
            }
        }
    }

    /// Nothing moves back, forth or without need.
    fn calm(&self, verdict: &mut Verdict) {
        let runs = self.runs(Kind::Default);
        let undone: u64 = runs.iter().map(|run| run.migrations_undone).sum();
        let what = format!("{undone} moves undone in {} runs; none may be", runs.len());
        verdict.say(self.cell, &what, undone == 0);
        if let Some(thrash) = median(&runs, |run| run.thrash) {
            let what = format!("thrash {thrash:.3}; at most {MOST_THRASH}");
            verdict.say(self.cell, &what, thrash <= MOST_THRASH);
        }
        for (_, from) in QUIET.iter().filter(|(name, _)| *name == self.cell.named.name) {
            let late = runs.iter().filter(|run| run.last_move.is_some_and(|at| at > *from)).count();
            let count = runs.len();
            let what = format!("{late} of {count} runs move something after {from} s; none may");
            verdict.say(self.cell, &what, late == 0);
        }
    }

    /// Whether `fixed-best` is a baseline worth beating.
    fn honesty(&self, verdict: &mut Verdict) {
        let metric = self.cell.own();
        let about = figure(metric);
        let figures = [Kind::None, Kind::FixedBest, Kind::Oracle];
        let [Some(none), Some(best), Some(oracle)] = figures.map(|it| self.figure(it, metric))
        else {
            return;
        };
        let gap = about.gain(none, oracle);
        if gap <= 0.0 {
            verdict.note(self.cell, "the oracle gains nothing over none in the own metric");
            return;
        }
        let closed = about.gain(none, best) / gap;
        if closed < HONEST {
            let what = format!(
                "fixed-best closes only {:.0} % of the gap between none and oracle: a weak baseline",
                closed * 100.0
            );
            verdict.note(self.cell, &what);
        }
    }
}
