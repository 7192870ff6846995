//! What makes an event's metadata.

use super::EventType;

/// The expressions that make an event's metadata, and whose they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// Technical name of the event type.
    pub event_type: String,
    /// Its version.
    pub version: u32,
    /// Yields the correlation id; mandatory.
    pub correlation_id: Option<String>,
    /// Yields the event id; mandatory.
    pub event_id: Option<String>,
    /// Yields milliseconds since the epoch; now without it.
    pub timestamp: Option<String>,
    /// Yields a boolean.
    pub deletion: Option<String>,
}

impl From<&EventType> for Metadata {
    fn from(event_type: &EventType) -> Self {
        Self {
            event_type: event_type.name.clone(),
            version: event_type.version,
            correlation_id: event_type.correlation_id_expression.clone(),
            event_id: event_type.event_id_expression.clone(),
            timestamp: event_type.timestamp_expression.clone(),
            deletion: event_type.deletion_expression.clone(),
        }
    }
}
