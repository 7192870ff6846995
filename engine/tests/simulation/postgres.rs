//! A model of what Postgres does with the transactions of stages: each is applied as a whole or not at all, one after the
//! other; the connection may break before, during and after it, and a transaction whose client is gone may still be applied.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use granary_db::Error;
use granary_db::commit::{Commit, CursorMove, RangeAdd};
use granary_db::cursors::{self, Acquired, Share, Tenure};
use granary_db::dead_letters::Stored;
use granary_db::dead_letters::retry::Portion;
use granary_engine::stage::Dead;
use granary_engine::stage::decisions::{Batch, Decisions, Undecided};
use tokio::time::Instant;
use uuid::Uuid;

use crate::audit::Audit;
use crate::bugs::Bug;
use crate::chance::Chance;

type Place = (String, u32);

/// How long a process counts as alive after its last sign of life. Shorter than the engine's, as lives are here.
const LEASE: Duration = Duration::from_millis(600);

/// Where a stage stands in a partition, and who may move it.
#[derive(Debug)]
struct Cursor {
    next: u64,
    epoch: u64,
    /// Which of several processes works on it.
    node: Option<Uuid>,
}

#[derive(Debug, Default)]
struct State {
    epoch: u64,
    cursors: BTreeMap<(String, Place), Cursor>,
    ranges: BTreeMap<Place, Vec<(u64, u64)>>,
    /// The last sign of life of each of several processes.
    nodes: BTreeMap<Uuid, Instant>,
    /// Transactions whose clients do not wait for them any more, and when they are applied.
    under_way: Vec<(Instant, Commit, Vec<Dead>)>,
    /// Until when nobody is let in.
    away_until: Option<Instant>,
    bug: Option<Bug>,
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
    pub(crate) fn new(chance: Chance, audit: Audit, breaks: f64, bug: Option<Bug>) -> Self {
        let state = State { audit, bug, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), chance, breaks }
    }

    /// The same server, with connections that hold.
    pub(crate) fn steady(&self) -> Self {
        Self { breaks: 0.0, ..self.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due: Vec<_> = state.under_way.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, commit, dead) in due {
            // Nobody hears of the outcome.
            let _ = state.apply(&commit, &dead);
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
        let epoch = state.next_epoch();
        state.cursors.values_mut().for_each(|cursor| cursor.epoch = epoch);
        state.audit.note(format!("all stages are taken away with epoch {epoch}"));
    }

    /// The committed ranges of a partition.
    pub(crate) fn ranges(&self, topic: &str, partition: u32) -> Vec<(u64, u64)> {
        self.state().ranges.get(&(topic.to_owned(), partition)).cloned().unwrap_or_default()
    }

    /// Where a stage stands.
    pub(crate) fn cursor(&self, stage: &str, topic: &str, partition: u32) -> Option<u64> {
        self.state().cursors.get(&(stage.to_owned(), (topic.to_owned(), partition))).map(|cursor| cursor.next)
    }

    /// A sign of life of one of several processes; all that are alive, in order.
    ///
    /// # Errors
    /// Where the connection breaks; it may have been seen all the same.
    pub(crate) async fn beat(&self, node: Uuid) -> Result<Vec<Uuid>, Error> {
        self.trip().await?;
        let alive = {
            let mut state = self.state();
            state.nodes.insert(node, Instant::now());
            state.nodes.keys().copied().filter(|node| state.is_alive(*node)).collect()
        };
        self.trip().await?;
        Ok(alive)
    }

    /// How many transactions were applied.
    pub(crate) fn commits(&self) -> u64 {
        self.state().commits
    }

    /// A round trip. An error where the connection breaks on the way.
    async fn trip(&self) -> Result<(), Error> {
        let slow = self.chance.happens(self.breaks / 4.0);
        self.chance.pause(0..if slow { 500 } else { 4 }).await;
        let away = self.state().away_until.is_some_and(|until| Instant::now() < until);
        if away || self.chance.happens(self.breaks) {
            return Err(Error::Unavailable("the connection broke".to_owned()));
        }
        Ok(())
    }
}

impl State {
    fn next_epoch(&mut self) -> u64 {
        self.epoch += 1;
        self.epoch
    }

    /// Everything of a stage, or the share of one of several processes.
    fn acquire(&mut self, stage: &str, wanted: &[(String, u32, u64)], share: Option<Share<'_>>) -> Acquired {
        let epoch = self.next_epoch();
        let node = share.map(|share| share.node);
        let is_mine = |at: usize| share.is_none_or(|share| share.mine[at]);
        let mut cursors = Vec::new();
        for (at, (topic, partition, start)) in wanted.iter().enumerate() {
            let place = (stage.to_owned(), (topic.clone(), *partition));
            if share.is_some_and(|share| share.again) && !self.cursors.contains_key(&place) {
                continue;
            }
            let nobodys = self.next_epoch();
            let (taken, by) = if is_mine(at) { (epoch, node) } else { (nobodys, None) };
            let new = Cursor { next: *start, epoch: taken, node: by };
            let before = self.cursors.entry(place.clone()).or_insert(new).node;
            let is_free = before.is_none_or(|before| Some(before) == node || !self.is_alive(before));
            let Some(cursor) = self.cursors.get_mut(&place) else { continue };
            if is_mine(at) && (share.is_none() || is_free) {
                (cursor.epoch, cursor.node) = (epoch, node);
                let (topic, partition, next) = (topic.clone(), *partition, cursor.next);
                cursors.push(cursors::Place { topic, partition, next, seen: None });
            } else if before == node && node.is_some() {
                (cursor.epoch, cursor.node) = (nobodys, None);
            }
        }
        let places: Vec<u32> = cursors.iter().map(|place| place.partition).collect();
        let who = node.map(|node| format!(" by {}: {places:?}", name(node))).unwrap_or_default();
        self.audit.note(format!("{stage} is taken over with epoch {epoch}{who}"));
        Acquired { epoch, cursors }
    }

    fn is_alive(&self, node: Uuid) -> bool {
        self.nodes.get(&node).is_some_and(|seen| seen.elapsed() < LEASE)
    }

    fn apply(&mut self, commit: &Commit, dead: &[Dead]) -> Result<(), Undecided> {
        let place = |topic: &str, partition| (commit.stage.clone(), (topic.to_owned(), partition));
        let forgets_epochs = self.bug == Some(Bug::MissingEpochCheck);
        let mine = |m: &CursorMove| {
            self.cursors.get(&place(&m.topic, m.partition)).is_some_and(|cursor| {
                cursor.next == m.from && (cursor.epoch == commit.epoch || forgets_epochs)
            })
        };
        let places: Vec<_> = commit.moves.iter().map(|m| (m.partition, m.from, m.to)).collect();
        let ranges: Vec<_> = commit.ranges.iter().map(|r| (r.partition, r.start, r.end)).collect();
        let what = format!("{} epoch {}: cursors {places:?}, ranges {ranges:?}", commit.stage, commit.epoch);
        if commit.moves.is_empty() {
            self.audit.find(format!("nothing is read, and something is committed: {what}"));
        }
        if !commit.moves.iter().all(mine) {
            self.audit.note(format!("refused {what}"));
            return Err(Undecided::Fenced);
        }
        self.audit.note(format!("committed {what}"));
        for m in &commit.moves {
            if let Some(cursor) = self.cursors.get_mut(&place(&m.topic, m.partition)) {
                cursor.next = m.to;
            }
        }
        for range in &commit.ranges {
            self.ranges
                .entry((range.topic.clone(), range.partition))
                .or_default()
                .push((range.start, range.end));
        }
        for Dead { delivered, .. } in dead {
            self.audit.failed(delivered.partition, delivered.record.offset);
        }
        self.commits += 1;
        Ok(())
    }
}

/// A process in a trace: they are numbered.
pub(crate) fn name(node: Uuid) -> String {
    format!("process {}", node.as_u128())
}

#[async_trait]
impl Decisions for Postgres {
    async fn acquire(
        &self,
        stage: &str,
        _: Uuid,
        wanted: &[(String, u32, u64)],
        share: Option<Share<'_>>,
    ) -> Result<Acquired, Error> {
        self.trip().await?;
        let acquired = self.state().acquire(stage, wanted, share);
        self.trip().await?;
        Ok(acquired)
    }

    async fn decide(&self, batch: &Batch<'_>) -> Result<Vec<Dead>, Undecided> {
        self.trip().await?;
        if self.chance.happens(self.breaks) {
            // The server has it all and has not come to it yet.
            let at = Instant::now() + Duration::from_millis(self.chance.number(0..200));
            self.state().under_way.push((at, batch.commit.clone(), batch.dead.to_vec()));
            self.state()
                .audit
                .note(format!("{} epoch {}: left under way", batch.commit.stage, batch.commit.epoch));
            return Err(Undecided::Unknown("the connection broke during the commit".to_owned()));
        }
        self.state().apply(&batch.commit, batch.dead)?;
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

    async fn release(&self, stage: &str, epoch: u64) -> Result<(), Error> {
        self.trip().await?;
        let mut state = self.state();
        let over = state.next_epoch();
        for ((of, _), cursor) in &mut state.cursors {
            if of == stage && cursor.epoch == epoch {
                (cursor.epoch, cursor.node) = (over, None);
            }
        }
        Ok(())
    }

    async fn any_in_force(&self, _: Uuid, tenures: &BTreeSet<Tenure>) -> Result<bool, Error> {
        self.trip().await?;
        let state = self.state();
        let held = |(stage, epoch): &Tenure| {
            state.cursors.iter().any(|((of, _), cursor)| of == stage && cursor.epoch == *epoch)
        };
        Ok(state.bug != Some(Bug::HastyReader) && tenures.iter().any(held))
    }

    async fn ranges(&self, _: Uuid, topic: &str, partition: u32) -> Result<Vec<(u64, u64)>, Error> {
        self.trip().await?;
        Ok(Self::ranges(self, topic, partition))
    }

    async fn waiting(&self, _: &str, _: &Portion<'_>, _: usize, _: usize) -> Result<Vec<Stored>, Error> {
        Ok(Vec::new())
    }
}
