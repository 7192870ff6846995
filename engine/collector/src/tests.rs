//! Requests through the routers onto a log.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use axum::routing::get;
use granary_stream::{Message, ReadLimit, StreamLog, TopicSpec};
use http::{StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::tests::double::{Failure, TestLog};
use crate::*;

mod compressed;
mod cookies;
mod double;
mod figures;
mod golden;
mod micro;
mod routes;

const TP2: &str = "/com.snowplowanalytics.snowplow/tp2";

struct Setup {
    log: Arc<TestLog>,
    router: Router,
}

async fn setup(options: Options) -> Setup {
    let log = Arc::new(TestLog::default());
    for topic in [TOPIC, BAD_TOPIC] {
        log.create_topic(topic, TopicSpec::of(1)).await.unwrap();
    }
    let router = router(Collector::new(log.clone(), options));
    Setup { log, router }
}

impl Setup {
    async fn send(&self, request: Request) -> (StatusCode, Vec<u8>) {
        let (status, _, body) = self.answer(request).await;
        (status, body)
    }

    async fn answer(&self, request: Request) -> (StatusCode, http::HeaderMap, Vec<u8>) {
        let response: Response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts.status, parts.headers, body.collect().await.unwrap().to_bytes().to_vec())
    }

    async fn messages(&self, topic: &str) -> Vec<Message> {
        let limit = ReadLimit { records: 10_000, bytes: usize::MAX };
        let records = self.log.read(topic, 0, 0, limit).await.unwrap();
        records.into_iter().map(|record| record.message).collect()
    }

    async fn payloads(&self) -> Vec<CollectorPayload> {
        let messages = self.messages(TOPIC).await;
        messages.iter().map(|message| CollectorPayload::decode(&message.payload).unwrap()).collect()
    }

    async fn only(&self) -> CollectorPayload {
        let mut payloads = self.payloads().await;
        assert_eq!(payloads.len(), 1);
        payloads.remove(0)
    }
}

fn post(path: &str, body: impl Into<Body>) -> Request {
    Request::post(path).header("content-type", "application/json").body(body.into()).unwrap()
}

fn request(method: &str, path: &str) -> Request {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

fn text(field: &Option<bytes::Bytes>) -> &str {
    std::str::from_utf8(field.as_deref().expect("the field is set")).unwrap()
}

#[tokio::test]
async fn posted_event_is_in_the_log_when_ok_comes() {
    let setup = setup(Options::default()).await;
    let mut request = post(&format!("/api{TP2}?a=1"), r#"{"appId":"x"}"#);
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 5))));
    for (name, value) in [
        ("host", "events.example:8080"),
        ("user-agent", "curl/8"),
        ("referer", "https://shop.example/"),
        ("cookie", "a=b; c=d"),
        ("x-custom-name", "v"),
    ] {
        request.headers_mut().append(header::HeaderName::from_static(name), value.parse().unwrap());
    }
    let (status, headers, body) = setup.answer(request).await;
    assert_eq!((status, &body[..]), (StatusCode::OK, &b"ok"[..]));
    assert!(headers[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/plain"));

    let payload = setup.only().await;
    assert_eq!(text(&payload.path), TP2);
    assert_eq!(text(&payload.querystring), "a=1");
    assert_eq!(text(&payload.body), r#"{"appId":"x"}"#);
    assert_eq!(text(&payload.ip_address), "192.0.2.1");
    assert_eq!(text(&payload.hostname), "events.example");
    assert_eq!(text(&payload.user_agent), "curl/8");
    assert_eq!(text(&payload.referer_uri), "https://shop.example/");
    assert_eq!(text(&payload.content_type), "application/json");
    assert_eq!(text(&payload.encoding), "UTF-8");
    assert_eq!(text(&payload.schema), thrift::SCHEMA);
    assert!(payload.timestamp.unwrap() > 1_600_000_000_000);
    let id: uuid::Uuid = text(&payload.network_user_id).parse().unwrap();
    assert_eq!(id.get_version_num(), 4);
    assert_eq!(
        payload.headers.unwrap(),
        [
            "Content-Type: application/json",
            "Host: events.example:8080",
            "User-Agent: curl/8",
            "Referer: https://shop.example/",
            "Cookie: a=b",
            "Cookie: c=d",
            "X-Custom-Name: v",
            "application/json",
        ]
    );
}

#[tokio::test]
async fn record_has_a_random_key_and_its_place_in_the_producers_sequence() {
    let setup = setup(Options::default()).await;
    for _ in 0..2 {
        setup.send(post(TP2, "{}")).await;
    }
    let messages = setup.messages(TOPIC).await;
    let keys: Vec<uuid::Uuid> = messages
        .iter()
        .map(|message| std::str::from_utf8(message.key.as_ref().unwrap()).unwrap().parse().unwrap())
        .collect();
    assert_ne!(keys[0], keys[1]);
    let producers: Vec<_> = messages.iter().map(|message| message.system.producer.clone().unwrap()).collect();
    assert_eq!(producers[0].id, producers[1].id);
    assert_eq!((producers[0].sequence, producers[1].sequence), (0, 1));
    assert!(messages[0].headers.0.is_empty());
}

#[tokio::test]
async fn written_bytes_are_those_of_the_codec() {
    let setup = setup(Options::default()).await;
    setup.send(post(TP2, r#"{"a":1}"#)).await;
    let written = setup.messages(TOPIC).await.remove(0).payload;
    assert_eq!(CollectorPayload::decode(&written).unwrap().encode(), written);
}

#[tokio::test]
async fn get_head_and_pixels_are_stored_and_answer_an_image() {
    let setup = setup(Options::default()).await;
    for path in [&format!("{TP2}?e=pv"), "/i?e=pv", "/api/ice.png?e=pv"] {
        let (status, headers, body) = setup.answer(request("GET", path)).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(headers[header::CONTENT_TYPE], "image/gif");
        assert_eq!(headers[header::CACHE_CONTROL], "no-cache, no-store, must-revalidate");
        assert_eq!(body.len(), 43);
        assert!(body.starts_with(b"GIF89a") && body.ends_with(b";"));
    }
    let (status, headers, body) = setup.answer(request("HEAD", "/i?e=pv")).await;
    assert_eq!(
        (status, &headers[header::CONTENT_LENGTH], body.len()),
        (StatusCode::OK, &"43".parse().unwrap(), 0)
    );
    let payloads = setup.payloads().await;
    let paths: Vec<_> = payloads.iter().map(|payload| text(&payload.path)).collect();
    assert_eq!(paths, [TP2, "/i", "/ice.png", "/i"]);
    assert!(payloads.iter().all(|payload| payload.body.is_none() && text(&payload.querystring) == "e=pv"));
}

#[tokio::test]
async fn only_vendor_paths_are_the_collectors() {
    let setup = setup(Options { vendors: vec!["acme".to_owned()], ..Options::default() }).await;
    let collector =
        Collector::new(setup.log.clone(), Options { vendors: vec!["acme".into()], ..Options::default() });
    for path in [TP2, "/api/com.acme/v1", "/acme/track", "/i", "/api/i", "/robots.txt", "/sink-health"] {
        assert!(collector.owns(path), "{path}");
    }
    for path in [
        "/",
        "/api",
        "/api/",
        "/projects",
        "/projects/p",
        "/api/projects/p.q",
        "/projects/p/harvesters",
        "/openapi.json",
        "/com.acme",
        "/com.acme/",
        "/com.acme/a/b",
        "/.well-known/x",
        "/../x",
        "/./x",
        "/a./x",
        "//x",
        "/apix/com.a/b/c",
        "/api/api/com.a/b",
    ] {
        assert!(!collector.owns(path), "{path}");
        let (status, _) = setup.send(post(path, "{}")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(setup.messages(TOPIC).await.is_empty());
}

#[tokio::test]
async fn paths_of_others_go_through_to_them() {
    let setup = setup(Options::default()).await;
    let api = Router::new().route("/projects/{name}", get(|| async { "api" }));
    let both = front(Collector::new(setup.log.clone(), Options::default()), api);
    for (path, expected) in [("/projects/p", "api"), (TP2, "GIF"), ("/nothing/here", "")] {
        let response = both.clone().oneshot(request("GET", path)).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(expected.as_bytes()), "{path}");
        assert_eq!(body.is_empty(), expected.is_empty(), "{path}");
    }
    assert_eq!(setup.messages(TOPIC).await.len(), 1);
}

/// Sends the bytes to a server on a real socket and returns all that it answers.
async fn over_a_socket(front: Front, request: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = front.into_make_service_with_connect_info::<SocketAddr>();
    let server = tokio::spawn(async move { axum::serve(listener, service).await });
    let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
    client.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    server.abort();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn served_on_a_socket_it_sees_the_peer_and_heads_have_no_body() {
    let setup = setup(Options::default()).await;
    let both = front(Collector::new(setup.log.clone(), Options::default()), Router::new());
    let head = format!("HEAD {TP2}?e=pv HTTP/1.1\r\nHost: h:1\r\nConnection: close\r\n\r\n");
    let answer = over_a_socket(both.clone(), head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(answer.contains("content-length: 43\r\n"), "{answer}");

    let post = format!(
        "POST /api{TP2} HTTP/1.1\r\nHost: [::1]:1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\n{{\"a\r\n4\r\n\":1}}\r\n0\r\n\r\n"
    );
    let answer = over_a_socket(both, post.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"), "{answer}");

    let payloads = setup.payloads().await;
    assert_eq!(
        payloads.iter().map(|payload| text(&payload.ip_address)).collect::<Vec<_>>(),
        ["127.0.0.1"; 2]
    );
    assert_eq!(payloads.iter().map(|payload| text(&payload.hostname)).collect::<Vec<_>>(), ["h", "[::1]"]);
    assert_eq!(text(&payloads[1].body), r#"{"a":1}"#);
}

#[tokio::test]
async fn broken_bodies_store_nothing() {
    let setup = setup(Options::default()).await;
    let chunks = [Ok("{\"a\""), Err(std::io::Error::other("connection reset"))];
    let (status, _) = setup.send(post(TP2, Body::from_stream(futures::stream::iter(chunks)))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(setup.messages(TOPIC).await.is_empty());
}

#[tokio::test]
async fn browsers_of_any_origin_are_answered() {
    let setup = setup(Options::default()).await;
    let mut preflight = request("OPTIONS", TP2);
    preflight.headers_mut().insert("origin", "https://shop.example https://other.example".parse().unwrap());
    let (status, headers, _) = setup.answer(preflight).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["access-control-allow-origin"], "https://shop.example");
    assert_eq!(headers["access-control-allow-credentials"], "true");
    assert_eq!(headers["access-control-allow-headers"], "Content-Type, SP-Anonymous");
    assert_eq!(headers["access-control-max-age"], "3600");
    let (_, headers, _) = setup.answer(post(TP2, "{}")).await;
    assert_eq!(headers["access-control-allow-origin"], "*");
    assert_eq!(setup.messages(TOPIC).await.len(), 1, "a preflight is no event");
}

#[tokio::test]
async fn other_methods_are_told_which_work() {
    let setup = setup(Options::default()).await;
    for (method, path) in [("PUT", TP2), ("DELETE", TP2), ("POST", "/i"), ("POST", "/robots.txt")] {
        let (status, headers, _) = setup.answer(request(method, path)).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert!(headers.contains_key(header::ALLOW));
    }
    let (status, body) = setup.send(request("GET", "/robots.txt")).await;
    assert_eq!((status, &body[..]), (StatusCode::OK, &b"User-agent: *\nDisallow: /\n"[..]));
}

#[tokio::test]
async fn any_bytes_are_kept_as_they_came() {
    let setup = setup(Options::default()).await;
    let bodies: [&[u8]; 4] = [b"", b"\xff\xfe\x00", b"plain text", b"{broken"];
    for body in bodies {
        let (status, _) = setup.send(post(TP2, body)).await;
        assert_eq!(status, StatusCode::OK);
    }
    let stored: Vec<_> = setup.payloads().await.into_iter().map(|payload| payload.body.unwrap()).collect();
    assert_eq!(stored, bodies);
}

#[tokio::test]
async fn body_in_chunks_is_joined() {
    let setup = setup(Options::default()).await;
    let chunks = ["{\"a\"", ":", "1}"].map(Ok::<_, std::io::Error>);
    let (status, _) = setup.send(post(TP2, Body::from_stream(futures::stream::iter(chunks)))).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(text(&setup.only().await.body), r#"{"a":1}"#);
}

#[tokio::test]
async fn network_user_id_is_the_one_asked_for() {
    let setup = setup(Options::default()).await;
    setup.send(request("GET", "/i?e=pv&nuid=my%20id")).await;
    assert_eq!(text(&setup.only().await.network_user_id), "my id");
}

#[tokio::test]
async fn anonymous_requests_leave_no_trace_of_the_client() {
    let setup =
        setup(Options { trusted_proxies: vec!["192.0.2.0/24".parse().unwrap()], ..Options::default() }).await;
    let mut request = post(&format!("{TP2}?nuid=me"), "{}");
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([192, 0, 2, 1], 5))));
    for (name, value) in
        [("sp-anonymous", "*"), ("cookie", "sp=me"), ("x-forwarded-for", "1.2.3.4"), ("x-real-ip", "1.2.3.4")]
    {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    setup.send(request).await;
    let payload = setup.only().await;
    assert_eq!(text(&payload.ip_address), "unknown");
    assert_eq!(text(&payload.network_user_id), uuid::Uuid::nil().to_string());
    let headers = payload.headers.unwrap();
    assert_eq!(headers, ["Content-Type: application/json", "SP-Anonymous: *", "application/json"]);
}

#[tokio::test]
async fn proxies_that_are_trusted_name_the_client() {
    let setup =
        setup(Options { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Options::default() }).await;
    let mut request = post(TP2, "{}");
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([10, 0, 0, 1], 5))));
    request.headers_mut().insert("x-forwarded-for", "2001:db8::1".parse().unwrap());
    setup.send(request).await;
    assert_eq!(text(&setup.only().await.ip_address), "2001:db8::1");
}

#[tokio::test]
async fn tracing_headers_travel_with_the_message() {
    let setup = setup(Options::default()).await;
    let mut request = post(TP2, "{}");
    request
        .headers_mut()
        .insert("b3", "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1".parse().unwrap());
    setup.send(request).await;
    let message = setup.messages(TOPIC).await.remove(0);
    assert_eq!(message.system.trace_id, 0x80f1_98ee_5634_3ba8_64fe_8b2a_57d3_eff7);
    assert_eq!(message.headers.get("X-B3-TraceId"), Some("80f198ee56343ba864fe8b2a57d3eff7"));
    assert_eq!(message.headers.get("X-B3-ParentSpanId"), Some("e457b5a2e4d86bd1"));
}

#[tokio::test]
async fn large_batches_are_split_at_data_and_nothing_is_lost() {
    let limit = 2_000;
    let setup = setup(Options { record_bytes_max: limit, ..Options::default() }).await;
    let event =
        |n: usize| json!({"n": n, "exact": "12345678901234567890.10", "pad": "x".repeat(n * 7 % 300)});
    let events: Vec<Value> = (0..200).map(event).collect();
    let body = json!({"schema": "s", "data": events, "after": {"a": [1]}}).to_string();
    let (status, answer) = setup.send(post(TP2, body)).await;
    assert_eq!((status, &answer[..]), (StatusCode::OK, &b"ok"[..]));
    assert!(setup.messages(TOPIC).await.iter().all(|message| message.payload.len() <= limit));
    let payloads = setup.payloads().await;
    assert!(payloads.len() > 10);
    let mut seen = Vec::new();
    for payload in &payloads {
        let body: Value = serde_json::from_str(text(&payload.body)).unwrap();
        assert_eq!((&body["schema"], &body["after"]), (&json!("s"), &json!({"a": [1]})));
        seen.extend(body["data"].as_array().unwrap().clone());
        assert_eq!(payload.network_user_id, payloads[0].network_user_id);
    }
    assert_eq!(seen, events);
    assert!(setup.messages(BAD_TOPIC).await.is_empty());
}

#[tokio::test]
async fn what_never_fits_is_kept_with_the_reason() {
    let limit = 3_000;
    let setup = setup(Options { record_bytes_max: limit, ..Options::default() }).await;
    let large = "\u{fc}\"\n".repeat(1_500);
    let body = json!({"data": [{"a": 1}, {"large": large}, {"b": 2}]}).to_string();
    let (status, _) = setup.send(post(TP2, body)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(text(&setup.only().await.body), r#"{"data":[{"a":1},{"b":2}]}"#);
    let bad = setup.messages(BAD_TOPIC).await;
    let mut kept = String::new();
    for (index, message) in bad.iter().enumerate() {
        assert!(message.payload.len() <= limit);
        let row: Value = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!(row["data"]["part"], json!(index + 1));
        assert_eq!(row["data"]["parts"], json!(bad.len()));
        assert_eq!(row["data"]["failure"]["maximumAllowedSizeBytes"], json!(limit));
        kept += row["data"]["payload"].as_str().unwrap();
    }
    assert!(bad.len() > 1);
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap()["large"], json!(large));
}

#[tokio::test]
async fn large_bodies_without_data_are_kept_whole() {
    let setup = setup(Options { record_bytes_max: 3_000, ..Options::default() }).await;
    let plain = "a\u{1}".repeat(2_000);
    for body in [plain.clone(), r#"{"data":"#.to_owned() + &"1".repeat(4_000) + "}"] {
        assert_eq!(setup.send(post(TP2, body)).await.0, StatusCode::OK);
    }
    let uri = format!("/i?q={}", "y".repeat(4_000));
    assert_eq!(setup.send(request("GET", &uri)).await.0, StatusCode::OK);
    assert!(setup.messages(TOPIC).await.is_empty());
    let mut kept = String::new();
    for message in setup.messages(BAD_TOPIC).await {
        let row: Value = serde_json::from_slice(&message.payload).unwrap();
        kept += row["data"]["payload"].as_str().unwrap();
        assert!(row["data"]["failure"]["expectation"].as_str().unwrap().contains("no list 'data'"));
    }
    assert!(kept.starts_with(&plain));
    assert!(kept.contains(&"1".repeat(4_000)) && kept.contains(&"y".repeat(4_000)));
}

impl Setup {
    /// The payloads of the bad topic put together, and the size that the last row tells.
    async fn kept(&self) -> (String, u64) {
        let (mut kept, mut size) = (String::new(), 0);
        for message in self.messages(BAD_TOPIC).await {
            let row: Value = serde_json::from_slice(&message.payload).unwrap();
            kept += row["data"]["payload"].as_str().unwrap();
            size = row["data"]["failure"]["actualSizeBytes"].as_u64().unwrap();
        }
        (kept, size)
    }
}

#[tokio::test]
async fn body_over_the_limit_is_answered_200_and_its_beginning_is_kept() {
    let declared = Request::post(TP2).header("content-length", "11").body(Body::from("12345678901")).unwrap();
    let chunks = ["123456", "78901"].map(Ok::<_, std::io::Error>);
    for request in [declared, post(TP2, Body::from_stream(futures::stream::iter(chunks)))] {
        let setup = setup(Options { body_bytes_max: 10, ..Options::default() }).await;
        assert_eq!(setup.send(request).await.0, StatusCode::OK);
        assert_eq!(setup.kept().await, ("1234567890".to_owned(), 11));
        let row: Value = serde_json::from_slice(&setup.messages(BAD_TOPIC).await[0].payload).unwrap();
        assert!(row["data"]["failure"]["expectation"].as_str().unwrap().contains("the limit of 10"));
        assert!(setup.messages(TOPIC).await.is_empty());
        assert_eq!(setup.send(post(TP2, "1234567890")).await.0, StatusCode::OK);
        assert_eq!(setup.messages(TOPIC).await.len(), 1);
    }
}

/// Like ordinary clients it writes all of the body before it reads, and the body is more than sockets buffer.
#[tokio::test]
async fn client_that_writes_all_of_a_large_body_reads_an_answer() {
    let body = "x".repeat(40 * 1024 * 1024);
    let setup = setup(Options::default()).await;
    let collector = Collector::new(setup.log.clone(), Options::default());
    let both = front(collector, Router::new());
    let head = format!("POST {TP2} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n");
    let declared = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    for request in [declared, chunked] {
        let answer = over_a_socket(both.clone(), request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert!(setup.messages(TOPIC).await.is_empty());
    let (kept, size) = setup.kept().await;
    assert_eq!((kept.len(), size), (2 * 32 * 1024 * 1024, body.len() as u64));
}

#[tokio::test]
async fn body_far_over_the_limit_is_answered_without_reading_all_of_it() {
    let setup = setup(Options { body_bytes_max: 10, ..Options::default() }).await;
    let chunk = bytes::Bytes::from(vec![b'x'; 1024 * 1024]);
    let endless = futures::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
    assert_eq!(setup.send(post(TP2, Body::from_stream(endless))).await.0, StatusCode::OK);
    assert_eq!(setup.kept().await.0, "x".repeat(10));
    let never = || Body::from_stream(futures::stream::pending::<Result<&str, std::io::Error>>());
    let mut giant = post(TP2, never());
    giant.headers_mut().insert("content-length", "99999999999".parse().unwrap());
    assert_eq!(setup.send(giant).await.0, StatusCode::OK);
    assert_eq!(setup.kept().await, ("x".repeat(10), 99_999_999_999));
}

/// A 413 would be repeated for ever.
#[tokio::test]
async fn client_that_asks_before_it_sends_too_much_is_let_send() {
    let setup = setup(Options { body_bytes_max: 10, ..Options::default() }).await;
    let mut request = post(TP2, Body::from("x".repeat(11)));
    request.headers_mut().insert("content-length", "11".parse().unwrap());
    request.headers_mut().insert("expect", "100-continue".parse().unwrap());
    assert_eq!(setup.send(request).await.0, StatusCode::OK);
    assert_eq!(setup.kept().await, ("x".repeat(10), 11));
}

#[tokio::test(start_paused = true)]
async fn large_body_that_never_ends_is_answered_when_its_time_is_over() {
    use futures::StreamExt;

    let setup = setup(Options { body_bytes_max: 10, ..Options::default() }).await;
    for length in [None, Some("11")] {
        let sent = futures::stream::iter(["12345678901"].map(Ok::<_, std::io::Error>));
        let mut request = post(TP2, Body::from_stream(sent.chain(futures::stream::pending())));
        if let Some(length) = length {
            request.headers_mut().insert("content-length", length.parse().unwrap());
        }
        assert_eq!(setup.send(request).await.0, StatusCode::OK);
    }
    assert_eq!(setup.kept().await, ("1234567890".repeat(2), 11));
}

#[tokio::test]
async fn bodies_in_flight_are_bounded_together() {
    let setup = setup(Options { in_flight_bytes_max: 10, ..Options::default() }).await;
    let (status, headers, _) = setup.answer(post(TP2, "12345678901")).await;
    assert_eq!(
        (status, &headers[header::RETRY_AFTER]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap())
    );
    for _ in 0..3 {
        assert_eq!(
            setup.send(post(TP2, "1234567890")).await.0,
            StatusCode::OK,
            "what is answered is released"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn client_that_stops_sending_is_let_go() {
    let setup = setup(Options::default()).await;
    let body = Body::from_stream(futures::stream::pending::<Result<&str, std::io::Error>>());
    let (status, _) = setup.send(post(TP2, body)).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn large_body_may_take_its_time_and_a_drip_may_not() {
    use std::time::Duration;

    let body = |bytes: usize, beat: Duration| {
        let chunk = bytes::Bytes::from(vec![b' '; bytes]);
        let sent = futures::stream::unfold(0, move |n| {
            let chunk = chunk.clone();
            async move {
                tokio::time::sleep(beat).await;
                (n < 100).then_some((Ok::<_, std::io::Error>(chunk), n + 1))
            }
        });
        Body::from_stream(sent)
    };
    let setup = setup(Options::default()).await;
    let steady = body(256 * 1024, Duration::from_secs(1));
    assert_eq!(setup.send(post(TP2, steady)).await.0, StatusCode::OK);
    let drip = body(1, Duration::from_secs(1));
    assert_eq!(setup.send(post(TP2, drip)).await.0, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn event_that_is_not_stored_is_never_answered_200() {
    let setup = setup(Options { record_bytes_max: 2_000, ..Options::default() }).await;
    let large = json!({"data": ["x".repeat(1_500), "y".repeat(1_500), "z".repeat(3_000)]}).to_string();
    for failure in [Failure::Busy, Failure::Failed, Failure::NoTopic] {
        setup.log.fail_with(Some(failure));
        for request in [post(TP2, "{}"), request("GET", "/i"), request("HEAD", TP2), post(TP2, large.clone())]
        {
            let (status, headers, _) = setup.answer(request).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{failure:?}");
            assert_eq!(headers[header::RETRY_AFTER], "1");
        }
        assert_eq!(setup.send(request("GET", "/sink-health")).await.0, StatusCode::SERVICE_UNAVAILABLE);
    }
    setup.log.fail_with(None);
    assert_eq!(setup.send(request("GET", "/sink-health")).await.0, StatusCode::OK);
    assert!(setup.messages(TOPIC).await.is_empty());
    assert_eq!(setup.send(post(TP2, "{}")).await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn log_that_never_answers_is_no_reason_to_wait_for_ever() {
    let setup = setup(Options::default()).await;
    setup.log.fail_with(Some(Failure::Hangs));
    let (status, headers, _) = setup.answer(post(TP2, "{}")).await;
    assert_eq!(
        (status, &headers[header::RETRY_AFTER]),
        (StatusCode::SERVICE_UNAVAILABLE, &"1".parse().unwrap())
    );
}

#[tokio::test]
async fn record_that_the_log_finds_too_large_is_split() {
    let setup = setup(Options::default()).await;
    setup.log.set_limit(1_200);
    let body = json!({"data": ["x".repeat(500), "y".repeat(500)]}).to_string();
    assert_eq!(setup.send(post(TP2, body)).await.0, StatusCode::OK);
    assert_eq!(setup.payloads().await.len(), 2);
}
