//! The frames of the worlds whose batches go in one piece, as `wit/belt.wit` and `wit/transform.wit` describe them: what
//! comes in is read where it lies, outcomes are written one behind the other.

#[cfg(feature = "belt")]
pub(crate) mod belt;
#[cfg(feature = "transform")]
pub(crate) mod transform;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::bytes::{put, same};

/// Reads the parts of a frame. `None` where it ends too early.
#[derive(Clone, Copy)]
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    #[inline]
    fn number(&mut self) -> Option<usize> {
        let number = self.bytes.get(self.at..)?.first_chunk()?;
        self.at += 4;
        Some(u32::from_le_bytes(*number) as usize)
    }

    /// Passes over bytes and their length. Whether they are all there shows whatever is read behind them.
    #[inline]
    fn pass(&mut self) -> Option<()> {
        let length = self.number()?;
        self.at = self.at.checked_add(length)?;
        Some(())
    }

    /// Bytes behind their length.
    #[inline]
    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        let bytes = self.bytes.get(self.at..)?.get(..length)?;
        self.at += length;
        Some(bytes)
    }
}

/// One of a batch: headers and a payload. They lie in the batch, so that a clone copies nothing, and what is kept keeps its
/// batch.
#[derive(Clone)]
pub(crate) struct Item {
    bytes: Arc<Vec<u8>>,
    /// Where the first header begins.
    headers: usize,
    /// Number of headers.
    count: usize,
    payload: Range<usize>,
}

impl Item {
    /// One by itself.
    pub(crate) fn of<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>, payload: &[u8]) -> Self {
        let (mut to, mut count) = (Writer::default(), 0);
        for (name, value) in headers {
            to.counted(name.as_bytes());
            to.counted(value.as_bytes());
            count += 1;
        }
        let begin = to.0.len();
        to.0.extend_from_slice(payload);
        Self { payload: begin..to.0.len(), bytes: Arc::new(to.0), headers: 0, count }
    }

    /// Names and values of the headers, in their order.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        let mut reader = Reader::new(&self.bytes, self.headers);
        (0..self.count).map_while(move |_| Some((text(reader.counted()?), text(reader.counted()?))))
    }

    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut reader = Reader::new(&self.bytes, self.headers);
        for _ in 0..self.count {
            if same(reader.counted()?, name.as_bytes()) {
                return std::str::from_utf8(reader.counted()?).ok();
            }
            reader.pass()?;
        }
        None
    }

    pub(crate) fn payload(&self) -> &[u8] {
        &self.bytes[self.payload.clone()]
    }

    /// Shows it under the name of its kind.
    pub(crate) fn show(&self, kind: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(kind)
            .field("headers", &self.headers().collect::<Vec<_>>())
            .field("payload", &String::from_utf8_lossy(self.payload()))
            .finish()
    }
}

/// What a batch holds, none of it copied.
pub(crate) fn items(batch: Vec<u8>) -> Option<Vec<Item>> {
    let bytes = Arc::new(batch);
    let mut reader = Reader::new(&bytes, 0);
    let count = reader.number()?;
    // None is shorter than its two numbers.
    let mut items = Vec::with_capacity(count.min(bytes.len() / 8));
    for _ in 0..count {
        let count = reader.number()?;
        let headers = reader.at;
        for _ in 0..count * 2 {
            reader.pass()?;
        }
        let payload = reader.counted()?.len();
        items.push(Item {
            bytes: Arc::clone(&bytes),
            headers,
            count,
            payload: reader.at - payload..reader.at,
        });
    }
    Some(items)
}

/// Writes outcomes.
#[derive(Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    /// An answer of so many outcomes and about so many bytes.
    pub(crate) fn new(outcomes: usize, bytes: usize) -> Self {
        let mut to = Self(Vec::with_capacity(bytes));
        to.number(outcomes);
        to
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }

    fn failure(&mut self, code: &str, message: &str, retryable: bool) {
        self.0.push(1);
        self.counted(code.as_bytes());
        self.counted(message.as_bytes());
        self.0.push(u8::from(retryable));
    }

    fn text(&mut self, text: Option<&String>) {
        self.option(text, |to, text| to.counted(text.as_bytes()));
    }

    fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    #[inline]
    fn number(&mut self, number: usize) {
        let number = u32::try_from(number).expect("what is counted fits into the memory of a guest");
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn counted(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        put(&mut self.0, bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of one: header `a` = `1`, payload `{}`.
    const BATCH: &[u8] = b"\x01\0\0\0\x01\0\0\0\x01\0\0\0a\x01\0\0\0\x31\x02\0\0\0{}";

    #[test]
    fn a_batch_is_read_where_it_lies() {
        let items = items(BATCH.to_vec()).unwrap();
        let [item] = &items[..] else { panic!("{}", items.len()) };
        assert_eq!(item.headers().collect::<Vec<_>>(), [("a", "1")]);
        assert_eq!((item.header("a"), item.header("b"), item.payload()), (Some("1"), None, &b"{}"[..]));
    }

    #[test]
    fn a_frame_that_is_cut_is_none() {
        for end in 0..BATCH.len() {
            assert!(items(BATCH[..end].to_vec()).is_none(), "{end}");
        }
        assert!(items(vec![0xff; 100]).is_none());
    }
}
