//! `granary.persister`.

use granary_catalog::{Persister, PersisterKind, Person, Wanted};
use tokio_postgres::Client;

use super::{AUDIT_COLUMNS, Stored, stored, to_json};
use crate::Error;

const DEFINITION: &str = "the definition of a persister";

/// The persister of an event type.
///
/// # Errors
/// Those of the database.
pub async fn get(
    client: &Client,
    event_type: &str,
    kind: PersisterKind,
) -> Result<Option<Stored<Persister>>, Error> {
    let sql = format!(
        "SELECT t.definition, t.wanted, {AUDIT_COLUMNS} FROM granary.persister t \
         WHERE t.event_type = $1 AND t.kind = $2"
    );
    let row = client.query_opt(&sql, &[&event_type, &kind.as_str()]).await?;
    row.as_ref().map(|row| stored(DEFINITION, row)).transpose()
}

/// Stores a new persister.
///
/// # Errors
/// Those of the database.
pub async fn insert(
    client: &Client,
    persister: &Persister,
    wanted: Wanted,
    by: &Person,
) -> Result<(), Error> {
    let (definition, by) = (to_json(DEFINITION, persister)?, to_json("a person", by)?);
    let sql = "INSERT INTO granary.persister (event_type, kind, project, definition, wanted, created_by, modified_by) \
               VALUES ($1, $2, $3, $4, $5, $6, $6)";
    let (kind, wanted) = (persister.kind().as_str(), wanted.as_str());
    client
        .execute(sql, &[&persister.event_type, &kind, &persister.project, &definition, &wanted, &by])
        .await?;
    Ok(())
}

/// Stores a changed persister.
///
/// # Errors
/// Those of the database.
pub async fn update(client: &Client, persister: &Persister, by: &Person) -> Result<(), Error> {
    let (definition, by) = (to_json(DEFINITION, persister)?, to_json("a person", by)?);
    let sql = "UPDATE granary.persister SET definition = $3, modified_at = now(), modified_by = $4 \
               WHERE event_type = $1 AND kind = $2";
    client.execute(sql, &[&persister.event_type, &persister.kind().as_str(), &definition, &by]).await?;
    Ok(())
}
