//! Damage to a saved state, as a disk or a hand would do it.

use alloc::format;
use alloc::string::{String, ToString};

use serde_json::{Map, Value};

use super::must::look_up;
use super::words::{Parsed, pair, valued};

/// Changes a saved state: `factor=0.5 in_flight.1.terms.claim.cpu=1e300`. A value is JSON without spaces, or `@PATH`, a
/// copy of another field. What does not exist is made; a place behind the end of a list is its end.
pub(super) fn damage(state: &str, words: &str) -> Parsed<String> {
    let mut tree: Value = serde_json::from_str(state).map_err(|error| error.to_string())?;
    for word in words.split_whitespace() {
        let (path, value) = pair(word);
        let text = valued(path, value)?;
        let value = if let Some(other) = text.strip_prefix('@') {
            look_up(&tree, other).cloned().ok_or_else(|| format!("there is no {other}"))?
        } else {
            serde_json::from_str(text).map_err(|error| format!("`{text}`: {error}"))?
        };
        *place(&mut tree, path)? = value;
    }
    Ok(tree.to_string())
}

/// A field by its path, made if it does not exist.
fn place<'a>(tree: &'a mut Value, path: &str) -> Parsed<&'a mut Value> {
    let mut place = tree;
    for name in path.split('.') {
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        place = match place {
            Value::Array(items) => {
                let nth: usize = name.parse().map_err(|_| format!("{name} is no place"))?;
                let nth = nth.min(items.len());
                if nth == items.len() {
                    items.push(Value::Null);
                }
                items.get_mut(nth).ok_or_else(|| format!("{name} is no place"))?
            }
            Value::Object(fields) => fields.entry(name).or_insert(Value::Null),
            _ => return Err(format!("{path} leads into a value")),
        };
    }
    Ok(place)
}
