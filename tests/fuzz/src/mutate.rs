//! How does one input become another, slightly wrong one?

use serde_json::{Map, Number, Value, json};

use crate::dice::Dice;

/// Numbers that have broken something somewhere.
const NUMBERS: &[&str] = &[
    "0",
    "-0.0",
    "1",
    "-1",
    "2",
    "0.5",
    "-0.5",
    "1e-308",
    "5e-324",
    "1e308",
    "-1e308",
    "1e300",
    "1e16",
    "255",
    "256",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551614",
];

/// Words of our formats, and words that have no business there.
const WORDS: &[&str] =
    &["", "NaN", "inf", "null", "w1", "t1", "m0.1", "1", "-1", "accept", "drain", "\u{0}", "é"];

/// Changes a document in a few places.
pub(crate) fn document(value: &mut Value, dice: &mut Dice) {
    let times = dice.pick(&[1, 1, 1, 2, 2, 3, 5, 12]).unwrap_or(1);
    for _ in 0..times {
        let donor = nth(value, &mut dice.below(count(value))).cloned().unwrap_or_default();
        let mut at = dice.below(count(value));
        if let Some(node) = nth_mut(value, &mut at) {
            spoil(node, donor, dice);
        }
    }
}

/// Changes a document in a few places where every value keeps its type, so that its reader may take it.
pub(crate) fn figures(value: &mut Value, dice: &mut Dice) {
    let times = dice.pick(&[1, 1, 2, 3, 5]).unwrap_or(1);
    for _ in 0..times {
        // Of each part equally often: a part of many values would be changed nearly every time.
        let parts = children(value).count();
        let from = dice.below(parts);
        let part = match value {
            Value::Object(fields) => fields.values_mut().nth(from),
            Value::Array(values) => values.get_mut(from),
            _ => None,
        };
        let Some(part) = part else { return };
        let mut at = dice.below(count(part));
        if let Some(node) = nth_mut(part, &mut at) {
            figure(node, dice);
        }
    }
}

/// Another value of the same type.
fn figure(node: &mut Value, dice: &mut Dice) {
    match node {
        Value::Number(number) => *node = same_type(number, dice),
        Value::Bool(value) => *value = !*value,
        Value::Null | Value::String(_) => (),
        Value::Array(values) => {
            if let Some(value) = dice.pick(values) {
                list(values, value, dice);
            }
        }
        Value::Object(fields) => {
            let names: Vec<String> = fields.keys().cloned().collect();
            let Some(name) = dice.pick(&names) else { return };
            if name.bytes().all(|letter| letter.is_ascii_digit()) {
                let value = fields.get(&name).cloned().unwrap_or_default();
                if dice.chance(50) {
                    fields.remove(&name);
                }
                let key = dice.pick(&["0", "1", "2", "3", "7", "9", "18446744073709551615"]);
                fields.insert(key.unwrap_or_default().to_owned(), value);
            } else if let Some(value) = fields.get_mut(&name) {
                figure(value, dice);
            }
        }
    }
}

fn same_type(before: &Number, dice: &mut Dice) -> Value {
    if let Some(whole) = before.as_u64() {
        let near =
            [whole.wrapping_add(1), whole.wrapping_sub(1), whole / 2, whole.saturating_mul(1_000)];
        let far = [0, 1, 2, 60, u64::from(u32::MAX), 1 << 62, 1 << 63, u64::MAX - 1, u64::MAX];
        let from: &[u64] = if dice.chance(50) { &near } else { &far };
        return json!(dice.pick(from).unwrap_or_default());
    }
    let float = before.as_f64().unwrap_or_default();
    let near = [-float, float + 1.0, float * 1e12, float * 1e-12, float / 2.0];
    let far = [0.0, -0.0, 1.0, -1.0, 5e-324, 1e-308, 1e16, 1e308, -1e308];
    let from: &[f64] = if dice.chance(50) { &near } else { &far };
    json!(dice.pick(from).unwrap_or_default())
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(values) => Box::new(values.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        _ => Box::new(std::iter::empty()),
    }
}

fn count(value: &Value) -> usize {
    1 + children(value).map(count).sum::<usize>()
}

fn nth<'a>(value: &'a Value, at: &mut usize) -> Option<&'a Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    children(value).find_map(|child| nth(child, at))
}

fn nth_mut<'a>(value: &'a mut Value, at: &mut usize) -> Option<&'a mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(values) => values.iter_mut().find_map(|child| nth_mut(child, at)),
        Value::Object(fields) => fields.values_mut().find_map(|child| nth_mut(child, at)),
        _ => None,
    }
}

/// Spoils one place. `donor` is another place of the same document.
fn spoil(node: &mut Value, donor: Value, dice: &mut Dice) {
    match (dice.below(10), &mut *node) {
        (0, _) => *node = donor,
        (1, _) => *node = stranger(dice),
        (_, Value::Number(number)) => *node = near(number, dice),
        (_, Value::String(text)) => dice.pick(WORDS).unwrap_or_default().clone_into(text),
        (_, Value::Bool(value)) => *value = !*value,
        (_, Value::Null) => *node = number(dice),
        (_, Value::Array(values)) => list(values, donor, dice),
        (_, Value::Object(fields)) => record(fields, donor, dice),
    }
}

/// Something of another type.
fn stranger(dice: &mut Dice) -> Value {
    match dice.below(7) {
        0 => Value::Null,
        1 => json!([]),
        2 => json!({}),
        3 => json!(true),
        4 => json!(dice.pick(WORDS).unwrap_or_default()),
        5 => (0..=dice.below(100)).fold(json!(0), |nested, _| json!([nested])),
        _ => number(dice),
    }
}

fn number(dice: &mut Dice) -> Value {
    let text = dice.pick(NUMBERS).unwrap_or("0");
    serde_json::from_str(text).unwrap_or_default()
}

/// A number not far from this one, or an extreme one.
fn near(before: &Number, dice: &mut Dice) -> Value {
    let float = before.as_f64().unwrap_or_default();
    match (dice.below(6), before.as_u64()) {
        (0, Some(whole)) => json!(whole.wrapping_add(1)),
        (1, Some(whole)) => json!(whole.wrapping_sub(1)),
        (2, Some(whole)) => json!(whole / 2),
        (3, Some(whole)) => json!(whole.saturating_mul(1_000)),
        (0, None) => json!(-float),
        (1, None) => json!(float * 1e12),
        (2, None) => json!(float * 1e-12),
        (3, None) => json!(float + 1.0),
        _ => number(dice),
    }
}

fn list(values: &mut Vec<Value>, donor: Value, dice: &mut Dice) {
    let (at, other) = (dice.below(values.len()), dice.below(values.len()));
    match dice.below(6) {
        _ if values.is_empty() => values.push(donor),
        0 => drop(values.remove(at)),
        1 => values.insert(at, values[other].clone()),
        2 => values.swap(at, other),
        3 => values.insert(at, donor),
        4 => values.truncate(at),
        _ => {
            let (times, again) = (dice.pick(&[2, 8, 64]).unwrap_or(2), values[at].clone());
            values.extend(std::iter::repeat_n(again, times));
        }
    }
}

fn record(fields: &mut Map<String, Value>, donor: Value, dice: &mut Dice) {
    let names: Vec<String> = fields.keys().cloned().collect();
    let Some(name) = dice.pick(&names) else {
        fields.insert(dice.pick(WORDS).unwrap_or_default().to_owned(), donor);
        return;
    };
    match dice.below(5) {
        0 => drop(fields.remove(&name)),
        1 => drop(fields.insert(name, donor)),
        2 => {
            let other = dice.pick(&names).and_then(|other| fields.get(&other).cloned());
            fields.insert(name, other.unwrap_or_default());
        }
        3 => {
            // Keys are ids too: the record then stands under an id that is not its own.
            let value = fields.remove(&name).unwrap_or_default();
            let key = dice.pick(&["0", "1", "2", "7", "18446744073709551615", "x"]);
            fields.insert(key.unwrap_or_default().to_owned(), value);
        }
        _ => {
            let value = fields.get(&name).cloned().unwrap_or_default();
            fields.insert((1 + dice.below(9)).to_string(), value);
        }
    }
}

/// Values that other programs write and JSON may not have.
const RAW: &[&str] = &[
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "1e-400",
    "-0",
    "2.5",
    "18446744073709551616",
    "null",
    "true",
    "{}",
    "[]",
    "[7]",
    "{\"on\":2}",
    "\"\"",
    "\"north\"",
    "\"a\\nb\"",
    "\"\\ud800\"",
];

/// Fields that a record may get once more, or that have no business there.
const FIELDS: &[&str] = &[
    "\"id\":7",
    "\"at\":1",
    "\"workers\":[]",
    "\"tasks\":5",
    "\"coverage\":\"most\"",
    "\"zone\":\"north\"",
    "\"stance\":\"asleep\"",
    "\"used\":{\"cpu\":NaN}",
    "\"used\":{\"\\n\":\"x\"}",
    "\"demand\":{\"cpu\":\"two\",\"memory\":1e400}",
    "\"placement\":{\"on\":\"home\"}",
    "\"priority\":1000",
    "\"devices\":[{\"memory_bytes\":5}]",
    "\"alternatives\":[{\"speed\":Infinity}]",
    "\"labels\":4",
    "\"freezes\":[{\"scope\":\"al\",\"until\":9}]",
    "\"groups\":[{\"id\":1,\"rule\":\"apart?\",\"members\":[1,2]}]",
    "\"strange\":NaN",
];

/// Changes a few lines of JSON: records, letters, and which lines there are.
pub(crate) fn lines(text: &str, dice: &mut Dice) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=dice.below(4) {
        let (at, from) = (dice.below(lines.len()), dice.below(lines.len()));
        match dice.below(12) {
            _ if lines.is_empty() => lines.push(String::from("{}")),
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[from].clone()),
            2 => lines.swap(at, from),
            3 => {
                let mut letters = lines[at].clone().into_bytes();
                bytes(&mut letters, dice);
                lines[at] = String::from_utf8_lossy(&letters).replace('\n', " ");
            }
            4..=6 => {
                if let Ok(mut value) = serde_json::from_str::<Value>(&lines[at]) {
                    document(&mut value, dice);
                    lines[at] = value.to_string();
                }
            }
            _ => lines[at] = raw(&lines[at], dice),
        }
    }
    lines.join("\n")
}

/// Puts a value that JSON may not have in the place of another, or one more field into a record.
fn raw(line: &str, dice: &mut Dice) -> String {
    let is_place = |mark: char| move |(_, letter): &(usize, char)| *letter == mark;
    if dice.chance(35) {
        let places: Vec<(usize, char)> = line.char_indices().filter(is_place('{')).collect();
        let Some((at, _)) = dice.pick(&places) else { return line.to_owned() };
        let (before, after) = line.split_at(at + 1);
        let field = dice.pick(FIELDS).unwrap_or_default();
        let comma = if after.trim_start().starts_with('}') { "" } else { "," };
        return format!("{before}{field}{comma}{after}");
    }
    let places: Vec<(usize, char)> = line.char_indices().filter(is_place(':')).collect();
    let Some((at, _)) = dice.pick(&places) else { return line.to_owned() };
    let (before, after) = line.split_at(at + 1);
    let nested = 1 + dice.below(80);
    let value = match dice.below(12) {
        0 => format!("{}{}", "[".repeat(nested), "]".repeat(nested)),
        _ => dice.pick(RAW).unwrap_or_default().to_owned(),
    };
    format!("{before}{value}{}", &after[value_end(after)..])
}

/// Where the value ends that the text begins with.
fn value_end(text: &str) -> usize {
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if in_text => is_escaped = true,
            '"' => in_text = !in_text,
            _ if in_text => (),
            '}' | ']' | ',' if depth == 0 => return at,
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ => (),
        }
    }
    text.len()
}

/// Changes a few bytes.
pub(crate) fn bytes(text: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(text.len());
        match dice.below(5) {
            _ if text.is_empty() => text.push(0),
            0 => text[at] ^= 1 << dice.below(8),
            1 => drop(text.remove(at)),
            2 => text.insert(at, text[dice.below(text.len())]),
            3 => text.truncate(at.max(1)),
            _ => {
                let (from, length) = (dice.below(text.len()), 1 + dice.below(64));
                let piece: Vec<u8> = text.iter().copied().skip(from).take(length).collect();
                text.splice(at..at, piece);
            }
        }
    }
}

/// Changes lines and words of a story; `other` is another story.
pub(crate) fn story(text: &str, other: &str, dice: &mut Dice) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let others: Vec<&str> = other.lines().filter(|line| !line.starts_with('#')).collect();
    for _ in 0..=dice.below(6) {
        let (at, from) = (dice.below(lines.len()), dice.below(lines.len()));
        match dice.below(7) {
            _ if lines.is_empty() => lines.push(String::from("tick at=30s")),
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, lines[from].clone()),
            2 => lines.swap(at, from),
            3 => lines.insert(at, dice.pick(&others).unwrap_or_default().to_owned()),
            _ => lines[at] = words(&lines[at], dice),
        }
    }
    lines.join("\n")
}

/// Another number or word in a line.
fn words(line: &str, dice: &mut Dice) -> String {
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    // A word that is not known ends the story, a number rarely does.
    let is_number = |at: &usize| words[*at].bytes().any(|letter| letter.is_ascii_digit());
    let numbers: Vec<usize> = (0..words.len()).filter(is_number).collect();
    let any = dice.below(words.len());
    let at = dice.pick(&numbers).filter(|_| dice.chance(80)).unwrap_or(any);
    let word = &mut words[at];
    let digits = word.find(|letter: char| letter.is_ascii_digit());
    let number = dice.pick(NUMBERS).unwrap_or("0");
    match (dice.below(8), digits) {
        (0, _) => dice.pick(WORDS).unwrap_or_default().clone_into(word),
        (_, Some(from)) => {
            let rest = word[from..].trim_start_matches(|it: char| it.is_ascii_digit() || it == '.');
            *word = format!("{}{number}{rest}", &word[..from]);
        }
        (_, None) => word.push_str(number),
    }
    words.join(" ")
}
