//! The HTTP API: the control plane, SQL reads, dead letters.
//!
//! A handler parses, makes one call, renders. Who may call is in its signature ([`caller`]); what a definition may be
//! is the catalog's business; what runs is that of the [`Runtime`]; statements are in `granary-db`. Refusals get their
//! body in one place ([`error`]), the outermost layer.
//!
//! **Adding a route**: a handler with `#[utoipa::path]` whose second parameter is one of the extractors of [`caller`],
//! `security` naming the same role, and a line in its module's `routes`. A test walks the OpenAPI document and calls
//! every route without a token, with a wrong one, and for an unknown project.

pub mod body;
pub mod caller;
pub mod error;
pub mod runtime;

mod answer;
mod document;
mod nodes;
mod query;
mod records;
mod running;
mod script;

mod components;
mod projects;

mod event_types;
mod source_types;

mod harvesters;

mod belts;

mod dead_letters;
mod sql;

mod secrets;
mod streams;
mod tokens;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, State},
    middleware::from_fn,
    response::Response,
    routing::get,
};
use granary_catalog::HostPattern;
use granary_db::{
    Db,
    sql_read::{SqlLimits, SqlReader},
};
use granary_stream::StreamLog;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use crate::secrets::Secrets;
use crate::stage::book::Book;
use error::Error;
use runtime::Runtime;

/// What handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    /// The engine's pool.
    pub db: Db,
    /// What runs the stages.
    pub runtime: Arc<dyn Runtime>,
    /// The streams.
    pub log: Arc<dyn StreamLog>,
    /// Which records of the streams count.
    pub book: Book,
    /// What the operator lets belts send requests to.
    pub outbound_hosts: Arc<[HostPattern]>,
    /// What seals the values of secrets.
    pub secrets: Secrets,
    /// Scheme, host and port that links begin with, without a slash at the end.
    pub public_url: String,
    /// Version of the engine, for the OpenAPI document.
    pub version: &'static str,
}

/// What state calls take.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the body in the OpenAPI document; the body is read field by field")]
struct ActionBody {
    /// `START`, `STOP` or `RESTART`.
    action: granary_catalog::Action,
}

/// What is served under a project.
fn project_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(event_types::read_routes())
        .merge(event_types::write_routes())
        .merge(harvesters::routes())
        .merge(harvesters::component_routes())
        .merge(belts::routes())
        .merge(belts::component_routes())
        .merge(components::routes())
        .merge(secrets::routes())
        .merge(sql::routes())
        .merge(dead_letters::routes())
}

/// What is also served without a project, and means `global`; reading event types looks into all projects.
fn legacy_routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .merge(event_types::everywhere_routes())
        .merge(event_types::write_routes())
        .merge(harvesters::routes())
        .merge(belts::routes())
}

/// All routes with their document.
fn routes() -> (Router<ApiState>, utoipa::openapi::OpenApi) {
    let (legacy, legacy_document) = legacy_routes().split_for_parts();
    let (router, document) = OpenApiRouter::new()
        .merge(projects::routes())
        .merge(source_types::routes())
        .merge(tokens::routes())
        .merge(nodes::routes())
        .merge(streams::routes())
        .nest("/projects/{project}", project_routes())
        .split_for_parts();
    (router.merge(legacy), document::complete(document, legacy_document))
}

/// The API. It answers 404 for every path that it does not know, so it is the last one on its port.
pub fn router(state: ApiState) -> Router {
    let (router, mut document) = routes();
    state.version.clone_into(&mut document.info.version);
    let document: Arc<Value> = Arc::new(serde_json::to_value(&document).unwrap_or_default());
    let reader = SqlReader::new(&state.db, SqlLimits::default());
    router
        .route("/openapi.json", get(async move || Json(Value::clone(&document))))
        .fallback(async || Error::NoRoute)
        .method_not_allowed_fallback(async |State(_): State<ApiState>| -> Result<Response, Error> {
            Err(Error::MethodNotAllowed)
        })
        .layer(Extension(reader))
        // Every body has a limit of its own; this one only keeps axum's smaller one out of the way of forms.
        .layer(DefaultBodyLimit::max(components::COMPONENT_BYTES_MAX + 2 * body::BODY_BYTES_MAX))
        .layer(from_fn(error::describe_request))
        .with_state(state)
}
