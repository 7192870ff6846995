//! From a record to the values of a row.

use serde_json::{Map, Number, Value};

use super::Mismatch;
use super::column::{Column, Kind};

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// SQL null.
    Null,
    /// For a `text` column.
    Text(String),
    /// For a `bigint` column.
    Bigint(i64),
    /// For a `double precision` column; always finite.
    Double(f64),
    /// For a `boolean` column.
    Boolean(bool),
    /// For a `jsonb` column: JSON text, numbers with the digits of the record.
    Jsonb(String),
}

/// The values of one record, in the order of the columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// One value per column.
    pub cells: Vec<Cell>,
    /// Number of properties that the schema does not name, and that were therefore left out.
    pub extra: usize,
}

pub(super) fn of(columns: &[Column], record: &Map<String, Value>) -> Result<Row, Mismatch> {
    let mut cells = Vec::with_capacity(columns.len());
    let mut known = 0;
    for column in columns {
        let value = record.get(&column.name);
        known += usize::from(value.is_some());
        cells.push(match (value.or(column.default.as_ref()), column.nullable) {
            (Some(Value::Null), true) | (None, true) => Cell::Null,
            (Some(Value::Null), false) => return Err(mismatch(column, "null", "")),
            (None, false) => return Err(missing(column)),
            (Some(value), _) => cell(column, value)?,
        });
    }
    Ok(Row { cells, extra: record.len() - known })
}

/// The value of a column, of a JSON value that is not null.
pub(super) fn cell(column: &Column, value: &Value) -> Result<Cell, Mismatch> {
    match (column.kind, value) {
        (Kind::Text, Value::String(text)) if text.contains('\0') => Err(nul(column)),
        (Kind::Text, Value::String(text)) if text.is_empty() && column.name == "id" => {
            Err(mismatch(column, "an empty text", ", which identifies nothing"))
        }
        (Kind::Text, Value::String(text)) => Ok(Cell::Text(text.clone())),
        (Kind::Bigint, Value::Number(number)) => match exact_integer(number) {
            Ok(integer) => Ok(Cell::Bigint(integer)),
            Err(NotInteger::Fraction) => Err(mismatch(column, &Mismatch::excerpt(value), "")),
            Err(NotInteger::TooLarge) => Err(mismatch(
                column,
                &Mismatch::excerpt(value),
                &format!(", which is not between {} and {}", i64::MIN, i64::MAX),
            )),
        },
        (Kind::Double, Value::Number(number)) => match number.as_f64().filter(|double| double.is_finite()) {
            Some(double) => Ok(Cell::Double(double)),
            None => Err(mismatch(column, &Mismatch::excerpt(value), ", which is too large")),
        },
        (Kind::Boolean, Value::Bool(boolean)) => Ok(Cell::Boolean(*boolean)),
        (Kind::Jsonb, value) if has_nul(value) => Err(nul(column)),
        (Kind::Jsonb, value) => Ok(Cell::Jsonb(value.to_string())),
        (_, value) => Err(mismatch(column, &Mismatch::excerpt(value), "")),
    }
}

fn expected(column: &Column) -> String {
    column.types.to_string()
}

fn mismatch(column: &Column, actual: &str, remark: &str) -> Mismatch {
    let (field, expected) = (column.name.clone(), expected(column));
    let message = format!("property '{field}' must be {expected}, but the record has {actual}{remark}");
    Mismatch { field, expected, actual: actual.to_owned(), message }
}

fn missing(column: &Column) -> Mismatch {
    let (field, expected) = (column.name.clone(), expected(column));
    let message = format!(
        "the record has no property '{field}' ({expected}), which has no default and may not be null"
    );
    Mismatch { field, expected, actual: "nothing".to_owned(), message }
}

fn nul(column: &Column) -> Mismatch {
    let (field, expected) = (column.name.clone(), expected(column));
    let message = format!("property '{field}' has a NUL character (\\u0000), which Postgres cannot store");
    Mismatch { field, expected, actual: "a NUL character".to_owned(), message }
}

/// Whether a NUL character stands anywhere in the value. No deeper than the JSON parser went.
fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// Why a number is no `bigint`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotInteger {
    /// It has a fractional part.
    Fraction,
    /// It is beyond 64 bits.
    TooLarge,
}

/// The exact integer that a JSON number stands for, also where it is written as `1.0` or `2e3`.
pub(super) fn exact_integer(number: &Number) -> Result<i64, NotInteger> {
    if let Some(integer) = number.as_i64() {
        return Ok(integer);
    }
    let text = number.to_string();
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    if significant.trim_start_matches('0').is_empty() {
        return Ok(0);
    }
    // The number is `significant` times ten to the power of `scale`. An exponent that does not fit 64 bits is far
    // beyond both ends.
    let Ok(exponent) = exponent.parse::<i64>() else {
        return Err(if exponent.starts_with('-') { NotInteger::Fraction } else { NotInteger::TooLarge });
    };
    let trimmed = i64::try_from(digits.len() - significant.len()).unwrap_or(i64::MAX);
    let scale =
        exponent.saturating_add(trimmed).saturating_sub(i64::try_from(fraction.len()).unwrap_or(i64::MAX));
    let zeros = usize::try_from(scale).map_err(|_| NotInteger::Fraction)?;
    let significant = significant.trim_start_matches('0');
    // 64 bits are at most 19 digits.
    if significant.len().saturating_add(zeros) > 19 {
        return Err(NotInteger::TooLarge);
    }
    format!("{sign}{significant}{}", "0".repeat(zeros)).parse().map_err(|_| NotInteger::TooLarge)
}
