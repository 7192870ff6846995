//! Texts, numbers and words of a document, one byte after the other.

use std::rc::Rc;

use crate::class::Builtin;
use crate::raise::{Raise, Run, raise};
use crate::value::Value;

/// A place in a document.
pub(super) struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    /// A place in a document.
    pub(super) fn new(text: &'a str, at: usize) -> Self {
        Self { text, bytes: text.as_bytes(), at }
    }

    /// The next byte.
    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The exception for what is found instead.
    #[cold]
    pub(super) fn error(&self, expected: &str) -> Box<Raise> {
        let before = self.text.get(..self.at).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        let found = match self.text.get(self.at..).and_then(|rest| rest.chars().next()) {
            Some(char) => format!("`{}`", char.escape_debug()),
            None => "the end of the text".to_owned(),
        };
        raise(
            Builtin::JsonException,
            format!("the text is not JSON: {expected}, found {found} in line {line}, column {column}"),
        )
    }

    /// Passes over white space.
    pub(super) fn blank(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// A text, a number or a word.
    pub(super) fn literal(&mut self) -> Run {
        match self.peek() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => Err(self.error("expected a value")),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Run {
        if !self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            return Err(self.error(&format!("expected `{word}`")));
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Run {
        let start = self.at;
        let mut fractional = false;
        while let Some(byte) = self.peek() {
            match byte {
                b'0'..=b'9' | b'-' | b'+' => {}
                b'.' | b'e' | b'E' => fractional = true,
                _ => break,
            }
            self.at += 1;
        }
        let digits = self.text.get(start..self.at).unwrap_or_default();
        let unsigned = digits.strip_prefix('-').unwrap_or(digits);
        let leading_zero = unsigned.len() > 1
            && unsigned.starts_with('0')
            && !unsigned.starts_with("0.")
            && !unsigned.starts_with("0e")
            && !unsigned.starts_with("0E");
        let dangling = unsigned.starts_with('.') || unsigned.ends_with('.');
        let value = if leading_zero || dangling {
            None
        } else if fractional {
            crate::decimal::Decimal::parse(digits).map(Value::decimal)
        } else {
            match digits.parse::<i64>() {
                Ok(number) if !digits.starts_with('+') => Some(Value::whole(number)),
                _ if digits.len() < 20_000 => digits.parse::<num_bigint::BigInt>().ok().map(Value::whole_of),
                _ => None,
            }
        };
        value.ok_or_else(|| {
            self.at = start;
            self.error("expected a number such as 12 or 1.5")
        })
    }

    /// A text, from its first quote on.
    pub(super) fn string(&mut self) -> Run<Rc<str>> {
        self.at += 1;
        let start = self.at;
        // Most texts have no escapes and are taken as they are.
        loop {
            match self.peek() {
                Some(b'"') => {
                    let text = self.text.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok(text.into());
                }
                Some(b'\\') => break,
                Some(0..=0x1f) => {
                    return Err(self.error("expected control characters as escapes, such as `\\n`"));
                }
                Some(_) => self.at += 1,
                None => return Err(self.error("expected `\"` at the end of a text")),
            }
        }
        let mut text = self.text.get(start..self.at).unwrap_or_default().to_owned();
        loop {
            let from = self.at;
            while let Some(byte) = self.peek() {
                if byte == b'"' || byte == b'\\' || byte < 0x20 {
                    break;
                }
                self.at += 1;
            }
            text.push_str(self.text.get(from..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text.into());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut text)?;
                }
                _ => return Err(self.error("expected `\"` at the end of a text")),
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Run<()> {
        let char = match self.peek() {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'u') => {
                self.at += 1;
                let first = self.hex4()?;
                let mut code = first;
                let low_follows = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(b"\\u"));
                if (0xd800..0xdc00).contains(&first) && low_follows {
                    let before = self.at;
                    self.at += 2;
                    let second = self.hex4()?;
                    if (0xdc00..0xe000).contains(&second) {
                        code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                    } else {
                        self.at = before;
                    }
                }
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                return Ok(());
            }
            _ => return Err(self.error("expected an escape such as `\\n` or `\\u00e4`")),
        };
        self.at += 1;
        text.push(char);
        Ok(())
    }

    fn hex4(&mut self) -> Run<u32> {
        let digits = self.bytes.get(self.at..self.at + 4).and_then(|digits| {
            digits
                .iter()
                .try_fold(0, |code, digit| char::from(*digit).to_digit(16).map(|digit| code * 16 + digit))
        });
        match digits {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => Err(self.error("expected four hexadecimal digits after `\\u`")),
        }
    }
}
