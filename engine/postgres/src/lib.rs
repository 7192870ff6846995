//! The embedded Postgres server: a cluster of one's own, run as a child process.
//!
//! ```text
//!   <data dir>/postgres.json       where the cluster is, its major version, the last port
//!   <data dir>/postgres.password   of the superuser `granary`, readable by the engine's user only
//!   <data dir>/postgres.log        what the server says
//!   <data dir>/postgres/           the cluster: data/ and, where its path is short enough, socket/
//! ```
//!
//! Run as root, the server takes the account `postgres`, else `nobody`. Where that account can not reach the data
//! directory (it lies under a folder with mode 0700), the cluster is kept in a place of its own that `postgres.json`
//! names.
//!
//! A server that dies is started again. A server that was left behind by a killed engine is stopped at the next start:
//! with it end the transactions that the dead engine had under way.
//!
//! This crate knows nothing of what is in the databases.

mod account;
mod binaries;
mod cluster;
mod error;
mod postmaster;
mod server;
#[cfg(feature = "test-util")]
pub mod shared;

pub use crate::error::Error;
pub use crate::server::{DATABASE, Options, Server, Status, USER};
