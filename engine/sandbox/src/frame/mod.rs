//! The batch frames between the host and the script runtimes: what is asked, and what came back.
//!
//! That of JavaScript is in [`json`], those of Groovy and of compiled belts in [`counted`]. For Python, the shapes are
//! written down beside the runtime, in `guest-sdk/python-runtime/FRAME.md`; [`crate::marshal`] is the alphabet. One event that cannot be sent, or one answer that cannot be used, is a failure of that event alone.

mod belt;
pub(crate) mod counted;
pub(crate) mod json;
pub(crate) mod messages;
#[cfg(test)]
mod tests;
mod transform;

use crate::marshal::{Decoder, Encoder, Fault, FrameError};
use crate::outcome::{Failure, FailureKind, Update};
use crate::session;
use crate::uploaded::Answer;

pub(crate) use belt::Belt;
pub(crate) use transform::{Transform, split_text};

/// One value of an answer may become at most this many bytes of JSON. Far above what one record of the log may hold:
/// the bound keeps memory in check, the stage tells the user about record sizes.
const JSON_BYTES_MAX: usize = 16 << 20;

/// A payload or the headers of one event above this are not sent: lengths in the frame are 31 bits, and a guest has
/// 4 GiB at most.
const EVENT_BYTES_MAX: usize = 64 << 20;

/// One event or record as a script sees it.
#[derive(Debug, Clone, Copy)]
pub struct EventIn<'a> {
    /// Headers in order; of several with one name the script sees the last. With [`session::COUNT`] among them, the message is
    /// a session, of which a script sees lists.
    pub headers: &'a [(String, String)],
    /// The payload.
    pub payload: &'a [u8],
}

/// One kind of frame: how its events are asked and how its outcomes are read.
pub(crate) trait Frame {
    /// What a successful event yields.
    type Good: Send;

    /// Whether a message may be a session ([`session`]).
    const SESSIONS: bool;

    /// What an uploaded component yields as what this kind of frame yields; `None` where they do not go together.
    fn of_component(answer: Answer) -> Option<Self::Good>;

    /// What a successful event of a JavaScript belt yields as what this kind of frame yields; `None` where they do not go
    /// together.
    fn of_updates(updates: Vec<Update>) -> Option<Self::Good>;

    /// Writes one event, all or nothing.
    fn encode(event: &EventIn<'_>, to: &mut Encoder) -> Result<(), Failure>;

    /// Reads the outcome of one event.
    fn decode(from: &mut Decoder<'_>) -> Result<Result<Self::Good, Failure>, FrameError>;
}

/// Writes a frame. Answers which events are not in it, and why: one entry per event, in order.
pub(crate) fn encode<F: Frame>(events: &[EventIn<'_>], to: &mut Encoder) -> Vec<Option<Failure>> {
    to.clear();
    let start = to.mark();
    to.list(events.len());
    let unsent: Vec<_> = events.iter().map(|event| encode_event::<F>(event, to).err()).collect();
    let sent = unsent.iter().filter(|f| f.is_none()).count();
    if sent < events.len() {
        // The count stands in front of the events: write them again under the right one.
        to.rewind(start);
        to.list(sent);
        for (event, _) in events.iter().zip(&unsent).filter(|(_, failure)| failure.is_none()) {
            encode_event::<F>(event, to).expect("the event could be written a moment ago");
        }
    }
    unsent
}

fn encode_event<F: Frame>(event: &EventIn<'_>, to: &mut Encoder) -> Result<(), Failure> {
    if let Some(count) = session_count(event)?.filter(|_| F::SESSIONS) {
        return encode_session(count, event, to);
    }
    let start = to.mark();
    to.tuple(2);
    to.open_dict();
    for (name, value) in event.headers {
        to.key(name);
        to.text(value);
    }
    to.close_dict();
    let written = F::encode(event, to);
    if written.is_err() {
        to.rewind(start);
    }
    written
}

/// Writes a session as a list of headers and a list of payloads that are texts, all or nothing.
fn encode_session(count: &str, message: &EventIn<'_>, to: &mut Encoder) -> Result<(), Failure> {
    let events = session_events(count, message.payload)?;
    let of_the_call = session::of_the_call(message.headers);
    to.tuple(2);
    to.list(events.len());
    for event in &events {
        to.open_dict();
        let own = event.headers.iter().map(|(name, value)| (&**name, &**value));
        for (name, value) in own.chain(of_the_call.clone()) {
            to.key(name);
            to.text(value);
        }
        to.close_dict();
    }
    to.list(events.len());
    for event in &events {
        to.text(&event.payload);
    }
    Ok(())
}

/// How many events the headers say that it is a session of, where it is one; or that it is too large for a script.
fn session_count<'a>(event: &EventIn<'a>) -> Result<Option<&'a str>, Failure> {
    let (mut header_bytes, mut session) = (0, None);
    for (name, value) in event.headers {
        header_bytes += name.len() + value.len();
        if name == session::COUNT {
            session = Some(value.as_str());
        }
    }
    if event.payload.len() > EVENT_BYTES_MAX || header_bytes > EVENT_BYTES_MAX {
        let text =
            format!("the event is larger than {EVENT_BYTES_MAX} bytes and cannot be given to a script");
        return Err(Failure::new(FailureKind::Input, "EventTooLarge", text));
    }
    Ok(session)
}

/// The events of a session, or why it cannot be given to a script.
fn session_events<'a>(count: &str, payload: &'a [u8]) -> Result<Vec<session::Event<'a>>, Failure> {
    session::read(count, payload).map_err(|why| {
        let text = format!("the message says that it is a session, but {why}");
        Failure::new(FailureKind::Input, "SessionError", text)
    })
}

/// Reads an answer: one outcome per event of the frame that was sent, `unsent` put in between.
pub(crate) fn decode<F: Frame>(
    answer: &[u8],
    unsent: Vec<Option<Failure>>,
) -> Result<Vec<Result<F::Good, Failure>>, FrameError> {
    let mut from = Decoder::new(answer, JSON_BYTES_MAX);
    let sent = unsent.iter().filter(|f| f.is_none()).count();
    let count = from.list()?;
    if count != sent {
        return Err(from.wrong(format!("{count} outcomes for {sent} events")));
    }
    let mut outcomes = Vec::with_capacity(unsent.len());
    for failure in unsent {
        outcomes.push(match failure {
            Some(failure) => Err(failure),
            None => F::decode(&mut from)?,
        });
    }
    from.end()?;
    Ok(outcomes)
}

/// Reads bytes in every way in which an answer is read. For fuzzing; must return for any input.
pub(crate) fn decode_hostile(data: &[u8]) {
    let mut from = Decoder::new(data, JSON_BYTES_MAX);
    let count = from.list().unwrap_or(0);
    let _ = decode::<Belt>(data, vec![None; count]);
    let _ = decode::<Transform>(data, vec![None; count]);
    let _ = Decoder::new(data, JSON_BYTES_MAX).json(&mut Vec::new());
    let _ = Decoder::new(data, JSON_BYTES_MAX).skip();
    for events in 0..3 {
        let _ = json::decode(data, vec![None; events]);
        let _ = messages::decode(data, events);
    }
    // A session may be the work of a belt.
    let _ = session::read("1", data);
}

/// Reads an item of the form `("e", type, message, traceback, retryable)` behind its tag.
fn failure(items: usize, from: &mut Decoder<'_>) -> Result<Failure, FrameError> {
    if items != 5 {
        return Err(from.wrong(format!("expected a failure of 5 items, got {items}")));
    }
    let (type_name, message, traceback) = (from.text_lossy()?, from.text_lossy()?, from.text_lossy()?);
    let retryable = from.bool()?;
    // In a 32-bit address space, sizes of 2 GiB and more do not even reach the allocator.
    let no_memory = type_name == "MemoryError"
        || (type_name == "OverflowError" && message.contains("index-sized integer"));
    let kind = if no_memory { FailureKind::Memory } else { FailureKind::Exception };
    Ok(Failure { kind, type_name, message, traceback, retryable }.bounded())
}

/// Sorts a fault: the frame's is passed up, the value's becomes the failure of the event.
fn of_event(fault: Fault, what: &str) -> Result<Failure, FrameError> {
    match fault {
        Fault::Frame(error) => Err(error),
        Fault::Value(error) => {
            Ok(Failure::new(FailureKind::Output, "ValueError", format!("{what}: {error}")).bounded())
        }
    }
}

/// Reads an optional text, `None` or `str`.
fn optional_text(from: &mut Decoder<'_>) -> Result<Option<String>, Fault> {
    if from.take_none() { Ok(None) } else { Ok(Some(from.text()?.to_owned())) }
}

/// Reads optional headers, `None` or a dict of `str` to `str`.
fn optional_headers(from: &mut Decoder<'_>) -> Result<Option<Vec<(String, String)>>, Fault> {
    if from.take_none() {
        return Ok(None);
    }
    from.dict()?;
    let mut headers = Vec::new();
    while !from.take_dict_end() {
        headers.push((from.text()?.to_owned(), from.text()?.to_owned()));
    }
    Ok(Some(headers))
}
