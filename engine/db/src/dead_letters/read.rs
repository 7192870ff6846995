//! Reading dead letters: filters, pages, single ones with their history, counts.

use bytes::Bytes;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::DeadLetter;
use crate::commit::unsigned;
use crate::{Db, Error};

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits for somebody to decide.
    Dead,
    /// Its stage is asked to process it again.
    Retrying,
    /// It went through.
    Retried,
    /// Somebody gave it up.
    Discarded,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Dead, Self::Retrying, Self::Retried, Self::Discarded];
    /// Those in which something is still to come.
    pub const OPEN: [Self; 2] = [Self::Dead, Self::Retrying];

    /// As it is stored and shown.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Retrying => "retrying",
            Self::Retried => "retried",
            Self::Discarded => "discarded",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// Which dead letters of a project. What is not given does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those with these ids.
    pub ids: Option<Vec<i64>>,
    /// Those of one stream.
    pub stream: Option<String>,
    /// Those in one of these states.
    pub states: Option<Vec<State>>,
    /// Those of one code.
    pub code: Option<String>,
    /// Those written at or after this time, in milliseconds since the Unix epoch.
    pub since_ms: Option<i64>,
    /// Those written before this time, in milliseconds since the Unix epoch.
    pub until_ms: Option<i64>,
    /// Those whose message contains this text.
    pub contains: Option<String>,
}

impl Filter {
    /// The condition of [`FilterColumns::parameters`].
    pub(super) const SQL: &'static str = "project = $1
        AND ($2::int8[] IS NULL OR id = ANY ($2))
        AND ($3::text IS NULL OR stream = $3)
        AND ($4::text[] IS NULL OR state = ANY ($4))
        AND ($5::text IS NULL OR code = $5)
        AND ($6::int8 IS NULL OR created_at >= to_timestamp($6 / 1000.0))
        AND ($7::int8 IS NULL OR created_at < to_timestamp($7 / 1000.0))
        AND ($8::text IS NULL OR strpos(message, $8) > 0)";

    pub(super) fn columns<'a>(&'a self, project: &'a str) -> FilterColumns<'a> {
        let states = self.states.as_ref().map(|states| states.iter().map(|s| s.as_str()).collect());
        FilterColumns { project, states, filter: self }
    }
}

/// A filter as parameters `$1` to `$8`.
pub(super) struct FilterColumns<'a> {
    project: &'a str,
    states: Option<Vec<&'static str>>,
    filter: &'a Filter,
}

impl FilterColumns<'_> {
    pub(super) fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        let Filter { ids, stream, code, since_ms, until_ms, contains, .. } = self.filter;
        vec![
            (&self.project, Type::TEXT),
            (ids, Type::INT8_ARRAY),
            (stream, Type::TEXT),
            (&self.states, Type::TEXT_ARRAY),
            (code, Type::TEXT),
            (since_ms, Type::INT8),
            (until_ms, Type::INT8),
            (contains, Type::TEXT),
        ]
    }
}

/// A dead letter that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its id, ascending in the order of writing.
    pub id: i64,
    /// When it was written, in milliseconds since the Unix epoch, by the clock of the database.
    pub created_at_ms: i64,
    /// What became of it.
    pub state: State,
    /// How often its stage has processed it.
    pub attempts: u32,
    /// The letter, with the reason of the last failure.
    pub letter: DeadLetter,
}

/// Something that happened to a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When, in milliseconds since the Unix epoch, by the clock of the database.
    pub at_ms: i64,
    /// What: `written`, `retry_asked`, `failed_again`, `went_through` or `discarded`.
    pub kind: String,
    /// Who asked for it; `None` where the stage did it by itself.
    pub by: Option<String>,
    /// Version of the definition that ran, where one did.
    pub definition_version: Option<u64>,
    /// What kind of failure, where it is one.
    pub code: Option<String>,
    /// The reason, where it is a failure.
    pub message: Option<String>,
}

/// The columns that [`stored`] reads.
pub(super) const COLUMNS: &str = "id, (extract(epoch FROM created_at) * 1000)::int8 AS created_at_ms, state,
    attempts::int8 AS attempts, project, stream, stage, code, message, stacktrace, exception_type, source_topic,
    source_partition::int8 AS source_partition, source_offset,
    coalesce(source_time_ms, (extract(epoch FROM created_at) * 1000)::int8) AS source_time_ms,
    key, payload, headers::text AS headers, definition_version, trace_id";

/// The newest dead letters that a filter lets through first, below an id where one is given (the last one of the page
/// before).
///
/// # Errors
/// Those of the database.
pub async fn list(
    db: &Db,
    project: &str,
    filter: &Filter,
    limit: u32,
    before_id: Option<i64>,
) -> Result<Vec<Stored>, Error> {
    let sql = format!(
        "SELECT {COLUMNS} FROM granary.dead_letter WHERE {} AND ($9::int8 IS NULL OR id < $9)
         ORDER BY id DESC LIMIT $10",
        Filter::SQL
    );
    let (columns, limit) = (filter.columns(project), i64::from(limit));
    let mut parameters = columns.parameters();
    parameters.push((&before_id, Type::INT8));
    parameters.push((&limit, Type::INT8));
    db.client().await?.query_typed(&sql, &parameters).await?.iter().map(stored).collect()
}

/// How many dead letters a filter lets through.
///
/// # Errors
/// Those of the database.
pub async fn count(db: &Db, project: &str, filter: &Filter) -> Result<u64, Error> {
    let sql = format!("SELECT count(*) FROM granary.dead_letter WHERE {}", Filter::SQL);
    let row = db.client().await?.query_typed_one(&sql, &filter.columns(project).parameters()).await?;
    unsigned("a count", row.get(0))
}

/// One dead letter of a project.
///
/// # Errors
/// Those of the database.
pub async fn get(db: &Db, project: &str, id: i64) -> Result<Option<Stored>, Error> {
    let filter = Filter { ids: Some(vec![id]), ..Filter::default() };
    Ok(list(db, project, &filter, 1, None).await?.pop())
}

/// What happened to a dead letter, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn history(db: &Db, id: i64) -> Result<Vec<Event>, Error> {
    let rows = db
        .client()
        .await?
        .query_typed(
            "SELECT (extract(epoch FROM at) * 1000)::int8, kind, by, definition_version, code, message
             FROM granary.dead_letter_event WHERE letter = $1 ORDER BY id",
            &[(&id, Type::INT8)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let version: Option<i64> = row.try_get(3)?;
            Ok(Event {
                at_ms: row.try_get(0)?,
                kind: row.try_get(1)?,
                by: row.try_get(2)?,
                definition_version: version
                    .map(|version| unsigned("granary.dead_letter_event.definition_version", version))
                    .transpose()?,
                code: row.try_get(4)?,
                message: row.try_get(5)?,
            })
        })
        .collect()
}

/// The number of open dead letters by project and stream: for gauges and the alarm.
///
/// # Errors
/// Those of the database.
pub async fn counts(db: &Db) -> Result<Vec<(String, String, u64)>, Error> {
    let rows = db
        .client()
        .await?
        .query_typed(
            "SELECT project, stream, count(*) FROM granary.dead_letter WHERE state IN ('dead', 'retrying')
             GROUP BY project, stream",
            &[],
        )
        .await?;
    rows.iter().map(|row| Ok((row.get(0), row.get(1), unsigned("a count", row.get(2))?))).collect()
}

pub(super) fn stored(row: &Row) -> Result<Stored, Error> {
    let state: String = row.try_get("state")?;
    let headers: String = row.try_get("headers")?;
    let letter = DeadLetter {
        project: row.try_get("project")?,
        stream: row.try_get("stream")?,
        stage: row.try_get("stage")?,
        code: row.try_get("code")?,
        message: row.try_get("message")?,
        stacktrace: row.try_get("stacktrace")?,
        exception_type: row.try_get("exception_type")?,
        topic: row.try_get("source_topic")?,
        partition: unsigned("granary.dead_letter.source_partition", row.try_get("source_partition")?)?,
        offset: unsigned("granary.dead_letter.source_offset", row.try_get("source_offset")?)?,
        time_ms: unsigned("granary.dead_letter.source_time_ms", row.try_get("source_time_ms")?)?,
        key: row.try_get::<_, Option<Vec<u8>>>("key")?.map(Bytes::from),
        payload: row.try_get::<_, Vec<u8>>("payload")?.into(),
        headers: serde_json::from_str(&headers)
            .map_err(|e| Error::Content { what: "granary.dead_letter.headers", why: e.to_string() })?,
        definition_version: unsigned(
            "granary.dead_letter.definition_version",
            row.try_get("definition_version")?,
        )?,
        trace_id: row.try_get::<_, Option<Uuid>>("trace_id")?.map_or(0, |id| id.as_u128()),
    };
    Ok(Stored {
        id: row.try_get("id")?,
        created_at_ms: row.try_get("created_at_ms")?,
        state: State::parse(&state)
            .ok_or(Error::Content { what: "granary.dead_letter.state", why: state })?,
        attempts: unsigned("granary.dead_letter.attempts", row.try_get("attempts")?)?,
        letter,
    })
}
