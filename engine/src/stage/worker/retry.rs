//! Dead letters that are processed again.
//!
//! A retry is a batch like any other, except that its records come from the letters and no cursor moves: the letters
//! themselves are what the transaction moves. They do not go through the source topic, since other stages read that.

use granary_db::Transaction;
use granary_db::dead_letters::retry::{Attempt, settle, waiting};
use granary_db::dead_letters::{DeadLetter, Stored};
use granary_stream::{Headers, Message, Record, System};

use super::commit::Try;
use super::{Batch, Dead, Delivered, Error, Instant, Prepared, Process, Worker};

/// Most letters of one batch. Few, so that records of the source do not wait for a long retry.
const LETTERS_MAX: usize = 200;
/// Most payload bytes of one batch; the last letter may exceed it.
const BYTES_MAX: usize = 4 << 20;

/// A letter that is being retried, and the record that it is about.
pub(super) struct Letter {
    pub(super) attempt: Attempt,
    topic: String,
    partition: u32,
    offset: u64,
}

impl Letter {
    fn of(stored: &Stored) -> Self {
        let Stored { id, attempts, letter, .. } = stored;
        Self {
            attempt: Attempt { id: *id, attempts: *attempts },
            topic: letter.topic.clone(),
            partition: letter.partition,
            offset: letter.offset,
        }
    }

    fn is_about(&self, delivered: &Delivered) -> bool {
        self.offset == delivered.record.offset
            && self.partition == delivered.partition
            && self.topic == *delivered.topic
    }
}

impl Worker {
    /// Processes a batch of the letters that are asked for again. Answers whether there were any.
    pub(super) async fn retry(&mut self, process: &mut dyn Process) -> Result<bool, Error> {
        let stored = waiting(&self.shared.db, &self.spec.id, LETTERS_MAX, BYTES_MAX).await?;
        if stored.is_empty() {
            return Ok(false);
        }
        let letters: Vec<_> = stored.iter().map(Letter::of).collect();
        let batch: Vec<_> = stored.into_iter().map(|stored| delivered(stored.letter)).collect();
        let begun = Instant::now();
        let mut figures = Batch::of(&batch);
        let outcome = process.process(batch).await?;
        figures.process = begun.elapsed();
        let begun = Instant::now();
        // Records that were skipped before this are passed by the next batch of the source.
        let prepared = Prepared { letters, moves: Vec::new(), ..self.append(outcome, figures).await? };
        self.commit(prepared, begun).await?;
        Ok(true)
    }

    /// Moves the letters on inside the transaction of their retry; whether all were still to be retried.
    pub(super) async fn settle(
        &self,
        tx: &Transaction<'_>,
        letters: &[Letter],
        dead: &[Dead],
    ) -> Result<bool, Try> {
        let attempts: Vec<_> = letters.iter().map(|letter| letter.attempt).collect();
        let failed: Vec<_> = letters
            .iter()
            .filter_map(|letter| {
                let dead = dead.iter().find(|dead| letter.is_about(&dead.delivered))?;
                Some((letter.attempt.id, self.dead_letter(dead)))
            })
            .collect();
        Ok(settle(tx, &attempts, self.spec.version, &failed).await?)
    }
}

/// The record as the stage read it when it failed.
fn delivered(letter: DeadLetter) -> Delivered {
    let message = Message {
        key: letter.key,
        payload: letter.payload,
        headers: Headers(letter.headers),
        time_ms: letter.time_ms,
        system: System { trace_id: letter.trace_id, ..System::default() },
    };
    let record = Record { offset: letter.offset, message };
    Delivered { topic: letter.topic.into(), partition: letter.partition, record }
}
