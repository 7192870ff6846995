//! Values of an answer: from the server's text notation to JSON.
//!
//! | type | JSON |
//! |---|---|
//! | bool | true, false |
//! | integers, numeric, floats | number with all digits as the server wrote them; NaN and infinities as text |
//! | json, jsonb | the value itself |
//! | timestamp with time zone | RFC 3339 in UTC, `2024-05-01T10:00:00.5Z` |
//! | timestamp | the same without a zone, `2024-05-01T10:00:00.5` |
//! | arrays | arrays |
//! | bytea | `\x...` |
//! | everything else | text |
//!
//! What does not look as expected (a year before Christ, a statement that changed the notation) stays text: an answer
//! never fails because of a value.

use serde_json::{Number, Value};
use tokio_postgres::types::{Kind, Type};

/// Arrays of arrays end at six dimensions in Postgres; what pretends to be deeper is text.
const DIMENSIONS_MAX: usize = 6;

/// The value of a column of that type.
pub(super) fn json(kind: &Type, text: &str) -> Value {
    let value = match kind.kind() {
        Kind::Domain(base) => Some(json(base, text)),
        Kind::Array(element) => array(element, text),
        _ => scalar(kind, text),
    };
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn scalar(kind: &Type, text: &str) -> Option<Value> {
    match *kind {
        Type::BOOL => match text {
            "t" | "true" => Some(Value::Bool(true)),
            "f" | "false" => Some(Value::Bool(false)),
            _ => None,
        },
        Type::INT2 | Type::INT4 | Type::INT8 | Type::OID | Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => {
            serde_json::from_str::<Number>(text).ok().map(Value::Number)
        }
        Type::JSON | Type::JSONB => serde_json::from_str(text).ok(),
        Type::TIMESTAMPTZ => timestamp(text.strip_suffix("+00")?).map(|t| Value::String(t + "Z")),
        Type::TIMESTAMP => timestamp(text).map(Value::String),
        _ => None,
    }
}

/// `2024-05-01 10:00:00.5` with a T.
fn timestamp(text: &str) -> Option<String> {
    let (date, time) = text.split_once(' ')?;
    let is_date = date.len() == 10 && date.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    let is_time = time.len() >= 8 && time.bytes().all(|b| b.is_ascii_digit() || b == b':' || b == b'.');
    (is_date && is_time).then(|| format!("{date}T{time}"))
}

/// The server's notation of an array: `{a,"b c",NULL,{...}}`, with `[2:4]=` in front where it does not start at 1.
fn array(element: &Type, text: &str) -> Option<Value> {
    let body = if text.starts_with('[') { text.split_once('=')?.1 } else { text };
    let mut parser = ArrayParser { rest: body, element, delimiter: delimiter(element) };
    let value = parser.array(0)?;
    parser.rest.is_empty().then_some(value)
}

/// Boxes contain commas, so their arrays are separated otherwise.
fn delimiter(element: &Type) -> char {
    if *element == Type::BOX { ';' } else { ',' }
}

struct ArrayParser<'a> {
    rest: &'a str,
    element: &'a Type,
    delimiter: char,
}

impl ArrayParser<'_> {
    fn eat(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        if depth >= DIMENSIONS_MAX || !self.eat('{') {
            return None;
        }
        let mut items = Vec::new();
        if self.eat('}') {
            return Some(Value::Array(items));
        }
        loop {
            items.push(if self.rest.starts_with('{') { self.array(depth + 1)? } else { self.item()? });
            if self.eat('}') {
                return Some(Value::Array(items));
            }
            if !self.eat(self.delimiter) {
                return None;
            }
        }
    }

    fn item(&mut self) -> Option<Value> {
        if self.eat('"') {
            let text = self.quoted()?;
            return Some(json(self.element, &text));
        }
        let end = self.rest.find([self.delimiter, '}'])?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(if text == "NULL" { Value::Null } else { json(self.element, text) })
    }

    /// Up to the closing quote; a backslash protects the next character.
    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Some(text);
                }
                '\\' => text.push(chars.next()?.1),
                other => text.push(other),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn text_of(kind: &Type, text: &str) -> String {
        json(kind, text).to_string()
    }

    #[test]
    fn numbers_keep_every_digit() {
        assert_eq!(text_of(&Type::INT8, "9223372036854775807"), "9223372036854775807");
        let digits = "123456789012345678901234567890.123456789012345678901234567890";
        assert_eq!(text_of(&Type::NUMERIC, digits), digits);
        assert_eq!(text_of(&Type::FLOAT8, "0.1"), "0.1");
        assert_eq!(text_of(&Type::FLOAT8, "1e+300"), "1e+300");
        assert_eq!(text_of(&Type::NUMERIC, "1.10"), "1.10");
    }

    #[test]
    fn what_json_has_no_number_for_is_text() {
        for text in ["NaN", "Infinity", "-Infinity"] {
            assert_eq!(json(&Type::FLOAT8, text), json!(text));
            assert_eq!(json(&Type::NUMERIC, text), json!(text));
        }
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(json(&Type::TIMESTAMPTZ, "2024-05-01 10:00:00.123+00"), json!("2024-05-01T10:00:00.123Z"));
        assert_eq!(json(&Type::TIMESTAMP, "2024-05-01 10:00:00"), json!("2024-05-01T10:00:00"));
        for odd in ["infinity", "0044-03-15 10:00:00+00 BC", "12024-05-01 10:00:00+00"] {
            assert_eq!(json(&Type::TIMESTAMPTZ, odd), json!(odd));
        }
    }

    #[test]
    fn json_is_json_and_too_deep_json_is_text() {
        assert_eq!(text_of(&Type::JSON, r#"{"b": 1.0, "a": [null]}"#), r#"{"b":1.0,"a":[null]}"#);
        let deep = "[".repeat(100_000);
        assert_eq!(json(&Type::JSON, &deep), json!(deep));
    }

    #[test]
    fn arrays_are_arrays() {
        assert_eq!(json(&Type::INT4_ARRAY, "{}"), json!([]));
        assert_eq!(json(&Type::INT4_ARRAY, "{{1,2},{3,NULL}}"), json!([[1, 2], [3, null]]));
        assert_eq!(json(&Type::INT4_ARRAY, "[0:1]={1,2}"), json!([1, 2]));
        assert_eq!(
            json(&Type::TEXT_ARRAY, r#"{a,"b,c","q\"\\",NULL,"NULL",""}"#),
            json!(["a", "b,c", "q\"\\", null, "NULL", ""])
        );
        assert_eq!(json(&Type::INT4_ARRAY, "{1,2"), json!("{1,2"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fail(text in ".*") {
            for kind in [Type::BOOL, Type::NUMERIC, Type::JSONB, Type::TIMESTAMPTZ, Type::TEXT_ARRAY, Type::BOX_ARRAY] {
                let _ = json(&kind, &text);
            }
        }
    }
}
