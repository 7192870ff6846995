//! What arrived, kept in memory for tests of trackers: the interface of Snowplow Micro.
//!
//! | request | answer |
//! |---|---|
//! | `GET /micro/all` | how many events there are |
//! | `GET`, `POST /micro/good` | events that were stored, the newest first; filters in the body or the query |
//! | `GET`, `POST /micro/bad` | payloads that went to topic `snowplow_bad` |
//! | `GET`, `POST /micro/reset` | forgets all |
//!
//! Micro checks events against schemas; here nothing is checked, so every stored event is good. The oldest are
//! forgotten beyond a number of events and of bytes, and counted all the same.

mod event;
mod filter;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde_json::{Value, json};

use self::event::Event;
use self::filter::Filter;
use crate::{CollectorPayload, reply};

/// Bytes of JSON that are kept of good and of bad ones each.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of a filter.
const FILTER_BYTES_MAX: usize = 64 * 1024;
/// How long a filter may take to come.
const FILTER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// The events that were seen since the last reset.
pub(crate) struct Micro {
    events_max: usize,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    good: Kept,
    bad: Kept,
}

/// The newest of a kind.
#[derive(Default)]
struct Kept {
    events: VecDeque<Event>,
    bytes: usize,
    total: u64,
}

impl Kept {
    fn push(&mut self, event: Event, events_max: usize) {
        self.total += 1;
        self.bytes += event.json.len();
        self.events.push_front(event);
        while self.events.len() > events_max || self.bytes > BYTES_MAX {
            let Some(oldest) = self.events.pop_back() else { break };
            self.bytes -= oldest.json.len();
        }
    }

    fn list(&self, filter: &Filter) -> String {
        let found = self.events.iter().filter(|event| filter.matches(event)).take(filter.limit());
        let found: Vec<&str> = found.map(|event| event.json.as_str()).collect();
        format!("[{}]", found.join(","))
    }
}

impl Micro {
    pub(crate) fn new(events_max: usize) -> Self {
        Self { events_max, seen: Mutex::default() }
    }

    /// Takes the events of a record that was stored.
    pub(crate) fn good(&self, record: &[u8]) {
        let Ok(payload) = CollectorPayload::decode(record) else { return };
        let (total, events) = event::good(&payload, self.events_max);
        let mut seen = self.lock();
        seen.good.total += (total - events.len()) as u64;
        for event in events {
            seen.good.push(event, self.events_max);
        }
    }

    /// Takes a row of the bad topic.
    pub(crate) fn bad(&self, row: &[u8]) {
        let event = event::bad(row);
        self.lock().bad.push(event, self.events_max);
    }

    pub(crate) async fn answer(&self, method: &Method, path: &str, parts: &Parts, body: Body) -> Response {
        if !matches!(*method, Method::GET | Method::HEAD | Method::POST) {
            return reply::text(StatusCode::METHOD_NOT_ALLOWED, "this path answers GET and POST\n");
        }
        let read = Limited::new(body, FILTER_BYTES_MAX).collect();
        let filter = match tokio::time::timeout(FILTER_TIMEOUT, read).await {
            Err(_) => {
                let seconds = FILTER_TIMEOUT.as_secs();
                let late = format!("the filter did not arrive within {seconds} s: send it again\n");
                return reply::text(StatusCode::REQUEST_TIMEOUT, late);
            }
            Ok(Ok(body)) => Filter::read(parts.uri.query(), &body.to_bytes()),
            Ok(Err(error)) => Err(format!("of at most {FILTER_BYTES_MAX} bytes, but {error}")),
        };
        let filter = match filter {
            Ok(filter) => filter,
            Err(wrong) => {
                return reply::text(StatusCode::BAD_REQUEST, format!("expected a filter {wrong}\n"));
            }
        };
        let mut seen = self.lock();
        let body = match path {
            "/micro/good" => seen.good.list(&filter),
            "/micro/bad" => seen.bad.list(&filter),
            "/micro/reset" => {
                *seen = Seen::default();
                seen.counts().to_string()
            }
            _ => seen.counts().to_string(),
        };
        reply::json(StatusCode::OK, body)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // Every change is whole before anything in it can fail.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn counts(&self) -> Value {
        let (good, bad) = (self.good.total, self.bad.total);
        json!({"total": good + bad, "good": good, "bad": bad})
    }
}
