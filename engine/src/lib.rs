//! Granary: events over HTTP, user code in WebAssembly on every one of them, tables in Postgres a moment later.
//!
//! ```text
//! tracker ─HTTP─> collector ─> stream "snowplow" ─> harvester ─> stream grnry_data_in_X ─┬─> persister ─> eventstore
//!                                                                                        └─> belt
//!   SQL <─ "project"."grnry_live_segment_Y" <─ persister <─ stream grnry_live_segment_Y <──────┘
//! ```
//!
//! The modules stand in the order of that path. What each stage reads and commits is the business of [`stage`]; who
//! runs is decided by the [`supervisor`]; people and programs talk to [`api`].

pub mod stage;

pub mod belt;
pub mod harvester;
pub mod persister;

pub mod supervisor;

pub mod api;

pub mod config;
mod lines;
pub mod node;
pub mod object_log;
pub mod outbound;
pub mod packages;
pub mod ready;
pub mod retention;
pub mod runtimes;
pub mod secrets;
mod serving;
pub mod streams;
pub mod telemetry;
pub mod version;

pub mod cli;
