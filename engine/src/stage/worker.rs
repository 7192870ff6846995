//! The loop of a stage: fetch, process, append, commit, back-off, drain.
//!
//! One worker owns all partitions of its sources, or its share of them where several processes share the stages. A round is:
//!
//! 1. **fetch** what counts, over all partitions, up to the batch limits;
//! 2. **process** it;
//! 3. **append** the outputs (durable, not yet visible);
//! 4. **commit** one transaction: effect, dead letters, cursors (only where the epoch is still ours and the cursor is
//!    where we read from), committed ranges;
//! 5. tell the book, which wakes the readers.
//!
//! When the database fails in step 4, nobody knows whether the transaction went through. The worker then takes a new
//! epoch, which fences the old transaction if it is still under way, and looks whether the outputs count. If not, they never
//! will, and the batch is done again: outputs count under the epoch that is written on them and under no other, so that a
//! reader who finds that epoch over need not wait for them (`settle`).
//!
//! Between two rounds it processes dead letters again that were asked for (`retry`).

mod commit;
mod fetch;
mod lease;
mod relay;
mod retry;
mod settle;
mod spec;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use granary_db::Db;
use granary_db::commit::{CursorMove, RangeAdd};
use granary_stream::{Append, Incarnation, StreamLog};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use relay::Relay;
pub use retry::Letter;
pub use spec::{Source, Spec, Start};

use super::book::Book;
use super::decisions::Decisions;
use super::members::Members;
use super::metrics::{Batch, Labels};
use super::repeats::Repeats;
use super::{Dead, Delivered, Error, Outcome, Process};

/// Most records of one batch: large enough that the fixed cost of a commit disappears.
const BATCH_RECORDS_MAX: usize = 1_000;
/// Most records of the first batch, while nobody knows how slow its events are.
const BATCH_RECORDS_FIRST: usize = 64;
/// How long a batch should take at most: batches of slow events are made smaller, so that their rows are seen soon, a
/// stop is quick, and little is done again after a crash.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// First wait after a failure; doubled up to the longest.
const BACK_OFF_FIRST: Duration = Duration::from_millis(50);
/// Longest wait after a failure.
const BACK_OFF_MAX: Duration = Duration::from_secs(5);

/// What the parts of an engine share.
#[derive(Clone)]
pub struct Shared {
    /// The log.
    pub log: Arc<dyn StreamLog>,
    /// The database.
    pub db: Db,
    /// Which records count.
    pub book: Book,
    /// Which processes share the stages.
    pub members: Members,
}

/// What a worker works with.
#[derive(Clone)]
pub struct Means {
    /// The log.
    pub log: Arc<dyn StreamLog>,
    /// Where its decisions are made.
    pub decisions: Arc<dyn Decisions>,
    /// Which records count.
    pub book: Book,
    /// Which processes share the stages.
    pub members: Members,
}

impl From<&Shared> for Means {
    fn from(Shared { log, db, book, members }: &Shared) -> Self {
        Self {
            log: Arc::clone(log),
            decisions: Arc::new(db.clone()),
            book: book.clone(),
            members: members.clone(),
        }
    }
}

/// What a stage is waiting for, if anything; read by status and `/ready`.
#[derive(Clone, Default)]
pub struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    /// The current trouble.
    #[must_use]
    pub fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, trouble: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

struct Cursor {
    topic: Arc<str>,
    partition: u32,
    ranged: bool,
    /// What the database holds.
    committed: u64,
    /// What was seen of its producers by then.
    committed_seen: Repeats,
    /// Where the next fetch goes on.
    next: u64,
    /// What was seen of its producers by then.
    seen: Repeats,
    /// The gap that it stands at: its first offset, and since when.
    gap: Option<(u64, Instant)>,
}

impl Cursor {
    fn is_at(&self, topic: &str, partition: u32) -> bool {
        *self.topic == *topic && self.partition == partition
    }

    /// Goes back to what the database holds.
    fn rewind(&mut self) {
        self.next = self.committed;
        self.seen.clone_from(&self.committed_seen);
    }
}

/// A running stage.
pub struct Worker {
    spec: Spec,
    means: Means,
    labels: Labels,
    stop: CancellationToken,
    trouble: Trouble,
    epoch: u64,
    /// The partitions of its sources, and where each begins. Looked up once: after the first take-over all have cursors, and a
    /// take-over must not wait for a log that is away.
    wanted: Option<Arc<[(String, u32, u64)]>>,
    /// Whether the cursors of this definition were made.
    has_cursors: bool,
    cursors: Vec<Cursor>,
    /// Partition that the next fetch begins with, so that a busy one does not starve the others.
    first: usize,
    /// Most records of the next batch.
    records_max: usize,
    /// Whether a new epoch has to be taken before anything else is done: outputs may be in the log that nobody here knows of
    /// or that were given up, and readers tell by the epoch; or other partitions may be ours.
    renew: bool,
    /// When to try again to get partitions that another process still has.
    take_again: Option<Instant>,
    /// Whether records that count could not be read yet.
    behind: bool,
    /// Whether the last retry of dead letters failed, and is to be done again.
    retry_failed: bool,
    /// When the lag was last told.
    lag_shown: Option<Instant>,
}

/// A processed batch whose outputs are appended.
struct Prepared {
    /// The dead letters that it consists of, where it is a retry.
    letters: Vec<retry::Letter>,
    ranges: Vec<RangeAdd>,
    dead: Vec<Dead>,
    effect: Option<Box<dyn super::Effect>>,
    moves: Vec<CursorMove>,
    figures: Batch,
}

impl Worker {
    /// Takes the stage over: a new epoch fences every earlier worker, and the start position is stored. Waits while
    /// the database is away.
    ///
    /// # Errors
    /// [`Error::Stopped`], or [`Error::Final`] when a source topic is missing.
    pub async fn acquire(
        spec: Spec,
        means: Means,
        stop: CancellationToken,
        trouble: Trouble,
    ) -> Result<Self, Error> {
        let labels = Labels::new(spec.kind, &spec.project, &spec.object);
        let (cursors, records_max) = (Vec::new(), BATCH_RECORDS_FIRST);
        let mut worker = Self {
            spec,
            means,
            labels,
            stop,
            trouble,
            epoch: 0,
            wanted: None,
            has_cursors: false,
            cursors,
            first: 0,
            records_max,
            renew: false,
            take_again: None,
            behind: false,
            retry_failed: false,
            lag_shown: None,
        };
        let mut back_off = BackOff::default();
        loop {
            match worker.take_epoch().await {
                Ok(()) => return Ok(worker),
                Err(Error::Unavailable(why)) => worker.pause(&mut back_off, "acquire", why).await?,
                Err(other) => return Err(other),
            }
        }
    }

    /// Runs until it is stopped or a human is needed. Between two batches it goes on with what lies in `relay`.
    ///
    /// # Errors
    /// [`Error::Final`] only; a stop is `Ok`.
    pub async fn run(&mut self, process: Box<dyn Process>, relay: &Relay) -> Result<(), Error> {
        let ended = self.go_on(process, relay).await;
        self.release().await;
        match ended {
            Err(Error::Stopped) => {
                info!(stage = %self.spec.id, project = %self.spec.project, "stage stops");
                Ok(())
            }
            ended => ended,
        }
    }

    async fn go_on(&mut self, mut process: Box<dyn Process>, relay: &Relay) -> Result<(), Error> {
        info!(stage = %self.spec.id, project = %self.spec.project, epoch = self.epoch, partitions = self.cursors.len(), "stage runs");
        let mut back_off = BackOff::default();
        // What was asked for while the stage stood still.
        relay.ask_retry();
        loop {
            if let Some((spec, next)) = relay.take() {
                process = next;
                self.switch(spec, &mut back_off).await?;
            }
            match self.round(&mut *process, relay).await {
                Ok(()) => {
                    back_off.reset();
                    self.trouble.set(None);
                }
                // The old process was told to stop in the middle of a batch, which is the new one's now.
                Err(Error::Stopped) if relay.is_waiting() && !self.stop.is_cancelled() => {
                    self.cursors.iter_mut().for_each(Cursor::rewind);
                }
                Err(Error::Unavailable(why)) => {
                    self.cursors.iter_mut().for_each(Cursor::rewind);
                    self.pause(&mut back_off, "process", why).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Goes on with another definition of the same stage. Nothing is under way now, so nothing is lost or repeated.
    async fn switch(&mut self, spec: Spec, back_off: &mut BackOff) -> Result<(), Error> {
        let same_sources = self.spec.sources == spec.sources;
        info!(stage = %spec.id, project = %spec.project, version = spec.version, "another version takes over");
        self.spec = spec;
        self.wanted = None;
        self.has_cursors = false;
        if same_sources {
            return Ok(());
        }
        // Topics that are new to the stage need cursors.
        loop {
            match self.take_epoch().await {
                Err(Error::Unavailable(why)) => self.pause(back_off, "acquire", why).await?,
                other => return other,
            }
        }
    }

    async fn round(&mut self, process: &mut dyn Process, relay: &Relay) -> Result<(), Error> {
        self.rebalance().await?;
        // After a retry that failed, records of the source come first.
        if !std::mem::take(&mut self.retry_failed) && relay.takes_retry() {
            let looked = self.retry(process).await;
            self.retry_failed = looked.is_err();
            // Until a look finds nothing. Records of the source come in between.
            if !matches!(looked, Ok(false)) {
                relay.ask_retry();
            }
            looked?;
        }
        let Some(batch) = self.fetch(relay).await? else { return Ok(()) };
        let (mut figures, records) = (Batch::of(&batch), batch.len());
        let begun = Instant::now();
        let outcome = process.process(batch).await?;
        figures.process = begun.elapsed();
        self.records_max = next_batch(self.records_max, records, figures.process);
        let begun = Instant::now();
        let prepared = self.append(outcome, figures).await?;
        self.commit(prepared, begun).await
    }

    /// Makes the outputs durable. They are not visible yet.
    async fn append(&mut self, outcome: Outcome, mut figures: Batch) -> Result<Prepared, Error> {
        let incarnation =
            Incarnation { stage: self.spec.id.clone(), version: self.spec.version, epoch: self.epoch };
        let mut appends: Vec<Append> = Vec::new();
        let mut index: HashMap<(Arc<str>, u32), usize> = HashMap::new();
        (figures.skipped, figures.split, figures.deletions) =
            (outcome.skipped, outcome.split, outcome.deletions);
        for mut output in outcome.outputs {
            output.message.system.stage = Some(incarnation.clone());
            figures.records_out += 1;
            figures.bytes_out += output.message.payload.len() as u64;
            let partition = output.message.partition(output.partitions);
            let at = *index.entry((Arc::clone(&output.topic), partition)).or_insert_with(|| {
                appends.push(Append { topic: output.topic.to_string(), partition, messages: Vec::new() });
                appends.len() - 1
            });
            appends[at].messages.push(output.message);
        }
        let ranges = if appends.is_empty() {
            Vec::new()
        } else {
            // Also where this is dropped before it is done. An error says nothing of what another partition has taken.
            let renew = std::mem::replace(&mut self.renew, true);
            let ranges = self.means.log.append(appends).await?;
            self.renew = renew;
            ranges
        };
        Ok(Prepared {
            letters: Vec::new(),
            ranges: ranges
                .into_iter()
                .map(|r| RangeAdd { topic: r.topic, partition: r.partition, start: r.start, end: r.end })
                .collect(),
            dead: outcome.dead,
            effect: outcome.effect,
            moves: self
                .cursors
                .iter()
                .filter(|c| c.next != c.committed)
                .map(|c| CursorMove {
                    topic: c.topic.to_string(),
                    partition: c.partition,
                    from: c.committed,
                    to: c.next,
                    seen: if c.seen == c.committed_seen { None } else { c.seen.write() },
                })
                .collect(),
            figures,
        })
    }

    async fn pause(&self, back_off: &mut BackOff, cause: &'static str, why: String) -> Result<(), Error> {
        self.labels.retried(cause);
        warn!(stage = %self.spec.id, cause, error = %why, "stage waits");
        self.trouble.set(Some(why));
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Error::Stopped),
            () = tokio::time::sleep(back_off.next()) => Ok(()),
        }
    }
}

#[derive(Default)]
struct BackOff(u32);

impl BackOff {
    fn next(&mut self) -> Duration {
        let wait = BACK_OFF_FIRST.saturating_mul(2_u32.saturating_pow(self.0)).min(BACK_OFF_MAX);
        self.0 += 1;
        wait
    }

    fn reset(&mut self) {
        self.0 = 0;
    }
}

/// How many records the next batch may have after one of `records` took so long: at once fewer after a slow one, up to
/// twice as many after a fast one.
fn next_batch(now: usize, records: usize, took: Duration) -> usize {
    let fitting = if took > BATCH_TIME {
        // Below `records`, so it fits.
        (records as u128 * BATCH_TIME.as_nanos() / took.as_nanos()) as usize
    } else {
        now.saturating_mul(2)
    };
    fitting.clamp(1, BATCH_RECORDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_shrink_to_what_takes_a_second_and_grow_back() {
        let ms = Duration::from_millis;
        assert_eq!(next_batch(1_000, 1_000, ms(10)), 1_000);
        assert_eq!(next_batch(1_000, 1_000, ms(100_000)), 10);
        assert_eq!(next_batch(10, 10, ms(300_000)), 1);
        assert_eq!(next_batch(1, 1, ms(300_000)), 1, "one event may take as long as it likes");
        assert_eq!(next_batch(10, 3, ms(300)), 20);
        assert_eq!(next_batch(800, 800, ms(300)), 1_000);
    }
}
