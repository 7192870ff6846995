//! Makes a script runtime give way: rewrites its component so that it asks the host, every so often, whether it may go on.
//!
//! Wasmtime can do this by itself (epochs), with a check at every function entry and every loop. For an interpreter,
//! which is thousands of small functions, that costs a sixth of its speed. A script runtime is our own code, of which
//! only the script is hostile, so that fewer checks do: at each loop, at the entry of each function that calls through a
//! table or closes a cycle of calls, and at each operation on memory by its size. A check takes one from a counter of its
//! module, and where the counter has run out the module asks the host.
//!
//! Innermost loops without calls, such as those that compare texts, are not interrupted, since the place for a question
//! would cost them registers. They count, [`TURNS_AT_ONCE`] by [`TURNS_AT_ONCE`], and the next function that has such a loop,
//! or any other check, asks. In a sound runtime they end after at most as many turns as the memory has bytes; a script that forges objects can make one that
//! follows pointers in a circle, which ends the guest after [`TURNS_MAX`] turns.
//!
//! A module asks by growing a table that may hold nothing ([`is_question`]): the host's limiter hears of it, may end the
//! guest or let others have their turn, and the growth fails. An imported function would be plainer, but a component may not
//! call one while it makes room for what the host hands over, and that can take long, too.
//!
//! So every endless computation ends: it goes round a loop, or round a cycle of calls. What is not covered is a tree of
//! calls without cycle that takes exponential time, which only hostile WebAssembly has.

mod calls;
mod loops;
mod module;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use wasm_encoder::reencode::{self, Reencode, ReencodeComponent, component_utils};
use wasmparser::Parser;

/// Stands for what this module writes, in the names of what is compiled from it.
pub(crate) fn version() -> u64 {
    let sources = [
        include_str!("mod.rs"),
        include_str!("module.rs"),
        include_str!("calls.rs"),
        include_str!("loops.rs"),
    ];
    let mut hasher = DefaultHasher::new();
    sources.hash(&mut hasher);
    hasher.finish()
}

/// Checks between two questions: an interpreter passes as many in about half a millisecond.
const CHECKS: i64 = 10_000;
/// Turns of plain loops that a function takes from the counter at once; what is left of fewer is not counted. A power of two.
const TURNS_AT_ONCE: i64 = 64;
/// Turns of plain loops without a question after which a guest is ended: the most bytes that an object of a 32-bit
/// interpreter can have. They take seconds.
const TURNS_MAX: i64 = 1 << 31;
/// How far an operation on memory is shifted to be counted in checks: one for each 128 bytes.
const BYTES_SHIFT: i32 = 7;

/// Whether a table that wants to grow stands for the question. The arguments are those of
/// [`wasmtime::ResourceLimiterAsync::table_growing`].
pub(crate) fn is_question(current: usize, desired: usize, maximum: Option<usize>) -> bool {
    (current, desired, maximum) == (0, 1, Some(0))
}

/// The component with checks in all its modules. The error says what is wrong with the bytes.
pub(crate) fn metered(component: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = wasm_encoder::Component::new();
    component_utils::parse_component(&mut Component, &mut out, Parser::new(0), component, component)
        .map_err(|error| match error {
            reencode::Error::ParseError(error) => error.to_string(),
            error => error.to_string(),
        })?;
    Ok(out.finish())
}

/// Leaves all as it is but the modules.
struct Component;

impl Reencode for Component {
    type Error = std::convert::Infallible;
}

impl ReencodeComponent for Component {
    fn parse_component_submodule(
        &mut self,
        component: &mut wasm_encoder::Component,
        _: Parser,
        module: &[u8],
    ) -> Result<(), reencode::Error> {
        match module::metered(module)? {
            Some(metered) => component.section(&wasm_encoder::ModuleSection(&metered)),
            None => component.section(&wasm_encoder::RawSection { id: CORE_MODULE, data: module }),
        };
        Ok(())
    }
}

/// The id of the section of a component that is a core module.
const CORE_MODULE: u8 = 1;

#[cfg(test)]
mod tests;
