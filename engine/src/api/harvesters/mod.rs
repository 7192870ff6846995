//! `/projects/{project}/harvesters/instances`.

mod component;
mod dry_run;
mod read;
mod state;
mod write;

use granary_catalog::{
    Harvester,
    harvester::{Program, Transform},
    name,
};
use granary_db::definitions::{Stored, harvester};
use serde_json::{Map, Value, json};
use tokio_postgres::Client;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiState,
    answer::{add_audit, add_self, object},
    caller::did_you_mean,
    components,
    error::Error,
    query::encode,
    running,
};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(read::list, write::create))
        .routes(routes!(read::get, write::create_named, write::update, write::delete))
        .routes(routes!(state::get_state, state::set_state))
        .routes(routes!(state::logs))
        .routes(routes!(dry_run::dry_run))
}

/// The routes of uploaded components, which only exist within a project.
pub(super) fn component_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(component::assign))
}

fn href(state: &ApiState, harvester: &Harvester) -> String {
    let (project, name) = (encode(&harvester.project), encode(&harvester.name));
    format!("{}/projects/{project}/harvesters/instances/{name}", state.public_url)
}

fn render(state: &ApiState, stored: &Stored<Harvester>, with_state: bool) -> Map<String, Value> {
    let harvester = &stored.definition;
    let link = href(state, harvester);
    let mut body = object(harvester);
    // Counts changes for records and dead letters; no field of the original.
    body.retain(|key, _| key != "version");
    body.insert("streamName".to_owned(), json!(harvester.stream_name()));
    body.insert("dlqTopic".to_owned(), json!(harvester.dlq_topic()));
    if with_state {
        let report = state.runtime.status(&harvester.object());
        let state_link = format!("{link}/state");
        body.insert("state".to_owned(), Value::Object(running::report(&report, Some(&state_link))));
    }
    add_audit(&mut body, &stored.audit);
    add_self(&mut body, &link);
    body
}

/// A component has to be there before a transform can name it.
async fn require_component(client: &Client, project: &str, transform: &Transform) -> Result<(), Error> {
    match transform.program() {
        Program::Component(hash) => components::require(client, project, "transform.component", hash).await,
        _ => Ok(()),
    }
}

/// The harvester of the project, or 404 with the name that was probably meant.
async fn find(client: &Client, project: &str, name: &str) -> Result<Stored<Harvester>, Error> {
    if let Some(stored) =
        harvester::get(client, name).await?.filter(|stored| stored.definition.project == project)
    {
        return Ok(stored);
    }
    let labels = harvester::labels(client, project).await?;
    let labelled = labels.iter().find(|(_, label)| label == name);
    let hint = match labelled {
        Some((technical, _)) => Some(format!("That is a displayName; its technical name is '{technical}'.")),
        None => name::nearest(name, labels.iter().map(|(technical, _)| technical.as_str())).map(did_you_mean),
    };
    Err(Error::not_found("Harvester", name, hint))
}
