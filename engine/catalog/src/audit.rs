//! Who made and last changed an object, and when.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Who did something: the name of the caller's token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Person {
    /// Name of the token.
    pub name: String,
    /// Empty here: tokens have no address. Kept because clients of the original read it.
    pub email: String,
}

impl Person {
    /// A person of that name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), email: String::new() }
    }
}

/// The audit fields of event types, harvesters, belts. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// When it was made.
    pub created_at: i64,
    /// Who made it.
    pub created_by: Person,
    /// When it was changed last; the same as `created_at` at first.
    pub modified_at: i64,
    /// Who changed it last.
    pub modified_by: Person,
}
