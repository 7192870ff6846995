//! What people ask of dead letters.

use tokio_postgres::types::Type;

use super::read::{Filter, State};
use crate::commit::unsigned;
use crate::{Db, Error};

/// Something that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// That the stage processes it again.
    Retry,
    /// That it is given up, also where it waits for its stage.
    Discard,
}

impl Change {
    /// The states from which it is possible.
    #[must_use]
    pub fn from(self) -> &'static [State] {
        match self {
            Self::Retry => &[State::Dead],
            Self::Discard => &State::OPEN,
        }
    }

    fn to(self) -> State {
        match self {
            Self::Retry => State::Retrying,
            Self::Discard => State::Discarded,
        }
    }

    fn event(self) -> &'static str {
        match self {
            Self::Retry => "retry_asked",
            Self::Discard => "discarded",
        }
    }
}

/// What a change came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// How many letters the filter let through.
    pub matched: u64,
    /// How many of them were in a state from which the change is possible.
    pub changed: u64,
    /// The stages of those that were changed.
    pub stages: Vec<String>,
}

/// Changes the letters that a filter lets through, in one statement: all that can be changed or, on an error, none.
///
/// # Errors
/// Those of the database.
pub async fn change(
    db: &Db,
    project: &str,
    change: Change,
    filter: &Filter,
    by: &str,
) -> Result<Changed, Error> {
    // Locked in the order of the ids, so that two changes and a worker wait for each other but never in a circle.
    // `found` shows each row as it is once the lock is there, whoever held it before.
    let sql = format!(
        "WITH found AS (
             SELECT id, state FROM granary.dead_letter WHERE {} ORDER BY id FOR UPDATE
         ), changed AS (
             UPDATE granary.dead_letter SET state = $9
             WHERE id IN (SELECT id FROM found WHERE state = ANY ($10::text[])) RETURNING id, stage
         ), noted AS (
             INSERT INTO granary.dead_letter_event (letter, kind, by) SELECT id, $11, $12 FROM changed ORDER BY id
         )
         SELECT (SELECT count(*) FROM found), (SELECT count(*) FROM changed),
                coalesce((SELECT array_agg(DISTINCT stage) FROM changed), '{{}}')",
        Filter::SQL
    );
    let from: Vec<&str> = change.from().iter().map(|state| state.as_str()).collect();
    let (to, event, columns) = (change.to().as_str(), change.event(), filter.columns(project));
    let mut parameters = columns.parameters();
    parameters.push((&to, Type::TEXT));
    parameters.push((&from, Type::TEXT_ARRAY));
    parameters.push((&event, Type::TEXT));
    parameters.push((&by, Type::TEXT));
    let row = db.client().await?.query_typed_one(&sql, &parameters).await?;
    Ok(Changed {
        matched: unsigned("a count", row.try_get(0)?)?,
        changed: unsigned("a count", row.try_get(1)?)?,
        stages: row.try_get(2)?,
    })
}
