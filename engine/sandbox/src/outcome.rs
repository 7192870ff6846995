//! What came of a call: per event an outcome, or for the whole call an error that ended the instance.
//!
//! Guest error, trap, deadline and memory are told apart here and nowhere else.

use std::time::Duration;

use wasmtime::{Trap, WasmBacktrace};

use crate::frame::split_text;
use crate::host::State;
use crate::limits::{Refused, TABLE_ELEMENTS_MAX};
use crate::stack;

/// The most bytes of one answer of a guest, or of one of its calls to the host; wasmtime refuses to copy more.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How wasmtime says so; the error has a type that is not public.
const TOO_MUCH_COPIED: &str = "fuel allocated for hostcalls has been exhausted";

/// The most bytes of a message and of a traceback that are kept of a guest's error.
const MESSAGE_BYTES_MAX: usize = 16 << 10;
const TRACEBACK_BYTES_MAX: usize = 64 << 10;

/// One thing that a belt wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// `DirectUpdate`: a row for a live segment.
    Direct {
        /// Name of the target event type, as the user gave it.
        event_type: String,
        /// Routing key: the text of the row's id.
        id: String,
        /// The row, a JSON object.
        value: Vec<u8>,
    },
    /// `Update`: the serialised profile update, a JSON object (shape in the spec, belts 3.1).
    Profile(Vec<u8>),
    /// `GrnryEventUpdate`: an event for another belt.
    Event {
        /// Name of the target event type, as the user gave it.
        event_type: String,
        /// Correlation id of the new event.
        correlation_id: String,
        /// Its event id; that of the incoming event where there is none.
        event_id: Option<String>,
        /// Its timestamp as text; that of the incoming event where there is none.
        timestamp: Option<String>,
        /// Its headers; those of the incoming event where there are none.
        headers: Option<Vec<(String, String)>>,
        /// Its payload, JSON.
        payload: Vec<u8>,
    },
    /// `GenericUpdate`: a raw message.
    Generic {
        /// Key of the message.
        id: String,
        /// Payload as the user gave it: the UTF-8 of a text, or bytes.
        value: Vec<u8>,
        /// Headers, where the user gave some.
        headers: Option<Vec<(String, String)>>,
    },
}

/// One message that a transform wants written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransformMessage {
    /// JSON text of the script, byte for byte (an element of an array keeps the bytes of the element).
    Text(Vec<u8>),
    /// An object of the script, as JSON.
    Object(Vec<u8>),
    /// A deletion notice.
    Deletion {
        /// Whose events are to be deleted.
        correlation_id: String,
        /// The one event to be deleted; all of that correlation id where there is none.
        event_id: Option<String>,
    },
}

/// What a transform made of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transformed {
    /// Nothing: the record is passed over.
    Skip,
    /// At least one message.
    Messages(Vec<TransformMessage>),
}

impl Transformed {
    /// What a script that returns this text has made: JSON, and of an array each element by itself.
    ///
    /// # Errors
    /// Where the text is not JSON.
    pub fn of_text(text: &str) -> TransformOutcome {
        let mut messages = Vec::new();
        split_text(text, &mut messages)?;
        Ok(Self::of(messages))
    }

    pub(crate) fn of(messages: Vec<TransformMessage>) -> Self {
        if messages.is_empty() { Self::Skip } else { Self::Messages(messages) }
    }
}

/// What a belt made of one event.
pub type BeltOutcome = Result<Vec<Update>, Failure>;

/// What a transform made of one record.
pub type TransformOutcome = Result<Transformed, Failure>;

/// What kind of thing went wrong with one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The script raised an exception.
    Exception,
    /// The event itself cannot be given to a script.
    Input,
    /// The script answered something that cannot be used.
    Output,
    /// The script ran longer than it may.
    Deadline,
    /// The script wanted more memory than it may have.
    Memory,
    /// The script recursed too deeply.
    StackOverflow,
    /// The script's instance trapped or ended itself.
    Trap,
}

impl FailureKind {
    /// The name in metrics, logs and dead letters.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exception => "exception",
            Self::Input => "input",
            Self::Output => "output",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::StackOverflow => "stack_overflow",
            Self::Trap => "trap",
        }
    }
}

impl std::fmt::Display for FailureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why one event failed. Everything in it may be shown to the owner of the script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{type_name}: {message}")]
pub struct Failure {
    /// What kind of failure.
    pub kind: FailureKind,
    /// Type of the exception, such as `KeyError`; for failures found by the host a name of the same style.
    pub type_name: String,
    /// What went wrong, and what to do about it where that is known.
    pub message: String,
    /// Traceback with the user's lines, or the WebAssembly functions of a trap; empty where there is none.
    pub traceback: String,
    /// The script asks for this event to be given to it again (`RetryException`).
    pub retryable: bool,
}

impl Failure {
    /// A failure found by the host.
    pub(crate) fn new(kind: FailureKind, type_name: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, type_name: type_name.to_owned(), message, traceback: String::new(), retryable: false }
    }

    /// Cuts the texts that a guest made to what is worth keeping.
    pub(crate) fn bounded(mut self) -> Self {
        cut(&mut self.type_name, 256);
        cut(&mut self.message, MESSAGE_BYTES_MAX);
        cut(&mut self.traceback, TRACEBACK_BYTES_MAX);
        self
    }
}

/// Shortens a text to at most `bytes_max` bytes and a mark.
pub(crate) fn cut(text: &mut String, bytes_max: usize) {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max));
        text.push_str("...");
    }
}

/// Why a call ended without outcomes. The instance is dead afterwards. `stack` holds the guest's functions at that moment,
/// innermost first, where it is a compiled one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The time was up.
    #[error("the call took longer than its limit of {limit:?}")]
    Deadline {
        /// The limit of the call.
        limit: Duration,
        /// What it was busy with; empty for one that waited.
        stack: String,
    },
    /// Memory was refused to the guest, and it did not survive that.
    #[error("the program needs more memory than its limit of {} MiB", .limit >> 20)]
    Memory {
        /// The limit of the instance in bytes.
        limit: usize,
        /// Who asked for it.
        stack: String,
    },
    /// A table was to grow beyond the limit, and the guest did not survive the refusal.
    #[error("the program wants tables of more than {limit} elements, which is the limit")]
    Table {
        /// The most elements of all tables.
        limit: usize,
        /// Who asked for it.
        stack: String,
    },
    /// The call stack was exhausted.
    #[error("the program recursed too deeply: the call stack is exhausted")]
    StackOverflow {
        /// The innermost calls.
        stack: String,
    },
    /// The guest handed over more than the engine takes at once.
    #[error(
        "the program handed over more than {} MiB at once, in its updates or in one log line: return fewer or smaller \
         updates, write shorter lines", .limit >> 20
    )]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
        /// Who handed it over; empty for an answer.
        stack: String,
    },
    /// The guest trapped for another reason, or ended itself.
    #[error("the instance ended: {text}")]
    Trap {
        /// The reason.
        text: String,
        /// Where.
        stack: String,
    },
    /// The guest's answer, or the host's question, was not understood.
    #[error("the script runtime and the engine do not understand each other: {text}")]
    Frame {
        /// What was not understood.
        text: String,
    },
    /// The instance died in an earlier call.
    #[error("the instance has ended in an earlier call")]
    Dead,
}

impl CallError {
    /// Tells apart why wasmtime ended a call.
    pub(crate) fn of(error: &wasmtime::Error, state: &State, limit: Duration) -> Self {
        // Below a script is its interpreter, whose functions tell the author of the script nothing.
        let backtrace = error.downcast_ref::<WasmBacktrace>().filter(|_| state.compiled);
        let stack = backtrace.map(stack::shown).unwrap_or_default();
        if state.deadline.expired() {
            return Self::Deadline { limit, stack };
        }
        let trap = error.downcast_ref::<Trap>();
        if trap == Some(&Trap::StackOverflow) {
            return Self::StackOverflow { stack };
        }
        // An allocator that is refused memory either tells the guest or aborts; this is the second.
        match state.limits.refused() {
            Some(Refused::Memory) => return Self::Memory { limit: state.limits.memory_bytes_max(), stack },
            Some(Refused::Table) => return Self::Table { limit: TABLE_ELEMENTS_MAX, stack },
            None => {}
        }
        let words = state.log.last_words();
        // The JavaScript engine has limits of its own within that of its memory.
        if !state.compiled && words.contains("out of memory") {
            return Self::Memory { limit: state.limits.memory_bytes_max(), stack };
        }
        let root = error.root_cause().to_string();
        if root.contains(TOO_MUCH_COPIED) {
            return Self::TooLarge { limit: ANSWER_BYTES_MAX, stack };
        }
        let text = match error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            Some(exit) => format!("it ended its process with exit code {}", exit.0),
            // Compiled languages keep a stack of their own at the bottom of the memory: past its end is no memory.
            None if trap == Some(&Trap::MemoryOutOfBounds) => {
                "out of bounds memory access, in a compiled program most often endless recursion or an array on the \
                 stack that is larger than the stack"
                    .to_owned()
            }
            None => trap.map_or(root, ToString::to_string),
        };
        // A panic in Rust says on standard error where and why; the trap itself only says that it happened.
        let text = if words.is_empty() { text } else { format!("{} ({text})", stack::panic_words(&words)) };
        Self::Trap { text, stack }
    }

    /// The failure of the one event that was in the call.
    pub(crate) fn into_failure(self) -> Failure {
        let (kind, type_name) = match &self {
            Self::Deadline { .. } => (FailureKind::Deadline, "DeadlineExceeded"),
            Self::Memory { .. } => (FailureKind::Memory, "MemoryLimitExceeded"),
            Self::Table { .. } => (FailureKind::Memory, "TableLimitExceeded"),
            Self::StackOverflow { .. } => (FailureKind::StackOverflow, "StackOverflow"),
            Self::TooLarge { .. } => (FailureKind::Output, "OutputTooLarge"),
            Self::Trap { .. } | Self::Dead => (FailureKind::Trap, "Trap"),
            Self::Frame { .. } => (FailureKind::Output, "FrameError"),
        };
        let mut failure = Failure::new(kind, type_name, self.to_string());
        match self {
            Self::Deadline { stack, .. }
            | Self::Memory { stack, .. }
            | Self::Table { stack, .. }
            | Self::StackOverflow { stack }
            | Self::TooLarge { stack, .. }
            | Self::Trap { stack, .. } => failure.traceback = stack,
            Self::Frame { .. } | Self::Dead => {}
        }
        failure.bounded()
    }
}
