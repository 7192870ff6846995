//! The collector: the Snowplow-compatible entrance of the stream.
//!
//! ```text
//! tracker ─HTTP─> route ─> record (Thrift) ─> log.append ─> 200      the answer comes after the record is durable
//!                             └─ too large ─> split at data[] ─> what still does not fit: topic snowplow_bad
//! ```
//!
//! Collector and API share one port. A path belongs to the collector when [`Collector::owns`] says so: two segments
//! of which the first is a vendor (a dot in it, or named in [`Options::vendors`]), `/i`, `/ice.png`, `/robots.txt`
//! and `/sink-health`, all of them with and without the prefix `/api`. Everything else is the API's, so a mistyped
//! API path is never stored as an event. Three ways to mount it:
//!
//! - [`front`]: the collector before another router, on one port; the way that costs least;
//! - [`router`]: the collector alone, for a port of its own; it can also be merged into a router without a fallback;
//! - [`Collector::owns`] and [`Collector::handle`] for anything else.
//!
//! The client's address comes from axum's `ConnectInfo<SocketAddr>`: serve with
//! `into_make_service_with_connect_info::<SocketAddr>()`. Install the metrics recorder before [`Collector::new`].
//!
//! This crate reads nothing back from the log and knows nothing of harvesters.

mod collector;
mod front;
mod options;

mod address;
mod record;
mod split;
mod trace;

mod meters;
mod reply;

pub mod json;
pub mod thrift;

pub use address::{Network, NetworkError};
pub use collector::{BAD_TOPIC, Collector, TOPIC, router};
pub use front::{Front, front};
pub use options::Options;
pub use thrift::CollectorPayload;

#[cfg(test)]
mod tests;
