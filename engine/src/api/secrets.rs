//! `/projects/{project}/secrets`: texts for belts. They come in and do not come out again.

use axum::{Json, extract::State, http::StatusCode};
use granary_catalog::{
    Object, Report, Secret, SecretBody,
    belt::{SecretRef, secret_refs},
    name,
    secret::{SECRETS_MAX, check_name},
};
use granary_db::definitions::{self, Page, Stored, belt, secret};
use serde_json::{Map, Value, json};
use tokio_postgres::Client;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiState,
    answer::{add_audit, add_self, self_link, with_warnings},
    body::JsonBody,
    caller::{Editor, In, Viewer, did_you_mean},
    error::Error,
    query::{Offset, Params, encode},
    runtime::{ErrorKind, RuntimeError},
};
use crate::secrets;

/// The routes.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, put, delete))
}

/// A belt and what its variables take from secrets.
struct User {
    id: i64,
    name: String,
    refs: Vec<SecretRef>,
}

impl User {
    fn uses(&self, secret: &str) -> bool {
        self.refs.iter().any(|reference| reference.secret == secret)
    }

    /// As messages name it.
    fn shown(&self) -> String {
        format!("belt '{}' (ID '{}')", self.name, self.id)
    }
}

async fn users(client: &Client, project: &str) -> Result<Vec<User>, Error> {
    let environments = belt::environments(client, project).await?;
    let user =
        |belt: belt::Environment| User { id: belt.id, name: belt.name, refs: secret_refs(&belt.extra_env) };
    Ok(environments.into_iter().map(user).collect())
}

fn render(state: &ApiState, stored: &Stored<Secret>, users: &[User]) -> Map<String, Value> {
    let Secret { project, name, version, keys } = &stored.definition;
    let base = format!("{}/projects/{}", state.public_url, encode(project));
    let belts: Vec<Value> = users
        .iter()
        .filter(|belt| belt.uses(name))
        .map(|belt| {
            let status = state.runtime.status(&Object::Belt(belt.id)).status;
            let link = self_link(&format!("{base}/belts/{}", belt.id));
            json!({"id": belt.id.to_string(), "name": belt.name, "status": status, "_links": link})
        })
        .collect();
    let mut body = Map::new();
    for (field, value) in [
        ("name", json!(name)),
        ("projectName", json!(project)),
        ("version", json!(version)),
        ("keys", json!(keys)),
        ("belts", json!(belts)),
    ] {
        body.insert(field.to_owned(), value);
    }
    add_audit(&mut body, &stored.audit);
    add_self(&mut body, &format!("{base}/secrets/{}", encode(name)));
    body
}

async fn find(client: &Client, project: &str, name: &str) -> Result<Stored<Secret>, Error> {
    if let Some(stored) = secret::get(client, project, name).await? {
        return Ok(stored);
    }
    let known = secret::of_project(client, project).await?;
    let near = name::nearest(name, known.iter().map(|known| known.name.as_str())).map(did_you_mean);
    Err(Error::not_found("Secret", name, near))
}

/// Lists the secrets, without their values.
#[utoipa::path(get, path = "/secrets", tag = "secrets", security(("bearer" = ["viewer"])),
    params(("search" = Option<String>, Query, description = "Part of the name"),
        ("pagesize" = Option<u32>, Query, description = "1 to 250; default 20"),
        ("offset" = Option<u32>, Query, description = "Number of secrets to skip")),
    responses((status = 200)))]
async fn list(State(state): State<ApiState>, scope: In<Viewer>, query: Params) -> Result<Json<Value>, Error> {
    let page: Page = query.page(Offset::Plain)?;
    let client = state.db.client().await?;
    let listed = secret::list(&client, &scope.project, query.search(), page).await?;
    let users = users(&client, &scope.project).await?;
    let bodies: Vec<_> = listed.items.iter().map(|stored| render(&state, stored, &users)).collect();
    Ok(Json(json!({
        "secrets": bodies, "totalCount": listed.total,
        "_links": query.links(&state.public_url, page, listed.total),
    })))
}

/// Shows which values a secret has and which belts use it. Nothing shows the values.
#[utoipa::path(get, path = "/secrets/{name}", tag = "secrets", security(("bearer" = ["viewer"])),
    params(("name" = String, Path, description = "Name")), responses((status = 200)))]
async fn get(State(state): State<ApiState>, scope: In<Viewer>) -> Result<Json<Value>, Error> {
    let client = state.db.client().await?;
    let stored = find(&client, &scope.project, scope.path("name")).await?;
    let users = users(&client, &scope.project).await?;
    Ok(Json(Value::Object(render(&state, &stored, &users))))
}

/// Makes a secret, or replaces all its values. Belts that run keep the former ones until they are restarted.
#[utoipa::path(put, path = "/secrets/{name}", tag = "secrets", security(("bearer" = ["editor"])),
    params(("name" = String, Path, description = "1 to 63 lower-case letters, digits and hyphens")),
    request_body = SecretBody,
    responses((status = 200, description = "Replaced"), (status = 201, description = "Made"),
        (status = 409, description = "A belt needs a value that would be gone")))]
async fn put(
    State(state): State<ApiState>,
    scope: In<Editor>,
    JsonBody(body): JsonBody,
) -> Result<(StatusCode, Json<Value>), Error> {
    let name = scope.path("name");
    let mut report = Report::default();
    if let Err(reason) = check_name(name) {
        report.problem("name", reason);
    }
    let body = SecretBody::read(&body, &mut report);
    let (SecretBody { data }, warnings) = report.finish(body)?;
    let keys: Vec<String> = data.keys().cloned().collect();
    // Before other writers are kept waiting.
    let sealed = state.secrets.seal(&scope.project, name, data).await.map_err(refusal)?;
    let mut client = state.db.client().await?;
    let transaction = client.transaction().await?;
    let inner = transaction.client();
    definitions::lock(inner).await?;
    refuse_one_more(inner, &scope.project, name).await?;
    let users = users(inner, &scope.project).await?;
    refuse_missing(&users, name, &keys)?;
    let version = secret::put(inner, &scope.project, name, &sealed, &scope.caller.person()).await?;
    transaction.commit().await?;
    for belt in users.iter().filter(|belt| belt.uses(name)) {
        state.runtime.definition_changed(&Object::Belt(belt.id));
    }
    let stored = find(&client, &scope.project, name).await?;
    let status = if version == 1 { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, with_warnings(render(&state, &stored, &users), &warnings)))
}

async fn refuse_one_more(client: &Client, project: &str, name: &str) -> Result<(), Error> {
    let known = secret::of_project(client, project).await?;
    if known.len() < SECRETS_MAX || known.iter().any(|known| known.name == name) {
        return Ok(());
    }
    let reason =
        format!("would be one secret too many: a project has at most {SECRETS_MAX}; delete one first");
    Err(Error::parameter("name", reason))
}

/// A value that a belt does not do without must not go: the belt would fail at its next start.
fn refuse_missing(users: &[User], name: &str, keys: &[String]) -> Result<(), Error> {
    let mut needs = Vec::new();
    for belt in users {
        let refs = belt.refs.iter().filter(|reference| reference.secret == name && !reference.optional);
        for reference in refs.filter(|reference| !keys.contains(&reference.key)) {
            needs.push(format!("{} needs '{}'", belt.shown(), reference.key));
        }
    }
    if needs.is_empty() {
        return Ok(());
    }
    let needs = needs.join(", ");
    Err(Error::Needed(format!(
        "Secret '{name}' can not be without values that are in use: {needs}. A PUT has to hold all values."
    )))
}

fn refusal(error: secrets::Error) -> Error {
    match error {
        secrets::Error::Database(error) => error.into(),
        other => RuntimeError::new(ErrorKind::Failed, other.to_string()).into(),
    }
}

/// Deletes a secret, unless a belt uses it.
#[utoipa::path(delete, path = "/secrets/{name}", tag = "secrets", security(("bearer" = ["editor"])),
    params(("name" = String, Path, description = "Name")),
    responses((status = 204), (status = 409, description = "A belt uses it")))]
async fn delete(State(state): State<ApiState>, scope: In<Editor>) -> Result<StatusCode, Error> {
    let name = scope.path("name");
    let mut client = state.db.client().await?;
    let transaction = client.transaction().await?;
    let inner = transaction.client();
    definitions::lock(inner).await?;
    find(inner, &scope.project, name).await?;
    let users = users(inner, &scope.project).await?;
    let users: Vec<String> = users.iter().filter(|belt| belt.uses(name)).map(User::shown).collect();
    if !users.is_empty() {
        return Err(Error::Needed(format!("Secret '{name}' is still in use by: {}.", users.join(", "))));
    }
    secret::delete(inner, &scope.project, name).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
