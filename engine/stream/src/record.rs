//! How one message is stored: record format version 1.
//!
//! ```text
//! u32    length of all that follows
//! u8     flags: which of the optional parts are there
//! u64    append time, milliseconds since the Unix epoch
//! [1]    key            text
//! [2]    headers        varint count, then name and value, each a text
//! [4]    source         topic text, varint partition, varint offset, varint index
//! [8]    incarnation    stage text, varint version, varint epoch
//! [16]   producer       16 bytes id, varint sequence
//! [32]   schema         varint version
//! [64]   trace          16 bytes
//! ...    payload        the rest
//! ```
//!
//! A text is a varint length and that many bytes; a varint is LEB128 (seven bits a byte, low first, at most ten
//! bytes); fixed numbers are little-endian. A flag that version 1 does not know makes the record unreadable: a field
//! that is added later comes with a new version of the file format.

use bytes::Bytes;

use crate::message::{Headers, Incarnation, Message, Producer, Source, System};

const KEY: u8 = 1;
const HEADERS: u8 = 2;
const SOURCE: u8 = 4;
const STAGE: u8 = 8;
const PRODUCER: u8 = 16;
const SCHEMA: u8 = 32;
const TRACE: u8 = 64;
const KNOWN: u8 = 127;

/// Bytes of the length field.
pub const LENGTH_BYTES: usize = 4;
/// Bytes of length, flags and time.
const FIXED_BYTES: usize = 13;
/// No record has fewer bytes.
pub const RECORD_BYTES_MIN: u64 = FIXED_BYTES as u64;

/// Appends the stored form of a message. The caller has checked that it is no longer than `u32::MAX`.
///
/// # Panics
/// Where it is longer.
pub fn encode(message: &Message, time_ms: u64, out: &mut Vec<u8>) {
    encode_with_key(message, message.key.as_ref(), time_ms, out);
}

/// The same without the key, for a log that keeps it elsewhere.
///
/// # Panics
/// Where it is longer than `u32::MAX`.
pub fn encode_without_key(message: &Message, time_ms: u64, out: &mut Vec<u8>) {
    encode_with_key(message, None, time_ms, out);
}

fn encode_with_key(message: &Message, key: Option<&Bytes>, time_ms: u64, out: &mut Vec<u8>) {
    let start = out.len();
    let system = &message.system;
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    out.push(flags(message, key));
    out.extend_from_slice(&time_ms.to_le_bytes());
    if let Some(key) = key {
        put_text(out, key);
    }
    if !message.headers.0.is_empty() {
        put_varint(out, message.headers.0.len() as u64);
        for (name, value) in &message.headers.0 {
            put_text(out, name.as_bytes());
            put_text(out, value.as_bytes());
        }
    }
    if let Some(source) = &system.source {
        put_text(out, source.topic.as_bytes());
        put_varint(out, u64::from(source.partition));
        put_varint(out, source.offset);
        put_varint(out, u64::from(source.index));
    }
    if let Some(stage) = &system.stage {
        put_text(out, stage.stage.as_bytes());
        put_varint(out, stage.version);
        put_varint(out, stage.epoch);
    }
    if let Some(producer) = &system.producer {
        out.extend_from_slice(&producer.id.to_le_bytes());
        put_varint(out, producer.sequence);
    }
    if system.schema_version != 0 {
        put_varint(out, u64::from(system.schema_version));
    }
    if system.trace_id != 0 {
        out.extend_from_slice(&system.trace_id.to_le_bytes());
    }
    out.extend_from_slice(&message.payload);
    let length = u32::try_from(out.len() - start - LENGTH_BYTES).expect("the caller has bounded the size");
    out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
}

fn flags(message: &Message, key: Option<&Bytes>) -> u8 {
    let system = &message.system;
    [
        (KEY, key.is_some()),
        (HEADERS, !message.headers.0.is_empty()),
        (SOURCE, system.source.is_some()),
        (STAGE, system.stage.is_some()),
        (PRODUCER, system.producer.is_some()),
        (SCHEMA, system.schema_version != 0),
        (TRACE, system.trace_id != 0),
    ]
    .iter()
    .fold(0, |flags, (flag, there)| if *there { flags | flag } else { flags })
}

/// An upper bound of the stored size, in bytes, for the limit of a record and for sizing buffers.
#[must_use]
pub fn size_bound(message: &Message) -> usize {
    let headers: usize = message.headers.0.iter().map(|(name, value)| name.len() + value.len() + 20).sum();
    let source = message.system.source.as_ref().map_or(0, |source| source.topic.len() + 40);
    let stage = message.system.stage.as_ref().map_or(0, |stage| stage.stage.len() + 30);
    let key = message.key.as_ref().map_or(0, |key| key.len() + 10);
    // Count of headers, producer, schema version and trace, at their longest.
    FIXED_BYTES + 10 + 26 + 5 + 16 + headers + source + stage + key + message.payload.len()
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("below 128"));
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// The length in bytes of the record that begins here, with its length field. `None` where the bytes end before it does.
#[must_use]
pub fn length(bytes: &[u8]) -> Option<usize> {
    let length = u32::from_le_bytes(bytes.get(..LENGTH_BYTES)?.try_into().ok()?);
    let whole = LENGTH_BYTES.checked_add(usize::try_from(length).ok()?)?;
    (whole >= FIXED_BYTES && whole <= bytes.len()).then_some(whole)
}

/// The append time of a record whose length is known to be right.
#[must_use]
pub fn time_ms(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(LENGTH_BYTES + 1..FIXED_BYTES)?.try_into().ok()?))
}

/// Reads one whole record back; key and payload share its buffer. `None` where it is not of version 1.
#[must_use]
pub fn decode(record: &Bytes) -> Option<Message> {
    let time_ms = time_ms(record)?;
    let flags = *record.get(LENGTH_BYTES)?;
    if flags & !KNOWN != 0 {
        return None;
    }
    let mut cursor = Cursor { record, at: FIXED_BYTES };
    let has = |flag: u8| flags & flag != 0;
    let key = if has(KEY) { Some(cursor.bytes()?) } else { None };
    let headers = if has(HEADERS) { cursor.headers()? } else { Headers::new() };
    let source = if has(SOURCE) { Some(cursor.source()?) } else { None };
    let stage = if has(STAGE) { Some(cursor.stage()?) } else { None };
    let producer = if has(PRODUCER) {
        Some(Producer { id: cursor.number_128()?, sequence: cursor.varint()? })
    } else {
        None
    };
    let schema_version = if has(SCHEMA) { cursor.varint_32()? } else { 0 };
    let trace_id = if has(TRACE) { cursor.number_128()? } else { 0 };
    let payload = record.slice(cursor.at..);
    let system = System { source, stage, producer, schema_version, trace_id };
    Some(Message { key, payload, headers, time_ms, system })
}

struct Cursor<'a> {
    record: &'a Bytes,
    at: usize,
}

impl Cursor<'_> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.record.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn varint_32(&mut self) -> Option<u32> {
        u32::try_from(self.varint()?).ok()
    }

    fn number_128(&mut self) -> Option<u128> {
        let bytes = self.record.get(self.at..self.at.checked_add(16)?)?;
        self.at += 16;
        Some(u128::from_le_bytes(bytes.try_into().ok()?))
    }

    fn range(&mut self) -> Option<std::ops::Range<usize>> {
        let length = usize::try_from(self.varint()?).ok()?;
        let end = self.at.checked_add(length)?;
        if end > self.record.len() {
            return None;
        }
        let range = self.at..end;
        self.at = end;
        Some(range)
    }

    fn bytes(&mut self) -> Option<Bytes> {
        let range = self.range()?;
        Some(self.record.slice(range))
    }

    fn text(&mut self) -> Option<String> {
        let range = self.range()?;
        Some(std::str::from_utf8(&self.record[range]).ok()?.to_owned())
    }

    fn headers(&mut self) -> Option<Headers> {
        let count = usize::try_from(self.varint()?).ok()?;
        // Two bytes are the least that a header takes, so a wrong count cannot ask for much memory.
        if count > self.record.len() / 2 {
            return None;
        }
        let mut pairs = Vec::with_capacity(count);
        for _ in 0..count {
            pairs.push((self.text()?, self.text()?));
        }
        Some(Headers(pairs))
    }

    fn source(&mut self) -> Option<Source> {
        Some(Source {
            topic: self.text()?,
            partition: self.varint_32()?,
            offset: self.varint()?,
            index: self.varint_32()?,
        })
    }

    fn stage(&mut self) -> Option<Incarnation> {
        Some(Incarnation { stage: self.text()?, version: self.varint()?, epoch: self.varint()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn messages() -> impl Strategy<Value = Message> {
        let text = proptest::collection::vec(any::<char>(), 0..8)
            .prop_map(|chars| chars.into_iter().collect::<String>());
        let bytes = || proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from);
        let headers = proptest::collection::vec((text.clone(), text.clone()), 0..4);
        let source = (text.clone(), any::<u32>(), any::<u64>(), any::<u32>())
            .prop_map(|(topic, partition, offset, index)| Source { topic, partition, offset, index });
        let stage = (text, any::<u64>(), any::<u64>()).prop_map(|(stage, version, epoch)| Incarnation {
            stage,
            version,
            epoch,
        });
        let producer = (any::<u128>(), any::<u64>()).prop_map(|(id, sequence)| Producer { id, sequence });
        let system = (
            proptest::option::of(source),
            proptest::option::of(stage),
            proptest::option::of(producer),
            any::<u32>(),
            any::<u128>(),
        )
            .prop_map(|(source, stage, producer, schema_version, trace_id)| System {
                source,
                stage,
                producer,
                schema_version,
                trace_id,
            });
        (proptest::option::of(bytes()), bytes(), headers, any::<u64>(), system).prop_map(
            |(key, payload, headers, time_ms, system)| Message {
                key,
                payload,
                headers: Headers(headers),
                time_ms,
                system,
            },
        )
    }

    proptest! {
        #[test]
        fn a_message_comes_back_as_it_was(message in messages()) {
            let mut bytes = Vec::new();
            encode(&message, message.time_ms, &mut bytes);
            prop_assert!(bytes.len() <= size_bound(&message));
            prop_assert_eq!(length(&bytes), Some(bytes.len()));
            prop_assert_eq!(time_ms(&bytes), Some(message.time_ms));
            prop_assert_eq!(decode(&Bytes::from(bytes)), Some(message));
        }

        #[test]
        fn any_bytes_are_read_or_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = length(&bytes);
            let _ = decode(&Bytes::from(bytes));
        }

        #[test]
        fn a_flipped_bit_never_panics(message in messages(), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let mut bytes = Vec::new();
            encode(&message, message.time_ms, &mut bytes);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let _ = decode(&Bytes::from(bytes));
        }
    }
}
