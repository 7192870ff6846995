//! Components of the public world `framed-belt`: batches and answers in one piece, as `wit/belt.wit` describes them.

use wasmtime::Store;

use super::belt;
use crate::bindings::belt::granary::belt::types;
use crate::bindings::framed::FramedBelt;
use crate::frame::EventIn;
use crate::host::State;
use crate::outcome::BeltOutcome;

/// An instance, and the memory of its questions, which is used again.
pub(crate) struct Framed {
    belt: FramedBelt,
    question: Vec<u8>,
}

/// Questions that were larger than this are not kept.
const QUESTION_BYTES_KEPT: usize = 1 << 20;

impl Framed {
    pub(crate) fn new(belt: FramedBelt) -> Self {
        Self { belt, question: Vec::new() }
    }

    /// Runs a batch. The inner error is the component's refusal of the whole batch, or a broken promise.
    pub(crate) async fn run(
        &mut self,
        store: &mut Store<State>,
        batch: &[EventIn<'_>],
    ) -> wasmtime::Result<Result<Vec<BeltOutcome>, String>> {
        if let Err(wrong) = encode(batch, &mut self.question) {
            return Ok(Err(wrong));
        }
        let answer = self.belt.call_execute_framed(&mut *store, &self.question).await?;
        if self.question.capacity() > QUESTION_BYTES_KEPT {
            self.question = Vec::new();
        }
        let belt_id = &store.data().belt.id;
        Ok(answer.and_then(|answer| decode(&answer, batch.len(), belt_id)))
    }
}

/// Writes the list of the events.
fn encode(batch: &[EventIn<'_>], to: &mut Vec<u8>) -> Result<(), String> {
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
fn decode(answer: &[u8], events: usize, belt_id: &str) -> Result<Vec<BeltOutcome>, String> {
    let mut reader = Reader { all: answer, rest: answer };
    let count = reader.number()?;
    if count != events {
        return Err(format!("the component answered {count} outcomes for {events} events"));
    }
    let outcomes = (0..events).map(|_| reader.outcome(belt_id)).collect::<Result<_, _>>()?;
    match reader.rest {
        [] => Ok(outcomes),
        more => Err(format!("the answer has {} bytes behind its last outcome", more.len())),
    }
}

struct Reader<'a> {
    all: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn wrong(&self, expected: &str) -> String {
        let at = self.all.len() - self.rest.len();
        format!("the answer has no {expected} at byte {at} of {}", self.all.len())
    }

    fn fixed<const N: usize>(&mut self, expected: &str) -> Result<[u8; N], String> {
        let (fixed, rest) = self.rest.split_first_chunk().ok_or_else(|| self.wrong(expected))?;
        self.rest = rest;
        Ok(*fixed)
    }

    fn byte(&mut self, up_to: u8, expected: &str) -> Result<u8, String> {
        match self.rest {
            [byte, rest @ ..] if *byte <= up_to => {
                self.rest = rest;
                Ok(*byte)
            }
            _ => Err(self.wrong(expected)),
        }
    }

    fn number(&mut self) -> Result<usize, String> {
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

    fn bytes(&mut self) -> Result<Vec<u8>, String> {
        self.slice().map(<[u8]>::to_vec)
    }

    fn text(&mut self) -> Result<String, String> {
        let before = self.rest;
        let text = std::str::from_utf8(self.slice()?).map(str::to_owned);
        text.map_err(|_| {
            self.rest = before;
            self.wrong("text in UTF-8")
        })
    }

    /// A list. `smallest` is what an item has at least, so that a wrong length does not reserve memory.
    fn list<T>(
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

    fn option<T>(&mut self, value: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<Option<T>, String> {
        match self.byte(1, "optional value")? {
            0 => Ok(None),
            _ => value(self).map(Some),
        }
    }

    fn optional_text(&mut self) -> Result<Option<String>, String> {
        self.option(Self::text)
    }

    fn outcome(&mut self, belt_id: &str) -> Result<BeltOutcome, String> {
        if self.byte(1, "outcome")? == 1 {
            return Ok(Err(belt::failure(types::Failure {
                code: self.text()?,
                message: self.text()?,
                retryable: self.byte(1, "bool")? == 1,
            })));
        }
        // What cannot be used fails the event; the updates behind it are read all the same, and not kept.
        let mut outcome = Ok(Vec::new());
        self.list(1, |from| {
            let update = from.update()?;
            if let Ok(kept) = &mut outcome {
                match belt::update(update, belt_id) {
                    Ok(update) => kept.push(update),
                    Err(why) => outcome = Err(why),
                }
            }
            Ok(())
        })?;
        Ok(outcome)
    }

    fn update(&mut self) -> Result<types::Update, String> {
        Ok(match self.byte(2, "update")? {
            0 => types::Update::Direct(types::DirectUpdate { output: self.text()?, value: self.bytes()? }),
            1 => types::Update::Event(types::EventUpdate {
                output: self.text()?,
                correlation_id: self.text()?,
                event_id: self.optional_text()?,
                timestamp: self.option(Self::u64)?,
                headers: self.option(|from| from.list(8, |from| Ok((from.text()?, from.text()?))))?,
                payload: self.bytes()?,
            }),
            _ => types::Update::Profile(types::ProfileUpdate {
                id: self.text()?,
                path: self.list(4, Self::text)?,
                operation: self.text()?,
                value: self.bytes()?,
                certainty: self.option(|from| from.fixed("f64").map(f64::from_le_bytes))?,
                inserted: self.option(Self::u64)?,
                ttl: self.optional_text()?,
                ttn: self.optional_text()?,
                origin: self.optional_text()?,
                reader: self.optional_text()?,
                profile_type: self.optional_text()?,
                schema: self.optional_text()?,
            }),
        })
    }

    fn u64(&mut self) -> Result<u64, String> {
        self.fixed("u64").map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::Update;

    fn read(answer: &[u8], events: usize) -> Result<Vec<BeltOutcome>, String> {
        decode(answer, events, "3")
    }

    #[test]
    fn a_batch_is_its_events_one_behind_the_other() {
        let headers = [("a".to_owned(), "1".to_owned())];
        let events = [EventIn { headers: &headers, payload: b"{}" }, EventIn { headers: &[], payload: b"" }];
        let wanted: &[u8] = b"\x02\0\0\0\x01\0\0\0\x01\0\0\0a\x01\0\0\0\x31\x02\0\0\0{}\0\0\0\0\0\0\0\0";
        let mut to = vec![7];
        encode(&events, &mut to).unwrap();
        assert_eq!(to, wanted);
    }

    const ANSWER: &[u8] = b"\x02\0\0\0\
        \0\x03\0\0\0\
        \0\x01\0\0\0o\x08\0\0\0{\"id\":7}\
        \x01\x01\0\0\0o\x01\0\0\0c\0\x01\x05\0\0\0\0\0\0\0\x01\x01\0\0\0\x01\0\0\0h\0\0\0\0\x02\0\0\0{}\
        \x02\x01\0\0\0p\x01\0\0\0\x01\0\0\0g\x04\0\0\0_set\x01\0\0\x002\
        \x01\0\0\0\0\0\0\xe0\x3f\0\x01\x01\0\0\0t\0\0\0\0\0\
        \x01\x02\0\0\0no\0\0\0\0\x01";

    #[test]
    fn an_answer_is_its_outcomes_one_behind_the_other() {
        let outcomes = read(ANSWER, 2).unwrap();
        let [Ok(updates), Err(failure)] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!((failure.type_name.as_str(), failure.retryable), ("no", true));
        let [
            Update::Direct { event_type, id, value },
            Update::Event { event_id, timestamp, headers, .. },
            grain,
        ] = &updates[..]
        else {
            panic!("{updates:?}")
        };
        assert_eq!((event_type.as_str(), id.as_str(), value.as_slice()), ("o", "7", &b"{\"id\":7}"[..]));
        assert_eq!((event_id, timestamp.as_deref()), (&None, Some("5")));
        assert_eq!(headers, &Some(vec![("h".to_owned(), String::new())]));
        let Update::Profile(grain) = grain else { panic!("{grain:?}") };
        let grain: serde_json::Value = serde_json::from_slice(grain).unwrap();
        assert_eq!((&grain["_value"]["_c"], &grain["_value"]["_ttl"]), (&0.5.into(), &"t".into()));
        assert_eq!((&grain["_path"][0], &grain["_value"]["_origin"]), (&"g".into(), &"/belts/3".into()));
    }

    #[test]
    fn one_unusable_update_fails_its_event_and_no_other() {
        let answer = b"\x02\0\0\0\
            \0\x02\0\0\0\0\x01\0\0\0o\x02\0\0\0{}\0\x01\0\0\0o\x01\0\0\0{\
            \0\0\0\0\0";
        let outcomes = read(answer, 2).unwrap();
        let [Err(failure), Ok(none)] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert!(failure.message.contains("needs to contain an id") && none.is_empty(), "{failure}");
    }

    #[test]
    fn what_is_no_answer_is_refused_with_the_place() {
        for end in 0..ANSWER.len() {
            let error = read(&ANSWER[..end], 2).unwrap_err();
            assert!(error.contains(&format!("of {end}")), "{end}: {error}");
        }
        let longer = [ANSWER, b"\0"].concat();
        assert_eq!(read(&longer, 2).unwrap_err(), "the answer has 1 bytes behind its last outcome");
        assert_eq!(read(ANSWER, 3).unwrap_err(), "the component answered 2 outcomes for 3 events");
        let huge = b"\x01\0\0\0\0\xff\xff\xff\xff";
        assert_eq!(read(huge, 1).unwrap_err(), "the answer has no list of 4294967295 items at byte 5 of 9");
        assert_eq!(read(b"\x01\0\0\0\x02", 1).unwrap_err(), "the answer has no outcome at byte 4 of 5");
        assert_eq!(
            read(b"\x01\0\0\0\x01\x01\0\0\0\xff", 1).unwrap_err(),
            "the answer has no text in UTF-8 at byte 5 of 10"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), at in 0..ANSWER.len()) {
            let _ = read(&bytes, 1);
            bytes.splice(0..0, ANSWER[..at].iter().copied());
            let _ = read(&bytes, 2);
        }
    }
}
