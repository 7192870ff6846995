//! Components of the public world `belt` (`wit/belt.wit`).

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;
use serde_json::value::RawValue;
use wasmtime::Store;

use super::{counted, failed, output};
use crate::bindings::belt::Belt;
use crate::bindings::belt::granary::belt::types;
use crate::frame::EventIn;
use crate::host::State;
use crate::json::{check, check_object, row_id};
use crate::outcome::{BeltOutcome, Failure, Update};

/// Runs a batch. The inner error is the component's refusal of the whole batch, or a broken promise.
pub(crate) async fn run(
    store: &mut Store<State>,
    component: &Belt,
    batch: &[EventIn<'_>],
) -> wasmtime::Result<Result<Vec<BeltOutcome>, String>> {
    // All headers in one list: a list for each event would be an allocation for each.
    let headers: Vec<(&str, &str)> = batch
        .iter()
        .flat_map(|event| event.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        .collect();
    let mut rest = headers.as_slice();
    let events: Vec<_> = batch
        .iter()
        .map(|event| {
            let (headers, after) = rest.split_at(event.headers.len());
            rest = after;
            types::Event { headers, payload: event.payload }
        })
        .collect();
    let belt_id = store.data().belt.id.clone();
    let answer = component.call_execute(store, &events).await?;
    Ok(answer.and_then(|outcomes| counted(outcomes, batch.len(), |one| outcome(one, &belt_id))))
}

fn outcome(answer: types::Outcome, belt_id: &str) -> BeltOutcome {
    match answer {
        Ok(updates) => updates.into_iter().map(|one| update(one, belt_id)).collect(),
        Err(failure) => Err(failed(&failure.code, failure.message, failure.retryable)),
    }
}

/// An update, if it is one that can be used.
pub(super) fn update(answer: types::Update, belt_id: &str) -> Result<Update, Failure> {
    match answer {
        types::Update::Direct(row) => direct(row),
        types::Update::Event(one) => event(one),
        types::Update::Profile(grain) => profile(grain, belt_id),
    }
}

/// A row, if it has a key.
fn direct(row: types::DirectUpdate) -> Result<Update, Failure> {
    match row_id(&row.value) {
        Ok(id) => Ok(Update::Direct { event_type: row.output, id, value: row.value }),
        Err(wrong) => {
            Err(output(format!("the belt returned a row for '{}' that {wrong}", shown(&row.output))))
        }
    }
}

/// An event, if it can be one.
fn event(event: types::EventUpdate) -> Result<Update, Failure> {
    check_object(&event.payload).map_err(|wrong| {
        output(format!("the belt returned an event for '{}' that {wrong}", shown(&event.output)))
    })?;
    if event.correlation_id.is_empty() {
        let text =
            format!("the belt returned an event for '{}' with an empty correlation id", shown(&event.output));
        return Err(output(text));
    }
    Ok(Update::Event {
        event_type: event.output,
        correlation_id: event.correlation_id,
        event_id: event.event_id,
        timestamp: event.timestamp.map(|ms| ms.to_string()),
        headers: event.headers,
        payload: event.payload,
    })
}

/// The serialised profile update (spec: belts 3.1), its defaults filled in.
fn profile(grain: types::ProfileUpdate, belt_id: &str) -> Result<Update, Failure> {
    let wrong = |text: &str| output(format!("the belt returned a profile update that {text}"));
    if grain.id.is_empty() {
        return Err(wrong("has an empty id"));
    }
    if grain.path.is_empty() {
        return Err(wrong("has an empty path"));
    }
    check(&grain.value).map_err(|text| wrong(&format!("has a value that {text}")))?;
    let value: &RawValue = serde_json::from_slice(&grain.value).map_err(|error| wrong(&error.to_string()))?;
    let forever = || "P100Y".to_owned();
    let update = json!({
        "_schema": grain.schema,
        "_operation": grain.operation,
        "_id": grain.id,
        "_path": grain.path,
        "_value": {
            "_v": value,
            "_c": grain.certainty.unwrap_or(1.0),
            "_in": grain.inserted.unwrap_or_else(now_ms),
            "_ttl": grain.ttl.unwrap_or_else(forever),
            "_ttn": grain.ttn.unwrap_or_else(forever),
            "_origin": grain.origin.unwrap_or_else(|| format!("/belts/{belt_id}")),
            "_reader": grain.reader.unwrap_or_else(|| "_auth".to_owned()),
        },
        "_profile_type": grain.profile_type.unwrap_or_else(|| "_d".to_owned()),
    });
    Ok(Update::Profile(update.to_string().into_bytes()))
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// An output's name as far as it is worth showing.
fn shown(name: &str) -> &str {
    &name[..name.floor_char_boundary(100)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::FailureKind;

    fn direct(value: &str) -> types::Update {
        let row = types::DirectUpdate { output: "rows".into(), value: value.as_bytes().to_vec() };
        types::Update::Direct(row)
    }

    #[test]
    fn rows_keep_their_bytes_and_are_keyed_by_id() {
        let updates = outcome(Ok(vec![direct("{ \"id\":7, \"v\":1.0 }")]), "3").unwrap();
        let Update::Direct { id, value, .. } = &updates[0] else { panic!("{updates:?}") };
        assert_eq!((id.as_str(), value.as_slice()), ("7", &b"{ \"id\":7, \"v\":1.0 }"[..]));
    }

    #[test]
    fn one_unusable_update_fails_the_event() {
        let failure = outcome(Ok(vec![direct("{\"id\":1}"), direct("{}")]), "3").unwrap_err();
        assert_eq!(failure.kind, FailureKind::Output);
        assert!(failure.message.contains("for 'rows' that needs to contain an id"), "{failure}");
    }

    #[test]
    fn profile_updates_get_their_defaults() {
        let grain = types::ProfileUpdate {
            id: "c1".into(),
            path: vec!["visits".into()],
            operation: "_set".into(),
            value: b"\"4\"".to_vec(),
            certainty: None,
            inserted: Some(5),
            ttl: None,
            ttn: None,
            origin: None,
            reader: None,
            profile_type: None,
            schema: None,
        };
        let Update::Profile(json) = profile(grain, "3").unwrap() else { panic!("no profile update") };
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["_value"]["_v"], "4");
        assert_eq!((&json["_value"]["_origin"], &json["_profile_type"]), (&json!("/belts/3"), &json!("_d")));
    }
}
