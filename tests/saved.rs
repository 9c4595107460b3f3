//! What an earlier release has written still loads, and gives the same answers, byte for byte but for what
//! forecasts say: they have learned since (to widen their intervals, and to know the steps of our own moves).
//!
//! `tests/saved` holds, per preset: a config, a log of inputs, what came of each, the state as it was
//! after half of them, and the run log. Never write them anew: add others beside them. Where only the
//! fingerprints differ, a field that was added does not stand at the end of its struct.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;

use evenkeel::engine::{Input, Output};
use evenkeel::id::Epoch;
use evenkeel::shell::run_log::Line;
use evenkeel::shell::{MetricsSink, Recorder, WallClock};
use evenkeel::state::State;
use evenkeel::{Config, Engine};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const PRESETS: [&str; 3] = ["default", "reference", "fixed"];

fn saved(preset: &str, what: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/saved/{preset}.{what}"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads a text; written again, it is the same text.
fn reads<T: Serialize + DeserializeOwned>(text: &str) -> T {
    let value: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(serde_json::to_string(&value).unwrap(), text.trim_end());
    value
}

/// A text without what forecasts say, and without the fingerprint of the state that remembers it.
fn but_for_forecasts(text: &str) -> Value {
    fn strip(value: &mut Value) {
        if let Value::Object(fields) = value {
            fields.retain(|name, _| !["forecast", "judged"].contains(&name.as_str()));
            if let Some(Value::Object(prints)) = fields.get_mut("fingerprints") {
                prints.remove("state");
            }
            fields.values_mut().for_each(strip);
        }
    }
    let mut value = serde_json::from_str(text).unwrap();
    strip(&mut value);
    value
}

fn config(preset: &str) -> Config {
    reads(&saved(preset, "config.json"))
}

/// The log, line by line: what went in, and the text of what came out.
fn log(preset: &str) -> Vec<(Input, String)> {
    let (inputs, outputs) = (saved(preset, "inputs.jsonl"), saved(preset, "outputs.jsonl"));
    assert_eq!(inputs.lines().count(), outputs.lines().count());
    let both = inputs.lines().zip(outputs.lines());
    both.map(|(input, output)| (reads(input), output.to_string())).collect()
}

/// Applies inputs, each of which must give the text beside it.
fn answers(engine: &mut Engine, log: &[(Input, String)]) {
    for (nth, (input, said)) in log.iter().enumerate() {
        let output = engine.apply(input);
        let _: Output = reads(said);
        let says = serde_json::to_string(&output).unwrap();
        assert_eq!(but_for_forecasts(&says), but_for_forecasts(said), "line {}", nth + 1);
    }
}

#[test]
fn a_saved_log_gives_the_outputs_that_were_saved_with_it() {
    for preset in PRESETS {
        answers(&mut Engine::new(config(preset)).unwrap(), &log(preset));
    }
}

#[test]
fn a_saved_config_is_the_preset_that_it_was() {
    for (preset, config) in PRESETS.map(|preset| (preset, config(preset))) {
        let now = match preset {
            "reference" => Config::reference(),
            "fixed" => Config::fixed(),
            _ => Config::default(),
        };
        assert_eq!(config, now, "{preset}");
    }
}

#[test]
fn a_saved_state_goes_on_where_it_was_saved() {
    for preset in PRESETS {
        let state: State = reads(&saved(preset, "state.json"));
        let log = log(preset);
        let (epoch, half) = (state.epoch(), log.len() / 2);
        let mut engine = Engine::resume(config(preset), state.clone(), epoch).unwrap();
        answers(&mut engine, &log[half..]);
        // In a later life it keeps what is under way.
        let flying = state.in_flight();
        let later = Engine::resume(config(preset), state, Epoch::new(epoch.raw() + 1)).unwrap();
        assert_eq!(later.state().in_flight(), flying);
    }
}

#[test]
fn a_saved_run_log_reads_and_is_written_again_the_same() {
    for preset in PRESETS {
        let text = saved(preset, "run.jsonl");
        for line in text.lines() {
            let read: Line = reads(line);
            assert_ne!(read, Line::Unknown, "{line}");
        }
        let (config, mut lines) = (config(preset), Vec::new());
        let keep = |line: &Line| lines.push(serde_json::to_string(line).unwrap());
        let mut recorder = Recorder::new(preset, &config, WallClock::default(), keep);
        let mut engine = Engine::new(config.clone()).unwrap();
        for (input, _) in log(preset) {
            recorder.input(&input);
            match engine.apply(&input) {
                Output::Outcome(outcome) => recorder.record(&outcome),
                Output::Reply(reply) => recorder.ended(&reply.ended),
                Output::Stale(stale) => recorder.ended(&stale.ended),
                _ => {}
            }
        }
        recorder.finish();
        let lines: Vec<Value> = lines.iter().map(|line| but_for_forecasts(line)).collect();
        assert_eq!(lines, text.lines().map(but_for_forecasts).collect::<Vec<_>>(), "{preset}");
    }
}
