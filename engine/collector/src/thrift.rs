//! `CollectorPayload`, and its form in the Thrift binary protocol.
//!
//! Field ids are those of the public interface file `collector-payload.thrift`
//! (`iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-0`). Generated serialisers write the fields in
//! the order of their ids, so `schema` (31337) comes last. On the wire a field is a type byte, an `i16` id and the
//! value; a string is an `i32` length and that many bytes, whatever they are; a list is an element type byte and an
//! `i32` count; a zero byte ends the struct. All numbers are big-endian.

use std::borrow::Cow;

use bytes::Bytes;

/// The schema text of every record.
pub const SCHEMA: &str = "iglu:com.snowplowanalytics.snowplow/CollectorPayload/thrift/1-0-0";

/// Ids of the fields.
pub(crate) mod field {
    pub(crate) const IP_ADDRESS: i16 = 100;
    pub(crate) const TIMESTAMP: i16 = 200;
    pub(crate) const ENCODING: i16 = 210;
    pub(crate) const COLLECTOR: i16 = 220;
    pub(crate) const USER_AGENT: i16 = 300;
    pub(crate) const REFERER_URI: i16 = 310;
    pub(crate) const PATH: i16 = 320;
    pub(crate) const QUERYSTRING: i16 = 330;
    pub(crate) const BODY: i16 = 340;
    pub(crate) const HEADERS: i16 = 350;
    pub(crate) const CONTENT_TYPE: i16 = 360;
    pub(crate) const HOSTNAME: i16 = 400;
    pub(crate) const NETWORK_USER_ID: i16 = 410;
    pub(crate) const SCHEMA: i16 = 31337;
}

/// Type bytes of the protocol.
mod kind {
    pub(super) const STOP: u8 = 0;
    pub(super) const BOOL: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const DOUBLE: u8 = 4;
    pub(super) const I16: u8 = 6;
    pub(super) const I32: u8 = 8;
    pub(super) const I64: u8 = 10;
    pub(super) const STRING: u8 = 11;
    pub(super) const STRUCT: u8 = 12;
    pub(super) const MAP: u8 = 13;
    pub(super) const SET: u8 = 14;
    pub(super) const LIST: u8 = 15;
    pub(super) const UUID: u8 = 16;
}

/// Containers inside unknown fields may nest this deep.
const DEPTH_MAX: u32 = 64;

/// One request as the collector recorded it. Texts are bytes, as on the wire: a client may send a body or a header
/// that is not UTF-8, and it is kept. Absent fields are `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectorPayload {
    /// Address of the client, or `unknown`. Id 100.
    pub ip_address: Option<Bytes>,
    /// Time of reception in milliseconds since the Unix epoch. Id 200.
    pub timestamp: Option<i64>,
    /// Always `UTF-8`. Id 210.
    pub encoding: Option<Bytes>,
    /// Name and version of the collector. Id 220.
    pub collector: Option<Bytes>,
    /// The request's `User-Agent`. Id 300.
    pub user_agent: Option<Bytes>,
    /// The request's `Referer`. Id 310.
    pub referer_uri: Option<Bytes>,
    /// Path without the prefix `/api` and without the query. Id 320.
    pub path: Option<Bytes>,
    /// The query as it was sent, without the question mark. Id 330.
    pub querystring: Option<Bytes>,
    /// Body of a POST. Id 340.
    pub body: Option<Bytes>,
    /// Items `Name: value`; the last one is the bare content type when there is one. Id 350.
    pub headers: Option<Vec<Bytes>>,
    /// Content type of a POST. Id 360.
    pub content_type: Option<Bytes>,
    /// Host that was asked, without port. Id 400.
    pub hostname: Option<Bytes>,
    /// UUID of the client, fresh unless the client named one. Id 410.
    pub network_user_id: Option<Bytes>,
    /// Schema of this record, [`SCHEMA`]. Id 31337.
    pub schema: Option<Bytes>,
}

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end inside a value.
    #[error(
        "not a Thrift collector payload: {needed} more bytes expected at byte {at}, only {left} are there"
    )]
    Truncated {
        /// Where the value begins.
        at: usize,
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that there are.
        left: usize,
    },
    /// A length or count is negative.
    #[error("not a Thrift collector payload: negative length {length} at byte {at}")]
    NegativeLength {
        /// Where it stands.
        at: usize,
        /// The number.
        length: i32,
    },
    /// A type byte that the protocol does not have.
    #[error("not a Thrift collector payload: unknown type {kind} of the value at byte {at}")]
    UnknownType {
        /// Where it stands.
        at: usize,
        /// The byte.
        kind: u8,
    },
    /// Containers are nested too deeply.
    #[error("not a Thrift collector payload: values nested deeper than {DEPTH_MAX} at byte {at}")]
    TooDeep {
        /// Where the limit was passed.
        at: usize,
    },
}

impl CollectorPayload {
    /// The bytes of the record. A text of 2 GiB or more does not fit the protocol and is cut there.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Encoder::with_capacity(512 + self.body.as_ref().map_or(0, Bytes::len));
        out.optional(field::IP_ADDRESS, self.ip_address.as_deref());
        if let Some(timestamp) = self.timestamp {
            out.number(field::TIMESTAMP, timestamp);
        }
        out.optional(field::ENCODING, self.encoding.as_deref());
        out.optional(field::COLLECTOR, self.collector.as_deref());
        out.optional(field::USER_AGENT, self.user_agent.as_deref());
        out.optional(field::REFERER_URI, self.referer_uri.as_deref());
        out.optional(field::PATH, self.path.as_deref());
        out.optional(field::QUERYSTRING, self.querystring.as_deref());
        out.optional(field::BODY, self.body.as_deref());
        if let Some(headers) = &self.headers {
            let mut list = out.list(field::HEADERS);
            for item in headers {
                list.item(&[item]);
            }
            list.end();
        }
        out.optional(field::CONTENT_TYPE, self.content_type.as_deref());
        out.optional(field::HOSTNAME, self.hostname.as_deref());
        out.optional(field::NETWORK_USER_ID, self.network_user_id.as_deref());
        out.optional(field::SCHEMA, self.schema.as_deref());
        out.finish()
    }

    /// Reads a record. Unknown fields, and known ones of another type, are skipped as generated code does; bytes
    /// after the end are ignored. Work and memory are linear in the number of bytes.
    ///
    /// # Errors
    /// When the bytes are not a struct of the binary protocol.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut input = Decoder { bytes, at: 0 };
        let mut payload = Self::default();
        loop {
            let kind = input.byte()?;
            if kind == kind::STOP {
                return Ok(payload);
            }
            let id = input.short()?;
            match (id, kind) {
                (field::TIMESTAMP, kind::I64) => payload.timestamp = Some(input.long()?),
                (field::HEADERS, kind::LIST) => payload.headers = input.strings()?.or(payload.headers),
                (id, kind::STRING) => {
                    let value = Bytes::copy_from_slice(input.string()?);
                    if let Some(slot) = payload.text_field(id) {
                        *slot = Some(value);
                    }
                }
                (_, kind) => input.skip(kind, DEPTH_MAX)?,
            }
        }
    }

    /// A field as text, with U+FFFD in place of what is not UTF-8.
    #[must_use]
    pub fn text(field: &Option<Bytes>) -> Option<Cow<'_, str>> {
        field.as_deref().map(String::from_utf8_lossy)
    }

    fn text_field(&mut self, id: i16) -> Option<&mut Option<Bytes>> {
        Some(match id {
            field::IP_ADDRESS => &mut self.ip_address,
            field::ENCODING => &mut self.encoding,
            field::COLLECTOR => &mut self.collector,
            field::USER_AGENT => &mut self.user_agent,
            field::REFERER_URI => &mut self.referer_uri,
            field::PATH => &mut self.path,
            field::QUERYSTRING => &mut self.querystring,
            field::BODY => &mut self.body,
            field::CONTENT_TYPE => &mut self.content_type,
            field::HOSTNAME => &mut self.hostname,
            field::NETWORK_USER_ID => &mut self.network_user_id,
            field::SCHEMA => &mut self.schema,
            _ => return None,
        })
    }
}

/// Writes the fields of one struct, in the order of their ids. The hot path writes through it without a
/// [`CollectorPayload`] in between.
pub(crate) struct Encoder {
    out: Vec<u8>,
}

impl Encoder {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes) }
    }

    pub(crate) fn string(&mut self, id: i16, value: &[u8]) {
        self.head(kind::STRING, id);
        let value = &value[..value.len().min(i32::MAX as usize)];
        self.out.extend_from_slice(&(value.len() as u32).to_be_bytes());
        self.out.extend_from_slice(value);
    }

    pub(crate) fn optional(&mut self, id: i16, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.string(id, value);
        }
    }

    pub(crate) fn number(&mut self, id: i16, value: i64) {
        self.head(kind::I64, id);
        self.out.extend_from_slice(&value.to_be_bytes());
    }

    /// Begins a list of strings; its count is written when it ends.
    pub(crate) fn list(&mut self, id: i16) -> List<'_> {
        self.head(kind::LIST, id);
        self.out.push(kind::STRING);
        let count_at = self.out.len();
        self.out.extend_from_slice(&[0; 4]);
        List { encoder: self, count_at, count: 0 }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out.push(kind::STOP);
        self.out
    }

    fn head(&mut self, kind: u8, id: i16) {
        let [high, low] = id.to_be_bytes();
        self.out.extend_from_slice(&[kind, high, low]);
    }
}

/// A list under construction.
pub(crate) struct List<'a> {
    encoder: &'a mut Encoder,
    count_at: usize,
    count: u32,
}

impl List<'_> {
    /// Adds one string made of the pieces.
    pub(crate) fn item(&mut self, pieces: &[&[u8]]) {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        // Items are header lines or fields of a decoded record, so far below the 2 GiB that the protocol can say.
        let length = u32::try_from(length).unwrap_or(0);
        let out = &mut self.encoder.out;
        out.extend_from_slice(&length.to_be_bytes());
        if length > 0 {
            for piece in pieces {
                out.extend_from_slice(piece);
            }
        }
        self.count += 1;
    }

    pub(crate) fn end(self) {
        self.encoder.out[self.count_at..self.count_at + 4].copy_from_slice(&self.count.to_be_bytes());
    }
}

/// Reads values one after the other; every length is checked against what is left before it is used.
struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    fn take(&mut self, needed: usize) -> Result<&'a [u8], Error> {
        let left = self.bytes.len() - self.at;
        if needed > left {
            return Err(Error::Truncated { at: self.at, needed, left });
        }
        let taken = &self.bytes[self.at..self.at + needed];
        self.at += needed;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        Ok(self.take(N)?.try_into().expect("take returns exactly what was asked"))
    }

    fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    fn short(&mut self) -> Result<i16, Error> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    fn long(&mut self) -> Result<i64, Error> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    fn length(&mut self) -> Result<usize, Error> {
        let at = self.at;
        let length = i32::from_be_bytes(self.array()?);
        usize::try_from(length).map_err(|_| Error::NegativeLength { at, length })
    }

    fn string(&mut self) -> Result<&'a [u8], Error> {
        let length = self.length()?;
        self.take(length)
    }

    /// A list of strings; a list of something else is skipped.
    fn strings(&mut self) -> Result<Option<Vec<Bytes>>, Error> {
        let kind = self.byte()?;
        let count = self.length()?;
        if kind != kind::STRING {
            self.skip_items(kind, count, DEPTH_MAX)?;
            return Ok(None);
        }
        // An item takes at least four bytes, so a count that cannot be true reserves no memory.
        let mut items = Vec::with_capacity(count.min((self.bytes.len() - self.at) / 4));
        for _ in 0..count {
            items.push(Bytes::copy_from_slice(self.string()?));
        }
        Ok(Some(items))
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Result<(), Error> {
        let depth = depth.checked_sub(1).ok_or(Error::TooDeep { at: self.at })?;
        match kind {
            kind::BOOL | kind::BYTE => self.take(1).map(drop),
            kind::I16 => self.take(2).map(drop),
            kind::I32 => self.take(4).map(drop),
            kind::DOUBLE | kind::I64 => self.take(8).map(drop),
            kind::UUID => self.take(16).map(drop),
            kind::STRING => self.string().map(drop),
            kind::STRUCT => loop {
                let kind = self.byte()?;
                if kind == kind::STOP {
                    return Ok(());
                }
                self.short()?;
                self.skip(kind, depth)?;
            },
            kind::LIST | kind::SET => {
                let kind = self.byte()?;
                let count = self.length()?;
                self.skip_items(kind, count, depth)
            }
            kind::MAP => {
                let (key, value) = (self.byte()?, self.byte()?);
                for _ in 0..self.length()? {
                    self.skip(key, depth)?;
                    self.skip(value, depth)?;
                }
                Ok(())
            }
            kind => Err(Error::UnknownType { at: self.at, kind }),
        }
    }

    /// Every known type takes at least one byte, so a false count ends with the bytes.
    fn skip_items(&mut self, kind: u8, count: usize, depth: u32) -> Result<(), Error> {
        (0..count).try_for_each(|_| self.skip(kind, depth))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> CollectorPayload {
        let text = |s: &'static str| Some(Bytes::from_static(s.as_bytes()));
        CollectorPayload {
            ip_address: text("::1"),
            timestamp: Some(0x0102_0304_0506_0708),
            encoding: text("U8"),
            collector: text("g"),
            user_agent: text("a"),
            referer_uri: text("r"),
            path: text("/p"),
            querystring: text("q=1"),
            body: Some(Bytes::from_static(b"\xff{}")),
            headers: Some(vec![Bytes::from_static(b"A: b"), Bytes::from_static(b"t")]),
            content_type: text("t"),
            hostname: text("h"),
            network_user_id: text("n"),
            schema: text("s"),
        }
    }

    /// Written down by hand from the protocol: type, id, value, in the order of the ids, `schema` last.
    const GOLDEN: &[u8] = b"\
        \x0b\x00\x64\x00\x00\x00\x03::1\
        \x0a\x00\xc8\x01\x02\x03\x04\x05\x06\x07\x08\
        \x0b\x00\xd2\x00\x00\x00\x02U8\
        \x0b\x00\xdc\x00\x00\x00\x01g\
        \x0b\x01\x2c\x00\x00\x00\x01a\
        \x0b\x01\x36\x00\x00\x00\x01r\
        \x0b\x01\x40\x00\x00\x00\x02/p\
        \x0b\x01\x4a\x00\x00\x00\x03q=1\
        \x0b\x01\x54\x00\x00\x00\x03\xff{}\
        \x0f\x01\x5e\x0b\x00\x00\x00\x02\x00\x00\x00\x04A: b\x00\x00\x00\x01t\
        \x0b\x01\x68\x00\x00\x00\x01t\
        \x0b\x01\x90\x00\x00\x00\x01h\
        \x0b\x01\x9a\x00\x00\x00\x01n\
        \x0b\x7a\x69\x00\x00\x00\x01s\
        \x00";

    #[test]
    fn bytes_are_those_of_the_protocol() {
        assert_eq!(sample().encode(), GOLDEN);
        assert_eq!(CollectorPayload::decode(GOLDEN), Ok(sample()));
    }

    #[test]
    fn absent_fields_stay_absent() {
        let empty = CollectorPayload::default();
        assert_eq!(empty.encode(), [0]);
        assert_eq!(CollectorPayload::decode(&[0]), Ok(empty));
    }

    #[test]
    fn unknown_fields_of_every_type_are_skipped() {
        let unknown: &[u8] = b"\
            \x02\x00\x01\x01\
            \x03\x00\x01\x01\
            \x04\x00\x01\0\0\0\0\0\0\0\0\
            \x06\x00\x01\0\0\
            \x08\x00\x01\0\0\0\0\
            \x0a\x00\x64\0\0\0\0\0\0\0\0\
            \x0b\x00\x01\0\0\0\x01x\
            \x0c\x00\x01\x0b\0\x01\0\0\0\x01x\0\
            \x0d\x00\x01\x0b\x08\0\0\0\x01\0\0\0\x01k\0\0\0\x07\
            \x0e\x00\x01\x02\0\0\0\x02\x01\0\
            \x0f\x01\x5e\x08\0\0\0\x01\0\0\0\x01\
            \x0b\x00\xc8\0\0\0\x01x";
        assert_eq!(CollectorPayload::decode(&[unknown, GOLDEN].concat()), Ok(sample()));
    }

    #[test]
    fn every_cut_is_an_error() {
        for end in 0..GOLDEN.len() {
            assert!(CollectorPayload::decode(&GOLDEN[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn json_is_refused_with_its_first_byte_named() {
        let error = CollectorPayload::decode(b"{\"body\": 1}").unwrap_err();
        assert_eq!(
            error.to_string(),
            "not a Thrift collector payload: unknown type 123 of the value at byte 3"
        );
    }

    #[test]
    fn lying_lengths_are_refused() {
        assert!(matches!(
            CollectorPayload::decode(b"\x0b\0\x01\x7f\xff\xff\xff"),
            Err(Error::Truncated { at: 7, needed: 0x7fff_ffff, left: 0 })
        ));
        assert!(matches!(
            CollectorPayload::decode(b"\x0b\0\x01\xff\xff\xff\xff"),
            Err(Error::NegativeLength { at: 3, length: -1 })
        ));
        assert!(matches!(
            CollectorPayload::decode(b"\x0f\x01\x5e\x0b\x7f\xff\xff\xff"),
            Err(Error::Truncated { .. })
        ));
    }

    #[test]
    fn nesting_is_bounded() {
        let bytes = [b"\x0c\0\x01".repeat(100_000), vec![0; 100_001]].concat();
        assert!(matches!(CollectorPayload::decode(&bytes), Err(Error::TooDeep { .. })));
    }

    fn field() -> impl Strategy<Value = Option<Bytes>> {
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..20).prop_map(Bytes::from))
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = CollectorPayload::decode(&bytes);
        }

        #[test]
        fn damaged_records_never_panic(at in 0..GOLDEN.len(), byte in any::<u8>()) {
            let mut bytes = GOLDEN.to_vec();
            bytes[at] = byte;
            let _ = CollectorPayload::decode(&bytes);
        }

        #[test]
        fn records_come_back(
            texts in proptest::collection::vec(field(), 12),
            timestamp in any::<Option<i64>>(),
            headers in proptest::option::of(proptest::collection::vec(field(), 0..4)),
        ) {
            let mut payload = CollectorPayload {
                timestamp,
                headers: headers.map(|h| h.into_iter().flatten().collect()),
                ..CollectorPayload::default()
            };
            let ids = [100, 210, 220, 300, 310, 320, 330, 340, 360, 400, 410, 31337];
            for (id, text) in ids.into_iter().zip(texts) {
                *payload.text_field(id).expect("a known id") = text;
            }
            prop_assert_eq!(CollectorPayload::decode(&payload.encode()), Ok(payload));
        }
    }
}
