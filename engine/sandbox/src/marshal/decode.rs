//! Reads marshal data that a guest wrote, trusting nothing.

use std::fmt::Write as _;

use super::integer::write_decimal;
use super::{DEPTH_MAX, INTEGER_DIGITS_MAX, code, plain};

/// Nesting that is skipped over after a value was found wrong; CPython's own writer stops at 1500 or 2000 levels.
const SKIP_DEPTH_MAX: usize = 4096;

/// 4300 decimal digits are less than 14,285 bits, which are 953 digits of 15 bits.
const LONG_DIGITS_MAX: usize = 953;

/// The data is not what [`super`] describes: nothing behind this place can be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at}: {what}")]
pub struct FrameError {
    /// Offset in the data.
    pub at: usize,
    /// What is wrong there.
    pub what: String,
}

/// A well-formed value that has no form in JSON, or breaks a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("value{place} {what}")]
pub struct ValueError {
    /// Where in the value: empty for the value itself, else such as `["items"][3]`.
    pub place: String,
    /// What is wrong there, as the rest of a sentence.
    pub what: String,
}

/// Why a value was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The whole frame is lost.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// Only this value is wrong; the decoder stands behind it.
    #[error(transparent)]
    Value(#[from] ValueError),
}

/// Reads values one after the other.
#[derive(Debug)]
pub struct Decoder<'a> {
    data: &'a [u8],
    at: usize,
    /// The most JSON bytes that one value may become.
    json_bytes_max: usize,
}

impl<'a> Decoder<'a> {
    /// Reads from the start of `data`; no value may become more than `json_bytes_max` bytes of JSON.
    #[must_use]
    pub fn new(data: &'a [u8], json_bytes_max: usize) -> Self {
        Self { data, at: 0, json_bytes_max }
    }

    /// An error at the present place.
    pub fn wrong(&self, what: impl Into<String>) -> FrameError {
        FrameError { at: self.at, what: what.into() }
    }

    /// Checks that nothing is left.
    pub fn end(&self) -> Result<(), FrameError> {
        if self.at == self.data.len() { Ok(()) } else { Err(self.wrong("more data than one value")) }
    }

    /// Whether the next value is a list.
    #[must_use]
    pub fn at_list(&self) -> bool {
        self.peek() == Some(code::LIST)
    }

    /// Whether the next value is a dict.
    #[must_use]
    pub fn at_dict(&self) -> bool {
        self.peek() == Some(code::DICT)
    }

    /// Whether the next value is a `bytes`.
    #[must_use]
    pub fn at_bytes(&self) -> bool {
        self.peek() == Some(code::BYTES)
    }

    /// Whether the next value is a `str`.
    #[must_use]
    pub fn at_text(&self) -> bool {
        self.peek().is_some_and(is_text)
    }

    /// Reads `None` if it is next.
    pub fn take_none(&mut self) -> bool {
        let none = self.peek() == Some(code::NONE);
        if none {
            self.at += 1;
        }
        none
    }

    /// Reads the head of a list; its items follow.
    pub fn list(&mut self) -> Result<usize, FrameError> {
        if !self.at_list() {
            return Err(self.wrong("expected a list"));
        }
        self.sequence()
    }

    /// Reads the head of a tuple; its items follow.
    pub fn tuple(&mut self) -> Result<usize, FrameError> {
        match self.peek() {
            Some(code::TUPLE | code::SMALL_TUPLE) => self.sequence(),
            _ => Err(self.wrong("expected a tuple")),
        }
    }

    /// Reads the head of a dict; read keys and values until [`Decoder::take_dict_end`].
    pub fn dict(&mut self) -> Result<(), FrameError> {
        if !self.at_dict() {
            return Err(self.wrong("expected a dict"));
        }
        self.at += 1;
        Ok(())
    }

    /// Reads the end of a dict if it is next.
    pub fn take_dict_end(&mut self) -> bool {
        let end = self.peek() == Some(code::NULL);
        if end {
            self.at += 1;
        }
        end
    }

    /// Reads a bool.
    pub fn bool(&mut self) -> Result<bool, FrameError> {
        match self.peek() {
            Some(byte @ (code::TRUE | code::FALSE)) => {
                self.at += 1;
                Ok(byte == code::TRUE)
            }
            _ => Err(self.wrong("expected a bool")),
        }
    }

    /// Reads a `str`.
    pub fn text(&mut self) -> Result<&'a str, Fault> {
        let raw = self.raw_text()?;
        std::str::from_utf8(raw)
            .map_err(|_| value_error("holds a lone surrogate, which UTF-8 text cannot hold"))
    }

    /// Reads a `str`; what is not UTF-8 in it is replaced. For texts that are only shown.
    pub fn text_lossy(&mut self) -> Result<String, FrameError> {
        Ok(String::from_utf8_lossy(self.raw_text()?).into_owned())
    }

    /// Reads a `bytes`.
    pub fn byte_string(&mut self) -> Result<&'a [u8], FrameError> {
        if !self.at_bytes() {
            return Err(self.wrong("expected bytes"));
        }
        self.at += 1;
        let count = self.length()?;
        self.take(count)
    }

    /// Appends the next value as JSON text. After an error nothing was appended; after [`Fault::Value`] the decoder
    /// stands behind the value.
    pub fn json(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let length = out.len();
        let bytes_max = length.saturating_add(self.json_bytes_max);
        let result = self.attempt(|from| from.value(out, 0, bytes_max));
        if result.is_err() {
            out.truncate(length);
        }
        result
    }

    /// Reads one value with `read`. After [`Fault::Value`] the decoder stands behind the value, however far `read` got.
    pub fn attempt<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        let start = self.at;
        let result = read(self);
        if let Err(Fault::Value(_)) = result {
            self.at = start;
            self.skip()?;
        }
        result
    }

    /// The text that the dict which is next holds under a key; `None` where it holds no such key, or no text there. The dict
    /// stays the next value.
    pub fn text_in_dict(&self, key: &str) -> Result<Option<&'a str>, Fault> {
        let mut ahead = Self { ..*self };
        ahead.dict()?;
        while !ahead.take_dict_end() {
            let found = if ahead.at_text() {
                ahead.raw_text()? == key.as_bytes()
            } else {
                ahead.skip()?;
                false
            };
            if found {
                return if ahead.at_text() { ahead.text().map(Some) } else { Ok(None) };
            }
            ahead.skip()?;
        }
        Ok(None)
    }

    /// Passes over the next value.
    pub fn skip(&mut self) -> Result<(), FrameError> {
        // How many items remain at each open level; `None` for a dict, which has an end mark instead.
        let mut open: Vec<Option<usize>> = Vec::new();
        loop {
            match open.last_mut() {
                Some(Some(0)) => {
                    open.pop();
                    if open.is_empty() {
                        return Ok(());
                    }
                    continue;
                }
                Some(Some(left)) => *left -= 1,
                Some(None) if self.take_dict_end() => {
                    open.pop();
                    if open.is_empty() {
                        return Ok(());
                    }
                    continue;
                }
                Some(None) | None => {}
            }
            self.skip_one(&mut open)?;
            if open.is_empty() {
                return Ok(());
            }
            if open.len() > SKIP_DEPTH_MAX {
                return Err(self.wrong(format!("more than {SKIP_DEPTH_MAX} levels")));
            }
        }
    }

    /// Passes over a scalar, or opens a container.
    fn skip_one(&mut self, open: &mut Vec<Option<usize>>) -> Result<(), FrameError> {
        match self.peek() {
            Some(code::LIST | code::TUPLE | code::SMALL_TUPLE | code::SET | code::FROZENSET) => {
                open.push(Some(self.sequence()?));
            }
            Some(code::DICT) => {
                self.at += 1;
                open.push(None);
            }
            Some(code::LONG) => {
                self.at += 1;
                self.long_digits()?;
            }
            Some(code::BYTES) => {
                self.byte_string()?;
            }
            Some(byte) if is_text(byte) => {
                self.raw_text()?;
            }
            Some(byte) => {
                let size = match byte {
                    code::NONE | code::TRUE | code::FALSE | code::ELLIPSIS | code::STOP_ITERATION => 0,
                    code::INT => 4,
                    code::FLOAT => 8,
                    code::COMPLEX => 16,
                    _ => return Err(self.wrong(format!("unexpected type code {byte:#04x}"))),
                };
                self.at += 1;
                self.take(size)?;
            }
            None => return Err(self.wrong("the data ends within a value")),
        }
        Ok(())
    }

    fn value(&mut self, out: &mut Vec<u8>, depth: usize, bytes_max: usize) -> Result<(), Fault> {
        if out.len() > bytes_max {
            return Err(too_large(self.json_bytes_max));
        }
        let Some(byte) = self.peek() else {
            return Err(self.wrong("the data ends within a value").into());
        };
        match byte {
            code::NONE | code::TRUE | code::FALSE | code::INT | code::FLOAT => self.scalar(byte, out)?,
            code::LONG => self.long(out)?,
            code::LIST | code::TUPLE | code::SMALL_TUPLE => {
                if depth == DEPTH_MAX {
                    return Err(too_deep());
                }
                let count = self.sequence()?;
                out.push(b'[');
                for index in 0..count {
                    if index > 0 {
                        out.push(b',');
                    }
                    self.value(out, depth + 1, bytes_max).map_err(|e| e.within(|p| write_index(p, index)))?;
                }
                out.push(b']');
            }
            code::DICT => {
                if depth == DEPTH_MAX {
                    return Err(too_deep());
                }
                self.object(out, depth, bytes_max)?;
            }
            _ if is_text(byte) => {
                let text = self.text()?;
                write_text(text, out);
            }
            _ => return Err(self.unexpected(byte)),
        }
        if out.len() > bytes_max { Err(too_large(self.json_bytes_max)) } else { Ok(()) }
    }

    fn object(&mut self, out: &mut Vec<u8>, depth: usize, bytes_max: usize) -> Result<(), Fault> {
        self.at += 1;
        out.push(b'{');
        let mut first = true;
        while !self.take_dict_end() {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            if !self.at_text() {
                if self.peek().is_none() {
                    return Err(self.wrong("the data ends within a dict").into());
                }
                return Err(value_error("has a key that is not text; keys of a JSON object are text"));
            }
            let key = self.text()?;
            write_text(key, out);
            out.push(b':');
            self.value(out, depth + 1, bytes_max).map_err(|e| e.within(|p| write_key(p, key)))?;
        }
        out.push(b'}');
        Ok(())
    }

    fn scalar(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.at += 1;
        match byte {
            code::NONE => out.extend_from_slice(b"null"),
            code::TRUE => out.extend_from_slice(b"true"),
            code::FALSE => out.extend_from_slice(b"false"),
            code::INT => {
                let value = i32::from_le_bytes(self.array()?);
                serde_json::to_writer(out, &value).expect("writing an integer to memory cannot fail");
            }
            _ => {
                let value = f64::from_le_bytes(self.array()?);
                if !value.is_finite() {
                    let name = if value.is_nan() { "NaN" } else { "an infinity" };
                    return Err(value_error(&format!("is {name}, which JSON cannot hold")));
                }
                serde_json::to_writer(out, &value).expect("writing a finite number to memory cannot fail");
            }
        }
        Ok(())
    }

    fn long(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        self.at += 1;
        let (negative, digits) = self.long_digits()?;
        let length = out.len();
        if digits.len() / 2 <= LONG_DIGITS_MAX {
            if digits.chunks_exact(2).any(|d| d[1] > 0x7f) {
                return Err(self.wrong("a digit of an integer exceeds 15 bits").into());
            }
            if negative {
                out.push(b'-');
            }
            match small_long(digits) {
                Some(value) => {
                    serde_json::to_writer(&mut *out, &value)
                        .expect("writing an integer to memory cannot fail");
                }
                None => write_decimal(digits, out),
            }
            if out.len() - length <= INTEGER_DIGITS_MAX + usize::from(negative) {
                return Ok(());
            }
        }
        Err(value_error(&format!("is an integer of more than {INTEGER_DIGITS_MAX} digits")))
    }

    /// The digits of a `LONG`, two bytes each, and whether it is negative.
    fn long_digits(&mut self) -> Result<(bool, &'a [u8]), FrameError> {
        let count = i32::from_le_bytes(self.array()?);
        let bytes = (count.unsigned_abs() as usize).saturating_mul(2);
        Ok((count < 0, self.take(bytes)?))
    }

    /// The value is well-formed but has no form in JSON, or its type code is not known.
    fn unexpected(&self, byte: u8) -> Fault {
        let name = match byte {
            code::BYTES => "bytes; decode them to text first",
            code::SET => "a set; make it a list first",
            code::FROZENSET => "a frozenset; make it a list first",
            code::COMPLEX => "a complex number",
            code::ELLIPSIS => "an ellipsis",
            code::STOP_ITERATION => "the class StopIteration",
            _ => return self.wrong(format!("unexpected type code {byte:#04x}")).into(),
        };
        value_error(&format!("is not JSON: {name}"))
    }

    fn peek(&self) -> Option<u8> {
        self.data.get(self.at).copied()
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], FrameError> {
        let taken = self
            .data
            .get(self.at..)
            .and_then(|rest| rest.get(..count))
            .ok_or_else(|| self.wrong(format!("the data ends within an item of {count} bytes")))?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FrameError> {
        let bytes = self.take(N)?;
        Ok(bytes.try_into().expect("as many bytes were taken as the array holds"))
    }

    fn length(&mut self) -> Result<usize, FrameError> {
        let length = i32::from_le_bytes(self.array()?);
        usize::try_from(length).map_err(|_| self.wrong("a negative length"))
    }

    /// The number of items of a list, tuple or set. Never more than bytes are left, since an item takes at least one:
    /// callers may reserve memory for that many.
    fn sequence(&mut self) -> Result<usize, FrameError> {
        let count = if self.array::<1>()? == [code::SMALL_TUPLE] {
            usize::from(self.array::<1>()?[0])
        } else {
            self.length()?
        };
        if count > self.data.len() - self.at {
            return Err(self.wrong(format!("{count} items do not fit into the data that is left")));
        }
        Ok(count)
    }

    fn raw_text(&mut self) -> Result<&'a [u8], FrameError> {
        let Some(byte) = self.peek().filter(|b| is_text(*b)) else {
            return Err(self.wrong("expected text"));
        };
        self.at += 1;
        let count = match byte {
            code::SHORT_ASCII | code::SHORT_ASCII_INTERNED => usize::from(self.array::<1>()?[0]),
            _ => self.length()?,
        };
        self.take(count)
    }
}

impl Fault {
    /// A value that is well-formed, but not what was asked for; `what` is the rest of a sentence.
    pub fn value(what: &str) -> Self {
        value_error(what)
    }

    /// Puts a step in front of the place of a value error.
    fn within(mut self, step: impl FnOnce(&mut String)) -> Self {
        if let Fault::Value(error) = &mut self {
            let mut place = String::new();
            step(&mut place);
            place.push_str(&error.place);
            error.place = place;
        }
        self
    }
}

fn is_text(byte: u8) -> bool {
    matches!(
        byte,
        code::UNICODE
            | code::INTERNED
            | code::ASCII
            | code::ASCII_INTERNED
            | code::SHORT_ASCII
            | code::SHORT_ASCII_INTERNED
    )
}

fn value_error(what: &str) -> Fault {
    ValueError { place: String::new(), what: what.to_owned() }.into()
}

fn too_deep() -> Fault {
    value_error(&format!("is nested too deeply: at most {DEPTH_MAX} levels are allowed"))
}

fn too_large(bytes_max: usize) -> Fault {
    value_error(&format!("makes the value larger than {bytes_max} bytes of JSON"))
}

fn write_index(place: &mut String, index: usize) {
    write!(place, "[{index}]").expect("writing to a String cannot fail");
}

fn write_key(place: &mut String, key: &str) {
    // Keys may be as long as the user likes; the place is only shown.
    let short: String = key.chars().take(64).collect();
    write!(place, "[{short:?}]").expect("writing to a String cannot fail");
}

/// The value of up to four digits, 60 bits.
fn small_long(digits: &[u8]) -> Option<u64> {
    if digits.len() > 8 {
        return None;
    }
    let fold = |n, d: &[u8]| n << 15 | u64::from(u16::from_le_bytes([d[0], d[1]]));
    Some(digits.rchunks_exact(2).fold(0, fold))
}

/// Appends a JSON string. Only what JSON demands is escaped.
fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (run, _) = plain::run(rest);
        out.extend_from_slice(&rest[..run]);
        let Some(&byte) = rest.get(run) else { break };
        rest = &rest[run + 1..];
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let hex = b"0123456789abcdef";
                let digits = [hex[usize::from(byte >> 4)], hex[usize::from(byte & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
        }
    }
    out.push(b'"');
}
