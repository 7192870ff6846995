//! Components of the public world `framed-belt`: batches and answers in one piece, as `wit/belt.wit` describes them.

use wasmtime::Store;

use super::belt;
use super::framed::{self, Question};
use crate::bindings::belt::granary::belt::types;
use crate::bindings::framed_belt::FramedBelt as Component;
use crate::frame::EventIn;
use crate::frame::counted::{self, Reader};
use crate::host::State;
use crate::outcome::BeltOutcome;

/// An instance, and the memory of its questions.
pub(crate) struct FramedBelt {
    component: Component,
    question: Question,
}

impl FramedBelt {
    pub(crate) fn new(component: Component) -> Self {
        Self { component, question: Question::default() }
    }

    /// Runs a batch. The inner error is the component's refusal of the whole batch, or a broken promise.
    pub(crate) async fn run(
        &mut self,
        store: &mut Store<State>,
        batch: &[EventIn<'_>],
    ) -> wasmtime::Result<Result<Vec<BeltOutcome>, String>> {
        let question = match self.question.of(batch) {
            Ok(question) => question,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let answer = self.component.call_execute_framed(&mut *store, question).await?;
        let belt_id = &store.data().belt.id;
        Ok(answer.and_then(|answer| decode(&answer, batch.len(), belt_id)))
    }
}

/// Reads so many outcomes. The error says what was not understood.
fn decode(answer: &[u8], events: usize, belt_id: &str) -> Result<Vec<BeltOutcome>, String> {
    counted::decode(answer, events, |from| outcome(from, belt_id))
}

fn outcome(from: &mut Reader<'_>, belt_id: &str) -> Result<BeltOutcome, String> {
    framed::outcome(from, |from| Ok(belt::update(update(from)?, belt_id)))
}

fn update(from: &mut Reader<'_>) -> Result<types::Update, String> {
    Ok(match from.byte(2, "update")? {
        0 => types::Update::Direct(types::DirectUpdate { output: from.text()?, value: from.bytes()? }),
        1 => types::Update::Event(types::EventUpdate {
            output: from.text()?,
            correlation_id: from.text()?,
            event_id: from.optional_text()?,
            timestamp: from.option(Reader::u64)?,
            headers: from.option(|from| from.list(8, |from| Ok((from.text()?, from.text()?))))?,
            payload: from.bytes()?,
        }),
        _ => types::Update::Profile(types::ProfileUpdate {
            id: from.text()?,
            path: from.list(4, Reader::text)?,
            operation: from.text()?,
            value: from.bytes()?,
            certainty: from.option(|from| from.fixed("f64").map(f64::from_le_bytes))?,
            inserted: from.option(Reader::u64)?,
            ttl: from.optional_text()?,
            ttn: from.optional_text()?,
            origin: from.optional_text()?,
            reader: from.optional_text()?,
            profile_type: from.optional_text()?,
            schema: from.optional_text()?,
        }),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::Update;

    fn read(answer: &[u8], events: usize) -> Result<Vec<BeltOutcome>, String> {
        decode(answer, events, "3")
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
