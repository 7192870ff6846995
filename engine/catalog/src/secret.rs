//! Secrets: texts that belts need and that nobody is shown again. Bodies are checked here; how values are kept is the
//! engine's business.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    fields::{Fields, STORED, kind},
    report::Report,
};

/// Longest name: that of a DNS label.
pub const NAME_CHARS_MAX: usize = 63;
/// Longest key of a value.
pub const KEY_CHARS_MAX: usize = 253;
/// Most values of one secret.
pub const KEYS_MAX: usize = 100;
/// Most bytes that the values of one secret may have together.
pub const VALUE_BYTES_MAX: usize = 64 << 10;
/// Most secrets of a project.
pub const SECRETS_MAX: usize = 250;

/// A secret as everybody may see it: without its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Project that owns it.
    pub project: String,
    /// Identifies it in the project.
    pub name: String,
    /// Grows by one each time its values are set.
    pub version: u64,
    /// The keys of its values, in alphabetical order.
    pub keys: Vec<String>,
}

/// Checks the name of a secret: a DNS label. The reason completes "Parameter 'name' ...".
///
/// # Errors
/// What is wrong with it.
pub fn check_name(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = !name.is_empty()
        && name.len() <= NAME_CHARS_MAX
        && name.chars().all(fits)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if is_label {
        return Ok(());
    }
    Err(format!(
        "must have 1 to {NAME_CHARS_MAX} lower-case letters, digits and hyphens, no hyphen first or last, but is '{name}'"
    ))
}

fn is_key(key: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !key.is_empty() && key.len() <= KEY_CHARS_MAX && key.chars().all(fits)
}

/// What `PUT` takes. Replaces all values that there were.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub struct SecretBody {
    /// Texts by key; at least one. Keys have letters, digits, `.`, `_` and `-`.
    pub data: BTreeMap<String, String>,
}

/// Without the values.
impl fmt::Debug for SecretBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretBody").field("keys", &self.data.keys()).finish()
    }
}

impl SecretBody {
    /// Reads a body; problems and unknown fields go to the report, which never holds a value.
    pub fn read(body: &Value, report: &mut Report) -> Self {
        report.check_storable(body);
        let mut fields = Fields::of_body(body, report);
        fields.ignore(&["name", "keys", "belts"]);
        fields.ignore(&STORED);
        let given = fields.any("data");
        fields.finish();
        let data = match given {
            Some(Value::Object(map)) => texts(&map, report),
            // Other readers quote what came; here that may be the secret itself.
            Some(other) => {
                report.problem("data", format!("must be an object of texts but is {}", kind(&other)));
                BTreeMap::new()
            }
            None => {
                report.problem("data", "must be an object of texts such as {\"password\": \"...\"}");
                BTreeMap::new()
            }
        };
        Self { data }
    }
}

fn texts(map: &Map<String, Value>, report: &mut Report) -> BTreeMap<String, String> {
    if map.is_empty() {
        report.problem("data", "must hold at least one value");
    }
    if map.len() > KEYS_MAX {
        report.problem("data", format!("must hold at most {KEYS_MAX} values but holds {}", map.len()));
    }
    let mut data = BTreeMap::new();
    for (key, value) in map {
        let field = format!("data.{key}");
        if !is_key(key) {
            report.problem(
                &field,
                format!(
                    "has a key that is not made of 1 to {KEY_CHARS_MAX} letters, digits, '.', '_' and '-'"
                ),
            );
        }
        match value {
            Value::String(text) => {
                data.insert(key.clone(), text.clone());
            }
            other => report.problem(&field, format!("must be a text but is {}", kind(other))),
        }
    }
    let bytes: usize = data.values().map(String::len).sum();
    if bytes > VALUE_BYTES_MAX {
        report.problem(
            "data",
            format!("must have at most {VALUE_BYTES_MAX} bytes in all its values but has {bytes}"),
        );
    }
    data
}

/// Values of secrets by name and key, for whoever runs a belt.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretValues(BTreeMap<(String, String), String>);

impl SecretValues {
    /// Adds a value.
    pub fn insert(&mut self, secret: &str, key: &str, value: String) {
        self.0.insert((secret.to_owned(), key.to_owned()), value);
    }

    /// The value under a key of a secret.
    #[must_use]
    pub fn get(&self, secret: &str, key: &str) -> Option<&str> {
        self.0.get(&(secret.to_owned(), key.to_owned())).map(String::as_str)
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }
}

/// Without the values.
impl fmt::Debug for SecretValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<(SecretBody, Vec<String>), Vec<crate::Problem>> {
        let mut report = Report::default();
        let read = SecretBody::read(body, &mut report);
        report.finish(read)
    }

    #[test]
    fn names_are_dns_labels() {
        for good in ["a", "mailer", "p-pg-credentials", "7", &"x".repeat(63)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "ä", "a/b", &"x".repeat(64)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_body_holds_texts_by_key() {
        let (body, warnings) =
            read(&json!({"data": {"user.name": "u", "PASS_1": ""}, "name": "x", "dat": 1})).unwrap();
        assert_eq!(
            body.data.into_iter().collect::<Vec<_>>(),
            [("PASS_1".to_owned(), String::new()), ("user.name".to_owned(), "u".to_owned())]
        );
        assert_eq!(warnings, ["Unknown field 'dat' is ignored. Did you mean 'data'?"]);
    }

    #[test]
    fn every_bad_value_is_named_and_none_is_shown() {
        for (body, field) in [
            (json!({}), "data"),
            (json!({"data": {}}), "data"),
            (json!({"data": "hunter2"}), "data"),
            (json!({"data": ["hunter2"]}), "data"),
            (json!("hunter2"), "body"),
            (json!({"data": {"a": {"hunter2": 1}}}), "data.a"),
            (json!({"data": {"a": 70123}}), "data.a"),
            (json!({"data": {"a": "hunter2\u{0}"}}), "data.a"),
            (json!({"data": {"a b": "hunter2"}}), "data.a b"),
            (json!({"data": {"": "hunter2"}}), "data."),
            (json!({"data": {"x".repeat(254): "hunter2"}}), &format!("data.{}", "x".repeat(254))),
            (json!({"data": {"a": "hunter2".repeat(VALUE_BYTES_MAX / 7), "b": "hunter2"}}), "data"),
        ] {
            let problems = read(&body).unwrap_err();
            assert_eq!(problems[0].name, field);
            let told = format!("{problems:?}");
            assert!(!told.contains("hunter2") && !told.contains("70123"), "{told}");
        }
        let many: Map<String, Value> = (0..=KEYS_MAX).map(|n| (format!("k{n}"), json!("v"))).collect();
        assert_eq!(read(&json!({"data": many})).unwrap_err()[0].name, "data");
    }

    #[test]
    fn debug_text_has_keys_only() {
        let (body, _) = read(&json!({"data": {"key": "hunter2"}})).unwrap();
        let mut values = SecretValues::default();
        values.insert("mailer", "key", "hunter2".to_owned());
        for text in [format!("{body:?}"), format!("{values:?}")] {
            assert!(text.contains("key") && !text.contains("hunter2"), "{text}");
        }
        assert_eq!(values.get("mailer", "key"), Some("hunter2"));
        assert_eq!(values.get("mailer", "other"), None);
    }
}
