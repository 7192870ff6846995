//! From a record of a `data_in` stream to a row of the event store.

use granary_db::eventstore::{DeletionNotice, EventRow};
use serde::de::IgnoredAny;

use crate::stage::{Delivered, Refusal};

/// The last millisecond of the year 9999, and as far before 1970: sums of such times never overflow.
const TIME_MS_MAX: i64 = 253_402_300_799_999;

/// What a record asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// To be stored.
    Store(EventRow),
    /// To let stored events expire.
    Expire(DeletionNotice),
}

/// Reads a record of the stream of `event_type`.
///
/// Its event type has to be the one of the stream: whoever writes into one project's stream must not add to the events of
/// another project.
pub(super) fn request(delivered: &Delivered, event_type: &str) -> Result<Request, Refusal> {
    let found = header(delivered, "grnry-event-type")?;
    if found != event_type {
        let text = format!(
            "header 'grnry-event-type' must be '{event_type}' on this stream, but it is '{}'",
            cut(found)
        );
        return Err(Refusal::new("wrong_event_type", "WrongEventType", text));
    }
    let headers = &delivered.record.message.headers;
    let correlation_id = header(delivered, "grnry-correlation-id")?.to_owned();
    if headers.get("grnry-deletion-flag") == Some("true") {
        let event_id = match headers.get("grnry-event-id") {
            Some(_) => Some(header(delivered, "grnry-event-id")?.to_owned()),
            None => None,
        };
        let now = i64::try_from(delivered.record.message.time_ms).unwrap_or(TIME_MS_MAX).min(TIME_MS_MAX);
        return Ok(Request::Expire(DeletionNotice { correlation_id, event_id, now }));
    }
    Ok(Request::Store(EventRow {
        correlation_id,
        event_id: header(delivered, "grnry-event-id")?.to_owned(),
        created: integer(
            delivered,
            "grnry-event-timestamp",
            "milliseconds since 1970",
            -TIME_MS_MAX,
            TIME_MS_MAX,
        )?,
        message: json_text(&delivered.record.message.payload)?.to_owned(),
        event_type_version: integer(delivered, "grnry-event-type-version", "a version", 0, i64::MAX)?,
        event_harvester: header(delivered, "grnry-harvester-name")?.to_owned(),
        partition_id: i64::from(delivered.partition),
        partition_offset: i64::try_from(delivered.record.offset).unwrap_or(i64::MAX),
    }))
}

fn header<'a>(delivered: &'a Delivered, name: &'static str) -> Result<&'a str, Refusal> {
    let value = delivered.record.message.headers.get(name).ok_or_else(|| {
        Refusal::new(
            "missing_header",
            "MissingHeader",
            format!("the record has no header '{name}', which its row needs"),
        )
    })?;
    if value.contains('\0') {
        let text = format!("header '{name}' has a NUL character, which Postgres cannot store");
        return Err(Refusal::new("nul_character", "NulCharacter", text));
    }
    Ok(value)
}

fn integer(
    delivered: &Delivered,
    name: &'static str,
    what: &str,
    min: i64,
    max: i64,
) -> Result<i64, Refusal> {
    let text = header(delivered, name)?;
    text.parse().ok().filter(|value| (min..=max).contains(value)).ok_or_else(|| {
        let text = format!(
            "header '{name}' must be an integer ({what}), from {min} to {max}, but it is '{}'",
            cut(text)
        );
        Refusal::new("bad_header", "BadHeader", text)
    })
}

fn cut(text: &str) -> String {
    text.chars().take(100).collect()
}

/// The payload as JSON text that Postgres can store, byte for byte as it came.
fn json_text(payload: &[u8]) -> Result<&str, Refusal> {
    let text = std::str::from_utf8(payload).map_err(|error| not_json(&error.to_string()))?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| not_json(&error.to_string()))?;
    match bad_escape(text.as_bytes()) {
        None => Ok(text),
        Some(BadEscape::Nul) => {
            let text =
                "the payload has a NUL character (\\u0000), which Postgres cannot store in jsonb".to_owned();
            Err(Refusal::new("nul_character", "NulCharacter", text))
        }
        Some(BadEscape::Surrogate) => {
            Err(not_json("a \\u escape is half of a surrogate pair, which is no character"))
        }
    }
}

/// The refusal of a payload that is not JSON.
pub(super) fn not_json(why: &str) -> Refusal {
    Refusal::new("not_json", "NotJson", format!("the payload is not JSON: {why}"))
}

#[derive(Debug, PartialEq, Eq)]
enum BadEscape {
    Nul,
    Surrogate,
}

/// The first escape of a valid JSON text that Postgres does not take.
fn bad_escape(json: &[u8]) -> Option<BadEscape> {
    let mut rest = json;
    // A backslash is only ever part of a string, and there it is followed by one of the escapes.
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        rest = &rest[at..];
        let Some(unit) = unit(rest) else {
            rest = rest.get(2..)?;
            continue;
        };
        let (low, length) = match unit {
            0 => return Some(BadEscape::Nul),
            0xdc00..=0xdfff => return Some(BadEscape::Surrogate),
            0xd800..=0xdbff => (self::unit(&rest[6..]), 12),
            _ => (Some(0xdc00), 6),
        };
        if !low.is_some_and(|low| (0xdc00..=0xdfff).contains(&low)) {
            return Some(BadEscape::Surrogate);
        }
        rest = &rest[length..];
    }
    None
}

/// The code unit of a `\uXXXX` at the start of the bytes.
fn unit(bytes: &[u8]) -> Option<u16> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use granary_stream::{Headers, Message, Record};

    use super::*;

    fn delivered(headers: &[(&str, &str)], payload: &str) -> Delivered {
        let pairs = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let message =
            Message { headers: Headers(pairs), time_ms: 5_000, ..Message::of(payload.as_bytes().to_vec()) };
        Delivered {
            topic: "grnry_data_in_visits".into(),
            partition: 3,
            record: Record { offset: 17, message },
        }
    }

    const HEADERS: [(&str, &str); 6] = [
        ("grnry-correlation-id", "c"),
        ("grnry-event-id", "e"),
        ("grnry-event-type", "visits"),
        ("grnry-event-type-version", "2"),
        ("grnry-harvester-name", "h"),
        ("grnry-event-timestamp", "1600000000000"),
    ];

    #[test]
    fn headers_and_position_become_a_row_and_the_payload_stays_as_it_is() {
        let payload = " {\"b\" : 1.0, \"a\":\"\\u00e4 \\ud83d\\ude00 \\\\u0000\", \"a\":[]} ";
        let Ok(Request::Store(row)) = request(&delivered(&HEADERS, payload), "visits") else {
            panic!("a row")
        };
        assert_eq!(
            row,
            EventRow {
                correlation_id: "c".into(),
                event_id: "e".into(),
                created: 1_600_000_000_000,
                message: payload.into(),
                event_type_version: 2,
                event_harvester: "h".into(),
                partition_id: 3,
                partition_offset: 17,
            }
        );
    }

    #[test]
    fn each_missing_header_is_named() {
        for (missing, _) in HEADERS {
            let headers: Vec<_> = HEADERS.into_iter().filter(|(name, _)| *name != missing).collect();
            let refusal = request(&delivered(&headers, "{}"), "visits").unwrap_err();
            assert_eq!(refusal.code, "missing_header");
            assert!(refusal.message.contains(&format!("'{missing}'")), "{}", refusal.message);
        }
    }

    #[test]
    fn records_that_can_be_no_row_say_why() {
        let with = |name: &str, value: &'static str| {
            HEADERS.map(|(n, v)| if n == name { (n, value) } else { (n, v) })
        };
        for (headers, payload, code, says) in [
            (HEADERS, "", "not_json", "EOF"),
            (HEADERS, "hello", "not_json", "expected value"),
            (HEADERS, "{} {}", "not_json", "trailing"),
            (HEADERS, "[1,", "not_json", "EOF"),
            (HEADERS, "NaN", "not_json", "expected"),
            (HEADERS, "{\"a\":\"\\u0000\"}", "nul_character", "\\u0000"),
            (HEADERS, "{\"a\\u0000\":1}", "nul_character", "\\u0000"),
            (HEADERS, "\"\\ud800\"", "not_json", "surrogate"),
            (HEADERS, "\"\\ude00\\ud83d\"", "not_json", "surrogate"),
            (HEADERS, "\"\\ud83d\\n\"", "not_json", "surrogate"),
            (with("grnry-event-type", "other"), "{}", "wrong_event_type", "'other'"),
            (with("grnry-event-timestamp", "yesterday"), "{}", "bad_header", "'yesterday'"),
            (with("grnry-event-timestamp", "9223372036854775807"), "{}", "bad_header", "must be an integer"),
            (with("grnry-event-type-version", "latest"), "{}", "bad_header", "'latest'"),
            (with("grnry-correlation-id", "a\0b"), "{}", "nul_character", "grnry-correlation-id"),
        ] {
            let refusal = request(&delivered(&headers, payload), "visits").expect_err(payload);
            assert_eq!(refusal.code, code, "{payload}");
            assert!(refusal.message.contains(says), "{payload}: {}", refusal.message);
        }
        let mut latin = delivered(&HEADERS, "");
        latin.record.message.payload = vec![b'"', 0xe4, b'"'].into();
        assert_eq!(request(&latin, "visits").unwrap_err().code, "not_json");
    }

    #[test]
    fn a_deletion_notice_needs_no_payload_and_no_event_id() {
        let headers =
            [("grnry-correlation-id", "c"), ("grnry-event-type", "visits"), ("grnry-deletion-flag", "true")];
        let notice = DeletionNotice { correlation_id: "c".into(), event_id: None, now: 5_000 };
        assert_eq!(request(&delivered(&headers, ""), "visits"), Ok(Request::Expire(notice.clone())));
        let headers = [headers[0], headers[1], headers[2], ("grnry-event-id", "e")];
        let notice = DeletionNotice { event_id: Some("e".into()), ..notice };
        assert_eq!(request(&delivered(&headers, ""), "visits"), Ok(Request::Expire(notice)));
    }

    #[test]
    fn hopelessly_nested_payloads_do_not_exhaust_the_stack() {
        let payload = format!("{}{}", "[".repeat(400_000), "]".repeat(400_000));
        assert!(request(&delivered(&HEADERS, &payload), "visits").is_ok());
    }
}
