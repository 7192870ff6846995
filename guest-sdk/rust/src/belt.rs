//! Belts: events in, updates out. The contract is `wit/belt.wit`.

use serde::{Deserialize, Serialize};

use crate::json::{self, Problem};

/// Generated from `wit/belt.wit`.
#[doc(hidden)]
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        world: "belt",
        path: "../../wit/belt.wit",
        pub_export_macro: true,
        export_macro_name: "export_belt",
        default_bindings_module: "granary::belt::bindings",
    });
}

pub use bindings::granary::belt::types::{DirectUpdate, Event, EventUpdate, ProfileUpdate, Update};
use bindings::granary::belt::types::{Failure, Outcome};

/// What the component answers for a batch.
#[doc(hidden)]
pub type Answer = Result<Vec<Outcome>, String>;

/// The outcome of one event as the contract has it. Called by the code of [`#[granary::belt]`](macro@crate::belt).
#[doc(hidden)]
pub fn outcome(result: Result<Vec<Update>, BeltError>) -> Outcome {
    result.map_err(|error| error.0)
}

/// Why an event failed. It becomes a dead letter, or is tried again where the error is retryable.
///
/// Every error of the standard library's kind turns into one with `?`, under the code `error`.
#[derive(Debug, Clone)]
pub struct BeltError(Failure);

impl BeltError {
    /// An error that will not pass. The code is short and stable, for filters and counters: `no-customer`.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self(Failure { code: code.to_owned(), message: message.into(), retryable: false })
    }

    /// An error that may pass: the event is tried again, up to the belt's limit.
    #[must_use]
    pub fn retry(code: &str, message: impl Into<String>) -> Self {
        Self(Failure { code: code.to_owned(), message: message.into(), retryable: true })
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// What was expected and what came.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Whether the event is tried again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }
}

impl<E: std::error::Error> From<E> for BeltError {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::new("error", message)
    }
}

impl Event {
    /// An event for tests: a payload, and headers as pairs of name and value.
    #[must_use]
    pub fn of(payload: impl Into<Vec<u8>>, headers: &[(&str, &str)]) -> Self {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self { headers: headers.iter().map(pair).collect(), payload: payload.into() }
    }

    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        json::header(&self.headers, name)
    }

    /// The correlation id.
    ///
    /// # Errors
    /// `no-correlation-id` where the event has no such header.
    pub fn correlation_id(&self) -> Result<&str, BeltError> {
        self.header("grnry-correlation-id")
            .ok_or_else(|| BeltError::new("no-correlation-id", "the event has no header grnry-correlation-id"))
    }

    /// The payload read as JSON. Texts without escapes can be borrowed from the event.
    ///
    /// # Errors
    /// `bad-json` with line and column.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, BeltError> {
        json::read(&self.payload).map_err(of_problem)
    }
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

fn of_problem(problem: Problem) -> BeltError {
    BeltError::new(problem.code, problem.message)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn event_without_correlation_id_fails_with_a_reason() {
        assert_eq!(Event::of("", &[]).correlation_id().unwrap_err().code(), "no-correlation-id");
    }

    #[test]
    fn grain_is_set_with_defaults() {
        let Update::Profile(update) = Update::grain("c1", &["visits", "2018"], &"4").unwrap() else { panic!() };
        assert_eq!((update.operation.as_str(), update.value.as_slice()), ("_set", &b"\"4\""[..]));
        assert!(update.ttl.is_none() && update.profile_type.is_none());
    }
}
