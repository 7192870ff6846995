//! One request becomes one record. The envelope is written straight into the buffer that the log takes.

use std::io::Write;
use std::net::IpAddr;

use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use uuid::Uuid;

use crate::thrift::{Encoder, SCHEMA, field};
use crate::visitor::Visitor;

/// Name and version as recorded in field `collector`.
pub(crate) const COLLECTOR: &str = concat!("granary-", env!("CARGO_PKG_VERSION"));

/// Everything of a record but its body; encodes as often as a split needs.
pub(crate) struct Envelope<'a> {
    parts: &'a Parts,
    /// Without the prefix `/api`.
    path: &'a str,
    time_ms: i64,
    address: Option<IpAddr>,
    visitor: &'a Visitor,
    collector: &'a str,
}

impl<'a> Envelope<'a> {
    pub(crate) fn new(
        parts: &'a Parts,
        path: &'a str,
        time_ms: i64,
        address: Option<IpAddr>,
        visitor: &'a Visitor,
    ) -> Self {
        Self { parts, path, time_ms, address, visitor, collector: COLLECTOR }
    }

    /// The same with another name of the collector: golden files outlive versions.
    #[cfg(test)]
    pub(crate) fn collected_by(self, collector: &'a str) -> Self {
        Self { collector, ..self }
    }

    /// The record with that body.
    pub(crate) fn encode(&self, body: Option<&[u8]>) -> Vec<u8> {
        let headers = &self.parts.headers;
        let value = |name: HeaderName| headers.get(name).map(HeaderValue::as_bytes);
        let content_type = body.and_then(|_| value(header::CONTENT_TYPE));
        let mut out = Encoder::with_capacity(self.size_estimate() + body.map_or(0, <[u8]>::len));

        let (mut scratch, mut uuid_scratch) = ([0_u8; 45], [0_u8; 36]);
        out.string(field::IP_ADDRESS, self.address_text(&mut scratch));
        out.number(field::TIMESTAMP, self.time_ms);
        out.string(field::ENCODING, b"UTF-8");
        out.string(field::COLLECTOR, self.collector.as_bytes());
        out.optional(field::USER_AGENT, value(header::USER_AGENT));
        out.optional(field::REFERER_URI, value(header::REFERER));
        out.string(field::PATH, self.path.as_bytes());
        out.optional(field::QUERYSTRING, self.parts.uri.query().map(str::as_bytes));
        out.optional(field::BODY, body);
        self.headers(&mut out, content_type);
        out.optional(field::CONTENT_TYPE, content_type);
        out.optional(field::HOSTNAME, self.hostname());
        let id = self.visitor.id.text(&mut uuid_scratch).as_bytes();
        out.string(field::NETWORK_USER_ID, id);
        out.string(field::SCHEMA, SCHEMA.as_bytes());
        out.finish()
    }

    /// Headers as `Name: value`, one item per cookie, and the bare content type at the end.
    fn headers(&self, out: &mut Encoder, content_type: Option<&[u8]>) {
        let mut list = out.list(field::HEADERS);
        for (name, value) in &self.parts.headers {
            // A compressed body is recorded as what it was made of.
            if *name == header::CONTENT_ENCODING || (self.visitor.anonymous && identifies(name)) {
                continue;
            }
            let mut scratch = [0_u8; 64];
            let shown = shown_name(name.as_str(), &mut scratch);
            if *name == header::COOKIE {
                for cookie in value.as_bytes().split(|byte| *byte == b';') {
                    list.item(&[shown, b": ", cookie.trim_ascii()]);
                }
            } else {
                list.item(&[shown, b": ", value.as_bytes()]);
            }
        }
        if let Some(content_type) = content_type {
            list.item(&[content_type]);
        }
        list.end();
    }

    fn address_text<'b>(&self, scratch: &'b mut [u8; 45]) -> &'b [u8] {
        match self.address {
            Some(address) if !self.visitor.anonymous => {
                let mut rest = &mut scratch[..];
                // The longest text of an address has 45 bytes.
                let written = write!(rest, "{address}").map(|()| 45 - rest.len());
                written.map_or(b"unknown", |length| &scratch[..length])
            }
            _ => b"unknown",
        }
    }

    /// The host that was asked, without its port.
    fn hostname(&self) -> Option<&[u8]> {
        let host = match self.parts.headers.get(header::HOST) {
            Some(host) => host.as_bytes(),
            None => self.parts.uri.authority()?.as_str().as_bytes(),
        };
        // The colon of a port comes after the bracket of an IPv6 address.
        let name_end = host.iter().rposition(|byte| *byte == b']').unwrap_or(0);
        let port = host[name_end..].iter().position(|byte| *byte == b':');
        Some(port.map_or(host, |port| &host[..name_end + port]))
    }

    /// Close enough that the buffer seldom grows.
    fn size_estimate(&self) -> usize {
        let headers = self.parts.headers.iter();
        let headers: usize = headers.map(|(name, value)| name.as_str().len() + value.len() + 6).sum();
        320 + self.path.len() + self.parts.uri.query().map_or(0, str::len) + headers + headers / 4
    }
}

/// A UUID of version 4 from the thread's generator: one per request twice, so without a system call.
pub(crate) fn random_uuid() -> Uuid {
    uuid::Builder::from_random_bytes(rand::random()).into_uuid()
}

/// Headers that `SP-Anonymous` keeps out.
fn identifies(name: &HeaderName) -> bool {
    *name == header::COOKIE
        || *name == header::FORWARDED
        || matches!(name.as_str(), "x-forwarded-for" | "x-real-ip")
}

/// HTTP names have no case and arrive here in lower case; scripts look for `User-Agent`, as the original records it.
fn shown_name<'a>(name: &'a str, scratch: &'a mut [u8; 64]) -> &'a [u8] {
    match name {
        "dnt" => return b"DNT",
        "te" => return b"TE",
        "sp-anonymous" => return b"SP-Anonymous",
        "x-b3-traceid" => return b"X-B3-TraceId",
        "x-b3-spanid" => return b"X-B3-SpanId",
        "x-b3-parentspanid" => return b"X-B3-ParentSpanId",
        _ => {}
    }
    let Some(shown) = scratch.get_mut(..name.len()) else { return name.as_bytes() };
    let mut start = true;
    for (to, from) in shown.iter_mut().zip(name.bytes()) {
        *to = if start { from.to_ascii_uppercase() } else { from };
        start = from == b'-';
    }
    shown
}
