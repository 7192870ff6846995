//! From request to answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use granary_stream::{Append, Error as LogError, Message, Producer, StreamLog, System};
use http::request::Parts;
use http::{HeaderValue, Method, header};
use tokio::sync::Semaphore;
use tower::Service;

use crate::access::Access;
use crate::body::{self, Budget, Held};
use crate::meters::Meters;
use crate::micro::Micro;
use crate::options::Options;
use crate::record::{Envelope, random_uuid};
use crate::route::{Place, Route, segments};
use crate::split::{Piece, Split};
use crate::visitor::Visitor;
use crate::{address, head, redirect, reply, trace};

/// The stream of requests.
pub const TOPIC: &str = "snowplow";
/// Where payloads are kept that can never be a record, as JSON with the reason.
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
    access: Access,
    micro: Option<Micro>,
    producer: u128,
    sequence: AtomicU64,
    in_flight: Arc<Budget>,
    /// What is split takes the processor for a while and is not counted in the budget, so it is done one at a time.
    splitting: Semaphore,
}

/// The collector alone: a router for a port of its own. Paths of others are answered 404.
pub fn router(collector: Collector) -> Router {
    Router::new().fallback_service(collector)
}

/// Every request, as on a port of its own.
impl Service<Request> for Collector {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let collector = self.clone();
        Box::pin(async move { Ok(collector.handle(request).await) })
    }
}

impl Collector {
    /// A collector that writes to topics [`TOPIC`] and [`BAD_TOPIC`] of the log. Registers its metrics, so the
    /// recorder has to be installed before.
    #[must_use]
    pub fn new(log: Arc<dyn StreamLog>, options: Options) -> Self {
        Self(Arc::new(Inner {
            log,
            meters: Meters::new(&options.vendors),
            access: Access::new(options.access_log_every),
            micro: (options.micro_events_max > 0).then(|| Micro::new(options.micro_events_max)),
            producer: rand::random(),
            sequence: AtomicU64::new(0),
            in_flight: Budget::new(options.in_flight_bytes_max),
            splitting: Semaphore::new(1),
            options,
        }))
    }

    /// Whether the path is the collector's on a port that it shares, with or without the prefix `/api`.
    #[must_use]
    pub fn owns(&self, path: &str) -> bool {
        self.place(path).is_some()
    }

    /// Answers a request on a port of the collector's own. A 200 for an event means that it is durable in the log.
    pub async fn handle(&self, request: Request) -> Response {
        match Place::find(&self.0.options, request.uri().path(), true) {
            Some(place) => self.answer(place, request).await,
            None => {
                let asks = *request.method() == Method::OPTIONS;
                let mut response = if asks { reply::preflight() } else { reply::not_found() };
                reply::allow_origin(&mut response, request.headers().get(header::ORIGIN));
                end_after_chunks(&mut response, request.headers());
                response
            }
        }
    }

    /// Where the path leads when it is the collector's on a port that it shares.
    pub(crate) fn place(&self, path: &str) -> Option<Place> {
        Place::find(&self.0.options, path, false)
    }

    /// Answers a request whose path was recognised.
    pub(crate) async fn answer(&self, place: Place, request: Request) -> Response {
        let started = Instant::now();
        let (parts, body) = request.into_parts();
        let route = place.route;
        let path = place.recorded(&self.0.options, parts.uri.path());
        let mut response = match head::refuse(&parts, &self.0.options) {
            Some(refusal) => refusal,
            None => self.respond(route, path, &parts, body).await,
        };
        reply::allow_origin(&mut response, parts.headers.get(header::ORIGIN));
        end_after_chunks(&mut response, &parts.headers);
        let (code, took) = (response.status().as_u16(), started.elapsed());
        let vendor = segments(path).map(|(vendor, _)| vendor).filter(|_| route == Route::Vendor);
        self.0.meters.answered(route, code, took.as_secs_f64());
        if let Some(vendor) = vendor {
            self.0.meters.vendor(vendor, code);
        }
        self.0.access.note(route, vendor, &parts.method, code, took);
        response
    }

    async fn respond(&self, route: Route, path: &str, parts: &Parts, body: Body) -> Response {
        let options = &self.0.options;
        match (route, &parts.method) {
            (_, &Method::OPTIONS) => reply::preflight(),
            (Route::Micro, method) => match &self.0.micro {
                Some(micro) => micro.answer(method, path, parts, body).await,
                None => reply::not_found(),
            },
            (Route::Vendor, &Method::POST) => match body::read(parts, body, options, &self.0.in_flight).await
            {
                Ok(held) => self.event(parts, path, Some(held), None).await,
                Err(refusal) => refusal.reply(),
            },
            (_, method) if !matches!(*method, Method::GET | Method::HEAD) => reply::wrong_method(route),
            (Route::Vendor | Route::Pixel, _) => self.event(parts, path, None, None).await,
            (Route::Redirect, _) => match redirect::target(parts, &options.redirect_domains) {
                Ok(target) => self.event(parts, path, None, Some(target)).await,
                Err(refusal) => *refusal,
            },
            (Route::Robots, _) => reply::robots(),
            (Route::Crossdomain, _) => reply::crossdomain(&options.crossdomain),
            (Route::Root, _) => options.root.as_ref().map_or_else(reply::not_found, |root| root.reply()),
            (Route::Alive, _) => reply::alive(),
            (Route::Health, _) => reply::health(self.0.log.health().err()),
        }
    }

    /// Stores an event unless its client asks for the opposite, then answers with the cookie.
    async fn event(
        &self,
        parts: &Parts,
        path: &str,
        held: Option<Held>,
        target: Option<HeaderValue>,
    ) -> Response {
        let options = &self.0.options;
        let visitor = Visitor::of(parts, options, random_uuid);
        let time_ms = now_ms();
        let untracked = options.do_not_track.as_ref().is_some_and(|cookie| cookie.asked(&parts.headers));
        if untracked {
            self.0.meters.untracked();
        } else {
            let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
            let address = address::client(peer, &parts.headers, &options.trusted_proxies);
            let envelope = Envelope::new(parts, path, time_ms, address, &visitor);
            let stored = self.store(parts, &envelope, held.as_ref(), time_ms);
            match tokio::time::timeout(options.store_timeout, stored).await {
                Ok(Ok(())) => self.0.meters.stored(held.as_ref().map_or(0, |held| held.bytes.len())),
                Ok(Err(error)) => return refused(&error),
                Err(_) => return reply::later("the log took too long, see /sink-health"),
            }
        }
        let mut response = match target {
            Some(target) => reply::moved(target),
            None => reply::stored(&parts.method),
        };
        if !untracked {
            self.hand_out_cookie(&mut response, parts, &visitor, time_ms);
        }
        response
    }

    /// Anonymous clients are made to forget a cookie that they sent.
    fn hand_out_cookie(&self, response: &mut Response, parts: &Parts, visitor: &Visitor, time_ms: i64) {
        let Some(cookie) = &self.0.options.cookie else { return };
        let origin = parts.headers.get(header::ORIGIN);
        let lines = match visitor.anonymous {
            false => cookie.set(visitor.id.text(&mut [0; 36]), origin, time_ms),
            true if crate::cookie::value(&parts.headers, &cookie.name).is_some() => cookie.expire(origin),
            true => Vec::new(),
        };
        for line in lines {
            response.headers_mut().append(header::SET_COOKIE, line);
        }
    }

    /// Makes the record or records of a request. They are durable when it comes back.
    async fn store(
        &self,
        parts: &Parts,
        envelope: &Envelope<'_>,
        held: Option<&Held>,
        time_ms: i64,
    ) -> Result<(), LogError> {
        let limit = self.0.options.record_bytes_max;
        let body = held.map(|held| &held.bytes[..]);
        let trace = trace::read(&parts.headers);
        if let Some((held, size)) = held.and_then(|held| Some((held, held.oversize?))) {
            let _turn = self.0.splitting.acquire().await;
            let kept = Split::oversize(&held.bytes, size, self.0.options.body_bytes_max, limit, time_ms);
            return self.append_split(kept, &trace).await;
        }
        let record = match body {
            Some(body) if body.len() > limit => None,
            _ => Some(envelope.encode(body)).filter(|record| record.len() <= limit),
        };
        let Some(record) = record else {
            let _turn = self.0.splitting.acquire().await;
            return self.append_split(Split::of(envelope, body, limit, time_ms), &trace).await;
        };
        let seen = self.0.micro.as_ref().map(|_| record.clone());
        match self.append(TOPIC, vec![self.message(record, &trace)]).await {
            // The log counts more than the payload; take the way of the large ones with room to spare.
            Err(LogError::RecordTooLarge { limit: allowed, .. }) => {
                let limit = limit.min(allowed) / 10 * 9;
                let _turn = self.0.splitting.acquire().await;
                self.append_split(Split::of(envelope, body, limit, time_ms), &trace).await
            }
            Ok(()) => {
                if let (Some(micro), Some(record)) = (&self.0.micro, seen) {
                    micro.good(&record);
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn append_split(
        &self,
        split: Split<'_>,
        trace: &(granary_stream::Headers, u128),
    ) -> Result<(), LogError> {
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        for piece in split {
            let (Piece::Record(payload) | Piece::Bad(payload)) = &piece;
            bytes += payload.len();
            pieces.push(piece);
            if bytes >= APPEND_BYTES {
                self.append_pieces(std::mem::take(&mut pieces), trace).await?;
                bytes = 0;
            }
        }
        self.append_pieces(pieces, trace).await
    }

    async fn append_pieces(
        &self,
        pieces: Vec<Piece>,
        trace: &(granary_stream::Headers, u128),
    ) -> Result<(), LogError> {
        let seen = self.0.micro.as_ref().map(|_| pieces.clone());
        let (mut records, mut bad) = (Vec::new(), Vec::new());
        for piece in pieces {
            match piece {
                Piece::Record(payload) => records.push(self.message(payload, trace)),
                Piece::Bad(payload) => bad.push(self.message(payload, trace)),
            }
        }
        let refused = bad.len();
        for (topic, messages) in [(BAD_TOPIC, bad), (TOPIC, records)] {
            if !messages.is_empty() {
                self.append(topic, messages).await?;
            }
        }
        self.0.meters.refused(refused);
        if let (Some(micro), Some(seen)) = (&self.0.micro, seen) {
            for piece in seen {
                match piece {
                    Piece::Record(record) => micro.good(&record),
                    Piece::Bad(row) => micro.bad(&row),
                }
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

/// A body in chunks may have come with a length, too, by which a proxy in front went. What follows on the connection
/// would then be another request for us than for the proxy, so nothing may follow.
fn end_after_chunks(response: &mut Response, headers: &http::HeaderMap) {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        response.headers_mut().insert(header::CONNECTION, const { HeaderValue::from_static("close") });
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
