//! Compressed bodies.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::*;

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn encoded(encoding: &str, body: Vec<u8>) -> Request {
    let mut request = post(TP2, body);
    request.headers_mut().insert("content-encoding", encoding.parse().unwrap());
    request
}

#[tokio::test]
async fn compressed_body_is_recorded_as_what_it_was_made_of() {
    let setup = setup(Options::default()).await;
    let plain = br#"{"a":1}"#;
    let mut deflate = ZlibEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(plain).unwrap();
    for request in [
        encoded("gzip", gzip(plain)),
        encoded("deflate", deflate.finish().unwrap()),
        encoded("identity", plain.to_vec()),
    ] {
        assert_eq!(setup.send(request).await.0, StatusCode::OK);
    }
    for payload in setup.payloads().await {
        assert_eq!(text(&payload.body), r#"{"a":1}"#);
        let headers = payload.headers.unwrap();
        assert!(headers.iter().all(|line| !line.starts_with(b"Content-Encoding")), "{headers:?}");
    }
}

#[tokio::test]
async fn body_that_cannot_be_opened_is_refused_for_good() {
    let setup = setup(Options::default()).await;
    let whole = gzip(b"{}");
    let cases = [
        ("gzip", b"{}".to_vec(), "Content-Encoding says gzip"),
        ("gzip", whole[..whole.len() - 3].to_vec(), "it ends too early"),
        ("deflate", vec![0xff; 40], "Content-Encoding says deflate"),
        ("br", b"{}".to_vec(), "expected Content-Encoding gzip, deflate or none, got 'br'"),
        ("gzip, gzip", whole, "got 'gzip, gzip'"),
    ];
    for (encoding, body, reason) in cases {
        let (status, answer) = setup.send(encoded(encoding, body)).await;
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{encoding}: {answer}");
        assert!(answer.contains(reason), "{encoding}: {answer}");
    }
    assert!(setup.messages(TOPIC).await.is_empty());
}

#[tokio::test]
async fn small_body_that_opens_to_a_giant_is_kept_up_to_the_limit() {
    let setup = setup(Options { body_bytes_max: 100_000, ..Options::default() }).await;
    let bomb = gzip(&vec![b'x'; 20_000_000]);
    assert!(bomb.len() < 100_000);
    assert_eq!(setup.send(encoded("gzip", bomb)).await.0, StatusCode::OK);
    assert!(setup.messages(TOPIC).await.is_empty());
    assert_eq!(setup.kept().await.0.len(), 100_000);
}

#[tokio::test]
async fn what_is_opened_counts_among_the_bytes_in_flight() {
    let setup = setup(Options { in_flight_bytes_max: 1_000_000, ..Options::default() }).await;
    let bomb = gzip(&vec![b'x'; 2_000_000]);
    assert_eq!(setup.send(encoded("gzip", bomb)).await.0, StatusCode::SERVICE_UNAVAILABLE);
    for _ in 0..3 {
        let fits = gzip(&vec![b'x'; 900_000]);
        assert_eq!(setup.send(encoded("gzip", fits)).await.0, StatusCode::OK, "what is answered is released");
    }
}
