//! Whose directory this is: the lock and the manifest.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::disk::{self, Disk, Lock};
use super::entropy::Entropy;
use super::format::FORMAT;
use crate::log::Error;

/// Name of the manifest.
pub(super) const NAME: &str = "manifest.json";
const LOCK_NAME: &str = "lock";

/// Says what made the log and in which format. Written once, when the log is made.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Version of the format of the whole directory.
    pub(super) format: u32,
    /// The random identity of the log.
    pub(super) log_id: Uuid,
    /// The release that made it.
    pub(super) created_by: String,
}

/// Only the version, which every format has.
#[derive(Deserialize)]
struct Version {
    format: u32,
    #[serde(default)]
    created_by: String,
}

/// Takes the directory for this process.
pub(super) fn lock(disk: &dyn Disk, directory: &Path) -> Result<Box<dyn Lock>, Error> {
    disk.lock(&directory.join(LOCK_NAME)).map_err(|error| {
        let what = format!("could not lock the log in {}", directory.display());
        if error.kind() != io::ErrorKind::WouldBlock {
            return Error::Io { what, source: error };
        }
        let why = "another engine uses this directory; stop it first, or choose another data directory";
        Error::Io { what, source: io::Error::new(io::ErrorKind::WouldBlock, why) }
    })
}

/// Reads the manifest, or `None` where there is none.
pub(super) fn read(disk: &dyn Disk, directory: &Path) -> Result<Option<Manifest>, Error> {
    let path = directory.join(NAME);
    let bytes = disk::read_whole(disk, &path)
        .map_err(|source| Error::Io { what: format!("could not read {}", path.display()), source })?;
    let Some(bytes) = bytes else { return Ok(None) };
    let damaged = |error: serde_json::Error| Error::Corrupt { what: format!("{}: {error}", path.display()) };
    let version: Version = serde_json::from_slice(&bytes).map_err(damaged)?;
    if version.format != FORMAT {
        let Version { format, created_by } = version;
        let why = format!(
            "it has format {format} (made by {created_by}) and this release reads format {FORMAT}; \
             use a release that knows format {format}, nothing was changed"
        );
        return Err(Error::Io {
            what: format!("could not open the log in {}", directory.display()),
            source: io::Error::new(io::ErrorKind::Unsupported, why),
        });
    }
    serde_json::from_slice(&bytes).map(Some).map_err(damaged)
}

impl Manifest {
    /// The manifest of a new log.
    pub(super) fn new(entropy: &dyn Entropy) -> Self {
        Self {
            format: FORMAT,
            log_id: uuid::Builder::from_random_bytes(entropy.random().to_le_bytes()).into_uuid(),
            created_by: format!("granary {}", env!("CARGO_PKG_VERSION")),
        }
    }

    /// Stores it.
    pub(super) fn write(&self, disk: &dyn Disk, directory: &Path) -> Result<(), Error> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("plain fields serialise");
        bytes.push(b'\n');
        disk::replace(disk, directory, NAME, &bytes).map_err(|source| Error::Io {
            what: format!("could not write {}", directory.join(NAME).display()),
            source,
        })
    }
}
