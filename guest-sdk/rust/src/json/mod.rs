//! Reading and writing JSON, with failures that say where.

mod reader;
mod scan;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

/// Code and message of a failure; each world has a record of its own for them.
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// Reads a payload.
pub(crate) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    if let Some(value) = reader::read(bytes) {
        return Ok(value);
    }
    serde_json::from_slice(bytes).map_err(|error| Problem {
        code: "bad-json",
        message: format!("could not read the payload: {error}"),
    })
}

/// Writes a value for `what`.
pub(crate) fn write(value: &impl Serialize, what: &str) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(value).map_err(|error| Problem {
        code: "not-json",
        message: format!("could not write {what} as JSON: {error}"),
    })
}
