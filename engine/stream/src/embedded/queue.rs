//! The queue of appends that wait for the committer, bounded by bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::topic::{Partition, Topic};
use crate::log::Error;

/// Encoded records of one partition that go into one frame.
#[derive(Debug)]
pub(super) struct Piece {
    /// The topic.
    pub(super) topic: Arc<Topic>,
    /// Its partition.
    pub(super) partition: Arc<Partition>,
    /// Where the records begin in the bytes of the append.
    pub(super) begin: usize,
    /// Where they end.
    pub(super) end: usize,
    /// Number of records.
    pub(super) count: u32,
    /// Greatest append time of them.
    pub(super) time_max_ms: u64,
}

/// The answer to an append: the first offset of each piece.
pub(super) type Reply = oneshot::Sender<Result<Vec<u64>, Error>>;

/// One append.
#[derive(Debug)]
pub(super) struct Pending {
    /// The encoded records of all pieces.
    pub(super) bytes: Vec<u8>,
    /// What they are.
    pub(super) pieces: Vec<Piece>,
    /// Who waits.
    pub(super) reply: Reply,
}

/// What the committer found.
#[derive(Debug)]
pub(super) enum Taken {
    /// Appends to commit together.
    Group(Vec<Pending>),
    /// Nothing came for the time given.
    Idle,
    /// Nothing is there and nothing will come.
    Closed,
}

#[derive(Debug, Default)]
struct State {
    pendings: VecDeque<Pending>,
    bytes: usize,
    /// The committer sleeps until this many appends are there. `None` while it is awake.
    wanted: Option<usize>,
    closed: bool,
}

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    bytes_max: usize,
    state: Mutex<State>,
    filled: Condvar,
}

impl Queue {
    /// An empty queue of at most that many bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, state: Mutex::default(), filled: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an append, or answers `Busy` at once. An append that is larger than the whole queue is taken when the
    /// queue is empty.
    pub(super) fn push(&self, pending: Pending) -> Result<(), Error> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::Busy { reason: "the log is closed".to_owned() });
        }
        let bytes = state.bytes.saturating_add(pending.bytes.len());
        if state.bytes > 0 && bytes > self.bytes_max {
            let reason =
                format!("{} bytes of appends wait already, and {} is the bound", state.bytes, self.bytes_max);
            return Err(Error::Busy { reason });
        }
        state.bytes = bytes;
        state.pendings.push_back(pending);
        let wake = state.wanted.is_some_and(|wanted| state.pendings.len() >= wanted);
        if wake {
            state.wanted = None;
        }
        drop(state);
        if wake {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Number of appends that wait.
    pub(super) fn len(&self) -> usize {
        self.state().pendings.len()
    }

    /// Waits for an append, then for up to `patience` until `expected` of them are there, and takes up to about
    /// `bytes_max` bytes of them. `idle` bounds the first wait.
    pub(super) fn take(
        &self,
        expected: usize,
        patience: Duration,
        bytes_max: usize,
        idle: Option<Duration>,
    ) -> Taken {
        let mut state = self.wait(self.state(), 1, idle.map(|idle| Instant::now() + idle));
        if state.pendings.is_empty() {
            return if state.closed { Taken::Closed } else { Taken::Idle };
        }
        if state.pendings.len() < expected && !patience.is_zero() {
            state = self.wait(state, expected, Some(Instant::now() + patience));
        }
        let (mut count, mut bytes) = (0, 0_usize);
        for pending in &state.pendings {
            if count > 0 && bytes.saturating_add(pending.bytes.len()) > bytes_max {
                break;
            }
            bytes = bytes.saturating_add(pending.bytes.len());
            count += 1;
        }
        state.bytes -= bytes;
        Taken::Group(state.pendings.drain(..count).collect())
    }

    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        wanted: usize,
        until: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        while state.pendings.len() < wanted && !state.closed {
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

    /// Takes nothing any more. What is there stays for the committer.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.filled.notify_all();
    }

    /// Takes nothing any more and hands out what is there.
    pub(super) fn abandon(&self) -> Vec<Pending> {
        let mut state = self.state();
        state.closed = true;
        state.bytes = 0;
        state.pendings.drain(..).collect()
    }
}
