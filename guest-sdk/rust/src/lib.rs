//! Belts and transforms of Granary, written in Rust and compiled to WebAssembly components.
//!
//! A transform turns records of a source into events, a belt turns events into updates:
//!
//! ```
//! use granary_sdk::belt::{Belt, Event, Failure, Update};
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
//! struct People;
//!
//! impl Belt for People {
//!     fn execute(event: &Event) -> Result<Vec<Update>, Failure> {
//!         let person: Person<'_> = event.json()?;
//!         let row = Row { id: event.correlation_id()?, name: &person.name };
//!         Ok(vec![Update::row("people", &row)?])
//!     }
//! }
//!
//! granary_sdk::belt!(People);
//! # fn main() {}
//! ```
//!
//! Build it as a `cdylib` for the target `wasm32-wasip2`; what comes out is a component already. On any other target
//! the same crate compiles as well, so that belts are tested by plain `cargo test`.
//!
//! | module | holds |
//! |---|---|
//! | [`belt`] | the world `granary:belt/belt`: [`belt::Belt`] and the macro [`belt!`] |
//! | [`transform`] | the world `granary:transform/transform`: [`transform::Transform`] and the macro [`transform!`] |
//! | [`snowplow`] | the records of the collector |
//!
//! A value is parsed once, borrows from the payload, and is written once: parsing is what a guest spends its time on.

pub mod belt;
pub mod transform;

pub mod snowplow;

pub(crate) mod json;
