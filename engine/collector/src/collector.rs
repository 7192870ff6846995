//! From request to answer.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use granary_stream::{Append, Error as LogError, Message, Producer, StreamLog, System};
use http::{Method, StatusCode, header};
use http_body_util::BodyExt;

use crate::address;
use crate::meters::{Meters, Route};
use crate::options::Options;
use crate::record::{Envelope, random_uuid};
use crate::reply;
use crate::split::{Split, split};
use crate::trace;

/// The stream of requests.
pub const TOPIC: &str = "snowplow";
/// Where payloads are kept that can never be a record, as JSON with the reason.
pub const BAD_TOPIC: &str = "snowplow_bad";

/// A large body is appended in pieces of about this many bytes, so that one client does not fill the log's queue.
const APPEND_BYTES: usize = 4 * 1024 * 1024;
/// So many bytes beyond the limit are read and thrown away before a body is refused: most clients write all of it
/// before they read an answer, and see a broken connection in its place when nobody takes what they write.
const DISCARD_BYTES_MAX: usize = 64 * 1024 * 1024;

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
        match self.place(request.uri().path()) {
            Some(place) => self.answer(place, request).await,
            None => reply::not_found(),
        }
    }

    /// Where the path leads when it is the collector's.
    pub(crate) fn place(&self, path: &str) -> Option<Place> {
        let (route, recorded) = self.recognise(path)?;
        Some(Place { route, prefix: path.len() - recorded.len() })
    }

    /// Answers a request whose path was recognised.
    pub(crate) async fn answer(&self, Place { route, prefix }: Place, request: Request) -> Response {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let path = &parts.uri.path()[prefix..];
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

    /// Reads the body, within the limits of one request and of all together. One that is refused for its size is read
    /// to its end all the same, within [`DISCARD_BYTES_MAX`] and the time for bodies, so that the answer is read.
    async fn read(&self, parts: &http::request::Parts, mut body: Body) -> Result<Held<'_>, Refusal> {
        let Options { body_bytes_max: limit, body_timeout, .. } = self.0.options;
        let declared =
            parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        if let Some(declared) = declared.filter(|declared: &u64| *declared > limit as u64) {
            // A client that asks first has sent nothing yet, and of the largest bodies the end is never reached.
            let asks = parts.headers.contains_key(header::EXPECT);
            if !asks && declared <= limit.saturating_add(DISCARD_BYTES_MAX) as u64 {
                let _ = tokio::time::timeout(body_timeout, discard(&mut body, usize::MAX)).await;
            }
            return Err(Refusal::TooLarge(limit));
        }
        let mut deadline = None;
        let read = {
            let mut collecting = pin!(self.collect(&mut body, limit));
            // Most bodies are there with the head; they need no timer.
            match poll_fn(|context| Poll::Ready(collecting.as_mut().poll(context))).await {
                Poll::Ready(read) => read,
                Poll::Pending => {
                    let until = *deadline.insert(tokio::time::Instant::now() + body_timeout);
                    let late = |_| Err(Refusal::Late(body_timeout));
                    tokio::time::timeout_at(until, collecting).await.unwrap_or_else(late)
                }
            }
        };
        if let Err(Refusal::TooLarge(_) | Refusal::Crowded) = &read {
            let until = deadline.unwrap_or_else(|| tokio::time::Instant::now() + body_timeout);
            let _ = tokio::time::timeout_at(until, discard(&mut body, DISCARD_BYTES_MAX)).await;
        }
        read
    }

    async fn collect(&self, body: &mut Body, limit: usize) -> Result<Held<'_>, Refusal> {
        let mut held = Held { inner: &self.0, body: Bytes::new(), counted: 0 };
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
    async fn store(&self, parts: &http::request::Parts, path: &str, held: Option<Held<'_>>) -> Response {
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
        let partition = messages.first().map_or(0, |message| message.partition(self.0.options.partitions));
        self.0.log.append(vec![Append { topic: topic.to_owned(), partition, messages }]).await.map(drop)
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

/// What a path was recognised as.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    route: Route,
    /// Bytes of the path that are not recorded.
    prefix: usize,
}

/// Reads up to about that many bytes and keeps none of them; ends with the body, or when it breaks.
async fn discard(body: &mut Body, bytes_max: usize) {
    let mut left = bytes_max;
    while let Some(Ok(frame)) = body.frame().await {
        let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { break };
        left = rest;
    }
}

/// A body, counted among the bytes in flight for as long as it is held.
struct Held<'a> {
    inner: &'a Inner,
    body: Bytes,
    counted: usize,
}

impl Held<'_> {
    fn count(&mut self, bytes: usize) -> Result<(), Refusal> {
        let before = self.inner.in_flight_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.counted += bytes;
        if before + bytes > self.inner.options.in_flight_bytes_max {
            return Err(Refusal::Crowded);
        }
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.inner.in_flight_bytes.fetch_sub(self.counted, Ordering::Relaxed);
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
        LogError::Busy { reason } | LogError::Unreachable { reason } => reply::later(reason),
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
