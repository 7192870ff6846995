//! The words of a script.

use std::rc::Rc;

use crate::diagnostic::Position;
use crate::value::Value;

/// A piece of a text with expressions inside.
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Text(Rc<str>),
    /// `$a.b`
    Path(Vec<Rc<str>>, Position),
    /// `${..}`
    Code(Vec<Token>),
}

/// What a token is.
#[derive(Debug, Clone)]
pub(crate) enum Word {
    /// A name or a keyword.
    Name(Rc<str>),
    Number(Value),
    /// A text, and whether it may be the name in `data."name"`.
    Text(Rc<str>),
    Template(Vec<Part>),
    /// An operator or a bracket.
    Sign(&'static str),
    Newline,
    End,
}

/// A token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) word: Word,
    pub(crate) at: Position,
    /// Of an opening bracket: the index of its closing one.
    pub(crate) partner: usize,
    /// Whether blank space precedes it.
    pub(crate) spaced: bool,
    /// Where it begins and ends in the source, in characters.
    pub(crate) span: (usize, usize),
}

/// All signs, the longer ones first.
pub(crate) const SIGNS: &[&str] = &[
    ">>>=", "<..<", "===", "!==", "<=>", "==~", ">>>", "<<=", ">>=", "**=", "..<", "<..", "...", "?.", "?:",
    "?=", "?[", "*.", "*:", ".&", ".@", "::", "->", "==", "!=", "=~", "<=", ">=", "&&", "||", "++", "--",
    "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<", ">>", "**", "..", "+", "-", "*", "/", "%", "=",
    "<", ">", "!", "~", "?", ":", ".", ",", ";", "(", ")", "[", "]", "{", "}", "&", "|", "^", "@",
];
