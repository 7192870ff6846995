//! The client against a real server on a loopback port.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::response::Redirect;
use axum::routing::{any, get};
use granary_catalog::HostPattern;
use granary_sandbox::{HttpClient, HttpError, HttpRequest, HttpResponse, RESPONSE_BYTES_MAX};
use tokio::net::{TcpListener, TcpSocket};

use super::{BeltClient, Outbound};

/// A server that tells what it got; its port.
async fn serve() -> u16 {
    let echo = async |headers: HeaderMap, body: Bytes| {
        let agent = headers["user-agent"].to_str().unwrap_or_default().to_owned();
        ([("x-agent", agent)], body)
    };
    let app = Router::new()
        .route("/echo", any(echo))
        .route("/elsewhere", get(async || Redirect::temporary("http://elsewhere.example/")))
        .route("/large", get(async || vec![b'x'; RESPONSE_BYTES_MAX + 1]));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    port
}

fn patterns(texts: &[String]) -> Vec<HostPattern> {
    texts.iter().map(|text| text.parse().expect("a pattern")).collect()
}

fn client(allowed: &[String], grants: &[String]) -> BeltClient {
    let outbound = Outbound::new(patterns(allowed).into()).expect("TLS");
    BeltClient { outbound, grants: patterns(grants) }
}

fn request(url: String) -> HttpRequest {
    HttpRequest { method: "GET".to_owned(), url, headers: Vec::new(), body: Vec::new() }
}

/// A client that may talk to the server, and the start of its URLs.
async fn granted() -> (BeltClient, String) {
    let place = format!("127.0.0.1:{}", serve().await);
    (client(&[place.clone(), "*".to_owned()], std::slice::from_ref(&place)), format!("http://{place}"))
}

fn refused(answer: Result<HttpResponse, HttpError>) -> String {
    match answer {
        Err(HttpError::NotGranted(text)) => text,
        other => panic!("should not be granted: {other:?}"),
    }
}

#[tokio::test]
async fn a_granted_host_gets_method_headers_and_body() {
    let (client, url) = granted().await;
    let sent = HttpRequest {
        method: "POST".to_owned(),
        headers: vec![("User-Agent".to_owned(), "mine".to_owned())],
        body: b"hello".to_vec(),
        ..request(format!("{url}/echo?a=1#part"))
    };
    let answer = client.send(sent).await.expect("a response");
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"hello".as_slice()));
    assert!(answer.headers.contains(&("x-agent".to_owned(), "mine".to_owned())), "{:?}", answer.headers);
}

#[tokio::test]
async fn redirects_are_answered_and_not_followed() {
    let (client, url) = granted().await;
    let answer = client.send(request(format!("{url}/elsewhere"))).await.expect("a response");
    assert_eq!(answer.status, 307);
    assert!(answer.headers.contains(&("location".to_owned(), "http://elsewhere.example/".to_owned())));
}

#[tokio::test]
async fn a_response_without_end_is_not_read_to_its_end() {
    let (client, url) = granted().await;
    let answer = client.send(request(format!("{url}/large"))).await;
    assert!(matches!(answer, Err(HttpError::TooLarge(_))), "{answer:?}");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let port = serve().await;
    let (place, url) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}/echo"));
    let any = "*".to_owned();
    let text = refused(client(std::slice::from_ref(&any), &[]).send(request(url.clone())).await);
    assert!(text.contains(&format!("add \"{place}\" to its 'outboundHosts'")), "{text}");
    let elsewhere = ["*.example.com".to_owned()];
    let text = refused(client(&elsewhere, std::slice::from_ref(&place)).send(request(url.clone())).await);
    assert!(text.contains("operator") && text.contains(&place), "{text}");
    let text = refused(client(&[any], std::slice::from_ref(&place)).send(request(url)).await);
    assert!(text.contains(&format!("--outbound-hosts {place},*")), "{text}");
}

#[tokio::test]
async fn a_name_at_a_private_address_is_refused_unless_it_is_named_itself() {
    let port = serve().await;
    let (place, url) = (format!("localhost:{port}"), format!("http://LOCALHOST:{port}/echo"));
    let grants = std::slice::from_ref(&place);
    refused(client(&["*".to_owned()], grants).send(request(url.clone())).await);
    // Another spelling of the same address is not what the operator named.
    let other = [format!("127.0.0.1:{port}")];
    refused(
        client(&["*".to_owned(), place.clone()], &other)
            .send(request(format!("http://0x7f.1:{port}/")))
            .await,
    );
    let answer = client(grants, grants).send(request(url)).await.expect("a response");
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn what_is_no_request_is_refused_before_anything_is_sent() {
    let (client, url) = granted().await;
    let client = Arc::new(client);
    let bad = |change: fn(&mut HttpRequest)| {
        let mut request = request(format!("{url}/echo"));
        change(&mut request);
        let client = Arc::clone(&client);
        async move {
            let answer = client.send(request).await;
            assert!(matches!(answer, Err(HttpError::InvalidRequest(_))), "{answer:?}");
        }
    };
    fn with(request: &mut HttpRequest, name: &str, value: &str) {
        request.headers.push((name.to_owned(), value.to_owned()));
    }
    bad(|r| r.url = "/echo".to_owned()).await;
    bad(|r| r.url = "file:///etc/passwd".to_owned()).await;
    bad(|r| r.url = r.url.replace("http://", "http://user:pw@")).await;
    bad(|r| r.method = "CONNECT".to_owned()).await;
    bad(|r| r.method = "GET / HTTP/1.1\r\nx: y".to_owned()).await;
    bad(|r| with(r, "Host", "other")).await;
    bad(|r| with(r, "Transfer-Encoding", "chunked")).await;
    bad(|r| with(r, "x", "a\r\ny: b")).await;
    bad(|r| with(r, "x: y\r\nz", "a")).await;
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_a_failure_with_its_cause() {
    // Held, so that nobody else gets the port, and never listened on.
    let held = TcpSocket::new_v4().expect("a socket");
    held.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let place = held.local_addr().expect("an address").to_string();
    let client = client(std::slice::from_ref(&place), std::slice::from_ref(&place));
    let answer = client.send(request(format!("http://{place}/"))).await;
    let Err(HttpError::Failed(text)) = answer else { panic!("{answer:?}") };
    assert!(text.contains("cannot connect to '127.0.0.1'"), "{text}");
}
