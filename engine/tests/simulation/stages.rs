//! The two stages of a schedule, one behind the other, and the events that go through them.
//!
//! ```text
//! in ── fan out ──> middle ── copy ──> out
//! ```

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use granary_engine::stage::worker::{Source, Spec, Start};
use granary_engine::stage::{Dead, Delivered, Error, Outcome, Output, Process};
use granary_stream::Message;

use crate::audit::Audit;
use crate::chance::Chance;

pub(crate) const IN: &str = "in";
pub(crate) const MIDDLE: &str = "middle";
pub(crate) const OUT: &str = "out";

/// A stage: what it reads and where it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    FanOut,
    Copy,
}

impl Stage {
    pub(crate) const ALL: [Self; 2] = [Self::FanOut, Self::Copy];

    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::FanOut => "belt:fan-out",
            Self::Copy => "belt:copy",
        }
    }

    pub(crate) fn source(self) -> &'static str {
        match self {
            Self::FanOut => IN,
            Self::Copy => MIDDLE,
        }
    }

    pub(crate) fn spec(self, partitions: u32) -> Spec {
        let source = Source { topic: self.source().into(), partitions, ranged: self == Self::Copy };
        Spec {
            id: self.id().to_owned(),
            kind: "belt",
            project: "p".to_owned(),
            object: self.id().to_owned(),
            version: 1,
            sources: vec![source],
            start: Start::Earliest,
            dead_letter_stream: "dlq".to_owned(),
            turn: None,
            totals: granary_engine::stage::totals::Totals::default(),
        }
    }

    pub(crate) fn process(self, partitions: u32, chance: &Chance, audit: &Audit) -> Box<dyn Process> {
        let (chance, audit) = (chance.clone(), audit.clone());
        let topic = match self {
            Self::FanOut => MIDDLE,
            Self::Copy => OUT,
        };
        Box::new(Work { stage: self, topic: topic.into(), partitions, chance, audit })
    }
}

/// Whether the first stage cannot process an event.
pub(crate) fn fails(event: u64) -> bool {
    event.is_multiple_of(7)
}

/// How many messages an event becomes.
pub(crate) fn outputs(event: u64) -> u64 {
    if fails(event) { 0 } else { event % 3 }
}

/// The name of a message: place of the event, and which of its outputs.
pub(crate) fn name(partition: u32, offset: u64, index: u64) -> String {
    format!("{partition}/{offset}/{index}")
}

fn dead(delivered: Delivered) -> Dead {
    let (exception_type, message, stacktrace) = Default::default();
    Dead { delivered, code: "failed", exception_type, message, stacktrace }
}

struct Work {
    stage: Stage,
    topic: Arc<str>,
    partitions: u32,
    chance: Chance,
    audit: Audit,
}

impl Work {
    /// A message whose partition is another one each time: nothing promises that a second try answers the same.
    fn output(&self, payload: impl Into<Bytes>) -> Output {
        let key = self.chance.number(0..1_000).to_string();
        let message = Message { key: Some(key.into()), ..Message::of(payload) };
        Output { topic: Arc::clone(&self.topic), partitions: self.partitions, message }
    }
}

#[async_trait]
impl Process for Work {
    async fn process(&mut self, batch: Vec<Delivered>) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        for delivered in batch {
            let Delivered { partition, ref record, .. } = delivered;
            match self.stage {
                Stage::FanOut => {
                    let event = self.audit.delivered(partition, record);
                    if fails(event) {
                        outcome.dead.push(dead(delivered));
                        continue;
                    }
                    for index in 0..outputs(event) {
                        outcome.outputs.push(self.output(name(partition, record.offset, index)));
                    }
                }
                Stage::Copy => outcome.outputs.push(self.output(record.message.payload.clone())),
            }
        }
        self.chance.pause(0..5).await;
        Ok(outcome)
    }
}
