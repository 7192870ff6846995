//! Topics and partitions in memory.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::index::{Entry, Index};
use super::table::Row;
use crate::intervals::Intervals;
use crate::log::{Bounds, Error, TopicSpec};
use crate::signal::{Signal, Watcher};

/// One partition. Its end and index are moved by the committer alone, after the records are durable.
#[derive(Debug)]
pub(super) struct Partition {
    /// Id of the topic.
    pub(super) topic: u32,
    /// Number in the topic.
    pub(super) number: u32,
    start: AtomicU64,
    end: AtomicU64,
    deleted: AtomicBool,
    index: RwLock<Index>,
    /// Offsets that readers go past: they are lost, and that was accepted.
    lost: RwLock<Intervals>,
}

impl Partition {
    /// First offset still there, and one past the last durable one.
    pub(super) fn bounds(&self) -> Bounds {
        // The start never passes the end, and it is read first, so the answer is never upside down.
        let start = self.start.load(Ordering::Acquire);
        Bounds { start, end: self.end.load(Ordering::Acquire) }
    }

    /// Moves the start forward, at most to the end. Whether it moved.
    pub(super) fn trim(&self, before: u64) -> bool {
        let before = before.min(self.end.load(Ordering::Acquire));
        self.start.fetch_max(before, Ordering::AcqRel) < before
    }

    /// Shows frames that have become durable to readers.
    pub(super) fn publish(&self, frames: impl Iterator<Item = Entry>, end: u64) {
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for frame in frames {
            index.push(frame);
        }
        drop(index);
        self.end.store(end, Ordering::Release);
    }

    /// Adds what a closed file holds, during recovery.
    pub(super) fn restore(&self, entries: &[Entry], end: u64) {
        self.index.write().unwrap_or_else(PoisonError::into_inner).extend(entries);
        self.end.store(end, Ordering::Release);
    }

    /// Looks something up in the index.
    pub(super) fn lookup<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        look(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets readers go past offsets that are lost.
    pub(super) fn accept_loss(&self, start: u64, end: u64) {
        self.lost.write().unwrap_or_else(PoisonError::into_inner).add(start, end);
    }

    /// Looks something up among the losses that were accepted.
    pub(super) fn losses<T>(&self, look: impl FnOnce(&Intervals) -> T) -> T {
        look(&self.lost.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets a file that is dropped.
    pub(super) fn drop_file(&self, file: u64) {
        self.index.write().unwrap_or_else(PoisonError::into_inner).drop_file(file);
    }

    /// Whether nobody needs the records before that offset.
    pub(super) fn released(&self, end: u64) -> bool {
        self.deleted.load(Ordering::Acquire) || self.start.load(Ordering::Acquire) >= end
    }
}

/// One topic.
#[derive(Debug)]
pub(super) struct Topic {
    /// Id in frames.
    pub(super) id: u32,
    /// Name.
    pub(super) name: String,
    /// What it was made with.
    pub(super) spec: TopicSpec,
    partitions: Vec<Arc<Partition>>,
    grown: Signal,
}

impl Topic {
    /// The topic of a row of the table. The ends are those of the table until recovery has seen the files.
    pub(super) fn of(row: &Row) -> Self {
        let partitions = row.bounds.iter().zip(0_u32..).map(|((start, end), number)| {
            Arc::new(Partition {
                topic: row.id,
                number,
                start: AtomicU64::new(*start),
                end: AtomicU64::new(*end),
                deleted: AtomicBool::new(false),
                index: RwLock::default(),
                lost: RwLock::new(row.accepted(number)),
            })
        });
        Self {
            id: row.id,
            name: row.name.clone(),
            spec: row.spec(),
            partitions: partitions.collect(),
            grown: Signal::default(),
        }
    }

    /// The row of this topic with its bounds of now.
    pub(super) fn row(&self) -> Row {
        let (mut bounds, mut lost) = (Vec::new(), Vec::new());
        for partition in &self.partitions {
            let Bounds { start, end } = partition.bounds();
            bounds.push((start, end));
            lost.extend(partition.losses(|lost| {
                lost.since(start).map(|(start, end)| (partition.number, start, end)).collect::<Vec<_>>()
            }));
        }
        let (name, retention_ms) = (self.name.clone(), self.spec.retention_ms);
        Row { id: self.id, name, retention_ms, bounds, lost }
    }

    /// All partitions.
    pub(super) fn partitions(&self) -> &[Arc<Partition>] {
        &self.partitions
    }

    /// One partition.
    pub(super) fn partition(&self, number: u32) -> Result<&Arc<Partition>, Error> {
        self.partitions.get(number as usize).ok_or_else(|| Error::NoPartition {
            topic: self.name.clone(),
            partition: number,
            partitions: self.spec.partitions,
        })
    }

    /// Hears when the topic grows.
    pub(super) fn watch(&self) -> Watcher {
        self.grown.watch()
    }

    /// Wakes those who wait for the topic to grow.
    pub(super) fn announce(&self) {
        self.grown.raise();
    }

    /// Marks the topic as removed, so that files with its records can go.
    pub(super) fn mark_deleted(&self) {
        for partition in &self.partitions {
            partition.deleted.store(true, Ordering::Release);
        }
    }
}
