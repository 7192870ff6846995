//! The chore that drops what nobody needs any more: old log files, the ranges of their records, expired logins.

use std::sync::Arc;
use std::time::Duration;

use granary_db::{Db, cursors, ranges, roles};
use granary_stream::StreamLog as _;
use granary_stream::embedded::EmbeddedLog;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

/// How often the log is swept.
const INTERVAL: Duration = Duration::from_secs(60);

/// Sweeps until stopped. While the database is away nothing is dropped, since the cursors are not known.
pub async fn run(log: Arc<EmbeddedLog>, db: Db, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        if let Err(error) = sweep(&log, &db).await {
            warn!(%error, "the sweep is left to the next time");
        }
    }
}

async fn sweep(log: &EmbeddedLog, db: &Db) -> anyhow::Result<()> {
    let cursors = cursors::cursors_min(db, log.log_id()).await?;
    let least = |topic: &str, partition: u32| cursors.get(&(topic.to_owned(), partition)).copied();
    let dropped = log.enforce_retention(crate::clock::now_ms(), &least).await?;
    if dropped > 0 {
        info!(files = dropped, "dropped old log files");
    }
    // Ranges of records that are gone decide nothing any more.
    for (topic, spec) in log.topics() {
        for partition in 0..spec.partitions {
            let start = log.bounds(&topic, partition)?.start;
            if start > 0 {
                ranges::trim(db, log.log_id(), &topic, partition, start).await?;
            }
        }
    }
    let expired = roles::expire_logins(db).await?;
    debug!(expired, "temporary logins swept");
    Ok(())
}
