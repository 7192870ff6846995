//! The fault harness: what can go wrong with an engine and what it stands on goes wrong, again and again, while events are
//! posted, and every write is audited. `make faults` runs it.
//!
//! A [`scenario`] is one kind of fault. It runs in chunks of some rounds, each with a node of its own and its own audit, and
//! the [`state`] is stored after each of them: a harness that was interrupted goes on behind the last whole chunk.

// What runs, and what is known of it.
pub mod chunk;
pub mod estimate;
pub mod scenario;
pub mod state;
pub mod table;
pub mod tally;

// The scenarios.
mod broker;
mod database;
mod disk;
mod engine;
mod pause;
mod rivalry;
mod volume;
mod worker;
