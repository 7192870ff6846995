//! Creating, changing, deleting belts.

use axum::{Json, extract::State};
use granary_catalog::{
    Action, Belt, EventKind, Report, Wanted,
    belt::{BeltBody, BeltType},
    event_type::Directory,
};
use granary_db::definitions::{self, belt, event_type};
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::{find, id_of, render};
use crate::{
    api::{
        ApiState,
        answer::with_warnings,
        body::JsonBody,
        caller::{Editor, In},
        error::Error,
        query::Params,
        running, script,
    },
    clock,
};

/// Makes a belt; its id is assigned.
#[utoipa::path(post, path = "/belts", tag = "belts", security(("bearer" = ["editor"])),
    params(("start" = Option<bool>, Query, description = "Start it at once")),
    request_body = BeltBody, responses((status = 200, body = Belt)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    scope: In<Editor>,
    query: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    make(&state, &scope, None, &query, &body).await
}

/// Makes a belt of that id.
#[utoipa::path(post, path = "/belts/{id}", tag = "belts", security(("bearer" = ["editor"])),
    params(("id" = String, Path, description = "A natural number"),
        ("start" = Option<bool>, Query, description = "Start it at once")),
    request_body = BeltBody, responses((status = 200, body = Belt)))]
pub(super) async fn create_with_id(
    State(state): State<ApiState>,
    scope: In<Editor>,
    query: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    let id = id_of(scope.path("id"))?;
    make(&state, &scope, Some(id), &query, &body).await
}

/// A body against what is stored now. `old` is the belt that it replaces; else it makes a belt of that id.
async fn build(
    client: &Client,
    project: &str,
    (id, now_ms): (i64, i64),
    old: Option<&Belt>,
    body: &Value,
) -> Result<(Belt, Directory, Vec<String>), Error> {
    let mut report = Report::default();
    let body = BeltBody::read(body, &mut report);
    let directory = event_type::directory(client, project).await?;
    let made = match old {
        Some(old) => old.update(body, &directory, &mut report),
        None => Belt::create(project, id, now_ms, body, &directory, &mut report),
    };
    let (made, warnings) = report.finish(made)?;
    let made = made.ok_or_else(|| Error::Internal("a belt was refused without a problem".to_owned()))?;
    if let Some(other) = belt::find(client, project, &made.name).await?
        && other != made.id
    {
        return Err(Error::Exists(format!(
            "Belt with name '{}' already exists; its ID is '{other}'.",
            made.name
        )));
    }
    Ok((made, directory, warnings))
}

/// Loads the callback with the outputs that it may write.
async fn check(state: &ApiState, belt: &Belt, directory: &Directory) -> Result<Vec<String>, Error> {
    if belt.belt_type != BeltType::PythonCallback {
        return Ok(Vec::new());
    }
    let outputs: Vec<(String, EventKind)> = belt
        .output_types
        .iter()
        .filter_map(|output| directory.0.iter().find(|entry| entry.name == output.name))
        .map(|entry| (entry.name.clone(), entry.kind))
        .collect();
    state.runtime.check_belt(belt, &outputs).await.map_err(|error| script::refusal("extractorFn", error))
}

async fn make(
    state: &ApiState,
    scope: &In<Editor>,
    id: Option<i64>,
    query: &Params,
    body: &Value,
) -> Result<Json<Value>, Error> {
    let mut client = state.db.client().await?;
    let refuse_id = async |client: &Client, id: i64| match belt::get(client, id).await? {
        Some(_) => Err(Error::Exists(format!("Belt with ID '{id}' already exists."))),
        None => Ok(()),
    };
    let id = match id {
        Some(id) => {
            refuse_id(&client, id).await?;
            id
        }
        None => belt::next_id(&client).await?,
    };
    let place = (id, clock::now_ms() as i64);
    // Loading the callback can take seconds, so it happens before other writers are kept waiting.
    let (checked, directory, _) = build(&client, &scope.project, place, None, body).await?;
    let of_script = check(state, &checked, &directory).await?;
    let transaction = client.transaction().await?;
    let inner = transaction.client();
    definitions::lock(inner).await?;
    refuse_id(inner, id).await?;
    let (made, _, mut warnings) = build(inner, &scope.project, place, None, body).await?;
    belt::insert(inner, &made, Wanted::Stopped, &scope.caller.person()).await?;
    transaction.commit().await?;
    warnings.extend(of_script);
    if query.flag("start") && made.start_obstacle().is_none() {
        running::act(state, &made.object(), Action::Start, query.from()?).await?;
    }
    let stored = find(&client, &scope.project, id).await?;
    Ok(with_warnings(render(state, &stored), &warnings))
}

/// Replaces a belt: missing fields return to their defaults. What runs keeps the old definition until it is restarted.
#[utoipa::path(put, path = "/belts/{id}", tag = "belts", security(("bearer" = ["editor"])),
    params(("id" = String, Path, description = "A natural number")), request_body = BeltBody,
    responses((status = 200, body = Belt)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    scope: In<Editor>,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    let id = id_of(scope.path("id"))?;
    let mut client = state.db.client().await?;
    let old = find(&client, &scope.project, id).await?.definition;
    let (checked, directory, _) = build(&client, &scope.project, (id, 0), Some(&old), &body).await?;
    let of_script = check(&state, &checked, &directory).await?;
    let transaction = client.transaction().await?;
    let inner = transaction.client();
    definitions::lock(inner).await?;
    let old = find(inner, &scope.project, id).await?.definition;
    let (next, _, mut warnings) = build(inner, &scope.project, (id, 0), Some(&old), &body).await?;
    belt::update(inner, &next, &scope.caller.person()).await?;
    transaction.commit().await?;
    state.runtime.definition_changed(&next.object());
    warnings.extend(of_script);
    let stored = find(&client, &scope.project, id).await?;
    Ok(with_warnings(render(&state, &stored), &warnings))
}

/// Stops and deletes a belt; `content` tells whether there was one.
#[utoipa::path(delete, path = "/belts/{id}", tag = "belts", security(("bearer" = ["editor"])),
    params(("id" = String, Path, description = "A natural number")), responses((status = 200)))]
pub(super) async fn delete(State(state): State<ApiState>, scope: In<Editor>) -> Result<Json<Value>, Error> {
    let id = id_of(scope.path("id"))?;
    let client = state.db.client().await?;
    let gone = find(&client, &scope.project, id).await?.definition;
    drop(client);
    state.runtime.remove(&gone.object()).await?;
    let client = state.db.client().await?;
    Ok(Json(json!({"content": belt::delete(&client, id).await?})))
}
