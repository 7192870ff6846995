//! What both targets share.

pub mod meter;
pub mod mutate;

#[path = "../../tests/support/hostile.rs"]
pub mod hostile;

#[path = "../../tests/support/mod.rs"]
mod support;
