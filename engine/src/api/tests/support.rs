//! A router on a database of its own.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode, header},
};
use bytes::Bytes;
use granary_catalog::{
    Access, Belt, EventKind, EventType, Harvester, Object, Project, Role, StartPosition, Status,
};
use granary_db::{Db, definitions::token, roles, test_util::TestDatabase};
use granary_stream::{
    StreamLog,
    embedded::{EmbeddedLog, Options},
};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::{
    api::{
        ApiState,
        runtime::{CheckError, ComponentKind, ErrorKind, Runtime, RuntimeError, StatusReport},
    },
    harvester::trial::{Trial, Tried},
    secrets::Secrets,
    stage::{book::Book, totals::Totals},
};

/// Where links begin.
pub(super) const URL: &str = "http://granary.test";

/// A runtime that writes down its calls and answers as it is told.
pub(super) struct Recorder {
    db: Db,
    calls: Mutex<Vec<String>>,
    states: Mutex<HashMap<Object, Status>>,
    /// The answer to script checks.
    pub(super) check: Mutex<Result<Vec<String>, CheckError>>,
    /// What was to be tried.
    pub(super) trials: Mutex<Vec<Trial>>,
    /// Calls that begin like this fail.
    pub(super) failing: Mutex<Option<(&'static str, ErrorKind)>>,
}

impl Recorder {
    fn call(&self, call: String) -> Result<(), RuntimeError> {
        let failing = *self.failing.lock().unwrap();
        self.calls.lock().unwrap().push(call.clone());
        match failing {
            Some((prefix, kind)) if call.starts_with(prefix) => {
                Err(RuntimeError::new(kind, format!("{call} failed")))
            }
            _ => Ok(()),
        }
    }

    /// The calls since the last time.
    pub(super) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// Sets the state that an object is in.
    pub(super) fn set(&self, object: Object, status: Status) {
        self.states.lock().unwrap().insert(object, status);
    }
}

#[async_trait]
impl Runtime for Recorder {
    async fn start(&self, object: &Object, from: Option<StartPosition>) -> Result<Status, RuntimeError> {
        let from = from.map(|from| format!(" from {from:?}")).unwrap_or_default();
        self.call(format!("start {object}{from}"))?;
        if self.status(object).status == Status::Running {
            return Ok(Status::Running);
        }
        self.set(object.clone(), Status::Running);
        Ok(Status::Deploying)
    }

    async fn stop(&self, object: &Object) -> Result<Status, RuntimeError> {
        self.call(format!("stop {object}"))?;
        self.set(object.clone(), Status::Stopped);
        Ok(Status::Stopped)
    }

    async fn restart(&self, object: &Object) -> Result<Status, RuntimeError> {
        self.call(format!("restart {object}"))?;
        self.set(object.clone(), Status::Running);
        Ok(Status::Deploying)
    }

    async fn replace(&self, object: &Object) -> Result<Status, RuntimeError> {
        self.call(format!("replace {object}"))?;
        Ok(self.status(object).status)
    }

    async fn remove(&self, object: &Object) -> Result<(), RuntimeError> {
        self.states.lock().unwrap().remove(object);
        self.call(format!("remove {object}"))
    }

    fn status(&self, object: &Object) -> StatusReport {
        let status = self.states.lock().unwrap().get(object).copied().unwrap_or(Status::Stopped);
        let reason = (status == Status::Failed).then(|| "it broke".to_owned());
        StatusReport { status, reason }
    }

    fn totals(&self, _: &Object) -> Totals {
        Totals::default()
    }

    fn logs(&self, object: &Object, step: &str, lines: usize) -> Vec<String> {
        vec![format!("{object} {step} {lines}")]
    }

    fn retry_asked(&self, stages: &[String]) {
        self.calls.lock().unwrap().push(format!("retry {}", stages.join(" ")));
    }

    fn definition_changed(&self, object: &Object) {
        self.calls.lock().unwrap().push(format!("changed {object}"));
    }

    async fn check_belt(
        &self,
        belt: &Belt,
        outputs: &[(String, EventKind)],
    ) -> Result<Vec<String>, CheckError> {
        let outputs: Vec<_> =
            outputs.iter().map(|(name, kind)| format!("{name}:{}", kind.as_str())).collect();
        self.calls.lock().unwrap().push(format!("check belt {} -> {}", belt.name, outputs.join(",")));
        self.check.lock().unwrap().clone()
    }

    async fn check_component(&self, kind: ComponentKind, bytes: Bytes) -> Result<(), CheckError> {
        self.calls.lock().unwrap().push(format!("check component {kind:?} {}", bytes.len()));
        self.check.lock().unwrap().clone().map(drop)
    }

    async fn check_transform(&self, harvester: &Harvester) -> Result<Vec<String>, CheckError> {
        self.calls.lock().unwrap().push(format!("check transform {}", harvester.name));
        self.check.lock().unwrap().clone()
    }

    async fn try_harvester(&self, trial: Trial) -> Result<(Vec<String>, Vec<Tried>), CheckError> {
        self.calls.lock().unwrap().push(format!(
            "try {} on {} records",
            trial.harvester,
            trial.samples.len()
        ));
        self.trials.lock().unwrap().push(trial);
        self.check.lock().unwrap().clone().map(|warnings| (warnings, Vec::new()))
    }

    async fn project_created(&self, project: &Project) -> Result<(), RuntimeError> {
        self.call(format!("project {}", project.name))?;
        roles::create_project_schema(&self.db, &project.name).await.expect("a schema can be made");
        Ok(())
    }

    async fn event_type_created(&self, event_type: &EventType) -> Result<(), RuntimeError> {
        self.call(format!("created {}", event_type.name))
    }

    async fn event_type_updated(&self, old: &EventType, new: &EventType) -> Result<(), RuntimeError> {
        self.call(format!("updated {} {} -> {}", new.name, old.version, new.version))
    }

    async fn event_type_deleted(&self, event_type: &EventType) -> Result<(), RuntimeError> {
        self.call(format!("deleted {}", event_type.name))
    }
}

/// A router, its database, its runtime, an administrator's token.
pub(super) struct Api {
    pub(super) router: Router,
    pub(super) runtime: Arc<Recorder>,
    pub(super) admin: String,
    pub(super) database: TestDatabase,
    pub(super) log: Arc<dyn StreamLog>,
    pub(super) book: Book,
    pub(super) secrets: tempfile::TempDir,
    _streams: tempfile::TempDir,
}

/// An answer; an empty body is `null`.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub(super) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {:#}", self.status, self.body);
        self.body
    }

    /// Checks status and type of a refusal; its message.
    #[track_caller]
    pub(super) fn refused(self, status: u16, kind: &str) -> String {
        assert_eq!(
            (self.status.as_u16(), &self.body["type"]),
            (status, &Value::from(kind)),
            "{:#}",
            self.body
        );
        self.body["message"].as_str().unwrap().to_owned()
    }

    /// The names in `invalidParams`.
    pub(super) fn invalid(&self) -> Vec<&str> {
        let params = self.body["invalidParams"].as_array().map(Vec::as_slice).unwrap_or_default();
        params.iter().filter_map(|param| param["name"].as_str()).collect()
    }
}

impl Api {
    pub(super) async fn new() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let db = database.db().clone();
        let client = db.client().await.unwrap();
        let (_, admin) = token::create(&client, "tester", &Access::admin(), None).await.unwrap();
        drop(client);
        let runtime = Arc::new(Recorder {
            db: db.clone(),
            calls: Mutex::default(),
            states: Mutex::default(),
            check: Mutex::new(Ok(Vec::new())),
            trials: Mutex::default(),
            failing: Mutex::default(),
        });
        let streams = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(streams.path(), Options { file_bytes: 1 << 20, ..Options::default() })
            .await
            .unwrap();
        let log: Arc<dyn StreamLog> = Arc::new(log);
        let secrets = tempfile::tempdir().unwrap();
        let book = Book::default();
        let state = ApiState {
            db,
            runtime: runtime.clone(),
            log: log.clone(),
            book: book.clone(),
            // The second one is never looked up: definitions are only checked.
            outbound_hosts: ["*.example.com", "api.test:8443"].map(|host| host.parse().unwrap()).into(),
            secrets: Secrets::open(secrets.path()),
            public_url: URL.to_owned(),
            version: "0",
        };
        let router = crate::api::router(state);
        Self { router, runtime, admin, database, log, book, secrets, _streams: streams }
    }

    /// With a project `p`.
    pub(super) async fn with_project() -> Self {
        let api = Self::new().await;
        assert_eq!(api.post("/projects", serde_json::json!({"displayName": "p"})).await.ok()["name"], "p");
        api.runtime.take_calls();
        api
    }

    /// A token with a role.
    pub(super) async fn token(&self, project: &str, role: Role) -> String {
        let client = self.database.db().client().await.unwrap();
        token::create(&client, role.as_str(), &Access::of(project, role), None).await.unwrap().1
    }

    pub(super) async fn send(&self, method: Method, path: &str, token: Option<&str>, body: Body) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.call(request, body).await
    }

    /// Sends a body of that content type as the admin.
    pub(super) async fn send_as(&self, method: Method, path: &str, content_type: &str, body: Body) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.admin))
            .header(header::CONTENT_TYPE, content_type);
        self.call(request, body).await
    }

    async fn call(&self, request: axum::http::request::Builder, body: Body) -> Answer {
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status, body }
    }

    /// The bytes of an answer.
    pub(super) async fn bytes(&self, path: &str) -> Vec<u8> {
        let request =
            Request::builder().uri(path).header(header::AUTHORIZATION, format!("Bearer {}", self.admin));
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        to_bytes(response.into_body(), usize::MAX).await.unwrap().into()
    }

    async fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        self.send(method, path, Some(&self.admin), Body::from(body.to_string())).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Some(&self.admin), Body::empty()).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.json(Method::POST, path, &body).await
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Answer {
        self.json(Method::PUT, path, &body).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, Some(&self.admin), Body::empty()).await
    }

    /// The event types of the guide, and its harvester in Python.
    pub(super) async fn with_guide() -> Self {
        let api = Self::with_project().await;
        api.post("/projects/p/event-types", data_in()).await.ok();
        api.post("/projects/p/event-types", live_segment()).await.ok();
        api.post("/projects/p/harvesters/instances", harvester()).await.ok();
        api.runtime.take_calls();
        api
    }
}

pub(super) fn data_in() -> Value {
    serde_json::json!({
        "displayName": "livesegment-datain", "description": "Live Segment DataIn Event Type", "type": "data_in",
        "eventIdExpression": "#randomUUID()", "timestampExpression": "#nowMillis()",
        "correlationIdExpression": "#randomUUID()", "eventstoreTTL": "P100Y"
    })
}

pub(super) fn live_segment() -> Value {
    serde_json::json!({
        "displayName": "livesegment-dataoutput", "type": "live_segment",
        "schema": {"schema": "{\"type\": \"object\", \"required\": [\"id\", \"firstName\", \"lastName\"], \
            \"properties\": {\"id\": {\"type\": \"string\"}, \"firstName\": {\"type\": \"string\"}, \
            \"lastName\": {\"type\": \"string\"}}, \"additionalProperties\": true}"}
    })
}

pub(super) fn harvester() -> Value {
    serde_json::json!({
        "displayName": "harvesterforlivesegment",
        "sourceType": {"name": "grnry-topic", "version": "latest"},
        "transform": {"language": "python", "script": "result = payload"},
        "eventType": {"name": "livesegment-datain", "version": "1"}
    })
}

pub(super) fn belt() -> Value {
    serde_json::json!({
        "name": "liveSegement-belt", "beltType": "python-callback", "eventTypes": ["livesegment-datain"],
        "outputTypes": [{"name": "livesegment-dataoutp", "version": "latest"}],
        "extractorFn": "def execute(event_headers, event_payload, profile = None):\n    return []\n"
    })
}
