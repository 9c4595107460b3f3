//! What does Prometheus read about the engine?

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Display, Write};

use crate::model::ids::WorkerId;
use crate::model::time::seconds;
use crate::outcome::{Outcome, WorkerLoad};
use crate::state::Stats;

/// The state after a round in the text format of Prometheus (version 0.0.4). The host serves it under a
/// path of its choice.
///
/// Every name begins with `evenkeel_` and ends in its unit; a load is a ratio, 1 if the worker is full.
/// An unknown figure is left out. The label `worker` holds the name that `name` returns: two workers with
/// the same name are one to Prometheus. The counters start again from zero with a new state.
///
/// ```
/// use evenkeel::{Config, Engine, ResourceId, Snapshot, Timestamp, Worker, WorkerId};
/// use evenkeel::shell::prometheus;
///
/// let worker = Worker::new(WorkerId::new(1))
///     .with_capacity(ResourceId::CPU, 4.0)
///     .with_used(ResourceId::CPU, 3.0);
/// let mut engine = Engine::new(Config::default())?;
/// let outcome = engine.tick(&Snapshot::builder(Timestamp::from_secs(30)).worker(worker).build())?;
/// let text = prometheus(&outcome, &engine.stats(), |worker| format!("rack \"{worker}\""));
/// assert!(text.contains("\nevenkeel_worker_load_ratio{worker=\"rack \\\"w1\\\"\"} 0.75\n"));
/// assert!(text.contains("\n# TYPE evenkeel_migrations_initiated_total counter\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn prometheus(outcome: &Outcome, stats: &Stats, name: impl Fn(WorkerId) -> String) -> String {
    let mut page = Page(String::new());
    loads(&mut page, outcome);
    workers(&mut page, outcome, &name);
    migrations(&mut page, outcome, stats);
    page.0
}

fn loads(page: &mut Page, outcome: &Outcome) {
    let load = outcome.load;
    page.gauge("load_mean_ratio", "Mean load of the workers.", load.map(|it| it.mean));
    page.gauge("load_min_ratio", "Lowest load of a worker.", load.map(|it| it.min));
    page.gauge("load_max_ratio", "Highest load of a worker.", load.map(|it| it.max));
    let deviation = load.map(|it| it.deviation);
    page.gauge("load_deviation_ratio", "Sample standard deviation of the loads.", deviation);
    let slope = outcome.trend.map(|it| it.slope);
    page.gauge("load_trend_ratio", "Change of the mean load per round.", slope);
    let thresholds = outcome.thresholds;
    page.gauge("threshold_high_ratio", "Above it a worker is overloaded.", Some(thresholds.high));
    page.gauge("threshold_low_ratio", "Below it a worker is underloaded.", Some(thresholds.low));
    let uneven = f64::from(u8::from(outcome.balance.is_uneven()));
    page.gauge("uneven", "1 where loads are to be evened out, else 0.", Some(uneven));
    let ahead = outcome.forecast.as_ref();
    let horizon = ahead.map(|it| seconds(it.horizon));
    page.gauge("forecast_horizon_seconds", "How far the forecast looks ahead.", horizon);
    page.gauge("forecast_load_mean_ratio", "Mean load by then.", ahead.map(|it| it.mean));
    let spread = ahead.map(|it| it.spread);
    page.gauge("forecast_load_spread_ratio", "Highest less lowest load by then.", spread);
    let confidence = ahead.map(|it| it.confidence);
    page.gauge("forecast_confidence_ratio", "Confidence of the forecast.", confidence);
    let accuracy = ahead.and_then(|it| it.accuracy);
    page.gauge("forecast_accuracy_ratio", "Accuracy of forecasts that came due.", accuracy);
}

fn workers(page: &mut Page, outcome: &Outcome, name: &impl Fn(WorkerId) -> String) {
    let column = |of: fn(&WorkerLoad) -> Option<f64>| {
        let known = outcome.workers.iter().filter_map(|it| Some((name(it.worker), of(it)?)));
        known.collect::<Vec<_>>()
    };
    let reported = column(|it| it.reported.map(crate::ratio::Utilization::get));
    page.gauges("worker_load_ratio", "Load as reported.", "worker", &reported);
    let projected = column(|it| it.projected.map(crate::ratio::Utilization::get));
    let help = "Load with everything under way as if it had arrived.";
    page.gauges("worker_projected_load_ratio", help, "worker", &projected);
    let cut_up = outcome.fragmentation.iter().flat_map(|it| &it.workers);
    let cut_up: Vec<_> = cut_up.map(|it| (name(it.worker), it.share)).collect();
    if !cut_up.is_empty() {
        let help = "Share of free device memory that is not in the largest hole.";
        page.gauges("worker_device_fragmentation_ratio", help, "worker", &cut_up);
    }
    let foreseen = outcome.forecast.iter().flat_map(|it| &it.workers);
    let foreseen: Vec<_> = foreseen.map(|it| (name(it.worker), it.load)).collect();
    let help = "Load at the end of the forecast's horizon.";
    page.gauges("worker_forecast_load_ratio", help, "worker", &foreseen);
}

fn migrations(page: &mut Page, outcome: &Outcome, stats: &Stats) {
    let in_flight = Some(f64::from(outcome.in_flight));
    page.gauge("migrations_in_flight", "Migrations under way.", in_flight);
    let total = stats.total;
    page.counter("migrations_initiated_total", "Migrations begun.", total.initiated);
    page.counter("migrations_completed_total", "Migrations that ended well.", total.completed);
    page.counter("migrations_failed_total", "Migrations that ended otherwise.", total.failed);
    page.counter("rounds_total", "Balancing rounds.", outcome.tick);
    let refusals = outcome.tally.refusals.iter();
    let refusals: Vec<_> = refusals.map(|it| (it.name(), f64::from(it.count))).collect();
    let help = "What the last round considered and refused, by reason.";
    page.gauges("refusals", help, "reason", &refusals);
    let at = outcome.at.as_millis() as f64 / 1e3;
    page.gauge("last_round_seconds", "When the last round was, on the host's clock.", Some(at));
}

/// A page in the making.
struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.head(name, help, "gauge");
            self.say(format_args!("evenkeel_{name} {value}\n"));
        }
    }

    fn gauges(&mut self, name: &str, help: &str, label: &str, rows: &[(impl Display, f64)]) {
        if !rows.is_empty() {
            self.head(name, help, "gauge");
        }
        for (row, value) in rows {
            self.say(format_args!("evenkeel_{name}{{{label}=\""));
            // The row becomes the value of a label, and is escaped.
            let _always = write!(Label(&mut self.0), "{row}");
            self.say(format_args!("\"}} {value}\n"));
        }
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "counter");
        self.say(format_args!("evenkeel_{name} {value}\n"));
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.say(format_args!("# HELP evenkeel_{name} {help}\n# TYPE evenkeel_{name} {kind}\n"));
    }

    fn say(&mut self, text: fmt::Arguments<'_>) {
        // A string takes whatever is written to it.
        let _always = self.0.write_fmt(text);
    }
}

/// The value of a label: backslashes, quotes and line ends are escaped.
struct Label<'a>(&'a mut String);

impl Write for Label<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            match letter {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}
