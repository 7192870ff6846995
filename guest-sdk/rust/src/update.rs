//! What a belt may emit.

use serde::Serialize;

use crate::belt::{BeltError, of_problem};
use crate::json;

/// What a belt may emit.
#[derive(Debug, Clone)]
pub enum Update {
    /// A row of a live segment.
    Direct(DirectUpdate),
    /// An event for another event type.
    Event(EventUpdate),
    /// A change of a profile.
    Profile(ProfileUpdate),
}

/// A row of a live segment; it replaces the row with the same id.
#[derive(Debug, Clone)]
pub struct DirectUpdate {
    /// Technical name of a declared output of kind `live_segment`.
    pub output: String,
    /// JSON text of an object with an `id`, a text or an integer. Stored byte for byte.
    pub value: Vec<u8>,
}

/// An event for another event type, so that belts can be chained.
#[derive(Debug, Clone)]
pub struct EventUpdate {
    /// Technical name of a declared output of kind `data_in`.
    pub output: String,
    /// The correlation id; must not be empty.
    pub correlation_id: String,
    /// The event id; that of the incoming event when left out. Several events of one call need distinct ids.
    pub event_id: Option<String>,
    /// Milliseconds since the epoch; the incoming event's when left out.
    pub timestamp: Option<u64>,
    /// The headers; the incoming event's when left out. The engine sets event type and version itself.
    pub headers: Option<Vec<(String, String)>>,
    /// JSON text of an object.
    pub payload: Vec<u8>,
}

/// A change of one grain of a profile.
#[derive(Debug, Clone)]
pub struct ProfileUpdate {
    /// Correlation id of the profile.
    pub id: String,
    /// Path of the grain, at least one element.
    pub path: Vec<String>,
    /// One of the operations, for example `_set`.
    pub operation: String,
    /// JSON text of a string or of an array of strings.
    pub value: Vec<u8>,
    /// Certainty, 0 to 1; 1 when left out.
    pub certainty: Option<f64>,
    /// Time of insertion in milliseconds since the epoch; now when left out.
    pub inserted: Option<u64>,
    /// Time to live, an ISO 8601 duration; `P100Y` when left out.
    pub ttl: Option<String>,
    /// Time to notify, an ISO 8601 duration; `P100Y` when left out.
    pub ttn: Option<String>,
    /// Who says so; `/belts/<id>` when left out.
    pub origin: Option<String>,
    /// Role that may read the grain; `_auth` when left out.
    pub reader: Option<String>,
    /// Type of the profile; `_d` when left out.
    pub profile_type: Option<String>,
    /// Schema of the update, if any.
    pub schema: Option<String>,
}

impl Update {
    /// A row of the live segment `output`; it needs an `id`.
    ///
    /// # Errors
    /// `not-json` where the value has no JSON form.
    pub fn row(output: &str, value: &impl Serialize) -> Result<Self, BeltError> {
        let value = json::write(value, "the row").map_err(of_problem)?;
        Ok(Self::Direct(DirectUpdate { output: output.to_owned(), value }))
    }

    /// An event of the type `output` with the incoming event's id, time and headers; of a session, with the session's own.
    /// The new event is a single one.
    ///
    /// # Errors
    /// `not-json` where the payload has no JSON form.
    pub fn event(output: &str, correlation_id: &str, payload: &impl Serialize) -> Result<Self, BeltError> {
        Ok(Self::Event(EventUpdate {
            output: output.to_owned(),
            correlation_id: correlation_id.to_owned(),
            event_id: None,
            timestamp: None,
            headers: None,
            payload: json::write(payload, "the event").map_err(of_problem)?,
        }))
    }

    /// Sets the grain at `path` of a profile, everything else as by default. For the rest there is [`ProfileUpdate`].
    ///
    /// # Errors
    /// `not-json` where the value has no JSON form.
    pub fn grain(id: &str, path: &[&str], value: &impl Serialize) -> Result<Self, BeltError> {
        Ok(Self::Profile(ProfileUpdate {
            id: id.to_owned(),
            path: path.iter().map(|element| (*element).to_owned()).collect(),
            operation: "_set".to_owned(),
            value: json::write(value, "the grain").map_err(of_problem)?,
            certainty: None,
            inserted: None,
            ttl: None,
            ttn: None,
            origin: None,
            reader: None,
            profile_type: None,
            schema: None,
        }))
    }
}

#[cfg(test)]
mod tests {
    use crate::belt::{BeltError, Event, Update};

    fn event(payload: &str) -> Event {
        Event::of(payload, &[("grnry-correlation-id", "c1")])
    }

    fn names(event: &Event) -> Result<Vec<Update>, BeltError> {
        let fields: std::collections::BTreeMap<&str, &str> = event.json()?;
        let name = fields.get("name").ok_or_else(|| BeltError::retry("no-name", "not yet"))?;
        let age: u8 = fields.get("age").unwrap_or(&"1").parse()?;
        let row = serde_json::json!({"id": event.correlation_id()?, "name": name, "age": age});
        Ok(vec![Update::row("people", &row)?])
    }

    #[test]
    fn rows_are_written_as_json() {
        let updates = names(&event(r#"{"name":"Ada"}"#)).unwrap();
        let [Update::Direct(row)] = &updates[..] else { panic!("{updates:?}") };
        assert_eq!(
            (row.output.as_str(), row.value.as_slice()),
            ("people", &br#"{"age":1,"id":"c1","name":"Ada"}"#[..])
        );
    }

    #[test]
    fn errors_have_a_code_and_may_be_retryable() {
        let bad = names(&event("{")).unwrap_err();
        assert_eq!((bad.code(), bad.is_retryable()), ("bad-json", false));
        assert!(bad.message().contains("line 1 column 1"), "{}", bad.message());
        assert!(names(&event("{}")).unwrap_err().is_retryable());
        let other = names(&event(r#"{"name":"Ada","age":"x"}"#)).unwrap_err();
        assert_eq!((other.code(), other.message()), ("error", "invalid digit found in string"));
    }

    #[test]
    fn grain_is_set_with_defaults() {
        let Update::Profile(update) = Update::grain("c1", &["visits", "2018"], &"4").unwrap() else {
            panic!()
        };
        assert_eq!((update.operation.as_str(), update.value.as_slice()), ("_set", &b"\"4\""[..]));
        assert!(update.ttl.is_none() && update.profile_type.is_none());
    }
}
