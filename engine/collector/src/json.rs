//! The JSON forms of a record, as the scripts of harvesters know them.
//!
//! | form | body | extra | made by |
//! |---|---|---|---|
//! | escaped | a string | | [`to_json`] |
//! | normalised | the JSON value, with JSON inside its texts opened too | | [`normalize`] |
//! | actual | as normalised | `queryParameters`: name to list of values | [`actual`], [`actual_of`] |

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::thrift::CollectorPayload;

/// Values of the normalised form nest at most this deep, so that whatever it is given to (parsers stop at 128 levels)
/// can read it. Embedded JSON that would go deeper stays a string.
const DEPTH_MAX: usize = 100;

/// Why a text is not the escaped form.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not JSON.
    #[error("expected the JSON text of a collector payload: {0}")]
    Syntax(#[from] serde_json::Error),
    /// It is JSON, but no object.
    #[error("expected the JSON object of a collector payload, got {0}")]
    NotAnObject(&'static str),
}

/// The escaped form: one flat object of the 14 fields, 14 presence flags and two derived keys. `body` stays a string.
/// Bytes that are not UTF-8 become U+FFFD.
#[must_use]
pub fn to_json(payload: &CollectorPayload) -> Value {
    Value::Object(escaped_form(payload))
}

fn escaped_form(payload: &CollectorPayload) -> Map<String, Value> {
    let text =
        |field| CollectorPayload::text(field).map_or(Value::Null, |text| Value::String(text.into_owned()));
    let items =
        |items: &Vec<Bytes>| items.iter().map(|item| String::from_utf8_lossy(item).into_owned()).collect();
    let headers: Value = payload.headers.as_ref().map_or(Value::Null, items);
    let fields: [(&str, &str, bool, Value); 14] = [
        ("schema", "setSchema", payload.schema.is_some(), text(&payload.schema)),
        ("ipAddress", "setIpAddress", payload.ip_address.is_some(), text(&payload.ip_address)),
        // A number that is absent reads as 0 in the class that the scripts were written for.
        ("timestamp", "setTimestamp", payload.timestamp.is_some(), payload.timestamp.unwrap_or(0).into()),
        ("encoding", "setEncoding", payload.encoding.is_some(), text(&payload.encoding)),
        ("collector", "setCollector", payload.collector.is_some(), text(&payload.collector)),
        ("userAgent", "setUserAgent", payload.user_agent.is_some(), text(&payload.user_agent)),
        ("refererUri", "setRefererUri", payload.referer_uri.is_some(), text(&payload.referer_uri)),
        ("path", "setPath", payload.path.is_some(), text(&payload.path)),
        ("querystring", "setQuerystring", payload.querystring.is_some(), text(&payload.querystring)),
        ("body", "setBody", payload.body.is_some(), text(&payload.body)),
        ("headers", "setHeaders", payload.headers.is_some(), headers.clone()),
        ("contentType", "setContentType", payload.content_type.is_some(), text(&payload.content_type)),
        ("hostname", "setHostname", payload.hostname.is_some(), text(&payload.hostname)),
        (
            "networkUserId",
            "setNetworkUserId",
            payload.network_user_id.is_some(),
            text(&payload.network_user_id),
        ),
    ];
    let mut object = Map::with_capacity(30);
    let mut flags = Vec::with_capacity(fields.len());
    for (name, flag, set, value) in fields {
        object.insert(name.to_owned(), value);
        flags.push((flag, set));
    }
    for (flag, set) in flags {
        object.insert(flag.to_owned(), Value::Bool(set));
    }
    object.insert("headersSize".to_owned(), payload.headers.as_ref().map_or(0, Vec::len).into());
    object.insert("headersIterator".to_owned(), headers);
    object
}

/// The normalised form of the escaped form's text. A body that is not JSON stays a string.
///
/// # Errors
/// When the text is not a JSON object.
pub fn normalize(escaped: &str) -> Result<Value, Error> {
    object(escaped).map(|object| Value::Object(normalized(object)))
}

/// The text of the actual form of a payload.
#[must_use]
pub fn actual(payload: &CollectorPayload) -> String {
    with_query(normalized(escaped_form(payload))).to_string()
}

/// The text of the actual form, from the text of the escaped form.
///
/// # Errors
/// When the text is not a JSON object.
pub fn actual_of(escaped: &str) -> Result<String, Error> {
    object(escaped).map(|object| with_query(normalized(object)).to_string())
}

/// Parameters of a query, decoded: name to the list of its values, in the order of their first appearance.
#[must_use]
pub fn query_parameters(query: &str) -> Map<String, Value> {
    let mut parameters = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let values = parameters.entry(name).or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(values) = values {
            values.push(Value::String(value.into_owned()));
        }
    }
    parameters
}

fn object(text: &str) -> Result<Map<String, Value>, Error> {
    match serde_json::from_str(text)? {
        Value::Object(object) => Ok(object),
        Value::Null => Err(Error::NotAnObject("null")),
        Value::Bool(_) => Err(Error::NotAnObject("a boolean")),
        Value::Number(_) => Err(Error::NotAnObject("a number")),
        Value::String(_) => Err(Error::NotAnObject("a string")),
        Value::Array(_) => Err(Error::NotAnObject("an array")),
    }
}

fn normalized(mut object: Map<String, Value>) -> Map<String, Value> {
    if let Some(body) = object.get_mut("body") {
        // The whole body may be any JSON value; inside it only objects and arrays are taken for embedded JSON, so
        // that the text "5678" of a tracker stays a text.
        if let Value::String(text) = &*body
            && let Ok(parsed) = serde_json::from_str::<Value>(text)
            && depth(&parsed) < DEPTH_MAX
        {
            *body = parsed;
        }
        open(body, 1);
    }
    object
}

/// Replaces texts that are JSON objects or arrays by their value, all the way down.
fn open(value: &mut Value, level: usize) {
    if let Value::String(text) = &*value
        && text.trim_start().starts_with(['{', '['])
        && let Ok(parsed) = serde_json::from_str::<Value>(text)
        && level + depth(&parsed) <= DEPTH_MAX
    {
        *value = parsed;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| open(item, level + 1)),
        Value::Object(fields) => fields.values_mut().for_each(|field| open(field, level + 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

fn with_query(mut object: Map<String, Value>) -> Value {
    if let Some(Value::String(query)) = object.get("querystring")
        && !query.is_empty()
    {
        let parameters = query_parameters(query);
        object.insert("queryParameters".to_owned(), Value::Object(parameters));
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn payload(body: &str, query: Option<&'static str>) -> CollectorPayload {
        CollectorPayload {
            timestamp: Some(1_584_708_855_528),
            body: Some(Bytes::copy_from_slice(body.as_bytes())),
            querystring: query.map(|query| Bytes::from_static(query.as_bytes())),
            headers: Some(vec![Bytes::from_static(b"Host: h"), Bytes::from_static(b"application/json")]),
            ..CollectorPayload::default()
        }
    }

    fn body_of(body: &str) -> Value {
        let escaped = to_json(&payload(body, None)).to_string();
        normalize(&escaped).unwrap()["body"].clone()
    }

    #[test]
    fn escaped_form_has_the_thirty_keys_of_the_samples() {
        let value = to_json(&payload(r#"{"a":"b"}"#, None));
        let object = value.as_object().unwrap();
        assert_eq!(object.len(), 30);
        assert_eq!(value["body"], json!(r#"{"a":"b"}"#));
        assert_eq!(value["timestamp"], json!(1_584_708_855_528_i64));
        assert_eq!(value["userAgent"], Value::Null);
        assert_eq!((&value["setBody"], &value["setUserAgent"]), (&json!(true), &json!(false)));
        assert_eq!(value["headersSize"], json!(2));
        assert_eq!(value["headersIterator"], json!(["Host: h", "application/json"]));
        assert_eq!(value["headersIterator"], value["headers"]);
    }

    #[test]
    fn body_is_opened_with_the_json_inside_its_texts() {
        assert_eq!(body_of(r#"{"data":[{"v":"5678"},"retry"]}"#), json!({"data": [{"v": "5678"}, "retry"]}));
        assert_eq!(
            body_of(r#"{"data":{"ue_pr":"{\"data\":{\"x\":\"[1]\"}}"}}"#),
            json!({"data": {"ue_pr": {"data": {"x": [1]}}}})
        );
        assert_eq!(
            body_of(r#"{"broken":"{not json","date":"2020-01-31"}"#),
            json!({"broken": "{not json", "date": "2020-01-31"})
        );
        assert_eq!(
            body_of("12345678901234567890123"),
            serde_json::from_str::<Value>("12345678901234567890123").unwrap()
        );
    }

    #[test]
    fn body_that_is_not_json_stays_a_string() {
        assert_eq!(body_of("hello"), json!("hello"));
        assert_eq!(body_of(""), json!(""));
        assert_eq!(normalize(r#"{"body":null}"#).unwrap(), json!({"body": null}));
    }

    #[test]
    fn nesting_stays_readable() {
        let mut text = "[]".to_owned();
        for _ in 0..6 {
            text = format!("{}{}{}", "[".repeat(40), Value::String(text), "]".repeat(40));
        }
        let escaped = to_json(&payload(&text, None)).to_string();
        let normal = normalize(&escaped).unwrap();
        assert!(serde_json::from_str::<Value>(&normal.to_string()).is_ok());
        let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
        assert_eq!(body_of(&deep), Value::String(deep));
    }

    #[test]
    fn query_becomes_lists_of_decoded_values() {
        let payload = payload(r#"{"a":1}"#, Some("f=a%20b&f=c+d&%C3%BC=1&empty=&bare"));
        let expected = json!({"f": ["a b", "c d"], "\u{fc}": ["1"], "empty": [""], "bare": [""]});
        let made: Value = serde_json::from_str(&actual(&payload)).unwrap();
        assert_eq!(made["queryParameters"], expected);
        assert_eq!(made["body"], json!({"a": 1}));
        assert_eq!(actual_of(&to_json(&payload).to_string()).unwrap(), actual(&payload));
    }

    #[test]
    fn without_a_query_the_node_is_absent() {
        let made: Value = serde_json::from_str(&actual(&payload("{}", None))).unwrap();
        assert!(made.get("queryParameters").is_none());
    }

    #[test]
    fn other_texts_are_refused_with_what_came() {
        assert_eq!(
            normalize("[1]").unwrap_err().to_string(),
            "expected the JSON object of a collector payload, got an array"
        );
        assert!(actual_of("{").unwrap_err().to_string().contains("line 1 column 1"));
    }
}
