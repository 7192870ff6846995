//! Which engine, with which log, this database belongs to.
//!
//! Two guards: one row binds the database to a log for good ([`claim`]), and an advisory lock held by a connection of
//! its own keeps a second engine away as long as the first one lives ([`InstallationLock`]).

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};
use tracing::warn;
use uuid::Uuid;

use crate::{Db, Error};

/// The lock of the running engine: "granary" and a two, in bytes.
const LOCK_KEY: i64 = i64::from_be_bytes(*b"granary\x02");
/// Between two tries for the lock.
const LOCK_POLL: Duration = Duration::from_millis(200);

/// Binds the database to a log, or checks that it is bound to this one.
///
/// # Errors
/// [`Error::ForeignLog`] when it belongs to another log; those of the database.
pub async fn claim(db: &Db, log_id: Uuid) -> Result<(), Error> {
    let client = db.client().await?;
    client
        .execute(
            "UPDATE granary.installation SET log_id = $1, claimed_at = now() WHERE log_id IS NULL",
            &[&log_id],
        )
        .await?;
    let theirs: Option<Uuid> =
        client.query_one("SELECT log_id FROM granary.installation", &[]).await?.try_get(0)?;
    match theirs {
        Some(theirs) if theirs == log_id => Ok(()),
        Some(theirs) => Err(Error::ForeignLog { theirs, ours: log_id }),
        None => {
            Err(Error::Content { what: "granary.installation", why: "the claim was not stored".to_owned() })
        }
    }
}

/// The right to be the engine of this database, until it is dropped or its connection ends.
#[derive(Debug)]
pub struct InstallationLock {
    // Held: the lock lives as long as this session.
    _client: Client,
    connection: JoinHandle<()>,
    lost: watch::Receiver<bool>,
}

impl InstallationLock {
    /// Takes the lock, waiting up to `patience` for a holder that may be about to go: a killed engine's session ends
    /// only when the server notices.
    ///
    /// # Errors
    /// [`Error::AnotherEngine`] when it is still held then; those of the database.
    pub async fn acquire(db: &Db, patience: Duration) -> Result<Self, Error> {
        Self::take(db, patience, "SELECT pg_try_advisory_lock($1)").await
    }

    /// Takes the right to be one of several engines of this database, all on one log that they share. It keeps an engine
    /// away that wants the database for itself, and is kept away by one.
    ///
    /// # Errors
    /// As those of [`InstallationLock::acquire`].
    pub async fn share(db: &Db, patience: Duration) -> Result<Self, Error> {
        Self::take(db, patience, "SELECT pg_try_advisory_lock_shared($1)").await
    }

    async fn take(db: &Db, patience: Duration, statement: &str) -> Result<Self, Error> {
        let until = Instant::now() + patience;
        let mut config = db.config().clone();
        config.application_name("granary lock").keepalives_idle(Duration::from_secs(30));
        let (client, connection) =
            config.connect(NoTls).await.map_err(|e| Error::Unavailable(crate::describe(&e)))?;
        let (sender, lost) = watch::channel(false);
        let connection = tokio::spawn(async move {
            if let Err(error) = connection.await {
                warn!(error = %crate::describe(&error), "the connection that holds the installation's lock broke");
            }
            // Nobody may be listening any more.
            let _ = sender.send(true);
        });
        let lock = Self { _client: client, connection, lost };
        loop {
            let got: bool = lock._client.query_one(statement, &[&LOCK_KEY]).await?.get(0);
            if got {
                return Ok(lock);
            }
            if Instant::now() >= until {
                return Err(Error::AnotherEngine { holder: lock.holder().await? });
            }
            tokio::time::sleep(LOCK_POLL).await;
        }
    }

    /// Whether the lock is gone, with its connection.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        *self.lost.borrow()
    }

    /// Returns when the lock is gone. Another engine may take it from then on: pause, and acquire it anew.
    pub async fn lost(&self) {
        // An error means that the connection's task is gone, which comes to the same.
        let _ = self.lost.clone().wait_for(|lost| *lost).await;
    }

    /// What the server tells about the session that holds the lock.
    async fn holder(&self) -> Result<String, Error> {
        // A key of 64 bits appears in pg_locks as two halves.
        let row = self
            ._client
            .query_opt(
                "SELECT format('server process %s, since %s%s', a.pid, to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ'),
                               coalesce(', from ' || host(a.client_addr), ''))
                 FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                   AND (l.classid::int8 << 32 | l.objid::int8) = $1",
                &[&LOCK_KEY],
            )
            .await?;
        Ok(row.map_or_else(|| "it has just gone; try again".to_owned(), |r| r.get(0)))
    }
}

impl Drop for InstallationLock {
    fn drop(&mut self) {
        // Ends the session at once instead of when the client is dropped and the task notices.
        self.connection.abort();
    }
}
