//! What does a file say, before anybody knows what it should say?
//!
//! A [`Tree`] is any value of a self-describing format. Records are read from trees, field by field, so that what
//! cannot be read is found by name and the rest is kept.

mod reader;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

pub(crate) use reader::{Fault, Reader};

/// A value of any shape. Texts stand for ids of resources and the like, too.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Nothing,
    Switch(bool),
    Whole(u64),
    Negative(i64),
    /// Any other number; also one that is not finite.
    Number(f64),
    Text(String),
    List(Vec<Self>),
    /// Fields by name, in the order in which they are given.
    Record(Vec<(String, Self)>),
}

impl Tree {
    /// The value of a field; `None` if there is no such field, or this is no record.
    pub(crate) fn field(&self, name: &str) -> Option<&Self> {
        let Self::Record(fields) = self else { return None };
        fields.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// How often a field is given.
    pub(crate) fn count(&self, name: &str) -> usize {
        let Self::Record(fields) = self else { return 0 };
        fields.iter().filter(|(known, _)| known == name).count()
    }

    /// Takes a field out, or one field of a field; whether there was one.
    pub(crate) fn remove(&mut self, path: &[String]) -> bool {
        let (Self::Record(fields), Some((name, rest))) = (self, path.split_first()) else {
            return false;
        };
        if let Some((_, inner)) = fields.iter_mut().find(|(known, _)| known == name)
            && !rest.is_empty()
        {
            return inner.remove(rest);
        }
        let before = fields.len();
        fields.retain(|(known, _)| known != name);
        fields.len() < before
    }
}

/// Adds a value to a list. A list of one takes room for one: hostile files are lists in lists in lists.
pub(crate) fn push<T>(values: &mut Vec<T>, value: T) {
    if values.is_empty() {
        values.reserve_exact(1);
    }
    values.push(value);
}

/// The longest text that a fault shows of a value.
const SHOWN: usize = 60;

/// Prints the beginning of the value, much as a file has it.
impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write(self, &mut text)?;
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "{}...", text.get(..end).unwrap_or_default()),
            None => f.write_str(&text),
        }
    }
}

/// Adds a value to a text, as long as the text is not too long to be shown.
fn write(tree: &Tree, text: &mut String) -> fmt::Result {
    if text.len() > 4 * SHOWN {
        return Ok(());
    }
    match tree {
        Tree::Nothing => text.write_str("null"),
        Tree::Switch(value) => write!(text, "{value}"),
        Tree::Whole(value) => write!(text, "{value}"),
        Tree::Negative(value) => write!(text, "{value}"),
        Tree::Number(value) => write!(text, "{value}"),
        Tree::Text(value) => {
            let start: String = value.chars().take(SHOWN).collect();
            write!(text, "{start:?}")
        }
        Tree::List(values) => {
            text.push('[');
            for (nth, value) in values.iter().take(SHOWN).enumerate() {
                text.push_str(if nth > 0 { ", " } else { "" });
                write(value, text)?;
            }
            text.write_char(']')
        }
        Tree::Record(fields) => {
            text.push('{');
            for (nth, (name, value)) in fields.iter().take(SHOWN).enumerate() {
                text.push_str(if nth > 0 { ", " } else { "" });
                write!(text, "{name:?}: ")?;
                write(value, text)?;
            }
            text.write_char('}')
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Switch(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Whole(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(u64::try_from(value).map_or(Tree::Negative(value), Tree::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Text(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Tree, E> {
        Ok(Tree::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Tree, D::Error> {
        Tree::deserialize(inner)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Tree, D::Error> {
        Tree::deserialize(inner)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            push(&mut values, value);
        }
        Ok(Tree::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut fields = Vec::new();
        while let Some(name) = map.next_key::<Tree>()? {
            let name = match name {
                Tree::Text(name) => name,
                Tree::Whole(number) => number.to_string(),
                other => return Err(A::Error::custom(format_args!("{other} is not a name"))),
            };
            push(&mut fields, (name, map.next_value()?));
        }
        Ok(Tree::Record(fields))
    }
}
