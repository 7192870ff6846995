//! The whole path, with the load generator and Postgres on the same processors:
//!
//! - `end_to_end_events_per_s`: from the first POST until the last row is visible, at 64 connections;
//! - `ack_to_row_p99_ms`: from the acknowledgement to the moment at which a query shows the row, at 500 events/s;
//! - `engine_peak_rss_mib`: the most memory that the engine's process held over these runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use granary_tests::event;
use granary_tests::figure::{Bar, Figure, median};
use granary_tests::latency::ms;
use granary_tests::load::{self, Plan};
use granary_tests::node::{Node, peak_memory_mib, reset_peak_memory};
use granary_tests::pipeline::{Pipeline, RowId};
use granary_tests::postgres;
use granary_tests::visible::{Acknowledged, watch_by_id};
use granary_tests::wait::{Look, await_condition};
use tokio::time::Instant;
use tokio_postgres::Client;

use crate::Size;

/// Rate of the latency run.
const EVENTS_PER_SECOND: f64 = 500.0;

/// How long a run may take to come out.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let bench = Bench::start(crate::node().await?).await?;
    bench.throughput("warm", size.events / 10).await?;
    let pid = bench.node.pid().context("a running engine")?;
    reset_peak_memory(pid);
    let mut rates = Vec::new();
    for run in 0..size.runs {
        rates.push(bench.throughput(&format!("t{run}"), size.events).await?);
    }
    let (mut p50, mut p99) = (Vec::new(), Vec::new());
    for run in 0..size.runs {
        let (middle, late) = bench.latency(&format!("l{run}"), size.run * 3).await?;
        p50.push(middle);
        p99.push(late);
    }
    let memory = peak_memory_mib(pid).context("the engine's memory")?;
    anyhow::ensure!(
        bench.pipeline.project.dead_letter_count().await? == 0,
        "there are dead letters: no event is bad"
    );
    Ok(vec![
        Figure {
            name: "end_to_end_events_per_s",
            value: median(&rates),
            unit: "events/s",
            bar: Some(Bar::AtLeast(5000.0)),
        },
        Figure { name: "ack_to_row_p50_ms", value: median(&p50), unit: "ms", bar: None },
        Figure { name: "ack_to_row_p99_ms", value: median(&p99), unit: "ms", bar: Some(Bar::AtMost(100.0)) },
        Figure { name: "engine_peak_rss_mib", value: memory, unit: "mib", bar: Some(Bar::AtMost(400.0)) },
    ])
}

/// A node on which the whole path runs.
pub(crate) struct Bench {
    node: Node,
    pipeline: Pipeline,
    database: Client,
    table: String,
    /// Rows of all runs so far.
    rows: AtomicU64,
}

impl Bench {
    /// Sets the path up on a node with an embedded Postgres.
    pub(crate) async fn start(node: Node) -> Result<Self> {
        let pipeline = Pipeline::run(&node.api()?, RowId::Client).await?;
        let database = postgres::superuser(node.data_dir()).await?;
        Ok(Self { database, table: pipeline.table(), rows: AtomicU64::new(0), node, pipeline })
    }

    /// Posts events as fast as they are taken and answers events per second until the last is visible.
    pub(crate) async fn throughput(&self, run: &str, events: u64) -> Result<f64> {
        let total = self.rows.fetch_add(events, Ordering::Relaxed) + events;
        let begun = Instant::now();
        let name = run.to_owned();
        let plan = Plan::events(events, 64);
        let target = load::fixed(self.node.address());
        let report = load::run(target, plan, move |n| event::numbered(&name, n), |_| {}).await?;
        report.all_acknowledged()?;
        let count = format!("select count(*) from {}", self.table);
        await_condition("all rows", PATIENCE, async || {
            let rows: i64 = self.database.query_one(&count, &[]).await?.get(0);
            let all = u64::try_from(rows).is_ok_and(|rows| rows == total);
            Ok(Look::from_option(all.then_some(()), format!("{rows} of {total}")))
        })
        .await?;
        Ok(events as f64 / begun.elapsed().as_secs_f64())
    }

    async fn latency(&self, run: &str, duration: Duration) -> Result<(f64, f64)> {
        self.rows.fetch_add(events_in(duration), Ordering::Relaxed);
        latency(&self.node, &self.database, &self.table, run, duration).await
    }
}

fn events_in(duration: Duration) -> u64 {
    (duration.as_secs_f64() * EVENTS_PER_SECOND) as u64
}

/// Posts at a steady rate and answers p50 and p99 from acknowledgement to row, in milliseconds.
pub(crate) async fn latency(
    node: &Node,
    database: &Client,
    table: &str,
    run: &str,
    duration: Duration,
) -> Result<(f64, f64)> {
    let events = events_in(duration);
    let acknowledged = Acknowledged::default();
    let on_ack = acknowledged.clone();
    let name = run.to_owned();
    let plan = Plan::events(events, 16).at_rate(EVENTS_PER_SECOND);
    let target = load::fixed(node.address());
    let load =
        tokio::spawn(load::run(target, plan, move |n| event::numbered(&name, n), move |n| on_ack.now(n)));
    let limit = duration + PATIENCE;
    let visible = watch_by_id(database, table, run, &acknowledged, events, limit).await?;
    load.await??.all_acknowledged()?;
    let latencies = visible.latencies(&acknowledged);
    Ok((ms(latencies.quantile(0.5)), ms(latencies.quantile(0.99))))
}
