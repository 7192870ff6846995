//! The book: which records of a stage-written topic count.
//!
//! A stage appends its outputs first and commits afterwards, so a topic holds three kinds of offsets:
//!
//! ```text
//!   committed          in a range that Postgres holds: delivered
//!   settled otherwise  appended by a try that will never be committed: skipped
//!   neither yet        a try is under way: readers wait there, so that order holds
//! ```
//!
//! Postgres is the truth; the book is its image in this process, loaded at start and kept up by every commit. At the
//! start every offset below the end of the log that is in no range is settled: no try can be under way, since this
//! process holds the installation's lock and has fenced all stages before it reads the ranges.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use granary_stream::{Intervals, Signal, Watcher};

/// What a reader at an offset may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Deliver the records from here up to that offset (exclusive).
    Deliver(u64),
    /// Nothing here counts: go on at that offset.
    Skip(u64),
    /// Not decided yet.
    Wait,
}

#[derive(Debug, Default)]
struct Partition {
    committed: Intervals,
    /// Appended by tries that will never be committed.
    abandoned: Intervals,
    /// Everything below is decided: what is not committed there is skipped.
    settled: u64,
}

impl Partition {
    fn step(&self, from: u64) -> Step {
        if let Some(end) = self.committed.end_of(from) {
            return Step::Deliver(end);
        }
        let end = match self.abandoned.end_of(from) {
            Some(end) => end,
            None if from < self.settled => self.settled,
            None => return Step::Wait,
        };
        // What counts within it is told apart: an abandoned gap is all that one reader did not know of.
        Step::Skip(self.committed.next_start(from).map_or(end, |next| next.min(end)))
    }
}

struct Topic {
    partitions: Mutex<HashMap<u32, Partition>>,
    changed: Signal,
}

impl Topic {
    fn new() -> Self {
        Self { partitions: Mutex::default(), changed: Signal::default() }
    }

    fn with<R>(&self, partition: u32, f: impl FnOnce(&mut Partition) -> R) -> R {
        // A panic while the lock is held cannot leave intervals half-changed in a way that matters: they only grow.
        let mut all = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        f(all.entry(partition).or_default())
    }
}

/// The committed ranges of all stage-written topics. Cheap to clone.
#[derive(Clone, Default)]
pub struct Book {
    topics: Arc<Mutex<HashMap<String, Arc<Topic>>>>,
}

impl Book {
    fn topic(&self, name: &str) -> Arc<Topic> {
        let mut topics = self.topics.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(topic) = topics.get(name) {
            return Arc::clone(topic);
        }
        let topic = Arc::new(Topic::new());
        topics.insert(name.to_owned(), Arc::clone(&topic));
        topic
    }

    /// Takes over what Postgres holds for a partition at the start; `end` is the end of the log there.
    pub fn load(&self, topic: &str, partition: u32, ranges: &[(u64, u64)], end: u64) {
        self.topic(topic).with(partition, |p| {
            for (start, end) in ranges {
                p.committed.add(*start, *end);
            }
            p.settled = p.settled.max(end);
        });
    }

    /// These offsets count from now on.
    pub fn commit(&self, topic: &str, ranges: &[(u32, u64, u64)]) {
        self.change(topic, ranges, |p, start, end| p.committed.add(start, end));
    }

    /// What counts of a partition, as another process may have changed it.
    pub fn learn(&self, topic: &str, partition: u32, ranges: &[(u64, u64)]) {
        let known = self.topic(topic);
        let news = known.with(partition, |p| {
            let fresh: Vec<_> = ranges
                .iter()
                .filter(|(start, end)| p.committed.end_of(*start).is_none_or(|known| known < *end))
                .collect();
            fresh.iter().for_each(|(start, end)| p.committed.add(*start, *end));
            !fresh.is_empty()
        });
        if news {
            known.changed.raise();
        }
    }

    /// The topics that somebody has asked for.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// These offsets will never count.
    pub fn abandon(&self, topic: &str, ranges: &[(u32, u64, u64)]) {
        self.change(topic, ranges, |p, start, end| p.abandoned.add(start, end));
    }

    fn change(&self, topic: &str, ranges: &[(u32, u64, u64)], f: impl Fn(&mut Partition, u64, u64)) {
        let topic = self.topic(topic);
        for (partition, start, end) in ranges {
            topic.with(*partition, |p| f(p, *start, *end));
        }
        topic.changed.raise();
    }

    /// What a reader at `from` may do.
    #[must_use]
    pub fn step(&self, topic: &str, partition: u32, from: u64) -> Step {
        self.topic(topic).with(partition, |p| p.step(from))
    }

    /// The undecided offsets from `from` on, where some behind them count: a try that is under way, or was given up by
    /// somebody who could not tell.
    #[must_use]
    pub fn gap(&self, topic: &str, partition: u32, from: u64) -> Option<(u64, u64)> {
        self.topic(topic).with(partition, |p| match p.step(from) {
            Step::Wait => p.committed.next_start(from).map(|next| (from, next)),
            Step::Deliver(_) | Step::Skip(_) => None,
        })
    }

    /// Hears whenever something of the topic was decided.
    #[must_use]
    pub fn watch(&self, topic: &str) -> Watcher {
        self.topic(topic).changed.watch()
    }

    /// Forgets a deleted topic.
    pub fn forget(&self, topic: &str) {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_wait_for_a_try_under_way_even_when_later_offsets_count() {
        let book = Book::default();
        book.commit("t", &[(0, 0, 5), (0, 8, 10)]);
        assert_eq!(book.step("t", 0, 0), Step::Deliver(5));
        assert_eq!(book.step("t", 0, 5), Step::Wait);
        assert_eq!(
            (book.gap("t", 0, 5), book.gap("t", 0, 0), book.gap("t", 0, 10)),
            (Some((5, 8)), None, None)
        );
        book.commit("t", &[(0, 5, 8)]);
        assert_eq!(book.step("t", 0, 5), Step::Deliver(10));
    }

    #[test]
    fn orphans_are_skipped_once_decided() {
        let book = Book::default();
        book.commit("t", &[(0, 0, 5), (0, 8, 10)]);
        book.abandon("t", &[(0, 5, 8)]);
        assert_eq!(book.step("t", 0, 5), Step::Skip(8));
        assert_eq!(book.step("t", 0, 8), Step::Deliver(10));
        assert_eq!(book.step("t", 0, 10), Step::Wait);
    }

    #[test]
    fn what_counts_within_an_abandoned_gap_is_delivered() {
        let book = Book::default();
        book.commit("t", &[(0, 0, 5), (0, 7, 8), (0, 10, 12)]);
        book.abandon("t", &[(0, 5, 10)]);
        assert_eq!(book.step("t", 0, 5), Step::Skip(7));
        assert_eq!(book.step("t", 0, 7), Step::Deliver(8));
        assert_eq!(book.step("t", 0, 8), Step::Skip(10));
        assert_eq!(book.step("t", 0, 10), Step::Deliver(12));
    }

    #[test]
    fn what_other_processes_commit_is_told_once() {
        let book = Book::default();
        let mut changed = book.watch("t");
        book.learn("t", 0, &[(0, 5)]);
        assert!(changed.has_changed() && book.step("t", 0, 0) == Step::Deliver(5));
        changed.mark_seen();
        book.learn("t", 0, &[(0, 5)]);
        assert!(!changed.has_changed());
        book.learn("t", 0, &[(0, 9)]);
        assert!(changed.has_changed() && book.step("t", 0, 5) == Step::Deliver(9));
        assert_eq!(book.topics(), ["t"]);
    }

    #[test]
    fn what_no_range_holds_at_the_start_is_skipped() {
        let book = Book::default();
        book.load("t", 3, &[(2, 4)], 9);
        assert_eq!(book.step("t", 3, 0), Step::Skip(2));
        assert_eq!(book.step("t", 3, 2), Step::Deliver(4));
        assert_eq!(book.step("t", 3, 4), Step::Skip(9));
        assert_eq!(book.step("t", 3, 9), Step::Wait);
    }
}
