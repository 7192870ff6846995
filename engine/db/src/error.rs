//! What can go wrong with the database, sorted by what to do about it.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

/// An error of the database or on the way to it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No connection: the server is away, refuses, or all connections are busy. Worth another try later.
    #[error("the database can not be reached: {0}")]
    Unavailable(String),
    /// The server answered with an error, or the connection broke while a statement was under way.
    #[error("{}", describe(.0))]
    Sql(#[source] tokio_postgres::Error),
    /// The server is too old.
    #[error(
        "the database server has version {found}, Granary needs 14 or newer: upgrade it, or use another server"
    )]
    ServerTooOld {
        /// Version that the server reports.
        found: String,
    },
    /// The database has the wrong encoding.
    #[error(
        "the database has the encoding {found}, Granary needs UTF8: create it with ENCODING 'UTF8' TEMPLATE template0"
    )]
    Encoding {
        /// Encoding of the database.
        found: String,
    },
    /// A newer release has been here.
    #[error(
        "the database was migrated by a newer release (it has migration {version}, this one knows up to {known}): \
         start that release or a later one"
    )]
    NewerDatabase {
        /// Highest migration in the database.
        version: u32,
        /// Highest migration of this binary.
        known: u32,
    },
    /// A migration differs from the one that was applied.
    #[error(
        "migration {name} was applied to this database with another content: the database belongs to a development \
         build or was changed by hand; restore it, or start with a new one"
    )]
    ChangedMigration {
        /// Name of the migration.
        name: String,
    },
    /// The database belongs to another log.
    #[error(
        "this database belongs to the log {theirs}, the data directory holds the log {ours}: start with the data \
         directory that belongs to the database, or with a database of its own"
    )]
    ForeignLog {
        /// The log that the database is bound to.
        theirs: Uuid,
        /// The log that wanted it.
        ours: Uuid,
    },
    /// Another engine works on this database.
    #[error("another engine is using this database ({holder}): stop it first")]
    AnotherEngine {
        /// What is known about it.
        holder: String,
    },
    /// The project has no schema in this database.
    #[error("the project '{0}' has no schema in the database")]
    UnknownProject(String),
    /// A property comes back, with another type, after an earlier version of the schema had it.
    #[error(
        "property '{column}' cannot become a column of type {wanted}: the table still has that column as {existing}, \
         from an earlier version of the schema. Give the property another name"
    )]
    ColumnTaken {
        /// Name of the property and column.
        column: String,
        /// Type of the column in the table.
        existing: String,
        /// Type that the new schema asks for.
        wanted: &'static str,
    },
    /// A name that can not be an identifier.
    #[error("'{name}' can not be a name in the database: {why}")]
    BadIdentifier {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A stored value does not have the form that this release expects.
    #[error("unexpected content of {what}: {why}")]
    Content {
        /// Table or column.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl Error {
    /// Whether the cause lies in the connection or the server's state, so that the same request may succeed later.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Sql(e) => is_unavailable(e),
            _ => false,
        }
    }

    /// The code of the server's error, where the server answered.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Sql(e) => e.code().map(SqlState::code),
            _ => None,
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(e) => Self::Unavailable(describe(&e)),
            PoolError::Timeout(deadpool_postgres::TimeoutType::Wait) => {
                Self::Unavailable("all connections of the pool are busy".to_owned())
            }
            PoolError::Timeout(_) => Self::Unavailable("the server does not answer in time".to_owned()),
            PoolError::Closed => Self::Unavailable("the pool is closed, since the engine stops".to_owned()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Whether a client error means that the server is away, goes away or has no room.
#[must_use]
pub fn is_unavailable(error: &tokio_postgres::Error) -> bool {
    if let Some(code) = error.code() {
        // 08 connection, 57P01 admin shutdown, 57P02 crash, 57P03 starting up, 57P05 idle session; 53 out of resources.
        let code = code.code();
        return code.starts_with("08")
            || code.starts_with("53")
            || (code.starts_with("57P") && code != "57P04");
    }
    if error.is_closed() {
        return true;
    }
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            // These two are made by the client library for values that it can not encode or understand.
            return !matches!(io.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData);
        }
        cause = inner.source();
    }
    // A time-out has no cause and no code; its text is the only sign.
    error.to_string().starts_with("timeout")
}

/// The whole story of a client error in one line: the library's own text says only "db error".
#[must_use]
pub fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(db) = error.as_db_error() {
        let mut text = format!("{} (SQLSTATE {})", db.message(), db.code().code());
        for part in [db.detail(), db.hint()].into_iter().flatten() {
            // Writing into a string does not fail.
            let _ = write!(text, "; {part}");
        }
        return text;
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let _ = write!(text, ": {inner}");
        cause = inner.source();
    }
    text
}
