//! The takeover run: a belt's program is replaced again and again while events are posted at a steady rate.
//!
//! Every acknowledged event must become one row, written once, whichever version worked on it; and rows must keep
//! coming while one version takes over from another.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::audit::{self, Findings, Order, Sent};
use crate::event;
use crate::load::{self, Plan};
use crate::node::Node;
use crate::pipeline::{Pipeline, RowId};
use crate::postgres;
use crate::wait::{Look, await_condition};

/// Name of the run inside the client's ids.
const RUN: &str = "takeover";

/// How the run goes.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Events per second.
    pub per_second: f64,
    /// Events in all.
    pub events: u64,
    /// How often the program is replaced; every third time by a rollback. None for the baseline.
    pub takeovers: u64,
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// Events acknowledged.
    pub acknowledged: u64,
    /// What was written.
    pub findings: Findings,
    /// Dead letters, of which there must be none.
    pub dead_letters: u64,
    /// The longest time between two rows, in milliseconds.
    pub longest_gap_ms: f64,
    /// Versions of the program that wrote rows.
    pub versions_seen: u64,
}

impl Verdict {
    /// An error unless every acknowledged event was written exactly once.
    pub fn check(&self) -> Result<()> {
        if self.dead_letters > 0 || !self.findings.clean() {
            bail!("{}\ndead letters: {}", self.findings, self.dead_letters);
        }
        Ok(())
    }
}

/// Runs it on a fresh node.
pub async fn run(node: &Node, settings: Settings) -> Result<Verdict> {
    let pipeline = Pipeline::run(&node.api()?, RowId::Correlation).await?;
    let project = &pipeline.project;
    let database = postgres::superuser(node.data_dir()).await?;
    audit::install(&database, &pipeline).await?;
    let path = project.belt_path(&pipeline.belt);
    let mut definition = project.api.get(&path).await?.ok()?;
    let source = definition["extractorFn"].as_str().context("a belt has its source")?.to_owned();

    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let on_ack = Arc::clone(&acknowledged);
    let plan = Plan::events(settings.events, 16).at_rate(settings.per_second);
    let body = |n| event::numbered(RUN, n);
    let load = tokio::spawn(load::run(load::fixed(node.address()), plan, body, move |n| {
        on_ack.lock().unwrap_or_else(PoisonError::into_inner).push(n);
    }));
    let posted = || acknowledged.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
    for takeover in 1..=settings.takeovers {
        let due = takeover * settings.events / (settings.takeovers + 1);
        await_condition(&format!("{due} events"), Duration::from_secs(120), async || {
            let ended = load.is_finished();
            Ok(Look::from_option((ended || posted() >= due).then_some(()), format!("{} posted", posted())))
        })
        .await?;
        if takeover % 3 == 0 {
            project.api.post(&format!("{path}/rollback"), &json!({})).await?.ok()?;
        } else {
            // Each version signs its rows.
            let signed = source.replace("event_payload['lastName']", &format!("'version {takeover}'"));
            anyhow::ensure!(signed != source, "the callback writes the last name");
            definition["extractorFn"] = json!(signed);
            project.api.put(&format!("{path}?apply=true"), &definition).await?.ok()?;
        }
    }
    load.await??.all_acknowledged()?;
    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
    let found = audit::await_quiet(&database, &pipeline, acknowledged.len() as u64).await?;
    let sent = Sent { run: RUN, acknowledged: &acknowledged, last: settings.events, order: Order::None };
    let longest_gap_ms = audit::longest_gap_ms(&database).await?;
    let table = pipeline.table();
    let versions = database
        .query_one(&format!(r#"select count(distinct "lastName") from {table}"#), &[])
        .await?
        .get::<_, i64>(0);
    Ok(Verdict {
        acknowledged: acknowledged.len() as u64,
        findings: Findings::of(&sent, &found),
        dead_letters: project.dead_letter_count().await?,
        longest_gap_ms,
        versions_seen: u64::try_from(versions)?,
    })
}
