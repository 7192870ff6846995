//! `granary.package_archive`: what the packages of Python belts became when they were installed, by hash.

use granary_catalog::Person;
use tokio_postgres::Client;

use super::{component::hash, to_json};
use crate::Error;

/// Stores an archive; storing it again changes nothing. Its hash.
///
/// # Errors
/// Those of the database.
pub async fn store(client: &Client, project: &str, bytes: &[u8], by: &Person) -> Result<String, Error> {
    let (sha256, by) = (hash(bytes), to_json("a person", by)?);
    let sql = "INSERT INTO granary.package_archive (project, sha256, bytes, created_by) VALUES ($1, $2, $3, $4) \
               ON CONFLICT DO NOTHING";
    client.execute(sql, &[&project, &sha256, &bytes, &by]).await?;
    Ok(sha256)
}

/// The bytes of an archive.
///
/// # Errors
/// Those of the database.
pub async fn load(client: &Client, project: &str, sha256: &str) -> Result<Option<Vec<u8>>, Error> {
    let sql = "SELECT bytes FROM granary.package_archive WHERE project = $1 AND sha256 = $2";
    Ok(client.query_opt(sql, &[&project, &sha256]).await?.map(|row| row.try_get(0)).transpose()?)
}

/// The archive that a version of a belt got for these requirements, the newest such version.
///
/// # Errors
/// Those of the database.
pub async fn of_version(client: &Client, belt: i64, requirements: &str) -> Result<Option<String>, Error> {
    let sql = "SELECT definition ->> 'packages' FROM granary.belt_version \
               WHERE belt = $1 AND definition ->> 'requirementsPy' = $2 AND definition ->> 'packages' IS NOT NULL \
               ORDER BY version DESC LIMIT 1";
    Ok(client.query_opt(sql, &[&belt, &requirements]).await?.map(|row| row.try_get(0)).transpose()?)
}
