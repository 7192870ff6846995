use super::*;
use crate::outcome::{TransformMessage, Transformed, Update};

/// An item in the shape that the runtime would send, written with the encoder.
fn answer(write: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut encoder = Encoder::new();
    write(&mut encoder);
    encoder.bytes().to_vec()
}

fn none(count: usize) -> Vec<Option<Failure>> {
    vec![None; count]
}

fn texts(encoder: &mut Encoder, texts: &[&str]) {
    for text in texts {
        encoder.text(text);
    }
}

#[test]
fn events_that_cannot_be_sent_fail_alone() {
    let headers = [("grnry-event-id".to_owned(), "1".to_owned())];
    let deep = "[".repeat(1000);
    let event = |payload| EventIn { headers: &headers, payload };
    let events = [event(b"{\"a\":1}"), event(deep.as_bytes()), event(b"{\"a\":2}"), event(b"no json")];
    let mut encoder = Encoder::new();
    let unsent = encode::<Belt>(&events, &mut encoder);
    assert_eq!(unsent.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, false, false]);
    let failure = unsent[1].clone().unwrap();
    assert_eq!((failure.kind, failure.type_name.as_str()), (FailureKind::Input, "PayloadError"));
    assert!(failure.message.contains("nested too deeply"), "{failure}");

    let mut alone = Encoder::new();
    encode::<Belt>(&[events[0], events[2], events[3]], &mut alone);
    assert_eq!(encoder.bytes(), alone.bytes(), "the frame is as if the bad event had never been there");

    let three_fine = answer(|e| {
        e.list(3);
        (0..3).for_each(|_| e.list(0));
    });
    let outcomes = decode::<Belt>(&three_fine, unsent).unwrap();
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true, true]);
}

#[test]
fn a_session_is_written_as_two_lists_and_one_that_is_none_fails_alone() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers = [pair("grnry-session-count", "2"), pair("a", "1"), pair("grnry-retry-count", "3")];
    let session = br#"{"headers":[{"b":"1"},{}],"payload":["{\"x\": 1}","no json"]}"#;
    let event = |payload| EventIn { headers: &headers, payload };
    let mut encoder = Encoder::new();
    let unsent = encode::<Belt>(&[event(b"{}"), event(session)], &mut encoder);
    let failure = unsent[0].clone().unwrap();
    assert_eq!((failure.kind, failure.type_name.as_str()), (FailureKind::Input, "SessionError"));
    assert!(failure.message.contains("missing field `headers`"), "{failure}");
    assert!(unsent[1].is_none());

    let mut wanted = Encoder::new();
    wanted.list(1);
    wanted.tuple(2);
    wanted.json(br#"[{"b":"1","grnry-retry-count":"3"},{"grnry-retry-count":"3"}]"#).unwrap();
    wanted.json(br#"["{\"x\": 1}","no json"]"#).unwrap();
    assert_eq!(encoder.bytes(), wanted.bytes());

    // A harvester's source has no sessions: what looks like one is a record like any other.
    let unsent = encode::<Transform>(&[event(b"{}")], &mut encoder);
    assert!(unsent[0].is_none());
}

#[test]
fn all_kinds_of_updates_are_read() {
    let data = answer(|e| {
        e.list(1);
        e.list(5);
        e.tuple(4);
        texts(e, &["d", "target", "7"]);
        e.json(b"{\"n\":7}").unwrap();
        e.tuple(2);
        // Keys that come again would be references.
        e.json(b"{\"a\":[{\"c\":1}],\"id\":\"8\",\"b\":1}").unwrap();
        e.text("target");
        e.tuple(2);
        e.text("u");
        e.json(b"{}").unwrap();
        e.tuple(7);
        texts(e, &["g", "target", "correlation", "event"]);
        e.json(b"null").unwrap();
        e.json(b"null").unwrap();
        e.json(b"[1]").unwrap();
        e.tuple(4);
        texts(e, &["r", "key"]);
        e.byte_string(b"\xff");
        e.json(b"null").unwrap();
    });
    // CPython is told to remember keys; in an answer it does not do so.
    let data: Vec<u8> = data.iter().map(|b| if *b == b'z' | 0x80 { b'z' } else { *b }).collect();
    let outcomes = decode::<Belt>(&data, none(1)).unwrap();
    assert_eq!(
        outcomes,
        [Ok(vec![
            Update::Direct { event_type: "target".into(), id: "7".into(), value: b"{\"n\":7}".to_vec() },
            Update::Direct {
                event_type: "target".into(),
                id: "8".into(),
                value: b"{\"a\":[{\"c\":1}],\"id\":\"8\",\"b\":1}".to_vec()
            },
            Update::Profile(b"{}".to_vec()),
            Update::Event {
                event_type: "target".into(),
                correlation_id: "correlation".into(),
                event_id: Some("event".into()),
                timestamp: None,
                headers: None,
                payload: b"[1]".to_vec(),
            },
            Update::Generic { id: "key".into(), value: b"\xff".to_vec(), headers: None },
        ])]
    );
}

#[test]
fn a_short_update_needs_an_id_that_is_text() {
    for value in ["{}", "{\"id\":7}", "{\"a\":{\"id\":\"8\"}}", "{\"id\":null}"] {
        let data = answer(|e| {
            e.list(1);
            e.list(1);
            e.tuple(2);
            e.json(value.as_bytes()).unwrap();
            e.text("target");
        });
        let data: Vec<u8> = data.iter().map(|b| if *b == b'z' | 0x80 { b'z' } else { *b }).collect();
        let failure = decode::<Belt>(&data, none(1)).unwrap()[0].clone().unwrap_err();
        assert!(failure.message.contains("has no id that is text"), "{value}: {failure}");
    }
}

#[test]
fn an_unusable_update_fails_its_event_alone() {
    let data = answer(|e| {
        e.list(2);
        e.list(2);
        e.tuple(4);
        texts(e, &["d", "target", "7"]);
        e.json(b"[]").unwrap();
        e.tuple(2);
        e.text("u");
        e.json(b"{}").unwrap();
        e.list(0);
    });
    let outcomes = decode::<Belt>(&data, none(2)).unwrap();
    let failure = outcomes[0].clone().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Output);
    assert!(failure.message.contains("is not a dict"), "{failure}");
    assert_eq!(outcomes[1], Ok(vec![]));
}

#[test]
fn failures_carry_what_the_runtime_says() {
    let data = answer(|e| {
        e.list(1);
        e.tuple(5);
        texts(e, &["e", "KeyError", "'firstName'", "line 3"]);
        e.json(b"true").unwrap();
    });
    let failure = decode::<Belt>(&data, none(1)).unwrap().remove(0).unwrap_err();
    let expected = Failure {
        kind: FailureKind::Exception,
        type_name: "KeyError".into(),
        message: "'firstName'".into(),
        traceback: "line 3".into(),
        retryable: true,
    };
    assert_eq!(failure, expected);
    assert_eq!(decode::<Transform>(&data, none(1)).unwrap(), [Err(expected)]);
}

#[test]
fn answers_with_another_number_of_outcomes_are_refused() {
    let data = answer(|e| e.list(0));
    let error = decode::<Belt>(&data, none(1)).unwrap_err();
    assert!(error.to_string().contains("0 outcomes for 1 events"), "{error}");
}

fn transformed(text: &str) -> Result<Transformed, Failure> {
    let data = answer(|e| {
        e.list(1);
        e.tuple(2);
        texts(e, &["t", text]);
    });
    decode::<Transform>(&data, none(1)).unwrap().remove(0)
}

#[test]
fn transform_text_is_kept_byte_for_byte() {
    let text = "{ \"n\" : 1.50e1, \"big\":123456789012345678901234567890 }";
    assert_eq!(
        transformed(text),
        Ok(Transformed::Messages(vec![TransformMessage::Text(text.as_bytes().to_vec())]))
    );
}

#[test]
fn text_of_an_array_becomes_a_message_per_element() {
    let parts = ["{ \"a\" :1}", "[ 2,3 ]", "1.0"];
    let expected = parts.iter().map(|p| TransformMessage::Text(p.as_bytes().to_vec())).collect();
    let text = format!(" [{} ,{}, {}\n]", parts[0], parts[1], parts[2]);
    assert_eq!(transformed(&text), Ok(Transformed::Messages(expected)));
    assert_eq!(transformed("[]"), Ok(Transformed::Skip));
}

#[test]
fn text_that_is_not_json_fails_its_record() {
    for text in ["", "hello", "{\"a\":1", "[1,2", "NaN", "{} {}"] {
        let failure = transformed(text).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Output);
        assert!(failure.message.contains("must return JSON"), "{text}: {failure}");
    }
    let failure = transformed(&"[".repeat(100_000)).unwrap_err();
    assert!(failure.message.contains("nested deeper than 128"), "{failure}");
    assert!(transformed(&format!("\"{}\"", "[".repeat(1000))).is_ok(), "brackets in a text do not nest");
}

#[test]
fn transform_lists_may_mix_messages() {
    let data = answer(|e| {
        e.list(2);
        e.list(2);
        e.tuple(3);
        texts(e, &["x", "c"]);
        e.json(b"null").unwrap();
        e.tuple(2);
        e.text("o");
        e.json(b"[1]").unwrap();
        e.json(b"null").unwrap();
    });
    let deletion = TransformMessage::Deletion { correlation_id: "c".into(), event_id: None };
    let messages = vec![deletion, TransformMessage::Object(b"[1]".to_vec())];
    assert_eq!(
        decode::<Transform>(&data, none(2)).unwrap(),
        [Ok(Transformed::Messages(messages)), Ok(Transformed::Skip)]
    );
}
