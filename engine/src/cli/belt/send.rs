//! `granary belt send`.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use clap::Args;
use reqwest::Method;
use serde_json::{Value, json};

use super::folder::Folder;
use super::remote::Remote;
use super::samples::{self, Sample};
use super::test::short;
use super::{Failure, In};
use crate::cli::client::Target;
use crate::cli::sql;

/// The path of Snowplow's trackers.
const COLLECTOR: &str = "/api/com.snowplowanalytics.snowplow/tp2";
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Args)]
pub(super) struct Send {
    #[command(flatten)]
    place: In,
    /// Post this file of events instead of the samples
    #[arg(long, value_name = "FILE")]
    event: Option<PathBuf>,
    /// Seconds to wait for rows
    #[arg(long, default_value_t = 10)]
    wait: u64,
    /// Project in the engine, in place of that of belt.toml
    #[arg(long, env = "GRANARY_PROJECT")]
    project: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Send {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let folder = Folder::open(&self.place.folder)?;
        let remote = Remote::connect(&self.target, self.project.as_deref(), &folder)?;
        let belt = remote.belt(&folder).await?;
        let samples = match &self.event {
            Some(file) => samples::of_file(&folder, file)?,
            None => samples::of_folder(&folder)?,
        };
        let (sessions, events): (Vec<_>, Vec<_>) = samples.into_iter().partition(Sample::is_session);
        if !sessions.is_empty() {
            println!("send: {} sessions are left out: the collector takes single events", sessions.len());
        }
        let tables = tables(&folder, &remote).await?;
        // What is written from now on has a transaction id that is not older than this one.
        let snapshot = remote.query("select pg_snapshot_xmax(pg_current_snapshot())::text").await?;
        let snapshot = snapshot["rows"][0][0].as_str().context("a snapshot")?.to_owned();
        let letters_before = dead_letters(&remote).await?;
        for event in &events {
            remote.client.post_event(COLLECTOR, event.payload.clone()).await?;
        }
        println!("send: the collector took {} events", events.len());
        let begun = Instant::now();
        loop {
            let mut rows = 0;
            let mut answers = Vec::new();
            for table in &tables {
                let query = format!(
                    "select * from {table} where xmin::text::bigint >= {snapshot}::numeric % 4294967296 limit 50"
                );
                let answer = remote.query(&query).await?;
                rows += answer["rows"].as_array().map_or(0, Vec::len);
                answers.push((table, answer));
            }
            let letters = dead_letters(&remote).await?.saturating_sub(letters_before);
            let all = rows as u64 + letters >= events.len() as u64;
            if all || begun.elapsed() >= Duration::from_secs(self.wait) {
                for (table, answer) in answers {
                    println!("\n{table}");
                    print!("{}", sql::table(&answer));
                }
                if letters > 0 {
                    show_letters(&remote, letters).await?;
                }
                return verdict(&remote, &belt.id, rows, letters, self.wait).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

async fn verdict(remote: &Remote, id: &str, rows: usize, letters: u64, waited: u64) -> Result<(), Failure> {
    if rows > 0 {
        return Ok(());
    }
    if letters > 0 {
        return Err(Failure::Failed(anyhow!("no row came out: {letters} events became dead letters")));
    }
    let (status, reason) = remote.state(id).await?;
    Err(Failure::Failed(anyhow!(
        "no row came out within {waited} s; the belt is {status} {reason}. Perhaps the harvester takes other events \
         (see [harvester] appId), or the belt answers no update for these: `granary belt test` shows what it does"
    )))
}

/// The tables that the belt writes, quoted for SQL.
async fn tables(folder: &Folder, remote: &Remote) -> Result<Vec<String>, Failure> {
    let known = remote.event_types().await?;
    let outputs = folder.outputs();
    let written = known.iter().filter(|entry| outputs.contains(&entry.name.as_str()));
    Ok(written
        .filter(|entry| entry.kind == granary_catalog::EventKind::LiveSegment)
        .map(|entry| format!(r#""{}"."grnry_live_segment_{}""#, remote.project, entry.name))
        .collect())
}

async fn dead_letters(remote: &Remote) -> Result<u64, Failure> {
    Ok(remote.get("/dead-letters?limit=1").await?["totalCount"].as_u64().unwrap_or_default())
}

async fn show_letters(remote: &Remote, count: u64) -> Result<(), Failure> {
    let page = remote.get(&format!("/dead-letters?limit={}", count.clamp(1, 10))).await?;
    println!("\ndead letters");
    for letter in page["deadLetters"].as_array().into_iter().flatten() {
        let text = |field: &str| letter[field].as_str().unwrap_or_default();
        println!("  {} {}: {}", text("stream"), text("exceptionType"), short(text("message")));
        for line in text("stacktrace").lines() {
            println!("  | {line}");
        }
    }
    Ok(())
}

impl Remote {
    async fn query(&self, query: &str) -> Result<Value, Failure> {
        let body = json!({ "query": query, "maxRows": 50 });
        self.client.call(Method::POST, &self.path("/sql"), Some(&body)).await
    }
}
