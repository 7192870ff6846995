//! The end of a turn: one transaction, and what follows when nobody knows whether it went through.

use std::collections::HashMap;
use std::time::Instant;

use granary_db::commit::{Commit, CommitError, CursorMove, RangeAdd};
use granary_db::dead_letters::DeadLetter;
use granary_db::dead_letters::retry::is_settled;
use tracing::{debug, warn};

use super::{BackOff, Dead, Delivered, EffectError, Error, Prepared, Worker};

impl Worker {
    /// Commits until it is known whether the batch counts.
    pub(super) async fn commit(&mut self, mut prepared: Prepared, begun: Instant) -> Result<(), Error> {
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

    pub(super) fn dead_letter(&self, dead: &Dead) -> DeadLetter {
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
pub(super) enum Try {
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

fn by_topic(ranges: &[RangeAdd]) -> HashMap<&str, Vec<(u32, u64, u64)>> {
    let mut by_topic: HashMap<&str, Vec<_>> = HashMap::new();
    for r in ranges {
        by_topic.entry(&r.topic).or_default().push((r.partition, r.start, r.end));
    }
    by_topic
}
