//! The collector's figures, registered once: a request only adds to them.

use std::collections::HashMap;
use std::sync::RwLock;

use metrics::{Counter, Histogram, counter, describe_counter, describe_histogram, histogram};

use crate::route::Route;

const ROUTES: [(Route, &str); 9] = [
    (Route::Vendor, "vendor"),
    (Route::Pixel, "pixel"),
    (Route::Redirect, "redirect"),
    (Route::Robots, "robots"),
    (Route::Crossdomain, "crossdomain"),
    (Route::Root, "root"),
    (Route::Alive, "alive"),
    (Route::Health, "health"),
    (Route::Micro, "micro"),
];
const CODES: [(u16, &str); 6] =
    [(200, "200"), (302, "302"), (400, "400"), (405, "405"), (408, "408"), (503, "503")];
/// Label of what is in neither list.
const OTHER: &str = "other";
/// Vendors that get a label of their own beside those of the configuration; everybody can send to a new one, and
/// every label stays in memory.
const VENDORS_MAX: usize = 64;
/// A longer name is counted as [`OTHER`].
const VENDOR_BYTES_MAX: usize = 64;

/// Handles of all series.
pub(crate) struct Meters {
    requests: Vec<Counter>,
    vendors: RwLock<HashMap<String, Vec<Counter>>>,
    vendors_max: usize,
    bytes: Counter,
    bad: Counter,
    untracked: Counter,
    seconds: Histogram,
}

impl Meters {
    pub(crate) fn new(vendors: &[String]) -> Self {
        describe_counter!(
            "granary_collector_requests_total",
            "Requests answered by the collector, by status code and route."
        );
        describe_counter!(
            "granary_collector_vendor_requests_total",
            "Requests to vendor paths, by status code and vendor; vendors after the first 64 count as other."
        );
        describe_counter!("granary_collector_bytes_total", "Bytes of bodies that the collector stored.");
        describe_counter!(
            "granary_collector_bad_total",
            "Payloads that could not be stored and went to snowplow_bad."
        );
        describe_counter!(
            "granary_collector_untracked_total",
            "Requests that were not stored because their cookie asks not to be tracked."
        );
        describe_histogram!("granary_collector_seconds", "Seconds from the head of a request to its answer.");
        let names = ROUTES.iter().map(|(_, route)| *route);
        let series = names.flat_map(|route| code_names().map(move |code| (route, code)));
        let known = vendors.iter().map(String::as_str).chain(["com.snowplowanalytics.snowplow", OTHER]);
        let vendors: HashMap<_, _> =
            known.map(|vendor| (vendor.to_owned(), vendor_counters(vendor))).collect();
        Self {
            requests: series
                .map(|(route, code)| {
                    counter!("granary_collector_requests_total", "route" => route, "code" => code)
                })
                .collect(),
            vendors_max: vendors.len() + VENDORS_MAX,
            vendors: RwLock::new(vendors),
            bytes: counter!("granary_collector_bytes_total"),
            bad: counter!("granary_collector_bad_total"),
            untracked: counter!("granary_collector_untracked_total"),
            seconds: histogram!("granary_collector_seconds"),
        }
    }

    pub(crate) fn answered(&self, route: Route, code: u16, seconds: f64) {
        let row = ROUTES.iter().position(|(this, _)| *this == route).unwrap_or_default();
        self.requests[row * (CODES.len() + 1) + column(code)].increment(1);
        self.seconds.record(seconds);
    }

    /// Counts a request to a vendor. A name that is new gets a label only with a request that was stored.
    pub(crate) fn vendor(&self, vendor: &str, code: u16) {
        let column = column(code);
        {
            let vendors = self.vendors.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            let full = vendors.len() >= self.vendors_max || !(200..400).contains(&code) || !is_label(vendor);
            let found = vendors.get(vendor).or_else(|| vendors.get(OTHER).filter(|_| full));
            if let Some(counters) = found {
                counters[column].increment(1);
                return;
            }
        }
        let mut vendors = self.vendors.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Another request may have taken the last place meanwhile.
        let vendor = if vendors.len() >= self.vendors_max { OTHER } else { vendor };
        let counters = vendors.entry(vendor.to_owned()).or_insert_with(|| vendor_counters(vendor));
        counters[column].increment(1);
    }

    pub(crate) fn stored(&self, bytes: usize) {
        self.bytes.increment(bytes as u64);
    }

    pub(crate) fn refused(&self, payloads: usize) {
        self.bad.increment(payloads as u64);
    }

    pub(crate) fn untracked(&self) {
        self.untracked.increment(1);
    }
}

/// The name of a route, for labels and the access log.
pub(crate) fn name(route: Route) -> &'static str {
    ROUTES.iter().find(|(this, _)| *this == route).map_or(OTHER, |(_, name)| name)
}

/// Whether a vendor may be shown: what a client sends could be anything.
pub(crate) fn is_label(vendor: &str) -> bool {
    vendor.len() <= VENDOR_BYTES_MAX
        && vendor.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

fn code_names() -> impl Iterator<Item = &'static str> {
    CODES.iter().map(|(_, name)| *name).chain([OTHER])
}

fn column(code: u16) -> usize {
    CODES.iter().position(|(known, _)| *known == code).unwrap_or(CODES.len())
}

fn vendor_counters(vendor: &str) -> Vec<Counter> {
    let counter = |code| counter!("granary_collector_vendor_requests_total", "vendor" => vendor.to_owned(), "code" => code);
    code_names().map(counter).collect()
}
