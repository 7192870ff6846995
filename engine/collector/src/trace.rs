//! Tracing headers: what a client sends becomes headers of the message; nothing is made up for others.

use granary_stream::Headers;
use http::{HeaderMap, HeaderName};

// Names made once: from texts they would be checked and folded for every request.
const TRACE: HeaderName = HeaderName::from_static("x-b3-traceid");
const SPAN: HeaderName = HeaderName::from_static("x-b3-spanid");
const SAMPLED: HeaderName = HeaderName::from_static("x-b3-sampled");
const SINGLE: HeaderName = HeaderName::from_static("b3");

/// Reads `X-B3-*` or the single header `b3` (`{trace}-{span}[-{sampled}[-{parent}]]`). The client's span becomes the
/// parent of a fresh one. Returns the headers of the message and the trace id, 0 where there is none.
pub(crate) fn read(headers: &HeaderMap) -> (Headers, u128) {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let (trace, span, sampled) = match (text(TRACE), text(SINGLE)) {
        (Some(trace), _) => (trace, text(SPAN), text(SAMPLED)),
        (None, Some(single)) => {
            let mut parts = single.split('-');
            (parts.next().unwrap_or(""), parts.next(), parts.next())
        }
        (None, None) => return (Headers::new(), 0),
    };
    let Some(id) = hexadecimal(trace, 32).filter(|id| *id != 0) else { return (Headers::new(), 0) };
    let mut made = vec![
        ("X-B3-TraceId".to_owned(), trace.to_owned()),
        ("X-B3-SpanId".to_owned(), format!("{:016x}", rand::random::<u64>())),
    ];
    if let Some(parent) = span.filter(|span| hexadecimal(span, 16).is_some()) {
        made.push(("X-B3-ParentSpanId".to_owned(), parent.to_owned()));
    }
    if let Some(sampled) = sampled.filter(|sampled| matches!(*sampled, "0" | "1" | "d" | "true" | "false")) {
        made.push(("X-B3-Sampled".to_owned(), sampled.to_owned()));
    }
    (Headers(made), id)
}

fn hexadecimal(text: &str, digits_max: usize) -> Option<u128> {
    let plain = !text.is_empty() && text.len() <= digits_max && text.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn made(sent: &[(&'static str, &'static str)]) -> (Headers, u128) {
        let pairs = sent.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v)));
        read(&pairs.collect())
    }

    #[test]
    fn nothing_sent_makes_nothing() {
        assert_eq!(made(&[("accept", "*/*")]), (Headers::new(), 0));
        assert_eq!(made(&[("x-b3-traceid", "not hex")]), (Headers::new(), 0));
        assert_eq!(made(&[("b3", "0")]), (Headers::new(), 0));
    }

    #[test]
    fn the_span_sent_becomes_the_parent() {
        for sent in [
            &[("x-b3-traceid", "00ff"), ("x-b3-spanid", "12"), ("x-b3-sampled", "1")][..],
            &[("b3", "00ff-12-1")],
        ] {
            let (headers, id) = made(sent);
            assert_eq!(id, 0xff);
            assert_eq!(headers.get("X-B3-TraceId"), Some("00ff"));
            assert_eq!(headers.get("X-B3-ParentSpanId"), Some("12"));
            assert_eq!(headers.get("X-B3-Sampled"), Some("1"));
            assert_eq!(headers.get("X-B3-SpanId").unwrap().len(), 16);
        }
    }
}
