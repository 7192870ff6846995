//! Where `/r/{version}?u=...` leads.

use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use url::Url;

use crate::{DomainPattern, reply, visitor};

/// The address that a request wants to be sent on to. It is written again from what was checked, so that no browser
/// reads another host out of it.
///
/// # Errors
/// The answer, when it names none or one that is not allowed.
pub(crate) fn target(parts: &Parts, allowed: &[DomainPattern]) -> Result<HeaderValue, Box<Response>> {
    let refuse = |reason: &str| {
        let text =
            format!("expected parameter u with the address to go on to, {reason}: nothing was stored\n");
        Box::new(reply::text(StatusCode::BAD_REQUEST, text))
    };
    let named = parts.uri.query().and_then(|query| visitor::parameter(query, "u"));
    let named = named.ok_or_else(|| refuse("but there is none"))?;
    let url = Url::parse(&named).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| refuse("beginning with http:// or https://"))?;
    let host = url.host_str().unwrap_or_default();
    if !allowed.iter().any(|pattern| pattern.allows(host)) {
        return Err(refuse("of a domain that this collector allows"));
    }
    HeaderValue::from_str(url.as_str()).map_err(|_| refuse("of fewer unusual characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_to(query: &str) -> Option<String> {
        let request = http::Request::get(format!("/r/tp2?{query}")).body(()).unwrap();
        let allowed = ["acme.com", "*.acme.com"].map(|pattern| pattern.parse().unwrap());
        let target = target(&request.into_parts().0, &allowed).ok()?;
        Some(target.to_str().unwrap().to_owned())
    }

    #[test]
    fn allowed_addresses_are_gone_on_to() {
        assert_eq!(
            sent_to("u=https%3A%2F%2Facme.com%2Fa%3Fb%3Dc%26d"),
            Some("https://acme.com/a?b=c&d".to_owned())
        );
        assert_eq!(sent_to("e=pv&u=http://SHOP.acme.com:81/x"), Some("http://shop.acme.com:81/x".to_owned()));
        assert_eq!(sent_to("u=https://acme.com/%0d%0aX:y"), Some("https://acme.com/X:y".to_owned()));
    }

    #[test]
    fn others_are_not() {
        for query in [
            "",
            "u=",
            "x=https://acme.com/",
            "u=/relative",
            "u=//acme.com/",
            "u=acme.com",
            "u=javascript:alert(1)//acme.com",
            "u=ftp://acme.com/",
            "u=https://evil.com/acme.com",
            "u=https://acme.com.evil.com/",
            "u=https://notacme.com/",
            "u=https://acme.com@evil.com/",
            "u=https://evil.com%5C@acme.com/",
            "u=https:%5C%5Cevil.com%5C.acme.com/",
            "u=https://evil.com&u=https://acme.com/",
        ] {
            assert_eq!(sent_to(query), None, "{query}");
        }
    }
}
