//! `granary.belt`, and `granary.belt_version`: every definition that a belt has had.

use granary_catalog::{Belt, Person, Wanted};
use serde_json::{Value, json};
use tokio_postgres::{Client, Row};

use super::{AUDIT_COLUMNS, Listed, Page, Stored, all_stored, from_json, stored, to_json};
use crate::Error;

const DEFINITION: &str = "the definition of a belt";

fn select(rest: &str) -> String {
    format!("SELECT t.definition, t.wanted, {AUDIT_COLUMNS} FROM granary.belt t {rest}")
}

/// One belt, of whatever project.
///
/// # Errors
/// Those of the database.
pub async fn get(client: &Client, id: i64) -> Result<Option<Stored<Belt>>, Error> {
    let row = client.query_opt(&select("WHERE t.id = $1"), &[&id]).await?;
    row.as_ref().map(|row| stored(DEFINITION, row)).transpose()
}

/// The belts of a project whose name contains `search`, by id.
///
/// # Errors
/// Those of the database.
pub async fn list(client: &Client, project: &str, search: &str, page: Page) -> Result<Listed<Belt>, Error> {
    let matching = "t.project = $1 AND strpos(lower(t.name), lower($2)) > 0";
    let count = format!("SELECT count(*) FROM granary.belt t WHERE {matching}");
    let total: i64 = client.query_one(&count, &[&project, &search]).await?.try_get(0)?;
    let sql = select(&format!("WHERE {matching} ORDER BY t.id LIMIT $3 OFFSET $4"));
    let rows = client.query(&sql, &[&project, &search, &page.size, &page.offset]).await?;
    Ok(Listed { items: all_stored(DEFINITION, &rows)?, total })
}

/// All belts of a project, by id.
///
/// # Errors
/// Those of the database.
pub async fn of_project(client: &Client, project: &str) -> Result<Vec<Stored<Belt>>, Error> {
    all_stored(DEFINITION, &client.query(&select("WHERE t.project = $1 ORDER BY t.id"), &[&project]).await?)
}

/// The belts that read an event type, by id.
///
/// # Errors
/// Those of the database.
pub async fn reading(client: &Client, event_type: &str) -> Result<Vec<Stored<Belt>>, Error> {
    let sql = select("WHERE t.definition -> 'eventTypes' @> $1 ORDER BY t.id");
    all_stored(DEFINITION, &client.query(&sql, &[&json!([event_type])]).await?)
}

/// The belts that write an event type, by id.
///
/// # Errors
/// Those of the database.
pub async fn writing(client: &Client, event_type: &str) -> Result<Vec<Stored<Belt>>, Error> {
    let sql = select("WHERE t.definition -> 'outputTypes' @> $1 ORDER BY t.id");
    all_stored(DEFINITION, &client.query(&sql, &[&json!([{"name": event_type}])]).await?)
}

/// What a belt's environment is, and whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The belt.
    pub id: i64,
    /// Its name, for people.
    pub name: String,
    /// `extraEnv` as it was given.
    pub extra_env: String,
}

/// The environments of a project's belts that have one, by id of the belt. Their programs stay where they are.
///
/// # Errors
/// Those of the database.
pub async fn environments(client: &Client, project: &str) -> Result<Vec<Environment>, Error> {
    let sql = "SELECT id, name, definition ->> 'extraEnv' FROM granary.belt \
               WHERE project = $1 AND definition ->> 'extraEnv' IS NOT NULL ORDER BY id";
    let rows = client.query(sql, &[&project]).await?;
    rows.iter()
        .map(|row| Ok(Environment { id: row.try_get(0)?, name: row.try_get(1)?, extra_env: row.try_get(2)? }))
        .collect()
}

/// The id of the belt with the name in the project, without regard to case.
///
/// # Errors
/// Those of the database.
pub async fn find(client: &Client, project: &str, name: &str) -> Result<Option<i64>, Error> {
    let sql = "SELECT id FROM granary.belt WHERE project = $1 AND lower(name) = lower($2)";
    Ok(client.query_opt(sql, &[&project, &name]).await?.map(|row| row.try_get(0)).transpose()?)
}

/// An id that no belt has.
///
/// # Errors
/// Those of the database.
pub async fn next_id(client: &Client) -> Result<i64, Error> {
    loop {
        let id: i64 = client.query_one("SELECT nextval('granary.belt_id')", &[]).await?.try_get(0)?;
        if client.query_opt("SELECT 1 FROM granary.belt WHERE id = $1", &[&id]).await?.is_none() {
            return Ok(id);
        }
    }
}

/// Stores a new belt.
///
/// # Errors
/// Those of the database.
pub async fn insert(client: &Client, belt: &Belt, wanted: Wanted, by: &Person) -> Result<(), Error> {
    let (definition, by) = (to_json(DEFINITION, belt)?, to_json("a person", by)?);
    let sql = "INSERT INTO granary.belt (id, project, name, definition, wanted, created_by, modified_by) \
               VALUES ($1, $2, $3, $4, $5, $6, $6)";
    client.execute(sql, &[&belt.id, &belt.project, &belt.name, &definition, &wanted.as_str(), &by]).await?;
    keep_version(client, belt, &definition, &by).await
}

/// Stores a changed belt.
///
/// # Errors
/// Those of the database.
pub async fn update(client: &Client, belt: &Belt, by: &Person) -> Result<(), Error> {
    let (definition, by) = (to_json(DEFINITION, belt)?, to_json("a person", by)?);
    let sql = "UPDATE granary.belt SET name = $2, definition = $3, modified_at = now(), modified_by = $4 WHERE id = $1";
    client.execute(sql, &[&belt.id, &belt.name, &definition, &by]).await?;
    keep_version(client, belt, &definition, &by).await
}

async fn keep_version(client: &Client, belt: &Belt, definition: &Value, by: &Value) -> Result<(), Error> {
    let version = version_column(belt.version)?;
    let sql =
        "INSERT INTO granary.belt_version (belt, version, definition, created_by) VALUES ($1, $2, $3, $4)";
    client.execute(sql, &[&belt.id, &version, definition, by]).await?;
    Ok(())
}

fn version_column(version: u64) -> Result<i64, Error> {
    i64::try_from(version)
        .map_err(|_| Error::Content { what: "the version of a belt", why: version.to_string() })
}

/// A definition that a belt has or had.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    /// The definition; it carries its number.
    pub belt: Belt,
    /// When it was stored, in milliseconds since the epoch.
    pub created_at: i64,
    /// Who stored it.
    pub created_by: Person,
}

fn select_version(rest: &str) -> String {
    format!(
        "SELECT t.definition, floor(extract(epoch FROM t.created_at) * 1000)::bigint, t.created_by \
         FROM granary.belt_version t {rest}"
    )
}

fn version_of(row: &Row) -> Result<Version, Error> {
    Ok(Version {
        belt: from_json(DEFINITION, row.try_get(0)?)?,
        created_at: row.try_get(1)?,
        created_by: from_json("a person", row.try_get(2)?)?,
    })
}

/// The versions of a belt, newest first, and how many there are.
///
/// # Errors
/// Those of the database.
pub async fn versions(client: &Client, id: i64, page: Page) -> Result<(Vec<Version>, i64), Error> {
    let count = "SELECT count(*) FROM granary.belt_version WHERE belt = $1";
    let total: i64 = client.query_one(count, &[&id]).await?.try_get(0)?;
    let sql = select_version("WHERE t.belt = $1 ORDER BY t.version DESC LIMIT $2 OFFSET $3");
    let rows = client.query(&sql, &[&id, &page.size, &page.offset]).await?;
    Ok((rows.iter().map(version_of).collect::<Result<_, _>>()?, total))
}

/// One version of a belt.
///
/// # Errors
/// Those of the database.
pub async fn version(client: &Client, id: i64, version: u64) -> Result<Option<Version>, Error> {
    let sql = select_version("WHERE t.belt = $1 AND t.version = $2");
    let row = client.query_opt(&sql, &[&id, &version_column(version)?]).await?;
    row.as_ref().map(version_of).transpose()
}

/// Deletes a belt.
///
/// # Errors
/// Those of the database.
pub async fn delete(client: &Client, id: i64) -> Result<bool, Error> {
    Ok(client.execute("DELETE FROM granary.belt WHERE id = $1", &[&id]).await? > 0)
}
