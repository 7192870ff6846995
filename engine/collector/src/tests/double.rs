//! A log in memory that fails on request.

use std::collections::HashMap;
use std::sync::Mutex;

use async_trait::async_trait;
use granary_stream::log::Stats;
use granary_stream::{
    Append, Bounds, Error, Message, OffsetRange, ReadLimit, Record, StreamLog, TopicSpec, Watcher,
};
use uuid::Uuid;

/// How appends fail.
#[derive(Debug, Clone, Copy)]
pub(super) enum Failure {
    Busy,
    Failed,
    NoTopic,
    Hangs,
}

#[derive(Default)]
pub(super) struct TestLog {
    topics: Mutex<HashMap<String, Vec<Message>>>,
    failure: Mutex<Option<Failure>>,
    limit: Mutex<Option<usize>>,
}

impl TestLog {
    pub(super) fn fail_with(&self, failure: Option<Failure>) {
        *self.failure.lock().unwrap() = failure;
    }

    pub(super) fn set_limit(&self, bytes: usize) {
        *self.limit.lock().unwrap() = Some(bytes);
    }
}

#[async_trait]
impl StreamLog for TestLog {
    fn id(&self) -> Uuid {
        Uuid::nil()
    }

    async fn create_topic(&self, topic: &str, _spec: TopicSpec) -> Result<(), Error> {
        self.topics.lock().unwrap().entry(topic.to_owned()).or_default();
        Ok(())
    }

    async fn delete_topic(&self, topic: &str) -> Result<(), Error> {
        self.topics.lock().unwrap().remove(topic);
        Ok(())
    }

    fn topics(&self) -> HashMap<String, TopicSpec> {
        HashMap::new()
    }

    async fn append(&self, batches: Vec<Append>) -> Result<Vec<OffsetRange>, Error> {
        self.health()?;
        let hangs = matches!(*self.failure.lock().unwrap(), Some(Failure::Hangs));
        if hangs {
            std::future::pending::<()>().await;
        }
        let mut topics = self.topics.lock().unwrap();
        let mut ranges = Vec::new();
        for batch in batches {
            assert!(!batch.messages.is_empty());
            if let Some(limit) = *self.limit.lock().unwrap()
                && let Some(large) = batch.messages.iter().find(|message| message.payload.len() > limit)
            {
                return Err(Error::RecordTooLarge { bytes: large.payload.len(), limit });
            }
            let records = topics.get_mut(&batch.topic).ok_or_else(|| Error::NoTopic(batch.topic.clone()))?;
            let start = records.len() as u64;
            records.extend(batch.messages);
            ranges.push(OffsetRange { topic: batch.topic, partition: 0, start, end: records.len() as u64 });
        }
        Ok(ranges)
    }

    async fn read(
        &self,
        topic: &str,
        _partition: u32,
        from: u64,
        limit: ReadLimit,
    ) -> Result<Vec<Record>, Error> {
        let topics = self.topics.lock().unwrap();
        let records = topics.get(topic).ok_or_else(|| Error::NoTopic(topic.to_owned()))?;
        let records = records.iter().cloned().zip(0..).skip(from as usize).take(limit.records);
        Ok(records.map(|(message, offset)| Record { offset, message }).collect())
    }

    async fn bounds(&self, _topic: &str, _partition: u32) -> Result<Bounds, Error> {
        unreachable!("the collector does not ask")
    }

    async fn offset_at(&self, _topic: &str, _partition: u32, _time_ms: u64) -> Result<u64, Error> {
        unreachable!("the collector does not ask")
    }

    fn watch(&self, _topic: &str) -> Result<Watcher, Error> {
        unreachable!("the collector does not ask")
    }

    async fn trim(&self, _topic: &str, _partition: u32, _before: u64) -> Result<(), Error> {
        unreachable!("the collector does not ask")
    }

    fn stats(&self) -> Stats {
        Stats::default()
    }

    fn health(&self) -> Result<(), Error> {
        match *self.failure.lock().unwrap() {
            None | Some(Failure::Hangs) => Ok(()),
            Some(Failure::Busy) => Err(Error::Busy { reason: "the queue is full".to_owned() }),
            Some(Failure::Failed) => Err(Error::Failed { reason: "fdatasync failed".to_owned() }),
            Some(Failure::NoTopic) => Err(Error::NoTopic(TOPIC_NAME.to_owned())),
        }
    }

    async fn close(&self) {}
}

const TOPIC_NAME: &str = crate::TOPIC;
