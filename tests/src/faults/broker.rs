//! The SPU that keeps the streams is killed, or restarted, while the engine lives; now and then the engine is killed with it.
//!
//! A 503 leaves open here whether the event is stored, so that each event is sent once, whatever the answer is.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;

use super::chunk::{Chunk, random_moment, steady};
use super::scenario::Tell;
use crate::fluvio::{self, Cluster};
use crate::node::{Node, Settings};
use crate::trial::{Outcome, Trial};

const PER_SECOND: f64 = 600.0;

/// Every so many rounds it is restarted and not killed.
const RESTARTED_EVERY: u64 = 6;

/// Every so many rounds the engine is killed too.
const ENGINE_KILLED_EVERY: u64 = 5;

/// Runs a chunk.
pub(super) async fn run(chunk: &Chunk, tell: Tell<'_>) -> Result<Outcome> {
    let program = fluvio::program().context("there is no fluvio-run")?;
    let mut cluster = Cluster::start(&program).await?;
    let stream = format!("fluvio://{}?replication=1", cluster.address());
    let arguments = vec!["--stream".to_owned(), stream];
    let node = Node::start_with(Settings { arguments, ..Settings::default() }).await?;
    let mut settings = steady("broker", PER_SECOND);
    settings.plan.retry_busy = false;
    let mut trial = Trial::begin(node, settings).await?;
    let ended = end(chunk, &mut trial, &mut cluster, tell).await;
    let outcome = trial.end(ended, tell).await;
    if !outcome.as_ref().is_ok_and(Outcome::clean) {
        tell(format!("the cluster's files are kept in {}", cluster.keep().display()));
    }
    outcome
}

async fn end(chunk: &Chunk, trial: &mut Trial, cluster: &mut Cluster, tell: Tell<'_>) -> Result<()> {
    let mut chance = chunk.chance();
    for round in chunk.numbers() {
        random_moment(&mut chance, Duration::from_secs(2)).await;
        let restart = round % RESTARTED_EVERY == RESTARTED_EVERY - 1;
        let busy = trial.busy();
        if restart {
            cluster.stop_broker().await?;
        } else {
            cluster.kill_broker()?;
        }
        let down = Instant::now();
        let with_engine = round % ENGINE_KILLED_EVERY == ENGINE_KILLED_EVERY - 1;
        if with_engine {
            random_moment(&mut chance, Duration::from_millis(500)).await;
            trial.hold();
            trial.node.kill().await?;
            trial.node.relaunch().await?;
            trial.release();
        }
        random_moment(&mut chance, Duration::from_secs(2)).await;
        cluster.start_broker().await?;
        trial.await_more().await?;
        tell(format!(
            "round {:>2}: {}{}, events are acknowledged again after {:.1} s, {} answered 503 meanwhile",
            round + 1,
            if restart { "restarted" } else { "killed" },
            if with_engine { ", the engine killed too" } else { "" },
            down.elapsed().as_secs_f64(),
            trial.busy() - busy
        ));
    }
    Ok(())
}
