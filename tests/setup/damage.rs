//! Files that were damaged, or changed by hand: numbers, keys, references, lengths and orders that no engine writes.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// One change of a file.
#[derive(Clone, Debug)]
pub(crate) enum Damage {
    /// A number becomes another one.
    Number(Index, Value),
    /// A part becomes a copy of another part of the same kind: a reference to something else.
    Copy(Index, Index),
    /// An entry of a table moves under another key.
    Rekey(Index, Index),
    /// A list loses its end.
    Truncate(Index),
    /// A list is repeated.
    Repeat(Index),
    /// A list is turned round.
    Reverse(Index),
    /// A switch is turned.
    Turn(Index),
}

/// Numbers that are too large, too small, or just large enough.
fn numbers() -> impl Strategy<Value = Value> {
    let whole = select(vec![
        0,
        1,
        65_535,
        u64::from(u32::MAX),
        12_345_678_901_234,
        u64::MAX / 2,
        u64::MAX / 2 + 1,
        u64::MAX - 1,
        u64::MAX,
    ]);
    let real = select(vec![
        -1.0,
        0.5,
        12_345_678.123_456_7,
        1e-308,
        1e-10,
        1e-6,
        1e6,
        1.8e19,
        1e20,
        1e300,
        f64::MAX,
    ]);
    prop_oneof![whole.prop_map(|number| json!(number)), real.prop_map(|number| json!(number))]
}

/// A few changes.
pub(crate) fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let at = any::<Index>;
    let one = prop_oneof![
        6 => (at(), numbers()).prop_map(|(at, number)| Damage::Number(at, number)),
        4 => (at(), at()).prop_map(|(at, from)| Damage::Copy(at, from)),
        2 => (at(), at()).prop_map(|(at, key)| Damage::Rekey(at, key)),
        1 => at().prop_map(Damage::Truncate),
        2 => at().prop_map(Damage::Repeat),
        1 => at().prop_map(Damage::Reverse),
        1 => at().prop_map(Damage::Turn),
    ];
    vec(one, 1..6)
}

/// The places of all parts of a file for which `picks` holds, as pointers.
fn places(file: &Value, picks: &dyn Fn(&Value) -> bool) -> Vec<String> {
    let (mut found, mut open) = (Vec::new(), vec![(String::new(), file)]);
    while let Some((place, part)) = open.pop() {
        if picks(part) {
            found.push(place.clone());
        }
        match part {
            Value::Array(list) => {
                let parts = list.iter().enumerate();
                open.extend(parts.map(|(nth, part)| (format!("{place}/{nth}"), part)));
            }
            Value::Object(table) => {
                open.extend(table.iter().map(|(key, part)| (format!("{place}/{key}"), part)));
            }
            _ => {}
        }
    }
    found.sort();
    found
}

/// The part that an index picks among those for which `picks` holds.
fn pick<'a>(
    file: &'a mut Value,
    at: &Index,
    picks: &dyn Fn(&Value) -> bool,
) -> Option<&'a mut Value> {
    let places = places(file, picks);
    (!places.is_empty())
        .then(|| at.index(places.len()))
        .and_then(|nth| file.pointer_mut(&places[nth]))
}

fn is_list(part: &Value) -> bool {
    part.as_array().is_some_and(|list| !list.is_empty())
}

fn is_table(part: &Value) -> bool {
    part.as_object().is_some_and(|table| !table.is_empty())
}

/// Whether two parts are of one kind: two numbers, or two tables with the same fields, or two lists.
fn is_like(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => one.keys().eq(other.keys()),
        (Value::Array(_), Value::Array(_)) | (Value::Number(_), Value::Number(_)) => true,
        _ => false,
    }
}

impl Damage {
    /// Changes a file.
    pub(crate) fn apply(&self, file: &mut Value) {
        match self {
            Self::Number(at, number) => {
                pick(file, at, &Value::is_number)
                    .into_iter()
                    .for_each(|part| *part = number.clone());
            }
            Self::Copy(at, from) => {
                let is_part = |part: &Value| part.is_number() || is_table(part) || is_list(part);
                let Some(to) = pick(file, at, &is_part).cloned() else { return };
                let Some(from) = pick(file, from, &|part| is_like(part, &to)).cloned() else {
                    return;
                };
                pick(file, at, &is_part).into_iter().for_each(|part| *part = from.clone());
            }
            Self::Rekey(at, key) => {
                let Some(Value::Object(table)) = pick(file, at, &is_table) else { return };
                let keys: Vec<String> = table.keys().cloned().collect();
                let old = &keys[key.index(keys.len())];
                let Some(entry) = table.remove(old) else { return };
                let new = match old.parse::<u64>() {
                    Ok(number) => number.wrapping_add(1).to_string(),
                    Err(_) => old.clone(),
                };
                table.insert(new, entry);
            }
            Self::Truncate(at) => {
                let list = pick(file, at, &is_list).and_then(Value::as_array_mut);
                list.into_iter().for_each(|list| list.truncate(list.len() / 2));
            }
            Self::Repeat(at) => {
                let list = pick(file, at, &is_list).and_then(Value::as_array_mut);
                list.into_iter().for_each(|list| list.extend(list.clone()));
            }
            Self::Reverse(at) => {
                let list = pick(file, at, &is_list).and_then(Value::as_array_mut);
                list.into_iter().for_each(|list| list.reverse());
            }
            Self::Turn(at) => {
                let switch = pick(file, at, &Value::is_boolean);
                switch.into_iter().for_each(|part| *part = json!(part != &json!(true)));
            }
        }
    }
}
