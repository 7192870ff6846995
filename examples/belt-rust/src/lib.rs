//! The belt of the live-segment guide: every event becomes a row of a live segment, keyed by its correlation id.

use std::borrow::Cow;

use granary::{BeltError, Event, Update};
use serde::{Deserialize, Serialize};

/// The declared output.
const OUTPUT: &str = "livesegment-dataoutp";

/// What the belt needs of a payload; texts are borrowed from it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Person<'a> {
    #[serde(borrow)]
    first_name: Cow<'a, str>,
    #[serde(borrow)]
    last_name: Cow<'a, str>,
}

/// The row.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    id: &'a str,
    first_name: &'a str,
    last_name: &'a str,
}

/// Called for every event.
///
/// # Errors
/// Those of a payload that has no names.
#[granary::belt]
pub fn execute(event: &Event) -> Result<Vec<Update>, BeltError> {
    let person: Person<'_> = event.json()?;
    let row =
        Row { id: event.correlation_id()?, first_name: &person.first_name, last_name: &person.last_name };
    Ok(vec![Update::row(OUTPUT, &row)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(payload: &str) -> Event {
        Event::of(payload, &[("grnry-correlation-id", "c1")])
    }

    #[test]
    fn names_become_a_row() {
        let updates = execute(&event(r#"{"appId":"a","firstName":"Andrew","lastName":"Gr\u00fc\u00dfe"}"#)).unwrap();
        let [Update::Direct(row)] = &updates[..] else { panic!("{updates:?}") };
        assert_eq!(row.output, OUTPUT);
        let value = std::str::from_utf8(&row.value).unwrap();
        assert_eq!(value, r#"{"id":"c1","firstName":"Andrew","lastName":"Grüße"}"#);
    }

    #[test]
    fn an_event_without_a_name_fails_and_says_which() {
        let error = execute(&event(r#"{"lastName":"Peterson"}"#)).unwrap_err();
        assert_eq!(error.code(), "bad-json");
        assert!(error.message().contains("firstName"), "{}", error.message());
    }
}
