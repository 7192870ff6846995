//! The persister of a `data_in` type: events into `public.eventstore`.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use granary_db::Transaction;
use granary_db::eventstore::{self, DeletionNotice, EventRow, Partition};

use super::row::{Request, request};
use super::{dead_letters, effect_error};
use crate::stage::{Dead, Delivered, Effect, EffectError, Error, Outcome, Process};

/// Stores the events of one type.
pub struct EventstorePersister {
    event_type: String,
    partition: Arc<Partition>,
    grace_ms: i64,
}

impl EventstorePersister {
    /// A persister for that event type, whose events expire `grace` after their deletion notice.
    #[must_use]
    pub fn new(event_type: &str, grace: Duration) -> Self {
        // A longer grace than ten thousand years is as good as that one, and its sums do not overflow.
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX).min(315_576_000_000_000);
        Self { event_type: event_type.to_owned(), partition: Arc::new(Partition::new(event_type)), grace_ms }
    }

    /// Sorts a batch into steps, and tells the records that can be no rows.
    fn prepare(&self, batch: Vec<Delivered>) -> (Vec<Step>, Vec<Dead>) {
        let (mut steps, mut dead) = (Vec::new(), Vec::new());
        let mut step = Step::default();
        for delivered in batch {
            match request(&delivered, &self.event_type) {
                Ok(Request::Store(event)) => {
                    // A step stores first and marks then, so an event after the notice on its own correlation id
                    // begins another step: the notice is not for it.
                    if step.marked.contains(&event.correlation_id) {
                        steps.push(std::mem::take(&mut step));
                    }
                    step.events.push(event);
                    step.delivered.push(delivered);
                }
                Ok(Request::Expire(notice)) => {
                    step.marked.insert(notice.correlation_id.clone());
                    step.notices.push(notice);
                }
                Err(refusal) => dead.push(refusal.of(delivered)),
            }
        }
        if !step.events.is_empty() || !step.notices.is_empty() {
            steps.push(step);
        }
        (steps, dead)
    }
}

#[async_trait]
impl Process for EventstorePersister {
    async fn process(&mut self, batch: Vec<Delivered>) -> Result<Outcome, Error> {
        let (steps, dead) = self.prepare(batch);
        let effect: Option<Box<dyn Effect>> = if steps.is_empty() {
            None
        } else {
            let Self { event_type, partition, grace_ms } = self;
            Some(Box::new(StoreEvents {
                event_type: event_type.clone(),
                partition: Arc::clone(partition),
                grace_ms: *grace_ms,
                steps,
            }))
        };
        Ok(Outcome { dead, effect, ..Outcome::default() })
    }
}

/// Events to store, and then notices to follow.
#[derive(Default)]
struct Step {
    events: Vec<EventRow>,
    /// The records of the events.
    delivered: Vec<Delivered>,
    notices: Vec<DeletionNotice>,
    /// The correlation ids of the notices.
    marked: HashSet<String>,
}

struct StoreEvents {
    event_type: String,
    partition: Arc<Partition>,
    grace_ms: i64,
    steps: Vec<Step>,
}

#[async_trait]
impl Effect for StoreEvents {
    async fn apply(&self, tx: &Transaction<'_>) -> Result<Vec<Dead>, EffectError> {
        let mut dead = Vec::new();
        for step in &self.steps {
            if !step.events.is_empty() {
                let written = eventstore::insert(tx, &self.partition, &step.events)
                    .await
                    .map_err(|e| effect_error(&e))?;
                let stored = written.rows + written.refused.len() as u64;
                let repeated = (step.events.len() as u64).saturating_sub(stored);
                metrics::counter!("granary_eventstore_repeated_total", "event_type" => self.event_type.clone())
                    .increment(repeated);
                dead.extend(dead_letters(written.refused, &step.delivered));
            }
            if !step.notices.is_empty() {
                let marked = eventstore::expire(tx, &self.partition, &step.notices, self.grace_ms)
                    .await
                    .map_err(|e| effect_error(&e))?;
                metrics::counter!("granary_eventstore_marked_total", "event_type" => self.event_type.clone())
                    .increment(marked);
            }
        }
        Ok(dead)
    }
}
