//! Components of the public world `transform`, compiled by users (`wit/transform.wit`).

use wasmtime::Store;

use super::{counted, failed, output};
use crate::bindings::transform::Transform;
use crate::bindings::transform::granary::transform::types;
use crate::frame::EventIn;
use crate::host::State;
use crate::json::check;
use crate::outcome::{Failure, TransformMessage, TransformOutcome, Transformed};

/// Runs a batch. The inner error is the component's refusal of the whole batch, or a broken promise.
pub(crate) async fn run(
    store: &mut Store<State>,
    component: &Transform,
    batch: &[EventIn<'_>],
) -> wasmtime::Result<Result<Vec<TransformOutcome>, String>> {
    let record = |event: &EventIn<'_>| types::SourceRecord {
        headers: event.headers.to_vec(),
        payload: event.payload.to_vec(),
    };
    let records: Vec<_> = batch.iter().map(record).collect();
    let answer = component.call_execute(store, &records).await?;
    Ok(answer.and_then(|outcomes| counted(outcomes, batch.len(), outcome)))
}

fn outcome(answer: types::Outcome) -> TransformOutcome {
    match answer {
        Ok(messages) if messages.is_empty() => Ok(Transformed::Skip),
        Ok(messages) => {
            messages.into_iter().map(message).collect::<Result<_, _>>().map(Transformed::Messages)
        }
        Err(failure) => Err(failed(&failure.code, failure.message, failure.retryable)),
    }
}

/// A message, if it can be used.
pub(super) fn message(answer: types::Message) -> Result<TransformMessage, Failure> {
    match answer {
        types::Message::Json(text) => checked(text).map(TransformMessage::Text),
        types::Message::Deletion(deletion) if deletion.correlation_id.is_empty() => {
            Err(output("the component returned a deletion with an empty correlation id".to_owned()))
        }
        types::Message::Deletion(types::Deletion { correlation_id, event_id }) => {
            Ok(TransformMessage::Deletion { correlation_id, event_id })
        }
    }
}

/// Passes JSON text through; an array stays one message.
fn checked(text: Vec<u8>) -> Result<Vec<u8>, Failure> {
    check(&text).map_err(|wrong| output(format!("the component returned a message that {wrong}")))?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::FailureKind;

    #[test]
    fn messages_keep_their_bytes_and_arrays_stay_whole() {
        let json = |text: &str| types::Message::Json(text.as_bytes().to_vec());
        let text = |text: &str| TransformMessage::Text(text.as_bytes().to_vec());
        assert_eq!(
            outcome(Ok(vec![json("{ \"a\":1.0 }"), json("[1, 2]")])),
            Ok(Transformed::Messages(vec![text("{ \"a\":1.0 }"), text("[1, 2]")]))
        );
        assert_eq!(outcome(Ok(vec![])), Ok(Transformed::Skip));
    }

    #[test]
    fn one_unusable_message_fails_the_record() {
        let deep = "[".repeat(200) + &"]".repeat(200);
        for bad in [b"".as_slice(), b"hello", b"\"\xff\"", deep.as_bytes()] {
            let good = types::Message::Json(b"1".to_vec());
            let failure = outcome(Ok(vec![good, types::Message::Json(bad.to_vec())])).unwrap_err();
            assert_eq!(failure.kind, FailureKind::Output);
        }
        let nobody = types::Deletion { correlation_id: String::new(), event_id: None };
        assert!(outcome(Ok(vec![types::Message::Deletion(nobody)])).is_err());
    }

    #[test]
    fn failures_keep_code_and_retry() {
        let failure = types::Failure { code: "bad-json".into(), message: "no".into(), retryable: true };
        let failure = outcome(Err(failure)).unwrap_err();
        assert_eq!((failure.type_name.as_str(), failure.message.as_str()), ("bad-json", "no"));
        assert!(failure.retryable);
    }
}
