//! How does a file set the specification's thirteen options?

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU32;
use core::time::Duration;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{Config, ConfigError, ConfigErrors};
use crate::model::resource::whole;

/// A file with the specification's option names, read but not yet checked.
///
/// It deserialises from any self-describing format (JSON, TOML, ...). An option that is left out keeps
/// the value of the base configuration. All faults are reported at once.
///
/// ```
/// use evenkeel::Config;
/// use evenkeel::config::Options;
/// let options: Options =
///     serde_json::from_str(r#"{"check_interval": 10, "enable_predictive_balancing": false}"#)?;
/// let config = options.apply_to(Config::default())?;
/// assert_eq!(config.check_interval.as_secs(), 10);
/// assert!(config.prediction.is_none());
///
/// let options: Options =
///     serde_json::from_str(r#"{"chekc_interval": 10, "threshold_adjustment_rate": 5}"#)?;
/// let faults = options.apply_to(Config::default()).unwrap_err();
/// assert_eq!(
///     faults.to_string(),
///     "chekc_interval is 10; it must be one of the 13 options (did you mean check_interval?)\n\
///      threshold_adjustment_rate is 5; it must be a number from 0 to 1"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    entries: BTreeMap<String, Setting>,
}

/// A value in the file, of any type.
#[derive(Clone, Debug, PartialEq)]
enum Setting {
    Switch(bool),
    Number(f64),
    Other(String),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(on) => write!(f, "{on}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// The option names, in the order of the specification's table.
const NAMES: [&str; 13] = [
    "check_interval",
    "utilization_threshold_high",
    "utilization_threshold_low",
    "performance_window",
    "enable_task_migration",
    "max_simultaneous_migrations",
    "enable_dynamic_thresholds",
    "enable_predictive_balancing",
    "enable_cost_benefit_analysis",
    "enable_hardware_specific_strategies",
    "enable_resource_efficiency",
    "threshold_adjustment_rate",
    "prediction_window",
];

impl Options {
    /// The configuration `base` with the options of the file; options that the file leaves out keep
    /// their values.
    ///
    /// A switch that is off removes its section; the numbers of that section are checked all the same.
    /// A switch that is on adds the specification's section if `base` has none.
    /// `max_simultaneous_migrations` is a hard limit: it removes `share_of_workers` and `per_giver`,
    /// which would raise it.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`]: unknown names, values of the wrong type or out of range, and
    /// contradictions between options, all at once.
    pub fn apply_to(&self, base: Config) -> Result<Config, ConfigErrors> {
        let mut config = base;
        let mut reader = Reader { entries: &self.entries, faults: Vec::new() };
        reader.unknown_names();
        let switches = reader.switches();
        switches.turn_on(&mut config);
        reader.numbers(&mut config);
        switches.turn_off(&mut config);
        reader.contradictions(&config);
        if reader.faults.is_empty() {
            config.check()?;
            return Ok(config);
        }
        Err(ConfigErrors(reader.faults))
    }
}

struct Reader<'a> {
    entries: &'a BTreeMap<String, Setting>,
    faults: Vec<ConfigError>,
}

impl Reader<'_> {
    fn unknown_names(&mut self) {
        for (name, value) in self.entries.iter().filter(|(name, _)| !NAMES.contains(&name.as_str()))
        {
            let must = match nearest(name) {
                Some(near) => format!("one of the 13 options (did you mean {near}?)"),
                None => "one of the 13 options".to_string(),
            };
            self.faults.push(ConfigError::new(name, value, &must));
        }
    }

    /// The number of this option; `None` if the option is absent, no number, or out of range.
    fn number(&mut self, name: &str, holds: impl Fn(f64) -> bool, must: &str) -> Option<f64> {
        match self.entries.get(name)? {
            Setting::Number(number) if holds(*number) => Some(*number),
            value => {
                self.faults.push(ConfigError::new(name, value, must));
                None
            }
        }
    }

    fn share(&mut self, name: &str) -> Option<f64> {
        self.number(name, |share| (0.0..=1.0).contains(&share), "a number from 0 to 1")
    }

    /// A span of `unit` seconds each.
    fn span(&mut self, name: &str, unit: f64, must: &str) -> Option<Duration> {
        let most = if unit > 1.0 { 1e7 } else { 1e9 };
        let holds = |span: f64| span > 0.0 && span <= most;
        let number = self.number(name, holds, must)?;
        Duration::try_from_secs_f64(number * unit).ok()
    }

    fn numbers(&mut self, config: &mut Config) {
        const SECONDS: &str = "a number of seconds above 0, at most 1e9";
        const MINUTES: &str = "a number of minutes above 0, at most 1e7";
        if let Some(interval) = self.span("check_interval", 1.0, SECONDS) {
            config.check_interval = interval;
        }
        if let Some(high) = self.share("utilization_threshold_high") {
            config.thresholds.high = high;
        }
        if let Some(low) = self.share("utilization_threshold_low") {
            config.thresholds.low = low;
        }
        if let Some(window) = self.span("performance_window", 60.0, MINUTES) {
            config.performance_window = window;
        }
        let holds = |count: f64| (1.0..=4e9).contains(&count) && libm::floor(count) >= count;
        let must = "a whole number from 1 up";
        if let Some(most) = self.number("max_simultaneous_migrations", holds, must)
            && let Some(limits) = &mut config.migration
        {
            limits.max_simultaneous = count(most);
            // The operator's number is a hard limit: nothing raises it.
            (limits.share_of_workers, limits.per_giver) = (None, None);
        }
        if let Some(rate) = self.share("threshold_adjustment_rate")
            && let Some(adaptation) = &mut config.adaptation
        {
            adaptation.rate = rate;
        }
        if let Some(window) = self.span("prediction_window", 60.0, MINUTES)
            && let Some(prediction) = &mut config.prediction
        {
            prediction.window = window;
        }
    }

    /// Options that are each possible alone but not together.
    fn contradictions(&mut self, config: &Config) {
        let seconds = |span: Duration| span.as_secs_f64();
        let (high, low) = (config.thresholds.high, config.thresholds.low);
        if low >= high {
            let must = format!("below utilization_threshold_high ({high})");
            self.faults.push(ConfigError::new("utilization_threshold_low", &low, &must));
        }
        let (window, interval) =
            (seconds(config.performance_window), seconds(config.check_interval));
        if window < interval {
            let must = format!("at least one check_interval ({} min)", interval / 60.0);
            self.faults.push(ConfigError::new("performance_window", &(window / 60.0), &must));
        }
        let history = config.prediction.map(|section| seconds(section.history));
        if history.is_some_and(|history| window >= interval && history < 2.0 * interval) {
            let must = "at most 300 s while predictive balancing looks 600 s back";
            self.faults.push(ConfigError::new("check_interval", &interval, must));
        }
    }

    /// The value of a switch; `None` if the file does not name it.
    fn switch(&mut self, name: &str) -> Option<bool> {
        match self.entries.get(name)? {
            Setting::Switch(on) => Some(*on),
            value => {
                self.faults.push(ConfigError::new(name, value, "true or false"));
                None
            }
        }
    }

    fn switches(&mut self) -> Switches {
        Switches {
            migration: self.switch("enable_task_migration"),
            adaptation: self.switch("enable_dynamic_thresholds"),
            prediction: self.switch("enable_predictive_balancing"),
            cost_benefit: self.switch("enable_cost_benefit_analysis"),
            hardware: self.switch("enable_hardware_specific_strategies"),
            efficiency: self.switch("enable_resource_efficiency"),
        }
    }
}

/// The six switches, as far as the file names them.
struct Switches {
    migration: Option<bool>,
    adaptation: Option<bool>,
    prediction: Option<bool>,
    cost_benefit: Option<bool>,
    hardware: Option<bool>,
    efficiency: Option<bool>,
}

impl Switches {
    /// Adds the sections that are switched on and missing.
    fn turn_on(&self, config: &mut Config) {
        fn on<T: Default>(switch: Option<bool>, section: &mut Option<T>) {
            if switch == Some(true) {
                section.get_or_insert_default();
            }
        }
        on(self.migration, &mut config.migration);
        on(self.adaptation, &mut config.adaptation);
        on(self.prediction, &mut config.prediction);
        on(self.cost_benefit, &mut config.cost_benefit);
        on(self.hardware, &mut config.hardware);
        on(self.efficiency, &mut config.efficiency);
    }

    /// Removes the sections that are switched off.
    fn turn_off(&self, config: &mut Config) {
        fn off<T>(switch: Option<bool>, section: &mut Option<T>) {
            if switch == Some(false) {
                *section = None;
            }
        }
        off(self.migration, &mut config.migration);
        off(self.adaptation, &mut config.adaptation);
        off(self.prediction, &mut config.prediction);
        off(self.cost_benefit, &mut config.cost_benefit);
        if let Some(hardware) =
            config.hardware.as_mut().filter(|_| self.cost_benefit == Some(false))
        {
            // No option names it, and nothing reads it without the section.
            hardware.upgrade = None;
        }
        off(self.hardware, &mut config.hardware);
        off(self.efficiency, &mut config.efficiency);
    }
}

/// A whole number that has been checked.
fn count(number: f64) -> NonZeroU32 {
    let count = u32::try_from(whole(number)).unwrap_or(u32::MAX);
    NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN)
}

/// The option whose name is most similar, compared letter by letter from both ends; `None` if fewer than two
/// thirds of the letters agree.
fn nearest(name: &str) -> Option<&'static str> {
    let shared = |option: &str| {
        let front = name.bytes().zip(option.bytes()).take_while(|(a, b)| a == b).count();
        let rest = (name.len().min(option.len())) - front;
        let back = name.bytes().rev().zip(option.bytes().rev()).take(rest);
        front + back.take_while(|(a, b)| a == b).count()
    };
    let best = NAMES.into_iter().max_by_key(|option| shared(option))?;
    (shared(best) * 3 >= best.len().max(name.len()) * 2).then_some(best)
}

impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(from).map(|entries| Self { entries })
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(SettingVisitor)
    }
}

struct SettingVisitor;

impl<'de> Visitor<'de> for SettingVisitor {
    type Value = Setting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, on: bool) -> Result<Setting, E> {
        Ok(Setting::Switch(on))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Setting, E> {
        Ok(Setting::Number(number as f64))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Setting, E> {
        Ok(Setting::Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Setting, E> {
        Ok(Setting::Number(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Setting, E> {
        Ok(Setting::Other(format!("\"{text}\"")))
    }

    fn visit_unit<E>(self) -> Result<Setting, E> {
        Ok(Setting::Other("empty".to_string()))
    }

    fn visit_none<E>(self) -> Result<Setting, E> {
        Ok(Setting::Other("empty".to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Setting, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Setting::Other("a list".to_string()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<Setting, A::Error> {
        while table.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Setting::Other("a table".to_string()))
    }
}
