//! A port: connections are counted, timed, optionally encrypted, and ended in good order. What answers their requests is
//! the collector alone or the collector before other routes.

mod guard;
mod linger;
mod tls;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Service, ServiceExt as _};

use self::guard::{Activity, Guarded};

pub use self::tls::{Tls, TlsError};

/// A head of a request needs as much memory at most: the largest request line and the largest headers.
const HEAD_BYTES_MAX: usize = 20_480 + 40_960;
/// Headers of a request at most: as many as the parser has room for.
const HEADERS_MAX: usize = 100;
/// Connections above the limit that are told so at one moment; more are closed without a word.
const REFUSING_MAX: usize = 64;
/// How long a connection above the limit is listened to, so that its client reads the answer.
const REFUSING_TIME: Duration = Duration::from_secs(1);
/// How long to wait when the process can open no more connections.
const EXHAUSTED_TIME: Duration = Duration::from_millis(250);
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 1\r\n\
    Connection: close\r\nContent-Length: 65\r\n\r\nnothing was stored, send it again: too many connections are open\n";

/// What connections may take.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at one moment; those beyond it are answered 503 and closed.
    pub connections_max: usize,
    /// How long the head of a request, or the handshake of TLS, may take; then 408.
    pub head_timeout: Duration,
    /// How long a connection is kept between requests.
    pub idle_timeout: Duration,
    /// How long a client may take nothing of an answer.
    pub write_timeout: Duration,
    /// How long open requests have after the signal to stop.
    pub grace: Duration,
    /// Whether a client that has closed its half still gets an answer. Otherwise its request is dropped, so that nothing goes
    /// on for a client that is gone.
    pub half_close: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1_024,
            head_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(610),
            write_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(10),
            half_close: true,
        }
    }
}

/// Serves a port until `stop`: then it is closed, requests under way are finished within [`Limits::grace`], and what the
/// collector has answered is durable as always. The service is a [`Collector`](crate::Collector), a
/// [`Front`](crate::Front) or a router; its requests carry the peer as `ConnectInfo<SocketAddr>`.
///
/// # Errors
/// When the listener cannot be used at all.
pub async fn serve<S>(
    listener: TcpListener,
    service: S,
    tls: Option<Tls>,
    limits: Limits,
    stop: CancellationToken,
) -> io::Result<()>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let limits = Arc::new(limits);
    let tls = tls.map(Arc::new);
    let open = Arc::new(Semaphore::new(limits.connections_max));
    let refusing = Arc::new(Semaphore::new(REFUSING_MAX));
    let tasks = TaskTracker::new();
    let give_up = CancellationToken::new();
    listener.local_addr()?;
    loop {
        let (socket, peer) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    accept_failed(&error, &stop).await;
                    continue;
                }
            },
        };
        // Answers are small: waiting to fill a packet would only add latency.
        let _ = socket.set_nodelay(true);
        let Ok(place) = Arc::clone(&open).try_acquire_owned() else {
            if let Ok(place) = Arc::clone(&refusing).try_acquire_owned() {
                let plain = tls.is_none();
                tasks.spawn(async move {
                    refuse(socket, plain).await;
                    drop(place);
                });
            }
            continue;
        };
        let (service, tls, limits) = (service.clone(), tls.clone(), Arc::clone(&limits));
        let (stop, give_up) = (stop.clone(), give_up.clone());
        tasks.spawn(async move {
            let served = async {
                match tls {
                    None => connection(socket, peer, service, &limits, &stop).await,
                    Some(tls) => {
                        let shaking = tokio::time::timeout(limits.head_timeout, tls.accept(socket));
                        if let Ok(Ok(socket)) = shaking.await {
                            connection(socket, peer, service, &limits, &stop).await;
                        }
                    }
                }
            };
            tokio::select! {
                () = served => {}
                () = give_up.cancelled() => {}
            }
            drop(place);
        });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(limits.grace, tasks.wait()).await.is_err() {
        tracing::warn!(
            stage = "server",
            "{} connections did not end within {} s and are closed; what was acknowledged is safe",
            tasks.len(),
            limits.grace.as_secs()
        );
        give_up.cancel();
        tasks.wait().await;
    }
    Ok(())
}

/// Serves the requests of one connection.
async fn connection<T, S>(socket: T, peer: SocketAddr, service: S, limits: &Limits, stop: &CancellationToken)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let activity = Arc::new(Activity::default());
    let socket = Guarded::new(socket, Arc::clone(&activity), limits);
    let answer = service_fn(|request: http::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        activity.begin();
        let (service, activity) = (service.clone(), Arc::clone(&activity));
        async move {
            let response = service.oneshot(request).await;
            activity.end();
            response
        }
    });
    let mut builder = http1::Builder::new();
    builder.half_close(limits.half_close).header_read_timeout(None);
    // The first is where the parser stops, the second what it reads at a time.
    builder.max_header_size(HEAD_BYTES_MAX).max_buf_size(HEAD_BYTES_MAX);
    let mut served = pin!(builder.serve_connection(TokioIo::new(socket), answer));
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        () = stop.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(stage = "server", %error, "a connection ended early");
    }
}

/// Tells a client that there is no place for it. What it has sent is taken first: a socket that is closed with bytes
/// unread takes the answer back.
async fn refuse(mut socket: TcpStream, plain: bool) {
    let told = async {
        if plain {
            socket.write_all(FULL).await?;
        }
        socket.shutdown().await?;
        let mut rest = [0; 1024];
        while socket.read(&mut rest).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = tokio::time::timeout(REFUSING_TIME, told).await;
}

/// A connection that breaks before it is accepted is its client's affair; otherwise the process has run out of
/// something, and asking again at once would only burn time.
async fn accept_failed(error: &io::Error, stop: &CancellationToken) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};

    if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted) {
        return;
    }
    tracing::error!(
        stage = "server",
        %error,
        "no connection can be accepted for now: raise the limit of open files, or lower --connections"
    );
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(EXHAUSTED_TIME) => {}
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_answer_to_connections_above_the_limit_has_the_length_that_it_says() {
        let answer = std::str::from_utf8(super::FULL).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{} in {head}", body.len());
    }
}
