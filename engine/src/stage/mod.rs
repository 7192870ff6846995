//! What every stage has in common: read a batch, process it, append its outputs, commit.
//!
//! A *stage* is one running harvester, belt or persister. Its own code is a [`Process`]: a function from a batch of
//! delivered records to an [`Outcome`], without effects of its own. Everything that makes effects happen exactly once
//! lives in the [`worker`]: it appends the outputs to the log and then commits one Postgres transaction that moves the
//! cursors, stores the dead letters, applies the [`Effect`] and records which appended offsets count. Readers of a
//! stage-written topic see those committed ranges only, by way of the [`book`].
//!
//! ```text
//!        log ── committed records ──> process ── outputs ──> log (not visible yet)
//!                                        │
//!                                        └─> one transaction: cursors, ranges, dead letters, rows ──> visible
//! ```
//!
//! To add a stage: implement [`Process`], give it a [`worker::Spec`], and let the supervisor launch it.

pub mod book;
pub mod decisions;
pub mod members;
pub mod metrics;
mod repeats;
pub mod totals;
pub mod worker;

use std::sync::Arc;

use async_trait::async_trait;
use granary_stream::{Message, Record};

/// A record handed to a stage.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// Topic that it was read from.
    pub topic: Arc<str>,
    /// Partition of that topic.
    pub partition: u32,
    /// The record.
    pub record: Record,
}

/// A message that a stage wants appended. Its key chooses the partition.
#[derive(Debug)]
pub struct Output {
    /// Topic to append to; it exists already.
    pub topic: Arc<str>,
    /// Number of partitions of that topic.
    pub partitions: u32,
    /// The message.
    pub message: Message,
}

/// A record that could not be processed, and why. It becomes a row of the dead-letter table in the transaction that
/// moves the cursor past it.
#[derive(Debug, Clone)]
pub struct Dead {
    /// The record as it was read.
    pub delivered: Delivered,
    /// Short machine-readable reason, such as `exception`, `deadline` or `schema_mismatch`.
    pub code: &'static str,
    /// Type of the exception in the user's language, or of our error.
    pub exception_type: String,
    /// One line for people.
    pub message: String,
    /// Traceback with the user's lines, or empty.
    pub stacktrace: String,
}

/// Why one record cannot be processed, wherever that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Short machine-readable reason.
    pub code: &'static str,
    /// Type of the exception in the user's language, or of our error.
    pub exception_type: String,
    /// One line for people.
    pub message: String,
    /// Traceback with the user's lines, or empty.
    pub stacktrace: String,
}

impl Refusal {
    /// A refusal found by the engine itself.
    #[must_use]
    pub fn new(code: &'static str, exception_type: &str, message: String) -> Self {
        Self { code, exception_type: exception_type.to_owned(), message, stacktrace: String::new() }
    }

    /// The dead letter that the record becomes.
    #[must_use]
    pub fn of(self, delivered: Delivered) -> Dead {
        let Self { code, exception_type, message, stacktrace } = self;
        Dead { delivered, code, exception_type, message, stacktrace }
    }

    /// Writes it to an object's log, for the logs endpoint.
    pub fn log(&self, ring: &crate::object_log::Ring, delivered: &Delivered) {
        let Delivered { topic, partition, record } = delivered;
        let Self { exception_type, message, .. } = self;
        ring.push(&format!(
            "ERROR {topic} partition {partition} offset {}: {exception_type}: {message}",
            record.offset
        ));
        for line in self.stacktrace.lines() {
            ring.push(line);
        }
    }
}

impl From<granary_sandbox::Failure> for Refusal {
    fn from(failure: granary_sandbox::Failure) -> Self {
        Self {
            code: failure.kind.as_str(),
            exception_type: failure.type_name,
            message: failure.message,
            stacktrace: failure.traceback,
        }
    }
}

/// What a batch comes to.
#[derive(Default)]
pub struct Outcome {
    /// Messages to append, in order.
    pub outputs: Vec<Output>,
    /// Records that failed.
    pub dead: Vec<Dead>,
    /// Rows to write in the committing transaction.
    pub effect: Option<Box<dyn Effect>>,
    /// Records that were left out on purpose (a transform answered null).
    pub skipped: u64,
    /// Records that became several messages.
    pub split: u64,
    /// Messages that delete.
    pub deletions: u64,
}

/// Why a batch could not be processed at all. Nothing of it has happened; the worker tries again with back-off, or
/// gives up when the error is final.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The stage was asked to stop while it worked.
    #[error("stopped")]
    Stopped,
    /// Something outside is not available now.
    #[error("{0}")]
    Unavailable(String),
    /// A human is needed.
    #[error("{0}")]
    Final(String),
}

/// What to do about a damaged log.
pub const DAMAGE_ADVICE: &str = "stop the engine and run `granary stream verify`, which tells what is lost; \
    with --repair, stages go on behind it at the next start";

/// A log that is busy or out of reach takes appends again later; everything else it says needs a human.
impl From<granary_stream::Error> for Error {
    fn from(error: granary_stream::Error) -> Self {
        match error {
            granary_stream::Error::Busy { .. } | granary_stream::Error::Unreachable { .. } => {
                Self::Unavailable(error.to_string())
            }
            granary_stream::Error::Trimmed { .. } => Self::Final(format!(
                "{error}: the records in between were dropped before this stage read them; to go on behind them, start it with \
                 ?from=earliest"
            )),
            granary_stream::Error::Corrupt { .. } => Self::Final(format!("{error}; {DAMAGE_ADVICE}")),
            other => Self::Final(other.to_string()),
        }
    }
}

/// Whatever the database says, nothing is lost by trying again.
impl From<granary_db::Error> for Error {
    fn from(error: granary_db::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// The code of one stage.
#[async_trait]
pub trait Process: Send {
    /// Turns a batch into an outcome. Order of the outputs of one partition follows the order of its records. May be
    /// called again with the same records after a failure: only one of the outcomes is ever committed.
    async fn process(&mut self, batch: Vec<Delivered>) -> Result<Outcome, Error>;
}

/// Why an effect could not be applied.
#[derive(Debug, thiserror::Error)]
pub enum EffectError {
    /// The database is not reachable: the whole batch is done again later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database refused the statement for a reason that no single record explains.
    #[error("the database refused the batch: {0}")]
    Refused(String),
}

/// Rows that a persister writes. Applied inside the committing transaction, before the cursors move.
#[async_trait]
pub trait Effect: Send + Sync {
    /// Writes the rows. Records that the database refuses come back as dead letters; the rest is written.
    async fn apply(&self, tx: &granary_db::Transaction<'_>) -> Result<Vec<Dead>, EffectError>;
}
