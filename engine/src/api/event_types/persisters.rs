//! `.../eventstores/{kind}/persister`: configuration and state of an event type's persister.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use granary_catalog::{
    EventType, Persister, PersisterKind, Report, VersionChoice,
    persister::{LiveSegmentConfig, LiveSegmentPersisterBody, PersisterConfig, PgPersisterBody},
};
use granary_db::definitions::{Stored, event_type, persister};
use serde_json::{Map, Value, json};
use tokio_postgres::Client;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{not_found, render::persister_href};
use crate::api::{
    ApiState,
    answer::{add_self, object, with_warnings},
    body::JsonBody,
    caller::{Editor, In, Viewer},
    error::Error,
    query::Params,
    running,
};

/// The routes of both kinds.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(get_pg, put_pg))
        .routes(routes!(pg_state, set_pg_state))
        .routes(routes!(pg_logs))
        .routes(routes!(get_live_segment, put_live_segment))
        .routes(routes!(live_segment_state, set_live_segment_state))
        .routes(routes!(live_segment_logs))
}

/// The persister of the event type of the path.
async fn find(
    client: &Client,
    project: &str,
    name: &str,
    kind: PersisterKind,
) -> Result<Stored<Persister>, Error> {
    let owner: Option<Stored<EventType>> = event_type::get(client, name, VersionChoice::Latest).await?;
    let Some(owner) = owner.filter(|owner| owner.definition.project == project) else {
        return Err(not_found(client, project, name).await);
    };
    match persister::get(client, name, kind).await? {
        Some(stored) => Ok(stored),
        None => {
            let owner_kind = owner.definition.kind;
            let hint = match owner_kind.persister() {
                Some(other) => format!("Its persister is at eventstores/{}/persister.", other.as_str()),
                None => format!("Event types of type '{}' have none.", owner_kind.as_str()),
            };
            Err(Error::not_found("Persister", name, Some(hint)))
        }
    }
}

fn render(state: &ApiState, stored: &Stored<Persister>, with_state: bool) -> Map<String, Value> {
    let Persister { project, event_type, config } = &stored.definition;
    let link = persister_href(state, &stored.definition);
    let mut body = match config {
        PersisterConfig::Pg(config) => {
            let mut body = object(config);
            body.insert("streamName".to_owned(), json!(stored.definition.stream_name()));
            body.insert("lastUpdated".to_owned(), json!(stored.audit.modified_at));
            body
        }
        PersisterConfig::LiveSegment(config) => {
            let mut body = Map::new();
            body.insert("config".to_owned(), json!(config));
            body
        }
    };
    body.insert("projectName".to_owned(), json!(project));
    body.insert("eventTypeName".to_owned(), json!(event_type));
    body.insert("eventstoreType".to_owned(), json!(stored.definition.kind().as_str()));
    if with_state {
        let report = state.runtime.status(&stored.definition.object());
        let state_link = format!("{link}/state");
        body.insert("state".to_owned(), Value::Object(running::report(&report, Some(&state_link))));
    }
    add_self(&mut body, &link);
    body
}

async fn show(
    state: &ApiState,
    scope: &In<Viewer>,
    query: &Params,
    kind: PersisterKind,
) -> Result<Json<Value>, Error> {
    let client = state.db.client().await?;
    let stored = find(&client, &scope.project, scope.path("name"), kind).await?;
    if query.flag("export")
        && let PersisterConfig::Pg(config) = &stored.definition.config
    {
        let mut body = object(config);
        body.retain(|key, _| key != "appName");
        return Ok(Json(Value::Object(body)));
    }
    Ok(Json(Value::Object(render(state, &stored, query.expands("state")))))
}

/// Stores a changed configuration; what runs keeps the old one until it is restarted.
async fn store(
    state: &ApiState,
    scope: &In<Editor>,
    kind: PersisterKind,
    change: impl FnOnce(&mut Persister, &mut Report),
) -> Result<Json<Value>, Error> {
    let client = state.db.client().await?;
    let mut stored = find(&client, &scope.project, scope.path("name"), kind).await?;
    let before = stored.definition.clone();
    let mut report = Report::default();
    change(&mut stored.definition, &mut report);
    let ((), warnings) = report.finish(())?;
    persister::update(&client, &stored.definition, &scope.caller.person()).await?;
    if stored.definition != before {
        state.runtime.definition_changed(&stored.definition.object());
    }
    let stored = find(&client, &scope.project, scope.path("name"), kind).await?;
    Ok(with_warnings(render(state, &stored, false), &warnings))
}

async fn show_state(state: &ApiState, scope: &In<Viewer>, kind: PersisterKind) -> Result<Json<Value>, Error> {
    let client = state.db.client().await?;
    let found = find(&client, &scope.project, scope.path("name"), kind).await?.definition;
    let report = state.runtime.status(&found.object());
    let link = format!("{}/state", persister_href(state, &found));
    Ok(Json(Value::Object(running::report(&report, Some(&link)))))
}

async fn logs(
    state: &ApiState,
    scope: &In<Viewer>,
    query: &Params,
    kind: PersisterKind,
) -> Result<Json<Value>, Error> {
    let lines = query.lines()?;
    let client = state.db.client().await?;
    let found = find(&client, &scope.project, scope.path("name"), kind).await?.definition;
    Ok(Json(json!({"logs": state.runtime.logs(&found.object(), "persister", lines)})))
}

/// Shows the eventstore persister of a data_in event type.
#[utoipa::path(get, path = "/event-types/{name}/eventstores/pg/persister", tag = "persisters",
    security(("bearer" = ["viewer"])),
    params(("name" = String, Path, description = "Event type"),
        ("expand" = Option<String>, Query, description = "state"),
        ("export" = Option<bool>, Query, description = "Only what a PUT takes")),
    responses((status = 200)))]
async fn get_pg(
    State(state): State<ApiState>,
    scope: In<Viewer>,
    query: Params,
) -> Result<Json<Value>, Error> {
    show(&state, &scope, &query, PersisterKind::Pg).await
}

/// Configures the eventstore persister.
#[utoipa::path(put, path = "/event-types/{name}/eventstores/pg/persister", tag = "persisters",
    security(("bearer" = ["editor"])),
    params(("name" = String, Path, description = "Event type"),
        ("imported" = Option<bool>, Query, description = "Merge the defaults under the given maps")),
    request_body = PgPersisterBody, responses((status = 200)))]
async fn put_pg(
    State(state): State<ApiState>,
    scope: In<Editor>,
    query: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    store(&state, &scope, PersisterKind::Pg, |persister, report| {
        if let PersisterConfig::Pg(config) = &mut persister.config {
            *config = config.updated(&body, query.flag("imported"), report);
        }
    })
    .await
}

/// The state of the eventstore persister.
#[utoipa::path(get, path = "/event-types/{name}/eventstores/pg/persister/state", tag = "persisters",
    security(("bearer" = ["viewer"])), params(("name" = String, Path, description = "Event type")),
    responses((status = 200)))]
async fn pg_state(State(state): State<ApiState>, scope: In<Viewer>) -> Result<Json<Value>, Error> {
    show_state(&state, &scope, PersisterKind::Pg).await
}

/// Starts or stops the eventstore persister.
#[utoipa::path(post, path = "/event-types/{name}/eventstores/pg/persister/state", tag = "persisters",
    security(("bearer" = ["editor"])),
    params(("name" = String, Path, description = "Event type"),
        ("from" = Option<String>, Query, description = "earliest, latest, a time or an offset; only with START")),
    request_body = crate::api::ActionBody, responses((status = 200)))]
async fn set_pg_state(
    State(state): State<ApiState>,
    scope: In<Editor>,
    query: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    let found = found(&state, &scope, PersisterKind::Pg).await?;
    let action = running::action(&body, &["START", "STOP", "RESTART"])?;
    let status = running::act(&state, &found.object(), action, query.from()?).await?;
    let link = format!("{}/state", persister_href(&state, &found));
    Ok(Json(Value::Object(running::answer(status, None, Some(&link)))))
}

async fn found(state: &ApiState, scope: &In<Editor>, kind: PersisterKind) -> Result<Persister, Error> {
    let client = state.db.client().await?;
    Ok(find(&client, &scope.project, scope.path("name"), kind).await?.definition)
}

/// What the eventstore persister logged.
#[utoipa::path(get, path = "/event-types/{name}/eventstores/pg/persister/logs", tag = "persisters",
    security(("bearer" = ["viewer"])),
    params(("name" = String, Path, description = "Event type"),
        ("lines" = Option<u32>, Query, description = "1 to 500; default 500")),
    responses((status = 200)))]
async fn pg_logs(
    State(state): State<ApiState>,
    scope: In<Viewer>,
    query: Params,
) -> Result<Json<Value>, Error> {
    logs(&state, &scope, &query, PersisterKind::Pg).await
}

/// Shows the persister of a live segment.
#[utoipa::path(get, path = "/event-types/{name}/eventstores/live-segment/persister", tag = "persisters",
    security(("bearer" = ["viewer"])),
    params(("name" = String, Path, description = "Event type"),
        ("expand" = Option<String>, Query, description = "state")),
    responses((status = 200)))]
async fn get_live_segment(
    State(state): State<ApiState>,
    scope: In<Viewer>,
    query: Params,
) -> Result<Json<Value>, Error> {
    show(&state, &scope, &query, PersisterKind::LiveSegment).await
}

/// Configures the persister of a live segment. Takes effect with a RESTART.
#[utoipa::path(put, path = "/event-types/{name}/eventstores/live-segment/persister", tag = "persisters",
    security(("bearer" = ["editor"])), params(("name" = String, Path, description = "Event type")),
    request_body = LiveSegmentPersisterBody, responses((status = 200)))]
async fn put_live_segment(
    State(state): State<ApiState>,
    scope: In<Editor>,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    store(&state, &scope, PersisterKind::LiveSegment, |persister, report| {
        persister.config = PersisterConfig::LiveSegment(LiveSegmentConfig::read(&body, report));
    })
    .await
}

/// The state of the persister of a live segment.
#[utoipa::path(get, path = "/event-types/{name}/eventstores/live-segment/persister/state", tag = "persisters",
    security(("bearer" = ["viewer"])), params(("name" = String, Path, description = "Event type")),
    responses((status = 200)))]
async fn live_segment_state(State(state): State<ApiState>, scope: In<Viewer>) -> Result<Json<Value>, Error> {
    show_state(&state, &scope, PersisterKind::LiveSegment).await
}

/// Starts, stops or restarts the persister of a live segment. The answer is empty.
#[utoipa::path(post, path = "/event-types/{name}/eventstores/live-segment/persister/state", tag = "persisters",
    security(("bearer" = ["editor"])),
    params(("name" = String, Path, description = "Event type"),
        ("from" = Option<String>, Query, description = "earliest, latest, a time or an offset; only with START")),
    request_body = crate::api::ActionBody, responses((status = 200)))]
async fn set_live_segment_state(
    State(state): State<ApiState>,
    scope: In<Editor>,
    query: Params,
    JsonBody(body): JsonBody,
) -> Result<Response, Error> {
    let found = found(&state, &scope, PersisterKind::LiveSegment).await?;
    let action = running::action(&body, &["START", "STOP", "RESTART"])?;
    running::act(&state, &found.object(), action, query.from()?).await?;
    Ok(StatusCode::OK.into_response())
}

/// What the persister of a live segment logged. The original has no such endpoint.
#[utoipa::path(get, path = "/event-types/{name}/eventstores/live-segment/persister/logs", tag = "persisters",
    security(("bearer" = ["viewer"])),
    params(("name" = String, Path, description = "Event type"),
        ("lines" = Option<u32>, Query, description = "1 to 500; default 500")),
    responses((status = 200)))]
async fn live_segment_logs(
    State(state): State<ApiState>,
    scope: In<Viewer>,
    query: Params,
) -> Result<Json<Value>, Error> {
    logs(&state, &scope, &query, PersisterKind::LiveSegment).await
}
