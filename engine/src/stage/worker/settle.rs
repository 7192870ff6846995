//! Gaps: offsets below committed ones that nobody has decided.
//!
//! A gap is a try under way, and readers wait for it. Or it is what is left of a try that nobody here knows of: its append was
//! stored, and the answer never came. Who made such a try has taken a new epoch before it did the batch again, so the
//! records tell: where every one of them was made under an epoch that is no longer in force, no transaction can make them
//! count any more. What counts is read after that.

use std::collections::HashMap;
use std::time::Duration;

use granary_db::cursors::Reading;
use granary_stream::{Incarnation, ReadLimit};
use tracing::{debug, info};

use super::{Error, Worker};

/// How long a reader waits at a gap before it looks into it.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);
/// Most records of a gap that are looked at once.
const RECORDS_MAX: usize = 1_000;
/// Most bytes of them.
const BYTES_MAX: usize = 4 << 20;

impl Worker {
    /// Whether any source stands at a gap.
    pub(super) fn stands_at_gap(&self) -> bool {
        self.gaps().next().is_some()
    }

    /// The gaps that the sources stand at: which cursor, and the offsets.
    fn gaps(&self) -> impl Iterator<Item = (usize, u64, u64)> {
        self.cursors.iter().enumerate().filter(|(_, cursor)| cursor.ranged).filter_map(|(at, cursor)| {
            let (start, end) = self.means.book.gap(&cursor.topic, cursor.partition, cursor.next)?;
            Some((at, start, end))
        })
    }

    /// Looks into the gaps; answers whether any was decided.
    pub(super) async fn settle(&mut self) -> Result<bool, Error> {
        let mut decided = false;
        for (at, start, end) in self.gaps().collect::<Vec<_>>() {
            decided |= self.settle_gap(at, start, end).await?;
        }
        Ok(decided)
    }

    async fn settle_gap(&self, at: usize, start: u64, end: u64) -> Result<bool, Error> {
        let cursor = &self.cursors[at];
        let (topic, partition) = (&*cursor.topic, cursor.partition);
        let records = usize::try_from(end - start).unwrap_or(usize::MAX).min(RECORDS_MAX);
        let limit = ReadLimit { records, bytes: BYTES_MAX };
        let records = self.means.log.read(topic, partition, start, limit).await?;
        let Some(last) = records.iter().rev().find(|record| record.offset < end) else { return Ok(false) };
        let end = last.offset + 1;
        // By what was read for them the newest epoch. What no stage made never counts here.
        let mut made: HashMap<Reading, u64> = HashMap::new();
        for system in records.iter().filter(|record| record.offset < end).map(|record| &record.message.system)
        {
            if let (Some(Incarnation { stage, epoch, .. }), Some(source)) = (&system.stage, &system.source) {
                let reading = (stage.clone(), source.topic.clone(), source.partition);
                let newest = made.entry(reading).or_default();
                *newest = (*newest).max(*epoch);
            }
        }
        let readings: Vec<Reading> = made.keys().cloned().collect();
        let in_force = self.means.decisions.epochs(self.means.log.id(), &readings).await?;
        // What is not read any more has no epoch, and nothing of it is committed any more.
        if made.iter().any(|(reading, epoch)| in_force.get(reading).is_some_and(|now| now <= epoch)) {
            debug!(stage = %self.spec.id, topic, partition, start, end, "a try is under way there");
            return Ok(false);
        }
        // Only now: a transaction that was faster than the new epoch has added to them.
        let ranges = self.means.decisions.ranges(self.means.log.id(), topic, partition).await?;
        let committed: Vec<(u32, u64, u64)> =
            ranges.iter().map(|(start, end)| (partition, *start, *end)).collect();
        self.means.book.commit(topic, &committed);
        self.means.book.abandon(topic, &[(partition, start, end)]);
        info!(stage = %self.spec.id, topic, partition, start, end, "records of a try that was given up are passed over");
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use granary_db::cursors;
    use granary_db::test_util::TestDatabase;
    use granary_stream::memory::MemoryLog;
    use granary_stream::{Append, Message, StreamLog, System, TopicSpec};
    use tokio_util::sync::CancellationToken;

    use super::super::{Means, Source, Spec, Start, Trouble};
    use super::*;
    use crate::stage::book::Book;

    async fn append(log: &MemoryLog, text: &str, stage: &str, epoch: u64) -> u64 {
        let stage = Some(Incarnation { stage: stage.to_owned(), version: 1, epoch });
        let source =
            Some(granary_stream::Source { topic: "in".to_owned(), partition: 0, offset: 0, index: 0 });
        let system = System { stage, source, ..System::default() };
        let messages = vec![Message { system, ..Message::of(text.to_owned()) }];
        let append = Append { topic: "out".to_owned(), partition: 0, messages };
        log.append(vec![append]).await.expect("appended").remove(0).start
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
        counts(append(&log, "a", "belt:1", first).await);
        append(&log, "given up", "belt:1", first).await;
        append(&log, "of a stage that is gone", "belt:9", first).await;
        let second = take_over().await;
        counts(append(&log, "b", "belt:1", second).await);
        append(&log, "under way", "belt:1", second).await;
        counts(append(&log, "c", "belt:1", second).await);

        let spec = Spec {
            id: "persister:x".to_owned(),
            kind: "persister",
            project: "p".to_owned(),
            object: "x".to_owned(),
            version: 1,
            sources: vec![Source { topic: "out".into(), partitions: 1, ranged: true }],
            start: Start::Earliest,
            dead_letter_stream: "dlq".to_owned(),
            turn: None,
            totals: crate::stage::totals::Totals::default(),
        };
        let means = Means {
            log: Arc::clone(&log) as _,
            decisions: Arc::new(db.clone()),
            book: book.clone(),
            members: crate::stage::members::Members::alone(),
        };
        let mut worker = Worker::acquire(spec, means, CancellationToken::new(), Trouble::default())
            .await
            .expect("the stage is ours");
        let texts = |batch: Vec<crate::stage::Delivered>| -> Vec<String> {
            batch.iter().map(|d| String::from_utf8_lossy(&d.record.message.payload).into_owned()).collect()
        };
        assert_eq!(texts(worker.read().await.expect("read")), ["a"]);
        assert!(worker.stands_at_gap());
        assert!(worker.settle().await.expect("settled"));
        assert_eq!(texts(worker.read().await.expect("read")), ["b"]);
        assert!(worker.stands_at_gap());
        assert!(!worker.settle().await.expect("looked"), "its transaction may still come");
        assert!(worker.read().await.expect("read").is_empty());
        take_over().await;
        assert!(worker.settle().await.expect("settled"));
        assert_eq!(texts(worker.read().await.expect("read")), ["c"]);
        assert!(!worker.stands_at_gap());
    }
}
