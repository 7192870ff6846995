//! Where each update goes: the output types of the belt, checked once more on this side of the sandbox.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use granary_sandbox::{Update, session};
use granary_stream::{Headers, Message};

use crate::harvester::RECORD_BYTES_MAX;
use crate::stage::{Delivered, Output, Refusal};

/// Kind of a declared output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A live segment's stream.
    LiveSegment,
    /// The stream of a `data_in` event type.
    DataIn,
    /// A profile type.
    Profile,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::LiveSegment => "live_segment",
            Self::DataIn => "data_in",
            Self::Profile => "profile",
        }
    }
}

/// One declared output.
#[derive(Debug, Clone)]
pub struct Target {
    /// Kind of the event type.
    pub kind: Kind,
    /// Its stream.
    pub topic: Arc<str>,
    /// Partitions of that stream.
    pub partitions: u32,
    /// Version of the event type that the belt refers to.
    pub version: u32,
}

/// A topic that takes whatever is sent to it.
#[derive(Debug, Clone)]
pub struct RawTopic {
    /// Its name.
    pub topic: Arc<str>,
    /// Its partitions.
    pub partitions: u32,
}

/// The outputs of one belt.
#[derive(Debug, Clone)]
pub struct Routes {
    /// Declared outputs by event type name.
    pub targets: BTreeMap<String, Target>,
    /// The stream of profile updates.
    pub profile_updates: RawTopic,
    /// Where `GenericUpdate`s go, on a belt without declared outputs.
    pub generic: Option<RawTopic>,
}

impl Routes {
    /// The messages of one event's updates, all or none: an error in one update emits nothing.
    ///
    /// # Errors
    /// The refusal that makes the event a dead letter.
    pub fn route(&self, delivered: &Delivered, updates: Vec<Update>) -> Result<Vec<Output>, Refusal> {
        let mut outputs = Vec::with_capacity(updates.len());
        for update in updates {
            let output = self.one(delivered, update)?;
            let bytes = output.message.payload.len();
            if bytes > RECORD_BYTES_MAX {
                let text = format!(
                    "an update of {bytes} bytes is larger than a record may be ({RECORD_BYTES_MAX} bytes)"
                );
                return Err(Refusal::new("record_too_large", "RecordTooLarge", text));
            }
            outputs.push(output);
        }
        Ok(outputs)
    }

    fn one(&self, delivered: &Delivered, update: Update) -> Result<Output, Refusal> {
        match update {
            Update::Direct { event_type, id, value } => {
                let target = self.target(&event_type, Kind::LiveSegment)?;
                Ok(target.output(Bytes::from(id.into_bytes()), value, Headers::new()))
            }
            Update::Event { event_type, correlation_id, event_id, timestamp, headers, payload } => {
                let target = self.target(&event_type, Kind::DataIn)?;
                let mut all = delivered.record.message.headers.clone();
                all.remove("grnry-deletion-flag");
                // Of a session, the new event has the message's own headers, and is no session itself.
                all.remove(session::COUNT);
                for (name, value) in headers.into_iter().flatten() {
                    all.set(&name, value);
                }
                all.set("grnry-event-type", event_type);
                all.set("grnry-event-type-version", target.version.to_string());
                all.set("grnry-correlation-id", correlation_id.clone());
                if let Some(event_id) = event_id {
                    all.set("grnry-event-id", event_id);
                }
                if let Some(timestamp) = timestamp {
                    all.set("grnry-event-timestamp", timestamp);
                }
                Ok(target.output(Bytes::from(correlation_id.into_bytes()), payload, all))
            }
            Update::Profile(json) => {
                let key = profile_id(&json)?;
                Ok(self.profile_updates.output(Bytes::from(key.into_bytes()), json, Headers::new()))
            }
            Update::Generic { id, value, headers } => {
                let Some(topic) = &self.generic else {
                    return Err(Refusal::new(
                        "undeclared_output",
                        "UndeclaredOutput",
                        "a GenericUpdate does not work on a belt with outputTypes: return a DirectUpdate or a GrnryEventUpdate".to_owned(),
                    ));
                };
                Ok(topic.output(Bytes::from(id.into_bytes()), value, Headers(headers.unwrap_or_default())))
            }
        }
    }

    fn target(&self, name: &str, kind: Kind) -> Result<&Target, Refusal> {
        let Some(target) = self.targets.get(name) else {
            let declared: Vec<&str> = self.targets.keys().map(String::as_str).collect();
            let declared =
                if declared.is_empty() { "none".to_owned() } else { format!("'{}'", declared.join("', '")) };
            return Err(Refusal::new(
                "undeclared_output",
                "UndeclaredOutput",
                format!("the output type '{name}' is not declared; the belt's outputTypes are: {declared}"),
            ));
        };
        if target.kind != kind {
            return Err(Refusal::new(
                "wrong_output_kind",
                "WrongOutputKind",
                format!(
                    "the output type '{name}' is of kind {}, but this update needs a {}",
                    target.kind.name(),
                    kind.name()
                ),
            ));
        }
        Ok(target)
    }
}

impl Target {
    fn output(&self, key: Bytes, payload: Vec<u8>, headers: Headers) -> Output {
        let mut message = message(key, payload, headers);
        message.system.schema_version = self.version;
        Output { topic: Arc::clone(&self.topic), partitions: self.partitions, message }
    }
}

impl RawTopic {
    fn output(&self, key: Bytes, payload: Vec<u8>, headers: Headers) -> Output {
        Output {
            topic: Arc::clone(&self.topic),
            partitions: self.partitions,
            message: message(key, payload, headers),
        }
    }
}

fn message(key: Bytes, payload: Vec<u8>, headers: Headers) -> Message {
    Message { key: Some(key), headers, ..Message::of(payload) }
}

/// The correlation id of a serialised profile update.
fn profile_id(json: &[u8]) -> Result<String, Refusal> {
    #[derive(serde::Deserialize)]
    struct Id {
        _id: Option<String>,
    }
    let id = serde_json::from_slice::<Id>(json).ok().and_then(|u| u._id).filter(|id| !id.is_empty());
    id.ok_or_else(|| {
        Refusal::new(
            "missing_id",
            "MissingId",
            "an Update needs the id of its profile as a text that is not empty".to_owned(),
        )
    })
}
