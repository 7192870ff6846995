//! The versions of a belt, and the way back to one of them.

use axum::{Json, extract::State};
use granary_db::definitions::belt;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{find, id_of, write};
use crate::api::{
    ApiState,
    answer::iso,
    body::JsonBody,
    caller::{Editor, In, Viewer},
    error::Error,
    query::{Offset, Params},
};

/// Which version to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body in the OpenAPI document; the body is read field by field")]
pub(super) struct RollbackBody {
    /// Its number; the one before the newest when missing.
    version: Option<u64>,
}

/// Lists the versions of a belt, newest first.
#[utoipa::path(get, path = "/belts/{id}/versions", tag = "belts", security(("bearer" = ["viewer"])),
    params(("id" = String, Path, description = "A natural number"),
        ("pagesize" = Option<u32>, Query, description = "1 to 250; default 20"),
        ("offset" = Option<u32>, Query, description = "Number of versions to skip")),
    responses((status = 200)))]
pub(super) async fn list(
    State(state): State<ApiState>,
    scope: In<Viewer>,
    query: Params,
) -> Result<Json<Value>, Error> {
    let id = id_of(scope.path("id"))?;
    let page = query.page(Offset::Plain)?;
    let client = state.db.client().await?;
    let newest = find(&client, &scope.project, id).await?.definition.version;
    let (versions, total) = belt::versions(&client, id, page).await?;
    let items: Vec<Value> = versions
        .iter()
        .map(|version| {
            let belt = &version.belt;
            json!({
                "version": belt.version.to_string(), "current": belt.version == newest,
                "beltType": belt.belt_type, "programSha256": belt.program_sha256(),
                "createdAt": iso(version.created_at), "createdBy": version.created_by,
            })
        })
        .collect();
    Ok(Json(json!({
        "totalCount": total, "items": items, "_links": query.links(&state.public_url, page, total),
    })))
}

/// Makes an earlier version the newest one again, under a number of its own. A running belt goes on with it between two
/// batches.
#[utoipa::path(post, path = "/belts/{id}/rollback", tag = "belts", security(("bearer" = ["editor"])),
    params(("id" = String, Path, description = "A natural number"),
        ("apply" = Option<bool>, Query, description = "false: a running belt keeps its version until it is restarted")),
    request_body = RollbackBody, responses((status = 200)))]
pub(super) async fn rollback(
    State(state): State<ApiState>,
    scope: In<Editor>,
    query: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    let id = id_of(scope.path("id"))?;
    let client = state.db.client().await?;
    let newest = find(&client, &scope.project, id).await?.definition.version;
    let wanted = match body.get("version") {
        None | Some(Value::Null) => newest.saturating_sub(1),
        Some(Value::Number(number)) => number.as_u64().unwrap_or_default(),
        Some(Value::String(text)) => text.parse().unwrap_or_default(),
        Some(_) => 0,
    };
    if wanted == newest {
        return Err(Error::parameter(
            "version",
            format!("must be an earlier version, but {newest} is the newest"),
        ));
    }
    let Some(version) = belt::version(&client, id, wanted).await? else {
        let came =
            body.get("version").map_or_else(|| "none is before the first".to_owned(), Value::to_string);
        let reason = format!("must be one of the versions 1 to {newest} of this belt but is {came}");
        return Err(Error::parameter("version", reason));
    };
    drop(client);
    let body = Value::Object(version.belt.export());
    write::change(&state, &scope, id, &body, query.flag_or("apply", true)).await
}
