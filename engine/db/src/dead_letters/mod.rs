//! Dead letters: records that a stage could not process, as they were, with the reason.
//!
//! They are written in the transaction that moves the cursor past them, so each is there exactly once. To users they
//! are messages of a stream such as `grnry_belt_dlq_17`: the untouched headers, and the reason as headers beside them.
//!
//! ```text
//!            asked for            the stage's worker
//!   dead ────────────> retrying ────────────────────> retried
//!    │ ^                  │  │
//!    │ └── failed again ──│──┘
//!    └────────────────────┴──> discarded
//! ```
//!
//! People change what is asked for ([`change`](mod@change)); what came of it is decided by the worker alone
//! ([`retry`]). Every step leaves a row in `granary.dead_letter_event`, in the transaction that takes it.

pub mod change;
mod read;
pub mod retry;

pub use read::{Event, Filter, State, Stored, count, counts, get, history, list};

use bytes::Bytes;
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::Error;
use crate::commit::{offset_column, partition_column};

/// Longest stored message, in bytes; what is longer is cut.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Longest stored traceback, in bytes; what is longer is cut.
const STACKTRACE_BYTES_MAX: usize = 256 << 10;

/// A record that a stage could not process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetter {
    /// Project of the stage.
    pub project: String,
    /// Stream under which users see it.
    pub stream: String,
    /// The stage, such as `belt:17`.
    pub stage: String,
    /// What kind of failure, such as `deadline`.
    pub code: String,
    /// The reason, for people.
    pub message: String,
    /// Traceback of the script, or empty.
    pub stacktrace: String,
    /// Type of the exception, or empty.
    pub exception_type: String,
    /// Topic of the record.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// When it was appended, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its payload, untouched.
    pub payload: Bytes,
    /// Its headers, untouched.
    pub headers: Vec<(String, String)>,
    /// Version of the definition that ran.
    pub definition_version: u64,
    /// Trace of the record; 0 where there is none.
    pub trace_id: u128,
}

impl DeadLetter {
    /// The headers that tell the reason, under the names that the kind of stage uses.
    #[must_use]
    pub fn reason_headers(&self) -> [(String, String); 2] {
        let prefix =
            if self.stage.starts_with("harvester:") { "grnry-dlc-exception" } else { "grnry-exception" };
        [
            (format!("{prefix}-message"), self.message.clone()),
            (format!("{prefix}-stacktrace"), self.stacktrace.clone()),
        ]
    }
}

/// Text that Postgres can hold, cut at a character boundary.
fn text(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace('\0', "\u{fffd}")
}

fn is_text(payload: &[u8]) -> bool {
    !payload.contains(&0) && std::str::from_utf8(payload).is_ok()
}

/// Writes dead letters inside a transaction, all in one statement. Stages do it through [`crate::commit::commit`].
///
/// # Errors
/// Those of the database.
pub async fn insert(tx: &Transaction<'_>, letters: &[DeadLetter]) -> Result<(), Error> {
    if letters.is_empty() {
        return Ok(());
    }
    let texts = |f: fn(&DeadLetter) -> &str| -> Vec<String> {
        letters.iter().map(|l| text(f(l), MESSAGE_BYTES_MAX)).collect()
    };
    let versions =
        letters.iter().map(|l| offset_column(l.definition_version)).collect::<Result<Vec<_>, _>>()?;
    let stacktraces: Vec<String> =
        letters.iter().map(|l| text(&l.stacktrace, STACKTRACE_BYTES_MAX)).collect();
    let partitions = letters.iter().map(|l| partition_column(l.partition)).collect::<Result<Vec<_>, _>>()?;
    let offsets = letters.iter().map(|l| offset_column(l.offset)).collect::<Result<Vec<_>, _>>()?;
    let times = letters.iter().map(|l| offset_column(l.time_ms)).collect::<Result<Vec<_>, _>>()?;
    let keys: Vec<Option<&[u8]>> = letters.iter().map(|l| l.key.as_deref()).collect();
    let payloads: Vec<&[u8]> = letters.iter().map(|l| &*l.payload).collect();
    let payloads_are_text: Vec<bool> = letters.iter().map(|l| is_text(&l.payload)).collect();
    let headers = letters
        .iter()
        .map(|l| serde_json::to_string(&l.headers))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| Error::Content { what: "the headers of a dead letter", why: e.to_string() })?;
    let traces: Vec<Option<Uuid>> =
        letters.iter().map(|l| (l.trace_id != 0).then(|| Uuid::from_u128(l.trace_id))).collect();
    tx.execute_typed(
        "WITH letter AS (
             INSERT INTO granary.dead_letter
                 (project, stream, stage, definition_version, code, exception_type, message, stacktrace,
                  source_topic, source_partition, source_offset, key, payload, payload_is_text, headers, trace_id,
                  source_time_ms)
             SELECT d.project, d.stream, d.stage, d.version, d.code, d.exception_type, d.message, d.stacktrace,
                    d.topic, d.partition, d.at, d.key, d.payload, d.is_text, d.headers::json, d.trace_id, d.time_ms
             FROM unnest($1::text[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::text[], $7::text[],
                         $8::text[], $9::text[], $10::int4[], $11::int8[], $12::bytea[], $13::bytea[], $14::bool[],
                         $15::text[], $16::uuid[], $17::int8[])
                  AS d (project, stream, stage, version, code, exception_type, message, stacktrace,
                        topic, partition, at, key, payload, is_text, headers, trace_id, time_ms)
             RETURNING id, definition_version, code, message
         )
         INSERT INTO granary.dead_letter_event (letter, kind, definition_version, code, message)
         SELECT id, 'written', definition_version, code, message FROM letter",
        &[
            (&texts(|l| &l.project), Type::TEXT_ARRAY),
            (&texts(|l| &l.stream), Type::TEXT_ARRAY),
            (&texts(|l| &l.stage), Type::TEXT_ARRAY),
            (&versions, Type::INT8_ARRAY),
            (&texts(|l| &l.code), Type::TEXT_ARRAY),
            (&texts(|l| &l.exception_type), Type::TEXT_ARRAY),
            (&texts(|l| &l.message), Type::TEXT_ARRAY),
            (&stacktraces, Type::TEXT_ARRAY),
            (&texts(|l| &l.topic), Type::TEXT_ARRAY),
            (&partitions, Type::INT4_ARRAY),
            (&offsets, Type::INT8_ARRAY),
            (&keys, Type::BYTEA_ARRAY),
            (&payloads, Type::BYTEA_ARRAY),
            (&payloads_are_text, Type::BOOL_ARRAY),
            (&headers, Type::TEXT_ARRAY),
            (&traces, Type::UUID_ARRAY),
            (&times, Type::INT8_ARRAY),
        ],
    )
    .await?;
    Ok(())
}
