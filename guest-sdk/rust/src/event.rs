//! What goes into a belt.

use std::fmt;

use serde::Deserialize;

use crate::belt::{BeltError, of_problem};
use crate::frame::Item;
use crate::json;

/// One message of an input event type: headers and a payload. They lie in the batch that the event came with, so that
/// cloning an event copies nothing, and an event that is kept keeps its batch.
#[derive(Clone)]
pub struct Event(pub(crate) Item);

impl Event {
    /// An event for tests: a payload, and headers as pairs of name and value.
    #[must_use]
    pub fn of(payload: impl AsRef<[u8]>, headers: &[(&str, &str)]) -> Self {
        Self(Item::of(headers.iter().copied(), payload.as_ref()))
    }

    /// Names and values of the headers, in their order. A normal event carries `grnry-event-type`,
    /// `grnry-event-type-version`, `grnry-event-id`, `grnry-correlation-id`, `grnry-harvester-name` and
    /// `grnry-event-timestamp` (milliseconds since the epoch as decimal text); the engine adds `grnry-retry-count` and
    /// `grnry-retry-max-count`.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.headers()
    }

    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.header(name)
    }

    /// The payload, byte for byte as it was stored; normally JSON text.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.0.payload()
    }

    /// The correlation id.
    ///
    /// # Errors
    /// `no-correlation-id` where the event has no such header.
    pub fn correlation_id(&self) -> Result<&str, BeltError> {
        self.header("grnry-correlation-id").ok_or_else(|| {
            BeltError::new("no-correlation-id", "the event has no header grnry-correlation-id")
        })
    }

    /// The payload read as JSON. Texts without escapes can be borrowed from the event.
    ///
    /// # Errors
    /// `bad-json` with line and column.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, BeltError> {
        json::read(self.payload()).map_err(of_problem)
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show("Event", f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_header_of_a_name_counts() {
        let event = Event::of("1", &[("b", "0"), ("a", "1"), ("a", "2")]);
        assert_eq!((event.header("a"), event.header("c")), (Some("1"), None));
        assert_eq!(
            format!("{event:?}"),
            r#"Event { headers: [("b", "0"), ("a", "1"), ("a", "2")], payload: "1" }"#
        );
    }

    #[test]
    fn event_without_correlation_id_fails_with_a_reason() {
        assert_eq!(Event::of("", &[]).correlation_id().unwrap_err().code(), "no-correlation-id");
    }
}
