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
//! epoch, which fences the old transaction if it is still under way, and looks at the cursors: either they have moved
//! and the outputs count, or they have not and the same outputs are committed under the new epoch.
//!
//! Between two turns it processes dead letters again that were asked for (`retry`).

mod retry;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use granary_db::commit::{Commit, CommitError, CursorMove, RangeAdd};
use granary_db::dead_letters::DeadLetter;
use granary_db::dead_letters::retry::is_settled;
use granary_db::{Db, cursors};
use granary_stream::{Append, Incarnation, ReadLimit, StreamLog};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::book::{Book, Step};
use super::metrics::{Batch, Labels};
use super::{Dead, Delivered, EffectError, Error, Outcome, Process};

/// Most records of one batch. Large enough that the fixed cost of a commit disappears, small enough that a batch of
/// slow events ends within seconds.
const BATCH_RECORDS_MAX: usize = 1_000;
/// Most payload bytes of one batch: bounds the memory of a stage to a few times this.
const BATCH_BYTES_MAX: usize = 8 << 20;
/// How long an idle stage waits after the first sign of work, so that a trickle is committed in batches.
const LINGER: Duration = Duration::from_millis(2);
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
}

/// What all workers share.
#[derive(Clone)]
pub struct Shared {
    /// The log.
    pub log: Arc<dyn StreamLog>,
    /// The database.
    pub db: Db,
    /// Which records count.
    pub book: Book,
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
    /// Where the next fetch goes on.
    next: u64,
}

/// A running stage.
pub struct Worker {
    spec: Spec,
    shared: Shared,
    labels: Labels,
    stop: CancellationToken,
    trouble: Trouble,
    epoch: u64,
    cursors: Vec<Cursor>,
    /// Partition that the next fetch begins with, so that a busy one does not starve the others.
    turn: usize,
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
        shared: Shared,
        stop: CancellationToken,
        trouble: Trouble,
    ) -> Result<Self, Error> {
        let labels = Labels::new(spec.kind, &spec.project, &spec.object);
        let mut worker = Self { spec, shared, labels, stop, trouble, epoch: 0, cursors: Vec::new(), turn: 0 };
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
        info!(stage = %self.spec.id, project = %self.spec.project, epoch = self.epoch, "stage runs");
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
                    for cursor in &mut self.cursors {
                        cursor.next = cursor.committed;
                    }
                }
                Err(Error::Stopped) => {
                    info!(stage = %self.spec.id, project = %self.spec.project, "stage stops");
                    return Ok(());
                }
                Err(Error::Unavailable(why)) => {
                    for cursor in &mut self.cursors {
                        cursor.next = cursor.committed;
                    }
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
        if relay.retry.swap(false, Ordering::AcqRel) {
            let looked = self.retry(process).await;
            // Until a look finds nothing. Records of the source have their turn in between.
            if !matches!(looked, Ok(false)) {
                relay.ask_retry();
            }
            looked?;
        }
        let Some(batch) = self.fetch(relay).await? else { return Ok(()) };
        let mut figures = Batch::of(&batch);
        let begun = Instant::now();
        let outcome = process.process(batch).await?;
        figures.process = begun.elapsed();
        let begun = Instant::now();
        let prepared = self.append(outcome, figures).await?;
        self.commit(prepared, begun).await
    }

    /// Waits for records that count and reads a batch of them; `None` where another version is to go on first.
    async fn fetch(&mut self, relay: &Relay) -> Result<Option<Vec<Delivered>>, Error> {
        let mut signals = Vec::new();
        for source in &self.spec.sources {
            signals.push(if source.ranged {
                self.shared.book.watch(&source.topic)
            } else {
                self.shared.log.watch(&source.topic)?
            });
        }
        loop {
            if self.stop.is_cancelled() {
                return Err(Error::Stopped);
            }
            for signal in &mut signals {
                signal.mark_unchanged();
            }
            let batch = self.read().await?;
            if !batch.is_empty() {
                self.show_lag(&batch);
                return Ok(Some(batch));
            }
            self.labels.lag(0, Duration::ZERO);
            self.trouble.set(None);
            tokio::select! {
                () = self.stop.cancelled() => return Err(Error::Stopped),
                () = relay.filled() => return Ok(None),
                () = any_changed(&mut signals) => {}
            }
            tokio::time::sleep(LINGER).await;
        }
    }

    /// Reads what counts now, over all partitions.
    async fn read(&mut self) -> Result<Vec<Delivered>, Error> {
        let mut batch = Vec::new();
        let mut bytes_left = BATCH_BYTES_MAX;
        let count = self.cursors.len();
        self.turn = (self.turn + 1) % count.max(1);
        for i in 0..count {
            let at = (self.turn + i) % count;
            loop {
                let cursor = &mut self.cursors[at];
                let end = if cursor.ranged {
                    match self.shared.book.step(&cursor.topic, cursor.partition, cursor.next) {
                        Step::Deliver(end) => end,
                        Step::Skip(to) => {
                            cursor.next = to;
                            continue;
                        }
                        Step::Wait => break,
                    }
                } else {
                    self.shared.log.bounds(&cursor.topic, cursor.partition)?.end
                };
                if cursor.next >= end {
                    break;
                }
                let limit = ReadLimit {
                    records: usize::try_from(end - cursor.next)
                        .unwrap_or(usize::MAX)
                        .min(BATCH_RECORDS_MAX - batch.len()),
                    bytes: bytes_left,
                };
                let records =
                    self.shared.log.read(&cursor.topic, cursor.partition, cursor.next, limit).await?;
                let Some(last) = records.iter().rev().find(|r| r.offset < end) else { break };
                cursor.next = last.offset + 1;
                let (topic, partition) = (Arc::clone(&cursor.topic), cursor.partition);
                for record in records.into_iter().filter(|r| r.offset < end) {
                    bytes_left = bytes_left.saturating_sub(record.message.payload.len());
                    batch.push(Delivered { topic: Arc::clone(&topic), partition, record });
                }
                if batch.len() >= BATCH_RECORDS_MAX || bytes_left == 0 {
                    return Ok(batch);
                }
            }
        }
        Ok(batch)
    }

    fn show_lag(&self, batch: &[Delivered]) {
        let behind = self
            .cursors
            .iter()
            .filter_map(|c| {
                Some(self.shared.log.bounds(&c.topic, c.partition).ok()?.end.saturating_sub(c.committed))
            })
            .sum();
        let oldest = batch.iter().map(|d| d.record.message.time_ms).min().unwrap_or_default();
        self.labels.lag(behind, Duration::from_millis(crate::clock::now_ms().saturating_sub(oldest)));
    }

    /// Makes the outputs durable. They are not visible yet.
    async fn append(&self, outcome: Outcome, mut figures: Batch) -> Result<Prepared, Error> {
        let incarnation =
            Incarnation { stage: self.spec.id.clone(), version: self.spec.version, epoch: self.epoch };
        let mut appends: Vec<Append> = Vec::new();
        let mut index: HashMap<(Arc<str>, u32), usize> = HashMap::new();
        figures.skipped = outcome.skipped;
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
        let ranges = if appends.is_empty() { Vec::new() } else { self.shared.log.append(appends).await? };
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
                })
                .collect(),
            figures,
        })
    }

    /// Commits until it is known whether the batch counts.
    async fn commit(&mut self, mut prepared: Prepared, begun: Instant) -> Result<(), Error> {
        let mut back_off = BackOff::default();
        loop {
            match self.try_commit(&prepared).await {
                Ok(dead) => {
                    prepared.figures.commit = begun.elapsed();
                    self.committed(&prepared, &dead);
                    return Ok(());
                }
                Err(Try::Fenced) => {
                    // Somebody else owns the stage, or an earlier try of ours went through after all.
                    warn!(stage = %self.spec.id, "fenced: another worker has taken the stage over");
                    self.abandon(&prepared);
                    self.take_epoch().await?;
                    return Ok(());
                }
                Err(Try::Withdrawn) => {
                    debug!(stage = %self.spec.id, "dead letters were discarded while they were retried");
                    self.abandon(&prepared);
                    return Ok(());
                }
                Err(Try::Unknown(why)) => {
                    self.labels.retried("commit");
                    warn!(stage = %self.spec.id, error = %why, "commit failed, trying again");
                    if self.learn(&prepared, &mut back_off, why).await? {
                        prepared.figures.commit = begun.elapsed();
                        let dead = prepared.dead.clone();
                        self.committed(&prepared, &dead);
                        return Ok(());
                    }
                    self.trouble.set(None);
                }
            }
        }
    }

    /// After a commit with unknown outcome: whether it went through. Ours is the epoch afterwards.
    async fn learn(
        &mut self,
        prepared: &Prepared,
        back_off: &mut BackOff,
        mut why: String,
    ) -> Result<bool, Error> {
        let settled = loop {
            // A stop does not end this: readers of the outputs wait for the answer. Only the end of the process does,
            // after which the next start settles everything.
            self.trouble.set(Some(why.clone()));
            tokio::time::sleep(back_off.next()).await;
            match self.look_again(prepared).await {
                Ok(settled) => break settled,
                Err(Error::Unavailable(again)) => why = again,
                Err(other) => return Err(other),
            }
        };
        let moved = |m: &CursorMove| {
            self.cursors
                .iter()
                .any(|c| *c.topic == *m.topic && c.partition == m.partition && c.committed == m.to)
        };
        let done = settled && prepared.moves.iter().all(moved);
        if !done {
            // The cursors stand where they stood: put the reading position back behind the batch, which is still ours.
            for m in &prepared.moves {
                for c in
                    self.cursors.iter_mut().filter(|c| *c.topic == *m.topic && c.partition == m.partition)
                {
                    c.next = m.to;
                }
            }
        }
        Ok(done)
    }

    /// Takes a new epoch; whether the letters of the batch are settled then, as those of a batch without letters are.
    async fn look_again(&mut self, prepared: &Prepared) -> Result<bool, Error> {
        self.take_epoch().await?;
        let attempts: Vec<_> = prepared.letters.iter().map(|letter| letter.attempt).collect();
        Ok(attempts.is_empty() || is_settled(&self.shared.db, &attempts).await?)
    }

    async fn try_commit(&self, prepared: &Prepared) -> Result<Vec<Dead>, Try> {
        let mut client = self.shared.db.client().await?;
        let tx = client.transaction().await.map_err(|e| Try::Unknown(granary_db::describe(&e)))?;
        let mut dead = prepared.dead.clone();
        if let Some(effect) = &prepared.effect {
            dead.extend(effect.apply(&tx).await.map_err(|e| match e {
                EffectError::Unavailable(why) | EffectError::Refused(why) => Try::Unknown(why),
            })?);
        }
        // What failed again is a letter already.
        let new = if prepared.letters.is_empty() { &*dead } else { &[] };
        let commit = Commit {
            stage: self.spec.id.clone(),
            epoch: self.epoch,
            log_id: self.shared.log.id(),
            moves: prepared.moves.clone(),
            ranges: prepared.ranges.clone(),
            dead: new.iter().map(|d| self.dead_letter(d)).collect(),
        };
        granary_db::commit::commit(&tx, &commit).await.map_err(|e| match e {
            CommitError::Fenced { .. } | CommitError::Moved { .. } => Try::Fenced,
            CommitError::Db(e) => e.into(),
        })?;
        if !prepared.letters.is_empty() && !self.settle(&tx, &prepared.letters, &dead).await? {
            return Err(Try::Withdrawn);
        }
        tx.commit().await.map_err(|e| Try::Unknown(granary_db::describe(&e)))?;
        Ok(dead)
    }

    /// The batch counts: tells the readers.
    fn committed(&mut self, prepared: &Prepared, dead: &[Dead]) {
        for (topic, ranges) in by_topic(&prepared.ranges) {
            self.shared.book.commit(topic, &ranges);
        }
        for m in &prepared.moves {
            for c in self.cursors.iter_mut().filter(|c| *c.topic == *m.topic && c.partition == m.partition) {
                c.committed = m.to;
            }
        }
        if !prepared.letters.is_empty() {
            self.labels.letters(prepared.letters.len(), dead.len());
        }
        for letter in dead {
            self.labels.failed(letter.code);
            debug!(stage = %self.spec.id, topic = %letter.delivered.topic, partition = letter.delivered.partition,
                offset = letter.delivered.record.offset, code = letter.code, "dead letter");
        }
        self.labels.committed(&prepared.figures);
    }

    fn abandon(&self, prepared: &Prepared) {
        for (topic, ranges) in by_topic(&prepared.ranges) {
            self.shared.book.abandon(topic, &ranges);
        }
    }

    /// Bumps the epoch and reads the cursors, making those that are missing.
    async fn take_epoch(&mut self) -> Result<(), Error> {
        let mut wanted = Vec::new();
        for source in &self.spec.sources {
            for partition in 0..source.partitions {
                wanted.push((
                    source.topic.to_string(),
                    partition,
                    self.first_offset(source, partition).await?,
                ));
            }
        }
        let acquired =
            cursors::acquire(&self.shared.db, &self.spec.id, self.shared.log.id(), &wanted).await?;
        self.epoch = acquired.epoch;
        // A definition that reads fewer topics than before must not hold the others back in the log.
        let topics: Vec<&str> = self.spec.sources.iter().map(|s| &*s.topic).collect();
        cursors::keep_topics(&self.shared.db, &self.spec.id, self.epoch, &topics).await?;
        let at: HashMap<(String, u32), u64> =
            acquired.cursors.into_iter().map(|(topic, partition, next)| ((topic, partition), next)).collect();
        self.cursors.clear();
        for source in &self.spec.sources {
            for partition in 0..source.partitions {
                let committed = at.get(&(source.topic.to_string(), partition)).copied().ok_or_else(|| {
                    Error::Final(format!("no cursor for topic '{}' partition {partition}", source.topic))
                })?;
                self.cursors.push(Cursor {
                    topic: Arc::clone(&source.topic),
                    partition,
                    ranged: source.ranged,
                    committed,
                    next: committed,
                });
            }
        }
        Ok(())
    }

    /// Where a partition begins when it has no cursor yet.
    async fn first_offset(&self, source: &Source, partition: u32) -> Result<u64, Error> {
        let bounds = self.shared.log.bounds(&source.topic, partition)?;
        Ok(match &self.spec.start {
            Start::Latest => bounds.end,
            Start::Earliest => bounds.start,
            Start::Time(ms) => self.shared.log.offset_at(&source.topic, partition, *ms).await?,
            Start::Offset(offset) => (*offset).clamp(bounds.start, bounds.end),
            Start::Offsets(map) => map
                .get(&*source.topic)
                .and_then(|offsets| offsets.get(partition as usize))
                .map_or(bounds.end, |o| (*o).clamp(bounds.start, bounds.end)),
        })
    }

    async fn pause(&self, back_off: &mut BackOff, cause: &'static str, why: String) -> Result<(), Error> {
        self.labels.retried(cause);
        warn!(stage = %self.spec.id, cause, error = %why, "stage waits");
        self.trouble.set(Some(why));
        tokio::select! {
            () = self.stop.cancelled() => Err(Error::Stopped),
            () = tokio::time::sleep(back_off.next()) => Ok(()),
        }
    }

    fn dead_letter(&self, dead: &Dead) -> DeadLetter {
        let Delivered { topic, partition, record } = &dead.delivered;
        DeadLetter {
            project: self.spec.project.clone(),
            stream: self.spec.dead_letter_stream.clone(),
            stage: self.spec.id.clone(),
            code: dead.code.to_owned(),
            message: dead.message.clone(),
            stacktrace: dead.stacktrace.clone(),
            exception_type: dead.exception_type.clone(),
            topic: topic.to_string(),
            partition: *partition,
            offset: record.offset,
            time_ms: record.message.time_ms,
            key: record.message.key.clone(),
            payload: record.message.payload.clone(),
            headers: record.message.headers.0.clone(),
            definition_version: self.spec.version,
            trace_id: record.message.system.trace_id,
        }
    }
}

/// How a commit ended when it did not succeed.
enum Try {
    /// Another epoch is in force; the transaction did not go through.
    Fenced,
    /// A letter of the retry is not to be retried any more; the transaction did not go through.
    Withdrawn,
    /// It may have gone through.
    Unknown(String),
}

/// Whatever the database said, the batch is not lost: it is tried again.
impl From<granary_db::Error> for Try {
    fn from(error: granary_db::Error) -> Self {
        Self::Unknown(error.to_string())
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

fn by_topic(ranges: &[RangeAdd]) -> HashMap<&str, Vec<(u32, u64, u64)>> {
    let mut by_topic: HashMap<&str, Vec<_>> = HashMap::new();
    for r in ranges {
        by_topic.entry(&r.topic).or_default().push((r.partition, r.start, r.end));
    }
    by_topic
}

async fn any_changed(signals: &mut [watch::Receiver<u64>]) {
    let waits = signals.iter_mut().map(|s| {
        Box::pin(async move {
            if s.changed().await.is_err() {
                // The topic is gone; the supervisor will stop this stage.
                std::future::pending::<()>().await;
            }
        })
    });
    futures::future::select_all(waits).await;
}
