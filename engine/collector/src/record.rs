//! One request becomes one record. The envelope is written straight into the buffer that the log takes.

use std::io::Write;
use std::net::IpAddr;

use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use uuid::Uuid;

use crate::thrift::{Encoder, SCHEMA, field};

/// Name and version as recorded in field `collector`.
const COLLECTOR: &str = concat!("granary-", env!("CARGO_PKG_VERSION"));
/// The header by which a client asks for nothing that identifies it.
const ANONYMOUS: HeaderName = HeaderName::from_static("sp-anonymous");

/// Everything of a record but its body; encodes as often as a split needs.
pub(crate) struct Envelope<'a> {
    parts: &'a Parts,
    /// Without the prefix `/api`.
    path: &'a str,
    time_ms: i64,
    address: Option<IpAddr>,
    anonymous: bool,
    network_user_id: NetworkUserId,
}

/// A UUID, or whatever the client put into `nuid`.
enum NetworkUserId {
    Uuid(Uuid),
    Text(String),
}

impl<'a> Envelope<'a> {
    pub(crate) fn new(parts: &'a Parts, path: &'a str, time_ms: i64, address: Option<IpAddr>) -> Self {
        let anonymous = parts.headers.contains_key(ANONYMOUS);
        let named = || {
            let query = parts.uri.query().filter(|query| query.contains("nuid="))?;
            let (_, value) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "nuid")?;
            (!value.is_empty()).then(|| value.into_owned())
        };
        let network_user_id = if anonymous {
            NetworkUserId::Uuid(Uuid::nil())
        } else {
            named().map_or_else(|| NetworkUserId::Uuid(random_uuid()), NetworkUserId::Text)
        };
        Self { parts, path, time_ms, address, anonymous, network_user_id }
    }

    /// The record with that body.
    pub(crate) fn encode(&self, body: Option<&[u8]>) -> Vec<u8> {
        let headers = &self.parts.headers;
        let value = |name: HeaderName| headers.get(name).map(HeaderValue::as_bytes);
        let content_type = body.and_then(|_| value(header::CONTENT_TYPE));
        let mut out = Encoder::with_capacity(self.size_estimate() + body.map_or(0, <[u8]>::len));

        let mut scratch = [0_u8; 45];
        out.string(field::IP_ADDRESS, self.address_text(&mut scratch));
        out.number(field::TIMESTAMP, self.time_ms);
        out.string(field::ENCODING, b"UTF-8");
        out.string(field::COLLECTOR, COLLECTOR.as_bytes());
        out.optional(field::USER_AGENT, value(header::USER_AGENT));
        out.optional(field::REFERER_URI, value(header::REFERER));
        out.string(field::PATH, self.path.as_bytes());
        out.optional(field::QUERYSTRING, self.parts.uri.query().map(str::as_bytes));
        out.optional(field::BODY, body);
        self.headers(&mut out, content_type);
        out.optional(field::CONTENT_TYPE, content_type);
        out.optional(field::HOSTNAME, self.hostname());
        match &self.network_user_id {
            NetworkUserId::Uuid(id) => {
                out.string(field::NETWORK_USER_ID, id.hyphenated().encode_lower(&mut [0; 36]).as_bytes());
            }
            NetworkUserId::Text(text) => out.string(field::NETWORK_USER_ID, text.as_bytes()),
        }
        out.string(field::SCHEMA, SCHEMA.as_bytes());
        out.finish()
    }

    /// Headers as `Name: value`, one item per cookie, and the bare content type at the end.
    fn headers(&self, out: &mut Encoder, content_type: Option<&[u8]>) {
        let mut list = out.list(field::HEADERS);
        for (name, value) in &self.parts.headers {
            if self.anonymous && identifies(name) {
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
            Some(address) if !self.anonymous => {
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
    *name == header::COOKIE || matches!(name.as_str(), "x-forwarded-for" | "x-real-ip")
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
