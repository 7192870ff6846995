//! Frames of belts.

use super::{EventIn, Frame, failure, of_event, optional_headers, optional_text};
use crate::marshal::{Decoder, Encoder, Fault, FrameError, JsonError};
use crate::outcome::{Failure, FailureKind, Update};
use crate::uploaded::Answer;

/// Events in, updates out.
pub(crate) struct Belt;

impl Frame for Belt {
    type Good = Vec<Update>;

    const SESSIONS: bool = true;

    fn of_component(answer: Answer) -> Option<Vec<Update>> {
        match answer {
            Answer::Updates(updates) => Some(updates),
            Answer::Messages(_) => None,
        }
    }

    fn of_updates(updates: Vec<Update>) -> Option<Vec<Update>> {
        Some(updates)
    }

    fn encode(event: &EventIn<'_>, to: &mut Encoder) -> Result<(), Failure> {
        match to.json(event.payload) {
            Ok(()) => Ok(()),
            Err(JsonError::NotJson(_)) => {
                to.byte_string(event.payload);
                Ok(())
            }
            Err(error @ (JsonError::TooDeep | JsonError::IntegerTooLong)) => {
                let text = format!("the payload cannot be given to a belt: {error}");
                Err(Failure::new(FailureKind::Input, "PayloadError", text))
            }
        }
    }

    fn decode(from: &mut Decoder<'_>) -> Result<Result<Vec<Update>, Failure>, FrameError> {
        if !from.at_list() {
            let items = from.tuple()?;
            let tag = from.text_lossy()?;
            if tag != "e" {
                return Err(
                    from.wrong(format!("expected a list of updates or a failure, got a tuple {tag:?}"))
                );
            }
            return failure(items, from).map(Err);
        }
        let count = from.list()?;
        let mut updates = Vec::with_capacity(count);
        let mut failed = None;
        for _ in 0..count {
            if failed.is_some() {
                from.skip()?;
                continue;
            }
            match from.attempt(update) {
                Ok(update) => updates.push(update),
                Err(fault) => {
                    failed = Some(of_event(fault, "the belt returned an update that cannot be used")?);
                }
            }
        }
        Ok(failed.map_or(Ok(updates), Err))
    }
}

fn update(from: &mut Decoder<'_>) -> Result<Update, Fault> {
    let items = from.tuple()?;
    if items == 2 && from.at_dict() {
        let id = from.text_in_dict("id")?.map(str::to_owned);
        let value = json(from)?;
        let event_type = from.text()?.to_owned();
        let id = id.ok_or_else(|| Fault::value("has no id that is text"))?;
        return Ok(Update::Direct { event_type, id, value });
    }
    let tag = from.text_lossy()?;
    Ok(match (tag.as_str(), items) {
        ("d", 4) => Update::Direct {
            event_type: from.text()?.to_owned(),
            id: from.text()?.to_owned(),
            value: object(from)?,
        },
        ("u", 2) => Update::Profile(object(from)?),
        ("g", 7) => Update::Event {
            event_type: from.text()?.to_owned(),
            correlation_id: from.text()?.to_owned(),
            event_id: optional_text(from)?,
            timestamp: optional_text(from)?,
            headers: optional_headers(from)?,
            payload: json(from)?,
        },
        ("r", 4) => Update::Generic {
            id: from.text()?.to_owned(),
            value: if from.at_bytes() { from.byte_string()?.to_vec() } else { from.text()?.into() },
            headers: optional_headers(from)?,
        },
        _ => return Err(from.wrong(format!("unknown update {tag:?} of {items} items")).into()),
    })
}

fn json(from: &mut Decoder<'_>) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(128);
    from.json(&mut out)?;
    Ok(out)
}

fn object(from: &mut Decoder<'_>) -> Result<Vec<u8>, Fault> {
    if from.at_dict() { json(from) } else { Err(Fault::value("is not a dict")) }
}
