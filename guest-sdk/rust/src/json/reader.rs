//! Reads values from JSON as `serde_json` does, in less time where most of a payload is not asked for.
//!
//! It knows what payloads are made of, and no more. Wherever it stops, [`super::read`] begins anew with `serde_json`, which
//! then either reads the value or says what is wrong. So all that has to hold here is: what is read is what `serde_json`
//! reads.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::value::{BorrowedStrDeserializer, StrDeserializer};
use serde::de::{
    self, Deserialize, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer as _, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

use super::scan::{DEPTH_MAX, Scan, Text};

/// By this name `serde_json` asks for the text of a value as it is.
const RAW: &str = "$serde_json::private::RawValue";

/// Floats of so many characters have no more digits than a float holds.
const FLOAT_DIGITS_MAX: usize = 16;

/// Methods for kinds of values that this reader does not know.
macro_rules! gaps {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Gap> {
            Err(gap())
        })*
    };
}

/// The value, or `None` where this reader does not know.
#[inline(never)]
pub(super) fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Option<T> {
    // A value inside of another may be read by itself.
    let outer = MET.replace(false);
    let mut reader = Reader { scan: Scan::new(bytes), depth: 0 };
    let value = T::deserialize(&mut reader).ok().filter(|_| reader.scan.end());
    let met = MET.replace(outer);
    value.filter(|_| !met)
}

thread_local! {
    /// Whether a gap was met since the value was begun: a type may take an error for a missing value, and go on.
    static MET: Cell<bool> = const { Cell::new(false) };
}

#[cold]
fn gap() -> Gap {
    MET.set(true);
    Gap
}

/// Why there is no value; whoever is told asks `serde_json`.
#[derive(Debug)]
struct Gap;

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no value")
    }
}

impl std::error::Error for Gap {}

impl de::Error for Gap {
    /// What a type has to say, as it would say it to `serde_json`: no gap of this reader.
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

struct Reader<'de> {
    scan: Scan<'de>,
    /// How many values are open.
    depth: u32,
}

impl<'de> Reader<'de> {
    #[inline(always)]
    fn peek(&mut self) -> Result<u8, Gap> {
        self.scan.peek().ok_or_else(gap)
    }

    /// The text whose quote comes next.
    fn text(&mut self) -> Result<Cow<'de, str>, Gap> {
        self.scan.expect(b'"').ok_or_else(gap)?;
        meant(self.scan.text().ok_or_else(gap)?)
    }

    fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Gap> {
        let (digits, is_float) = self.scan.number().ok_or_else(gap)?;
        if !is_float {
            if let Ok(number) = digits.parse::<u64>() {
                return visitor.visit_u64(number);
            }
            // `-0` is a float.
            if let Some(number) = digits.parse::<i64>().ok().filter(|number| *number != 0) {
                return visitor.visit_i64(number);
            }
        }
        // Beyond this, `serde_json` may round to another number.
        if digits.len() > FLOAT_DIGITS_MAX || digits.contains(['e', 'E']) {
            return Err(gap());
        }
        visitor.visit_f64(digits.parse().map_err(|_| gap())?)
    }

    /// Reads what lies between two brackets, of which the first comes next.
    fn within<T>(&mut self, close: u8, read: impl FnOnce(&mut Self) -> Result<T, Gap>) -> Result<T, Gap> {
        self.scan.at += 1;
        if self.depth >= DEPTH_MAX {
            return Err(gap());
        }
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        self.scan.expect(close).ok_or_else(gap)?;
        Ok(value)
    }
}

/// A text as it is meant.
fn meant(Text { raw, escaped }: Text<'_>) -> Result<Cow<'_, str>, Gap> {
    if !escaped {
        return std::str::from_utf8(raw).map(Cow::Borrowed).map_err(|_| gap());
    }
    unescaped(raw)
}

/// Escapes of halves of characters are many cases, all of them rare.
#[cold]
fn unescaped(raw: &[u8]) -> Result<Cow<'_, str>, Gap> {
    let quoted = [b"\"", raw, b"\""].concat();
    serde_json::from_slice(&quoted).map(Cow::Owned).map_err(|_| gap())
}

fn visit<'de, V: Visitor<'de>>(text: Cow<'de, str>, visitor: V) -> Result<V::Value, Gap> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Gap;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Gap> {
        match self.peek()? {
            b'"' => visit(self.text()?, visitor),
            b'{' => self.within(b'}', |reader| visitor.visit_map(Items { reader, first: true })),
            b'[' => self.within(b']', |reader| visitor.visit_seq(Items { reader, first: true })),
            b't' => {
                self.scan.word(b"true").ok_or_else(gap)?;
                visitor.visit_bool(true)
            }
            b'f' => {
                self.scan.word(b"false").ok_or_else(gap)?;
                visitor.visit_bool(false)
            }
            b'n' => {
                self.scan.word(b"null").ok_or_else(gap)?;
                visitor.visit_unit()
            }
            _ => self.number(visitor),
        }
    }

    #[inline]
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Gap> {
        // Most of what nobody asks for is text.
        if self.peek()? == b'"' {
            self.scan.at += 1;
            self.scan.text().ok_or_else(gap)?;
        } else {
            self.scan.skip(self.depth).ok_or_else(gap)?;
        }
        visitor.visit_unit()
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Gap> {
        if self.peek()? == b'n' {
            self.scan.word(b"null").ok_or_else(gap)?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Gap> {
        if name != RAW {
            return visitor.visit_newtype_struct(self);
        }
        self.peek()?;
        let start = self.scan.at;
        self.scan.skip(self.depth).ok_or_else(gap)?;
        let text = std::str::from_utf8(&self.scan.bytes[start..self.scan.at]).map_err(|_| gap())?;
        visitor.visit_map(Raw(Some(text)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Gap> {
        match self.peek()? {
            b'"' => visitor.visit_enum(self.text()?.into_deserializer()),
            b'{' => self.within(b'}', |reader| visitor.visit_enum(Variant(reader))),
            _ => Err(gap()),
        }
    }

    // These two take a text for its bytes.
    fn deserialize_bytes<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Gap> {
        Err(gap())
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Gap> {
        Err(gap())
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

/// The items of an array, or the entries of an object.
struct Items<'r, 'de> {
    reader: &'r mut Reader<'de>,
    first: bool,
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Gap;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Gap> {
        if self.reader.peek()? == b']' {
            return Ok(None);
        }
        if !std::mem::take(&mut self.first) {
            self.reader.scan.expect(b',').ok_or_else(gap)?;
            // A comma before the bracket is none of ours to explain.
            if self.reader.peek()? == b']' {
                return Err(gap());
            }
        }
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

impl<'de> MapAccess<'de> for Items<'_, 'de> {
    type Error = Gap;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Gap> {
        let first = std::mem::take(&mut self.first);
        match self.reader.scan.name(first).ok_or_else(gap)? {
            Some(name) => seed.deserialize(Key(name)).map(Some),
            None => Ok(None),
        }
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Gap> {
        self.reader.scan.expect(b':').ok_or_else(gap)?;
        seed.deserialize(&mut *self.reader)
    }
}

/// A name within an object. What looks for fields gets its bytes, which need not be looked at twice.
struct Key<'de>(Text<'de>);

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Gap;

    #[inline]
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Gap> {
        match self.0 {
            Text { raw, escaped: false } => visitor.visit_borrowed_bytes(raw),
            text @ Text { .. } => visit(meant(text)?, visitor),
        }
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Gap> {
        visit(meant(self.0)?, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Gap> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Gap> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Gap> {
        visitor.visit_enum(meant(self.0)?.into_deserializer())
    }

    serde::forward_to_deserialize_any! { char str string ignored_any }

    // Names that stand for numbers and other values.
    gaps! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_bytes deserialize_byte_buf deserialize_unit
        deserialize_seq deserialize_map
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, Gap> {
        Err(gap())
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Gap> {
        Err(gap())
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        _: V,
    ) -> Result<V::Value, Gap> {
        Err(gap())
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Gap> {
        Err(gap())
    }
}

/// An enumeration's value that is an object of one entry: the variant, and what belongs to it.
struct Variant<'r, 'de>(&'r mut Reader<'de>);

impl<'r, 'de> EnumAccess<'de> for Variant<'r, 'de> {
    type Error = Gap;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Gap> {
        let name = self.0.text()?;
        let name = match name {
            Cow::Borrowed(name) => seed.deserialize(BorrowedStrDeserializer::new(name))?,
            Cow::Owned(name) => seed.deserialize(StrDeserializer::new(&name))?,
        };
        self.0.scan.expect(b':').ok_or_else(gap)?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Gap;

    fn unit_variant(self) -> Result<(), Gap> {
        Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Gap> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Gap> {
        if self.0.peek()? == b'[' { self.0.deserialize_any(visitor) } else { Err(gap()) }
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Gap> {
        self.0.deserialize_any(visitor)
    }
}

/// The text of a value, in the form in which `serde_json` takes it.
struct Raw<'de>(Option<&'de str>);

impl<'de> MapAccess<'de> for Raw<'de> {
    type Error = Gap;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Gap> {
        if self.0.is_none() {
            return Ok(None);
        }
        seed.deserialize(BorrowedStrDeserializer::new(RAW)).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Gap> {
        seed.deserialize(BorrowedStrDeserializer::new(self.0.take().ok_or_else(gap)?))
    }
}
