//! `granary.event_type` (one row each) and `granary.event_type_version` (one row per version).

use granary_catalog::{
    EventKind, EventType, Person, VersionChoice, Wanted,
    event_type::{Directory, Entry},
};
use tokio_postgres::{Client, Row};

use super::{AUDIT_COLUMNS, Listed, Page, Stored, audit, from_json, to_json};
use crate::Error;

const DEFINITION: &str = "the definition of an event type";

/// What [`read`] reads, of a version `v` and its head `t`.
fn select(rest: &str) -> String {
    format!(
        "SELECT v.definition, t.display_name, t.description, {AUDIT_COLUMNS} \
         FROM granary.event_type t JOIN granary.event_type_version v ON v.name = t.name {rest}"
    )
}

fn read(row: &Row) -> Result<Stored<EventType>, Error> {
    let mut definition: EventType = from_json(DEFINITION, row.try_get(0)?)?;
    // The label belongs to all versions, so the head's is right.
    definition.display_name = row.try_get(1)?;
    definition.description = row.try_get(2)?;
    Ok(Stored { definition, audit: audit(row, 3)?, wanted: Wanted::Stopped })
}

/// One version of an event type, of whatever project.
///
/// # Errors
/// Those of the database.
pub async fn get(
    client: &Client,
    name: &str,
    version: VersionChoice,
) -> Result<Option<Stored<EventType>>, Error> {
    let row = match version {
        VersionChoice::Latest => {
            client.query_opt(&select("WHERE t.name = $1 AND v.version = t.version"), &[&name]).await?
        }
        VersionChoice::Number(number) => {
            let Ok(number) = i32::try_from(number) else { return Ok(None) };
            client.query_opt(&select("WHERE t.name = $1 AND v.version = $2"), &[&name, &number]).await?
        }
    };
    row.as_ref().map(read).transpose()
}

/// All versions of an event type, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn versions(client: &Client, name: &str) -> Result<Vec<Stored<EventType>>, Error> {
    let rows = client.query(&select("WHERE t.name = $1 ORDER BY v.version"), &[&name]).await?;
    rows.iter().map(read).collect()
}

/// The newest versions of a project's event types (`None`: of all projects), by name, whose label contains `search`.
///
/// # Errors
/// Those of the database.
pub async fn list(
    client: &Client,
    project: Option<&str>,
    search: &str,
    page: Page,
) -> Result<Listed<EventType>, Error> {
    let matching = "($1::text IS NULL OR t.project = $1) AND strpos(lower(t.display_name), lower($2)) > 0";
    let count = format!("SELECT count(*) FROM granary.event_type t WHERE {matching}");
    let total: i64 = client.query_one(&count, &[&project, &search]).await?.try_get(0)?;
    let sql =
        select(&format!("AND v.version = t.version WHERE {matching} ORDER BY t.name LIMIT $3 OFFSET $4"));
    let rows = client.query(&sql, &[&project, &search, &page.size, &page.offset]).await?;
    Ok(Listed { items: rows.iter().map(read).collect::<Result<_, _>>()?, total })
}

/// The newest version of every event type of every project: what has to exist outside the database at start.
///
/// # Errors
/// Those of the database.
pub async fn all(client: &Client) -> Result<Vec<EventType>, Error> {
    let rows = client.query(&select("AND v.version = t.version ORDER BY t.name"), &[]).await?;
    rows.iter().map(|row| read(row).map(|stored| stored.definition)).collect()
}

/// What references within a project are resolved against.
///
/// # Errors
/// Those of the database.
pub async fn directory(client: &Client, project: &str) -> Result<Directory, Error> {
    let sql =
        "SELECT name, display_name, kind, version FROM granary.event_type WHERE project = $1 ORDER BY name";
    let rows = client.query(sql, &[&project]).await?;
    let entries = rows.iter().map(|row| {
        let kind: String = row.try_get(2)?;
        let kind =
            EventKind::parse(&kind).ok_or(Error::Content { what: "granary.event_type.kind", why: kind })?;
        let version: i32 = row.try_get(3)?;
        let version = u32::try_from(version)
            .map_err(|error| Error::Content { what: "granary.event_type.version", why: error.to_string() })?;
        Ok(Entry { name: row.try_get(0)?, display_name: row.try_get(1)?, kind, version })
    });
    Ok(Directory(entries.collect::<Result<_, Error>>()?))
}

/// The names of all event types of all projects, in lower case: what derived names must not collide with.
///
/// # Errors
/// Those of the database.
pub async fn names_taken(client: &Client) -> Result<std::collections::HashSet<String>, Error> {
    let rows = client.query("SELECT lower(name) FROM granary.event_type", &[]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Whether another event type of the project than `except` has the label, without regard to case.
///
/// # Errors
/// Those of the database.
pub async fn label_exists(client: &Client, project: &str, label: &str, except: &str) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM granary.event_type \
               WHERE project = $1 AND lower(display_name) = lower($2) AND name <> $3";
    Ok(client.query_opt(sql, &[&project, &label, &except]).await?.is_some())
}

async fn insert_version(client: &Client, event_type: &EventType) -> Result<(), Error> {
    let definition = to_json(DEFINITION, event_type)?;
    let version = event_type.version as i32;
    let sql = "INSERT INTO granary.event_type_version (name, version, definition) VALUES ($1, $2, $3)";
    client.execute(sql, &[&event_type.name, &version, &definition]).await?;
    Ok(())
}

/// Stores a new event type with its first version.
///
/// # Errors
/// Those of the database.
pub async fn insert(client: &Client, event_type: &EventType, by: &Person) -> Result<(), Error> {
    let by = to_json("a person", by)?;
    let sql = "INSERT INTO granary.event_type \
               (name, project, display_name, description, kind, version, created_by, modified_by) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";
    let EventType { name, project, display_name, description, kind, version, .. } = event_type;
    let (kind, version) = (kind.as_str(), *version as i32);
    client.execute(sql, &[name, project, display_name, description, &kind, &version, &by]).await?;
    insert_version(client, event_type).await
}

/// Stores a changed label, and a new version where the version is new.
///
/// # Errors
/// Those of the database.
pub async fn update(
    client: &Client,
    event_type: &EventType,
    new_version: bool,
    by: &Person,
) -> Result<(), Error> {
    let by = to_json("a person", by)?;
    let sql = "UPDATE granary.event_type SET display_name = $2, description = $3, version = $4, \
               modified_at = now(), modified_by = $5 WHERE name = $1";
    let EventType { name, display_name, description, version, .. } = event_type;
    client.execute(sql, &[name, display_name, description, &(*version as i32), &by]).await?;
    if new_version {
        insert_version(client, event_type).await?;
    }
    Ok(())
}

/// Deletes all versions, and the persister's definition with them.
///
/// # Errors
/// Those of the database; a foreign key where a harvester still refers to it.
pub async fn delete(client: &Client, name: &str) -> Result<bool, Error> {
    Ok(client.execute("DELETE FROM granary.event_type WHERE name = $1", &[&name]).await? > 0)
}

/// Takes back a version whose effects could not be brought about: `old` is the newest again.
///
/// # Errors
/// Those of the database.
pub async fn take_back(client: &Client, old: &EventType) -> Result<(), Error> {
    let EventType { name, display_name, description, version, .. } = old;
    let version = *version as i32;
    // One statement, so that head and versions never disagree.
    let sql = "WITH gone AS (DELETE FROM granary.event_type_version WHERE name = $1 AND version > $4) \
               UPDATE granary.event_type SET display_name = $2, description = $3, version = $4 WHERE name = $1";
    client.execute(sql, &[name, display_name, description, &version]).await?;
    Ok(())
}
