//! Lines of text, as the pipe gets them from a host in another language: nothing that cannot be read is gone.

use evenkeel::engine::{Input, Output};
use evenkeel::shell::{JsonError, read_json};
use evenkeel::snapshot::{BadRecord, Coverage, Placement, Record, Stance};
use evenkeel::{Action, Config, Engine, Outcome, Snapshot, Task, TaskId, Worker, WorkerId};
use serde::Deserialize;
use serde_json::Value;

use crate::log::{ends_well, step};
use crate::target::Ran;

/// The longest sentence that somebody reads.
const LONGEST: usize = 600;
/// Lists and records inside each other that the reader still takes.
const DEEPEST: usize = 64;

/// Gives every line to the reader, and what it reads to the engine.
///
/// # Errors
///
/// The sentence of a finding.
pub(crate) fn play(bytes: &[u8]) -> Result<Ran, String> {
    let text = String::from_utf8_lossy(bytes);
    // A host that knows which workers are gone: nothing but its record keeps a worker.
    let config = Config::default().without_grace().without_safeguard();
    let mut engine =
        Engine::new(config).map_err(|error| format!("a preset is refused: {error}"))?;
    let mut ran = Ran { inputs: 0, bytes: text.len() };
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let input = match read_json::<Input>(line) {
            Ok(input) => input,
            Err(error) => {
                is_refused_rightly(line, &error)?;
                continue;
            }
        };
        if let Input::Tick(snapshot) = &input {
            is_kept(line, snapshot)?;
            reads_back(snapshot)?;
        }
        let output = step(&mut engine, &input, true)?;
        if let (Input::Tick(snapshot), Output::Outcome(outcome)) = (&input, &output) {
            is_left_alone(snapshot, outcome)?;
        }
        ran.inputs += 1;
    }
    ends_well(&engine)?;
    Ok(ran)
}

// ---------------------------------------------------------------- what is refused

/// Only a text that is no JSON, or is too deep, and a snapshot without a moment are lost as a whole.
fn is_refused_rightly(line: &str, error: &JsonError) -> Result<(), String> {
    let says = error.to_string();
    is_clear(&says)?;
    let Some(value) = plainly(line) else { return Ok(()) };
    match error {
        JsonError::Syntax { .. } if depth(line) <= DEEPEST => {
            Err(format!("the pipe refuses JSON: {says}"))
        }
        // A field that is given twice is seen once by the other reader.
        JsonError::Value { .. }
            if line.matches("\"tick\"").count() == 1
                && !says.contains("given twice")
                && has_moment(&value) =>
        {
            Err(format!("the pipe loses a snapshot: {says}"))
        }
        _ => Ok(()),
    }
}

/// Whether this is a snapshot with a moment, and nothing else.
fn has_moment(value: &Value) -> bool {
    let only = value.as_object().is_some_and(|doors| doors.len() == 1);
    only && value.get("tick").and_then(|tick| tick.get("at")).is_some_and(Value::is_u64)
}

/// How deep lists and records lie inside each other.
fn depth(line: &str) -> usize {
    let (mut depth, mut most) = (0_usize, 0);
    for piece in pieces(line).filter(|piece| !piece.starts_with('"')) {
        match piece {
            "{" | "[" => depth += 1,
            "}" | "]" => depth = depth.saturating_sub(1),
            _ => (),
        }
        most = most.max(depth);
    }
    most
}

// ---------------------------------------------------------------- what is kept

/// What another reader finds in the line, with a text in place of each number that JSON does not have.
fn plainly(line: &str) -> Option<Value> {
    let is_no_number = |piece: &str| {
        let is_number = piece.trim_start_matches('-').starts_with(|it: char| it.is_ascii_digit());
        let is_far = piece.parse().is_ok_and(|number: f64| !number.is_finite());
        is_number && is_far || ["NaN", "Infinity", "-Infinity"].contains(&piece)
    };
    let plain = |piece| match piece {
        // Minus zero is zero, and a whole number.
        "-0" => "0",
        piece if is_no_number(piece) => "\"?\"",
        piece => piece,
    };
    let text: String = pieces(line).map(plain).collect();
    serde_json::from_str(&text).ok()
}

/// Texts with their quotation marks, words and numbers, and every other character alone.
fn pieces(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let is_word = |letter: char| letter.is_ascii_alphanumeric() || "+-.".contains(letter);
        let end = if first == '"' {
            let mut is_escaped = false;
            let end = rest.char_indices().skip(1).find(|(_, letter)| {
                let ends = *letter == '"' && !is_escaped;
                is_escaped = *letter == '\\' && !is_escaped;
                ends
            });
            end.map_or(rest.len(), |(at, _)| at + 1)
        } else if is_word(first) {
            rest.find(|letter| !is_word(letter)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

/// Every worker and task is there that the line lists, and what is broken is named; if something cannot be named, the
/// snapshot is partial.
fn is_kept(line: &str, snapshot: &Snapshot) -> Result<(), String> {
    // The host may pass on sentences of its own.
    for bad in snapshot.bad_records().iter().filter(|_| !line.contains("\"must\"")) {
        is_clear(&bad.to_string())?;
    }
    if snapshot.coverage() == Coverage::Partial {
        return Ok(());
    }
    let Some(value) = plainly(line) else { return Ok(()) };
    let Some(tick) = value.get("tick") else { return Ok(()) };
    let bad = snapshot.bad_records();
    are_kept::<Worker>(tick.get("workers"), bad, |id| {
        let id = WorkerId::new(id);
        (snapshot.worker(id).is_some(), Record::Worker(id))
    })?;
    are_kept::<Task>(tick.get("tasks"), bad, |id| {
        let id = TaskId::new(id);
        (snapshot.task(id).is_some(), Record::Task(id))
    })
}

/// The same for one list.
fn are_kept<T: for<'a> Deserialize<'a>>(
    list: Option<&Value>,
    bad: &[BadRecord],
    find: impl Fn(u64) -> (bool, Record),
) -> Result<(), String> {
    let Some(list) = list else { return Ok(()) };
    let Some(list) = list.as_array() else {
        return Err(format!("the snapshot is complete, though its list is no list: {list}"));
    };
    for entry in list {
        let Some(id) = entry.get("id").and_then(Value::as_u64) else {
            return Err(format!("the snapshot is complete, though nobody can name {entry}"));
        };
        let (is_there, record) = find(id);
        if !is_there {
            return Err(format!("{record} is gone, though it is listed"));
        }
        if let Err(error) = T::deserialize(entry)
            && bad.iter().all(|bad| bad.record != record)
        {
            return Err(format!("{record} is broken, and no line says so: {error}"));
        }
    }
    Ok(())
}

/// One line of plain English, which names a value and what it must be.
fn is_clear(says: &str) -> Result<(), String> {
    let must = says.split("must be").last().unwrap_or_default();
    let words = ["struct ", "enum ", "invalid", "expected ", "u64", "f64", "variant `"];
    let rust = words.iter().find(|word| must.contains(**word));
    let fault = if says.chars().any(char::is_control) {
        "is more than one line"
    } else if says.chars().count() > LONGEST {
        "is too long"
    } else if rust.is_some() {
        "speaks of Rust"
    } else if !says.contains(" is ") {
        "says nothing"
    } else {
        return Ok(());
    };
    Err(format!("a sentence {fault}: {}", says.chars().take(2 * LONGEST).collect::<String>()))
}

/// A snapshot that was read with faults is written and read back the same.
fn reads_back(snapshot: &Snapshot) -> Result<(), String> {
    let text = serde_json::to_string(snapshot).map_err(|error| format!("a snapshot: {error}"))?;
    let again = read_json::<Snapshot>(&text).map_err(|error| format!("a snapshot: {error}"))?;
    let again = serde_json::to_string(&again).map_err(|error| format!("a snapshot: {error}"))?;
    if text == again { Ok(()) } else { Err(String::from("a snapshot reads back as another one")) }
}

// ---------------------------------------------------------------- what is done

/// Nothing begins with a task whose record is broken, and none is started while it runs on a worker that is listed.
fn is_left_alone(snapshot: &Snapshot, outcome: &Outcome) -> Result<(), String> {
    for command in outcome.begun() {
        let record = Record::Task(command.task);
        if snapshot.bad_records().iter().any(|bad| bad.record == record) {
            return Err(format!("a task with a broken record is moved: {command}"));
        }
        let Some(task) = snapshot.task(command.task) else { continue };
        let Placement::On(worker) = task.placement else { continue };
        let is_up = snapshot.worker(worker).is_some_and(|it| it.stance != Stance::Offline);
        if is_up && matches!(command.action, Action::Place { .. }) {
            return Err(format!("a task is started a second time: {command}"));
        }
    }
    Ok(())
}
