//! Frames of parts that stand behind their lengths: those of the public worlds `framed-belt` (`wit/belt.wit`) and
//! `framed-transform` (`wit/transform.wit`), and of the Groovy runtime (`guest-sdk/scriptable/FRAME.md`), whose questions are
//! the same. Numbers are `u32`, little-endian.

use super::EventIn;

/// Writes the list of the events.
pub(crate) fn encode(batch: &[EventIn<'_>], to: &mut Vec<u8>) -> Result<(), String> {
    let counted = |bytes: &[u8]| 4 + bytes.len();
    let size = |event: &EventIn<'_>| {
        let headers = event.headers.iter();
        let headers: usize =
            headers.map(|(name, value)| counted(name.as_bytes()) + counted(value.as_bytes())).sum();
        4 + headers + counted(event.payload)
    };
    let size = 4 + batch.iter().map(size).sum::<usize>();
    // Then each number in it fits as well.
    if u32::try_from(size).is_err() {
        return Err(format!("the batch has {size} bytes, more than fit into the memory of a component"));
    }
    to.clear();
    to.reserve(size);
    number(batch.len(), to);
    for event in batch {
        number(event.headers.len(), to);
        for (name, value) in event.headers {
            bytes(name.as_bytes(), to);
            bytes(value.as_bytes(), to);
        }
        bytes(event.payload, to);
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "no larger than the batch, whose size was looked at")]
fn number(number: usize, to: &mut Vec<u8>) {
    to.extend_from_slice(&(number as u32).to_le_bytes());
}

fn bytes(bytes: &[u8], to: &mut Vec<u8>) {
    number(bytes.len(), to);
    to.extend_from_slice(bytes);
}

/// Reads so many outcomes. The error says what was not understood.
pub(crate) fn decode<T>(
    answer: &[u8],
    events: usize,
    mut outcome: impl FnMut(&mut Reader<'_>) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let mut reader = Reader { all: answer, rest: answer };
    let count = reader.number()?;
    if count != events {
        return Err(format!("the component answered {count} outcomes for {events} events"));
    }
    let mut outcomes = Vec::with_capacity(events);
    for _ in 0..events {
        outcomes.push(outcome(&mut reader)?);
    }
    match reader.rest {
        [] => Ok(outcomes),
        more => Err(format!("the answer has {} bytes behind its last outcome", more.len())),
    }
}

/// Reads an answer.
pub(crate) struct Reader<'a> {
    all: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn wrong(&self, expected: &str) -> String {
        let at = self.all.len() - self.rest.len();
        format!("the answer has no {expected} at byte {at} of {}", self.all.len())
    }

    /// So many bytes.
    pub(crate) fn fixed<const N: usize>(&mut self, expected: &str) -> Result<[u8; N], String> {
        let (fixed, rest) = self.rest.split_first_chunk().ok_or_else(|| self.wrong(expected))?;
        self.rest = rest;
        Ok(*fixed)
    }

    /// A byte that is at most `up_to`.
    pub(crate) fn byte(&mut self, up_to: u8, expected: &str) -> Result<u8, String> {
        match self.rest {
            [byte, rest @ ..] if *byte <= up_to => {
                self.rest = rest;
                Ok(*byte)
            }
            _ => Err(self.wrong(expected)),
        }
    }

    /// A number.
    pub(crate) fn number(&mut self) -> Result<usize, String> {
        self.fixed("number").map(|number| u32::from_le_bytes(number) as usize)
    }

    fn slice(&mut self) -> Result<&'a [u8], String> {
        let before = self.rest;
        let length = self.number()?;
        let Some((slice, rest)) = self.rest.split_at_checked(length) else {
            self.rest = before;
            return Err(self.wrong(&format!("{length} bytes and their length")));
        };
        self.rest = rest;
        Ok(slice)
    }

    /// Bytes.
    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, String> {
        self.slice().map(<[u8]>::to_vec)
    }

    /// A text.
    pub(crate) fn text(&mut self) -> Result<String, String> {
        self.str().map(str::to_owned)
    }

    /// A text, where it lies.
    pub(crate) fn str(&mut self) -> Result<&'a str, String> {
        let before = self.rest;
        std::str::from_utf8(self.slice()?).map_err(|_| {
            self.rest = before;
            self.wrong("text in UTF-8")
        })
    }

    /// A list. `smallest` is what an item has at least, so that a wrong length does not reserve memory.
    pub(crate) fn list<T>(
        &mut self,
        smallest: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let before = self.rest;
        let length = self.number()?;
        if length > self.rest.len() / smallest {
            self.rest = before;
            return Err(self.wrong(&format!("list of {length} items")));
        }
        (0..length).map(|_| item(self)).collect()
    }

    /// A value that may be missing.
    pub(crate) fn option<T>(
        &mut self,
        value: impl FnOnce(&mut Self) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        match self.byte(1, "optional value")? {
            0 => Ok(None),
            _ => value(self).map(Some),
        }
    }

    /// A text that may be missing.
    pub(crate) fn optional_text(&mut self) -> Result<Option<String>, String> {
        self.option(Self::text)
    }

    /// A number of 64 bits.
    pub(crate) fn u64(&mut self) -> Result<u64, String> {
        self.fixed("u64").map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_its_events_one_behind_the_other() {
        let headers = [("a".to_owned(), "1".to_owned())];
        let events = [EventIn { headers: &headers, payload: b"{}" }, EventIn { headers: &[], payload: b"" }];
        let wanted: &[u8] = b"\x02\0\0\0\x01\0\0\0\x01\0\0\0a\x01\0\0\0\x31\x02\0\0\0{}\0\0\0\0\0\0\0\0";
        let mut to = vec![7];
        encode(&events, &mut to).unwrap();
        assert_eq!(to, wanted);
    }
}
