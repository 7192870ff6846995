//! Sessions: several events in one message, as they stand on a stream.
//!
//! | part | value |
//! |---|---|
//! | header [`COUNT`] | how many events, decimal text; it is what makes the message a session |
//! | its other headers | those of an event like any other: the session's type, correlation id, event id and time |
//! | payload | `{"headers": [{name: text, ...}, ...], "payload": ["text", ...]}`, as many of the one as of the other |
//!
//! A payload in the list is the text that the event had, not parsed. Whoever makes sessions writes them with [`write()`];
//! scripts get them as two lists. A compiled belt gets the message as it is and reads it with its SDK.
//!
//! Belts can write such a message, too, so [`read`] trusts nothing: sizes and numbers are bounded, names are those above
//! and nothing else, and what it holds is a small multiple of the payload.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::frame::EventIn;

/// The header that makes a message a session.
pub const COUNT: &str = "grnry-session-count";

/// The most events of one session.
pub const EVENTS_MAX: usize = 100_000;

/// The most bytes of a session's payload. Far above what one record of the log may hold.
pub const BYTES_MAX: usize = 16 << 20;

/// Headers of the message that the engine sets anew for each call: each event of a session shows them as an event that
/// comes alone does.
const OF_THE_CALL: [&str; 2] = ["grnry-retry-count", "grnry-retry-max-count"];

/// One event of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// Headers in order.
    pub headers: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// The payload's text.
    pub payload: Cow<'a, str>,
}

/// Why events cannot be a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Not one event at least, or too many.
    #[error("a session has 1 to {max} events, not {0}", max = EVENTS_MAX)]
    Count(usize),
    /// A payload is not UTF-8.
    #[error("the payload of the event at index {0} is not text")]
    NotText(usize),
}

/// Why a message is no session. Completes "the message says that it is a session, but ...".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The header is no number of events.
    #[error("its header {header} is {0:?}, expected a number from 1 to {max}", header = COUNT, max = EVENTS_MAX)]
    Count(String),
    /// The payload is larger than a session may be.
    #[error("its payload has {0} bytes, at most {max} are allowed", max = BYTES_MAX)]
    TooLarge(usize),
    /// The payload has another shape.
    #[error("its payload is not {{\"headers\": [{{name: text}}], \"payload\": [text]}}: {0}")]
    Shape(String),
    /// The lists are not as long as the header says.
    #[error(
        "its header {header} is {count}, and its payload has {headers} headers and {payloads} payloads",
        header = COUNT
    )]
    Lengths {
        /// What the header says.
        count: usize,
        /// Length of the list of headers.
        headers: usize,
        /// Length of the list of payloads.
        payloads: usize,
    },
}

/// The value of the header [`COUNT`] and the payload of a session of these events.
pub fn write(events: &[EventIn<'_>]) -> Result<(String, Vec<u8>), Unfit> {
    if events.is_empty() || events.len() > EVENTS_MAX {
        return Err(Unfit::Count(events.len()));
    }
    let mut to = b"{\"headers\":[".to_vec();
    for (index, event) in events.iter().enumerate() {
        to.extend_from_slice(if index == 0 { b"{" } else { b",{" });
        for (index, (name, value)) in event.headers.iter().enumerate() {
            if index > 0 {
                to.push(b',');
            }
            text(name, &mut to);
            to.push(b':');
            text(value, &mut to);
        }
        to.push(b'}');
    }
    to.extend_from_slice(b"],\"payload\":[");
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            to.push(b',');
        }
        text(std::str::from_utf8(event.payload).map_err(|_| Unfit::NotText(index))?, &mut to);
    }
    to.extend_from_slice(b"]}");
    Ok((events.len().to_string(), to))
}

fn text(text: &str, to: &mut Vec<u8>) {
    serde_json::to_writer(to, text).expect("writing text into memory does not fail");
}

/// The events of a session, in order, given the value of its header [`COUNT`] and its payload.
pub fn read<'a>(count: &str, payload: &'a [u8]) -> Result<Vec<Event<'a>>, Malformed> {
    let wrong_count = || Malformed::Count(count[..count.floor_char_boundary(40)].to_owned());
    if !count.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong_count());
    }
    let count: usize = count.parse().map_err(|_| wrong_count())?;
    if !(1..=EVENTS_MAX).contains(&count) {
        return Err(wrong_count());
    }
    if payload.len() > BYTES_MAX {
        return Err(Malformed::TooLarge(payload.len()));
    }
    // Serde would take a list of the two as well.
    if !payload.trim_ascii_start().starts_with(b"{") {
        return Err(Malformed::Shape("it is no object".to_owned()));
    }
    let Lists { headers, payload: payloads } =
        serde_json::from_slice(payload).map_err(|error| Malformed::Shape(error.to_string()))?;
    if (headers.len(), payloads.len()) != (count, count) {
        return Err(Malformed::Lengths { count, headers: headers.len(), payloads: payloads.len() });
    }
    let event =
        |(headers, payload): (Headers<'a>, Text<'a>)| Event { headers: headers.0, payload: payload.0 };
    Ok(headers.into_iter().zip(payloads).map(event).collect())
}

/// Those headers of the message that each of its events gets.
pub(crate) fn of_the_call(headers: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> + Clone {
    headers
        .iter()
        .filter(|(name, _)| OF_THE_CALL.contains(&name.as_str()))
        .map(|(name, value)| (name.as_str(), value.as_str()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists<'a> {
    #[serde(borrow)]
    headers: Vec<Headers<'a>>,
    #[serde(borrow)]
    payload: Vec<Text<'a>>,
}

/// Text that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// An object of texts, as pairs in their order.
struct Headers<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Headers<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Headers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Headers<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Text(name), Text(value))) = from.next_entry()? {
                    pairs.push((name, value));
                }
                Ok(Headers(pairs))
            }
        }

        from.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_session_is_written_as_two_lists() {
        let first = [pair("grnry-event-id", "1"), pair("x", "\"")];
        let events =
            [EventIn { headers: &first, payload: b"{\"a\": 1}" }, EventIn { headers: &[], payload: b"" }];
        let (count, payload) = write(&events).unwrap();
        let wanted = r#"{"headers":[{"grnry-event-id":"1","x":"\""},{}],"payload":["{\"a\": 1}",""]}"#;
        assert_eq!((count.as_str(), std::str::from_utf8(&payload).unwrap()), ("2", wanted));
        let read = read(&count, &payload).unwrap();
        assert_eq!(read[0].payload, "{\"a\": 1}");
        assert_eq!(read[1], Event { headers: Vec::new(), payload: "".into() });
        assert!(matches!(read[0].headers[0].1, Cow::Borrowed("1")), "what has no escapes is not copied");
    }

    #[test]
    fn what_cannot_be_a_session_is_not_written() {
        assert_eq!(write(&[]), Err(Unfit::Count(0)));
        let event = |payload| EventIn { headers: &[], payload };
        assert_eq!(write(&[event(b"{}"), event(b"\xff")]), Err(Unfit::NotText(1)));
        assert_eq!(write(&vec![event(b""); EVENTS_MAX + 1]), Err(Unfit::Count(EVENTS_MAX + 1)));
    }

    #[test]
    fn what_is_no_session_is_told_from_one() {
        let good = br#"{"payload":["1"],"headers":[{}]}"#;
        assert!(read("1", good).is_ok(), "the order of the lists does not matter");
        for count in ["", "0", "-1", "+1", "1.0", " 1", "x", "100001", "99999999999999999999999"] {
            let error = read(count, good).unwrap_err();
            assert!(matches!(error, Malformed::Count(_)), "{count}: {error}");
        }
        assert!(read(&"9".repeat(1 << 20), good).unwrap_err().to_string().len() < 200);
        for count in ["2", "100000"] {
            assert!(matches!(read(count, good), Err(Malformed::Lengths { headers: 1, payloads: 1, .. })));
        }
        assert!(matches!(read("1", &vec![b' '; BYTES_MAX + 1]), Err(Malformed::TooLarge(_))));
        for payload in [
            "",
            r#"[[{}],["1"]]"#,
            "{}",
            r#"{"headers":[{}]}"#,
            r#"{"headers":[{}],"payload":["1"],"more":1}"#,
            r#"{"headers":[{}],"headers":[{}],"payload":["1"]}"#,
            r#"{"headers":{},"payload":["1"]}"#,
            r#"{"headers":[["a","b"]],"payload":["1"]}"#,
            r#"{"headers":[{"a":1}],"payload":["1"]}"#,
            r#"{"headers":[{"a":null}],"payload":["1"]}"#,
            r#"{"headers":[{}],"payload":[{"a":1}]}"#,
            r#"{"headers":[{}],"payload":["\ud800"]}"#,
            r#"{"headers":[{}],"payload":["1"]} x"#,
        ] {
            let error = read("1", payload.as_bytes()).unwrap_err();
            assert!(matches!(error, Malformed::Shape(_)), "{payload}: {error}");
        }
        let deep = "[".repeat(1 << 20);
        assert!(matches!(read("1", deep.as_bytes()), Err(Malformed::Shape(_))));
        let deep = format!("{{\"headers\":{deep}");
        assert!(matches!(read("1", deep.as_bytes()), Err(Malformed::Shape(_))));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            events in prop::collection::vec((prop::collection::vec((".*", ".*"), 0..4), ".*"), 1..8),
        ) {
            let given: Vec<_> =
                events.iter().map(|(headers, text)| EventIn { headers, payload: text.as_bytes() }).collect();
            let (count, payload) = write(&given).unwrap();
            let read = read(&count, &payload).unwrap();
            prop_assert_eq!(read.len(), events.len());
            for (event, (headers, text)) in read.into_iter().zip(&events) {
                let pairs: Vec<(String, String)> =
                    event.headers.into_iter().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
                prop_assert_eq!(&pairs, headers);
                prop_assert_eq!(&event.payload, text);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(count in ".*", payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&count, &payload);
            let _ = read("1", &payload);
        }
    }
}
