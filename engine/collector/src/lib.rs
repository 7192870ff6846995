//! The collector: the Snowplow-compatible entrance of the stream.
//!
//! ```text
//! tracker ─HTTP─> route ─> record (Thrift) ─> log.append ─> 200      the answer comes after the record is durable
//!                             └─ too large ─> split at data[] ─> what still does not fit: topic snowplow_bad
//! ```
//!
//! Collector and API share one port. A path belongs to the collector when [`Collector::owns`] says so: two segments
//! of which the first is a vendor (a dot in it, or named in [`Options::vendors`]), one of [`Options::paths`], `/i`,
//! `/ice.png`, `/robots.txt` and `/sink-health`, all of them with and without the prefix `/api`; and where they are
//! switched on `/r/{version}`, `/crossdomain.xml`, `/micro/{...}` and `/`. Everything else is the API's, so a mistyped
//! API path is never stored as an event. Ways to mount it:
//!
//! - [`front`]: the collector before another router, on one port; the way that costs least;
//! - [`serve`]: the collector alone, on a port of its own with limits on connections, and TLS;
//! - [`router`]: the collector alone, for a server of one's own;
//! - [`Collector::owns`] and [`Collector::handle`] for anything else.
//!
//! The client's address comes from axum's `ConnectInfo<SocketAddr>`: serve with
//! `into_make_service_with_connect_info::<SocketAddr>()`. Install the metrics recorder before [`Collector::new`].
//!
//! This crate reads nothing back from the log and knows nothing of harvesters.

mod collector;
mod front;
mod options;
mod server;

// What a request is and who sent it.
mod address;
mod body;
mod cookie;
mod domain;
mod head;
mod inflate;
mod route;
mod visitor;

// What is stored.
mod record;
mod split;
mod trace;

// What is answered.
mod redirect;
mod reply;
mod root;

// What is told of it.
mod access;
mod meters;
mod micro;

pub mod json;
pub mod thrift;

#[doc(hidden)]
pub mod hostile;

pub use address::{Network, NetworkError};
pub use collector::{BAD_TOPIC, Collector, TOPIC, router};
pub use cookie::{Cookie, CookieName, DoNotTrack};
pub use domain::{Domain, DomainPattern};
pub use front::{Front, front};
pub use options::Options;
pub use root::RootResponse;
pub use route::PathMapping;
pub use server::{Limits, Tls, TlsError, serve};
pub use thrift::CollectorPayload;

#[cfg(test)]
mod tests;
