//! `/projects/{project}/dead-letters`: what could not be processed, under the stream names of the original.

use axum::{Json, extract::State};
use granary_db::dead_letters::{self, Stored};
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiState,
    answer::{iso, text_or_base64},
    caller::{In, Viewer},
    error::Error,
    query::{Params, encode},
};

const LIMIT_DEFAULT: u32 = 20;
const LIMIT_MAX: u32 = 1_000;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list))
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
        "stage": letter.stage, "code": letter.code, "exceptionType": letter.exception_type,
        "message": letter.message, "stacktrace": letter.stacktrace,
        "source": {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset},
        "definitionVersion": letter.definition_version, "key": key, "keyEncoding": key_encoding,
        "payload": payload, "payloadEncoding": payload_encoding, "headers": headers,
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
        ("limit" = Option<u32>, Query, description = "1 to 1000; default 20"),
        ("before" = Option<String>, Query, description = "Only those older than the one with this id")),
    responses((status = 200)))]
async fn list(State(state): State<ApiState>, scope: In<Viewer>, query: Params) -> Result<Json<Value>, Error> {
    let limit = number(&query, "limit", |limit| (1..=LIMIT_MAX).contains(limit))?.unwrap_or(LIMIT_DEFAULT);
    let before = number::<i64>(&query, "before", |id| *id >= 1)?;
    let stream = query.get("stream").filter(|stream| !stream.is_empty());
    let total = dead_letters::count(&state.db, &scope.project, stream).await?;
    let letters = dead_letters::list(&state.db, &scope.project, stream, limit, before).await?;
    let link = |before: Option<i64>| {
        let mut pairs = vec![format!("limit={limit}")];
        pairs.extend(stream.map(|stream| format!("stream={}", encode(stream))));
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
