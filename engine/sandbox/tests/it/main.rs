//! The sandbox with the real Python runtime.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod belt;
mod cache;
mod component;
mod corpus;
mod crew;
mod groovy;
mod hostile;
mod javascript;
mod javascript_transform;
mod limits;
mod metrics;
mod packages;
mod samples;
mod script;
mod sdk;
mod support;
mod transform;
