//! Transforms: records of a source in, messages out. The contract is `wit/transform.wit`.

use serde::Serialize;

use crate::frame::{self, Writer};
use crate::json::{self, Problem};
use crate::snowplow;

/// Generated from `wit/transform.wit`.
#[doc(hidden)]
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        world: "framed-transform",
        path: "../../wit/transform.wit",
        pub_export_macro: true,
        export_macro_name: "export_transform",
        default_bindings_module: "granary::transform::bindings",
    });
}

pub use crate::record::SourceRecord;
pub use bindings::granary::transform::host::Level;

/// Asks for stored events to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Correlation id of the events; must not be empty.
    pub correlation_id: String,
    /// The one event to delete; all of the correlation id and the harvester's event type when left out.
    pub event_id: Option<String>,
}

/// What becomes one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// JSON text, stored byte for byte. An array at its top is one event, unlike in scripts.
    Json(Vec<u8>),
    /// A deletion notice.
    Deletion(Deletion),
}

/// Why a record failed. It becomes a dead letter with its original bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Short and stable, for filters and counters: `bad-json`, `not-thrift`.
    pub code: String,
    /// What was expected and what came, for people.
    pub message: String,
    /// Whether the same record may succeed later; it is then tried again, up to the harvester's limit.
    pub retryable: bool,
}

/// The messages of one record, or its failure.
pub type Outcome = Result<Vec<Message>, Failure>;

/// A transform. Implement it for a type of your own and name that type in [`transform!`](crate::transform!).
pub trait Transform {
    /// The messages of one record; none skips it.
    ///
    /// # Errors
    /// A failure makes the record a dead letter with its original bytes.
    fn transform(record: &SourceRecord) -> Result<Vec<Message>, Failure>;
}

/// What the component answers for a batch: the frame of its outcomes, or why the batch could not be read.
#[doc(hidden)]
pub type Answer = Result<Vec<u8>, String>;

/// Runs a transform on a batch. Called by the code of [`transform!`](crate::transform!).
///
/// # Errors
/// Where the batch cannot be read.
#[doc(hidden)]
pub fn run<T: Transform>(batch: Vec<u8>) -> Answer {
    let size = batch.len();
    let records = frame::items(batch).ok_or("the batch ends in the middle of a record")?;
    let mut answer = Writer::new(records.len(), size);
    for record in records {
        answer.transformed(&T::transform(&SourceRecord(record)));
    }
    Ok(answer.finish())
}

/// Makes a type that implements [`Transform`] the transform of this component. Once per crate.
#[macro_export]
macro_rules! transform {
    ($transform:ty) => {
        const _: () = {
            struct Exported;
            impl $crate::transform::bindings::Guest for Exported {
                fn transform_framed(batch: ::std::vec::Vec<u8>) -> $crate::transform::Answer {
                    $crate::transform::run::<$transform>(batch)
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

impl From<snowplow::BodyError> for Failure {
    fn from(error: snowplow::BodyError) -> Self {
        Self::new(error.code(), error.to_string())
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

    #[test]
    fn each_record_has_its_own_outcome() {
        // Three records without headers.
        let batch =
            b"\x03\0\0\0\0\0\0\0\x08\0\0\0{\"a\": 1}\0\0\0\0\x04\0\0\0null\0\0\0\0\x01\0\0\0x".to_vec();
        let answer = run::<Copy>(batch.clone()).unwrap();
        let good: &[u8] = b"\x03\0\0\0\0\x01\0\0\0\0\x07\0\0\0{\"a\":1}\0\0\0\0\0\x01\x08\0\0\0bad-json";
        assert!(answer.starts_with(good), "{}", String::from_utf8_lossy(&answer));
        assert!(run::<Copy>(batch[..20].to_vec()).unwrap_err().contains("in the middle of a record"));
    }

    #[test]
    fn bytes_that_are_no_collector_record_fail_with_a_code() {
        let record = SourceRecord::of("x", &[("a", "b")]);
        assert_eq!(record.snowplow().unwrap_err().code, "not-thrift");
        assert_eq!(record.header("a"), Some("b"));
        assert_eq!(format!("{record:?}"), r#"SourceRecord { headers: [("a", "b")], payload: "x" }"#);
    }
}
