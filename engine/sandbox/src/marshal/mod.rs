//! CPython's `marshal` format, as far as JSON-like data needs it: the language of the batch frames between the host
//! and the Python runtime component.
//!
//! [`Encoder`] turns JSON text into marshal data while it parses, without a tree in between. [`Decoder`] turns what the
//! guest wrote into JSON text, and treats every byte of it as hostile: lengths, depth and sizes are bounded, and no
//! input makes it panic. What a batch frame looks like is the business of [`crate::frame`].

mod decode;
mod encode;
mod integer;
mod json;
mod plain;
#[cfg(test)]
mod tests;

pub use decode::{Decoder, Fault, FrameError, ValueError};
pub use encode::{Encoder, Mark};
pub use json::JsonError;

/// How deep arrays and objects may nest, in both directions. CPython's own reader allows 1500 levels inside the
/// component; user code that walks a document recursively has far less room.
pub const DEPTH_MAX: usize = 128;

/// The longest integer in decimal digits, in both directions: CPython's own limit for conversions between text and
/// integers (`sys.int_info.default_max_str_digits`). It also bounds the quadratic conversion between the bases.
pub const INTEGER_DIGITS_MAX: usize = 4300;

/// Type codes of the format (`Python/marshal.c`).
mod code {
    pub(super) const NONE: u8 = b'N';
    pub(super) const TRUE: u8 = b'T';
    pub(super) const FALSE: u8 = b'F';
    /// 32-bit signed integer.
    pub(super) const INT: u8 = b'i';
    /// Integer of any size: a signed count of digits, then 15 bits each, least significant first.
    pub(super) const LONG: u8 = b'l';
    /// IEEE 754 double, little endian.
    pub(super) const FLOAT: u8 = b'g';
    pub(super) const COMPLEX: u8 = b'y';
    pub(super) const BYTES: u8 = b's';
    /// UTF-8 with a 32-bit length; lone surrogates are encoded like other code points.
    pub(super) const UNICODE: u8 = b'u';
    /// Like `UNICODE`, interned by the reader.
    pub(super) const INTERNED: u8 = b't';
    /// ASCII with a 32-bit length.
    pub(super) const ASCII: u8 = b'a';
    pub(super) const ASCII_INTERNED: u8 = b'A';
    /// ASCII with an 8-bit length.
    pub(super) const SHORT_ASCII: u8 = b'z';
    pub(super) const SHORT_ASCII_INTERNED: u8 = b'Z';
    pub(super) const LIST: u8 = b'[';
    pub(super) const TUPLE: u8 = b'(';
    /// A tuple with an 8-bit length.
    pub(super) const SMALL_TUPLE: u8 = b')';
    /// Keys and values in turn, ended by `NULL` in the place of a key.
    pub(super) const DICT: u8 = b'{';
    pub(super) const NULL: u8 = b'0';
    pub(super) const SET: u8 = b'<';
    pub(super) const FROZENSET: u8 = b'>';
    pub(super) const ELLIPSIS: u8 = b'.';
    pub(super) const STOP_ITERATION: u8 = b'S';
    /// The n-th object that carried `FLAG_REF`.
    pub(super) const REF: u8 = b'r';
    /// Added to a type code: the reader remembers the object for later `REF`s.
    pub(super) const FLAG_REF: u8 = 0x80;
}
