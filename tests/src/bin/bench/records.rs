//! The records of the figures of the stream layer, and logs full of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use bytes::Bytes;
use granary_stream::{Append, Message, StreamLog, TopicSpec};
use tokio::task::JoinSet;

/// Bytes of a payload: an event as trackers send it, with the collector's record around it.
pub(crate) const PAYLOAD_BYTES: usize = 500;

static PAYLOAD: [u8; PAYLOAD_BYTES] = [0x5a; PAYLOAD_BYTES];

/// A key of 36 bytes.
const KEY: &str = "0a0b0c0d-0000-4000-8000-000000000000";

/// Records of one append of a log that is being filled.
const APPEND_RECORDS: usize = 1_000;

/// Such appends at once: one is encoded while the other one is written.
const IN_FLIGHT: usize = 2;

/// Topics and the number of their partitions.
pub(crate) type Topics = &'static [(&'static str, u32)];

/// A record without a key.
pub(crate) fn message() -> Message {
    Message::of(Bytes::from_static(&PAYLOAD))
}

/// A record with a key.
pub(crate) fn keyed() -> Message {
    Message { key: Some(key()), ..message() }
}

pub(crate) fn key() -> Bytes {
    Bytes::from_static(KEY.as_bytes())
}

/// Bytes of payload and key.
pub(crate) fn content_bytes(message: &Message) -> usize {
    message.payload.len() + message.key.as_ref().map_or(0, Bytes::len)
}

/// Makes the topics where they are missing, and appends so many bytes of payload, spread evenly over all partitions.
/// Every append has records for all of them, so that every file has an index of all of them. (Smaller appends make a larger
/// index and a slower filling: with 74 records each, opening 10 GB took four to five times as long.)
pub(crate) async fn fill(log: &Arc<dyn StreamLog>, topics: Topics, bytes: u64) -> Result<()> {
    for (topic, partitions) in topics {
        log.create_topic(topic, TopicSpec::of(*partitions)).await?;
    }
    let appends = bytes.div_ceil((APPEND_RECORDS * PAYLOAD_BYTES) as u64);
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (log, next) = (Arc::clone(log), Arc::clone(&next));
        tasks.spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < appends {
                log.append(spread(topics)).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// One append over all partitions.
fn spread(topics: Topics) -> Vec<Append> {
    let places: Vec<_> = topics
        .iter()
        .flat_map(|(topic, partitions)| (0..*partitions).map(move |partition| (*topic, partition)))
        .collect();
    let count = |place| (APPEND_RECORDS + places.len() - 1 - place) / places.len();
    let append = |(place, (topic, partition)): (usize, &(&str, u32))| Append {
        topic: (*topic).to_owned(),
        partition: *partition,
        messages: vec![message(); count(place)],
    };
    places.iter().enumerate().map(append).collect()
}
