//! End-to-end tests: each starts the real binary in a fresh data directory and speaks HTTP to it. One story a module.
//!
//! They need `make build` (or `GRANARY_BIN`) and run one engine and one Postgres each.

mod access;
mod bad_input;
mod damage;
mod dead_letters;
mod defects;
mod documents;
mod dry_run;
mod fluvio;
mod guide;
mod hostility;
mod kill;
mod newcomer;
mod operations;
mod outage;
mod outbound;
mod packages;
mod restart;
mod second_engine;
mod secrets;
mod sessions;
mod trackers;
mod variations;
mod versions;
mod walkthrough;
