//! The log: the contract, on a cluster.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;
use granary_stream::log::Stats;
use granary_stream::{
    Append, Bounds, Error, Message, OffsetRange, ReadLimit, Record, StreamLog, TopicSpec, Watcher, record,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::{info, warn};
use uuid::Uuid;

use crate::address::Address;
use crate::cache::Cache;
use crate::catalog::{self, Catalog, Decision, Topic};
use crate::cluster::Cluster;
use crate::reader::Reader;
use crate::tail::{Tail, Watched};
use crate::writer::Writer;

/// Between two tries to reach a cluster.
const RETRY: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Bounds of a log on Fluvio.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes of appends that may wait to be stored, 64 MiB unless told. Beyond that `Busy`.
    pub queue_bytes_max: usize,
    /// Bytes of the records read and stored last that are kept for readers, 32 MiB unless told.
    pub cache_bytes_max: usize,
    /// The largest record, 16 MiB unless told. Larger ones give `RecordTooLarge`.
    pub record_bytes_max: usize,
    /// How long an append may take, with all that is tried again; 15 s unless told. Then `Unreachable`.
    pub append_patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue_bytes_max: 64 << 20,
            cache_bytes_max: 32 << 20,
            record_bytes_max: 16 << 20,
            append_patience: Duration::from_secs(15),
        }
    }
}

struct Inner {
    cluster: Arc<Cluster>,
    options: Options,
    catalog: RwLock<Catalog>,
    /// Held while the catalog is read up to its end, and while an entry is added.
    reading: tokio::sync::Mutex<()>,
    writer: Writer,
    tail: Arc<Tail>,
    reader: Reader,
    cache: Arc<Cache>,
    reached: watch::Sender<bool>,
    closed: std::sync::atomic::AtomicBool,
}

/// A log on a Fluvio cluster.
pub struct FluvioLog {
    inner: Arc<Inner>,
    tasks: Vec<JoinHandle<()>>,
    writing: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Drop for FluvioLog {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        if let Some(task) = self.writing.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

impl FluvioLog {
    /// Opens the log on a cluster, which need not be reachable yet: see [`StreamLog::reached`]. Has to be called within a
    /// tokio runtime.
    #[must_use]
    pub fn open(address: Address, options: Options) -> Self {
        let cluster = Arc::new(Cluster::new(address));
        let cache = Arc::new(Cache::new(options.cache_bytes_max));
        let (writer, writing) =
            Writer::new(Arc::clone(&cluster), Arc::clone(&cache), options.queue_bytes_max);
        let tail = Arc::new(Tail::new(Arc::clone(&cluster)));
        let inner = Arc::new(Inner {
            catalog: RwLock::new(Catalog::new(&cluster.address().prefix)),
            reading: tokio::sync::Mutex::default(),
            reader: Reader::new(Arc::clone(&cluster), Arc::clone(&cache)),
            cache,
            reached: watch::Sender::new(false),
            closed: false.into(),
            cluster,
            options,
            writer,
            tail: Arc::clone(&tail),
        });
        let follower = Arc::clone(&inner);
        let tasks = vec![
            tokio::spawn(async move { tail.run().await }),
            tokio::spawn(async move { follower.follow().await }),
        ];
        Self { inner, tasks, writing: std::sync::Mutex::new(Some(tokio::spawn(writing))) }
    }
}

impl Inner {
    fn catalog(&self) -> RwLockReadGuard<'_, Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn catalog_mut(&self) -> RwLockWriteGuard<'_, Catalog> {
        self.catalog.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_closed(&self) -> bool {
        self.closed.load(std::sync::atomic::Ordering::Acquire)
    }

    /// The catalog as a topic.
    fn catalog_topic(&self) -> Topic {
        let name: Arc<str> = self.catalog().topic().into();
        let spec = TopicSpec::of(1);
        Topic { physical: Arc::clone(&name), name, spec, serial: 0, trimmed: vec![0] }
    }

    /// Reaches the cluster, then keeps up with what others decide.
    async fn follow(&self) {
        let mut wait = RETRY;
        while let Err(error) = self.found().await {
            warn!(%error, "the log is not reached yet");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
        info!(cluster = %self.cluster.address(), log = ?self.catalog().id, topics = self.catalog().topics.len(), "the log is reached");
        let topic = self.catalog_topic();
        let mut growth = self.tail.watch(&topic.physical, topic.spec).grown.watch();
        self.reached.send_replace(true);
        loop {
            if let Err(error) = self.catch_up().await {
                warn!(%error, "the catalog of topics cannot be read now");
                tokio::time::sleep(RETRY).await;
                continue;
            }
            growth.changed().await;
        }
    }

    async fn found(&self) -> Result<(), Error> {
        let topic = self.catalog_topic();
        self.cluster.ensure(&topic.physical, topic.spec).await?;
        self.catch_up().await?;
        if self.catalog().id.is_none() {
            let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
            self.decide(Decision::Log { id }).await?;
        }
        Ok(())
    }

    /// Takes into account all entries of the catalog that there are now.
    async fn catch_up(&self) -> Result<(), Error> {
        let _reading = self.reading.lock().await;
        self.catch_up_locked().await
    }

    async fn catch_up_locked(&self) -> Result<(), Error> {
        let topic = self.catalog_topic();
        let end = self.cluster.bounds(&topic.physical, 0).await?.end;
        loop {
            let next = self.catalog().next;
            let all = self.cluster.keeps_one_copy(topic.spec);
            if next >= end && !all {
                return Ok(());
            }
            let limit = ReadLimit { records: 1_000, bytes: usize::MAX };
            let entries = self.reader.read(&topic, 0, next, end, limit).await?;
            if entries.is_empty() {
                let reason = format!("'{}' ends before its end", topic.physical);
                return if next >= end { Ok(()) } else { Err(Error::Unreachable { reason }) };
            }
            let before = self.catalog().topics.clone();
            for Record { offset, message } in entries {
                let decision = catalog::read(&message.payload).map_err(|why| Error::Corrupt {
                    what: format!("entry {offset} of the catalog of topics '{}' {why}", topic.physical),
                })?;
                self.catalog_mut().apply(offset, decision);
            }
            let after = self.catalog().topics.clone();
            for (name, topic) in before {
                if after.get(&name).is_none_or(|now| now.serial != topic.serial) {
                    self.writer.forget(&topic.physical);
                    self.cache.forget(&topic.physical);
                    self.tail.forget(&topic.physical);
                }
            }
        }
    }

    /// Adds an entry to the catalog, and takes everything up to it into account. Which of two decisions counts is seen then.
    async fn decide(&self, decision: Decision) -> Result<(), Error> {
        let _reading = self.reading.lock().await;
        let topic = self.catalog_topic();
        let message = Message::of(catalog::write(decision));
        let deadline = Instant::now() + self.options.append_patience;
        let stored = self.writer.put(&topic.physical, 0, vec![message], deadline)?;
        stored.await.map_err(|_| closed())??;
        self.catch_up_locked().await
    }

    fn check_reached(&self) -> Result<(), Error> {
        if self.is_closed() {
            return Err(closed());
        }
        if *self.reached.borrow() {
            return Ok(());
        }
        let known = self.cluster.any_trouble();
        Err(Error::Unreachable {
            reason: known.unwrap_or_else(|| {
                format!("the Fluvio cluster at {} was not reached yet", self.cluster.address())
            }),
        })
    }

    fn known_topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.catalog().topics.get(name).cloned()
    }

    /// A topic; another engine may just have made it.
    async fn topic(&self, name: &str) -> Result<Arc<Topic>, Error> {
        if let Some(topic) = self.known_topic(name) {
            return Ok(topic);
        }
        self.check_reached()?;
        self.catch_up().await?;
        self.known_topic(name).ok_or_else(|| Error::NoTopic(name.to_owned()))
    }

    async fn place(&self, name: &str, partition: u32) -> Result<Arc<Topic>, Error> {
        let topic = self.topic(name).await?;
        let partitions = topic.spec.partitions;
        if partition >= partitions {
            return Err(Error::NoPartition { topic: name.to_owned(), partition, partitions });
        }
        Ok(topic)
    }

    /// What the tail knows of a topic, which it looks at from now on; `None` where the topic is gone.
    fn watched(&self, topic: &Topic) -> Option<Arc<Watched>> {
        // Held meanwhile: a topic that goes is forgotten by the tail after it has left the catalog.
        let catalog = self.catalog();
        let there = catalog.topics.get(&*topic.name).is_some_and(|now| now.serial == topic.serial);
        there.then(|| self.tail.watch(&topic.physical, topic.spec))
    }

    /// The bounds of a partition as they were known last.
    async fn bounds_of(&self, topic: &Topic, partition: u32) -> Result<Bounds, Error> {
        match self.watched(topic).and_then(|watched| watched.bounds(partition)) {
            Some(known) => Ok(untrimmed(topic, partition, known)),
            None => self.ask_bounds(topic, partition).await,
        }
    }

    /// The bounds of a partition as its leader tells them now.
    async fn ask_bounds(&self, topic: &Topic, partition: u32) -> Result<Bounds, Error> {
        let watched = self.watched(topic);
        let asked = watched.as_ref().map_or(0, |watched| watched.end(partition));
        let told = self.cluster.bounds(&topic.physical, partition).await?;
        if let Some(watched) = watched
            && watched.hear(partition, told, asked)
        {
            watched.grown.raise();
        }
        Ok(untrimmed(topic, partition, told))
    }
}

/// Bounds without what was trimmed, which the cluster may keep a while longer.
fn untrimmed(topic: &Topic, partition: u32, told: Bounds) -> Bounds {
    let trimmed = topic.trimmed.get(partition as usize).copied().unwrap_or(0);
    Bounds { start: told.start.max(trimmed).min(told.end), ..told }
}

fn closed() -> Error {
    Error::Busy { reason: "the log is closed".to_owned() }
}

#[async_trait]
impl StreamLog for FluvioLog {
    fn id(&self) -> Uuid {
        self.inner.catalog().id.unwrap_or_default()
    }

    async fn reached(&self) {
        // An error would mean that the log is gone, and nobody could wait for it then.
        let _ = self.inner.reached.subscribe().wait_for(|reached| *reached).await;
    }

    fn may_repeat(&self) -> bool {
        true
    }

    async fn create_topic(&self, topic: &str, spec: TopicSpec) -> Result<(), Error> {
        let inner = &*self.inner;
        inner.check_reached()?;
        if spec.partitions == 0 {
            return Err(Error::Io {
                what: format!("could not make topic '{topic}'"),
                source: std::io::Error::new(
                    std::io::ErrorKind::InvalidInput,
                    "a topic has at least one partition",
                ),
            });
        }
        inner.catch_up().await?;
        let ours = inner.known_topic(topic).is_none();
        if ours {
            inner.cluster.check(spec).await?;
            inner.decide(Decision::Create { name: topic.to_owned(), spec }).await?;
        }
        let found = inner.known_topic(topic).ok_or_else(|| Error::NoTopic(topic.to_owned()))?;
        if found.spec != spec {
            return Err(Error::TopicExists(topic.to_owned()));
        }
        match inner.cluster.ensure(&found.physical, spec).await {
            // What the cluster will never take must not stay in the catalog.
            Err(error @ Error::Io { .. }) if ours => {
                inner.decide(Decision::Delete { name: topic.to_owned(), serial: found.serial }).await?;
                Err(error)
            }
            outcome => outcome,
        }
    }

    async fn delete_topic(&self, topic: &str) -> Result<(), Error> {
        let inner = &*self.inner;
        inner.check_reached()?;
        inner.catch_up().await?;
        let Some(found) = inner.known_topic(topic) else { return Ok(()) };
        inner.decide(Decision::Delete { name: topic.to_owned(), serial: found.serial }).await?;
        if let Err(error) = inner.cluster.remove(&found.physical).await {
            warn!(%error, topic = &*found.physical, "the topic is gone, and its records still take room on the cluster");
        }
        Ok(())
    }

    fn topics(&self) -> HashMap<String, TopicSpec> {
        self.inner.catalog().topics.iter().map(|(name, topic)| (name.clone(), topic.spec)).collect()
    }

    fn stored_as(&self, topic: &str) -> Option<String> {
        self.inner.known_topic(topic).map(|topic| topic.physical.to_string())
    }

    async fn append(&self, batches: Vec<Append>) -> Result<Vec<OffsetRange>, Error> {
        let inner = &*self.inner;
        inner.check_reached()?;
        let mut topics = Vec::with_capacity(batches.len());
        for Append { topic, partition, messages } in &batches {
            topics.push(inner.place(topic, *partition).await?);
            let limit = inner.options.record_bytes_max;
            if let Some(bytes) = messages.iter().map(record::size_bound).find(|bytes| *bytes > limit) {
                return Err(Error::RecordTooLarge { bytes, limit });
            }
        }
        let deadline = Instant::now() + inner.options.append_patience;
        let mut waiting = Vec::with_capacity(batches.len());
        for (Append { topic: name, partition, messages }, topic) in batches.into_iter().zip(topics) {
            let stored = if messages.is_empty() {
                None
            } else {
                Some(inner.writer.put(&topic.physical, partition, messages, deadline)?)
            };
            waiting.push((name, topic, partition, stored));
        }
        let mut ranges = Vec::with_capacity(waiting.len());
        for (name, topic, partition, stored) in waiting {
            let (start, end) = match stored {
                None => {
                    let end = inner.ask_bounds(&topic, partition).await?.end;
                    (end, end)
                }
                Some(stored) => {
                    let stored = tokio::time::timeout_at(deadline + RETRY, stored).await.map_err(|_| {
                        Error::Unreachable {
                            reason: inner
                                .cluster
                                .any_trouble()
                                .unwrap_or_else(|| "not stored in time".to_owned()),
                        }
                    })?;
                    let stored = stored.map_err(|_| closed())??;
                    inner.tail.acknowledged(&topic.physical, partition, stored.end);
                    (stored.start, stored.end)
                }
            };
            ranges.push(OffsetRange { topic: name, partition, start, end });
        }
        Ok(ranges)
    }

    async fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Record>, Error> {
        let inner = &*self.inner;
        let found = inner.place(topic, partition).await?;
        let mut bounds = inner.bounds_of(&found, partition).await?;
        if from >= bounds.end && !inner.cluster.keeps_one_copy(found.spec) {
            // Another process may have written since, and what it has committed is wanted at once. Of one copy everything is
            // read that there is, whatever its end is known to be.
            bounds = inner.ask_bounds(&found, partition).await?;
        }
        if from < bounds.start {
            return Err(Error::Trimmed {
                topic: topic.to_owned(),
                partition,
                asked: from,
                start: bounds.start,
            });
        }
        inner.reader.read(&found, partition, from, bounds.end, limit).await
    }

    async fn bounds(&self, topic: &str, partition: u32) -> Result<Bounds, Error> {
        let found = self.inner.place(topic, partition).await?;
        self.inner.ask_bounds(&found, partition).await
    }

    /// Exact where the clocks of those who append agree.
    async fn offset_at(&self, topic: &str, partition: u32, time_ms: u64) -> Result<u64, Error> {
        let found = self.inner.place(topic, partition).await?;
        let Bounds { start, end } = self.inner.ask_bounds(&found, partition).await?;
        let (mut low, mut high) = (start, end);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.inner.reader.time_at(&found, partition, middle).await {
                Ok(Some(time)) if time < time_ms => low = middle + 1,
                Ok(Some(_)) => high = middle,
                Ok(None) => return Ok(end),
                Err(Error::Trimmed { start, .. }) => low = start.min(high),
                Err(error) => return Err(error),
            }
        }
        Ok(low)
    }

    fn watch(&self, topic: &str) -> Result<Watcher, Error> {
        let found = self.inner.known_topic(topic).ok_or_else(|| Error::NoTopic(topic.to_owned()))?;
        Ok(self.inner.tail.watch(&found.physical, found.spec).grown.watch())
    }

    async fn trim(&self, topic: &str, partition: u32, before: u64) -> Result<(), Error> {
        let found = self.inner.place(topic, partition).await?;
        let bounds = self.inner.ask_bounds(&found, partition).await?;
        let before = before.min(bounds.end);
        if before <= bounds.start {
            return Ok(());
        }
        self.inner
            .decide(Decision::Trim { name: topic.to_owned(), serial: found.serial, partition, before })
            .await
    }

    fn stats(&self) -> Stats {
        Stats { disk_free_bytes: u64::MAX, ..Stats::default() }
    }

    fn health(&self) -> Result<(), Error> {
        self.inner.check_reached()?;
        self.inner.cluster.spu_trouble().map_or(Ok(()), |reason| Err(Error::Unreachable { reason }))
    }

    async fn close(&self) {
        self.inner.closed.store(true, std::sync::atomic::Ordering::Release);
        self.inner.writer.close();
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writing) = writing {
            // It ends when everything that was taken is stored or given up.
            let _ = writing.await;
        }
        for task in &self.tasks {
            task.abort();
        }
    }
}
