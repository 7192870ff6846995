//! Answering those who wait for their appends.
//!
//! A thread outside the runtime wakes each task through a queue that all workers share. A task wakes others through the
//! queue of the worker it runs on, from where idle workers take them: for a group of 64, that was a sixth of the time
//! between two syncs. So the committer hands the answers of a whole group to one task.

use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::queue::Waiter;

/// The task stays awake no longer than this for answers that do not come.
const AWAKE_MAX: Duration = Duration::from_micros(200);

/// Nor longer than this without a turn for the other tasks of its worker. With a turn after each look, the workers wake each
/// other all the time.
const LOOK_MAX: Duration = Duration::from_micros(20);

/// Fewer are answered by the committer itself.
const TOGETHER_MIN: usize = 4;

/// The answers to a group that is durable.
pub(super) struct Answers {
    /// Who waits, in the order of the pieces.
    pub(super) waiters: Vec<Waiter>,
    /// The first offset of each piece.
    pub(super) bases: Vec<u64>,
}

impl Answers {
    fn give(self) {
        let mut bases = self.bases.into_iter();
        for waiter in self.waiters {
            // The caller may have stopped waiting; its records are stored all the same.
            let _ = waiter.reply.send(Ok(bases.by_ref().take(waiter.pieces).collect()));
        }
    }
}

/// Stays awake until something is told.
fn look(receiver: &mpsc::UnboundedReceiver<Told>, until: Instant) {
    while receiver.is_empty() && Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// Takes answers from the committer.
pub(super) struct Teller(Option<mpsc::UnboundedSender<Told>>);

/// What the task is told.
enum Told {
    /// To be given now.
    Answers(Answers),
    /// Answers come before then.
    Soon(Instant),
}

impl Teller {
    /// Starts the task. It ends with the committer, or with the runtime, whose tasks then wait for nothing any more.
    pub(super) fn start(runtime: &Handle) -> Self {
        // Bounded by the queue of appends: each of them waits for its answer.
        let (sender, mut receiver) = mpsc::unbounded_channel();
        runtime.spawn(async move {
            while let Some(told) = receiver.recv().await {
                match told {
                    Told::Answers(answers) => answers.give(),
                    Told::Soon(until) => {
                        while receiver.is_empty() && Instant::now() < until {
                            look(&receiver, until.min(Instant::now() + LOOK_MAX));
                            tokio::task::yield_now().await;
                        }
                    }
                }
            }
        });
        Self(Some(sender))
    }

    /// The committer gives all answers itself.
    #[cfg(any(test, feature = "test-util"))]
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Wakes the task, so that it is awake when so many answers come, if it is to give them. A worker that has gone to sleep
    /// takes a quarter of a sync to wake.
    pub(super) fn soon(&self, answers: usize) {
        if let Some(task) = &self.0
            && answers >= TOGETHER_MIN
        {
            let _ = task.send(Told::Soon(Instant::now() + AWAKE_MAX));
        }
    }

    /// Answers all, now or a moment later.
    pub(super) fn tell(&self, answers: Answers) {
        match &self.0 {
            Some(task) if answers.waiters.len() >= TOGETHER_MIN => {
                if let Err(mpsc::error::SendError(Told::Answers(answers))) = task.send(Told::Answers(answers))
                {
                    answers.give();
                }
            }
            _ => answers.give(),
        }
    }
}
