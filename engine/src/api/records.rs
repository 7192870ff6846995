//! Records of a stream for an answer: which ones are asked for, and how they are shown.

use std::sync::Arc;

use granary_catalog::StartPosition;
use granary_stream::{ReadLimit, Record, StreamLog};
use serde_json::{Value, json};

use super::{
    ApiState,
    answer::{iso, text_or_base64},
    error::Error,
    query::Params,
    runtime::{ErrorKind, RuntimeError},
};
use crate::harvester::trial::Sample;
use crate::stage::DAMAGE_ADVICE;
use crate::stage::book::{Book, Step};

const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 1_000;
/// The most bytes of payloads in one answer, beyond the first record.
const BYTES_MAX: usize = 8 << 20;

/// What a request asks for: `from`, `partition` and `limit`.
pub(super) struct Wanted {
    from: Option<StartPosition>,
    partitions: u32,
    only: Option<usize>,
    limit: usize,
}

/// A record and its place.
pub(super) struct Found {
    partition: u32,
    record: Record,
    /// Whether readers get it: no stage wrote it, or a commit made it count.
    pub(super) counts: bool,
}

/// What there is.
pub(super) struct Page {
    /// By append time, and in order within a partition.
    pub(super) records: Vec<Found>,
    /// `{"partition", "start", "end"}` of every partition.
    pub(super) bounds: Vec<Value>,
}

impl Wanted {
    /// What the query asks for, of a stream with so many partitions.
    ///
    /// # Errors
    /// Names the parameter that cannot be.
    pub(super) fn of(query: &Params, partitions: u32) -> Result<Self, Error> {
        Ok(Self {
            from: query.from()?,
            partitions,
            only: number(query, "partition", 0, partitions.saturating_sub(1) as usize)?,
            limit: number(query, "limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT),
        })
    }

    /// The newest records of all partitions.
    pub(super) fn newest(partitions: u32, limit: usize) -> Self {
        Self { from: None, partitions, only: None, limit }
    }

    /// Reads it: the newest records where nothing says from where on.
    ///
    /// # Errors
    /// Those of the log.
    pub(super) async fn read(&self, state: &ApiState, topic: &str) -> Result<Page, Error> {
        let limit = self.limit;
        let mut records: Vec<Found> = Vec::new();
        let mut ends = Vec::new();
        for partition in 0..self.partitions {
            let bounds = state.log.bounds(topic, partition).await.map_err(of_log)?;
            ends.push(json!({"partition": partition, "start": bounds.start, "end": bounds.end}));
            if self.only.is_some_and(|only| only != partition as usize) {
                continue;
            }
            let first = match self.from {
                None => bounds.end.saturating_sub(limit as u64),
                Some(StartPosition::Earliest) => bounds.start,
                Some(StartPosition::Latest) => bounds.end,
                Some(StartPosition::Offset(offset)) => offset,
                Some(StartPosition::Time(ms)) => {
                    state.log.offset_at(topic, partition, ms).await.map_err(of_log)?
                }
            };
            let first = first.max(bounds.start);
            let newest = self.from.is_none();
            let read = read(&*state.log, (topic, partition), (first, bounds.end), limit, newest).await?;
            records.extend(read.into_iter().map(|record| {
                let counts = counts(&state.book, (topic, partition), &record);
                Found { partition, record, counts }
            }));
        }
        // Stable, so the order within a partition stays what it is.
        records.sort_by_key(|found| found.record.message.time_ms);
        if records.len() > limit {
            if self.from.is_none() {
                drop(records.drain(..records.len() - limit));
            } else {
                records.truncate(limit);
            }
        }
        Ok(Page { records, bounds: ends })
    }
}

impl Found {
    /// As something to try a harvester on.
    pub(super) fn sample(self, stream: &Arc<str>) -> Sample {
        let Record { offset, message } = self.record;
        Sample {
            place: (Arc::clone(stream), self.partition, offset),
            headers: message.headers,
            payload: message.payload,
        }
    }

    /// As an event.
    pub(super) fn render(&self) -> Value {
        let message = &self.record.message;
        let (payload, payload_encoding) = text_or_base64(&message.payload);
        json!({
            "partition": self.partition, "offset": self.record.offset,
            "time": iso(i64::try_from(message.time_ms).unwrap_or(i64::MAX)),
            "headers": message.headers.0, "payload": payload, "payloadEncoding": payload_encoding,
        })
    }

    /// As a record: with its key, whether it counts, and where it came from.
    pub(super) fn render_whole(&self) -> Value {
        let mut value = self.render();
        let system = &self.record.message.system;
        if let Some(key) = &self.record.message.key {
            let (key, encoding) = text_or_base64(key);
            (value["key"], value["keyEncoding"]) = (key, json!(encoding));
        }
        value["committed"] = json!(self.counts);
        if let Some(stage) = &system.stage {
            value["stage"] = json!({"name": stage.stage, "version": stage.version, "epoch": stage.epoch});
        }
        if let Some(source) = &system.source {
            value["source"] = json!({"stream": source.topic, "partition": source.partition,
                "offset": source.offset, "index": source.index});
        }
        value
    }
}

fn counts(book: &Book, (topic, partition): (&str, u32), record: &Record) -> bool {
    record.message.system.stage.is_none()
        || matches!(book.step(topic, partition, record.offset), Step::Deliver(_))
}

/// What is in a partition between two offsets, at most `limit` records and [`BYTES_MAX`] bytes; the last of them where
/// `newest`.
async fn read(
    log: &dyn StreamLog,
    (topic, partition): (&str, u32),
    (mut at, end): (u64, u64),
    limit: usize,
    newest: bool,
) -> Result<Vec<Record>, Error> {
    let mut found: std::collections::VecDeque<Record> = std::collections::VecDeque::new();
    let mut bytes = 0;
    while at < end && (newest || (found.len() < limit && bytes < BYTES_MAX)) {
        let most = ReadLimit { records: limit, bytes: BYTES_MAX };
        let records = log.read(topic, partition, at, most).await.map_err(of_log)?;
        let Some(last) = records.last() else { break };
        at = last.offset + 1;
        for record in records {
            bytes += record.message.payload.len();
            found.push_back(record);
            while newest && found.len() > 1 && (found.len() > limit || bytes > BYTES_MAX) {
                bytes -= found.pop_front().map_or(0, |old| old.message.payload.len());
            }
        }
    }
    found.truncate(limit);
    Ok(found.into())
}

fn number(query: &Params, name: &str, least: usize, most: usize) -> Result<Option<usize>, Error> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.map(Some).ok_or_else(|| {
        Error::parameter(name, format!("must be in between {least} and {most} but is '{text}'"))
    })
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
pub(super) fn of_log(error: granary_stream::Error) -> Error {
    if let granary_stream::Error::Corrupt { .. } = error {
        let text = format!("{error}; {DAMAGE_ADVICE}");
        return Error::Runtime(RuntimeError::new(ErrorKind::Failed, text));
    }
    let kind = match error {
        granary_stream::Error::NoPartition { .. } | granary_stream::Error::Trimmed { .. } => {
            ErrorKind::Refused
        }
        _ => ErrorKind::Failed,
    };
    Error::Runtime(RuntimeError::new(kind, error.to_string()))
}
