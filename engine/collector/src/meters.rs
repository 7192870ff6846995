//! The collector's figures, registered once: a request only adds to them.

use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};

/// What a request was recognised as; the label `route`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/{vendor}/{version}`.
    Vendor,
    /// `/i` and `/ice.png`.
    Pixel,
    /// `/robots.txt`.
    Robots,
    /// `/sink-health`.
    Health,
}

const ROUTES: [&str; 4] = ["vendor", "pixel", "robots", "health"];
const CODES: [u16; 7] = [200, 204, 400, 405, 408, 413, 503];

/// Handles of all series.
pub(crate) struct Meters {
    requests: Vec<Counter>,
    bytes: Counter,
    bad: Counter,
    seconds: Histogram,
}

impl Meters {
    pub(crate) fn new() -> Self {
        describe_counter!(
            "granary_collector_requests_total",
            "Requests answered by the collector, by status code and route."
        );
        describe_counter!("granary_collector_bytes_total", "Bytes of bodies that the collector stored.");
        describe_counter!(
            "granary_collector_bad_total",
            "Payloads that could not be stored and went to snowplow_bad."
        );
        describe_histogram!("granary_collector_seconds", "Seconds from the head of a request to its answer.");
        let series = ROUTES.iter().flat_map(|route| CODES.iter().map(move |code| (route, code)));
        Self {
            requests: series
                .map(|(route, code)| {
                    counter!("granary_collector_requests_total", "route" => *route, "code" => code.to_string())
                })
                .collect(),
            bytes: counter!("granary_collector_bytes_total"),
            bad: counter!("granary_collector_bad_total"),
            seconds: histogram!("granary_collector_seconds"),
        }
    }

    pub(crate) fn answered(&self, route: Route, code: u16, seconds: f64) {
        if let Some(column) = CODES.iter().position(|known| *known == code) {
            self.requests[route as usize * CODES.len() + column].increment(1);
        }
        self.seconds.record(seconds);
    }

    pub(crate) fn stored(&self, bytes: usize) {
        self.bytes.increment(bytes as u64);
    }

    pub(crate) fn refused(&self, payloads: usize) {
        self.bad.increment(payloads as u64);
    }
}
