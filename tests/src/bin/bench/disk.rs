//! `log_vs_disk_limit_64`: durable appends per second of 64 writers, one record each at a time, as a share of what the disk
//! does with the same bytes when one loop writes 64 records and syncs them, over and over, into a file whose blocks
//! are there already. In the figures of the stream layer the records are those of [`records`], the bar is higher, and there
//! is the same with 256 writers (`log_vs_disk_limit_256`), and beside it what is left without a log ([`no_log`]).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use granary_stream::embedded::{EmbeddedLog, Options};
use granary_stream::{Append, Message, StreamLog, TopicSpec, record};
use granary_tests::event;
use granary_tests::figure::{Bar, Figure, median};
use tokio::task::JoinSet;

use crate::{Size, no_log, records, scratch};

/// Length of the file that the raw loop goes round in.
const FILE_BYTES: u64 = 128 << 20;

/// What the log writes beside payload and key of the engine's record, about: frame, times, producer.
const OVERHEAD_BYTES: usize = 64;

/// What the log writes beside the records of a group: the header of one frame.
const FRAME_HEADER_BYTES: usize = 48;

/// The topic that [`write`] appends to.
pub(crate) const TOPIC: &str = "bench";

/// Writers that are held against the disk.
struct Case {
    writers: usize,
    /// What each of them appends, over and over.
    message: Message,
    /// Bytes of the raw loop between two syncs: those of a group with one record of each writer.
    group_bytes: usize,
    /// The least share of the raw loop.
    bar: f64,
    /// Names of the figures: the raw loop, the log, its share, the share without a log.
    names: [&'static str; 4],
}

const NAMES_64: [&str; 4] = [
    "disk_limit_64_records_per_s",
    "log_64_writers_records_per_s",
    "log_vs_disk_limit_64",
    "no_log_64_vs_disk_limit",
];
const NAMES_256: [&str; 4] = [
    "disk_limit_256_records_per_s",
    "log_256_writers_records_per_s",
    "log_vs_disk_limit_256",
    "no_log_256_vs_disk_limit",
];

impl Case {
    /// Writers of the engine's record.
    fn of_events(writers: usize, bar: f64, names: [&'static str; 4]) -> Self {
        let message =
            Message { key: Some(records::key()), ..Message::of(event::numbered("disk", 1_000_000)) };
        let group_bytes = writers * (records::content_bytes(&message) + OVERHEAD_BYTES);
        Self { writers, message, group_bytes, bar, names }
    }

    /// Writers of the records of the stream layer.
    fn of_records(writers: usize, bar: f64, names: [&'static str; 4]) -> Self {
        let message = records::keyed();
        let mut stored = Vec::new();
        record::encode(&message, 0, &mut stored);
        Self { writers, message, group_bytes: writers * stored.len() + FRAME_HEADER_BYTES, bar, names }
    }
}

/// The figure of the engine.
pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    compare(size, &Case::of_events(64, 0.6, NAMES_64)).await
}

/// The figures of the stream layer.
pub(crate) async fn measure_stream(size: Size) -> Result<Vec<Figure>> {
    let mut figures = compare(size, &Case::of_records(64, 0.7, NAMES_64)).await?;
    figures.extend(compare(size, &Case::of_records(256, 0.7, NAMES_256)).await?);
    Ok(figures)
}

async fn compare(size: Size, case: &Case) -> Result<Vec<Figure>> {
    let folder = tempfile::TempDir::with_prefix_in("log-", scratch()?)?;
    let log: Arc<dyn StreamLog> =
        Arc::new(EmbeddedLog::open(&folder.path().join("log"), Options::default()).await?);
    log.create_topic(TOPIC, TopicSpec::of(1)).await?;
    let raw = folder.path().join("raw");
    prepare(&raw)?;
    let writers = async |run| {
        let begun = Instant::now();
        let records = write(&log, case.writers, &case.message, run).await?;
        anyhow::Ok(records as f64 / begun.elapsed().as_secs_f64())
    };
    writers(size.run / 4).await?;
    let (mut baseline, mut subject, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..size.runs {
        let (path, group_bytes, run) = (raw.clone(), case.group_bytes, size.run);
        let syncs = tokio::task::spawn_blocking(move || raw_loop(&path, group_bytes, run)).await??;
        baseline.push(syncs * case.writers as f64);
        subject.push(writers(size.run).await?);
        without.push(no_log::run(folder.path(), case.writers, case.group_bytes, size.run).await?);
    }
    log.close().await;
    let (baseline, subject, without) = (median(&baseline), median(&subject), median(&without));
    let [raw_name, log_name, share_name, without_name] = case.names;
    Ok(vec![
        Figure { name: raw_name, value: baseline, unit: "records/s", bar: None },
        Figure { name: log_name, value: subject, unit: "records/s", bar: None },
        Figure {
            name: share_name,
            value: subject / baseline,
            unit: "ratio",
            bar: Some(Bar::AtLeast(case.bar)),
        },
        Figure { name: without_name, value: without / baseline, unit: "ratio", bar: None },
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

/// Syncs per second of the raw loop.
fn raw_loop(path: &Path, group_bytes: usize, run: Duration) -> Result<f64> {
    let file = File::options().write(true).open(path)?;
    let group = vec![0x5a; group_bytes];
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
    Ok(groups as f64 / begun.elapsed().as_secs_f64())
}

/// So many writers append the message, each one at a time; the number of records.
pub(crate) async fn write(
    log: &Arc<dyn StreamLog>,
    writers: usize,
    message: &Message,
    run: Duration,
) -> Result<u64> {
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..writers {
        let (log, message) = (Arc::clone(log), message.clone());
        tasks.spawn(async move {
            let mut records = 0_u64;
            while begun.elapsed() < run {
                let messages = vec![message.clone()];
                log.append(vec![Append { topic: TOPIC.to_owned(), partition: 0, messages }]).await?;
                records += 1;
            }
            anyhow::Ok(records)
        });
    }
    let mut records = 0;
    while let Some(done) = tasks.join_next().await {
        records += done??;
    }
    Ok(records)
}
