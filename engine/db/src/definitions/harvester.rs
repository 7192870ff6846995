//! `granary.harvester`.

use granary_catalog::{Harvester, Person, Wanted};
use tokio_postgres::Client;

use super::{AUDIT_COLUMNS, Listed, Page, Stored, all_stored, stored, to_json};
use crate::Error;

const DEFINITION: &str = "the definition of a harvester";

fn select(rest: &str) -> String {
    format!("SELECT t.definition, t.wanted, {AUDIT_COLUMNS} FROM granary.harvester t {rest}")
}

/// One harvester, of whatever project.
///
/// # Errors
/// Those of the database.
pub async fn get(client: &Client, name: &str) -> Result<Option<Stored<Harvester>>, Error> {
    let row = client.query_opt(&select("WHERE t.name = $1"), &[&name]).await?;
    row.as_ref().map(|row| stored(DEFINITION, row)).transpose()
}

/// The harvesters of a project whose name contains `search`, by name.
///
/// # Errors
/// Those of the database.
pub async fn list(
    client: &Client,
    project: &str,
    search: &str,
    page: Page,
) -> Result<Listed<Harvester>, Error> {
    let matching = "t.project = $1 AND strpos(lower(t.name), lower($2)) > 0";
    let count = format!("SELECT count(*) FROM granary.harvester t WHERE {matching}");
    let total: i64 = client.query_one(&count, &[&project, &search]).await?.try_get(0)?;
    let sql = select(&format!("WHERE {matching} ORDER BY t.name LIMIT $3 OFFSET $4"));
    let rows = client.query(&sql, &[&project, &search, &page.size, &page.offset]).await?;
    Ok(Listed { items: all_stored(DEFINITION, &rows)?, total })
}

/// The harvesters that feed an event type, by name.
///
/// # Errors
/// Those of the database.
pub async fn of_event_type(client: &Client, event_type: &str) -> Result<Vec<Stored<Harvester>>, Error> {
    let rows = client.query(&select("WHERE t.event_type = $1 ORDER BY t.name"), &[&event_type]).await?;
    all_stored(DEFINITION, &rows)
}

/// Name and label of every harvester of a project.
///
/// # Errors
/// Those of the database.
pub async fn labels(client: &Client, project: &str) -> Result<Vec<(String, String)>, Error> {
    let sql = "SELECT name, display_name FROM granary.harvester WHERE project = $1 ORDER BY name";
    let rows = client.query(sql, &[&project]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// The names of all harvesters of all projects, in lower case: what derived names must not collide with.
///
/// # Errors
/// Those of the database.
pub async fn names_taken(client: &Client) -> Result<std::collections::HashSet<String>, Error> {
    let rows = client.query("SELECT lower(name) FROM granary.harvester", &[]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Whether another harvester of the project than `except` has the label, without regard to case.
///
/// # Errors
/// Those of the database.
pub async fn label_exists(client: &Client, project: &str, label: &str, except: &str) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM granary.harvester \
               WHERE project = $1 AND lower(display_name) = lower($2) AND name <> $3";
    Ok(client.query_opt(sql, &[&project, &label, &except]).await?.is_some())
}

/// Stores a new harvester.
///
/// # Errors
/// Those of the database.
pub async fn insert(
    client: &Client,
    harvester: &Harvester,
    wanted: Wanted,
    by: &Person,
) -> Result<(), Error> {
    let (definition, by) = (to_json(DEFINITION, harvester)?, to_json("a person", by)?);
    let sql = "INSERT INTO granary.harvester \
               (name, project, display_name, event_type, definition, wanted, created_by, modified_by) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";
    let Harvester { name, project, display_name, event_type, .. } = harvester;
    let wanted = wanted.as_str();
    client.execute(sql, &[name, project, display_name, &event_type.name, &definition, &wanted, &by]).await?;
    Ok(())
}

/// Stores a changed harvester.
///
/// # Errors
/// Those of the database.
pub async fn update(client: &Client, harvester: &Harvester, by: &Person) -> Result<(), Error> {
    let (definition, by) = (to_json(DEFINITION, harvester)?, to_json("a person", by)?);
    let sql = "UPDATE granary.harvester SET display_name = $2, definition = $3, modified_at = now(), modified_by = $4 \
               WHERE name = $1";
    client.execute(sql, &[&harvester.name, &harvester.display_name, &definition, &by]).await?;
    Ok(())
}

/// Deletes a harvester.
///
/// # Errors
/// Those of the database.
pub async fn delete(client: &Client, name: &str) -> Result<bool, Error> {
    Ok(client.execute("DELETE FROM granary.harvester WHERE name = $1", &[&name]).await? > 0)
}
