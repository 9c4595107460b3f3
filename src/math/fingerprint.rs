//! Are these two values the same? A 64-bit digest of anything that serialises.
//!
//! The digest folds the value's serde form word by word (a multiply and a rotate per word), so it needs
//! no text and no buffer, and is the same on every platform. It tells versions of a value apart; it does
//! not protect against values that are made to collide.
//!
//! Fields of a struct, entries of a map and variants of an enum count by name, so their order does not
//! matter. Elements of lists and tuples count by position. A field that is skipped does not count.
//!
//! | value | digest |
//! |---|---|
//! | `7_u64` | `0x7CF2_95CC_C011_A7E1` |
//! | `"ab"` | `0x08E0_2FF7_6541_499A` |
//! | `{ size: 7, name: "ab" }` | `0x49EF_A607_7165_CF1A` |

use core::fmt;

use serde::{Serialize, ser};

/// The digest of a value's serde form.
pub(crate) fn fingerprint<T: Serialize + ?Sized>(value: &T) -> u64 {
    let mut digest = Digest::new();
    // Folding cannot fail; if the value's own serialisation fails, the digest is that of the part before.
    let _ = value.serialize(&mut digest);
    digest.finish()
}

struct Digest(u64);

/// Stands for the end of a list whose length was not known at its beginning.
const END: u64 = 0xE4D;

impl Digest {
    const fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    fn word(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(29) ^ word).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
        self.word(bytes.len() as u64);
    }

    const fn finish(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        mixed ^ (mixed >> 32)
    }
}

/// The error type that serde requires; folding never fails.
#[derive(Debug)]
struct Never;

impl fmt::Display for Never {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value refused to serialise")
    }
}

impl core::error::Error for Never {}

impl ser::Error for Never {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

/// Serialiser methods that fold one plain value.
macro_rules! fold {
    ($($method:ident($type:ty) = |$value:ident| $word:expr;)+) => {
        $(fn $method(self, $value: $type) -> Result<(), Never> {
            self.word($word);
            Ok(())
        })+
    };
}

impl<'a> ser::Serializer for &'a mut Digest {
    type Ok = ();
    type Error = Never;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Named<'a>;
    type SerializeStruct = Named<'a>;
    type SerializeStructVariant = Named<'a>;

    fold! {
        serialize_bool(bool) = |value| u64::from(value);
        serialize_i8(i8) = |value| i64::from(value).cast_unsigned();
        serialize_i16(i16) = |value| i64::from(value).cast_unsigned();
        serialize_i32(i32) = |value| i64::from(value).cast_unsigned();
        serialize_i64(i64) = |value| value.cast_unsigned();
        serialize_u8(u8) = |value| u64::from(value);
        serialize_u16(u16) = |value| u64::from(value);
        serialize_u32(u32) = |value| u64::from(value);
        serialize_u64(u64) = |value| value;
        serialize_f32(f32) = |value| u64::from(value.to_bits());
        serialize_f64(f64) = |value| value.to_bits();
        serialize_char(char) = |value| u64::from(value);
    }

    fn serialize_str(self, value: &str) -> Result<(), Never> {
        self.bytes(value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Never> {
        self.bytes(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Never> {
        self.word(0);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Never> {
        self.word(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Never> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Never> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
    ) -> Result<(), Never> {
        self.bytes(name.as_bytes());
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        self.bytes(name.as_bytes());
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Never> {
        self.word(length.unwrap_or(0) as u64);
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Never> {
        Ok(self)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Never> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Self, Never> {
        self.bytes(name.as_bytes());
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Named<'a>, Never> {
        Ok(Named::new(self))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Named<'a>, Never> {
        Ok(Named::new(self))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        name: &'static str,
        _: usize,
    ) -> Result<Named<'a>, Never> {
        self.bytes(name.as_bytes());
        Ok(Named::new(self))
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Never> {
        fmt::write(self, format_args!("{value}")).map_err(|_| Never)?;
        self.word(0);
        Ok(())
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Byte by byte, so that it does not matter how the text was cut into pieces.
        text.bytes().for_each(|byte| self.word(u64::from(byte)));
        Ok(())
    }
}

/// Compound serialisers that fold their parts in turn.
macro_rules! compound {
    ($($part:ident::$method:ident;)+) => {
        $(impl ser::$part for &mut Digest {
            type Ok = ();
            type Error = Never;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), Never> {
                self.word(END);
                Ok(())
            }
        })+
    };
}

compound! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

/// Parts that are told apart by name: a sum of one digest per part, so that their order does not show.
struct Named<'a> {
    digest: &'a mut Digest,
    /// The digest of the key of a map whose value comes next.
    key: Digest,
    sum: u64,
    count: u64,
}

impl<'a> Named<'a> {
    const fn new(digest: &'a mut Digest) -> Self {
        Self { digest, key: Digest::new(), sum: 0, count: 0 }
    }

    /// Adds a part whose name `name` has folded.
    fn add<T: Serialize + ?Sized>(&mut self, mut name: Digest, value: &T) -> Result<(), Never> {
        value.serialize(&mut name)?;
        self.sum = self.sum.wrapping_add(name.finish());
        self.count += 1;
        Ok(())
    }

    fn fold(self) {
        self.digest.word(self.count);
        self.digest.word(self.sum);
    }
}

impl ser::SerializeMap for Named<'_> {
    type Ok = ();
    type Error = Never;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Never> {
        self.key = Digest::new();
        key.serialize(&mut self.key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        let key = core::mem::replace(&mut self.key, Digest::new());
        self.add(key, value)
    }

    fn end(self) -> Result<(), Never> {
        self.fold();
        Ok(())
    }
}

/// Struct serialisers: a field's name stands before its value.
macro_rules! named {
    ($($part:ident;)+) => {
        $(impl ser::$part for Named<'_> {
            type Ok = ();
            type Error = Never;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Never> {
                let mut digest = Digest::new();
                digest.bytes(name.as_bytes());
                self.add(digest, value)
            }

            fn end(self) -> Result<(), Never> {
                self.fold();
                Ok(())
            }
        })+
    };
}

named! {
    SerializeStruct;
    SerializeStructVariant;
}

#[cfg(test)]
mod tests {
    use super::fingerprint;
    use alloc::collections::BTreeMap;
    use alloc::vec;
    use serde::Serialize;

    #[test]
    fn what_differs_differs_and_what_is_equal_is_equal() {
        assert_eq!(fingerprint(&vec![1.0, 2.0]), fingerprint(&vec![1.0, 2.0]));
        assert_ne!(fingerprint(&vec![1.0, 2.0]), fingerprint(&vec![2.0, 1.0]));
        assert_ne!(fingerprint(&Some(0_u64)), fingerprint(&None::<u64>));
        assert_ne!(fingerprint("ab"), fingerprint("ba"));
        assert_ne!(
            fingerprint(&(vec![1_u8], vec![2_u8, 3])),
            fingerprint(&(vec![1_u8, 2], vec![3_u8]))
        );
    }

    #[derive(Serialize)]
    struct Pair {
        size: u64,
        name: &'static str,
    }

    #[test]
    fn three_digests_are_these_numbers_on_every_platform() {
        assert_eq!(fingerprint(&7_u64), 0x7CF2_95CC_C011_A7E1);
        assert_eq!(fingerprint("ab"), 0x08E0_2FF7_6541_499A);
        assert_eq!(fingerprint(&Pair { size: 7, name: "ab" }), 0x49EF_A607_7165_CF1A);
    }

    #[test]
    fn the_order_of_fields_does_not_show_and_their_names_do() {
        #[derive(Serialize)]
        struct Swapped {
            name: &'static str,
            size: u64,
        }
        #[derive(Serialize)]
        struct Renamed {
            length: u64,
            name: &'static str,
        }
        let print = fingerprint(&Pair { size: 7, name: "ab" });
        assert_eq!(print, fingerprint(&Swapped { size: 7, name: "ab" }));
        assert_ne!(print, fingerprint(&Renamed { length: 7, name: "ab" }));
        let two = |first: (&'static str, u64), second| {
            fingerprint(&[first, second].into_iter().collect::<BTreeMap<_, _>>())
        };
        assert_ne!(two(("a", 1), ("b", 2)), two(("a", 2), ("b", 1)));
    }

    #[test]
    fn the_order_of_variants_does_not_show_and_their_names_do() {
        #[derive(Serialize)]
        enum One {
            Plain,
            Whole { size: u64 },
        }
        #[derive(Serialize)]
        enum Other {
            Whole { size: u64 },
            Plain,
        }
        assert_eq!(fingerprint(&One::Plain), fingerprint(&Other::Plain));
        let whole = fingerprint(&One::Whole { size: 7 });
        assert_eq!(whole, fingerprint(&Other::Whole { size: 7 }));
        assert_ne!(fingerprint(&One::Plain), whole);
    }

    #[test]
    fn a_field_that_is_skipped_leaves_no_trace() {
        #[derive(Serialize)]
        struct Optional {
            size: u64,
            name: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            first: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            second: Option<u64>,
        }
        let print = |first, second| fingerprint(&Optional { size: 7, name: "ab", first, second });
        assert_eq!(print(None, None), fingerprint(&Pair { size: 7, name: "ab" }));
        assert_ne!(print(Some(1), None), print(None, Some(1)));
        assert_ne!(print(Some(1), None), print(None, None));
    }
}
