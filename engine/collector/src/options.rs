//! What can be set.

use std::time::Duration;

use crate::Network;

/// Settings of the collector.
#[derive(Debug, Clone)]
pub struct Options {
    /// Partitions of each of the two streams, 1 unless told. The records of one request go to one of them.
    pub partitions: u32,
    /// First path segments that are vendors although they have no dot.
    pub vendors: Vec<String>,
    /// Peers whose `X-Forwarded-For` is believed. Empty: the address of the connection is recorded.
    pub trusted_proxies: Vec<Network>,
    /// Largest body in bytes; beyond it the answer is 413. Trackers repeat a 413 for ever, so it is generous: after
    /// an outage some send their whole buffer in one request.
    pub body_bytes_max: usize,
    /// Largest record in bytes, envelope included. Must not be above the limit of the log.
    pub record_bytes_max: usize,
    /// Bytes of bodies held at one moment by all requests together; beyond it the answer is 503. Twice this much may
    /// be in use while records are encoded.
    pub in_flight_bytes_max: usize,
    /// How long a client may take to send its body; then 408.
    pub body_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            partitions: 1,
            vendors: Vec::new(),
            trusted_proxies: Vec::new(),
            body_bytes_max: 32 * 1024 * 1024,
            record_bytes_max: 1_000_000,
            in_flight_bytes_max: 256 * 1024 * 1024,
            body_timeout: Duration::from_secs(30),
        }
    }
}
