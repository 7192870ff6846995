//! The cluster on disk: where it is, its password, making it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rand::RngExt as _;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use tracing::info;

use crate::Error;
use crate::account::{Account, command, give, outside};
use crate::binaries::Binaries;
use crate::server::USER;

/// A socket's path has at most 107 bytes; the server puts this (with five digits of port) behind the folder.
const SOCKET_FOLDER_BYTES_MAX: usize = 107 - "/.s.PGSQL.65535.lock".len();
/// A log that is longer is put aside at the next start.
const LOG_BYTES_MAX: u64 = 10 << 20;
/// How much of the end of a log goes into an error.
const TAIL_BYTES: u64 = 2_000;

/// The content of `postgres.json`.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Record {
    /// Format of this file.
    format: u32,
    /// The folder of the cluster: relative to the data directory where it is inside, so that this can be moved.
    place: PathBuf,
    /// Major version that made the cluster, for people; `PG_VERSION` in the cluster decides.
    major: u32,
    /// Port of the last run, taken again where it is free.
    pub(crate) port: u16,
    /// Folder of the socket of the last run, where it lies outside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    socket: Option<PathBuf>,
}

const FORMAT: u32 = 1;

/// The cluster of a data directory, ours alone while this value lives.
#[derive(Debug)]
pub(crate) struct Cluster {
    data_dir: PathBuf,
    place: PathBuf,
    pub(crate) account: Option<Account>,
    pub(crate) record: Option<Record>,
    _lock: File,
}

impl Cluster {
    /// Takes hold of the cluster of a data directory, or decides where it will be.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(data_dir).map_err(Error::io("create", data_dir))?;
        let data_dir = data_dir.canonicalize().map_err(Error::io("find", data_dir))?;
        let lock = lock(&data_dir)?;
        let record = read_record(&data_dir)?;
        let recorded = record.as_ref().map(|r| data_dir.join(&r.place));
        let account = Account::choose(Some(recorded.as_deref().unwrap_or(&data_dir.join("postgres"))))?;
        let place = match recorded {
            Some(place) if place.join("data/PG_VERSION").is_file() => place,
            Some(place) => return Err(Error::Missing { record: record_path(&data_dir), place }),
            None => new_place(&data_dir, account)?,
        };
        Ok(Self { data_dir, place, account, record, _lock: lock })
    }

    /// The data folder of the server.
    pub(crate) fn data(&self) -> PathBuf {
        self.place.join("data")
    }

    /// The major version that made the cluster, where there is one.
    pub(crate) fn major(&self) -> Option<u32> {
        fs::read_to_string(self.data().join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    /// The folder that holds everything of the cluster.
    pub(crate) fn place(&self) -> &Path {
        &self.place
    }

    /// The file that the server writes its messages to.
    pub(crate) fn log(&self) -> PathBuf {
        self.data_dir.join("postgres.log")
    }

    /// The last lines of the server's log.
    pub(crate) fn log_tail(&self) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(self.log())?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        read().unwrap_or_default()
    }

    /// Puts a log that has grown long aside.
    pub(crate) fn rotate_log(&self) {
        let log = self.log();
        if fs::metadata(&log).is_ok_and(|meta| meta.len() > LOG_BYTES_MAX) {
            // One old log is kept. Should it fail, the log grows a little further.
            let _ = fs::rename(&log, log.with_extension("log.1"));
        }
    }

    /// The superuser's password, made at the first start.
    pub(crate) fn password(&self) -> Result<String, Error> {
        let path = self.data_dir.join("postgres.password");
        if let Ok(text) = fs::read_to_string(&path)
            && !text.trim().is_empty()
        {
            return Ok(text.trim().to_owned());
        }
        let password = format!("{:032x}", rand::rng().random::<u128>());
        write_private(&path, &password)?;
        Ok(password)
    }

    /// Makes the cluster where there is none. Interrupted half-way, it leaves nothing that a second try would take for
    /// a cluster.
    pub(crate) fn init(&self, binaries: &Binaries, password: &str) -> Result<(), Error> {
        let data = self.data();
        if data.join("PG_VERSION").is_file() {
            return Ok(());
        }
        make_private(&self.place, self.account)?;
        let half = self.place.join("data.new");
        if half.exists() {
            fs::remove_dir_all(&half).map_err(Error::io("remove", &half))?;
        }
        make_private(&half, self.account)?;
        let file = self.place.join("password.new");
        write_private(&file, password)?;
        give(&file, self.account)?;
        info!(place = %self.place.display(), version = %binaries.version, "making the database cluster");
        let output = command(&binaries.initdb, self.account)
            .arg("-D")
            .arg(&half)
            .arg("--pwfile")
            .arg(&file)
            // Byte order, as everything else in the engine compares names; it does not depend on the machine's locales.
            .args(["--username", USER, "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"])
            .output()
            .map_err(Error::io("run", &binaries.initdb));
        // The password must not stay, whatever came of it.
        let removed = fs::remove_file(&file).map_err(Error::io("remove", &file));
        let output = output?;
        removed?;
        if !output.status.success() {
            let said = [output.stdout, output.stderr].concat();
            return Err(Error::Initdb {
                place: self.place.clone(),
                output: String::from_utf8_lossy(&said).trim().to_owned(),
            });
        }
        fs::rename(&half, &data).map_err(Error::io("rename", &half))?;
        sync_folder(&self.place)
    }

    /// The folder of the socket: inside the cluster where the path is short enough, else a new one under the system's
    /// folder for temporary files.
    pub(crate) fn socket_folder(&self) -> Result<PathBuf, Error> {
        if let Some(old) = self.record.as_ref().and_then(|r| r.socket.as_ref()) {
            // Left behind by a run that was killed; a reboot may have removed it.
            let _ = fs::remove_dir_all(old);
        }
        let inside = self.place.join("socket");
        if inside.as_os_str().len() <= SOCKET_FOLDER_BYTES_MAX {
            make_private(&inside, self.account)?;
            return Ok(inside);
        }
        let outside = PathBuf::from(format!("/tmp/granary-{:016x}", rand::rng().random::<u64>()));
        // Fails where it exists: nobody can have put a link there.
        fs::DirBuilder::new().mode(0o700).create(&outside).map_err(Error::io("create", &outside))?;
        give(&outside, self.account)?;
        Ok(outside)
    }

    /// Writes down what the next start needs to know.
    pub(crate) fn save(&mut self, major: u32, port: u16, socket: &Path) -> Result<(), Error> {
        let place = self.place.strip_prefix(&self.data_dir).unwrap_or(&self.place).to_owned();
        let socket = (!socket.starts_with(&self.place)).then(|| socket.to_owned());
        let record = Record { format: FORMAT, place, major, port, socket };
        let path = record_path(&self.data_dir);
        let text = serde_json::to_string_pretty(&record)
            .map_err(|e| Error::Record { path: path.clone(), why: e.to_string() })?;
        write_private(&path, &text)?;
        self.record = Some(record);
        Ok(())
    }
}

/// One engine at a time. The lock ends with the process, however it ends.
fn lock(data_dir: &Path) -> Result<File, Error> {
    let path = data_dir.join("postgres.lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(Error::io("open", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(e) if e == rustix::io::Errno::WOULDBLOCK => Err(Error::InUse(data_dir.to_owned())),
        Err(e) => Err(Error::io("lock", &path)(e.into())),
    }
}

fn record_path(data_dir: &Path) -> PathBuf {
    data_dir.join("postgres.json")
}

fn read_record(data_dir: &Path) -> Result<Option<Record>, Error> {
    let path = record_path(data_dir);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("read", &path)(e)),
    };
    let record: Record =
        serde_json::from_str(&text).map_err(|e| Error::Record { path: path.clone(), why: e.to_string() })?;
    if record.format != FORMAT {
        let why = format!("it has format {}, this release knows {FORMAT}", record.format);
        return Err(Error::Record { path, why });
    }
    Ok(Some(record))
}

/// Where a new cluster goes: into the data directory, unless the server's account can not get there.
fn new_place(data_dir: &Path, account: Option<Account>) -> Result<PathBuf, Error> {
    let inside = data_dir.join("postgres");
    let Some(account) = account else { return Ok(inside) };
    if account.reaches(data_dir) {
        return Ok(inside);
    }
    let place = outside(account)?.join(format!("cluster-{:016x}", rand::rng().random::<u64>()));
    info!(place = %place.display(), "the data directory is closed to the server's account, its cluster goes elsewhere");
    Ok(place)
}

/// A folder that only the server's account (and root) can enter.
fn make_private(path: &Path, account: Option<Account>) -> Result<(), Error> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(Error::io("create", path)(e)),
    }
    give(path, account)
}

/// Replaces a file that only its owner can read, whole or not at all.
fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    let new = path.with_extension("tmp");
    let write = || -> std::io::Result<()> {
        // A file that was left by an interrupted try may have another mode.
        if new.exists() {
            fs::remove_file(&new)?;
        }
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(Error::io("write", path))?;
    path.parent().map_or(Ok(()), sync_folder)
}

fn sync_folder(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|f| f.sync_all()).map_err(Error::io("sync", path))
}
