//! Creating, changing, deleting event types.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use granary_catalog::{
    EventType, Persister, Report, VersionChoice, Wanted,
    event_type::{Change, EventTypeBody},
};
use granary_db::definitions::{self, belt, event_type, harvester, persister};
use serde_json::Value;
use tokio_postgres::Client;
use tracing::warn;

use super::{
    not_found,
    render::{self, Expand},
};
use crate::api::{
    ApiState,
    answer::with_warnings,
    body::JsonBody,
    caller::{Editor, In},
    error::Error,
};

/// Makes an event type; its name is derived from the displayName.
#[utoipa::path(post, path = "/event-types", tag = "event types", security(("bearer" = ["editor"])),
    request_body = EventTypeBody, responses((status = 200, body = EventType)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    scope: In<Editor>,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    make(&state, &scope, None, &body).await
}

/// Makes an event type of that name.
#[utoipa::path(post, path = "/event-types/{name}", tag = "event types", security(("bearer" = ["editor"])),
    params(("name" = String, Path, description = "Technical name, at most 20 of a-z, A-Z, 0-9 and hyphen")),
    request_body = EventTypeBody, responses((status = 200, body = EventType)))]
pub(super) async fn create_named(
    State(state): State<ApiState>,
    scope: In<Editor>,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    make(&state, &scope, Some(scope.path("name")), &body).await
}

async fn refuse_label(client: &Client, event_type: &EventType) -> Result<(), Error> {
    let EventType { project, display_name, name, .. } = event_type;
    if event_type::label_exists(client, project, display_name, name).await? {
        return Err(Error::Exists(format!("Event Type with displayName '{display_name}' already exists.")));
    }
    Ok(())
}

async fn make(
    state: &ApiState,
    scope: &In<Editor>,
    name: Option<&str>,
    body: &Value,
) -> Result<Json<Value>, Error> {
    let mut report = Report::default();
    let body = EventTypeBody::read(body, &mut report);
    let mut client = state.db.client().await?;
    let transaction = client.transaction().await?;
    let inner = transaction.client();
    definitions::lock(inner).await?;
    let names = event_type::names_taken(inner).await?;
    let taken = |name: &str| names.contains(&name.to_lowercase());
    let made = EventType::create(&scope.project, name, body, taken, &mut report);
    let (made, mut warnings) = report.finish(made)?;
    let made =
        made.ok_or_else(|| Error::Internal("an event type was refused without a problem".to_owned()))?;
    if taken(&made.name) {
        return Err(Error::Exists(format!("Event Type '{}' already exists.", made.name)));
    }
    refuse_label(inner, &made).await?;
    let by = scope.caller.person();
    event_type::insert(inner, &made, &by).await?;
    let owned = made.kind.persister().map(|kind| Persister::new(&made.project, &made.name, kind));
    if let Some(owned) = &owned {
        // Created running, unlike the original's: data is not silently left out.
        persister::insert(inner, owned, Wanted::Running, &by).await?;
    }
    transaction.commit().await?;
    if let Err(error) = state.runtime.event_type_created(&made).await {
        event_type::delete(&client, &made.name).await?;
        return Err(error.into());
    }
    if let Some(owned) = &owned
        && let Err(error) = state.runtime.start(&owned.object(), None).await
    {
        warn!(object = %owned.object(), %error, "the persister of a new event type did not start");
        warnings.push(format!("The persister did not start: {error}"));
    }
    answer(state, &client, &made.name, &warnings).await
}

/// The newest version as stored.
async fn answer(
    state: &ApiState,
    client: &Client,
    name: &str,
    warnings: &[String],
) -> Result<Json<Value>, Error> {
    let stored = event_type::get(client, name, VersionChoice::Latest).await?;
    let stored = stored.ok_or_else(|| Error::not_found("Event Type", name, None))?;
    let expand = Expand { inputs: true, outputs: true, persisters: false };
    Ok(with_warnings(render::full(state, client, &stored, expand).await?, warnings))
}

/// Changes an event type: a new version, unless only label or description change.
#[utoipa::path(put, path = "/event-types/{name}", tag = "event types", security(("bearer" = ["editor"])),
    params(("name" = String, Path, description = "Technical name")), request_body = EventTypeBody,
    responses((status = 200, body = EventType), (status = 304, description = "Nothing changed")))]
pub(super) async fn update(
    State(state): State<ApiState>,
    scope: In<Editor>,
    JsonBody(body): JsonBody,
) -> Result<Response, Error> {
    let name = scope.path("name");
    let mut report = Report::default();
    let body = EventTypeBody::read(&body, &mut report);
    let mut client = state.db.client().await?;
    let transaction = client.transaction().await?;
    let inner = transaction.client();
    definitions::lock(inner).await?;
    let old = find(inner, &scope.project, name).await?;
    let (next, change) = old.update(&body, &mut report);
    let ((), warnings) = report.finish(())?;
    if change == Change::Nothing {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    }
    refuse_label(inner, &next).await?;
    event_type::update(inner, &next, change == Change::Version, &scope.caller.person()).await?;
    transaction.commit().await?;
    if change == Change::Version {
        if let Err(error) = state.runtime.event_type_updated(&old, &next).await {
            event_type::take_back(&client, &old).await?;
            return Err(error.into());
        }
        outdate(&state, &client, &next).await?;
    }
    Ok(answer(&state, &client, name, &warnings).await?.into_response())
}

/// Whatever runs with the newest version of the type is outdated now.
async fn outdate(state: &ApiState, client: &Client, event_type: &EventType) -> Result<(), Error> {
    for harvester in harvester::of_event_type(client, &event_type.name).await? {
        if harvester.definition.event_type.version == VersionChoice::Latest {
            state.runtime.definition_changed(&harvester.definition.object());
        }
    }
    for belt in belt::writing(client, &event_type.name).await? {
        let mut outputs = belt.definition.output_types.iter();
        if outputs.any(|output| output.name == event_type.name && output.version == VersionChoice::Latest) {
            state.runtime.definition_changed(&belt.definition.object());
        }
    }
    Ok(())
}

async fn find(client: &Client, project: &str, name: &str) -> Result<EventType, Error> {
    let stored = event_type::get(client, name, VersionChoice::Latest).await?;
    match stored.filter(|stored| stored.definition.project == project) {
        Some(stored) => Ok(stored.definition),
        None => Err(not_found(client, project, name).await),
    }
}

/// Deletes all versions of an event type, its persister and its stream, unless something refers to it.
#[utoipa::path(delete, path = "/event-types/{name}", tag = "event types", security(("bearer" = ["editor"])),
    params(("name" = String, Path, description = "Technical name")),
    responses((status = 204), (status = 412, description = "A belt or harvester refers to it")))]
pub(super) async fn delete(State(state): State<ApiState>, scope: In<Editor>) -> Result<StatusCode, Error> {
    let name = scope.path("name");
    let mut client = state.db.client().await?;
    let transaction = client.transaction().await?;
    let inner = transaction.client();
    definitions::lock(inner).await?;
    let gone = find(inner, &scope.project, name).await?;
    let users = users(&state, inner, &gone).await?;
    if !users.is_empty() {
        return Err(Error::InUse(format!("Event Type '{name}' is still in use by: {}.", users.join(", "))));
    }
    if let Some(kind) = gone.kind.persister() {
        let owned = Persister::new(&gone.project, &gone.name, kind);
        state.runtime.remove(&owned.object()).await?;
    }
    state.runtime.event_type_deleted(&gone).await?;
    event_type::delete(inner, name).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Links of all that refers to an event type.
async fn users(state: &ApiState, client: &Client, event_type: &EventType) -> Result<Vec<String>, Error> {
    let base = format!("{}/projects/{}", state.public_url, event_type.project);
    let mut links = Vec::new();
    for harvester in harvester::of_event_type(client, &event_type.name).await? {
        links.push(format!("{base}/harvesters/instances/{}", harvester.definition.name));
    }
    let mut belts = belt::reading(client, &event_type.name).await?;
    belts.extend(belt::writing(client, &event_type.name).await?);
    let mut ids: Vec<i64> = belts.iter().map(|belt| belt.definition.id).collect();
    ids.sort_unstable();
    ids.dedup();
    links.extend(ids.iter().map(|id| format!("{base}/belts/{id}")));
    Ok(links)
}
