//! An input that is a log: settings, perhaps a saved state, and what happens then.

use evenkeel::engine::{Input, Output, ResumeError};
use evenkeel::id::Epoch;
use evenkeel::state::State;
use evenkeel::verify;
use evenkeel::{Config, Engine, Snapshot};
use serde_json::Value;

use crate::target::{Ran, Target};

/// At least so many inputs are given in one execution that counts.
pub(crate) const FEWEST: usize = 10;
/// How often a log goes round at most.
const MOST_TURNS: usize = 4;

/// Plays a log.
///
/// # Errors
///
/// The sentence of a finding.
pub(crate) fn play(target: Target, text: &[u8]) -> Result<Ran, String> {
    // A text that is no JSON, or is nested too deeply, is refused by its reader.
    let Ok(document) = serde_json::from_slice::<Value>(text) else { return Ok(Ran::unread(text)) };
    let config = document.get("config").cloned().unwrap_or_default();
    let config = serde_json::from_value::<Config>(config).unwrap_or_default();
    if let Ok(again) = serde_json::to_string(&config) {
        reads_back::<Config>("settings", &config, &again, config.check().is_ok())?;
    }
    let Some(mut engine) = begin(&document, &config) else { return Ok(Ran::unread(text)) };
    let Some(inputs) = document.get("inputs").and_then(Value::as_array) else {
        return Ok(Ran::unread(text));
    };
    let mut ran = Ran { inputs: 0, bytes: text.len() };
    // An input that its reader refuses is none: the log goes round, later by days, until there were enough.
    for (nth, input) in inputs.iter().cycle().take(MOST_TURNS * inputs.len()).enumerate() {
        if nth >= inputs.len() && ran.inputs >= FEWEST {
            break;
        }
        if target == Target::Config && nth == FEWEST / 2 {
            let _ = step(&mut engine, &Input::Reconfigure(Box::new(config.clone())), true)?;
            ran.inputs += 1;
        }
        let input = later(input.clone(), nth / inputs.len());
        let Ok(input) = serde_json::from_value::<Input>(input) else { continue };
        let _ = step(&mut engine, &input, target != Target::State)?;
        ran.inputs += 1;
    }
    ends_well(&engine)?;
    Ok(ran)
}

/// The same input so many turns of the log later.
fn later(mut input: Value, turns: usize) -> Value {
    for door in ["tick", "report"] {
        let at = input.get_mut(door).and_then(|input| input.get_mut("at"));
        if let Some((millis, at)) = at.and_then(|at| Some((at.as_u64()?, at))) {
            *at = millis.saturating_add(turns as u64 * 500_000_000).into();
        }
    }
    input
}

fn begin(document: &Value, config: &Config) -> Option<Engine> {
    let Some(state) = document.get("state") else {
        // Settings that are refused at the start are refused in the middle of the log, too.
        let engine = Engine::new(config.clone());
        return engine.or_else(|_| Engine::new(Config::default())).ok();
    };
    let state = serde_json::from_value::<State>(state.clone()).ok()?;
    // In the epoch of the state, or in the next one: both are allowed.
    let epoch = state.epoch().raw();
    let later = document.get("later").and_then(Value::as_bool).unwrap_or_default();
    let epoch = if later { epoch.saturating_add(1) } else { epoch };
    Engine::resume(config.clone(), state, Epoch::new(epoch)).ok()
}

/// One input, and what the verifier says of it.
pub(crate) fn step(engine: &mut Engine, input: &Input, is_judged: bool) -> Result<Output, String> {
    let output = match input {
        Input::Tick(snapshot) if is_judged => match verify::tick(engine, snapshot) {
            Ok((outcome, violations)) => match violations.first() {
                Some(violation) => return Err(format!("the verifier: {violation}")),
                None => Output::Outcome(Box::new(outcome)),
            },
            Err(stale) => Output::Stale(stale),
        },
        _ => engine.apply(input),
    };
    serde_json::to_string(&output).map_err(|error| format!("an output is no JSON: {error}"))?;
    if let Input::Tick(snapshot) = input {
        ask(engine, snapshot);
    }
    Ok(output)
}

/// Questions between rounds: they answer something.
fn ask(engine: &Engine, snapshot: &Snapshot) {
    let look = engine.look(snapshot);
    for task in snapshot.tasks().iter().take(2) {
        let _ = look.rank(task.id);
        for worker in snapshot.workers().iter().take(2) {
            let _ = look.consider(task.id, worker.id);
        }
    }
    let _ = (engine.outstanding(), engine.stats().to_string(), engine.fingerprints(snapshot));
}

/// What a host saves must be what it reads back, and an engine must go on from it.
pub(crate) fn ends_well(engine: &Engine) -> Result<(), String> {
    let text = serde_json::to_string(engine.state())
        .map_err(|error| format!("the state is no JSON: {error}"))?;
    reads_back::<State>("state", engine.state(), &text, true)?;
    let epoch = engine.state().epoch();
    let resume = |epoch| Engine::resume(engine.config().clone(), engine.state().clone(), epoch);
    let again = resume(epoch).or_else(|refusal| match refusal {
        ResumeError::NoIdsLeft { .. } => resume(Epoch::new(epoch.raw() + 1)),
        refusal => Err(refusal),
    });
    again.map_err(|error| format!("its own state is refused: {error}")).map(|_| ())
}

fn reads_back<T: serde::de::DeserializeOwned + PartialEq>(
    what: &str,
    value: &T,
    text: &str,
    must: bool,
) -> Result<(), String> {
    match serde_json::from_str::<T>(text) {
        _ if !must => Ok(()),
        Ok(read) if read == *value => Ok(()),
        Ok(_) => Err(format!("{what}: what is read back is something else")),
        Err(error) => Err(format!("{what}: cannot be read back: {error}")),
    }
}
