//! The running server: started, watched, started again when it dies, stopped.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::process::Child;
use tokio::sync::{mpsc, watch};
use tokio_postgres::{Client, Config, NoTls};
use tracing::{error, info, warn};

use crate::Error;
use crate::binaries::{self, Binaries};
use crate::cluster::Cluster;
use crate::postmaster::{self, PidFile};

/// The superuser of the cluster.
pub const USER: &str = "granary";
/// The engine's database.
pub const DATABASE: &str = "granary";

/// How long a server may take to become ready: after a crash it first replays up to `max_wal_size` of its log.
const READY_PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks at a server that starts.
const READY_POLL: Duration = Duration::from_millis(20);
/// Tries to start. The first ones can fail because processes of a killed server are still about, or because somebody
/// took the port in the meantime.
const START_TRIES: u32 = 10;
/// Between them.
const START_PAUSE: Duration = Duration::from_millis(500);
/// First wait before a server that died is started again; doubled up to the longest.
const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
/// Longest of these waits.
const BACK_OFF_MAX: Duration = Duration::from_secs(10);
/// A server that ran for so long is taken for sound again.
const SOUND_AFTER: Duration = Duration::from_secs(60);

/// Settings of the server. Full durability; small enough for a laptop; nothing of what users write goes into the log.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("max_connections", "60"),
    ("shared_buffers", "64MB"),
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("synchronous_commit", "on"),
    ("max_wal_size", "1GB"),
    ("checkpoint_timeout", "5min"),
    ("wal_compression", "on"),
    // The eventstore has a partition per event type, and a query over all of them locks each.
    ("max_locks_per_transaction", "256"),
    // Compiling a plan takes longer than most plans run.
    ("jit", "off"),
    ("password_encryption", "scram-sha-256"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_checkpoints", "off"),
    // Mistakes in users' statements are answered to the users. LOG, FATAL and PANIC remain.
    ("log_min_messages", "log"),
    ("log_min_error_statement", "panic"),
];

/// How the server is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The engine's data directory; made where it is missing.
    pub data_dir: PathBuf,
    /// An installation to use first: the folder with `postgres` and `initdb`, or the one above its `bin`.
    pub binaries: Option<PathBuf>,
    /// Loopback port; 0 takes that of the last run where it is free, else any free one.
    pub port: u16,
}

/// The state of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// Takes connections.
    Running,
    /// It died and is being started again.
    Restarting {
        /// What was seen last.
        why: String,
    },
    /// It was stopped.
    Stopped,
}

/// An embedded server. Ends with [`Server::stop`]; when it is only dropped, the server is told to stop and nobody waits.
#[derive(Debug)]
pub struct Server {
    config: Config,
    url: String,
    version: String,
    port: u16,
    place: PathBuf,
    status: watch::Receiver<Status>,
    /// Dropped or used, it ends the watcher, which stops the server.
    stop: mpsc::Sender<()>,
}

impl Server {
    /// Finds an installation, makes the cluster where there is none, stops a server that was left behind, starts one
    /// and waits until it takes connections.
    ///
    /// # Errors
    /// See [`Error`]. Nothing runs then.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let Begun { cluster, run, child, port, socket, password } = begin(&options, &[]).await?;
        let place = cluster.place().to_owned();
        let version = run.binaries.version.clone();
        let mut config = run.config.clone();
        config.dbname(DATABASE);
        info!(version, port, place = %place.display(), "Postgres runs");
        let (status_sender, status) = watch::channel(Status::Running);
        let (stop, stop_receiver) = mpsc::channel(1);
        let watcher = Watcher { cluster, run, socket, status: status_sender };
        tokio::spawn(watcher.watch(child, stop_receiver));
        let url = format!("postgresql://{USER}:{password}@127.0.0.1:{port}/{DATABASE}");
        Ok(Self { config, url, version, port, place, status, stop })
    }

    /// How the engine connects: as superuser to its database, through the socket.
    #[must_use]
    pub fn admin_config(&self) -> Config {
        self.config.clone()
    }

    /// The same for programs such as psql, over the loopback port. Holds the password.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The loopback port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's version, such as `15.18`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The folder that holds the cluster.
    #[must_use]
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// The state now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// The state and its changes.
    #[must_use]
    pub fn status_changes(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Ends all sessions, writes a checkpoint and returns when the server is gone.
    pub async fn stop(&self) {
        // Full means that a stop is under way, closed that it is done.
        let _ = self.stop.try_send(());
        let _ = self.status.clone().wait_for(|status| *status == Status::Stopped).await;
    }
}

/// A server that has just become ready.
pub(crate) struct Begun {
    cluster: Cluster,
    pub(crate) run: Run,
    pub(crate) child: Child,
    pub(crate) port: u16,
    pub(crate) socket: PathBuf,
    pub(crate) password: String,
}

/// Everything up to a server that takes connections and has the engine's database.
/// `more` settings come beside or instead of the built-in ones.
pub(crate) async fn begin(options: &Options, more: &[(&str, &str)]) -> Result<Begun, Error> {
    let mut cluster = Cluster::open(&options.data_dir)?;
    let wanted = cluster.major().map(|major| (major, cluster.place()));
    let binaries = binaries::find(options.binaries.as_deref(), cluster.account, wanted)?;
    let password = cluster.password()?;
    postmaster::stop_left_behind(&cluster.data()).await;
    cluster.init(&binaries, &password)?;
    cluster.rotate_log();
    let socket = cluster.socket_folder()?;
    let mut tries = 0;
    loop {
        tries += 1;
        let port = match (options.port, cluster.record.as_ref().map(|r| r.port)) {
            // The port of the last run is worth one try: somebody may take it between the look and the start.
            (0, last) => free_port(last.filter(|_| tries == 1))?,
            (port, _) => port,
        };
        // Written before the start: a cluster that exists is found again, whatever happens now.
        cluster.save(binaries.major, port, &socket)?;
        let run = Run {
            binaries: binaries.clone(),
            data: cluster.data(),
            settings: settings(more, port, &socket),
            config: config(&socket, port, &password),
        };
        match run.start(&cluster).await {
            Ok(mut child) => {
                if let Err(error) = prepare(&run.config).await {
                    postmaster::stop(&mut child).await;
                    return Err(error);
                }
                return Ok(Begun { cluster, run, child, port, socket, password });
            }
            Err(error) if tries >= START_TRIES => return Err(error),
            Err(error) => {
                warn!(%error, "the Postgres server did not start, trying again");
                tokio::time::sleep(START_PAUSE).await;
            }
        }
    }
}

/// One way to run the server, the same at every start of this process.
pub(crate) struct Run {
    binaries: Binaries,
    pub(crate) data: PathBuf,
    settings: Vec<(String, String)>,
    /// To the database that every cluster has.
    pub(crate) config: Config,
}

impl Run {
    /// Starts the server and waits until it takes connections; where it does not, it is not left running.
    async fn start(&self, cluster: &Cluster) -> Result<Child, Error> {
        let log = cluster.log();
        let mut child = postmaster::spawn(&self.binaries, cluster.account, &self.data, &self.settings, &log)?;
        let pid = child.id();
        let until = Instant::now() + READY_PATIENCE;
        let why = loop {
            match child.try_wait() {
                Ok(Some(status)) => break format!("it ended with {status}"),
                Ok(None) => {}
                Err(e) => break format!("its state can not be asked: {e}"),
            }
            // The file of a server that was killed stays until the new one has replaced it.
            let ours = PidFile::read(&self.data)
                .is_some_and(|f| f.ready && u32::try_from(f.pid.as_raw_nonzero().get()).ok() == pid);
            if ours && connect(&self.config).await.is_ok() {
                return Ok(child);
            }
            if Instant::now() >= until {
                break "it does not become ready".to_owned();
            }
            tokio::time::sleep(READY_POLL).await;
        };
        if child.id().is_some() {
            postmaster::stop(&mut child).await;
        }
        Err(Error::Start { why, log, tail: cluster.log_tail() })
    }
}

/// Watches the server for as long as there is a [`Server`].
struct Watcher {
    cluster: Cluster,
    run: Run,
    socket: PathBuf,
    status: watch::Sender<Status>,
}

impl Watcher {
    async fn watch(self, child: Child, mut stop: mpsc::Receiver<()>) {
        let mut child = Guard(Some(child));
        let mut back_off = BACK_OFF_FIRST;
        loop {
            let began = Instant::now();
            let Some(running) = child.0.as_mut() else { break };
            let ended = tokio::select! {
                ended = running.wait() => ended,
                _ = stop.recv() => {
                    postmaster::stop(running).await;
                    child.0 = None;
                    break;
                }
            };
            child.0 = None;
            let why = ended.map_or_else(|e| e.to_string(), |status| format!("it ended with {status}"));
            error!(%why, "the Postgres server died");
            self.status.send_replace(Status::Restarting { why });
            if began.elapsed() > SOUND_AFTER {
                back_off = BACK_OFF_FIRST;
            }
            let restarted = tokio::select! {
                restarted = self.restart(&mut back_off) => restarted,
                _ = stop.recv() => break,
            };
            child.0 = Some(restarted);
            self.status.send_replace(Status::Running);
            info!("the Postgres server runs again");
        }
        if !self.socket.starts_with(self.cluster.place()) {
            // Empty by now. Should it stay, the next start removes it.
            let _ = std::fs::remove_dir_all(&self.socket);
        }
        // The lock goes before the status says so: who waits for the status may start a new server at once.
        let Self { cluster, status, .. } = self;
        drop(cluster);
        status.send_replace(Status::Stopped);
    }

    async fn restart(&self, back_off: &mut Duration) -> Child {
        loop {
            tokio::time::sleep(*back_off).await;
            *back_off = (*back_off * 2).min(BACK_OFF_MAX);
            match self.run.start(&self.cluster).await {
                Ok(child) => return child,
                Err(error) => {
                    error!(%error, "the Postgres server can not be started again");
                    self.status.send_replace(Status::Restarting { why: error.to_string() });
                }
            }
        }
    }
}

/// Tells the server to stop where the watcher itself is dropped, with its runtime.
struct Guard(Option<Child>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(child) = &self.0 {
            postmaster::tell_to_stop(child);
        }
    }
}

fn settings(more: &[(&str, &str)], port: u16, socket: &Path) -> Vec<(String, String)> {
    let mut settings: Vec<(String, String)> =
        SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    settings.push(("port".to_owned(), port.to_string()));
    // The value is a list, separated by commas and quoted like identifiers.
    let folder = format!("\"{}\"", socket.display().to_string().replace('"', "\"\""));
    settings.push(("unix_socket_directories".to_owned(), folder));
    // A later setting of the same name wins.
    settings.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    settings
}

pub(crate) fn config(socket: &Path, port: u16, password: &str) -> Config {
    let mut config = Config::new();
    config
        .host_path(socket)
        .port(port)
        .user(USER)
        .password(password)
        .dbname("postgres")
        .connect_timeout(Duration::from_secs(5));
    config
}

/// A port that nobody listens on, the given one where possible. Somebody may take it before the server does; the start
/// is tried again then.
fn free_port(last: Option<u16>) -> Result<u16, Error> {
    let taken = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|l| l.local_addr());
    last.filter(|port| *port != 0)
        .and_then(|port| taken(port).ok())
        .map_or_else(|| taken(0), Ok)
        .map(|address| address.port())
        .map_err(Error::io("find a free port on", Path::new("127.0.0.1")))
}

pub(crate) async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    // Ends with the client.
    tokio::spawn(connection);
    Ok(client)
}

/// Makes the engine's database, and closes those that every cluster has to everybody else.
async fn prepare(config: &Config) -> Result<(), Error> {
    let failed = |e: tokio_postgres::Error| {
        Error::Database(e.as_db_error().map_or_else(|| e.to_string(), ToString::to_string))
    };
    let client = connect(config).await.map_err(failed)?;
    let exists = client
        .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&DATABASE])
        .await
        .map_err(failed)?
        .is_some();
    if !exists {
        client.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await.map_err(failed)?;
    }
    client
        .batch_execute(
            "REVOKE ALL ON DATABASE postgres FROM PUBLIC; REVOKE ALL ON DATABASE template1 FROM PUBLIC",
        )
        .await
        .map_err(failed)
}
