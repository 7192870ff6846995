//! The version that the engine reports everywhere.

/// Version of this release.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
