//! How is a value of a known type read from a tree? With the path of the first fault, if there is one.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor, value::StrDeserializer,
};
use serde::forward_to_deserialize_any;

use super::{SHOWN, Tree};

/// What cannot be read: where, its value, and what it must be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    /// The fields that lead there, the innermost first.
    inside_out: Vec<String>,
    value: Option<String>,
    pub(crate) must: String,
}

impl Fault {
    fn new(must: String) -> Self {
        Self { inside_out: Vec::new(), value: None, must }
    }

    /// The fields that lead to the fault, the outermost first.
    pub(crate) fn path(&self) -> Vec<String> {
        self.inside_out.iter().rev().cloned().collect()
    }

    /// The same as a sentence shows it: of a long name its beginning, and no character that would break the line.
    pub(crate) fn field(&self) -> String {
        let names: Vec<String> = self.inside_out.iter().rev().map(|name| shown(name)).collect();
        names.join(".")
    }

    /// The value, as printed.
    pub(crate) fn value(&self) -> &str {
        self.value.as_deref().unwrap_or("missing")
    }

    pub(crate) fn within(mut self, field: &str) -> Self {
        self.inside_out.push(field.into());
        self
    }

    /// Notes the innermost value.
    pub(crate) fn about(mut self, tree: &Tree) -> Self {
        self.value.get_or_insert_with(|| tree.to_string());
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}; it must be {}", self.field(), self.value(), self.must)
    }
}

impl core::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: fmt::Display>(says: T) -> Self {
        // Types that check a number say `1.5 is not a number from 0 to 1`.
        let says = says.to_string();
        let must = says.split_once(" is not ").map(|(_, must)| must);
        let must = must.or_else(|| says.strip_prefix("expected ")).map(ToString::to_string);
        Self::new(must.unwrap_or_else(|| format!("possible: {says}")))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(in_english(&expected.to_string()))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(in_english(&expected.to_string()))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Self::new(in_english(&expected.to_string()))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        let must = format!("one of the fields {}", expected.join(", "));
        Self { inside_out: Vec::new(), value: Some("unknown".to_string()), must }
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("one of {}", expected.join(", ")))
    }

    fn missing_field(field: &'static str) -> Self {
        let inside_out = Vec::from([field.to_string()]);
        Self { inside_out, value: Some("missing".to_string()), must: "given".to_string() }
    }

    fn duplicate_field(field: &'static str) -> Self {
        let inside_out = Vec::from([field.to_string()]);
        Self { inside_out, value: Some("given twice".to_string()), must: "given once".to_string() }
    }
}

/// The beginning of a name, in one line.
fn shown(name: &str) -> String {
    let mut text = String::new();
    for (nth, letter) in name.chars().enumerate() {
        if nth == SHOWN {
            text.push_str("...");
            break;
        }
        if letter.is_control() {
            text.extend(letter.escape_default());
        } else {
            text.push(letter);
        }
    }
    text
}

/// What serde expects, as somebody would say it who does not know Rust.
fn in_english(expected: &str) -> String {
    let whole = |most: u64| format!("a whole number from 0 to {most}");
    let many = ["an array of length ", "a tuple of size "];
    if let Some(many) = many.iter().find_map(|words| expected.strip_prefix(words)) {
        return format!("a list of {many} values");
    }
    match expected {
        "u8" => whole(u8::MAX.into()),
        "u16" => whole(u16::MAX.into()),
        "u32" => whole(u32::MAX.into()),
        "u64" => whole(u64::MAX),
        "f64" => "a number".to_string(),
        "a boolean" => "true or false".to_string(),
        "a string" => "a text".to_string(),
        "a sequence" => "a list".to_string(),
        _ if expected.starts_with("struct") || expected == "a map" => "a record".to_string(),
        _ if expected.starts_with("enum") || expected.starts_with("variant") => {
            "a name, or a record with one field".to_string()
        }
        _ => expected.to_string(),
    }
}

/// Reads a value from a tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'t>(pub(crate) &'t Tree);

impl Reader<'_> {
    fn any<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Tree::Nothing => visitor.visit_unit(),
            Tree::Switch(value) => visitor.visit_bool(*value),
            Tree::Whole(value) => visitor.visit_u64(*value),
            Tree::Negative(value) => visitor.visit_i64(*value),
            Tree::Number(value) => visitor.visit_f64(*value),
            Tree::Text(value) => visitor.visit_str(value),
            Tree::List(values) => visitor.visit_seq(Values { rest: values, nth: 0 }),
            Tree::Record(fields) => visitor.visit_map(Fields { rest: fields, value: None }),
        }
    }
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.any(visitor).map_err(|fault| fault.about(self.0))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Tree::Nothing => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self).map_err(|fault| fault.about(self.0))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let choice = match self.0 {
            Tree::Text(name) => Choice { name, content: None },
            Tree::Record(fields) => match fields.as_slice() {
                [(name, content)] => Choice { name, content: Some(content) },
                _ => return Err(Fault::new(in_english("enum")).about(self.0)),
            },
            _ => return Err(Fault::new(in_english("enum")).about(self.0)),
        };
        visitor.visit_enum(choice).map_err(|fault| fault.about(self.0))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Values<'t> {
    rest: &'t [Tree],
    nth: usize,
}

impl<'de> SeqAccess<'de> for Values<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some((value, rest)) = self.rest.split_first() else { return Ok(None) };
        let nth = self.nth.to_string();
        (self.rest, self.nth) = (rest, self.nth + 1);
        seed.deserialize(Reader(value)).map(Some).map_err(|fault| fault.about(value).within(&nth))
    }
}

struct Fields<'t> {
    rest: &'t [(String, Tree)],
    value: Option<&'t (String, Tree)>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some((field, rest)) = self.rest.split_first() else { return Ok(None) };
        (self.rest, self.value) = (rest, Some(field));
        let named = |fault: Fault| fault.about(&Tree::Text(field.0.clone())).within(&field.0);
        seed.deserialize(Name(&field.0)).map(Some).map_err(named)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some((name, value)) = self.value.take() else {
            return Err(Fault::new("asked for after its name".to_string()));
        };
        seed.deserialize(Reader(value)).map_err(|fault| fault.about(value).within(name))
    }
}

/// The name of a field: a text, or a number as text.
struct Name<'t>(&'t str);

impl<'de> Deserializer<'de> for Name<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_str(self.0)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0.parse() {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => Err(Fault::new(in_english("u64"))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_enum(Choice { name: self.0, content: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// One variant of several, with what it holds.
struct Choice<'t> {
    name: &'t str,
    content: Option<&'t Tree>,
}

impl<'de, 't> EnumAccess<'de> for Choice<'t> {
    type Error = Fault;
    type Variant = Content<'t>;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Content<'t>), Fault> {
        let name: StrDeserializer<'_, Fault> = self.name.into_deserializer();
        let value = seed.deserialize(name)?;
        Ok((value, Content { name: self.name, content: self.content.unwrap_or(&Tree::Nothing) }))
    }
}

struct Content<'t> {
    name: &'t str,
    content: &'t Tree,
}

impl Content<'_> {
    fn read<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let (name, content) = (self.name, self.content);
        Reader(content).any(visitor).map_err(|fault| fault.about(content).within(name))
    }
}

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        let is_bare = matches!(self.content, Tree::Nothing);
        is_bare.then_some(()).ok_or_else(|| Fault::new("a name alone".to_string()))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        let (name, content) = (self.name, self.content);
        seed.deserialize(Reader(content)).map_err(|fault| fault.about(content).within(name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Fault> {
        self.read(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.read(visitor)
    }
}
