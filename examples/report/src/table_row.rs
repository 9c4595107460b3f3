//! Rows of the specification's metrics table, such as a database gives back: enough for the charts of load,
//! thresholds, migrations and accuracy.

use evenkeel::shell::MetricsRow;
use evenkeel::shell::run_log::RoundLine;
use serde_json::{from_slice, from_value, json};

/// The round that a row tells of, in seconds of Unix time.
pub(crate) fn round(line: &[u8]) -> serde_json::Result<RoundLine> {
    let row: MetricsRow = from_slice(line)?;
    let (mean, spread) = (row.system_load, row.imbalance_score);
    let completed = row.migrations_successful;
    let ended = match row.metrics.migrations.success_rate {
        Some(rate) if rate > 0.0 => f64::from(completed) / rate,
        _ => f64::from(completed),
    };
    let prediction = row.metrics.prediction;
    let forecast = prediction.predicted_load.map(|predicted| {
        json!({
            "horizon": prediction.window_minutes.unwrap_or(0.0) * 60.0, "mean": predicted, "spread": spread,
            "confidence": prediction.confidence.unwrap_or(0.0), "accuracy": row.prediction_accuracy, "workers": [],
        })
    });
    from_value(json!({
        "epoch": 0, "tick": row.id, "at": unix_seconds(&row.timestamp).map_err(serde::de::Error::custom)?,
        "load": { "mean": mean, "min": mean, "max": mean, "deviation": 0.0 }, "spread": spread,
        "thresholds": { "high": row.threshold_high, "low": row.threshold_low },
        "band": "normal", "trend": null, "adaptation_rate": 0.0, "balance": "", "uneven": false,
        "forecast": forecast, "judged": [], "workers": [], "hardware": [],
        "energy": { "watts": null, "joules": null }, "thermal": null, "scored": 0, "candidates": [],
        "refusals": [], "initiated": row.migrations_initiated, "completed": completed,
        "failed": (ended - f64::from(completed)).round() as u64, "in_flight": row.metrics.active_migrations,
    }))
}

/// Seconds of Unix time of a moment as SQL writes it, in UTC: `2026-11-21 08:51:13.000`.
fn unix_seconds(text: &str) -> Result<f64, String> {
    let numbers: Vec<f64> =
        text.split(['-', ' ', 'T', ':']).filter_map(|it| it.parse().ok()).collect();
    let [year, month, day, hour, minute, second] = numbers[..] else {
        return Err(format!("{text} is not a moment such as 2026-11-21 08:51:13.000"));
    };
    Ok(days(year, month, day) * 86_400.0 + hour * 3_600.0 + minute * 60.0 + second)
}

/// Days from 1970-01-01 to a date: Howard Hinnant's algorithm, in years that begin in March.
fn days(year: f64, month: f64, day: f64) -> f64 {
    let (year, month) = if month > 2.0 { (year, month - 3.0) } else { (year - 1.0, month + 9.0) };
    let leap = (year / 4.0).floor() - (year / 100.0).floor() + (year / 400.0).floor();
    365.0 * year + leap + ((153.0 * month + 2.0) / 5.0).floor() + day - 719_469.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_sql_writes_them() {
        assert_eq!(unix_seconds("1970-01-01 00:00:00.000"), Ok(0.0));
        assert_eq!(unix_seconds("2000-02-29 00:00:00"), Ok(951_782_400.0));
        assert_eq!(unix_seconds("2026-11-21 08:51:13.500"), Ok(1_795_251_073.5));
        assert!(unix_seconds("yesterday").is_err());
    }
}
