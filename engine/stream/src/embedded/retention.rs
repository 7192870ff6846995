//! Retention: files are dropped as a whole when nobody needs any of their records.
//!
//! What protects a record is the start of its partition. Starts move by `trim` and, for topics with a retention, by
//! age, never past a registered cursor. Starts and ends are stored in the topic table before a file goes, so that no
//! offset is ever given twice.

use std::sync::PoisonError;

use super::shared::Shared;
use crate::log::Error;

/// Moves the starts of the topics with a retention over records that are old enough, file by file. `cursor` tells
/// the least registered cursor of a partition, if there is one. How many partitions moved.
pub(super) fn expire(
    shared: &Shared,
    now_ms: u64,
    cursor: &(dyn Fn(&str, u32) -> Option<u64> + Sync),
) -> usize {
    let mut moved = 0;
    for topic in shared.all_topics() {
        let Some(retention_ms) = topic.spec.retention_ms else { continue };
        let oldest_ms = now_ms.saturating_sub(retention_ms);
        for partition in topic.partitions() {
            let mut expired = 0;
            let mut fresh = false;
            shared.files.each_closed(|_, closed| {
                let content =
                    closed.contents.iter().find(|content| std::ptr::eq(&*content.partition, &**partition));
                if let Some(content) = content
                    && !fresh
                {
                    fresh = content.time_max_ms >= oldest_ms;
                    expired = if fresh { expired } else { content.end };
                }
            });
            let least = cursor(&topic.name, partition.number).unwrap_or(u64::MAX);
            moved += usize::from(partition.trim(expired.min(least)));
        }
    }
    moved
}

/// Whether a sweep would drop a file.
pub(super) fn droppable(shared: &Shared) -> Vec<u64> {
    let mut numbers = Vec::new();
    shared.files.each_closed(|number, closed| {
        if closed.contents.iter().all(|content| content.partition.released(content.end)) {
            numbers.push(number);
        }
    });
    numbers
}

/// Drops the files that nobody needs. How many.
pub(super) fn sweep(shared: &Shared) -> Result<usize, Error> {
    let numbers = droppable(shared);
    if numbers.is_empty() {
        return Ok(0);
    }
    // The mark on the disk may still point into one of the files.
    shared
        .mark
        .sync()
        .map_err(|source| Error::Io { what: "could not sync the durable-end mark".to_owned(), source })?;
    save_bounds(shared)?;
    for number in &numbers {
        shared.files.drop_closed(*number)?;
    }
    shared.files.sync_directory()?;
    tracing::debug!(files = numbers.len(), "dropped log files");
    Ok(numbers.len())
}

/// Stores the starts and ends of now.
pub(super) fn save_bounds(shared: &Shared) -> Result<(), Error> {
    let next_id = shared.next_topic.lock().unwrap_or_else(PoisonError::into_inner);
    shared.write_table(*next_id, &shared.all_topics())
}
