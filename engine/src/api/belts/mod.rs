//! `/projects/{project}/belts`.

mod component;
mod packages;
mod read;
mod state;
mod upload;
mod versions;
mod write;

use granary_catalog::{Belt, belt::parse_id};
use granary_db::definitions::{Stored, belt};
use serde_json::{Map, Value, json};
use tokio_postgres::Client;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiState,
    answer::{add_audit, add_self},
    error::Error,
    query::encode,
};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(read::list, write::create))
        .routes(routes!(read::get, write::create_with_id, write::update, write::delete))
        .routes(routes!(state::get_state, state::set_state))
        .routes(routes!(state::logs))
        .routes(routes!(versions::list))
        .routes(routes!(versions::rollback))
}

/// The routes of uploaded components and installed packages, which only exist within a project.
pub(super) fn component_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(component::assign)).routes(routes!(packages::download))
}

fn href(state: &ApiState, belt: &Belt) -> String {
    format!("{}/projects/{}/belts/{}", state.public_url, encode(&belt.project), belt.id)
}

fn render(state: &ApiState, stored: &Stored<Belt>) -> Map<String, Value> {
    let belt = &stored.definition;
    let mut body = belt.to_json();
    body.insert("status".to_owned(), json!(state.runtime.status(&belt.object()).status));
    add_audit(&mut body, &stored.audit);
    add_self(&mut body, &href(state, belt));
    body
}

fn id_of(text: &str) -> Result<i64, Error> {
    parse_id(text).map_err(|reason| Error::parameter("beltId", reason))
}

/// The belt of the project.
async fn find(client: &Client, project: &str, id: i64) -> Result<Stored<Belt>, Error> {
    let stored = belt::get(client, id).await?.filter(|stored| stored.definition.project == project);
    stored.ok_or_else(|| Error::NotFound { entity: "Belt", id: format!("with ID '{id}'"), hint: None })
}
