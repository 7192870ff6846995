//! One database, one log, one engine.

use std::time::Duration;

use anyhow::Result;
use granary_db::installation::{InstallationLock, claim};
use granary_db::test_util::TestDatabase;
use granary_db::{Db, Error};
use uuid::Uuid;

async fn database() -> Result<TestDatabase> {
    TestDatabase::create().await.map_err(|e| anyhow::anyhow!("{e}"))
}

#[tokio::test]
async fn a_database_stays_with_the_first_log_that_claims_it() -> Result<()> {
    let test = database().await?;
    let (ours, foreign) = (Uuid::new_v4(), Uuid::new_v4());
    claim(test.db(), ours).await?;
    claim(test.db(), ours).await?;
    let error = claim(test.db(), foreign).await.unwrap_err();
    assert!(matches!(error, Error::ForeignLog { theirs, .. } if theirs == ours), "{error}");
    assert!(error.to_string().contains(&foreign.to_string()));
    Ok(())
}

#[tokio::test]
async fn a_second_engine_is_kept_away_until_the_first_is_gone() -> Result<()> {
    let test = database().await?;
    let first = InstallationLock::acquire(test.db(), Duration::ZERO).await?;
    let error = InstallationLock::acquire(test.db(), Duration::ZERO).await.unwrap_err();
    assert!(
        matches!(&error, Error::AnotherEngine { holder } if holder.contains("server process")),
        "{error}"
    );
    drop(first);
    InstallationLock::acquire(test.db(), Duration::from_secs(60)).await?;
    Ok(())
}

#[tokio::test]
async fn another_database_of_the_same_server_is_not_concerned() -> Result<()> {
    let (one, two) = (database().await?, database().await?);
    let _one = InstallationLock::acquire(one.db(), Duration::ZERO).await?;
    InstallationLock::acquire(two.db(), Duration::ZERO).await?;
    Ok(())
}

#[tokio::test]
async fn the_loss_of_the_lock_is_noticed() -> Result<()> {
    let test = database().await?;
    let lock = InstallationLock::acquire(test.db(), Duration::ZERO).await?;
    assert!(!lock.is_lost());
    let client = test.db().client().await?;
    client
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE application_name = 'granary lock' AND datname = current_database()",
            &[],
        )
        .await?;
    lock.lost().await;
    assert!(lock.is_lost());
    InstallationLock::acquire(test.db(), Duration::from_secs(60)).await?;
    Ok(())
}

#[tokio::test]
async fn migrations_run_once_even_when_engines_start_together() -> Result<()> {
    let test = TestDatabase::create_empty().await.map_err(|e| anyhow::anyhow!("{e}"))?;
    let all = futures::future::join_all((0..4).map(|_| test.db().migrate())).await;
    for one in all {
        one?;
    }
    let client = test.db().client().await?;
    let row =
        client.query_one("SELECT count(*), count(DISTINCT version) FROM granary.migration", &[]).await?;
    assert_eq!(row.get::<_, i64>(0), row.get::<_, i64>(1));
    Ok(())
}

#[tokio::test]
async fn a_database_of_a_newer_release_is_refused_and_left_alone() -> Result<()> {
    let test = database().await?;
    let client = test.db().client().await?;
    client.execute("INSERT INTO granary.migration VALUES (99999, 'V99999__future', '')", &[]).await?;
    let error = test.db().migrate().await.unwrap_err();
    assert!(matches!(error, Error::NewerDatabase { version: 99_999, .. }), "{error}");
    assert!(!error.is_unavailable());
    Ok(())
}

#[tokio::test]
async fn a_failing_migration_leaves_nothing_behind() -> Result<()> {
    let test = TestDatabase::create_empty().await.map_err(|e| anyhow::anyhow!("{e}"))?;
    let client = test.db().client().await?;
    // The name that a migration wants is taken.
    client.batch_execute("CREATE SCHEMA granary; CREATE TABLE granary.dead_letter ()").await?;
    let error = test.db().migrate().await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42P07"), "{error}");
    let row = client.query_one("SELECT to_regclass('granary.cursor') IS NULL", &[]).await?;
    assert!(row.get::<_, bool>(0));
    Ok(())
}

#[tokio::test]
async fn an_unreachable_server_is_told_from_a_refused_statement() -> Result<()> {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(1).user("x").dbname("x");
    let error = Db::connect(config, 1).client().await.expect_err("nobody listens there");
    assert!(error.is_unavailable(), "{error}");
    assert_eq!(error.sqlstate(), None);

    let test = database().await?;
    let client = test.db().client().await?;
    let refused = Error::from(client.batch_execute("SELECT 1/0").await.unwrap_err());
    assert!(!refused.is_unavailable());
    assert_eq!(refused.sqlstate(), Some("22012"));
    assert!(refused.to_string().contains("division by zero"), "{refused}");
    let ended =
        Error::from(client.batch_execute("SELECT pg_terminate_backend(pg_backend_pid())").await.unwrap_err());
    assert!(ended.is_unavailable(), "{ended}");
    let closed = Error::from(client.batch_execute("SELECT 1").await.unwrap_err());
    assert!(closed.is_unavailable(), "{closed}");
    drop(client);
    // The pool does not hand the dead connection out again.
    test.db().ping().await?;
    Ok(())
}
