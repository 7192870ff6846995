//! Bodies too large for one record: cut at `data[]`, and what still does not fit is kept in the bad topic.
//!
//! A tracker that was offline sends its whole buffer in one POST, and repeats it for ever when it is refused. So the
//! body is taken and its events are spread over several records, each with the fields around `data` unchanged.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::json;
use serde_json::value::RawValue;

use crate::record::Envelope;

/// What the JSON around a payload in the bad topic takes at most; the payload is cut so that the rest fits.
const BAD_FRAME_BYTES: usize = 1_024;
/// Bytes that the body field costs beside its content: type, id and length.
const BODY_FIELD_BYTES: usize = 7;

/// What became of one request.
#[derive(Clone, Default)]
pub(crate) struct Split {
    /// Records for the stream.
    pub(crate) records: Vec<Vec<u8>>,
    /// Payloads of the bad topic, JSON.
    pub(crate) bad: Vec<Vec<u8>>,
}

/// What stands around `data` may take a share of a record: one of so many.
const FRAME_SHARE: usize = 4;

/// Spreads a request over records of at most `limit` bytes each.
pub(crate) fn split(envelope: &Envelope<'_>, body: Option<&[u8]>, limit: usize, time_ms: i64) -> Split {
    let mut split = Split::default();
    let bare = envelope.encode(body.map(|_| &b""[..])).len();
    let room = limit.saturating_sub(bare + BODY_FIELD_BYTES);
    let bad = Bad { limit, time_ms };
    let Some(batch) = body.and_then(Batch::parse) else {
        let size = (bare + body.map_or(0, <[u8]>::len)) as u64;
        let whole = body.map_or_else(|| envelope.encode(None), <[u8]>::to_vec);
        bad.push(
            &mut split.bad,
            &whole,
            size,
            "the record is too large and its body has no list 'data' to split at",
        );
        return split;
    };
    let frame = batch.before.len() + batch.after.len();
    // Each record repeats them, so that a body of many small events and a large frame would become many times as large.
    if frame > room / FRAME_SHARE {
        let whole = body.unwrap_or_default();
        let reason = "the fields around 'data' are too large to be repeated in every record";
        bad.push(&mut split.bad, whole, (bare + whole.len()) as u64, reason);
        return split;
    }
    let mut group: Vec<&str> = Vec::new();
    let mut group_bytes = frame;
    for event in &batch.events {
        let event = event.get();
        if frame + event.len() > room {
            let size = (bare + frame + event.len()) as u64;
            bad.push(
                &mut split.bad,
                event.as_bytes(),
                size,
                "this element of 'data' alone makes the record too large",
            );
            continue;
        }
        if group_bytes + event.len() + 1 > room && !group.is_empty() {
            split.records.push(envelope.encode(Some(batch.body(&group).as_bytes())));
            group.clear();
            group_bytes = frame;
        }
        // One more for the comma.
        group_bytes += event.len() + 1;
        group.push(event);
    }
    if !group.is_empty() {
        split.records.push(envelope.encode(Some(batch.body(&group).as_bytes())));
    }
    split
}

/// What is kept of a body above the limit for bodies, of which only the beginning was read.
pub(crate) fn oversize(start: &[u8], size: u64, body_limit: usize, limit: usize, time_ms: i64) -> Split {
    let mut split = Split::default();
    let reason =
        format!("the body has more bytes than the limit of {body_limit}; what is beyond it is not kept");
    Bad { limit, time_ms }.push(&mut split.bad, start, size, &reason);
    split
}

/// A body `{..., "data": [...], ...}` with its texts as they were sent.
struct Batch<'a> {
    /// Up to and with the bracket that opens the list.
    before: String,
    events: Vec<&'a RawValue>,
    /// From the bracket that closes it.
    after: String,
}

impl<'a> Batch<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        let Fields(fields) = serde_json::from_slice(body).ok()?;
        let at = fields.iter().position(|(name, _)| name == "data")?;
        let events: Vec<&RawValue> = serde_json::from_str(fields[at].1.get()).ok()?;
        let field = |(name, value): &(String, &RawValue)| format!("{}:{}", json!(name), value.get());
        let before: Vec<String> = fields[..at].iter().map(field).collect();
        let after: Vec<String> = fields[at + 1..].iter().map(field).collect();
        Some(Self {
            before: format!("{{{}{}\"data\":[", before.join(","), if before.is_empty() { "" } else { "," }),
            events,
            after: format!("]{}{}}}", if after.is_empty() { "" } else { "," }, after.join(",")),
        })
    }

    fn body(&self, events: &[&str]) -> String {
        format!("{}{}{}", self.before, events.join(","), self.after)
    }
}

/// The fields of an object in their order, values untouched.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Writes records of the bad topic: the reason as JSON in the shape of Snowplow's `size_violation`, with the payload
/// cut into as many parts as its size needs. Bytes that are not UTF-8 become U+FFFD.
struct Bad {
    limit: usize,
    time_ms: i64,
}

impl Bad {
    fn push(&self, out: &mut Vec<Vec<u8>>, payload: &[u8], size: u64, reason: &str) {
        let text = String::from_utf8_lossy(payload);
        let parts = cut(&text, self.limit.saturating_sub(BAD_FRAME_BYTES).max(BAD_FRAME_BYTES));
        for (index, part) in parts.iter().enumerate() {
            let row = json!({
                "schema": "iglu:com.snowplowanalytics.snowplow.badrows/size_violation/jsonschema/1-0-0",
                "data": {
                    "processor": {"artifact": "granary-collector", "version": env!("CARGO_PKG_VERSION")},
                    "failure": {
                        "timestamp": rfc3339(self.time_ms),
                        "maximumAllowedSizeBytes": self.limit,
                        "actualSizeBytes": size,
                        "expectation": reason,
                    },
                    "payload": part,
                    "part": index + 1,
                    "parts": parts.len(),
                },
            });
            out.push(row.to_string().into_bytes());
        }
    }
}

/// Pieces whose JSON text takes at most `room` bytes each, cut between characters.
fn cut(text: &str, room: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (at, character) in text.char_indices() {
        let cost = match character {
            '"' | '\\' => 2,
            '\0'..='\u{1f}' => 6,
            other => other.len_utf8(),
        };
        if used + cost > room && at > start {
            pieces.push(&text[start..at]);
            (start, used) = (at, 0);
        }
        used += cost;
    }
    pieces.push(&text[start..]);
    pieces
}

fn rfc3339(time_ms: i64) -> String {
    let time = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(time_ms) * 1_000_000);
    time.ok()
        .and_then(|time| time.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::visitor::Visitor;
    use crate::{CollectorPayload, Options};

    proptest! {
        #[test]
        fn every_event_is_in_one_record_or_kept_apart(
            sizes in proptest::collection::vec(0_usize..1_500, 0..30),
            limit in 1_500_usize..4_000,
            around in 0_usize..250,
        ) {
            let request = http::Request::post("/com.acme/v1").body(()).expect("a request");
            let (parts, ()) = request.into_parts();
            let visitor = Visitor::of(&parts, &Options::default(), uuid::Uuid::nil);
            let envelope = Envelope::new(&parts, "/com.acme/v1", 0, None, &visitor);
            let events: Vec<String> = (0..).zip(&sizes).map(|(n, size)| format!("{n}{}", "x".repeat(*size))).collect();
            let body = json!({"before": "b".repeat(around), "data": events, "after": null}).to_string();
            let split = split(&envelope, Some(body.as_bytes()), limit, 0);
            let mut seen = Vec::new();
            for record in &split.records {
                prop_assert!(record.len() <= limit);
                let payload = CollectorPayload::decode(record).expect("a record");
                let body: Value = serde_json::from_slice(&payload.body.expect("a body")).expect("JSON");
                prop_assert_eq!(body["before"].as_str().map(str::len), Some(around));
                seen.extend(body["data"].as_array().expect("a list").clone());
            }
            let mut kept = String::new();
            for row in &split.bad {
                prop_assert!(row.len() <= limit);
                let row: Value = serde_json::from_slice(row).expect("JSON");
                kept += row["data"]["payload"].as_str().expect("a text");
                if row["data"]["part"] == row["data"]["parts"] {
                    seen.push(serde_json::from_str(&std::mem::take(&mut kept)).expect("one event"));
                }
            }
            let mut expected: Vec<Value> = events.into_iter().map(Value::from).collect();
            seen.sort_by_key(Value::to_string);
            expected.sort_by_key(Value::to_string);
            prop_assert_eq!(seen, expected);
        }
    }

    #[test]
    fn a_body_whose_fields_are_too_large_to_be_repeated_is_kept_apart() {
        let request = http::Request::post("/com.acme/v1").body(()).expect("a request");
        let (parts, ()) = request.into_parts();
        let visitor = Visitor::of(&parts, &Options::default(), uuid::Uuid::nil);
        let envelope = Envelope::new(&parts, "/com.acme/v1", 0, None, &visitor);
        let body = json!({"around": "x".repeat(9_000), "data": vec![1; 10_000]}).to_string();
        let split = split(&envelope, Some(body.as_bytes()), 10_000, 0);
        assert!(split.records.is_empty());
        let row: Value = serde_json::from_slice(&split.bad[0]).expect("JSON");
        assert!(row.to_string().contains("too large to be repeated"), "{row}");
        let stored: usize = split.bad.iter().map(Vec::len).sum();
        assert!(stored < 4 * body.len(), "{stored} bytes of {}", body.len());
    }
}
