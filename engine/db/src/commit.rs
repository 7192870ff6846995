//! The commit of a batch: cursors, committed ranges and dead letters, inside the transaction of the stage's effect.
//!
//! Why this is exactly once, whatever the stage does: a batch counts if and only if its cursor moved, and a cursor
//! moves only from where the batch was read and only under the epoch of the worker that read it. Outputs that were
//! appended by a try that did not get here lie in no range, and nobody delivers them.
//!
//! All rows are locked in the order (topic, partition), so two stages that write to the same topics wait for each other
//! but never in a circle.

use futures::future::try_join3;
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::dead_letters::{self, DeadLetter};
use crate::{Error, ranges};

/// A cursor that passes the records `from..to`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorMove {
    /// Topic that was read.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// Where the batch was read from: the cursor must stand there.
    pub from: u64,
    /// Where the cursor stands afterwards.
    pub to: u64,
    /// What the stage has seen of its producers by then; `None` leaves what is there.
    pub seen: Option<Vec<u8>>,
}

/// Offsets `start..end` that count from this commit on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeAdd {
    /// Topic that was written.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// First offset.
    pub start: u64,
    /// One past the last offset.
    pub end: u64,
}

/// What one batch of a stage comes to, apart from its effect.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The stage, such as `belt:17`.
    pub stage: String,
    /// The epoch under which the stage was acquired.
    pub epoch: u64,
    /// The log that all offsets belong to.
    pub log_id: Uuid,
    /// Cursors that move, each (topic, partition) at most once.
    pub moves: Vec<CursorMove>,
    /// Where no cursor moves: partitions (topic, number) that have to be under the epoch all the same.
    pub holds: Vec<(String, u32)>,
    /// Outputs that count.
    pub ranges: Vec<RangeAdd>,
    /// Records that could not be processed.
    pub dead: Vec<DeadLetter>,
}

/// Why a batch can not be committed. The transaction must be rolled back in every case.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Another worker has acquired the stage, or the stage was removed.
    #[error("the stage '{stage}' was taken over: this worker has epoch {mine}, in force is {in_force:?}")]
    Fenced {
        /// The stage.
        stage: String,
        /// The epoch of the commit.
        mine: u64,
        /// The epoch in the database; `None` when the stage is gone.
        in_force: Option<u64>,
    },
    /// A cursor is not where the batch was read from, or not there at all.
    #[error("a cursor of the stage '{stage}' is not where the batch was read from: {cursor}")]
    Moved {
        /// The stage.
        stage: String,
        /// Which cursor, where it was expected and where it is.
        cursor: String,
    },
    /// The database failed. Whether anything was stored is decided by the end of the transaction.
    #[error(transparent)]
    Db(#[from] Error),
}

impl From<tokio_postgres::Error> for CommitError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Writes the commit into a transaction that the caller then commits. All statements travel together: one round trip.
///
/// # Errors
/// See [`CommitError`]; the caller must not commit the transaction then.
pub async fn commit(tx: &Transaction<'_>, commit: &Commit) -> Result<(), CommitError> {
    let moves = MoveColumns::of(commit)?;
    // Sent in this order on one connection, executed in this order: cursors first, so that a zombie is stopped before
    // it takes locks that others need.
    let (moved, (), ()) = try_join3(
        move_cursors(tx, commit, &moves),
        ranges::add(tx, commit.log_id, &commit.ranges),
        dead_letters::insert(tx, &commit.dead),
    )
    .await?;
    if moved { Ok(()) } else { Err(refusal(tx, commit).await?) }
}

/// The moves by columns, in the order in which they are locked.
struct MoveColumns<'a> {
    topics: Vec<&'a str>,
    partitions: Vec<i32>,
    from: Vec<i64>,
    to: Vec<i64>,
    seen: Vec<Option<&'a [u8]>>,
}

impl<'a> MoveColumns<'a> {
    fn of(commit: &'a Commit) -> Result<Self, Error> {
        let mut moves: Vec<&CursorMove> = commit.moves.iter().collect();
        moves.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        let mut columns = Self {
            topics: Vec::new(),
            partitions: Vec::new(),
            from: Vec::new(),
            to: Vec::new(),
            seen: Vec::new(),
        };
        for m in moves {
            columns.topics.push(&m.topic);
            columns.partitions.push(partition_column(m.partition)?);
            columns.from.push(offset_column(m.from)?);
            columns.to.push(offset_column(m.to)?);
            columns.seen.push(m.seen.as_deref());
        }
        Ok(columns)
    }
}

async fn move_cursors(tx: &Transaction<'_>, commit: &Commit, moves: &MoveColumns<'_>) -> Result<bool, Error> {
    let epoch = epoch_column(commit.epoch)?;
    if moves.topics.is_empty() {
        return hold(tx, commit, epoch).await;
    }
    let count = tx
        .execute_typed(
            "UPDATE granary.cursor AS c
             SET next_offset = m.upto, seen = coalesce(m.seen, c.seen)
             FROM unnest($3::text[], $4::int4[], $5::int8[], $6::int8[], $8::bytea[])
               AS m (topic, partition, at, upto, seen)
             WHERE c.stage = $1 AND c.log_id = $2 AND c.topic = m.topic AND c.partition = m.partition
               AND c.epoch = $7 AND c.next_offset = m.at",
            &[
                (&commit.stage, Type::TEXT),
                (&commit.log_id, Type::UUID),
                (&moves.topics, Type::TEXT_ARRAY),
                (&moves.partitions, Type::INT4_ARRAY),
                (&moves.from, Type::INT8_ARRAY),
                (&moves.to, Type::INT8_ARRAY),
                (&epoch, Type::INT8),
                (&moves.seen, Type::BYTEA_ARRAY),
            ],
        )
        .await?;
    Ok(count == moves.topics.len() as u64)
}

/// Nothing was read, yet something is written: the epoch alone decides. The lock keeps a take-over waiting.
async fn hold(tx: &Transaction<'_>, commit: &Commit, epoch: i64) -> Result<bool, Error> {
    if commit.holds.is_empty() {
        let rows = tx
            .query_typed(
                "SELECT 1 FROM granary.stage WHERE stage = $1 AND epoch = $2 FOR SHARE",
                &[(&commit.stage, Type::TEXT), (&epoch, Type::INT8)],
            )
            .await?;
        return Ok(!rows.is_empty());
    }
    let topics: Vec<&str> = commit.holds.iter().map(|(topic, _)| topic.as_str()).collect();
    let partitions = commit.holds.iter().map(|(_, p)| partition_column(*p)).collect::<Result<Vec<_>, _>>()?;
    let rows = tx
        .query_typed(
            "SELECT 1 FROM granary.cursor c
             JOIN unnest($3::text[], $4::int4[]) AS w (topic, partition)
               ON c.topic = w.topic AND c.partition = w.partition
             WHERE c.stage = $1 AND c.log_id = $2 AND c.epoch = $5
             FOR SHARE OF c",
            &[
                (&commit.stage, Type::TEXT),
                (&commit.log_id, Type::UUID),
                (&topics, Type::TEXT_ARRAY),
                (&partitions, Type::INT4_ARRAY),
                (&epoch, Type::INT8),
            ],
        )
        .await?;
    Ok(rows.len() == commit.holds.len())
}

/// Finds out why not every cursor moved.
async fn refusal(tx: &Transaction<'_>, commit: &Commit) -> Result<CommitError, CommitError> {
    let stage = commit.stage.clone();
    let in_force = tx
        .query_typed_opt("SELECT epoch FROM granary.stage WHERE stage = $1", &[(&commit.stage, Type::TEXT)])
        .await?
        .map(|row| row.get::<_, i64>(0).cast_unsigned());
    let fenced = |in_force| CommitError::Fenced { stage: stage.clone(), mine: commit.epoch, in_force };
    if in_force.is_none() || commit.moves.is_empty() {
        return Ok(fenced(in_force));
    }
    // A move that found its cursor has changed it within this transaction, so the culprit is the first one under another
    // epoch, or that does not stand at its `to`; one that stands there because it stood there before is told as well.
    for m in &commit.moves {
        let row = tx
            .query_typed_opt(
                "SELECT epoch, next_offset FROM granary.cursor
                 WHERE stage = $1 AND log_id = $2 AND topic = $3 AND partition = $4",
                &[
                    (&commit.stage, Type::TEXT),
                    (&commit.log_id, Type::UUID),
                    (&m.topic, Type::TEXT),
                    (&partition_column(m.partition)?, Type::INT4),
                ],
            )
            .await?;
        let found = row.map(|r| (r.get::<_, i64>(0).cast_unsigned(), r.get::<_, i64>(1).cast_unsigned()));
        let at = match found {
            Some((epoch, _)) if epoch != commit.epoch => return Ok(fenced(Some(epoch))),
            Some((_, next)) if next == m.to => continue,
            Some((_, next)) => format!("is at {next}"),
            None => "is not there".to_owned(),
        };
        let cursor =
            format!("topic '{}' partition {} was read from {} and {at}", m.topic, m.partition, m.from);
        return Ok(CommitError::Moved { stage, cursor });
    }
    Ok(CommitError::Moved { stage, cursor: "the batch was committed before".to_owned() })
}

/// An offset as a column. Offsets beyond 2^63 do not occur; one that does is not stored as something else.
pub(crate) fn offset_column(offset: u64) -> Result<i64, Error> {
    i64::try_from(offset).map_err(|e| Error::Content { what: "an offset", why: format!("{offset}: {e}") })
}

/// A partition as a column.
pub(crate) fn partition_column(partition: u32) -> Result<i32, Error> {
    i32::try_from(partition)
        .map_err(|e| Error::Content { what: "a partition", why: format!("{partition}: {e}") })
}

/// An epoch as a column.
pub(crate) fn epoch_column(epoch: u64) -> Result<i64, Error> {
    i64::try_from(epoch).map_err(|e| Error::Content { what: "an epoch", why: format!("{epoch}: {e}") })
}

/// An offset, partition or epoch from its column.
pub(crate) fn unsigned<T: TryFrom<i64>>(what: &'static str, value: i64) -> Result<T, Error> {
    T::try_from(value).map_err(|_| Error::Content { what, why: format!("{value} is out of range") })
}
