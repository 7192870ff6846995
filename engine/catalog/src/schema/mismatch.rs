//! What is wrong with a record.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use serde_json::Value;

/// Most characters of a value that a message repeats.
const EXCERPT_CHARS_MAX: usize = 60;

/// A record does not fit the schema or its table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Mismatch {
    /// The property, nested ones as `address.street` or `tags[2]`; empty for the record itself.
    pub field: String,
    /// What the schema asks for there.
    pub expected: String,
    /// What the record has there, long values cut.
    pub actual: String,
    /// All of that in a sentence.
    pub message: String,
}

impl Mismatch {
    /// Of what the validator found.
    pub(super) fn of(error: &ValidationError<'_>) -> Self {
        let mut field = String::new();
        for segment in error.instance_path() {
            match segment {
                LocationSegment::Index(index) => field.push_str(&format!("[{index}]")),
                LocationSegment::Property(name) => {
                    if !field.is_empty() {
                        field.push('.');
                    }
                    field.push_str(&name);
                }
            }
        }
        if let ValidationErrorKind::Required { property } = error.kind() {
            return Self::missing(&field, property);
        }
        let actual = Self::excerpt(error.instance());
        let expected = match error.kind() {
            ValidationErrorKind::Type { kind: TypeKind::Single(single) } => single.to_string(),
            ValidationErrorKind::Type { kind: TypeKind::Multiple(several) } => {
                several.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or ")
            }
            ValidationErrorKind::Enum { options } => format!("one of {}", cut(&options.to_string())),
            ValidationErrorKind::Constant { expected_value } => cut(&expected_value.to_string()),
            ValidationErrorKind::Pattern { pattern } => format!("text that matches {pattern}"),
            ValidationErrorKind::Minimum { limit } => format!("at least {limit}"),
            ValidationErrorKind::Maximum { limit } => format!("at most {limit}"),
            ValidationErrorKind::ExclusiveMinimum { limit } => format!("more than {limit}"),
            ValidationErrorKind::ExclusiveMaximum { limit } => format!("less than {limit}"),
            ValidationErrorKind::MinLength { limit } => format!("text of at least {limit} characters"),
            ValidationErrorKind::MaxLength { limit } => format!("text of at most {limit} characters"),
            other => format!("valid by '{}'", other.keyword()),
        };
        let message = match (error.kind(), field.as_str()) {
            (_, "") => format!("the record must be {expected}, but it is {actual}"),
            (_, field) => format!("property '{field}' must be {expected}, but the record has {actual}"),
        };
        Self { field, expected, actual, message }
    }

    fn missing(parent: &str, property: &Value) -> Self {
        let name = property.as_str().unwrap_or_default();
        let field = if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") };
        let message = format!("the record has no property '{field}', which is required");
        Self { field, expected: "a value".to_owned(), actual: "nothing".to_owned(), message }
    }

    /// A value as messages show it: its type and the beginning of its text.
    pub(super) fn excerpt(value: &Value) -> String {
        match value {
            Value::Null => "null".to_owned(),
            Value::Bool(boolean) => format!("the boolean {boolean}"),
            Value::Number(number) => format!("the number {}", cut(&number.to_string())),
            Value::String(text) => format!("the string {}", cut(&format!("{text:?}"))),
            Value::Array(_) => format!("the array {}", cut(&value.to_string())),
            Value::Object(_) => format!("the object {}", cut(&value.to_string())),
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
