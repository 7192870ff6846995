//! The language of metadata expressions: a small, safe subset of what Spring's expressions can say.
//!
//! An event type carries expressions that find a correlation id, an event id, a time and a deletion flag in each
//! payload:
//!
//! ```
//! use granary_expression::{Context, DerivedChance, parse};
//! # use std::collections::HashMap;
//! let expression = parse("#safeJsonPath(payload, 'user.id') ?: 'anonymous'").unwrap();
//! let payload = serde_json::json!({"user": {"id": 17}});
//! let headers = HashMap::<String, String>::new();
//! let mut chance = DerivedChance::new(uuid::Uuid::nil(), "harvester:orders", "snowplow", 0, 41, 0);
//! let mut context = Context::new(&payload, &headers, 1_584_708_855_528, &mut chance);
//! assert_eq!(expression.evaluate(&mut context).unwrap().to_text().unwrap(), "17");
//! ```
//!
//! From loosest to tightest:
//!
//! | construct | notes |
//! |---|---|
//! | `c ? a : b` | the condition is a boolean |
//! | `a ?: b` | `a` unless it is null or the empty text; `b` is evaluated only when needed |
//! | `a or b`, `a \|\| b`; `a and b`, `a && b` | booleans, lazily |
//! | `== != < > <= >=` (`eq ne lt gt le ge`) | numbers by value, texts by code point; values of two types are never equal |
//! | `a + b`, `a - b` | `+` joins when either side is a text; a null is joined as `null` |
//! | `a * b`, `a / b`, `a % b` | whole numbers stay whole |
//! | `-a`, `!a`, `not a` | |
//! | `.name`, `[index]`, `?.name`, `.method()` | absent fields are null; asking null for anything is an error unless `?.` asks |
//! | `payload`, `headers.x`, `headers['x']`, literals, `#function()` | `#` may be left out |
//!
//! A text that holds a JSON object or array is opened when a field or element of it is asked for, so the escaped body
//! of a collector record can be reached: `#jsonPath(payload, 'body').data[0].value`.
//!
//! Evaluation has no side effects, does no I/O and takes time and chance from its [`Context`]. Depth, length and the
//! work of one evaluation are bounded, so expressions of strangers can be run.

mod error;
mod lexer;
mod syntax;

mod parser;

mod date;
mod path;

mod chance;
mod evaluate;
mod functions;
mod value;

pub use chance::{Chance, DerivedChance};
pub use error::Error;
pub use evaluate::{Context, Lookup};
pub use parser::parse;
pub use syntax::Expression;
pub use value::{Conversion, Value};

#[cfg(test)]
mod tests;
