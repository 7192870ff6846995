//! Persisters: event types into tables.
//!
//! A persister reads the stream of one event type and writes rows, in batches: [`eventstore`] those of a `data_in` type,
//! [`live_segment`] those of a `live_segment` type. The work has two halves. *Prepare* turns records into rows without
//! touching anything, and finds the records that can never be rows. The *effect* writes the rows inside the transaction
//! that moves the cursor, so each record is written exactly once; a row that the database refuses becomes a dead letter
//! there, and the rest of its batch is written.
//!
//! **Adding one**: a file here with a [`Process`] whose outcome carries an effect; its statements in `granary_db`; a line in
//! [`build`].

mod eventstore;
mod live_segment;
mod row;

#[cfg(test)]
mod tests;

use granary_catalog::persister::{ErrorsTolerance, PersisterConfig};
use granary_catalog::{EventType, Persister};
use granary_db::Refused;

use crate::stage::{Dead, Delivered, EffectError, Process, Refusal};

pub use eventstore::EventstorePersister;
pub use live_segment::LiveSegmentPersister;

/// The process of an event type's persister, as its configuration asks for.
///
/// # Errors
///
/// A sentence saying why not, such as a stored schema that does not parse.
pub fn build(event_type: &EventType, persister: &Persister) -> Result<Box<dyn Process>, String> {
    match &persister.config {
        PersisterConfig::Pg(config) => {
            let grace = config.ttl_grace_period().approximate();
            Ok(Box::new(EventstorePersister::new(&event_type.name, grace)))
        }
        PersisterConfig::LiveSegment(config) => {
            let schema = event_type.live_segment_schema().ok_or_else(|| {
                format!("the stored schema of the live segment '{}' cannot be read", event_type.name)
            })?;
            let tolerance = config.errors_tolerance;
            Ok(Box::new(LiveSegmentPersister::new(&event_type.project, &event_type.name, schema, tolerance)))
        }
    }
}

/// The dead letters of refused rows; `delivered` are the records of the batch in its order.
fn dead_letters(refused: Vec<Refused>, delivered: &[Delivered]) -> Vec<Dead> {
    refused
        .into_iter()
        .filter_map(|row| {
            let Refused { index, sqlstate, message } = row;
            let text = format!("the database refuses the row: {message}");
            let refusal = Refusal::new("refused_by_database", &format!("SQLSTATE {sqlstate}"), text);
            delivered.get(index).map(|delivered| refusal.of(delivered.clone()))
        })
        .collect()
}

/// What the worker does about an error of the database that no single row explains.
fn effect_error(error: &granary_db::Error) -> EffectError {
    // Deadlock and serialization failure, lock not available, statement cancelled: gone at the next try.
    let passing =
        error.sqlstate().is_some_and(|state| state.starts_with("40") || matches!(state, "55P03" | "57014"));
    if passing || error.is_unavailable() {
        EffectError::Unavailable(error.to_string())
    } else {
        EffectError::Refused(error.to_string())
    }
}

/// The refusal that stops a persister that tolerates none, with the place of its record.
fn stopper(tolerance: ErrorsTolerance, dead: &[Dead]) -> Option<String> {
    let first = dead.first().filter(|_| tolerance == ErrorsTolerance::None)?;
    let Delivered { topic, partition, record } = &first.delivered;
    Some(format!(
        "the record at offset {} of {topic} partition {partition} cannot be stored, and errorsTolerance is 'none': {}",
        record.offset, first.message
    ))
}
