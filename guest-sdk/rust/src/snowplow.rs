//! The records of the collector: Thrift `CollectorPayload`s, read without copying.
//!
//! Field ids are those of the public interface file `collector-payload.thrift`. On the wire a field is a type byte, an
//! `i16` id and the value; a string is an `i32` length and its bytes; a list is an element type byte and an `i32` count;
//! a zero byte ends the struct. All numbers are big-endian.

use std::borrow::Cow;
use std::fmt;

use crate::bytes::ascii;

/// Containers inside unknown fields may nest this deep.
const DEPTH_MAX: u32 = 64;

/// One request as the collector recorded it. Absent fields are `None`; bytes that are not UTF-8 become U+FFFD.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectorPayload<'a> {
    /// The schema text of the record.
    pub schema: Option<Cow<'a, str>>,
    /// Address of the client.
    pub ip_address: Option<Cow<'a, str>>,
    /// Time of reception in milliseconds since the epoch.
    pub timestamp: Option<i64>,
    /// Encoding, `UTF-8`.
    pub encoding: Option<Cow<'a, str>>,
    /// Name and version of the collector.
    pub collector: Option<Cow<'a, str>>,
    /// The request's `User-Agent`.
    pub user_agent: Option<Cow<'a, str>>,
    /// The request's `Referer`.
    pub referer_uri: Option<Cow<'a, str>>,
    /// Path without query.
    pub path: Option<Cow<'a, str>>,
    /// The query as it was sent, without the question mark.
    pub querystring: Option<Cow<'a, str>>,
    /// Body of a POST.
    pub body: Option<Cow<'a, str>>,
    /// Items `Name: value`.
    pub headers: Option<Vec<Cow<'a, str>>>,
    /// Content type of a POST.
    pub content_type: Option<Cow<'a, str>>,
    /// Host that was asked.
    pub hostname: Option<Cow<'a, str>>,
    /// Id of the client's cookie.
    pub network_user_id: Option<Cow<'a, str>>,
}

/// The bytes are no collector payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    reason: &'static str,
    /// Position of the byte.
    at: usize,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a collector payload: {} at byte {}", self.reason, self.at)
    }
}

impl std::error::Error for Error {}

/// There is no body of that form.
#[cfg(any(feature = "belt", feature = "transform"))]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BodyError {
    code: &'static str,
    message: String,
}

#[cfg(any(feature = "belt", feature = "transform"))]
impl BodyError {
    /// `no-body` or `bad-body`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }
}

#[cfg(any(feature = "belt", feature = "transform"))]
impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

#[cfg(any(feature = "belt", feature = "transform"))]
impl std::error::Error for BodyError {}

#[cfg(any(feature = "belt", feature = "transform"))]
impl CollectorPayload<'_> {
    /// The body read as JSON. Texts without escapes can be borrowed from it.
    ///
    /// # Errors
    /// `no-body` where the request had none, `bad-body` with line and column.
    pub fn json<'b, T: serde::Deserialize<'b>>(&'b self) -> Result<T, BodyError> {
        let Some(body) = &self.body else {
            let message = "the request has no body (a GET?), expected a POST of JSON".to_owned();
            return Err(BodyError { code: "no-body", message });
        };
        crate::json::read(body.as_bytes()).map_err(|problem| BodyError {
            code: "bad-body",
            message: problem.message.replacen("the payload", "the body", 1),
        })
    }
}

impl<'a> CollectorPayload<'a> {
    /// Reads a record. Unknown fields are skipped.
    ///
    /// # Errors
    /// For anything malformed, with the position.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut from = Reader { bytes, at: 0 };
        let mut payload = Self::default();
        loop {
            let kind = from.byte()?;
            if kind == 0 {
                return Ok(payload);
            }
            let id = from.short()?;
            match (kind, id) {
                (11, _) => {
                    let text = from.string()?;
                    if let Some(field) = payload.text_field(id) {
                        *field = Some(text_of(text));
                    }
                }
                (10, 200) => payload.timestamp = Some(i64::from_be_bytes(from.array()?)),
                (15, 350) => payload.headers = from.strings()?,
                _ => from.skip(kind, DEPTH_MAX)?,
            }
        }
    }

    fn text_field(&mut self, id: i16) -> Option<&mut Option<Cow<'a, str>>> {
        Some(match id {
            100 => &mut self.ip_address,
            210 => &mut self.encoding,
            220 => &mut self.collector,
            300 => &mut self.user_agent,
            310 => &mut self.referer_uri,
            320 => &mut self.path,
            330 => &mut self.querystring,
            340 => &mut self.body,
            360 => &mut self.content_type,
            400 => &mut self.hostname,
            410 => &mut self.network_user_id,
            31337 => &mut self.schema,
            _ => return None,
        })
    }
}

/// Most texts are ASCII and almost all others are UTF-8, which takes ever longer to find out.
fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    let text = ascii(bytes).or_else(|| std::str::from_utf8(bytes).ok());
    text.map_or_else(|| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Reads wire values from the front of a record.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn error(&self, reason: &'static str) -> Error {
        Error { reason, at: self.at }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len());
        let Some(end) = end else { return Err(self.error("the record ends inside a field")) };
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        self.take(N).map(|taken| taken.try_into().expect("`take` answers as many bytes as asked for"))
    }

    fn byte(&mut self) -> Result<u8, Error> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn short(&mut self) -> Result<i16, Error> {
        self.array().map(i16::from_be_bytes)
    }

    /// A length or a count. Every item takes a byte at least, so it cannot exceed what is left.
    fn count(&mut self) -> Result<usize, Error> {
        let count = i32::from_be_bytes(self.array()?);
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.bytes.len() - self.at)
            .ok_or(Error { reason: "a length is negative or beyond the end", at: self.at - 4 })
    }

    fn string(&mut self) -> Result<&'a [u8], Error> {
        let count = self.count()?;
        self.take(count)
    }

    /// A list of strings; a list of something else is skipped.
    fn strings(&mut self) -> Result<Option<Vec<Cow<'a, str>>>, Error> {
        if self.bytes.get(self.at) != Some(&11) {
            self.skip(15, DEPTH_MAX)?;
            return Ok(None);
        }
        self.byte()?;
        let count = self.count()?;
        // No text is shorter than its length.
        let mut texts = Vec::with_capacity(count.min((self.bytes.len() - self.at) / 4));
        for _ in 0..count {
            texts.push(text_of(self.string()?));
        }
        Ok(Some(texts))
    }

    fn skip(&mut self, kind: u8, depth: u32) -> Result<(), Error> {
        let Some(depth) = depth.checked_sub(1) else { return Err(self.error("nested too deeply")) };
        match kind {
            2 | 3 => self.take(1).map(drop),
            6 => self.take(2).map(drop),
            8 => self.take(4).map(drop),
            4 | 10 => self.take(8).map(drop),
            16 => self.take(16).map(drop),
            11 => self.string().map(drop),
            12 => loop {
                let kind = self.byte()?;
                if kind == 0 {
                    return Ok(());
                }
                self.short()?;
                self.skip(kind, depth)?;
            },
            13 => {
                let (key, value) = (self.byte()?, self.byte()?);
                for _ in 0..self.count()? {
                    self.skip(key, depth)?;
                    self.skip(value, depth)?;
                }
                Ok(())
            }
            14 | 15 => {
                let item = self.byte()?;
                (0..self.count()?).try_for_each(|_| self.skip(item, depth))
            }
            _ => Err(self.error("unknown type")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: i16, text: &[u8]) -> Vec<u8> {
        let length = i32::try_from(text.len()).unwrap();
        [&[11], &id.to_be_bytes()[..], &length.to_be_bytes()[..], text].concat()
    }

    #[test]
    fn fields_are_read_and_unknown_ones_skipped() {
        let bytes = [
            text(100, b"::1"),
            vec![10, 0, 200, 0, 0, 0, 0, 0, 0, 0, 7],
            vec![15, 1, 94, 11, 0, 0, 0, 1, 0, 0, 0, 1, b'H'],
            vec![12, 0, 1, 13, 0, 2, 8, 11, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, b'x', 0],
            text(340, "{\"ü\":1}".as_bytes()),
            text(31337, b"\xff"),
            vec![0],
        ]
        .concat();
        let payload = CollectorPayload::decode(&bytes).unwrap();
        assert_eq!(payload.ip_address.as_deref(), Some("::1"));
        assert_eq!(payload.timestamp, Some(7));
        assert_eq!(payload.headers, Some(vec![Cow::Borrowed("H")]));
        assert!(matches!(payload.body, Some(Cow::Borrowed("{\"ü\":1}"))));
        assert_eq!(payload.schema.as_deref(), Some("\u{fffd}"));
        for end in 0..bytes.len() {
            assert!(CollectorPayload::decode(&bytes[..end]).is_err(), "{end}");
        }
    }

    #[cfg(any(feature = "belt", feature = "transform"))]
    #[test]
    fn bodies_are_read_as_json_or_refused_with_a_code() {
        let body = |body: Option<&'static str>| CollectorPayload {
            body: body.map(Cow::Borrowed),
            ..Default::default()
        };
        assert_eq!(body(Some("[1, 2]")).json::<Vec<u8>>(), Ok(vec![1, 2]));
        assert_eq!(body(None).json::<u8>().unwrap_err().code(), "no-body");
        let error = body(Some("[1")).json::<Vec<u8>>().unwrap_err();
        assert_eq!(error.code(), "bad-body");
        assert!(error.to_string().starts_with("could not read the body: EOF"), "{error}");
    }

    #[test]
    fn malformed_records_are_refused_with_the_position() {
        let error = CollectorPayload::decode(b"{\"a\":1}").unwrap_err();
        assert_eq!(error.to_string(), "not a collector payload: unknown type at byte 3");
        assert!(CollectorPayload::decode(&[11, 0, 100, 255, 255, 255, 255]).is_err());
        let deep: Vec<u8> = [12u8, 0, 1].repeat(100_000);
        assert!(CollectorPayload::decode(&deep).unwrap_err().to_string().contains("nested too deeply"));
    }
}
