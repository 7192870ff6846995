//! Bugs that are planted to see that they are found.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use granary_stream::embedded::EmbeddedLog;
use granary_stream::log::Stats;
use granary_stream::{Append, Bounds, Error, OffsetRange, ReadLimit, Record, StreamLog, TopicSpec, Watcher};
use uuid::Uuid;

/// A mistake that somebody could make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The disk is told to sync and does nothing.
    DroppedSync,
    /// A stage commits its cursor while its outputs are still on their way to the disk.
    CommitBeforeAppend,
    /// Whoever commits is not asked for the epoch.
    MissingEpochCheck,
    /// A reader passes over outputs without asking whether somebody is about to commit them.
    HastyReader,
    /// An engine reads which offsets count while transactions of the one before it may be under way.
    UnfencedStart,
}

impl Bug {
    pub(crate) const ALL: [Self; 5] = [
        Self::DroppedSync,
        Self::CommitBeforeAppend,
        Self::MissingEpochCheck,
        Self::HastyReader,
        Self::UnfencedStart,
    ];

    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DroppedSync => "dropped-sync",
            Self::CommitBeforeAppend => "commit-before-append",
            Self::MissingEpochCheck => "missing-epoch-check",
            Self::HastyReader => "hasty-reader",
            Self::UnfencedStart => "unfenced-start",
        }
    }
}

/// A log that answers appends of stages before they are durable.
pub(crate) struct Hasty {
    log: Arc<EmbeddedLog>,
}

impl Hasty {
    pub(crate) fn of(log: Arc<EmbeddedLog>) -> Self {
        Self { log }
    }
}

#[async_trait]
impl StreamLog for Hasty {
    fn id(&self) -> Uuid {
        self.log.id()
    }

    async fn create_topic(&self, topic: &str, spec: TopicSpec) -> Result<(), Error> {
        self.log.create_topic(topic, spec).await
    }

    async fn delete_topic(&self, topic: &str) -> Result<(), Error> {
        self.log.delete_topic(topic).await
    }

    fn topics(&self) -> HashMap<String, TopicSpec> {
        self.log.topics()
    }

    async fn append(&self, batches: Vec<Append>) -> Result<Vec<OffsetRange>, Error> {
        let mut ranges = Vec::new();
        for Append { topic, partition, messages } in &batches {
            let start = self.log.bounds(topic, *partition).await?.end;
            let end = start + messages.len() as u64;
            ranges.push(OffsetRange { topic: topic.clone(), partition: *partition, start, end });
        }
        let log = self.log.clone();
        tokio::spawn(async move { log.append(batches).await });
        Ok(ranges)
    }

    async fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Record>, Error> {
        self.log.read(topic, partition, from, limit).await
    }

    async fn bounds(&self, topic: &str, partition: u32) -> Result<Bounds, Error> {
        self.log.bounds(topic, partition).await
    }

    async fn offset_at(&self, topic: &str, partition: u32, time_ms: u64) -> Result<u64, Error> {
        self.log.offset_at(topic, partition, time_ms).await
    }

    fn watch(&self, topic: &str) -> Result<Watcher, Error> {
        self.log.watch(topic)
    }

    async fn trim(&self, topic: &str, partition: u32, before: u64) -> Result<(), Error> {
        self.log.trim(topic, partition, before).await
    }

    fn stats(&self) -> Stats {
        self.log.stats()
    }

    fn health(&self) -> Result<(), Error> {
        self.log.health()
    }

    async fn close(&self) {
        self.log.close().await;
    }
}
