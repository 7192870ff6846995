//! Uploaded WebAssembly components: by themselves, or straight into a harvester.

use axum::{
    Json,
    extract::{FromRequest, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use granary_db::definitions::component;
use serde_json::{Value, json};

use super::{find, render, write};
use crate::api::{
    ApiState,
    answer::with_warnings,
    body,
    caller::{Editor, In},
    error::Error,
};

/// Largest component, in bytes.
const COMPONENT_BYTES_MAX: usize = 128 << 20;
/// How a component begins: the magic word of WebAssembly, then version 13 and layer 1.
const COMPONENT_HEAD: &[u8] = b"\0asm\x0d\0\x01\0";
/// How a core module begins, which is not a component yet.
const MODULE_HEAD: &[u8] = b"\0asm\x01\0\0\0";

/// The bytes of a component.
pub(super) struct ComponentBody(Bytes);

impl FromRequest<ApiState> for ComponentBody {
    type Rejection = Error;

    async fn from_request(request: Request, _: &ApiState) -> Result<Self, Error> {
        let bytes = body::read(request.into_body(), COMPONENT_BYTES_MAX).await?;
        if bytes.starts_with(COMPONENT_HEAD) {
            return Ok(Self(bytes));
        }
        let came = if bytes.starts_with(MODULE_HEAD) {
            "a core module: build it for the target wasm32-wasip2, or turn it into a component first"
        } else {
            "something else"
        };
        Err(Error::parameter("body", format!("must be a WebAssembly component but is {came}")))
    }
}

async fn store(state: &ApiState, scope: &In<Editor>, bytes: &[u8]) -> Result<String, Error> {
    let client = state.db.client().await?;
    Ok(component::store(&client, &scope.project, bytes, &scope.caller.person()).await?)
}

/// Uploads a component; its SHA-256 names it from then on.
#[utoipa::path(post, path = "/components", tag = "components", security(("bearer" = ["editor"])),
    request_body(content = Vec<u8>, content_type = "application/wasm"), responses((status = 200)))]
pub(super) async fn upload(
    State(state): State<ApiState>,
    scope: In<Editor>,
    ComponentBody(bytes): ComponentBody,
) -> Result<Json<Value>, Error> {
    let sha256 = store(&state, &scope, &bytes).await?;
    Ok(Json(json!({"sha256": sha256, "bytes": bytes.len()})))
}

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
    let sha256 = store(&state, &scope, &bytes).await?;
    let body = json!({"transform": {"language": "component", "component": sha256}});
    let Some(warnings) = write::change(&state, &scope, name, false, &body).await? else {
        return Ok(StatusCode::NOT_MODIFIED.into_response());
    };
    let client = state.db.client().await?;
    let stored = find(&client, &scope.project, name).await?;
    Ok(with_warnings(render(&state, &stored, false), &warnings).into_response())
}
