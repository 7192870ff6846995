//! Creating, changing, deleting harvesters.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use granary_catalog::{
    Action, Harvester, Report, Wanted,
    harvester::{HarvesterBody, Program},
};
use granary_db::definitions::{self, event_type, harvester};
use serde_json::Value;
use tokio_postgres::Client;

use super::{find, render, require_component};
use crate::api::{
    ApiState,
    answer::with_warnings,
    body::JsonBody,
    caller::{Editor, In},
    error::Error,
    query::Params,
    running, script,
};

/// Makes a harvester; its name is derived from the displayName.
#[utoipa::path(post, path = "/harvesters/instances", tag = "harvesters", security(("bearer" = ["editor"])),
    params(("imported" = Option<bool>, Query, description = "Merge the source type's defaults under the given maps"),
        ("start" = Option<bool>, Query, description = "Start it at once")),
    request_body = HarvesterBody, responses((status = 200, body = Harvester)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    scope: In<Editor>,
    query: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    make(&state, &scope, None, &query, &body).await
}

/// Makes a harvester of that name.
#[utoipa::path(post, path = "/harvesters/instances/{name}", tag = "harvesters", security(("bearer" = ["editor"])),
    params(("name" = String, Path, description = "Technical name, at most 20 of a-z, A-Z, 0-9 and hyphen"),
        ("imported" = Option<bool>, Query, description = "Merge the source type's defaults under the given maps"),
        ("start" = Option<bool>, Query, description = "Start it at once")),
    request_body = HarvesterBody, responses((status = 200, body = Harvester)))]
pub(super) async fn create_named(
    State(state): State<ApiState>,
    scope: In<Editor>,
    query: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    make(&state, &scope, Some(scope.path("name")), &query, &body).await
}

/// The harvester that a body makes with what is stored now, and the warnings.
async fn build(
    client: &Client,
    project: &str,
    name: Option<&str>,
    imported: bool,
    body: &Value,
) -> Result<(Harvester, Vec<String>), Error> {
    let mut report = Report::default();
    let body = HarvesterBody::read(body, &mut report);
    let directory = event_type::directory(client, project).await?;
    let names = harvester::names_taken(client).await?;
    let taken = |name: &str| names.contains(&name.to_lowercase());
    let made = Harvester::create(project, name, body, imported, &directory, taken, &mut report);
    let (made, warnings) = report.finish(made)?;
    let made = made.ok_or_else(|| Error::Internal("a harvester was refused without a problem".to_owned()))?;
    if taken(&made.name) {
        return Err(Error::Exists(format!("Harvester '{}' already exists.", made.name)));
    }
    refuse_label(client, &made).await?;
    require_component(client, project, &made.transform).await?;
    Ok((made, warnings))
}

async fn refuse_label(client: &Client, harvester: &Harvester) -> Result<(), Error> {
    let Harvester { project, display_name, name, .. } = harvester;
    if harvester::label_exists(client, project, display_name, name).await? {
        return Err(Error::Exists(format!("Harvester with displayName '{display_name}' already exists.")));
    }
    Ok(())
}

/// Loads the transform if it is in a language that runs.
async fn check(state: &ApiState, harvester: &Harvester) -> Result<Vec<String>, Error> {
    let field = match harvester.transform.program() {
        Program::Python(_) | Program::Groovy(_) | Program::JavaScript(_) => "transform.script",
        Program::Component(_) => "transform.component",
        Program::Identity | Program::Unsupported(_) => return Ok(Vec::new()),
    };
    state.runtime.check_transform(harvester).await.map_err(|error| script::refusal(field, error))
}

async fn make(
    state: &ApiState,
    scope: &In<Editor>,
    name: Option<&str>,
    query: &Params,
    body: &Value,
) -> Result<Json<Value>, Error> {
    let imported = query.flag("imported");
    let mut client = state.db.client().await?;
    // Loading the script can take seconds, so it happens before other writers are kept waiting.
    let (checked, _) = build(&client, &scope.project, name, imported, body).await?;
    let of_script = check(state, &checked).await?;
    let transaction = client.transaction().await?;
    let inner = transaction.client();
    definitions::lock(inner).await?;
    let (made, mut warnings) = build(inner, &scope.project, name, imported, body).await?;
    harvester::insert(inner, &made, Wanted::Stopped, &scope.caller.person()).await?;
    transaction.commit().await?;
    warnings.extend(of_script);
    if let Some(obstacle) = made.start_obstacle() {
        warnings.push(format!("This harvester can not be started: {obstacle}."));
    } else if query.flag("start") {
        running::act(state, &made.object(), Action::Start, query.from()?).await?;
    }
    let stored = find(&client, &scope.project, &made.name).await?;
    Ok(with_warnings(render(state, &stored, query.flag("start")), &warnings))
}

/// Changes a harvester. What runs keeps the old definition until it is restarted.
#[utoipa::path(put, path = "/harvesters/instances/{name}", tag = "harvesters", security(("bearer" = ["editor"])),
    params(("name" = String, Path, description = "Technical name"),
        ("imported" = Option<bool>, Query, description = "Merge the source type's defaults under the given maps"),
        ("expand" = Option<String>, Query, description = "state")),
    request_body = HarvesterBody,
    responses((status = 200, body = Harvester), (status = 304, description = "Nothing changed")))]
pub(super) async fn update(
    State(state): State<ApiState>,
    scope: In<Editor>,
    query: Params,
    JsonBody(body): JsonBody,
) -> Result<Response, Error> {
    let name = scope.path("name");
    match change(&state, &scope, name, query.flag("imported"), &body).await? {
        None => Ok(StatusCode::NOT_MODIFIED.into_response()),
        Some(warnings) => {
            let client = state.db.client().await?;
            let stored = find(&client, &scope.project, name).await?;
            Ok(with_warnings(render(&state, &stored, query.expands("state")), &warnings).into_response())
        }
    }
}

/// Applies a body to the stored harvester; the warnings, or `None` when nothing changed.
pub(super) async fn change(
    state: &ApiState,
    scope: &In<Editor>,
    name: &str,
    imported: bool,
    body: &Value,
) -> Result<Option<Vec<String>>, Error> {
    let mut client = state.db.client().await?;
    let Some((checked, _)) = changed(&client, &scope.project, name, imported, body).await? else {
        return Ok(None);
    };
    let of_script = check(state, &checked).await?;
    let transaction = client.transaction().await?;
    let inner = transaction.client();
    definitions::lock(inner).await?;
    let Some((next, mut warnings)) = changed(inner, &scope.project, name, imported, body).await? else {
        return Ok(None);
    };
    harvester::update(inner, &next, &scope.caller.person()).await?;
    transaction.commit().await?;
    state.runtime.definition_changed(&next.object());
    warnings.extend(of_script);
    Ok(Some(warnings))
}

/// The stored harvester with the body applied, if that changes it.
async fn changed(
    client: &Client,
    project: &str,
    name: &str,
    imported: bool,
    body: &Value,
) -> Result<Option<(Harvester, Vec<String>)>, Error> {
    let stored = find(client, project, name).await?.definition;
    let mut report = Report::default();
    let body = HarvesterBody::read(body, &mut report);
    let directory = event_type::directory(client, project).await?;
    let next = stored.update(body, imported, &directory, &mut report);
    let (next, warnings) = report.finish(next)?;
    if next == stored {
        return Ok(None);
    }
    refuse_label(client, &next).await?;
    require_component(client, project, &next.transform).await?;
    Ok(Some((next, warnings)))
}

/// Stops and deletes a harvester.
#[utoipa::path(delete, path = "/harvesters/instances/{name}", tag = "harvesters", security(("bearer" = ["editor"])),
    params(("name" = String, Path, description = "Technical name")), responses((status = 204)))]
pub(super) async fn delete(State(state): State<ApiState>, scope: In<Editor>) -> Result<StatusCode, Error> {
    let name = scope.path("name");
    let client = state.db.client().await?;
    let gone = find(&client, &scope.project, name).await?.definition;
    drop(client);
    state.runtime.remove(&gone.object()).await?;
    let client = state.db.client().await?;
    harvester::delete(&client, name).await?;
    Ok(StatusCode::NO_CONTENT)
}
