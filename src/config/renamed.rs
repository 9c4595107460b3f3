//! Which settings had another name in files, and what is written now?

use alloc::format;
use alloc::string::ToString;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// The old name of a setting in its section, what a file said, and what it says now.
const RENAMED: [(&str, &str, &str); 2] = [
    ("eviction", "migration.eviction = { .. }", "migration.host = { evict = { .. } }"),
    ("overlap", "migration.overlap = true", r#"migration.host = "overlap""#),
];

/// Reads a section. If the file uses the old name of a setting, the error says what to write now.
pub(super) fn section<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(from).map_err(|error| {
        let text = error.to_string();
        // The words that serde gives to every format, and those of our own reader.
        let words = |name: &str| [format!("unknown field `{name}`"), format!("{name} is unknown;")];
        let is_old = |name: &str| words(name).iter().any(|words| text.contains(words));
        match RENAMED.iter().find(|(name, ..)| is_old(name)) {
            // What the format says stands last, since it may end in a line and a column.
            Some((_, old, new)) => D::Error::custom(format!("`{old}` is now `{new}`: {text}")),
            None => error,
        }
    })
}
