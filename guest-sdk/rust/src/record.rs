//! What goes into a transform.

use std::fmt;

use serde::Deserialize;

use crate::frame::Item;
use crate::json;
use crate::snowplow::CollectorPayload;
use crate::transform::Failure;

/// One record of the harvester's source: headers and a payload. They lie in the batch that the record came with, so that
/// cloning a record copies nothing, and a record that is kept keeps its batch.
#[derive(Clone)]
pub struct SourceRecord(pub(crate) Item);

impl SourceRecord {
    /// A record for tests: a payload, and headers as pairs of name and value.
    #[must_use]
    pub fn of(payload: impl AsRef<[u8]>, headers: &[(&str, &str)]) -> Self {
        Self(Item::of(headers.iter().copied(), payload.as_ref()))
    }

    /// Names and values of the headers, in their order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.headers()
    }

    /// The first header of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.header(name)
    }

    /// The payload, byte for byte; from the collector a Thrift `CollectorPayload`, which [`snowplow`](Self::snowplow) reads.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.0.payload()
    }

    /// The payload read as JSON. Texts without escapes can be borrowed from the record.
    ///
    /// # Errors
    /// `bad-json` with line and column.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        json::read(self.payload()).map_err(Failure::from)
    }

    /// The payload read as a record of the collector.
    ///
    /// # Errors
    /// `not-thrift` with the position.
    pub fn snowplow(&self) -> Result<CollectorPayload<'_>, Failure> {
        Ok(CollectorPayload::decode(self.payload())?)
    }
}

impl fmt::Debug for SourceRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show("SourceRecord", f)
    }
}
