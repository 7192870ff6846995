//! Trying a harvester before it runs.

use std::sync::Arc;

use axum::{Json, extract::State};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use granary_catalog::harvester::{DryRunBody, EventTypeRefBody, SampleBody, StreamBody, Transform};
use granary_catalog::{EventKind, Harvester, Metadata, Report, VersionChoice, source_type};
use granary_db::definitions::event_type;
use granary_stream::Headers;
use serde_json::{Map, Value};
use tokio_postgres::Client;

use super::{find, require_component};
use crate::api::{
    ApiState,
    answer::with_warnings,
    body::JsonBody,
    caller::{Editor, In},
    error::Error,
    records::Wanted,
    script, streams,
};
use crate::harvester::trial::{Sample, Trial, Tried, posted};

/// Records that are given are numbered as if they lay here.
const GIVEN: &str = "records";

/// Runs a transform and the expressions of an event type on sample records, or on the last records of a stream, and writes
/// nothing. Each record's answer has an `outcome`: `skip`, `message`, `deletion`, `list` or `error`.
#[utoipa::path(post, path = "/harvesters/dry-run", tag = "harvesters", security(("bearer" = ["editor"])),
    request_body = DryRunBody, responses((status = 200)))]
pub(super) async fn dry_run(
    State(state): State<ApiState>,
    scope: In<Editor>,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    let mut report = Report::default();
    let body = DryRunBody::read(&body, &mut report);
    let client = state.db.client().await?;
    let base = match &body.harvester {
        Some(name) => Some(find(&client, &scope.project, name).await?.definition),
        None => None,
    };
    let mut transform = base.as_ref().map_or_else(Transform::default, |base| base.transform.clone());
    if let Some(given) = body.transform {
        transform.apply(given, &mut report);
    }
    let reference =
        event_type_of(&client, &scope.project, base.as_ref(), body.event_type, &mut report).await?;
    let metadata = match (reference, body.expressions) {
        (None, None) => None,
        (reference, given) => Some(given.unwrap_or_default().over(reference, &mut report)),
    };
    let records = body.records.map(|records| given(records, &mut report));
    let ((), mut warnings) = report.finish(())?;
    if let Some(obstacle) = transform.obstacle() {
        return Err(Error::parameter("transform.language", format!("can not be tried: {obstacle}")));
    }
    require_component(&client, &scope.project, &transform).await?;
    drop(client);
    let samples = match records {
        Some(records) => records,
        None => newest(&state, base.as_ref(), body.stream.unwrap_or_default()).await?,
    };
    let records = samples.len();
    let harvester = base.map_or_else(|| "dry-run".to_owned(), |base| base.name);
    let trial = Trial { project: scope.project.clone(), harvester, transform, metadata, samples };
    let tried = state.runtime.try_harvester(trial).await;
    let (more, tried) = tried.map_err(|error| script::refusal("transform.script", error))?;
    warnings.extend(more);
    if tried.len() < records {
        let left = records - tried.len();
        warnings.push(format!(
            "The dry run took too long or made too much: the last {left} of {records} records were left out."
        ));
    }
    let rendered = tried.iter().map(Tried::render).collect();
    Ok(with_warnings(Map::from_iter([("records".to_owned(), rendered)]), &warnings))
}

/// The expressions of the event type that the body names, or that of the stored harvester.
async fn event_type_of(
    client: &Client,
    project: &str,
    base: Option<&Harvester>,
    given: Option<EventTypeRefBody>,
    report: &mut Report,
) -> Result<Option<Metadata>, Error> {
    let (name, version) = match (given, base) {
        (None, None) => return Ok(None),
        (None, Some(base)) => (base.event_type.name.clone(), base.event_type.version),
        (Some(given), base) => {
            let version = given.version.unwrap_or(VersionChoice::Latest);
            match given.name.or_else(|| base.map(|base| base.event_type.name.clone())) {
                Some(name) => (name, version),
                None => {
                    report.problem("eventType.name", "must not be null");
                    return Ok(None);
                }
            }
        }
    };
    let directory = event_type::directory(client, project).await?;
    let Some(entry) = directory.resolve("eventType.name", &name, report) else { return Ok(None) };
    if entry.kind != EventKind::DataIn {
        let kind = entry.kind.as_str();
        let reason = format!("must name an event type of type 'data_in' but '{name}' is of type '{kind}'");
        report.problem("eventType.name", reason);
        return Ok(None);
    }
    directory.check_version("eventType.version", entry, version, report);
    let stored = event_type::get(client, &entry.name, version).await?;
    Ok(stored.map(|stored| (&stored.definition).into()))
}

/// The records of the body.
fn given(records: Vec<SampleBody>, report: &mut Report) -> Vec<Sample> {
    let stream: Arc<str> = GIVEN.into();
    let mut samples = Vec::with_capacity(records.len());
    for (offset, record) in (0..).zip(records) {
        let payload = match (record.body, record.payload, record.payload_encoding.as_deref()) {
            (Some(body), ..) => posted(bytes_of(body)),
            (None, Some(Value::String(text)), Some("base64")) => match STANDARD.decode(&text) {
                Ok(bytes) => bytes.into(),
                Err(error) => {
                    let reason = format!("must be base64, as 'payloadEncoding' says: {error}");
                    report.problem(format!("records[{offset}].payload"), reason);
                    continue;
                }
            },
            (None, payload, _) => bytes_of(payload.unwrap_or_default()),
        };
        let headers = record.headers.unwrap_or_default().into_iter();
        let headers = headers.filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))).collect();
        samples.push(Sample { place: (Arc::clone(&stream), 0, offset), headers: Headers(headers), payload });
    }
    samples
}

fn bytes_of(value: Value) -> Bytes {
    match value {
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}

/// The last records of a stream.
async fn newest(
    state: &ApiState,
    base: Option<&Harvester>,
    wanted: StreamBody,
) -> Result<Vec<Sample>, Error> {
    let read = || base.map_or_else(|| source_type::DEFAULT_TOPIC.to_owned(), Harvester::input_topic);
    let stream = wanted.name.unwrap_or_else(read);
    let spec = streams::spec(state, &stream)?;
    let page = Wanted::newest(spec.partitions, wanted.last).read(state, &stream).await?;
    let stream: Arc<str> = stream.into();
    // As a harvester gets them: without what no commit made count.
    Ok(page.records.into_iter().filter(|found| found.counts).map(|found| found.sample(&stream)).collect())
}
