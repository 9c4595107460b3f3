//! The words of a line, read: numbers with units, ids, lists.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use crate::model::resource::{ResourceId, whole};
use crate::model::time::Timestamp;

/// What reading gives: the value, or a sentence that says what is wrong.
pub(super) type Parsed<T> = Result<T, String>;

/// Splits `key=value`; a bare word has no value.
pub(super) fn pair(word: &str) -> (&str, Option<&str>) {
    match word.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (word, None),
    }
}

/// The value of a word that must have one.
pub(super) fn valued<'a>(key: &str, value: Option<&'a str>) -> Parsed<&'a str> {
    value.ok_or_else(|| format!("`{key}` needs a value: {key}=..."))
}

/// Anything that reads itself.
pub(super) fn plain<T: FromStr<Err: fmt::Display>>(text: &str) -> Parsed<T> {
    text.parse().map_err(|error: T::Err| format!("`{text}`: {error}"))
}

/// Things separated by commas.
pub(super) fn list<T: FromStr<Err: fmt::Display>>(text: &str) -> Parsed<Vec<T>> {
    text.split(',').map(plain).collect()
}

/// Things joined by plus signs.
pub(super) fn sum<C: FromIterator<T>, T: FromStr<Err: fmt::Display>>(text: &str) -> Parsed<C> {
    text.split('+').map(plain).collect()
}

/// A number of bytes: `4GiB`, `512MiB`, `4096`; impossible numbers too (`NaN`, `-1GiB`).
pub(super) fn size(text: &str) -> Parsed<f64> {
    const UNITS: [(&str, f64); 4] = [
        ("TiB", 1_099_511_627_776.0),
        ("GiB", 1_073_741_824.0),
        ("MiB", 1_048_576.0),
        ("KiB", 1_024.0),
    ];
    for (unit, bytes) in UNITS {
        if let Some(digits) = text.strip_suffix(unit) {
            return Ok(plain::<f64>(digits)? * bytes);
        }
    }
    plain(text)
}

/// A whole number of bytes.
pub(super) fn bytes(text: &str) -> Parsed<u64> {
    let size = size(text)?;
    let possible = (0.0..1e18).contains(&size);
    if possible { Ok(whole(size)) } else { Err(format!("`{text}` is no size in bytes")) }
}

/// An amount of a resource, in its unit; bytes with their prefixes.
pub(super) fn amount(resource: ResourceId, text: &str) -> Parsed<f64> {
    match resource {
        ResourceId::CPU | ResourceId::GPU => plain(text),
        _ => size(text),
    }
}

/// A span of time: `30s`, `1.5s`, `500ms`, `5m`, `2h`.
pub(super) fn span(text: &str) -> Parsed<Duration> {
    const UNITS: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3_600.0)];
    let wrong = || format!("`{text}` is no span of time: 500ms, 30s, 5m, 2h");
    for (unit, secs) in UNITS {
        if let Some(digits) = text.strip_suffix(unit) {
            let number: f64 = digits.parse().map_err(|_| wrong())?;
            return Duration::try_from_secs_f64(number * secs).map_err(|_| wrong());
        }
    }
    Err(wrong())
}

/// A moment: so long after the host's epoch.
pub(super) fn moment(text: &str) -> Parsed<Timestamp> {
    Ok(Timestamp::default().after(span(text)?))
}

/// The sentence for a word that is not known.
pub(super) fn unknown(word: &str, place: &str) -> String {
    format!("unknown word `{word}` in {place}")
}

/// Lines of text, one string each.
pub(super) fn lines(text: &impl fmt::Display) -> Vec<String> {
    text.to_string().lines().map(|line| line.trim_end().to_string()).collect()
}
