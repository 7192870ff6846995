//! Documents of JSON become values.
//!
//! Most scripts look at a few fields of a document. So one that is plainly right stays text: [`survey`] passes over it, and
//! what is in its objects and arrays is read when somebody looks there ([`Content`]). What a document costs is counted at
//! the beginning all the same. A document that is anything else goes through [`tree`], which reads all of it, and says what
//! is wrong.

mod content;
mod literal;
mod overlay;
mod survey;
mod tree;

// What the SDK reads payloads with is as good for the bodies in them.
#[path = "../../../rust/src/json/block.rs"]
mod block;
#[path = "../../../rust/src/json/scan.rs"]
#[allow(dead_code, reason = "payloads need more of it than documents")]
mod scan;
#[cfg(any(test, not(target_feature = "simd128")))]
#[path = "../../../rust/src/json/swar.rs"]
mod swar;
#[cfg(test)]
mod tests;

use std::rc::Rc;

pub(crate) use content::Content;
pub(crate) use overlay::Overlay;

use crate::machine::Machine;
use crate::raise::Run;

/// What a document takes as values, for each byte of it, beside its objects and arrays.
const BYTES_PER_BYTE: usize = 4;

/// What an object or an array takes in bytes, roughly.
const CONTAINER_BYTES: usize = 128;

/// Reads a document: `Integer`, `Long` and `BigInteger`; `BigDecimal`; keys in their order.
pub(crate) fn parse(machine: &mut Machine<'_>, document: &Rc<str>) -> Run {
    machine.allocate(document.len().saturating_mul(BYTES_PER_BYTE))?;
    if let Some(survey) = survey::survey(document) {
        if machine.affords(&survey.costs()) {
            if let Some(value) = overlay::document(document) {
                return Ok(value);
            }
        }
    }
    tree::read(machine, document)
}
