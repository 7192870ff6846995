//! The process: builds the parts from the configuration, starts them, and stops them in path order.
//!
//! The log and the HTTP server come first, so that the collector accepts events even while Postgres is away. The rest
//! follows as soon as the database answers, in [`foundation`].

mod collector;
mod foundation;
mod http;
mod membership;
pub mod roles;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use granary_collector::Collector;
use granary_db::Db;
use granary_postgres::Server;
use granary_sandbox::Sandbox;
use granary_stream::StreamLog;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use crate::config::Config;
use crate::node::roles::Role;
use crate::outbound::Outbound;
use crate::ready::Readiness;
use crate::runtimes::{self, Runtimes};
use crate::secrets::Secrets;
use crate::stage::book::Book;
use crate::stage::members::{Members, Views};
use crate::stage::worker::Shared;
use crate::streams::Streams;
use crate::supervisor::{Supervisor, Together};

/// Connections to the database: enough for every running stage of a busy project to commit at once, and half of what
/// the embedded server allows.
const DATABASE_CONNECTIONS_MAX: usize = 24;

/// What a belt or transform gets of one processor, in thousandths, after it wasted time. Enough for thousands of events a
/// second, and little beside its neighbours.
const PROBATION_MILLICPU: u32 = 150;

/// Runs the engine until it is told to stop; its ports are served by the tasks of `serving`.
///
/// # Errors
/// What keeps it from starting, or made it give up, in words for the operator.
pub async fn run(config: Config, metrics: PrometheusHandle, serving: &Handle) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("could not make the data directory {}", config.data_dir.display()))?;
    let streams = Streams::open(&config, serving).await?;
    let log = Arc::clone(&streams.log);
    let ready = Readiness::default();
    ready.explain_log(&streams.acknowledged);
    ready.down("log", "starting");
    ready.down("database", "starting");

    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("could not listen on {}", config.listen))?;
    let address = listener.local_addr()?;
    let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));

    let sandbox = Sandbox::new(granary_sandbox::Options {
        cache_dir: config.cache_dir.clone(),
        compiled_dir: Some(runtimes::compiled_dir()),
        count_fuel: false,
        probation_millicpu: Some(PROBATION_MILLICPU),
    })
    .context("could not set up the sandbox")?;
    let runtimes = Arc::new(Runtimes::new(sandbox, config.runtimes.clone()));
    runtimes.preload();

    let (postgres, database) = match &config.database {
        Some(given) => (None, given.clone()),
        None => {
            let server = start_postgres(&config).await?;
            let database = server.admin_config();
            (Some(server), database)
        }
    };
    let db = Db::connect(database, DATABASE_CONNECTIONS_MAX);

    let me = granary_db::nodes::Node {
        id: uuid::Builder::from_random_bytes(rand::random()).into_uuid(),
        name: format!("{}:{}", host_name(), address.port()),
        address: public_url.clone(),
        roles: config.roles.names(),
        log_id: uuid::Uuid::nil(),
    };
    let views = Views::new(membership::view(&me, &[]));
    let members = if streams.is_shared { views.members() } else { Members::alone() };
    let shared = Shared { log: Arc::clone(&log), db: db.clone(), book: Book::default(), members };
    let outbound = Outbound::new(Arc::clone(&config.outbound_hosts)).context("could not set up TLS")?;
    let secrets = Secrets::open(&config.data_dir);
    let supervisor = Supervisor::new(shared.clone(), runtimes, outbound, secrets.clone());
    let collector = Collector::new(
        Arc::clone(&log),
        granary_collector::Options { partitions: streams.collector_partitions, ..config.collector.clone() },
    );
    let collector_port = match config.collector_port.as_ref().filter(|_| config.roles.has(Role::Collector)) {
        Some(port) => Some(collector::Port::open(port).await?),
        None => None,
    };

    let together = streams.is_shared.then(|| Arc::new(Together::new(me.clone(), config.roles.clone())));
    if let Some(together) = &together {
        supervisor.join(Arc::clone(together));
    }

    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let server = serving.spawn(http::serve(
        listener,
        http::App {
            collector: collector.clone(),
            collector_apart: collector_port.is_some(),
            limits: config.limits.clone(),
            db: db.clone(),
            log: Arc::clone(&shared.log),
            book: shared.book.clone(),
            supervisor: supervisor.clone(),
            ready: ready.clone(),
            metrics: metrics.clone(),
            open_metrics: config.open_metrics,
            outbound_hosts: Arc::clone(&config.outbound_hosts),
            secrets: secrets.clone(),
            public_url,
            roles: config.roles.clone(),
            working: Handle::current(),
        },
        stop.clone(),
    ));
    announce(&config.data_dir, address)?;
    let collector_server = match collector_port {
        Some(port) => {
            port.announce(&config.data_dir)?;
            Some(serving.spawn(port.serve(collector, config.limits.clone(), stop.clone())))
        }
        None => None,
    };

    let chores = CancellationToken::new();
    tasks.spawn(crate::retention::run(streams.clone(), db.clone(), chores.clone()));
    tasks.spawn(upkeep(metrics, Arc::clone(&log), ready.clone(), chores.clone()));
    let foundation = foundation::Foundation {
        config: config.clone(),
        streams: streams.clone(),
        shared,
        supervisor: supervisor.clone(),
        secrets,
        ready: ready.clone(),
        together,
        views,
        me: me.clone(),
        working: stop.clone(),
    };
    let mut founding = tokio::spawn(foundation.run(chores.clone()));

    let outcome = tokio::select! {
        outcome = wait_for_stop() => outcome,
        founded = &mut founding => match founded {
            Ok(Err(why)) => Err(why),
            Ok(Ok(())) => Ok(()),
            Err(panic) => Err(anyhow::anyhow!("the database task panicked: {panic}")),
        },
        why = log_failure(&*log) => Err(anyhow::anyhow!("{why}; what was acknowledged is safe, start the engine again")),
    };
    match &outcome {
        Ok(()) => info!("stopping: no new requests, then harvesters, belts, persisters"),
        Err(why) => error!(error = %why, "giving up"),
    }
    let drain = async {
        stop.cancel();
        // Both have closed their ports at once, and cut what is open after the same time.
        if let Err(error) = server.await {
            warn!(%error, "the HTTP server did not end well");
        }
        if let Some(server) = collector_server
            && let Err(error) = server.await
        {
            warn!(%error, "the collector's own port did not end well");
        }
        supervisor.drain().await;
        if streams.is_shared
            && let Err(error) = granary_db::nodes::leave(&db, me.id).await
        {
            warn!(%error, "the others will see only later that this process is gone");
        }
        chores.cancel();
        tasks.close();
        tasks.wait().await;
        log.close().await;
    };
    tokio::select! {
        () = drain => info!("drained"),
        () = tokio::time::sleep(config.shutdown_timeout) => {
            warn!("the stop took longer than {} s and is forced; what was acknowledged is safe", config.shutdown_timeout.as_secs());
        }
        _ = wait_for_stop() => warn!("a second signal forces the stop; what was acknowledged is safe"),
    }
    founding.abort();
    if let Some(postgres) = postgres {
        postgres.stop().await;
    }
    outcome
}

async fn start_postgres(config: &Config) -> anyhow::Result<Server> {
    let options = granary_postgres::Options {
        data_dir: config.data_dir.clone(),
        binaries: config.postgres_bin.clone(),
        port: config.postgres_port,
    };
    Server::start(options).await.context("could not start the embedded Postgres")
}

/// The name of this machine, for people.
fn host_name() -> String {
    let read = std::fs::read_to_string("/proc/sys/kernel/hostname");
    read.map_or_else(|_| "node".to_owned(), |name| name.trim().to_owned())
}

/// Prints the address and leaves it where the command line looks for it.
fn announce(data_dir: &Path, address: SocketAddr) -> anyhow::Result<()> {
    std::fs::write(data_dir.join("address"), format!("http://{address}\n"))
        .with_context(|| format!("could not write {}", data_dir.join("address").display()))?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on http://{address}")?;
    out.flush()?;
    Ok(())
}

async fn wait_for_stop() -> anyhow::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(())
}

/// Resolves when the log has failed for good.
async fn log_failure(log: &dyn StreamLog) -> granary_stream::Error {
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if let Err(error @ (granary_stream::Error::Failed { .. } | granary_stream::Error::Corrupt { .. })) =
            log.health()
        {
            return error;
        }
    }
}

/// Keeps figures fresh that nobody else touches.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
async fn upkeep(
    recorder: PrometheusHandle,
    log: Arc<dyn StreamLog>,
    ready: Readiness,
    stop: CancellationToken,
) {
    loop {
        let stats = log.stats();
        metrics::gauge!("granary_log_disk_used_bytes").set(stats.disk_used_bytes as f64);
        metrics::gauge!("granary_log_disk_free_bytes").set(stats.disk_free_bytes as f64);
        metrics::gauge!("granary_log_damaged_places").set(stats.damaged_places as f64);
        metrics::gauge!("granary_log_lost_records").set(stats.lost_records as f64);
        match log.health() {
            Ok(()) => ready.up("log"),
            Err(why) => ready.down("log", why.to_string()),
        }
        recorder.run_upkeep();
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}
