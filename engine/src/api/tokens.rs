//! `/tokens`, for administrators.

use axum::{Json, extract::State, http::StatusCode};
use granary_catalog::{Report, Token, token::TokenBody};
use granary_db::definitions::{project, token};
use granary_stream::clock;
use serde_json::{Map, Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiState,
    answer::{add_self, iso, self_link, with_warnings},
    body::JsonBody,
    caller::Admin,
    error::Error,
    query::encode,
};

const NAME_CHARS_MAX: usize = 255;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(revoke))
}

fn render(state: &ApiState, token: &Token) -> Map<String, Value> {
    let first = token.access.projects.iter().next();
    let mut body = Map::new();
    for (field, value) in [
        ("id", json!(token.id)),
        ("name", json!(token.name)),
        ("admin", json!(token.access.admin)),
        ("project", json!(first.map(|(project, _)| project))),
        ("roles", json!(first.map(|(_, role)| role).into_iter().collect::<Vec<_>>())),
        ("createdAt", json!(iso(token.created_at))),
        ("expiresAt", json!(token.expires_at.map(iso))),
    ] {
        body.insert(field.to_owned(), value);
    }
    add_self(&mut body, &format!("{}/tokens/{}", state.public_url, encode(&token.id)));
    body
}

/// Lists the tokens, without their secrets. Revoked ones are gone.
#[utoipa::path(get, path = "/tokens", tag = "tokens", security(("bearer" = ["admin"])), responses((status = 200)))]
async fn list(State(state): State<ApiState>, _admin: Admin) -> Result<Json<Value>, Error> {
    let client = state.db.client().await?;
    let tokens = token::list(&client).await?;
    let bodies: Vec<_> = tokens.iter().map(|token| render(&state, token)).collect();
    let link = self_link(&format!("{}/tokens", state.public_url));
    Ok(Json(json!({"tokens": bodies, "totalCount": bodies.len(), "_links": link})))
}

/// Makes a token. The answer is the only place that ever shows its secret.
#[utoipa::path(post, path = "/tokens", tag = "tokens", security(("bearer" = ["admin"])),
    request_body = TokenBody, responses((status = 200)))]
async fn create(
    State(state): State<ApiState>,
    _admin: Admin,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    let mut report = Report::default();
    let body = TokenBody::read(&body, &mut report);
    let access = body.access(&mut report);
    let expiry = body.expiry(clock::now_ms() as i64, &mut report);
    let name = body.name.clone().filter(|name| !name.trim().is_empty());
    let name = name.unwrap_or_else(|| "unnamed".to_owned());
    if name.chars().count() > NAME_CHARS_MAX {
        report.problem("name", format!("must have at most {NAME_CHARS_MAX} characters"));
    }
    let (access, warnings) = report.finish(access)?;
    let access = access.ok_or_else(|| Error::Internal("a token was refused without a problem".to_owned()))?;
    let client = state.db.client().await?;
    for named in access.projects.keys() {
        if !project::exists(&client, named).await? {
            return Err(Error::parameter(
                "project",
                format!("names the project '{named}', which does not exist"),
            ));
        }
    }
    let (token, secret) = token::create(&client, &name, &access, expiry).await?;
    let mut body = render(&state, &token);
    body.insert("token".to_owned(), json!(secret));
    Ok(with_warnings(body, &warnings))
}

/// Revokes a token.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "tokens", security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "As listed")), responses((status = 204)))]
async fn revoke(State(state): State<ApiState>, admin: Admin) -> Result<StatusCode, Error> {
    let id = admin.path("id");
    let client = state.db.client().await?;
    if !token::revoke(&client, id).await? {
        return Err(Error::NotFound { entity: "Token", id: format!("with ID '{id}'"), hint: None });
    }
    Ok(StatusCode::NO_CONTENT)
}
