//! A model of what Postgres does with the transactions of stages: each is applied as a whole or not at all, one after the
//! other; the connection may break before, during and after it, and a transaction whose client is gone may still be applied.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use granary_db::Error;
use granary_db::commit::{Commit, RangeAdd};
use granary_db::cursors::{self, Acquired, Reading, Share};
use granary_db::dead_letters::Stored;
use granary_db::dead_letters::retry::Attempt;
use granary_engine::stage::Dead;
use granary_engine::stage::decisions::{Batch, Decisions, Undecided};
use tokio::time::Instant;
use uuid::Uuid;

use crate::audit::Audit;
use crate::chance::Chance;

type Place = (String, u32);

#[derive(Debug, Default)]
struct State {
    epoch: u64,
    /// The epoch in force, by stage.
    stages: BTreeMap<String, u64>,
    cursors: BTreeMap<(String, Place), u64>,
    ranges: BTreeMap<Place, Vec<(u64, u64)>>,
    /// Transactions whose clients do not wait for them any more, and when they are applied.
    under_way: Vec<(Instant, Commit)>,
    /// Until when nobody is let in.
    away_until: Option<Instant>,
    /// The planted bug: who commits is not asked for the epoch.
    forgets_epochs: bool,
    commits: u64,
    audit: Audit,
}

/// The server. Clones share it; it outlives the engines of a schedule.
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    state: Arc<Mutex<State>>,
    chance: Chance,
    /// How often a connection breaks.
    breaks: f64,
}

impl Postgres {
    pub(crate) fn new(chance: Chance, audit: Audit, breaks: f64, forgets_epochs: bool) -> Self {
        let state = State { audit, forgets_epochs, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), chance, breaks }
    }

    /// The same server, with connections that hold.
    pub(crate) fn steady(&self) -> Self {
        Self { breaks: 0.0, ..self.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due: Vec<Commit> =
            state.under_way.extract_if(.., |(at, _)| *at <= now).map(|(_, commit)| commit).collect();
        for commit in due {
            // Nobody hears of the outcome.
            let _ = state.apply(&commit);
        }
        state
    }

    /// Lets nobody in for some time.
    pub(crate) fn go_away(&self, until: Instant) {
        self.state().away_until = Some(until);
    }

    /// Takes all stages away from whoever owns them.
    pub(crate) fn fence_all(&self) {
        let mut state = self.state();
        state.epoch += 1;
        let epoch = state.epoch;
        state.stages.values_mut().for_each(|of| *of = epoch);
        state.audit.note(format!("all stages are taken away with epoch {epoch}"));
    }

    /// The committed ranges of a partition.
    pub(crate) fn ranges(&self, topic: &str, partition: u32) -> Vec<(u64, u64)> {
        self.state().ranges.get(&(topic.to_owned(), partition)).cloned().unwrap_or_default()
    }

    /// Where a stage stands.
    pub(crate) fn cursor(&self, stage: &str, topic: &str, partition: u32) -> Option<u64> {
        self.state().cursors.get(&(stage.to_owned(), (topic.to_owned(), partition))).copied()
    }

    /// How many transactions were applied.
    pub(crate) fn commits(&self) -> u64 {
        self.state().commits
    }

    /// A round trip. An error where the connection breaks on the way.
    async fn trip(&self) -> Result<(), Error> {
        self.chance.pause(0..4).await;
        let away = self.state().away_until.is_some_and(|until| Instant::now() < until);
        if away || self.chance.happens(self.breaks) {
            return Err(Error::Unavailable("the connection broke".to_owned()));
        }
        Ok(())
    }
}

impl State {
    fn apply(&mut self, commit: &Commit) -> Result<(), Undecided> {
        let mine = self.stages.get(&commit.stage) == Some(&commit.epoch) || self.forgets_epochs;
        let place = |topic: &str, partition| (commit.stage.clone(), (topic.to_owned(), partition));
        let unmoved = |m: &granary_db::commit::CursorMove| {
            self.cursors.get(&place(&m.topic, m.partition)) == Some(&m.from)
        };
        let places: Vec<_> = commit.moves.iter().map(|m| (m.partition, m.from, m.to)).collect();
        let ranges: Vec<_> = commit.ranges.iter().map(|r| (r.partition, r.start, r.end)).collect();
        let what = format!("{} epoch {}: cursors {places:?}, ranges {ranges:?}", commit.stage, commit.epoch);
        if !mine || !commit.moves.iter().all(unmoved) {
            self.audit.note(format!("refused {what}"));
            return Err(Undecided::Fenced);
        }
        self.audit.note(format!("committed {what}"));
        for m in &commit.moves {
            self.cursors.insert(place(&m.topic, m.partition), m.to);
        }
        for range in &commit.ranges {
            self.ranges
                .entry((range.topic.clone(), range.partition))
                .or_default()
                .push((range.start, range.end));
        }
        self.commits += 1;
        Ok(())
    }
}

#[async_trait]
impl Decisions for Postgres {
    async fn acquire(
        &self,
        stage: &str,
        _: Uuid,
        wanted: &[(String, u32, u64)],
        _: Option<Share<'_>>,
    ) -> Result<Acquired, Error> {
        self.trip().await?;
        let mut cursors = Vec::new();
        let epoch = {
            let mut state = self.state();
            state.epoch += 1;
            let epoch = state.epoch;
            state.stages.insert(stage.to_owned(), epoch);
            state.audit.note(format!("{stage} is taken over with epoch {epoch}"));
            for (topic, partition, start) in wanted {
                let place = (stage.to_owned(), (topic.clone(), *partition));
                let next = *state.cursors.entry(place).or_insert(*start);
                cursors.push(cursors::Place {
                    topic: topic.clone(),
                    partition: *partition,
                    next,
                    seen: None,
                });
            }
            epoch
        };
        self.trip().await?;
        Ok(Acquired { epoch, cursors })
    }

    async fn decide(&self, batch: &Batch<'_>) -> Result<Vec<Dead>, Undecided> {
        self.trip().await?;
        if self.chance.happens(self.breaks) {
            // The server has it all and has not come to it yet.
            let at = Instant::now() + std::time::Duration::from_millis(self.chance.number(0..200));
            self.state().under_way.push((at, batch.commit.clone()));
            self.state()
                .audit
                .note(format!("{} epoch {}: left under way", batch.commit.stage, batch.commit.epoch));
            return Err(Undecided::Unknown("the connection broke during the commit".to_owned()));
        }
        self.state().apply(&batch.commit)?;
        self.trip().await?;
        Ok(batch.dead.to_vec())
    }

    async fn count(&self, _: Uuid, ranges: &[RangeAdd]) -> Result<bool, Error> {
        self.trip().await?;
        let there = |range: &RangeAdd| {
            let added = self.ranges(&range.topic, range.partition);
            added.contains(&(range.start, range.end))
        };
        Ok(ranges.iter().all(there))
    }

    async fn release(&self, _: &str, _: u64, _: &[(&str, u32)]) -> Result<(), Error> {
        Ok(())
    }

    async fn epochs(&self, _: Uuid, readings: &[Reading]) -> Result<HashMap<Reading, u64>, Error> {
        self.trip().await?;
        let state = self.state();
        let told =
            readings.iter().filter_map(|reading| Some((reading.clone(), *state.stages.get(&reading.0)?)));
        Ok(told.collect())
    }

    async fn ranges(&self, _: Uuid, topic: &str, partition: u32) -> Result<Vec<(u64, u64)>, Error> {
        self.trip().await?;
        Ok(Self::ranges(self, topic, partition))
    }

    async fn waiting(&self, _: &str, _: usize, _: usize) -> Result<Vec<Stored>, Error> {
        Ok(Vec::new())
    }

    async fn is_settled(&self, _: &[Attempt]) -> Result<bool, Error> {
        Ok(true)
    }
}
