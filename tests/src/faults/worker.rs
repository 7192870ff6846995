//! Two processes share the partitions on a Fluvio cluster. One of them is killed, or suspended past its lease, while 3,000
//! events/s are posted to the other; every partition that it had goes on with the other one.
//!
//! A suspended one wakes up believing that it still owns its partitions: what it does then must not count.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use tokio::time::Instant;
use tokio_postgres::Client;

use super::chunk::{Chunk, random_moment, random_time};
use super::scenario::Tell;
use crate::fluvio::{self, Cluster};
use crate::load::Plan;
use crate::node::{Node, Settings};
use crate::postgres;
use crate::trial::{self, Outcome, Trial};
use crate::wait::{Look, await_condition};

const PER_SECOND: f64 = 3_000.0;

/// An answer of a cluster takes some milliseconds, and each connection waits for its own.
const CONNECTIONS: usize = 128;

/// How long a suspended process sleeps: longer than its lease of 5 s.
const LEAST: Duration = Duration::from_secs(6);
const MOST: Duration = Duration::from_secs(9);

/// A partition that does not go on within this time is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a chunk.
pub(super) async fn run(chunk: &Chunk, tell: Tell<'_>) -> Result<Outcome> {
    let program = fluvio::program().context("there is no fluvio-run")?;
    let cluster = Cluster::start(&program).await?;
    let stream = format!("fluvio://{}?replication=1", cluster.address());
    let arguments = vec!["--stream".to_owned(), stream];
    let first = Node::start_with(Settings { arguments: arguments.clone(), ..Settings::default() }).await?;
    let shared = Settings {
        database_url: Some(postgres::url(first.data_dir())?),
        arguments: [arguments, vec!["--roles".to_owned(), "worker,persister".to_owned()]].concat(),
        ..Settings::default()
    };
    let mut second = Node::start_with(shared).await?;
    let mut plan = Plan::endless(CONNECTIONS).at_rate(PER_SECOND);
    plan.retry_busy = false;
    let settings = trial::Settings { run: "worker", partitions: 1, padding: 0, plan };
    let mut trial = Trial::begin(first, settings).await?;
    let ended = lose(chunk, &mut trial, &mut second, tell).await;
    trial.end(ended, tell).await
}

async fn lose(chunk: &Chunk, trial: &mut Trial, second: &mut Node, tell: Tell<'_>) -> Result<()> {
    let database = postgres::superuser(trial.node.data_dir()).await?;
    let mut chance = chunk.chance();
    for round in chunk.numbers() {
        let node = await_share(&database, &second.address().to_string()).await?;
        let (begun, before) = (Instant::now(), trial.acknowledged());
        random_moment(&mut chance, Duration::from_secs(3)).await;
        let suspended = round % 2 == 1;
        let asleep = random_time(&mut chance, LEAST, MOST);
        if suspended {
            second.signal(Signal::STOP)?;
        } else {
            second.kill().await?;
        }
        let lost = Instant::now();
        let had = share(&database, node).await?;
        ensure!(!had.is_empty(), "the process that was lost had no partition");
        await_takeover(&database, node, &had).await?;
        let taken = lost.elapsed();
        let rate = (trial.acknowledged() - before) as f64 / begun.elapsed().as_secs_f64();
        if suspended {
            tokio::time::sleep(asleep.saturating_sub(lost.elapsed())).await;
            second.signal(Signal::CONT)?;
        } else {
            second.relaunch().await?;
        }
        trial.await_more().await?;
        tell(format!(
            "round {:>2}: {}, its {} partitions are processed again after {:.1} s, at {rate:.0} events/s",
            round + 1,
            if suspended { "suspended past its lease" } else { "killed" },
            had.len(),
            taken.as_secs_f64(),
        ));
    }
    Ok(())
}

/// A partition of a stage, and how far it was processed.
struct Had {
    stage: String,
    topic: String,
    partition: i32,
    next_offset: i64,
    /// Whether records of it were there to be processed.
    behind: bool,
}

/// Waits until every partition is somebody's and the process at that address has its share of them; its id.
async fn await_share(database: &Client, address: &str) -> Result<uuid::Uuid> {
    await_condition("the second process to have its share of the partitions", PATIENCE, async || {
        let row = database
            .query_opt(
                "select n.id from granary.node n, granary.cursor c
                 where n.address like '%' || $1
                 group by n.id, n.started_at
                 having bool_and(c.node is not null) and 3 * count(*) filter (where c.node = n.id) > count(*)
                 order by n.started_at desc limit 1",
                &[&address],
            )
            .await?;
        Ok(Look::from_option(row.map(|row| row.get(0)), "not yet"))
    })
    .await
}

/// What a process works on.
async fn share(database: &Client, node: uuid::Uuid) -> Result<Vec<Had>> {
    let rows = database
        .query(
            "select stage, topic, partition, next_offset, next_offset > 0 from granary.cursor where node = $1",
            &[&node],
        )
        .await?;
    let had = |row: tokio_postgres::Row| Had {
        stage: row.get(0),
        topic: row.get(1),
        partition: row.get(2),
        next_offset: row.get(3),
        behind: row.get(4),
    };
    Ok(rows.into_iter().map(had).collect())
}

/// Waits until all that a process had is somebody else's, and what had records has been moved on by that one.
async fn await_takeover(database: &Client, node: uuid::Uuid, had: &[Had]) -> Result<()> {
    await_condition("the other process to go on with every partition", PATIENCE, async || {
        let mut waiting = 0;
        for part in had {
            let row = database
                .query_opt(
                    "select from granary.cursor
                     where stage = $1 and topic = $2 and partition = $3 and node <> $4
                       and (next_offset > $5 or not $6)",
                    &[&part.stage, &part.topic, &part.partition, &node, &part.next_offset, &part.behind],
                )
                .await?;
            waiting += usize::from(row.is_none());
        }
        Ok(Look::from_option((waiting == 0).then_some(()), format!("{waiting} of {} wait", had.len())))
    })
    .await
}
