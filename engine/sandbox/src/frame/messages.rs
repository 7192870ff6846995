//! Answers of runtimes whose outcomes are messages, those of Groovy and of JavaScript transforms, as `guest-sdk/scriptable/FRAME.md` describes them.
//!
//! Texts are passed on byte for byte, looked at and never rebuilt. The guest is trusted no more than any other.

use super::counted::{self, Reader};
use super::split_text;
use crate::outcome::{Failure, FailureKind, TransformMessage, TransformOutcome, Transformed};

/// What a script's call stack running out is called on the Java platform.
const STACK_OVERFLOW: &str = "java.lang.StackOverflowError";

/// Reads so many outcomes. The error says what was not understood.
pub(crate) fn decode(answer: &[u8], events: usize) -> Result<Vec<TransformOutcome>, String> {
    counted::decode(answer, events, outcome)
}

fn outcome(from: &mut Reader<'_>) -> Result<TransformOutcome, String> {
    if from.byte(1, "outcome")? == 1 {
        let (class, message, trace) = (from.text()?, from.text()?, from.text()?);
        let kind = match class.as_str() {
            STACK_OVERFLOW => FailureKind::StackOverflow,
            _ => FailureKind::Exception,
        };
        let failure = Failure::new(kind, &class, message);
        return Ok(Err(Failure { traceback: trace, ..failure }.bounded()));
    }
    let (mut messages, mut failed) = (Vec::new(), None);
    from.list(1, |from| {
        // The first one that cannot be used fails the record; those behind it are read all the same.
        if let Err(failure) = message(from, &mut messages)? {
            failed.get_or_insert(failure);
        }
        Ok(())
    })?;
    Ok(match failed {
        Some(failure) => Err(failure),
        None => Ok(Transformed::of(messages)),
    })
}

/// Reads one message, which is several where its text is a JSON array.
fn message(
    from: &mut Reader<'_>,
    messages: &mut Vec<TransformMessage>,
) -> Result<Result<(), Failure>, String> {
    let kind = from.byte(2, "message")?;
    if kind == 0 {
        return Ok(split_text(from.str()?, messages));
    }
    let correlation_id = from.text()?;
    let event_id = if kind == 2 { Some(from.text()?) } else { None };
    messages.push(TransformMessage::Deletion { correlation_id, event_id });
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn deletion(correlation_id: &str, event_id: Option<&str>) -> TransformMessage {
        let event_id = event_id.map(str::to_owned);
        TransformMessage::Deletion { correlation_id: correlation_id.to_owned(), event_id }
    }

    const ANSWER: &[u8] = b"\x03\0\0\0\
        \0\0\0\0\0\
        \0\x03\0\0\0\0\x09\0\0\0[{}, 1.0]\x01\x01\0\0\0c\x02\x01\0\0\0c\x01\0\0\0e\
        \x01\x01\0\0\0E\x02\0\0\0no\x01\0\0\0t";

    #[test]
    fn outcomes_are_read_and_arrays_become_messages() {
        let outcomes = decode(ANSWER, 3).unwrap();
        let [Ok(skipped), Ok(Transformed::Messages(messages)), Err(failure)] = &outcomes[..] else {
            panic!("{outcomes:?}")
        };
        assert_eq!(*skipped, Transformed::Skip);
        let text = |text: &[u8]| TransformMessage::Text(text.to_vec());
        assert_eq!(messages, &[text(b"{}"), text(b"1.0"), deletion("c", None), deletion("c", Some("e"))]);
        let told = (failure.type_name.as_str(), failure.message.as_str(), failure.traceback.as_str());
        assert_eq!((failure.kind, told), (FailureKind::Exception, ("E", "no", "t")));
    }

    #[test]
    fn what_is_no_json_fails_its_record_alone() {
        let outcomes = decode(b"\x02\0\0\0\0\x02\0\0\0\0\x01\0\0\0{\0\x02\0\0\0{}\0\0\0\0\0", 2).unwrap();
        let [Err(failure), Ok(Transformed::Skip)] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!(failure.kind, FailureKind::Output);
        assert!(failure.message.contains("must return JSON"), "{failure}");
    }

    #[test]
    fn what_is_no_answer_is_refused_with_the_place() {
        for end in 0..ANSWER.len() {
            let error = decode(&ANSWER[..end], 3).unwrap_err();
            assert!(error.contains(&format!("of {end}")), "{end}: {error}");
        }
        assert_eq!(
            decode(b"\x01\0\0\0\0\x01\0\0\0\x03", 1).unwrap_err(),
            "the answer has no message at byte 9 of 10"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), at in 0..ANSWER.len()) {
            let _ = decode(&bytes, 1);
            bytes.splice(0..0, ANSWER[..at].iter().copied());
            let _ = decode(&bytes, 3);
        }
    }
}
