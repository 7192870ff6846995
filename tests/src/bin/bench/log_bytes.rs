//! `log_bytes_per_payload_byte_256`: bytes that the log writes into its files, for each byte of payload and key, with 256
//! writers of one record each at a time (500 bytes of payload, 36 of key).
//!
//! Counted are the lengths of all writes into log files as the log asks its disk for them: headers, records, footers, and
//! also the bytes that are written once more since groups are written as whole blocks. So this is never less than
//! what the files grow by. The zeros that files are filled with ahead are not in it; the second figure has them, too.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use granary_stream::embedded::disk::{Disk, File, Lock, SystemDisk};
use granary_stream::embedded::{EmbeddedLog, Options, World};
use granary_stream::{StreamLog, TopicSpec};
use granary_tests::figure::{Bar, Figure, median};

use crate::{Size, disk, records, scratch};

const WRITERS: usize = 256;

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let folder = tempfile::TempDir::with_prefix_in("bytes-", scratch()?)?;
    let counts = Arc::new(Counts::default());
    let counting = Arc::new(CountingDisk { counts: Arc::clone(&counts) });
    let world = World { disk: counting, ..World::default() };
    let log: Arc<dyn StreamLog> =
        Arc::new(EmbeddedLog::open_in(&folder.path().join("log"), Options::default(), world).await?);
    log.create_topic(disk::TOPIC, TopicSpec::of(1)).await?;
    let message = records::keyed();
    let (mut written, mut filled) = (Vec::new(), Vec::new());
    for _ in 0..size.runs {
        let before = counts.now();
        let records = disk::write(&log, WRITERS, &message, size.run).await?;
        let after = counts.now();
        let content = (records * records::content_bytes(&message) as u64) as f64;
        written.push((after.0 - before.0) as f64 / content);
        filled.push((after.0 + after.1 - before.0 - before.1) as f64 / content);
    }
    log.close().await;
    Ok(vec![
        Figure {
            name: "log_bytes_per_payload_byte_256",
            value: median(&written),
            unit: "ratio",
            bar: Some(Bar::AtMost(1.2)),
        },
        Figure {
            name: "log_bytes_with_zeros_per_payload_byte_256",
            value: median(&filled),
            unit: "ratio",
            bar: None,
        },
    ])
}

/// Bytes that went into log files.
#[derive(Debug, Default)]
struct Counts {
    /// As writes of the log.
    written: AtomicU64,
    /// As zeros of files that were made ready.
    zeros: AtomicU64,
}

impl Counts {
    fn now(&self) -> (u64, u64) {
        (self.written.load(Ordering::Relaxed), self.zeros.load(Ordering::Relaxed))
    }
}

/// The disk of the operating system, with a look at what is written into log files.
#[derive(Debug)]
struct CountingDisk {
    counts: Arc<Counts>,
}

impl CountingDisk {
    fn counted(&self, path: &Path, file: Arc<dyn File>) -> Arc<dyn File> {
        // The other files are small, and what is in them does not grow with the records.
        if path.extension().is_none_or(|extension| extension != "log") {
            return file;
        }
        Arc::new(CountingFile { file, counts: Arc::clone(&self.counts) })
    }
}

impl Disk for CountingDisk {
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_directory(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.counted(path, SystemDisk.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.counted(path, SystemDisk.open(path)?))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        SystemDisk.list(directory)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        SystemDisk.sync_directory(path)
    }

    fn free_bytes(&self, directory: &Path) -> io::Result<u64> {
        SystemDisk.free_bytes(directory)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        SystemDisk.lock(path)
    }
}

#[derive(Debug)]
struct CountingFile {
    file: Arc<dyn File>,
    counts: Arc<Counts>,
}

impl File for CountingFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.file.read_at(buffer, position)
    }

    fn write_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.counts.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.write_at(bytes, position)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let before = self.file.length()?;
        self.file.allocate(length)?;
        self.counts.zeros.fetch_add(length.saturating_sub(before), Ordering::Relaxed);
        Ok(())
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.file.set_length(length)
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}
