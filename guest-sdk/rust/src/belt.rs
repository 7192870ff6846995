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
        default_bindings_module: "granary_sdk::belt::bindings",
    });
}

pub use bindings::granary::belt::host::Level;
pub use bindings::granary::belt::types::{
    DirectUpdate, Event, EventUpdate, Failure, Outcome, ProfileUpdate, Update,
};

/// A belt. Implement it for a type of your own and name that type in [`belt!`](crate::belt!).
pub trait Belt {
    /// The updates of one event; none of them counts when it fails.
    ///
    /// # Errors
    /// A failure makes the event a dead letter, or has it tried again where it is retryable.
    fn execute(event: &Event) -> Result<Vec<Update>, Failure>;
}

/// What the component answers for a batch.
#[doc(hidden)]
pub type Answer = Result<Vec<Outcome>, String>;

/// Runs a belt on a batch. Called by the code of [`belt!`](crate::belt!).
#[doc(hidden)]
pub fn run<B: Belt>(events: &[Event]) -> Vec<Outcome> {
    events.iter().map(B::execute).collect()
}

/// Makes a type that implements [`Belt`] the belt of this component. Once per crate.
#[macro_export]
macro_rules! belt {
    ($belt:ty) => {
        const _: () = {
            struct Exported;
            impl $crate::belt::bindings::Guest for Exported {
                fn execute(events: ::std::vec::Vec<$crate::belt::Event>) -> $crate::belt::Answer {
                    ::std::result::Result::Ok($crate::belt::run::<$belt>(&events))
                }
            }
            $crate::belt::bindings::export_belt!(
                Exported with_types_in $crate::belt::bindings
            );
        };
    };
}

/// Writes one line to the belt's logs. Outside of the engine, in tests, it goes to standard error.
pub fn log(level: Level, message: &str) {
    #[cfg(target_family = "wasm")]
    bindings::granary::belt::host::log(level, message);
    #[cfg(not(target_family = "wasm"))]
    eprintln!("{level:?}: {message}");
}

impl Event {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        json::header(&self.headers, name)
    }

    /// The correlation id.
    ///
    /// # Errors
    /// `no-correlation-id` where the event has no such header.
    pub fn correlation_id(&self) -> Result<&str, Failure> {
        self.header("grnry-correlation-id")
            .ok_or_else(|| Failure::new("no-correlation-id", "the event has no header grnry-correlation-id"))
    }

    /// The payload read as JSON. Texts without escapes can be borrowed from the event.
    ///
    /// # Errors
    /// `bad-json` with line and column.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        json::read(&self.payload).map_err(Failure::from)
    }
}

impl Update {
    /// A row of the live segment `output`; it needs an `id`.
    ///
    /// # Errors
    /// `not-json` where the value has no JSON form.
    pub fn row(output: &str, value: &impl Serialize) -> Result<Self, Failure> {
        let value = json::write(value, "the row")?;
        Ok(Self::Direct(DirectUpdate { output: output.to_owned(), value }))
    }

    /// An event of the type `output` with the incoming event's id, time and headers.
    ///
    /// # Errors
    /// `not-json` where the payload has no JSON form.
    pub fn event(output: &str, correlation_id: &str, payload: &impl Serialize) -> Result<Self, Failure> {
        Ok(Self::Event(EventUpdate {
            output: output.to_owned(),
            correlation_id: correlation_id.to_owned(),
            event_id: None,
            timestamp: None,
            headers: None,
            payload: json::write(payload, "the event")?,
        }))
    }
}

impl ProfileUpdate {
    /// Sets the grain at `path` of a profile, everything else as by default.
    ///
    /// # Errors
    /// `not-json` where the value has no JSON form.
    pub fn set(id: &str, path: &[&str], value: &impl Serialize) -> Result<Self, Failure> {
        Ok(Self {
            id: id.to_owned(),
            path: path.iter().map(|element| (*element).to_owned()).collect(),
            operation: "_set".to_owned(),
            value: json::write(value, "the grain")?,
            certainty: None,
            inserted: None,
            ttl: None,
            ttn: None,
            origin: None,
            reader: None,
            profile_type: None,
            schema: None,
        })
    }
}

impl Failure {
    /// A failure that will not pass.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), retryable: false }
    }

    /// A failure that may pass: the event is tried again.
    #[must_use]
    pub fn retry(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), retryable: true }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::new(problem.code, problem.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(payload: &str) -> Event {
        let headers = vec![("grnry-correlation-id".to_owned(), "c1".to_owned())];
        Event { headers, payload: payload.as_bytes().to_vec() }
    }

    struct Names;

    impl Belt for Names {
        fn execute(event: &Event) -> Result<Vec<Update>, Failure> {
            let fields: std::collections::BTreeMap<&str, &str> = event.json()?;
            let name = fields.get("name").ok_or_else(|| Failure::retry("no-name", "not yet"))?;
            let row = serde_json::json!({"id": event.correlation_id()?, "name": name});
            Ok(vec![Update::row("people", &row)?])
        }
    }

    #[test]
    fn each_event_has_its_own_outcome() {
        let outcomes = run::<Names>(&[event(r#"{"name":"Ada"}"#), event("{"), event("{}")]);
        let Ok([Update::Direct(row)]) = outcomes[0].as_deref() else { panic!("{:?}", outcomes[0]) };
        assert_eq!(
            (row.output.as_str(), row.value.as_slice()),
            ("people", &br#"{"id":"c1","name":"Ada"}"#[..])
        );
        let bad = outcomes[1].as_ref().unwrap_err();
        assert_eq!((bad.code.as_str(), bad.retryable), ("bad-json", false));
        assert!(bad.message.contains("line 1 column 1"), "{}", bad.message);
        assert!(outcomes[2].as_ref().unwrap_err().retryable);
    }

    #[test]
    fn event_without_correlation_id_fails_with_a_reason() {
        let failure = Event { headers: vec![], payload: vec![] }.correlation_id().unwrap_err();
        assert_eq!(failure.code, "no-correlation-id");
    }

    #[test]
    fn grain_is_set_with_defaults() {
        let update = ProfileUpdate::set("c1", &["visits", "2018"], &"4").unwrap();
        assert_eq!((update.operation.as_str(), update.value.as_slice()), ("_set", &b"\"4\""[..]));
        assert_eq!(update.path, ["visits", "2018"]);
        assert!(update.ttl.is_none() && update.profile_type.is_none());
    }
}
