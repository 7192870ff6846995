//! Sessions: several events in one message.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::belt::{BeltError, Event};
use crate::frame::Item;

/// The header that makes a message a session: the number of its events.
const COUNT: &str = "grnry-session-count";
/// Headers that the engine adds to what a belt gets.
const ADDED: [&str; 2] = ["grnry-retry-count", "grnry-retry-max-count"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lists {
    headers: Vec<Headers>,
    payload: Vec<String>,
}

/// An object of texts, as pairs in their order.
struct Headers(Vec<(String, String)>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Headers, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = from.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Headers(pairs))
            }
        }

        from.deserialize_map(Pairs)
    }
}

impl Event {
    /// A session for tests: one message of these events.
    ///
    /// # Panics
    /// Where the payload of an event is not text.
    #[must_use]
    pub fn of_session(events: &[Event], headers: &[(&str, &str)]) -> Self {
        let object = |event: &Event| {
            let pair = |(name, value): (&str, &str)| (name.to_owned(), serde_json::Value::from(value));
            serde_json::Value::Object(event.headers().map(pair).collect())
        };
        let text = |event: &Event| {
            std::str::from_utf8(event.payload()).expect("the payloads of a session are texts").to_owned()
        };
        let payload = serde_json::json!({
            "headers": events.iter().map(object).collect::<Vec<_>>(),
            "payload": events.iter().map(text).collect::<Vec<_>>(),
        });
        let count = events.len().to_string();
        let headers = headers.iter().copied().chain([(COUNT, count.as_str())]);
        Event(Item::of(headers, payload.to_string().as_bytes()))
    }

    /// The events of a session, in order, each with the retry count of the whole; none where this is a single event.
    ///
    /// ```
    /// use granary::{BeltError, Event, Update};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Visit {
    ///     page: String,
    /// }
    ///
    /// fn execute(message: &Event) -> Result<Vec<Update>, BeltError> {
    ///     let Some(session) = message.session() else { return Ok(vec![]) };
    ///     let mut pages = Vec::new();
    ///     for event in session? {
    ///         pages.push(event.json::<Visit>()?.page);
    ///     }
    ///     let row = serde_json::json!({ "id": message.correlation_id()?, "pages": pages });
    ///     Ok(vec![Update::row("visits", &row)?])
    /// }
    /// ```
    ///
    /// # Errors
    /// `bad-session` where the message says that it is a session and its payload does not hold one.
    #[must_use]
    pub fn session(&self) -> Option<Result<Vec<Event>, BeltError>> {
        self.header(COUNT).map(|count| self.events(count))
    }

    fn events(&self, count: &str) -> Result<Vec<Event>, BeltError> {
        let bad = |why: String| BeltError::new("bad-session", format!("could not read the session: {why}"));
        let lists: Lists = serde_json::from_slice(self.payload()).map_err(|error| bad(error.to_string()))?;
        let (headers, payloads) = (lists.headers.len(), lists.payload.len());
        if headers != payloads || count.parse() != Ok(headers) {
            return Err(bad(format!(
                "{COUNT} is {count}, and there are {headers} headers and {payloads} payloads"
            )));
        }
        let added: Vec<_> =
            ADDED.into_iter().filter_map(|name| self.header(name).map(|value| (name, value))).collect();
        let event = |(Headers(headers), payload): (Headers, String)| {
            let is_added = |name: &str| added.iter().any(|(known, _)| *known == name);
            let own = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let own = own.filter(|(name, _)| !is_added(name));
            Event(Item::of(own.chain(added.iter().copied()), payload.as_bytes()))
        };
        Ok(lists.headers.into_iter().zip(lists.payload).map(event).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_its_events_with_the_retry_count_of_the_whole() {
        let first =
            Event::of(r#"{"a":"\u00e9"}"#, &[("grnry-correlation-id", "c"), ("grnry-retry-count", "9")]);
        let message = Event::of_session(&[first, Event::of("2", &[])], &[("grnry-retry-count", "1")]);
        let events = message.session().unwrap().unwrap();
        assert_eq!(events[0].correlation_id().unwrap(), "c");
        let fields: std::collections::BTreeMap<String, String> = events[0].json().unwrap();
        assert_eq!(fields["a"], "\u{e9}");
        assert_eq!(events[1].json::<u8>().unwrap(), 2);
        assert!(events.iter().all(|event| event.header("grnry-retry-count") == Some("1")));
        assert!(events[0].session().is_none(), "an event of a session is a single one");
    }

    #[test]
    fn what_is_no_session_is_an_error_and_a_single_event_is_none() {
        let good = r#"{"headers":[{}],"payload":["1"]}"#;
        assert!(Event::of(good, &[]).session().is_none());
        for (count, payload) in [
            ("2", good),
            ("x", good),
            ("1", "{"),
            ("1", r#"{"headers":[{}],"payload":[]}"#),
            ("1", r#"{"headers":[{"a":1}],"payload":["1"]}"#),
            ("1", r#"{"headers":[{}],"payload":["1"],"more":1}"#),
        ] {
            let error = Event::of(payload, &[(COUNT, count)]).session().unwrap().unwrap_err();
            assert_eq!(error.code(), "bad-session", "{count} {payload}");
        }
    }
}
