//! `/projects/{project}/event-types`.

mod events;
mod persisters;
mod read;
mod render;
mod write;

use granary_catalog::EventType;
use granary_db::definitions::event_type;
use tokio_postgres::Client;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{ApiState, caller::did_you_mean, error::Error, query::encode};

/// Reading, within a project.
pub(super) fn read_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(read::list))
        .routes(routes!(read::versions))
        .routes(routes!(events::list))
        .routes(routes!(read::version))
}

/// Writing, and the persisters, which also have paths without a project.
pub(super) fn write_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(write::create))
        .routes(routes!(write::create_named, write::update, write::delete))
        .merge(persisters::routes())
}

/// Reading in all projects, in little detail.
pub(super) fn everywhere_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(read::list_everywhere))
        .routes(routes!(read::versions_everywhere))
        .routes(routes!(read::version_everywhere))
}

fn href(state: &ApiState, project: &str, name: &str) -> String {
    format!("{}/projects/{}/event-types/{}", state.public_url, encode(project), encode(name))
}

fn version_href(state: &ApiState, event_type: &EventType) -> String {
    format!("{}/{}", href(state, &event_type.project, &event_type.name), event_type.version)
}

/// 404 for an event type, with the name that was probably meant: guides give the label where the name is due.
async fn not_found(client: &Client, project: &str, name: &str) -> Error {
    let hint = match event_type::directory(client, project).await {
        Ok(directory) => {
            let labelled =
                directory.0.iter().find(|entry| entry.display_name == name).map(|entry| &entry.name);
            match labelled {
                Some(technical) => {
                    Some(format!("That is a displayName; its technical name is '{technical}'."))
                }
                None => {
                    granary_catalog::name::nearest(name, directory.0.iter().map(|entry| entry.name.as_str()))
                        .map(did_you_mean)
                }
            }
        }
        Err(error) => return error.into(),
    };
    Error::not_found("Event Type", name, hint)
}
