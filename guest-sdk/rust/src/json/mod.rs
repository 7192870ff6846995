//! Reading and writing JSON, with failures that say where.

mod block;
mod reader;
mod scan;
#[cfg(any(test, not(target_feature = "simd128")))]
mod swar;
#[cfg(test)]
mod tests;
mod writer;

use serde::{Deserialize, Serialize};

/// Code and message of a failure; each world has a record of its own for them.
pub(crate) struct Problem {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// Reads a payload.
pub(crate) fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    match reader::read(bytes) {
        Some(value) => Ok(value),
        None => read_anew(bytes),
    }
}

/// By itself, so that its code is not in the way of what happens for every event.
#[cold]
#[inline(never)]
fn read_anew<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem {
        code: "bad-json",
        message: format!("could not read the payload: {error}"),
    })
}

/// Writes a value for `what`.
pub(crate) fn write(value: &impl Serialize, what: &str) -> Result<Vec<u8>, Problem> {
    writer::write(value).map_err(|error| Problem {
        code: "not-json",
        message: format!("could not write {what} as JSON: {error}"),
    })
}
