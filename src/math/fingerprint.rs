//! Are these two values the same? A 64-bit digest of anything that serialises.
//!
//! The digest folds the value's serde form word by word (a multiply and a rotate per word), so it
//! needs no text, no buffer, and gives the same number on every platform. It tells versions of a
//! value apart; it is no defence against somebody who wants two values to collide.
//!
//! A field that a later release adds is left out where it says nothing, and then the digest is what
//! it was before there was such a field. For this it must stand at the end of its struct.

use core::fmt;

use serde::{Serialize, ser};

/// The digest of a value's serde form.
pub(crate) fn fingerprint<T: Serialize + ?Sized>(value: &T) -> u64 {
    let mut digest = Digest(0x9E37_79B9_7F4A_7C15);
    // A digest cannot fail of itself; a value whose serialisation fails digests to what came
    // before.
    let _ = value.serialize(&mut digest);
    digest.finish()
}

struct Digest(u64);

/// Stands for a field that was left out, so that the next one is not taken for it.
const ABSENT: u64 = 0xA0_5EA7;
/// The fields of the first release that may be left out, for which [`ABSENT`] stands. Of later ones
/// it is told before the next that is there how many were left out.
const FIRST: [(&str, &[&str]); 4] = [
    (
        "Worker",
        &["devices", "reserved", "zone", "labels", "health", "temperature_celsius", "power_watts"],
    ),
    (
        "Task",
        &[
            "used",
            "remaining",
            "progress",
            "checkpoint_age",
            "state_bytes",
            "not_before",
            "extra_cost",
            "device",
        ],
    ),
    (
        "Requirements",
        &["min_memory_bytes", "gpu_memory_bytes", "min_cuda_compute", "labels", "forbidden_labels"],
    ),
    ("Track", &["passing"]),
];
/// Stands for the end of a list or map whose length was not known at its beginning.
const END: u64 = 0xE4D;

impl Digest {
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

/// A digest has nothing to fail at; serde asks for a type.
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
    type SerializeMap = Self;
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
        index: u32,
        _: &'static str,
    ) -> Result<(), Never> {
        self.word(u64::from(index));
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
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Never> {
        self.word(u64::from(index));
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
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Never> {
        self.word(u64::from(index));
        Ok(self)
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self, Never> {
        self.word(length.unwrap_or(0) as u64);
        Ok(self)
    }

    fn serialize_struct(self, of: &'static str, _: usize) -> Result<Named<'a>, Never> {
        Ok(Named { digest: self, of, left_out: 0 })
    }

    fn serialize_struct_variant(
        self,
        of: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Named<'a>, Never> {
        self.word(u64::from(index));
        Ok(Named { digest: self, of, left_out: 0 })
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
        // Byte by byte, so that how the text was cut into pieces does not show.
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

impl ser::SerializeMap for &mut Digest {
    type Ok = ();
    type Error = Never;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Never> {
        key.serialize(&mut **self)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Never> {
        value.serialize(&mut **self)
    }

    fn end(self) -> Result<(), Never> {
        self.word(END);
        Ok(())
    }
}

/// A struct whose fields are folded in turn.
struct Named<'a> {
    digest: &'a mut Digest,
    /// Its name.
    of: &'static str,
    /// Later fields that were left out since the last one that is there.
    left_out: u64,
}

/// Struct serialisers fold the values; the names are the same for every value of a type.
macro_rules! named {
    ($($part:ident;)+) => {
        $(impl ser::$part for Named<'_> {
            type Ok = ();
            type Error = Never;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _: &'static str,
                value: &T,
            ) -> Result<(), Never> {
                let left_out = core::mem::take(&mut self.left_out);
                if left_out > 0 {
                    self.digest.word(ABSENT.wrapping_add(left_out));
                }
                value.serialize(&mut *self.digest)
            }

            fn skip_field(&mut self, name: &'static str) -> Result<(), Never> {
                let first = FIRST.iter().any(|(of, names)| *of == self.of && names.contains(&name));
                if first {
                    self.digest.word(ABSENT);
                } else {
                    self.left_out += 1;
                }
                Ok(())
            }

            fn end(self) -> Result<(), Never> {
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
    struct Before {
        size: u64,
    }

    #[derive(Serialize)]
    struct After {
        size: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        first: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        second: Option<u64>,
    }

    #[test]
    fn a_later_field_that_says_nothing_leaves_no_trace() {
        let print = |first, second| fingerprint(&After { size: 7, first, second });
        assert_eq!(print(None, None), fingerprint(&Before { size: 7 }));
        assert_ne!(print(Some(1), None), print(None, Some(1)));
        assert_ne!(print(Some(1), None), print(None, None));
    }
}
