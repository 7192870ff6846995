//! What fuzzers call: whatever bytes come, the code that reads them ends without a panic and keeps its promises. The
//! corpora that they found are replayed by the tests.

use std::collections::HashMap;

use http::{HeaderMap, HeaderValue, Request, header};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::inflate::{Encoding, inflate};
use crate::record::Envelope;
use crate::split::{Piece, Split};
use crate::visitor::Visitor;
use crate::{CollectorPayload, Cookie, DomainPattern, Options, cookie, json, redirect};

/// Records and rows may have this many bytes.
const LIMIT: usize = 2_500;

/// Splits a body: no record is above the limit, and each element of `data` is in one record or row, or all of the body is kept
/// apart.
///
/// # Panics
/// When a promise is broken.
pub fn splitter(body: &[u8]) {
    let (parts, ()) = Request::post("/com.acme/v1").body(()).expect("a request").into_parts();
    let visitor = Visitor::of(&parts, &Options::default(), Uuid::nil);
    let envelope = Envelope::new(&parts, "/com.acme/v1", 0, None, &visitor);
    let (mut events, mut records) = (0, 0);
    for piece in Split::of(&envelope, Some(body), LIMIT, 0) {
        match piece {
            Piece::Record(record) => {
                assert!(record.len() <= LIMIT, "a record has {} bytes", record.len());
                let payload = CollectorPayload::decode(&record).expect("a record can be read");
                events += events_of(&payload.body.expect("a body")).expect("a list of events");
                records += 1;
            }
            Piece::Bad(row) => {
                assert!(row.len() <= LIMIT, "a row has {} bytes", row.len());
                let row: Value = serde_json::from_slice(&row).expect("a row is JSON");
                events += usize::from(row["data"]["part"] == row["data"]["parts"]);
                if row.to_string().contains("too large to be repeated") {
                    assert_eq!(records, 0, "some of it is in records, and all of it is kept apart");
                    return;
                }
            }
        }
    }
    if let Some(sent) = events_of(body) {
        assert_eq!(events, sent, "events were lost or doubled");
    }
}

/// How many elements `data` has. They stay unread: nothing bounds how deep they are nested.
fn events_of(body: &[u8]) -> Option<usize> {
    let fields: HashMap<String, Box<RawValue>> = serde_json::from_slice(body).ok()?;
    let events: Vec<Box<RawValue>> = serde_json::from_str(fields.get("data")?.get()).ok()?;
    Some(events.len())
}

/// Reads a query for the client's id, a redirect and the form for scripts.
///
/// # Panics
/// When a redirect leads to a host that is not allowed.
pub fn query(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = json::query_parameters(&text);
    let Ok(request) = Request::get(format!("/r/tp2?{text}")).body(()) else { return };
    let (parts, ()) = request.into_parts();
    let visitor = Visitor::of(&parts, &Options::default(), Uuid::nil);
    let record = Envelope::new(&parts, "/r/tp2", 0, None, &visitor).encode(None);
    assert_eq!(CollectorPayload::decode(&record).expect("a record can be read").encode(), record);
    set_cookie(visitor.id.text(&mut [0; 36]));
    let allowed: [DomainPattern; 1] = ["acme.com".parse().expect("a domain")];
    if let Ok(target) = redirect::target(&parts, &allowed) {
        let target = target.to_str().expect("an address is text");
        let after =
            target.strip_prefix("https://acme.com").or_else(|| target.strip_prefix("http://acme.com"));
        let with_user = || url::Url::parse(target).is_ok_and(|url| url.host_str() == Some("acme.com"));
        // `https://acme.com.evil.com` begins in the same way.
        let alone = after.is_some_and(|after| after.starts_with(['/', ':']));
        assert!(alone || with_user(), "led to {target}");
    }
}

/// Reads a header `Cookie`, and `Content-Encoding`.
///
/// # Panics
/// When a cookie that is set could be read as more than one.
pub fn cookies(bytes: &[u8]) {
    let Ok(line) = HeaderValue::from_bytes(bytes) else { return };
    let mut headers = HeaderMap::new();
    headers.append(header::COOKIE, line.clone());
    headers.append(header::CONTENT_ENCODING, line.clone());
    let _ = Encoding::of(&headers);
    let sp = Cookie { domains: vec!["acme.com".parse().expect("a domain")], ..Cookie::sp() };
    for (name, value) in cookie::pairs(&headers) {
        assert!(!name.contains(&b';') && !value.contains(&b';'));
    }
    if let Some(value) = cookie::value(&headers, &sp.name) {
        set_cookie(value);
    }
    for line in sp.set("id", Some(&line), 0) {
        let line = line.to_str().expect("a cookie is text").to_owned();
        assert!(!line.contains("Domain=") || line.contains("Domain=acme.com;"), "{line}");
    }
}

/// Opens a compressed body; its first byte says how it is compressed.
///
/// # Panics
/// When more is made than the limit allows.
pub fn compressed(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let encoding = if first & 1 == 0 { Encoding::Gzip } else { Encoding::Deflate };
    if let Ok((made, _)) = inflate(bytes, encoding, LIMIT, |_| Ok::<_, ()>(())) {
        assert!(made.len() <= LIMIT);
    }
}

/// Reads a record, and makes its JSON forms.
///
/// # Panics
/// When a record changes by being written and read again.
pub fn record(bytes: &[u8]) {
    let Ok(payload) = CollectorPayload::decode(bytes) else { return };
    assert_eq!(CollectorPayload::decode(&payload.encode()).as_ref(), Ok(&payload));
    let _ = json::actual(&payload);
}

fn set_cookie(value: &str) {
    for line in Cookie::sp().set(value, None, 0) {
        let line = line.to_str().expect("a cookie is text").to_owned();
        assert_eq!(line.split(';').next(), Some(format!("sp={value}").as_str()));
        assert_eq!(line.split(';').count(), 6, "{line}");
    }
}
