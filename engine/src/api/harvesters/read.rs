//! Reading harvesters.

use axum::{Json, extract::State};
use granary_catalog::Harvester;
use granary_db::definitions::harvester;
use serde_json::{Value, json};

use super::{find, render};
use crate::api::{
    ApiState,
    caller::{In, Viewer},
    error::Error,
    query::{Offset, Params},
};

/// Lists the harvesters.
#[utoipa::path(get, path = "/harvesters/instances", tag = "harvesters", security(("bearer" = ["viewer"])),
    params(("search" = Option<String>, Query, description = "Part of the name"),
        ("expand" = Option<String>, Query, description = "state"),
        ("pagesize" = Option<u32>, Query, description = "1 to 250; default 20"),
        ("offset" = Option<u32>, Query, description = "A whole multiple of the page size")),
    responses((status = 200, body = Vec<Harvester>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    scope: In<Viewer>,
    query: Params,
) -> Result<Json<Value>, Error> {
    let page = query.page(Offset::Pages)?;
    let client = state.db.client().await?;
    let listed = harvester::list(&client, &scope.project, query.search(), page).await?;
    let with_state = query.expands("state");
    let bodies: Vec<_> = listed.items.iter().map(|stored| render(&state, stored, with_state)).collect();
    Ok(Json(json!({
        "harvesters": bodies, "totalCount": listed.total,
        "_links": query.links(&state.public_url, page, listed.total),
    })))
}

/// Shows a harvester.
#[utoipa::path(get, path = "/harvesters/instances/{name}", tag = "harvesters", security(("bearer" = ["viewer"])),
    params(("name" = String, Path, description = "Technical name"),
        ("expand" = Option<String>, Query, description = "state"),
        ("export" = Option<bool>, Query, description = "Only what a POST needs to make it again")),
    responses((status = 200, body = Harvester)))]
pub(super) async fn get(
    State(state): State<ApiState>,
    scope: In<Viewer>,
    query: Params,
) -> Result<Json<Value>, Error> {
    let client = state.db.client().await?;
    let stored = find(&client, &scope.project, scope.path("name")).await?;
    if query.flag("export") {
        return Ok(Json(Value::Object(stored.definition.export())));
    }
    Ok(Json(Value::Object(render(&state, &stored, query.expands("state")))))
}
