//! The columns that the properties of a schema become.

use std::fmt;

use serde_json::Value;

use super::row::Cell;
use super::types::Types;
use super::{COLUMNS_MAX, SchemaError, place, row};

/// Postgres cuts longer identifiers, silently; two properties could then meet in one column.
const NAME_BYTES_MAX: usize = 63;

/// Columns that every table has already.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `text`.
    Text,
    /// `bigint`.
    Bigint,
    /// `double precision`.
    Double,
    /// `boolean`.
    Boolean,
    /// `jsonb`.
    Jsonb,
}

impl Kind {
    /// The name of the type in SQL.
    #[must_use]
    pub fn sql(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bigint => "bigint",
            Self::Double => "double precision",
            Self::Boolean => "boolean",
            Self::Jsonb => "jsonb",
        }
    }

    fn of(types: Types) -> Self {
        match types.without_null() {
            Types::STRING => Self::Text,
            Types::INTEGER => Self::Bigint,
            Types::NUMBER => Self::Double,
            Types::BOOLEAN => Self::Boolean,
            _ => Self::Jsonb,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sql())
    }
}

/// A column of a live segment's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name of the property as given; to be quoted in SQL.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be null, which follows from the type of the property alone.
    pub nullable: bool,
    /// What a record without the property gets. Never JSON null: a nullable column needs no such default.
    pub default: Option<Value>,
    /// The JSON types that the property allows.
    pub(super) types: Types,
}

impl Column {
    /// The default as a value of this column.
    #[must_use]
    pub fn default_cell(&self) -> Option<Cell> {
        // Parsing has refused a default that is no cell.
        self.default.as_ref().and_then(|value| row::cell(self, value).ok())
    }
}

/// The columns of a schema whose root is checked, and warnings about what will surprise.
pub(super) fn columns_of(
    text: &str,
    root: &Value,
    warnings: &mut Vec<String>,
) -> Result<Vec<Column>, SchemaError> {
    let Some(Value::Object(properties)) = root.get("properties") else { return Ok(Vec::new()) };
    if properties.len() > COLUMNS_MAX {
        let message = format!(
            "the schema has {} properties; a table takes at most {COLUMNS_MAX}. Put some of them into an object",
            properties.len()
        );
        return Err(place::error(text, &["properties"], message));
    }
    let mut columns = Vec::with_capacity(properties.len());
    for (name, property) in properties {
        let refuse = |below: &str, message: String| {
            let path = ["properties", name.as_str(), below];
            let depth = if below.is_empty() { 2 } else { 3 };
            place::error(text, &path[..depth], message)
        };
        check_name(name).map_err(|reason| refuse("", reason))?;
        let types = Types::of_schema(property, root).ok_or_else(|| {
            refuse(
                "",
                format!(
                    "the references below property '{name}' multiply beyond measure: write them out, or fewer"
                ),
            )
        })?;
        if types == Types::NONE {
            return Err(refuse(
                "",
                format!("no value can ever be valid for property '{name}': its types exclude each other"),
            ));
        }
        let nullable = types.contains(Types::NULL);
        let kind = Kind::of(types);
        let default = match property.get("default") {
            None => None,
            Some(Value::Null) if nullable => None,
            Some(value) => {
                let column = Column { name: name.clone(), kind, nullable, default: None, types };
                if !types.contains(Types::of_value(value)) {
                    return Err(refuse(
                        "default",
                        format!("the default of property '{name}' must be {types}, but it is {value}"),
                    ));
                }
                row::cell(&column, value).map_err(|mismatch| {
                    refuse(
                        "default",
                        format!("the default of property '{name}' cannot be stored: {}", mismatch.message),
                    )
                })?;
                Some(value.clone())
            }
        };
        columns.push(Column { name: name.clone(), kind, nullable, default, types });
    }
    if let Some(id) = columns.iter_mut().find(|column| column.name == "id") {
        check_id(text, id, warnings)?;
    }
    Ok(columns)
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("a property with an empty name cannot become a column: give it a name".to_owned());
    }
    if name.contains('\0') {
        return Err(format!(
            "the name of property {name:?} has a NUL character, which no column name can have"
        ));
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(format!(
            "the name of property '{name}' is {} bytes long; a column name has at most {NAME_BYTES_MAX}: shorten it",
            name.len()
        ));
    }
    if SYSTEM_COLUMNS.contains(&name) {
        return Err(format!(
            "every table has a system column '{name}' already: give the property another name"
        ));
    }
    Ok(())
}

fn check_id(text: &str, id: &mut Column, warnings: &mut Vec<String>) -> Result<(), SchemaError> {
    if id.types != Types::STRING && id.types != Types::INTEGER {
        let message = format!(
            "property 'id' must be of type string (or integer), and not null, since it is the primary key; here it is {}",
            id.types
        );
        return Err(place::error(text, &["properties", "id"], message));
    }
    if id.types == Types::INTEGER {
        warnings.push(
            "property 'id' is declared as integer, but the callback of the live-segment guide writes text \
             (str(correlation_id)): such records will not match and go to the dead letters. Declare it as string, or \
             write integers"
                .to_owned(),
        );
    }
    if id.default.take().is_some() {
        warnings.push(
            "the default of property 'id' is ignored: a record without an id goes to the dead letters"
                .to_owned(),
        );
    }
    Ok(())
}
