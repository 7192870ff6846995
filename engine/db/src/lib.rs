//! Everything that speaks SQL. No other crate holds a statement.
//!
//! ```text
//!   stages ----- commit ------> granary.cursor, .committed_range, .dead_letter     (one transaction with the effect)
//!   persisters - eventstore, live_segment --> public.eventstore, "project"."table"
//!   API -------- definitions -> granary.<definition tables>
//!   console ---- sql_read ----> "project".*   as the project's reader login, read-only
//! ```
//!
//! [`Db`] is the engine's own pool. It connects when it is used, so an unreachable database stops nobody from
//! starting; [`Error::is_unavailable`] tells the errors that are worth another try.
//!
//! **Adding a table**: a migration `migrations/V<number>__<what>.sql` that opens with why; a file here named after it,
//! with functions that take a `&Db`, or a transaction where they are part of a larger whole; values as parameters,
//! names that users chose through [`ident`].

pub mod ident;

pub mod commit;
pub mod cursors;
pub mod dead_letters;
pub mod ranges;

pub mod definitions;
pub mod eventstore;
pub mod live_segment;

pub mod installation;
pub mod nodes;
pub mod roles;
pub mod sql_read;

mod error;
mod grants;
mod migration;
mod refused;
#[cfg(feature = "test-util")]
pub mod test_util;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{Config, NoTls};

pub use crate::error::{Error, describe, is_unavailable};
pub use crate::refused::{Refused, Written};
pub use deadpool_postgres::{Client, Transaction};

/// Longest wait for a new connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a connection of the pool. Beyond it, the request fails as unavailable and is tried again.
const WAIT_TIMEOUT: Duration = Duration::from_secs(30);

/// The engine's connections to its database. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool,
    config: Config,
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The configuration holds a password.
        f.debug_struct("Db").field("pool", &self.inner.pool.status()).finish_non_exhaustive()
    }
}

impl Db {
    /// A pool of at most `connections_max` connections. Nothing is connected yet.
    #[must_use]
    pub fn connect(mut config: Config, connections_max: usize) -> Self {
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("granary");
        }
        let pool = pool(&config, connections_max, WAIT_TIMEOUT, Some(nodes::LEASE));
        Self { inner: Arc::new(Inner { pool, config }) }
    }

    /// A connection of the pool, for as long as the value lives.
    ///
    /// # Errors
    /// Always one that is worth another try: the server is away, refuses, or every connection is in use.
    pub async fn client(&self) -> Result<Client, Error> {
        Ok(self.inner.pool.get().await?)
    }

    /// Brings the database to the form that this binary works with. Waits for another engine that does the same.
    ///
    /// # Errors
    /// When the server is too old, the database newer than the binary, or a migration fails; nothing is changed then.
    pub async fn migrate(&self) -> Result<(), Error> {
        migration::migrate(self).await
    }

    /// Asks the server for a sign of life.
    ///
    /// # Errors
    /// When there is none.
    pub async fn ping(&self) -> Result<(), Error> {
        Ok(self.client().await?.check_connection().await?)
    }

    /// How the engine connects: with its own role and password.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Ends the connections that are not in use, and all others as they come back.
    pub fn close(&self) {
        self.inner.pool.close();
    }
}

/// A pool of connections that are not reset between uses. The server ends those whose transaction waits for its client for
/// longer than `quiet_max`: the locks of a process that is suspended would hold up whoever takes over from it.
fn pool(config: &Config, connections_max: usize, wait: Duration, quiet_max: Option<Duration>) -> Pool {
    let manager = Manager::from_config(
        config.clone(),
        NoTls,
        // A closed connection is noticed without asking the server: a round trip less for every use.
        ManagerConfig { recycling_method: RecyclingMethod::Fast },
    );
    let mut pool = Pool::builder(manager)
        .max_size(connections_max.max(1))
        .wait_timeout(Some(wait))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .runtime(Runtime::Tokio1);
    if let Some(quiet_max) = quiet_max {
        let set = format!("SET idle_in_transaction_session_timeout = {}", quiet_max.as_millis());
        pool = pool.post_create(Hook::async_fn(move |client, _| {
            let set = set.clone();
            Box::pin(async move { client.batch_execute(&set).await.map_err(HookError::Backend) })
        }));
    }
    pool.build().expect("a pool with time-outs only needs a runtime, which is given")
}
