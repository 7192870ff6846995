//! Runs transform scripts written in JavaScript: QuickJS, the helper classes that scripts expect, and limits.
//!
//! A script is compiled once ([`Script::compile`]) and run once per record ([`Script::run`]). It can reach nothing but
//! the log. `compile` turns text into byte code, `context` makes the engine and what scripts find in it (the JavaScript
//! files of `library`, and beneath them `native`), `globals` keeps what a script leaves behind from the next record,
//! `outcome` and `failure` are what a record comes to. On the target of components, `component` exports all of it.

mod bytes;
mod collector;
mod compile;
#[cfg(target_family = "wasm")]
mod component;
mod context;
mod failure;
mod globals;
mod library;
mod limits;
mod log;
mod native;
mod outcome;
mod script;
mod state;
mod text;

pub use compile::Diagnostic;
pub use failure::Failure;
pub use limits::Limits;
pub use log::{Level, Log};
pub use outcome::Message;
pub use script::Script;
