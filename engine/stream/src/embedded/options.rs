//! What an embedded log is opened with.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::clock::{Clock, SystemClock};
use super::disk::{Disk, SystemDisk};
use super::entropy::{Entropy, SystemEntropy};

/// Least and greatest size of a log file: positions in a file are 32 bits wide.
pub(super) const FILE_BYTES: std::ops::RangeInclusive<u64> = 4 * 1024..=1024 * 1024 * 1024;

/// Sizes and bounds of a log.
#[derive(Debug, Clone)]
pub struct Options {
    /// Preallocated length of a log file, 64 MiB unless told; kept between 4 KiB and 1 GiB. Retention drops whole
    /// files.
    pub file_bytes: u64,
    /// Bytes of appends that may wait for the committer, 64 MiB unless told. Beyond that `Busy`.
    pub queue_bytes_max: usize,
    /// Bytes of the newest records that are kept in memory for readers, 32 MiB unless told.
    pub cache_bytes_max: usize,
    /// Bytes that the log files may take together; no bound unless told. Beyond that `Busy`.
    pub disk_bytes_max: Option<u64>,
    /// Bytes that the log leaves free on its disk, 64 MiB unless told. Beyond that `Busy`.
    pub disk_reserve_bytes: u64,
    /// Room that only the outputs of stages may take, none unless told. Without it a full disk also stops the stages, and what
    /// was acknowledged waits until somebody makes room. Others get `Busy` when no more than this is left.
    pub stage_room_bytes: u64,
    /// The largest record, 16 MiB unless told. Larger ones give `RecordTooLarge`.
    pub record_bytes_max: usize,
    /// The runtime that answers appends, that of the caller of `open` unless told. Best the one whose tasks append most: to
    /// wake a task of another runtime takes longer.
    pub answering: Option<Handle>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            file_bytes: 64 << 20,
            queue_bytes_max: 64 << 20,
            cache_bytes_max: 32 << 20,
            disk_bytes_max: None,
            disk_reserve_bytes: 64 << 20,
            stage_room_bytes: 0,
            record_bytes_max: 16 << 20,
            answering: None,
        }
    }
}

impl Options {
    /// The same within what the format can hold.
    pub(super) fn bounded(mut self) -> Self {
        self.file_bytes = self.file_bytes.clamp(*FILE_BYTES.start(), *FILE_BYTES.end());
        self.record_bytes_max = self.record_bytes_max.clamp(1, 256 << 20);
        self
    }
}

/// The world that a log lives in. The default is that of the operating system.
#[derive(Debug, Clone)]
pub struct World {
    /// Its disk.
    pub disk: Arc<dyn Disk>,
    /// Its clock.
    pub clock: Arc<dyn Clock>,
    /// Its chance.
    pub entropy: Arc<dyn Entropy>,
}

impl Default for World {
    fn default() -> Self {
        Self { disk: Arc::new(SystemDisk), clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
    }
}
