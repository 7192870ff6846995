//! The metadata extractor: an event type's expressions into `grnry-*` headers.

use bytes::Bytes;
use granary_catalog::Metadata;
use granary_expression::{Context, DerivedChance, Expression, Value};
use granary_sandbox::TransformMessage;
use granary_stream::{Headers, clock::now_ms};
use uuid::Uuid;

use super::RECORD_BYTES_MAX;
use crate::stage::Refusal;

/// Where a message comes from; what looks random in its metadata is derived from it, so that a second try of the same
/// record gives the same values.
#[derive(Debug, Clone, Copy)]
pub struct Position<'a> {
    /// Topic of the source record.
    pub topic: &'a str,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// Which of the messages made of it.
    pub index: u32,
}

/// A payload with its metadata.
#[derive(Debug)]
pub struct Event {
    /// Correlation id; chooses the partition.
    pub key: Bytes,
    /// All headers.
    pub headers: Headers,
    /// The transform's text, byte for byte.
    pub payload: Bytes,
}

/// The compiled expressions of one event type, for one harvester.
pub struct Extractor {
    log_id: Uuid,
    stage: String,
    harvester: String,
    event_type: String,
    version: String,
    correlation_id: Expression,
    event_id: Expression,
    timestamp: Option<Expression>,
    deletion: Option<Expression>,
}

impl Extractor {
    /// Compiles the expressions.
    ///
    /// # Errors
    /// The name of the expression and what is wrong with it. Does not happen for stored event types, which were
    /// checked when they were made.
    pub fn new(log_id: Uuid, harvester: &str, metadata: &Metadata) -> Result<Self, String> {
        let parse =
            |name: &str, text: &str| granary_expression::parse(text).map_err(|e| format!("{name}: {e}"));
        let optional = |name: &str, text: &Option<String>| {
            text.as_deref().filter(|t| !t.trim().is_empty()).map(|t| parse(name, t)).transpose()
        };
        let mandatory = |name: &str, text: &Option<String>| {
            optional(name, text)?.ok_or_else(|| format!("{name}: the event type has none"))
        };
        Ok(Self {
            log_id,
            stage: format!("harvester:{harvester}"),
            harvester: harvester.to_owned(),
            event_type: metadata.event_type.clone(),
            version: metadata.version.to_string(),
            correlation_id: mandatory("correlationIdExpression", &metadata.correlation_id)?,
            event_id: mandatory("eventIdExpression", &metadata.event_id)?,
            timestamp: optional("timestampExpression", &metadata.timestamp)?,
            deletion: optional("deletionExpression", &metadata.deletion)?,
        })
    }

    /// Sets the headers of one message, which must not be too large for a record.
    ///
    /// # Errors
    /// The refusal that sends the original record to the dead letters.
    pub fn extract(
        &self,
        made: TransformMessage,
        source: &Headers,
        at: &Position<'_>,
    ) -> Result<Event, Refusal> {
        let (payload, ids) = payload(made);
        let parsed: serde_json::Value = serde_json::from_slice(&payload).map_err(|e| {
            Refusal::new("not_json", "NotJson", format!("the transform's result is not JSON: {e}"))
        })?;
        let mut chance =
            DerivedChance::new(self.log_id, &self.stage, at.topic, at.partition, at.offset, at.index);
        let now = i64::try_from(now_ms()).unwrap_or(i64::MAX);
        let mut context = Context::new(&parsed, &source.0, now, &mut chance);

        let deletion = ids.is_some();
        let (given_correlation, given_event) = ids.map_or((None, None), |(c, e)| (Some(c), e));
        let correlation_id = match given_correlation {
            Some(id) => id,
            None => text(&self.correlation_id, "correlationIdExpression", &mut context)?,
        };
        // A deletion without an event id means every event of the correlation id: no id is made up for it.
        let event_id = match given_event {
            Some(id) => Some(id),
            None if deletion => None,
            None => Some(text(&self.event_id, "eventIdExpression", &mut context)?),
        };
        let timestamp = match &self.timestamp {
            None => now,
            Some(expression) => {
                let value = evaluate(expression, "timestampExpression", &mut context)?;
                value.to_epoch_ms().map_err(|e| metadata("timestampExpression", &e))?
            }
        };
        let deletes = deletion
            || match &self.deletion {
                None => false,
                Some(expression) => {
                    let value = evaluate(expression, "deletionExpression", &mut context)?;
                    value.to_bool().map_err(|e| metadata("deletionExpression", &e))?
                }
            };

        let mut headers = source.clone();
        headers.set("grnry-event-type", &*self.event_type);
        headers.set("grnry-event-type-version", &*self.version);
        match event_id {
            Some(id) => headers.set("grnry-event-id", id),
            None => headers.remove("grnry-event-id"),
        }
        headers.set("grnry-correlation-id", &*correlation_id);
        headers.set("grnry-harvester-name", &*self.harvester);
        headers.set("grnry-event-timestamp", timestamp.to_string());
        if deletes {
            headers.set("grnry-deletion-flag", "true");
        } else {
            headers.remove("grnry-deletion-flag");
        }
        let bytes = payload.len();
        if bytes > RECORD_BYTES_MAX {
            let text = format!(
                "an event of {bytes} bytes is larger than a record may be ({RECORD_BYTES_MAX} bytes)"
            );
            return Err(Refusal::new("record_too_large", "RecordTooLarge", text));
        }
        Ok(Event { key: Bytes::from(correlation_id.into_bytes()), headers, payload })
    }
}

/// What is written of a message; and where it is a deletion notice, its correlation id and event id.
pub(super) fn payload(made: TransformMessage) -> (Bytes, Option<(String, Option<String>)>) {
    match made {
        TransformMessage::Text(payload) | TransformMessage::Object(payload) => (payload.into(), None),
        TransformMessage::Deletion { correlation_id, event_id } => {
            let body = serde_json::json!({"correlationId": correlation_id, "eventId": event_id});
            (body.to_string().into(), Some((correlation_id, event_id)))
        }
    }
}

fn evaluate<'a>(
    expression: &'a Expression,
    name: &str,
    context: &mut Context<'a>,
) -> Result<Value<'a>, Refusal> {
    expression.evaluate(context).map_err(|e| metadata(name, &e))
}

fn text<'a>(expression: &'a Expression, name: &str, context: &mut Context<'a>) -> Result<String, Refusal> {
    let value = evaluate(expression, name, context)?;
    let text = value.to_text().map_err(|e| metadata(name, &e))?.into_owned();
    if text.is_empty() {
        let why = format!("{name} gave an empty text, but an id is needed");
        return Err(Refusal::new("metadata", "MissingMetadata", why));
    }
    Ok(text)
}

fn metadata(name: &str, error: &dyn std::fmt::Display) -> Refusal {
    Refusal::new("metadata", "ExpressionError", format!("{name}: {error}"))
}
