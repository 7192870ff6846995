//! Retry and discard.

use axum::{Json, extract::State};
use granary_db::dead_letters::{
    self, Filter,
    change::{Change, Changed, change},
};
use serde_json::{Value, json};

use super::{filter, filter::Selection, find, id_of, render_whole};
use crate::api::{
    ApiState,
    body::JsonBody,
    caller::{Editor, In},
    error::Error,
};

/// Stores the change and has the stages look.
async fn store(
    state: &ApiState,
    scope: &In<Editor>,
    what: Change,
    filter: &Filter,
) -> Result<Changed, Error> {
    let by = &scope.caller.token.name;
    let changed = change(&state.db, &scope.project, what, filter, by).await?;
    if what == Change::Retry && changed.changed > 0 {
        state.runtime.retry_asked(&changed.stages);
    }
    Ok(changed)
}

async fn change_many(
    state: &ApiState,
    scope: &In<Editor>,
    what: Change,
    body: &Value,
) -> Result<Json<Value>, Error> {
    let Changed { matched, changed, .. } = store(state, scope, what, &filter::of_body(body)?).await?;
    Ok(Json(json!({"matched": matched, "changed": changed})))
}

async fn change_one(state: &ApiState, scope: &In<Editor>, what: Change) -> Result<Json<Value>, Error> {
    let id = id_of(scope.path("id"))?;
    let filter = Filter { ids: Some(vec![id]), ..Filter::default() };
    let changed = store(state, scope, what, &filter).await?.changed;
    let stored = find(state, &scope.project, id).await?;
    if changed == 0 {
        let verb = match what {
            Change::Retry => "retried",
            Change::Discard => "discarded",
        };
        let from: Vec<_> = what.from().iter().map(|state| format!("'{}'", state.as_str())).collect();
        return Err(Error::WrongState(format!(
            "The dead letter {id} is '{}'; only one that is {} can be {verb}. \
             GET /projects/{}/dead-letters/{id} shows what happened to it.",
            stored.state.as_str(),
            from.join(" or "),
            scope.project,
        )));
    }
    let history = dead_letters::history(&state.db, id).await?;
    Ok(Json(render_whole(&stored, &history)))
}

/// Has their stages process dead letters again. Each goes through once, or is dead again with the new reason; a stage
/// that stands still keeps the request.
#[utoipa::path(post, path = "/dead-letters/retry", tag = "dead letters", security(("bearer" = ["editor"])),
    request_body = Selection, responses((status = 200, description = "How many matched, and how many of them changed")))]
pub(super) async fn retry(
    State(state): State<ApiState>,
    scope: In<Editor>,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    change_many(&state, &scope, Change::Retry, &body).await
}

/// Gives dead letters up. They stay readable, and are not retried any more.
#[utoipa::path(post, path = "/dead-letters/discard", tag = "dead letters", security(("bearer" = ["editor"])),
    request_body = Selection, responses((status = 200, description = "How many matched, and how many of them changed")))]
pub(super) async fn discard(
    State(state): State<ApiState>,
    scope: In<Editor>,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    change_many(&state, &scope, Change::Discard, &body).await
}

/// Has its stage process one dead letter again.
#[utoipa::path(post, path = "/dead-letters/{id}/retry", tag = "dead letters", security(("bearer" = ["editor"])),
    params(("id" = String, Path, description = "A natural number")),
    responses((status = 200), (status = 409, description = "It is not 'dead'")))]
pub(super) async fn retry_one(
    State(state): State<ApiState>,
    scope: In<Editor>,
) -> Result<Json<Value>, Error> {
    change_one(&state, &scope, Change::Retry).await
}

/// Gives one dead letter up.
#[utoipa::path(post, path = "/dead-letters/{id}/discard", tag = "dead letters", security(("bearer" = ["editor"])),
    params(("id" = String, Path, description = "A natural number")),
    responses((status = 200), (status = 409, description = "It is neither 'dead' nor 'retrying'")))]
pub(super) async fn discard_one(
    State(state): State<ApiState>,
    scope: In<Editor>,
) -> Result<Json<Value>, Error> {
    change_one(&state, &scope, Change::Discard).await
}
