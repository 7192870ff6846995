//! `print` and its like, and loggers.

use super::format;
use crate::host::Level;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::Run;
use crate::syntax::MethodName;
use crate::value::Value;

/// `print`, `println`, `printf`: a line of the log each.
pub(crate) fn print(machine: &mut Machine<'_>, name: &MethodName, arguments: &[Value]) -> Run {
    let text = match (&*name.text, arguments) {
        (_, []) => "".into(),
        ("printf", _) => {
            let text = format::sprintf(machine, arguments)?;
            machine.text(&text)?
        }
        (_, [value]) => machine.text(value)?,
        (_, values) => {
            let list = Value::list(values.to_vec());
            machine.text(&list)?
        }
    };
    machine.step(100)?;
    machine.host.log(Level::Info, "", &text);
    Ok(Value::Null)
}

/// `logger.name(..)`
pub(crate) fn call(
    machine: &mut Machine<'_>,
    logger: &str,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    let (level, message) = match (method, arguments) {
        (M::info | M::config, [message, ..]) => (Level::Info, message),
        (M::fine | M::finer | M::finest | M::debug | M::trace, [message, ..]) => (Level::Debug, message),
        (M::warning | M::warn, [message, ..]) => (Level::Warning, message),
        (M::severe | M::error, [message, ..]) => (Level::Error, message),
        (M::log, [level, message, ..]) => {
            let level = machine.text(level)?;
            let level = match &*level {
                "SEVERE" => Level::Error,
                "WARNING" => Level::Warning,
                "INFO" | "CONFIG" => Level::Info,
                _ => Level::Debug,
            };
            (level, message)
        }
        (M::getName, []) => return machine.new_text(logger).map(Some),
        (M::setLevel | M::addHandler | M::setUseParentHandlers, [_]) => return Ok(Some(Value::Null)),
        (M::isLoggable | M::isDebugEnabled | M::isInfoEnabled, _) => return Ok(Some(Value::Bool(true))),
        _ => return Ok(None),
    };
    let message = match message {
        // `logger.info { "costly" }`
        Value::Closure(closure) => machine.call_closure(closure, &[])?,
        other => other.clone(),
    };
    let mut text = machine.text(&message)?.to_string();
    // What follows is an exception, or what `{}` and `{0}` in the message stand for.
    let skipped = if method == M::log { 2 } else { 1 };
    let rest = arguments.iter().skip(skipped).flat_map(|argument| match argument {
        Value::List(list) => list.items.borrow().clone(),
        other => vec![other.clone()],
    });
    for (index, argument) in rest.enumerate() {
        let shown = machine.text(&argument)?;
        let numbered = format!("{{{index}}}");
        if text.contains(&numbered) {
            machine.allocate(text.matches(&numbered).count().saturating_mul(shown.len()))?;
            text = text.replace(&numbered, &shown);
        } else if text.contains("{}") {
            text = text.replacen("{}", &shown, 1);
        } else {
            text.push('\n');
            text.push_str(&shown);
        }
        machine.allocate(text.len())?;
    }
    machine.step(100)?;
    machine.host.log(level, logger, &text);
    Ok(Some(Value::Null))
}
