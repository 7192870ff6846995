//! The queue of appends that wait for the committer, bounded by bytes. What waits is gathered into groups as it comes, so
//! that the committer takes over one group and not thousands of appends.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use smallvec::SmallVec;
use tokio::sync::oneshot;

use super::patience::Wait;
use super::topic::Topic;
use crate::log::Error;

/// Appends go into one group up to this size, unless one is larger.
const GROUP_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Encoded records of one partition that go into one frame.
#[derive(Debug)]
pub(super) struct Piece<T = usize> {
    /// The topic; in a group, which of its topics.
    pub(super) topic: T,
    /// The partition, which the topic has.
    pub(super) partition: u32,
    /// Which chunk of the group holds the records.
    pub(super) chunk: usize,
    /// Where they begin in it; until they are queued, in the bytes of the append.
    pub(super) begin: usize,
    /// Where they end.
    pub(super) end: usize,
    /// Number of records.
    pub(super) count: u32,
    /// Greatest append time of them.
    pub(super) time_max_ms: u64,
}

/// One value per piece of an append; most have one.
pub(super) type PerPiece<T> = SmallVec<[T; 1]>;

/// The pieces of an append.
pub(super) type Pieces<'a> = PerPiece<Piece<&'a Arc<Topic>>>;

/// The answer to an append: the first offset of each piece.
pub(super) type Answer = Result<PerPiece<u64>, Error>;

/// Who waits for an append.
#[derive(Debug)]
pub(super) struct Waiter {
    /// Number of its pieces.
    pub(super) pieces: usize,
    /// Where the answer goes.
    pub(super) reply: oneshot::Sender<Answer>,
}

/// The encoded records of one append.
pub(super) enum Encoded<'a> {
    /// So few that they are copied behind those of others.
    Small(&'a [u8]),
    /// So many that they are handed over.
    Large(Vec<u8>),
}

impl Encoded<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Small(bytes) => bytes.len(),
            Self::Large(bytes) => bytes.len(),
        }
    }
}

/// Appends that are committed together.
#[derive(Debug, Default)]
pub(super) struct Group {
    /// The records: those of all small appends in the first chunk, those of each large one in a chunk of its own.
    pub(super) chunks: Vec<Vec<u8>>,
    /// The topics of the pieces, in the order of their coming: most appends are to that of the one before.
    pub(super) topics: Vec<Arc<Topic>>,
    /// The pieces of all appends in the order of their coming.
    pub(super) pieces: Vec<Piece>,
    /// The appends in that order.
    pub(super) waiters: Vec<Waiter>,
    bytes: usize,
}

impl Group {
    /// The records of a piece.
    pub(super) fn records(&self, piece: &Piece) -> &[u8] {
        &self.chunks[piece.chunk][piece.begin..piece.end]
    }

    /// The topic of a piece.
    pub(super) fn topic(&self, piece: &Piece) -> &Arc<Topic> {
        &self.topics[piece.topic]
    }

    /// Bytes of all records.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn add(&mut self, encoded: Encoded<'_>, pieces: Pieces<'_>, reply: oneshot::Sender<Answer>) {
        self.bytes += encoded.len();
        if self.chunks.is_empty() {
            self.chunks.push(Vec::new());
        }
        let (chunk, from) = match encoded {
            Encoded::Small(bytes) => {
                let gathered = &mut self.chunks[0];
                let from = gathered.len();
                gathered.extend_from_slice(bytes);
                (0, from)
            }
            Encoded::Large(bytes) => {
                self.chunks.push(bytes);
                (self.chunks.len() - 1, 0)
            }
        };
        self.waiters.push(Waiter { pieces: pieces.len(), reply });
        for Piece { topic, partition, begin, end, count, time_max_ms, .. } in pieces {
            if !self.topics.last().is_some_and(|last| Arc::ptr_eq(last, topic)) {
                self.topics.push(topic.clone());
            }
            let topic = self.topics.len() - 1;
            let (begin, end) = (from + begin, from + end);
            self.pieces.push(Piece { topic, partition, chunk, begin, end, count, time_max_ms });
        }
    }

    /// Empties a group whose memory is to be used again.
    fn clear(&mut self) {
        self.chunks.truncate(1);
        self.chunks.iter_mut().for_each(Vec::clear);
        self.topics.clear();
        self.pieces.clear();
        self.waiters.clear();
        self.bytes = 0;
    }
}

/// What the committer found.
#[derive(Debug)]
pub(super) enum Taken {
    /// Appends to commit together.
    Group(Group),
    /// Nothing came for the time given.
    Idle,
    /// Nothing is there and nothing will come.
    Closed,
}

#[derive(Debug, Default)]
struct State {
    groups: VecDeque<Group>,
    /// Bytes and appends of all groups.
    bytes: usize,
    appends: usize,
    /// The memory of a group that has been committed.
    spare: Group,
    /// The committer waits until this many appends are there. `None` while it does not.
    wanted: Option<usize>,
    closed: bool,
}

impl State {
    /// Whether so many appends are there, or a group that takes no more.
    fn has(&self, wanted: usize) -> bool {
        self.appends >= wanted || self.groups.len() > 1
    }
}

/// Whether there is what the committer waits for awake. It looks at nothing else meanwhile, so that the memory of the queue
/// stays with the processors of those who append.
#[derive(Debug, Default)]
#[repr(align(128))]
struct There(AtomicBool);

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    bytes_max: usize,
    state: Mutex<State>,
    filled: Condvar,
    there: There,
}

impl Queue {
    /// An empty queue of at most that many bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, state: Mutex::default(), filled: Condvar::new(), there: There::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an append, or answers `Busy` at once. An append that is larger than the whole queue is taken when the
    /// queue is empty.
    pub(super) fn push(
        &self,
        encoded: Encoded<'_>,
        pieces: Pieces<'_>,
        reply: oneshot::Sender<Answer>,
    ) -> Result<(), Error> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::Busy { reason: "the log is closed".to_owned() });
        }
        let bytes = state.bytes.saturating_add(encoded.len());
        if state.bytes > 0 && bytes > self.bytes_max {
            let reason =
                format!("{} bytes of appends wait already, and {} is the bound", state.bytes, self.bytes_max);
            return Err(Error::Busy { reason });
        }
        let fits = |group: &Group| group.bytes + encoded.len() <= GROUP_BYTES_MAX;
        if !state.groups.back().is_some_and(fits) {
            let group = std::mem::take(&mut state.spare);
            state.groups.push_back(group);
        }
        state.bytes = bytes;
        state.appends += 1;
        state.groups.back_mut().expect("there is one now").add(encoded, pieces, reply);
        let wake = state.wanted.is_some_and(|wanted| state.has(wanted));
        if wake {
            state.wanted = None;
        }
        drop(state);
        if wake {
            self.there.0.store(true, Release);
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Number of appends that wait.
    pub(super) fn len(&self) -> usize {
        self.state().appends
    }

    /// Waits for appends as it is told, then for the first one, at most `idle`, and takes the first group.
    pub(super) fn take(&self, told: Option<Wait>, idle: Option<Duration>) -> Taken {
        let mut state = self.state();
        if let Some(Wait { appends, time, awake }) = told {
            let until = Instant::now() + time;
            state = if awake {
                self.wait_awake(state, appends, until)
            } else {
                self.wait(state, appends, Some(until))
            };
        }
        state = self.wait(state, 1, idle.map(|idle| Instant::now() + idle));
        match self.first(&mut state) {
            Some(group) => Taken::Group(group),
            None if state.closed => Taken::Closed,
            None => Taken::Idle,
        }
    }

    /// Takes the first group, if there is one.
    #[cfg(any(test, feature = "test-util"))]
    pub(super) fn take_waiting(&self) -> Option<Group> {
        self.first(&mut self.state())
    }

    fn first(&self, state: &mut State) -> Option<Group> {
        let group = state.groups.pop_front()?;
        state.bytes -= group.bytes;
        state.appends -= group.waiters.len();
        Some(group)
    }

    /// Gives the memory of a committed group back, for the next one.
    pub(super) fn recycle(&self, mut group: Group) {
        group.clear();
        let large = group.chunks.first().is_some_and(|chunk| chunk.capacity() > GROUP_BYTES_MAX / 8);
        if !large {
            self.state().spare = group;
        }
    }

    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        wanted: usize,
        until: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        while !state.has(wanted) && !state.closed {
            state.wanted = Some(wanted);
            state = match until {
                None => self.filled.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.wanted = None;
        state
    }

    /// The same without sleep.
    fn wait_awake<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        wanted: usize,
        until: Instant,
    ) -> MutexGuard<'a, State> {
        if state.has(wanted) || state.closed {
            return state;
        }
        state.wanted = Some(wanted);
        self.there.0.store(false, Relaxed);
        drop(state);
        while !self.there.0.load(Acquire) && Instant::now() < until {
            // Who needs the processor gets it.
            std::thread::yield_now();
        }
        state = self.state();
        state.wanted = None;
        state
    }

    /// Takes nothing any more. What is there stays for the committer.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.there.0.store(true, Release);
        self.filled.notify_all();
    }

    /// Takes nothing any more and hands out who waits.
    pub(super) fn abandon(&self) -> Vec<Waiter> {
        let mut state = self.state();
        state.closed = true;
        (state.bytes, state.appends) = (0, 0);
        state.groups.drain(..).flat_map(|group| group.waiters).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(queue: &Queue) {
        queue.push(Encoded::Small(b"record"), PerPiece::new(), oneshot::channel().0).unwrap();
    }

    fn taken(queue: &Queue, wait: Wait) -> usize {
        match queue.take(Some(wait), None) {
            Taken::Group(group) => group.waiters.len(),
            other => panic!("no group: {other:?}"),
        }
    }

    #[test]
    fn a_group_is_taken_when_all_are_there_or_after_a_time() {
        for awake in [false, true] {
            let queue = &Queue::new(1024);
            std::thread::scope(|scope| {
                let wait = Wait { appends: 3, time: Duration::from_secs(600), awake };
                let taking = scope.spawn(move || taken(queue, wait));
                (0..3).for_each(|_| push(queue));
                assert_eq!(taking.join().unwrap(), 3);
            });
            push(queue);
            assert_eq!(taken(queue, Wait { appends: 2, time: Duration::from_millis(1), awake }), 1);
        }
    }

    #[test]
    fn a_full_group_waits_for_nobody() {
        for awake in [false, true] {
            let queue = Queue::new(usize::MAX);
            for size in [GROUP_BYTES_MAX, 1] {
                let large = Encoded::Large(vec![0; size]);
                queue.push(large, PerPiece::new(), oneshot::channel().0).unwrap();
            }
            let wait = Wait { appends: 3, time: Duration::from_secs(600), awake };
            assert_eq!(taken(&queue, wait), 1);
        }
    }

    #[test]
    fn nobody_is_waited_for_once_the_queue_is_closed() {
        for awake in [false, true] {
            let queue = Queue::new(1024);
            push(&queue);
            queue.close();
            let wait = Wait { appends: 2, time: Duration::from_secs(600), awake };
            assert_eq!(taken(&queue, wait), 1);
            assert!(matches!(queue.take(Some(wait), None), Taken::Closed));
        }
    }
}
