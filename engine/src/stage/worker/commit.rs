//! The end of a turn: one transaction, and what follows when nobody knows whether it went through.

use std::collections::HashMap;

use granary_db::commit::{Commit, CursorMove, RangeAdd};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{BackOff, Dead, Error, Prepared, Worker};
use crate::stage::decisions::{Batch, Undecided};
use crate::stage::repeats::Repeats;

impl Worker {
    /// Commits a batch. Afterwards it is known whether it counts; one that does not is done again, in a later turn.
    pub(super) async fn commit(&mut self, mut prepared: Prepared, begun: Instant) -> Result<(), Error> {
        match self.decide(&prepared).await {
            Ok(dead) => {
                prepared.figures.commit = begun.elapsed();
                self.committed(&prepared, &dead);
                Ok(())
            }
            Err(Undecided::Fenced) => {
                warn!(stage = %self.spec.id, "fenced: another worker has taken the stage over");
                self.abandon(&prepared);
                self.take_epoch().await
            }
            Err(Undecided::Withdrawn) => {
                debug!(stage = %self.spec.id, "dead letters were discarded while they were retried");
                self.abandon(&prepared);
                // Other processes see a try of this epoch in the log, and wait for it as long as the epoch lasts.
                self.renew |= !prepared.ranges.is_empty();
                Ok(())
            }
            Err(Undecided::Unknown(why)) => {
                self.labels.retried("commit");
                warn!(stage = %self.spec.id, error = %why, "whether a batch was committed is not known, looking");
                match self.learn(&prepared, why.clone()).await? {
                    Fate::Counts => {
                        prepared.figures.commit = begun.elapsed();
                        let dead = prepared.dead.clone();
                        self.committed(&prepared, &dead);
                        Ok(())
                    }
                    Fate::Passed => {
                        warn!(stage = %self.spec.id, "another worker has done the batch meanwhile");
                        self.abandon(&prepared);
                        Ok(())
                    }
                    // Its outputs carry the epoch before, of which readers may have found that it is over.
                    Fate::Open => {
                        self.abandon(&prepared);
                        Err(Error::Unavailable(why))
                    }
                }
            }
        }
    }

    /// After a commit with unknown outcome: what became of the batch. Ours is the epoch afterwards.
    async fn learn(&mut self, prepared: &Prepared, mut why: String) -> Result<Fate, Error> {
        let mut back_off = BackOff::default();
        loop {
            // A stop does not end this: readers of the outputs wait for the answer. Only the end of the process does,
            // after which the next start settles everything.
            self.trouble.set(Some(why));
            tokio::time::sleep(back_off.next()).await;
            match self.look_again(prepared).await {
                Ok(fate) => return Ok(fate),
                Err(Error::Unavailable(again)) => why = again,
                Err(other) => return Err(other),
            }
        }
    }

    /// Takes a new epoch, so that nothing changes any more, and looks what became of a batch.
    ///
    /// Where the cursors stand does not tell alone: another worker may have done the batch, or may have gone on behind
    /// ours. Only the ranges of our outputs are ours; a batch without outputs leaves nothing to settle once it is passed.
    async fn look_again(&mut self, prepared: &Prepared) -> Result<Fate, Error> {
        self.take_epoch().await?;
        let decisions = &self.means.decisions;
        if !prepared.ranges.is_empty() && decisions.count(self.means.log.id(), &prepared.ranges).await? {
            return Ok(Fate::Counts);
        }
        let stands = |m: &CursorMove| {
            self.cursors
                .iter()
                .any(|c| *c.topic == *m.topic && c.partition == m.partition && c.committed == m.from)
        };
        let attempts: Vec<_> = prepared.letters.iter().map(|letter| letter.attempt).collect();
        let open = if attempts.is_empty() {
            prepared.moves.iter().all(stands)
        } else {
            !decisions.is_settled(&attempts).await?
        };
        Ok(match (open, prepared.ranges.is_empty()) {
            (true, _) => Fate::Open,
            (false, true) => Fate::Counts,
            (false, false) => Fate::Passed,
        })
    }

    async fn decide(&self, prepared: &Prepared) -> Result<Vec<Dead>, Undecided> {
        let commit = Commit {
            stage: self.spec.id.clone(),
            epoch: self.epoch,
            log_id: self.means.log.id(),
            moves: prepared.moves.clone(),
            holds: self.holds(prepared),
            ranges: prepared.ranges.clone(),
            dead: Vec::new(),
        };
        let batch = Batch {
            commit,
            effect: prepared.effect.as_deref(),
            dead: &prepared.dead,
            letters: &prepared.letters,
            spec: &self.spec,
        };
        self.means.decisions.decide(&batch).await
    }

    /// The partitions that a retry's letters came from. Those that are not read any more go with the first one.
    fn holds(&self, prepared: &Prepared) -> Vec<(String, u32)> {
        if !prepared.moves.is_empty() || self.means.members.me().is_none() {
            return Vec::new();
        }
        let mut places: Vec<(String, u32)> = prepared
            .letters
            .iter()
            .filter_map(|letter| {
                let cursor = self.cursors.iter().find(|c| letter.came_from(&c.topic, c.partition));
                cursor.or_else(|| self.cursors.first()).map(|c| (c.topic.to_string(), c.partition))
            })
            .collect();
        places.sort();
        places.dedup();
        places
    }

    /// The batch counts: tells the readers.
    fn committed(&mut self, prepared: &Prepared, dead: &[Dead]) {
        for (topic, ranges) in by_topic(&prepared.ranges) {
            self.means.book.commit(topic, &ranges);
        }
        for m in &prepared.moves {
            for c in self.cursors.iter_mut().filter(|c| *c.topic == *m.topic && c.partition == m.partition) {
                // After a commit that was in doubt, others may have gone on.
                if m.to < c.committed {
                    continue;
                }
                c.committed = m.to;
                if let Some(Ok(seen)) = m.seen.as_deref().map(Repeats::read) {
                    c.committed_seen = seen;
                }
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
        self.spec.totals.committed(&prepared.figures, dead.len());
    }

    fn abandon(&self, prepared: &Prepared) {
        for (topic, ranges) in by_topic(&prepared.ranges) {
            self.means.book.abandon(topic, &ranges);
        }
    }
}

/// What became of a batch whose commit was in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It was committed.
    Counts,
    /// Nothing has happened; it is to be done again.
    Open,
    /// Another worker has done it, and what ours has appended never counts.
    Passed,
}

fn by_topic(ranges: &[RangeAdd]) -> HashMap<&str, Vec<(u32, u64, u64)>> {
    let mut by_topic: HashMap<&str, Vec<_>> = HashMap::new();
    for r in ranges {
        by_topic.entry(&r.topic).or_default().push((r.partition, r.start, r.end));
    }
    by_topic
}
