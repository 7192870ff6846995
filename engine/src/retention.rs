//! The chore that lets the log drop what nobody needs any more.

use std::time::Duration;

use granary_db::{Db, cursors};
use granary_stream::embedded::EmbeddedLog;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// How often the log is swept.
const INTERVAL: Duration = Duration::from_secs(60);

/// Sweeps until stopped. While the database is away nothing is dropped, since the cursors are not known.
pub async fn run(log: Arc<EmbeddedLog>, db: Db, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        match cursors::cursors_min(&db, log.log_id()).await {
            Ok(cursors) => {
                let least =
                    |topic: &str, partition: u32| cursors.get(&(topic.to_owned(), partition)).copied();
                match log.enforce_retention(crate::clock::now_ms(), &least).await {
                    Ok(dropped) => debug!(dropped, "retention swept"),
                    Err(error) => warn!(%error, "retention could not sweep the log"),
                }
            }
            Err(error) => warn!(%error, "retention waits for the database"),
        }
    }
}
