//! How running code stops before its end: with an exception that a script can catch, or because a limit is reached.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::class::{Builtin, Class};
use crate::diagnostic::Position;
use crate::value::{Object, Throwable, Value};

/// The answer of running code.
pub(crate) type Run<T = Value> = Result<T, Box<Raise>>;

/// A function that was running, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) function: Rc<str>,
    pub(crate) at: Position,
}

/// A trace names this many functions.
const FRAMES_MAX: usize = 32;

/// What an exception takes in bytes without its trace, roughly.
pub(crate) const EXCEPTION_BYTES: u64 = 384;

/// Why.
#[derive(Debug)]
pub(crate) enum Reason {
    /// An exception.
    Thrown(Rc<Object>),
    /// A limit, which nothing in the script can catch: the class it is reported as, and a sentence.
    Exhausted(&'static str, String),
}

/// Running code stops.
#[derive(Debug)]
pub(crate) struct Raise {
    pub(crate) reason: Reason,
    /// Where in the function that is being left.
    at: Option<Position>,
    /// The functions that were left already.
    pub(crate) frames: Vec<Frame>,
}

impl Raise {
    /// Throws an object.
    pub(crate) fn thrown(object: Rc<Object>) -> Box<Self> {
        Box::new(Self { reason: Reason::Thrown(object), at: None, frames: Vec::new() })
    }

    /// Reaches a limit.
    pub(crate) fn exhausted(class: &'static str, message: impl Into<String>) -> Box<Self> {
        Box::new(Self { reason: Reason::Exhausted(class, message.into()), at: None, frames: Vec::new() })
    }

    /// Notes where it happened; only the first place counts, the innermost.
    pub(crate) fn locate(&mut self, at: Position) {
        if self.at.is_none() {
            self.at = Some(at);
        }
    }

    /// Where it happened, seen from a function that has not been left.
    pub(crate) fn trace(&self, function: &Rc<str>) -> Vec<Frame> {
        let here = self.at.map(|at| Frame { function: Rc::clone(function), at });
        self.frames.iter().cloned().chain(here).collect()
    }

    /// Leaves a function.
    pub(crate) fn leave(&mut self, function: &Rc<str>) {
        let at = self.at.take().unwrap_or_default();
        if self.frames.len() < FRAMES_MAX {
            self.frames.push(Frame { function: Rc::clone(function), at });
        }
    }
}

/// An exception of a class of the language.
pub(crate) fn exception(class: Builtin, message: Value) -> Rc<Object> {
    crate::debt::bytes(EXCEPTION_BYTES);
    Rc::new(Object {
        class: Class::Builtin(class),
        fields: RefCell::default(),
        throwable: Some(Throwable { message: RefCell::new(message), ..Throwable::default() }),
        ordinal: None,
        watched: Cell::new(false),
    })
}

/// Throws an exception of a class of the language.
pub(crate) fn raise(class: Builtin, message: impl AsRef<str>) -> Box<Raise> {
    Raise::thrown(exception(class, Value::text(message)))
}
