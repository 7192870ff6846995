//! `/projects/{project}/sql`: one statement, read-only, as the project's reader.

use axum::{Extension, Json, extract::State};
use granary_catalog::Problem;
use granary_db::{
    roles,
    sql_read::{ROWS_MAX, SqlError, SqlQuery, SqlReader},
};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    ApiState,
    answer::{iso, object, with_warnings},
    body::JsonBody,
    caller::{In, Viewer},
    error::Error,
    projects::server,
    runtime::{ErrorKind, RuntimeError},
};

/// The routes.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(query)).routes(routes!(login))
}

/// What a query consists of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes the body in the OpenAPI document; the body is read field by field")]
struct SqlBody {
    /// One statement, with `$1`, `$2`, ... for the parameters.
    query: String,
    /// The parameters, in order.
    #[schema(value_type = Option<Vec<Object>>)]
    parameters: Option<Vec<Value>>,
    /// Most rows to answer; 1,000 when missing, at most 100,000.
    max_rows: Option<u32>,
}

fn read(body: &Value) -> Result<(SqlQuery, Vec<String>), Error> {
    let mut problems = Vec::new();
    let mut problem = |name: &str, reason: String| problems.push(Problem { name: name.to_owned(), reason });
    let text = body["query"].as_str().unwrap_or_default();
    if text.trim().is_empty() {
        problem("query", "must be a text with one SQL statement".to_owned());
    } else if text.contains('\0') {
        problem("query", "contains the character U+0000".to_owned());
    }
    let parameters = match &body["parameters"] {
        Value::Null => Vec::new(),
        Value::Array(list) => list.clone(),
        _ => {
            problem("parameters", "must be an array".to_owned());
            Vec::new()
        }
    };
    let max_rows = match &body["maxRows"] {
        Value::Null => None,
        value => {
            let rows = value.as_u64().filter(|rows| (1..=u64::from(ROWS_MAX)).contains(rows));
            if rows.is_none() {
                problem("maxRows", format!("must be in between 1 and {ROWS_MAX} but is {value}"));
            }
            rows.map(|rows| rows as u32)
        }
    };
    if !problems.is_empty() {
        return Err(Error::BadParameters(problems));
    }
    let known = ["query", "parameters", "maxRows"];
    let keys = body.as_object().into_iter().flat_map(|map| map.keys());
    let unknown = keys.filter(|key| !known.contains(&key.as_str()));
    let warnings = unknown.map(|key| format!("Unknown field '{key}' is ignored.")).collect();
    Ok((SqlQuery { query: text.to_owned(), parameters, max_rows }, warnings))
}

impl From<SqlError> for Error {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Statement { sqlstate, message, position, hint } => {
                Error::Sql { sqlstate, message, position, hint }
            }
            SqlError::Busy => Error::Runtime(RuntimeError::new(ErrorKind::Unavailable, error.to_string())),
            SqlError::UnknownProject(project) => {
                let hint = Some("Its schema is made when the engine is ready; see GET /ready.".to_owned());
                Error::not_found("Schema of project", &project, hint)
            }
            SqlError::Db(error) => Error::Database(error),
        }
    }
}

/// Runs one statement over the project's tables and views.
#[utoipa::path(post, path = "/sql", tag = "sql", security(("bearer" = ["viewer"])), request_body = SqlBody,
    responses((status = 200, description = "columns, rows, truncated")))]
async fn query(
    Extension(reader): Extension<SqlReader>,
    scope: In<Viewer>,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, Error> {
    let (query, warnings) = read(&body)?;
    let result = reader.query(&scope.project, &query).await?;
    Ok(with_warnings(object(&result), &warnings))
}

/// A database login of one's own for psql, valid for an hour, that can read what the project's reader can.
#[utoipa::path(post, path = "/sql/login", tag = "sql", security(("bearer" = ["viewer"])),
    responses((status = 200, description = "host, port, database, user, password, expiresAt")))]
async fn login(State(state): State<ApiState>, scope: In<Viewer>) -> Result<Json<Value>, Error> {
    let login = roles::temporary_login(&state.db, &scope.project).await?;
    let (host, port, database) = server(&state);
    Ok(Json(json!({
        "host": host, "port": port, "database": database, "user": login.user, "password": login.password,
        "expiresAt": iso(login.expires_at_s.saturating_mul(1_000)),
    })))
}
