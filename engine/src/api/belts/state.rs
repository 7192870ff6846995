//! State and logs of belts.

use axum::{Json, extract::State};
use granary_catalog::{Action, Status};
use granary_stream::clock;
use serde_json::{Map, Value, json};

use super::{find, href, id_of};
use crate::api::{
    ActionBody, ApiState,
    answer::{iso, self_link},
    body::JsonBody,
    caller::{Editor, In, Viewer},
    error::Error,
    query::Params,
    running,
};

/// The state of a belt; with its reason when it failed.
#[utoipa::path(get, path = "/belts/{id}/state", tag = "belts", security(("bearer" = ["viewer"])),
    params(("id" = String, Path, description = "A natural number")), responses((status = 200)))]
pub(super) async fn get_state(
    State(state): State<ApiState>,
    scope: In<Viewer>,
) -> Result<Json<Value>, Error> {
    let id = id_of(scope.path("id"))?;
    let client = state.db.client().await?;
    let found = find(&client, &scope.project, id).await?.definition;
    let report = state.runtime.status(&found.object());
    let mut body: Map<String, Value> = running::report(&report, None);
    if report.status == Status::Failed {
        let now = iso(clock::now_ms() as i64);
        body.insert("deploymentReplicas".to_owned(), json!(0));
        body.insert(
            "deploymentEvents".to_owned(),
            json!([{"lastTransitionTime": now, "lastUpdateTime": now, "message": report.reason,
                "reason": "Failed", "status": "False", "type": "Available"}]),
        );
        body.insert("podStatus".to_owned(), json!([]));
    }
    Ok(Json(Value::Object(body)))
}

/// Starts, stops or restarts a belt.
#[utoipa::path(post, path = "/belts/{id}/state", tag = "belts", security(("bearer" = ["editor"])),
    params(("id" = String, Path, description = "A natural number"),
        ("from" = Option<String>, Query, description = "earliest, latest, a time or an offset; only with START")),
    request_body = ActionBody, responses((status = 200)))]
pub(super) async fn set_state(
    State(state): State<ApiState>,
    scope: In<Editor>,
    query: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    let id = id_of(scope.path("id"))?;
    let client = state.db.client().await?;
    let found = find(&client, &scope.project, id).await?.definition;
    drop(client);
    if body["action"] == "TRIGGER" {
        let reason =
            "cannot be 'TRIGGER': only belts of type 'dbt-segment' are triggered, and they do not run yet";
        return Err(Error::parameter("state", reason));
    }
    let action = running::action(&body, &["START", "STOP", "RESTART"])?;
    let object = found.object();
    if action != Action::Stop
        && let Some(obstacle) = found.start_obstacle()
    {
        return Err(Error::parameter("state", format!("cannot be 'START': {obstacle}")));
    }
    if action == Action::Start && state.runtime.status(&object).status == Status::Deploying {
        return Err(Error::parameter("state", "cannot be 'START' while Belt status is 'DEPLOYING'"));
    }
    let status = running::act(&state, &object, action, query.from()?).await?;
    Ok(Json(Value::Object(running::answer(status, None, None))))
}

/// What the callback logged and printed.
#[utoipa::path(get, path = "/belts/{id}/logs", tag = "belts", security(("bearer" = ["editor"])),
    params(("id" = String, Path, description = "A natural number"),
        ("lines" = Option<u32>, Query, description = "1 to 500; default 500")),
    responses((status = 200)))]
pub(super) async fn logs(
    State(state): State<ApiState>,
    scope: In<Editor>,
    query: Params,
) -> Result<Json<Value>, Error> {
    let id = id_of(scope.path("id"))?;
    let lines = query.lines()?;
    let client = state.db.client().await?;
    let found = find(&client, &scope.project, id).await?.definition;
    // All instances of a belt share one log here.
    let instance = found.kubernetes_name();
    let logs = state.runtime.logs(&found.object(), "callback", lines);
    let link = self_link(&format!("{}/logs", href(&state, &found)));
    Ok(Json(json!({"totalCount": 1, "logs": {instance: logs}, "_links": link})))
}
