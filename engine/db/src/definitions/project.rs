//! `granary.project`.

use granary_catalog::{Person, Project, Wanted};
use tokio_postgres::{Client, Row};

use super::{AUDIT_COLUMNS, Stored, audit, to_json};
use crate::Error;

fn read(row: &Row) -> Result<Stored<Project>, Error> {
    Ok(Stored {
        definition: Project {
            name: row.try_get(0)?,
            display_name: row.try_get(1)?,
            description: row.try_get(2)?,
        },
        audit: audit(row, 3)?,
        wanted: Wanted::Stopped,
    })
}

/// One project.
///
/// # Errors
/// Those of the database.
pub async fn get(client: &Client, name: &str) -> Result<Option<Stored<Project>>, Error> {
    let sql = format!(
        "SELECT t.name, t.display_name, t.description, {AUDIT_COLUMNS} FROM granary.project t WHERE t.name = $1"
    );
    client.query_opt(&sql, &[&name]).await?.as_ref().map(read).transpose()
}

/// Whether there is a project of that name.
///
/// # Errors
/// Those of the database.
pub async fn exists(client: &Client, name: &str) -> Result<bool, Error> {
    Ok(client.query_opt("SELECT 1 FROM granary.project WHERE name = $1", &[&name]).await?.is_some())
}

/// All projects, by name.
///
/// # Errors
/// Those of the database.
pub async fn list(client: &Client) -> Result<Vec<Stored<Project>>, Error> {
    let sql = format!(
        "SELECT t.name, t.display_name, t.description, {AUDIT_COLUMNS} FROM granary.project t ORDER BY t.name"
    );
    client.query(&sql, &[]).await?.iter().map(read).collect()
}

/// Whether another project than `except` has the label, without regard to case.
///
/// # Errors
/// Those of the database.
pub async fn label_exists(client: &Client, label: &str, except: &str) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM granary.project WHERE lower(display_name) = lower($1) AND name <> $2";
    Ok(client.query_opt(sql, &[&label, &except]).await?.is_some())
}

/// Stores a new project.
///
/// # Errors
/// Those of the database.
pub async fn insert(client: &Client, project: &Project, by: &Person) -> Result<(), Error> {
    let by = to_json("a person", by)?;
    let sql = "INSERT INTO granary.project (name, display_name, description, created_by, modified_by) \
               VALUES ($1, $2, $3, $4, $4)";
    client.execute(sql, &[&project.name, &project.display_name, &project.description, &by]).await?;
    Ok(())
}

/// Stores a changed project.
///
/// # Errors
/// Those of the database.
pub async fn update(client: &Client, project: &Project, by: &Person) -> Result<(), Error> {
    let by = to_json("a person", by)?;
    let sql = "UPDATE granary.project SET display_name = $2, description = $3, modified_at = now(), modified_by = $4 \
               WHERE name = $1";
    client.execute(sql, &[&project.name, &project.display_name, &project.description, &by]).await?;
    Ok(())
}

/// Takes a project back whose creation could not be finished. It owns nothing yet.
///
/// # Errors
/// Those of the database.
pub async fn delete(client: &Client, name: &str) -> Result<bool, Error> {
    Ok(client.execute("DELETE FROM granary.project WHERE name = $1", &[&name]).await? > 0)
}
