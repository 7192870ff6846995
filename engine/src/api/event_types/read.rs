//! Reading event types.

use axum::{Json, extract::State};
use granary_catalog::{EventType, Role, VersionChoice};
use granary_db::definitions::{Page, Stored, event_type};
use serde_json::{Map, Value, json};
use tokio_postgres::Client;

use super::{
    href, not_found,
    render::{self, Expand},
    version_href,
};
use crate::api::{
    ApiState,
    answer::self_link,
    caller::{Anyone, In, Viewer},
    error::Error,
    query::{Offset, Params},
};

/// Lists the newest versions.
#[utoipa::path(get, path = "/event-types", tag = "event types", security(("bearer" = ["viewer"])),
    params(("search" = Option<String>, Query, description = "Part of the displayName"),
        ("expand" = Option<String>, Query, description = "Any of inputs, outputs, persisters, by commas"),
        ("pagesize" = Option<u32>, Query, description = "1 to 250; default 20"),
        ("offset" = Option<u32>, Query, description = "A whole multiple of the page size")),
    responses((status = 200, body = Vec<EventType>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    scope: In<Viewer>,
    query: Params,
) -> Result<Json<Value>, Error> {
    let page = query.page(Offset::Pages)?;
    let client = state.db.client().await?;
    let listed = event_type::list(&client, Some(&scope.project), query.search(), page).await?;
    let expand = Expand {
        inputs: query.expands("inputs"),
        outputs: query.expands("outputs"),
        persisters: query.expands("persisters"),
    };
    let mut bodies = Vec::with_capacity(listed.items.len());
    for stored in &listed.items {
        bodies.push(render::full(&state, &client, stored, expand).await?);
    }
    Ok(Json(json!({
        "eventTypes": bodies, "totalCount": listed.total,
        "_links": query.links(&state.public_url, page, listed.total),
    })))
}

/// All versions of one event type.
#[utoipa::path(get, path = "/event-types/{name}", tag = "event types", security(("bearer" = ["viewer"])),
    params(("name" = String, Path, description = "Technical name")),
    responses((status = 200, body = Vec<EventType>)))]
pub(super) async fn versions(
    State(state): State<ApiState>,
    scope: In<Viewer>,
    query: Params,
) -> Result<Json<Value>, Error> {
    let name = scope.path("name");
    let client = state.db.client().await?;
    let stored = of_project(event_type::versions(&client, name).await?, &scope.project);
    if stored.is_empty() {
        return Err(not_found(&client, &scope.project, name).await);
    }
    let expand = Expand { inputs: true, outputs: true, persisters: query.expands("persisters") };
    let mut bodies = Vec::with_capacity(stored.len());
    for stored in &stored {
        bodies.push(render::full(&state, &client, stored, expand).await?);
    }
    Ok(Json(json!({"eventTypes": bodies, "_links": self_link(&href(&state, &scope.project, name))})))
}

fn of_project(stored: Vec<Stored<EventType>>, project: &str) -> Vec<Stored<EventType>> {
    stored.into_iter().filter(|stored| stored.definition.project == project).collect()
}

/// One version of one event type.
#[utoipa::path(get, path = "/event-types/{name}/{version}", tag = "event types", security(("bearer" = ["viewer"])),
    params(("name" = String, Path, description = "Technical name"),
        ("version" = String, Path, description = "A number from 1, or latest"),
        ("export" = Option<bool>, Query, description = "Only what a POST needs to make it again")),
    responses((status = 200, body = EventType)))]
pub(super) async fn version(
    State(state): State<ApiState>,
    scope: In<Viewer>,
    query: Params,
) -> Result<Json<Value>, Error> {
    let name = scope.path("name");
    let version = parse_version(scope.path("version"))?;
    let client = state.db.client().await?;
    let stored = event_type::get(&client, name, version).await?;
    let Some(stored) = stored.filter(|stored| stored.definition.project == scope.project) else {
        return Err(version_not_found(&client, &scope.project, name, version).await);
    };
    if query.flag("export") {
        return Ok(Json(Value::Object(stored.definition.export())));
    }
    let expand = Expand { inputs: true, outputs: true, persisters: query.expands("persisters") };
    Ok(Json(Value::Object(render::full(&state, &client, &stored, expand).await?)))
}

fn parse_version(text: &str) -> Result<VersionChoice, Error> {
    VersionChoice::parse(text).map_err(|reason| Error::parameter("version", reason))
}

async fn version_not_found(client: &Client, project: &str, name: &str, version: VersionChoice) -> Error {
    match event_type::get(client, name, VersionChoice::Latest).await {
        Ok(Some(newest)) if newest.definition.project == project => Error::NotFound {
            entity: "Event Type",
            id: format!("'{name}' with version '{version}'"),
            hint: Some(format!("Its newest version is {}.", newest.definition.version)),
        },
        Ok(_) => not_found(client, project, name).await,
        Err(error) => error.into(),
    }
}

/// What anyone with a role in its project sees when asking in all projects.
fn limited(state: &ApiState, event_type: &EventType) -> Map<String, Value> {
    let mut body = Map::new();
    for (field, value) in [
        ("name", json!(event_type.name)),
        ("displayName", json!(event_type.display_name)),
        ("projectName", json!(event_type.project)),
        ("version", json!(event_type.version)),
        ("type", json!(event_type.kind)),
        ("_links", self_link(&version_href(state, event_type))),
    ] {
        body.insert(field.to_owned(), value);
    }
    body
}

fn visible(anyone: &Anyone, stored: Vec<Stored<EventType>>) -> Vec<Stored<EventType>> {
    let access = &anyone.caller.token.access;
    stored.into_iter().filter(|stored| access.allows(&stored.definition.project, Role::Viewer)).collect()
}

/// Lists the event types of all projects that the caller may see, in little detail.
#[utoipa::path(get, path = "/event-types", tag = "event types", security(("bearer" = [])),
    params(("search" = Option<String>, Query, description = "Part of the displayName"),
        ("pagesize" = Option<u32>, Query, description = "1 to 250; default 20"),
        ("offset" = Option<u32>, Query, description = "A whole multiple of the page size")),
    responses((status = 200)))]
pub(super) async fn list_everywhere(
    State(state): State<ApiState>,
    anyone: Anyone,
    query: Params,
) -> Result<Json<Value>, Error> {
    let page = query.page(Offset::Pages)?;
    let client = state.db.client().await?;
    // What the caller may see is known here only, so paging happens here, too.
    let all = Page { size: i64::MAX, offset: 0 };
    let seen = visible(&anyone, event_type::list(&client, None, query.search(), all).await?.items);
    let part = seen.iter().skip(page.offset as usize).take(page.size as usize);
    let bodies: Vec<_> = part.map(|stored| limited(&state, &stored.definition)).collect();
    let links = query.links(&state.public_url, page, seen.len() as i64);
    Ok(Json(json!({"eventTypes": bodies, "totalCount": seen.len(), "_links": links})))
}

/// All versions of an event type of any project that the caller may see, in little detail.
#[utoipa::path(get, path = "/event-types/{name}", tag = "event types", security(("bearer" = [])),
    params(("name" = String, Path, description = "Technical name")), responses((status = 200)))]
pub(super) async fn versions_everywhere(
    State(state): State<ApiState>,
    anyone: Anyone,
    query: Params,
) -> Result<Json<Value>, Error> {
    let name = anyone.path("name");
    let client = state.db.client().await?;
    let stored = visible(&anyone, event_type::versions(&client, name).await?);
    if stored.is_empty() {
        return Err(Error::not_found("Event Type", name, None));
    }
    let bodies: Vec<_> = stored.iter().map(|stored| limited(&state, &stored.definition)).collect();
    let link = self_link(&format!("{}{}", state.public_url, query.path()));
    Ok(Json(json!({"eventTypes": bodies, "_links": link})))
}

/// One version of an event type of any project that the caller may see, in little detail.
#[utoipa::path(get, path = "/event-types/{name}/{version}", tag = "event types", security(("bearer" = [])),
    params(("name" = String, Path, description = "Technical name"),
        ("version" = String, Path, description = "A number from 1, or latest")),
    responses((status = 200)))]
pub(super) async fn version_everywhere(
    State(state): State<ApiState>,
    anyone: Anyone,
) -> Result<Json<Value>, Error> {
    let (name, version) = (anyone.path("name"), parse_version(anyone.path("version"))?);
    let client = state.db.client().await?;
    let stored = event_type::get(&client, name, version).await?;
    let seen = visible(&anyone, stored.into_iter().collect());
    let found = seen.first().ok_or_else(|| Error::not_found("Event Type", name, None))?;
    Ok(Json(Value::Object(limited(&state, &found.definition))))
}
