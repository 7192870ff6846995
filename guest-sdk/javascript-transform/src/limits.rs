//! What a script may use.

/// Bounds on a script. Steps are for one record, memory is for everything that the engine holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls and rounds of loops, about: the engine counts in portions of [`STEPS_PER_POLL`]. Reaching it is a failure
    /// that the script cannot catch.
    pub steps: u64,
    /// Bytes of the engine's memory. Reaching it is an error that the script can catch.
    pub bytes: usize,
}

/// How many steps the engine makes before it asks whether to go on.
pub(crate) const STEPS_PER_POLL: u64 = 10_000;

/// Bytes of the stack; reaching it is a RangeError. A component has twice as much in its memory, and the sandbox's own
/// stack, which the engine's check does not see, is many times as large.
pub(crate) const STACK_BYTES: usize = 512 << 10;

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 50_000_000, bytes: 256 << 20 }
    }
}
