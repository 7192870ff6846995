//! Reads: whole batches, every offset compared with the one that is due.
//!
//! An SPU answers a fetch with a piece of its file that is cut at the size asked for, in the middle of a batch and of a
//! record. What came whole is taken, up to the first offset that is not the next one; the next fetch begins there. A record
//! larger than the size asked for brings nothing at all: the size is doubled until something comes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fluvio::Isolation;
use fluvio_protocol::link::ErrorCode;
use fluvio_protocol::record::{Batch, RawRecords, RecordSet};
use fluvio_spu_schema::fetch::{FetchPartition, FetchRequest, FetchableTopic};
use granary_stream::{Error, Message, ReadLimit, Record};
use tracing::debug;

use crate::cache::{Cache, Chunk};
use crate::catalog::Topic;
use crate::cluster::{Cluster, Purpose};
use crate::envelope::{self, Opened};

/// Bytes of one fetch, at first.
const FETCH_BYTES: i32 = 1 << 20;
/// No record is larger than this.
const FETCH_BYTES_MAX: i32 = 256 << 20;
/// What a record takes in the cache beside its value, about.
pub(crate) const RECORD_BYTES: usize = 100;
/// How long an SPU may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Reads partitions.
pub(crate) struct Reader {
    cluster: Arc<Cluster>,
    cache: Arc<Cache>,
}

impl Reader {
    pub(crate) fn new(cluster: Arc<Cluster>, cache: Arc<Cache>) -> Self {
        Self { cluster, cache }
    }

    /// Records from an offset on, as far as the limit goes: up to the end that is told, or of a topic with one copy everything.
    pub(crate) async fn read(
        &self,
        topic: &Topic,
        partition: u32,
        from: u64,
        end: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Record>, Error> {
        let place = (Arc::clone(&topic.physical), partition);
        let mut records: Vec<Record> = Vec::new();
        let (mut next, mut bytes) = (from, 0);
        let told = end;
        let end = if self.cluster.keeps_one_copy(topic.spec) { u64::MAX } else { told };
        while next < end {
            // More is not wanted, or most likely not there.
            if !records.is_empty() && (records.len() >= limit.records || bytes >= limit.bytes || next >= told)
            {
                break;
            }
            let chunk = match self.cache.find(&place, next) {
                Some(chunk) => chunk,
                None => match self.fetch(topic, partition, next, told, FETCH_BYTES).await {
                    Ok(Some(chunk)) => {
                        let chunk = Arc::new(chunk);
                        self.cache.fetched(place.clone(), Arc::clone(&chunk));
                        chunk
                    }
                    Ok(None) => break,
                    // What lies before it can be had.
                    Err(_) if !records.is_empty() => break,
                    Err(error) => return Err(error),
                },
            };
            let skip = usize::try_from(next - chunk.start()).unwrap_or(usize::MAX);
            for record in chunk.records.iter().skip(skip).take_while(|record| record.offset < end) {
                if !records.is_empty() && (records.len() >= limit.records || bytes >= limit.bytes) {
                    return Ok(records);
                }
                bytes += record.message.payload.len();
                next = record.offset + 1;
                records.push(record.clone());
            }
            if chunk.behind.is_some() {
                break;
            }
        }
        Ok(records)
    }

    /// The append time of the record at an offset.
    pub(crate) async fn time_at(
        &self,
        topic: &Topic,
        partition: u32,
        offset: u64,
    ) -> Result<Option<u64>, Error> {
        let chunk = self.fetch(topic, partition, offset, offset, 16 << 10).await?;
        Ok(chunk.and_then(|chunk| chunk.records.first().map(|record| record.message.time_ms)))
    }

    /// The records from an offset on that one fetch brings; `None` where there are none yet.
    async fn fetch(
        &self,
        topic: &Topic,
        partition: u32,
        from: u64,
        told: u64,
        first_bytes: i32,
    ) -> Result<Option<Chunk>, Error> {
        let physical = &*topic.physical;
        let mut max_bytes = first_bytes;
        let mut tried_again = false;
        let isolation = if self.cluster.keeps_one_copy(topic.spec) {
            Isolation::ReadUncommitted
        } else {
            Isolation::ReadCommitted
        };
        loop {
            let leader = self.cluster.find_leader(physical, partition).await?;
            let answer = self.cluster.call(
                leader,
                Purpose::Read,
                request(physical, partition, from, max_bytes, isolation),
                ANSWER,
            );
            let Some(found) = answer.await?.find_partition(physical, partition) else {
                return Err(Error::Unreachable {
                    reason: format!("SPU {leader} left '{physical}' out of its answer"),
                });
            };
            match found.error_code {
                ErrorCode::None => {}
                ErrorCode::OffsetEvicted { next_available, .. } => {
                    let start = u64::try_from(next_available).unwrap_or(from + 1);
                    return Err(Error::Trimmed {
                        topic: topic.name.to_string(),
                        partition,
                        asked: from,
                        start,
                    });
                }
                // Asked for behind its end. What it had told to be there is lost then.
                ErrorCode::Other(text) if text.contains("greater than leo") => {
                    if from > told {
                        return Ok(None);
                    }
                    return Err(Error::Corrupt {
                        what: format!(
                            "topic '{}' partition {partition}: the cluster has lost records that it had acknowledged ({text})",
                            topic.name
                        ),
                    });
                }
                ErrorCode::NotLeaderForPartition | ErrorCode::PartitionNotLeader if !tried_again => {
                    tried_again = true;
                    self.cluster.forget_leader(physical, partition);
                    continue;
                }
                code => {
                    self.cluster.forget_leader(physical, partition);
                    return Err(Error::Unreachable {
                        reason: format!(
                            "SPU {leader} could not read '{physical}' partition {partition} at {from}: {code}"
                        ),
                    });
                }
            }
            let chunk = contiguous(&topic.name, partition, from, &found.records)?;
            if !chunk.records.is_empty() {
                return Ok(Some(chunk));
            }
            if let Some(what) = chunk.behind {
                return Err(Error::Corrupt { what });
            }
            if u64::try_from(found.high_watermark).unwrap_or(0) <= from {
                return Ok(None);
            }
            if max_bytes >= FETCH_BYTES_MAX {
                return Err(Error::Corrupt {
                    what: format!(
                        "topic '{}' partition {partition}: offset {from} is below the end, and {max_bytes} bytes from there \
                         on hold no whole record",
                        topic.name
                    ),
                });
            }
            max_bytes = max_bytes.saturating_mul(2);
            debug!(topic = &*topic.name, partition, from, max_bytes, "nothing whole came, asking for more");
        }
    }
}

fn request(
    physical: &str,
    partition: u32,
    from: u64,
    max_bytes: i32,
    isolation_level: Isolation,
) -> FetchRequest<RecordSet<RawRecords>> {
    let partition = FetchPartition {
        partition_index: partition,
        fetch_offset: i64::try_from(from).unwrap_or(i64::MAX),
        max_bytes,
        ..FetchPartition::default()
    };
    FetchRequest {
        max_bytes,
        isolation_level,
        topics: vec![FetchableTopic { name: physical.to_owned(), fetch_partitions: vec![partition] }],
        ..FetchRequest::default()
    }
}

/// What came whole, from an offset on, without a gap.
fn contiguous(name: &str, partition: u32, from: u64, set: &RecordSet<RawRecords>) -> Result<Chunk, Error> {
    let mut chunk = Chunk { records: Vec::new(), bytes: 0, behind: None };
    let mut next = from;
    for batch in &set.batches {
        let Ok(base) = u64::try_from(batch.get_base_offset()) else { break };
        if base > next {
            break;
        }
        // The protocol crate takes compressed bytes for plain ones.
        let compression = batch.get_header().attributes & 7;
        if compression != 0 {
            chunk.behind = Some(format!(
                "topic '{name}' partition {partition}: the batch at offset {base} is compressed (codec {compression}), which this \
                 engine does not read; another client has written it"
            ));
            break;
        }
        let records = batch.memory_records().map_err(|error| Error::Corrupt {
            what: format!(
                "topic '{name}' partition {partition}: the batch at offset {base} cannot be read: {error}"
            ),
        })?;
        let whole = records.len() >= batch.records_len();
        for (record, offset) in records.into_iter().zip(base..) {
            if offset < next {
                continue;
            }
            let time_ms = time_of(batch, record.timestamp_delta());
            let key = record.key.map(|key| Bytes::from(key.into_vec()));
            let value = Bytes::from(record.value.into_vec());
            match message(key, &value, time_ms) {
                Ok(message) => {
                    chunk.bytes += value.len() + RECORD_BYTES;
                    chunk.records.push(Record { offset, message });
                    next = offset + 1;
                }
                Err(why) => {
                    chunk.behind = Some(format!(
                        "topic '{name}' partition {partition}: the record at offset {offset} {why}"
                    ));
                    return Ok(chunk);
                }
            }
        }
        if !whole {
            break;
        }
    }
    Ok(chunk)
}

fn time_of(batch: &Batch<RawRecords>, delta: i64) -> u64 {
    u64::try_from(batch.get_base_timestamp().saturating_add(delta)).unwrap_or(0)
}

/// The message in a record. What another client wrote there is one too: it goes through like any other, and becomes a dead
/// letter where nobody can use it.
pub(crate) fn message(key: Option<Bytes>, value: &Bytes, time_ms: u64) -> Result<Message, String> {
    match envelope::open(key.clone(), value) {
        Opened::Message(message) => Ok(message),
        Opened::Foreign => Ok(Message { key, payload: value.clone(), time_ms, ..Message::default() }),
        Opened::Newer(version) => Err(format!(
            "was written by a newer engine (envelope version {version}, and this one reads version 1): update this engine"
        )),
        Opened::Damaged => Err("is not what was written there (its checksum differs)".to_owned()),
    }
}
