//! Components of the public world `framed-transform`: batches and answers in one piece, as `wit/transform.wit` describes
//! them.

use wasmtime::Store;

use super::framed::{self, Question};
use super::transform;
use crate::bindings::framed_transform::FramedTransform as Component;
use crate::bindings::transform::granary::transform::types;
use crate::frame::EventIn;
use crate::frame::counted::{self, Reader};
use crate::host::State;
use crate::outcome::{TransformOutcome, Transformed};

/// An instance, and the memory of its questions.
pub(crate) struct FramedTransform {
    component: Component,
    question: Question,
}

impl FramedTransform {
    pub(crate) fn new(component: Component) -> Self {
        Self { component, question: Question::default() }
    }

    /// Runs a batch. The inner error is the component's refusal of the whole batch, or a broken promise.
    pub(crate) async fn run(
        &mut self,
        store: &mut Store<State>,
        batch: &[EventIn<'_>],
    ) -> wasmtime::Result<Result<Vec<TransformOutcome>, String>> {
        let question = match self.question.of(batch) {
            Ok(question) => question,
            Err(wrong) => return Ok(Err(wrong)),
        };
        let answer = self.component.call_transform_framed(&mut *store, question).await?;
        Ok(answer.and_then(|answer| counted::decode(&answer, batch.len(), outcome)))
    }
}

fn outcome(from: &mut Reader<'_>) -> Result<TransformOutcome, String> {
    let messages = framed::outcome(from, |from| Ok(transform::message(message(from)?)))?;
    Ok(messages.map(Transformed::of))
}

fn message(from: &mut Reader<'_>) -> Result<types::Message, String> {
    Ok(match from.byte(1, "message")? {
        0 => types::Message::Json(from.bytes()?),
        _ => types::Message::Deletion(types::Deletion {
            correlation_id: from.text()?,
            event_id: from.optional_text()?,
        }),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::{FailureKind, TransformMessage};

    fn read(answer: &[u8], records: usize) -> Result<Vec<TransformOutcome>, String> {
        counted::decode(answer, records, outcome)
    }

    const ANSWER: &[u8] = b"\x03\0\0\0\
        \0\0\0\0\0\
        \0\x03\0\0\0\0\x08\0\0\0[1, 2.0]\x01\x01\0\0\0c\0\x01\x01\0\0\0c\x01\x01\0\0\0e\
        \x01\x02\0\0\0no\x03\0\0\0why\x01";

    #[test]
    fn an_answer_is_its_outcomes_one_behind_the_other() {
        let outcomes = read(ANSWER, 3).unwrap();
        let [Ok(Transformed::Skip), Ok(Transformed::Messages(messages)), Err(failure)] = &outcomes[..] else {
            panic!("{outcomes:?}")
        };
        let deletion = |event_id: Option<&str>| TransformMessage::Deletion {
            correlation_id: "c".to_owned(),
            event_id: event_id.map(str::to_owned),
        };
        let whole = TransformMessage::Text(b"[1, 2.0]".to_vec());
        assert_eq!(messages, &[whole, deletion(None), deletion(Some("e"))]);
        let told = (failure.type_name.as_str(), failure.message.as_str(), failure.retryable);
        assert_eq!(told, ("no", "why", true));
    }

    #[test]
    fn one_unusable_message_fails_its_record_and_no_other() {
        let answer = b"\x02\0\0\0\
            \0\x02\0\0\0\0\x01\0\0\x007\0\x01\0\0\0{\
            \0\x01\0\0\0\0\x02\0\0\0{}";
        let outcomes = read(answer, 2).unwrap();
        let [Err(failure), Ok(Transformed::Messages(_))] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!(failure.kind, FailureKind::Output);
    }

    #[test]
    fn what_is_no_answer_is_refused_with_the_place() {
        for end in 0..ANSWER.len() {
            let error = read(&ANSWER[..end], 3).unwrap_err();
            assert!(error.contains(&format!("of {end}")), "{end}: {error}");
        }
        assert_eq!(
            read(b"\x01\0\0\0\0\x01\0\0\0\x02\0\0\0\0", 1).unwrap_err(),
            "the answer has no message at byte 9 of 14"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), at in 0..ANSWER.len()) {
            let _ = read(&bytes, 1);
            bytes.splice(0..0, ANSWER[..at].iter().copied());
            let _ = read(&bytes, 3);
        }
    }
}
