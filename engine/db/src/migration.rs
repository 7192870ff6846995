//! Brings a database to the form that this binary works with.
//!
//! The files of `migrations/` are part of the binary. Each runs once, in the order of the numbers, all that are missing
//! in one transaction: a database is migrated whole or not at all. What was applied is kept with a checksum in
//! `granary.migration`; an older binary refuses a newer database.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use tokio_postgres::Transaction;
use tracing::info;

use crate::{Db, Error};

/// Serialises migrations of engines that start together: "granary" and a one, in bytes.
const LOCK_KEY: i64 = i64::from_be_bytes(*b"granary\x01");

struct Migration {
    version: u32,
    name: &'static str,
    sql: &'static str,
}

static MIGRATIONS: &[Migration] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

pub(crate) async fn migrate(db: &Db) -> Result<(), Error> {
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    check_server(&tx).await?;
    // The wait is bounded: a migration of another engine that takes longer deserves a look by a human.
    tx.batch_execute("SET LOCAL lock_timeout = '60s'").await?;
    tx.execute_typed("SELECT pg_advisory_xact_lock($1)", &[(&LOCK_KEY, tokio_postgres::types::Type::INT8)])
        .await?;
    tx.batch_execute(
        "CREATE SCHEMA IF NOT EXISTS granary;
         CREATE TABLE IF NOT EXISTS granary.migration (
             version    integer PRIMARY KEY,
             name       text NOT NULL,
             checksum   text NOT NULL,
             applied_at timestamptz NOT NULL DEFAULT now()
         )",
    )
    .await?;
    let applied = applied(&tx).await?;
    for migration in missing(MIGRATIONS, &applied)? {
        tx.batch_execute(migration.sql).await.inspect_err(|source| {
            tracing::error!(migration = migration.name, error = %crate::error::describe(source), "migration failed");
        })?;
        let (version, sum) = (version_column(migration.version)?, checksum(migration.sql));
        tx.execute(
            "INSERT INTO granary.migration (version, name, checksum) VALUES ($1, $2, $3)",
            &[&version, &migration.name, &sum],
        )
        .await?;
        info!(migration = migration.name, "migration applied");
    }
    tx.commit().await?;
    Ok(())
}

async fn check_server(tx: &Transaction<'_>) -> Result<(), Error> {
    let row = tx
        .query_one(
            "SELECT current_setting('server_version_num')::int4, current_setting('server_version'),
                    current_setting('server_encoding')",
            &[],
        )
        .await?;
    // Multiranges came with 14.
    if row.get::<_, i32>(0) < 140_000 {
        return Err(Error::ServerTooOld { found: row.get(1) });
    }
    let encoding: String = row.get(2);
    if encoding != "UTF8" {
        return Err(Error::Encoding { found: encoding });
    }
    Ok(())
}

async fn applied(tx: &Transaction<'_>) -> Result<BTreeMap<u32, String>, Error> {
    let rows = tx.query("SELECT version, checksum FROM granary.migration ORDER BY version", &[]).await?;
    rows.iter()
        .map(|row| {
            let version = u32::try_from(row.get::<_, i32>(0))
                .map_err(|e| Error::Content { what: "granary.migration.version", why: e.to_string() })?;
            Ok((version, row.get(1)))
        })
        .collect()
}

/// What is to be applied, after checking that what was applied is known and unchanged.
fn missing<'m>(all: &'m [Migration], applied: &BTreeMap<u32, String>) -> Result<Vec<&'m Migration>, Error> {
    let known = all.last().map_or(0, |m| m.version);
    if let Some(version) = applied.keys().rev().find(|v| !all.iter().any(|m| m.version == **v)) {
        return Err(Error::NewerDatabase { version: *version, known });
    }
    let mut missing = Vec::new();
    for migration in all {
        match applied.get(&migration.version) {
            None => missing.push(migration),
            Some(sum) if *sum == checksum(migration.sql) => {}
            Some(_) => return Err(Error::ChangedMigration { name: migration.name.to_owned() }),
        }
    }
    Ok(missing)
}

fn version_column(version: u32) -> Result<i32, Error> {
    i32::try_from(version)
        .map_err(|e| Error::Content { what: "granary.migration.version", why: e.to_string() })
}

fn checksum(sql: &str) -> String {
    Sha256::digest(sql.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing into a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &[Migration] = &[
        Migration { version: 1, name: "V001__a", sql: "SELECT 1" },
        Migration { version: 5, name: "V005__b", sql: "SELECT 5" },
    ];

    #[test]
    fn what_is_missing_is_applied_in_order() {
        let none = missing(ALL, &BTreeMap::new()).unwrap();
        assert_eq!(none.iter().map(|m| m.version).collect::<Vec<_>>(), [1, 5]);
        let one = missing(ALL, &BTreeMap::from([(1, checksum("SELECT 1"))])).unwrap();
        assert_eq!(one.iter().map(|m| m.version).collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn a_newer_database_is_refused() {
        let error = missing(ALL, &BTreeMap::from([(6, String::new())])).err().unwrap();
        assert!(matches!(error, Error::NewerDatabase { version: 6, known: 5 }), "{error}");
    }

    #[test]
    fn a_changed_migration_is_refused() {
        let error = missing(ALL, &BTreeMap::from([(1, checksum("SELECT 2"))])).err().unwrap();
        assert!(matches!(error, Error::ChangedMigration { .. }), "{error}");
    }
}
