//! The engine is suspended (SIGSTOP) and goes on (SIGCONT). Every second time the server ends its connections meanwhile, as
//! with a client that is taken for dead: its lock and its transactions are gone when it wakes up.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use super::chunk::{Chunk, random_moment, random_time, steady};
use super::scenario::Tell;
use crate::node::Node;
use crate::postgres;
use crate::trial::{Outcome, Trial};

const PER_SECOND: f64 = 400.0;

/// How long it is suspended.
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(4);

/// Runs a chunk.
pub(super) async fn run(chunk: &Chunk, tell: Tell<'_>) -> Result<Outcome> {
    let mut trial = Trial::begin(Node::start().await?, steady("stop", PER_SECOND)).await?;
    let stopped = stop(chunk, &mut trial, tell).await;
    trial.end(stopped, tell).await
}

async fn stop(chunk: &Chunk, trial: &mut Trial, tell: Tell<'_>) -> Result<()> {
    let mut chance = chunk.chance();
    for round in chunk.numbers() {
        random_moment(&mut chance, Duration::from_secs(2)).await;
        let asleep = random_time(&mut chance, LEAST, MOST);
        trial.node.signal(Signal::STOP)?;
        let mut ended = 0;
        if round % 2 == 1 {
            ended = end_connections(trial.node.data_dir()).await?;
        }
        tokio::time::sleep(asleep).await;
        trial.node.signal(Signal::CONT)?;
        trial.await_more().await?;
        tell(format!(
            "round {:>2}: asleep for {:.1} s, {ended} connections to Postgres ended meanwhile",
            round + 1,
            asleep.as_secs_f64()
        ));
    }
    Ok(())
}

/// Lets the server end all connections of others.
async fn end_connections(data_dir: &Path) -> Result<u64> {
    let rows = postgres::superuser(data_dir)
        .await?
        .query(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where backend_type = 'client backend' and pid <> pg_backend_pid()",
            &[],
        )
        .await?;
    Ok(rows.len() as u64)
}
