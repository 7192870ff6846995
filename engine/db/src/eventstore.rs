//! The event store: `public.eventstore`, one partition per event type, a view of it in the project's schema.
//!
//! Rows are written to the partition itself, and the view reads it: neither can ever meet the rows of another event
//! type, whatever the planner does. A partition remembers the project that it was made for. Deleting an event type takes
//! its view away and leaves the rows, as the deletion of a definition is no request to erase data
//! ([`erase`] is). An event type of the same name and project finds them again; for another project they are moved out of
//! its sight.

use std::ops::Range;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};

use crate::grants::Grantees;
use crate::ident::{qualified, quote_ident, quote_literal};
use crate::refused::{self, Batch};
use crate::{Db, Error, Written};

/// An event to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Groups events; part of the key.
    pub correlation_id: String,
    /// Tells repeated events; part of the key.
    pub event_id: String,
    /// When it was created, in milliseconds since the epoch.
    pub created: i64,
    /// The payload: JSON text.
    pub message: String,
    /// Version of its event type.
    pub event_type_version: i64,
    /// Name of the harvester that made it.
    pub event_harvester: String,
    /// Partition of the stream that it was read from.
    pub partition_id: i64,
    /// Its offset there.
    pub partition_offset: i64,
}

/// Asks that stored events expire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletionNotice {
    /// The events of this correlation id ...
    pub correlation_id: String,
    /// ... or only the one of this event id.
    pub event_id: Option<String>,
    /// When the notice was given, in milliseconds since the epoch.
    pub now: i64,
}

/// Name of the view of an event type in its project's schema.
#[must_use]
pub fn view_name(event_type: &str) -> String {
    format!("eventstore_{event_type}")
}

/// Name of its partition in schema `public`.
#[must_use]
pub fn partition_name(event_type: &str) -> String {
    format!("eventstore_{event_type}")
}

/// Makes partition and view of an event type, with the rights of the project's roles. What is there already stays.
///
/// The partition is made first and attached then: made in place it would lock the whole event store against reading and
/// writing.
///
/// # Errors
///
/// [`Error::UnknownProject`], or when the database refuses it or is not there.
pub async fn create(db: &Db, project: &str, event_type: &str) -> Result<(), Error> {
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    let grantees = Grantees::of(&tx, project).await?;
    let partition = qualified("public", &partition_name(event_type));
    let mut sql = String::new();
    let exists = match owner_of(&tx, event_type).await? {
        Some(owner) if owner != project => {
            sql.push_str(&set_aside(event_type, &owner));
            false
        }
        found => found.is_some(),
    };
    if !exists {
        let value = quote_literal(event_type);
        // The check spares the attaching a scan, and keeps foreign rows out once a partition is set aside.
        sql.push_str(&format!(
            "CREATE TABLE {partition} (
                LIKE public.eventstore INCLUDING DEFAULTS INCLUDING STORAGE,
                CONSTRAINT only_its_event_type CHECK (event_type = {value})
            );
            ALTER TABLE {partition} ALTER COLUMN event_type SET DEFAULT {value};
            REVOKE ALL ON {partition} FROM PUBLIC;
            COMMENT ON TABLE {partition} IS {};
            ALTER TABLE public.eventstore ATTACH PARTITION {partition} FOR VALUES IN ({value});\n",
            quote_literal(&format!("{OWNER_PREFIX}{project}")),
        ));
    }
    let view = qualified(project, &view_name(event_type));
    sql.push_str(&format!("CREATE OR REPLACE VIEW {view} AS SELECT * FROM {partition};\n"));
    sql.push_str(&grantees.sql(&view, &[]));
    tx.batch_execute(&sql).await?;
    Ok(tx.commit().await?)
}

/// Takes the view of a deleted event type away; its rows stay. `Ok` where there is none.
///
/// # Errors
///
/// When the database is not there, or something of the project still depends on the view.
pub async fn remove(db: &Db, project: &str, event_type: &str) -> Result<(), Error> {
    let view = qualified(project, &view_name(event_type));
    db.client().await?.batch_execute(&format!("DROP VIEW IF EXISTS {view}")).await?;
    Ok(())
}

/// Erases all events of an event type: its partition, after the view of it. `Ok` where there is none.
///
/// # Errors
///
/// When the database is not there, or something still depends on the partition, such as its view.
pub async fn erase(db: &Db, event_type: &str) -> Result<(), Error> {
    let partition = qualified("public", &partition_name(event_type));
    db.client().await?.batch_execute(&format!("DROP TABLE IF EXISTS {partition}")).await?;
    Ok(())
}

/// What the comment on a partition starts with; the name of its project follows.
const OWNER_PREFIX: &str = "Events of project ";

/// The project whose partition is there.
async fn owner_of(tx: &Transaction<'_>, event_type: &str) -> Result<Option<String>, Error> {
    let sql = "
        SELECT coalesce(obj_description(c.oid, 'pg_class'), '')
          FROM pg_class c
          JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'public' AND c.relname::text = $1";
    let row = tx.query_opt(sql, &[&partition_name(event_type)]).await?;
    Ok(row.map(|row| {
        let comment: String = row.get(0);
        comment.strip_prefix(OWNER_PREFIX).unwrap_or_default().to_owned()
    }))
}

/// Keeps the rows that another project left under that name, as a table of its own outside of the event store.
fn set_aside(event_type: &str, owner: &str) -> String {
    let name = partition_name(event_type);
    let partition = qualified("public", &name);
    let kept = quote_ident(&format!("{name}@{owner}"));
    format!(
        "ALTER TABLE public.eventstore DETACH PARTITION {partition};\nALTER TABLE {partition} RENAME TO {kept};\n"
    )
}

/// The partition that the events of one type are written to, with its statements made once.
#[derive(Debug, Clone)]
pub struct Partition {
    insert: String,
    expire: String,
}

impl Partition {
    /// The partition of an event type.
    #[must_use]
    pub fn new(event_type: &str) -> Self {
        let partition = qualified("public", &partition_name(event_type));
        let value = quote_literal(event_type);
        let insert = format!(
            "INSERT INTO {partition} (correlation_id, event_id, created, message, event_type, event_type_version,
                    event_harvester, partition_id, partition_offset)
             SELECT c1, c2, c3, c4::jsonb, {value}, c5, c6, c7, c8
               FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) AS r(c1, c2, c3, c4, c5, c6, c7, c8)
                 ON CONFLICT DO NOTHING"
        );
        // The row expires one period of grace after the notice. The total is written as days, seconds and milliseconds.
        let expire = format!(
            "UPDATE {partition} AS e
                SET ttl = (SELECT format('P%sDT%s.%sS', total / 86400000, total / 1000 % 86400,
                                         lpad((total % 1000)::text, 3, '0'))
                             FROM (SELECT greatest(0, n.now + $4 - e.created) AS total) AS t)
               FROM unnest($1, $2, $3) AS n(correlation_id, event_id, now)
              WHERE e.correlation_id = n.correlation_id AND (n.event_id IS NULL OR e.event_id = n.event_id)"
        );
        Self { insert, expire }
    }
}

/// Stores the events, leaving out those whose key is there already. An event that the database refuses does not keep the
/// others from being stored. [`Written::rows`] counts the new ones.
///
/// # Errors
///
/// When the database is not there, or refuses the partition itself; the transaction is then of no further use.
pub async fn insert(
    tx: &Transaction<'_>,
    partition: &Partition,
    events: &[EventRow],
) -> Result<Written, Error> {
    Ok(refused::write(tx, &Insert { sql: &partition.insert, events }).await?)
}

/// Lets stored events expire `grace_ms` after their notice, and says how many that are.
///
/// # Errors
///
/// When the database is not there or refuses the statement.
pub async fn expire(
    tx: &Transaction<'_>,
    partition: &Partition,
    notices: &[DeletionNotice],
    grace_ms: i64,
) -> Result<u64, Error> {
    let correlation_ids: Vec<&str> = notices.iter().map(|notice| notice.correlation_id.as_str()).collect();
    let event_ids: Vec<Option<&str>> = notices.iter().map(|notice| notice.event_id.as_deref()).collect();
    let times: Vec<i64> = notices.iter().map(|notice| notice.now).collect();
    let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
        (&correlation_ids, Type::TEXT_ARRAY),
        (&event_ids, Type::TEXT_ARRAY),
        (&times, Type::INT8_ARRAY),
        (&grace_ms, Type::INT8),
    ];
    Ok(tx.execute_typed(&partition.expire, &parameters).await?)
}

struct Insert<'a> {
    sql: &'a str,
    events: &'a [EventRow],
}

impl Batch for Insert<'_> {
    fn len(&self) -> usize {
        self.events.len()
    }

    fn write<'a>(
        &'a self,
        tx: &'a Transaction<'_>,
        rows: Range<usize>,
    ) -> BoxFuture<'a, Result<u64, tokio_postgres::Error>> {
        async move {
            let events = &self.events[rows];
            let texts = |of: fn(&EventRow) -> &str| events.iter().map(of).collect::<Vec<&str>>();
            let integers = |of: fn(&EventRow) -> i64| events.iter().map(of).collect::<Vec<i64>>();
            let parameters: [(&(dyn ToSql + Sync), Type); 8] = [
                (&texts(|e| &e.correlation_id), Type::TEXT_ARRAY),
                (&texts(|e| &e.event_id), Type::TEXT_ARRAY),
                (&integers(|e| e.created), Type::INT8_ARRAY),
                (&texts(|e| &e.message), Type::TEXT_ARRAY),
                (&integers(|e| e.event_type_version), Type::INT8_ARRAY),
                (&texts(|e| &e.event_harvester), Type::TEXT_ARRAY),
                (&integers(|e| e.partition_id), Type::INT8_ARRAY),
                (&integers(|e| e.partition_offset), Type::INT8_ARRAY),
            ];
            tx.execute_typed(self.sql, &parameters).await
        }
        .boxed()
    }
}
