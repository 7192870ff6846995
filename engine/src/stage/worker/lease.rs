//! Who works on which partition: epochs, cursors, and what several processes share.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use granary_db::cursors::{Place, Share};
use tokio::time::Instant;
use tracing::warn;

use super::{Cursor, Error, Repeats, Source, Start, Worker};

/// Between two tries to get a partition that another process has not let go of yet.
const TAKE_AGAIN: Duration = Duration::from_millis(500);
/// How long the end of a stage waits for the database.
const RELEASE_PATIENCE: Duration = Duration::from_secs(2);

impl Worker {
    /// Bumps the epoch and reads the cursors, making those that are missing; partitions that are another process's now are let
    /// go of.
    pub(super) async fn take_epoch(&mut self) -> Result<(), Error> {
        let wanted = match &self.wanted {
            Some(wanted) => Arc::clone(wanted),
            None => Arc::clone(self.wanted.insert(self.look_up_starts().await?)),
        };
        let mine: Vec<bool> =
            wanted.iter().map(|(topic, partition, _)| self.owns(topic, *partition)).collect();
        let turn = self.spec.turn;
        let again = self.has_cursors;
        let share = self.means.members.me().map(|node| Share { node, mine: &mine, turn, again });
        let acquired =
            self.means.decisions.acquire(&self.spec.id, self.means.log.id(), &wanted, share).await?;
        let wanted = mine.iter().filter(|mine| **mine).count();
        self.take_again = (acquired.cursors.len() < wanted).then(|| Instant::now() + TAKE_AGAIN);
        self.epoch = acquired.epoch;
        self.has_cursors = true;
        self.renew = false;
        let mut at: HashMap<(String, u32), Place> = acquired
            .cursors
            .into_iter()
            .map(|place| ((place.topic.clone(), place.partition), place))
            .collect();
        let gaps: HashMap<(Arc<str>, u32), _> = std::mem::take(&mut self.cursors)
            .into_iter()
            .filter_map(|cursor| Some(((cursor.topic, cursor.partition), cursor.gap?)))
            .collect();
        for source in &self.spec.sources {
            for partition in 0..source.partitions {
                // Another process has it, or is to have it.
                let Some(place) = at.remove(&(source.topic.to_string(), partition)) else { continue };
                let Place { next: committed, seen, .. } = place;
                let seen = Repeats::read(&seen.unwrap_or_default()).map_err(Error::Final)?;
                self.cursors.push(Cursor {
                    topic: Arc::clone(&source.topic),
                    partition,
                    ranged: source.ranged,
                    committed,
                    committed_seen: seen.clone(),
                    next: committed,
                    seen,
                    // Kept, so that it is looked into however often other partitions are taken meanwhile.
                    gap: gaps.get(&(Arc::clone(&source.topic), partition)).copied(),
                });
            }
        }
        Ok(())
    }

    /// Whether this process is to work on the partition.
    fn owns(&self, topic: &str, partition: u32) -> bool {
        self.means.members.owns(self.spec.kind, &self.spec.id, topic, partition)
    }

    /// Between two batches: takes a new epoch where the one that is held does not do any more, or other partitions may be ours.
    pub(super) async fn rebalance(&mut self) -> Result<(), Error> {
        let due = self.take_again.is_some_and(|at| at <= Instant::now());
        // Remembered, so that it is done where the database is away now.
        self.renew |= self.means.members.has_changed() || due;
        if self.renew { self.take_epoch().await } else { Ok(()) }
    }

    /// Lets go of all partitions, at the end. The epoch ends with that: nobody waits for a try of it any more, and another
    /// process takes the partitions at once. Where it fails, that comes when the stage is acquired again, or when this process
    /// is gone.
    pub(super) async fn release(&mut self) {
        let releasing = self.means.decisions.release(&self.spec.id, self.epoch);
        let failed = match tokio::time::timeout(RELEASE_PATIENCE, releasing).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the database does not answer".to_owned()),
        };
        if let Some(error) = failed {
            warn!(stage = %self.spec.id, error, "its partitions could not be released");
        }
        self.cursors.clear();
    }

    /// All partitions of the sources, and where each begins when it has no cursor yet.
    async fn look_up_starts(&self) -> Result<Arc<[(String, u32, u64)]>, Error> {
        let mut wanted = Vec::new();
        for source in &self.spec.sources {
            for partition in 0..source.partitions {
                let start = self.first_offset(source, partition).await?;
                wanted.push((source.topic.to_string(), partition, start));
            }
        }
        Ok(wanted.into())
    }

    /// Where a partition begins when it has no cursor yet.
    async fn first_offset(&self, source: &Source, partition: u32) -> Result<u64, Error> {
        let bounds = self.means.log.bounds(&source.topic, partition).await?;
        Ok(match &self.spec.start {
            Start::Latest => bounds.end,
            Start::Earliest => bounds.start,
            Start::Time(ms) => self.means.log.offset_at(&source.topic, partition, *ms).await?,
            Start::Offset(offset) => (*offset).clamp(bounds.start, bounds.end),
            Start::Offsets(map) => map
                .get(&*source.topic)
                .and_then(|offsets| offsets.get(partition as usize))
                .map_or(bounds.end, |o| (*o).clamp(bounds.start, bounds.end)),
        })
    }
}
