//! `/projects/{project}/dead-letters`: what could not be processed, under the stream names of the original, and what is to
//! become of it.

mod change;
mod filter;

use axum::{Json, extract::State};
use granary_db::dead_letters::{self, Event, Stored};
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiState,
    answer::{iso, text_or_base64},
    caller::{In, Viewer},
    error::Error,
    query::Params,
};

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 1_000;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(change::retry))
        .routes(routes!(change::discard))
        .routes(routes!(change::retry_one))
        .routes(routes!(change::discard_one))
}

fn render(stored: &Stored) -> Value {
    let letter = &stored.letter;
    let (payload, payload_encoding) = text_or_base64(&letter.payload);
    let (key, key_encoding) = letter.key.as_deref().map_or((Value::Null, "text"), text_or_base64);
    // Names can occur twice, so pairs and no object.
    let headers: Vec<(String, String)> =
        letter.headers.iter().cloned().chain(letter.reason_headers()).collect();
    json!({
        "id": stored.id.to_string(), "createdAt": iso(stored.created_at_ms), "stream": letter.stream,
        "state": stored.state.as_str(), "attempts": stored.attempts, "stage": letter.stage, "code": letter.code, "exceptionType": letter.exception_type,
        "message": letter.message, "stacktrace": letter.stacktrace,
        "source": {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset},
        "definitionVersion": letter.definition_version, "key": key, "keyEncoding": key_encoding,
        "payload": payload, "payloadEncoding": payload_encoding, "headers": headers,
    })
}

/// A letter with everything that happened to it.
fn render_whole(stored: &Stored, history: &[Event]) -> Value {
    let mut body = render(stored);
    body["history"] = history.iter().map(render_event).collect();
    body
}

fn render_event(event: &Event) -> Value {
    let mut body = json!({"at": iso(event.at_ms), "event": event.kind});
    for (name, value) in [
        ("by", json!(event.by)),
        ("definitionVersion", json!(event.definition_version)),
        ("code", json!(event.code)),
        ("message", json!(event.message)),
    ] {
        if !value.is_null() {
            body[name] = value;
        }
    }
    body
}

fn id_of(text: &str) -> Result<i64, Error> {
    let id = text.parse().ok().filter(|id| *id >= 1);
    id.ok_or_else(|| Error::parameter("id", format!("must be a natural number but is '{text}'")))
}

async fn find(state: &ApiState, project: &str, id: i64) -> Result<Stored, Error> {
    let stored = dead_letters::get(&state.db, project, id).await?;
    let hint = "GET /projects/{project}/dead-letters?state=all lists those of the project.";
    stored.ok_or_else(|| Error::NotFound {
        entity: "Dead letter",
        id: format!("with ID '{id}'"),
        hint: Some(hint.replace("{project}", project)),
    })
}

fn number<T: std::str::FromStr>(
    query: &Params,
    name: &str,
    good: impl Fn(&T) -> bool,
) -> Result<Option<T>, Error> {
    let Some(text) = query.get(name) else { return Ok(None) };
    let number = text.parse::<T>().ok().filter(good);
    number.map(Some).ok_or_else(|| {
        let range = if name == "limit" { format!(" up to {LIMIT_MAX}") } else { String::new() };
        Error::parameter(name, format!("must be a natural number{range} but is '{text}'"))
    })
}

/// Lists dead letters, newest first. The reason is in the headers that the original writes, too.
#[utoipa::path(get, path = "/dead-letters", tag = "dead letters", security(("bearer" = ["viewer"])),
    params(("stream" = Option<String>, Query, description = "For example grnry_belt_dlq_7; all streams when missing"),
        ("state" = Option<String>, Query, description = "Some of dead, retrying, retried and discarded, with commas, or all; default dead,retrying"),
        ("code" = Option<String>, Query, description = "For example exception or schema_mismatch"),
        ("since" = Option<String>, Query, description = "Only those written at or after this time"),
        ("until" = Option<String>, Query, description = "Only those written before this time"),
        ("contains" = Option<String>, Query, description = "Only those whose message contains this text"),
        ("ids" = Option<String>, Query, description = "Only these, with commas"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; default 20"),
        ("before" = Option<String>, Query, description = "Only those older than the one with this id")),
    responses((status = 200)))]
async fn list(State(state): State<ApiState>, scope: In<Viewer>, query: Params) -> Result<Json<Value>, Error> {
    let limit = number(&query, "limit", |limit| (1..=LIMIT_MAX).contains(limit))?.unwrap_or(LIMIT_DEFAULT);
    let before = number::<i64>(&query, "before", |id| *id >= 1)?;
    let filter = filter::of_query(&query)?;
    let total = dead_letters::count(&state.db, &scope.project, &filter).await?;
    let letters = dead_letters::list(&state.db, &scope.project, &filter, limit, before).await?;
    let link = |before: Option<i64>| {
        let mut pairs = vec![format!("limit={limit}")];
        pairs.extend(filter::pairs(&query));
        pairs.extend(before.map(|id| format!("before={id}")));
        json!({"href": format!("{}{}?{}", state.public_url, query.path(), pairs.join("&"))})
    };
    let mut links = json!({"self": link(before)});
    if let Some(last) = letters.last().filter(|_| letters.len() == limit as usize) {
        links["next"] = link(Some(last.id));
    }
    let bodies: Vec<_> = letters.iter().map(render).collect();
    Ok(Json(json!({"deadLetters": bodies, "totalCount": total, "_links": links})))
}

/// Shows one dead letter with everything that happened to it.
#[utoipa::path(get, path = "/dead-letters/{id}", tag = "dead letters", security(("bearer" = ["viewer"])),
    params(("id" = String, Path, description = "A natural number")), responses((status = 200)))]
async fn show(State(state): State<ApiState>, scope: In<Viewer>) -> Result<Json<Value>, Error> {
    let id = id_of(scope.path("id"))?;
    let stored = find(&state, &scope.project, id).await?;
    let history = dead_letters::history(&state.db, id).await?;
    Ok(Json(render_whole(&stored, &history)))
}
