//! From text to tokens.

use serde_json::Number;

use crate::error::Fault;

/// A token and the byte offset where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) offset: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    /// A name or a word operator; which one, the parser knows.
    Word(String),
    /// A text in quotes, without them.
    Text(String),
    Number(Number),
    /// An operator or a bracket.
    Symbol(&'static str),
    End,
}

impl Kind {
    /// The token as an error shows it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Word(word) => format!("'{word}'"),
            Self::Text(text) => format!("the text '{text}'"),
            Self::Number(number) => format!("the number {number}"),
            Self::Symbol(symbol) => format!("'{symbol}'"),
            Self::End => "the end of the expression".to_owned(),
        }
    }
}

/// Longer ones before their beginnings.
const SYMBOLS: [&str; 27] = [
    "?:", "?.", "==", "!=", "<=", ">=", "&&", "||", "?", ":", "<", ">", "!", "+", "-", "*", "/", "%", "(",
    ")", "[", "]", ".", ",", "#", "=", "@",
];

pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    let mut offset = 0;
    while let Some(first) = text[offset..].chars().next() {
        let rest = &text[offset..];
        let (kind, length) = if first.is_whitespace() {
            offset += first.len_utf8();
            continue;
        } else if first == '\'' || first == '"' {
            quoted(rest, first, offset)?
        } else if first.is_ascii_digit() {
            number(rest, offset)?
        } else if name_start(first) {
            let length = rest.find(|c| !name_part(c)).unwrap_or(rest.len());
            (Kind::Word(rest[..length].to_owned()), length)
        } else if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| rest.starts_with(symbol)) {
            (Kind::Symbol(symbol), symbol.len())
        } else {
            return Err(Fault::new(offset, unexpected(first)));
        };
        tokens.push(Token { kind, offset });
        offset += length;
    }
    tokens.push(Token { kind: Kind::End, offset });
    Ok(tokens)
}

fn unexpected(character: char) -> String {
    let hint = match character {
        '\u{2018}' | '\u{2019}' | '\u{201c}' | '\u{201d}' => ": texts stand in straight quotes, 'like this'",
        '{' | '}' => ": lists and maps cannot be written in an expression",
        ';' => ": an expression is one value, without ';'",
        _ => "",
    };
    format!("unexpected character {character:?}{hint}")
}

fn name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// A text in quotes; the quote itself is written twice.
fn quoted(rest: &str, quote: char, offset: usize) -> Result<(Kind, usize), Fault> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c != quote {
            text.push(c);
        } else if characters.next_if(|(_, next)| *next == quote).is_some() {
            text.push(quote);
        } else {
            return Ok((Kind::Text(text), at + 1));
        }
    }
    Err(Fault::new(offset, format!("the text that begins here has no closing {quote}")))
}

/// A number as in JSON; the `L` of a Java long may follow.
fn number(rest: &str, offset: usize) -> Result<(Kind, usize), Fault> {
    let digits =
        |from: usize| rest[from..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |n| from + n);
    let mut end = digits(0);
    if rest[end..].starts_with('.') && rest[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
        end = digits(end + 1);
    }
    if rest[end..].starts_with(['e', 'E']) {
        let sign = usize::from(rest[end + 1..].starts_with(['+', '-']));
        if rest[end + 1 + sign..].starts_with(|c: char| c.is_ascii_digit()) {
            end = digits(end + 1 + sign);
        }
    }
    let written = &rest[..end];
    let suffix = usize::from(rest[end..].starts_with(['L', 'l']));
    if rest[end + suffix..].starts_with(name_part) {
        return Err(Fault::new(offset, "a name cannot begin with a digit"));
    }
    let number = serde_json::from_str(written).map_err(|_| {
        Fault::new(offset, format!("'{written}' is not a number: leave out the zeros at its beginning"))
    })?;
    Ok((Kind::Number(number), end + suffix))
}
