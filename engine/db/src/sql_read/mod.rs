//! SQL on behalf of users: one statement, read-only, as a login that was granted nothing but the project's schema.
//!
//! The walls, from the inside out:
//!
//! 1. the *role*: a login of its own per project with SELECT in one schema. Never a stronger role that is lowered by
//!    `SET ROLE`, which the statement could undo;
//! 2. the *protocol*: the extended one takes a single statement, and parameters are bound, never spliced;
//! 3. the *transaction*: read-only, with time, memory and temporary files limited, always rolled back;
//! 4. the *answer*: rows and bytes are counted while they arrive; more is left on the server, or cancelled;
//! 5. the *session*: cleaned before anybody else gets it, thrown away where that is in doubt.
//!
//! No statement is judged by its text.
//!
//! Values travel as text, in the server's own notation, so every type can be shown; [`value`] turns them into JSON.

mod parameter;
mod session;
mod value;

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio_postgres::error::ErrorPosition;

pub use self::session::SqlReader;
use crate::{Error, describe};

/// Rows of an answer where the request does not say how many.
pub const ROWS_DEFAULT: u32 = 1_000;
/// Most rows that a request may ask for.
pub const ROWS_MAX: u32 = 100_000;

/// One statement of a user.
#[derive(Debug, Clone, Default)]
pub struct SqlQuery {
    /// The statement, with `$1`, `$2`, ... for the parameters.
    pub query: String,
    /// The parameters, in order. Texts are taken in the server's notation of the type that the statement expects.
    pub parameters: Vec<Value>,
    /// Most rows to answer; `None` is [`ROWS_DEFAULT`], more than [`ROWS_MAX`] counts as that.
    pub max_rows: Option<u32>,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SqlColumn {
    /// Name, as the statement says.
    pub name: String,
    /// Type, such as `int8` or `text[]`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// The answer to a statement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SqlResult {
    /// The columns.
    pub columns: Vec<SqlColumn>,
    /// The rows, each with a value per column.
    pub rows: Vec<Vec<Value>>,
    /// Whether there are more rows than these.
    pub truncated: bool,
}

/// What one statement may take.
#[derive(Debug, Clone)]
pub struct SqlLimits {
    /// Longest run on the server.
    pub statement_timeout: Duration,
    /// Memory of one sort or hash of a plan, in kilobytes.
    pub work_mem_kb: u32,
    /// Most bytes of an answer, counted in the server's notation. An answer is cut there; at least one row is given.
    pub bytes_max: usize,
    /// Statements of one project at a time.
    pub project_connections: usize,
    /// Statements of all projects at a time.
    pub total_connections: usize,
    /// Longest wait for one's turn.
    pub wait: Duration,
}

impl Default for SqlLimits {
    fn default() -> Self {
        Self {
            statement_timeout: Duration::from_secs(30),
            work_mem_kb: 16 << 10,
            bytes_max: 32 << 20,
            project_connections: 3,
            total_connections: 12,
            wait: Duration::from_secs(10),
        }
    }
}

/// Why a statement has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SqlError {
    /// The server refused the statement, or it failed.
    #[error("{message} (SQLSTATE {sqlstate})")]
    Statement {
        /// Code of the error.
        sqlstate: String,
        /// What the server says.
        message: String,
        /// Character of the statement that it is about, from 1.
        position: Option<u32>,
        /// What the server advises, or its details where it advises nothing.
        hint: Option<String>,
    },
    /// The project has no schema.
    #[error("the project '{0}' has no schema in the database")]
    UnknownProject(String),
    /// Too many statements at the same time.
    #[error("too many statements are running: try again in a moment")]
    Busy,
    /// The database is away or failed in a way that has nothing to do with the statement.
    #[error(transparent)]
    Db(Error),
}

impl SqlError {
    /// An error that is ours, in the form of the server's.
    fn own(sqlstate: &str, message: impl Into<String>, hint: Option<&str>) -> Self {
        Self::Statement {
            sqlstate: sqlstate.to_owned(),
            message: message.into(),
            position: None,
            hint: hint.map(ToOwned::to_owned),
        }
    }
}

impl From<Error> for SqlError {
    fn from(error: Error) -> Self {
        match error {
            Error::Sql(e) => e.into(),
            Error::UnknownProject(project) => Self::UnknownProject(project),
            other => Self::Db(other),
        }
    }
}

impl From<tokio_postgres::Error> for SqlError {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else { return Self::Db(error.into()) };
        // The end of a session by an administrator or a restart is not the statement's doing.
        if crate::is_unavailable(&error) && db.code().code().starts_with("57P") {
            return Self::Db(Error::Unavailable(describe(&error)));
        }
        let position = match db.position() {
            Some(ErrorPosition::Original(at)) => Some(*at),
            Some(ErrorPosition::Internal { .. }) | None => None,
        };
        Self::Statement {
            sqlstate: db.code().code().to_owned(),
            message: db.message().to_owned(),
            position,
            hint: db.hint().or_else(|| db.detail()).map(ToOwned::to_owned),
        }
    }
}
