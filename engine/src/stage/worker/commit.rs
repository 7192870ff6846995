//! The end of a round: one transaction, and what follows when nobody knows whether it went through.

use std::collections::HashMap;

use granary_db::commit::{Commit, CursorMove, RangeAdd};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{BackOff, Dead, Error, Prepared, Worker};
use crate::stage::decisions::{Batch, Undecided};
use crate::stage::repeats::Repeats;

impl Worker {
    /// Commits a batch. Afterwards it is known whether it counts; one that does not is done again, in a later round.
    pub(super) async fn commit(&mut self, mut prepared: Prepared, begun: Instant) -> Result<(), Error> {
        match self.decide(&prepared).await {
            Ok(dead) => {
                prepared.figures.commit = begun.elapsed();
                self.committed(&prepared, &dead);
                Ok(())
            }
            Err(Undecided::Fenced) => {
                warn!(stage = %self.spec.id, "fenced: another worker has taken the stage over");
                self.give_up(&prepared);
                Ok(())
            }
            Err(Undecided::Withdrawn) => {
                debug!(stage = %self.spec.id, "dead letters were discarded while they were retried");
                self.give_up(&prepared);
                Ok(())
            }
            Err(Undecided::Unknown(why)) => {
                self.labels.retried("commit");
                warn!(stage = %self.spec.id, error = %why, "whether a batch was committed is not known, looking");
                if self.has_counted(&prepared, why.clone()).await? {
                    prepared.figures.commit = begun.elapsed();
                    self.tell(&prepared, &prepared.dead);
                    Ok(())
                } else {
                    self.abandon(&prepared);
                    Err(Error::Unavailable(why))
                }
            }
        }
    }

    /// After a commit with unknown outcome: whether the batch counts. Ours is the epoch afterwards, so that nothing about it
    /// changes any more, and the cursors stand where the database has them: what is to be done next follows from them alone.
    async fn has_counted(&mut self, prepared: &Prepared, mut why: String) -> Result<bool, Error> {
        let mut back_off = BackOff::default();
        loop {
            // A stop does not end this: readers of the outputs wait for the answer. Only the end of the process does,
            // after which the next start settles everything.
            self.trouble.set(Some(why));
            tokio::time::sleep(back_off.next()).await;
            match self.counts(prepared).await {
                Err(Error::Unavailable(again)) => why = again,
                looked => return looked,
            }
        }
    }

    /// Where the cursors stand does not tell whose commit moved them: the ranges of our outputs are ours. Of a batch without
    /// outputs only figures depend on the answer.
    async fn counts(&mut self, prepared: &Prepared) -> Result<bool, Error> {
        self.take_epoch().await?;
        if !prepared.ranges.is_empty() {
            return Ok(self.means.decisions.count(self.means.log.id(), &prepared.ranges).await?);
        }
        let has_moved = |m: &CursorMove| {
            self.cursors.iter().any(|c| c.is_at(&m.topic, m.partition) && c.committed >= m.to)
        };
        Ok(!prepared.moves.is_empty() && prepared.moves.iter().all(has_moved))
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

    /// The batch was committed.
    fn committed(&mut self, prepared: &Prepared, dead: &[Dead]) {
        for m in &prepared.moves {
            for c in self.cursors.iter_mut().filter(|c| c.is_at(&m.topic, m.partition)) {
                c.committed = m.to;
                if let Some(Ok(seen)) = m.seen.as_deref().map(Repeats::read) {
                    c.committed_seen = seen;
                }
            }
        }
        self.tell(prepared, dead);
    }

    /// The batch counts: tells the readers, and those who watch figures.
    fn tell(&self, prepared: &Prepared, dead: &[Dead]) {
        for (topic, ranges) in by_topic(&prepared.ranges) {
            self.means.book.commit(topic, &ranges);
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

    /// The batch will not be committed. Other processes see a try of this epoch in the log, and wait for it as long as that lasts.
    fn give_up(&mut self, prepared: &Prepared) {
        self.abandon(prepared);
        self.renew = true;
    }

    fn abandon(&self, prepared: &Prepared) {
        for (topic, ranges) in by_topic(&prepared.ranges) {
            self.means.book.abandon(topic, &ranges);
        }
    }
}

fn by_topic(ranges: &[RangeAdd]) -> HashMap<&str, Vec<(u32, u64, u64)>> {
    let mut by_topic: HashMap<&str, Vec<_>> = HashMap::new();
    for r in ranges {
        by_topic.entry(&r.topic).or_default().push((r.partition, r.start, r.end));
    }
    by_topic
}
