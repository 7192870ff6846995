//! The end: nothing new, what is open is finished, what was answered is there.

use std::io::ErrorKind;
use std::time::Duration;

use granary_collector::{Limits, Options};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{PATIENCE, ask, codes, rest, start, start_with};

const HALF: &str = "POST /com.acme/v1 HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n{\"a\"";

/// A request is known to be under way when the server asks for its body.
async fn under_way(client: &mut TcpStream) {
    let head = "POST /com.acme/v1 HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\nExpect: 100-continue\r\n\r\n";
    assert!(ask(client, head).await.starts_with("HTTP/1.1 100 "));
}

#[tokio::test]
async fn open_requests_are_finished_and_new_connections_refused() {
    let running = start(Options::default()).await;
    let mut open = running.connect().await;
    under_way(&mut open).await;
    let mut idle = running.connect().await;
    assert_eq!(codes(&ask(&mut idle, "GET /i HTTP/1.1\r\nHost: h\r\n\r\n").await), [200]);

    running.stop.cancel();
    assert_eq!(rest(&mut idle).await, "", "a connection without a request is closed");
    let refused = async {
        loop {
            match TcpStream::connect(running.address).await {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => return,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("the port is closed");
    assert!(!running.server.is_finished(), "it waits for the open request");

    open.write_all(b"{\"a\":1}").await.unwrap();
    assert_eq!(codes(&rest(&mut open).await), [200]);
    let payloads = running.payloads().await;
    assert_eq!(payloads[1].body.as_deref(), Some(&b"{\"a\":1}"[..]));
    running.end().await;
}

#[tokio::test]
async fn request_that_is_never_finished_does_not_hold_the_end_up() {
    let limits = Limits { grace: Duration::from_millis(200), ..Limits::default() };
    let running = start_with("127.0.0.1:0", Options::default(), limits, None).await;
    let mut open = running.connect().await;
    under_way(&mut open).await;
    let mut half = running.connect().await;
    half.write_all(HALF.as_bytes()).await.unwrap();
    let address = running.address;
    running.end().await;
    assert!(codes(&rest(&mut open).await).iter().all(|code| *code != 200));
    assert!(TcpStream::connect(address).await.is_err());
}
