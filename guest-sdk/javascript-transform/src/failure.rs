//! Why a record has no messages: exceptions, with the lines of the script.

use rquickjs::{Ctx, Function, Value};

use crate::compile::{FILE, Source};
use crate::state::State;
use crate::text;

/// Messages and traces are cut after so many bytes.
const MESSAGE_BYTES_MAX: usize = 4_096;
const TRACE_BYTES_MAX: usize = 16_384;
/// What reading an exception may cost: its properties may be the script's own code.
const STEPS: u64 = 100_000;

/// Why a script has no answer for a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failure {
    /// The name of the error, or of the limit that was reached.
    pub class: String,
    /// Its message.
    pub message: String,
    /// 1-based line of the script, 0 where there is none.
    pub line: u32,
    /// 1-based column, 0 where there is none.
    pub column: u32,
    /// Class and message, and below them the functions that were running, innermost first, one a line.
    pub trace: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { class, message, line, column, .. } = self;
        write!(f, "{class}: {message} (line {line}, column {column})")
    }
}

impl std::error::Error for Failure {}

/// A place in the script, both counted from 1; zeros where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// The place that a line of the engine's trace names, where it lies in the script: `.. script:LINE:COLUMN`.
pub(crate) fn place_of(trace: &str) -> Option<Place> {
    trace.lines().find_map(|line| frame(line).map(|(_, place)| place))
}

/// A line of a trace, as function and place.
fn frame(line: &str) -> Option<(&str, Place)> {
    let rest = line.trim().strip_prefix("at ")?;
    let (function, place) = match rest.strip_suffix(')') {
        Some(rest) => rest.rsplit_once(" (")?,
        None => ("", rest),
    };
    let place = place.strip_prefix(FILE.to_str().ok()?)?.strip_prefix(':')?;
    let (line, column) = place.split_once(':').unwrap_or((place, "0"));
    Some((function, Place { line: line.parse().ok()?, column: column.parse().ok()? }))
}

impl Failure {
    /// What was thrown. `describe` is the library's function that reads it; `full` is that the memory is used up, when
    /// there may have been no room for an exception.
    pub(crate) fn of<'js>(
        ctx: &Ctx<'js>,
        state: &State,
        describe: &Function<'js>,
        source: &Source,
        full: bool,
    ) -> Self {
        let thrown = ctx.catch();
        let full = full && thrown.is_null();
        let exhausted = state.exhausted();
        state.allow(STEPS);
        let described: rquickjs::Result<Vec<Value<'js>>> = describe.call((thrown,));
        let described = described.unwrap_or_else(|_| {
            ctx.catch();
            Vec::new()
        });
        let mut parts = described.into_iter().map(|part| {
            let part = part.into_string().map(|part| text::of(ctx, &part));
            part.and_then(Result::ok).unwrap_or_default()
        });
        let (class, message, stack) = (parts.next(), parts.next().unwrap_or_default(), parts.next());
        let (class, message) = match class {
            _ if exhausted => (
                "StepLimitExceeded".to_owned(),
                "the script took more steps for one record than it is given; look for a loop without end, or do less \
                 per record"
                    .to_owned(),
            ),
            class if full || (class.as_deref() == Some("InternalError") && message == "out of memory") => (
                "InternalError".to_owned(),
                "out of memory: the script holds more than it is given; look for a text or list that grows without end"
                    .to_owned(),
            ),
            Some(class) if !class.is_empty() => (class, message),
            _ => ("Error".to_owned(), "what was thrown cannot be read: its own properties throw".to_owned()),
        };
        let mut failure = Self {
            class: text::cut(class, 256),
            message: text::cut(message, MESSAGE_BYTES_MAX),
            ..Self::default()
        };
        failure.trace = format!("{}: {}", failure.class, failure.message);
        let stack = stack.unwrap_or_default();
        let own = stack.lines().next().is_some_and(|first| frame(first).is_some());
        for (function, mut place) in stack.lines().filter_map(frame) {
            if place.line == 1 {
                place.column = place.column.saturating_sub(source.shift).max(1);
            }
            if failure.line == 0 {
                if own {
                    place = nearer(place, &failure.message, &source.text);
                }
                (failure.line, failure.column) = (place.line, place.column);
            }
            let Place { line, column } = place;
            let function = if matches!(function, "" | "<eval>") { "script" } else { function };
            failure.trace.push_str(&format!("\n    at {function} (script:{line}:{column})"));
        }
        failure.trace = text::cut(failure.trace, TRACE_BYTES_MAX);
        failure
    }
}

/// The engine knows the places of calls only. That of a property which was asked of nothing, or of an unknown variable, is
/// told by its name: the first one of that name after the call is what was meant, nearly always.
fn nearer(after: Place, message: &str, text: &str) -> Place {
    let property = ["cannot read property '", "cannot set property '"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.rsplit_once("' of ").map(|(name, _)| name));
    let Some(name) = property.or_else(|| message.strip_suffix(" is not defined")) else { return after };
    let lines = text.split('\n').enumerate().skip((after.line as usize).saturating_sub(1));
    for (index, line) in lines {
        let same = index + 1 == after.line as usize;
        for (at, _) in line.match_indices(name).filter(|_| !name.is_empty()) {
            let (before, behind) = (&line[..at], &line[at + name.len()..]);
            let column = before.chars().count() + 1;
            let part_of_word = |char: char| char.is_alphanumeric() || matches!(char, '_' | '$');
            let whole = !before.ends_with(part_of_word) && !behind.starts_with(part_of_word);
            let right = property.is_none() || before.ends_with(['.', '\'', '"']);
            if whole && right && !(same && column < after.column as usize) {
                let narrow = |number: usize| u32::try_from(number).unwrap_or_default();
                return Place { line: narrow(index + 1), column: narrow(column) };
            }
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_after_the_call_is_nearer() {
        let at = |line, column| Place { line, column };
        let text = "f(a.b);\nvar x = a.bc &&\n  a.b;";
        assert_eq!(nearer(at(1, 2), "cannot read property 'b' of undefined", text), at(1, 5));
        assert_eq!(nearer(at(1, 6), "cannot read property 'b' of undefined", text), at(3, 5));
        assert_eq!(nearer(at(1, 1), "x is not defined", text), at(2, 5));
        assert_eq!(nearer(at(1, 1), "y is not defined", text), at(1, 1));
        assert_eq!(nearer(at(9, 1), "not a function", text), at(9, 1));
    }

    #[test]
    fn frames_of_the_script_are_told_from_others() {
        assert_eq!(frame("    at f (script:3:7)"), Some(("f", Place { line: 3, column: 7 })));
        assert_eq!(frame("    at script:3:7"), Some(("", Place { line: 3, column: 7 })));
        assert_eq!(frame("    at parse (native)"), None);
        assert_eq!(frame("    at f (granary:3:7)"), None);
        assert_eq!(frame("at (script:1:2 (script:4:5)"), Some(("(script:1:2", Place { line: 4, column: 5 })));
        assert_eq!(place_of("    at parse (native)\n    at script:2"), Some(Place { line: 2, column: 0 }));
    }
}
