//! Methods of patterns and matchers.

use std::rc::Rc;

use super::{closure_of, count_of, text};
use crate::class::Builtin;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::pattern::{self, Groups, Matcher, Pattern, Search};
use crate::raise::{Run, raise};
use crate::value::{Native, Value};

/// A match as Groovy's matchers give it: its text, or a list of the text and the groups where there are such.
pub(crate) fn groups(machine: &mut Machine<'_>, text: &Rc<str>, groups: &Groups) -> Run {
    if groups.len() <= 1 {
        return group(machine, text, groups, 0);
    }
    let mut items = Vec::with_capacity(groups.len());
    for index in 0..groups.len() {
        items.push(group(machine, text, groups, index)?);
    }
    machine.new_list(items)
}

fn group(machine: &mut Machine<'_>, text: &str, groups: &Groups, index: usize) -> Run {
    match groups.get(index).copied().flatten().and_then(|(from, to)| text.get(from..to)) {
        Some(found) => machine.new_text(found),
        None => Ok(Value::Null),
    }
}

/// `pattern.name(..)`
pub(crate) fn call_pattern(
    machine: &mut Machine<'_>,
    pattern: &Rc<Pattern>,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    Ok(Some(match (method, arguments) {
        (M::matcher, [value]) => {
            let text = machine.text(value)?;
            Value::native(Native::Matcher(Matcher::new(Rc::clone(pattern), text)))
        }
        (M::pattern | M::toString, []) => Value::Text(Rc::clone(&pattern.source)),
        (M::flags, []) => Value::Int(pattern.flags),
        (M::split, [value]) => {
            let this = Value::native(Native::Pattern(Rc::clone(pattern)));
            let text = machine.text(value)?;
            return text::call(machine, &text, M::split, &[this]);
        }
        (M::isCase, [value]) => {
            let text = machine.text(value)?;
            Value::Bool(pattern.whole(&text)?.is_some())
        }
        (M::asPredicate, []) => {
            let code = crate::value::Code::Method {
                receiver: Value::native(Native::Pattern(Rc::clone(pattern))),
                name: crate::syntax::MethodName::new("findIn"),
            };
            Value::Closure(crate::value::Closure::of(code, Value::Null))
        }
        (M::findIn, [value]) => {
            let text = machine.text(value)?;
            Value::Bool(pattern.find(&text, 0)?.is_some())
        }
        _ => return Ok(None),
    }))
}

fn no_match<T>() -> Run<T> {
    Err(raise(Builtin::IllegalStateException, "No match found: call find() or matches() before"))
}

/// The number of a group among the arguments: a number or a name.
fn group_index(machine: &mut Machine<'_>, matcher: &Matcher, value: &Value) -> Run<usize> {
    if let Value::Text(name) = value {
        return matcher
            .pattern
            .group_named(name)
            .ok_or_else(|| raise(Builtin::IllegalArgumentException, format!("No group with name <{name}>")));
    }
    let index = count_of(machine, value, "the number of a group")?;
    if index > matcher.pattern.group_count() {
        return Err(raise(Builtin::IndexOutOfBoundsException, format!("No group {index}")));
    }
    Ok(index)
}

/// `matcher.name(..)`
pub(crate) fn call_matcher(
    machine: &mut Machine<'_>,
    this: &Value,
    matcher: &Matcher,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    machine.step(matcher.text.len() as u64 / 8)?;
    let text = &matcher.text;
    Ok(Some(match (method, arguments) {
        (M::find, []) => Value::Bool(matcher.find()?),
        (M::find, [Value::Int(from)]) => {
            let from = usize::try_from(*from).unwrap_or(0);
            let is_within = from <= text::length(text);
            matcher.state.borrow_mut().next =
                if is_within { text::byte_at(text, from) } else { text.len() + 1 };
            Value::Bool(matcher.find()?)
        }
        (M::matches | M::lookingAt, []) => {
            let groups = if method == M::matches {
                matcher.pattern.whole(text)?
            } else {
                matcher.pattern.start(text)?
            };
            let found = groups.is_some();
            matcher.state.borrow_mut().groups = groups;
            Value::Bool(found)
        }
        (M::group, [] | [_]) => {
            let index = match arguments {
                [index] => group_index(machine, matcher, index)?,
                _ => 0,
            };
            let groups = matcher.state.borrow().groups.clone();
            match groups {
                Some(groups) => group(machine, text, &groups, index)?,
                None => return no_match(),
            }
        }
        (M::start | M::end, [] | [_]) => {
            let index = match arguments {
                [index] => group_index(machine, matcher, index)?,
                _ => 0,
            };
            let state = matcher.state.borrow();
            let Some(groups) = &state.groups else { return no_match() };
            match groups.get(index).copied().flatten() {
                Some((start, end)) => {
                    let byte = if method == M::start { start } else { end };
                    Value::count(text::position(text, byte))
                }
                None => Value::Int(-1),
            }
        }
        (M::groupCount, []) => Value::count(matcher.pattern.group_count()),
        (M::hasGroup, []) => Value::Bool(matcher.pattern.group_count() > 0),
        (M::getCount | M::size | M::count, []) => Value::count(matcher.all(machine)?.len()),
        (M::reset, [] | [_]) => {
            *matcher.state.borrow_mut() = Search::default();
            if let [value] = arguments {
                let text = machine.text(value)?;
                return Ok(Some(Value::native(Native::Matcher(Matcher::new(
                    Rc::clone(&matcher.pattern),
                    text,
                )))));
            }
            this.clone()
        }
        (M::getAt, [index]) => {
            let found = machine.items(this)?;
            let length = found.len();
            let list = Value::list(found);
            if let Value::Int(index) = index {
                let place = if *index < 0 { i64::from(*index) + length as i64 } else { i64::from(*index) };
                if usize::try_from(place).map_or(true, |place| place >= length) {
                    return Err(raise(
                        Builtin::IndexOutOfBoundsException,
                        format!(
                            "index is out of range {}..{} (index = {index})",
                            -(length as i64),
                            length as i64 - 1
                        ),
                    ));
                }
            }
            machine.get_at(&list, index)?
        }
        (M::replaceAll | M::replaceFirst, [_]) => {
            let mut with = vec![Value::native(Native::Pattern(Rc::clone(&matcher.pattern)))];
            with.extend(arguments.iter().cloned());
            return text::call(machine, text, method, &with);
        }
        (M::each, [closure]) => {
            let closure = closure_of(closure, "each")?;
            for item in machine.items(this)? {
                match &item {
                    Value::List(list) if machine.parameter_count(closure) > 1 => {
                        let items = list.items.borrow().clone();
                        machine.call_closure(closure, &items)?;
                    }
                    _ => {
                        machine.call_closure(closure, &[item])?;
                    }
                }
            }
            this.clone()
        }
        (M::pattern, []) => Value::native(Native::Pattern(Rc::clone(&matcher.pattern))),
        (M::hitEnd, []) => Value::Bool(matcher.state.borrow().next >= text.len()),
        (M::results, []) => {
            let found = machine.items(this)?;
            machine.new_list(found)?
        }
        (M::asBoolean, []) => Value::Bool(machine.truth(this)?),
        (M::toString, []) => machine.text(this).map(Value::Text)?,
        (M::appendReplacement, [builder, replacement]) => {
            let replacement = machine.text(replacement)?;
            let mut part = String::new();
            {
                let mut state = matcher.state.borrow_mut();
                let Some(groups) = state.groups.clone() else { return no_match() };
                let Some((start, end)) = groups.first().copied().flatten() else { return no_match() };
                part.push_str(text.get(state.appended..start).unwrap_or_default());
                pattern::expand(&matcher.pattern, text, &groups, &replacement, &mut part)?;
                state.appended = end;
            }
            append(machine, builder, &part)?;
            this.clone()
        }
        (M::appendTail, [builder]) => {
            let appended = matcher.state.borrow().appended;
            append(machine, builder, text.get(appended..).unwrap_or_default())?;
            builder.clone()
        }
        _ => return Ok(None),
    }))
}

fn append(machine: &mut Machine<'_>, builder: &Value, part: &str) -> Run<()> {
    machine.allocate(part.len())?;
    if let Value::Native(native) = builder {
        if let Native::StringBuilder(text, _) = &**native {
            text.borrow_mut().push_str(part);
        }
    }
    Ok(())
}
