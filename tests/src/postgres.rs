//! Postgres seen from outside the engine: the embedded one's process and a superuser's connection to it, and a server of
//! the tests' own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use granary_postgres::{DATABASE, Options, USER};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls};

use crate::node::{is_alive, terminate};

/// What `postgres.json` of a data directory says: where the cluster is, and its port.
fn record(data_dir: &Path) -> Option<(PathBuf, u16)> {
    let text = fs::read_to_string(data_dir.join("postgres.json")).ok()?;
    let record: Value = serde_json::from_str(&text).ok()?;
    let port = record["port"].as_u64().and_then(|port| u16::try_from(port).ok())?;
    Some((data_dir.join(record["place"].as_str()?), port))
}

/// Process id of the embedded server, where it runs.
#[must_use]
pub fn postmaster_pid(data_dir: &Path) -> Option<u32> {
    let (place, _) = record(data_dir)?;
    let text = fs::read_to_string(place.join("data").join("postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok().filter(|pid| is_alive(*pid))
}

/// Ends the embedded server at once, without regard for its data.
pub fn quit(data_dir: &Path) {
    if let Some(pid) = postmaster_pid(data_dir) {
        terminate(pid, Signal::QUIT);
        let until = Instant::now() + Duration::from_secs(5);
        while is_alive(pid) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Removes the cluster where it lies outside of the data directory, because the server could not reach it there.
pub fn remove(data_dir: &Path) {
    if let Some((place, _)) = record(data_dir)
        && !place.starts_with(data_dir)
    {
        let _ = fs::remove_dir_all(place);
    }
}

/// Where the embedded server is, the superuser's password included.
pub fn url(data_dir: &Path) -> Result<String> {
    let (_, port) = record(data_dir).context("no embedded Postgres was started here")?;
    let password = fs::read_to_string(data_dir.join("postgres.password"))?;
    Ok(format!("postgresql://{USER}:{}@127.0.0.1:{port}/{DATABASE}", password.trim()))
}

/// A superuser's connection to the embedded server.
pub async fn superuser(data_dir: &Path) -> Result<Client> {
    let config: Config = url(data_dir)?.parse()?;
    let (client, connection) =
        config.connect(NoTls).await.context("could not connect to the embedded Postgres")?;
    // Ends with the client.
    tokio::spawn(connection);
    Ok(client)
}

/// A Postgres of the test's own, that can be stopped and started again at the same address.
#[derive(Debug)]
pub struct Server {
    server: Option<granary_postgres::Server>,
    url: String,
    port: u16,
    folder: TempDir,
}

impl Server {
    /// Starts one with an empty cluster.
    pub async fn start() -> Result<Self> {
        let folder = TempDir::with_prefix("granary-test-postgres-")?;
        let server = start(folder.path(), 0).await?;
        Ok(Self { url: server.url(), port: server.port(), server: Some(server), folder })
    }

    /// Where it is, the superuser's password included.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Stops it.
    pub async fn stop(&mut self) -> Result<()> {
        self.server.take().context("the server does not run")?.stop().await;
        Ok(())
    }

    /// Starts it again.
    pub async fn restart(&mut self) -> Result<()> {
        self.server = Some(start(self.folder.path(), self.port).await?);
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        quit(self.folder.path());
        remove(self.folder.path());
    }
}

async fn start(data_dir: &Path, port: u16) -> Result<granary_postgres::Server> {
    let options = Options { data_dir: data_dir.to_path_buf(), port, ..Options::default() };
    granary_postgres::Server::start(options).await.context("could not start a Postgres for the test")
}
