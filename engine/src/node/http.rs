//! The HTTP server: collector first, then health, metrics and the API, on one port.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use granary_catalog::HostPattern;
use granary_collector::{Collector, Limits};
use granary_db::Db;
use granary_stream::StreamLog;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::roles::{Role, Roles};
use crate::api::{self, ApiState};
use crate::ready::Readiness;
use crate::secrets::Secrets;
use crate::serving;
use crate::stage::book::Book;
use crate::supervisor::Supervisor;

/// What the server serves.
#[derive(Clone)]
pub(super) struct App {
    pub(super) collector: Collector,
    /// The collector has a port of its own, and is not here.
    pub(super) collector_apart: bool,
    pub(super) limits: Limits,
    pub(super) db: Db,
    pub(super) log: Arc<dyn StreamLog>,
    pub(super) book: Book,
    pub(super) supervisor: Supervisor,
    pub(super) ready: Readiness,
    pub(super) metrics: PrometheusHandle,
    pub(super) open_metrics: bool,
    pub(super) outbound_hosts: Arc<[HostPattern]>,
    pub(super) secrets: Secrets,
    pub(super) public_url: String,
    pub(super) roles: Roles,
    /// Where everything is done that is not the collector's.
    pub(super) working: Handle,
}

/// Serves until stopped, then finishes the requests under way.
pub(super) async fn serve(listener: TcpListener, app: App, stop: CancellationToken) -> std::io::Result<()> {
    let state = ApiState {
        db: app.db.clone(),
        runtime: Arc::new(app.supervisor.clone()),
        log: Arc::clone(&app.log),
        book: app.book.clone(),
        outbound_hosts: Arc::clone(&app.outbound_hosts),
        secrets: app.secrets.clone(),
        public_url: app.public_url.clone(),
        version: crate::version::VERSION,
    };
    let own = Router::new()
        .route("/health", get(async || "ok"))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(app.clone());
    let others = if app.roles.has(Role::Api) {
        own.merge(api::router(state))
    } else {
        let names = app.roles.names().join(", ");
        own.fallback(async move || {
            let text = format!("this process runs {names} and not the API: ask one that has the role `api`");
            (StatusCode::NOT_FOUND, axum::Json(serde_json::json!({"type": "not_found", "message": text})))
        })
    };
    let others = serving::elsewhere(others, app.working);
    // A query of the API ends with its client.
    let limits = Limits { half_close: false, ..app.limits };
    if app.roles.has(Role::Collector) && !app.collector_apart {
        let front = granary_collector::front(app.collector, others);
        granary_collector::serve(listener, front, None, limits, stop).await
    } else {
        granary_collector::serve(listener, others, None, limits, stop).await
    }
}

async fn ready(State(app): State<App>) -> Response {
    let (ready, body) = app.ready.report();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(body)).into_response()
}

async fn metrics(State(app): State<App>, headers: HeaderMap) -> Response {
    if !app.open_metrics
        && let Err(refusal) = api::caller::authenticate(&app.db, &headers).await
    {
        return refusal.into_response();
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], app.metrics.render()).into_response()
}
