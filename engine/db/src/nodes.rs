//! The engine processes on this database: who is alive, what each does, what each is to do.
//!
//! Lease times are the database's: a process that was not seen for [`LEASE`] is dead for everybody, whatever its own clock says.
//! Nothing here decides what counts; that the epochs of the cursors do.

use std::collections::HashMap;
use std::time::Duration;

use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::{Db, Error};

/// How long a process is taken for alive after it was last seen.
pub const LEASE: Duration = Duration::from_secs(5);

/// A process, as it tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its identity, new at each start.
    pub id: Uuid,
    /// Name for people, such as `host:8080`.
    pub name: String,
    /// Where its HTTP server is reached.
    pub address: String,
    /// What it does: `api`, `collector`, `worker`, `persister`.
    pub roles: Vec<String>,
    /// The log that it works on.
    pub log_id: Uuid,
}

/// A process that is alive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alive {
    /// Its identity.
    pub id: Uuid,
    /// What it does.
    pub roles: Vec<String>,
}

/// A process as it is listed.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The process.
    pub node: Node,
    /// When it came, RFC 3339.
    pub started_at: String,
    /// Milliseconds since it was last seen.
    pub seen_ms_ago: i64,
    /// Whether its lease has not run out.
    pub alive: bool,
    /// By stage, the partitions that it works on.
    pub partitions: Vec<(String, u64)>,
}

/// What was asked for last of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Grows with every start.
    pub turn: u64,
    /// Where it was to start, as the request said.
    pub from: Option<String>,
}

fn lease_seconds() -> f64 {
    LEASE.as_secs_f64()
}

/// Renews the lease of a process and answers who is alive on its log, in the order of their identities.
///
/// # Errors
/// Those of the database.
pub async fn beat(db: &Db, node: &Node) -> Result<Vec<Alive>, Error> {
    let client = db.client().await?;
    client
        .execute_typed(
            "INSERT INTO granary.node (id, name, address, roles, log_id) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp()",
            &[
                (&node.id, Type::UUID),
                (&node.name, Type::TEXT),
                (&node.address, Type::TEXT),
                (&node.roles, Type::TEXT_ARRAY),
                (&node.log_id, Type::UUID),
            ],
        )
        .await?;
    let rows = client
        .query_typed(
            "SELECT id, roles FROM granary.node
             WHERE log_id = $1 AND seen_at > clock_timestamp() - make_interval(secs => $2) ORDER BY id",
            &[(&node.log_id, Type::UUID), (&lease_seconds(), Type::FLOAT8)],
        )
        .await?;
    Ok(rows.iter().map(|row| Alive { id: row.get(0), roles: row.get(1) }).collect())
}

/// Takes a process off the list, with what it worked on, and forgets those that have been dead for a day.
///
/// # Errors
/// Those of the database.
pub async fn leave(db: &Db, id: Uuid) -> Result<(), Error> {
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    tx.execute_typed("UPDATE granary.cursor SET node = NULL WHERE node = $1", &[(&id, Type::UUID)]).await?;
    tx.execute_typed(
        "DELETE FROM granary.node WHERE id = $1 OR seen_at < clock_timestamp() - interval '1 day'",
        &[(&id, Type::UUID)],
    )
    .await?;
    Ok(tx.commit().await?)
}

/// All processes, those included that died lately, and what each works on.
///
/// # Errors
/// Those of the database.
pub async fn list(db: &Db) -> Result<Vec<Listed>, Error> {
    let client = db.client().await?;
    let rows = client
        .query_typed(
            "SELECT id, name, address, roles, log_id,
                    to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
                    (extract(epoch FROM clock_timestamp() - seen_at) * 1000)::int8,
                    seen_at > clock_timestamp() - make_interval(secs => $1)
             FROM granary.node ORDER BY started_at, id",
            &[(&lease_seconds(), Type::FLOAT8)],
        )
        .await?;
    let owned = client
        .query_typed(
            "SELECT node, stage, count(*) FROM granary.cursor WHERE node IS NOT NULL
             GROUP BY node, stage ORDER BY stage",
            &[],
        )
        .await?;
    let mut by_node: HashMap<Uuid, Vec<(String, u64)>> = HashMap::new();
    for row in &owned {
        by_node.entry(row.get(0)).or_default().push((row.get(1), row.get::<_, i64>(2).cast_unsigned()));
    }
    Ok(rows
        .iter()
        .map(|row| {
            let id = row.get(0);
            Listed {
                node: Node {
                    id,
                    name: row.get(1),
                    address: row.get(2),
                    roles: row.get(3),
                    log_id: row.get(4),
                },
                started_at: row.get(5),
                seen_ms_ago: row.get(6),
                alive: row.get(7),
                partitions: by_node.remove(&id).unwrap_or_default(),
            }
        })
        .collect())
}

/// Asks all processes to start an object (again), from a position where one is given.
///
/// # Errors
/// Those of the database.
pub async fn ask(db: &Db, object: &str, from: Option<&str>) -> Result<u64, Error> {
    let row = db
        .client()
        .await?
        .query_typed_one(
            "INSERT INTO granary.run AS r (object, turn, from_position) VALUES ($1, 1, $2)
             ON CONFLICT (object) DO UPDATE SET turn = r.turn + 1, from_position = excluded.from_position
             RETURNING turn",
            &[(&object, Type::TEXT), (&from, Type::TEXT)],
        )
        .await?;
    Ok(row.get::<_, i64>(0).cast_unsigned())
}

/// What was asked for last, by object.
///
/// # Errors
/// Those of the database.
pub async fn turns(db: &Db) -> Result<HashMap<String, Turn>, Error> {
    let rows =
        db.client().await?.query_typed("SELECT object, turn, from_position FROM granary.run", &[]).await?;
    let turn =
        |row: &tokio_postgres::Row| Turn { turn: row.get::<_, i64>(1).cast_unsigned(), from: row.get(2) };
    Ok(rows.iter().map(|row| (row.get(0), turn(row))).collect())
}

/// Tells how the objects are doing on a process: (object, status, reason), all of them.
///
/// # Errors
/// Those of the database; also where the process is not on the list any more.
pub async fn report(db: &Db, id: Uuid, reports: &[(String, String, Option<String>)]) -> Result<(), Error> {
    let objects: Vec<&str> = reports.iter().map(|(object, ..)| object.as_str()).collect();
    let states: Vec<&str> = reports.iter().map(|(_, status, _)| status.as_str()).collect();
    let reasons: Vec<Option<&str>> = reports.iter().map(|(.., reason)| reason.as_deref()).collect();
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    tx.execute_typed(
        "DELETE FROM granary.node_report WHERE node = $1 AND NOT object = ANY ($2)",
        &[(&id, Type::UUID), (&objects, Type::TEXT_ARRAY)],
    )
    .await?;
    tx.execute_typed(
        "INSERT INTO granary.node_report AS r (node, object, status, reason)
         SELECT $1, u.object, u.status, u.reason FROM unnest($2::text[], $3::text[], $4::text[]) AS u (object, status, reason)
         ON CONFLICT (node, object) DO UPDATE SET status = excluded.status, reason = excluded.reason
         WHERE (r.status, r.reason) IS DISTINCT FROM (excluded.status, excluded.reason)",
        &[
            (&id, Type::UUID),
            (&objects, Type::TEXT_ARRAY),
            (&states, Type::TEXT_ARRAY),
            (&reasons, Type::TEXT_ARRAY),
        ],
    )
    .await?;
    Ok(tx.commit().await?)
}

/// How objects are doing on the processes that are alive, other than one: (object, status, reason).
///
/// # Errors
/// Those of the database.
pub async fn reports_of_others(db: &Db, id: Uuid) -> Result<Vec<(String, String, Option<String>)>, Error> {
    let rows = db
        .client()
        .await?
        .query_typed(
            "SELECT r.object, r.status, r.reason FROM granary.node_report r JOIN granary.node n ON n.id = r.node
             WHERE n.id <> $1 AND n.seen_at > clock_timestamp() - make_interval(secs => $2)",
            &[(&id, Type::UUID), (&lease_seconds(), Type::FLOAT8)],
        )
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}
