//! The access log: every so manieth request, and nothing of it that tells who sent it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Method;

use crate::meters;
use crate::route::Route;

/// Which requests are written down.
pub(crate) struct Access {
    every: u64,
    seen: AtomicU64,
}

impl Access {
    /// With 0 none is.
    pub(crate) fn new(every: u64) -> Self {
        Self { every, seen: AtomicU64::new(0) }
    }

    /// Neither address, query, user agent nor cookies are written, and of the path no more than a known kind of
    /// vendor: each of them may name a person.
    pub(crate) fn note(
        &self,
        route: Route,
        vendor: Option<&str>,
        method: &Method,
        code: u16,
        took: Duration,
    ) {
        if self.every == 0 || !self.seen.fetch_add(1, Ordering::Relaxed).is_multiple_of(self.every) {
            return;
        }
        let vendor = vendor.filter(|vendor| meters::is_label(vendor)).unwrap_or("-");
        // A method may be any token, so one that is not known could carry anything.
        let method = match *method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::OPTIONS => "OPTIONS",
            _ => "other",
        };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        tracing::info!(
            stage = "collector",
            route = meters::name(route),
            vendor,
            method,
            code,
            micros,
            one_of = self.every,
            "request"
        );
    }
}
