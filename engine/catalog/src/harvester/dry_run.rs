//! What a dry run of a harvester is asked with: a transform, expressions, and records to try them on.

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{EventTypeRefBody, TransformBody};
use crate::{event_type::Metadata, fields::Fields, report::Report};

/// The most records of one dry run.
const RECORDS_MAX: usize = 1_000;
/// How many records of a stream are taken where nothing says so.
const LAST_DEFAULT: usize = 10;

/// What `POST /projects/{project}/harvesters/dry-run` takes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DryRunBody {
    /// A harvester whose transform, event type and source stand for what is not given here.
    pub harvester: Option<String>,
    /// The transform; the default script when missing.
    pub transform: Option<TransformBody>,
    /// The event type whose expressions make the headers; without it and `expressions`, no headers are made.
    pub event_type: Option<EventTypeRefBody>,
    /// Expressions in place of the event type's.
    pub expressions: Option<ExpressionsBody>,
    /// The records.
    pub records: Option<Vec<SampleBody>>,
    /// Instead of them, the last records of a stream.
    pub stream: Option<StreamBody>,
}

/// Expressions to try.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpressionsBody {
    /// `#randomUUID()` where there is none, here or in an event type.
    pub correlation_id_expression: Option<String>,
    /// Likewise.
    pub event_id_expression: Option<String>,
    /// `#nowMillis()` where there is none.
    pub timestamp_expression: Option<String>,
    /// Off where there is none.
    pub deletion_expression: Option<String>,
}

/// A record to try: a payload, or a body that was posted to the collector.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SampleBody {
    /// The record's payload: a text stands for its bytes, any other value for its JSON text.
    #[schema(value_type = Option<Object>)]
    pub payload: Option<Value>,
    /// `text`, or `base64` where the text of `payload` is the base64 of its bytes.
    pub payload_encoding: Option<String>,
    /// Instead of a payload, what a tracker posts: the record is the one that the collector makes of it.
    #[schema(value_type = Option<Object>)]
    pub body: Option<Value>,
    /// The record's headers, texts by name.
    #[schema(value_type = Option<Object>)]
    pub headers: Option<Map<String, Value>>,
}

/// The end of a stream.
#[derive(Debug, Clone, PartialEq, Deserialize, ToSchema)]
pub struct StreamBody {
    /// Name of the stream; that which the harvester reads when missing, or `snowplow`.
    pub name: Option<String>,
    /// How many of its last records, 1 to 1,000; 10 when missing.
    #[schema(value_type = Option<u32>)]
    pub last: usize,
}

impl Default for StreamBody {
    fn default() -> Self {
        Self { name: None, last: LAST_DEFAULT }
    }
}

impl DryRunBody {
    /// Reads a body; problems and unknown fields go to the report.
    pub fn read(body: &Value, report: &mut Report) -> Self {
        report.check_storable(body);
        let mut fields = Fields::of_body(body, report);
        let read = Self {
            harvester: fields.text("harvester"),
            transform: fields.object("transform", TransformBody::of),
            event_type: fields.object("eventType", EventTypeRefBody::of),
            expressions: fields.object("expressions", |given| ExpressionsBody {
                correlation_id_expression: given.text("correlationIdExpression"),
                event_id_expression: given.text("eventIdExpression"),
                timestamp_expression: given.text("timestampExpression"),
                deletion_expression: given.text("deletionExpression"),
            }),
            records: fields.objects("records", |record| SampleBody {
                payload: record.any("payload"),
                payload_encoding: record.text("payloadEncoding"),
                body: record.any("body"),
                headers: record.map("headers"),
            }),
            stream: fields.object("stream", |stream| StreamBody {
                name: stream.text("name"),
                last: stream
                    .integer("last", 1, RECORDS_MAX as u64)
                    .and_then(|last| usize::try_from(last).ok())
                    .unwrap_or(LAST_DEFAULT),
            }),
        };
        fields.finish();
        match (&read.records, &read.stream) {
            (Some(_), Some(_)) => {
                report.problem("records", "must not be set together with 'stream': give one of the two");
            }
            (Some(records), None) if records.len() > RECORDS_MAX => {
                let came = records.len();
                report.problem("records", format!("must have at most {RECORDS_MAX} items but has {came}"));
            }
            _ => {}
        }
        for (index, record) in read.records.iter().flatten().enumerate() {
            record.check(index, report);
        }
        read
    }
}

impl SampleBody {
    fn check(&self, index: usize, report: &mut Report) {
        if self.payload.is_some() == self.body.is_some() {
            let reason =
                "needs either 'payload' (the record as it is) or 'body' (what is posted to the collector)";
            report.problem(format!("records[{index}]"), reason);
        }
        for (name, value) in self.headers.iter().flatten().filter(|(_, value)| !value.is_string()) {
            report.problem(
                format!("records[{index}].headers.{name}"),
                format!("must be a text but is {value}"),
            );
        }
        if let Some(encoding) = &self.payload_encoding
            && !matches!(encoding.as_str(), "text" | "base64")
        {
            let reason = format!("must be 'text' or 'base64' but is '{encoding}'");
            report.problem(format!("records[{index}].payloadEncoding"), reason);
        }
    }
}

impl ExpressionsBody {
    /// Puts them in place of those of an event type, or of the defaults; what does not parse goes to the report.
    pub fn over(self, of: Option<Metadata>, report: &mut Report) -> Metadata {
        let fallback = || Metadata {
            event_type: "dry-run".to_owned(),
            version: 1,
            correlation_id: Some("#randomUUID()".to_owned()),
            event_id: Some("#randomUUID()".to_owned()),
            timestamp: Some("#nowMillis()".to_owned()),
            deletion: None,
        };
        let mut metadata = of.unwrap_or_else(fallback);
        for (name, given, target) in [
            ("correlationIdExpression", self.correlation_id_expression, &mut metadata.correlation_id),
            ("eventIdExpression", self.event_id_expression, &mut metadata.event_id),
            ("timestampExpression", self.timestamp_expression, &mut metadata.timestamp),
            ("deletionExpression", self.deletion_expression, &mut metadata.deletion),
        ] {
            let Some(given) = given else { continue };
            if !given.trim().is_empty() {
                report.check_expression(format!("expressions.{name}"), &given);
            }
            *target = Some(given);
        }
        metadata
    }
}
