//! The stage's side of a retry: which letters are asked for again, and what came of it.
//!
//! A retry counts if and only if its transaction moved each of its letters out of `retrying` at the attempt at which
//! they were read. That transaction holds the stage's epoch ([`crate::commit::commit`]), so of two workers only one
//! gets there, and whoever lost the answer can look: the attempts have risen, or they have not.

use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

use super::read::{COLUMNS, Stored, stored};
use super::{DeadLetter, MESSAGE_BYTES_MAX, STACKTRACE_BYTES_MAX, text};
use crate::commit::{offset_column, partition_column};
use crate::{Db, Error};

/// A letter as it was when its retry began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The letter.
    pub id: i64,
    /// How often it had been processed before.
    pub attempts: u32,
}

/// Which letters of a stage one process retries, by the partition that their records came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Portion<'a> {
    /// Partitions whose letters it retries, by topic.
    pub partitions: Vec<(&'a str, u32)>,
    /// Where it also retries the letters of partitions that the stage does not read (any more): how many partitions
    /// the stage reads of each of its topics.
    pub read: Option<Vec<(&'a str, u32)>>,
}

/// Letters of a stage that are to be processed again, in the order of their records, up to a number and about as many
/// bytes. A record has one letter for each time that it was read; only one of them is in a batch, so a position names
/// its letter. Those of others are not counted, so that they cannot keep this process from its own.
///
/// # Errors
/// Those of the database.
pub async fn waiting(
    db: &Db,
    stage: &str,
    portion: &Portion<'_>,
    records_max: usize,
    bytes_max: usize,
) -> Result<Vec<Stored>, Error> {
    let sql = format!(
        "SELECT {COLUMNS}
         FROM (SELECT *, sum(octet_length(payload)) OVER (ORDER BY source_topic, source_partition, source_offset)
                         - octet_length(payload) AS bytes_before
               FROM (SELECT DISTINCT ON (source_topic, source_partition, source_offset) * FROM granary.dead_letter
                     WHERE stage = $1 AND state = 'retrying'
                       AND ((source_topic, source_partition) IN (SELECT * FROM unnest($4::text[], $5::int4[]))
                            OR $6 AND NOT EXISTS (SELECT FROM unnest($7::text[], $8::int4[]) AS r (topic, partitions)
                                                  WHERE topic = source_topic AND source_partition < partitions))
                     ORDER BY source_topic, source_partition, source_offset, id
                     LIMIT $2) AS letter) AS letter
         WHERE bytes_before < $3
         ORDER BY source_topic, source_partition, source_offset"
    );
    let limit = |most: usize| i64::try_from(most).unwrap_or(i64::MAX);
    let (topics, partitions) = by_topic(&portion.partitions)?;
    let (read, counts) = by_topic(portion.read.as_deref().unwrap_or_default())?;
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 8] = [
        (&stage, Type::TEXT),
        (&limit(records_max), Type::INT8),
        (&limit(bytes_max), Type::INT8),
        (&topics, Type::TEXT_ARRAY),
        (&partitions, Type::INT4_ARRAY),
        (&portion.read.is_some(), Type::BOOL),
        (&read, Type::TEXT_ARRAY),
        (&counts, Type::INT4_ARRAY),
    ];
    db.client().await?.query_typed(&sql, &parameters).await?.iter().map(stored).collect()
}

/// Pairs as two columns.
fn by_topic<'a>(pairs: &[(&'a str, u32)]) -> Result<(Vec<&'a str>, Vec<i32>), Error> {
    let numbers = pairs.iter().map(|&(_, number)| partition_column(number));
    Ok((pairs.iter().map(|&(topic, _)| topic).collect(), numbers.collect::<Result<_, _>>()?))
}

/// Writes what came of a retry into its transaction: `dead` failed again, all others went through. Answers whether
/// every letter was still where the retry found it; where not, the caller must roll back.
///
/// # Errors
/// Those of the database; the caller must roll back then.
pub async fn settle(
    tx: &Transaction<'_>,
    letters: &[Attempt],
    version: u64,
    dead: &[(i64, DeadLetter)],
) -> Result<bool, Error> {
    let (ids, attempts) = columns(letters)?;
    let locked = tx
        .query_typed(
            "SELECT d.id FROM granary.dead_letter AS d
             JOIN unnest($1::int8[], $2::int4[]) AS a (id, attempts) ON a.id = d.id AND a.attempts = d.attempts
             WHERE d.state = 'retrying'
             ORDER BY d.id FOR UPDATE OF d",
            &[(&ids, Type::INT8_ARRAY), (&attempts, Type::INT4_ARRAY)],
        )
        .await?;
    if locked.len() != letters.len() {
        return Ok(false);
    }
    let failed: Vec<i64> = dead.iter().map(|(id, _)| *id).collect();
    let texts = |f: fn(&DeadLetter) -> &str, most: usize| -> Vec<String> {
        dead.iter().map(|(_, letter)| text(f(letter), most)).collect()
    };
    tx.execute_typed(
        "WITH failed AS (
             SELECT * FROM unnest($2::int8[], $3::text[], $4::text[], $5::text[], $6::text[])
                      AS f (id, code, exception_type, message, stacktrace)
         ), settled AS (
             UPDATE granary.dead_letter AS d
             SET state = CASE WHEN f.id IS NULL THEN 'retried' ELSE 'dead' END, attempts = d.attempts + 1,
                 code = coalesce(f.code, d.code), exception_type = coalesce(f.exception_type, d.exception_type),
                 message = coalesce(f.message, d.message), stacktrace = coalesce(f.stacktrace, d.stacktrace),
                 definition_version = CASE WHEN f.id IS NULL THEN d.definition_version ELSE $7 END
             FROM unnest($1::int8[]) AS l (id) LEFT JOIN failed AS f ON f.id = l.id
             WHERE d.id = l.id
             RETURNING d.id, f.id IS NULL AS through, f.code, f.message
         )
         INSERT INTO granary.dead_letter_event (letter, kind, definition_version, code, message)
         SELECT id, CASE WHEN through THEN 'went_through' ELSE 'failed_again' END, $7, code, message
         FROM settled ORDER BY id",
        &[
            (&ids, Type::INT8_ARRAY),
            (&failed, Type::INT8_ARRAY),
            (&texts(|l| &l.code, MESSAGE_BYTES_MAX), Type::TEXT_ARRAY),
            (&texts(|l| &l.exception_type, MESSAGE_BYTES_MAX), Type::TEXT_ARRAY),
            (&texts(|l| &l.message, MESSAGE_BYTES_MAX), Type::TEXT_ARRAY),
            (&texts(|l| &l.stacktrace, STACKTRACE_BYTES_MAX), Type::TEXT_ARRAY),
            (&offset_column(version)?, Type::INT8),
        ],
    )
    .await?;
    Ok(true)
}

fn columns(letters: &[Attempt]) -> Result<(Vec<i64>, Vec<i32>), Error> {
    let attempts = letters.iter().map(|letter| {
        i32::try_from(letter.attempts)
            .map_err(|e| Error::Content { what: "a number of attempts", why: e.to_string() })
    });
    Ok((letters.iter().map(|letter| letter.id).collect(), attempts.collect::<Result<_, _>>()?))
}
