//! Bodies of requests: read within the limits of one and of all together, and opened where they are compressed.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{StatusCode, header};
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::inflate::{self, Encoding, Failure};
use crate::{Options, reply};

/// So many bytes beyond the limit are read and thrown away: most clients write all of a body before they read an
/// answer, and see a broken connection in its place when nobody takes what they write.
const DISCARD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A body has a second more for every so many bytes that have come: the buffer of a tracker after an outage may come by
/// a slow line, and would never get through within a fixed time.
const BYTES_PER_MORE_SECOND: usize = 256 * 1024;

/// Bytes that all requests together may hold.
pub(crate) struct Budget {
    used: AtomicUsize,
    max: usize,
}

impl Budget {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { used: AtomicUsize::new(0), max })
    }
}

/// A body, counted in the budget for as long as it is held.
pub(crate) struct Held {
    budget: Arc<Budget>,
    pub(crate) bytes: Bytes,
    counted: usize,
    /// The body has this many bytes or more, above the limit; what is held is its beginning.
    pub(crate) oversize: Option<u64>,
}

impl Held {
    fn empty(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), bytes: Bytes::new(), counted: 0, oversize: None }
    }

    fn count(&mut self, bytes: usize) -> Result<(), Refusal> {
        let before = self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        self.counted += bytes;
        if before + bytes > self.budget.max { Err(Refusal::Crowded) } else { Ok(()) }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

/// Why a body was not taken; nothing of it is stored.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The connection broke or the client sent no proper body.
    Unreadable(String),
    /// It is not compressed in a way that is known.
    Encoding(String),
    /// It did not come in this time.
    Late(Duration),
    /// All bodies together are too large for now.
    Crowded,
}

impl Refusal {
    /// Trackers send again after every answer but 2xx, 400, 401, 403, 410 and 422; what stays wrong gets a 400.
    pub(crate) fn reply(self) -> Response {
        match self {
            Self::Unreadable(error) => {
                reply::text(StatusCode::BAD_REQUEST, format!("the body could not be read: {error}\n"))
            }
            Self::Encoding(sent) => reply::text(
                StatusCode::BAD_REQUEST,
                format!(
                    "the body cannot be opened: expected Content-Encoding gzip, deflate or none, got '{sent}'\n"
                ),
            ),
            Self::Late(limit) => reply::text(
                StatusCode::REQUEST_TIMEOUT,
                format!("the body did not arrive within {} s: send it again\n", limit.as_secs()),
            ),
            Self::Crowded => reply::later("too many bytes are on their way at this moment"),
        }
    }
}

/// Reads a body. Of one above the limit the beginning is held and the rest is thrown away, within
/// [`DISCARD_BYTES_MAX`] and the time for bodies, so that the client comes to read the answer.
pub(crate) async fn read(
    parts: &Parts,
    mut body: Body,
    options: &Options,
    budget: &Arc<Budget>,
) -> Result<Held, Refusal> {
    let (limit, time) = (options.body_bytes_max, options.body_timeout);
    let encoding = Encoding::of(&parts.headers);
    let declared =
        parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if let Some(declared) = declared.filter(|declared: &u64| *declared > limit as u64) {
        // The end of these is never reached.
        if declared > limit.saturating_add(DISCARD_BYTES_MAX) as u64 {
            let mut nothing = Held::empty(budget);
            nothing.oversize = Some(declared);
            return Ok(nothing);
        }
    }
    let mut started = None;
    let mut held = Held::empty(budget);
    let come = AtomicUsize::new(0);
    let read = {
        let mut collecting = pin!(collect(&mut body, &mut held, limit, &come));
        // Most bodies are there with the head; they need no timer.
        match poll_fn(|context| Poll::Ready(collecting.as_mut().poll(context))).await {
            Poll::Ready(read) => read,
            Poll::Pending => {
                let started = *started.insert(Instant::now());
                loop {
                    let until = deadline(started, time, &come);
                    match tokio::time::timeout_at(until, collecting.as_mut()).await {
                        Ok(read) => break read,
                        Err(_) if deadline(started, time, &come) > until => {}
                        Err(_) => break Err(Refusal::Late(time)),
                    }
                }
            }
        }
    };
    let until = || deadline(started.unwrap_or_else(Instant::now), time, &come);
    match read {
        Ok(None) => {}
        Ok(Some(mut seen)) => {
            // What the loop has seen counts although it is cut off.
            let _ = tokio::time::timeout_at(until(), discard(&mut body, &mut seen)).await;
            held.oversize = Some(declared.unwrap_or(seen as u64));
        }
        Err(Refusal::Crowded) => {
            let _ = tokio::time::timeout_at(until(), discard(&mut body, &mut 0)).await;
            return Err(Refusal::Crowded);
        }
        Err(refusal) => return Err(refusal),
    }
    match encoding {
        Ok(None) => Ok(held),
        // Only the beginning is there, and it is kept as it came.
        Ok(Some(_)) if held.oversize.is_some() => Ok(held),
        Ok(Some(encoding)) => {
            // A thread for work: what is small on the wire may be large when it is opened.
            let opened = tokio::task::spawn_blocking(move || open(&held, encoding, limit)).await;
            opened.unwrap_or_else(|error| Err(Refusal::Unreadable(error.to_string())))
        }
        Err(sent) => Err(Refusal::Encoding(sent)),
    }
}

fn open(sent: &Held, encoding: Encoding, limit: usize) -> Result<Held, Refusal> {
    let mut opened = Held::empty(&sent.budget);
    let made = inflate::inflate(&sent.bytes, encoding, limit, |bytes| opened.count(bytes));
    match made {
        Ok((bytes, more)) => {
            opened.oversize = more.then_some(bytes.len() as u64 + 1);
            opened.bytes = bytes.into();
            Ok(opened)
        }
        Err(Failure::Stopped(refusal)) => Err(refusal),
        Err(Failure::Broken(error)) => {
            let name = match encoding {
                Encoding::Gzip => "gzip",
                Encoding::Deflate => "deflate",
            };
            Err(Refusal::Unreadable(format!("Content-Encoding says {name}, but {error}")))
        }
    }
}

/// When a body is late of which so much has come.
fn deadline(started: Instant, time: Duration, come: &AtomicUsize) -> Instant {
    let seconds = come.load(Ordering::Relaxed) / BYTES_PER_MORE_SECOND;
    started + time + Duration::from_secs(seconds as u64)
}

/// Fills `held` up to the limit. Answers how many bytes were seen where there are more.
async fn collect(
    body: &mut Body,
    held: &mut Held,
    limit: usize,
    come: &AtomicUsize,
) -> Result<Option<usize>, Refusal> {
    let mut joined = BytesMut::new();
    let mut more = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::Unreadable(cause(&error)))?;
        let Ok(mut chunk) = frame.into_data() else { continue };
        let seen = held.counted + chunk.len();
        if seen > limit {
            more = Some(seen);
            chunk.truncate(limit - held.counted);
        }
        held.count(chunk.len())?;
        come.store(held.counted, Ordering::Relaxed);
        // Most bodies are one chunk, which is kept as it came.
        if held.bytes.is_empty() && joined.is_empty() {
            held.bytes = chunk;
        } else {
            if joined.is_empty() {
                joined.extend_from_slice(&std::mem::take(&mut held.bytes));
            }
            joined.extend_from_slice(&chunk);
        }
        if more.is_some() {
            break;
        }
    }
    if !joined.is_empty() {
        held.bytes = joined.freeze();
    }
    Ok(more)
}

/// Reads up to [`DISCARD_BYTES_MAX`] bytes and keeps none of them; ends with the body, or when it breaks.
async fn discard(body: &mut Body, seen: &mut usize) {
    let enough = *seen + DISCARD_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        *seen += frame.data_ref().map_or(0, Bytes::len);
        if *seen > enough {
            break;
        }
    }
}

/// The innermost reason: the outer ones say only that there is one.
fn cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
