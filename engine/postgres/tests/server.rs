//! Real servers: started, killed, left behind, moved about.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use granary_postgres::{Error, Options, Server, Status};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

/// A data directory that everybody can pass through, unlike the temporary folder's own mode.
fn data_dir() -> Result<(TempDir, PathBuf)> {
    let top = tempfile::tempdir()?;
    fs::set_permissions(top.path(), fs::Permissions::from_mode(0o755))?;
    let data = top.path().join("data");
    fs::create_dir(&data)?;
    Ok((top, data))
}

fn options(data_dir: &Path) -> Options {
    Options { data_dir: data_dir.to_owned(), ..Options::default() }
}

async fn connect(config: &Config) -> Result<Client> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn server_pid(server: &Server) -> Result<Pid> {
    let text = fs::read_to_string(server.place().join("data/postmaster.pid"))?;
    Pid::from_raw(text.lines().next().context("no pid")?.parse()?).context("pid 0")
}

fn is_alive(pid: Pid) -> bool {
    // A dead process that was not collected has no working folder any more.
    fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())).is_ok()
}

#[tokio::test]
async fn a_server_keeps_its_data_and_its_port_over_a_restart() -> Result<()> {
    let (_top, data) = data_dir()?;
    let server = Server::start(options(&data)).await?;
    assert_eq!(server.status(), Status::Running);
    let client = connect(&server.admin_config()).await?;
    client.batch_execute("CREATE TABLE t AS SELECT 42 AS a").await?;
    let row = client
        .query_one("SELECT current_setting('server_encoding'), datcollate, current_setting('fsync') FROM pg_database WHERE datname = current_database()", &[])
        .await?;
    assert_eq!((row.get(0), row.get(1), row.get(2)), ("UTF8", "C", "on"));
    // Over the loopback too, with the password only.
    let url = server.url();
    assert_eq!(connect(&url.parse()?).await?.query("SELECT a FROM t", &[]).await?.len(), 1);
    let mut wrong: Config = url.parse()?;
    wrong.password("wrong");
    assert!(connect(&wrong).await.is_err());
    let secret = fs::metadata(data.join("postgres.password"))?;
    assert_eq!(secret.mode() & 0o777, 0o600);
    let (port, pid) = (server.port(), server_pid(&server)?);

    server.stop().await;
    assert_eq!(server.status(), Status::Stopped);
    assert!(!is_alive(pid));
    server.stop().await;

    let server = Server::start(options(&data)).await?;
    assert_eq!(server.port(), port);
    let row = connect(&server.admin_config()).await?.query_one("SELECT a FROM t", &[]).await?;
    assert_eq!(row.get::<_, i32>(0), 42);
    server.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_second_engine_on_the_same_directory_is_refused() -> Result<()> {
    let (_top, data) = data_dir()?;
    let server = Server::start(options(&data)).await?;
    let error = Server::start(options(&data)).await.unwrap_err();
    assert!(matches!(error, Error::InUse(_)), "{error}");
    connect(&server.admin_config()).await?;
    server.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_killed_comes_back_with_everything_that_was_committed() -> Result<()> {
    let (_top, data) = data_dir()?;
    let server = Server::start(options(&data)).await?;
    connect(&server.admin_config()).await?.batch_execute("CREATE TABLE t AS SELECT 1 AS a").await?;
    let mut status = server.status_changes();
    for _ in 0..2 {
        kill_process(server_pid(&server)?, Signal::KILL)?;
        status.wait_for(|s| matches!(s, Status::Restarting { .. })).await?;
        status.wait_for(|s| *s == Status::Running).await?;
        assert_eq!(connect(&server.admin_config()).await?.query("SELECT a FROM t", &[]).await?.len(), 1);
    }
    server.stop().await;
    Ok(())
}

#[tokio::test]
async fn dropping_the_server_stops_it() -> Result<()> {
    let (_top, data) = data_dir()?;
    let server = Server::start(options(&data)).await?;
    let (pid, mut status) = (server_pid(&server)?, server.status_changes());
    drop(server);
    status.wait_for(|s| *s == Status::Stopped).await?;
    assert!(!is_alive(pid));
    Ok(())
}

/// Not a test by itself: the engine that the next test kills. It starts a server where it is told to and hangs.
#[tokio::test]
async fn engine_to_be_killed() -> Result<()> {
    let Some(data) = std::env::var_os("GRANARY_TEST_VICTIM") else { return Ok(()) };
    let data = PathBuf::from(data);
    let server = Server::start(options(&data)).await?;
    let client = connect(&server.admin_config()).await?;
    client.batch_execute("CREATE TABLE IF NOT EXISTS t AS SELECT 7 AS a").await?;
    fs::write(data.join("ready"), server_pid(&server)?.as_raw_nonzero().to_string())?;
    // A transaction that is open when the end comes.
    client.batch_execute("BEGIN; INSERT INTO t VALUES (8)").await?;
    std::future::pending::<()>().await;
    Ok(())
}

#[tokio::test]
async fn a_server_left_behind_by_a_killed_engine_is_replaced() -> Result<()> {
    let (_top, data) = data_dir()?;
    let mut engine = Command::new(std::env::current_exe()?)
        .args(["--exact", "engine_to_be_killed"])
        .env("GRANARY_TEST_VICTIM", &data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()?;
    let ready = data.join("ready");
    let left_behind = loop {
        if let Some(pid) = fs::read_to_string(&ready).ok().and_then(|t| t.parse().ok()) {
            break Pid::from_raw(pid).context("pid 0")?;
        }
        anyhow::ensure!(engine.try_wait()?.is_none(), "the engine ended by itself");
        tokio::task::yield_now().await;
    };
    engine.kill()?;
    engine.wait()?;
    assert!(is_alive(left_behind), "the server outlives its engine");

    let server = Server::start(options(&data)).await?;
    assert!(!is_alive(left_behind));
    let rows = connect(&server.admin_config()).await?.query("SELECT a FROM t", &[]).await?;
    assert_eq!(rows.iter().map(|r| r.get::<_, i32>(0)).collect::<Vec<_>>(), [7]);
    server.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_closed_data_directory_is_no_obstacle() -> Result<()> {
    let top = tempfile::tempdir()?;
    fs::set_permissions(top.path(), fs::Permissions::from_mode(0o700))?;
    // Long, too: the socket can not be inside.
    let data = top.path().join("x".repeat(60)).join("y".repeat(60));
    let server = Server::start(options(&data)).await?;
    let place = server.place().to_owned();
    connect(&server.admin_config()).await?.batch_execute("CREATE TABLE t ()").await?;
    server.stop().await;
    // Found again, wherever it is.
    let server = Server::start(options(&data)).await?;
    assert_eq!(server.place(), place);
    connect(&server.admin_config()).await?.batch_execute("TABLE t").await?;
    server.stop().await;
    let is_root = rustix::process::geteuid().is_root();
    assert_eq!(place.starts_with(&data.canonicalize()?), !is_root);
    if is_root {
        fs::remove_dir_all(&place)?;
        let error = Server::start(options(&data)).await.unwrap_err();
        assert!(matches!(error, Error::Missing { .. }), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_data_directory_can_be_moved() -> Result<()> {
    let (top, data) = data_dir()?;
    let server = Server::start(options(&data)).await?;
    connect(&server.admin_config()).await?.batch_execute("CREATE TABLE t ()").await?;
    server.stop().await;
    let elsewhere = top.path().join("elsewhere");
    fs::rename(&data, &elsewhere)?;
    let server = Server::start(options(&elsewhere)).await?;
    connect(&server.admin_config()).await?.batch_execute("TABLE t").await?;
    server.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_cluster_of_another_major_is_refused_before_anything_happens() -> Result<()> {
    let (_top, data) = data_dir()?;
    let server = Server::start(options(&data)).await?;
    server.stop().await;
    fs::write(data.join("postgres/data/PG_VERSION"), "13\n")?;
    let error = Server::start(options(&data)).await.unwrap_err();
    assert!(matches!(error, Error::OtherMajor { cluster: 13, .. }), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_can_not_start_shows_its_log() -> Result<()> {
    let (_top, data) = data_dir()?;
    Server::start(options(&data)).await?.stop().await;
    fs::write(
        data.join("postgres/data/postgresql.conf"),
        "shared_buffers = nonsense\nno_such_setting = 1\n",
    )?;
    let error = Server::start(options(&data)).await.unwrap_err();
    assert!(error.to_string().contains("no_such_setting"), "{error}");
    Ok(())
}

#[tokio::test]
async fn an_interrupted_initdb_is_begun_anew() -> Result<()> {
    let (_top, data) = data_dir()?;
    let half = data.join("postgres/data.new");
    fs::create_dir_all(&half)?;
    fs::write(half.join("PG_VERSION"), "15\n")?;
    let server = Server::start(options(&data)).await?;
    connect(&server.admin_config()).await?;
    server.stop().await;
    Ok(())
}
