//! The configuration of the policy `default`.

use std::fs;
use std::path::Path;

use evenkeel::Config;
use evenkeel::ratio::Ratio;
use serde_json::Value;

use crate::options::Options;

/// The crate's own, or the file instead; then the switches.
pub(crate) fn settings(options: &Options) -> Result<Config, String> {
    let mut config = match &options.config {
        Some(file) => from_file(file)?,
        None => Config::default(),
    };
    if options.disable_dynamic_thresholds {
        config.adaptation = None;
    }
    if options.disable_predictive_balancing {
        config.prediction = None;
    }
    if options.disable_cost_benefit_analysis {
        config = config.without_cost_benefit();
    }
    if options.disable_hardware_specific_strategies {
        config.hardware = None;
    }
    if options.disable_resource_efficiency {
        config.efficiency = None;
    }
    if let Some(preference) = options.preference {
        let told = |fault| format!("--preference {preference}: {fault}");
        config = config.with_preference(Ratio::new(preference).map_err(told)?);
    }
    Ok(config)
}

/// A whole configuration, or else the specification's options over the default.
fn from_file(file: &Path) -> Result<Config, String> {
    let told = |fault: String| {
        let lines = fault.lines().map(|line| format!("--config {}: {line}", file.display()));
        lines.collect::<Vec<String>>().join("\n")
    };
    let text = fs::read_to_string(file).map_err(|fault| told(fault.to_string()))?;
    match serde_json::from_str::<Config>(&text) {
        Ok(config) => {
            config.check().map_err(|faults| told(faults.to_string()))?;
            Ok(config)
        }
        // Only a whole configuration has sections.
        Err(fault) if has_sections(&text) => Err(told(fault.to_string())),
        Err(_) => {
            let options: evenkeel::config::Options =
                serde_json::from_str(&text).map_err(|fault| told(fault.to_string()))?;
            options.apply_to(Config::default()).map_err(|faults| told(faults.to_string()))
        }
    }
}

fn has_sections(text: &str) -> bool {
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    value.as_object().is_some_and(|fields| fields.values().any(Value::is_object))
}
