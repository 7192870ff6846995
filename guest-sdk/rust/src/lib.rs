//! Belts and transforms of Granary, written in Rust and compiled to WebAssembly components.
//!
//! A transform turns records of a source into events, a belt turns events into updates:
//!
//! ```
//! use granary::{BeltError, Event, Update};
//!
//! #[derive(serde::Deserialize)]
//! struct Person<'a> {
//!     #[serde(borrow)]
//!     name: std::borrow::Cow<'a, str>,
//! }
//!
//! #[derive(serde::Serialize)]
//! struct Row<'a> {
//!     id: &'a str,
//!     name: &'a str,
//! }
//!
//! #[granary::belt]
//! fn execute(event: Event) -> Result<Vec<Update>, BeltError> {
//!     let person: Person<'_> = event.json()?;
//!     let row = Row { id: event.correlation_id()?, name: &person.name };
//!     Ok(vec![Update::row("people", &row)?])
//! }
//! # fn main() {}
//! ```
//!
//! Build it as a `cdylib` for the target `wasm32-wasip2`; what comes out is a component already. On any other target
//! the same crate compiles as well, so that belts are tested by plain `cargo test`.
//!
//! | part | holds |
//! |---|---|
//! | [`macro@belt`] | makes a function the belt of the component |
//! | [`Event`], [`Update`], [`BeltError`] | what goes in and out of it; all of it is in [`mod@belt`] |
//! | [`Event::session`] | the events of a session, where the message is one |
//! | [`log`], [`config`], [`metrics`], [`mod@http`] | what a belt may ask of the engine |
//! | `transform` | with the feature of that name and without default features: the world `granary:transform/framed-transform` |
//! | [`snowplow`] | the records of the collector |
//!
//! Of what a belt or transform takes and gives back, small pieces are kept in lists, which is quicker than the C library: the
//! feature `allocator`, one of the default features, makes that the global allocator of the component. Do without where you
//! have one of your own.
//!
//! A value is parsed once, borrows from the payload, and is written once: parsing is what a guest spends its time on.
//! A panic ends the instance; its message and place become the dead letter's.
//!
//! A function of another shape does not compile:
//!
//! ```compile_fail
//! #[granary::belt]
//! async fn execute(event: granary::Event) -> Result<Vec<granary::Update>, granary::BeltError> {
//!     Ok(vec![])
//! }
//! # fn main() {}
//! ```

#[cfg(feature = "belt")]
pub mod belt;
#[cfg(feature = "transform")]
pub mod transform;

#[cfg(feature = "belt")]
pub mod http;

#[cfg(feature = "belt")]
mod event;
#[cfg(any(feature = "belt", feature = "transform"))]
mod frame;
#[cfg(feature = "transform")]
mod record;
#[cfg(feature = "belt")]
mod session;
#[cfg(feature = "belt")]
mod update;

#[cfg(feature = "belt")]
mod host;
#[cfg(feature = "belt")]
pub use host::{config, log, metrics};

pub mod snowplow;

#[cfg_attr(
    not(any(feature = "belt", feature = "transform")),
    allow(dead_code, reason = "tested without a world")
)]
mod bytes;
#[cfg(any(feature = "belt", feature = "transform", test))]
#[cfg_attr(
    not(any(feature = "belt", feature = "transform")),
    allow(dead_code, reason = "tested without a world")
)]
pub(crate) mod json;
#[cfg(any(all(feature = "allocator", target_arch = "wasm32"), test))]
mod memory;

#[cfg(feature = "belt")]
pub use belt::{BeltError, Event, Update};
#[cfg(feature = "belt")]
pub use granary_sdk_macros::belt;
