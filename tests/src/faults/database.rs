//! Postgres is killed, or restarted as an administrator does it, while the engine lives or has just been started.

use std::time::Duration;

use anyhow::Result;
use rand::RngExt;
use rustix::process::Signal;
use tokio::time::Instant;

use super::chunk::{Chunk, random_moment, steady};
use super::scenario::Tell;
use crate::node::{Node, terminate};
use crate::trial::{Outcome, Trial};
use crate::wait::{Look, PATIENCE, await_condition};

const PER_SECOND: f64 = 400.0;

/// Every so many rounds it is restarted and not killed.
const RESTARTED_EVERY: u64 = 3;

/// Every so many rounds the engine is killed before, and Postgres fails while it starts.
const ENGINE_STARTS_EVERY: u64 = 4;

/// How long after the first line of an engine that starts.
const STARTING: Duration = Duration::from_millis(300);

/// Runs a chunk.
pub(super) async fn run(chunk: &Chunk, tell: Tell<'_>) -> Result<Outcome> {
    let mut trial = Trial::begin(Node::start().await?, steady("postgres", PER_SECOND)).await?;
    let ended = end(chunk, &mut trial, tell).await;
    trial.end(ended, tell).await
}

async fn end(chunk: &Chunk, trial: &mut Trial, tell: Tell<'_>) -> Result<()> {
    let mut chance = chunk.chance();
    for round in chunk.numbers() {
        random_moment(&mut chance, Duration::from_secs(1)).await;
        let starting = round % ENGINE_STARTS_EVERY == ENGINE_STARTS_EVERY - 1;
        if starting {
            trial.hold();
            trial.node.kill().await?;
            trial.node.relaunch().await?;
            trial.release();
            random_moment(&mut chance, STARTING).await;
        }
        let server = another(trial, None).await?;
        let restart = round % RESTARTED_EVERY == RESTARTED_EVERY - 1;
        if restart {
            // At first it waits for its clients, of which the engine is one that stays; then it sends them away. It is gone
            // by then where it has just been started.
            terminate(server, Signal::TERM);
            random_moment(&mut chance, Duration::from_secs(1)).await;
            terminate(server, Signal::INT);
        } else {
            terminate(server, Signal::KILL);
        }
        let down = Instant::now();
        another(trial, Some(server)).await?;
        // Now and then the next fault finds it recovering.
        let ready = chance.random_bool(0.7);
        if ready {
            trial.node.await_ready().await?;
        }
        trial.await_more().await?;
        tell(format!(
            "round {:>2}: {}{}, {} after {:.1} s",
            round + 1,
            if restart { "restarted" } else { "killed" },
            if starting { " while the engine starts" } else { "" },
            if ready { "the engine is ready" } else { "another one is started" },
            down.elapsed().as_secs_f64()
        ));
    }
    Ok(())
}

/// Waits for a server that is another one than this.
async fn another(trial: &mut Trial, than: Option<u32>) -> Result<u32> {
    await_condition("a Postgres", PATIENCE, async || {
        trial.check_alive()?;
        let now = trial.node.postgres_pid().filter(|pid| Some(*pid) != than);
        Ok(Look::from_option(now, format!("none but {than:?}")))
    })
    .await
}
