//! The frames of `execute-framed`, as `wit/belt.wit` describes them: events are read where they lie, outcomes are written
//! one behind the other.

use std::sync::Arc;

use crate::belt::{BeltError, Event, EventUpdate, ProfileUpdate, Update};
use crate::bytes::put;

/// Reads the parts of a frame. `None` where it ends too early.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
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
    pub(crate) fn pass(&mut self) -> Option<()> {
        let length = self.number()?;
        self.at = self.at.checked_add(length)?;
        Some(())
    }

    /// Bytes behind their length.
    #[inline]
    pub(crate) fn counted(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        let bytes = self.bytes.get(self.at..)?.get(..length)?;
        self.at += length;
        Some(bytes)
    }
}

/// The events of a batch, none of which is copied.
pub(crate) fn events(batch: Vec<u8>) -> Option<Vec<Event>> {
    let bytes = Arc::new(batch);
    let mut reader = Reader::new(&bytes, 0);
    let count = reader.number()?;
    // No event is shorter than its two numbers.
    let mut events = Vec::with_capacity(count.min(bytes.len() / 8));
    for _ in 0..count {
        let count = reader.number()?;
        let headers = reader.at;
        for _ in 0..count * 2 {
            reader.pass()?;
        }
        let payload = reader.counted()?.len();
        events.push(Event {
            bytes: Arc::clone(&bytes),
            headers,
            count,
            payload: reader.at - payload..reader.at,
        });
    }
    Some(events)
}

/// An event by itself.
pub(crate) fn event<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>, payload: &[u8]) -> Event {
    let (mut to, mut count) = (Writer::default(), 0);
    for (name, value) in headers {
        to.counted(name.as_bytes());
        to.counted(value.as_bytes());
        count += 1;
    }
    let begin = to.0.len();
    to.0.extend_from_slice(payload);
    Event { payload: begin..to.0.len(), bytes: Arc::new(to.0), headers: 0, count }
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

    pub(crate) fn outcome(&mut self, outcome: &Result<Vec<Update>, BeltError>) {
        match outcome {
            Ok(updates) => {
                self.0.push(0);
                self.number(updates.len());
                updates.iter().for_each(|update| self.update(update));
            }
            Err(error) => {
                self.0.push(1);
                self.counted(error.code().as_bytes());
                self.counted(error.message().as_bytes());
                self.0.push(u8::from(error.is_retryable()));
            }
        }
    }

    fn update(&mut self, update: &Update) {
        match update {
            Update::Direct(row) => {
                self.0.push(0);
                self.counted(row.output.as_bytes());
                self.counted(&row.value);
            }
            Update::Event(EventUpdate { output, correlation_id, event_id, timestamp, headers, payload }) => {
                self.0.push(1);
                self.counted(output.as_bytes());
                self.counted(correlation_id.as_bytes());
                self.text(event_id.as_ref());
                self.option(timestamp.as_ref(), |to, time| to.0.extend_from_slice(&time.to_le_bytes()));
                self.option(headers.as_ref(), |to, headers| {
                    to.number(headers.len());
                    for (name, value) in headers {
                        to.counted(name.as_bytes());
                        to.counted(value.as_bytes());
                    }
                });
                self.counted(payload);
            }
            Update::Profile(grain) => {
                self.0.push(2);
                self.grain(grain);
            }
        }
    }

    fn grain(&mut self, grain: &ProfileUpdate) {
        self.counted(grain.id.as_bytes());
        self.number(grain.path.len());
        grain.path.iter().for_each(|element| self.counted(element.as_bytes()));
        self.counted(grain.operation.as_bytes());
        self.counted(&grain.value);
        self.option(grain.certainty.as_ref(), |to, share| to.0.extend_from_slice(&share.to_le_bytes()));
        self.option(grain.inserted.as_ref(), |to, time| to.0.extend_from_slice(&time.to_le_bytes()));
        let texts =
            [&grain.ttl, &grain.ttn, &grain.origin, &grain.reader, &grain.profile_type, &grain.schema];
        texts.into_iter().for_each(|text| self.text(text.as_ref()));
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

    /// A batch of one event: header `a` = `1`, payload `{}`.
    const BATCH: &[u8] = b"\x01\0\0\0\x01\0\0\0\x01\0\0\0a\x01\0\0\0\x31\x02\0\0\0{}";

    #[test]
    fn events_are_read_where_they_lie() {
        let events = events(BATCH.to_vec()).unwrap();
        let [event] = &events[..] else { panic!("{events:?}") };
        assert_eq!(event.headers().collect::<Vec<_>>(), [("a", "1")]);
        assert_eq!(event.payload(), b"{}");
    }

    #[test]
    fn a_frame_that_is_cut_is_none() {
        for end in 0..BATCH.len() {
            assert!(events(BATCH[..end].to_vec()).is_none(), "{end}");
        }
        assert!(events(vec![0xff; 100]).is_none());
    }

    #[test]
    fn outcomes_are_written_one_behind_the_other() {
        let mut to = Writer::new(2, 0);
        to.outcome(&Ok(vec![Update::row("o", &7).unwrap(), Update::event("o", "c", &1).unwrap()]));
        to.outcome(&Err(BeltError::retry("no", "")));
        let wanted: &[u8] = b"\x02\0\0\0\
            \0\x02\0\0\0\
            \0\x01\0\0\0o\x01\0\0\x007\
            \x01\x01\0\0\0o\x01\0\0\0c\0\0\0\x01\0\0\x001\
            \x01\x02\0\0\0no\0\0\0\0\x01";
        assert_eq!(to.finish(), wanted);
    }
}
