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

use super::disk::File;
use super::file::{Content, Sealing};
use super::format::{FILE_HEADER_BYTES, FRAME_HEADER_BYTES, FileHeader, FrameHeader, Seed};
use super::index::Entry;
use super::keeper::Ready;
use super::mark::Place;
use super::queue::{Pending, Taken};
use super::shared::Shared;
use super::topic::{Partition, Topic};
use crate::log::Error;

/// A frame is closed before it grows past this, unless one record is larger.
pub(super) const FRAME_BODY_BYTES_MAX: usize = 256 * 1024;

/// Appends go into one group up to this size, unless one is larger.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Nothing to commit for this long: the mark is made durable.
const IDLE: Duration = Duration::from_millis(200);

/// The committer never waits longer than this for more appends to share a sync.
const PATIENCE_MAX: Duration = Duration::from_millis(1);

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
struct Group {
    bytes: Vec<u8>,
    frames: Vec<Frame>,
    /// First offsets, by append and piece.
    bases: Vec<Vec<u64>>,
    records: u64,
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    active: Option<Active>,
    /// The file before the active one, until the first group of the active one is durable.
    retired: Option<Active>,
    previous_end: u64,
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
    pub(super) fn new(shared: Arc<Shared>, active: Option<Active>) -> Self {
        Self { shared, active, retired: None, previous_end: 0 }
    }

    /// The life of the thread: until the queue is closed and empty, or the log fails.
    pub(super) fn run(mut self) {
        let shared = self.shared.clone();
        let _guard = FailOnPanic(&shared);
        let (mut expected, mut patience) = (1, Duration::ZERO);
        let mut marked = false;
        loop {
            match shared.queue.take(expected, patience, GROUP_BYTES_MAX, marked.then_some(IDLE)) {
                Taken::Group(pendings) => match self.commit(pendings) {
                    Ok(Pace { inflight, sync }) => {
                        // Those who were just answered are about to append again: waiting a moment for them makes
                        // one full group of what would become two half ones.
                        (expected, patience) = (inflight, (sync / 3).min(PATIENCE_MAX));
                        marked = true;
                    }
                    Err(reason) => return shared.fail(reason),
                },
                taken => {
                    if let Err(error) = shared.mark.sync() {
                        return shared.fail(format!("the durable-end mark could not be synced: {error}"));
                    }
                    (expected, patience, marked) = (1, Duration::ZERO, false);
                    if matches!(taken, Taken::Closed) {
                        return;
                    }
                }
            }
        }
    }

    /// Commits appends together. An error is fatal; its text says what happened.
    fn commit(&mut self, pendings: Vec<Pending>) -> Result<Pace, String> {
        let bound: usize = pendings.iter().map(|p| p.bytes.len() + p.pieces.len() * FRAME_HEADER_BYTES).sum();
        let room = self.room(bound as u64 + FILE_HEADER_BYTES as u64);
        self.shared.full.store(room.is_err(), Ordering::Relaxed);
        let mut active = match room {
            Ok(active) => active,
            Err(reason) => {
                for pending in pendings {
                    let _ = pending.reply.send(Err(Error::Busy { reason: reason.clone() }));
                }
                return Ok(Pace { inflight: 1, sync: Duration::ZERO });
            }
        };
        let group = self.build(&active, &pendings, bound);
        let started = Instant::now();
        let outcome = self.store(&mut active, group.bytes.as_slice());
        let sync = started.elapsed();
        if let Err(reason) = outcome {
            // First the failure is known, then it is told: who retries at once must find it.
            self.shared.fail(reason.clone());
            for pending in pendings {
                let _ = pending.reply.send(Err(self.shared.failed()));
            }
            return Err(reason);
        }
        let inflight = pendings.len() + self.shared.queue.len();
        metrics::counter!("granary_log_appends_total").increment(group.records);
        metrics::counter!("granary_log_append_bytes_total").increment(group.bytes.len() as u64);
        metrics::histogram!("granary_log_sync_seconds").record(sync.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "a histogram takes floats")]
        metrics::histogram!("granary_log_group_records").record(group.records as f64);
        self.publish(&mut active, group, pendings);
        if active.position > active.capacity / 2 {
            self.shared.keeper.ask(self.shared.options.file_bytes);
        }
        self.active = Some(active);
        if let Some(retired) = self.retired.take() {
            self.shared.keeper.seal(retired.sealing());
        }
        Ok(Pace { inflight, sync })
    }

    /// The file for a group of that size, or why there is no room.
    fn room(&mut self, bytes: u64) -> Result<Active, String> {
        if let Some(active) = self.active.take_if(|active| active.position + bytes <= active.capacity) {
            return Ok(active);
        }
        let mut ready = self.shared.keeper.obtain(bytes.max(self.shared.options.file_bytes))?;
        if ready.capacity < bytes {
            ready = self.enlarge(ready, bytes)?;
        }
        let Ready { number, file, capacity } = ready;
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

    fn build(&self, active: &Active, pendings: &[Pending], bound: usize) -> Group {
        let mut order: Vec<(u32, u32, usize, usize)> = Vec::with_capacity(pendings.len());
        let mut bases: Vec<Vec<u64>> = Vec::with_capacity(pendings.len());
        for (at, pending) in pendings.iter().enumerate() {
            bases.push(vec![0; pending.pieces.len()]);
            let places = pending.pieces.iter().enumerate();
            order.extend(places.map(|(piece, p)| (p.partition.topic, p.partition.number, at, piece)));
        }
        order.sort_unstable();
        let mut bytes = Vec::with_capacity(bound + FILE_HEADER_BYTES);
        if active.position == 0 {
            let made_ms = self.shared.clock.now_ms();
            let header = FileHeader { number: active.number, previous_end: self.previous_end, made_ms };
            bytes.extend_from_slice(&header.encode(self.shared.id));
        }
        let seed = self.shared.files.seed(active.number);
        let mut group = Group { bytes, frames: Vec::new(), bases, records: 0 };
        let mut open: Option<Draft> = None;
        for (.., at, piece) in order {
            let records = &pendings[at].pieces[piece];
            let body = &pendings[at].bytes[records.begin..records.end];
            let fits = |draft: &Draft| {
                Arc::ptr_eq(&draft.partition, &records.partition)
                    && group.bytes.len() - draft.begin + body.len() <= FRAME_BODY_BYTES_MAX
            };
            if !open.as_ref().is_some_and(fits) {
                let same = open.as_ref().filter(|draft| Arc::ptr_eq(&draft.partition, &records.partition));
                let base = same.map_or_else(|| records.partition.bounds().end, |draft| draft.end);
                if let Some(draft) = open.take() {
                    draft.finish(&mut group, active, seed);
                }
                open = Some(Draft::begin(&mut group.bytes, records, base));
            }
            let draft = open.as_mut().expect("a frame was just begun");
            group.bases[at][piece] = draft.end;
            group.bytes.extend_from_slice(body);
            draft.end += u64::from(records.count);
            draft.time_max_ms = draft.time_max_ms.max(records.time_max_ms);
            group.records += u64::from(records.count);
        }
        if let Some(draft) = open {
            draft.finish(&mut group, active, seed);
        }
        group
    }

    /// Makes the group durable.
    fn store(&self, active: &mut Active, bytes: &[u8]) -> Result<(), String> {
        let Active { number, position, .. } = *active;
        let place = |doing: &str, error: std::io::Error| {
            format!(
                "{doing} of {} bytes at byte {position} of log file {number} failed: {error}",
                bytes.len()
            )
        };
        active.file.write_at(bytes, position).map_err(|error| place("the write", error))?;
        active.file.sync_data().map_err(|error| place("the sync", error))?;
        let end = Place { file: number, position: position + bytes.len() as u64 };
        self.shared
            .mark
            .write(end)
            .map_err(|error| format!("the durable-end mark could not be written: {error}"))
    }

    /// Shows the group to readers, then answers.
    fn publish(&self, active: &mut Active, group: Group, pendings: Vec<Pending>) {
        let position = active.position;
        active.position += group.bytes.len() as u64;
        self.shared.cache.push(active.number, position, Bytes::from(group.bytes));
        for frame in &group.frames {
            let content =
                active.contents.entry((frame.partition.topic, frame.partition.number)).or_insert_with(|| {
                    let partition = frame.partition.clone();
                    Content { partition, base: frame.entry.base, end: frame.end, time_max_ms: 0 }
                });
            content.end = frame.end;
            content.time_max_ms = content.time_max_ms.max(frame.entry.time_max_ms);
        }
        for frames in group.frames.chunk_by(|a, b| Arc::ptr_eq(&a.partition, &b.partition)) {
            let last = &frames[frames.len() - 1];
            last.partition.publish(frames.iter().map(|frame| frame.entry), last.end);
        }
        for (pending, bases) in pendings.into_iter().zip(group.bases) {
            // The caller may have stopped waiting; its records are stored all the same.
            let _ = pending.reply.send(Ok(bases));
        }
        for frames in group.frames.chunk_by(|a, b| Arc::ptr_eq(&a.topic, &b.topic)) {
            frames[0].topic.announce();
        }
    }
}

/// How it went: how many appends are in flight at once, and what a sync takes.
struct Pace {
    inflight: usize,
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
    fn begin(bytes: &mut Vec<u8>, piece: &super::queue::Piece, base: u64) -> Self {
        bytes.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
        Self {
            topic: piece.topic.clone(),
            partition: piece.partition.clone(),
            begin: bytes.len(),
            base,
            end: base,
            time_max_ms: 0,
        }
    }

    fn finish(self, group: &mut Group, active: &Active, seed: Seed) {
        let narrow = |n: u64| u32::try_from(n).expect("appends are bounded so that files stay below 4 GiB");
        let body = &group.bytes[self.begin..];
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
        group.bytes[start..self.begin].copy_from_slice(&header.encode(seed));
        let entry = Entry {
            file: active.number,
            base: self.base,
            time_max_ms: self.time_max_ms,
            position: narrow(active.position + start as u64),
            bytes: narrow((group.bytes.len() - start) as u64),
        };
        group.frames.push(Frame { topic: self.topic, partition: self.partition, end: self.end, entry });
    }
}
