//! The persister of a `live_segment` type: updates into the table made from its schema.

use std::sync::Arc;

use async_trait::async_trait;
use granary_catalog::persister::ErrorsTolerance;
use granary_catalog::schema::{LiveSegmentSchema, Mismatch, Row};
use granary_db::Transaction;
use granary_db::live_segment::{self, TableRef};
use serde_json::Value;

use super::row::not_json;
use super::{dead_letters, effect_error, stopper};
use crate::stage::{Dead, Delivered, Effect, EffectError, Error, Outcome, Process, Refusal};

/// Keeps the rows of one live segment up to date.
pub struct LiveSegmentPersister {
    event_type: String,
    schema: LiveSegmentSchema,
    table: Arc<TableRef>,
    tolerance: ErrorsTolerance,
}

impl LiveSegmentPersister {
    /// A persister for the table of that event type.
    #[must_use]
    pub fn new(
        project: &str,
        event_type: &str,
        schema: LiveSegmentSchema,
        tolerance: ErrorsTolerance,
    ) -> Self {
        let table = Arc::new(TableRef::new(project, event_type, schema.columns()));
        Self { event_type: event_type.to_owned(), schema, table, tolerance }
    }

    /// The row of a record.
    fn row(&self, delivered: &Delivered) -> Result<Row, Refusal> {
        let value: Value = serde_json::from_slice(&delivered.record.message.payload)
            .map_err(|error| not_json(&error.to_string()))?;
        self.schema.validate(&value).map_err(mismatch)?;
        let Value::Object(members) = &value else {
            // The validator lets objects through only: the type of every schema is object.
            return Err(not_json("a record of a live segment is a JSON object"));
        };
        self.schema.row(members).map_err(mismatch)
    }
}

fn mismatch(mismatch: Mismatch) -> Refusal {
    Refusal::new("schema_mismatch", "SchemaMismatch", mismatch.message)
}

#[async_trait]
impl Process for LiveSegmentPersister {
    async fn process(&mut self, batch: Vec<Delivered>) -> Result<Outcome, Error> {
        let mut upsert = UpsertRows {
            table: Arc::clone(&self.table),
            tolerance: self.tolerance,
            rows: Vec::with_capacity(batch.len()),
            delivered: Vec::with_capacity(batch.len()),
        };
        let (mut dead, mut extra) = (Vec::new(), 0);
        for delivered in batch {
            match self.row(&delivered) {
                Ok(row) => {
                    extra += row.extra;
                    upsert.rows.push(row);
                    upsert.delivered.push(delivered);
                }
                Err(refusal) => dead.push(refusal.of(delivered)),
            }
        }
        if let Some(reason) = stopper(self.tolerance, &dead) {
            return Err(Error::Final(reason));
        }
        if extra > 0 {
            metrics::counter!("granary_live_segment_extra_properties_total", "event_type" => self.event_type.clone())
                .increment(extra as u64);
        }
        let effect = (!upsert.rows.is_empty()).then(|| Box::new(upsert) as Box<dyn Effect>);
        Ok(Outcome { dead, effect, ..Outcome::default() })
    }
}

struct UpsertRows {
    table: Arc<TableRef>,
    tolerance: ErrorsTolerance,
    rows: Vec<Row>,
    /// The records of the rows.
    delivered: Vec<Delivered>,
}

#[async_trait]
impl Effect for UpsertRows {
    async fn apply(&self, tx: &Transaction<'_>) -> Result<Vec<Dead>, EffectError> {
        let written =
            live_segment::upsert(tx, &self.table, &self.rows).await.map_err(|e| effect_error(&e))?;
        let dead = dead_letters(written.refused, &self.delivered);
        match stopper(self.tolerance, &dead) {
            Some(reason) => Err(EffectError::Refused(reason)),
            None => Ok(dead),
        }
    }
}
