//! The collector under load, with the load generator on the same processors:
//!
//! - `ingest_p99_ms_at_half_load`: from a POST to its durable acknowledgement, at half of the rate that 64 connections reach;
//! - `catch_up_post_s`: the same for one POST of 20 MB, the 10,000 events that a tracker has kept during an outage;
//! - `collector_rss_mib`: the most memory of the engine's process at full load;
//! - `collector_rss_growth_mib`: by how much that was more in the last minute of ten than in the first.
//!
//! The process runs nothing but the collector where its streams are on a Fluvio cluster (found as in [`crate::fluvio_path`]);
//! the embedded log belongs to a process with all roles, of which the others have nothing to do here.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use granary_tests::event;
use granary_tests::figure::{Bar, Figure, median};
use granary_tests::latency::ms;
use granary_tests::load::{self, Plan, Report};
use granary_tests::node::{Node, Settings, peak_memory_mib, reset_peak_memory};

use crate::fluvio_path::Place;
use crate::{Size, scratch};

pub(crate) const CONNECTIONS: usize = 64;

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let mut figures = speed(&crate::node().await?, size).await?;
    let Some(place) = Place::find().await? else {
        figures.extend(memory(&crate::node().await?, size).await?);
        return Ok(figures);
    };
    println!(
        "collector_rss_mib, collector_rss_growth_mib: a process with --roles collector on a Fluvio cluster"
    );
    let arguments = ["--stream", &place.stream(), "--roles", "collector"].map(str::to_owned).to_vec();
    let alone = Settings { scratch: Some(scratch()?), arguments, ..Settings::default() };
    figures.extend(memory(&Node::start_with(alone).await?, size).await?);
    Ok(figures)
}

async fn speed(node: &Node, size: Size) -> Result<Vec<Figure>> {
    let mut full = Vec::new();
    post(node.address(), Plan::lasting(size.run / 4, CONNECTIONS)).await?;
    for _ in 0..size.runs {
        full.push(post(node.address(), Plan::lasting(size.run, CONNECTIONS)).await?.per_second());
    }
    let half = median(&full) / 2.0;
    let mut late = Vec::new();
    for _ in 0..size.runs {
        let plan = Plan::lasting(size.run, CONNECTIONS).at_rate(half);
        late.push(ms(post(node.address(), plan).await?.latencies.quantile(0.99)));
    }
    let (api, mut whole) = (node.api()?, Vec::new());
    for _ in 0..size.runs {
        let body = event::buffer(&event::structured(10_000));
        let begun = Instant::now();
        api.event(body).await?;
        whole.push(begun.elapsed().as_secs_f64());
    }
    Ok(vec![
        Figure { name: "half_load_posts_per_s", value: half, unit: "requests/s", bar: None },
        Figure {
            name: "ingest_p99_ms_at_half_load",
            value: median(&late),
            unit: "ms",
            bar: Some(Bar::AtMost(25.0)),
        },
        Figure { name: "catch_up_post_s", value: median(&whole), unit: "s", bar: Some(Bar::AtMost(2.0)) },
    ])
}

async fn memory(node: &Node, size: Size) -> Result<Vec<Figure>> {
    let pid = node.pid().context("a running engine")?;
    // A tenth of the whole time each: minutes.
    let part = if size.runs == 1 { size.run / 2 } else { Duration::from_secs(60) };
    let mut peaks = Vec::new();
    for _ in 0..10 {
        reset_peak_memory(pid);
        post(node.address(), Plan::lasting(part, CONNECTIONS)).await?;
        peaks.push(peak_memory_mib(pid).context("the engine's memory")?);
    }
    let most = peaks.iter().copied().fold(f64::NAN, f64::max);
    Ok(vec![
        Figure { name: "collector_rss_mib", value: most, unit: "mib", bar: Some(Bar::AtMost(150.0)) },
        Figure {
            name: "collector_rss_growth_mib",
            value: peaks[9] - peaks[0],
            unit: "mib",
            bar: Some(Bar::AtMost(5.0)),
        },
    ])
}

/// Posts events of about 300 bytes; each has to be acknowledged.
pub(crate) async fn post(address: SocketAddr, plan: Plan) -> Result<Report> {
    let report = load::run(load::fixed(address), plan, |n| event::numbered("ingest", n), |_| {}).await?;
    report.all_acknowledged()?;
    Ok(report)
}
