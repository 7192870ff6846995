//! The events of a stream, as belts see them: to try a belt on, and to look what arrived.

use axum::{Json, extract::State};
use granary_catalog::{StartPosition, VersionChoice};
use granary_db::definitions::event_type;
use granary_stream::{ReadLimit, Record, StreamLog};
use serde_json::{Value, json};

use super::not_found;
use crate::api::{
    ApiState,
    answer::{iso, text_or_base64},
    caller::{In, Viewer},
    error::Error,
    query::Params,
    runtime::{ErrorKind, RuntimeError},
};

const LIMIT_DEFAULT: usize = 20;
const LIMIT_MAX: usize = 1_000;
/// The most bytes of payloads in one answer, beyond the first event.
const BYTES_MAX: usize = 8 << 20;

/// Events of the stream, oldest first: the newest ones, or those from a place on. An answer may hold fewer than were
/// asked for; go on in a partition at the offset behind the last one.
#[utoipa::path(get, path = "/event-types/{name}/events", tag = "event types", security(("bearer" = ["viewer"])),
    params(("name" = String, Path, description = "Technical name"),
        ("from" = Option<String>, Query, description = "earliest, a time or an offset; the newest ones when missing"),
        ("partition" = Option<u32>, Query, description = "Only this partition"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; default 20")),
    responses((status = 200)))]
pub(in crate::api) async fn list(
    State(state): State<ApiState>,
    scope: In<Viewer>,
    query: Params,
) -> Result<Json<Value>, Error> {
    let name = scope.path("name");
    let limit = number(&query, "limit", 1, LIMIT_MAX)?.unwrap_or(LIMIT_DEFAULT);
    let from = query.from()?;
    let client = state.db.client().await?;
    let stored = event_type::get(&client, name, VersionChoice::Latest).await?;
    let Some(stored) = stored.filter(|stored| stored.definition.project == scope.project) else {
        return Err(not_found(&client, &scope.project, name).await);
    };
    drop(client);
    let kind = stored.definition.kind;
    let Some(topic) = stored.definition.topic_name() else {
        let reason = format!("is of type '{}', which has no stream of events", kind.as_str());
        return Err(Error::parameter("name", reason));
    };
    let partitions = state.log.topics().get(&topic).map_or(0, |spec| spec.partitions);
    let only = number(&query, "partition", 0, partitions.saturating_sub(1) as usize)?;
    let mut events: Vec<(u32, Record)> = Vec::new();
    let mut ends = Vec::new();
    for partition in 0..partitions {
        let bounds = state.log.bounds(&topic, partition).map_err(of_log)?;
        ends.push(json!({"partition": partition, "start": bounds.start, "end": bounds.end}));
        if only.is_some_and(|only| only != partition as usize) {
            continue;
        }
        let first = match from {
            None => bounds.end.saturating_sub(limit as u64),
            Some(StartPosition::Earliest) => bounds.start,
            Some(StartPosition::Latest) => bounds.end,
            Some(StartPosition::Offset(offset)) => offset,
            Some(StartPosition::Time(ms)) => {
                state.log.offset_at(&topic, partition, ms).await.map_err(of_log)?
            }
        };
        let first = first.max(bounds.start);
        let newest = from.is_none();
        let records = read(&*state.log, (&topic, partition), (first, bounds.end), limit, newest).await?;
        events.extend(records.into_iter().map(|record| (partition, record)));
    }
    // Stable, so the order within a partition stays what it is.
    events.sort_by_key(|(_, record)| record.message.time_ms);
    if events.len() > limit {
        if from.is_none() { drop(events.drain(..events.len() - limit)) } else { events.truncate(limit) }
    }
    let events: Vec<Value> = events.iter().map(|(partition, record)| render(*partition, record)).collect();
    Ok(Json(json!({"events": events, "topic": topic, "partitions": ends})))
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

fn render(partition: u32, record: &Record) -> Value {
    let message = &record.message;
    let (payload, payload_encoding) = text_or_base64(&message.payload);
    json!({
        "partition": partition, "offset": record.offset,
        "time": iso(i64::try_from(message.time_ms).unwrap_or(i64::MAX)),
        "headers": message.headers.0, "payload": payload, "payloadEncoding": payload_encoding,
    })
}

fn number(query: &Params, name: &str, least: usize, most: usize) -> Result<Option<usize>, Error> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.map(Some).ok_or_else(|| {
        Error::parameter(name, format!("must be in between {least} and {most} but is '{text}'"))
    })
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn of_log(error: granary_stream::Error) -> Error {
    let kind = match error {
        granary_stream::Error::NoPartition { .. } | granary_stream::Error::Trimmed { .. } => {
            ErrorKind::Refused
        }
        _ => ErrorKind::Failed,
    };
    Error::Runtime(RuntimeError::new(kind, error.to_string()))
}
