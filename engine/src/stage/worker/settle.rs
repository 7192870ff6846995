//! Gaps: offsets below committed ones that nobody has decided.
//!
//! A gap is a try under way, and readers wait for it. Or it is what is left of a try that nobody here knows of: its append was
//! stored, and the answer never came, or came in another process. Who gives such a try up takes a new epoch before anything
//! else is done, and outputs are committed under the epoch that is written on them or never. So the records tell: where no
//! partition bears the epoch of any of them, no transaction can make them count any more. What counts is read after that.

use std::collections::BTreeSet;
use std::time::Duration;

use granary_db::cursors::Tenure;
use granary_stream::{Incarnation, ReadLimit};
use tokio::time::Instant;
use tracing::{debug, info};

use super::{Cursor, Error, Worker};

/// How long a reader waits at a gap before it looks into it.
const PATIENCE: Duration = Duration::from_millis(250);
/// Most records of a gap that are looked at once.
const RECORDS_MAX: usize = 1_000;
/// Most bytes of them.
const BYTES_MAX: usize = 4 << 20;

impl Worker {
    /// Looks into the gaps that the sources have stood at long enough.
    pub(super) async fn settle(&mut self) -> Result<(), Error> {
        for (at, start, end, since) in self.gaps() {
            if since.elapsed() >= PATIENCE {
                // Where a try is under way there, it has as long again; what is left of a long gap is looked into at once.
                self.cursors[at].gap = self.settle_gap(at, start, end).await?.map(|end| (end, since));
            }
        }
        Ok(())
    }

    /// When the sources are to be looked at again though nobody has told of anything new.
    pub(super) fn next_look(&mut self) -> Option<Instant> {
        let since = self.gaps().into_iter().map(|(.., since)| since);
        since.chain(self.behind.then(Instant::now)).min().map(|since| since + PATIENCE)
    }

    /// The gaps that the sources stand at: which cursor, the offsets, and since when.
    fn gaps(&mut self) -> Vec<(usize, u64, u64, Instant)> {
        let (book, now) = (&self.means.book, Instant::now());
        let ranged = self.cursors.iter_mut().enumerate().filter(|(_, cursor)| cursor.ranged);
        let gap = |(at, cursor): (usize, &mut Cursor)| {
            let gap = book.gap(&cursor.topic, cursor.partition, cursor.next);
            let known = cursor.gap.filter(|(offset, _)| *offset == cursor.next);
            cursor.gap = gap.map(|(start, _)| known.unwrap_or((start, now)));
            let ((start, end), (_, since)) = (gap?, cursor.gap?);
            Some((at, start, end, since))
        };
        ranged.filter_map(gap).collect()
    }

    /// Decides a gap where no try is under way in it; up to where it did.
    async fn settle_gap(&self, at: usize, start: u64, end: u64) -> Result<Option<u64>, Error> {
        let cursor = &self.cursors[at];
        let (topic, partition) = (&*cursor.topic, cursor.partition);
        let records = usize::try_from(end - start).unwrap_or(usize::MAX).min(RECORDS_MAX);
        let limit = ReadLimit { records, bytes: BYTES_MAX };
        let records = self.means.log.read(topic, partition, start, limit).await?;
        if records.is_empty() {
            return Ok(None);
        }
        // Where the first one lies behind the gap, there is nothing in it any more.
        let last = records.iter().rev().find(|record| record.offset < end);
        let end = last.map_or(end, |last| last.offset + 1);
        // What no stage made never counts here.
        let made: BTreeSet<Tenure> = records
            .iter()
            .filter(|record| record.offset < end)
            .filter_map(|record| record.message.system.stage.as_ref())
            .map(|Incarnation { stage, epoch, .. }| (stage.clone(), *epoch))
            .collect();
        if self.means.decisions.any_in_force(self.means.log.id(), &made).await? {
            debug!(stage = %self.spec.id, topic, partition, start, end, "a try is under way there");
            return Ok(None);
        }
        // Only now: a transaction that was faster than the new epoch has added to them.
        let ranges = self.means.decisions.ranges(self.means.log.id(), topic, partition).await?;
        let committed: Vec<(u32, u64, u64)> =
            ranges.iter().map(|(start, end)| (partition, *start, *end)).collect();
        self.means.book.commit(topic, &committed);
        self.means.book.abandon(topic, &[(partition, start, end)]);
        info!(stage = %self.spec.id, topic, partition, start, end, "records of a try that was given up are passed over");
        Ok(Some(end))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use granary_db::test_util::TestDatabase;
    use granary_db::{Db, cursors};
    use granary_stream::memory::MemoryLog;
    use granary_stream::{Append, Message, StreamLog, System, TopicSpec};
    use tokio_util::sync::CancellationToken;

    use super::super::{Means, Relay, Source, Spec, Start, Trouble};
    use super::*;
    use crate::stage::book::Book;

    async fn append(log: &MemoryLog, partition: u32, text: &str, stage: &str, epoch: u64) -> u64 {
        let stage = Some(Incarnation { stage: stage.to_owned(), version: 1, epoch });
        let system = System { stage, ..System::default() };
        let messages = vec![Message { system, ..Message::of(text.to_owned()) }];
        let append = Append { topic: "out".to_owned(), partition, messages };
        log.append(vec![append]).await.expect("appended").remove(0).start
    }

    async fn reader(db: &Db, log: &Arc<MemoryLog>, book: &Book, partitions: u32) -> Worker {
        let spec = Spec {
            id: "persister:x".to_owned(),
            kind: "persister",
            project: "p".to_owned(),
            object: "x".to_owned(),
            version: 1,
            sources: vec![Source { topic: "out".into(), partitions, ranged: true }],
            start: Start::Earliest,
            dead_letter_stream: "dlq".to_owned(),
            turn: None,
            totals: crate::stage::totals::Totals::default(),
        };
        let means = Means {
            log: Arc::clone(log) as _,
            decisions: Arc::new(db.clone()),
            book: book.clone(),
            members: crate::stage::members::Members::alone(),
        };
        let (stop, trouble) = (CancellationToken::new(), Trouble::default());
        Worker::acquire(spec, means, stop, trouble).await.expect("the stage is ours")
    }

    fn texts(batch: Vec<crate::stage::Delivered>) -> Vec<String> {
        batch.iter().map(|d| String::from_utf8_lossy(&d.record.message.payload).into_owned()).collect()
    }

    #[tokio::test]
    async fn a_gap_of_a_try_that_was_given_up_is_passed_and_one_under_way_is_waited_for() {
        let database = TestDatabase::create().await.expect("a database");
        let (db, log) = (database.db(), Arc::new(MemoryLog::new()));
        log.create_topic("out", TopicSpec::of(1)).await.expect("a topic");
        let take_over = || async {
            {
                let wanted = [("in".to_owned(), 0, 0)];
                cursors::acquire(db, "belt:1", log.id(), &wanted).await.expect("acquired").epoch
            }
        };
        let book = Book::default();
        let counts = |offset: u64| book.commit("out", &[(0, offset, offset + 1)]);

        let first = take_over().await;
        counts(append(&log, 0, "a", "belt:1", first).await);
        append(&log, 0, "given up", "belt:1", first).await;
        append(&log, 0, "of a stage that is gone", "belt:9", first).await;
        let second = take_over().await;
        counts(append(&log, 0, "b", "belt:1", second).await);
        append(&log, 0, "under way", "belt:1", second).await;
        counts(append(&log, 0, "c", "belt:1", second).await);

        let mut worker = reader(db, &log, &book, 1).await;
        let decided = async |worker: &mut Worker| {
            let (start, end) = book.gap("out", 0, worker.cursors[0].next).expect("a gap");
            let decided = worker.settle_gap(0, start, end).await.expect("looked").is_some();
            assert_eq!(book.gap("out", 0, start).is_none(), decided);
            decided
        };
        assert_eq!(texts(worker.read().await.expect("read")), ["a"]);
        assert!(decided(&mut worker).await);
        assert_eq!(texts(worker.read().await.expect("read")), ["b"]);
        assert!(!decided(&mut worker).await, "its transaction may still come");
        assert!(worker.read().await.expect("read").is_empty());
        take_over().await;
        assert!(decided(&mut worker).await);
        assert_eq!(texts(worker.read().await.expect("read")), ["c"]);
        assert!(worker.next_look().is_none());
    }

    #[tokio::test]
    async fn a_gap_is_looked_into_though_another_partition_has_records_all_the_time() {
        let database = TestDatabase::create().await.expect("a database");
        let log = Arc::new(MemoryLog::new());
        log.create_topic("out", TopicSpec::of(2)).await.expect("a topic");
        let book = Book::default();
        let counts = async |partition: u32, text: &str| {
            let offset = append(&log, partition, text, "belt:gone", 1).await;
            book.commit("out", &[(partition, offset, offset + 1)]);
        };
        append(&log, 0, "given up", "belt:gone", 1).await;
        counts(0, "behind the gap").await;
        let mut worker = reader(database.db(), &log, &book, 2).await;
        // Ends where the gap is passed over, however busy the other partition is.
        loop {
            counts(1, "busy").await;
            let batch = worker.fetch(&Relay::default()).await.expect("read").expect("a batch");
            if texts(batch).contains(&"behind the gap".to_owned()) {
                return;
            }
        }
    }
}
