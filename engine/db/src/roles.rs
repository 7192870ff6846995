//! The database side of a project: its schema, and who may do what there.
//!
//! ```text
//!   owner role    no login   owns the schema; writes its tables; later migrations and dbt run as it
//!   reader role   no login   USAGE on the schema, SELECT on what is in it, nothing else
//!   reader login  member of the reader role; the engine's own pool for SQL reads
//!   temporary     member of the reader role; handed to a person for an hour
//! ```
//!
//! People never get the reader login: a role can change its own password and settings, and the engine depends on that
//! one. Roles belong to the whole cluster, so their names carry the tag of the installation.

use std::time::Duration;

use rand::RngExt as _;
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;
use tracing::warn;

use crate::ident::{check, quote_ident, quote_literal};
use crate::{Db, Error, describe};

/// How long a temporary login is valid.
pub const TEMPORARY_LOGIN_VALID: Duration = Duration::from_secs(3600);
/// Sessions that one temporary login may have at a time.
const TEMPORARY_LOGIN_SESSIONS: u32 = 5;
/// Sessions of the reader login: the engine's pool and the ones that it is about to replace.
const READER_SESSIONS: u32 = 20;

/// The roles of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectAccess {
    /// The project; its schema has the same name.
    pub project: String,
    /// Owns the schema. Gets SELECT, INSERT, UPDATE and DELETE on the tables that the engine makes there.
    pub owner_role: String,
    /// May read the schema.
    pub reader_role: String,
    /// The engine's login for reading; a member of the reader role.
    pub reader_login: String,
}

/// A login for a person.
#[derive(Clone)]
pub struct TemporaryLogin {
    /// Name of the role.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Until when it can be used to log in, in seconds since the Unix epoch, by the clock of the database.
    pub expires_at_s: i64,
}

impl std::fmt::Debug for TemporaryLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TemporaryLogin").field("user", &self.user).finish_non_exhaustive()
    }
}

/// Makes the schema and the roles of a project, or mends what is missing of them.
///
/// # Errors
/// Those of the database; nothing has changed then.
pub async fn create_project_schema(db: &Db, project: &str) -> Result<ProjectAccess, Error> {
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    let access = create_project_schema_in(&tx, project).await?;
    tx.commit().await?;
    Ok(access)
}

/// As [`create_project_schema`], as part of a larger transaction.
///
/// # Errors
/// Those of the database; the transaction must be rolled back then.
pub async fn create_project_schema_in(tx: &Transaction<'_>, project: &str) -> Result<ProjectAccess, Error> {
    check(project)?;
    let tag: String = tx.query_one("SELECT tag FROM granary.installation", &[]).await?.try_get(0)?;
    let access = ProjectAccess {
        project: project.to_owned(),
        owner_role: format!("granary_{project}_owner_{tag}"),
        reader_role: format!("granary_{project}_reader_{tag}"),
        reader_login: format!("granary_{project}_login_{tag}"),
    };
    for role in [&access.owner_role, &access.reader_role, &access.reader_login] {
        check(role)?;
    }
    // A row that exists keeps its password.
    let password: String = tx
        .query_one(
            "INSERT INTO granary.project_access AS a (project, owner_role, reader_role, reader_login, reader_password)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (project) DO UPDATE SET project = a.project
             RETURNING reader_password",
            &[&project, &access.owner_role, &access.reader_role, &access.reader_login, &secret()],
        )
        .await?
        .try_get(0)?;
    for (role, options) in [
        (&access.owner_role, "NOLOGIN".to_owned()),
        (&access.reader_role, "NOLOGIN".to_owned()),
        (
            &access.reader_login,
            format!("LOGIN CONNECTION LIMIT {READER_SESSIONS} PASSWORD {}", verifier(&password)),
        ),
    ] {
        let exists = tx.query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[role]).await?.is_some();
        let verb = if exists { "ALTER" } else { "CREATE" };
        tx.batch_execute(&format!("{verb} ROLE {} {options}", quote_ident(role))).await?;
    }
    grant(tx, &access).await?;
    set_reader_defaults(tx, &access.reader_login, project).await?;
    dead_letter_view(tx, &access).await?;
    Ok(access)
}

async fn grant(tx: &Transaction<'_>, access: &ProjectAccess) -> Result<(), Error> {
    let schema = quote_ident(&access.project);
    let owner = quote_ident(&access.owner_role);
    let reader = quote_ident(&access.reader_role);
    let login = quote_ident(&access.reader_login);
    let database: String = tx.query_one("SELECT current_database()", &[]).await?.try_get(0)?;
    let database = quote_ident(&database);
    // The engine is a member of the owner role, which a superuser is anyhow: it makes tables in the owner's schema.
    tx.batch_execute(&format!(
        "GRANT {owner} TO CURRENT_USER;
         GRANT {reader} TO {login};
         CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION {owner};
         REVOKE ALL ON SCHEMA {schema} FROM PUBLIC;
         GRANT USAGE ON SCHEMA {schema} TO {reader};
         GRANT CONNECT ON DATABASE {database} TO {owner}, {reader};
         GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {reader};
         ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO {reader};
         ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema} GRANT SELECT ON TABLES TO {reader};
         ALTER ROLE {owner} SET search_path = {schema}",
    ))
    .await?;
    Ok(())
}

/// Defaults of a login that reads. They make a session harmless before anything was said to it; none of them is what
/// keeps a reader from writing, which is that it was granted nothing else.
async fn set_reader_defaults(tx: &Transaction<'_>, role: &str, schema: &str) -> Result<(), Error> {
    let (role, schema) = (quote_ident(role), quote_ident(schema));
    tx.batch_execute(&format!(
        "ALTER ROLE {role} SET default_transaction_read_only = on;
         ALTER ROLE {role} SET search_path = {schema};
         ALTER ROLE {role} SET statement_timeout = '60s';
         ALTER ROLE {role} SET lock_timeout = '10s';
         ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s'",
    ))
    .await?;
    // Only superusers may set this one; in a savepoint, since its refusal would spoil the transaction.
    tx.batch_execute("SAVEPOINT temp_file_limit").await?;
    match tx.batch_execute(&format!("ALTER ROLE {role} SET temp_file_limit = '1GB'")).await {
        Ok(()) => tx.batch_execute("RELEASE SAVEPOINT temp_file_limit").await?,
        Err(e) if e.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            tx.batch_execute("ROLLBACK TO SAVEPOINT temp_file_limit").await?;
        }
        Err(e) => return Err(e.into()),
    }
    Ok(())
}

/// The project's dead letters, for SQL. A security barrier: a condition of the reader never sees rows of others.
async fn dead_letter_view(tx: &Transaction<'_>, access: &ProjectAccess) -> Result<(), Error> {
    let view = crate::ident::qualified(&access.project, "dead_letter");
    tx.batch_execute(&format!(
        "CREATE OR REPLACE VIEW {view} WITH (security_barrier = true) AS
         SELECT id, created_at, stream, stage, definition_version, code, exception_type, message, stacktrace,
                source_topic, source_partition, source_offset, key, payload,
                CASE WHEN payload_is_text THEN convert_from(payload, 'UTF8') END AS payload_text, headers, trace_id,
                state, attempts
         FROM granary.dead_letter WHERE project = {};
         GRANT SELECT ON {view} TO {}",
        quote_literal(&access.project),
        quote_ident(&access.reader_role),
    ))
    .await?;
    Ok(())
}

/// The roles of a project, where it has a schema.
///
/// # Errors
/// Those of the database.
pub async fn project_access(
    client: &impl tokio_postgres::GenericClient,
    project: &str,
) -> Result<Option<ProjectAccess>, Error> {
    let row = client
        .query_opt(
            "SELECT owner_role, reader_role, reader_login FROM granary.project_access WHERE project = $1",
            &[&project],
        )
        .await?;
    Ok(row.map(|row| ProjectAccess {
        project: project.to_owned(),
        owner_role: row.get(0),
        reader_role: row.get(1),
        reader_login: row.get(2),
    }))
}

/// User and password of the engine's reader of a project.
pub(crate) async fn reader_login(db: &Db, project: &str) -> Result<Option<(String, String)>, Error> {
    let row = db
        .client()
        .await?
        .query_opt(
            "SELECT reader_login, reader_password FROM granary.project_access WHERE project = $1",
            &[&project],
        )
        .await?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}

/// Makes a login that can read a project for an hour, for a person with psql. Removes those that have expired.
///
/// # Errors
/// [`Error::UnknownProject`]; those of the database.
pub async fn temporary_login(db: &Db, project: &str) -> Result<TemporaryLogin, Error> {
    expire_logins(db).await?;
    let mut client = db.client().await?;
    let Some(access) = project_access(&**client, project).await? else {
        return Err(Error::UnknownProject(project.to_owned()));
    };
    let tx = client.transaction().await?;
    let user = format!("granary_{project}_tmp_{}", &secret()[..12]);
    check(&user)?;
    let password = secret();
    let seconds = i64::try_from(TEMPORARY_LOGIN_VALID.as_secs()).expect("an hour in seconds fits");
    let row = tx
        .query_one(
            "INSERT INTO granary.temporary_login (login, project, expires_at)
             VALUES ($1, $2, date_trunc('second', now()) + $3::int8 * interval '1 second')
             RETURNING to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS+00'),
                       extract(epoch FROM expires_at)::int8",
            &[&user, &project, &seconds],
        )
        .await?;
    let (until, expires_at_s): (String, i64) = (row.try_get(0)?, row.try_get(1)?);
    tx.batch_execute(&format!(
        "CREATE ROLE {role} LOGIN CONNECTION LIMIT {TEMPORARY_LOGIN_SESSIONS} VALID UNTIL {until} PASSWORD {password};
         GRANT {reader} TO {role}",
        role = quote_ident(&user),
        until = quote_literal(&until),
        password = verifier(&password),
        reader = quote_ident(&access.reader_role),
    ))
    .await?;
    set_reader_defaults(&tx, &user, project).await?;
    tx.commit().await?;
    Ok(TemporaryLogin { user, password, expires_at_s })
}

/// Removes temporary logins whose time is over, and ends their sessions. Answers how many.
///
/// # Errors
/// Those of the database.
pub async fn expire_logins(db: &Db) -> Result<usize, Error> {
    let mut client = db.client().await?;
    let tx = client.transaction().await?;
    let rows = tx
        .query(
            "DELETE FROM granary.temporary_login l USING (SELECT login FROM granary.temporary_login
                 WHERE expires_at < now() FOR UPDATE SKIP LOCKED) AS old
             WHERE l.login = old.login RETURNING l.login, EXISTS (SELECT FROM pg_roles WHERE rolname = l.login)",
            &[],
        )
        .await?;
    for row in &rows {
        let (login, exists): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
        if exists {
            tx.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1",
                &[&login],
            )
            .await?;
            let role = quote_ident(&login);
            tx.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await?;
        }
    }
    tx.commit().await?;
    Ok(rows.len())
}

/// Removes a project's schema with everything in it, and its roles.
///
/// # Errors
/// Those of the database; nothing has changed then.
pub async fn drop_project_schema(db: &Db, project: &str) -> Result<(), Error> {
    let mut client = db.client().await?;
    let Some(access) = project_access(&**client, project).await? else { return Ok(()) };
    let tx = client.transaction().await?;
    tx.batch_execute(&format!("DROP SCHEMA IF EXISTS {} CASCADE", quote_ident(project))).await?;
    for role in [&access.reader_login, &access.reader_role, &access.owner_role] {
        if tx.query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[role]).await?.is_some() {
            tx.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", &[role])
                .await?;
            let role = quote_ident(role);
            tx.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await?;
        }
    }
    tx.execute("DELETE FROM granary.project_access WHERE project = $1", &[&project]).await?;
    tx.commit().await?;
    warn!(project, "the schema of the project was removed");
    Ok(())
}

/// What the server stores of a password, as a literal. The password itself does not travel, so it is in no log.
fn verifier(password: &str) -> String {
    quote_literal(&postgres_protocol::password::scram_sha_256(password.as_bytes()))
}

/// 128 bits of chance as hexadecimal digits.
fn secret() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}

/// Explains an error of a role statement that was refused for want of rights.
#[must_use]
pub fn explain(error: &Error) -> String {
    match error {
        Error::Sql(e) if e.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            format!("{}: the engine's database role needs CREATEROLE and must own the database", describe(e))
        }
        other => other.to_string(),
    }
}
