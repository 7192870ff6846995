//! Methods of texts. Positions count UTF-16 units, as in Java.

use std::collections::HashMap;
use std::rc::Rc;

use super::{closure_of, codec, count_of, format, iterable, whole_of};
use crate::class::Builtin;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::pattern::{self, Pattern};
use crate::raise::{Raise, Run, raise};
use crate::value::{Closure, Native, Value};

/// How many UTF-16 units a text has.
pub(crate) fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// The character at a position.
pub(crate) fn char_at(text: &str, index: usize) -> Option<char> {
    if text.is_ascii() {
        return text.as_bytes().get(index).map(|byte| char::from(*byte));
    }
    let mut at = 0;
    text.chars().find(|char| {
        let from = at;
        at += char.len_utf16();
        (from..at).contains(&index)
    })
}

/// The byte at which a position lies.
pub(crate) fn byte_at(text: &str, index: usize) -> usize {
    if text.is_ascii() {
        return index.min(text.len());
    }
    let mut at = 0;
    for (byte, char) in text.char_indices() {
        if at >= index {
            return byte;
        }
        at += char.len_utf16();
    }
    text.len()
}

/// The position of a byte.
pub(crate) fn position(text: &str, byte: usize) -> usize {
    text.get(..byte).map_or(byte, length)
}

/// The text between two positions.
pub(crate) fn slice(text: &str, from: usize, to: usize) -> String {
    let (from, to) = (byte_at(text, from), byte_at(text, to));
    text.get(from..to.max(from)).unwrap_or_default().to_owned()
}

/// `new String(..)`
pub(crate) fn create(machine: &mut Machine<'_>, arguments: &[Value]) -> Run<Option<Value>> {
    Ok(Some(match arguments {
        [] => machine.new_text("")?,
        [Value::Bytes(bytes)] => {
            machine.allocate(bytes.len())?;
            Value::text(granary_scriptable::lossy(bytes))
        }
        [Value::Bytes(bytes), charset] => {
            let charset = machine.text(charset)?;
            machine.allocate(bytes.len())?;
            Value::text(codec::decoded(bytes, &charset)?)
        }
        [Value::List(chars)] => {
            let chars = Value::List(Rc::clone(chars));
            let joined = iterable::joined(machine, &chars, "")?;
            machine.new_text(joined)?
        }
        // The payload is text already where the source reads lines; the name of the encoding changes nothing.
        [value] | [value, _] => {
            let text = machine.text(value)?;
            Value::Text(text)
        }
        _ => return Ok(None),
    }))
}

fn out_of_range(from: i64, to: i64, length: usize) -> Box<Raise> {
    raise(Builtin::StringIndexOutOfBoundsException, format!("begin {from}, end {to}, length {length}"))
}

fn substring(machine: &mut Machine<'_>, text: &str, from: i64, to: Option<i64>) -> Run {
    let length = length(text);
    let to = to.unwrap_or(length as i64);
    match (usize::try_from(from), usize::try_from(to)) {
        (Ok(start), Ok(end)) if start <= end && end <= length => machine.new_text(slice(text, start, end)),
        _ => Err(out_of_range(from, to, length)),
    }
}

/// A pattern, from one or from a text.
fn pattern_of(machine: &mut Machine<'_>, value: &Value) -> Run<Rc<Pattern>> {
    if let Value::Native(native) = value {
        if let Native::Pattern(pattern) = &**native {
            return Ok(Rc::clone(pattern));
        }
    }
    let source = machine.text(value)?;
    machine.pattern(&source, 0)
}

/// Whether a regular expression is only the characters it consists of.
fn plain_split(source: &str) -> Option<&str> {
    match source.as_bytes() {
        [only] if !b".$|()[{^?*+\\".contains(only) => Some(source),
        [b'\\', only] if !only.is_ascii_alphanumeric() => source.get(1..),
        _ => None,
    }
}

/// Java's `split`: empty parts at the end are dropped unless a limit says otherwise.
fn split(machine: &mut Machine<'_>, text: &str, by: &Value, limit: i64) -> Run {
    let mut parts: Vec<&str> = Vec::new();
    let plain = match by {
        Value::Text(source) => plain_split(source),
        _ => None,
    };
    machine.step(text.len() as u64 / 8)?;
    let limit_reached = |parts: &Vec<&str>| limit > 0 && parts.len() as i64 == limit - 1;
    let mut from = 0;
    if let Some(separator) = plain {
        for (at, found) in text.match_indices(separator) {
            if limit_reached(&parts) {
                break;
            }
            machine.allocate_items(1)?;
            parts.push(text.get(from..at).unwrap_or_default());
            from = at + found.len();
        }
    } else {
        let pattern = pattern_of(machine, by)?;
        let mut search = 0;
        while !limit_reached(&parts) {
            let Some(groups) = pattern.find(text, search)? else { break };
            let Some((start, end)) = groups.first().copied().flatten() else { break };
            search = pattern::after(text, (start, end));
            machine.allocate_items(1)?;
            // An empty match at the beginning, or at the end, splits nothing.
            if end == 0 || (start == end && start == text.len()) {
                if search > text.len() {
                    break;
                }
                continue;
            }
            parts.push(text.get(from..start).unwrap_or_default());
            from = end;
        }
    }
    parts.push(text.get(from..).unwrap_or_default());
    if limit == 0 {
        while parts.len() > 1 && parts.last().is_some_and(|last| last.is_empty()) {
            parts.pop();
        }
        if let ([only], true) = (&parts[..], from > 0) {
            if only.is_empty() {
                parts.clear();
            }
        }
    }
    array_of(machine, &parts)
}

fn array_of(machine: &mut Machine<'_>, parts: &[&str]) -> Run {
    machine.allocate_items(parts.len())?;
    let mut items = Vec::with_capacity(parts.len());
    for part in parts {
        items.push(machine.new_text(part)?);
    }
    Ok(Value::array(items))
}

/// Replaces a text wherever it is found.
fn replaced_by(machine: &mut Machine<'_>, text: &str, from: &str, to: &str) -> Run<String> {
    let times = if from.is_empty() { text.len() + 1 } else { text.matches(from).count() };
    machine.allocate(to.len().saturating_mul(times).saturating_add(text.len()))?;
    Ok(text.replace(from, to))
}

/// Replaces matches by what a closure answers for their groups, or by a text with references.
fn replace(machine: &mut Machine<'_>, text: &Rc<str>, by: &Value, with: &Value, all: bool) -> Run {
    let pattern = pattern_of(machine, by)?;
    machine.step(text.len() as u64)?;
    let found = if all {
        pattern::all(machine, &pattern, text)?
    } else {
        pattern.find(text, 0)?.into_iter().collect()
    };
    let mut to = String::with_capacity(text.len());
    let mut from = 0;
    let replacement = match with {
        Value::Closure(_) => "".into(),
        other => machine.text(other)?,
    };
    for groups in found {
        let Some((start, end)) = groups.first().copied().flatten() else { continue };
        to.push_str(text.get(from..start).unwrap_or_default());
        from = end;
        let before = to.len();
        match with {
            Value::Closure(closure) => {
                let answer = call_with_groups(machine, closure, text, &groups)?;
                machine.write_text(&answer, &mut to)?;
            }
            _ => pattern::expand(&pattern, text, &groups, &replacement, &mut to)?,
        }
        machine.allocate(to.len() - before)?;
    }
    to.push_str(text.get(from..).unwrap_or_default());
    machine.new_text(to)
}

/// Calls a closure with a match: its groups one by one, or all of them as a list.
fn call_with_groups(
    machine: &mut Machine<'_>,
    closure: &Rc<Closure>,
    text: &Rc<str>,
    groups: &pattern::Groups,
) -> Run {
    let values = super::regex::groups(machine, text, groups)?;
    match &values {
        Value::List(list) if machine.parameter_count(closure) > 1 => {
            let items = list.items.borrow().clone();
            machine.call_closure(closure, &items)
        }
        _ => machine.call_closure(closure, &[values]),
    }
}

fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    first + chars.as_str()
}

/// Padding on both sides of a text.
fn padded(
    machine: &mut Machine<'_>,
    text: &str,
    arguments: &[Value],
    left: bool,
    right: bool,
) -> Run<Option<Value>> {
    let (width, filler) = match arguments {
        [width] => (width, " ".into()),
        [width, filler] => (width, machine.text(filler)?),
        _ => return Ok(None),
    };
    let width = usize::try_from(whole_of(machine, width)?).unwrap_or(0);
    let missing = width.saturating_sub(length(text));
    machine.allocate(missing.saturating_mul(4))?;
    let fill = |count: usize| -> String { filler.chars().cycle().take(count).collect() };
    let before = match (left, right) {
        (true, true) => missing / 2,
        (true, false) => missing,
        _ => 0,
    };
    let (start, end) = (fill(before), fill(missing - before));
    machine.new_text(format!("{start}{text}{end}")).map(Some)
}

/// Lines, with `\n`, `\r\n` or `\r` at their ends.
fn lines(machine: &mut Machine<'_>, text: &str) -> Run<Vec<String>> {
    let ends = text.bytes().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    machine.allocate(text.len())?;
    machine.allocate_items(ends)?;
    Ok(lines_of(text))
}

fn lines_of(text: &str) -> Vec<String> {
    let normal = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<String> = normal.split('\n').map(str::to_owned).collect();
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

fn strip_indent(text: &str) -> String {
    let indent = |line: &str| line.chars().take_while(|char| char.is_whitespace()).count();
    let least = text.lines().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    let stripped: Vec<String> =
        text.split('\n').map(|line| line.chars().skip(least.min(indent(line))).collect()).collect();
    stripped.join("\n")
}

fn strip_margin(text: &str, margin: char) -> String {
    let stripped: Vec<&str> = text
        .split('\n')
        .map(|line| {
            let trimmed = line.trim_start();
            trimmed.strip_prefix(margin).unwrap_or(line)
        })
        .collect();
    stripped.join("\n")
}

fn list_of(machine: &mut Machine<'_>, parts: impl Iterator<Item = impl AsRef<str>>) -> Run {
    let mut items = Vec::new();
    for part in parts {
        items.push(machine.new_text(part)?);
    }
    machine.new_list(items)
}

/// The number in a text, or the exception that Java throws.
fn number(text: &str, class: Builtin) -> Run {
    crate::number::parse(text, class).ok_or_else(|| not_a_number(text))
}

pub(crate) fn not_a_number(text: &str) -> Box<Raise> {
    let shown: String = text.chars().take(60).collect();
    raise(Builtin::NumberFormatException, format!("For input string: \"{shown}\""))
}

/// Java's characters that `trim()` removes.
fn is_control_or_space(char: char) -> bool {
    char <= ' '
}

/// `text.name(..)`
pub(crate) fn call(
    machine: &mut Machine<'_>,
    text: &Rc<str>,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    let this = || Value::Text(Rc::clone(text));
    let bytes_per_step = match method {
        M::length | M::size | M::isEmpty | M::charAt | M::substring | M::contains | M::indexOf => 256,
        M::md5 | M::sha256 | M::digest => 4,
        _ => 64,
    };
    machine.step(text.len() as u64 / bytes_per_step)?;
    Ok(Some(match (method, arguments) {
        (M::length | M::size, []) => Value::count(length(text)),
        (M::trim, []) => {
            let trimmed = text.trim_matches(is_control_or_space);
            if trimmed.len() == text.len() { this() } else { machine.new_text(trimmed)? }
        }
        (M::strip, []) => machine.new_text(text.trim())?,
        (M::stripLeading, []) => machine.new_text(text.trim_start())?,
        (M::stripTrailing, []) => machine.new_text(text.trim_end())?,
        (M::isEmpty, []) => Value::Bool(text.is_empty()),
        (M::isBlank | M::isAllWhitespace, []) => Value::Bool(text.trim().is_empty()),
        (M::toLowerCase, [] | [_]) => machine.new_text(text.to_lowercase())?,
        (M::toUpperCase, [] | [_]) => machine.new_text(text.to_uppercase())?,
        (M::capitalize, []) => machine.new_text(capitalized(text))?,
        (M::uncapitalize, []) => {
            let mut chars = text.chars();
            let first: String = chars.next().map(|first| first.to_lowercase().collect()).unwrap_or_default();
            machine.new_text(first + chars.as_str())?
        }
        (M::startsWith, [prefix]) => {
            let prefix = machine.text(prefix)?;
            Value::Bool(text.starts_with(&*prefix))
        }
        (M::startsWith, [prefix, from]) => {
            let (prefix, from) = (machine.text(prefix)?, count_of(machine, from, "a position")?);
            let rest = text.get(byte_at(text, from)..).unwrap_or_default();
            Value::Bool(rest.starts_with(&*prefix))
        }
        (M::endsWith, [suffix]) => {
            let suffix = machine.text(suffix)?;
            Value::Bool(text.ends_with(&*suffix))
        }
        (M::startsWithIgnoreCase, [prefix]) => {
            let prefix = machine.text(prefix)?;
            Value::Bool(text.to_lowercase().starts_with(&prefix.to_lowercase()))
        }
        (M::endsWithIgnoreCase, [suffix]) => {
            let suffix = machine.text(suffix)?;
            Value::Bool(text.to_lowercase().ends_with(&suffix.to_lowercase()))
        }
        (M::containsIgnoreCase, [part]) => {
            let part = machine.text(part)?;
            Value::Bool(text.to_lowercase().contains(&part.to_lowercase()))
        }
        (M::contains, [part]) => {
            let part = machine.text(part)?;
            Value::Bool(text.contains(&*part))
        }
        (M::equals | M::contentEquals, [other]) => match other {
            Value::Text(other) => Value::Bool(text == other),
            Value::Native(_) if method == M::contentEquals => {
                let other = machine.text(other)?;
                Value::Bool(*text == other)
            }
            _ => Value::Bool(false),
        },
        (M::equalsIgnoreCase, [other]) => match other {
            Value::Text(other) => Value::Bool(text == other || text.to_lowercase() == other.to_lowercase()),
            _ => Value::Bool(false),
        },
        (M::compareTo, [other]) => {
            let other = machine.text(other)?;
            Value::Int(java_order(text, &other))
        }
        (M::compareToIgnoreCase, [other]) => {
            let other = machine.text(other)?;
            Value::Int(java_order(&text.to_lowercase(), &other.to_lowercase()))
        }
        (M::indexOf, [part]) => {
            let part = text_or_code(machine, part)?;
            Value::Int(text.find(&*part).map_or(-1, |byte| position(text, byte) as i32))
        }
        (M::indexOf, [part, from]) => {
            let (part, from) = (text_or_code(machine, part)?, whole_of(machine, from)?);
            let start = byte_at(text, usize::try_from(from).unwrap_or(0));
            let found = text.get(start..).and_then(|rest| rest.find(&*part));
            Value::Int(found.map_or(-1, |byte| position(text, byte + start) as i32))
        }
        (M::lastIndexOf, [part]) => {
            let part = text_or_code(machine, part)?;
            Value::Int(text.rfind(&*part).map_or(-1, |byte| position(text, byte) as i32))
        }
        (M::charAt, [index]) => {
            let index = whole_of(machine, index)?;
            let length = length(text);
            match usize::try_from(index).ok().and_then(|index| char_at(text, index)) {
                Some(char) => Value::Char(char),
                None => {
                    return Err(raise(
                        Builtin::StringIndexOutOfBoundsException,
                        format!("String index out of range: {index}, the text has {length} characters"),
                    ));
                }
            }
        }
        (M::codePointAt, [index]) => {
            let index = count_of(machine, index, "a position")?;
            match char_at(text, index) {
                Some(char) => Value::Int(char as i32),
                None => return Err(out_of_range(index as i64, index as i64, length(text))),
            }
        }
        (M::getAt, [index]) => machine.get_at(&this(), index)?,
        (M::substring | M::subSequence, [from]) => {
            let from = whole_of(machine, from)?;
            substring(machine, text, from, None)?
        }
        (M::substring | M::subSequence, [from, to]) => {
            let (from, to) = (whole_of(machine, from)?, whole_of(machine, to)?);
            substring(machine, text, from, Some(to))?
        }
        (M::take, [count]) => {
            let count = count_of(machine, count, "a count")?;
            machine.new_text(slice(text, 0, count))?
        }
        (M::drop, [count]) => {
            let count = count_of(machine, count, "a count")?;
            machine.new_text(slice(text, count, length(text)))?
        }
        (M::takeRight, [count]) => {
            let (count, length) = (count_of(machine, count, "a count")?, length(text));
            machine.new_text(slice(text, length.saturating_sub(count), length))?
        }
        (M::dropRight, [count]) => {
            let (count, length) = (count_of(machine, count, "a count")?, length(text));
            machine.new_text(slice(text, 0, length.saturating_sub(count)))?
        }
        (M::takeBefore, [part]) => {
            let part = machine.text(part)?;
            machine.new_text(text.split_once(&*part).map_or(&**text, |(before, _)| before))?
        }
        (M::takeAfter, [part]) => {
            let part = machine.text(part)?;
            machine.new_text(text.split_once(&*part).map_or("", |(_, after)| after))?
        }
        (M::takeBetween, [open, close]) => {
            let (open, close) = (machine.text(open)?, machine.text(close)?);
            let between = text.split_once(&*open).and_then(|(_, rest)| rest.split_once(&*close));
            machine.new_text(between.map_or("", |(between, _)| between))?
        }
        (M::takeBetween, [both]) => {
            let both = machine.text(both)?;
            let between = text.split_once(&*both).and_then(|(_, rest)| rest.split_once(&*both));
            machine.new_text(between.map_or("", |(between, _)| between))?
        }
        (M::takeWhile, [condition]) => {
            let condition = closure_of(condition, "takeWhile")?;
            let taken = while_holds(machine, text, condition)?;
            machine.new_text(text.get(..taken).unwrap_or_default())?
        }
        (M::dropWhile, [condition]) => {
            let condition = closure_of(condition, "dropWhile")?;
            let taken = while_holds(machine, text, condition)?;
            machine.new_text(text.get(taken..).unwrap_or_default())?
        }
        (M::concat | M::plus, [other]) => {
            let mut joined = text.to_string();
            machine.write_text(other, &mut joined)?;
            machine.new_text(joined)?
        }
        (M::minus, [_]) | (M::multiply, [_]) | (M::leftShift, [_]) => {
            let operator = match method {
                M::minus => crate::syntax::Binary::Subtract,
                M::multiply => crate::syntax::Binary::Multiply,
                _ => crate::syntax::Binary::ShiftLeft,
            };
            let [other] = arguments else { return Ok(None) };
            machine.binary(operator, &this(), other)?
        }
        (M::repeat, [count]) => {
            let count = count_of(machine, count, "a count")?;
            machine.allocate(text.len().saturating_mul(count))?;
            Value::text(text.repeat(count))
        }
        (M::replace, [Value::Map(map)]) => {
            let entries: Vec<(Value, Value)> =
                map.entries.borrow().iter().map(|(key, value)| (key.0.clone(), value.clone())).collect();
            let mut replaced = text.to_string();
            for (from, to) in entries {
                let (from, to) = (machine.text(&from)?, machine.text(&to)?);
                replaced = replaced_by(machine, &replaced, &from, &to)?;
            }
            machine.new_text(replaced)?
        }
        (M::replace, [from, to]) => {
            let (from, to) = (machine.text(from)?, machine.text(to)?);
            let replaced = replaced_by(machine, text, &from, &to)?;
            machine.new_text(replaced)?
        }
        (M::replaceAll, [by, with]) => replace(machine, text, by, with, true)?,
        (M::replaceFirst, [by, with]) => replace(machine, text, by, with, false)?,
        (M::matches, [by]) => {
            let pattern = pattern_of(machine, by)?;
            machine.step(text.len() as u64)?;
            Value::Bool(pattern.whole(text)?.is_some())
        }
        (M::find, [by]) if !matches!(by, Value::Closure(_)) => {
            let pattern = pattern_of(machine, by)?;
            let found = pattern.find(text, 0)?.and_then(|groups| groups.first().copied().flatten());
            match found.and_then(|(from, to)| text.get(from..to)) {
                Some(found) => machine.new_text(found)?,
                None => Value::Null,
            }
        }
        (M::find, [by, Value::Closure(closure)]) => {
            let pattern = pattern_of(machine, by)?;
            match pattern.find(text, 0)? {
                Some(groups) => call_with_groups(machine, closure, text, &groups)?,
                None => Value::Null,
            }
        }
        (M::findAll, [by]) if !matches!(by, Value::Closure(_)) => {
            let pattern = pattern_of(machine, by)?;
            let found = pattern::all(machine, &pattern, text)?;
            let whole = |groups: &pattern::Groups| groups.first().copied().flatten();
            let parts = found.iter().filter_map(whole).filter_map(|(from, to)| text.get(from..to));
            list_of(machine, parts)?
        }
        (M::findAll, [by, Value::Closure(closure)]) => {
            let pattern = pattern_of(machine, by)?;
            let mut answers = Vec::new();
            for groups in pattern::all(machine, &pattern, text)? {
                answers.push(call_with_groups(machine, closure, text, &groups)?);
            }
            machine.new_list(answers)?
        }
        (M::eachMatch, [by, Value::Closure(closure)]) => {
            let pattern = pattern_of(machine, by)?;
            for groups in pattern::all(machine, &pattern, text)? {
                call_with_groups(machine, closure, text, &groups)?;
            }
            this()
        }
        (M::split, []) => {
            machine.allocate_items(text.len() / 2)?;
            let parts: Vec<&str> = text.split_whitespace().collect();
            array_of(machine, &parts)?
        }
        (M::split, [by]) if !matches!(by, Value::Closure(_)) => split(machine, text, by, 0)?,
        (M::split, [by, limit]) => {
            let limit = whole_of(machine, limit)?;
            split(machine, text, by, limit)?
        }
        (M::tokenize, []) => list_of(machine, text.split_whitespace())?,
        (M::tokenize, [separators]) => {
            let separators = machine.text(separators)?;
            machine.step((text.len() as u64).saturating_mul(separators.len() as u64) / 16)?;
            let parts = text.split(|char| separators.contains(char)).filter(|part| !part.is_empty());
            list_of(machine, parts)?
        }
        (M::readLines | M::lines, []) => {
            let lines = lines(machine, text)?;
            list_of(machine, lines.iter())?
        }
        (M::eachLine, [closure]) | (M::eachLine, [Value::Int(_), closure]) => {
            let closure = closure_of(closure, "eachLine")?;
            let mut number = match arguments {
                [Value::Int(first), _] => *first,
                _ => 0,
            };
            let mut answer = Value::Null;
            for line in lines(machine, text)? {
                let line = machine.new_text(line)?;
                answer = if machine.parameter_count(closure) == 2 {
                    machine.call_closure(closure, &[line, Value::Int(number)])?
                } else {
                    machine.call_closure(closure, &[line])?
                };
                number = number.wrapping_add(1);
            }
            answer
        }
        (M::collectReplacements, [closure]) => {
            let closure = closure_of(closure, "collectReplacements")?;
            let mut to = String::with_capacity(text.len());
            for char in text.chars() {
                let char = machine.new_text(char.encode_utf8(&mut [0; 4]))?;
                let replaced = machine.call_closure(closure, std::slice::from_ref(&char))?;
                machine.write_text(if replaced.is_null() { &char } else { &replaced }, &mut to)?;
            }
            machine.new_text(to)?
        }
        (M::splitEachLine, [by, closure]) => {
            let closure = closure_of(closure, "splitEachLine")?;
            let mut answer = Value::Null;
            for line in lines(machine, text)? {
                let parts = split(machine, &line, by, 0)?;
                let parts = machine.items(&parts)?;
                let parts = machine.new_list(parts)?;
                answer = machine.call_closure(closure, &[parts])?;
            }
            answer
        }
        (M::padLeft, _) => return padded(machine, text, arguments, true, false),
        (M::padRight, _) => return padded(machine, text, arguments, false, true),
        (M::center, _) => return padded(machine, text, arguments, true, true),
        (M::reverse, []) => machine.new_text(text.chars().rev().collect::<String>())?,
        (M::stripIndent, []) => {
            machine.allocate_items(text.matches('\n').count() * 2)?;
            machine.new_text(strip_indent(text))?
        }
        (M::stripMargin, []) => machine.new_text(strip_margin(text, '|'))?,
        (M::stripMargin, [margin]) => {
            let margin = machine.text(margin)?;
            machine.new_text(strip_margin(text, margin.chars().next().unwrap_or('|')))?
        }
        (M::normalize, []) => machine.new_text(text.replace("\r\n", "\n").replace('\r', "\n"))?,
        (M::denormalize, []) => this(),
        (M::translateEscapes, []) => machine.new_text(text.replace("\\n", "\n").replace("\\t", "\t"))?,
        (M::expand, []) => machine.new_text(text.replace('\t', "        "))?,
        (M::toInteger | M::asType, []) => number(text, Builtin::Integer)?,
        (M::toLong, []) => number(text, Builtin::Long)?,
        (M::toShort, []) => number(text, Builtin::Short)?,
        (M::toDouble, []) => number(text, Builtin::Double)?,
        (M::toFloat, []) => number(text, Builtin::Float)?,
        (M::toBigInteger, []) => number(text, Builtin::BigInteger)?,
        (M::toBigDecimal, []) => number(text, Builtin::BigDecimal)?,
        (M::toBoolean, []) => {
            let lower = text.trim().to_lowercase();
            Value::Bool(matches!(&*lower, "true" | "y" | "1"))
        }
        (M::isInteger, []) => Value::Bool(crate::number::parse(text, Builtin::Integer).is_some()),
        (M::isLong, []) => Value::Bool(crate::number::parse(text, Builtin::Long).is_some()),
        (M::isDouble, []) => Value::Bool(crate::number::parse(text, Builtin::Double).is_some()),
        (M::isFloat, []) => Value::Bool(crate::number::parse(text, Builtin::Float).is_some()),
        (M::isBigInteger, []) => Value::Bool(crate::number::parse(text, Builtin::BigInteger).is_some()),
        (M::isNumber | M::isBigDecimal, []) => {
            Value::Bool(crate::number::parse(text, Builtin::BigDecimal).is_some())
        }
        (M::isBoolean, []) => {
            Value::Bool(text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false"))
        }
        (M::toCharArray | M::getChars, []) => {
            machine.allocate_items(text.len())?;
            Value::array(text.chars().map(Value::Char).collect())
        }
        (M::toList | M::toArray | M::chars, []) => {
            let items = machine.items(&this())?;
            machine.new_list(items)?
        }
        (M::toSet, []) => {
            let items = machine.items(&this())?;
            machine.new_set(items, crate::value::MapKind::Plain)?
        }
        (M::bytes | M::getBytes, [] | [_]) => {
            machine.allocate(text.len())?;
            match arguments {
                [charset] => {
                    let charset = machine.text(charset)?;
                    Value::Bytes(codec::encoded(text, &charset)?.into())
                }
                _ => Value::Bytes(text.as_bytes().into()),
            }
        }
        (M::decodeBase64, []) => {
            machine.allocate(text.len())?;
            Value::Bytes(codec::base64_decoded(text)?.into())
        }
        (M::decodeBase64Url, []) => {
            machine.allocate(text.len())?;
            Value::Bytes(codec::base64_decoded(text)?.into())
        }
        (M::decodeHex, []) => {
            machine.allocate(text.len())?;
            Value::Bytes(codec::hex_decoded(text)?.into())
        }
        (M::encodeBase64, []) => machine.new_text(codec::base64_encoded(text.as_bytes(), false, true))?,
        (M::encodeHex, []) => machine.new_text(codec::hex(text.as_bytes()))?,
        (M::md5, []) => machine.new_text(codec::hex(&codec::md5(text.as_bytes())))?,
        (M::sha256, []) => machine.new_text(codec::hex(&codec::sha256(text.as_bytes())))?,
        (M::digest, [algorithm]) => {
            let algorithm = machine.text(algorithm)?;
            machine.new_text(codec::hex(&codec::digest(&algorithm, text.as_bytes())?))?
        }
        (M::format | M::formatted, values) => {
            let formatted = format::formatted(machine, text, values)?;
            machine.new_text(formatted)?
        }
        (M::next, []) => shifted(machine, text, true)?,
        (M::previous, []) => shifted(machine, text, false)?,
        (M::hashCode, []) => {
            let hash = text
                .encode_utf16()
                .fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
            Value::Int(hash)
        }
        (M::intern | M::toString, []) => this(),
        (M::count, [part]) if !matches!(part, Value::Closure(_)) => {
            let part = machine.text(part)?;
            Value::count(if part.is_empty() { 0 } else { text.matches(&*part).count() })
        }
        (M::tr, [from, to]) => {
            let (from, to) = (machine.text(from)?, machine.text(to)?);
            let ranges = from.matches('-').count() + to.matches('-').count();
            machine
                .allocate_items((from.len() + to.len()).saturating_add(ranges.saturating_mul(RANGE_MAX)))?;
            machine.step(text.len() as u64 / 4)?;
            machine.new_text(translated(text, &from, &to))?
        }
        (M::negative, _) => return Ok(None),
        (M::bitwiseNegate, []) => {
            let pattern = machine.pattern(text, 0)?;
            Value::native(Native::Pattern(pattern))
        }
        (M::asBoolean, []) => Value::Bool(!text.is_empty()),
        (M::isCase, [other]) => Value::Bool(machine.equal(&this(), other)?),
        (
            M::each
            | M::collect
            | M::any
            | M::every
            | M::findAll
            | M::find
            | M::eachWithIndex
            | M::inject
            | M::findIndexOf
            | M::collectMany
            | M::collectEntries
            | M::countBy
            | M::groupBy
            | M::count
            | M::sum
            | M::sort
            | M::iterator
            | M::first
            | M::last
            | M::max
            | M::min
            | M::toUnique
            | M::unique
            | M::indexed
            | M::withIndex
            | M::toSorted
            | M::reverseEach
            | M::head
            | M::tail
            | M::split
            | M::forEach
            | M::join,
            _,
        ) => {
            return iterable::call(machine, &this(), method, arguments);
        }
        _ => return Ok(None),
    }))
}

/// Java's difference between two texts.
fn java_order(left: &str, right: &str) -> i32 {
    let (mut left_units, mut right_units) = (left.encode_utf16(), right.encode_utf16());
    loop {
        match (left_units.next(), right_units.next()) {
            (Some(one), Some(other)) if one == other => {}
            (Some(one), Some(other)) => return i32::from(one) - i32::from(other),
            _ => return length(left) as i32 - length(right) as i32,
        }
    }
}

/// A text, or the character of a code.
fn text_or_code(machine: &mut Machine<'_>, value: &Value) -> Run<Rc<str>> {
    match value {
        Value::Int(code) => {
            let char = u32::try_from(*code).ok().and_then(char::from_u32).unwrap_or_default();
            Ok(char.encode_utf8(&mut [0; 4]).into())
        }
        other => machine.text(other),
    }
}

/// How many bytes at the beginning consist of characters for which a condition holds.
fn while_holds(machine: &mut Machine<'_>, text: &str, condition: &Rc<Closure>) -> Run<usize> {
    for (at, char) in text.char_indices() {
        let char = machine.new_text(char.encode_utf8(&mut [0; 4]))?;
        let holds = machine.call_closure(condition, &[char])?;
        if !machine.truth(&holds)? {
            return Ok(at);
        }
    }
    Ok(text.len())
}

/// The text with its last character moved by one.
fn shifted(machine: &mut Machine<'_>, text: &str, up: bool) -> Run {
    let mut chars: Vec<char> = text.chars().collect();
    let moved = chars.pop().and_then(|last| {
        let code = if up { (last as u32).checked_add(1) } else { (last as u32).checked_sub(1) };
        code.and_then(char::from_u32)
    });
    chars.extend(moved);
    machine.new_text(chars.into_iter().collect::<String>())
}

/// Characters of a range.
const RANGE_MAX: usize = 1 << 12;

/// Characters replaced one by one, with ranges such as `a-z`.
fn translated(text: &str, from: &str, to: &str) -> String {
    let expanded = |set: &str| -> Vec<char> {
        let chars: Vec<char> = set.chars().collect();
        let (mut all, mut index) = (Vec::new(), 0);
        while let Some(first) = chars.get(index) {
            match (chars.get(index + 1), chars.get(index + 2)) {
                (Some('-'), Some(last)) if first <= last => {
                    all.extend((*first..=*last).take(RANGE_MAX));
                    index += 3;
                }
                _ => {
                    all.push(*first);
                    index += 1;
                }
            }
        }
        all
    };
    let (from, to) = (expanded(from), expanded(to));
    let mut places = HashMap::with_capacity(from.len());
    for (index, char) in from.into_iter().enumerate() {
        places.entry(char).or_insert(index);
    }
    text.chars()
        .map(|char| match places.get(&char) {
            Some(index) => to.get(*index).or_else(|| to.last()).copied().unwrap_or(char),
            None => char,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_utf16_units() {
        assert_eq!(length("aä😀"), 4);
        assert_eq!(char_at("aä😀b", 1), Some('ä'));
        assert_eq!(char_at("aä😀b", 4), Some('b'));
        assert_eq!(slice("aä😀b", 1, 4), "ä😀");
        assert_eq!(position("äb", 2), 1);
    }

    #[test]
    fn helpers() {
        assert_eq!(strip_indent("  a\n    b\n"), "a\n  b\n");
        assert_eq!(translated("hello", "a-y", "b-z"), "ifmmp");
        assert_eq!(lines_of("a\r\nb\rc\n"), ["a", "b", "c"]);
    }
}
