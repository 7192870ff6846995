//! The collector on a port of its own, spoken to over sockets, with the real log underneath.

mod corpus;
mod hostile;
mod limits;
mod outage;
mod shutdown;
mod support;
mod tls;
