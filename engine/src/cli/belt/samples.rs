//! Sample events: the files of `samples/`, or events of a stream.
//!
//! A file holds one event or a list of them. An event is its payload, any JSON; or an object with `payload` and
//! perhaps `headers`, where headers matter. `"payloadEncoding": "base64"` stands for bytes that are not JSON.
//!
//! A session is an event whose `headers` are a list, and whose `payload` is a list of the same length. Its payloads are
//! texts; what is no text stands for the text of its JSON.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use granary_sandbox::{EventIn, session};
use serde_json::{Map, Value};

use super::Failure;
use super::folder::Folder;

/// Folder of the samples.
const FOLDER: &str = "samples";

/// One event.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// Where it comes from, for people and for expected.json: `signup.json`, or `2@171` for an event of a stream.
    pub(super) source: String,
    /// Its place in the file, from 0.
    pub(super) index: usize,
    pub(super) headers: Vec<(String, String)>,
    pub(super) payload: Vec<u8>,
}

impl Sample {
    /// Whether it is several events in one message.
    pub(super) fn is_session(&self) -> bool {
        self.headers.iter().any(|(name, _)| name == session::COUNT)
    }
}

/// All samples of a folder, by file name.
pub(super) fn of_folder(folder: &Folder) -> Result<Vec<Sample>, Failure> {
    let root = folder.root.join(FOLDER);
    if !root.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&root).with_context(|| root.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            names.push(path);
        }
    }
    names.sort();
    let mut samples = Vec::new();
    for path in names {
        samples.extend(of_file(folder, &path)?);
    }
    Ok(samples)
}

/// The samples of one file.
pub(super) fn of_file(folder: &Folder, path: &Path) -> Result<Vec<Sample>, Failure> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let value: Value =
        serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    let source = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let events = match value {
        Value::Array(events) => events,
        one => vec![one],
    };
    let input = folder.input()?;
    let make = |(index, event)| {
        of_value(event, &source, index, input)
            .map_err(|why| Failure::Failed(anyhow!("{}, event {}: {why}", path.display(), index + 1)))
    };
    events.into_iter().enumerate().map(make).collect()
}

fn of_value(event: Value, source: &str, index: usize, input: &str) -> Result<Sample, String> {
    let enveloped = event.as_object().is_some_and(|fields| {
        fields.contains_key("payload")
            && fields.keys().all(|key| ["payload", "payloadEncoding", "headers"].contains(&key.as_str()))
    });
    let (payload, given, encoding) = if enveloped {
        (event["payload"].clone(), event["headers"].clone(), event["payloadEncoding"].clone())
    } else {
        (event, Value::Null, Value::Null)
    };
    if let Value::Array(list) = &given {
        return of_session(list, &payload, &encoding, source, index, input);
    }
    let payload = match (encoding.as_str(), payload) {
        (None, payload) => payload.to_string().into_bytes(),
        (Some("base64"), Value::String(text)) => {
            STANDARD.decode(text).map_err(|e| format!("its payload is not Base64: {e}"))?
        }
        (Some("text"), Value::String(text)) => text.into_bytes(),
        (Some(other), _) => {
            return Err(format!("payloadEncoding must be 'base64' or 'text' for a text, not '{other}'"));
        }
    };
    let mut headers = defaults(input, source, index);
    match given {
        Value::Null => {}
        Value::Object(fields) => set(&mut headers, &fields)?,
        other => {
            return Err(format!(
                "headers must be an object of texts, or a list of such for a session, not {other}"
            ));
        }
    }
    Ok(Sample { source: source.to_owned(), index, headers, payload })
}

/// A session as it stands on a stream.
fn of_session(
    given: &[Value],
    payload: &Value,
    encoding: &Value,
    source: &str,
    index: usize,
    input: &str,
) -> Result<Sample, String> {
    let payloads = payload.as_array().map(Vec::as_slice).unwrap_or_default();
    if !encoding.is_null() || payloads.len() != given.len() {
        return Err(
            "headers are a list, so payload must be a list of the same length, without payloadEncoding"
                .to_owned(),
        );
    }
    let mut all = Vec::new();
    for (place, (fields, payload)) in given.iter().zip(payloads).enumerate() {
        let fields =
            fields.as_object().ok_or_else(|| format!("headers {} must be an object of texts", place + 1))?;
        let mut headers = defaults(input, source, index);
        // Events of one session have one correlation id, and ids of their own.
        let id = format!("{}-{}", event_id(source, index), place + 1);
        set(&mut headers, &Map::from_iter([("grnry-event-id".to_owned(), Value::String(id))]))?;
        set(&mut headers, fields)?;
        let text = payload.as_str().map_or_else(|| payload.to_string(), str::to_owned);
        all.push((headers, text));
    }
    let events: Vec<_> =
        all.iter().map(|(headers, text)| EventIn { headers, payload: text.as_bytes() }).collect();
    let (count, payload) = session::write(&events).map_err(|why| why.to_string())?;
    let mut headers = defaults(input, source, index);
    headers.push((session::COUNT.to_owned(), count));
    Ok(Sample { source: source.to_owned(), index, headers, payload })
}

fn event_id(source: &str, index: usize) -> String {
    format!("{}-{}", source.trim_end_matches(".json"), index + 1)
}

/// The headers of an event that gives none: always the same, so that expectations hold.
fn defaults(input: &str, source: &str, index: usize) -> Vec<(String, String)> {
    let id = event_id(source, index);
    [
        ("grnry-event-type", input),
        ("grnry-event-type-version", "1"),
        ("grnry-event-id", &id),
        ("grnry-correlation-id", &id),
        ("grnry-harvester-name", "sample"),
        ("grnry-event-timestamp", "1700000000000"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn set(headers: &mut Vec<(String, String)>, fields: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in fields {
        let value = value.as_str().ok_or_else(|| format!("the header '{name}' must be a text"))?;
        headers.retain(|(known, _)| known != name);
        headers.push((name.clone(), value.to_owned()));
    }
    Ok(())
}

/// An event as the API shows it.
pub(super) fn of_stream(event: &Value) -> Result<Sample, Failure> {
    let payload = event["payload"].as_str().unwrap_or_default();
    let payload = if event["payloadEncoding"] == "base64" {
        STANDARD.decode(payload).context("the engine's Base64")?
    } else {
        payload.as_bytes().to_vec()
    };
    let headers = serde_json::from_value(event["headers"].clone()).context("the engine's headers")?;
    let source = format!("{}@{}", event["partition"], event["offset"]);
    Ok(Sample { source, index: 0, headers, payload })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_payload_alone_and_one_with_headers_are_told_apart() {
        let plain = of_value(json!({"payload": 1, "other": 2}), "a.json", 0, "in").unwrap();
        assert_eq!(plain.payload, br#"{"payload":1,"other":2}"#);
        assert!(plain.headers.contains(&("grnry-correlation-id".to_owned(), "a-1".to_owned())));
        let full =
            json!({"payload": "AP8=", "payloadEncoding": "base64", "headers": {"grnry-correlation-id": "x"}});
        let full = of_value(full, "a.json", 0, "in").unwrap();
        assert_eq!(full.payload, b"\x00\xff");
        let ids: Vec<_> = full.headers.iter().filter(|(name, _)| name == "grnry-correlation-id").collect();
        assert_eq!(ids, [&("grnry-correlation-id".to_owned(), "x".to_owned())]);
        for bad in [
            json!({"payload": 1, "headers": 1}),
            json!({"payload": [], "headers": []}),
            json!({"payload": ["1"], "headers": []}),
            json!({"payload": "1", "headers": [{}]}),
            json!({"payload": ["1"], "headers": [1]}),
            json!({"payload": ["1"], "headers": [{"a": 1}]}),
            json!({"payload": ["1"], "headers": [{}], "payloadEncoding": "text"}),
            json!({"payload": 1, "headers": {"a": 1}}),
            json!({"payload": 1, "payloadEncoding": "base64"}),
            json!({"payload": "%", "payloadEncoding": "base64"}),
        ] {
            of_value(bad, "a.json", 0, "in").unwrap_err();
        }
    }

    #[test]
    fn lists_of_headers_and_payloads_are_a_session() {
        let given = json!({"headers": [{"grnry-correlation-id": "x"}, {}], "payload": ["{ }", {"a": 1}]});
        let sample = of_value(given, "a.json", 0, "in").unwrap();
        let header =
            |name: &str| sample.headers.iter().find(|(known, _)| known == name).map(|(_, v)| v.as_str());
        assert_eq!(header("grnry-correlation-id"), Some("a-1"), "the message has headers of its own");
        let events = session::read(header(session::COUNT).unwrap(), &sample.payload).unwrap();
        let texts: Vec<_> = events.iter().map(|event| event.payload.as_ref()).collect();
        assert_eq!(texts, ["{ }", r#"{"a":1}"#]);
        let shown = |event: &session::Event<'_>, name: &str| {
            event.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.to_string())
        };
        let ids: Vec<_> = events.iter().map(|event| shown(event, "grnry-event-id").unwrap()).collect();
        assert_eq!(ids, ["a-1-1", "a-1-2"]);
        let ids: Vec<_> = events.iter().map(|event| shown(event, "grnry-correlation-id").unwrap()).collect();
        assert_eq!(ids, ["x", "a-1"]);
    }
}
