//! Belts: events in, updates out. The contract is `wit/belt.wit`.

use crate::frame::{self, Writer};
use crate::json::Problem;

/// Generated from `wit/belt.wit`.
#[doc(hidden)]
#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated")]
pub mod bindings {
    wit_bindgen::generate!({
        world: "framed-belt",
        path: "../../wit/belt.wit",
        pub_export_macro: true,
        export_macro_name: "export_belt",
        default_bindings_module: "granary::belt::bindings",
    });
}

pub use crate::event::Event;
pub use crate::update::{DirectUpdate, EventUpdate, ProfileUpdate, Update};

/// What the component answers for a batch: the frame of its outcomes, or why the batch could not be read.
#[doc(hidden)]
pub type Answer = Result<Vec<u8>, String>;

/// Runs a function on each event of a batch. Called by the code of [`#[granary::belt]`](macro@crate::belt).
///
/// # Errors
/// Where the batch cannot be read.
#[doc(hidden)]
pub fn each(batch: Vec<u8>, execute: impl Fn(Event) -> Result<Vec<Update>, BeltError>) -> Answer {
    let size = batch.len();
    let events = events(batch)?;
    let mut answer = Writer::new(events.len(), size / 2);
    for event in events {
        answer.outcome(&execute(event));
    }
    Ok(answer.finish())
}

/// Runs a function on a whole batch. Called by the code of [`#[granary::belt]`](macro@crate::belt).
///
/// # Errors
/// Where the batch cannot be read.
#[doc(hidden)]
pub fn all(batch: Vec<u8>, execute: impl Fn(Vec<Event>) -> Vec<Result<Vec<Update>, BeltError>>) -> Answer {
    let size = batch.len();
    let outcomes = execute(events(batch)?);
    let mut answer = Writer::new(outcomes.len(), size / 2);
    outcomes.iter().for_each(|outcome| answer.outcome(outcome));
    Ok(answer.finish())
}

fn events(batch: Vec<u8>) -> Result<Vec<Event>, String> {
    let items = frame::items(batch).ok_or("the batch ends in the middle of an event")?;
    Ok(items.into_iter().map(Event).collect())
}

/// Why an event failed. It becomes a dead letter, or is tried again where the error is retryable.
///
/// Every error of the standard library's kind turns into one with `?`, under the code `error`.
#[derive(Debug, Clone)]
pub struct BeltError {
    code: String,
    message: String,
    retryable: bool,
}

impl BeltError {
    /// An error that will not pass. The code is short and stable, for filters and counters: `no-customer`.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), retryable: false }
    }

    /// An error that may pass: the event is tried again, up to the belt's limit.
    #[must_use]
    pub fn retry(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), retryable: true }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What was expected and what came.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the event is tried again.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.retryable
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

pub(crate) fn of_problem(problem: Problem) -> BeltError {
    BeltError::new(problem.code, problem.message)
}
