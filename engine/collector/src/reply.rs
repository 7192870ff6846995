//! What the collector answers.

use std::fmt::Write as _;

use axum::body::Body;
use axum::response::Response;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::DomainPattern;
use crate::route::Route;

/// A transparent pixel, 43 bytes.
pub(crate) const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff\
    \x21\xf9\x04\x01\x00\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const METHODS: HeaderValue = HeaderValue::from_static("POST, GET, HEAD, OPTIONS");

pub(crate) fn text(status: StatusCode, body: impl Into<Body>) -> Response {
    build(status, &[(header::CONTENT_TYPE, TEXT)], body.into())
}

/// The answer to a stored event: the browser tracker waits for a body, an image wants an image.
pub(crate) fn stored(method: &Method) -> Response {
    match *method {
        Method::POST => text(StatusCode::OK, "ok"),
        // The server leaves the body of a HEAD out; the length is that of the GET.
        _ => build(
            StatusCode::OK,
            &[
                (header::CONTENT_TYPE, HeaderValue::from_static("image/gif")),
                (header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate")),
                (header::CONTENT_LENGTH, HeaderValue::from_static("43")),
            ],
            if *method == Method::HEAD { Body::empty() } else { PIXEL.into() },
        ),
    }
}

pub(crate) fn robots() -> Response {
    text(StatusCode::OK, "User-agent: *\nDisallow: /\n")
}

/// Sends a browser on, after its event was stored.
pub(crate) fn moved(target: HeaderValue) -> Response {
    build(StatusCode::FOUND, &[(header::LOCATION, target), (header::CONTENT_TYPE, TEXT)], Body::empty())
}

/// The policy file of plug-ins such as Flash.
pub(crate) fn crossdomain(patterns: &[DomainPattern]) -> Response {
    let mut policy = String::from("<?xml version=\"1.0\"?>\n<cross-domain-policy>\n");
    for pattern in patterns {
        // A pattern holds nothing that XML would have to escape.
        let _ = writeln!(policy, "  <allow-access-from domain=\"{}\" secure=\"true\"/>", pattern.as_str());
    }
    policy.push_str("</cross-domain-policy>\n");
    build(
        StatusCode::OK,
        &[(header::CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"))],
        policy.into(),
    )
}

pub(crate) fn json(status: StatusCode, body: String) -> Response {
    build(status, &[(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body.into())
}

pub(crate) fn preflight() -> Response {
    build(
        StatusCode::OK,
        &[
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type, SP-Anonymous")),
            (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600")),
        ],
        Body::empty(),
    )
}

/// The process lives; whether events are stored says `/sink-health`.
pub(crate) fn alive() -> Response {
    text(StatusCode::OK, "ok")
}

pub(crate) fn health(unhealthy: Option<granary_stream::Error>) -> Response {
    match unhealthy {
        None => text(StatusCode::OK, "ok"),
        Some(error) => text(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
    }
}

pub(crate) fn wrong_method(route: Route) -> Response {
    let (hint, allowed) = match route {
        Route::Vendor => {
            ("events are sent with POST or GET; this path answers POST, GET, HEAD and OPTIONS\n", METHODS)
        }
        _ => ("this path answers GET, HEAD and OPTIONS\n", HeaderValue::from_static("GET, HEAD, OPTIONS")),
    };
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, hint);
    response.headers_mut().insert(header::ALLOW, allowed);
    response
}

pub(crate) fn not_found() -> Response {
    text(
        StatusCode::NOT_FOUND,
        "not a collector path: expected /<vendor>/<version> with a dot in the vendor, such as \
         /com.snowplowanalytics.snowplow/tp2, or /i\n",
    )
}

/// Nothing was stored; the client may send the same again.
pub(crate) fn later(reason: &str) -> Response {
    let body = format!("the event was not stored, send it again: {reason}\n");
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, body);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Lets pages of any origin read the answer, as trackers in browsers need.
pub(crate) fn allow_origin(response: &mut Response, origin: Option<&HeaderValue>) {
    // Of several origins in one header the first counts.
    let first = origin.and_then(|origin| {
        let bytes = origin.as_bytes();
        match bytes.iter().position(|byte| *byte == b' ') {
            None => Some(origin.clone()),
            Some(end) => HeaderValue::from_bytes(&bytes[..end]).ok(),
        }
    });
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        first.unwrap_or(const { HeaderValue::from_static("*") }),
    );
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, const { HeaderValue::from_static("true") });
}

fn build(status: StatusCode, headers: &[(HeaderName, HeaderValue)], body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let map: &mut HeaderMap = response.headers_mut();
    map.reserve(headers.len() + 2);
    for (name, value) in headers {
        map.insert(name.clone(), value.clone());
    }
    response
}
