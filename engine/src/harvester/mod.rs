//! Harvesters: raw records to events.
//!
//! A record of the source topic goes through the transform, which may drop it, pass it on, split it or mark a
//! deletion; each resulting payload gets its `grnry-*` headers from the event type's expressions and is appended to
//! the event type's stream. Whatever goes wrong with a record sends the *original* bytes to the dead letters.
//!
//! [`trial`] does the same to samples, and writes nothing.
//!
//! To add a transform language: a runtime component on the world of `wit/script.wit`, a `Language` of the sandbox that knows
//! its frame, and a `Program` of the catalog.

pub mod extractor;
pub mod transform;
pub mod trial;

use std::sync::Arc;

use async_trait::async_trait;
use granary_sandbox::{EventIn, TransformMessage, Transformed};
use granary_stream::{Message, Source};

use crate::object_log::Ring;
use crate::stage::{Delivered, Error, Outcome, Output, Process, Refusal};
use extractor::{Extractor, Position};
use transform::Transform;

/// Largest payload of a record that a stage makes. The log takes a little more, for headers.
pub const RECORD_BYTES_MAX: usize = 1_000_000;

/// A running harvester.
pub struct Harvester {
    transform: Transform,
    extractor: Extractor,
    topic: Arc<str>,
    partitions: u32,
    transform_log: Ring,
    extractor_log: Ring,
}

impl Harvester {
    /// A harvester that writes to `topic`.
    #[must_use]
    pub fn new(
        transform: Transform,
        extractor: Extractor,
        topic: Arc<str>,
        partitions: u32,
        transform_log: Ring,
        extractor_log: Ring,
    ) -> Self {
        Self { transform, extractor, topic, partitions, transform_log, extractor_log }
    }

    fn messages(
        &self,
        delivered: &Delivered,
        messages: Vec<TransformMessage>,
    ) -> Result<Vec<Output>, Refusal> {
        let mut outputs = Vec::with_capacity(messages.len());
        for (index, made) in messages.into_iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let position = Position {
                topic: &delivered.topic,
                partition: delivered.partition,
                offset: delivered.record.offset,
                index,
            };
            let event = self.extractor.extract(made, &delivered.record.message.headers, &position)?;
            let mut message =
                Message { key: Some(event.key), headers: event.headers, ..Message::of(event.payload) };
            message.system.trace_id = delivered.record.message.system.trace_id;
            message.system.source = Some(Source {
                topic: delivered.topic.to_string(),
                partition: delivered.partition,
                offset: delivered.record.offset,
                index,
            });
            outputs.push(Output { topic: Arc::clone(&self.topic), partitions: self.partitions, message });
        }
        Ok(outputs)
    }
}

/// A message as a transform sees it.
fn event_in(message: &Message) -> EventIn<'_> {
    EventIn { headers: &message.headers.0, payload: &message.payload }
}

#[async_trait]
impl Process for Harvester {
    async fn process(&mut self, batch: Vec<Delivered>) -> Result<Outcome, Error> {
        let records: Vec<EventIn<'_>> =
            batch.iter().map(|delivered| event_in(&delivered.record.message)).collect();
        let results = self.transform.run(&records).await?;
        drop(records);
        if results.len() != batch.len() {
            return Err(Error::Final(
                "the sandbox answered another number of outcomes than there were records".to_owned(),
            ));
        }
        let mut outcome = Outcome::default();
        for (delivered, result) in batch.into_iter().zip(results) {
            let made = match result {
                Ok(Transformed::Skip) => {
                    outcome.skipped += 1;
                    continue;
                }
                Ok(Transformed::Messages(made)) => {
                    self.messages(&delivered, made).map_err(|refusal| (refusal, &self.extractor_log))
                }
                Err(failure) => Err((Refusal::from(failure), &self.transform_log)),
            };
            match made {
                Ok(mut outputs) => {
                    let deletes =
                        |output: &&Output| output.message.headers.get("grnry-deletion-flag") == Some("true");
                    outcome.split += u64::from(outputs.len() > 1);
                    outcome.deletions += outputs.iter().filter(deletes).count() as u64;
                    outcome.outputs.append(&mut outputs);
                }
                Err((refusal, log)) => {
                    refusal.log(log, &delivered);
                    outcome.dead.push(refusal.of(delivered));
                }
            }
        }
        Ok(outcome)
    }
}
