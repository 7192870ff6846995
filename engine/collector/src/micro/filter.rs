//! Which events a test asks for.

use serde::Deserialize;

use super::event::Event;

/// All that is named has to fit.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    event_id: Option<String>,
    /// `pv` or `page_view`.
    event_type: Option<String>,
    schema: Option<String>,
    /// Schemas of contexts that the event has, among others.
    contexts: Option<Vec<String>>,
    vendor: Option<String>,
    version: Option<String>,
    limit: Option<usize>,
}

impl Filter {
    /// Reads the object in the body, and the parameters of the query, which count more.
    ///
    /// # Errors
    /// What it should have been, in words that go on after "expected a filter".
    pub(super) fn read(query: Option<&str>, body: &[u8]) -> Result<Self, String> {
        let mut filter: Self = match body.trim_ascii() {
            [] => Self::default(),
            body => serde_json::from_slice(body).map_err(|error| {
                format!("as a JSON object such as {{\"event_type\": \"pv\", \"limit\": 10}}: {error}")
            })?,
        };
        for (name, value) in form_urlencoded::parse(query.unwrap_or("").as_bytes()) {
            match &*name {
                "event_id" => filter.event_id = Some(value.into_owned()),
                "event_type" => filter.event_type = Some(value.into_owned()),
                "schema" => filter.schema = Some(value.into_owned()),
                "contexts" => {
                    filter.contexts.get_or_insert_default().push(value.into_owned());
                }
                "vendor" => filter.vendor = Some(value.into_owned()),
                "version" => filter.version = Some(value.into_owned()),
                "limit" => {
                    let limit =
                        value.parse().map_err(|_| format!("with a number as limit, but it is '{value}'"))?;
                    filter.limit = Some(limit);
                }
                // What else stands in an address is none of ours, such as a parameter against caches.
                _ => {}
            }
        }
        Ok(filter)
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(usize::MAX)
    }

    pub(super) fn matches(&self, event: &Event) -> bool {
        let fits = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
        let kind = self.event_type.as_ref().is_none_or(|wanted| event.is_of(wanted));
        let contexts = self.contexts.iter().flatten().all(|wanted| event.contexts.contains(wanted));
        kind && contexts
            && fits(&self.event_id, &event.id)
            && fits(&self.schema, &event.schema)
            && fits(&self.vendor, &event.vendor)
            && fits(&self.version, &event.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_read_from_body_and_query_or_refused() {
        assert_eq!(Filter::read(None, b" ").unwrap(), Filter::default());
        let filter =
            Filter::read(Some("event_id=e1&_=123&limit=2"), br#"{"limit": 9, "contexts": ["c"]}"#).unwrap();
        assert_eq!((filter.event_id.as_deref(), filter.limit()), (Some("e1"), 2));
        assert_eq!(filter.contexts.unwrap(), ["c"]);
        assert!(Filter::read(None, b"[").unwrap_err().contains("JSON object"));
        assert!(Filter::read(None, br#"{"evnt_id": "x"}"#).unwrap_err().contains("evnt_id"));
        assert!(Filter::read(Some("limit=many"), b"").unwrap_err().contains("'many'"));
    }
}
