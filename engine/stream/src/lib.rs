//! The stream: a durable, partitioned, append-only log of messages.
//!
//! Everything that travels through Granary is a [`Message`] on a topic of a [`StreamLog`]. The log holds bytes; which
//! of them count is decided elsewhere (in Postgres, by committed ranges). This crate therefore knows nothing of
//! harvesters, belts or tables.
//!
//! ```text
//! append ──> [ group commit: one write, one fdatasync ] ──> Ok(ranges)         durable from here on
//!
//! partition:   start ........ read from any offset ........ end
//!              (trimmed before)                             (next offset to be written)
//! ```

pub mod message;

pub mod log;

pub mod clock;
pub mod embedded;
pub mod intervals;
pub mod memory;
pub mod record;
pub mod signal;

pub use intervals::Intervals;
pub use log::{Append, Bounds, Error, OffsetRange, ReadLimit, Record, StreamLog, TopicSpec};
pub use message::{Headers, Incarnation, Message, Producer, Source, System};
pub use signal::{Signal, Watcher};

#[cfg(any(test, feature = "test-util"))]
pub mod contract_tests;
#[cfg(feature = "test-util")]
pub mod probe;
