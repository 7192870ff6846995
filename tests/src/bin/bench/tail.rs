//! `append_to_tail_p99_ms`: from the call of an append of one record (500 bytes) until a reader that watches the end of the
//! topic has it in hand, at 1,000 appends/s. Appends begin when they are due, whether those before are answered or not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use granary_stream::embedded::{EmbeddedLog, Options};
use granary_stream::{Append, Message, ReadLimit, StreamLog, TopicSpec};
use granary_tests::figure::{Figure, median};
use granary_tests::latency::{Latencies, ms};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::records::PAYLOAD_BYTES;
use crate::{Size, scratch};

const TOPIC: &str = "tail";

/// From one append to the next.
const PAUSE: Duration = Duration::from_millis(1);

/// How long the last records may take.
const PATIENCE: Duration = Duration::from_secs(60);

const LIMIT: ReadLimit = ReadLimit { records: 1_000, bytes: 8 << 20 };

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let folder = tempfile::TempDir::with_prefix_in("tail-", scratch()?)?;
    let log: Arc<dyn StreamLog> =
        Arc::new(EmbeddedLog::open(&folder.path().join("log"), Options::default()).await?);
    log.create_topic(TOPIC, TopicSpec::of(1)).await?;
    run(&log, size.run / 4).await?;
    let mut p99 = Vec::new();
    for _ in 0..size.runs {
        p99.push(ms(run(&log, size.run).await?.quantile(0.99)));
    }
    log.close().await;
    Ok(vec![Figure { name: "append_to_tail_p99_ms", value: median(&p99), unit: "ms", bar: None }])
}

async fn run(log: &Arc<dyn StreamLog>, duration: Duration) -> Result<Latencies> {
    let records = u64::try_from(duration.as_millis() / PAUSE.as_millis())?;
    let from = log.bounds(TOPIC, 0).await?.end;
    let begun = Instant::now();
    let reader = tokio::spawn(follow(Arc::clone(log), begun, from..from + records));
    let both = async { tokio::try_join!(write(log, begun, records), async { reader.await? }) };
    let ((), latencies) = timeout(duration + PATIENCE, both).await.context("records did not arrive")??;
    Ok(latencies)
}

async fn write(log: &Arc<dyn StreamLog>, begun: Instant, records: u64) -> Result<()> {
    let mut ticks = interval(PAUSE);
    let mut appends = JoinSet::new();
    for _ in 0..records {
        ticks.tick().await;
        appends.spawn(append(Arc::clone(log), begun));
        while let Some(done) = appends.try_join_next() {
            done??;
        }
    }
    while let Some(done) = appends.join_next().await {
        done??;
    }
    Ok(())
}

/// Appends a record that says when that was.
async fn append(log: Arc<dyn StreamLog>, begun: Instant) -> Result<()> {
    let mut payload = vec![0; PAYLOAD_BYTES];
    let now = u64::try_from(begun.elapsed().as_nanos())?;
    payload[..size_of::<u64>()].copy_from_slice(&now.to_le_bytes());
    let messages = vec![Message::of(payload)];
    log.append(vec![Append { topic: TOPIC.to_owned(), partition: 0, messages }]).await?;
    Ok(())
}

/// Reads the records of these offsets as they come.
async fn follow(log: Arc<dyn StreamLog>, begun: Instant, offsets: std::ops::Range<u64>) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    // Before the first look, so that nothing is missed.
    let mut watcher = log.watch(TOPIC)?;
    let mut from = offsets.start;
    while from < offsets.end {
        let records = log.read(TOPIC, 0, from, LIMIT).await?;
        let now = begun.elapsed();
        for record in &records {
            let sent = record.message.payload.first_chunk().context("a time")?;
            latencies.record(now.saturating_sub(Duration::from_nanos(u64::from_le_bytes(*sent))));
        }
        match records.last() {
            Some(last) => from = last.offset + 1,
            None => watcher.changed().await,
        }
    }
    Ok(latencies)
}
