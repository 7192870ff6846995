//! `make demo`: the live-segment guide from the first request to the last row, with 10,000 events.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use granary_tests::api::{Api, Table};
use granary_tests::event;
use granary_tests::latency::ms;
use granary_tests::load::{self, Plan};
use granary_tests::node::{Node, Settings, target_dir};
use granary_tests::postgres;
use granary_tests::project::Project;
use granary_tests::visible::{Acknowledged, Follower, Visible};
use granary_tests::walkthrough::{
    BELT_BODY, HARVESTER, HARVESTER_BODY, INPUT, INPUT_BODY, OUTPUT, OUTPUT_BODY, PROJECT_BODY, json_of,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::time::Instant;

/// How long the last rows may take to appear.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the live-segment guide against a fresh engine.
#[derive(Parser)]
struct Arguments {
    /// Events to post
    #[arg(long, default_value_t = 10_000)]
    events: u64,
    /// Connections that post them
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// Leave the engine running (the environment variable KEEP=1 does the same)
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let keep = arguments.keep || std::env::var("KEEP").is_ok_and(|v| !["", "0"].contains(&v.as_str()));
    let data_dir = fresh_data_dir()?;
    println!("demo: starting granary up in {}", data_dir.display());
    println!("      (the first start compiles the Python runtime, which takes a few seconds)");
    let begun = Instant::now();
    let node = Node::start_with(Settings { data_dir: Some(data_dir.clone()), ..Settings::default() }).await?;
    println!("demo: ready at {} after {:.1} s", node.url(), begun.elapsed().as_secs_f64());

    let result = guide(&node.api()?, &node, &arguments).await;
    if keep {
        let url = node.url();
        let pid = node.pid().unwrap_or_default();
        node.keep();
        println!("demo: still running at {url}; stop it with: kill {pid}");
        println!("      granary sql projecttotestliveseg --data-dir {}", data_dir.display());
    } else {
        stop(node).await?;
        postgres::remove(&data_dir);
        std::fs::remove_dir_all(data_dir.parent().unwrap_or(&data_dir))
            .context("could not remove the demo's data")?;
    }
    let (posted, rows) = result?;
    println!("demo: {posted} events in, {rows} rows out");
    if posted != rows || posted != arguments.events {
        bail!("every event should be a row");
    }
    Ok(())
}

/// A folder of its own for every run, so that a kept one is never in the way.
fn fresh_data_dir() -> Result<PathBuf> {
    let base = target_dir().join("demo");
    std::fs::create_dir_all(&base)?;
    let dir = tempfile::Builder::new().prefix("run-").tempdir_in(&base)?.keep();
    Ok(dir.join("data"))
}

async fn stop(mut node: Node) -> Result<()> {
    let status = node.stop().await?;
    if !status.success() {
        bail!("granary ended with {status}:\n{}", node.output());
    }
    Ok(())
}

/// The six steps. Answers how many events were acknowledged and how many rows there are.
async fn guide(api: &Api, node: &Node, arguments: &Arguments) -> Result<(u64, u64)> {
    let project = steps(api).await?;
    let table = project.live_segment(OUTPUT);

    println!("demo: step 6, post {} events to {}", arguments.events, load_path());
    let acknowledged = Acknowledged::default();
    let on_ack = acknowledged.clone();
    let begun = Instant::now();
    let plan = Plan::events(arguments.events, arguments.connections);
    let target = load::fixed(node.address());
    let load = tokio::spawn(load::run(target, plan, event::guide, move |n| on_ack.now(n)));

    let mut progress = Progress::new(arguments.events);
    let mut follower = Follower::new(table.clone(), "lastName");
    let mut visible = Visible::default();
    let mut until = None;
    while (visible.len() as u64) < arguments.events {
        follower.look(&project, event::number_of, &mut visible).await?;
        progress.show(acknowledged.len() as u64, visible.len() as u64);
        // The time that the last rows have runs from the last acknowledgement.
        if load.is_finished() && *until.get_or_insert_with(|| Instant::now() + PATIENCE) < Instant::now() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    progress.end();
    let report = load.await??;
    report.all_acknowledged()?;
    let took = visible.last_new().unwrap_or(begun) - begun;

    let rows = project.rows_in(&table).await?;
    let query = format!(r#"select "id", "firstName", "lastName" from {table} limit 10"#);
    println!("demo: {query}");
    print_table(&project.sql(&query).await?);
    println!("demo: select count(*) from {table}: {rows}");
    let latencies = visible.latencies(&acknowledged);
    println!(
        "demo: {:.0} events/s end to end; from acknowledgement to visible row p50 {:.0} ms, p99 {:.0} ms under full load",
        rows as f64 / took.as_secs_f64().max(f64::EPSILON),
        ms(latencies.quantile(0.5)),
        ms(latencies.quantile(0.99)),
    );
    println!("demo: the API is at {}, its description at {}/openapi.json", node.url(), node.url());
    Ok((report.acknowledged, rows))
}

/// Steps 1 to 5, each told before it is taken.
async fn steps(api: &Api) -> Result<Project> {
    println!("demo: step 1, create the project");
    let answer = api.post_text("/projects?deploy=sqlpad", PROJECT_BODY).await?.ok()?;
    let name = text(&answer, "name")?;
    println!("      its technical name is {name}");
    let project = Project { api: api.clone(), name };

    println!("demo: step 2, create the input event type {INPUT}");
    project.create_event_type(&json_of(INPUT_BODY)).await?;
    api.await_status(&format!("{}/state", project.data_in_persister_path(INPUT)), "RUNNING").await?;
    println!("      its persister is RUNNING");

    println!("demo: step 3, create the output event type");
    let name = project.create_event_type(&json_of(OUTPUT_BODY)).await?;
    api.await_status(&format!("{}/state", project.live_segment_persister_path(&name)), "RUNNING").await?;
    println!("      its technical name is {name}, its persister is RUNNING");

    println!("demo: step 4, create and start the harvester (its transform in Python)");
    project.create_harvester(&json_of(HARVESTER_BODY)).await?;
    project.run_harvester(HARVESTER).await?;
    println!("      {HARVESTER} is RUNNING");

    println!("demo: step 5, create and start the belt");
    let begun = Instant::now();
    let id = project.create_belt(&json_of(BELT_BODY)).await?;
    project.run_belt(&id).await?;
    println!("      belt {id} is RUNNING after {:.0} ms", ms(begun.elapsed()));
    Ok(project)
}

fn text(answer: &Value, field: &str) -> Result<String> {
    Ok(answer[field].as_str().with_context(|| format!("the answer has no {field}"))?.to_owned())
}

fn load_path() -> &'static str {
    granary_tests::api::COLLECTOR_PATH
}

/// A bar on a terminal, a line for every tenth elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    total: u64,
    told: u64,
}

impl Progress {
    fn new(total: u64) -> Self {
        let bar = std::io::stdout().is_terminal().then(|| {
            let style = ProgressStyle::with_template("      [{bar:40}] {pos}/{len} rows, {msg}");
            ProgressBar::new(total).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self { bar, total, told: 0 }
    }

    fn show(&mut self, posted: u64, visible: u64) {
        let Some(bar) = &self.bar else {
            let tenth = visible * 10 / self.total.max(1);
            if tenth > self.told {
                self.told = tenth;
                println!("      {posted} events acknowledged, {visible} rows visible");
                let _ = std::io::stdout().flush();
            }
            return;
        };
        bar.set_message(format!("{posted} events acknowledged"));
        bar.set_position(visible);
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}

fn print_table(table: &Table) {
    let cell = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let rows: Vec<Vec<String>> = table.rows.iter().map(|row| row.iter().map(cell).collect()).collect();
    let width = |i: usize| {
        rows.iter()
            .map(|row| row[i].chars().count())
            .chain([table.columns[i].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let line = |cells: &[String]| {
        let cells: Vec<_> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("      {}", cells.join("  ").trim_end());
    };
    line(&table.columns);
    line(&widths.iter().map(|w| "-".repeat(*w)).collect::<Vec<_>>());
    for row in &rows {
        line(row);
    }
}
