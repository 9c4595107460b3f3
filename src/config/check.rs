//! Is a [`Config`] possible and free of contradictions? One line per fault.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;
use core::time::Duration;

use super::{BenefitRule, BenefitWeights, Config, Efficiency, MigrationLimits, Pace, Transfer};
use crate::model::bounds::{CELSIUS, MOST_AMOUNT, MOST_POINTS, MOST_SPAN, SPEEDS, exact};
use crate::model::time::Span;

/// One fault of a configuration: the field, its value, and what it must be. For the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}; it must be {must}")]
#[non_exhaustive]
pub struct ConfigError {
    /// The field, section first (`thresholds.high`), or the option.
    pub field: String,
    /// Its value, as printed.
    pub value: String,
    /// What it must be.
    pub must: String,
    /// The setting without which the field has no effect (`cost_benefit`); `None` if the value itself
    /// is the fault.
    pub needs: Option<String>,
}

impl ConfigError {
    pub(super) fn new(field: &str, value: &dyn fmt::Display, must: &str) -> Self {
        let (field, value, must) = (field.to_string(), value.to_string(), must.to_string());
        Self { field, value, must, needs: None }
    }

    /// A setting that nothing reads while `needs` is not set. `instead` says what it must be then.
    fn unread(field: &str, value: &dyn fmt::Display, needs: &str, instead: &str) -> Self {
        let must = alloc::format!("{instead} unless {needs} is set: nothing else reads it");
        Self { needs: Some(needs.to_string()), ..Self::new(field, value, &must) }
    }
}

/// All faults of a configuration, at least one; prints one sentence per line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct ConfigErrors(pub(super) Vec<ConfigError>);

impl ConfigErrors {
    /// The faults, in the order of the fields.
    pub fn faults(&self) -> &[ConfigError] {
        &self.0
    }
}

fn lines(faults: &[ConfigError]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

const SHARE: &str = "a number from 0 to 1";
const POINTS: &str = "a finite number from 0 up";
const SPAN: &str = "longer than 0s";
const UPGRADE: &str = "a finite number from 1 up";
const ABOVE_ZERO: &str = "a finite number above 0";
const MILLION: &str = "at most 1000000";
/// The most rounds that a setting may wait for.
const MOST_ROUNDS: u32 = 1_000_000;
/// The longest span of a setting, for a fault.
const LONGEST: &str = "at most 1000000000 seconds, about 32 years";

fn entries(count: usize) -> String {
    alloc::format!("{count} entries")
}

/// Collects faults; each method checks one sort of field.
#[derive(Default)]
struct Faults(Vec<ConfigError>);

impl Faults {
    fn need(&mut self, holds: bool, field: &str, value: &dyn fmt::Display, must: &str) {
        if !holds {
            self.0.push(ConfigError::new(field, value, must));
        }
    }

    /// A setting that is given must be read by something.
    fn read(&mut self, unread: bool, field: &str, value: f64, needs: &str, instead: &str) {
        if unread {
            self.0.push(ConfigError::unread(field, &value, needs, instead));
        }
    }

    /// A list has at most so many entries.
    fn no_more_than(&mut self, field: &str, count: usize, most: usize) {
        let (value, must) = (entries(count), alloc::format!("at most {}", entries(most)));
        self.need(count <= most, field, &value, &must);
    }

    fn share(&mut self, field: &str, value: f64) {
        self.need((0.0..=1.0).contains(&value), field, &value, SHARE);
    }

    fn points(&mut self, field: &str, value: f64) {
        let must = if value.is_finite() && value > MOST_POINTS { MILLION } else { POINTS };
        let most = if broken!("points_have_bounds") { f64::MAX } else { MOST_POINTS };
        self.need((0.0..=most).contains(&value), field, &exact(value), must);
    }

    /// A number above 0 that is in a range; `must` states the range.
    fn positive(&mut self, field: &str, value: f64, range: RangeInclusive<f64>, must: &str) {
        let must = if value.is_finite() && value > 0.0 { must } else { ABOVE_ZERO };
        self.need(value > 0.0 && range.contains(&value), field, &exact(value), must);
    }

    /// A span that may be zero.
    fn at_most(&mut self, field: &str, value: Duration) {
        let holds = value <= MOST_SPAN || broken!("spans_have_bounds");
        self.need(holds, field, &Span(value), LONGEST);
    }

    fn span(&mut self, field: &str, value: Duration) {
        self.need(value > Duration::ZERO, field, &Span(value), SPAN);
        self.at_most(field, value);
    }

    fn bounds(&mut self, field: &str, [least, most]: [f64; 2]) {
        let holds = 0.0 <= least && least <= most && most <= 1.0;
        let value = alloc::format!("{least} to {most}");
        self.need(holds, field, &value, "a rising pair of numbers from 0 to 1");
    }

    fn pace(&mut self, field: &str, pace: Pace) {
        self.points(&alloc::format!("{field}.imbalance_factor"), pace.imbalance_factor);
        self.points(&alloc::format!("{field}.least_net"), pace.least_net);
    }
}

impl Config {
    /// Checks every number and every pair of numbers that could contradict each other.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`]: all faults at once, one sentence each.
    ///
    /// ```
    /// use evenkeel::Config;
    /// let mut config = Config::default();
    /// config.thresholds.high = 1.5;
    /// assert_eq!(
    ///     config.check().unwrap_err().to_string(),
    ///     "thresholds.high is 1.5; it must be a number from 0 to 1"
    /// );
    /// ```
    pub fn check(&self) -> Result<(), ConfigErrors> {
        let mut faults = Faults::default();
        core_fields(self, &mut faults);
        adaptation(self, &mut faults);
        prediction(self, &mut faults);
        cost_benefit(self, &mut faults);
        other_sections(self, &mut faults);
        lists(self, &mut faults);
        unread(self, &mut faults);
        if faults.0.is_empty() { Ok(()) } else { Err(ConfigErrors(faults.0)) }
    }
}

fn core_fields(config: &Config, faults: &mut Faults) {
    let (interval, window) = (config.check_interval, config.performance_window);
    faults.span("check_interval", interval);
    let must = alloc::format!("at least one check_interval ({})", Span(interval));
    faults.need(window >= interval, "performance_window", &Span(window), &must);
    faults.at_most("performance_window", window);
    let thresholds = config.thresholds;
    faults.share("thresholds.high", thresholds.high);
    faults.share("thresholds.low", thresholds.low);
    let must = alloc::format!("below thresholds.high ({})", thresholds.high);
    // Written so that a threshold that is not a number is one fault, not two.
    let crossed = thresholds.low >= thresholds.high && thresholds.high <= 1.0;
    faults.need(!crossed, "thresholds.low", &thresholds.low, &must);
    faults.share("detection.imbalance", config.detection.imbalance);
    if let Some(spread) = config.detection.sufficient {
        faults.share("detection.sufficient", spread);
    }
    if let Some(spread) = config.detection.settled {
        faults.share("detection.settled", spread);
        let most = config.detection.sufficient.unwrap_or(1.0);
        let must = alloc::format!("at most detection.sufficient ({most})");
        // A value that is not a share is one fault, not two.
        let holds = !(0.0..=1.0).contains(&spread) || spread <= most || most.is_nan();
        faults.need(holds, "detection.settled", &spread, &must);
    }
    if let Some(margin) = config.detection.give_margin {
        faults.share("detection.give_margin", margin);
    }
}

/// Which settings differ from their default though nothing reads them?
fn unread(config: &Config, faults: &mut Faults) {
    if let (None, Some(hardware)) = (&config.cost_benefit, &config.hardware)
        && let Some(times) = hardware.upgrade
    {
        faults.read(true, "hardware.upgrade", times, "cost_benefit", "unset");
    }
    if let (None, Some(section)) = (&config.cost_benefit, &config.efficiency) {
        let usual = Efficiency::default();
        for (field, value, usual) in [
            ("efficiency.cool_celsius", section.cool_celsius, usual.cool_celsius),
            ("efficiency.hot_celsius", section.hot_celsius, usual.hot_celsius),
        ] {
            let unread = value.is_finite() && value.to_bits() != usual.to_bits();
            faults.read(unread, field, value, "cost_benefit", &alloc::format!("{usual}"));
        }
    }
    if let Some(section) = &config.cost_benefit
        && section.rule == BenefitRule::Difference
    {
        let (given, usual) = (&section.benefit, BenefitWeights::default());
        for (field, value, usual) in [
            ("cost_benefit.benefit.relief", given.relief, usual.relief),
            ("cost_benefit.benefit.full_size", given.full_size, usual.full_size),
        ] {
            let unread = value.is_finite() && value.to_bits() != usual.to_bits();
            let rule = "cost_benefit.rule = relief";
            faults.read(unread, field, value, rule, &alloc::format!("{usual}"));
        }
    }
}

/// Every list is read for every task or for every move, so that an endless one would stall a round.
fn lists(config: &Config, faults: &mut Faults) {
    let labels = config.scope.as_ref().map_or(0, |section| section.labels.len());
    faults.no_more_than("scope.labels", labels, 64);
    let rows = config.hardware.as_ref().map_or(0, |section| section.table.rows().len());
    faults.no_more_than("hardware.table", rows, 64);
    let budgets = config.migration.as_ref().map_or(0, |section| section.budgets.len());
    faults.no_more_than("migration.budgets", budgets, 64);
}

fn adaptation(config: &Config, faults: &mut Faults) {
    let Some(section) = &config.adaptation else { return };
    faults.share("adaptation.rate", section.rate);
    faults.share("adaptation.high_load", section.high_load);
    faults.share("adaptation.low_load", section.low_load);
    faults.points("adaptation.trend_slope", section.trend_slope);
    let must = alloc::format!("below adaptation.high_load ({})", section.high_load);
    let crossed = section.low_load >= section.high_load;
    faults.need(!crossed, "adaptation.low_load", &section.low_load, &must);
    faults.bounds("adaptation.high_bounds", section.high_bounds);
    faults.bounds("adaptation.low_bounds", section.low_bounds);
    faults.share("adaptation.separation", section.separation);
    let widest = section.high_bounds[1] - section.low_bounds[0];
    let must = alloc::format!("at most {widest}, or the bounds leave no room for it");
    // A value that is not a share is one fault, not two.
    let fits = !(0.0..=1.0).contains(&section.separation) || section.separation <= widest;
    faults.need(fits, "adaptation.separation", &section.separation, &must);
    faults.pace("adaptation.high_pace", section.high_pace);
    faults.pace("adaptation.low_pace", section.low_pace);
}

fn prediction(config: &Config, faults: &mut Faults) {
    let Some(section) = &config.prediction else { return };
    faults.span("prediction.window", section.window);
    let interval = config.check_interval;
    let must = alloc::format!("at least two check_intervals ({} each)", Span(interval));
    let enough = section.history >= interval.saturating_mul(2);
    faults.need(enough, "prediction.history", &Span(section.history), &must);
    faults.at_most("prediction.history", section.history);
    faults.share("prediction.confidence", section.confidence);
    faults.share("prediction.margin", section.margin);
    faults.share("prediction.imbalance", section.imbalance);
}

fn cost_benefit(config: &Config, faults: &mut Faults) {
    let Some(section) = &config.cost_benefit else { return };
    faults.share("cost_benefit.learning_rate", section.learning_rate);
    let cost = &section.cost;
    let (range, must) = (0.001..=MOST_SPAN.as_secs_f64(), "a number from 0.001 to 1000000000");
    let field = "cost_benefit.cost.seconds_per_point";
    faults.positive(field, cost.seconds_per_point, range, must);
    if let Some(longest) = section.max_running {
        faults.at_most("cost_benefit.max_running", longest);
    }
    let benefit = &section.benefit;
    for (field, points) in [
        ("cost.base", cost.base),
        ("cost.running_most", cost.running_most),
        ("cost.priority", cost.priority),
        ("cost.priority_most", cost.priority_most),
        ("cost.state_gib", cost.state_gib),
        ("cost.state_most", cost.state_most),
        ("cost.history_most", cost.history_most),
        ("benefit.utilization", benefit.utilization),
        ("benefit.relief", benefit.relief),
        ("benefit.full_size", benefit.full_size),
        ("benefit.hardware", benefit.hardware),
        ("benefit.memory", benefit.memory),
        ("benefit.energy", benefit.energy),
        ("benefit.thermal", benefit.thermal),
        ("benefit.packing", benefit.packing),
        ("benefit.success", benefit.success),
        ("benefit.health", benefit.health),
    ] {
        faults.points(&alloc::format!("cost_benefit.{field}"), points);
    }
}

fn transfer(section: &Transfer, faults: &mut Faults) {
    if let Some(bytes) = section.bandwidth_bytes_per_second {
        let field = "transfer.bandwidth_bytes_per_second";
        faults.positive(field, bytes, 0.0..=MOST_AMOUNT, "at most 2^64");
    }
    faults.at_most("transfer.checkpoint", section.checkpoint);
    faults.at_most("transfer.restart", section.restart);
    if let Some(horizon) = section.horizon {
        faults.span("transfer.horizon", horizon);
    }
}

fn migration(section: &MigrationLimits, faults: &mut Faults) {
    faults.span("migration.timeout", section.timeout);
    if let Some(share) = section.share_of_workers {
        faults.share("migration.share_of_workers", share);
    }
    if let Some(fairness) = &section.fairness {
        faults.span("migration.fairness.window", fairness.window);
    }
    if let Some(adaptive) = &section.adaptive {
        let must = alloc::format!("at most migration.adaptive.most ({})", adaptive.most);
        let holds = adaptive.least <= adaptive.most;
        faults.need(holds, "migration.adaptive.least", &adaptive.least, &must);
    }
    for (nth, budget) in section.budgets.iter().enumerate() {
        if let Some(per) = budget.per {
            faults.span(&alloc::format!("migration.budgets.{nth}.per"), per);
        }
    }
    if let Some(eviction) = section.host.eviction() {
        faults.span("migration.host.evict.back_off", eviction.back_off);
        let (most, least) = (eviction.back_off_most, eviction.back_off);
        let must = alloc::format!("at least migration.host.evict.back_off ({})", Span(least));
        faults.need(most >= least, "migration.host.evict.back_off_most", &Span(most), &must);
        faults.at_most("migration.host.evict.back_off_most", most);
    }
}

fn other_sections(config: &Config, faults: &mut Faults) {
    if let Some(section) = &config.hardware {
        faults.share("hardware.learning_rate", section.learning_rate);
        if let Some(times) = section.upgrade {
            let must = if times.is_finite() && times > MOST_POINTS { MILLION } else { UPGRADE };
            let holds = (1.0..=MOST_POINTS).contains(&times);
            faults.need(holds, "hardware.upgrade", &exact(times), must);
        }
        for row in section.table.rows() {
            let field = alloc::format!("hardware.table.{}.performance", row.hardware);
            let must = "a number from 0.000001 to 1000000";
            faults.positive(&field, row.performance, SPEEDS, must);
        }
    }
    if let Some(section) = &config.efficiency {
        let (cool, hot) = (section.cool_celsius, section.hot_celsius);
        let must = alloc::format!("below efficiency.hot_celsius ({hot})");
        for (field, celsius) in [("hot_celsius", hot), ("cool_celsius", cool)] {
            let (field, range) = (alloc::format!("efficiency.{field}"), CELSIUS);
            let must = "a number from -1000000 to 1000000";
            let must = if celsius.is_finite() { must } else { "a finite number" };
            faults.need(range.contains(&celsius), &field, &exact(celsius), must);
        }
        // A temperature that is no number is one fault, not two.
        let comparable = hot.is_finite() && cool.is_finite();
        faults.need(!comparable || cool < hot, "efficiency.cool_celsius", &cool, &must);
    }
    if let Some(section) = &config.migration {
        migration(section, faults);
    }
    if let Some(section) = &config.advice {
        faults.share("advice.keep_below", section.keep_below);
        faults.share("advice.slow", section.slow);
        faults.at_most("advice.patience", section.patience);
        faults.at_most("advice.patience_down", section.patience_down);
    }
    if let Some(section) = &config.transfer {
        transfer(section, faults);
    }
    if let Some(section) = &config.stability {
        faults.share("stability.dead_band", section.dead_band);
        faults.points("stability.noise_margin", section.noise_margin);
        let (lag, cooldown) = (section.telemetry_lag, section.cooldown);
        let must = alloc::format!("at most stability.cooldown ({})", Span(cooldown));
        faults.need(lag <= cooldown, "stability.telemetry_lag", &Span(lag), &must);
        faults.at_most("stability.cooldown", cooldown);
    }
    if let Some(section) = &config.grace {
        faults.at_most("grace.span", section.span);
        let holds = section.rounds <= MOST_ROUNDS;
        faults.need(holds, "grace.rounds", &section.rounds, MILLION);
    }
    if let Some(section) = &config.safeguard {
        faults.share("safeguard.missing_share", section.missing_share);
        faults.span("safeguard.believed_after", section.believed_after);
    }
    if let Some(section) = &config.calendar {
        faults.at_most("calendar.lead", section.lead);
    }
}
