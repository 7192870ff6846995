//! Heads of requests that are refused before anything else is looked at.

use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode, header};

use crate::{Options, reply};

/// Bytes of a request line beside the method and what is asked for: two spaces, version, line end.
const LINE_FRAME_BYTES: usize = 12;
/// Bytes of a header line beside name and value.
const HEADER_FRAME_BYTES: usize = 4;

/// The refusal of a head that is too large or means two things at once. A tracker sends again after a 414 or a 431,
/// for ever, so the answer is 400.
pub(crate) fn refuse(parts: &Parts, options: &Options) -> Option<Response> {
    let target = parts.uri.path().len() + parts.uri.query().map_or(0, |query| query.len() + 1);
    let line = parts.method.as_str().len() + target + LINE_FRAME_BYTES;
    if line > options.request_line_bytes_max {
        let hint = if parts.method == Method::GET { ", send the event with POST" } else { "" };
        return Some(reply::text(
            StatusCode::BAD_REQUEST,
            format!(
                "the request line has {line} bytes, more than the limit of {}{hint}\n",
                options.request_line_bytes_max
            ),
        ));
    }
    let size = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        name.as_str().len() + value.len() + HEADER_FRAME_BYTES
    };
    let headers: usize = parts.headers.iter().map(size).sum();
    if headers > options.header_bytes_max {
        return Some(reply::text(
            StatusCode::BAD_REQUEST,
            format!(
                "the headers have {headers} bytes, more than the limit of {}: send fewer or shorter ones\n",
                options.header_bytes_max
            ),
        ));
    }
    // A proxy in front may have gone by the other one.
    if parts.headers.get_all(header::HOST).into_iter().nth(1).is_some() {
        return Some(reply::text(StatusCode::BAD_REQUEST, "expected one header Host, got several\n"));
    }
    None
}
