//! The batch frame of the JavaScript runtime: JSON both ways, because a JavaScript engine reads and writes nothing
//! faster. The shapes are written down beside the runtime, in `guest-sdk/javascript-runtime/FRAME.md`.
//!
//! Payloads and rows are passed on byte for byte: they are looked at, never rebuilt. The guest is trusted no more than
//! any other.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{EventIn, session_count, session_events};
use crate::json::rows::{self, Outcome};
use crate::json::{check, check_object, nests_deeper_than, row_id};
use crate::marshal::DEPTH_MAX;
use crate::outcome::{BeltOutcome, Failure, FailureKind, Update};
use crate::session;

/// Most headers, and most bytes of their names, that the headers of the next event are told apart from. Events have a dozen.
const HEADERS_MAX: usize = 32;
const NAMES_BYTES_MAX: usize = 2048;

/// Brackets around a value of an outcome: the list of updates, and the update itself.
const FRAME_DEPTH: usize = 2;

/// Writes a frame. Answers which events are not in it, and why: one entry per event, in order.
pub(crate) fn encode(events: &[EventIn<'_>], to: &mut Vec<u8>) -> Vec<Option<Failure>> {
    to.clear();
    to.push(b'[');
    let mut before = None;
    let unsent = events.iter().map(|event| write(event, &mut before, to).err()).collect();
    if to.last() == Some(&b',') {
        to.pop();
    }
    to.push(b']');
    unsent
}

/// Headers that those of the next event can be told apart from.
type Before<'a> = Option<&'a [(String, String)]>;

/// Writes one event and a comma, all or nothing.
fn write<'a>(event: &EventIn<'a>, before: &mut Before<'a>, to: &mut Vec<u8>) -> Result<(), Failure> {
    if let Some(count) = session_count(event)? {
        return write_session(count, event, to);
    }
    let start = to.len();
    to.push(b'[');
    let same = before.filter(|before| have_same_names(before, event.headers));
    match same {
        Some(before) => differences(before, event.headers, to),
        None => object(event.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())), to),
    }
    to.push(b',');
    if check(event.payload).is_ok() {
        to.extend_from_slice(event.payload);
    } else if std::str::from_utf8(event.payload).is_ok_and(|text| nests_deeper_than(DEPTH_MAX, text)) {
        to.truncate(start);
        let text =
            format!("the payload cannot be given to a belt: it is nested deeper than {DEPTH_MAX} levels");
        return Err(Failure::new(FailureKind::Input, "PayloadError", text));
    } else {
        to.extend_from_slice(b"null,\"");
        to.extend_from_slice(STANDARD.encode(event.payload).as_bytes());
        to.push(b'"');
    }
    to.extend_from_slice(b"],");
    *before = (same.is_some() || are_plain(event.headers)).then_some(event.headers);
    Ok(())
}

fn have_same_names(some: &[(String, String)], others: &[(String, String)]) -> bool {
    some.len() == others.len() && some.iter().zip(others).all(|((some, _), (other, _))| some == other)
}

/// Whether JavaScript has all headers of that list in its order: names that are numbers come first there, of several with
/// one name only one is left, and `__proto__` is no property like others.
fn are_plain(headers: &[(String, String)]) -> bool {
    headers.len() <= HEADERS_MAX
        && headers.iter().map(|(name, _)| name.len()).sum::<usize>() <= NAMES_BYTES_MAX
        && headers.iter().enumerate().all(|(index, (name, _))| {
            name.starts_with(|first: char| first.is_ascii_lowercase())
                && headers[..index].iter().all(|(other, _)| other != name)
        })
}

/// Writes what differs from headers of the same names: which of them, and its value.
fn differences(before: &[(String, String)], headers: &[(String, String)], to: &mut Vec<u8>) {
    to.push(b'[');
    for (index, ((_, before), (_, value))) in before.iter().zip(headers).enumerate() {
        if before != value {
            write!(to, "{index},").expect("writing into memory does not fail");
            text(value, to);
            to.push(b',');
        }
    }
    if to.last() == Some(&b',') {
        to.pop();
    }
    to.push(b']');
}

/// Writes a session as a list of headers and a list of payloads that are texts, and a comma, all or nothing.
fn write_session(count: &str, message: &EventIn<'_>, to: &mut Vec<u8>) -> Result<(), Failure> {
    let events = session_events(count, message.payload)?;
    let of_the_call = session::of_the_call(message.headers);
    to.extend_from_slice(b"{\"session\":[[");
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            to.push(b',');
        }
        let own = event.headers.iter().map(|(name, value)| (&**name, &**value));
        object(own.chain(of_the_call.clone()), to);
    }
    to.extend_from_slice(b"],[");
    for (index, event) in events.iter().enumerate() {
        if index > 0 {
            to.push(b',');
        }
        text(&event.payload, to);
    }
    to.extend_from_slice(b"]]},");
    Ok(())
}

/// Writes headers; of several with one name JavaScript reads the last.
fn object<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>, to: &mut Vec<u8>) {
    to.push(b'{');
    for (index, (name, value)) in pairs.enumerate() {
        if index > 0 {
            to.push(b',');
        }
        text(name, to);
        to.push(b':');
        text(value, to);
    }
    to.push(b'}');
}

fn text(text: &str, to: &mut Vec<u8>) {
    let is_special = |byte: u8| (byte < b' ') | (byte == b'"') | (byte == b'\\');
    // All bytes are looked at, which is done many at a time.
    if !text.bytes().fold(false, |any, byte| any | is_special(byte)) {
        to.push(b'"');
        to.extend_from_slice(text.as_bytes());
        return to.push(b'"');
    }
    serde_json::to_writer(to, text).expect("writing text into memory does not fail");
}

/// Reads an answer: one outcome per event of the frame that was sent, `unsent` put in between. The error says what was
/// not understood.
pub(crate) fn decode(answer: &[u8], unsent: Vec<Option<Failure>>) -> Result<Vec<BeltOutcome>, String> {
    let sent = unsent.iter().filter(|failure| failure.is_none()).count();
    let items = match rows::outcomes(answer, sent) {
        Some(items) => items,
        None => any_outcomes(answer)?,
    };
    if items.len() != sent {
        return Err(format!("{} outcomes for {sent} events", items.len()));
    }
    let mut items = items.into_iter();
    let mut outcomes = Vec::with_capacity(unsent.len());
    for failure in unsent {
        outcomes.push(match failure {
            Some(failure) => Err(failure),
            // As many as there are events without a failure, as was seen above.
            None => match items.next().ok_or("an outcome is missing")? {
                Outcome::Rows(rows) => Ok(rows),
                Outcome::Other(text) => outcome(text)?,
            },
        });
    }
    Ok(outcomes)
}

fn any_outcomes(answer: &[u8]) -> Result<Vec<Outcome<'_>>, String> {
    let text = std::str::from_utf8(answer).map_err(|e| format!("the answer is not UTF-8: {e}"))?;
    let wrong = |e: serde_json::Error| format!("the answer is not a list of outcomes: {e}");
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(wrong)?;
    Ok(items.into_iter().map(|item| Outcome::Other(item.get())).collect())
}

/// `{"e": [type, message, traceback, retryable]}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failed {
    e: (String, String, String, bool),
}

fn outcome(item: &str) -> Result<BeltOutcome, String> {
    if nests_deeper_than(DEPTH_MAX + FRAME_DEPTH, item) {
        let text = format!("the belt returned a value that is nested deeper than {DEPTH_MAX} levels");
        return Ok(Err(Failure::new(FailureKind::Output, "ValueError", text)));
    }
    if item.starts_with('{') {
        let failed: Failed = serde_json::from_str(item).map_err(|e| format!("a failure is not one: {e}"))?;
        let (type_name, message, traceback, retryable) = failed.e;
        let kind = if type_name == "MemoryError" { FailureKind::Memory } else { FailureKind::Exception };
        return Ok(Err(Failure { kind, type_name, message, traceback, retryable }.bounded()));
    }
    let updates: Vec<&RawValue> =
        serde_json::from_str(item).map_err(|e| format!("an outcome is no list of updates: {e}"))?;
    let mut read = Vec::with_capacity(updates.len());
    for item in updates {
        match update(item)? {
            Ok(update) => read.push(update),
            Err(why) => {
                let text = format!("the belt returned an update that cannot be used: {why}");
                return Ok(Err(Failure::new(FailureKind::Output, "ValueError", text).bounded()));
            }
        }
    }
    Ok(Ok(read))
}

type Headers = Option<std::collections::BTreeMap<String, String>>;

/// Text of a generic update, or its bytes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Bytes { base64: String },
}

/// One update: the outer error is the frame's, the inner one that of the event.
fn update(item: &RawValue) -> Result<Result<Update, String>, String> {
    let text = item.get();
    let tag = text.get(2..3).filter(|_| text.starts_with("[\""));
    let frame = |e: serde_json::Error| format!("an update of kind {tag:?} is not one: {e}");
    Ok(match tag {
        Some("d") => {
            let (_, event_type, value): (&str, String, &RawValue) =
                serde_json::from_str(text).map_err(frame)?;
            let value = value.get().as_bytes();
            row_id(value)
                .map(|id| Update::Direct { event_type, id, value: value.to_vec() })
                .map_err(|why| format!("its value {why}"))
        }
        Some("u") => {
            let (_, value): (&str, &RawValue) = serde_json::from_str(text).map_err(frame)?;
            let value = value.get().as_bytes();
            check_object(value)
                .map(|()| Update::Profile(value.to_vec()))
                .map_err(|why| format!("its value {why}"))
        }
        Some("g") => {
            type Event<'a> = (&'a str, String, String, Option<String>, Option<String>, Headers, &'a RawValue);
            let (_, event_type, correlation_id, event_id, timestamp, headers, payload): Event<'_> =
                serde_json::from_str(text).map_err(frame)?;
            let payload = payload.get().as_bytes().to_vec();
            let headers = headers.map(|all| all.into_iter().collect());
            check(&payload).map_err(|why| format!("its payload {why}")).map(|()| Update::Event {
                event_type,
                correlation_id,
                event_id,
                timestamp,
                headers,
                payload,
            })
        }
        Some("r") => {
            let (_, id, content, headers): (&str, String, Content, Headers) =
                serde_json::from_str(text).map_err(frame)?;
            let headers = headers.map(|all| all.into_iter().collect());
            match content {
                Content::Text(text) => Ok(Update::Generic { id, value: text.into_bytes(), headers }),
                Content::Bytes { base64 } => STANDARD
                    .decode(base64)
                    .map(|value| Update::Generic { id, value, headers })
                    .map_err(|e| format!("its bytes are not Base64: {e}")),
            }
        }
        _ => return Err("an update of an unknown kind".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_written_and_what_is_not_json_as_base64() {
        let headers = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "\"".to_owned())];
        let deep = "[".repeat(200);
        let event = |payload| EventIn { headers: &headers, payload };
        let events =
            [event(&b"{\"x\": 1}"[..]), event(deep.as_bytes()), event(&b"\xff"[..]), event(&b"hello"[..])];
        let mut to = Vec::new();
        let unsent = encode(&events, &mut to);
        assert_eq!(unsent.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false, false]);
        let wanted = r#"[[{"a":"1","b":"\""},{"x": 1}],[[],null,"/w=="],[[],null,"aGVsbG8="]]"#;
        assert_eq!(std::str::from_utf8(&to).unwrap(), wanted);
        assert!(encode(&[], &mut to).is_empty());
        assert_eq!(to, b"[]");
    }

    #[test]
    fn of_headers_with_the_same_names_only_what_differs_is_written() {
        let headers = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let frame = |lists: &[&[(&str, &str)]]| {
            let lists: Vec<_> = lists.iter().map(|pairs| headers(pairs)).collect();
            let events: Vec<_> = lists.iter().map(|headers| EventIn { headers, payload: b"0" }).collect();
            let mut to = Vec::new();
            assert!(encode(&events, &mut to).iter().all(Option::is_none));
            String::from_utf8(to).unwrap()
        };
        assert_eq!(
            frame(&[
                &[("a", "1"), ("b", "2")],
                &[("a", "1"), ("b", "\"")],
                &[("a", "0"), ("b", "2")],
                &[("a", "0")]
            ]),
            r#"[[{"a":"1","b":"2"},0],[[1,"\""],0],[[0,"0",1,"2"],0],[{"a":"0"},0]]"#,
        );
        // What JavaScript would have in another order, or not at all, is written in full.
        for names in [["a", "a"], ["2", "1"], ["__proto__", "a"], ["", "a"]] {
            let pairs = names.map(|name| (name, "1"));
            let wanted = format!(r#"{{"{}":"1","{}":"1"}}"#, names[0], names[1]);
            assert_eq!(frame(&[&pairs, &pairs]), format!("[[{wanted},0],[{wanted},0]]"));
        }
        assert_eq!(frame(&[&[], &[]]), "[[{},0],[[],0]]");
        // So are more than can be compared in a moment.
        let names: Vec<String> = (0..=HEADERS_MAX).map(|n| format!("h{n}")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "1")).collect();
        assert_eq!(frame(&[&many, &many]).matches("\"h0\"").count(), 2);
        assert_eq!(frame(&[&many[1..], &many[1..]]).matches("\"h1\"").count(), 1);
    }

    #[test]
    fn a_session_is_written_as_two_lists_and_one_that_is_none_fails_alone() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = [pair("grnry-session-count", "2"), pair("a", "1"), pair("grnry-retry-count", "3")];
        let session = br#"{"headers":[{"b":"\u00e9"},{}],"payload":["{\"x\": 1}","no json"]}"#;
        let event = |payload| EventIn { headers: &headers, payload };
        let mut to = Vec::new();
        let unsent = encode(&[event(b"{}"), event(session)], &mut to);
        let failure = unsent[0].clone().unwrap();
        assert_eq!((failure.kind, failure.type_name.as_str()), (FailureKind::Input, "SessionError"));
        assert!(failure.message.contains("missing field `headers`"), "{failure}");
        assert!(unsent[1].is_none());
        let wanted = r#"[{"session":[[{"b":"é","grnry-retry-count":"3"},{"grnry-retry-count":"3"}],["{\"x\": 1}","no json"]]}]"#;
        assert_eq!(std::str::from_utf8(&to).unwrap(), wanted);
    }

    #[test]
    fn answers_are_read_update_by_update() {
        let answer = r#"[
            [["d","rows",{"id":7,"v":1.50}],["r","k",{"base64":"/w=="},{"h":"1"}],["r","k","t",null]],
            {"e":["TypeError","no","at execute",false]},
            [["g","next","c",null,"5",null,{"a":1}],["u",{"_id":"x"}]],
            [["d","rows",{"name":1}]]
        ]"#;
        let outcomes = decode(answer.as_bytes(), vec![None, None, None, None]).unwrap();
        let first = outcomes[0].as_ref().unwrap();
        let row = Update::Direct {
            event_type: "rows".into(),
            id: "7".into(),
            value: br#"{"id":7,"v":1.50}"#.to_vec(),
        };
        assert_eq!(first[0], row);
        let Update::Generic { value, headers, .. } = &first[1] else { panic!("{first:?}") };
        assert_eq!((value.as_slice(), headers.as_ref().map(Vec::len)), (&b"\xff"[..], Some(1)));
        assert_eq!(outcomes[1].as_ref().unwrap_err().type_name, "TypeError");
        assert_eq!(outcomes[2].as_ref().unwrap().len(), 2);
        assert!(outcomes[3].as_ref().unwrap_err().message.contains("needs to contain an id"));
    }

    #[test]
    fn nonsense_is_the_frames_fault_and_never_a_panic() {
        for bad in [
            "",
            "{}",
            "[1]",
            "[[1]]",
            "[[\"x\"]]",
            "[[[\"d\"]]]",
            "[[[\"d\",1,2]]]",
            "[{\"e\":[]}]",
            "[[]",
            "[[],[]]",
            "[[[\"é\"]]]",
            "\u{7f}",
            "[[[\"",
            "[\"a\"]",
        ] {
            assert!(decode(bad.as_bytes(), vec![None]).is_err(), "{bad}");
        }
        assert!(decode(b"\xff", vec![None]).is_err());
        assert!(decode("[".repeat(1_000_000).as_bytes(), vec![None]).is_err());
        let deep = format!("[{}{}]", "[".repeat(200_000), "]".repeat(200_000));
        let outcomes = decode(deep.as_bytes(), vec![None]).unwrap();
        assert!(outcomes[0].as_ref().unwrap_err().message.contains("nested deeper"));
    }
}
