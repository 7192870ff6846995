//! The load generator: many keep-alive connections, one request under way on each.
//!
//! It speaks HTTP/1.1 through hyper's connection API, without a pool or redirects, so that it takes little of the
//! processors that it shares with what it measures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::latency::Latencies;

/// How long a connection is tried for before the load gives up: longer than any restart of a node takes.
const CONNECT_PATIENCE: Duration = Duration::from_secs(120);

/// Between two tries to connect, and after an answer that asks to come back later.
const PAUSE: Duration = Duration::from_millis(25);

/// What is to be sent.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Path of every request.
    pub path: String,
    /// Connections, each with one request under way.
    pub connections: usize,
    /// Number of requests; `None` for as many as fit into `duration`.
    pub requests: Option<u64>,
    /// When to stop; `None` for no limit.
    pub duration: Option<Duration>,
    /// Requests per second; `None` for as fast as the answers come.
    pub per_second: Option<f64>,
    /// Send an event again that was answered 503, which means that nothing was stored. Requests whose connection
    /// broke are never sent again: nobody knows what became of them.
    pub retry_busy: bool,
    /// Let each connection send the numbers of its own, those that leave the same remainder when divided by the number of
    /// connections: then the numbers of one connection are acknowledged in their order.
    pub keyed: bool,
    /// Looks at the load and ends it while it runs.
    pub control: Control,
}

/// What others see of a load that runs, and how they end it. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Control(Arc<Running>);

#[derive(Debug, Default)]
struct Running {
    stopped: AtomicBool,
    busy: AtomicU64,
}

impl Control {
    /// Lets no further request begin.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Release);
    }

    /// Answers 503 so far.
    #[must_use]
    pub fn busy(&self) -> u64 {
        self.0.busy.load(Ordering::Relaxed)
    }

    fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }
}

impl Plan {
    /// Posts that many events to the collector as fast as they are taken.
    #[must_use]
    pub fn events(requests: u64, connections: usize) -> Self {
        Self {
            path: crate::api::COLLECTOR_PATH.to_owned(),
            connections,
            requests: Some(requests),
            duration: None,
            per_second: None,
            retry_busy: true,
            keyed: false,
            control: Control::default(),
        }
    }

    /// Posts to the collector for a while.
    #[must_use]
    pub fn lasting(duration: Duration, connections: usize) -> Self {
        Self { requests: None, duration: Some(duration), ..Self::events(0, connections) }
    }

    /// Posts to the collector until [`Control::stop`].
    #[must_use]
    pub fn endless(connections: usize) -> Self {
        Self { requests: None, ..Self::events(0, connections) }
    }

    /// The same with numbers that belong to connections.
    #[must_use]
    pub fn keyed(self) -> Self {
        Self { keyed: true, ..self }
    }

    /// The same at a steady rate.
    #[must_use]
    pub fn at_rate(self, per_second: f64) -> Self {
        Self { per_second: Some(per_second), ..self }
    }
}

/// What became of the requests.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Requests begun, each with a number of its own, from 0.
    pub sent: u64,
    /// One more than the highest number that was sent.
    pub end: u64,
    /// Answers 200.
    pub acknowledged: u64,
    /// Answers 503 (each try counts).
    pub busy: u64,
    /// Other answers.
    pub refused: u64,
    /// The status and the body of the first such answer.
    pub first_refusal: Option<String>,
    /// Requests whose connection broke before the answer came.
    pub broken: u64,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// From a request to its acknowledgement.
    pub latencies: Latencies,
}

impl Report {
    /// Acknowledged requests per second.
    #[must_use]
    pub fn per_second(&self) -> f64 {
        self.acknowledged as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// An error when anything but acknowledgements came.
    pub fn all_acknowledged(&self) -> Result<()> {
        if self.acknowledged != self.sent {
            let refusal = self.first_refusal.as_deref().unwrap_or("none");
            bail!(
                "{} of {} requests were acknowledged; {} broken, {} refused, the first with {refusal}",
                self.acknowledged,
                self.sent,
                self.broken,
                self.refused
            );
        }
        Ok(())
    }

    fn merge(&mut self, other: &Self) {
        self.acknowledged += other.acknowledged;
        self.sent += other.sent;
        self.end = self.end.max(other.end);
        self.busy += other.busy;
        self.refused += other.refused;
        self.broken += other.broken;
        if self.first_refusal.is_none() {
            self.first_refusal.clone_from(&other.first_refusal);
        }
        self.latencies.merge(&other.latencies);
    }
}

/// Where the requests go; `None` while nobody listens there.
///
/// Connections are only tried while there is an address: whoever keeps connecting to a free port of the loopback ends
/// up connected to itself one day, and holds the port that the server wants.
pub type Target = watch::Receiver<Option<SocketAddr>>;

struct Shared<B, A> {
    plan: Plan,
    target: Target,
    next: AtomicU64,
    start: Instant,
    body: B,
    acknowledged: A,
}

/// Runs a plan. `body` makes the body of request number n; `acknowledged` is told of every 200, at once. The target
/// is watched: after a broken connection the next one goes to the address that is there then.
pub async fn run<B, A>(target: Target, plan: Plan, body: B, acknowledged: A) -> Result<Report>
where
    B: Fn(u64) -> Bytes + Send + Sync + 'static,
    A: Fn(u64) + Send + Sync + 'static,
{
    let connections = plan.connections;
    let start = Instant::now();
    let shared = Arc::new(Shared { plan, target, next: AtomicU64::new(0), start, body, acknowledged });
    let mut workers = tokio::task::JoinSet::new();
    for connection in 0..connections {
        workers.spawn(worker(Arc::clone(&shared), connection as u64));
    }
    let mut report = Report::default();
    while let Some(done) = workers.join_next().await {
        report.merge(&done??);
    }
    report.elapsed = start.elapsed();
    Ok(report)
}

/// A target that does not change.
#[must_use]
pub fn fixed(address: SocketAddr) -> Target {
    // The receiver keeps its value after the sender has gone.
    watch::channel(Some(address)).1
}

async fn worker<B, A>(shared: Arc<Shared<B, A>>, index: u64) -> Result<Report>
where
    B: Fn(u64) -> Bytes + Send + Sync + 'static,
    A: Fn(u64) + Send + Sync + 'static,
{
    let mut report = Report::default();
    let mut connection: Option<Connection> = None;
    let plan = &shared.plan;
    let mut own = (index..).step_by(plan.connections.max(1));
    loop {
        if plan.control.is_stopped() || plan.duration.is_some_and(|d| shared.start.elapsed() >= d) {
            break;
        }
        let n = if plan.keyed { own.next() } else { Some(shared.next.fetch_add(1, Ordering::Relaxed)) };
        let Some(n) = n else { break };
        if plan.requests.is_some_and(|total| n >= total) {
            break;
        }
        if let Some(rate) = plan.per_second {
            let due = shared.start + Duration::from_secs_f64(n as f64 / rate);
            if plan.duration.is_some_and(|d| due >= shared.start + d) {
                break;
            }
            tokio::time::sleep_until(due).await;
        }
        let body = (shared.body)(n);
        report.sent += 1;
        report.end = n + 1;
        loop {
            let open = match &mut connection {
                Some(open) => open,
                None => connection.insert(Connection::open(&shared.target).await?),
            };
            let begun = Instant::now();
            match open.post(&plan.path, body.clone()).await {
                Ok((StatusCode::OK, _)) => {
                    report.latencies.record(begun.elapsed());
                    report.acknowledged += 1;
                    (shared.acknowledged)(n);
                }
                Ok((StatusCode::SERVICE_UNAVAILABLE, _)) => {
                    report.busy += 1;
                    plan.control.0.busy.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                    if plan.retry_busy && !plan.control.is_stopped() {
                        continue;
                    }
                }
                Ok((status, text)) => {
                    report.refused += 1;
                    let text = String::from_utf8_lossy(&text).into_owned();
                    report.first_refusal.get_or_insert_with(|| format!("{status} {text}"));
                }
                Err(_) => {
                    report.broken += 1;
                    connection = None;
                }
            }
            break;
        }
    }
    Ok(report)
}

struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
}

impl Connection {
    /// Connects to the target, and tries again while that fails.
    async fn open(target: &Target) -> Result<Self> {
        let mut target = target.clone();
        let until = Instant::now() + CONNECT_PATIENCE;
        loop {
            let address = tokio::time::timeout_at(until, target.wait_for(Option::is_some)).await;
            let address = address.context("no address to send to")??.context("an address")?;
            match Self::connect(address).await {
                Ok(connection) => return Ok(connection),
                Err(error) if Instant::now() >= until => {
                    return Err(error).with_context(|| format!("could not connect to {address}"));
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends by itself when the sender is dropped or the peer goes; its error reaches the sender.
        tokio::spawn(connection);
        Ok(Self { sender, host: HeaderValue::from_str(&address.to_string())? })
    }

    async fn post(&mut self, path: &str, body: Bytes) -> Result<(StatusCode, Bytes)> {
        let request = Request::post(path)
            .header(HOST, self.host.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, body))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::Router;
    use axum::routing::post;

    use super::*;

    async fn serve(router: Router) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    #[tokio::test]
    async fn every_number_is_sent_once_and_its_acknowledgement_told() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let bodies = Arc::clone(&seen);
        let handler = async move |body: String| {
            bodies.lock().unwrap().push(body.parse::<u64>().unwrap());
            "ok"
        };
        let address = serve(Router::new().route("/e", post(handler))).await;
        let told = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&told);
        let plan = Plan { path: "/e".to_owned(), ..Plan::events(500, 7) };
        let report = run(
            fixed(address),
            plan,
            |n| Bytes::from(n.to_string()),
            move |_| {
                count.fetch_add(1, Ordering::Relaxed);
            },
        )
        .await
        .unwrap();
        report.all_acknowledged().unwrap();
        let mut seen = seen.lock().unwrap().clone();
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
        assert_eq!((told.load(Ordering::Relaxed), report.sent, report.latencies.len()), (500, 500, 500));
    }

    #[tokio::test]
    async fn a_connection_sends_the_numbers_of_its_own_in_order_until_it_is_stopped() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let bodies = Arc::clone(&seen);
        let handler = async move |body: String| {
            bodies.lock().unwrap().push(body.parse::<u64>().unwrap());
            "ok"
        };
        let address = serve(Router::new().route("/e", post(handler))).await;
        let plan = Plan { path: "/e".to_owned(), ..Plan::endless(3).keyed() };
        let control = plan.control.clone();
        let stop = move |n| {
            if n >= 300 {
                control.stop();
            }
        };
        let report = run(fixed(address), plan, |n| Bytes::from(n.to_string()), stop).await.unwrap();
        let seen = seen.lock().unwrap().clone();
        for connection in 0..3 {
            let own: Vec<u64> = seen.iter().copied().filter(|n| n % 3 == connection).collect();
            let all: Vec<u64> = (connection..).step_by(3).take(own.len()).collect();
            assert_eq!(own, all);
        }
        assert_eq!((report.sent, report.end), (seen.len() as u64, seen.iter().max().unwrap() + 1));
    }

    #[tokio::test]
    async fn a_busy_answer_is_sent_again_and_a_refusal_is_not() {
        let tries = Arc::new(AtomicU64::new(0));
        let handler = async move |body: String| {
            let first = tries.fetch_add(1, Ordering::Relaxed) == 0;
            match body.as_str() {
                "0" if first => (StatusCode::SERVICE_UNAVAILABLE, "later"),
                "1" => (StatusCode::BAD_REQUEST, "never"),
                _ => (StatusCode::OK, "ok"),
            }
        };
        let address = serve(Router::new().route("/e", post(handler))).await;
        let plan = Plan { path: "/e".to_owned(), ..Plan::events(3, 1) };
        let report = run(fixed(address), plan, |n| Bytes::from(n.to_string()), |_| {}).await.unwrap();
        assert_eq!((report.sent, report.acknowledged, report.busy, report.refused), (3, 2, 1, 1));
        assert_eq!(report.first_refusal.as_deref(), Some("400 Bad Request never"));
        assert!(report.all_acknowledged().is_err());
    }
}
