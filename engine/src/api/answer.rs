//! What all answers have in common: links, audit fields, warnings.

use axum::Json;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use granary_catalog::Audit;
use serde::Serialize;
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, macros::format_description};

/// A time in milliseconds since the epoch as ISO text in UTC, with milliseconds.
pub(super) fn iso(at_ms: i64) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000)
        .ok()
        .and_then(|at| at.format(format).ok())
        .unwrap_or_default()
}

/// A value that is known to be an object.
pub(super) fn object<T: Serialize>(value: &T) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// Adds the audit fields.
pub(super) fn add_audit(body: &mut Map<String, Value>, audit: &Audit) {
    body.insert("createdAt".to_owned(), json!(iso(audit.created_at)));
    body.insert("createdBy".to_owned(), json!(audit.created_by));
    body.insert("modifiedAt".to_owned(), json!(iso(audit.modified_at)));
    body.insert("modifiedBy".to_owned(), json!(audit.modified_by));
}

/// Adds `_links.self`.
pub(super) fn add_self(body: &mut Map<String, Value>, href: &str) {
    body.insert("_links".to_owned(), self_link(href));
}

/// `{"self": {"href": ...}}`.
pub(super) fn self_link(href: &str) -> Value {
    json!({"self": {"href": href}})
}

/// The answer, with `warnings` where there are any.
pub(super) fn with_warnings(mut body: Map<String, Value>, warnings: &[String]) -> Json<Value> {
    if !warnings.is_empty() {
        body.insert("warnings".to_owned(), json!(warnings));
    }
    Json(Value::Object(body))
}

/// Bytes as text where they are UTF-8, else in base64; and which of the two.
pub(super) fn text_or_base64(bytes: &[u8]) -> (Value, &'static str) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (json!(text), "text"),
        Err(_) => (json!(STANDARD.encode(bytes)), "base64"),
    }
}
