//! The chore that drops what nobody needs any more: old log files, the ranges of their records, expired logins.

use std::time::Duration;

use granary_db::{Db, cursors, ranges, roles};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::streams::Streams;

/// How often the log is swept.
const INTERVAL: Duration = Duration::from_secs(60);

/// Sweeps until stopped. While the database is away nothing is dropped, since the cursors are not known.
pub(crate) async fn run(streams: Streams, db: Db, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        if let Err(error) = sweep(&streams, &db).await {
            warn!(%error, "the sweep is left to the next time");
        }
    }
}

async fn sweep(streams: &Streams, db: &Db) -> anyhow::Result<()> {
    let log = &streams.log;
    let cursors = cursors::cursors_min(db, log.id()).await?;
    let least = |topic: &str, partition: u32| cursors.get(&(topic.to_owned(), partition)).copied();
    let dropped = streams.enforce_retention(&least).await?;
    if dropped > 0 {
        info!(files = dropped, "dropped old log files");
    }
    // Ranges of records that are gone decide nothing any more.
    for (topic, spec) in log.topics() {
        for partition in 0..spec.partitions {
            let start = log.bounds(&topic, partition).await?.start;
            if start > 0 {
                ranges::trim(db, log.id(), &topic, partition, start).await?;
            }
        }
    }
    let expired = roles::expire_logins(db).await?;
    debug!(expired, "temporary logins swept");
    Ok(())
}
