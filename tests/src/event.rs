//! The events that are posted in numbers.

use bytes::Bytes;
use serde_json::{Value, json};

/// The guide's event with a number in its last name: `Peterson 17`.
#[must_use]
pub fn guide(n: u64) -> Bytes {
    Bytes::from(format!(
        r#"{{"appId":"liveSegmenttest","firstName":"Andrew","lastName":"{}"}}"#,
        last_name(n)
    ))
}

/// The last name of the guide's event number n.
#[must_use]
pub fn last_name(n: u64) -> String {
    format!("Peterson {n}")
}

/// The number in such a last name.
#[must_use]
pub fn number_of(last_name: &str) -> Option<u64> {
    last_name.strip_prefix("Peterson ")?.parse().ok()
}

/// An event with an id of the client's own (`<run>-<n>`) and a payload of about 300 bytes, as trackers send them.
#[must_use]
pub fn numbered(run: &str, n: u64) -> Bytes {
    Bytes::from(format!(
        concat!(
            r#"{{"appId":"liveSegmenttest","clientId":"{run}-{n}","firstName":"Andrew","lastName":"Peterson","#,
            r#""page":"https://shop.example/books/the-left-hand-of-darkness?ref=start","#,
            r#""referrer":"https://search.example/?q=left+hand","language":"en-GB","viewport":[1280,720],"#,
            r#""basket":{{"items":3,"total":41.97,"currency":"EUR"}},"loggedIn":true}}"#
        ),
        run = run,
        n = n
    ))
}

/// The same with a key, of which a run has so many, and with so many more bytes.
#[must_use]
pub fn keyed(run: &str, n: u64, keys: u64, padding: usize) -> Bytes {
    let event = numbered(run, n);
    let key = format!(r#"{{"clientKey":"{run}-key-{}","padding":"{:padding$}","#, n % keys, "");
    Bytes::from([key.as_bytes(), &event[1..]].concat())
}

/// Structured events as trackers make them, of about 2 KB each.
#[must_use]
pub fn structured(count: usize) -> Vec<Value> {
    let padding = "x".repeat(1_920);
    let event = |number: usize| {
        json!({
            "e": "se",
            "eid": format!("event {number}"),
            "uid": "ada",
            "se_la": number.to_string(),
            "se_pr": padding,
        })
    };
    (0..count).map(event).collect()
}

/// The body with which a tracker posts all events that it has kept at once.
#[must_use]
pub fn buffer(events: &[Value]) -> String {
    let schema = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4";
    json!({ "schema": schema, "data": events }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_are_json_and_carry_their_number() {
        let event: serde_json::Value = serde_json::from_slice(&guide(7)).unwrap();
        assert_eq!(event["lastName"].as_str().and_then(number_of), Some(7));
        let event: serde_json::Value = serde_json::from_slice(&numbered("a", 9)).unwrap();
        assert_eq!(event["clientId"], "a-9");
        let event: serde_json::Value = serde_json::from_slice(&keyed("a", 9, 4, 100)).unwrap();
        assert_eq!((&event["clientId"], &event["clientKey"]), (&"a-9".into(), &"a-key-1".into()));
        assert_eq!(event["padding"].as_str().map(str::len), Some(100));
    }
}
