//! The contract of a log. Every implementation passes the same suite, `contract_tests`.
//!
//! ```text
//!   start                     end
//!     v                        v
//!  ...[ 7 ][ 8 ][ 9 ] ... [ 41 ][ 42: next to be written ]
//!     readable, durable         not yet there
//! ```

use std::collections::HashMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::message::Message;
use crate::signal::Watcher;

/// What a topic is made with. The number of partitions is fixed for its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicSpec {
    /// Number of partitions, at least 1.
    pub partitions: u32,
    /// Records older than this many milliseconds may be dropped once every registered cursor has passed them.
    /// `None` keeps them for ever.
    pub retention_ms: Option<u64>,
    /// Copies that a cluster keeps; `None` leaves it to the cluster. A log on one machine keeps one, whatever is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<u32>,
}

impl TopicSpec {
    /// So many partitions, kept for ever.
    #[must_use]
    pub const fn of(partitions: u32) -> Self {
        Self { partitions, retention_ms: None, replication: None }
    }
}

/// Messages for one partition of one topic. They get consecutive offsets, in order.
#[derive(Debug, Clone)]
pub struct Append {
    /// Topic name.
    pub topic: String,
    /// Partition, from 0.
    pub partition: u32,
    /// The messages; at least one.
    pub messages: Vec<Message>,
}

/// Offsets `start..end` of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetRange {
    /// Topic name.
    pub topic: String,
    /// Partition, from 0.
    pub partition: u32,
    /// First offset.
    pub start: u64,
    /// One past the last offset.
    pub end: u64,
}

/// A message and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Offset in its partition.
    pub offset: u64,
    /// The message.
    pub message: Message,
}

/// First offset still there, and the next one to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// First offset that can be read.
    pub start: u64,
    /// One past the last durable record.
    pub end: u64,
}

/// How much one read returns. At least one record is returned whenever there is one, whatever its size.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimit {
    /// At most this many records.
    pub records: usize,
    /// Stop after this many bytes of payload.
    pub bytes: usize,
}

/// Figures that `/metrics` and `/ready` show.
#[derive(Debug, Clone, Copy, Default)]
pub struct Stats {
    /// Bytes that the log takes on its disk.
    pub disk_used_bytes: u64,
    /// Bytes free on that disk (or left of the bound set for the log, whichever is less).
    pub disk_free_bytes: u64,
    /// Places that were found damaged when the log was opened.
    pub damaged_places: u64,
    /// Records that are lost and were accepted as such.
    pub lost_records: u64,
}

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The topic is not there.
    #[error("topic '{0}' does not exist")]
    NoTopic(String),
    /// The partition is beyond the topic's count.
    #[error("topic '{topic}' has {partitions} partitions, so there is no partition {partition}")]
    NoPartition {
        /// Topic name.
        topic: String,
        /// Partition asked for.
        partition: u32,
        /// Partitions there are.
        partitions: u32,
    },
    /// A topic of that name exists with another specification.
    #[error("topic '{0}' exists with another number of partitions or retention")]
    TopicExists(String),
    /// The offset was trimmed.
    #[error(
        "offset {asked} of topic '{topic}' partition {partition} is gone; the first one still there is {start}"
    )]
    Trimmed {
        /// Topic name.
        topic: String,
        /// Partition.
        partition: u32,
        /// Offset asked for.
        asked: u64,
        /// First offset still there.
        start: u64,
    },
    /// One record is larger than the log takes. Nothing was appended.
    #[error("a record of {bytes} bytes is larger than the limit of {limit} bytes")]
    RecordTooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The queue of appends is full, or the disk is: nothing was appended, try again later.
    #[error("the log takes no appends now: {reason}")]
    Busy {
        /// Why.
        reason: String,
    },
    /// The servers that keep the log did not answer in time. Whether the appends in flight are stored is not known; try
    /// again later.
    #[error("the log does not answer: {reason}")]
    Unreachable {
        /// Address and last error.
        reason: String,
    },
    /// The log has failed for good (a write or sync failed); the process has to be restarted. Whether the appends in
    /// flight are stored is not known.
    #[error("the log has failed and needs a restart: {reason}")]
    Failed {
        /// Why.
        reason: String,
    },
    /// Records that were acknowledged cannot be read any more. Others can.
    #[error("the log is damaged: {what}")]
    Corrupt {
        /// File, position and what was found there.
        what: String,
    },
    /// The operating system said no.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
}

/// A durable log of topics and partitions.
///
/// All methods may be called at once from any task. Dropping a future before it is ready may or may not have its
/// effect, except that what was acknowledged stays.
#[async_trait]
pub trait StreamLog: Send + Sync + 'static {
    /// The random identity of this log, made with it. Cursors name it, so that they are never applied to another log.
    ///
    /// A log on other machines may be opened before they can be reached: its identity is nil until [`StreamLog::reached`].
    fn id(&self) -> Uuid;

    /// Returns when the log was reached for the first time since it was opened. The identity and the topics are known from
    /// then on.
    async fn reached(&self) {}

    /// Whether one append may be stored more than once (an answer that never came, and a second try). Readers of records
    /// that no stage has made then drop what they have seen, by [`crate::message::Producer`]; among the records of one
    /// producer in one partition the sequence grows with the offset, except for repeats.
    fn may_repeat(&self) -> bool {
        false
    }

    /// Makes a topic. After `Ok` it survives a crash. Asking again with the same specification is `Ok`; with another
    /// one [`Error::TopicExists`].
    async fn create_topic(&self, topic: &str, spec: TopicSpec) -> Result<(), Error>;

    /// Removes a topic with all its records; a later topic of that name starts at offset 0 again. `Ok` where there is
    /// none.
    async fn delete_topic(&self, topic: &str) -> Result<(), Error>;

    /// The topics there are.
    fn topics(&self) -> HashMap<String, TopicSpec>;

    /// What a topic is called where other programs can see it; `None` where none can.
    fn stored_as(&self, _topic: &str) -> Option<String> {
        None
    }

    /// Appends all batches. After `Ok` every message is durable: it survives a crash of the process and a power cut,
    /// and a reader sees it. Each batch gets consecutive offsets; batches of one call may lie between those of
    /// others. On an error none of them is acknowledged, but some may be found by readers after a restart.
    async fn append(&self, batches: Vec<Append>) -> Result<Vec<OffsetRange>, Error>;

    /// Records from offset `from` on, in offset order, at once. Only durable records are ever returned.
    ///
    /// Offsets are missing only where records are lost and somebody has accepted that; an empty answer means that there is
    /// none at or behind `from` (of a log that [`StreamLog::may_repeat`]: none that can be read yet). Where records are damaged and their loss is not accepted, those before them are
    /// returned, and [`Error::Corrupt`] when `from` is the first of them: nobody passes them unknowingly.
    async fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Record>, Error>;

    /// The bounds of a partition. They include everything that was acknowledged before the call.
    async fn bounds(&self, topic: &str, partition: u32) -> Result<Bounds, Error>;

    /// The first offset whose append time is at or after `time_ms`, or the end.
    async fn offset_at(&self, topic: &str, partition: u32, time_ms: u64) -> Result<u64, Error>;

    /// Hears whenever any partition of the topic has grown.
    fn watch(&self, topic: &str) -> Result<Watcher, Error>;

    /// Allows records of that partition before the offset to be dropped. They may be dropped later or never; after
    /// that, reading them gives [`Error::Trimmed`].
    async fn trim(&self, topic: &str, partition: u32, before: u64) -> Result<(), Error>;

    /// Figures for metrics.
    fn stats(&self) -> Stats;

    /// Why the log cannot take appends, or `Ok`.
    fn health(&self) -> Result<(), Error>;

    /// Finishes what was accepted, refuses the rest and releases the files.
    async fn close(&self);
}
