//! From request to answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use granary_stream::{Append, Error as LogError, Message, Producer, StreamLog, System};
use http::{Method, StatusCode, header};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::address;
use crate::meters::{Meters, Route};
use crate::options::Options;
use crate::record::{Envelope, random_uuid};
use crate::reply;
use crate::split::{Split, split};
use crate::trace;

/// The stream of requests; records go to its partition 0.
pub const TOPIC: &str = "snowplow";
/// Where payloads are kept that can never be a record, as JSON with the reason; partition 0.
pub const BAD_TOPIC: &str = "snowplow_bad";

/// A large body is appended in pieces of about this many bytes, so that one client does not fill the log's queue.
const APPEND_BYTES: usize = 4 * 1024 * 1024;

/// The collector; cheap to clone. Both topics have to exist before the first request.
#[derive(Clone)]
pub struct Collector(Arc<Inner>);

struct Inner {
    log: Arc<dyn StreamLog>,
    options: Options,
    meters: Meters,
    producer: u128,
    sequence: AtomicU64,
    in_flight_bytes: AtomicUsize,
}

/// The collector alone: a router for a port of its own. Paths of others are answered 404.
pub fn router(collector: Collector) -> Router {
    Router::new().fallback(move |request: Request| {
        let collector = collector.clone();
        async move { collector.handle(request).await }
    })
}

/// The collector before `others`, on one port: it takes the paths that it owns and passes on the rest, untouched.
pub fn front(collector: Collector, others: Router) -> Router {
    Router::new().fallback(move |request: Request| {
        let collector = collector.clone();
        // Cloning a router is counting a reference, and it is done for the others' requests only.
        let others = (!collector.owns(request.uri().path())).then(|| others.clone());
        async move {
            match others {
                None => collector.handle(request).await,
                Some(others) => match others.oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                },
            }
        }
    })
}

impl Collector {
    /// A collector that writes to topics [`TOPIC`] and [`BAD_TOPIC`] of the log. Registers its metrics, so the
    /// recorder has to be installed before.
    #[must_use]
    pub fn new(log: Arc<dyn StreamLog>, options: Options) -> Self {
        Self(Arc::new(Inner {
            log,
            options,
            meters: Meters::new(),
            producer: rand::random(),
            sequence: AtomicU64::new(0),
            in_flight_bytes: AtomicUsize::new(0),
        }))
    }

    /// Whether the path is the collector's, with or without the prefix `/api`.
    #[must_use]
    pub fn owns(&self, path: &str) -> bool {
        self.recognise(path).is_some()
    }

    /// Answers a request. A 200 for an event means that it is durable in the log.
    pub async fn handle(&self, request: Request) -> Response {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let Some((route, path)) = self.recognise(parts.uri.path()) else { return reply::not_found() };
        let mut response = match (route, &parts.method) {
            (_, &Method::OPTIONS) => reply::preflight(),
            (Route::Robots, &Method::GET | &Method::HEAD) => reply::robots(),
            (Route::Health, &Method::GET | &Method::HEAD) => match self.0.log.health() {
                Ok(()) => reply::text(StatusCode::OK, "ok"),
                Err(error) => reply::text(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
            },
            (Route::Vendor, &Method::POST) => match self.read(&parts, body).await {
                Ok(held) => self.store(&parts, path, Some(held)).await,
                Err(refusal) => refusal.reply(),
            },
            (Route::Vendor | Route::Pixel, &Method::GET | &Method::HEAD) => {
                self.store(&parts, path, None).await
            }
            _ => reply::wrong_method(),
        };
        reply::allow_origin(&mut response, parts.headers.get(header::ORIGIN));
        self.0.meters.answered(route, response.status().as_u16(), started.elapsed().as_secs_f64());
        response
    }

    /// The route of a path, and the path as it is recorded.
    fn recognise<'a>(&self, path: &'a str) -> Option<(Route, &'a str)> {
        let path = path.strip_prefix("/api").filter(|rest| rest.starts_with('/')).unwrap_or(path);
        match path {
            "/i" | "/ice.png" => return Some((Route::Pixel, path)),
            "/robots.txt" => return Some((Route::Robots, path)),
            "/sink-health" => return Some((Route::Health, path)),
            _ => {}
        }
        let (vendor, version) = path.strip_prefix('/')?.split_once('/')?;
        if version.is_empty() || version.contains('/') {
            return None;
        }
        // A dot at either end is no vendor: `/.well-known/x`, `/../x`.
        let dotted = vendor.contains('.') && !vendor.starts_with('.') && !vendor.ends_with('.');
        (dotted || self.0.options.vendors.iter().any(|known| known == vendor))
            .then_some((Route::Vendor, path))
    }

    /// Reads the body, within the limits of one request and of all together.
    async fn read(&self, parts: &http::request::Parts, body: Body) -> Result<Held, Refusal> {
        let limit = self.0.options.body_bytes_max;
        let declared =
            parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if declared.is_some_and(|length: usize| length > limit) {
            return Err(Refusal::TooLarge(limit));
        }
        let read = tokio::time::timeout(self.0.options.body_timeout, self.collect(body, limit));
        read.await.unwrap_or_else(|_| Err(Refusal::Late(self.0.options.body_timeout)))
    }

    async fn collect(&self, mut body: Body, limit: usize) -> Result<Held, Refusal> {
        let mut held = Held { collector: self.clone(), body: Bytes::new(), counted: 0 };
        let mut joined = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| Refusal::Unreadable(error.to_string()))?;
            let Ok(chunk) = frame.into_data() else { continue };
            if held.counted + chunk.len() > limit {
                return Err(Refusal::TooLarge(limit));
            }
            held.count(chunk.len())?;
            // Most bodies are one chunk, which is kept as it came.
            if held.body.is_empty() && joined.is_empty() {
                held.body = chunk;
            } else {
                if joined.is_empty() {
                    joined.extend_from_slice(&std::mem::take(&mut held.body));
                }
                joined.extend_from_slice(&chunk);
            }
        }
        if !joined.is_empty() {
            held.body = joined.freeze();
        }
        Ok(held)
    }

    /// Makes the record or records of a request and answers once they are durable.
    async fn store(&self, parts: &http::request::Parts, path: &str, held: Option<Held>) -> Response {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let address = address::client(peer, &parts.headers, &self.0.options.trusted_proxies);
        let time_ms = now_ms();
        let envelope = Envelope::new(parts, path, time_ms, address);
        let body = held.as_ref().map(|held| &held.body[..]);
        let limit = self.0.options.record_bytes_max;

        let trace = trace::read(&parts.headers);
        let record = match body {
            Some(body) if body.len() > limit => None,
            _ => Some(envelope.encode(body)).filter(|record| record.len() <= limit),
        };
        let appended = match record {
            Some(record) => match self.append(TOPIC, vec![self.message(record, &trace)]).await {
                // The log counts more than the payload; take the way of the large ones with room to spare.
                Err(LogError::RecordTooLarge { limit: allowed, .. }) => {
                    let limit = limit.min(allowed) / 10 * 9;
                    self.append_split(split(&envelope, body, limit, time_ms), &trace).await
                }
                other => other,
            },
            None => self.append_split(split(&envelope, body, limit, time_ms), &trace).await,
        };
        match appended {
            Ok(()) => {
                self.0.meters.stored(body.map_or(0, <[u8]>::len));
                reply::stored(&parts.method)
            }
            Err(error) => refused(&error),
        }
    }

    async fn append_split(
        &self,
        split: Split,
        trace: &(granary_stream::Headers, u128),
    ) -> Result<(), LogError> {
        self.0.meters.refused(split.bad.len());
        for (topic, payloads) in [(BAD_TOPIC, split.bad), (TOPIC, split.records)] {
            let mut messages = Vec::new();
            let mut bytes = 0;
            for payload in payloads {
                bytes += payload.len();
                messages.push(self.message(payload, trace));
                if bytes >= APPEND_BYTES {
                    self.append(topic, std::mem::take(&mut messages)).await?;
                    bytes = 0;
                }
            }
            if !messages.is_empty() {
                self.append(topic, messages).await?;
            }
        }
        Ok(())
    }

    async fn append(&self, topic: &str, messages: Vec<Message>) -> Result<(), LogError> {
        self.0.log.append(vec![Append { topic: topic.to_owned(), partition: 0, messages }]).await.map(drop)
    }

    fn message(&self, payload: Vec<u8>, (headers, trace_id): &(granary_stream::Headers, u128)) -> Message {
        let key = random_uuid().hyphenated().encode_lower(&mut [0; 36]).to_owned();
        let sequence = self.0.sequence.fetch_add(1, Ordering::Relaxed);
        Message {
            key: Some(key.into()),
            payload: payload.into(),
            headers: headers.clone(),
            // The log stamps the time of the append.
            time_ms: 0,
            system: System {
                producer: Some(Producer { id: self.0.producer, sequence }),
                trace_id: *trace_id,
                ..System::default()
            },
        }
    }
}

/// A body, counted among the bytes in flight for as long as it is held.
struct Held {
    collector: Collector,
    body: Bytes,
    counted: usize,
}

impl Held {
    fn count(&mut self, bytes: usize) -> Result<(), Refusal> {
        let inner = &self.collector.0;
        let before = inner.in_flight_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.counted += bytes;
        if before + bytes > inner.options.in_flight_bytes_max {
            return Err(Refusal::Crowded);
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.collector.0.in_flight_bytes.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

/// Why a body was not taken; nothing of it is stored.
enum Refusal {
    /// It is larger than this many bytes.
    TooLarge(usize),
    /// The connection broke or the client sent no proper body.
    Unreadable(String),
    /// It did not come in this time.
    Late(Duration),
    /// All bodies together are too large for now.
    Crowded,
}

impl Refusal {
    fn reply(self) -> Response {
        match self {
            Self::TooLarge(limit) => reply::text(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!(
                    "the body is larger than the limit of {limit} bytes: send fewer events in one request\n"
                ),
            ),
            Self::Unreadable(error) => {
                reply::text(StatusCode::BAD_REQUEST, format!("the body could not be read: {error}\n"))
            }
            Self::Late(limit) => reply::text(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body did not arrive within {} s\n", limit.as_secs()),
            ),
            Self::Crowded => reply::later("too many bytes are on their way at this moment"),
        }
    }
}

/// The answer when nothing is known to be stored. The client sends again, so an event may be there twice, never not.
fn refused(error: &LogError) -> Response {
    match error {
        LogError::Busy { reason } => reply::later(reason),
        other => {
            tracing::error!(stage = "collector", topic = TOPIC, error = %other, "could not append");
            reply::later("the log does not take appends, see /ready of this server")
        }
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
