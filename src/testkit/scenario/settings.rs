//! Settings by name: a preset, sections on or off, single fields.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::{Map, Value};

use super::words::{Parsed, pair, plain, span, unknown, valued};
use crate::config::{AdviceRules, Calendar, Config, ConfigErrors, Options, Transfer};
use crate::model::ratio::Ratio;

/// The sections that can be off.
const SECTIONS: [&str; 12] = [
    "adaptation",
    "prediction",
    "cost_benefit",
    "hardware",
    "efficiency",
    "migration",
    "stability",
    "grace",
    "safeguard",
    "calendar",
    "advice",
    "transfer",
];

/// A preset by its name.
pub(super) fn preset(name: &str) -> Parsed<Config> {
    match name {
        "fixed" => Ok(Config::fixed()),
        "reference" => Ok(Config::reference()),
        "default" => Ok(Config::default()),
        _ => Err(unknown(name, "preset: fixed, reference, default")),
    }
}

/// Changes `base` by words such as `preset=fixed`, `prediction=off`, `thresholds.high=0.8` or
/// `option.check_interval=10` (one of the specification's thirteen). What they give together may
/// still be impossible.
pub(super) fn change(base: &Config, words: &str) -> Parsed<Result<Config, ConfigErrors>> {
    let mut tree = tree(base)?;
    let mut options = Map::new();
    for word in words.split_whitespace() {
        let (key, value) = pair(word);
        let value = valued(key, value)?;
        if key == "preset" {
            tree = self::tree(&preset(value)?)?;
        } else if key == "preference" {
            let wish = Ratio::new(plain(value)?).map_err(|error| error.to_string())?;
            let config: Config = serde_json::from_value(tree).map_err(|error| error.to_string())?;
            tree = self::tree(&config.with_preference(wish))?;
        } else if let Some(option) = key.strip_prefix("option.") {
            options.insert(option.into(), read(value));
        } else if SECTIONS.contains(&key) {
            tree[key] = section(key, value)?;
        } else {
            set(&mut tree, key, read(value))?;
        }
    }
    let config: Config = serde_json::from_value(tree).map_err(|error| error.to_string())?;
    if options.is_empty() {
        return Ok(Ok(config));
    }
    let options: Options =
        serde_json::from_value(Value::Object(options)).map_err(|error| error.to_string())?;
    Ok(options.apply_to(config))
}

fn tree(config: &Config) -> Parsed<Value> {
    serde_json::to_value(config).map_err(|error| error.to_string())
}

fn value_of(section: &impl Serialize) -> Parsed<Value> {
    serde_json::to_value(section).map_err(|error| error.to_string())
}

/// A section switched off, or on with the values that the presets give it.
fn section(name: &str, value: &str) -> Parsed<Value> {
    match value {
        "off" => Ok(Value::Null),
        // Sections that no preset has, with their own defaults.
        "on" if name == "calendar" => value_of(&Calendar::default()),
        "on" if name == "advice" => value_of(&AdviceRules::default()),
        "on" if name == "transfer" => value_of(&Transfer::default()),
        "on" => Ok(tree(&Config::default())?[name].clone()),
        _ => Err(unknown(value, name)),
    }
}

/// A number, a switch, a list, a span of time (in seconds), or a word.
fn read(text: &str) -> Value {
    if let Ok(span) = span(text) {
        return span.as_secs_f64().into();
    }
    match text {
        "off" | "none" => Value::Null,
        _ => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.into())),
    }
}

fn set(tree: &mut Value, path: &str, value: Value) -> Parsed<()> {
    let mut place = tree;
    let mut walked: Vec<&str> = Vec::new();
    for name in path.split('.') {
        if place.is_null() {
            return Err(format!("section {} is off", walked.join(".")));
        }
        let fields = place.as_object_mut();
        let fields = fields.ok_or_else(|| -> String { unknown(path, "the configuration") })?;
        // What is left out unless it is set is not there yet; what is not known is found out later.
        let more = walked.len() + 1 < path.split('.').count();
        let empty = || if more { Value::Object(Map::new()) } else { Value::Null };
        place = fields.entry(name).or_insert_with(empty);
        walked.push(name);
    }
    *place = value;
    Ok(())
}
