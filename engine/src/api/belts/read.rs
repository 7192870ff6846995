//! Reading belts.

use axum::{Json, extract::State};
use granary_catalog::Belt;
use granary_db::definitions::belt;
use serde_json::{Value, json};

use super::{find, id_of, render};
use crate::api::{
    ApiState,
    caller::{In, Viewer},
    error::Error,
    query::{Offset, Params},
};

/// Lists the belts.
#[utoipa::path(get, path = "/belts", tag = "belts", security(("bearer" = ["viewer"])),
    params(("search" = Option<String>, Query, description = "Part of the name"),
        ("expand" = Option<String>, Query, description = "Accepted: the status is always there"),
        ("pagesize" = Option<u32>, Query, description = "1 to 250; default 20"),
        ("offset" = Option<u32>, Query, description = "Number of belts to skip")),
    responses((status = 200, body = Vec<Belt>)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    scope: In<Viewer>,
    query: Params,
) -> Result<Json<Value>, Error> {
    let page = query.page(Offset::Plain)?;
    let client = state.db.client().await?;
    let listed = belt::list(&client, &scope.project, query.search(), page).await?;
    let bodies: Vec<_> = listed.items.iter().map(|stored| render(&state, stored)).collect();
    Ok(Json(json!({
        "totalCount": listed.total, "items": bodies,
        "_links": query.links(&state.public_url, page, listed.total),
    })))
}

/// Shows a belt.
#[utoipa::path(get, path = "/belts/{id}", tag = "belts", security(("bearer" = ["viewer"])),
    params(("id" = String, Path, description = "A natural number"),
        ("export" = Option<bool>, Query, description = "Only what a POST needs to make it again")),
    responses((status = 200, body = Belt)))]
pub(super) async fn get(
    State(state): State<ApiState>,
    scope: In<Viewer>,
    query: Params,
) -> Result<Json<Value>, Error> {
    let id = id_of(scope.path("id"))?;
    let client = state.db.client().await?;
    let stored = find(&client, &scope.project, id).await?;
    if query.flag("export") {
        return Ok(Json(Value::Object(stored.definition.export())));
    }
    Ok(Json(Value::Object(render(&state, &stored))))
}
