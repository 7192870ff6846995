//! Why there is no server.

use std::io;
use std::path::{Path, PathBuf};

/// An error of the embedded server. The texts tell an operator what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No usable installation was found.
    #[error(
        "no Postgres server of version 14 or newer was found (looked at {looked}): install one (Debian and Ubuntu: \
         `apt install postgresql`, Fedora: `dnf install postgresql-server`), run `make setup`, or use a database of \
         your own with --database-url"
    )]
    NotFound {
        /// The places, and what was wrong with what was there.
        looked: String,
    },
    /// The cluster was made by another major version.
    #[error(
        "the cluster in {place} was made by Postgres {cluster}, and only version {found} is installed: install \
         Postgres {cluster} again; or move to the new version by dumping with the old one (pg_dumpall), removing the \
         cluster, and restoring"
    )]
    OtherMajor {
        /// Where the cluster is.
        place: PathBuf,
        /// Major version of the cluster.
        cluster: u32,
        /// Major versions that are installed.
        found: String,
    },
    /// Another process has this cluster.
    #[error("the embedded Postgres of {0} is in use by another engine: stop it first")]
    InUse(PathBuf),
    /// Running as root without an account to give the server.
    #[error(
        "Postgres refuses to run as root, and there is neither a user `postgres` nor `nobody`: add one, run Granary as \
         an ordinary user, or use --database-url"
    )]
    NoAccount,
    /// The recorded cluster is not there.
    #[error(
        "{record} says that the cluster is in {place}, where there is none: restore it, or remove {record} to start with an empty database"
    )]
    Missing {
        /// File that records the place.
        record: PathBuf,
        /// The place.
        place: PathBuf,
    },
    /// The record can not be understood.
    #[error("{path} can not be understood ({why}): restore it from a backup")]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// `initdb` failed.
    #[error("the cluster could not be made in {place}: {output}")]
    Initdb {
        /// Where.
        place: PathBuf,
        /// What it said.
        output: String,
    },
    /// The server ends or does not become ready.
    #[error("the Postgres server does not start: {why}; its log {log} ends with:\n{tail}")]
    Start {
        /// What was seen.
        why: String,
        /// The server's log.
        log: PathBuf,
        /// The last lines of the log.
        tail: String,
    },
    /// The server runs but refuses what it is first asked.
    #[error("the Postgres server does not answer as it should: {0}")]
    Database(String),
    /// A file or process operation failed.
    #[error("could not {what} {path}: {source}")]
    Io {
        /// What was tried, such as "create".
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: an input or output error with what was tried on which file.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}
