//! `granary.secret`. Values come here sealed and leave sealed; the engine alone opens them.

use std::fmt;

use granary_catalog::{Person, Secret, Wanted};
use tokio_postgres::{Client, Row};

use super::{AUDIT_COLUMNS, Listed, Page, Stored, audit, to_json};
use crate::Error;

/// The values of a secret as they are kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Tells which key they were sealed with.
    pub sealed_with: String,
    /// Keys in alphabetical order, with what each value became.
    pub values: Vec<(String, Vec<u8>)>,
}

/// Without what the values became, of which there may be much.
impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&String> = self.values.iter().map(|(key, _)| key).collect();
        f.debug_struct("Sealed").field("sealed_with", &self.sealed_with).field("keys", &keys).finish()
    }
}

fn select(rest: &str) -> String {
    format!("SELECT t.project, t.name, t.version, t.keys, {AUDIT_COLUMNS} FROM granary.secret t {rest}")
}

fn read(row: &Row) -> Result<Stored<Secret>, Error> {
    let version: i64 = row.try_get(2)?;
    Ok(Stored {
        definition: Secret {
            project: row.try_get(0)?,
            name: row.try_get(1)?,
            version: u64::try_from(version)
                .map_err(|error| Error::Content { what: "granary.secret.version", why: error.to_string() })?,
            keys: row.try_get(3)?,
        },
        audit: audit(row, 4)?,
        wanted: Wanted::Stopped,
    })
}

/// One secret.
///
/// # Errors
/// Those of the database.
pub async fn get(client: &Client, project: &str, name: &str) -> Result<Option<Stored<Secret>>, Error> {
    let sql = select("WHERE t.project = $1 AND t.name = $2");
    client.query_opt(&sql, &[&project, &name]).await?.as_ref().map(read).transpose()
}

/// The secrets of a project whose name contains `search`, by name.
///
/// # Errors
/// Those of the database.
pub async fn list(client: &Client, project: &str, search: &str, page: Page) -> Result<Listed<Secret>, Error> {
    let matching = "t.project = $1 AND strpos(t.name, lower($2)) > 0";
    let count = format!("SELECT count(*) FROM granary.secret t WHERE {matching}");
    let total: i64 = client.query_one(&count, &[&project, &search]).await?.try_get(0)?;
    let sql = select(&format!("WHERE {matching} ORDER BY t.name LIMIT $3 OFFSET $4"));
    let rows = client.query(&sql, &[&project, &search, &page.size, &page.offset]).await?;
    let items = rows.iter().map(read).collect::<Result<_, Error>>()?;
    Ok(Listed { items, total })
}

/// All secrets of a project, by name.
///
/// # Errors
/// Those of the database.
pub async fn of_project(client: &Client, project: &str) -> Result<Vec<Secret>, Error> {
    let rows = client.query(&select("WHERE t.project = $1 ORDER BY t.name"), &[&project]).await?;
    rows.iter().map(|row| Ok(read(row)?.definition)).collect()
}

/// The values of a secret, sealed.
///
/// # Errors
/// Those of the database.
pub async fn sealed(client: &Client, project: &str, name: &str) -> Result<Option<Sealed>, Error> {
    let sql = "SELECT sealed_with, keys, sealed FROM granary.secret WHERE project = $1 AND name = $2";
    let Some(row) = client.query_opt(sql, &[&project, &name]).await? else { return Ok(None) };
    let (keys, values): (Vec<String>, Vec<Vec<u8>>) = (row.try_get(1)?, row.try_get(2)?);
    Ok(Some(Sealed { sealed_with: row.try_get(0)?, values: keys.into_iter().zip(values).collect() }))
}

/// Stores the values of a secret in place of those that it had; its version, which is 1 for a new one.
///
/// # Errors
/// Those of the database.
pub async fn put(
    client: &Client,
    project: &str,
    name: &str,
    sealed: &Sealed,
    by: &Person,
) -> Result<i64, Error> {
    let by = to_json("a person", by)?;
    let (keys, values): (Vec<&str>, Vec<&[u8]>) =
        sealed.values.iter().map(|(key, value)| (key.as_str(), value.as_slice())).unzip();
    let sql = "INSERT INTO granary.secret AS t \
                   (project, name, version, keys, sealed, sealed_with, created_by, modified_by) \
               VALUES ($1, $2, 1, $3, $4, $5, $6, $6) \
               ON CONFLICT (project, name) DO UPDATE \
               SET version = t.version + 1, keys = $3, sealed = $4, sealed_with = $5, modified_at = now(), \
                   modified_by = $6 \
               RETURNING version";
    let row = client.query_one(sql, &[&project, &name, &keys, &values, &sealed.sealed_with, &by]).await?;
    Ok(row.try_get(0)?)
}

/// Deletes a secret. `false` when there is none.
///
/// # Errors
/// Those of the database.
pub async fn delete(client: &Client, project: &str, name: &str) -> Result<bool, Error> {
    let sql = "DELETE FROM granary.secret WHERE project = $1 AND name = $2";
    Ok(client.execute(sql, &[&project, &name]).await? > 0)
}

/// How many secrets of all projects were sealed with another key than this.
///
/// # Errors
/// Those of the database.
pub async fn count_sealed_otherwise(client: &Client, sealed_with: &str) -> Result<i64, Error> {
    let sql = "SELECT count(*) FROM granary.secret WHERE sealed_with <> $1";
    Ok(client.query_one(sql, &[&sealed_with]).await?.try_get(0)?)
}
