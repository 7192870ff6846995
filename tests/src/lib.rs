//! Support shared by the end-to-end tests, the demo, the kill test, the fault harness and the benchmarks.
//!
//! Everything here treats Granary as a stranger would: it starts the real binary in a fresh data directory
//! ([`node`]) and speaks HTTP to it ([`api`], [`project`]). Nothing reaches into the engine, with two exceptions
//! that are marked: [`postgres`] looks into the database directly, to kill it or to audit what was written there, and
//! the benchmarks of single parts call the crate that they measure.

// A node and what one says to it.
pub mod api;
pub mod fluvio;
pub mod lossy;
pub mod node;
pub mod postgres;
pub mod program;
pub mod project;
pub mod rival;

// What the tests post and expect.
pub mod event;
pub mod guide;
pub mod pipeline;
pub mod walkthrough;

// Waiting, loading and measuring.
pub mod figure;
pub mod latency;
pub mod load;
pub mod visible;
pub mod wait;

// Runs that are both a test and a program.
pub mod audit;
pub mod faults;
pub mod kill;
pub mod newcomer;
pub mod takeover;
pub mod trial;
