//! The committer: the one thread that writes records.
//!
//! ```text
//! callers encode --> queue --> group --> one write --> one sync --> mark --> index, end --> replies
//!                      ^ the next group gathers here meanwhile
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::answers::{Answers, Teller};
use super::blocks::Blocks;
use super::disk::File;
use super::file::{Content, Sealing};
use super::format::{FILE_HEADER_BYTES, FRAME_HEADER_BYTES, FileHeader, FrameHeader, Seed};
use super::index::Entry;
use super::keeper::Ready;
use super::mark::Place;
use super::patience::Patience;
use super::queue::{Group, Piece, Taken};
use super::shared::Shared;
use super::topic::{Partition, Topic};
use crate::log::Error;

/// A frame is closed before it grows past this, unless one record is larger.
pub(super) const FRAME_BODY_BYTES_MAX: usize = 256 * 1024;

/// Nothing to commit for this long: the mark is made durable.
const IDLE: Duration = Duration::from_millis(200);

/// The file that takes the records.
#[derive(Debug)]
pub(super) struct Active {
    /// Its number.
    pub(super) number: u64,
    /// Its handle.
    pub(super) file: Arc<dyn File>,
    /// Where the next group goes.
    pub(super) position: u64,
    /// Its preallocated length.
    pub(super) capacity: u64,
    /// What it holds so far, by topic id and partition.
    pub(super) contents: HashMap<(u32, u32), Content>,
}

impl Active {
    fn sealing(self) -> Sealing {
        let mut contents: Vec<_> = self.contents.into_values().collect();
        contents.sort_by_key(|content| (content.partition.topic, content.partition.number));
        Sealing { number: self.number, end: self.position, capacity: self.capacity, contents }
    }
}

/// A frame of the group at hand.
struct Frame {
    topic: Arc<Topic>,
    partition: Arc<Partition>,
    end: u64,
    entry: Entry,
}

/// A group as it is written.
struct Image {
    blocks: Blocks,
    frames: Vec<Frame>,
    /// The first offset of each piece.
    bases: Vec<u64>,
    records: u64,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    active: Option<Active>,
    /// The file before the active one, until the first group of the active one is durable.
    retired: Option<Active>,
    previous_end: u64,
    /// The last block of the active file, once it is known.
    blocks: Option<Blocks>,
    teller: Teller,
}

/// Fails the log when the thread ends by a panic, so that nobody waits for ever.
struct FailOnPanic<'a>(&'a Shared);

impl Drop for FailOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.fail("the committer panicked".to_owned());
        }
    }
}

impl Writer {
    /// A committer that goes on in `active`, or begins with a new file where there is none.
    pub(super) fn new(shared: Arc<Shared>, active: Option<Active>, teller: Teller) -> Self {
        Self { shared, active, retired: None, previous_end: 0, blocks: None, teller }
    }

    /// The life of the thread: until the queue is closed and empty, or the log fails.
    pub(super) fn run(mut self) {
        let shared = self.shared.clone();
        let _guard = FailOnPanic(&shared);
        let mut patience = Patience::default();
        let mut marked = false;
        loop {
            match shared.queue.take(patience.wait(), marked.then_some(IDLE)) {
                Taken::Group(group) => {
                    patience.took(group.waiters.len(), Instant::now());
                    match self.commit(group, patience.all_at_once()) {
                        Ok(Pace { in_flight, sync }) => patience.committed(in_flight, sync, Instant::now()),
                        Err(reason) => return shared.fail(reason),
                    }
                    marked = true;
                }
                taken => {
                    if !self.rest() {
                        return;
                    }
                    patience.rested();
                    marked = false;
                    if matches!(taken, Taken::Closed) {
                        return;
                    }
                }
            }
        }
    }

    /// Commits the group that waits, if there is one, in the thread of the caller; whether there was one. An error is fatal
    /// and is told to all who wait.
    #[cfg(any(test, feature = "test-util"))]
    pub(super) fn step(&mut self) -> bool {
        let shared = self.shared.clone();
        let Some(group) = shared.queue.take_waiting() else { return false };
        if let Err(reason) = self.commit(group, false) {
            shared.fail(reason);
        }
        true
    }

    /// Makes the durable-end mark durable, where nothing else is to do. Whether the log has not failed by that.
    pub(super) fn rest(&self) -> bool {
        let synced = self.shared.mark.sync();
        synced
            .map_err(|error| self.shared.fail(format!("the durable-end mark could not be synced: {error}")))
            .is_ok()
    }

    /// Commits appends together, of callers who `all_at_once` come back when they are answered, or do not. An error is fatal; its
    /// text says what happened.
    fn commit(&mut self, mut group: Group, all_at_once: bool) -> Result<Pace, String> {
        let waiters = std::mem::take(&mut group.waiters);
        let awaited = if all_at_once { waiters.len() } else { 0 };
        let bound = group.bytes() + group.pieces.len() * FRAME_HEADER_BYTES + FILE_HEADER_BYTES;
        let room = self.room(bound as u64);
        self.shared.full.store(room.is_err(), Ordering::Relaxed);
        let mut active = match room {
            Ok(active) => active,
            Err(reason) => {
                for waiter in waiters {
                    let _ = waiter.reply.send(Err(Error::Busy { reason: reason.clone() }));
                }
                return Ok(Pace { in_flight: 1, sync: Duration::ZERO });
            }
        };
        let mut sync = Duration::ZERO;
        let stored = self.blocks(&active, bound).and_then(|blocks| {
            let mut image = self.build(&active, blocks, &group);
            self.shared.queue.recycle(group);
            let started = Instant::now();
            self.teller.soon(awaited);
            self.store(&active, &mut image.blocks)?;
            sync = started.elapsed();
            Ok(image)
        });
        let image = match stored {
            Ok(image) => image,
            Err(reason) => {
                // First the failure is known, then it is told: who retries at once must find it.
                self.shared.fail(reason.clone());
                for waiter in waiters {
                    let _ = waiter.reply.send(Err(self.shared.failed()));
                }
                return Err(reason);
            }
        };
        let in_flight = waiters.len() + self.shared.queue.len();
        metrics::counter!("granary_log_appends_total").increment(image.records);
        metrics::counter!("granary_log_append_bytes_total").increment(image.blocks.group().len() as u64);
        metrics::histogram!("granary_log_sync_seconds").record(sync.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a histogram takes floats")]
        metrics::histogram!("granary_log_group_records").record(image.records as f64);
        let bases = self.publish(&mut active, image);
        self.teller.tell(Answers { waiters, bases });
        if active.position > active.capacity / 2 {
            self.shared.keeper.ask(self.shared.options.file_bytes);
        }
        self.active = Some(active);
        if let Some(retired) = self.retired.take() {
            self.shared.keeper.seal(retired.sealing());
        }
        Ok(Pace { in_flight, sync })
    }

    /// The file for a group of that size, or why there is no room.
    fn room(&mut self, bytes: u64) -> Result<Active, String> {
        if let Some(active) = self.active.take_if(|active| active.position + bytes <= active.capacity) {
            return Ok(active);
        }
        let mut ready = self.shared.keeper.obtain(&self.shared, bytes.max(self.shared.options.file_bytes))?;
        if ready.capacity < bytes {
            ready = self.enlarge(ready, bytes)?;
        }
        let Ready { number, file, capacity } = ready;
        self.blocks = None;
        self.previous_end = self.active.as_ref().map_or(0, |active| active.position);
        self.retired = self.active.take();
        Ok(Active { number, file, position: 0, capacity, contents: HashMap::new() })
    }

    /// Makes room for a group that is larger than a whole file.
    fn enlarge(&self, ready: Ready, bytes: u64) -> Result<Ready, String> {
        let more = bytes - ready.capacity;
        let room = self.shared.files.room(more).and_then(|()| {
            ready.file.allocate(bytes).and_then(|()| ready.file.sync_all()).map_err(|error| error.to_string())
        });
        if let Err(reason) = room {
            self.shared.keeper.give_back(ready);
            return Err(reason);
        }
        self.shared.files.grow(more);
        Ok(Ready { capacity: bytes, ..ready })
    }

    /// The buffer of the next group, with room for that many bytes.
    fn blocks(&mut self, active: &Active, bound: usize) -> Result<Blocks, String> {
        let mut blocks = self.blocks.take().unwrap_or_default();
        if blocks.is_new() {
            let resumed = blocks.resume(&*active.file, active.position);
            resumed.map_err(|error| {
                format!("the last block of log file {} cannot be read: {error}", active.number)
            })?;
        }
        blocks.reserve(bound);
        Ok(blocks)
    }

    fn build(&self, active: &Active, mut blocks: Blocks, group: &Group) -> Image {
        let place = |(at, piece): (usize, &Piece)| (group.topic(piece).id, piece.partition, at);
        let mut order: Vec<_> = group.pieces.iter().enumerate().map(place).collect();
        order.sort_unstable();
        if active.position == 0 {
            let made_ms = self.shared.clock.now_ms();
            let header = FileHeader { number: active.number, previous_end: self.previous_end, made_ms };
            blocks.extend(&header.encode(self.shared.id));
        }
        let seed = self.shared.files.seed(active.number);
        let bases = vec![0; group.pieces.len()];
        let mut image = Image { blocks, frames: Vec::new(), bases, records: 0 };
        let mut open: Option<Draft> = None;
        for (.., at) in order {
            let piece = &group.pieces[at];
            let body = group.records(piece);
            let topic = group.topic(piece);
            let same = open.as_ref().is_some_and(|draft| draft.is_of(topic, piece.partition));
            let fits =
                |draft: &Draft| image.blocks.group().len() - draft.begin + body.len() <= FRAME_BODY_BYTES_MAX;
            if !same || !open.as_ref().is_some_and(fits) {
                let last = open.take();
                let base = last.as_ref().filter(|_| same).map(|draft| draft.end);
                if let Some(draft) = last {
                    draft.finish(&mut image, active, seed);
                }
                open = Some(Draft::begin(&mut image.blocks, topic, piece.partition, base));
            }
            let draft = open.as_mut().expect("a frame was just begun");
            image.bases[at] = draft.end;
            image.blocks.extend(body);
            draft.end += u64::from(piece.count);
            draft.time_max_ms = draft.time_max_ms.max(piece.time_max_ms);
            image.records += u64::from(piece.count);
        }
        if let Some(draft) = open {
            draft.finish(&mut image, active, seed);
        }
        image
    }

    /// Makes the group durable.
    fn store(&self, active: &Active, blocks: &mut Blocks) -> Result<(), String> {
        let Active { number, position, capacity, .. } = *active;
        let end = Place { file: number, position: position + blocks.group().len() as u64 };
        let (bytes, position) = blocks.whole(position, capacity - position);
        let place = |doing: &str, error: std::io::Error| {
            format!(
                "{doing} of {} bytes at byte {position} of log file {number} failed: {error}",
                bytes.len()
            )
        };
        active.file.write_at(bytes, position).map_err(|error| place("the write", error))?;
        active.file.sync_data().map_err(|error| place("the sync", error))?;
        self.shared
            .mark
            .write(end)
            .map_err(|error| format!("the durable-end mark could not be written: {error}"))
    }

    /// Shows the group to readers, who find it in the cache as soon as they may know of it.
    fn publish(&mut self, active: &mut Active, mut image: Image) -> Vec<u64> {
        let position = active.position;
        let bytes = Bytes::copy_from_slice(image.blocks.group());
        active.position += bytes.len() as u64;
        self.shared.cache.push(active.number, position, bytes);
        image.blocks.next();
        self.blocks = Some(image.blocks);
        for frame in &image.frames {
            let content =
                active.contents.entry((frame.partition.topic, frame.partition.number)).or_insert_with(|| {
                    let partition = frame.partition.clone();
                    Content { partition, base: frame.entry.base, end: frame.end, time_max_ms: 0 }
                });
            content.end = frame.end;
            content.time_max_ms = content.time_max_ms.max(frame.entry.time_max_ms);
        }
        for frames in image.frames.chunk_by(|a, b| Arc::ptr_eq(&a.partition, &b.partition)) {
            let last = &frames[frames.len() - 1];
            last.partition.publish(frames.iter().map(|frame| frame.entry), last.end);
        }
        for frames in image.frames.chunk_by(|a, b| Arc::ptr_eq(&a.topic, &b.topic)) {
            frames[0].topic.announce();
        }
        image.bases
    }
}

/// How it went: how many appends are in flight at once, and what a sync takes.
struct Pace {
    in_flight: usize,
    sync: Duration,
}

/// A frame that is being filled.
struct Draft {
    topic: Arc<Topic>,
    partition: Arc<Partition>,
    /// Where the body begins in the group.
    begin: usize,
    base: u64,
    end: u64,
    time_max_ms: u64,
}

impl Draft {
    /// A frame that goes on at `base`, or at the end of the partition.
    fn begin(blocks: &mut Blocks, topic: &Arc<Topic>, partition: u32, base: Option<u64>) -> Self {
        blocks.extend(&[0; FRAME_HEADER_BYTES]);
        let partition = topic.partitions()[partition as usize].clone();
        let base = base.unwrap_or_else(|| partition.bounds().end);
        Self { topic: topic.clone(), partition, begin: blocks.group().len(), base, end: base, time_max_ms: 0 }
    }

    fn is_of(&self, topic: &Arc<Topic>, partition: u32) -> bool {
        Arc::ptr_eq(&self.topic, topic) && self.partition.number == partition
    }

    fn finish(self, image: &mut Image, active: &Active, seed: Seed) {
        let narrow = |n: u64| u32::try_from(n).expect("appends are bounded so that files stay below 4 GiB");
        let body = &image.blocks.group()[self.begin..];
        let header = FrameHeader {
            body_checksum: seed.checksum(body),
            body_bytes: narrow(body.len() as u64),
            topic: self.partition.topic,
            partition: self.partition.number,
            base: self.base,
            count: narrow(self.end - self.base),
            group_start: narrow(active.position),
            time_max_ms: self.time_max_ms,
        };
        let start = self.begin - FRAME_HEADER_BYTES;
        image.blocks.group_mut()[start..self.begin].copy_from_slice(&header.encode(seed));
        let entry = Entry {
            file: active.number,
            base: self.base,
            time_max_ms: self.time_max_ms,
            position: narrow(active.position + start as u64),
            bytes: narrow((image.blocks.group().len() - start) as u64),
        };
        image.frames.push(Frame { topic: self.topic, partition: self.partition, end: self.end, entry });
    }
}
