//! Transforms: records of a source in, messages out. The contract is `wit/transform.wit`.

use serde::{Deserialize, Serialize};

use crate::json::{self, Problem};
use crate::snowplow::{self, CollectorPayload};

/// Generated from `wit/transform.wit`.
#[doc(hidden)]
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        world: "transform",
        path: "../../wit/transform.wit",
        pub_export_macro: true,
        export_macro_name: "export_transform",
        default_bindings_module: "granary::transform::bindings",
    });
}

pub use bindings::granary::transform::host::Level;
pub use bindings::granary::transform::types::{Deletion, Failure, Message, Outcome, SourceRecord};

/// A transform. Implement it for a type of your own and name that type in [`transform!`](crate::transform!).
pub trait Transform {
    /// The messages of one record; none skips it.
    ///
    /// # Errors
    /// A failure makes the record a dead letter with its original bytes.
    fn transform(record: &SourceRecord) -> Result<Vec<Message>, Failure>;
}

/// What the component answers for a batch.
#[doc(hidden)]
pub type Answer = Result<Vec<Outcome>, String>;

/// Runs a transform on a batch. Called by the code of [`transform!`](crate::transform!).
#[doc(hidden)]
pub fn run<T: Transform>(records: &[SourceRecord]) -> Vec<Outcome> {
    records.iter().map(T::transform).collect()
}

/// Makes a type that implements [`Transform`] the transform of this component. Once per crate.
#[macro_export]
macro_rules! transform {
    ($transform:ty) => {
        const _: () = {
            struct Exported;
            impl $crate::transform::bindings::Guest for Exported {
                fn execute(
                    records: ::std::vec::Vec<$crate::transform::SourceRecord>,
                ) -> $crate::transform::Answer {
                    ::std::result::Result::Ok($crate::transform::run::<$transform>(&records))
                }
            }
            $crate::transform::bindings::export_transform!(
                Exported with_types_in $crate::transform::bindings
            );
        };
    };
}

/// Writes one line to the harvester's logs. Outside of the engine, in tests, it goes to standard error.
pub fn log(level: Level, message: &str) {
    #[cfg(target_family = "wasm")]
    bindings::granary::transform::host::log(level, message);
    #[cfg(not(target_family = "wasm"))]
    eprintln!("{level:?}: {message}");
}

impl SourceRecord {
    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The payload read as JSON. Texts without escapes can be borrowed from the record.
    ///
    /// # Errors
    /// `bad-json` with line and column.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        json::read(&self.payload).map_err(Failure::from)
    }

    /// The payload read as a record of the collector.
    ///
    /// # Errors
    /// `not-thrift` with the position.
    pub fn snowplow(&self) -> Result<CollectorPayload<'_>, Failure> {
        Ok(CollectorPayload::decode(&self.payload)?)
    }
}

impl Message {
    /// A message with this value as its payload.
    ///
    /// # Errors
    /// `not-json` where the value has no JSON form.
    pub fn of(value: &impl Serialize) -> Result<Self, Failure> {
        Ok(Self::Json(json::write(value, "the message")?))
    }

    /// A message whose payload is this JSON text, byte for byte. The engine checks that it is JSON.
    #[must_use]
    pub fn text(json: &str) -> Self {
        Self::Json(json.as_bytes().to_vec())
    }
}

impl Failure {
    /// A failure that will not pass.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), retryable: false }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::new(problem.code, problem.message)
    }
}

impl From<snowplow::Error> for Failure {
    fn from(error: snowplow::Error) -> Self {
        Self::new("not-thrift", error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Copy;

    impl Transform for Copy {
        fn transform(record: &SourceRecord) -> Result<Vec<Message>, Failure> {
            let value: Option<serde_json::Value> = record.json()?;
            value.iter().map(Message::of).collect()
        }
    }

    fn record(payload: &[u8]) -> SourceRecord {
        SourceRecord { headers: vec![("a".to_owned(), "b".to_owned())], payload: payload.to_vec() }
    }

    #[test]
    fn each_record_has_its_own_outcome() {
        let outcomes = run::<Copy>(&[record(b"{\"a\": 1}"), record(b"null"), record(b"x")]);
        let Ok([Message::Json(text)]) = outcomes[0].as_deref() else { panic!("{:?}", outcomes[0]) };
        assert_eq!(text, b"{\"a\":1}");
        assert!(outcomes[1].as_ref().unwrap().is_empty());
        assert_eq!(outcomes[2].as_ref().unwrap_err().code, "bad-json");
    }

    #[test]
    fn bytes_that_are_no_collector_record_fail_with_a_code() {
        assert_eq!(record(b"x").snowplow().unwrap_err().code, "not-thrift");
        assert_eq!(record(b"x").header("a"), Some("b"));
    }
}
