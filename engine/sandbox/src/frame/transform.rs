//! Frames of transforms.

use serde_json::value::RawValue;

use super::{EventIn, Frame, JSON_BYTES_MAX, failure, of_event, optional_text};
use crate::json::{is_plain, nests_deeper_than};
use crate::marshal::{DEPTH_MAX, Decoder, Encoder, Fault, FrameError};
use crate::outcome::{Failure, FailureKind, TransformMessage, Transformed, Update};
use crate::uploaded::Answer;

/// Records in, messages out.
pub(crate) struct Transform;

impl Frame for Transform {
    type Good = Transformed;

    const SESSIONS: bool = false;

    fn of_component(answer: Answer) -> Option<Transformed> {
        match answer {
            Answer::Messages(messages) => Some(messages),
            Answer::Updates(_) => None,
        }
    }

    fn of_updates(_: Vec<Update>) -> Option<Transformed> {
        None
    }

    fn encode(event: &EventIn<'_>, to: &mut Encoder) -> Result<(), Failure> {
        to.byte_string(event.payload);
        Ok(())
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Result<Transformed, Failure>, FrameError> {
        if from.take_none() {
            return Ok(Ok(Transformed::Skip));
        }
        let count = if from.at_list() { from.list()? } else { 1 };
        let mut messages = Vec::with_capacity(count);
        let mut failed = None;
        for _ in 0..count {
            if failed.is_some() {
                from.skip()?;
                continue;
            }
            match from.attempt(|from| message(from, &mut messages)) {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => failed = Some(failure),
                Err(fault) => failed = Some(of_event(fault, "the transform returned what cannot be used")?),
            }
        }
        Ok(match failed {
            Some(failure) => Err(failure),
            None => Ok(Transformed::of(messages)),
        })
    }
}

/// Reads one message, or several where a text is a JSON array.
fn message(
    from: &mut Decoder<'_>,
    messages: &mut Vec<TransformMessage>,
) -> Result<Result<(), Failure>, Fault> {
    let items = from.tuple()?;
    let tag = from.text_lossy()?;
    Ok(match (tag.as_str(), items) {
        ("e", _) => Err(failure(items, from)?),
        ("t", 2) => split_text(from.text()?, messages),
        ("o", 2) => {
            let mut out = Vec::with_capacity(128);
            from.json(&mut out)?;
            messages.push(TransformMessage::Object(out));
            Ok(())
        }
        ("x", 3) => {
            let correlation_id = from.text()?.to_owned();
            messages.push(TransformMessage::Deletion { correlation_id, event_id: optional_text(from)? });
            Ok(())
        }
        _ => return Err(from.wrong(format!("unknown message {tag:?} of {items} items")).into()),
    })
}

/// The most messages of one record. Each takes memory of the host's, however short it is.
const MESSAGES_MAX: usize = 1 << 17;

/// Checks that a text is JSON; an array becomes one message per element that is not null, each with its own bytes.
pub(crate) fn split_text(text: &str, messages: &mut Vec<TransformMessage>) -> Result<(), Failure> {
    let space = |c: char| matches!(c, ' ' | '\n' | '\r' | '\t');
    let is_array = text.trim_start_matches(space).starts_with('[');
    if !is_array && text.len() <= JSON_BYTES_MAX && is_plain(text.as_bytes()) {
        messages.push(TransformMessage::Text(text.into()));
        return Ok(());
    }
    if nests_deeper_than(DEPTH_MAX, text) {
        let text = format!("the transform returned JSON nested deeper than {DEPTH_MAX} levels");
        return Err(Failure::new(FailureKind::Output, "OutputError", text));
    }
    if text.len() > JSON_BYTES_MAX {
        let size = text.len();
        let text = format!(
            "the transform returned a text of {size} bytes, but at most {JSON_BYTES_MAX} are taken: return less"
        );
        return Err(Failure::new(FailureKind::Output, "OutputTooLarge", text));
    }
    let checked = if is_array {
        match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(elements) if messages.len() + elements.len() > MESSAGES_MAX => {
                let text = format!("the transform returned more than {MESSAGES_MAX} messages for one record");
                return Err(Failure::new(FailureKind::Output, "OutputTooLarge", text));
            }
            Ok(elements) => {
                let element = |e: &RawValue| TransformMessage::Text(e.get().as_bytes().to_vec());
                // As of a list that the script itself returns, nothing skips.
                messages.extend(elements.into_iter().filter(|e| e.get() != "null").map(element));
                Ok(())
            }
            Err(error) => Err(error),
        }
    } else {
        serde_json::from_str::<&RawValue>(text).map(|_| messages.push(TransformMessage::Text(text.into())))
    };
    checked.map_err(|error| {
        let mut start: String = text.chars().take(80).collect();
        if start.len() < text.len() {
            start.push_str("...");
        }
        let text = format!(
            "the transform must return JSON (text, an object, a list of them, or nothing to skip the record), \
             but it returned the text {start:?}: {error}"
        );
        Failure::new(FailureKind::Output, "OutputError", text)
    })
}
