//! A component that is uploaded straight into a harvester.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{find, render, write};
use crate::api::{
    ApiState,
    answer::with_warnings,
    caller::{Editor, In},
    components::{ComponentBody, accept},
    error::Error,
    runtime::ComponentKind,
};

/// Uploads a component and makes it the transform of a harvester.
#[utoipa::path(put, path = "/harvesters/instances/{name}/component", tag = "components",
    security(("bearer" = ["editor"])), params(("name" = String, Path, description = "Technical name")),
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 200), (status = 304, description = "Nothing changed")))]
pub(super) async fn assign(
    State(state): State<ApiState>,
    scope: In<Editor>,
    ComponentBody(bytes): ComponentBody,
) -> Result<Response, Error> {
    let name = scope.path("name");
    let client = state.db.client().await?;
    find(&client, &scope.project, name).await?;
    drop(client);
    let sha256 = accept(&state, &scope, ComponentKind::Transform, "body", bytes).await?;
    let body = json!({"transform": {"language": "component", "component": sha256}});
    let Some(warnings) = write::change(&state, &scope, name, false, &body).await? else {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    };
    let client = state.db.client().await?;
    let stored = find(&client, &scope.project, name).await?;
    Ok(with_warnings(render(&state, &stored, false), &warnings).into_response())
}
