//! Belts of every kind, from `tests/fixtures/belts`: a source, and beside it events with the updates expected of them, in
//! the forms of the frame. A case whose headers are a list is a session.

use std::path::Path;

use granary_sandbox::{EventIn, Update, session};
use serde_json::{Map, Value, json};

use crate::support::{belt_spec, runner};

fn map(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>().into()
}

fn value(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// An update as a sample writes it down.
fn form(update: &Update, expected: &Value) -> Value {
    match update {
        Update::Direct { event_type, id, value: row } => json!(["d", event_type, id, value(row)]),
        Update::Profile(profile) => {
            let mut profile = value(profile);
            // The time of the call, where the sample sets none.
            if expected[1]["_value"]["_in"].is_null() {
                profile["_value"].as_object_mut().unwrap().remove("_in");
            }
            json!(["u", profile])
        }
        Update::Event { event_type, correlation_id, event_id, timestamp, headers, payload } => {
            let headers = headers.as_deref().map(map);
            json!(["g", event_type, correlation_id, event_id, timestamp, headers, value(payload)])
        }
        Update::Generic { id, value, headers } => {
            json!(["r", id, String::from_utf8_lossy(value), headers.as_deref().map(map)])
        }
    }
}

type Headers = Vec<(String, String)>;

fn headers(object: &Value) -> Headers {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    object.as_object().unwrap().iter().map(|(name, value)| (name.clone(), text(value))).collect()
}

/// The message of a case as it stands on a stream.
fn message(case: &Value) -> (Headers, Vec<u8>) {
    let Some(list) = case["headers"].as_array() else {
        return (headers(&case["headers"]), case["payload"].to_string().into_bytes());
    };
    let list: Vec<Headers> = list.iter().map(headers).collect();
    let payloads = case["payload"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().as_bytes());
    let events: Vec<_> =
        list.iter().zip(payloads).map(|(headers, payload)| EventIn { headers, payload }).collect();
    let (count, payload) = session::write(&events).unwrap();
    (vec![(session::COUNT.to_owned(), count)], payload)
}

#[tokio::test]
async fn every_sample_makes_the_expected_updates() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/belts");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "py") {
            continue;
        }
        let sample = value(&std::fs::read(path.with_extension("json")).unwrap());
        count += 1;
        let (mut spec, _) = belt_spec(&std::fs::read_to_string(&path).unwrap());
        spec.config["beltId"] = json!("7");
        spec.config["outputTypes"] = sample["outputTypes"].clone();
        let mut runner = runner(spec).await;
        for case in sample["cases"].as_array().unwrap() {
            let (headers, payload) = message(case);
            let event = EventIn { headers: &headers, payload: &payload };
            let updates = runner.run_belt(&[event]).await.unwrap().remove(0).unwrap();
            let expected = case["updates"].as_array().unwrap();
            assert_eq!(updates.len(), expected.len(), "{}", path.display());
            for (update, expected) in updates.iter().zip(expected) {
                assert_eq!(&form(update, expected), expected, "{}", path.display());
            }
        }
    }
    assert!(count > 0, "there are no samples");
}
