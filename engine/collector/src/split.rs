//! Bodies too large for one record: cut at `data[]`, and what still does not fit is kept in the bad topic.
//!
//! A tracker that was offline sends its whole buffer in one POST, and repeats it for ever when it is refused. So the
//! body is taken and its events are spread over several records, each with the fields around `data` unchanged.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::record::Envelope;

/// What the JSON around a payload in the bad topic takes at most; the payload is cut so that the rest fits.
const BAD_FRAME_BYTES: usize = 1_024;
/// Bytes that the body field costs beside its content: type, id and length.
const BODY_FIELD_BYTES: usize = 7;

/// A piece of what one request becomes.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// A record for the stream.
    Record(Vec<u8>),
    /// A payload of the bad topic, JSON.
    Bad(Vec<u8>),
}

/// What stands around `data` may take a share of a record: one of so many.
const FRAME_SHARE: usize = 4;

/// The pieces of one request, made one at a time: all together are several times as large as its body.
pub(crate) struct Split<'a> {
    /// Rows of the bad topic that come before anything else.
    rows: Option<Rows<'a>>,
    rest: Option<Rest<'a>>,
    bad: Bad,
}

/// Events that are still to be spread over records.
struct Rest<'a> {
    envelope: &'a Envelope<'a>,
    batch: Batch<'a>,
    /// The event that is next.
    at: usize,
    /// Events of the record that is being filled.
    group: Vec<&'a str>,
    group_bytes: usize,
    /// Bytes of a record without its body.
    bare: usize,
    /// Bytes that a body may take.
    room: usize,
}

impl<'a> Split<'a> {
    /// Spreads a request over records of at most `limit` bytes each.
    pub(crate) fn of(envelope: &'a Envelope<'a>, body: Option<&'a [u8]>, limit: usize, time_ms: i64) -> Self {
        let bare = envelope.encode(body.map(|_| &b""[..])).len();
        let bad = Bad { limit, time_ms };
        let Some(batch) = body.and_then(Batch::parse) else {
            let size = (bare + body.map_or(0, <[u8]>::len)) as u64;
            let reason = "the record is too large and its body has no list 'data' to split at";
            let whole = match body {
                Some(body) => String::from_utf8_lossy(body),
                None => String::from_utf8_lossy(&envelope.encode(None)).into_owned().into(),
            };
            return Self { rows: Some(bad.rows(whole, size, reason)), rest: None, bad };
        };
        let room = limit.saturating_sub(bare + BODY_FIELD_BYTES);
        // Each record repeats them, so that a body of many small events and a large frame would become many times as large.
        if batch.frame() > room / FRAME_SHARE {
            let whole = body.unwrap_or_default();
            let reason = "the fields around 'data' are too large to be repeated in every record";
            let rows = bad.rows(String::from_utf8_lossy(whole), (bare + whole.len()) as u64, reason);
            return Self { rows: Some(rows), rest: None, bad };
        }
        Self { rows: None, rest: Some(Rest::new(envelope, batch, bare, room)), bad }
    }

    /// What is kept of a body above the limit for bodies, of which only the beginning was read.
    pub(crate) fn oversize(
        start: &'a [u8],
        size: u64,
        body_limit: usize,
        limit: usize,
        time_ms: i64,
    ) -> Self {
        let reason =
            format!("the body has more bytes than the limit of {body_limit}; what is beyond it is not kept");
        let bad = Bad { limit, time_ms };
        Self { rows: Some(bad.rows(String::from_utf8_lossy(start), size, &reason)), rest: None, bad }
    }
}

impl Iterator for Split<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if let Some(row) = self.rows.as_mut().and_then(Iterator::next) {
            return Some(Piece::Bad(row));
        }
        let rest = self.rest.as_mut()?;
        while let Some(event) = rest.batch.events.get(rest.at).map(|event| event.get()) {
            let alone = rest.batch.frame() + event.len();
            if alone > rest.room {
                rest.at += 1;
                let reason = "this element of 'data' alone makes the record too large";
                let rows = self.bad.rows(event.into(), (rest.bare + alone) as u64, reason);
                return self.rows.insert(rows).next().map(Piece::Bad);
            }
            if rest.group_bytes + event.len() + 1 > rest.room && !rest.group.is_empty() {
                break;
            }
            rest.at += 1;
            // One more for the comma.
            rest.group_bytes += event.len() + 1;
            rest.group.push(event);
        }
        rest.record().map(Piece::Record)
    }
}

impl<'a> Rest<'a> {
    fn new(envelope: &'a Envelope<'a>, batch: Batch<'a>, bare: usize, room: usize) -> Self {
        let group_bytes = batch.frame();
        Self { envelope, batch, at: 0, group: Vec::new(), group_bytes, bare, room }
    }

    /// The record of the group, and room for the next one.
    fn record(&mut self) -> Option<Vec<u8>> {
        if self.group.is_empty() {
            return None;
        }
        let body = self.batch.body(&self.group);
        self.group.clear();
        self.group_bytes = self.batch.frame();
        Some(self.envelope.encode(Some(body.as_bytes())))
    }
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
        // Of several fields of that name readers of JSON take the last; split at the first, each record would repeat the last.
        let at = fields.iter().rposition(|(name, _)| name == "data")?;
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

    /// Bytes around the events.
    fn frame(&self) -> usize {
        self.before.len() + self.after.len()
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

/// What all records of the bad topic of one request have in common.
struct Bad {
    limit: usize,
    time_ms: i64,
}

impl Bad {
    /// Records of the bad topic: the reason as JSON in the shape of Snowplow's `size_violation`, with the payload cut into as
    /// many parts as its size needs. Bytes that are not UTF-8 are U+FFFD.
    fn rows<'a>(&self, payload: Cow<'a, str>, size: u64, reason: &str) -> Rows<'a> {
        let parts = cut(&payload, self.limit.saturating_sub(BAD_FRAME_BYTES).max(BAD_FRAME_BYTES));
        let failure = json!({
            "timestamp": rfc3339(self.time_ms),
            "maximumAllowedSizeBytes": self.limit,
            "actualSizeBytes": size,
            "expectation": reason,
        });
        Rows { payload, parts, next: 0, failure }
    }
}

struct Rows<'a> {
    payload: Cow<'a, str>,
    parts: Vec<Range<usize>>,
    next: usize,
    failure: Value,
}

impl Iterator for Rows<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let part = self.parts.get(self.next)?.clone();
        self.next += 1;
        let row = json!({
            "schema": "iglu:com.snowplowanalytics.snowplow.badrows/size_violation/jsonschema/1-0-0",
            "data": {
                "processor": {"artifact": "granary-collector", "version": env!("CARGO_PKG_VERSION")},
                "failure": self.failure,
                "payload": &self.payload[part],
                "part": self.next,
                "parts": self.parts.len(),
            },
        });
        Some(row.to_string().into_bytes())
    }
}

/// Parts whose JSON text takes at most `room` bytes each, cut between characters.
fn cut(text: &str, room: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (at, character) in text.char_indices() {
        let cost = match character {
            '"' | '\\' => 2,
            '\0'..='\u{1f}' => 6,
            other => other.len_utf8(),
        };
        if used + cost > room && at > start {
            parts.push(start..at);
            (start, used) = (at, 0);
        }
        used += cost;
    }
    parts.push(start..text.len());
    parts
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
            let mut seen = Vec::new();
            let mut kept = String::new();
            for piece in Split::of(&envelope, Some(body.as_bytes()), limit, 0) {
                match piece {
                    Piece::Record(record) => {
                        prop_assert!(record.len() <= limit);
                        let payload = CollectorPayload::decode(&record).expect("a record");
                        let body: Value = serde_json::from_slice(&payload.body.expect("a body")).expect("JSON");
                        prop_assert_eq!(body["before"].as_str().map(str::len), Some(around));
                        seen.extend(body["data"].as_array().expect("a list").clone());
                    }
                    Piece::Bad(row) => {
                        prop_assert!(row.len() <= limit);
                        let row: Value = serde_json::from_slice(&row).expect("JSON");
                        kept += row["data"]["payload"].as_str().expect("a text");
                        if row["data"]["part"] == row["data"]["parts"] {
                            seen.push(serde_json::from_str(&std::mem::take(&mut kept)).expect("one event"));
                        }
                    }
                }
            }
            let mut expected: Vec<Value> = events.into_iter().map(Value::from).collect();
            seen.sort_by_key(Value::to_string);
            expected.sort_by_key(Value::to_string);
            prop_assert_eq!(seen, expected);
        }
    }

    #[test]
    fn of_two_lists_the_one_that_readers_see_is_split() {
        let request = http::Request::post("/com.acme/v1").body(()).expect("a request");
        let (parts, ()) = request.into_parts();
        let visitor = Visitor::of(&parts, &Options::default(), uuid::Uuid::nil);
        let envelope = Envelope::new(&parts, "/com.acme/v1", 0, None, &visitor);
        let events: Vec<String> = (0..20).map(|n| format!("{n}{}", "x".repeat(300))).collect();
        let body = format!("{{\"data\":[1,2],\"d\\u0061ta\":{}}}", json!(events));
        let mut seen: Vec<String> = Vec::new();
        for piece in Split::of(&envelope, Some(body.as_bytes()), 2_500, 0) {
            let Piece::Record(record) = piece else { panic!("a row: {piece:?}") };
            let body = CollectorPayload::decode(&record).expect("a record").body.expect("a body");
            let mut body: Value = serde_json::from_slice(&body).expect("JSON");
            seen.extend(serde_json::from_value::<Vec<String>>(body["data"].take()).expect("a list"));
        }
        assert_eq!(seen, events);
        let last_is_no_list = br#"{"data":[110,2],"data":33333}"#;
        let pieces: Vec<Piece> = Split::of(&envelope, Some(last_is_no_list), 2_500, 0).collect();
        assert!(matches!(pieces[..], [Piece::Bad(_)]), "{pieces:?}");
    }

    #[test]
    fn a_body_whose_fields_are_too_large_to_be_repeated_is_kept_apart() {
        let request = http::Request::post("/com.acme/v1").body(()).expect("a request");
        let (parts, ()) = request.into_parts();
        let visitor = Visitor::of(&parts, &Options::default(), uuid::Uuid::nil);
        let envelope = Envelope::new(&parts, "/com.acme/v1", 0, None, &visitor);
        let body = json!({"around": "x".repeat(9_000), "data": vec![1; 10_000]}).to_string();
        let mut stored = 0;
        for piece in Split::of(&envelope, Some(body.as_bytes()), 10_000, 0) {
            let Piece::Bad(row) = piece else { panic!("a record: {piece:?}") };
            stored += row.len();
            let row: Value = serde_json::from_slice(&row).expect("JSON");
            assert!(row.to_string().contains("too large to be repeated"), "{row}");
        }
        assert!(stored < 4 * body.len(), "{stored} bytes of {}", body.len());
    }
}
