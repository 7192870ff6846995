//! The API driven in process, on a real Postgres, with a runtime that records what it was asked.

mod access;
mod belt_versions;
mod belts;
mod definitions;
mod events;
mod harvesters;
mod refusals;
mod secrets;
mod streams;
mod support;
mod walkthrough;
