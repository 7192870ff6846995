//! Compiles the schema into a validator, once.

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::LocationSegment;
use jsonschema::{Draft, PatternOptions, Retrieve, ValidationError, Validator};
use serde_json::{Map, Value};

use super::column::Column;
use super::{SchemaError, place};

/// Most memory that one compiled pattern may take, in bytes.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// Refuses everything: a schema is what its text says, whatever some server answers today.
struct Nothing;

impl Retrieve for Nothing {
    fn retrieve(
        &self,
        uri: &jsonschema::Uri<String>,
    ) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        Err(format!("{uri} is not fetched").into())
    }
}

/// The validator of a schema with a checked root.
///
/// Two rules of live segments differ from plain JSON Schema and are worked in here: a missing property that has a
/// default is filled in and therefore never missing, and properties beyond those named are left out of the row and
/// therefore never wrong.
pub(super) fn compile(
    text: &str,
    root: &Map<String, Value>,
    columns: &[Column],
) -> Result<Validator, SchemaError> {
    let mut lenient = root.clone();
    lenient.remove("additionalProperties");
    lenient.remove("unevaluatedProperties");
    if let Some(Value::Array(required)) = lenient.get_mut("required") {
        let filled =
            |name: &str| columns.iter().any(|column| column.name == name && column.default.is_some());
        required.retain(|name| !name.as_str().is_some_and(filled));
    }
    options(root).build(&Value::Object(lenient)).map_err(|error| explain(text, &error))
}

/// Checks the schema as it was written, with the parts that the validator leaves out.
pub(super) fn check(text: &str, root: &Map<String, Value>) -> Result<(), SchemaError> {
    options(root).build(&Value::Object(root.clone())).map(drop).map_err(|error| explain(text, &error))
}

fn options(root: &Map<String, Value>) -> jsonschema::ValidationOptions<'static> {
    let pattern = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
    let options = jsonschema::options()
        .with_retriever(Nothing)
        // The engine without backtracking: no record can make a pattern run long.
        .with_pattern_options(pattern)
        // A format is a hint to readers; the column is text.
        .should_validate_formats(false);
    if root.contains_key("$schema") { options } else { options.with_draft(Draft::Draft7) }
}

fn explain(text: &str, error: &ValidationError<'_>) -> SchemaError {
    if let ValidationErrorKind::Referencing(reason) = error.kind() {
        return explain_reference(text, reason);
    }
    let path: Vec<String> = error
        .instance_path()
        .into_iter()
        .map(|segment| match segment {
            LocationSegment::Property(name) => name.into_owned(),
            LocationSegment::Index(index) => index.to_string(),
        })
        .collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let message = match error.kind() {
        ValidationErrorKind::AnyOf { .. } if path.last() == Some(&"type") => format!(
            "the type {} is not one of string, integer, number, boolean, object, array, null, or a list of these",
            error.instance()
        ),
        ValidationErrorKind::Format { format } if format == "regex" => format!(
            "the pattern {} cannot be used: patterns have no look-around and no back references here, and a bounded size",
            error.instance()
        ),
        _ => format!("the schema is not valid: {error}"),
    };
    place::error(text, &path, message)
}

fn explain_reference(text: &str, reason: &jsonschema::ReferencingError) -> SchemaError {
    use jsonschema::ReferencingError as Reason;
    let root: Value = serde_json::from_str(text).unwrap_or_default();
    let (message, wanted) = match reason {
        Reason::Unretrievable { uri, .. } => (
            format!(
                "the schema refers to {uri}, which is outside of it: schemas are never fetched. Put the definition under \
                 \"definitions\" and refer to it as \"#/definitions/...\""
            ),
            uri.as_str(),
        ),
        Reason::PointerToNowhere { pointer } => {
            (format!("the schema refers to '#{pointer}', which it does not have"), pointer.as_str())
        }
        Reason::UnknownSpecification { specification } => {
            return place::error(
                text,
                &["$schema"],
                format!(
                    "the meta-schema {specification} is not known: use \"http://json-schema.org/draft-07/schema#\""
                ),
            );
        }
        other => (format!("the schema has a reference that cannot be followed: {other}"), ""),
    };
    let mut path = Vec::new();
    if find_reference(&root, wanted, &mut path) {
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        return place::error(text, &path, message);
    }
    let meta_schema: &[&str] =
        if root.get("$schema").and_then(Value::as_str) == Some(wanted) { &["$schema"] } else { &[] };
    place::error(text, meta_schema, message)
}

/// The path of the first reference that ends like the target, or of any that leads outside.
fn find_reference(value: &Value, wanted: &str, path: &mut Vec<String>) -> bool {
    let is_wanted = |reference: &str| {
        let bare = reference.trim_start_matches('#');
        !bare.is_empty()
            && (wanted.ends_with(bare)
                || wanted.starts_with(reference.split('#').next().unwrap_or(bare))
                    && !reference.starts_with('#'))
    };
    let descend = |name: String, value: &Value, path: &mut Vec<String>| {
        path.push(name);
        let found = find_reference(value, wanted, path);
        if !found {
            path.pop();
        }
        found
    };
    match value {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref")
                && is_wanted(reference)
            {
                path.push("$ref".to_owned());
                return true;
            }
            members.iter().any(|(name, value)| descend(name.clone(), value, path))
        }
        Value::Array(values) => {
            values.iter().enumerate().any(|(i, value)| descend(i.to_string(), value, path))
        }
        _ => false,
    }
}
