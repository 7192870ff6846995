//! A running collector, and clients that say exactly what they are told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use granary_collector::{BAD_TOPIC, Collector, CollectorPayload, Limits, Options, TOPIC, Tls, front, serve};
use granary_stream::embedded::{EmbeddedLog, Options as LogOptions};
use granary_stream::{Message, ReadLimit, StreamLog, TopicSpec};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Nothing here takes this long; without it a test that fails would hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) stop: CancellationToken,
    pub(crate) server: JoinHandle<std::io::Result<()>>,
    log: Arc<EmbeddedLog>,
    _folder: tempfile::TempDir,
}

pub(crate) async fn start(options: Options) -> Running {
    start_with("127.0.0.1:0", options, Limits::default(), None).await
}

pub(crate) async fn start_with(listen: &str, options: Options, limits: Limits, tls: Option<Tls>) -> Running {
    start_serving(listen, options, |collector, listener, stop| {
        tokio::spawn(serve(listener, collector, tls, limits, stop))
    })
    .await
}

/// Behind one port with other routes.
pub(crate) async fn start_shared(others: Router, limits: Limits) -> Running {
    start_serving("127.0.0.1:0", Options::default(), |collector, listener, stop| {
        tokio::spawn(serve(listener, front(collector, others), None, limits, stop))
    })
    .await
}

async fn start_serving(
    listen: &str,
    options: Options,
    server: impl FnOnce(Collector, TcpListener, CancellationToken) -> JoinHandle<std::io::Result<()>>,
) -> Running {
    let folder = tempfile::tempdir().unwrap();
    // One file of the log is allocated as a whole.
    let log_options = LogOptions { file_bytes: 16 << 20, ..LogOptions::default() };
    let log = Arc::new(EmbeddedLog::open(folder.path(), log_options).await.unwrap());
    for topic in [TOPIC, BAD_TOPIC] {
        log.create_topic(topic, TopicSpec::of(1)).await.unwrap();
    }
    let collector = Collector::new(log.clone(), options);
    let listener = TcpListener::bind(listen).await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = server(collector, listener, stop.clone());
    Running { address, stop, server, log, _folder: folder }
}

impl Running {
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// All that is answered to the bytes, until the connection is closed.
    pub(crate) async fn exchange(&self, request: &[u8]) -> String {
        let mut client = self.connect().await;
        // A server that has heard enough may close while there is more to send.
        let _ = client.write_all(request).await;
        let _ = client.shutdown().await;
        rest(&mut client).await
    }

    pub(crate) async fn messages(&self, topic: &str) -> Vec<Message> {
        let limit = ReadLimit { records: 100_000, bytes: 1 << 30 };
        let (mut found, mut from) = (Vec::new(), 0);
        loop {
            let records = self.log.read(topic, 0, from, limit).await.unwrap();
            // An answer may hold fewer than were asked for.
            let Some(last) = records.last() else { return found };
            from = last.offset + 1;
            found.extend(records.into_iter().map(|record| record.message));
        }
    }

    pub(crate) async fn payloads(&self) -> Vec<CollectorPayload> {
        let messages = self.messages(TOPIC).await;
        messages.iter().map(|message| CollectorPayload::decode(&message.payload).unwrap()).collect()
    }

    /// Stops it and waits for its end.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.server).await.expect("it ends").unwrap().unwrap();
        self.log.close().await;
    }
}

/// What is still to be read, until the end or until the connection breaks.
pub(crate) async fn rest(client: &mut (impl AsyncRead + Unpin)) -> String {
    let mut answer = Vec::new();
    let reading = client.read_to_end(&mut answer);
    let _ = tokio::time::timeout(PATIENCE, reading).await.expect("the server closes the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

/// One request on a connection that stays open, and the answer to it.
pub(crate) async fn ask(client: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> String {
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, async {
        loop {
            if client.read_buf(&mut answer).await.unwrap() == 0 || is_whole(&answer) {
                return String::from_utf8_lossy(&answer).into_owned();
            }
        }
    })
    .await
    .expect("an answer")
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.to_ascii_lowercase().split("\r\n").find_map(|line| {
        line.strip_prefix("content-length: ").map(|length| length.parse::<usize>().unwrap())
    });
    body.len() >= length.unwrap_or(0)
}

/// The codes of all answers in the text.
pub(crate) fn codes(answers: &str) -> Vec<u16> {
    // An answer may speak of HTTP/1.1, too.
    answers.split("HTTP/1.").skip(1).filter_map(|answer| answer.get(2..5)?.parse().ok()).collect()
}
