//! Tries a transform and the expressions of an event type on samples, as a running harvester would, and writes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use granary_catalog::Metadata;
use granary_catalog::harvester::Transform as Definition;
use granary_collector::CollectorPayload;
use granary_sandbox::{EventIn, TransformMessage, Transformed};
use granary_stream::{Headers, clock::now_ms};
use serde_json::{Value, json};
use uuid::Uuid;

use super::extractor::{self, Event, Extractor, Position};
use super::transform::Transform;
use crate::lines::Lines;
use crate::stage::{Error, Refusal};

/// What is tried.
#[derive(Debug, Clone)]
pub struct Trial {
    /// Project in which components are looked for.
    pub project: String,
    /// Name of the harvester, as headers show it.
    pub harvester: String,
    /// What runs.
    pub transform: Definition,
    /// The expressions; no headers are made without them.
    pub metadata: Option<Metadata>,
    /// What it runs on.
    pub samples: Vec<Sample>,
}

/// A record to try.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Stream, partition and offset. What looks random in an event's metadata is derived from it, so that a record of a
    /// stream gives the ids here that a harvester gives it.
    pub place: (Arc<str>, u32, u64),
    /// Its headers.
    pub headers: Headers,
    /// Its payload.
    pub payload: Bytes,
}

/// What came of a record.
#[derive(Debug)]
pub struct Tried {
    place: (Arc<str>, u32, u64),
    outcome: Result<Vec<Made>, Refusal>,
    logs: Vec<String>,
    took: Duration,
}

/// A message that would be written.
#[derive(Debug)]
struct Made {
    payload: Bytes,
    deletes: bool,
    /// Where there are expressions to make them.
    headers: Option<Headers>,
}

/// The record that the collector makes of a body.
pub(crate) fn posted(body: Bytes) -> Bytes {
    let text = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    let headers = ["Content-Type: application/json", "application/json"];
    let record = CollectorPayload {
        ip_address: text("127.0.0.1"),
        timestamp: i64::try_from(now_ms()).ok(),
        encoding: text("UTF-8"),
        collector: text("granary-dry-run"),
        path: text("/com.snowplowanalytics.snowplow/tp2"),
        body: Some(body),
        headers: Some(headers.map(|header| Bytes::from_static(header.as_bytes())).to_vec()),
        content_type: text("application/json"),
        hostname: text("localhost"),
        network_user_id: Some(uuid::Uuid::new_v4().to_string().into()),
        schema: text(granary_collector::thrift::SCHEMA),
        ..CollectorPayload::default()
    };
    record.encode().into()
}

/// A loaded trial.
pub struct Bench {
    transform: Transform,
    extractor: Option<Extractor>,
    lines: Arc<Lines>,
}

impl Bench {
    /// A loaded transform that logs to `lines`, and expressions of an event type.
    ///
    /// # Errors
    /// What is wrong with an expression.
    pub(crate) fn new(
        transform: Transform,
        lines: Arc<Lines>,
        (log_id, harvester): (Uuid, &str),
        metadata: Option<&Metadata>,
    ) -> Result<Self, String> {
        let extractor = metadata.map(|metadata| Extractor::new(log_id, harvester, metadata)).transpose()?;
        // What the module said while it was loaded belongs to no record.
        lines.take();
        Ok(Self { transform, extractor, lines })
    }

    /// Runs one record.
    ///
    /// # Errors
    /// Where the transform cannot be loaded again after its instance was given up.
    pub(crate) async fn run(&mut self, sample: &Sample) -> Result<Tried, Error> {
        let begun = Instant::now();
        let record = EventIn { headers: &sample.headers.0, payload: &sample.payload };
        let mut outcomes = self.transform.run(&[record]).await?;
        let took = begun.elapsed();
        let outcome = match outcomes.pop() {
            None => return Err(Error::Final("the sandbox answered nothing".to_owned())),
            Some(Err(failure)) => Err(failure.into()),
            Some(Ok(Transformed::Skip)) => Ok(Vec::new()),
            Some(Ok(Transformed::Messages(messages))) => {
                (0..).zip(messages).map(|(index, message)| self.made(message, sample, index)).collect()
            }
        };
        Ok(Tried { place: sample.place.clone(), outcome, logs: self.lines.take(), took })
    }

    fn made(&self, message: TransformMessage, sample: &Sample, index: u32) -> Result<Made, Refusal> {
        let Some(extractor) = &self.extractor else {
            let (payload, notice) = extractor::payload(message);
            return Ok(Made { payload, deletes: notice.is_some(), headers: None });
        };
        let (topic, partition, offset) = &sample.place;
        let position = Position { topic, partition: *partition, offset: *offset, index };
        let Event { headers, payload, .. } = extractor.extract(message, &sample.headers, &position)?;
        let deletes = headers.get("grnry-deletion-flag") == Some("true");
        Ok(Made { payload, deletes, headers: Some(headers) })
    }
}

impl Tried {
    /// `skip`, `message`, `deletion`, `list` or `error`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.outcome.as_deref() {
            Err(_) => "error",
            Ok([]) => "skip",
            Ok([Made { deletes: true, .. }]) => "deletion",
            Ok([_]) => "message",
            Ok(_) => "list",
        }
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let messages = self.outcome.iter().flatten().map(|made| made.payload.len());
        messages.chain(self.logs.iter().map(String::len)).sum()
    }

    /// The answer about this record: `outcome` ([`Tried::kind`]), `messages`, each with its `payload`, whether it is a
    /// `deletion`, and its `headers`; or `error` with `code`, `type`, `message`, `stacktrace` and, where the trace tells
    /// them, `line` and `column`; then `logs` and `durationMs`.
    #[must_use]
    pub fn render(&self) -> Value {
        let (stream, partition, offset) = &self.place;
        let mut value = json!({
            "source": {"stream": &**stream, "partition": partition, "offset": offset},
            "outcome": self.kind(),
            "logs": self.logs,
            "durationMs": (self.took.as_secs_f64() * 1e6).round() / 1e3,
        });
        match &self.outcome {
            Ok(messages) => value["messages"] = messages.iter().map(Made::render).collect(),
            Err(Refusal { code, exception_type, message, stacktrace }) => {
                let (line, column) = place_of(stacktrace);
                value["error"] = json!({
                    "code": code, "type": exception_type, "message": message, "stacktrace": stacktrace,
                    "line": line, "column": column,
                });
            }
        }
        value
    }
}

impl Made {
    fn render(&self) -> Value {
        // What is no JSON becomes an error before.
        let payload: Value = serde_json::from_slice(&self.payload)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&self.payload)));
        let mut value = json!({"payload": payload, "deletion": self.deletes});
        if let Some(headers) = &self.headers {
            value["headers"] = json!(headers.0.iter().cloned().collect::<std::collections::BTreeMap<_, _>>());
        }
        value
    }
}

/// Line and column of the innermost place of the user's that a trace names. Groovy has the innermost call on top, as
/// `at name(script:line:column)`; Python has it at the bottom, as `File "...", line n`.
fn place_of(trace: &str) -> (Option<u32>, Option<u32>) {
    let number = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok();
    if let Some((_, place)) = trace.split_once("(script:") {
        let mut parts = place.split(':').map(number);
        return (parts.next().flatten(), parts.next().flatten());
    }
    let in_python =
        trace.lines().rev().find_map(|line| line.trim_start().strip_prefix("File ")?.split_once(", line "));
    (in_python.and_then(|(_, rest)| number(rest)), None)
}

#[cfg(test)]
mod tests {
    use super::place_of;

    #[test]
    fn the_innermost_place_of_a_trace_is_told() {
        let groovy = "E: no\n\tat check(script:2:21)\n\tat run(script:5:1)";
        assert_eq!(place_of(groovy), (Some(2), Some(21)));
        let python = "Traceback (most recent call last):\n  File \"transform.py\", line 7, in transform\n    f()\n  \
                      File \"transform.py\", line 3, in f\n    1 / 0\nZeroDivisionError: division by zero, line 9\n";
        assert_eq!(place_of(python), (Some(3), None));
        assert_eq!(place_of("granary_transform::run at line 3"), (None, None));
    }
}
