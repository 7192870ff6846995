//! Cursors: how far each stage has read, and who may move them.

use std::collections::{BTreeSet, HashMap};

use tokio_postgres::types::Type;
use tokio_postgres::{Row, Transaction};
use uuid::Uuid;

use crate::commit::{epoch_column, offset_column, partition_column, unsigned};
use crate::nodes::LEASE;
use crate::{Db, Error};

/// Where a stage goes on in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Topic that it reads.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// The offset that comes next.
    pub next: u64,
    /// What it has seen of its producers by then, as it was stored.
    pub seen: Option<Vec<u8>>,
}

/// A stage that was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquired {
    /// The epoch under which its commits are accepted until somebody else acquires it.
    pub epoch: u64,
    /// Where each wanted partition goes on, in the order of the request.
    pub cursors: Vec<Place>,
}

/// Takes a stage over: fences every earlier owner and answers where to go on. Partitions that have no cursor yet get
/// one at their `start_if_new`; it is stored when this returns.
///
/// Waits for a commit of an earlier owner that is under way; afterwards none can succeed.
///
/// # Errors
/// Those of the database; nothing has changed then, or, when the connection broke, everything may have.
pub async fn acquire(
    db: &Db,
    stage: &str,
    log_id: Uuid,
    wanted: &[(String, u32, u64)],
) -> Result<Acquired, Error> {
    let Wanted { topics, partitions, starts } = Wanted::of(wanted)?;
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    let epoch = next_epoch(&tx, stage).await?;
    tx.execute("UPDATE granary.cursor SET epoch = $2 WHERE stage = $1", &[&stage, &epoch]).await?;
    tx.execute(
        "INSERT INTO granary.cursor (stage, log_id, topic, partition, epoch, next_offset)
         SELECT $1, $2, w.topic, w.partition, $3, w.start
         FROM unnest($4::text[], $5::int4[], $6::int8[]) AS w (topic, partition, start)
         ON CONFLICT DO NOTHING",
        &[&stage, &log_id, &epoch, &topics, &partitions, &starts],
    )
    .await?;
    let rows = tx
        .query(
            "SELECT c.next_offset, c.seen
             FROM unnest($3::text[], $4::int4[]) WITH ORDINALITY AS w (topic, partition, at)
             JOIN granary.cursor c
               ON c.stage = $1 AND c.log_id = $2 AND c.topic = w.topic AND c.partition = w.partition
             ORDER BY w.at",
            &[&stage, &log_id, &topics, &partitions],
        )
        .await?;
    tx.commit().await?;
    if rows.len() != wanted.len() {
        return Err(Error::Content {
            what: "granary.cursor",
            why: format!("{} cursors were made and {} found", wanted.len(), rows.len()),
        });
    }
    let cursors = wanted
        .iter()
        .zip(&rows)
        .map(|((topic, partition, _), row)| {
            let next = unsigned("granary.cursor.next_offset", row.get(0))?;
            Ok(Place { topic: topic.clone(), partition: *partition, next, seen: row.get(1) })
        })
        .collect::<Result<_, Error>>()?;
    Ok(Acquired { epoch: unsigned("granary.stage.epoch", epoch)?, cursors })
}

/// A new epoch for whoever takes a stage, or partitions of it. The lock of its row puts them one after the other, and comes before
/// the second nextval: the one that gets the row later gets the higher epoch.
async fn next_epoch(tx: &Transaction<'_>, stage: &str) -> Result<i64, Error> {
    let row = tx
        .query_one(
            "INSERT INTO granary.stage AS s (stage, epoch) VALUES ($1, nextval('granary.epoch'))
             ON CONFLICT (stage) DO UPDATE SET epoch = nextval('granary.epoch'), acquired_at = now()
             RETURNING epoch",
            &[&stage],
        )
        .await?;
    Ok(row.get(0))
}

/// The same for a stage that has to be there.
async fn next_epoch_again(tx: &Transaction<'_>, stage: &str) -> Result<i64, Error> {
    let row = tx
        .query_opt(
            "UPDATE granary.stage SET epoch = nextval('granary.epoch'), acquired_at = now() WHERE stage = $1 RETURNING epoch",
            &[&stage],
        )
        .await?;
    let gone = || Error::Content { what: "granary.stage", why: format!("the stage '{stage}' was removed") };
    row.map(|row| row.get(0)).ok_or_else(gone)
}

/// The share that one of several processes wants of a stage.
#[derive(Debug, Clone, Copy)]
pub struct Share<'a> {
    /// The process.
    pub node: Uuid,
    /// Which of the partitions it wants for itself, one by one. The others get a cursor where they have none, so that all
    /// begin at the same moment, and no owner.
    pub mine: &'a [bool],
    /// The turn that puts each partition once at the offset that is wanted.
    pub turn: Option<u64>,
    /// Whether this process has taken the stage before with the same definition. Then nothing is made: what is not there any
    /// more was removed, perhaps while the process was suspended.
    pub again: bool,
}

/// Takes partitions of a stage over for one of several processes: those that nobody works on, that were its own, or whose process
/// is dead. Fences the earlier owners of these, and answers where each goes on; the others are left out. What was its own and
/// is not wanted by it any more is nobody's afterwards, and its earlier commits are fenced there, too. Where a `turn` is given,
/// partitions that no such turn has put anywhere yet go to the offset that is wanted.
///
/// # Errors
/// As those of [`acquire`].
pub async fn acquire_free(
    db: &Db,
    stage: &str,
    log_id: Uuid,
    wanted: &[(String, u32, u64)],
    share: Share<'_>,
) -> Result<Acquired, Error> {
    let Share { node, mine, again, .. } = share;
    let columns = Wanted::of(wanted)?;
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    let epoch = if again {
        next_epoch_again(&tx, stage).await?
    } else {
        let epoch = next_epoch(&tx, stage).await?;
        make(&tx, stage, log_id, epoch, &columns, share).await?;
        epoch
    };
    // What was its own and is another one's now gets an epoch that nobody has: a reader asks whether anybody holds the one that is
    // written on a record. What it has of topics that the stage does not read any more is removed next, by the new epoch.
    let rows = tx
        .query(
            "UPDATE granary.cursor AS c
             SET epoch = CASE WHEN w.mine IS FALSE THEN nextval('granary.epoch') ELSE $3 END,
                 node = CASE WHEN w.mine THEN $6::uuid END
             FROM granary.cursor AS k
             LEFT JOIN unnest($4::text[], $5::int4[], $8::bool[]) AS w (topic, partition, mine)
               ON k.topic = w.topic AND k.partition = w.partition
             WHERE k.stage = $1 AND k.log_id = $2 AND c.stage = k.stage AND c.log_id = k.log_id
               AND c.topic = k.topic AND c.partition = k.partition
               AND (c.node = $6 OR w.mine AND (c.node IS NULL OR NOT EXISTS (
                   SELECT 1 FROM granary.node n
                   WHERE n.id = c.node AND n.seen_at > clock_timestamp() - make_interval(secs => $7))))
             RETURNING c.topic, c.partition::int8, c.next_offset, c.seen, w.mine IS TRUE",
            &[
                &stage,
                &log_id,
                &epoch,
                &columns.topics,
                &columns.partitions,
                &node,
                &LEASE.as_secs_f64(),
                &mine,
            ],
        )
        .await?;
    tx.commit().await?;
    let cursors = rows
        .iter()
        .filter(|row| row.get(4))
        .map(|row| {
            let (topic, partition, next) = named_cursor(row)?;
            Ok(Place { topic, partition, next, seen: row.get(3) })
        })
        .collect::<Result<_, Error>>()?;
    Ok(Acquired { epoch: unsigned("granary.stage.epoch", epoch)?, cursors })
}

/// Makes the cursors that are missing, and puts those elsewhere that the turn has not put anywhere yet.
async fn make(
    tx: &Transaction<'_>,
    stage: &str,
    log_id: Uuid,
    epoch: i64,
    columns: &Wanted<'_>,
    share: Share<'_>,
) -> Result<(), Error> {
    let Share { node, mine, turn, .. } = share;
    let turn = turn.map(epoch_column).transpose()?;
    tx.execute(
        "INSERT INTO granary.cursor (stage, log_id, topic, partition, epoch, next_offset, node)
         SELECT $1, $2, w.topic, w.partition, CASE WHEN w.mine THEN $3 ELSE nextval('granary.epoch') END, w.start,
                CASE WHEN w.mine THEN $7::uuid END
         FROM unnest($4::text[], $5::int4[], $6::int8[], $8::bool[]) AS w (topic, partition, start, mine)
         ON CONFLICT DO NOTHING",
        &[&stage, &log_id, &epoch, &columns.topics, &columns.partitions, &columns.starts, &node, &mine],
    )
    .await?;
    // Those of others too, so that all of them begin where the first process that looked has found it. Who is still at it does
    // not find its cursor any more, and starts again for the same turn.
    tx.execute(
        "UPDATE granary.cursor AS c SET turn = $6, next_offset = w.start, seen = NULL
         FROM unnest($3::text[], $4::int4[], $5::int8[]) AS w (topic, partition, start)
         WHERE c.stage = $1 AND c.log_id = $2 AND c.topic = w.topic AND c.partition = w.partition AND c.turn < $6",
        &[&stage, &log_id, &columns.topics, &columns.partitions, &columns.starts, &turn],
    )
    .await?;
    Ok(())
}

/// Ends an epoch of a stage: nothing is committed under it any more, and the partitions that were held under it are nobody's, so
/// that another process takes them at once.
///
/// # Errors
/// Those of the database.
pub async fn release(db: &Db, stage: &str, epoch: u64) -> Result<(), Error> {
    db.client()
        .await?
        .execute_typed(
            "UPDATE granary.cursor SET node = NULL, epoch = nextval('granary.epoch') WHERE stage = $1 AND epoch = $2",
            &[(&stage, Type::TEXT), (&epoch_column(epoch)?, Type::INT8)],
        )
        .await?;
    Ok(())
}

/// What the partitions of a request are called in columns.
struct Wanted<'a> {
    topics: Vec<&'a str>,
    partitions: Vec<i32>,
    starts: Vec<i64>,
}

impl<'a> Wanted<'a> {
    fn of(wanted: &'a [(String, u32, u64)]) -> Result<Self, Error> {
        let mut columns = Self { topics: Vec::new(), partitions: Vec::new(), starts: Vec::new() };
        for (topic, partition, start) in wanted {
            columns.topics.push(topic);
            columns.partitions.push(partition_column(*partition)?);
            columns.starts.push(offset_column(*start)?);
        }
        Ok(columns)
    }
}

/// A stage, and an epoch under which somebody works or worked on partitions of it.
pub type Tenure = (String, u64);

/// Whether a commit under one of these may still succeed: whether any partition bears it. Who gives it up changes that
/// ([`acquire`], [`acquire_free`], [`release`]), and nobody can commit under one that no partition bears.
///
/// # Errors
/// Those of the database.
pub async fn any_in_force(db: &Db, log_id: Uuid, tenures: &BTreeSet<Tenure>) -> Result<bool, Error> {
    let stages: Vec<&str> = tenures.iter().map(|(stage, _)| stage.as_str()).collect();
    let epochs = tenures.iter().map(|(_, epoch)| epoch_column(*epoch)).collect::<Result<Vec<_>, _>>()?;
    let found = db
        .client()
        .await?
        .query_typed(
            "SELECT 1
             FROM unnest($2::text[], $3::int8[]) AS w (stage, epoch)
             JOIN granary.cursor c ON c.log_id = $1 AND c.stage = w.stage AND c.epoch = w.epoch
             LIMIT 1",
            &[(&log_id, Type::UUID), (&stages, Type::TEXT_ARRAY), (&epochs, Type::INT8_ARRAY)],
        )
        .await?;
    Ok(!found.is_empty())
}

/// Takes all stages away from whoever owns them: waits for their commits under way, and lets no later one succeed. What is
/// read afterwards of cursors and ranges is the last word of every earlier engine, whose last transactions may outlive it.
///
/// # Errors
/// Those of the database.
pub async fn fence_all(db: &Db) -> Result<(), Error> {
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    tx.execute("UPDATE granary.stage SET epoch = nextval('granary.epoch')", &[]).await?;
    // In the order in which commits lock them, so that nobody waits in a circle.
    tx.query(r#"SELECT 1 FROM granary.cursor ORDER BY stage, topic COLLATE "C", partition FOR UPDATE"#, &[])
        .await?;
    tx.execute(
        "UPDATE granary.cursor AS c SET epoch = s.epoch FROM granary.stage s WHERE s.stage = c.stage",
        &[],
    )
    .await?;
    Ok(tx.commit().await?)
}

/// Puts a cursor elsewhere, for a replay: what was seen there before is new again. The stage must not run: its next commit is
/// refused, and it must be acquired again before it goes on. Answers whether there was such a cursor; where not, it is made.
///
/// # Errors
/// Those of the database.
pub async fn set_cursor(
    db: &Db,
    stage: &str,
    log_id: Uuid,
    topic: &str,
    partition: u32,
    offset: u64,
) -> Result<bool, Error> {
    let (partition, offset) = (partition_column(partition)?, offset_column(offset)?);
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    // A new epoch without an owner: a worker that is still at it is fenced.
    let epoch: i64 = tx
        .query_one(
            "INSERT INTO granary.stage (stage, epoch) VALUES ($1, nextval('granary.epoch'))
             ON CONFLICT (stage) DO UPDATE SET epoch = nextval('granary.epoch')
             RETURNING epoch",
            &[&stage],
        )
        .await?
        .get(0);
    tx.execute("UPDATE granary.cursor SET epoch = $2 WHERE stage = $1", &[&stage, &epoch]).await?;
    let moved = tx
        .execute(
            "UPDATE granary.cursor SET next_offset = $5, seen = NULL
             WHERE stage = $1 AND log_id = $2 AND topic = $3 AND partition = $4",
            &[&stage, &log_id, &topic, &partition, &offset],
        )
        .await?;
    if moved == 0 {
        tx.execute(
            "INSERT INTO granary.cursor (stage, log_id, topic, partition, epoch, next_offset)
             VALUES ($1, $2, $3, $4, $5, $6)",
            &[&stage, &log_id, &topic, &partition, &epoch, &offset],
        )
        .await?;
    }
    tx.commit().await?;
    Ok(moved > 0)
}

/// The cursors of a stage: (topic, partition, next offset), in order.
///
/// # Errors
/// Those of the database.
pub async fn of_stage(db: &Db, stage: &str, log_id: Uuid) -> Result<Vec<(String, u32, u64)>, Error> {
    let rows = db
        .client()
        .await?
        .query_typed(
            "SELECT topic, partition::int8, next_offset FROM granary.cursor
             WHERE stage = $1 AND log_id = $2 ORDER BY topic, partition",
            &[(&stage, Type::TEXT), (&log_id, Type::UUID)],
        )
        .await?;
    rows.iter().map(named_cursor).collect()
}

/// The cursors of all stages that read a topic: (stage, partition, next offset), in order.
///
/// # Errors
/// Those of the database.
pub async fn of_topic(db: &Db, topic: &str, log_id: Uuid) -> Result<Vec<(String, u32, u64)>, Error> {
    let rows = db
        .client()
        .await?
        .query_typed(
            "SELECT stage, partition::int8, next_offset FROM granary.cursor
             WHERE topic = $1 AND log_id = $2 ORDER BY stage, partition",
            &[(&topic, Type::TEXT), (&log_id, Type::UUID)],
        )
        .await?;
    rows.iter().map(named_cursor).collect()
}

/// A name, a partition and an offset.
fn named_cursor(row: &Row) -> Result<(String, u32, u64), Error> {
    Ok((
        row.get(0),
        unsigned("granary.cursor.partition", row.get(1))?,
        unsigned("granary.cursor.next_offset", row.get(2))?,
    ))
}

/// Removes the cursors of topics that a stage no longer reads, so that they do not hold the log back. Only under the
/// epoch of the caller; answers how many were removed.
///
/// # Errors
/// Those of the database.
pub async fn keep_topics(db: &Db, stage: &str, epoch: u64, topics: &[&str]) -> Result<u64, Error> {
    let epoch = epoch_column(epoch)?;
    let client = db.client().await?;
    Ok(client
        .execute_typed(
            "DELETE FROM granary.cursor WHERE stage = $1 AND epoch = $2 AND NOT topic = ANY ($3)",
            &[(&stage, Type::TEXT), (&epoch, Type::INT8), (&topics, Type::TEXT_ARRAY)],
        )
        .await?)
}

/// Removes a stage with its cursors. A worker that is still at it is fenced. Answers whether it was there.
///
/// # Errors
/// Those of the database.
pub async fn delete_stage(db: &Db, stage: &str) -> Result<bool, Error> {
    let client = db.client().await?;
    let count =
        client.execute_typed("DELETE FROM granary.stage WHERE stage = $1", &[(&stage, Type::TEXT)]).await?;
    Ok(count > 0)
}

/// Removes the cursors and ranges of a topic that is deleted from the log.
///
/// # Errors
/// Those of the database.
pub async fn delete_topic_rows(db: &Db, topic: &str) -> Result<(), Error> {
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    for sql in [
        "DELETE FROM granary.cursor WHERE topic = $1",
        "DELETE FROM granary.committed_range WHERE topic = $1",
    ] {
        tx.execute_typed(sql, &[(&topic, Type::TEXT)]).await?;
    }
    Ok(tx.commit().await?)
}

/// For each partition that some stage reads, the lowest offset that a stage still needs: what lies below may be
/// dropped from the log.
///
/// # Errors
/// Those of the database.
pub async fn cursors_min(db: &Db, log_id: Uuid) -> Result<HashMap<(String, u32), u64>, Error> {
    let rows = db
        .client()
        .await?
        .query_typed(
            "SELECT topic, partition::int8, min(next_offset) FROM granary.cursor
             WHERE log_id = $1 GROUP BY topic, partition",
            &[(&log_id, Type::UUID)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let partition = unsigned("granary.cursor.partition", row.get(1))?;
            Ok(((row.get(0), partition), unsigned("granary.cursor.next_offset", row.get(2))?))
        })
        .collect()
}
