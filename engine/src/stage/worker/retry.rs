//! Dead letters that are processed again.
//!
//! A retry is a batch like any other, except that its records come from the letters and no cursor moves: the letters
//! themselves are what the transaction moves. They do not go through the source topic, since other stages read that.

use granary_db::dead_letters::retry::{Attempt, Portion};
use granary_db::dead_letters::{DeadLetter, Stored};
use granary_stream::{Headers, Message, Record, System};

use super::{Batch, Delivered, Error, Instant, Prepared, Process, Worker};

/// Most letters of one batch. Few, so that records of the source do not wait for a long retry.
const LETTERS_MAX: usize = 200;
/// Most payload bytes of one batch; the last letter may exceed it.
const BYTES_MAX: usize = 4 << 20;

/// A letter that is being retried, and the record that it is about.
pub struct Letter {
    /// Which letter, and which try.
    pub attempt: Attempt,
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

    /// Whether its record lay in that partition.
    pub(super) fn came_from(&self, topic: &str, partition: u32) -> bool {
        self.topic == topic && self.partition == partition
    }

    /// Whether it is about that record.
    #[must_use]
    pub fn is_about(&self, delivered: &Delivered) -> bool {
        self.offset == delivered.record.offset
            && self.partition == delivered.partition
            && self.topic == *delivered.topic
    }
}

impl Worker {
    /// The letters that this process retries: those of the partitions that it works on. Those of partitions that the
    /// stage does not read any more are retried by whoever works on its first one.
    fn portion(&self) -> Portion<'_> {
        let partitions: Vec<_> =
            self.cursors.iter().map(|cursor| (&*cursor.topic, cursor.partition)).collect();
        let has_rest = match self.spec.sources.first() {
            Some(first) => partitions.contains(&(&*first.topic, 0)),
            None => self.means.members.me().is_none(),
        };
        let read = || self.spec.sources.iter().map(|source| (&*source.topic, source.partitions)).collect();
        Portion { partitions, read: has_rest.then(read) }
    }

    /// Processes a batch of the letters that are asked for again. Answers whether there were any.
    pub(super) async fn retry(&mut self, process: &mut dyn Process) -> Result<bool, Error> {
        let stored =
            self.means.decisions.waiting(&self.spec.id, &self.portion(), LETTERS_MAX, BYTES_MAX).await?;
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
