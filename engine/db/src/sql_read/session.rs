//! The sessions of the readers, and one statement in one of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use deadpool_postgres::{Object, Pool, PoolError, TimeoutType};
use futures::TryStreamExt as _;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{CancelToken, NoTls, SimpleQueryMessage, Statement};
use tracing::debug;

use super::parameter::TextParameter;
use super::{ROWS_DEFAULT, ROWS_MAX, SqlColumn, SqlError, SqlLimits, SqlQuery, SqlResult, value};
use crate::{Db, Error, pool, roles};

/// Types below this number come with the server; the client knows them by heart. For others it asks the server with
/// statements that it keeps, which do not survive the cleaning of a session.
const FIRST_USER_TYPE: u32 = 16_384;
/// Rows fetched at a time; between two fetches the bytes are looked at.
const FETCH_ROWS: usize = 1_000;
/// Projects whose sessions are kept open.
const POOLS_MAX: usize = 16;
/// Put in front of a statement, on a line of its own.
const DECLARE: &str = "DECLARE granary_answer NO SCROLL CURSOR FOR\n";

/// Runs statements of users. Cheap to clone.
#[derive(Clone)]
pub struct SqlReader {
    inner: Arc<Inner>,
}

struct Inner {
    db: Db,
    limits: SqlLimits,
    turns: Semaphore,
    pools: Mutex<HashMap<String, Kept>>,
}

struct Kept {
    pool: Pool,
    used: Instant,
}

impl std::fmt::Debug for SqlReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlReader").field("limits", &self.inner.limits).finish_non_exhaustive()
    }
}

impl SqlReader {
    /// A reader beside the engine's own pool: same server and database, other roles.
    #[must_use]
    pub fn new(db: &Db, limits: SqlLimits) -> Self {
        let turns = Semaphore::new(limits.total_connections.max(1));
        Self { inner: Arc::new(Inner { db: db.clone(), limits, turns, pools: Mutex::default() }) }
    }

    /// Runs one statement for a project. When the future is dropped, the statement is cancelled on the server.
    ///
    /// # Errors
    /// See [`SqlError`].
    pub async fn query(&self, project: &str, query: &SqlQuery) -> Result<SqlResult, SqlError> {
        if query.query.contains('\0') {
            return Err(SqlError::own("22021", "the statement contains the character NUL", None));
        }
        let limits = &self.inner.limits;
        // The permit is held until the session is clean again.
        let _turn = tokio::time::timeout(limits.wait, self.inner.turns.acquire())
            .await
            .map_err(|_| SqlError::Busy)?
            .map_err(|_| SqlError::Busy)?;
        let mut session = Session::open(self.pool(project).await?).await?;
        // The server ends a statement by itself; this is for one that has made it deaf to its own clock.
        let deadline = limits.statement_timeout + limits.statement_timeout / 2;
        let Ok(outcome) = tokio::time::timeout(deadline, session.run(query, limits)).await else {
            return Err(SqlError::own("57014", "the statement took too long and was cancelled", None));
        };
        // After an error of the server nothing is under way any more.
        session.unread &= !matches!(outcome, Err(SqlError::Statement { .. }));
        session.close().await;
        outcome
    }

    /// Ends the idle sessions of a project that is removed or whose login has changed.
    pub fn forget(&self, project: &str) {
        let mut pools = self.inner.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = pools.remove(project) {
            kept.pool.close();
        }
    }

    async fn pool(&self, project: &str) -> Result<Pool, SqlError> {
        if let Some(pool) = self.kept(project) {
            return Ok(pool);
        }
        let Some((user, password)) = roles::reader_login(&self.inner.db, project).await? else {
            return Err(SqlError::UnknownProject(project.to_owned()));
        };
        let mut config = self.inner.db.config().clone();
        config.user(user).password(password).application_name("granary sql");
        let limits = &self.inner.limits;
        let pool = pool(&config, limits.project_connections, limits.wait, None);
        Ok(self.keep(project, pool))
    }

    fn kept(&self, project: &str) -> Option<Pool> {
        let mut pools = self.inner.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = pools.get_mut(project)?;
        kept.used = Instant::now();
        Some(kept.pool.clone())
    }

    fn keep(&self, project: &str, pool: Pool) -> Pool {
        let mut pools = self.inner.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if pools.len() >= POOLS_MAX && !pools.contains_key(project) {
            let oldest = pools.iter().min_by_key(|(_, kept)| kept.used).map(|(name, _)| name.clone());
            if let Some(kept) = oldest.and_then(|name| pools.remove(&name)) {
                kept.pool.close();
            }
        }
        // Two requests may have made one at the same time; the first stays.
        pools.entry(project.to_owned()).or_insert(Kept { pool, used: Instant::now() }).pool.clone()
    }
}

/// A session for one statement. Goes back to the pool only through [`Session::close`]; where that is not reached, the
/// statement is cancelled and the session ends.
struct Session {
    client: Option<Object>,
    cancel: CancelToken,
    /// Whether the client has asked the server about types, with statements that cleaning would remove.
    knows_user_types: bool,
    /// Whether an answer is still under way.
    unread: bool,
}

impl Session {
    async fn open(pool: Pool) -> Result<Self, SqlError> {
        let client = pool.get().await.map_err(|e| match e {
            PoolError::Timeout(TimeoutType::Wait) => SqlError::Busy,
            PoolError::Backend(e) if e.code().is_some_and(|c| c.code() == "53300") => SqlError::Busy,
            other => SqlError::Db(other.into()),
        })?;
        let cancel = client.cancel_token();
        Ok(Self { client: Some(client), cancel, knows_user_types: false, unread: true })
    }

    async fn run(&mut self, query: &SqlQuery, limits: &SqlLimits) -> Result<SqlResult, SqlError> {
        let client = self.client.as_ref().expect("the session has its client until it is closed");
        client
            .batch_execute(&format!(
                "BEGIN READ ONLY;
                 SET LOCAL statement_timeout = {};
                 SET LOCAL work_mem = {};
                 SET LOCAL cursor_tuple_fraction = 1;
                 SET LOCAL TimeZone = 'UTC';
                 SET LOCAL DateStyle = 'ISO, YMD';
                 SET LOCAL IntervalStyle = 'iso_8601';
                 SET LOCAL bytea_output = 'hex';
                 SET LOCAL extra_float_digits = 1",
                limits.statement_timeout.as_millis(),
                limits.work_mem_kb,
            ))
            .await?;
        // Refuses several statements and finds out types. The server names the place of a mistake in this very text.
        // While this runs, nobody knows yet whether the types are known.
        self.knows_user_types = true;
        let statement = match client.prepare(&query.query).await {
            Ok(statement) => statement,
            Err(error) => {
                // A statement that is refused has no types to ask about.
                self.knows_user_types = error.as_db_error().is_none();
                return Err(error.into());
            }
        };
        self.knows_user_types = has_user_types(&statement);
        check(&statement, query)?;
        let parameters: Vec<TextParameter> =
            query.parameters.iter().zip(statement.params()).map(|(v, t)| TextParameter::of(v, t)).collect();
        let max_rows = query.max_rows.unwrap_or(ROWS_DEFAULT).min(ROWS_MAX) as usize;
        let mut answer = Answer::new(&statement, max_rows, limits.bytes_max);

        // A cursor, since it gives values as text, whatever their type, and as many rows as one asks for. The text was
        // accepted as one statement just now, so behind the prefix it is one too. Statements that are not queries in
        // the grammar's sense (SHOW, EXPLAIN) can not have a cursor; their answers are texts and small.
        client.batch_execute("SAVEPOINT granary_statement").await?;
        let declare = format!("{DECLARE}{}", query.query);
        let is_query = match client.prepare_typed(&declare, statement.params()).await {
            Ok(declare) => {
                client.execute_raw(&declare, &parameters).await.map_err(shift_position)?;
                true
            }
            Err(e) if e.code() == Some(&SqlState::SYNTAX_ERROR) => {
                client.batch_execute("ROLLBACK TO SAVEPOINT granary_statement").await?;
                false
            }
            Err(e) => return Err(shift_position(e)),
        };
        if is_query {
            fetch(client, &mut answer).await?;
        } else {
            direct(client, &statement, &parameters, &mut answer).await?;
        }
        self.unread = answer.unread;
        Ok(answer.result())
    }

    /// Cleans the session for the next statement, or ends it.
    async fn close(mut self) {
        if self.unread || self.knows_user_types {
            return;
        }
        let Some(client) = self.client.take() else { return };
        // DISCARD ALL can not run in a transaction. It forgets settings, temporary tables, plans, listeners and, what
        // no rollback does, session-level advisory locks.
        let clean = async {
            client.batch_execute("ROLLBACK").await?;
            client.batch_execute("DISCARD ALL").await
        };
        if let Err(error) = clean.await {
            debug!(%error, "a reading session could not be cleaned and ends");
            drop(Object::take(client));
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        // Leaves the pool, so that nobody gets it; its connection closes with it.
        drop(Object::take(client));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let cancel = self.cancel.clone();
            // Names only this backend and its secret, so it can not hit anybody else's statement. Nobody waits for the
            // answer: should it fail, the statement's own time limit ends it.
            runtime.spawn(async move { cancel.cancel_query(NoTls).await });
        }
    }
}

fn has_user_types(statement: &Statement) -> bool {
    let of = |t: &Type| t.oid() >= FIRST_USER_TYPE || Type::from_oid(t.oid()).is_none();
    statement.params().iter().any(of) || statement.columns().iter().any(|c| of(c.type_()))
}

fn check(statement: &Statement, query: &SqlQuery) -> Result<(), SqlError> {
    if statement.columns().is_empty() {
        return Err(SqlError::own(
            "25006",
            "the statement returns no columns, and only statements that return rows can run here",
            Some("use SELECT, VALUES, TABLE, WITH, SHOW or EXPLAIN; tables are written by persisters alone"),
        ));
    }
    let (expected, given) = (statement.params().len(), query.parameters.len());
    if expected != given {
        return Err(SqlError::own(
            "08P01",
            format!("the statement expects {expected} parameters and {given} were given"),
            Some("give one value for each of $1, $2, ..."),
        ));
    }
    Ok(())
}

/// An error of the statement behind the prefix: its position counts from the user's text.
fn shift_position(error: tokio_postgres::Error) -> SqlError {
    let mut error = SqlError::from(error);
    if let SqlError::Statement { position, .. } = &mut error {
        let prefix = u32::try_from(DECLARE.chars().count()).unwrap_or(0);
        *position = position.and_then(|at| at.checked_sub(prefix)).filter(|at| *at > 0);
    }
    error
}

/// The answer while it is collected.
struct Answer {
    kinds: Vec<Type>,
    columns: Vec<SqlColumn>,
    rows: Vec<Vec<Value>>,
    bytes: usize,
    max_rows: usize,
    max_bytes: usize,
    truncated: bool,
    unread: bool,
}

impl Answer {
    fn new(statement: &Statement, max_rows: usize, max_bytes: usize) -> Self {
        let kinds: Vec<Type> = statement.columns().iter().map(|c| c.type_().clone()).collect();
        let columns = statement
            .columns()
            .iter()
            .map(|c| SqlColumn { name: c.name().to_owned(), kind: type_name(c.type_()) })
            .collect();
        Self {
            kinds,
            columns,
            rows: Vec::new(),
            bytes: 0,
            max_rows,
            max_bytes,
            truncated: false,
            unread: false,
        }
    }

    /// Takes a row, or notes that there are more than wanted. Answers whether it wants another.
    fn push<'a>(&mut self, texts: impl Iterator<Item = Option<&'a str>>) -> bool {
        if self.rows.len() >= self.max_rows || (self.bytes >= self.max_bytes && !self.rows.is_empty()) {
            self.truncated = true;
            return false;
        }
        let mut row = Vec::with_capacity(self.kinds.len());
        for (kind, text) in self.kinds.iter().zip(texts) {
            self.bytes += text.map_or(0, str::len);
            row.push(text.map_or(Value::Null, |t| value::json(kind, t)));
        }
        self.rows.push(row);
        true
    }

    fn result(self) -> SqlResult {
        SqlResult { columns: self.columns, rows: self.rows, truncated: self.truncated }
    }
}

/// Reads from the cursor until there is nothing more, or enough.
async fn fetch(client: &Object, answer: &mut Answer) -> Result<(), SqlError> {
    loop {
        // One more than wanted, to know whether there are more.
        let rows = FETCH_ROWS.min(answer.max_rows + 1 - answer.rows.len());
        let stream = client.simple_query_raw(&format!("FETCH FORWARD {rows} FROM granary_answer")).await?;
        let mut stream = std::pin::pin!(stream);
        let mut fetched = 0;
        while let Some(message) = stream.try_next().await? {
            if let SimpleQueryMessage::Row(row) = message {
                fetched += 1;
                if !answer.push((0..row.len()).map(|at| row.get(at))) {
                    // The rest of this fetch is left unread, unless this row was its last.
                    answer.unread = fetched < rows;
                    return Ok(());
                }
            }
        }
        if fetched < rows {
            return Ok(());
        }
    }
}

/// Runs a statement that can not have a cursor. What such statements answer is text in either format.
async fn direct(
    client: &Object,
    statement: &Statement,
    parameters: &[TextParameter],
    answer: &mut Answer,
) -> Result<(), SqlError> {
    let stream = client.query_raw(statement, parameters).await?;
    let mut stream = std::pin::pin!(stream);
    while let Some(row) = stream.try_next().await? {
        let texts: Vec<Option<Text<'_>>> =
            (0..row.len()).map(|at| row.try_get(at)).collect::<Result<_, _>>().map_err(Error::from)?;
        if !answer.push(texts.iter().map(|t| t.as_ref().map(|t| t.0))) {
            answer.unread = true;
            break;
        }
    }
    Ok(())
}

/// A text, or JSON, whose binary form is its text.
struct Text<'a>(&'a str);

impl<'a> FromSql<'a> for Text<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(std::str::from_utf8(raw)?))
    }

    fn accepts(kind: &Type) -> bool {
        matches!(*kind, Type::TEXT | Type::VARCHAR | Type::NAME | Type::JSON | Type::XML | Type::UNKNOWN)
    }
}

/// The name of a type as people write it.
fn type_name(kind: &Type) -> String {
    match kind.kind() {
        tokio_postgres::types::Kind::Array(element) if kind.name().starts_with('_') => {
            format!("{}[]", element.name())
        }
        _ => kind.name().to_owned(),
    }
}
