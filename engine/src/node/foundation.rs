//! What the engine stands on in the database: migrations, the claim on it, the committed ranges, the first token, the
//! `global` project; then everything that is wanted is started. Waits for the database as long as it takes.

use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use granary_db::definitions::token;
use granary_db::installation::{self, InstallationLock};
use granary_db::nodes::Node;
use granary_db::{Error, cursors, ranges};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::membership;
use crate::api::runtime::{ErrorKind, RuntimeError};
use crate::config::Config;
use crate::ready::Readiness;
use crate::secrets::Secrets;
use crate::stage::members::Views;
use crate::stage::worker::Shared;
use crate::streams::Streams;
use crate::supervisor::{Supervisor, Together};

/// Wait between attempts to reach the database.
const WAIT: Duration = Duration::from_millis(500);

/// How long a lock of an engine that was killed may linger.
const LOCK_PATIENCE: Duration = Duration::from_secs(15);

pub(super) struct Foundation {
    pub(super) config: Config,
    pub(super) streams: Streams,
    pub(super) shared: Shared,
    pub(super) supervisor: Supervisor,
    pub(super) secrets: Secrets,
    pub(super) ready: Readiness,
    /// Where this is one of several processes: what the supervisor knows of the others.
    pub(super) together: Option<Arc<Together>>,
    /// Who is alive, for the stages.
    pub(super) views: Views,
    pub(super) me: Node,
    /// Ends with the first sign of a stop, so that nothing is started any more.
    pub(super) working: CancellationToken,
}

impl Foundation {
    /// Lays the foundation, starts what is wanted, and watches the database until stopped.
    ///
    /// # Errors
    /// What no waiting mends: a database of another log or of a newer engine.
    pub(super) async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        // Whose offsets the database holds is known when the log is reached.
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            made = self.streams.make_collector_topics() => made.context("could not make the streams of the collector")?,
        }
        let lock = loop {
            match self.lay().await {
                Ok(lock) => break lock,
                Err(error) if error.is_unavailable() => {
                    self.ready.down("database", error.to_string());
                    warn!(%error, "waiting for the database");
                }
                Err(error) => return Err(error.into()),
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(WAIT) => {}
            }
        };
        while !is_done("the first token cannot be stored yet", self.first_token().await).await? {}
        if let Ok(client) = self.shared.db.client().await {
            self.secrets.warn_of_others(&client).await;
        }
        while !is_done("what was running cannot be started yet", self.supervisor.resume().await).await? {}
        if let Some(together) = &self.together {
            let node = Node { log_id: self.shared.log.id(), ..self.me.clone() };
            tokio::spawn(membership::beat(
                node,
                self.shared.clone(),
                self.views.clone(),
                self.working.clone(),
            ));
            tokio::spawn(membership::learn(self.shared.clone(), stop.clone()));
            let (supervisor, together, working) =
                (self.supervisor.clone(), Arc::clone(together), self.working.clone());
            tokio::spawn(async move { supervisor.work_together(together, working).await });
        }
        info!("ready");
        self.watch(lock, stop).await
    }

    async fn lock(&self) -> Result<InstallationLock, Error> {
        match self.together {
            Some(_) => InstallationLock::share(&self.shared.db, LOCK_PATIENCE).await,
            None => InstallationLock::acquire(&self.shared.db, LOCK_PATIENCE).await,
        }
    }

    async fn lay(&self) -> Result<InstallationLock, Error> {
        let Shared { log, db, book, .. } = &self.shared;
        db.migrate().await?;
        installation::claim(db, log.id()).await?;
        let lock = self.lock().await?;
        if self.together.is_some() {
            // Others are at it: what lies between the ranges may still come to count, see `stage::worker::settle`.
            for ((topic, partition), ranges) in ranges::load_ranges(db, log.id()).await? {
                book.load(&topic, partition, &ranges, 0);
            }
            return Ok(lock);
        }
        // A transaction of an engine that was killed may outlive both it and its lock, and make more offsets count.
        cursors::fence_all(db).await?;
        let mut known = ranges::load_ranges(db, log.id()).await?;
        for (topic, spec) in log.topics() {
            for partition in 0..spec.partitions {
                let ranges = known.remove(&(topic.clone(), partition)).unwrap_or_default();
                let end = log.bounds(&topic, partition).await.map_or(0, |b| b.end);
                book.load(&topic, partition, &ranges, end);
            }
        }
        Ok(lock)
    }

    /// The first start leaves an admin token in the data directory, readable by its owner only. Written before it is
    /// stored, so that a crash in between leaves no token that nobody knows.
    async fn first_token(&self) -> anyhow::Result<()> {
        let path = self.config.data_dir.join("admin.token");
        let secret = match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().to_owned(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let secret = token::new_secret();
                let mut file = std::fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&path)
                    .with_context(|| format!("could not write {}", path.display()))?;
                std::io::Write::write_all(&mut file, format!("{secret}\n").as_bytes())?;
                info!("the admin token is in {}", path.display());
                secret
            }
            Err(e) => return Err(e).with_context(|| format!("could not read {}", path.display())),
        };
        let client = self.shared.db.client().await?;
        token::ensure_admin(&client, "admin.token of the first start", &secret).await?;
        Ok(())
    }

    /// Keeps `/ready` true to the state of the database, and the installation's lock in our hands: it ends with its
    /// connection, so it has to be taken again after the database was away. Until then the epochs and cursors protect
    /// what is stored.
    async fn watch(&self, mut lock: InstallationLock, stop: CancellationToken) -> anyhow::Result<()> {
        let db = &self.shared.db;
        loop {
            if lock.is_lost() {
                match self.lock().await {
                    Ok(again) => lock = again,
                    Err(error) if error.is_unavailable() => self.ready.down("database", error.to_string()),
                    Err(error) => return Err(error.into()),
                }
            }
            match db.ping().await {
                Ok(()) if !lock.is_lost() => self.ready.up("database"),
                Ok(()) => self.ready.down("database", "the installation's lock has to be taken again"),
                Err(error) => self.ready.down("database", error.to_string()),
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = lock.lost(), if !lock.is_lost() => {
                    self.ready.down("database", "the connection to the database broke");
                }
                () = tokio::time::sleep(WAIT) => {}
            }
        }
    }
}

/// Whether a step is done. Where not, and waiting may mend it, it has waited: the database or the log may go away at any moment.
///
/// # Errors
/// What no waiting mends.
async fn is_done(trouble: &str, step: anyhow::Result<()>) -> anyhow::Result<bool> {
    match step {
        Ok(()) => return Ok(true),
        Err(error) if may_pass(&error) => warn!(error = %format!("{error:#}"), "{trouble}"),
        Err(error) => return Err(error),
    }
    tokio::time::sleep(WAIT).await;
    Ok(false)
}

/// Whether waiting may mend it: the log or the database does not answer.
fn may_pass(error: &anyhow::Error) -> bool {
    error.downcast_ref::<RuntimeError>().is_some_and(|error| matches!(error.kind, ErrorKind::Unavailable))
        || error.downcast_ref::<Error>().is_some_and(Error::is_unavailable)
}
