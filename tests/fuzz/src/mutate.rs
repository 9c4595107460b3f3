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
    let at = dice.below(words.len());
    let word = &mut words[at];
    let digits = word.find(|letter: char| letter.is_ascii_digit());
    let number = dice.pick(NUMBERS).unwrap_or("0");
    match (dice.below(4), digits) {
        (0, _) => dice.pick(WORDS).unwrap_or_default().clone_into(word),
        (_, Some(from)) => {
            let rest = word[from..].trim_start_matches(|it: char| it.is_ascii_digit() || it == '.');
            *word = format!("{}{number}{rest}", &word[..from]);
        }
        (_, None) => word.push_str(number),
    }
    words.join(" ")
}
