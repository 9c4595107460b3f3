//! What is one row of the specification's table `load_balancer_metrics`, with its JSON document?
//!
//! The table's `timestamp` is a wall-clock time. The engine knows none, so the host states where its
//! epoch lies on the wall clock ([`WallClock`]). The table's `id` is an `INTEGER PRIMARY KEY`: it is made
//! of the engine's epoch and the number of the round, so that it never repeats across restarts.

use alloc::string::String;

use serde::{Deserialize, Serialize, Serializer};

use crate::config::Config;
use crate::model::time::{Timestamp, seconds};
use crate::outcome::Outcome;

/// One row of the specification's table `load_balancer_metrics`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MetricsRow {
    /// `INTEGER PRIMARY KEY`: 2^20 x epoch + number of the round.
    pub id: i32,
    /// `TIMESTAMP`: `2026-11-21 08:51:13.000`, in UTC.
    pub timestamp: String,
    /// Average system-wide utilization, 0 to 1.
    pub system_load: f64,
    /// High threshold.
    pub threshold_high: f64,
    /// Low threshold.
    pub threshold_low: f64,
    /// Highest less lowest load, 0 to 1.
    pub imbalance_score: f64,
    /// Migrations begun in this round.
    pub migrations_initiated: u32,
    /// Migrations completed since the round before, those that the host reported in between
    /// included.
    pub migrations_successful: u32,
    /// Accuracy of earlier forecasts, 0 to 1; null before the first was due.
    pub prediction_accuracy: Option<f64>,
    /// `JSON`: everything else.
    pub metrics: MetricsDocument,
}

/// The `metrics` document of a [`MetricsRow`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MetricsDocument {
    /// Workers in the snapshot.
    pub worker_count: u32,
    /// Migrations under way after the round.
    pub active_migrations: u32,
    /// Thresholds as they are and as they were configured.
    pub thresholds: ThresholdMetrics,
    /// Migrations of this round.
    pub migrations: MigrationMetrics,
    /// Which features are on.
    pub features: FeatureFlags,
    /// The forecast.
    pub prediction: PredictionMetrics,
}

/// Thresholds as they are and as they were configured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ThresholdMetrics {
    /// High threshold.
    pub high: f64,
    /// Low threshold.
    pub low: f64,
    /// High threshold as configured.
    pub initial_high: f64,
    /// Low threshold as configured.
    pub initial_low: f64,
}

/// Migrations of one round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MigrationMetrics {
    /// How many began.
    pub initiated: u32,
    /// How many completed.
    pub successful: u32,
    /// The share of completed ones among those that ended, 0 to 1; null if none did.
    pub success_rate: Option<f64>,
}

/// Which of the five features are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "the specification's document has these five")]
#[non_exhaustive]
pub struct FeatureFlags {
    /// [`Config::adaptation`].
    pub dynamic_thresholds: bool,
    /// [`Config::prediction`].
    pub predictive_balancing: bool,
    /// [`Config::cost_benefit`].
    pub cost_benefit_analysis: bool,
    /// [`Config::hardware`].
    pub hardware_specific: bool,
    /// [`Config::efficiency`].
    pub resource_efficiency: bool,
}

/// The forecast in a [`MetricsDocument`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PredictionMetrics {
    /// Mean load now.
    pub current_load: f64,
    /// Mean load at the end of the window; null without a forecast.
    pub predicted_load: Option<f64>,
    /// The forecast's confidence, 0 to 1; null without a forecast.
    pub confidence: Option<f64>,
    /// The window in minutes, without a decimal point if whole; null if prediction is off.
    #[serde(serialize_with = "whole")]
    pub window_minutes: Option<f64>,
}

/// Where the host's epoch of [`Timestamp`]s lies on the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WallClock {
    /// The epoch, in milliseconds of Unix time; 0 if the host's timestamps are Unix time already.
    pub epoch_unix_millis: u64,
}

/// Why there is no row for an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowError {
    /// The table's 32-bit ids have run out: 2,047 epochs of 1,048,575 rounds each (a year at 30 s).
    #[error("round {tick} of {epoch} has no id left in a 32-bit column")]
    IdsSpent {
        /// The epoch.
        epoch: crate::id::Epoch,
        /// The round.
        tick: u64,
    },
}

/// Serde: `3` rather than `3.0`, as the specification's document has it.
#[expect(clippy::ref_option, reason = "the signature is serde's")]
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates, and the number is checked")]
fn whole<S: Serializer>(minutes: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    match minutes.map(|minutes| (minutes, minutes as i32)) {
        Some((minutes, whole)) if f64::from(whole).to_bits() == minutes.to_bits() => {
            Some(whole).serialize(to)
        }
        _ => minutes.serialize(to),
    }
}

/// Rounds per epoch that have ids.
const ROUNDS: u64 = 1 << 20;

impl MetricsRow {
    /// The row of one outcome, decided under `config`. Loads above 1 count as 1, since the table's
    /// columns range from 0 to 1; the load is 0 if none is known.
    ///
    /// # Errors
    ///
    /// [`RowError::IdsSpent`].
    pub fn new(outcome: &Outcome, config: &Config, clock: WallClock) -> Result<Self, RowError> {
        let load = outcome.load.map_or((0.0, 0.0), |load| (load.mean, load.spread()));
        let (system_load, imbalance_score) = (load.0.min(1.0), load.1.min(1.0));
        let migrations = migrations(outcome);
        let (now, initial) = (outcome.thresholds, config.thresholds);
        let forecast = outcome.forecast.as_ref();
        Ok(Self {
            id: id(outcome)?,
            timestamp: clock.show(outcome.at),
            system_load,
            threshold_high: now.high,
            threshold_low: now.low,
            imbalance_score,
            migrations_initiated: migrations.initiated,
            migrations_successful: migrations.successful,
            prediction_accuracy: forecast.and_then(|forecast| forecast.accuracy),
            metrics: MetricsDocument {
                worker_count: u32::try_from(outcome.workers.len()).unwrap_or(u32::MAX),
                active_migrations: outcome.in_flight,
                thresholds: ThresholdMetrics {
                    high: now.high,
                    low: now.low,
                    initial_high: initial.high,
                    initial_low: initial.low,
                },
                migrations,
                features: features(config),
                prediction: PredictionMetrics {
                    current_load: system_load,
                    predicted_load: forecast.map(|forecast| forecast.mean),
                    confidence: forecast.map(|forecast| forecast.confidence),
                    window_minutes: config.prediction.map(|it| seconds(it.window) / 60.0),
                },
            },
        })
    }
}

fn id(outcome: &Outcome) -> Result<i32, RowError> {
    let spent = RowError::IdsSpent { epoch: outcome.epoch, tick: outcome.tick };
    if outcome.tick >= ROUNDS {
        return Err(spent);
    }
    i32::try_from(u64::from(outcome.epoch.raw()) * ROUNDS + outcome.tick).map_err(|_| spent)
}

fn migrations(outcome: &Outcome) -> MigrationMetrics {
    let count = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    MigrationMetrics {
        initiated: count(outcome.counts.initiated),
        successful: count(outcome.counts.completed),
        success_rate: outcome.counts.success_rate(),
    }
}

const fn features(config: &Config) -> FeatureFlags {
    FeatureFlags {
        dynamic_thresholds: config.adaptation.is_some(),
        predictive_balancing: config.prediction.is_some(),
        cost_benefit_analysis: config.cost_benefit.is_some(),
        hardware_specific: config.hardware.is_some(),
        resource_efficiency: config.efficiency.is_some(),
    }
}

impl WallClock {
    /// A clock whose epoch is this many milliseconds of Unix time.
    pub const fn new(epoch_unix_millis: u64) -> Self {
        Self { epoch_unix_millis }
    }

    /// A moment as SQL writes it, in UTC: `2026-11-21 08:51:13.000`.
    ///
    /// ```
    /// use evenkeel::Timestamp;
    /// use evenkeel::shell::WallClock;
    /// let clock = WallClock::new(1_795_251_073_000);
    /// assert_eq!(clock.show(Timestamp::from_millis(500)), "2026-11-21 08:51:13.500");
    /// ```
    pub fn show(self, at: Timestamp) -> String {
        let millis = self.epoch_unix_millis.saturating_add(at.as_millis());
        let (days, of_day) = (millis / 86_400_000, millis % 86_400_000);
        let (year, month, day) = civil(days);
        let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
        let (second, milli) = (of_day / 1_000 % 60, of_day % 1_000);
        alloc::format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{milli:03}")
    }
}

/// The date this many days after 1970-01-01: Howard Hinnant's algorithm, which counts in eras of 400
/// years that begin in March.
const fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + (month <= 2) as u64;
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let show = |unix| WallClock::new(0).show(Timestamp::from_secs(unix));
        assert_eq!(show(0), "1970-01-01 00:00:00.000");
        assert_eq!(show(951_782_400), "2000-02-29 00:00:00.000");
        assert_eq!(show(4_107_542_399), "2100-02-28 23:59:59.000");
        assert_eq!(show(4_107_542_400), "2100-03-01 00:00:00.000");
    }
}
