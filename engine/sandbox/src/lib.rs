//! Runs user code as WebAssembly components. The only crate that names wasmtime.
//!
//! ```text
//!            once per process     once per component        once per script       once per batch
//!            Sandbox (engine,     Component (compiled,      Runner -> Instance    events -> frame -> guest
//!            ticker, linker)      cached on disk)           (store, init)         outcomes <- frame <-
//! ```
//!
//! A guest is granted clocks, randomness and a log, nothing else: no files, no sockets, no environment; HTTP goes through
//! the [`HttpClient`] of its [`ScriptSpec`], which decides whom it may talk to. Each call has a deadline, each instance a memory limit, and an instance that was interrupted or trapped is never used again.
//! [`Runner`] is what stages use: it makes sure that of a batch only the event that is to blame is lost.
//!
//! This crate knows nothing of streams, tables or definitions: it turns events into outcomes.

// Once per process.
mod sandbox;
mod ticker;

// Once per component and per script.
mod bindings;
mod component;
mod meter;
mod script;

// Once per instance and per call.
mod crew;
mod host;
mod instance;
mod limits;
mod outcome;
mod quota;
mod runner;
mod stack;
mod uploaded;
mod world;

// What host and guest say to each other.
mod frame;
mod json;
pub mod marshal;
pub mod session;

// For the bench.
pub mod speed;

pub use component::Component;
pub use crew::{Batch, Crew};
pub use frame::EventIn;
pub use host::http::{HttpClient, HttpError, HttpRequest, HttpResponse, NoHttp, RESPONSE_BYTES_MAX};
pub use host::log::{Level, LogSink};
pub use host::metrics::{Figure, MetricSink, NoMetrics};
pub use instance::Instance;
pub use outcome::{
    BeltOutcome, CallError, Failure, FailureKind, TransformMessage, TransformOutcome, Transformed, Update,
};
pub use runner::{Runner, Stats};
pub use sandbox::{Error, Options, Sandbox};
pub use script::{Diagnostic, Kind, Language, Refusal, ScriptSpec, Severity};

/// Reads bytes in every way in which a guest's answer is read: the target of the fuzzer, and of the test that replays
/// its corpus.
#[doc(hidden)]
pub fn decode_hostile(data: &[u8]) {
    frame::decode_hostile(data);
}
