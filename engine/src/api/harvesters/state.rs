//! State and logs of harvesters.

use axum::{Json, extract::State};
use granary_catalog::Action;
use serde_json::{Value, json};

use super::{find, href};
use crate::api::{
    ActionBody, ApiState,
    body::JsonBody,
    caller::{Editor, In, Viewer},
    error::Error,
    query::Params,
    running,
};

/// Steps that log.
const STEPS: [&str; 3] = ["sourceType", "transform", "metadataExtractor"];

/// The state of a harvester, and what it has done in this process: `records` with `read`, `written`, `skipped` (became no
/// event), `split` (became several), `deletions` and `failed`.
#[utoipa::path(get, path = "/harvesters/instances/{name}/state", tag = "harvesters",
    security(("bearer" = ["viewer"])), params(("name" = String, Path, description = "Technical name")),
    responses((status = 200)))]
pub(super) async fn get_state(
    State(state): State<ApiState>,
    scope: In<Viewer>,
) -> Result<Json<Value>, Error> {
    let client = state.db.client().await?;
    let found = find(&client, &scope.project, scope.path("name")).await?.definition;
    let report = state.runtime.status(&found.object());
    let link = format!("{}/state", href(&state, &found));
    let mut body = running::report(&report, Some(&link));
    body.insert("records".to_owned(), state.runtime.totals(&found.object()).render());
    Ok(Json(Value::Object(body)))
}

/// Starts, stops or restarts a harvester.
#[utoipa::path(post, path = "/harvesters/instances/{name}/state", tag = "harvesters",
    security(("bearer" = ["editor"])),
    params(("name" = String, Path, description = "Technical name"),
        ("from" = Option<String>, Query, description = "earliest, latest, a time or an offset; only with START")),
    request_body = ActionBody, responses((status = 200)))]
pub(super) async fn set_state(
    State(state): State<ApiState>,
    scope: In<Editor>,
    query: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    let client = state.db.client().await?;
    let found = find(&client, &scope.project, scope.path("name")).await?.definition;
    drop(client);
    let action = running::action(&body, &["START", "STOP", "RESTART"])?;
    if action != Action::Stop
        && let Some(obstacle) = found.start_obstacle()
    {
        let asked = body["action"].as_str().unwrap_or_default();
        return Err(Error::parameter("state", format!("cannot be '{asked}': {obstacle}")));
    }
    let status = running::act(&state, &found.object(), action, query.from()?).await?;
    let link = format!("{}/state", href(&state, &found));
    Ok(Json(Value::Object(running::answer(status, None, Some(&link)))))
}

/// What a step of a harvester logged.
#[utoipa::path(get, path = "/harvesters/instances/{name}/logs/{step}", tag = "harvesters",
    security(("bearer" = ["viewer"])),
    params(("name" = String, Path, description = "Technical name"),
        ("step" = String, Path, description = "sourceType, transform or metadataExtractor"),
        ("lines" = Option<u32>, Query, description = "1 to 500; default 500")),
    responses((status = 200)))]
pub(super) async fn logs(
    State(state): State<ApiState>,
    scope: In<Viewer>,
    query: Params,
) -> Result<Json<Value>, Error> {
    let step = scope.path("step");
    if !STEPS.contains(&step) {
        let reason = format!("must be one of {} but is '{step}'", STEPS.join(", "));
        return Err(Error::parameter("step", reason));
    }
    let lines = query.lines()?;
    let client = state.db.client().await?;
    let found = find(&client, &scope.project, scope.path("name")).await?.definition;
    Ok(Json(json!({"logs": state.runtime.logs(&found.object(), step, lines)})))
}
