//! Committed ranges: the offsets of stage-written topics that count.

use std::collections::HashMap;

use tokio_postgres::Transaction;
use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::commit::{RangeAdd, offset_column, partition_column, unsigned};
use crate::{Db, Error};

/// Disjoint ranges `start..end` of one partition, ascending.
pub type Ranges = Vec<(u64, u64)>;

/// Adds ranges inside a commit. Rows are locked in the order (topic, partition).
pub(crate) async fn add(tx: &Transaction<'_>, log_id: Uuid, ranges: &[RangeAdd]) -> Result<(), Error> {
    let Columns { topics, partitions, starts, ends } = Columns::of(ranges)?;
    if topics.is_empty() {
        return Ok(());
    }
    // COLLATE "C" makes the order of locks that of the bytes, whatever the database's collation.
    tx.execute_typed(
        r#"INSERT INTO granary.committed_range AS r (log_id, topic, partition, ranges)
           SELECT $1, a.topic, a.partition, range_agg(int8range(a.first, a.past))
           FROM unnest($2::text[], $3::int4[], $4::int8[], $5::int8[]) AS a (topic, partition, first, past)
           GROUP BY a.topic, a.partition
           ORDER BY a.topic COLLATE "C", a.partition
           ON CONFLICT (log_id, topic, partition) DO UPDATE SET ranges = r.ranges + excluded.ranges"#,
        &[
            (&log_id, Type::UUID),
            (&topics, Type::TEXT_ARRAY),
            (&partitions, Type::INT4_ARRAY),
            (&starts, Type::INT8_ARRAY),
            (&ends, Type::INT8_ARRAY),
        ],
    )
    .await?;
    Ok(())
}

/// Ranges by columns, without empty ones.
struct Columns<'a> {
    topics: Vec<&'a str>,
    partitions: Vec<i32>,
    starts: Vec<i64>,
    ends: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn of(ranges: &'a [RangeAdd]) -> Result<Self, Error> {
        let mut columns =
            Self { topics: Vec::new(), partitions: Vec::new(), starts: Vec::new(), ends: Vec::new() };
        for range in ranges.iter().filter(|r| r.start < r.end) {
            columns.topics.push(&range.topic);
            columns.partitions.push(partition_column(range.partition)?);
            columns.starts.push(offset_column(range.start)?);
            columns.ends.push(offset_column(range.end)?);
        }
        Ok(columns)
    }
}

/// Whether all offsets of these ranges count.
///
/// # Errors
/// Those of the database.
pub async fn contain(db: &Db, log_id: Uuid, ranges: &[RangeAdd]) -> Result<bool, Error> {
    let Columns { topics, partitions, starts, ends } = Columns::of(ranges)?;
    let rows = db
        .client()
        .await?
        .query_typed(
            "SELECT count(*)
             FROM unnest($2::text[], $3::int4[], $4::int8[], $5::int8[]) AS a (topic, partition, first, past)
             JOIN granary.committed_range r
               ON r.log_id = $1 AND r.topic = a.topic AND r.partition = a.partition
              AND r.ranges @> int8range(a.first, a.past)",
            &[
                (&log_id, Type::UUID),
                (&topics, Type::TEXT_ARRAY),
                (&partitions, Type::INT4_ARRAY),
                (&starts, Type::INT8_ARRAY),
                (&ends, Type::INT8_ARRAY),
            ],
        )
        .await?;
    let found: i64 = rows.first().map_or(0, |row| row.get(0));
    Ok(usize::try_from(found) == Ok(topics.len()))
}

/// All committed ranges of a log, by topic and partition.
///
/// # Errors
/// Those of the database.
pub async fn load_ranges(db: &Db, log_id: Uuid) -> Result<HashMap<(String, u32), Ranges>, Error> {
    let rows = db
        .client()
        .await?
        .query_typed(
            "SELECT r.topic, r.partition::int8, lower(one.range), upper(one.range)
             FROM granary.committed_range r, unnest(r.ranges) AS one (range)
             WHERE r.log_id = $1
             ORDER BY r.topic, r.partition, one.range",
            &[(&log_id, Type::UUID)],
        )
        .await?;
    by_partition(&rows)
}

/// The committed ranges of one partition.
///
/// # Errors
/// Those of the database.
pub async fn of_partition(db: &Db, log_id: Uuid, topic: &str, partition: u32) -> Result<Ranges, Error> {
    let partition = partition_column(partition)?;
    let rows = db
        .client()
        .await?
        .query_typed(
            "SELECT lower(one.range), upper(one.range)
             FROM granary.committed_range r, unnest(r.ranges) AS one (range)
             WHERE r.log_id = $1 AND r.topic = $2 AND r.partition = $3
             ORDER BY one.range",
            &[(&log_id, Type::UUID), (&topic, Type::TEXT), (&partition, Type::INT4)],
        )
        .await?;
    let offset = |row: &tokio_postgres::Row, at| unsigned("granary.committed_range.ranges", row.get(at));
    rows.iter().map(|row| Ok((offset(row, 0)?, offset(row, 1)?))).collect()
}

/// The committed ranges of some topics, by topic and partition.
///
/// # Errors
/// Those of the database.
pub async fn of_topics(
    db: &Db,
    log_id: Uuid,
    topics: &[String],
) -> Result<HashMap<(String, u32), Ranges>, Error> {
    let rows = db
        .client()
        .await?
        .query_typed(
            "SELECT r.topic, r.partition::int8, lower(one.range), upper(one.range)
             FROM granary.committed_range r, unnest(r.ranges) AS one (range)
             WHERE r.log_id = $1 AND r.topic = ANY ($2)
             ORDER BY r.topic, r.partition, one.range",
            &[(&log_id, Type::UUID), (&topics, Type::TEXT_ARRAY)],
        )
        .await?;
    by_partition(&rows)
}

/// Rows of topic, partition, start and end, grouped.
fn by_partition(rows: &[tokio_postgres::Row]) -> Result<HashMap<(String, u32), Ranges>, Error> {
    let mut all: HashMap<(String, u32), Ranges> = HashMap::new();
    for row in rows {
        let partition = unsigned("granary.committed_range.partition", row.get(1))?;
        let range = (
            unsigned("granary.committed_range.ranges", row.get(2))?,
            unsigned("granary.committed_range.ranges", row.get(3))?,
        );
        all.entry((row.get(0), partition)).or_default().push(range);
    }
    Ok(all)
}

/// Forgets the ranges of a partition below the first offset that is still in the log, so that rows stay small however
/// many gaps failed tries have left.
///
/// # Errors
/// Those of the database.
pub async fn trim(db: &Db, log_id: Uuid, topic: &str, partition: u32, start: u64) -> Result<(), Error> {
    let (partition, start) = (partition_column(partition)?, offset_column(start)?);
    db.client()
        .await?
        .execute_typed(
            "UPDATE granary.committed_range SET ranges = ranges * int8multirange(int8range($4, NULL))
             WHERE log_id = $1 AND topic = $2 AND partition = $3 AND lower(ranges) < $4",
            &[(&log_id, Type::UUID), (&topic, Type::TEXT), (&partition, Type::INT4), (&start, Type::INT8)],
        )
        .await?;
    Ok(())
}
