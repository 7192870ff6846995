//! `/nodes`, for administrators: the processes of this installation.

use axum::{Json, extract::State};
use granary_db::nodes;
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiState, answer::self_link, caller::Admin, error::Error};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Lists the processes that share the stages, those included that died within a day, with the partitions that each works on.
/// Empty where one process does everything.
#[utoipa::path(get, path = "/nodes", tag = "nodes", security(("bearer" = ["admin"])), responses((status = 200)))]
async fn list(State(state): State<ApiState>, _admin: Admin) -> Result<Json<Value>, Error> {
    let nodes: Vec<Value> = nodes::list(&state.db)
        .await?
        .into_iter()
        .map(|listed| {
            let stages: Vec<Value> = listed
                .partitions
                .iter()
                .map(|(stage, partitions)| json!({"stage": stage, "partitions": partitions}))
                .collect();
            json!({
                "id": listed.node.id, "name": listed.node.name, "address": listed.node.address,
                "roles": listed.node.roles, "startedAt": listed.started_at, "alive": listed.alive,
                "seenMsAgo": listed.seen_ms_ago, "stages": stages,
            })
        })
        .collect();
    Ok(Json(json!({
        "nodes": nodes, "totalCount": nodes.len(), "_links": self_link(&format!("{}/nodes", state.public_url)),
    })))
}
