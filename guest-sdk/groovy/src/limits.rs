//! What a script may use for one record.

/// Bounds on the work for one record. Reaching one is a failure that the script cannot catch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Steps of evaluation. An operation on many items or bytes counts as many.
    pub steps: u64,
    /// Bytes that are allocated for values, counted without those that are given back.
    pub bytes: u64,
    /// How deep expressions and calls lie inside of each other. It bounds the native stack: a level takes less than
    /// half a kilobyte in a release build.
    pub depth: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 50_000_000, bytes: 256 << 20, depth: 1_000 }
    }
}
