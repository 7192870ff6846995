//! The JSON Schema of a live segment: what it asks of a record, and the table that it makes.
//!
//! A schema text is parsed once ([`LiveSegmentSchema::parse`]) into columns and a compiled validator. The persister
//! then asks two cheap questions about every record: is it valid ([`LiveSegmentSchema::validate`]), and which values go
//! into which column ([`LiveSegmentSchema::row`]). When the user stores another version of the schema,
//! [`LiveSegmentSchema::check_evolution`] says whether the table can follow, and how.
//!
//! This module decides; it neither reads nor writes anything. The SQL is in the crate that holds all SQL.
//!
//! Rules, in the order of the columns of `storage.md` 5:
//!
//! | in the schema | in the table |
//! |---|---|
//! | `string`, also with a `format` | `text` |
//! | `integer` | `bigint` |
//! | `number` | `double precision` |
//! | `boolean` | `boolean` |
//! | `object`, `array`, several types, no type | `jsonb` |
//! | a type together with `null` | the same, nullable |
//! | `default` | the default of the column |
//!
//! Whether a column may be null follows from the type alone, not from `required`.

mod column;
mod evolution;
mod mismatch;
mod place;
mod row;
mod types;
mod validator;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::{Map, Value};

pub use column::{Column, Kind};
pub use evolution::TableChange;
pub use mismatch::Mismatch;
pub use row::{Cell, Row};

/// Longest schema text that is accepted, in bytes. A schema is compiled in memory on every start of its persister.
pub const SCHEMA_BYTES_MAX: usize = 256 * 1024;

/// Most columns of a live segment. A row of Postgres has to fit one page of 8 KiB, where a long value moved out of the
/// page still takes 18 bytes: 400 such columns fit, beside their null bitmap.
pub const COLUMNS_MAX: usize = 400;

/// Why a schema is refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (line {line}, column {column})")]
pub struct SchemaError {
    /// What was expected, what was found, what to do.
    pub message: String,
    /// Line of the schema text, from 1.
    pub line: usize,
    /// Column of that line in characters, from 1.
    pub column: usize,
}

/// A parsed, checked and compiled schema of a live segment.
#[derive(Debug, Clone)]
pub struct LiveSegmentSchema {
    columns: Vec<Column>,
    /// Names of the root `required`.
    required: Vec<String>,
    warnings: Vec<String>,
    validator: Arc<jsonschema::Validator>,
}

impl LiveSegmentSchema {
    /// Parses the text of a JSON Schema (draft 7 where it names no other).
    ///
    /// # Errors
    ///
    /// [`SchemaError`] with the place in the text: text that is not JSON, a root that is not `type: object`, no
    /// `properties.id` of type string or integer, a root `default`, a property whose name cannot name a column, a
    /// default that its property does not allow, a schema that is not valid by its own meta-schema, a reference to
    /// something outside of the text, or a pattern that the linear engine cannot run.
    pub fn parse(text: &str) -> Result<Self, SchemaError> {
        if text.len() > SCHEMA_BYTES_MAX {
            let message =
                format!("the schema is {} bytes long; at most {SCHEMA_BYTES_MAX} are accepted", text.len());
            return Err(SchemaError { message, line: 1, column: 1 });
        }
        let value: Value = serde_json::from_str(text).map_err(|error| place::of_json_error(text, &error))?;
        let root = check_root(text, &value)?;
        validator::check(text, root)?;
        let mut warnings = Vec::new();
        let columns = column::columns_of(text, &value, &mut warnings)?;
        let validator = validator::compile(text, root, &columns)?;
        let required = match root.get("required") {
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        };
        Ok(Self { columns, required, warnings, validator: Arc::new(validator) })
    }

    /// The columns of the table, in the order of `properties`.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// What is accepted, but will probably surprise: for the answer to whoever stores the schema.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether the table of `old` can follow this schema, and what has to be done to it.
    ///
    /// # Errors
    ///
    /// All reasons why not, each a sentence naming the property.
    pub fn check_evolution(&self, old: &Self) -> Result<Vec<TableChange>, Vec<String>> {
        evolution::check(old, self)
    }

    /// Checks a record against the schema. Properties that the schema does not name are no fault (they are left out of
    /// the row), and a missing property that has a default is none either.
    ///
    /// # Errors
    ///
    /// The first [`Mismatch`] found.
    pub fn validate(&self, value: &Value) -> Result<(), Mismatch> {
        self.validator.validate(value).map_err(|error| Mismatch::of(&error))
    }

    /// The values of a valid record in the order of the columns, defaults filled in.
    ///
    /// # Errors
    ///
    /// The first [`Mismatch`] found: what the schema leaves open but the table cannot hold, such as a missing property
    /// without default, an integer beyond 64 bits, or a NUL character.
    pub fn row(&self, value: &Map<String, Value>) -> Result<Row, Mismatch> {
        row::of(&self.columns, value)
    }
}

/// The root as an object, when it describes objects with an `id`.
fn check_root<'a>(text: &str, value: &'a Value) -> Result<&'a Map<String, Value>, SchemaError> {
    let Value::Object(root) = value else {
        let message =
            "the schema must be a JSON object such as {\"type\": \"object\", \"properties\": {...}}";
        return Err(place::error(text, &[], message));
    };
    if let Some(name) = place::repeated_member(text, &[]) {
        return Err(place::error(text, &[&name], format!("the schema has '{name}' more than once")));
    }
    match root.get("type") {
        Some(Value::String(kind)) if kind == "object" => {}
        Some(other) => {
            let message = format!("the type of the schema must be \"object\", but it is {other}");
            return Err(place::error(text, &["type"], message));
        }
        None => {
            let message = "the schema has no \"type\": it must say \"type\": \"object\"";
            return Err(place::error(text, &[], message));
        }
    }
    if root.contains_key("default") {
        let message =
            "a default at the root of the schema is not supported: give the properties their defaults";
        return Err(place::error(text, &["default"], message));
    }
    let Some(Value::Object(properties)) = root.get("properties") else {
        let at: &[&str] = if root.contains_key("properties") { &["properties"] } else { &[] };
        let message = "the schema needs \"properties\" with a property 'id', which becomes the primary key";
        return Err(place::error(text, at, message));
    };
    if !properties.contains_key("id") {
        let message = "the schema has no property 'id': it is mandatory, since it becomes the primary key";
        return Err(place::error(text, &["properties"], message));
    }
    if let Some(name) = place::repeated_member(text, &["properties"]) {
        let message = format!("property '{name}' is declared more than once");
        return Err(place::error(text, &["properties", &name], message));
    }
    Ok(root)
}
