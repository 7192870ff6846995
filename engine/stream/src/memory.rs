//! A log in memory, for tests. It keeps the contract except that nothing outlives it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use crate::clock::now_ms;
use crate::log::{Append, Bounds, Error, OffsetRange, ReadLimit, Record, Stats, StreamLog, TopicSpec};
use crate::message::Message;
use crate::signal::{Signal, Watcher};

#[derive(Debug)]
struct Partition {
    start: u64,
    messages: Vec<Message>,
}

impl Partition {
    fn end(&self) -> u64 {
        self.start + self.messages.len() as u64
    }

    fn index(&self, offset: u64) -> usize {
        usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX)
    }
}

#[derive(Debug)]
struct Topic {
    spec: TopicSpec,
    partitions: Vec<Partition>,
    grown: Signal,
}

#[derive(Debug, Default)]
struct State {
    topics: HashMap<String, Topic>,
    closed: bool,
}

impl State {
    fn partition(&mut self, topic: &str, partition: u32) -> Result<&mut Partition, Error> {
        let found = self.topics.get_mut(topic).ok_or_else(|| Error::NoTopic(topic.to_owned()))?;
        let partitions = found.spec.partitions;
        let missing = || Error::NoPartition { topic: topic.to_owned(), partition, partitions };
        found.partitions.get_mut(partition as usize).ok_or_else(missing)
    }
}

/// A log in memory.
#[derive(Debug)]
pub struct MemoryLog {
    id: Uuid,
    state: Mutex<State>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        let id = uuid::Builder::from_random_bytes(rand::random()).into_uuid();
        Self { id, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl StreamLog for MemoryLog {
    fn id(&self) -> Uuid {
        self.id
    }

    async fn create_topic(&self, topic: &str, spec: TopicSpec) -> Result<(), Error> {
        let spec = TopicSpec { replication: None, ..spec };
        let mut state = self.state();
        if let Some(there) = state.topics.get(topic) {
            return if there.spec == spec { Ok(()) } else { Err(Error::TopicExists(topic.to_owned())) };
        }
        if spec.partitions == 0 {
            return Err(Error::Io {
                what: format!("could not make topic '{topic}'"),
                source: std::io::Error::new(
                    std::io::ErrorKind::InvalidInput,
                    "a topic has at least one partition",
                ),
            });
        }
        let partitions = (0..spec.partitions).map(|_| Partition { start: 0, messages: Vec::new() }).collect();
        state.topics.insert(topic.to_owned(), Topic { spec, partitions, grown: Signal::default() });
        Ok(())
    }

    async fn delete_topic(&self, topic: &str) -> Result<(), Error> {
        self.state().topics.remove(topic);
        Ok(())
    }

    fn topics(&self) -> HashMap<String, TopicSpec> {
        self.state().topics.iter().map(|(name, topic)| (name.clone(), topic.spec)).collect()
    }

    async fn append(&self, batches: Vec<Append>) -> Result<Vec<OffsetRange>, Error> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::Busy { reason: "the log is closed".to_owned() });
        }
        for batch in &batches {
            state.partition(&batch.topic, batch.partition)?;
        }
        let mut ranges = Vec::with_capacity(batches.len());
        for Append { topic, partition, messages } in batches {
            let place = state.partition(&topic, partition)?;
            let start = place.end();
            let grown = !messages.is_empty();
            place.messages.extend(messages.into_iter().map(|mut message| {
                if message.time_ms == 0 {
                    message.time_ms = now_ms();
                }
                message
            }));
            let end = place.end();
            if let Some(found) = state.topics.get(&topic)
                && grown
            {
                found.grown.raise();
            }
            ranges.push(OffsetRange { topic, partition, start, end });
        }
        Ok(ranges)
    }

    async fn read(
        &self,
        topic: &str,
        partition: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Record>, Error> {
        let mut state = self.state();
        let place = state.partition(topic, partition)?;
        let start = place.start;
        if from < start {
            return Err(Error::Trimmed { topic: topic.to_owned(), partition, asked: from, start });
        }
        let mut records = Vec::new();
        let mut bytes = 0;
        for (message, offset) in place.messages.iter().skip(place.index(from)).zip(from..) {
            if !records.is_empty() && (records.len() >= limit.records || bytes >= limit.bytes) {
                break;
            }
            bytes += message.payload.len();
            records.push(Record { offset, message: message.clone() });
        }
        Ok(records)
    }

    async fn bounds(&self, topic: &str, partition: u32) -> Result<Bounds, Error> {
        let mut state = self.state();
        let place = state.partition(topic, partition)?;
        Ok(Bounds { start: place.start, end: place.end() })
    }

    async fn offset_at(&self, topic: &str, partition: u32, time_ms: u64) -> Result<u64, Error> {
        let mut state = self.state();
        let place = state.partition(topic, partition)?;
        let at = place.messages.iter().position(|message| message.time_ms >= time_ms);
        Ok(at.map_or_else(|| place.end(), |at| place.start + at as u64))
    }

    fn watch(&self, topic: &str) -> Result<Watcher, Error> {
        let state = self.state();
        state.topics.get(topic).map(|t| t.grown.watch()).ok_or_else(|| Error::NoTopic(topic.to_owned()))
    }

    async fn trim(&self, topic: &str, partition: u32, before: u64) -> Result<(), Error> {
        let mut state = self.state();
        let place = state.partition(topic, partition)?;
        let before = before.clamp(place.start, place.end());
        let gone = place.index(before);
        place.messages.drain(..gone);
        place.start = before;
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats { disk_free_bytes: u64::MAX, ..Stats::default() }
    }

    fn health(&self) -> Result<(), Error> {
        if self.state().closed {
            return Err(Error::Busy { reason: "the log is closed".to_owned() });
        }
        Ok(())
    }

    async fn close(&self) {
        self.state().closed = true;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::contract_tests;

    #[tokio::test]
    async fn keeps_the_contract() {
        contract_tests::all(&|| {
            Box::pin(async {
                let log: Arc<dyn StreamLog> = Arc::new(MemoryLog::new());
                log
            })
        })
        .await;
    }
}
