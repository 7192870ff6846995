//! Answering those who wait for their appends.
//!
//! A thread outside the runtime wakes each task through a queue that all workers share. A task wakes others through the
//! queue of the worker it runs on, from where idle workers take them: for a group of 64, that was a sixth of the time
//! between two syncs. So the committer hands the answers of a whole group to one task.

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::queue::Waiter;

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

/// Takes answers from the committer.
pub(super) struct Teller(mpsc::UnboundedSender<Answers>);

impl Teller {
    /// Starts the task. It ends with the committer, or with the runtime, whose tasks then wait for nothing any more.
    pub(super) fn start(runtime: &Handle) -> Self {
        // Bounded by the queue of appends: each of them waits for its answer.
        let (sender, mut receiver) = mpsc::unbounded_channel::<Answers>();
        runtime.spawn(async move {
            while let Some(answers) = receiver.recv().await {
                answers.give();
            }
        });
        Self(sender)
    }

    /// Answers all, now or a moment later.
    pub(super) fn tell(&self, answers: Answers) {
        if answers.waiters.len() < TOGETHER_MIN {
            answers.give();
        } else if let Err(mpsc::error::SendError(answers)) = self.0.send(answers) {
            answers.give();
        }
    }
}
