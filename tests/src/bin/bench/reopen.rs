//! `reopen_10gb_s`: how long the log takes to open with 10 GB of payload in it, in records of 500 bytes on three topics,
//! one of them with 32 partitions. The worse of two cases:
//!
//! - `reopen_10gb_killed_s`: its process was killed in the midst of appends, so that files have no footer yet;
//! - `reopen_10gb_closed_s`: it was closed.
//!
//! The operating system has forgotten the files each time, as after a start of the machine.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use granary_stream::StreamLog;
use granary_stream::embedded::{EmbeddedLog, Options};
use granary_tests::figure::{Bar, Figure, median};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::Instant;

use crate::page_cache::forget;
use crate::records::{PAYLOAD_BYTES, Topics, fill};
use crate::{Size, scratch};

/// Bytes of payload in the log.
const BYTES: u64 = 10_000_000_000;

/// Bytes that every further run adds, so that each is killed at another place in a file.
const MORE_BYTES: u64 = 40_000_000;

/// The process that fills the log ends by itself after so many bytes: whoever was to kill it may be gone.
const UNKILLED_BYTES: u64 = 1_000_000_000;

const TOPICS: Topics = &[("snowplow", 1), ("grnry_data_in_orders", 4), ("grnry_data_in_clicks", 32)];

/// What the process says when the log is full.
const FULL: &str = "full";

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let folder = tempfile::TempDir::with_prefix_in("reopen-", scratch()?)?;
    let bytes = size.bytes(BYTES);
    let (mut killed, mut closed) = (Vec::new(), Vec::new());
    for run in 0..size.runs {
        abandon(folder.path(), if run == 0 { bytes } else { MORE_BYTES }).await?;
        killed.push(open(folder.path(), bytes).await?);
        closed.push(open(folder.path(), bytes).await?);
    }
    let (killed, closed) = (median(&killed), median(&closed));
    let figure = |name, value, bar| Figure { name, value, unit: "s", bar };
    Ok(vec![
        figure("reopen_10gb_killed_s", killed, None),
        figure("reopen_10gb_closed_s", closed, None),
        figure("reopen_10gb_s", killed.max(closed), Some(Bar::AtMost(2.0))),
    ])
}

/// Opens the log, with at least so many bytes of payload in it, and closes it; the seconds that opening took.
async fn open(folder: &Path, bytes: u64) -> Result<f64> {
    forget(folder)?;
    let begun = Instant::now();
    let log = EmbeddedLog::open(folder, Options::default()).await?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(log.damages().is_empty(), "the log is damaged: {:?}", log.damages());
    let mut records = 0;
    for (topic, partitions) in TOPICS {
        for partition in 0..*partitions {
            records += log.bounds(topic, partition).await?.end;
        }
    }
    ensure!(records * PAYLOAD_BYTES as u64 >= bytes, "acknowledged records are missing: {records} are there");
    log.close().await;
    Ok(seconds)
}

/// Has a process of its own append so many bytes, and kills it while it appends more: a log that is dropped in this
/// process closes itself.
async fn abandon(folder: &Path, bytes: u64) -> Result<()> {
    let mut process = Command::new(std::env::current_exe()?)
        .arg("--fill")
        .arg(folder)
        .args(["--fill-bytes", &bytes.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let said = BufReader::new(process.stdout.take().context("a pipe")?).lines().next_line().await?;
    process.kill().await?;
    let status = process.wait().await?;
    ensure!(said.as_deref() == Some(FULL) && status.signal() == Some(9), "the log was not filled: {status}");
    Ok(())
}

/// In the process that fills the log: appends so many bytes, says so, and goes on until it is killed.
pub(crate) async fn child(folder: &Path, bytes: u64) -> Result<()> {
    let log: Arc<dyn StreamLog> = Arc::new(EmbeddedLog::open(folder, Options::default()).await?);
    fill(&log, TOPICS, bytes).await?;
    println!("{FULL}");
    fill(&log, TOPICS, UNKILLED_BYTES).await?;
    bail!("nobody has killed this process");
}
