//! Belts of every kind, from `tests/fixtures/belts`: a source, and beside it events with the updates expected of them, in
//! the forms of the frame. Sessionised events do not come through the sandbox yet; the tests of the SDK run those.

use std::path::Path;

use granary_sandbox::{EventIn, Update};
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
        if sample["batch"] == true {
            continue;
        }
        count += 1;
        let (mut spec, _) = belt_spec(&std::fs::read_to_string(&path).unwrap());
        spec.config["beltId"] = json!("7");
        spec.config["outputTypes"] = sample["outputTypes"].clone();
        let mut runner = runner(spec).await;
        for case in sample["cases"].as_array().unwrap() {
            let headers: Vec<(String, String)> =
                serde_json::from_value::<std::collections::BTreeMap<_, _>>(case["headers"].clone())
                    .unwrap()
                    .into_iter()
                    .collect();
            let payload = case["payload"].to_string();
            let event = EventIn { headers: &headers, payload: payload.as_bytes() };
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
