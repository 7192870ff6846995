//! What can be set.

use std::time::Duration;

use crate::{Cookie, DoNotTrack, DomainPattern, Network, PathMapping, RootResponse};

/// Settings of the collector.
#[derive(Debug, Clone)]
pub struct Options {
    /// Partitions of each of the two streams, 1 unless told. The records of one request go to one of them.
    pub partitions: u32,
    /// First path segments that are vendors although they have no dot.
    pub vendors: Vec<String>,
    /// Paths that stand for others.
    pub paths: Vec<PathMapping>,
    /// Peers whose `X-Forwarded-For` or `Forwarded` is believed. Empty: the address of the connection is recorded.
    pub trusted_proxies: Vec<Network>,
    /// The cookie that tells one client from another; none unless told.
    pub cookie: Option<Cookie>,
    /// The cookie by which a client asks not to be tracked; none unless told.
    pub do_not_track: Option<DoNotTrack>,
    /// Where `/r/{version}` may lead. Empty: there are no redirects.
    pub redirect_domains: Vec<DomainPattern>,
    /// Whose pages old plug-ins may send from, in `/crossdomain.xml`. Empty: there is no such file.
    pub crossdomain: Vec<DomainPattern>,
    /// What `GET /` answers; none leaves the path to others.
    pub root: Option<RootResponse>,
    /// Events that `/micro/good` and `/micro/bad` each keep, for tests of trackers. 0: there is no `/micro`.
    pub micro_events_max: usize,
    /// Every so manieth request is written to the log of the process, without anything personal. 0: none is.
    pub access_log_every: u64,
    /// Largest body in bytes. Of one beyond it only this much is kept, in topic `snowplow_bad`. Trackers repeat a 413
    /// for ever and after an outage send their whole buffer in one request, so it is generous.
    pub body_bytes_max: usize,
    /// Largest request line in bytes; beyond it the answer is 400.
    pub request_line_bytes_max: usize,
    /// Most bytes of all headers together; beyond it the answer is 400.
    pub header_bytes_max: usize,
    /// Largest record in bytes, envelope included. Must not be above the limit of the log.
    pub record_bytes_max: usize,
    /// Bytes of bodies held at one moment by all requests together; beyond it the answer is 503. Twice this much may
    /// be in use while records are encoded.
    pub in_flight_bytes_max: usize,
    /// How long a client may take to send its body, and a second more for every 256 KiB of it; then 408.
    pub body_timeout: Duration,
    /// How long the log may take to store a request; then 503.
    pub store_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            partitions: 1,
            vendors: Vec::new(),
            paths: Vec::new(),
            trusted_proxies: Vec::new(),
            cookie: None,
            do_not_track: None,
            redirect_domains: Vec::new(),
            crossdomain: Vec::new(),
            root: None,
            micro_events_max: 0,
            access_log_every: 0,
            body_bytes_max: 32 * 1024 * 1024,
            request_line_bytes_max: 20_480,
            header_bytes_max: 40_960,
            record_bytes_max: 1_000_000,
            in_flight_bytes_max: 256 * 1024 * 1024,
            body_timeout: Duration::from_secs(30),
            store_timeout: Duration::from_secs(30),
        }
    }
}
