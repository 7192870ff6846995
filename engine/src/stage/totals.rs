//! What a stage has done since this process started, for the API.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

use super::metrics::Batch;

/// Counts of committed records. Cheap to clone; all clones count together.
#[derive(Debug, Clone, Default)]
pub struct Totals(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    read: AtomicU64,
    written: AtomicU64,
    skipped: AtomicU64,
    split: AtomicU64,
    deletions: AtomicU64,
    failed: AtomicU64,
}

impl Totals {
    /// Counts a batch that was committed, and its dead letters.
    pub fn committed(&self, batch: &Batch, failed: usize) {
        for (count, by) in [
            (&self.0.read, batch.records_in),
            (&self.0.written, batch.records_out),
            (&self.0.skipped, batch.skipped),
            (&self.0.split, batch.split),
            (&self.0.deletions, batch.deletions),
            (&self.0.failed, failed as u64),
        ] {
            count.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// `{"read", "written", "skipped", "split", "deletions", "failed"}`: records read, messages written, records that became
    /// none, records that became several, messages that delete, and dead letters.
    #[must_use]
    pub fn render(&self) -> Value {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counts { read, written, skipped, split, deletions, failed } = &*self.0;
        json!({"read": count(read), "written": count(written), "skipped": count(skipped), "split": count(split),
            "deletions": count(deletions), "failed": count(failed)})
    }
}
