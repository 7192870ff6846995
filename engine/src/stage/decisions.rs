//! What stages decide: who owns one, how far it has read, which of its outputs count. Postgres holds that; simulation has a
//! model of its transactions.

use std::collections::BTreeSet;

use async_trait::async_trait;
use granary_db::commit::{Commit, CommitError, RangeAdd};
use granary_db::cursors::{self, Acquired, Share, Tenure};
use granary_db::dead_letters::retry::{self, Attempt, Portion};
use granary_db::dead_letters::{DeadLetter, Stored};
use granary_db::{Db, Error};
use uuid::Uuid;

use super::worker::{Letter, Spec};
use super::{Dead, Delivered, Effect, EffectError};

/// The decisions of all stages.
#[async_trait]
pub trait Decisions: Send + Sync {
    /// Takes a stage over: fences every earlier owner and answers where each wanted partition goes on. One that has no cursor
    /// yet gets it at the offset that is given; cursors of other topics are removed, so that they do not hold the log back.
    ///
    /// One of several processes gets of its share what no other living one works on, and lets go of everything else it had.
    ///
    /// # Errors
    /// Those of the database; nothing has changed then, or everything has.
    async fn acquire(
        &self,
        stage: &str,
        log: Uuid,
        wanted: &[(String, u32, u64)],
        share: Option<Share<'_>>,
    ) -> Result<Acquired, Error>;

    /// Ends an epoch: nothing is committed under it any more, and its partitions are nobody's.
    ///
    /// # Errors
    /// Those of the database.
    async fn release(&self, stage: &str, epoch: u64) -> Result<(), Error>;

    /// Decides a batch in one transaction: effect, dead letters, cursors, ranges. All dead letters, those included that the
    /// effect has found.
    ///
    /// # Errors
    /// See [`Undecided`].
    async fn decide(&self, batch: &Batch<'_>) -> Result<Vec<Dead>, Undecided>;

    /// Whether all these offsets count.
    ///
    /// # Errors
    /// Those of the database.
    async fn count(&self, log: Uuid, ranges: &[RangeAdd]) -> Result<bool, Error>;

    /// Whether a transaction under one of these can still succeed.
    ///
    /// # Errors
    /// Those of the database.
    async fn any_in_force(&self, log: Uuid, tenures: &BTreeSet<Tenure>) -> Result<bool, Error>;

    /// The offsets of a partition that count, as ranges.
    ///
    /// # Errors
    /// Those of the database.
    async fn ranges(&self, log: Uuid, topic: &str, partition: u32) -> Result<Vec<(u64, u64)>, Error>;

    /// Dead letters of a stage that this process is to process again, up to so many and so many bytes.
    ///
    /// # Errors
    /// Those of the database.
    async fn waiting(
        &self,
        stage: &str,
        portion: &Portion<'_>,
        records: usize,
        bytes: usize,
    ) -> Result<Vec<Stored>, Error>;
}

/// A batch to decide on.
pub struct Batch<'a> {
    /// Cursors and ranges; the dead letters are added by whoever decides.
    pub commit: Commit,
    /// Rows to write.
    pub effect: Option<&'a dyn Effect>,
    /// Records that failed so far.
    pub dead: &'a [Dead],
    /// The dead letters that the batch consists of, where it is a retry.
    pub letters: &'a [Letter],
    /// The stage.
    pub spec: &'a Spec,
}

/// How a commit ended when it did not succeed.
#[derive(Debug)]
pub enum Undecided {
    /// Another epoch is in force; the transaction did not go through.
    Fenced,
    /// A letter of the retry is not to be retried any more; the transaction did not go through.
    Withdrawn,
    /// It may have gone through.
    Unknown(String),
}

/// Whatever the database said, the batch is not lost: it is tried again.
impl From<Error> for Undecided {
    fn from(error: Error) -> Self {
        Self::Unknown(error.to_string())
    }
}

impl From<CommitError> for Undecided {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Fenced { .. } | CommitError::Moved { .. } => Self::Fenced,
            CommitError::Db(error) => error.into(),
        }
    }
}

impl Batch<'_> {
    /// The rows of records that failed; none for a retry, whose letters are there already.
    #[must_use]
    pub fn new_letters(&self, dead: &[Dead]) -> Vec<DeadLetter> {
        let new = if self.letters.is_empty() { dead } else { &[] };
        new.iter().map(|dead| dead_letter(self.spec, dead)).collect()
    }

    /// The retries.
    fn attempts(&self) -> Vec<Attempt> {
        self.letters.iter().map(|letter| letter.attempt).collect()
    }

    /// The retries that failed again, and why.
    fn failed_again(&self, dead: &[Dead]) -> Vec<(i64, DeadLetter)> {
        let failed = |letter: &Letter| {
            let dead = dead.iter().find(|dead| letter.is_about(&dead.delivered))?;
            Some((letter.attempt.id, dead_letter(self.spec, dead)))
        };
        self.letters.iter().filter_map(failed).collect()
    }
}

#[async_trait]
impl Decisions for Db {
    async fn acquire(
        &self,
        stage: &str,
        log: Uuid,
        wanted: &[(String, u32, u64)],
        share: Option<Share<'_>>,
    ) -> Result<Acquired, Error> {
        let acquired = match share {
            None => cursors::acquire(self, stage, log, wanted).await?,
            Some(share) => cursors::acquire_free(self, stage, log, wanted, share).await?,
        };
        let topics: Vec<&str> = wanted.iter().map(|(topic, ..)| topic.as_str()).collect();
        if !topics.is_empty() {
            cursors::keep_topics(self, stage, acquired.epoch, &topics).await?;
        }
        Ok(acquired)
    }

    async fn release(&self, stage: &str, epoch: u64) -> Result<(), Error> {
        cursors::release(self, stage, epoch).await
    }

    async fn decide(&self, batch: &Batch<'_>) -> Result<Vec<Dead>, Undecided> {
        let unknown = |error| Undecided::Unknown(granary_db::describe(&error));
        let mut client = self.client().await?;
        let tx = client.transaction().await.map_err(unknown)?;
        let mut dead = batch.dead.to_vec();
        if let Some(effect) = batch.effect {
            let refused = effect.apply(&tx).await.map_err(|error| match error {
                EffectError::Unavailable(why) | EffectError::Refused(why) => Undecided::Unknown(why),
            });
            dead.extend(refused?);
        }
        let commit = Commit { dead: batch.new_letters(&dead), ..batch.commit.clone() };
        granary_db::commit::commit(&tx, &commit).await?;
        if !batch.letters.is_empty() {
            let (attempts, failed) = (batch.attempts(), batch.failed_again(&dead));
            if !retry::settle(&tx, &attempts, batch.spec.version, &failed).await? {
                return Err(Undecided::Withdrawn);
            }
        }
        tx.commit().await.map_err(unknown)?;
        Ok(dead)
    }

    async fn count(&self, log: Uuid, ranges: &[RangeAdd]) -> Result<bool, Error> {
        granary_db::ranges::contain(self, log, ranges).await
    }

    async fn any_in_force(&self, log: Uuid, tenures: &BTreeSet<Tenure>) -> Result<bool, Error> {
        cursors::any_in_force(self, log, tenures).await
    }

    async fn ranges(&self, log: Uuid, topic: &str, partition: u32) -> Result<Vec<(u64, u64)>, Error> {
        granary_db::ranges::of_partition(self, log, topic, partition).await
    }

    async fn waiting(
        &self,
        stage: &str,
        portion: &Portion<'_>,
        records: usize,
        bytes: usize,
    ) -> Result<Vec<Stored>, Error> {
        retry::waiting(self, stage, portion, records, bytes).await
    }
}

fn dead_letter(spec: &Spec, dead: &Dead) -> DeadLetter {
    let Delivered { topic, partition, record } = &dead.delivered;
    DeadLetter {
        project: spec.project.clone(),
        stream: spec.dead_letter_stream.clone(),
        stage: spec.id.clone(),
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
        definition_version: spec.version,
        trace_id: record.message.system.trace_id,
    }
}
