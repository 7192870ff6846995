//! Writes values as `serde_json` does, texts many bytes at a time. Whatever is rare it asks `serde_json` to write.

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::Error;

use super::block::{self, BYTES};
use crate::bytes::put;

/// Rows are about as long.
const BYTES_TYPICAL: usize = 128;

/// Structures whose names begin like this are values of `serde_json` that it writes in its own way.
const PRIVATE: &str = "$serde_json::private::";

/// The JSON of a value.
pub(super) fn write(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut to = Vec::with_capacity(BYTES_TYPICAL);
    value.serialize(Writer(&mut to))?;
    Ok(to)
}

fn theirs(to: &mut Vec<u8>) -> serde_json::Serializer<&mut Vec<u8>> {
    serde_json::Serializer::new(to)
}

fn text(to: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    let bytes = text.as_bytes();
    if !is_plain(bytes) {
        return text_with_escapes(to, text);
    }
    to.push(b'"');
    put(to, bytes);
    to.push(b'"');
    Ok(())
}

#[cold]
fn text_with_escapes(to: &mut Vec<u8>, text: &str) -> Result<(), Error> {
    theirs(to).serialize_str(text)
}

/// Whether a text stands in JSON as it is. Of a short one its two ends, which meet or overlap, are as good as all of it.
#[inline(always)]
fn is_plain(bytes: &[u8]) -> bool {
    if let (Some(start), Some(end)) = (bytes.first_chunk::<BYTES>(), bytes.last_chunk::<BYTES>()) {
        let special = block::marks(start).special | block::marks(end).special;
        return special == 0 && (bytes.len() <= 2 * BYTES || is_plain_between(bytes));
    }
    let halves = if let (Some(start), Some(end)) = (bytes.first_chunk(), bytes.last_chunk()) {
        [u64::from_le_bytes(*start), u64::from_le_bytes(*end)]
    } else if let (Some(start), Some(end)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let both = u64::from(u32::from_le_bytes(*start)) | u64::from(u32::from_le_bytes(*end)) << 32;
        [both, both]
    } else {
        // Filled up with spaces, which are plain.
        let of = |at| u64::from(bytes.get(at).copied().unwrap_or(b' '));
        let spaces = u64::from_le_bytes([b' '; 8]) << 24;
        let few = spaces | of(2) << 16 | of(1) << 8 | of(0);
        [few, few]
    };
    block::marks_of(halves).special == 0
}

/// The same for what is between the first block and the last.
fn is_plain_between(bytes: &[u8]) -> bool {
    let mut rest = &bytes[BYTES..];
    let mut special = 0;
    while let Some((block, more)) = rest.split_first_chunk() {
        special |= block::marks(block).special;
        rest = more;
    }
    special == 0
}

/// Writes one value.
struct Writer<'a>(&'a mut Vec<u8>);

impl<'a> Writer<'a> {
    #[inline(always)]
    fn open(self, bracket: u8, close: &'static str) -> Items<'a> {
        self.0.push(bracket);
        Items { to: self.0, first: true, close }
    }

    /// What belongs to a variant: an object of its one entry.
    fn variant(self, name: &'static str) -> Result<Self, Error> {
        self.0.push(b'{');
        text(self.0, name)?;
        self.0.push(b':');
        Ok(self)
    }
}

/// Methods that `serde_json` has as well.
macro_rules! theirs {
    ($($method:ident($($name:ident: $kind:ty)?);)*) => {
        $(fn $method(self, $($name: $kind)?) -> Result<(), Error> {
            theirs(self.0).$method($($name)?)
        })*
    };
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Items<'a>;

    theirs! {
        serialize_bool(value: bool);
        serialize_i8(value: i8);
        serialize_i16(value: i16);
        serialize_i32(value: i32);
        serialize_i64(value: i64);
        serialize_i128(value: i128);
        serialize_u8(value: u8);
        serialize_u16(value: u16);
        serialize_u32(value: u32);
        serialize_u64(value: u64);
        serialize_u128(value: u128);
        serialize_f32(value: f32);
        serialize_f64(value: f64);
        serialize_char(value: char);
        serialize_bytes(value: &[u8]);
        serialize_none();
        serialize_unit();
    }

    #[inline(always)]
    fn serialize_str(self, value: &str) -> Result<(), Error> {
        text(self.0, value)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Error> {
        text(self.0, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let Self(to) = self.variant(variant)?;
        value.serialize(Writer(to))?;
        to.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'a>, Error> {
        Ok(self.open(b'[', "]"))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'a>, Error> {
        Ok(self.open(b'[', "]"))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'a>, Error> {
        Ok(self.open(b'[', "]"))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'a>, Error> {
        Ok(self.variant(variant)?.open(b'[', "]}"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries<'a>, Error> {
        Ok(Entries { to: self.0, first: true })
    }

    #[inline(always)]
    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields<'a>, Error> {
        if name.starts_with(PRIVATE) {
            return Ok(Fields::Private { to: self.0, name });
        }
        Ok(Fields::Own(self.open(b'{', "}")))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'a>, Error> {
        Ok(self.variant(variant)?.open(b'{', "}}"))
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        theirs(self.0).collect_str(value)
    }
}

/// The items of an array, or the fields of a structure.
struct Items<'a> {
    to: &'a mut Vec<u8>,
    first: bool,
    close: &'static str,
}

impl Items<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.comma();
        value.serialize(Writer(self.to))
    }

    #[inline(always)]
    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.comma();
        text(self.to, name)?;
        self.to.push(b':');
        value.serialize(Writer(self.to))
    }

    #[inline(always)]
    fn comma(&mut self) {
        if !std::mem::take(&mut self.first) {
            self.to.push(b',');
        }
    }

    #[inline(always)]
    fn close(self) {
        self.close.bytes().for_each(|byte| self.to.push(byte));
    }
}

/// The traits of what has items.
macro_rules! items {
    ($($of:ident $method:ident;)*) => {
        $(impl $of for Items<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.item(value)
            }

            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        })*
    };
}

items! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

impl SerializeStructVariant for Items<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.field(name, value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

/// The fields of a structure.
enum Fields<'a> {
    Own(Items<'a>),
    /// Its one field is the value.
    Private {
        to: &'a mut Vec<u8>,
        name: &'static str,
    },
}

impl SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = Error;

    #[inline(always)]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        field: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        match self {
            Self::Own(items) => items.field(field, value),
            Self::Private { to, name } => private(to, name, field, value),
        }
    }

    #[inline(always)]
    fn end(self) -> Result<(), Error> {
        if let Self::Own(items) = self {
            items.close();
        }
        Ok(())
    }
}

#[cold]
fn private<T: Serialize + ?Sized>(
    to: &mut Vec<u8>,
    name: &'static str,
    field: &'static str,
    value: &T,
) -> Result<(), Error> {
    let mut serializer = theirs(to);
    let mut structure = serializer.serialize_struct(name, 1)?;
    SerializeStruct::serialize_field(&mut structure, field, value)?;
    SerializeStruct::end(structure)
}

/// The entries of a map.
struct Entries<'a> {
    to: &'a mut Vec<u8>,
    first: bool,
}

impl SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        // Not every value may be a name. `serde_json` opens an object for it, which the first one needs anyway.
        let begin = self.to.len();
        theirs(self.to).serialize_map(None)?.serialize_key(key)?;
        if !std::mem::take(&mut self.first) {
            self.to[begin] = b',';
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.to.push(b':');
        value.serialize(Writer(self.to))
    }

    fn end(self) -> Result<(), Error> {
        self.to.extend_from_slice(if self.first { b"{}" } else { b"}" });
        Ok(())
    }
}
