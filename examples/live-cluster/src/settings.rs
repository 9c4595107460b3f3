//! From options to the engine's configuration.

use std::fs;
use std::path::Path;

use evenkeel::Config;

use crate::options::{Options, Policy};

/// The settings that these options ask for: a preset, then the file over it, then the switches.
///
/// The refusal is made of whole sentences, one per line and per fault.
pub(crate) fn settings(options: &Options) -> Result<Config, String> {
    let preset = match options.policy {
        Policy::Default | Policy::None => Config::default(),
        Policy::Fixed => Config::fixed(),
        Policy::Reference => Config::reference(),
    };
    let mut config = match &options.config {
        Some(file) => from_file(file, preset)?,
        None => preset,
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
    if options.policy == Policy::None {
        config.migration = None;
    }
    // The workers are processes of this host, which knows at once that one has died.
    config = config.without_grace().without_safeguard();
    if let Some(stability) = &mut config.stability {
        // Loads are means over one round; such a mean is half a round behind.
        stability.telemetry_lag = config.check_interval / 2;
    }
    Ok(config)
}

/// The same settings, but only watching: what the engine gets until there is something to compare with.
pub(crate) fn watching(config: &Config) -> Config {
    let mut config = config.clone();
    config.migration = None;
    config
}

/// A file with the specification's option names, put over a preset.
fn from_file(file: &Path, preset: Config) -> Result<Config, String> {
    let name = file.display();
    let text = fs::read_to_string(file).map_err(|fault| format!("--config {name}: {fault}"))?;
    let options: evenkeel::config::Options =
        serde_json::from_str(&text).map_err(|fault| format!("--config {name}: {fault}"))?;
    let told = |fault: &dyn std::fmt::Display| format!("--config {name}: {fault}");
    options.apply_to(preset).map_err(|faults| {
        let lines: Vec<String> = faults.faults().iter().map(|fault| told(fault)).collect();
        lines.join("\n")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn options(line: &str) -> Options {
        let words = format!("live-cluster {line}");
        Options::read(words.split_whitespace().map(str::to_owned)).expect("valid options")
    }

    fn of(line: &str) -> Config {
        settings(&options(line)).expect("valid settings")
    }

    /// Turns one section off.
    type Off = fn(&mut Config);

    #[test]
    fn every_switch_turns_off_its_section_and_no_other() {
        let all = of("");
        let off: [(&str, Off); 5] = [
            ("--disable-dynamic-thresholds", |config| config.adaptation = None),
            ("--disable-predictive-balancing", |config| config.prediction = None),
            ("--disable-cost-benefit-analysis", |config| {
                *config = config.clone().without_cost_benefit();
            }),
            ("--disable-hardware-specific-strategies", |config| config.hardware = None),
            ("--disable-resource-efficiency", |config| config.efficiency = None),
        ];
        for (switch, turn_off) in off {
            let mut expected = all.clone();
            turn_off(&mut expected);
            assert_eq!(of(switch), expected, "{switch}");
        }
    }

    #[test]
    fn presets_are_the_crates_own() {
        assert_eq!(of("--policy fixed"), Config::fixed());
        assert_eq!(of("--policy reference"), Config::reference());
        assert_eq!(of("--policy none"), watching(&of("")));
    }

    #[test]
    fn measurements_lag_half_a_round() {
        let stability = of("").stability.expect("it is on");
        assert_eq!(stability.telemetry_lag, Duration::from_secs(15));
    }

    #[test]
    fn a_file_is_put_over_the_preset_and_its_faults_are_told_one_by_one() {
        let file = std::env::temp_dir().join(format!("live-cluster-{}.json", std::process::id()));
        fs::write(&file, r#"{"check_interval": 10, "max_simultaneous_migrations": 3}"#)
            .expect("written");
        let line = format!("--config {}", file.display());
        assert_eq!(of(&line).check_interval, Duration::from_secs(10));
        fs::write(&file, r#"{"check_interval": -1, "utilization_threshold_high": 2}"#)
            .expect("written");
        let faults = settings(&options(&line)).expect_err("two faults");
        assert_eq!(faults.lines().count(), 2, "{faults}");
        assert!(faults.lines().all(|line| line.starts_with("--config ")), "{faults}");
        fs::remove_file(&file).expect("it was there");
    }
}
