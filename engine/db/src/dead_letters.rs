//! Dead letters: records that a stage could not process, as they were, with the reason.
//!
//! They are written in the transaction that moves the cursor past them, so each is there exactly once. To users they
//! are messages of a stream such as `grnry_belt_dlq_17`: the untouched headers, and the reason as headers beside them.

use bytes::Bytes;
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};
use uuid::Uuid;

use crate::commit::{offset_column, partition_column, unsigned};
use crate::{Db, Error};

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

/// A dead letter that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its id, ascending in the order of writing.
    pub id: i64,
    /// When it was written, in milliseconds since the Unix epoch, by the clock of the database.
    pub created_at_ms: i64,
    /// The letter.
    pub letter: DeadLetter,
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
        "INSERT INTO granary.dead_letter
             (project, stream, stage, definition_version, code, exception_type, message, stacktrace,
              source_topic, source_partition, source_offset, key, payload, payload_is_text, headers, trace_id)
         SELECT d.project, d.stream, d.stage, d.version, d.code, d.exception_type, d.message, d.stacktrace,
                d.topic, d.partition, d.at, d.key, d.payload, d.is_text, d.headers::json, d.trace_id
         FROM unnest($1::text[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::int4[], $11::int8[], $12::bytea[], $13::bytea[], $14::bool[], $15::text[],
                     $16::uuid[])
              AS d (project, stream, stage, version, code, exception_type, message, stacktrace,
                    topic, partition, at, key, payload, is_text, headers, trace_id)",
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
        ],
    )
    .await?;
    Ok(())
}

/// The newest dead letters of a project first, of one stream or of all, below an id where one is given (the last one
/// of the page before).
///
/// # Errors
/// Those of the database.
pub async fn list(
    db: &Db,
    project: &str,
    stream: Option<&str>,
    limit: u32,
    before_id: Option<i64>,
) -> Result<Vec<Stored>, Error> {
    let rows = db
        .client()
        .await?
        .query_typed(
            "SELECT id, (extract(epoch FROM created_at) * 1000)::int8 AS created_at_ms, project, stream, stage, code,
                    message, stacktrace, exception_type, source_topic, source_partition::int8 AS source_partition,
                    source_offset, key, payload, headers::text AS headers, definition_version, trace_id
             FROM granary.dead_letter
             WHERE project = $1 AND ($2::text IS NULL OR stream = $2) AND ($3::int8 IS NULL OR id < $3)
             ORDER BY id DESC
             LIMIT $4",
            &[
                (&project, Type::TEXT),
                (&stream, Type::TEXT),
                (&before_id, Type::INT8),
                (&i64::from(limit), Type::INT8),
            ],
        )
        .await?;
    rows.iter().map(stored).collect()
}

fn stored(row: &Row) -> Result<Stored, Error> {
    let headers: String = row.try_get("headers")?;
    let letter = DeadLetter {
        project: row.try_get("project")?,
        stream: row.try_get("stream")?,
        stage: row.try_get("stage")?,
        code: row.try_get("code")?,
        message: row.try_get("message")?,
        stacktrace: row.try_get("stacktrace")?,
        exception_type: row.try_get("exception_type")?,
        topic: row.try_get("source_topic")?,
        partition: unsigned("granary.dead_letter.source_partition", row.try_get("source_partition")?)?,
        offset: unsigned("granary.dead_letter.source_offset", row.try_get("source_offset")?)?,
        key: row.try_get::<_, Option<Vec<u8>>>("key")?.map(Bytes::from),
        payload: row.try_get::<_, Vec<u8>>("payload")?.into(),
        headers: serde_json::from_str(&headers)
            .map_err(|e| Error::Content { what: "granary.dead_letter.headers", why: e.to_string() })?,
        definition_version: unsigned(
            "granary.dead_letter.definition_version",
            row.try_get("definition_version")?,
        )?,
        trace_id: row.try_get::<_, Option<Uuid>>("trace_id")?.map_or(0, |id| id.as_u128()),
    };
    Ok(Stored { id: row.try_get("id")?, created_at_ms: row.try_get("created_at_ms")?, letter })
}

/// How many dead letters a project has, in one stream or in all.
///
/// # Errors
/// Those of the database.
pub async fn count(db: &Db, project: &str, stream: Option<&str>) -> Result<u64, Error> {
    let row = db
        .client()
        .await?
        .query_typed_one(
            "SELECT count(*) FROM granary.dead_letter WHERE project = $1 AND ($2::text IS NULL OR stream = $2)",
            &[(&project, Type::TEXT), (&stream, Type::TEXT)],
        )
        .await?;
    unsigned("a count", row.get(0))
}

/// The number of dead letters by project and stream: for gauges and the alarm.
///
/// # Errors
/// Those of the database.
pub async fn counts(db: &Db) -> Result<Vec<(String, String, u64)>, Error> {
    let rows = db
        .client()
        .await?
        .query_typed(
            "SELECT project, stream, count(*) FROM granary.dead_letter GROUP BY project, stream",
            &[],
        )
        .await?;
    rows.iter().map(|row| Ok((row.get(0), row.get(1), unsigned("a count", row.get(2))?))).collect()
}

/// Removes dead letters of a project by id. Answers how many there were.
///
/// # Errors
/// Those of the database.
pub async fn discard(db: &Db, project: &str, ids: &[i64]) -> Result<u64, Error> {
    let client = db.client().await?;
    Ok(client
        .execute_typed(
            "DELETE FROM granary.dead_letter WHERE project = $1 AND id = ANY ($2)",
            &[(&project, Type::TEXT), (&ids, Type::INT8_ARRAY)],
        )
        .await?)
}
