//! Metrics: what they mean, which direction is better, and what many runs come to.

use evenkeel::sim::{Metric, Metrics};

/// What there is to say about a metric.
pub(crate) struct Figure {
    metric: Metric,
    /// In a heading.
    pub(crate) name: &'static str,
    /// In a sentence.
    pub(crate) says: &'static str,
    pub(crate) decimals: usize,
    pub(crate) higher_is_better: bool,
}

const fn lower(metric: Metric, name: &'static str, decimals: usize, says: &'static str) -> Figure {
    Figure { metric, name, says, decimals, higher_is_better: false }
}

const FIGURES: [Figure; 9] = [
    lower(
        Metric::SecondsToRebalance,
        "rebalanced s",
        0,
        "seconds until no worker that could be under 0.85 was above it for two minutes on end, or the rest of the run",
    ),
    lower(
        Metric::LoadStddev,
        "stddev",
        3,
        "deviation of worker utilization over the workers, averaged over time",
    ),
    Figure {
        metric: Metric::UsefulUtilization,
        name: "useful",
        says: "work done, as a share of what the cluster could do with every task on its best free hardware",
        decimals: 3,
        higher_is_better: true,
    },
    lower(Metric::EnergyPerWork, "J/work", 2, "joules per core-second of work done"),
    lower(Metric::CompletionMean, "mean s", 0, "mean seconds from arrival to completion"),
    lower(Metric::CompletionP95, "p95 s", 0, "seconds that 95 % of tasks are complete within"),
    lower(Metric::Makespan, "makespan s", 0, "seconds until everything was done"),
    lower(
        Metric::OverloadSeconds,
        "overload s",
        0,
        "worker-seconds with more CPU demanded than there was",
    ),
    lower(
        Metric::Thrash,
        "thrash",
        2,
        "how much the loads went up and down, relative to no balancing with the same seed",
    ),
];

/// What there is to say about this metric.
pub(crate) fn figure(metric: Metric) -> &'static Figure {
    let known = FIGURES.iter().find(|it| it.metric == metric);
    known.unwrap_or(const { &lower(Metric::Thrash, "own", 3, "the scenario's own metric") })
}

impl Figure {
    /// Whether one value is better than another.
    pub(crate) fn is_better(&self, one: f64, other: f64) -> bool {
        if self.higher_is_better { one > other } else { one < other }
    }

    /// What is gained from one value to another, negative if something is lost.
    pub(crate) fn gain(&self, from: f64, to: f64) -> f64 {
        if self.higher_is_better { to - from } else { from - to }
    }

    pub(crate) fn direction(&self) -> &'static str {
        if self.higher_is_better { "higher is better" } else { "lower is better" }
    }
}

/// The value that this share of values does not exceed, between two values where none is there.
pub(crate) fn quantile(values: impl IntoIterator<Item = f64>, share: f64) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let place = share * last as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is an index")]
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    Some(values[below] + (values[above] - values[below]) * (place - below as f64))
}

/// The median of a figure over runs; nothing if it does not apply.
pub(crate) fn median(runs: &[&Metrics], of: impl Fn(&Metrics) -> Option<f64>) -> Option<f64> {
    quantile(runs.iter().filter_map(|run| of(run)), 0.5)
}

/// A number, or a dash.
pub(crate) fn number(value: Option<f64>, decimals: usize) -> String {
    match value {
        // No negative zero.
        Some(value) => format!("{:.decimals$}", value + 0.0),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_values() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(number(quantile(values, 0.5), 3), "2.500");
        assert_eq!(number(quantile(values, 0.1), 3), "1.300");
        assert_eq!(number(quantile(values, 1.0), 3), "4.000");
        assert_eq!(quantile([], 0.5), None);
        assert_eq!(quantile([f64::NAN], 0.5), None);
    }

    #[test]
    fn every_metric_has_a_figure_of_its_own() {
        let mut names: Vec<&str> = FIGURES.iter().map(|it| figure(it.metric).name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), FIGURES.len());
    }
}
