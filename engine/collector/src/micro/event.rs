//! Events as tests of trackers see them.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::CollectorPayload;
use crate::json::query_parameters;
use crate::route::segments;

/// Trackers write the alphabet of addresses, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Parameters of the tracker protocol, and what an event calls them once it is enriched.
const FIELDS: &[(&str, &str)] = &[
    ("eid", "event_id"),
    ("aid", "app_id"),
    ("p", "platform"),
    ("tna", "name_tracker"),
    ("tv", "v_tracker"),
    ("uid", "user_id"),
    ("duid", "domain_userid"),
    ("sid", "domain_sessionid"),
    ("vid", "domain_sessionidx"),
    ("dtm", "dvce_created_tstamp"),
    ("stm", "dvce_sent_tstamp"),
    ("ttm", "true_tstamp"),
    ("url", "page_url"),
    ("page", "page_title"),
    ("refr", "page_referrer"),
    ("se_ca", "se_category"),
    ("se_ac", "se_action"),
    ("se_la", "se_label"),
    ("se_pr", "se_property"),
    ("se_va", "se_value"),
    ("tr_id", "tr_orderid"),
    ("tr_tt", "tr_total"),
    ("lang", "br_lang"),
    ("tz", "os_timezone"),
];

/// One event, ready to be shown, with what filters look at.
pub(super) struct Event {
    pub(super) json: String,
    pub(super) id: Option<String>,
    /// Parameter `e`.
    kind: Option<String>,
    pub(super) schema: Option<String>,
    pub(super) contexts: Vec<String>,
    pub(super) vendor: Option<String>,
    pub(super) version: Option<String>,
}

impl Event {
    /// Whether it is of that type, in the short form of trackers or the long one of enriched events.
    pub(super) fn is_of(&self, wanted: &str) -> bool {
        self.kind.as_deref().is_some_and(|kind| kind == wanted || long_kind(kind) == wanted)
    }
}

/// How many events a record has, and the last of them, at most `most`: each element of `data` in a body, the body itself where
/// there is none, or the query.
pub(super) fn good(payload: &CollectorPayload, most: usize) -> (usize, Vec<Event>) {
    let query = CollectorPayload::text(&payload.querystring).unwrap_or_default();
    let mut shared = Map::new();
    for (name, values) in query_parameters(&query) {
        let first = values.get(0).cloned().unwrap_or_default();
        shared.insert(name, first);
    }
    let body = payload.body.as_deref().map(|body| serde_json::from_slice::<Value>(body).unwrap_or_default());
    let bodies = match body {
        None => vec![Value::Null],
        Some(Value::Object(mut fields)) => match fields.remove("data") {
            Some(Value::Array(events)) => events,
            Some(data) => {
                fields.insert("data".to_owned(), data);
                vec![Value::Object(fields)]
            }
            None => vec![Value::Object(fields)],
        },
        Some(other) => vec![other],
    };
    let one = |body: Value| {
        let mut parameters = shared.clone();
        match body {
            Value::Object(fields) => parameters.extend(fields),
            Value::Null => {}
            // Whatever else a batch holds is shown as it came.
            other => {
                parameters.insert("data".to_owned(), other);
            }
        }
        event(payload, parameters)
    };
    let total = bodies.len();
    (total, bodies.into_iter().skip(total.saturating_sub(most)).map(one).collect())
}

fn event(payload: &CollectorPayload, parameters: Map<String, Value>) -> Event {
    let text = |name: &str| parameters.get(name).and_then(Value::as_str).map(ToOwned::to_owned);
    let field = |field: &Option<Bytes>| CollectorPayload::text(field).map(std::borrow::Cow::into_owned);
    let path = field(&payload.path).unwrap_or_default();
    let (vendor, version) = match segments(&path) {
        Some((vendor, version)) if vendor != "r" => (vendor.to_owned(), version.to_owned()),
        Some((_, version)) => ("com.snowplowanalytics.snowplow".to_owned(), version.to_owned()),
        // The pixel speaks the oldest form of the tracker protocol.
        None => ("com.snowplowanalytics.snowplow".to_owned(), "tp1".to_owned()),
    };
    let kind = text("e");
    let inner = embedded(&parameters, "ue_pr", "ue_px");
    let schema = match kind.as_deref() {
        Some("pv") => Some("iglu:com.snowplowanalytics.snowplow/page_view/jsonschema/1-0-0".to_owned()),
        Some("pp") => Some("iglu:com.snowplowanalytics.snowplow/page_ping/jsonschema/1-0-0".to_owned()),
        Some("se") => Some("iglu:com.google.analytics/event/jsonschema/1-0-0".to_owned()),
        _ => inner.as_ref().and_then(|inner| inner["data"]["schema"].as_str().map(ToOwned::to_owned)),
    };
    let attached = embedded(&parameters, "co", "cx");
    let contexts: Vec<String> = attached
        .iter()
        .flat_map(|attached| attached["data"].as_array().into_iter().flatten())
        .filter_map(|context| context["schema"].as_str().map(ToOwned::to_owned))
        .collect();
    let headers = payload.headers.iter().flatten().map(|line| String::from_utf8_lossy(line).into_owned());
    let headers: Vec<String> = headers.collect();
    let time = time::OffsetDateTime::from_unix_timestamp_nanos(
        i128::from(payload.timestamp.unwrap_or_default()) * 1_000_000,
    );
    let time = time.ok().and_then(|time| time.format(&time::format_description::well_known::Rfc3339).ok());

    let mut enriched = Map::new();
    for (name, long) in FIELDS {
        if let Some(value) = parameters.get(*name) {
            enriched.insert((*long).to_owned(), value.clone());
        }
    }
    for (name, value) in [
        ("event", kind.as_deref().map(long_kind).map(Value::from)),
        ("collector_tstamp", time.clone().map(Value::from)),
        ("v_collector", field(&payload.collector).map(Value::from)),
        ("user_ipaddress", field(&payload.ip_address).map(Value::from)),
        ("useragent", field(&payload.user_agent).map(Value::from)),
        ("network_userid", field(&payload.network_user_id).map(Value::from)),
        ("unstruct_event", inner),
        ("contexts", attached),
    ] {
        if let Some(value) = value {
            enriched.insert(name.to_owned(), value);
        }
    }
    let id = text("eid");
    let shown = json!({
        "rawEvent": {
            "api": {"vendor": vendor, "version": version},
            "contentType": field(&payload.content_type),
            "source": {
                "name": field(&payload.collector),
                "encoding": field(&payload.encoding),
                "hostname": field(&payload.hostname),
            },
            "context": {
                "timestamp": time,
                "ipAddress": field(&payload.ip_address),
                "useragent": field(&payload.user_agent),
                "refererUri": field(&payload.referer_uri),
                "headers": headers,
                "userId": field(&payload.network_user_id),
            },
            "parameters": parameters,
        },
        "eventType": kind.as_deref().map(long_kind),
        "schema": schema,
        "contexts": contexts,
        "event": enriched,
    });
    Event {
        json: shown.to_string(),
        id,
        kind,
        schema,
        contexts,
        vendor: Some(vendor),
        version: Some(version),
    }
}

/// A row of the bad topic.
pub(super) fn bad(row: &[u8]) -> Event {
    let row: Value = serde_json::from_slice(row).unwrap_or_default();
    let reason = row["data"]["failure"]["expectation"].clone();
    let json = json!({"collectorPayload": null, "rawEvent": null, "errors": [reason], "badRow": row});
    Event {
        json: json.to_string(),
        id: None,
        kind: None,
        schema: row["schema"].as_str().map(ToOwned::to_owned),
        contexts: Vec::new(),
        vendor: None,
        version: None,
    }
}

/// The JSON in one of two parameters: as text, or in Base64.
fn embedded(parameters: &Map<String, Value>, plain: &str, coded: &str) -> Option<Value> {
    if let Some(value) = parameters.get(plain) {
        return match value {
            Value::String(text) => serde_json::from_str(text).ok(),
            other => Some(other.clone()),
        };
    }
    let bytes = BASE64.decode(parameters.get(coded)?.as_str()?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn long_kind(kind: &str) -> &str {
    match kind {
        "pv" => "page_view",
        "pp" => "page_ping",
        "se" => "struct",
        "ue" => "unstruct",
        "tr" => "transaction",
        "ti" => "transaction_item",
        other => other,
    }
}
