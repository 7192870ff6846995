//! `/projects`.

use axum::{Json, extract::State};
use granary_catalog::{Project, Report, Role, project::ProjectBody};
use granary_db::definitions::{self, project};
use serde_json::{Map, Value, json};
use tokio_postgres::config::Host;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiState,
    answer::{add_self, object, with_warnings},
    body::JsonBody,
    caller::{Admin, Anyone, DataOwner, In, Viewer},
    error::Error,
    query::{Params, encode},
};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(get, update))
}

fn href(state: &ApiState, name: &str) -> String {
    format!("{}/projects/{}", state.public_url, encode(name))
}

fn render(state: &ApiState, project: &Project) -> Map<String, Value> {
    let mut body = object(project);
    add_self(&mut body, &href(state, &project.name));
    body
}

/// Lists the projects that the caller may see.
#[utoipa::path(get, path = "/projects", tag = "projects", security(("bearer" = [])),
    responses((status = 200, body = Vec<Project>)))]
async fn list(State(state): State<ApiState>, anyone: Anyone) -> Result<Json<Value>, Error> {
    let client = state.db.client().await?;
    let access = &anyone.caller.token.access;
    let projects = project::list(&client).await?;
    let visible = projects.iter().filter(|project| access.allows(&project.definition.name, Role::Viewer));
    let bodies: Vec<_> = visible
        .map(|project| {
            let mut body = object(&project.definition);
            let link = json!([{"rel": "self", "href": href(&state, &project.definition.name)}]);
            body.insert("links".to_owned(), link);
            body
        })
        .collect();
    Ok(Json(json!(bodies)))
}

/// Makes a project with its schema and roles.
#[utoipa::path(post, path = "/projects", tag = "projects", security(("bearer" = ["admin"])),
    params(("deploy" = Option<String>, Query, description = "Accepted, without effect")),
    request_body = ProjectBody, responses((status = 200, body = Project)))]
async fn create(
    State(state): State<ApiState>,
    admin: Admin,
    query: Params,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    let mut report = Report::default();
    let body = ProjectBody::read(&body, &mut report);
    if query.get("deploy").is_some_and(|deploy| !deploy.is_empty()) {
        report.warn("Parameter 'deploy' has no effect: nothing is deployed beside the engine.");
    }
    let mut client = state.db.client().await?;
    let transaction = client.transaction().await?;
    let inner = transaction.client();
    definitions::lock(inner).await?;
    let known = project::list(inner).await?;
    let taken = |name: &str| known.iter().any(|project| project.definition.name.eq_ignore_ascii_case(name));
    let project = Project::create(body, taken, &mut report);
    let (project, warnings) = report.finish(project)?;
    let project =
        project.ok_or_else(|| Error::Internal("a project was refused without a problem".to_owned()))?;
    refuse_label(inner, &project).await?;
    project::insert(inner, &project, &admin.caller.person()).await?;
    transaction.commit().await?;
    if let Err(error) = state.runtime.project_created(&project).await {
        project::delete(&client, &project.name).await?;
        return Err(error.into());
    }
    Ok(with_warnings(render(&state, &project), &warnings))
}

async fn refuse_label(client: &tokio_postgres::Client, project: &Project) -> Result<(), Error> {
    if project::label_exists(client, &project.display_name, &project.name).await? {
        return Err(Error::Exists(format!(
            "Project with displayName '{}' already exists.",
            project.display_name
        )));
    }
    Ok(())
}

/// Shows a project and how its data is reached.
#[utoipa::path(get, path = "/projects/{project}", tag = "projects", security(("bearer" = ["viewer"])),
    params(("expand" = Option<String>, Query, description = "Accepted, without effect")),
    responses((status = 200, body = Project)))]
async fn get(State(state): State<ApiState>, scope: In<Viewer>) -> Result<Json<Value>, Error> {
    let client = state.db.client().await?;
    let stored = project::get(&client, &scope.project).await?;
    let project = stored.ok_or_else(|| Error::not_found("Project", &scope.project, None))?.definition;
    let mut body = object(&project);
    body.insert("dataAccess".to_owned(), data_access(&state, &project));
    add_self(&mut body, &href(&state, &project.name));
    Ok(Json(Value::Object(body)))
}

/// Host, port and database of the server, as clients reach it.
pub(super) fn server(state: &ApiState) -> (Option<String>, String, Option<String>) {
    let config = state.db.config();
    let tcp = config.get_hosts().iter().find_map(|host| match host {
        Host::Tcp(name) => Some(name.clone()),
        _ => None,
    });
    let socket = config.get_hosts().iter().find_map(|host| match host {
        #[cfg(unix)]
        Host::Unix(path) => Some(path.display().to_string()),
        _ => None,
    });
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let database = config.get_dbname().or_else(|| config.get_user()).map(str::to_owned);
    (tcp.or(socket), port.to_string(), database)
}

/// Where the project's schema is. The credentials are not part of it: `POST .../sql/login` gives some for an hour.
fn data_access(state: &ApiState, project: &Project) -> Value {
    let (host, port, database) = server(state);
    json!({
        "host": host, "port": port, "ssl": "false", "sslValidate": "false", "database": database,
        "schema": project.name, "secretName": project.secret_name(), "secretKeyUser": "postgresql-username",
        "secretKeyPassword": "postgresql-password", "readReplicaHost": null, "readReplicaPort": null,
    })
}

/// Changes label or description.
#[utoipa::path(put, path = "/projects/{project}", tag = "projects", security(("bearer" = ["data_owner"])),
    request_body = ProjectBody, responses((status = 200, body = Project)))]
async fn update(
    State(state): State<ApiState>,
    scope: In<DataOwner>,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    let mut report = Report::default();
    let body = ProjectBody::read(&body, &mut report);
    let mut client = state.db.client().await?;
    let transaction = client.transaction().await?;
    let inner = transaction.client();
    definitions::lock(inner).await?;
    let stored = project::get(inner, &scope.project).await?;
    let mut project = stored.ok_or_else(|| Error::not_found("Project", &scope.project, None))?.definition;
    project.update(body, &mut report);
    let ((), warnings) = report.finish(())?;
    refuse_label(inner, &project).await?;
    project::update(inner, &project, &scope.caller.person()).await?;
    transaction.commit().await?;
    Ok(with_warnings(render(&state, &project), &warnings))
}
