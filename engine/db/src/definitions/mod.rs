//! The tables of the definitions: projects, event types, harvesters, belts, persisters, tokens, components, secrets.
//!
//! The functions take a plain client, so that several of them fit into one transaction (`transaction.client()`).
//! Whatever writes definitions takes [`lock`] first within its transaction: names are derived from what is there, and
//! references are checked against what is there, so writers go one after the other.

pub mod belt;
pub mod component;
pub mod event_type;
pub mod harvester;
pub mod package;
pub mod persister;
pub mod project;
pub mod secret;
pub mod token;

use granary_catalog::{Audit, Object, Person, Wanted};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio_postgres::{Client, Row};

use crate::Error;

/// A definition as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored<T> {
    /// The definition.
    pub definition: T,
    /// Who made and changed it, and when.
    pub audit: Audit,
    /// Whether it shall run; `Stopped` for what never runs.
    pub wanted: Wanted,
}

/// Part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// At most this many.
    pub size: i64,
    /// After skipping this many.
    pub offset: i64,
}

/// A list in part, and how many there are in all.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed<T> {
    /// The part.
    pub items: Vec<Stored<T>>,
    /// How many match without paging.
    pub total: i64,
}

/// The advisory lock of definitions, "granary" and "def" in ASCII, cut to 64 bits.
const LOCK_KEY: i64 = 0x6772_616e_0064_6566;

/// The audit columns, in the order that [`audit`] reads them.
const AUDIT_COLUMNS: &str = "floor(extract(epoch FROM t.created_at) * 1000)::bigint, t.created_by, \
     floor(extract(epoch FROM t.modified_at) * 1000)::bigint, t.modified_by";

/// Keeps other writers of definitions waiting until the transaction ends.
///
/// # Errors
/// Those of the database.
pub async fn lock(client: &Client) -> Result<(), Error> {
    client.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK_KEY]).await?;
    Ok(())
}

/// Everything that shall run: persisters, belts, harvesters, so that readers are up before writers.
///
/// # Errors
/// Those of the database.
pub async fn wanted(client: &Client) -> Result<Vec<Object>, Error> {
    let sql = "SELECT 1 AS rank, kind, event_type AS name FROM granary.persister WHERE wanted = 'RUNNING' \
               UNION ALL SELECT 2, 'belt', id::text FROM granary.belt WHERE wanted = 'RUNNING' \
               UNION ALL SELECT 3, 'harvester', name FROM granary.harvester WHERE wanted = 'RUNNING' \
               ORDER BY rank, name";
    let rows = client.query(sql, &[]).await?;
    rows.iter()
        .map(|row| {
            let name: String = row.try_get(2)?;
            match row.try_get::<_, &str>(1)? {
                "pg" => Ok(Object::DataInPersister(name)),
                "live-segment" => Ok(Object::LiveSegmentPersister(name)),
                "harvester" => Ok(Object::Harvester(name)),
                "belt" => name
                    .parse()
                    .map(Object::Belt)
                    .map_err(|_| Error::Content { what: "granary.belt.id", why: name.clone() }),
                other => Err(Error::Content { what: "granary.persister.kind", why: other.to_owned() }),
            }
        })
        .collect()
}

/// Stores whether an object shall run. `false` when there is no such object.
///
/// # Errors
/// Those of the database.
pub async fn set_wanted(client: &Client, object: &Object, wanted: Wanted) -> Result<bool, Error> {
    let text = wanted.as_str();
    let changed = match object {
        Object::Harvester(name) => {
            client.execute("UPDATE granary.harvester SET wanted = $2 WHERE name = $1", &[name, &text]).await?
        }
        Object::Belt(id) => {
            client.execute("UPDATE granary.belt SET wanted = $2 WHERE id = $1", &[id, &text]).await?
        }
        Object::DataInPersister(event_type) => set_persister(client, event_type, "pg", text).await?,
        Object::LiveSegmentPersister(event_type) => {
            set_persister(client, event_type, "live-segment", text).await?
        }
    };
    Ok(changed > 0)
}

async fn set_persister(client: &Client, event_type: &str, kind: &str, wanted: &str) -> Result<u64, Error> {
    let sql = "UPDATE granary.persister SET wanted = $3 WHERE event_type = $1 AND kind = $2";
    Ok(client.execute(sql, &[&event_type, &kind, &wanted]).await?)
}

fn to_json<T: Serialize>(what: &'static str, value: &T) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::Content { what, why: error.to_string() })
}

fn from_json<T: DeserializeOwned>(what: &'static str, value: Value) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|error| Error::Content { what, why: error.to_string() })
}

/// Reads the four audit columns that begin at `first`.
fn audit(row: &Row, first: usize) -> Result<Audit, Error> {
    let person = |at: usize| -> Result<Person, Error> { from_json("a person", row.try_get(at)?) };
    Ok(Audit {
        created_at: row.try_get(first)?,
        created_by: person(first + 1)?,
        modified_at: row.try_get(first + 2)?,
        modified_by: person(first + 3)?,
    })
}

/// Reads `definition, wanted` and the audit columns, in this order.
fn stored<T: DeserializeOwned>(what: &'static str, row: &Row) -> Result<Stored<T>, Error> {
    Ok(Stored {
        definition: from_json(what, row.try_get(0)?)?,
        wanted: Wanted::from_stored(row.try_get(1)?),
        audit: audit(row, 2)?,
    })
}

fn all_stored<T: DeserializeOwned>(what: &'static str, rows: &[Row]) -> Result<Vec<Stored<T>>, Error> {
    rows.iter().map(|row| stored(what, row)).collect()
}
