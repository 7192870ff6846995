//! The clock of a connection: slow heads, long silence and answers that nobody takes end it.
//!
//! ```text
//!           first byte            head complete             answered
//! waiting ─────────────> head ───────────────────> busy ──────────────> waiting
//!   idle timeout          head timeout, 408         the collector's own limits
//! ```
//!
//! A connection that has sent nothing yet counts as in its head, so that it is not kept for long. One that we end is read from
//! for a while, so that its client gets the answer.
//!
//! A head that the parser of HTTP refuses is answered by it, without a word and, where it is too long, with a code after which
//! trackers send it again for ever. The guard says what is wrong in its place.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::linger::Lingering;
use super::{HEAD_BYTES_MAX, HEADERS_MAX, Limits};

const LATE: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\
    Content-Length: 60\r\n\r\nthe head of the request did not arrive in time: send it all\n";

/// Head and body of an answer up to this size are sent as one piece: the system does less for it, and TLS makes one record.
const WHOLE_BYTES_MAX: usize = 1024;

const HEAD: u8 = 0;
const BUSY: u8 = 1;
const WAITING: u8 = 2;

/// What a connection is doing; its service tells the guard.
pub(super) struct Activity(AtomicU8);

impl Default for Activity {
    fn default() -> Self {
        Self(AtomicU8::new(HEAD))
    }
}

impl Activity {
    /// A request has come in.
    pub(super) fn begin(&self) {
        self.0.store(BUSY, Ordering::Relaxed);
    }

    /// Its answer is made.
    pub(super) fn end(&self) {
        self.0.store(WAITING, Ordering::Relaxed);
    }

    fn now(&self) -> u8 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A socket under that clock.
pub(super) struct Guarded<T> {
    socket: T,
    activity: Arc<Activity>,
    head_timeout: Duration,
    idle_timeout: Duration,
    write_timeout: Duration,
    /// When the first byte of the head came, or the connection began.
    head_since: Instant,
    reading: Pin<Box<Sleep>>,
    /// What `reading` is set for.
    reading_for: Option<u8>,
    writing: Option<Pin<Box<Sleep>>>,
    /// From when our half is closed.
    lingering: Option<Lingering>,
}

impl<T> Guarded<T> {
    pub(super) fn new(socket: T, activity: Arc<Activity>, limits: &Limits) -> Self {
        Self {
            socket,
            activity,
            head_timeout: limits.head_timeout,
            idle_timeout: limits.idle_timeout,
            write_timeout: limits.write_timeout,
            head_since: Instant::now(),
            reading: Box::pin(tokio::time::sleep(limits.head_timeout)),
            reading_for: None,
            writing: None,
            lingering: None,
        }
    }

    /// Passes on the outcome of a write; one that waits is given up after a time.
    fn timed<R>(&mut self, written: Poll<io::Result<R>>, context: &mut Context<'_>) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.writing = None;
            return written;
        }
        let time = self.write_timeout;
        let clock = self.writing.get_or_insert_with(|| Box::pin(tokio::time::sleep(time)));
        ready!(clock.as_mut().poll(context));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Guarded<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.socket).poll_read(context, buffer) {
            if this.activity.now() == WAITING && buffer.filled().len() > before {
                this.activity.0.store(HEAD, Ordering::Relaxed);
                this.head_since = Instant::now();
                this.reading_for = None;
            }
            return Poll::Ready(read);
        }
        let now = this.activity.now();
        // A client that still takes an answer is under the clock of writing.
        if now == BUSY || (now == WAITING && this.writing.is_some()) {
            this.reading_for = None;
            return Poll::Pending;
        }
        if this.reading_for != Some(now) {
            this.reading_for = Some(now);
            let until = match now {
                HEAD => this.head_since + this.head_timeout,
                _ => Instant::now() + this.idle_timeout,
            };
            this.reading.as_mut().reset(until);
        }
        ready!(this.reading.as_mut().poll(context));
        if now == HEAD {
            // Nothing else was written while a head is read, so it fits the socket's buffer or never will.
            let _ = Pin::new(&mut this.socket).poll_write(context, LATE);
            let _ = Pin::new(&mut this.socket).poll_flush(context);
        }
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let before = match refusal(bytes) {
            None => bytes,
            Some((0, refusal)) => {
                // As above; the connection is closed behind it in any case.
                let _ = Pin::new(&mut self.socket).poll_write(context, refusal.as_bytes());
                return Poll::Ready(Ok(bytes.len()));
            }
            // Answers to earlier requests go first.
            Some((at, _)) => &bytes[..at],
        };
        let written = Pin::new(&mut self.socket).poll_write(context, before);
        self.timed(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [piece] = pieces {
            return self.poll_write(context, piece);
        }
        let mut whole = [0; WHOLE_BYTES_MAX];
        let written = match gathered(pieces, &mut whole) {
            Some(bytes) => Pin::new(&mut self.socket).poll_write(context, bytes),
            None => Pin::new(&mut self.socket).poll_write_vectored(context, pieces),
        };
        self.timed(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(context);
        self.timed(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingering.is_none() {
            let ended = Pin::new(&mut this.socket).poll_shutdown(context);
            ready!(this.timed(ended, context))?;
        }
        ready!(this.lingering.get_or_insert_with(Lingering::new).poll(&mut this.socket, context));
        Poll::Ready(Ok(()))
    }
}

/// The pieces one behind the other, where they have room. (hyper can do that, too, for bodies of any size, and hands them to
/// `poll_write`, which takes the end of a body for an answer of its parser.)
fn gathered<'a>(pieces: &[IoSlice<'_>], room: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut end = 0;
    for piece in pieces {
        room.get_mut(end..end + piece.len())?.copy_from_slice(piece);
        end += piece.len();
    }
    Some(&room[..end])
}

/// Where an answer of the parser of HTTP begins, which is the last one of a connection and says nothing, and what is said in
/// its place.
fn refusal(answers: &[u8]) -> Option<(usize, String)> {
    /// Such an answer has fewer bytes.
    const BYTES_MAX: usize = 256;
    const SILENT: &str = "\r\nconnection: close\r\ncontent-length: 0\r\n";

    let body = answers.strip_suffix(b"\r\n\r\n")?;
    let from = body.len().saturating_sub(BYTES_MAX);
    let last = String::from_utf8_lossy(&body[from..]);
    let answer = &last[last.rfind("HTTP/1.1 ")?..];
    let text = match answer.get(9..12)? {
        _ if !answer.contains(SILENT) => return None,
        "431" | "414" => format!(
            "the head of the request is too large: expected at most {HEAD_BYTES_MAX} bytes and {HEADERS_MAX} headers\n"
        ),
        "400" => "the request is not one of HTTP/1.1: expected a line such as 'POST /path HTTP/1.1' and headers such as \
            'Content-Type: application/json'\n"
            .to_owned(),
        _ => return None,
    };
    let said = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\
        Content-Length: {}\r\n\r\n{text}",
        text.len()
    );
    Some((body.len() - answer.len(), said))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn guarded(activity: &Arc<Activity>) -> (Guarded<tokio::io::DuplexStream>, tokio::io::DuplexStream) {
        let (ours, theirs) = tokio::io::duplex(256);
        (Guarded::new(ours, Arc::clone(activity), &Limits::default()), theirs)
    }

    async fn ends_after(guarded: &mut Guarded<tokio::io::DuplexStream>) -> u64 {
        let started = Instant::now();
        let mut buffer = [0; 16];
        loop {
            if let Err(error) = guarded.read(&mut buffer).await {
                assert_eq!(error.kind(), ErrorKind::TimedOut);
                return started.elapsed().as_secs();
            }
        }
    }

    #[test]
    fn small_pieces_become_one() {
        let pieces = [b"head".as_slice(), b"", b"body"].map(IoSlice::new);
        let mut room = [0; 8];
        assert_eq!(gathered(&pieces, &mut room), Some(b"headbody".as_slice()));
        assert_eq!(gathered(&pieces, &mut room[..7]), None);
    }

    #[test]
    fn the_answer_to_a_slow_head_has_the_length_that_it_says() {
        let (head, body) = std::str::from_utf8(LATE).unwrap().split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{} in {head}", body.len());
    }

    #[tokio::test(start_paused = true)]
    async fn drip_of_bytes_does_not_prolong_a_head() {
        let (mut guarded, mut client) = guarded(&Arc::default());
        let drip = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            answer
        });
        assert_eq!(ends_after(&mut guarded).await, 30);
        drop(guarded);
        assert!(drip.await.unwrap().starts_with("HTTP/1.1 408 "));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_between_requests_is_longer_and_ends_without_a_word() {
        let activity = Arc::default();
        let (mut guarded, mut client) = guarded(&activity);
        activity.begin();
        activity.end();
        assert_eq!(ends_after(&mut guarded).await, 610);
        drop(guarded);
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.is_empty());
    }

    /// Ends a connection to a client that sends so many KiB, one each `pause`, and then closes its half or not; for how many
    /// seconds it was listened to, and how many KiB it got rid of.
    async fn lingers(kib: usize, pause: Duration, closes: bool) -> (u64, usize) {
        let (mut guarded, mut client) = guarded(&Arc::default());
        let sender = tokio::spawn(async move {
            let mut sent = 0;
            while sent < kib && client.write_all(&[b'x'; 1 << 10]).await.is_ok() {
                sent += 1;
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
            }
            if closes {
                client.shutdown().await.unwrap();
            }
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, "answer");
            // Given back, so that it stays open.
            (sent, client)
        });
        let started = Instant::now();
        guarded.write_all(b"answer").await.unwrap();
        guarded.shutdown().await.unwrap();
        let time = started.elapsed().as_secs();
        drop(guarded);
        (time, sender.await.unwrap().0)
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_still_writes_is_heard_out_and_then_reads_the_answer() {
        assert_eq!(lingers(10_000, Duration::ZERO, true).await.1, 10_000);
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_keeps_silent_after_the_answer_is_let_go() {
        assert_eq!(lingers(5, Duration::ZERO, false).await, (1, 5));
    }

    #[tokio::test(start_paused = true)]
    async fn client_that_sends_for_ever_is_let_go() {
        let (time, _) = lingers(usize::MAX, Duration::from_millis(500), false).await;
        assert_eq!(time, 10);
        let (time, sent) = lingers(usize::MAX, Duration::ZERO, false).await;
        assert!(sent >= 64 << 10, "only {sent} KiB were taken in {time} s");
    }

    #[tokio::test(start_paused = true)]
    async fn answer_that_nobody_takes_is_given_up() {
        let (mut guarded, _client) = guarded(&Arc::default());
        let error = guarded.write_all(&[0; 1_000]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }
}
