//! `cold_read_mb_per_s`: payload per second of a reader that begins at the first of 2 GB in a log that was just opened, in
//! records of 500 bytes, up to 1,000 records or 8 MiB at a time. Nothing of it is in memory: the log's own cache is empty,
//! and the operating system is made to forget the files (see [`page_cache`](crate::page_cache)).

use std::sync::Arc;

use anyhow::{Result, ensure};
use granary_stream::embedded::{EmbeddedLog, Options};
use granary_stream::{ReadLimit, StreamLog};
use granary_tests::figure::{Figure, median};
use tokio::time::Instant;

use crate::page_cache::forget;
use crate::records::{Topics, fill};
use crate::{Size, scratch};

/// Bytes of payload in the log.
const BYTES: u64 = 2_000_000_000;

const TOPIC: &str = "cold";
const TOPICS: Topics = &[(TOPIC, 1)];
const LIMIT: ReadLimit = ReadLimit { records: 1_000, bytes: 8 << 20 };

pub(crate) async fn measure(size: Size) -> Result<Vec<Figure>> {
    let folder = tempfile::TempDir::with_prefix_in("cold-", scratch()?)?;
    let open = || EmbeddedLog::open(folder.path(), Options::default());
    let bytes = size.bytes(BYTES);
    let log: Arc<dyn StreamLog> = Arc::new(open().await?);
    fill(&log, TOPICS, bytes).await?;
    log.close().await;
    let mut rates = Vec::new();
    for _ in 0..size.runs {
        let log = open().await?;
        // Opening has read some of it.
        forget(folder.path())?;
        let begun = Instant::now();
        let read = read(&log).await?;
        rates.push(read as f64 / 1e6 / begun.elapsed().as_secs_f64());
        ensure!(read >= bytes, "{read} of {bytes} bytes were read");
        log.close().await;
    }
    Ok(vec![Figure { name: "cold_read_mb_per_s", value: median(&rates), unit: "MB/s", bar: None }])
}

/// Reads everything; the bytes of payload.
async fn read(log: &dyn StreamLog) -> Result<u64> {
    let (mut from, mut bytes) = (0, 0);
    loop {
        let records = log.read(TOPIC, 0, from, LIMIT).await?;
        let Some(last) = records.last() else { return Ok(bytes) };
        from = last.offset + 1;
        bytes += records.iter().map(|record| record.message.payload.len() as u64).sum::<u64>();
    }
}
