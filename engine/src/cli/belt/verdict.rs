//! Outcomes as JSON, and whether they are what was expected.

use granary_sandbox::{BeltOutcome, Update};
use serde_json::{Map, Value, json};

/// Stands for any value in an expectation.
const ANYTHING: &str = "...";

/// An outcome as `expected.json` writes it: a list of updates, each under the name of its class, or the error.
pub(super) fn of_outcome(outcome: &BeltOutcome) -> Value {
    match outcome {
        Ok(updates) => updates.iter().map(of_update).collect(),
        Err(failure) => {
            let mut error = json!({"type": failure.type_name, "message": failure.message});
            if failure.retryable {
                error["retryable"] = json!(true);
            }
            json!({ "error": error })
        }
    }
}

fn of_update(update: &Update) -> Value {
    let parsed = |bytes: &[u8]| -> Value {
        serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into_owned().into())
    };
    let headers = |headers: &Vec<(String, String)>| -> Value {
        headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>().into()
    };
    match update {
        Update::Direct { event_type, value, .. } => {
            json!({"DirectUpdate": {"output": event_type, "value": parsed(value)}})
        }
        Update::Profile(value) => json!({ "Update": parsed(value) }),
        Update::Event { event_type, correlation_id, event_id, timestamp, headers: given, payload } => {
            let mut event = json!({
                "output": event_type, "correlationId": correlation_id, "payload": parsed(payload),
            });
            let optional = [
                ("eventId", event_id.as_ref().map(|id| json!(id))),
                ("timestamp", timestamp.as_ref().map(|at| json!(at))),
                ("headers", given.as_ref().map(headers)),
            ];
            for (name, value) in optional {
                if let Some(value) = value {
                    event[name] = value;
                }
            }
            json!({ "GrnryEventUpdate": event })
        }
        Update::Generic { id, value, headers: given } => {
            let mut generic = json!({"id": id, "value": parsed(value)});
            if let Some(given) = given {
                generic["headers"] = headers(given);
            }
            json!({ "GenericUpdate": generic })
        }
    }
}

/// Where an outcome differs from what was expected: the place, what was expected, what came. Of errors only what the
/// expectation names is compared; the text `...` stands for any value.
pub(super) fn differences(expected: &Value, got: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", expected, got, &mut found);
    found
}

fn compare(place: &str, expected: &Value, got: &Value, found: &mut Vec<String>) {
    match (expected, got) {
        (Value::String(any), _) if any == ANYTHING => {}
        (Value::Object(wanted), Value::Object(came)) => {
            for (name, expected) in wanted {
                let place = format!("{place}.{name}");
                match came.get(name) {
                    Some(got) => compare(&place, expected, got, found),
                    None => found.push(format!("{place}: expected {expected}, it is missing")),
                }
            }
            // An expected error may leave its message open.
            let lenient = place.ends_with(".error");
            for (name, got) in came.iter().filter(|(name, _)| !lenient && !wanted.contains_key(*name)) {
                found.push(format!("{place}.{name}: {got} was not expected"));
            }
        }
        (Value::Array(wanted), Value::Array(came)) => {
            for (index, expected) in wanted.iter().enumerate() {
                let place = format!("{place}[{index}]");
                match came.get(index) {
                    Some(got) => compare(&place, expected, got, found),
                    None => found.push(format!("{place}: expected {expected}, it is missing")),
                }
            }
            for (index, got) in came.iter().enumerate().skip(wanted.len()) {
                found.push(format!("{place}[{index}]: {got} was not expected"));
            }
        }
        (expected, got) if expected == got => {}
        (expected, got) => {
            let place = if place.is_empty() { "the outcome" } else { place };
            found.push(format!("{place}: expected {expected}, got {got}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_their_place() {
        let expected = json!([{"DirectUpdate": {"output": "a", "value": {"id": "1", "at": "...", "n": 2}}}]);
        let same = json!([{"DirectUpdate": {"output": "a", "value": {"id": "1", "at": 17, "n": 2}}}]);
        assert!(differences(&expected, &same).is_empty());
        let other =
            json!([{"DirectUpdate": {"output": "a", "value": {"id": "2", "at": 17, "x": 2}}}, {"y": 1}]);
        let found = differences(&expected, &other);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found[0].starts_with("[0].DirectUpdate.value.id: expected \"1\", got \"2\""), "{found:?}");
        assert!(!differences(&json!([]), &json!({"error": {"type": "KeyError"}})).is_empty());
    }

    #[test]
    fn an_expected_error_may_leave_its_message_open() {
        let got = json!({"error": {"type": "KeyError", "message": "'a'"}});
        assert!(differences(&json!({"error": {"type": "KeyError"}}), &got).is_empty());
        assert_eq!(differences(&json!({"error": {"type": "TypeError"}}), &got).len(), 1);
    }
}
