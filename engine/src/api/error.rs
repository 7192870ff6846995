//! Every refusal of the API: which status and type it has, and how its body reads.
//!
//! Handlers return an [`Error`]; its response carries the error along, and [`describe_request`], the outermost layer,
//! writes the body, since only there the path of the request is known.

use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use granary_catalog::Problem;
use granary_stream::clock;
use serde_json::{Value, json};
use tracing::{debug, error};

use super::{
    query::Requested,
    runtime::{ErrorKind, RuntimeError},
};

/// A refusal.
#[derive(Debug)]
pub enum Error {
    /// Bad parameters or body fields; at least one.
    BadParameters(Vec<Problem>),
    /// The body is no JSON; says where.
    BadJson(String),
    /// No token, or none that is known and alive.
    Unauthenticated,
    /// The token lacks the role, or the project does not exist (which it may not know).
    Forbidden,
    /// A named object is absent.
    NotFound {
        /// What was looked for, as messages print it: `Harvester`.
        entity: &'static str,
        /// What it was looked for by: a quoted name, or `with ID '7'`.
        id: String,
        /// A sentence that helps.
        hint: Option<String>,
    },
    /// No route has the path.
    NoRoute,
    /// The route does not take the method.
    MethodNotAllowed,
    /// A name or label is taken; the whole message.
    Exists(String),
    /// Something refers to what was to be deleted; the whole message.
    InUse(String),
    /// A belt needs what was to be deleted or left out; the whole message. Where the original has no such object, its
    /// 412 is no example.
    Needed(String),
    /// It can not be done with an object in that state; the whole message.
    WrongState(String),
    /// The body is larger than the limit, in bytes.
    BodyTooLarge {
        /// The limit.
        limit: usize,
    },
    /// The body did not arrive.
    BodyLost(String),
    /// The database refused a statement of the user.
    Sql {
        /// Five characters.
        sqlstate: String,
        /// What the database says.
        message: String,
        /// Where in the statement, in characters from 1.
        position: Option<u32>,
        /// What the database advises.
        hint: Option<String>,
    },
    /// The engine behind the API did not do it.
    Runtime(RuntimeError),
    /// The database did not do it.
    Database(granary_db::Error),
    /// Something did not hold that always should; the text goes to the log only.
    Internal(String),
}

impl From<granary_db::Error> for Error {
    fn from(error: granary_db::Error) -> Self {
        Error::Database(error)
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Error::Database(error.into())
    }
}

impl From<RuntimeError> for Error {
    fn from(error: RuntimeError) -> Self {
        Error::Runtime(error)
    }
}

impl From<Vec<Problem>> for Error {
    fn from(problems: Vec<Problem>) -> Self {
        Error::BadParameters(problems)
    }
}

impl Error {
    /// One bad parameter.
    pub(crate) fn parameter(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Error::BadParameters(vec![Problem { name: name.into(), reason: reason.into() }])
    }

    /// An absent object that goes by its name.
    pub(crate) fn not_found(entity: &'static str, name: &str, hint: Option<String>) -> Self {
        Error::NotFound { entity, id: format!("'{name}'"), hint }
    }

    /// Status and type. No wildcard: a new variant has to choose.
    fn kind(&self) -> (StatusCode, &'static str) {
        match self {
            Error::BadParameters(_) | Error::BadJson(_) | Error::BodyLost(_) => {
                (StatusCode::BAD_REQUEST, "bad_parameter_value")
            }
            Error::Unauthenticated => (StatusCode::UNAUTHORIZED, "authentication_error"),
            Error::Forbidden => (StatusCode::FORBIDDEN, "entity_not_accessible"),
            Error::NotFound { .. } | Error::NoRoute => (StatusCode::NOT_FOUND, "entity_not_found"),
            Error::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Error::Exists(_) => (StatusCode::CONFLICT, "entity_already_exists"),
            Error::WrongState(_) => (StatusCode::CONFLICT, "entity_in_wrong_state"),
            Error::InUse(_) => (StatusCode::PRECONDITION_FAILED, "entity_in_use"),
            Error::Needed(_) => (StatusCode::CONFLICT, "entity_in_use"),
            Error::BodyTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Error::Sql { .. } => (StatusCode::BAD_REQUEST, "sql_error"),
            Error::Runtime(RuntimeError { kind: ErrorKind::Refused, .. }) => {
                (StatusCode::BAD_REQUEST, "bad_parameter_value")
            }
            Error::Runtime(RuntimeError { kind: ErrorKind::Unavailable, .. }) => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
            }
            Error::Database(error) if error.is_unavailable() => {
                (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable")
            }
            Error::Runtime(RuntimeError { kind: ErrorKind::Failed, .. })
            | Error::Database(_)
            | Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "unexpected_error"),
        }
    }

    fn message(&self, method: &str, path: &str) -> String {
        match self {
            Error::BadParameters(problems) => match problems.as_slice() {
                [] => "The request is not valid.".to_owned(),
                [only] => sentence(only),
                [first, rest @ ..] => format!("{} And {} more, see invalidParams.", sentence(first), rest.len()),
            },
            Error::BadJson(reason) => format!("The body is not valid JSON: {reason}."),
            Error::BodyLost(reason) => format!("The body could not be read: {reason}."),
            Error::Unauthenticated => "Authentication failed.".to_owned(),
            Error::Forbidden => "Access forbidden due to missing roles.".to_owned(),
            Error::NotFound { entity, id, hint } => {
                let hint = hint.as_ref().map(|hint| format!(" {hint}")).unwrap_or_default();
                format!("{entity} {id} not found.{hint}")
            }
            Error::NoRoute => {
                format!("There is no resource at {path}. GET /openapi.json lists what there is.")
            }
            Error::MethodNotAllowed => format!("{path} does not take the method {method}."),
            Error::Exists(message)
            | Error::InUse(message)
            | Error::Needed(message)
            | Error::WrongState(message) => message.clone(),
            Error::BodyTooLarge { limit } => {
                format!("The body is larger than the limit of {limit} bytes ({} MiB).", limit >> 20)
            }
            Error::Sql { message, .. } => message.clone(),
            Error::Runtime(error) => error.message.clone(),
            Error::Database(error) if error.is_unavailable() => {
                "The database can not be reached right now. Definitions can be read and changed again when it is back; \
                 GET /ready tells."
                    .to_owned()
            }
            Error::Database(_) | Error::Internal(_) => "An unexpected error occurred.".to_owned(),
        }
    }

    /// The body, for a request of that method and path.
    fn body(&self, method: &str, path: &str, trace_id: u64) -> Value {
        let (_, kind) = self.kind();
        let mut body = json!({
            "timestamp": clock::now_ms(),
            "type": kind,
            "message": self.message(method, path),
            "details": format!("uri={path}"),
            "traceId": trace_id.to_string(),
        });
        match self {
            Error::BadParameters(problems) => {
                let params: Vec<_> = problems
                    .iter()
                    .map(|problem| json!({"type": "Parameter", "name": problem.name, "reason": problem.reason}))
                    .collect();
                body["invalidParams"] = json!(params);
            }
            Error::BadJson(reason) => {
                body["invalidParams"] = json!([{"name": "body", "reason": reason}]);
            }
            Error::Sql { sqlstate, position, hint, .. } => {
                body["sqlstate"] = json!(sqlstate);
                body["position"] = json!(position);
                body["hint"] = json!(hint);
            }
            _ => {}
        }
        body
    }
}

fn sentence(problem: &Problem) -> String {
    let end = if problem.reason.ends_with(['.', '^', '?']) { "" } else { "." };
    format!("Parameter '{}' {}{end}", problem.name, problem.reason)
}

/// Travels in a response from the handler to [`describe_request`].
#[derive(Clone)]
struct Raised(std::sync::Arc<Error>);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, _) = self.kind();
        let mut response = (status, Json(self.body("", "", rand::random()))).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            // The rest of the body is not read, so the connection cannot go on: say so, or clients use it again.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(Raised(std::sync::Arc::new(self)));
        response
    }
}

/// The outermost layer: names the request in the body of a refusal, and logs those that are the engine's fault.
pub(super) async fn describe_request(mut request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let requested = Requested(request.uri().clone());
    request.extensions_mut().insert(requested);
    let response = next.run(request).await;
    let Some(Raised(raised)) = response.extensions().get::<Raised>().cloned() else { return response };
    let trace_id: u64 = rand::random();
    let status = response.status();
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        error!(%method, path, trace = trace_id, error = ?raised, "request failed");
    } else {
        debug!(%method, path, trace = trace_id, status = status.as_u16(), "request refused");
    }
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let body = Json(raised.body(method.as_str(), &path, trace_id)).into_response().into_body();
    Response::from_parts(parts, body)
}
