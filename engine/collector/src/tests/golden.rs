//! Records against those of an independent Thrift library, see `golden/make.py`.

use std::path::Path;

use serde::Deserialize;

use super::*;
use crate::record::Envelope;
use crate::route::Place;
use crate::visitor::Visitor;

/// What `cases.json` says of one request.
#[derive(Deserialize)]
struct Case {
    name: String,
    request: Sent,
    peer: Option<std::net::IpAddr>,
    body_base64: Option<String>,
    #[serde(default)]
    cookie: bool,
    #[serde(default)]
    trusted_proxies: Vec<String>,
    #[serde(default)]
    redirect_domains: Vec<String>,
    #[serde(default)]
    paths: Vec<String>,
}

#[derive(Deserialize)]
struct Sent {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(texts: &[String]) -> Vec<T> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn records_are_those_of_an_independent_library() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let cases = std::fs::read_to_string(folder.join("cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&cases).unwrap();
    assert!(cases.len() >= 15);
    let mut wrong = Vec::new();
    for case in cases {
        let golden = std::fs::read(folder.join(format!("{}.thrift", case.name))).unwrap();
        let options = Options {
            cookie: case.cookie.then(Cookie::sp),
            trusted_proxies: parsed(&case.trusted_proxies),
            redirect_domains: parsed(&case.redirect_domains),
            paths: parsed(&case.paths),
            ..Options::default()
        };
        let mut request = Request::builder().method(&*case.request.method).uri(&case.request.target);
        for (name, value) in &case.request.headers {
            request = request.header(name, value);
        }
        let (parts, _) = request.body(Body::empty()).unwrap().into_parts();
        let base64 = |text: &String| base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text);
        let body = match &case.body_base64 {
            Some(text) => Some(base64(text).unwrap()),
            None => case.request.body.map(String::into_bytes),
        };
        let place = Place::find(&options, parts.uri.path(), true).expect("a path of the collector");
        let path = place.recorded(&options, parts.uri.path());
        let fresh = || "3f2b8a52-6a8e-4c57-9d10-0a3b5c7d9e11".parse().unwrap();
        let visitor = Visitor::of(&parts, &options, fresh);
        let address = address::client(case.peer, &parts.headers, &options.trusted_proxies);
        let envelope = Envelope::new(&parts, path, 1_700_000_000_123, address, &visitor);
        let made = envelope.collected_by("golden-1").encode(body.as_deref());
        if made != golden {
            let (made, golden) = (CollectorPayload::decode(&made), CollectorPayload::decode(&golden));
            wrong.push(format!("{}: expected {golden:#?}, made {made:#?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
