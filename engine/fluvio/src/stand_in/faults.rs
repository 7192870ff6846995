//! What goes wrong on purpose.

use std::collections::VecDeque;

use fluvio_protocol::link::ErrorCode;

/// What happens to one produce request instead of what should.
#[derive(Debug, Clone)]
pub(super) enum ProduceFault {
    /// Nothing is stored, and the answer is this code.
    Refuse(ErrorCode),
    /// All is stored, and the answer is this code.
    StoreAndRefuse(ErrorCode),
    /// All is stored, and the socket is closed in place of an answer.
    StoreAndHangUp,
    /// Nothing is stored, and nothing is answered.
    Swallow,
}

/// What is to go wrong, and what was asked for so far.
#[derive(Debug, Default)]
pub(super) struct Faults {
    /// Whether answers to fetches are cut inside a batch.
    pub(super) cut_batches: bool,
    /// Whether produce requests go unanswered.
    pub(super) swallow_produce: bool,
    planned: VecDeque<ProduceFault>,
    produce_requests: u64,
}

impl Faults {
    /// Plans a fault for the next requests, after those that have one already.
    pub(super) fn plan(&mut self, times: usize, fault: &ProduceFault) {
        self.planned.extend(std::iter::repeat_n(fault, times).cloned());
    }

    /// Counts a produce request and says what is to go wrong with it.
    pub(super) fn next_produce(&mut self) -> Option<ProduceFault> {
        self.produce_requests += 1;
        if self.swallow_produce { Some(ProduceFault::Swallow) } else { self.planned.pop_front() }
    }

    /// How many produce requests have come in.
    pub(super) fn produce_requests(&self) -> u64 {
        self.produce_requests
    }
}
