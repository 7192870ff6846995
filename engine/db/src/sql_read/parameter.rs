//! Parameters: JSON values bound in the server's text notation, so that any type can be given.

use std::error::Error;

use bytes::BytesMut;
use serde_json::Value;
use tokio_postgres::types::{Format, IsNull, Kind, ToSql, Type};

/// A value in the text notation of whatever type the statement expects.
#[derive(Debug)]
pub(super) struct TextParameter(Option<String>);

impl TextParameter {
    /// The value for a parameter of that type. Texts are taken as they are; an array of JSON becomes an array of
    /// Postgres only where one is expected, else it is JSON.
    pub(super) fn of(value: &Value, expected: &Type) -> Self {
        Self(match value {
            Value::Null => None,
            Value::Bool(b) => Some(b.to_string()),
            Value::Number(n) => Some(n.to_string()),
            Value::String(_) if *expected == Type::JSON || *expected == Type::JSONB => Some(json_text(value)),
            Value::String(s) => Some(s.clone()),
            Value::Array(items) if matches!(expected.kind(), Kind::Array(_)) => Some(array_text(items)),
            Value::Array(_) | Value::Object(_) => Some(value.to_string()),
        })
    }
}

/// A text for a JSON parameter: JSON where it is JSON, else the text as a JSON string. Callers pass documents both
/// ways.
fn json_text(value: &Value) -> String {
    match value.as_str() {
        Some(text) if serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => text.to_owned(),
        _ => value.to_string(),
    }
}

fn array_text(items: &[Value]) -> String {
    let parts: Vec<String> = items
        .iter()
        .map(|item| match item {
            Value::Null => "NULL".to_owned(),
            Value::Array(inner) => array_text(inner),
            Value::String(s) => quoted(s),
            other => quoted(&other.to_string()),
        })
        .collect();
    format!("{{{}}}", parts.join(","))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl ToSql for TextParameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            None => Ok(IsNull::Yes),
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(ty, out)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(value: Value, expected: &Type) -> Option<String> {
        TextParameter::of(&value, expected).0
    }

    #[test]
    fn values_become_the_notation_of_the_server() {
        assert_eq!(text(json!(null), &Type::INT8), None);
        assert_eq!(text(json!(9_223_372_036_854_775_807_i64), &Type::INT8).unwrap(), "9223372036854775807");
        assert_eq!(text(json!(true), &Type::BOOL).unwrap(), "true");
        assert_eq!(text(json!("it's"), &Type::TEXT).unwrap(), "it's");
        assert_eq!(text(json!({"a": 1}), &Type::JSONB).unwrap(), r#"{"a":1}"#);
        assert_eq!(text(json!("{\"a\": 1}"), &Type::JSONB).unwrap(), "{\"a\": 1}");
        assert_eq!(text(json!("plain"), &Type::JSONB).unwrap(), "\"plain\"");
    }

    #[test]
    fn arrays_become_arrays_only_where_arrays_are_expected() {
        let value = json!(["a\"b\\", null, 1, [true]]);
        assert_eq!(text(value, &Type::TEXT_ARRAY).unwrap(), r#"{"a\"b\\",NULL,"1",{"true"}}"#);
        assert_eq!(text(json!([1, 2]), &Type::JSONB).unwrap(), "[1,2]");
    }
}
