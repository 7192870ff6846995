//! A JSON scanner that writes marshal data as it reads.
//!
//! serde_json would do, but for three things: with `arbitrary_precision` its numbers arrive as maps of text, it refuses
//! lone surrogates that `json.loads` accepts, and its errors do not tell "too deep" from "not JSON".

use super::encode::Encoder;
use super::{DEPTH_MAX, INTEGER_DIGITS_MAX, plain};

/// Why a text was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// It is not JSON (RFC 8259); the offset of the byte that does not fit.
    #[error("not JSON: unexpected byte at offset {0}")]
    NotJson(usize),
    /// It is, as far as it was read, but its arrays and objects nest too deeply.
    #[error("JSON nested too deeply: at most {DEPTH_MAX} levels of arrays and objects are allowed")]
    TooDeep,
    /// It is, as far as it was read, but holds an integer that is too long.
    #[error("JSON integer too long: at most {INTEGER_DIGITS_MAX} digits are allowed")]
    IntegerTooLong,
}

/// Reads one document.
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    /// Holds a string while its escapes are resolved.
    unescaped: Vec<u8>,
}

/// A string of the document as it stands in the text, or with its escapes resolved.
enum Text {
    Plain { from: usize, to: usize, ascii: bool },
    Unescaped,
}

impl<'a> Scanner<'a> {
    /// `text` must be UTF-8.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, unescaped: Vec::new() }
    }

    /// Writes the whole document.
    pub(super) fn document(mut self, to: &mut Encoder) -> Result<(), JsonError> {
        self.space();
        self.value(to, 0)?;
        self.space();
        if self.at == self.text.len() { Ok(()) } else { self.wrong() }
    }

    fn wrong<T>(&self) -> Result<T, JsonError> {
        Err(JsonError::NotJson(self.at))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if self.text[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            self.wrong()
        }
    }

    fn value(&mut self, to: &mut Encoder, depth: usize) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => {
                let text = self.string()?;
                match text {
                    Text::Plain { from, to: end, ascii } => to.raw_text(&self.text[from..end], ascii),
                    Text::Unescaped => to.raw_text(&self.unescaped, self.unescaped.is_ascii()),
                }
                Ok(())
            }
            Some(b'{') => self.object(to, depth + 1),
            Some(b'[') => self.array(to, depth + 1),
            Some(b'-' | b'0'..=b'9') => self.number(to),
            Some(b't') => self.word(b"true").map(|()| to.bool(true)),
            Some(b'f') => self.word(b"false").map(|()| to.bool(false)),
            Some(b'n') => self.word(b"null").map(|()| to.none()),
            _ => self.wrong(),
        }
    }

    fn array(&mut self, to: &mut Encoder, depth: usize) -> Result<(), JsonError> {
        if depth > DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        self.at += 1;
        let list = to.open_list();
        let mut count = 0;
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
        } else {
            loop {
                self.value(to, depth)?;
                count += 1;
                self.space();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break self.at += 1,
                    _ => return self.wrong(),
                }
                self.space();
            }
        }
        to.close_list(list, count);
        Ok(())
    }

    fn object(&mut self, to: &mut Encoder, depth: usize) -> Result<(), JsonError> {
        if depth > DEPTH_MAX {
            return Err(JsonError::TooDeep);
        }
        self.at += 1;
        to.open_dict();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                match self.string()? {
                    Text::Plain { from, to: end, ascii } => to.raw_key(&self.text[from..end], ascii),
                    Text::Unescaped => to.raw_key(&self.unescaped, self.unescaped.is_ascii()),
                }
                self.space();
                if self.peek() != Some(b':') {
                    return self.wrong();
                }
                self.at += 1;
                self.space();
                self.value(to, depth)?;
                self.space();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break self.at += 1,
                    _ => return self.wrong(),
                }
                self.space();
            }
        }
        to.close_dict();
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let from = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == from { self.wrong() } else { Ok(()) }
    }

    fn number(&mut self, to: &mut Encoder) -> Result<(), JsonError> {
        let start = self.at;
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at += 1;
        }
        let from = self.at;
        // No leading zeros: after a zero no digit may follow, which the caller notices.
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let integer = from..self.at;
        let mut float = false;
        if self.peek() == Some(b'.') {
            float = true;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            float = true;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        if !float {
            if integer.len() > INTEGER_DIGITS_MAX {
                return Err(JsonError::IntegerTooLong);
            }
            to.decimal(negative, &self.text[integer]);
            return Ok(());
        }
        // Out of range becomes infinity or zero, as in `json.loads`.
        let value = std::str::from_utf8(&self.text[start..self.at]).ok().and_then(|t| t.parse().ok());
        match value {
            Some(value) => to.float(value),
            None => return self.wrong(),
        }
        Ok(())
    }

    /// Reads a string, from its opening to behind its closing quote.
    fn string(&mut self) -> Result<Text, JsonError> {
        if self.peek() != Some(b'"') {
            return self.wrong();
        }
        self.at += 1;
        let from = self.at;
        let (count, ascii) = plain::run(&self.text[from..]);
        self.at = from + count;
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                Ok(Text::Plain { from, to: from + count, ascii })
            }
            Some(b'\\') => self.escaped(from),
            _ => self.wrong(),
        }
    }

    /// The rest of a string that began at `from` and has its first escape here.
    fn escaped(&mut self, from: usize) -> Result<Text, JsonError> {
        self.unescaped.clear();
        self.unescaped.extend_from_slice(&self.text[from..self.at]);
        loop {
            let Some(byte) = self.peek() else { return self.wrong() };
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(Text::Unescaped);
                }
                b'\\' => {
                    self.at += 1;
                    self.escape()?;
                }
                0..0x20 => return self.wrong(),
                _ => {
                    let (run, _) = plain::run(&self.text[self.at..]);
                    self.unescaped.extend_from_slice(&self.text[self.at..self.at + run]);
                    self.at += run;
                }
            }
        }
    }

    /// One escape, from behind its backslash.
    fn escape(&mut self) -> Result<(), JsonError> {
        let Some(byte) = self.peek() else { return self.wrong() };
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                self.at += 1;
                let unit = self.hex4()?;
                let mut point = u32::from(unit);
                if (0xd800..0xdc00).contains(&unit) && self.text[self.at..].starts_with(b"\\u") {
                    let back = self.at;
                    self.at += 2;
                    let low = self.hex4()?;
                    if (0xdc00..0xe000).contains(&low) {
                        point = 0x10000 + ((point - 0xd800) << 10) + (u32::from(low) - 0xdc00);
                    } else {
                        self.at = back;
                    }
                }
                push_point(&mut self.unescaped, point);
                return Ok(());
            }
            _ => return self.wrong(),
        };
        self.at += 1;
        self.unescaped.push(plain);
        Ok(())
    }

    fn hex4(&mut self) -> Result<u16, JsonError> {
        let mut unit = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|b| char::from(b).to_digit(16)) else {
                return self.wrong();
            };
            unit = unit << 4 | digit as u16;
            self.at += 1;
        }
        Ok(unit)
    }
}

/// Appends a code point in UTF-8; a lone surrogate gets three bytes, which CPython's reader turns back into one.
fn push_point(out: &mut Vec<u8>, point: u32) {
    match char::from_u32(point) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend_from_slice(&[
            0xe0 | (point >> 12) as u8,
            0x80 | (point >> 6 & 0x3f) as u8,
            0x80 | (point & 0x3f) as u8,
        ]),
    }
}
