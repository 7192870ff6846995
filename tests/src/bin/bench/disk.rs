//! `log_vs_disk_limit_64`: durable appends per second of 64 writers, one record each at a time, as a share of what the disk
//! does with the same bytes when one loop writes 64 records and syncs them, over and over, into a file whose blocks
//! are there already.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use granary_stream::embedded::{EmbeddedLog, Options};
use granary_stream::{Append, Message, StreamLog, TopicSpec};
use granary_tests::event;
use granary_tests::figure::{Bar, Figure, median};
use tokio::task::JoinSet;

use crate::{Size, scratch};

const WRITERS: usize = 64;

/// Length of the file that the raw loop goes round in: that of a file of the log.
const FILE_BYTES: u64 = 128 << 20;

/// What the log writes beside payload and key, about: frame, times, producer.
const OVERHEAD_BYTES: usize = 64;

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let folder = tempfile::TempDir::with_prefix_in("log-", scratch()?)?;
    let log: Arc<dyn StreamLog> =
        Arc::new(EmbeddedLog::open(&folder.path().join("log"), Options::default()).await?);
    log.create_topic("bench", TopicSpec { partitions: 1, retention_ms: None }).await?;
    let raw = folder.path().join("raw");
    prepare(&raw)?;
    writers(&log, size.run / 4).await?;
    let (mut baseline, mut subject) = (Vec::new(), Vec::new());
    for _ in 0..size.runs {
        let (path, run) = (raw.clone(), size.run);
        baseline.push(tokio::task::spawn_blocking(move || raw_loop(&path, run)).await??);
        subject.push(writers(&log, size.run).await?);
    }
    log.close().await;
    let (baseline, subject) = (median(&baseline), median(&subject));
    Ok(vec![
        Figure { name: "disk_limit_64_records_per_s", value: baseline, unit: "records/s", bar: None },
        Figure { name: "log_64_writers_records_per_s", value: subject, unit: "records/s", bar: None },
        Figure {
            name: "log_vs_disk_limit_64",
            value: subject / baseline,
            unit: "ratio",
            bar: Some(Bar::AtLeast(0.6)),
        },
    ])
}

/// Writes the whole file once, so that the loop changes nothing but content.
fn prepare(path: &Path) -> Result<()> {
    let file = File::create(path)?;
    let zeros = vec![0; 1 << 20];
    for at in (0..FILE_BYTES).step_by(zeros.len()) {
        file.write_all_at(&zeros, at)?;
    }
    file.sync_all().context("could not sync the file of the raw loop")
}

/// Records per second of the raw loop.
fn raw_loop(path: &Path, run: Duration) -> Result<f64> {
    let file = File::options().write(true).open(path)?;
    let group = vec![0x5a; WRITERS * record_bytes()];
    let (begun, mut groups, mut at) = (Instant::now(), 0_u64, 0);
    while begun.elapsed() < run {
        if at + group.len() as u64 > FILE_BYTES {
            at = 0;
        }
        file.write_all_at(&group, at)?;
        file.sync_data()?;
        at += group.len() as u64;
        groups += 1;
    }
    Ok(groups as f64 * WRITERS as f64 / begun.elapsed().as_secs_f64())
}

fn payload() -> Bytes {
    event::numbered("disk", 1_000_000)
}

fn key() -> Bytes {
    Bytes::from_static(b"0a0b0c0d-0000-4000-8000-000000000000")
}

fn record_bytes() -> usize {
    payload().len() + key().len() + OVERHEAD_BYTES
}

/// Records per second of the writers of the log.
async fn writers(log: &Arc<dyn StreamLog>, run: Duration) -> Result<f64> {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..WRITERS {
        let log = Arc::clone(log);
        let payload = payload();
        tasks.spawn(async move {
            let mut records = 0_u64;
            while begun.elapsed() < run {
                let message = Message { key: Some(key()), ..Message::of(payload.clone()) };
                let append = Append { topic: "bench".to_owned(), partition: 0, messages: vec![message] };
                log.append(vec![append]).await?;
                records += 1;
            }
            anyhow::Ok(records)
        });
    }
    let mut records = 0;
    while let Some(done) = tasks.join_next().await {
        records += done??;
    }
    Ok(records as f64 / begun.elapsed().as_secs_f64())
}
