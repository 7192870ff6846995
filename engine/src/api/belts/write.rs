//! Creating, changing, deleting belts.

use axum::{Json, extract::State};
use granary_catalog::{
    Action, Belt, Report, Wanted,
    belt::{
        BeltBody, Program,
        chain::{self, Link},
    },
    event_type::Directory,
};
use granary_db::definitions::{self, belt, event_type, secret};
use granary_stream::clock;
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::{find, id_of, packages::provide, render, upload::Upload};
use crate::api::{
    ApiState,
    answer::with_warnings,
    caller::{Editor, In},
    components,
    error::Error,
    query::Params,
    running,
    runtime::ComponentKind,
    script,
};

/// Makes a belt; its id is assigned.
#[utoipa::path(post, path = "/belts", tag = "belts", security(("bearer" = ["editor"])),
    params(("start" = Option<bool>, Query, description = "Start it at once")),
    request_body = BeltBody, responses((status = 200, body = Belt)))]
pub(super) async fn create(
    State(state): State<ApiState>,
    scope: In<Editor>,
    query: Params,
    upload: Upload,
) -> Result<Json<Value>, Error> {
    let body = definition(&state, &scope, upload).await?;
    make(&state, &scope, None, &query, &body).await
}

/// The definition of an upload; a component that came with it is kept and named in it.
async fn definition(state: &ApiState, scope: &In<Editor>, upload: Upload) -> Result<Value, Error> {
    let Upload { mut definition, component } = upload;
    if let Some(bytes) = component {
        let sha256 = components::accept(state, scope, ComponentKind::Belt, "component", bytes).await?;
        if let Some(fields) = definition.as_object_mut() {
            fields.insert("component".to_owned(), sha256.into());
        }
    }
    Ok(definition)
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
    upload: Upload,
) -> Result<Json<Value>, Error> {
    let id = id_of(scope.path("id"))?;
    let body = definition(&state, &scope, upload).await?;
    make(&state, &scope, Some(id), &query, &body).await
}

/// A body against what is stored now. `old` is the belt that it replaces; else it makes a belt of that id.
async fn build(
    state: &ApiState,
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
    if let Some(made) = &made {
        made.check_outbound(&state.outbound_hosts, &mut report);
        made.check_secrets(&secret::of_project(client, project).await?, &mut report);
    }
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
    if let Program::Component(hash) = made.program() {
        components::require(client, project, "component", hash).await?;
    }
    refuse_cycle(client, &made).await?;
    Ok((made, directory, warnings))
}

/// A belt must not feed itself, by whatever way. Belts refer to event types of their own project alone, so no way leads
/// through another one.
async fn refuse_cycle(client: &Client, belt: &Belt) -> Result<(), Error> {
    let stored = belt::of_project(client, &belt.project).await?;
    let there: Vec<Link> = stored.iter().map(|stored| Link::from(&stored.definition)).collect();
    let Some(cycle) = chain::cycle(&Link::from(belt), &there) else { return Ok(()) };
    let field = if belt.output_types.is_empty() { "kafkaDestinationTopic" } else { "outputTypes" };
    let advice = "events would go round for ever; have one of these belts read or write another event type";
    Err(Error::parameter(field, format!("closes a cycle: {cycle}; {advice}")))
}

/// Loads the program with the outputs that it may write.
async fn check(state: &ApiState, belt: &Belt, directory: &Directory) -> Result<Vec<String>, Error> {
    let field = match belt.program() {
        Program::Python(_) | Program::JavaScript(_) => "extractorFn",
        Program::Component(_) => "component",
        Program::Dbt => return Ok(Vec::new()),
    };
    let outputs = belt.outputs(directory);
    state.runtime.check_belt(belt, &outputs).await.map_err(|error| script::refusal(field, error))
}

async fn make(
    state: &ApiState,
    scope: &In<Editor>,
    id: Option<i64>,
    query: &Params,
    body: &Value,
) -> Result<Json<Value>, Error> {
    let client = state.db.client().await?;
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
    // Packages and loading the callback can take seconds, so it happens before other writers are kept waiting.
    let (mut checked, directory, _) = build(state, &client, &scope.project, place, None, body).await?;
    drop(client);
    checked.packages = provide(state, scope, &checked).await?;
    let of_script = check(state, &checked, &directory).await?;
    let mut client = state.db.client().await?;
    let transaction = client.transaction().await?;
    let inner = transaction.client();
    definitions::lock(inner).await?;
    refuse_id(inner, id).await?;
    let (mut made, _, mut warnings) = build(state, inner, &scope.project, place, None, body).await?;
    made.packages = checked.packages;
    belt::insert(inner, &made, Wanted::Stopped, &scope.caller.person()).await?;
    transaction.commit().await?;
    warnings.extend(of_script);
    if query.flag("start") && made.start_obstacle().is_none() {
        running::act(state, &made.object(), Action::Start, query.from()?).await?;
    }
    let stored = find(&client, &scope.project, id).await?;
    Ok(with_warnings(render(state, &stored), &warnings))
}

/// Replaces a belt: missing fields return to their defaults. What runs keeps the old definition until it is restarted,
/// or takes the new one over between two batches with `apply`.
#[utoipa::path(put, path = "/belts/{id}", tag = "belts", security(("bearer" = ["editor"])),
    params(("id" = String, Path, description = "A natural number"),
        ("apply" = Option<bool>, Query, description = "A running belt goes on with it between two batches")),
    request_body = BeltBody, responses((status = 200, body = Belt)))]
pub(super) async fn update(
    State(state): State<ApiState>,
    scope: In<Editor>,
    query: Params,
    upload: Upload,
) -> Result<Json<Value>, Error> {
    let id = id_of(scope.path("id"))?;
    let client = state.db.client().await?;
    find(&client, &scope.project, id).await?;
    drop(client);
    let body = definition(&state, &scope, upload).await?;
    change(&state, &scope, id, &body, query.flag("apply")).await
}

/// Stores a new version of a belt, and has it take over where `apply` says so.
pub(super) async fn change(
    state: &ApiState,
    scope: &In<Editor>,
    id: i64,
    body: &Value,
    apply: bool,
) -> Result<Json<Value>, Error> {
    let client = state.db.client().await?;
    let old = find(&client, &scope.project, id).await?.definition;
    let (mut checked, directory, _) =
        build(state, &client, &scope.project, (id, 0), Some(&old), body).await?;
    drop(client);
    checked.packages = provide(state, scope, &checked).await?;
    let of_script = check(state, &checked, &directory).await?;
    let mut client = state.db.client().await?;
    let transaction = client.transaction().await?;
    let inner = transaction.client();
    definitions::lock(inner).await?;
    let old = find(inner, &scope.project, id).await?.definition;
    let (mut next, _, mut warnings) = build(state, inner, &scope.project, (id, 0), Some(&old), body).await?;
    next.packages = checked.packages;
    belt::update(inner, &next, &scope.caller.person()).await?;
    transaction.commit().await?;
    drop(client);
    state.runtime.definition_changed(&next.object());
    if apply && next.start_obstacle().is_none() {
        state.runtime.replace(&next.object()).await?;
    }
    warnings.extend(of_script);
    let client = state.db.client().await?;
    let stored = find(&client, &scope.project, id).await?;
    Ok(with_warnings(render(state, &stored), &warnings))
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
