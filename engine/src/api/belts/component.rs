//! A component that is uploaded straight into a belt.

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{find, id_of, write};
use crate::api::{
    ApiState,
    caller::{Editor, In},
    components::{ComponentBody, accept},
    error::Error,
    query::Params,
    runtime::ComponentKind,
};

/// Uploads a component and makes it what the belt runs. A running belt goes on with it between two batches.
#[utoipa::path(put, path = "/belts/{id}/component", tag = "components", security(("bearer" = ["editor"])),
    params(("id" = String, Path, description = "A natural number"),
        ("apply" = Option<bool>, Query, description = "false: a running belt keeps its version until it is restarted")),
    request_body(content = Vec<u8>, content_type = "application/wasm"), responses((status = 200)))]
pub(super) async fn assign(
    State(state): State<ApiState>,
    scope: In<Editor>,
    query: Params,
    ComponentBody(bytes): ComponentBody,
) -> Result<Json<Value>, Error> {
    let id = id_of(scope.path("id"))?;
    let client = state.db.client().await?;
    let found = find(&client, &scope.project, id).await?.definition;
    drop(client);
    let sha256 = accept(&state, &scope, ComponentKind::Belt, "component", bytes).await?;
    let mut body = found.export();
    for (field, value) in [("beltType", json!("component")), ("component", json!(sha256))] {
        body.insert(field.to_owned(), value);
    }
    body.remove("extractorFn");
    write::change(&state, &scope, id, &Value::Object(body), query.flag_or("apply", true)).await
}
