//! The loop of a stage: fetch, process, append, commit, back-off, drain.
//!
//! One worker owns all partitions of its sources. A turn is:
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
//! Between two turns it processes dead letters again that were asked for (`retry`).

mod commit;
mod lease;
mod retry;
mod settle;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use granary_db::Db;
use granary_db::commit::{CursorMove, RangeAdd};
use granary_stream::{Append, Incarnation, ReadLimit, StreamLog, Watcher, clock};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use retry::Letter;

use super::book::{Book, Step};
use super::decisions::Decisions;
use super::members::Members;
use super::metrics::{Batch, Labels};
use super::repeats::Repeats;
use super::totals::Totals;
use super::{Dead, Delivered, Error, Outcome, Process};

/// Most records of one batch: large enough that the fixed cost of a commit disappears.
const BATCH_RECORDS_MAX: usize = 1_000;
/// Most records of the first batch, while nobody knows how slow its events are.
const BATCH_RECORDS_FIRST: usize = 64;
/// Most payload bytes of one batch: bounds the memory of a stage to a few times this.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// How long a batch should take at most: batches of slow events are made smaller, so that their rows are seen soon, a
/// stop is quick, and little is done again after a crash.
const BATCH_TIME: Duration = Duration::from_secs(1);
/// How long an idle stage waits after the first sign of work, so that a trickle is committed in batches.
const LINGER: Duration = Duration::from_millis(2);
/// How often it is looked how much lies before a stage that works: that may mean asking other machines.
const LAG_EVERY: Duration = Duration::from_secs(1);
/// First wait after a failure; doubled up to the longest.
const BACK_OFF_FIRST: Duration = Duration::from_millis(50);
/// Longest wait after a failure.
const BACK_OFF_MAX: Duration = Duration::from_secs(5);

/// Where a stage that has never run begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// After the last record there is.
    Latest,
    /// At the first record there is.
    Earliest,
    /// At the first record appended at or after this time, milliseconds since the epoch.
    Time(u64),
    /// At this offset of every partition.
    Offset(u64),
    /// At given offsets by topic and partition; partitions that are not named begin at the latest.
    Offsets(HashMap<String, Vec<u64>>),
}

/// A topic that a stage reads, all partitions of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Topic name.
    pub topic: Arc<str>,
    /// Its number of partitions.
    pub partitions: u32,
    /// Whether a stage writes it, so that only committed ranges count. On other topics every record does.
    pub ranged: bool,
}

/// What the worker of a stage needs to know about it.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Identity of its cursors, such as `belt:17`.
    pub id: String,
    /// Kind, for labels: `harvester`, `belt` or `persister`.
    pub kind: &'static str,
    /// Project that owns it.
    pub project: String,
    /// Name or id, for labels.
    pub object: String,
    /// Version of the definition that runs.
    pub version: u64,
    /// What it reads.
    pub sources: Vec<Source>,
    /// Where it begins when it has never run.
    pub start: Start,
    /// Stream name under which its dead letters are shown.
    pub dead_letter_stream: String,
    /// Where several processes share the stages: the turn that puts every partition once where `start` says.
    pub turn: Option<u64>,
    /// Where it counts what it does.
    pub totals: Totals,
}

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

/// Hands a running stage what it looks at between two batches: another definition, which takes over, and word that
/// dead letters are to be retried.
#[derive(Default)]
pub struct Relay {
    next: Mutex<Option<(Spec, Box<dyn Process>)>>,
    retry: AtomicBool,
    filled: tokio::sync::Notify,
}

impl Relay {
    /// Puts a definition in place; one that still waits there never runs.
    pub fn put(&self, spec: Spec, process: Box<dyn Process>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some((spec, process));
        self.filled.notify_one();
    }

    /// Takes away what waits there.
    pub fn clear(&self) {
        drop(self.take());
    }

    fn take(&self) -> Option<(Spec, Box<dyn Process>)> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether a definition waits to take over.
    pub fn is_waiting(&self) -> bool {
        self.next.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Has the stage look for dead letters that are to be retried.
    pub fn ask_retry(&self) {
        self.retry.store(true, Ordering::Release);
        self.filled.notify_one();
    }

    async fn filled(&self) {
        while !self.is_waiting() && !self.retry.load(Ordering::Acquire) {
            self.filled.notified().await;
        }
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
    cursors: Vec<Cursor>,
    /// Partition that the next fetch begins with, so that a busy one does not starve the others.
    turn: usize,
    /// Most records of the next batch.
    records_max: usize,
    /// Whether a new epoch has to be taken before anything else is done: outputs may be in the log that nobody here knows of
    /// or that were given up, and readers tell by the epoch; or other partitions may be ours.
    renew: bool,
    /// When to try again to get partitions that another process still has.
    take_again: Option<Instant>,
    /// Whether records that count could not be read yet.
    behind: bool,
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
            cursors,
            turn: 0,
            records_max,
            renew: false,
            take_again: None,
            behind: false,
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
    pub async fn run(&mut self, mut process: Box<dyn Process>, relay: &Relay) -> Result<(), Error> {
        info!(stage = %self.spec.id, project = %self.spec.project, epoch = self.epoch, partitions = self.cursors.len(), "stage runs");
        let mut back_off = BackOff::default();
        // What was asked for while the stage stood still.
        relay.ask_retry();
        loop {
            if let Some((spec, next)) = relay.take() {
                process = next;
                match self.switch(spec, &mut back_off).await {
                    Err(Error::Stopped) => return Ok(()),
                    switched => switched?,
                }
            }
            match self.turn(&mut *process, relay).await {
                Ok(()) => {
                    back_off.reset();
                    self.trouble.set(None);
                }
                // The old process was told to stop in the middle of a batch, which is the new one's now.
                Err(Error::Stopped) if relay.is_waiting() && !self.stop.is_cancelled() => {
                    self.cursors.iter_mut().for_each(Cursor::rewind);
                }
                Err(Error::Stopped) => {
                    info!(stage = %self.spec.id, project = %self.spec.project, "stage stops");
                    // Where this fails, they are taken when this process is gone.
                    if let Err(error) = self.release().await {
                        warn!(stage = %self.spec.id, %error, "its partitions could not be released");
                    }
                    return Ok(());
                }
                Err(Error::Unavailable(why)) => {
                    self.cursors.iter_mut().for_each(Cursor::rewind);
                    match self.pause(&mut back_off, "process", why).await {
                        Ok(()) => {}
                        Err(Error::Stopped) => return Ok(()),
                        Err(other) => return Err(other),
                    }
                }
                Err(error @ Error::Final(_)) => return Err(error),
            }
        }
    }

    /// Goes on with another definition of the same stage. Nothing is under way now, so nothing is lost or repeated.
    async fn switch(&mut self, spec: Spec, back_off: &mut BackOff) -> Result<(), Error> {
        let same_sources = self.spec.sources == spec.sources;
        info!(stage = %spec.id, project = %spec.project, version = spec.version, "another version takes over");
        self.spec = spec;
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

    async fn turn(&mut self, process: &mut dyn Process, relay: &Relay) -> Result<(), Error> {
        self.rebalance().await?;
        if relay.retry.swap(false, Ordering::AcqRel) {
            let looked = self.retry(process).await;
            // Until a look finds nothing. Records of the source have their turn in between.
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

    /// Waits for records that count and reads a batch of them; `None` where another version is to go on first.
    async fn fetch(&mut self, relay: &Relay) -> Result<Option<Vec<Delivered>>, Error> {
        let mut signals = Vec::new();
        for source in &self.spec.sources {
            signals.push(if source.ranged {
                self.means.book.watch(&source.topic)
            } else {
                self.means.log.watch(&source.topic)?
            });
        }
        loop {
            if self.stop.is_cancelled() {
                return Err(Error::Stopped);
            }
            for signal in &mut signals {
                signal.mark_seen();
            }
            // Before anything is read: other partitions may have records at every look.
            self.settle().await?;
            let batch = self.read().await?;
            if !batch.is_empty() {
                self.show_lag(&batch).await;
                return Ok(Some(batch));
            }
            self.labels.lag(0, Duration::ZERO);
            self.trouble.set(None);
            let look_again = self.look_again_at();
            let take_again = self.take_again.unwrap_or_else(Instant::now);
            // In this order, so that a simulation repeats.
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Error::Stopped),
                () = relay.filled() => return Ok(None),
                () = self.means.members.changed() => return Ok(None),
                () = tokio::time::sleep_until(take_again), if self.take_again.is_some() => return Ok(None),
                () = any_changed(&mut signals) => {}
                () = tokio::time::sleep_until(look_again.unwrap_or_else(Instant::now)), if look_again.is_some() => continue,
            }
            tokio::time::sleep(LINGER).await;
        }
    }

    /// Reads what counts now, over all partitions.
    async fn read(&mut self) -> Result<Vec<Delivered>, Error> {
        let mut batch = Vec::new();
        let mut bytes_left = BATCH_BYTES_MAX;
        let (count, may_repeat) = (self.cursors.len(), self.means.log.may_repeat());
        let mut behind = false;
        self.turn = (self.turn + 1) % count.max(1);
        for i in 0..count {
            let at = (self.turn + i) % count;
            loop {
                let cursor = &mut self.cursors[at];
                let end = if cursor.ranged {
                    match self.means.book.step(&cursor.topic, cursor.partition, cursor.next) {
                        Step::Deliver(end) => end,
                        Step::Skip(to) => {
                            cursor.next = to;
                            continue;
                        }
                        Step::Wait => break,
                    }
                } else {
                    u64::MAX
                };
                if cursor.next >= end {
                    break;
                }
                let limit = ReadLimit {
                    records: usize::try_from(end - cursor.next)
                        .unwrap_or(usize::MAX)
                        .min(self.records_max - batch.len()),
                    bytes: bytes_left,
                };
                let read = self.means.log.read(&cursor.topic, cursor.partition, cursor.next, limit).await;
                let records = match read {
                    // What lies before the damage is done first.
                    Err(granary_stream::Error::Corrupt { .. }) if !batch.is_empty() => return Ok(batch),
                    read => read?,
                };
                // Of a log on other machines this only says that nothing can be read there now: what counts is there.
                if records.is_empty() && (!cursor.ranged || may_repeat) {
                    behind |= cursor.ranged;
                    break;
                }
                let first = records.first().map_or(end, |r| r.offset.min(end));
                if first > cursor.next {
                    warn!(stage = %self.spec.id, topic = %cursor.topic, partition = cursor.partition,
                        from = cursor.next, to = first, "records are lost, and the stage goes on behind them");
                    cursor.next = first;
                }
                let Some(last) = records.iter().rev().find(|r| r.offset < end) else { continue };
                cursor.next = last.offset + 1;
                let (topic, partition) = (Arc::clone(&cursor.topic), cursor.partition);
                for record in records.into_iter().filter(|r| r.offset < end) {
                    if may_repeat
                        && !cursor.ranged
                        && let Some(producer) = &record.message.system.producer
                        && !cursor.seen.is_first(producer, record.offset)
                    {
                        self.labels.repeated();
                        continue;
                    }
                    bytes_left = bytes_left.saturating_sub(record.message.payload.len());
                    batch.push(Delivered { topic: Arc::clone(&topic), partition, record });
                }
                if batch.len() >= self.records_max || bytes_left == 0 {
                    return Ok(batch);
                }
            }
        }
        self.behind = behind;
        Ok(batch)
    }

    async fn show_lag(&mut self, batch: &[Delivered]) {
        if self.lag_shown.is_some_and(|at| at.elapsed() < LAG_EVERY) {
            return;
        }
        self.lag_shown = Some(Instant::now());
        let mut behind = 0;
        for cursor in &self.cursors {
            if let Ok(bounds) = self.means.log.bounds(&cursor.topic, cursor.partition).await {
                behind += bounds.end.saturating_sub(cursor.committed);
            }
        }
        let oldest = batch.iter().map(|d| d.record.message.time_ms).min().unwrap_or_default();
        self.labels.lag(behind, Duration::from_millis(clock::now_ms().saturating_sub(oldest)));
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

async fn any_changed(signals: &mut [Watcher]) {
    if signals.is_empty() {
        return std::future::pending().await;
    }
    futures::future::select_all(signals.iter_mut().map(|signal| Box::pin(signal.changed()))).await;
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
