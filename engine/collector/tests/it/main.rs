//! The collector on a port of its own, spoken to over sockets, with the real log underneath.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod corpus;
mod hostile;
mod limits;
mod outage;
mod shutdown;
mod support;
mod tls;
