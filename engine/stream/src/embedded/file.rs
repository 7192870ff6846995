//! The log files of a directory: their names, handles, sizes and what the closed ones hold.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

use super::disk::{Disk, File};
use super::format::{self, Section, Seed};
use super::topic::Partition;
use crate::log::Error;

/// Handles that are kept open for readers.
const HANDLES_MAX: usize = 32;

/// What one file holds of one partition.
#[derive(Debug, Clone)]
pub(super) struct Content {
    /// The partition.
    pub(super) partition: Arc<Partition>,
    /// First offset.
    pub(super) base: u64,
    /// One past the last offset.
    pub(super) end: u64,
    /// Greatest append time.
    pub(super) time_max_ms: u64,
}

/// A file that takes no more records.
#[derive(Debug)]
pub(super) struct Closed {
    /// Its length.
    pub(super) bytes: u64,
    /// What it holds of topics that still exist.
    pub(super) contents: Vec<Content>,
}

/// A file that has taken its last group and waits for its footer.
#[derive(Debug)]
pub(super) struct Sealing {
    /// Its number.
    pub(super) number: u64,
    /// Where its frames end.
    pub(super) end: u64,
    /// Its length until then.
    pub(super) capacity: u64,
    /// What it holds.
    pub(super) contents: Vec<Content>,
}

/// All files of the log.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    disk: Arc<dyn Disk>,
    log: Uuid,
    bytes_max: Option<u64>,
    reserve_bytes: u64,
    used_bytes: AtomicU64,
    closed: Mutex<BTreeMap<u64, Closed>>,
    handles: Mutex<Vec<(u64, Arc<dyn File>)>>,
}

/// The number of a log file of that name.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log")?;
    (digits.len() == 20).then(|| digits.parse().ok()).flatten()
}

/// The name of a log file.
pub(super) fn name(number: u64) -> String {
    format!("{number:020}.log")
}

impl Files {
    /// The files of a directory, none of them known yet.
    pub(super) fn new(
        directory: &Path,
        disk: Arc<dyn Disk>,
        log: Uuid,
        bytes_max: Option<u64>,
        reserve_bytes: u64,
    ) -> Self {
        Self {
            directory: directory.to_owned(),
            disk,
            log,
            bytes_max,
            reserve_bytes,
            used_bytes: AtomicU64::new(0),
            closed: Mutex::default(),
            handles: Mutex::default(),
        }
    }

    /// The seed of the checksums of a file.
    pub(super) fn seed(&self, number: u64) -> Seed {
        Seed::of(self.log, number)
    }

    /// Where the files are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where a file is.
    pub(super) fn path(&self, number: u64) -> PathBuf {
        self.directory.join(name(number))
    }

    /// An error about a file.
    pub(super) fn error(&self, number: u64, doing: &str, source: io::Error) -> Error {
        Error::Io { what: format!("could not {doing} {}", self.path(number).display()), source }
    }

    /// Damage in a file.
    pub(super) fn corrupt(&self, number: u64, position: u64, found: &str) -> Error {
        Error::Corrupt { what: format!("{} at byte {position}: {found}", self.path(number).display()) }
    }

    /// An open handle.
    pub(super) fn handle(&self, number: u64) -> Result<Arc<dyn File>, Error> {
        let mut handles = self.handles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = handles.iter().position(|(of, _)| *of == number) {
            let found = handles.remove(at);
            let handle = found.1.clone();
            handles.push(found);
            return Ok(handle);
        }
        let handle = self.disk.open(&self.path(number)).map_err(|error| self.error(number, "open", error))?;
        if handles.len() >= HANDLES_MAX {
            handles.remove(0);
        }
        handles.push((number, handle.clone()));
        Ok(handle)
    }

    /// Whether the log may take that many bytes more, or why not.
    pub(super) fn room(&self, bytes: u64) -> Result<(), String> {
        let used = self.used();
        if let Some(max) = self.bytes_max
            && used.saturating_add(bytes) > max
        {
            return Err(format!(
                "disk full: the log takes {used} bytes, needs {bytes} more and is bounded to {max}; \
                 let the stages catch up, shorten the retention or raise the bound"
            ));
        }
        let free = self.disk.free_bytes(&self.directory).map_err(|error| {
            format!("the free space of {} cannot be read: {error}", self.directory.display())
        })?;
        if free < bytes.saturating_add(self.reserve_bytes) {
            let reserve = self.reserve_bytes;
            return Err(format!(
                "disk full: {free} bytes are free for {}, the log needs {bytes} and leaves {reserve} untouched; \
                 free some space",
                self.directory.display()
            ));
        }
        Ok(())
    }

    /// Makes a file ready: reserved, durable, full of zeros.
    pub(super) fn prepare(&self, number: u64, capacity: u64) -> Result<Arc<dyn File>, String> {
        self.room(capacity)?;
        let path = self.path(number);
        let make = || {
            let file = self.disk.create(&path)?;
            file.allocate(capacity)?;
            file.sync_all()?;
            self.disk.sync_directory(&self.directory)?;
            Ok(file)
        };
        make().inspect(|_| self.grow(capacity)).map_err(|error: io::Error| {
            // Half a file would count as used space and be found at the next start; its loss costs nothing.
            let _ = self.disk.remove(&path);
            let full =
                error.kind() == io::ErrorKind::StorageFull || error.kind() == io::ErrorKind::QuotaExceeded;
            let why = if full { "disk full: " } else { "" };
            format!("{why}no room for {capacity} bytes in {}: {error}", path.display())
        })
    }

    /// Writes the footer of a file and cuts the room that it did not need. The records are durable without it, so a
    /// failure only costs time at the next start.
    pub(super) fn seal(&self, sealing: &Sealing) -> io::Result<()> {
        let Sealing { number, end, .. } = *sealing;
        let sections: Vec<Section> = sealing
            .contents
            .iter()
            .map(|content| Section {
                topic: content.partition.topic,
                partition: content.partition.number,
                base: content.base,
                end: content.end,
                time_max_ms: content.time_max_ms,
                entries: content.partition.lookup(|index| index.of_file(number)),
            })
            .collect();
        let footer = format::encode_footer(&sections, end, self.seed(number));
        let file = self.disk.open(&self.path(number))?;
        file.write_at(&footer, end)?;
        file.set_length(end + footer.len() as u64)?;
        file.sync_all()
    }

    /// Adds a file that takes no more records.
    pub(super) fn add_closed(&self, number: u64, closed: Closed) {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner).insert(number, closed);
    }

    /// Looks at the closed files in order.
    pub(super) fn each_closed(&self, mut visit: impl FnMut(u64, &Closed)) {
        for (number, closed) in self.closed.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            visit(*number, closed);
        }
    }

    /// Removes a closed file whose records nobody needs.
    pub(super) fn drop_closed(&self, number: u64) -> Result<(), Error> {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = closed.get(&number) else { return Ok(()) };
        for content in &file.contents {
            content.partition.drop_file(number);
        }
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _)| *of != number);
        self.disk.remove(&self.path(number)).map_err(|error| self.error(number, "remove", error))?;
        if let Some(file) = closed.remove(&number) {
            self.shrink(file.bytes);
        }
        Ok(())
    }

    /// Makes removals durable.
    pub(super) fn sync_directory(&self) -> Result<(), Error> {
        self.disk.sync_directory(&self.directory).map_err(|source| Error::Io {
            what: format!("could not sync {}", self.directory.display()),
            source,
        })
    }

    /// Removes a file that was made ready and never used.
    pub(super) fn discard(&self, number: u64, capacity: u64) {
        if self.disk.remove(&self.path(number)).is_ok() {
            self.shrink(capacity);
        }
    }

    /// Counts bytes as used.
    pub(super) fn grow(&self, bytes: u64) {
        self.used_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes as free again.
    pub(super) fn shrink(&self, bytes: u64) {
        self.used_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes that the log files take.
    pub(super) fn used(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Bytes that the log may still take.
    pub(super) fn free(&self) -> u64 {
        let free = self.disk.free_bytes(&self.directory).unwrap_or(0).saturating_sub(self.reserve_bytes);
        self.bytes_max.map_or(free, |max| free.min(max.saturating_sub(self.used())))
    }

    /// Closes all handles.
    pub(super) fn close(&self) {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
