//! What becomes of the value of a script.

use crate::class::{Builtin, Class};
use crate::diagnostic::Position;
use crate::library::json::Style;
use crate::machine::Machine;
use crate::raise::{Raise, Reason, Run, raise};
use crate::value::{Native, Value};

/// What a script answers for a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing goes on.
    Skip,
    /// One message, whose payload is the text.
    Message(String),
    /// Several, in their order: messages and deletions.
    Many(Vec<Outcome>),
    /// A deletion message.
    Deletion {
        /// Whose events are deleted.
        correlation_id: String,
        /// Which one of them; all where there is none.
        event_id: Option<String>,
    },
}

/// Why a script has no answer for a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class of the exception, or of the limit that was reached, with its package.
    pub class: String,
    /// Its message.
    pub message: String,
    /// 1-based line of the script, 0 where there is none.
    pub line: u32,
    /// 1-based column, 0 where there is none.
    pub column: u32,
    /// The functions that were running, innermost first, one a line.
    pub trace: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { class, message, line, column, .. } = self;
        write!(f, "{class}: {message} (line {line}, column {column})")
    }
}

impl std::error::Error for Failure {}

impl Failure {
    pub(crate) fn of(raised: &Raise, machine: &mut Machine<'_>) -> Self {
        let (class, message, mut frames) = match &raised.reason {
            Reason::Thrown(object) => {
                let value = Value::Object(std::rc::Rc::clone(object));
                let message = object.throwable.as_ref().map(|throwable| {
                    let message = machine.message_of(&value, throwable);
                    message.and_then(
                        |message| if message.is_null() { Ok("".into()) } else { machine.text(&message) },
                    )
                });
                let message = match message {
                    Some(Ok(message)) => message.to_string(),
                    _ => String::new(),
                };
                let thrown = object.throwable.as_ref().map(|throwable| throwable.trace.borrow().clone());
                (object.class.full_name().to_owned(), message, thrown.unwrap_or_default())
            }
            Reason::Exhausted(class, message) => ((*class).to_owned(), message.clone(), Vec::new()),
        };
        // An exception that was caught and thrown again knows where it came from.
        if frames.is_empty() {
            frames.clone_from(&raised.frames);
        }
        let Position { line, column } = frames.first().map(|frame| frame.at).unwrap_or_default();
        let mut trace = format!("{class}: {message}");
        for frame in &frames {
            let Position { line, column } = frame.at;
            trace.push_str(&format!("\n\tat {}(script:{line}:{column})", frame.function));
        }
        Self { class, message, line, column, trace }
    }
}

/// The value of a script as what it means.
pub(crate) fn outcome_of(machine: &mut Machine<'_>, value: &Value) -> Run<Outcome> {
    match value {
        Value::List(_) | Value::Set(_) | Value::Range(_) => {
            let mut all = Vec::new();
            for item in machine.items(value)? {
                match one(machine, &item)? {
                    Outcome::Skip => {}
                    outcome => all.push(outcome),
                }
            }
            Ok(if all.is_empty() { Outcome::Skip } else { Outcome::Many(all) })
        }
        Value::Native(native) => match &**native {
            Native::JsonNode(list @ Value::List(_)) => outcome_of(machine, list),
            _ => one(machine, value),
        },
        other => one(machine, other),
    }
}

/// One value as one message.
fn one(machine: &mut Machine<'_>, value: &Value) -> Run<Outcome> {
    Ok(match value {
        Value::Null => Outcome::Skip,
        Value::Text(text) | Value::GString(text) => message(text)?,
        Value::Bytes(bytes) => message(&granary_scriptable::lossy(bytes))?,
        Value::Class(class) => return Err(no_message(&format!("the class {}", class.full_name()))),
        Value::Closure(_) => return Err(no_message("a closure; call it")),
        Value::Native(native) => match &**native {
            Native::Deletion { correlation_id, event_id } => {
                if correlation_id.is_null() {
                    return Err(raise(
                        Builtin::IllegalArgumentException,
                        "a DeletionEvent needs a correlation id, found null; check it before the event is made",
                    ));
                }
                let correlation_id = machine.text(correlation_id)?.to_string();
                let event_id = match event_id {
                    Value::Null => None,
                    id => Some(machine.text(id)?.to_string()),
                };
                Outcome::Deletion { correlation_id, event_id }
            }
            Native::JsonNode(node) => match node {
                Value::Null => Outcome::Skip,
                node => Outcome::Message(machine.json_of(node, Style::PLAIN)?),
            },
            Native::MissingNode => Outcome::Skip,
            Native::LazyText(_) => {
                let text = machine.text(value)?;
                message(&text)?
            }
            Native::StringBuilder(text, _) => {
                let text = text.borrow().clone();
                message(&text)?
            }
            _ => Outcome::Message(machine.json_of(value, Style::PLAIN)?),
        },
        Value::Object(object) if object.throwable.is_some() && matches!(object.class, Class::Builtin(_)) => {
            return Err(no_message("an exception; throw it"));
        }
        other => Outcome::Message(machine.json_of(other, Style::PLAIN)?),
    })
}

fn message(text: &str) -> Run<Outcome> {
    if text.is_empty() {
        return Err(raise(
            Builtin::IllegalStateException,
            "the script answered an empty text, which is no payload; return null to skip the record",
        ));
    }
    Ok(Outcome::Message(text.to_owned()))
}

fn no_message(what: &str) -> Box<Raise> {
    raise(
        Builtin::IllegalStateException,
        format!(
            "the script answered {what}; expected null, a text, a map, an object, a list or a DeletionEvent"
        ),
    )
}
