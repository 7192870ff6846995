//! For tests: a fresh database on a server that all test processes share.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let test = granary_db::test_util::TestDatabase::create().await?;
//! let rows = test.db().client().await?.query("SELECT 1", &[]).await?;
//! # assert_eq!(rows.len(), 1);
//! # Ok(())
//! # }
//! ```

use std::path::PathBuf;

use granary_postgres::shared::Shared;
use tokio_postgres::{Config, NoTls};
use uuid::Uuid;

use crate::Db;

/// Connections of the pool of a test.
const CONNECTIONS: usize = 10;

/// A migrated database of one's own, removed with the value.
#[derive(Debug)]
pub struct TestDatabase {
    db: Db,
    name: String,
    admin: Config,
    _shared: Shared,
}

impl TestDatabase {
    /// Makes a database and migrates it.
    ///
    /// # Errors
    /// When the shared server can not be started, or the migrations fail.
    pub async fn create() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let test = Self::create_empty().await?;
        test.db.migrate().await?;
        Ok(test)
    }

    /// Makes a database without any table.
    ///
    /// # Errors
    /// When the shared server can not be started.
    pub async fn create_empty() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let shared = Shared::join(&folder()?).await?;
        let admin = shared.admin_config();
        let name = format!("test_{}", Uuid::new_v4().simple());
        // template0 is never connected to, so copies of it do not disturb each other.
        execute(&admin, &format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
        let mut config = admin.clone();
        config.dbname(&name);
        Ok(Self { db: Db::connect(config, CONNECTIONS), name, admin, _shared: shared })
    }

    /// The engine's pool on this database.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// How to connect to this database as superuser.
    #[must_use]
    pub fn config(&self) -> &Config {
        self.db.config()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let (admin, name) = (self.admin.clone(), self.name.clone());
        // A thread of its own, since this may run inside a runtime that can not be blocked or is about to end. A
        // database that stays is thrown away with the server.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            runtime.block_on(execute(&admin, &format!("DROP DATABASE {name} WITH (FORCE)"))).ok()
        });
        let _ = dropped.join();
    }
}

async fn execute(config: &Config, sql: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    let connection = tokio::spawn(connection);
    let done = client.batch_execute(sql).await;
    drop(client);
    // Its end says nothing that the statement has not said.
    let _ = connection.await;
    done
}

/// A folder under the build's own, found from the test program, which lies in `<target>/<profile>/deps`.
fn folder() -> Result<PathBuf, std::io::Error> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).ok_or(std::io::ErrorKind::NotFound)?;
    Ok(target.join("test-postgres"))
}
