//! `granary.component`: uploaded WebAssembly components by hash.

use std::fmt::Write as _;

use granary_catalog::Person;
use sha2::{Digest as _, Sha256};
use tokio_postgres::Client;

use super::to_json;
use crate::Error;

/// The name of a component: SHA-256 of its bytes, in lower-case hex.
#[must_use]
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing into a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Stores a component; storing it again changes nothing. Its hash.
///
/// # Errors
/// Those of the database.
pub async fn store(client: &Client, project: &str, bytes: &[u8], by: &Person) -> Result<String, Error> {
    let (sha256, by) = (hash(bytes), to_json("a person", by)?);
    let sql = "INSERT INTO granary.component (project, sha256, bytes, created_by) VALUES ($1, $2, $3, $4) \
               ON CONFLICT DO NOTHING";
    client.execute(sql, &[&project, &sha256, &bytes, &by]).await?;
    Ok(sha256)
}

/// Whether the project has the component.
///
/// # Errors
/// Those of the database.
pub async fn exists(client: &Client, project: &str, sha256: &str) -> Result<bool, Error> {
    let sql = "SELECT 1 FROM granary.component WHERE project = $1 AND sha256 = $2";
    Ok(client.query_opt(sql, &[&project, &sha256]).await?.is_some())
}

/// The bytes of a component.
///
/// # Errors
/// Those of the database.
pub async fn load(client: &Client, project: &str, sha256: &str) -> Result<Option<Vec<u8>>, Error> {
    let sql = "SELECT bytes FROM granary.component WHERE project = $1 AND sha256 = $2";
    Ok(client.query_opt(sql, &[&project, &sha256]).await?.map(|row| row.try_get(0)).transpose()?)
}
