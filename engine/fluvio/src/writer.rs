//! Appends: few requests at a time to each SPU, each with everything that waits for it.
//!
//! ```text
//! append ──> queue of the partition ──> [ one batch a partition, few requests an SPU ] ──> offsets
//! ```
//!
//! All records of a partition that go in one request are one batch of Fluvio's, which is stored as a whole: that is why each
//! append gets consecutive offsets. While a partition's batch is under way, nothing else of this process is sent to it. So
//! when an answer does not come, and the batch is sent again, nothing has overtaken it, and a reader can tell the repeat by
//! the sequence of its producer. What a stage has made is not sent again once it may have been stored: the stage is told, and
//! does its batch again under a new epoch, by which readers tell the first copy.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fluvio::Isolation;
use fluvio_protocol::Encoder as _;
use fluvio_protocol::link::ErrorCode;
use fluvio_protocol::record::{
    Batch, ProducerBatchHeader as _, RawRecords, Record, RecordData, RecordKey, RecordSet,
};
use fluvio_spu_schema::produce::{DefaultPartitionRequest, DefaultProduceRequest, DefaultTopicRequest};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use granary_stream::{Error, Message, Producer, clock};
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::cache::{Cache, Chunk, Place};
use crate::cluster::{Cluster, Failed, Purpose, SpuId};
use crate::{envelope, reader};

/// So many requests are under way to an SPU: with one, the stages of a chain wait for each other's; with many, the batches get
/// small.
const REQUESTS: usize = 4;
/// Bytes of values and keys after which a batch is full.
const BATCH_BYTES: usize = 4 << 20;
/// How long an SPU may wait for the replicas. After that it says so, and the batch is sent again.
const REPLICATION: Duration = Duration::from_secs(4);
/// How long it may take to answer at all.
const ANSWER: Duration = Duration::from_secs(6);
/// First wait before a batch is sent again; doubled up to the longest.
const BACK_OFF_FIRST: Duration = Duration::from_millis(50);
const BACK_OFF_MAX: Duration = Duration::from_secs(1);

/// Where the records of one append to one partition lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

type Answer = oneshot::Sender<Result<Stored, Error>>;

struct Entry {
    key: Option<Bytes>,
    value: Bytes,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.value.len() + self.key.as_ref().map_or(0, Bytes::len)
    }
}

/// The records of one append to one partition.
struct Piece {
    entries: Vec<Entry>,
    bytes: usize,
    /// A stage has made it, so it must not be stored twice.
    once: bool,
    /// When its caller gives up.
    deadline: Instant,
    answer: Answer,
}

/// What is sent to a partition as one batch.
struct Group {
    place: Place,
    pieces: Vec<Piece>,
    tries: u32,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Piece>,
    /// A batch that may have been stored, to be sent again before anything else.
    again: Option<Group>,
    under_way: bool,
    not_before: Option<Instant>,
    /// The sequence of the next record that comes from outside.
    sequence: u64,
}

struct Shared {
    cluster: Arc<Cluster>,
    cache: Arc<Cache>,
    queues: Mutex<HashMap<Place, Queue>>,
    work: Notify,
    queued: AtomicUsize,
    queue_bytes_max: usize,
    producer: u128,
    closed: std::sync::atomic::AtomicBool,
}

/// Takes appends.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Shared>);

impl Writer {
    /// A writer, and the task that does its work.
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        cache: Arc<Cache>,
        queue_bytes_max: usize,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let shared = Arc::new(Shared {
            cluster,
            cache,
            queues: Mutex::default(),
            work: Notify::new(),
            queued: AtomicUsize::new(0),
            queue_bytes_max,
            producer: rand::random(),
            closed: false.into(),
        });
        (Self(Arc::clone(&shared)), run(shared))
    }

    /// Puts messages into the queue of a partition. They are stored, in order and together, when the receiver says so.
    ///
    /// # Errors
    /// [`Error::Busy`] when the queue is full; nothing was appended then.
    pub(crate) fn put(
        &self,
        physical: &Arc<str>,
        partition: u32,
        messages: Vec<Message>,
        deadline: Instant,
    ) -> Result<oneshot::Receiver<Result<Stored, Error>>, Error> {
        let shared = &*self.0;
        if shared.closed.load(Ordering::Acquire) {
            return Err(Error::Busy { reason: "the log is closed".to_owned() });
        }
        let (answer, receiver) = oneshot::channel();
        let now = clock::now_ms();
        let once = messages.iter().any(|message| message.system.stage.is_some());
        let mut queues = shared.queues();
        let queue = queues.entry((Arc::clone(physical), partition)).or_default();
        let sequence_before = queue.sequence;
        let entries: Vec<Entry> = messages
            .into_iter()
            .map(|mut message| {
                // Under the lock, so that the sequence grows as the records do.
                if message.system.stage.is_none() && message.system.producer.is_some() {
                    message.system.producer =
                        Some(Producer { id: shared.producer, sequence: queue.sequence });
                    queue.sequence += 1;
                }
                let time_ms = if message.time_ms == 0 { now } else { message.time_ms };
                Entry { value: envelope::seal(&message, time_ms).into(), key: message.key }
            })
            .collect();
        let bytes = entries.iter().map(Entry::bytes).sum::<usize>();
        let queued = shared.queued.load(Ordering::Relaxed);
        // A single large append must not wait for ever.
        if queued > 0 && queued + bytes > shared.queue_bytes_max {
            queue.sequence = sequence_before;
            return Err(Error::Busy {
                reason: format!(
                    "{queued} bytes wait to be stored, and the queue takes {}",
                    shared.queue_bytes_max
                ),
            });
        }
        shared.queued.fetch_add(bytes, Ordering::Relaxed);
        queue.waiting.push_back(Piece { entries, bytes, once, deadline, answer });
        drop(queues);
        shared.work.notify_one();
        Ok(receiver)
    }

    /// Refuses what comes from now on. What was taken is still stored, or its callers give up.
    pub(crate) fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.work.notify_one();
    }

    /// Forgets a topic that is gone; who still waits for it hears so.
    pub(crate) fn forget(&self, physical: &str) {
        let mut queues = self.0.queues();
        let gone: Vec<Place> = queues.keys().filter(|(topic, _)| **topic == *physical).cloned().collect();
        for place in gone {
            let Some(queue) = queues.remove(&place) else { continue };
            for piece in
                queue.waiting.into_iter().chain(queue.again.into_iter().flat_map(|group| group.pieces))
            {
                self.0.finish(piece, Err(Error::NoTopic(physical.to_owned())));
            }
        }
    }
}

impl Shared {
    fn queues(&self) -> MutexGuard<'_, HashMap<Place, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn finish(&self, piece: Piece, outcome: Result<Stored, Error>) {
        self.queued.fetch_sub(piece.bytes, Ordering::Relaxed);
        // Nobody waits any more where the caller was dropped.
        let _ = piece.answer.send(outcome);
    }

    /// Fails what nobody waits for any more, of a partition whose batch is not under way.
    fn expire(&self, queue: &mut Queue, now: Instant) {
        let late = |piece: &Piece| piece.deadline <= now || piece.answer.is_closed();
        let reason = || self.cluster.any_trouble().unwrap_or_else(|| "it was not stored in time".to_owned());
        // Stays together as long as anybody waits for it: it may have been stored, and is told by its sequence.
        if queue.again.as_ref().is_some_and(|group| group.pieces.iter().all(late))
            && let Some(group) = queue.again.take()
        {
            for piece in group.pieces {
                self.finish(piece, Err(Error::Unreachable { reason: reason() }));
            }
        }
        while queue.waiting.front().is_some_and(late)
            && let Some(piece) = queue.waiting.pop_front()
        {
            self.finish(piece, Err(Error::Unreachable { reason: reason() }));
        }
    }

    /// Takes what can be sent now, by leader. `None` stands for partitions whose leader has to be found first.
    fn take(
        &self,
        under_way: &HashMap<Option<SpuId>, usize>,
        now: Instant,
    ) -> HashMap<Option<SpuId>, Vec<Group>> {
        let mut ready: HashMap<Option<SpuId>, Vec<Group>> = HashMap::new();
        for (place, queue) in self.queues().iter_mut() {
            if queue.under_way || (queue.waiting.is_empty() && queue.again.is_none()) {
                continue;
            }
            self.expire(queue, now);
            if queue.not_before.is_some_and(|at| at > now) {
                continue;
            }
            let leader = self.cluster.leader(&place.0, place.1);
            if under_way.get(&leader).is_some_and(|requests| *requests >= most(leader)) {
                continue;
            }
            let group = queue.again.take().or_else(|| gather(place, &mut queue.waiting));
            if let Some(group) = group {
                queue.under_way = true;
                ready.entry(leader).or_default().push(group);
            }
        }
        ready
    }

    /// When something that waits has to be looked at again.
    fn next_look(&self) -> Option<Instant> {
        let queues = self.queues();
        let waiting = queues.values().filter(|queue| !queue.under_way);
        waiting
            .filter_map(|queue| {
                let first = queue
                    .again
                    .as_ref()
                    .and_then(|group| group.pieces.first())
                    .or_else(|| queue.waiting.front())?;
                Some(queue.not_before.map_or(first.deadline, |at| at.min(first.deadline)))
            })
            .min()
    }

    fn stored(&self, group: Group, base: u64) {
        // Before anybody hears of it, and comes to read it.
        if self.cache.is_read(&group.place)
            && let Some(chunk) = chunk(&group, base)
        {
            self.cache.stored(group.place.clone(), chunk);
        }
        let mut start = base;
        for piece in group.pieces {
            let end = start + piece.entries.len() as u64;
            self.finish(piece, Ok(Stored { start, end }));
            start = end;
        }
        if let Some(queue) = self.queues().get_mut(&group.place) {
            queue.under_way = false;
            queue.not_before = None;
        }
    }

    /// Nobody knows whether the batch was stored. What a stage has made goes back to it, the rest is sent again.
    fn in_doubt(&self, mut group: Group, why: &str) {
        let (once, rest): (Vec<_>, Vec<_>) = group.pieces.into_iter().partition(|piece| piece.once);
        for piece in once {
            let reason = format!("{why}; whether the outputs were stored is not known");
            self.finish(piece, Err(Error::Unreachable { reason }));
        }
        group.pieces = rest;
        if group.pieces.is_empty() {
            if let Some(queue) = self.queues().get_mut(&group.place) {
                queue.under_way = false;
            }
        } else {
            self.again(group);
        }
    }

    /// The batch was not stored, or may be stored twice: it is sent again.
    fn again(&self, mut group: Group) {
        group.tries += 1;
        let wait = (BACK_OFF_FIRST * 2_u32.saturating_pow(group.tries.min(10) - 1)).min(BACK_OFF_MAX);
        metrics::counter!("granary_fluvio_resends_total").increment(1);
        let mut queues = self.queues();
        let Some(queue) = queues.get_mut(&group.place) else {
            drop(queues);
            for piece in group.pieces {
                self.finish(piece, Err(Error::NoTopic(group.place.0.to_string())));
            }
            return;
        };
        queue.under_way = false;
        queue.not_before = Some(Instant::now() + wait);
        queue.again = Some(group);
    }

    fn refused(&self, group: Group, error: impl Fn() -> Error) {
        for piece in group.pieces {
            self.finish(piece, Err(error()));
        }
        if let Some(queue) = self.queues().get_mut(&group.place) {
            queue.under_way = false;
        }
    }
}

/// The records of a batch as a fetch would bring them; `None` where one cannot be read.
fn chunk(group: &Group, base: u64) -> Option<Chunk> {
    let entries = group.pieces.iter().flat_map(|piece| &piece.entries);
    let mut chunk = Chunk { records: Vec::new(), bytes: 0, behind: None };
    for (Entry { key, value }, offset) in entries.zip(base..) {
        let message = reader::message(key.clone(), value, 0).ok()?;
        chunk.bytes += value.len() + reader::RECORD_BYTES;
        chunk.records.push(granary_stream::Record { offset, message });
    }
    Some(chunk)
}

fn gather(place: &Place, waiting: &mut VecDeque<Piece>) -> Option<Group> {
    let mut group = Group { place: place.clone(), pieces: Vec::new(), tries: 0 };
    let mut bytes = 0;
    while let Some(next) = waiting.front()
        && (group.pieces.is_empty() || bytes + next.bytes <= BATCH_BYTES)
        && let Some(piece) = waiting.pop_front()
    {
        bytes += piece.bytes;
        group.pieces.push(piece);
    }
    (!group.pieces.is_empty()).then_some(group)
}

/// How many requests may be under way: leaders are looked for one time after the other.
fn most(leader: Option<SpuId>) -> usize {
    if leader.is_some() { REQUESTS } else { 1 }
}

/// Sends what waits until the writer is closed and nothing is left.
async fn run(shared: Arc<Shared>) {
    let mut rounds: FuturesUnordered<BoxFuture<'static, Option<SpuId>>> = FuturesUnordered::new();
    let mut under_way: HashMap<Option<SpuId>, usize> = HashMap::new();
    loop {
        for (leader, groups) in shared.take(&under_way, Instant::now()) {
            *under_way.entry(leader).or_default() += 1;
            let shared = Arc::clone(&shared);
            rounds.push(Box::pin(async move {
                match leader {
                    Some(spu) => send(&shared, spu, groups).await,
                    None => find(&shared, groups).await,
                }
                leader
            }));
        }
        if rounds.is_empty()
            && shared.closed.load(Ordering::Acquire)
            && shared.queued.load(Ordering::Relaxed) == 0
        {
            return;
        }
        let next_look = shared.next_look();
        let look = async {
            match next_look {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(done) = rounds.next() => {
                if let Some(requests) = under_way.get_mut(&done) {
                    *requests -= 1;
                }
            }
            () = shared.work.notified() => {}
            () = look => {}
        }
    }
}

/// Looks for the leaders of partitions, and puts their batches back.
async fn find(shared: &Shared, groups: Vec<Group>) {
    if let Err(error) = shared.cluster.refresh().await {
        debug!(%error, "no leader found");
    }
    for group in groups {
        if shared.cluster.leader(&group.place.0, group.place.1).is_some()
            && let Some(queue) = shared.queues().get_mut(&group.place)
        {
            queue.under_way = false;
            queue.again = Some(group);
        } else {
            shared.again(group);
        }
    }
}

async fn send(shared: &Shared, spu: SpuId, groups: Vec<Group>) {
    let request = request(&groups);
    let response = match shared.cluster.call(spu, Purpose::Append, request, ANSWER).await {
        Ok(response) => response,
        Err(Failed { error, sent }) => {
            debug!(%error, spu, sent, "batches were not acknowledged");
            for group in groups {
                if sent { shared.in_doubt(group, &error.to_string()) } else { shared.again(group) }
            }
            return;
        }
    };
    let mut answers: HashMap<(String, u32), (ErrorCode, i64)> = HashMap::new();
    for topic in response.responses {
        for partition in topic.partitions {
            answers.insert(
                (topic.name.clone(), partition.partition_index),
                (partition.error_code, partition.base_offset),
            );
        }
    }
    for group in groups {
        let (physical, partition) = (group.place.0.to_string(), group.place.1);
        let answer = answers.remove(&(physical.clone(), partition));
        match answer.map(|(code, base)| (code, u64::try_from(base))) {
            Some((ErrorCode::None, Ok(base))) => shared.stored(group, base),
            Some((ErrorCode::MessageTooLarge, _)) => {
                let bytes = group.pieces.iter().map(|piece| piece.bytes).sum();
                shared.refused(group, || Error::RecordTooLarge { bytes, limit: BATCH_BYTES });
            }
            answer => {
                let code = answer.map_or_else(|| "no answer for it".to_owned(), |(code, _)| code.to_string());
                warn!(topic = physical, partition, spu, code, tries = group.tries, "not acknowledged");
                shared.cluster.forget_leader(&physical, partition);
                shared.in_doubt(group, &format!("SPU {spu} did not acknowledge: {code}"));
            }
        }
    }
}

fn request(groups: &[Group]) -> DefaultProduceRequest {
    let mut topics: Vec<DefaultTopicRequest> = Vec::new();
    for group in groups {
        let mut partition =
            DefaultPartitionRequest { partition_index: group.place.1, ..DefaultPartitionRequest::default() };
        partition.records = RecordSet { batches: vec![batch(group)] };
        match topics.iter_mut().find(|topic| topic.name == *group.place.0) {
            Some(topic) => topic.partitions.push(partition),
            None => topics.push(DefaultTopicRequest {
                name: group.place.0.to_string(),
                partitions: vec![partition],
                ..DefaultTopicRequest::default()
            }),
        }
    }
    DefaultProduceRequest {
        // Acknowledged means: on every replica that is in sync.
        isolation: Isolation::ReadCommitted,
        timeout: REPLICATION,
        topics,
        ..DefaultProduceRequest::default()
    }
}

fn batch(group: &Group) -> Batch<RawRecords> {
    let mut records = Vec::new();
    for (entry, delta) in group.pieces.iter().flat_map(|piece| &piece.entries).zip(0_i64..) {
        let key = entry.key.clone().map(RecordData::from);
        let mut record =
            Record::new_key_value(RecordKey::from_option(key), RecordData::from(entry.value.clone()));
        record.get_mut_header().set_offset_delta(delta);
        records.push(record);
    }
    let mut encoded = Vec::with_capacity(records.write_size(0));
    records.encode(&mut encoded, 0).expect("a buffer in memory takes everything");
    let mut batch = Batch::<RawRecords>::default();
    let now = i64::try_from(clock::now_ms()).unwrap_or(i64::MAX);
    let header = batch.get_mut_header();
    header.last_offset_delta = i32::try_from(records.len()).unwrap_or(i32::MAX) - 1;
    header.set_first_timestamp(now);
    header.set_max_time_stamp(now);
    *batch.mut_records() = RawRecords(encoded.into());
    batch
}
