//! The kill test: the engine is killed at random moments while events are posted, and every write is audited.
//!
//! After the last restart the [`audit`](crate::audit) must find:
//!
//! - every acknowledged id is there,
//! - each id was written exactly once, under one row id,
//! - nothing is there that was not sent. What was sent and not acknowledged may be there or not.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::audit::{self, Findings};
use crate::event;
use crate::load::{self, Plan};
use crate::node::Node;
use crate::pipeline::{Pipeline, RowId};
use crate::postgres;

/// Name of the run inside the client's ids.
const RUN: &str = "kill";

/// What is killed with the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Postgres {
    /// Never its Postgres.
    Spared,
    /// Its Postgres too, every second time.
    KilledEverySecondTime,
}

/// How the test runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How often the engine is killed.
    pub rounds: u64,
    /// Events posted in all.
    pub events: u64,
    /// Connections of the load generator.
    pub connections: usize,
    /// What becomes of Postgres.
    pub postgres: Postgres,
    /// Seed of the moments.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rounds: 20,
            events: 20_000,
            connections: 16,
            postgres: Postgres::KilledEverySecondTime,
            seed: 1,
        }
    }
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Kills of the engine.
    pub kills: u64,
    /// Kills of its Postgres.
    pub postgres_kills: u64,
    /// Events sent.
    pub sent: u64,
    /// Events acknowledged.
    pub acknowledged: u64,
    /// What was written.
    pub findings: Findings,
    /// Dead letters, of which there must be none: no event is bad.
    pub dead_letters: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Verdict {
    /// An error unless everything is as it must be.
    pub fn check(&self) -> Result<()> {
        if self.dead_letters > 0 || !self.findings.clean() {
            bail!("{self}");
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "killed:            granary {} times, its Postgres {} times",
            self.kills, self.postgres_kills
        )?;
        writeln!(f, "sent:              {}, acknowledged {}", self.sent, self.acknowledged)?;
        writeln!(f, "{}", self.findings)?;
        writeln!(f, "dead letters:      {}", self.dead_letters)?;
        write!(f, "took:              {:.1} s", self.elapsed.as_secs_f64())
    }
}

/// Runs the test. `tell` gets a line for every step.
pub async fn run(settings: &Settings, tell: &(dyn Fn(String) + Sync)) -> Result<Verdict> {
    let begun = Instant::now();
    let mut rng = StdRng::seed_from_u64(settings.seed);
    let mut node = Node::start().await?;
    let mut pipeline = Pipeline::run(&node.api()?, RowId::Correlation).await?;
    audit::install(&postgres::superuser(node.data_dir()).await?, &pipeline).await?;

    let (target, receiver) = watch::channel(Some(node.address()));
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let on_ack = Arc::clone(&acknowledged);
    let plan = Plan::events(settings.events, settings.connections);
    let body = |n| event::numbered(RUN, n);
    let load = tokio::spawn(load::run(receiver, plan, body, move |n| {
        on_ack.lock().unwrap_or_else(PoisonError::into_inner).push(n);
    }));

    let mut verdict = Verdict::default();
    for round in 0..settings.rounds {
        let from = round * settings.events / settings.rounds;
        let to = (round + 1) * settings.events / settings.rounds;
        let moment = rng.random_range(from..to.max(from + 1));
        let count = || acknowledged.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
        // Not `await_condition`: its pause is longer than the moments here are.
        while count() < moment && !load.is_finished() {
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        // In half of the rounds the later stages get some time, so that the kill finds them at work too.
        if rng.random_bool(0.5) {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..300))).await;
        }
        let with_postgres = settings.postgres == Postgres::KilledEverySecondTime && round % 2 == 1;
        let postgres_first = rng.random_bool(0.5);
        let posted = count();
        target.send_replace(None);
        if with_postgres && postgres_first {
            node.kill_postgres()?;
        }
        node.kill().await?;
        if with_postgres && !postgres_first {
            node.kill_postgres()?;
        }
        verdict.kills += 1;
        verdict.postgres_kills += u64::from(with_postgres);
        let down = Instant::now();
        node.restart().await?;
        target.send_replace(Some(node.address()));
        tell(format!(
            "round {:>2}: killed{} after {posted} acknowledged events, back in {:.1} s",
            round + 1,
            if with_postgres { " with its Postgres" } else { "" },
            down.elapsed().as_secs_f64()
        ));
    }
    let report = load.await??;
    if report.refused > 0 {
        bail!("the collector refused {} events, the first with {:?}", report.refused, report.first_refusal);
    }
    verdict.sent = report.sent;
    verdict.acknowledged = report.acknowledged;
    tell(format!(
        "posted {} events, {} acknowledged, {} with a broken connection; waiting until all have come out",
        report.sent, report.acknowledged, report.broken
    ));

    pipeline.project.api = node.api()?;
    // One event more, after all others, so that an end of the stream can be seen.
    let last = settings.events;
    pipeline.project.api.event(event::numbered(RUN, last).to_vec()).await?;
    let mut acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
    acknowledged.push(last);
    verdict.sent += 1;
    verdict.acknowledged += 1;
    let database = postgres::superuser(node.data_dir()).await?;
    let found = audit::await_quiet(&database, &pipeline, acknowledged.len() as u64).await?;
    verdict.findings = Findings::of(RUN, &acknowledged, last, &found);
    verdict.dead_letters = pipeline.project.dead_letter_count().await?;
    verdict.elapsed = begun.elapsed();
    Ok(verdict)
}
