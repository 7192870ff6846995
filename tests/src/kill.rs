//! The kill test: the engine is killed at random moments while events are posted, and every write is audited.
//!
//! After the last restart the [`audit`](crate::audit) must find:
//!
//! - every acknowledged id is there,
//! - each id was written exactly once, under one row id,
//! - what was acknowledged comes in the order of its key, as far as it stays in one partition,
//! - nothing is there that was not sent. What was sent and not acknowledged may be there or not.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::Instant;

use crate::load::Plan;
use crate::node::Node;
use crate::trial::{self, Outcome, Trial};

/// How long after its start an engine is killed at most that is killed while it starts.
const START_MS_MAX: u64 = 800;

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
    /// Partitions of the live segment; with one, its rows have to come in order too.
    pub partitions: u32,
    /// What becomes of Postgres.
    pub postgres: Postgres,
    /// How often an engine is killed while it starts: every so many rounds, 0 for never.
    pub start_killed_every: u64,
    /// Seed of the moments.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rounds: 20,
            events: 20_000,
            connections: 16,
            partitions: 32,
            postgres: Postgres::KilledEverySecondTime,
            start_killed_every: 0,
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
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub elapsed: Duration,
}

impl Verdict {
    /// An error unless everything is as it must be.
    pub fn check(&self) -> Result<()> {
        if !self.outcome.clean() {
            bail!("{self}");
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { sent, acknowledged, findings, dead_letters } = &self.outcome;
        writeln!(
            f,
            "killed:            granary {} times, its Postgres {} times",
            self.kills, self.postgres_kills
        )?;
        writeln!(f, "sent:              {sent}, acknowledged {acknowledged}")?;
        writeln!(f, "{findings}")?;
        writeln!(f, "dead letters:      {dead_letters}")?;
        write!(f, "took:              {:.1} s", self.elapsed.as_secs_f64())
    }
}

/// Runs the test. `tell` gets a line for every step.
pub async fn run(settings: &Settings, tell: &(dyn Fn(String) + Sync)) -> Result<Verdict> {
    let begun = Instant::now();
    let plan = Plan::events(settings.events, settings.connections);
    let partitions = settings.partitions;
    let set_up = trial::Settings { run: "kill", partitions, padding: 0, plan };
    let mut trial = Trial::begin(Node::start().await?, set_up).await?;
    let mut verdict = Verdict::default();
    let killed = kill(settings, &mut trial, &mut verdict, tell).await;
    verdict.outcome = trial.end(killed, tell).await?;
    verdict.elapsed = begun.elapsed();
    Ok(verdict)
}

async fn kill(
    settings: &Settings,
    trial: &mut Trial,
    verdict: &mut Verdict,
    tell: &(dyn Fn(String) + Sync),
) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(settings.seed);
    for round in 0..settings.rounds {
        if settings.start_killed_every > 0 && round % settings.start_killed_every == 1 {
            let moment = Duration::from_millis(rng.random_range(0..START_MS_MAX));
            kill_at_start(trial, moment).await?;
            verdict.kills += 2;
            tell(format!("round {:>2}: killed {} ms after its start", round + 1, moment.as_millis()));
            continue;
        }
        let from = round * settings.events / settings.rounds;
        let to = (round + 1) * settings.events / settings.rounds;
        trial.await_acknowledged(rng.random_range(from..to.max(from + 1))).await;
        // In half of the rounds the later stages get some time, so that the kill finds them at work too.
        if rng.random_bool(0.5) {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..300))).await;
        }
        let with_postgres = settings.postgres == Postgres::KilledEverySecondTime && round % 2 == 1;
        let postgres_first = rng.random_bool(0.5);
        let posted = trial.acknowledged();
        trial.hold();
        if with_postgres && postgres_first {
            trial.node.kill_postgres()?;
        }
        trial.node.kill().await?;
        if with_postgres && !postgres_first {
            trial.node.kill_postgres()?;
        }
        verdict.kills += 1;
        verdict.postgres_kills += u64::from(with_postgres);
        let down = Instant::now();
        trial.node.restart().await?;
        trial.release();
        tell(format!(
            "round {:>2}: killed{} after {posted} acknowledged events, back in {:.1} s",
            round + 1,
            if with_postgres { " with its Postgres" } else { "" },
            down.elapsed().as_secs_f64()
        ));
    }
    Ok(())
}

/// Kills the engine, and the one that is started in its place once more, so many milliseconds after its start.
async fn kill_at_start(trial: &mut Trial, moment: Duration) -> Result<()> {
    trial.hold();
    trial.node.kill().await?;
    trial.node.begin()?;
    tokio::time::sleep(moment).await;
    trial.node.kill().await?;
    trial.node.restart().await?;
    trial.release();
    Ok(())
}
