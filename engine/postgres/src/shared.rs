//! A server that the test processes of a machine share, for the tests of other crates.
//!
//! The test runner starts a process per test, so the server can not belong to one of them. The first process that needs
//! it starts it; each holds a shared file lock while it lives; a small watchdog stops the server when nobody has held
//! that lock for a while. The cluster is thrown away then: durability is off.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::fs::{FlockOperation, flock};
use tokio_postgres::Config;

use crate::account::command;
use crate::cluster::Cluster;
use crate::{Error, postmaster, server};

/// The watchdog: stops the server and removes the cluster once nobody holds the lock at two looks in a row.
/// `$1` lock of the users, `$2` lock of the starters, `$3` data folder whose `postmaster.pid` begins
/// with the id of the server.
const WATCHDOG: &str = r#"
idle=0
while [ -e "$3/postmaster.pid" ]; do
    sleep 10
    if flock -n -x "$1" true; then idle=$((idle + 1)); else idle=0; fi
    if [ "$idle" -ge 2 ]; then
        exec 9>"$2"
        flock -x 9
        if flock -n -x "$1" true; then
            kill -INT "$(head -n 1 "$3/postmaster.pid")"
            while [ -e "$3/postmaster.pid" ]; do sleep 0.2; done
            exit 0
        fi
        exec 9>&-
        idle=0
    fi
done
"#;

/// The right to use the shared server.
#[derive(Debug)]
pub struct Shared {
    config: Config,
    _using: File,
}

impl Shared {
    /// Joins the shared server of this folder, starting it where it does not run.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn join(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        let using = lock(&folder.join("users.lock"), FlockOperation::LockShared)?;
        // One starter at a time; also keeps the watchdog from stopping what is just being joined.
        let _starting = lock(&folder.join("start.lock"), FlockOperation::LockExclusive)?;
        let config_file = folder.join("config.json");
        if let Some(config) = read_config(&config_file)
            && server::connect(&config).await.is_ok()
        {
            return Ok(Self { config, _using: using });
        }
        let config = start(folder, &config_file).await?;
        Ok(Self { config, _using: using })
    }

    /// As superuser, to the database `postgres`.
    #[must_use]
    pub fn admin_config(&self) -> Config {
        self.config.clone()
    }
}

async fn start(folder: &Path, config_file: &Path) -> Result<Config, Error> {
    let data_dir = folder.join("data");
    // What the last run left is of no use to anybody.
    if let Ok(old) = Cluster::open(&data_dir) {
        postmaster::stop_left_behind(&old.data()).await;
        let place = old.place().to_owned();
        drop(old);
        if place.exists() {
            fs::remove_dir_all(&place).map_err(Error::io("remove", &place))?;
        }
    }
    if data_dir.exists() {
        fs::remove_dir_all(&data_dir).map_err(Error::io("remove", &data_dir))?;
    }
    let options = server::Options { data_dir, ..server::Options::default() };
    // Speed before safety: the cluster lives for one run of the tests.
    let settings = [
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("synchronous_commit", "off"),
        ("max_connections", "300"),
        ("autovacuum", "off"),
    ];
    // The child is let go of: it outlives this process, and the watchdog looks after it.
    let begun = server::begin(&options, &settings).await?;
    let text = serde_json::json!({"socket": begun.socket, "port": begun.port, "password": begun.password})
        .to_string();
    fs::write(config_file, text).map_err(Error::io("write", config_file))?;
    let mut watchdog = command(Path::new("/bin/sh"), None);
    watchdog
        .args(["-c", WATCHDOG, "sh"])
        .arg(folder.join("users.lock"))
        .arg(folder.join("start.lock"))
        .arg(&begun.run.data)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    watchdog.spawn().map_err(Error::io("run", Path::new("/bin/sh")))?;
    Ok(begun.run.config)
}

fn read_config(path: &Path) -> Option<Config> {
    let value: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).ok()?).ok()?;
    let socket = PathBuf::from(value["socket"].as_str()?);
    let port = u16::try_from(value["port"].as_u64()?).ok()?;
    Some(server::config(&socket, port, value["password"].as_str()?))
}

fn lock(path: &Path, operation: FlockOperation) -> Result<File, Error> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(Error::io("open", path))?;
    flock(&file, operation).map_err(|e| Error::io("lock", path)(e.into()))?;
    Ok(file)
}
