//! What lies in the value of a Fluvio record: the envelope, version 1.
//!
//! ```text
//! 3 bytes   "GRN"
//! u8        version of the envelope: 1
//! u32       CRC32C over everything behind this field, then the key of the Fluvio record (none counts as empty)
//! ...       the record as `granary_stream::record` writes it, without its key
//! ```
//!
//! Numbers are little-endian. The key of the message is the key of the Fluvio record, so that other clients see it.
//! `examples/fluvio/granary_record.py` reads both.

use bytes::Bytes;
use granary_stream::{Message, record};

const MAGIC: &[u8] = b"GRN";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 8;

/// What a Fluvio record holds.
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once, and nearly always the large one")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// A message of ours.
    Message(Message),
    /// Something that another client wrote there.
    Foreign,
    /// Written by a newer engine, with this version of the envelope.
    Newer(u8),
    /// It was ours, and is no longer what was written.
    Damaged,
}

/// Puts a message into an envelope; its key goes elsewhere.
#[must_use]
pub fn seal(message: &Message, time_ms: u64) -> Vec<u8> {
    let mut value = Vec::with_capacity(HEADER_BYTES + record::size_bound(message));
    value.extend_from_slice(MAGIC);
    value.push(VERSION);
    value.extend_from_slice(&[0; 4]);
    record::encode_without_key(message, time_ms, &mut value);
    let crc = checksum(&value[HEADER_BYTES..], message.key.as_deref());
    value[4..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    value
}

/// Reads what lies in a Fluvio record.
#[must_use]
pub fn open(key: Option<Bytes>, value: &Bytes) -> Opened {
    let Some(rest) = value.strip_prefix(MAGIC) else { return Opened::Foreign };
    match rest.first() {
        Some(&VERSION) => {}
        Some(&newer) if newer > VERSION => return Opened::Newer(newer),
        _ => return Opened::Foreign,
    }
    let Some(crc) = value.get(4..HEADER_BYTES).and_then(|crc| crc.try_into().ok()) else {
        return Opened::Damaged;
    };
    let stored = value.slice(HEADER_BYTES..);
    if u32::from_le_bytes(crc) != checksum(&stored, key.as_deref())
        || record::length(&stored) != Some(stored.len())
    {
        return Opened::Damaged;
    }
    record::decode(&stored).map_or(Opened::Damaged, |message| Opened::Message(Message { key, ..message }))
}

fn checksum(record: &[u8], key: Option<&[u8]>) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(record), key.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use granary_stream::contract_tests::full_message;

    use super::*;

    #[test]
    fn a_message_comes_back_as_it_was() {
        let bare = Message { time_ms: 5, ..Message::default() };
        let empty_key = Message { key: Some(Bytes::new()), ..bare.clone() };
        for message in [full_message(), bare, empty_key] {
            let value = Bytes::from(seal(&message, message.time_ms));
            assert_eq!(open(message.key.clone(), &value), Opened::Message(message));
        }
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let message = full_message();
        let value = seal(&message, message.time_ms);
        for bit in 0..value.len() * 8 {
            let mut flipped = value.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let opened = open(message.key.clone(), &flipped.into());
            assert!(!matches!(opened, Opened::Message(_)), "bit {bit}: {opened:?}");
        }
        assert_eq!(open(Some(Bytes::from_static(b"another key")), &value.into()), Opened::Damaged);
    }

    #[test]
    fn what_others_wrote_is_told_from_what_is_newer() {
        for value in [&b""[..], b"{\"a\":1}", b"GRN", b"GRN\0abcdefgh"] {
            assert_eq!(open(None, &Bytes::from_static(value)), Opened::Foreign, "{value:?}");
        }
        assert_eq!(open(None, &Bytes::from_static(b"GRN\x02")), Opened::Newer(2));
        assert_eq!(open(None, &Bytes::from_static(b"GRN\x01\0\0\0")), Opened::Damaged);
    }
}
