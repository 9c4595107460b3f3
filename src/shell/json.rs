//! How is JSON read that other programs write?

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::de::DeserializeOwned;

use crate::model::tree::{Reader, Tree, push};

/// Why JSON text could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is no JSON.
    #[error("at byte {at}: {must} is expected")]
    Syntax {
        /// The byte at which it cannot be read on, from 0.
        at: usize,
        /// What is expected there.
        must: &'static str,
    },
    /// The JSON is not what was asked for.
    #[error("{field} is {value}; it must be {must}")]
    Value {
        /// The field, with those that lead to it; empty for the whole text.
        field: String,
        /// Its value, as printed.
        value: String,
        /// What it must be.
        must: String,
    },
}

/// Lists and records lie inside each other at most this deep.
const DEEPEST: u32 = 64;

/// Reads a value, such as an [`Input`](crate::engine::Input), from one line of JSON.
///
/// Numbers that JSON does not have are read as numbers that are not finite: Python's `NaN` and `Infinity`, and numbers
/// beyond the range such as `1e400`. In a [`Snapshot`](crate::Snapshot) they become
/// [bad records](crate::Snapshot::bad_records), which cost a field and not the snapshot. The time taken is linear in
/// the length of the text.
///
/// # Errors
///
/// [`JsonError`] if the text is no JSON, is nested more than 64 deep, or is not what was asked for.
///
/// ```
/// use evenkeel::{shell, Snapshot};
/// let text = r#"{"at": 30000, "workers": [{"id": 2, "zone": "north", "used": {"cpu": NaN}}]}"#;
/// let snapshot: Snapshot = shell::read_json(text)?;
/// assert_eq!(snapshot.workers().len(), 1);
/// let said: Vec<String> = snapshot.bad_records().iter().map(ToString::to_string).collect();
/// assert_eq!(said, [
///     "worker w2: used.cpu is NaN; it must be a finite number from 0 up",
///     "worker w2: zone is \"north\"; it must be a whole number from 0 to 18446744073709551615",
/// ]);
/// # Ok::<(), evenkeel::shell::JsonError>(())
/// ```
pub fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, JsonError> {
    let mut parser = Parser { text, at: 0 };
    let tree = parser.value(0)?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.wrong("the end"));
    }
    T::deserialize(Reader(&tree)).map_err(|fault| JsonError::Value {
        field: fault.field(),
        value: fault.value().to_string(),
        must: fault.must,
    })
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    const fn wrong(&self, must: &'static str) -> JsonError {
        JsonError::Syntax { at: self.at, must }
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\r' | b'\n') = self.peek() {
            self.at += 1;
        }
    }

    /// Whether the text goes on with this word, which is then read.
    fn word(&mut self, word: &str) -> bool {
        let found = self.rest().starts_with(word);
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn value(&mut self, depth: u32) -> Result<Tree, JsonError> {
        self.space();
        match self.peek() {
            Some(b'{' | b'[') if depth == DEEPEST => Err(self.wrong("less nesting")),
            Some(b'{') => self.record(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => self.string().map(Tree::Text),
            _ if self.word("null") => Ok(Tree::Nothing),
            _ if self.word("true") => Ok(Tree::Switch(true)),
            _ if self.word("false") => Ok(Tree::Switch(false)),
            _ if self.word("NaN") => Ok(Tree::Number(f64::NAN)),
            _ if self.word("Infinity") => Ok(Tree::Number(f64::INFINITY)),
            _ if self.word("-Infinity") => Ok(Tree::Number(f64::NEG_INFINITY)),
            _ => self.number(),
        }
    }

    fn number(&mut self) -> Result<Tree, JsonError> {
        let is_part = |c: char| matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E');
        let rest = self.rest();
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let digits = rest.get(..end).unwrap_or_default();
        let tree = match (digits.parse(), digits.parse(), digits.parse()) {
            (Ok(whole), ..) => Tree::Whole(whole),
            (_, Ok(negative), _) => Tree::Negative(negative),
            (.., Ok(number)) => Tree::Number(number),
            _ => return Err(self.wrong("a value")),
        };
        self.at += end;
        Ok(tree)
    }

    fn list(&mut self, depth: u32) -> Result<Tree, JsonError> {
        let mut values = Vec::new();
        self.at += 1;
        self.space();
        if self.word("]") {
            return Ok(Tree::List(values));
        }
        loop {
            push(&mut values, self.value(depth + 1)?);
            self.space();
            if self.word("]") {
                return Ok(Tree::List(values));
            }
            if !self.word(",") {
                return Err(self.wrong("a comma or ]"));
            }
        }
    }

    fn record(&mut self, depth: u32) -> Result<Tree, JsonError> {
        let mut fields = Vec::new();
        self.at += 1;
        self.space();
        if self.word("}") {
            return Ok(Tree::Record(fields));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.wrong("the name of a field"));
            }
            let name = self.string()?;
            self.space();
            if !self.word(":") {
                return Err(self.wrong("a colon"));
            }
            push(&mut fields, (name, self.value(depth + 1)?));
            self.space();
            if self.word("}") {
                return Ok(Tree::Record(fields));
            }
            if !self.word(",") {
                return Err(self.wrong("a comma or }"));
            }
        }
    }

    /// A text; the quotation mark before it is next.
    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let end = rest.find(['"', '\\']).unwrap_or(rest.len());
            text.push_str(rest.get(..end).unwrap_or_default());
            self.at += end;
            if self.word("\"") {
                return Ok(text);
            }
            if !self.word("\\") {
                return Err(self.wrong("the end of a text"));
            }
            let escaped = self.escaped()?;
            text.push(escaped);
        }
    }

    /// The character that stands for what follows a backslash.
    fn escaped(&mut self) -> Result<char, JsonError> {
        let Some(letter) = self.peek() else { return Err(self.wrong("a character")) };
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => char::from(letter),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let high = self.four_digits()?;
                let is_pair = (0xd800..0xdc00).contains(&high) && self.word("\\u");
                let low = if is_pair { self.four_digits()? } else { 0 };
                let both =
                    || 0x1_0000 + ((high - 0xd800) << 10) + (low.wrapping_sub(0xdc00) & 0x3ff);
                let code = if is_pair { both() } else { high };
                // Half of a pair stands for no character.
                char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => {
                self.at -= 1;
                return Err(self.wrong("an escaped character"));
            }
        })
    }

    fn four_digits(&mut self) -> Result<u32, JsonError> {
        let digits = self.rest().get(..4).filter(|it| it.bytes().all(|b| b.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.wrong("four hexadecimal digits"))?;
        self.at += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::format;

    #[test]
    fn what_json_writes_reads_back() {
        let text =
            r#" {"a": [1, -2, 3.5e1, null, true, "x\n\u00e9\ud83d\ude00\"" ], "b": {}, "c": []} "#;
        let ours: serde_json::Value = read_json(text).unwrap();
        let theirs: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn numbers_that_json_does_not_have_are_not_finite() {
        let read = |text: &str| read_json::<Vec<f64>>(text).unwrap();
        assert_eq!(
            read("[1e400, Infinity, -1e999, -Infinity]"),
            [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY]
        );
        assert!(read("[NaN]")[0].is_nan());
        assert!(read_json::<u64>("1e400").is_err());
    }

    #[test]
    fn faults_are_named_and_nothing_panics() {
        let says =
            |text: &str| read_json::<BTreeMap<String, Vec<u64>>>(text).unwrap_err().to_string();
        assert_eq!(says(""), "at byte 0: a value is expected");
        assert_eq!(says(r#"{"a" 1}"#), "at byte 5: a colon is expected");
        assert_eq!(says(r#"{"a": [1 2]}"#), "at byte 9: a comma or ] is expected");
        assert_eq!(says(r#"{"a": [1]} 2"#), "at byte 11: the end is expected");
        assert_eq!(says(r#"{"a": "b\u12"#), "at byte 10: four hexadecimal digits is expected");
        assert_eq!(
            says(r#"{"a": [1, "b"]}"#),
            "a.1 is \"b\"; it must be a whole number from 0 to 18446744073709551615"
        );
        assert_eq!(says(&"[".repeat(100_000)), "at byte 64: less nesting is expected");
        for end in 0..12 {
            let whole = r#"{"é": "\ud800"}"#;
            let _ = whole.get(..end).map(read_json::<serde_json::Value>);
        }
        let _ = format!("{:?}", read_json::<serde_json::Value>("\"\\ud800\\u0041\""));
    }
}
