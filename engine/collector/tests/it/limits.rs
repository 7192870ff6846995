//! Connections: how many, how slow, how long.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use granary_collector::{Limits, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{PATIENCE, ask, codes, rest, start, start_shared, start_with};

const PIXEL: &str = "GET /i?e=pv HTTP/1.1\r\nHost: h\r\n\r\n";

#[tokio::test]
async fn connections_above_the_limit_are_told_so_and_the_others_go_on() {
    let limits = Limits { connections_max: 2, ..Limits::default() };
    let running = start_with("127.0.0.1:0", Options::default(), limits, None).await;
    let mut first = running.connect().await;
    let mut second = running.connect().await;
    for client in [&mut first, &mut second] {
        assert_eq!(codes(&ask(client, PIXEL).await), [200]);
    }
    let refused = running.exchange(PIXEL.as_bytes()).await;
    assert_eq!(codes(&refused), [503]);
    assert!(refused.contains("Retry-After: 1\r\n"), "{refused}");
    assert_eq!(codes(&ask(&mut first, PIXEL).await), [200]);
    drop(second);
    // Its place is free once the server has seen its end.
    let again = async {
        while codes(&running.exchange(PIXEL.as_bytes()).await) != [200] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("the place of a closed connection is free again");
    drop(first);
    running.end().await;
}

#[tokio::test]
async fn head_that_comes_too_slowly_is_answered_408() {
    let limits = Limits { head_timeout: Duration::from_millis(200), ..Limits::default() };
    let running = start_with("127.0.0.1:0", Options::default(), limits, None).await;
    for sent in ["", "G", "GET /i HTTP/1.1\r\nHost: h\r\nX-Slow: "] {
        let mut client = running.connect().await;
        client.write_all(sent.as_bytes()).await.unwrap();
        assert_eq!(codes(&rest(&mut client).await), [408], "{sent:?}");
    }
    // Also the second one of a connection.
    let mut client = running.connect().await;
    assert_eq!(codes(&ask(&mut client, PIXEL).await), [200]);
    client.write_all(b"GET /i").await.unwrap();
    assert_eq!(codes(&rest(&mut client).await), [408]);
    assert_eq!(running.payloads().await.len(), 1);
    running.end().await;
}

#[tokio::test]
async fn connection_that_is_silent_between_requests_is_closed_without_a_word() {
    let limits = Limits { idle_timeout: Duration::from_millis(200), ..Limits::default() };
    let running = start_with("127.0.0.1:0", Options::default(), limits, None).await;
    let mut client = running.connect().await;
    for _ in 0..3 {
        assert_eq!(codes(&ask(&mut client, PIXEL).await), [200]);
    }
    assert_eq!(rest(&mut client).await, "");
    running.end().await;
}

#[tokio::test]
async fn requests_in_one_go_are_answered_in_order() {
    let running = start(Options::default()).await;
    let missing = "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n";
    let answers = running.exchange(format!("{PIXEL}{missing}{PIXEL}").as_bytes()).await;
    assert_eq!(codes(&answers), [200, 404, 200]);
    running.end().await;
}

#[tokio::test]
async fn client_that_closes_its_half_gets_the_answer() {
    let running = start(Options::default()).await;
    assert_eq!(codes(&running.exchange(PIXEL.as_bytes()).await), [200]);
    running.end().await;
}

#[tokio::test]
async fn the_limits_hold_for_other_routes_of_the_port() {
    let others = Router::new().route("/health", get(async || "ok"));
    let limits = Limits {
        connections_max: 2,
        head_timeout: Duration::from_millis(200),
        half_close: false,
        ..Limits::default()
    };
    let running = start_shared(others, limits).await;
    let health = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n";
    let (mut first, mut second) = (running.connect().await, running.connect().await);
    for request in [health, PIXEL] {
        assert_eq!(codes(&ask(&mut first, request).await), [200]);
        assert_eq!(codes(&ask(&mut second, request).await), [200]);
    }
    assert_eq!(codes(&rest(&mut running.connect().await).await), [503]);
    for (client, begun) in [(&mut first, "GET /heal"), (&mut second, "GET /i")] {
        client.write_all(begun.as_bytes()).await.unwrap();
        assert_eq!(codes(&rest(client).await), [408], "{begun}");
    }
    running.end().await;
}

#[tokio::test]
async fn head_that_the_parser_refuses_is_told_why_with_a_code_that_is_not_repeated() {
    let running = start(Options::default()).await;
    let long = format!("GET /i?{} HTTP/1.1\r\nHost: h\r\n\r\n", "q".repeat(100_000));
    let many = format!("GET /i HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(150));
    for (request, expected) in [
        (long.as_str(), "at most 61440 bytes and 100 headers"),
        (many.as_str(), "at most 61440 bytes and 100 headers"),
        ("what is this\r\n\r\n", "a line such as 'POST /path HTTP/1.1'"),
    ] {
        // Behind an answer, too, whose bytes stay as they are.
        for before in ["", PIXEL] {
            let answers = running.exchange(format!("{before}{request}").as_bytes()).await;
            let expected_codes: &[u16] = if before.is_empty() { &[400] } else { &[200, 400] };
            assert_eq!(codes(&answers), expected_codes, "{answers}");
            assert!(answers.contains(expected), "{answers}");
            assert!(!answers.contains("content-length: 0\r\n\r\nHTTP"), "{answers}");
        }
    }
    running.end().await;
}

#[tokio::test]
async fn the_newer_protocol_of_addresses_is_served_and_recorded() {
    let running = start_with("[::1]:0", Options::default(), Limits::default(), None).await;
    let host = format!("GET /i HTTP/1.1\r\nHost: {}\r\n\r\n", running.address);
    assert_eq!(codes(&running.exchange(host.as_bytes()).await), [200]);
    let payload = running.payloads().await.remove(0);
    assert_eq!((payload.ip_address.unwrap(), payload.hostname.unwrap()), ("::1".into(), "[::1]".into()));
    running.end().await;
}

#[tokio::test]
async fn client_that_takes_no_answers_is_let_go() {
    let limits = Limits { write_timeout: Duration::from_millis(200), ..Limits::default() };
    let running = start_with("127.0.0.1:0", Options::default(), limits, None).await;
    let mut client: TcpStream = running.connect().await;
    let missing = "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1_000);
    let writing = async { while client.write_all(missing.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, writing).await.expect("the connection is closed at last");
    let mut byte = [0];
    let _ = client.read(&mut byte).await;
    running.end().await;
}
