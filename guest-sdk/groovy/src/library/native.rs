//! Methods of objects of library classes.

use std::rc::Rc;

use super::json::Style;
use super::{codec, count_of, iterable, jackson, json_builder, log, regex, snowplow, text, time, whole_of};
use crate::class::Builtin;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::{Run, raise};
use crate::syntax::MethodName;
use crate::value::{Entries, Key, Native, Value};

/// Methods that are told apart by their text.
pub(crate) const NAMED: &[&str] = &[
    "toJSON",
    "toJson",
    "getCorrelationId",
    "getEventId",
    "getVariables",
    "hasVariable",
    "getVariable",
    "setVariable",
];

/// `object.name(..)`
pub(crate) fn call(
    machine: &mut Machine<'_>,
    this: &Value,
    native: &Rc<Native>,
    name: &MethodName,
    arguments: &[Value],
) -> Run<Option<Value>> {
    let method = name.id;
    match &**native {
        Native::StringBuilder(..) => builder(machine, this, native, method, arguments),
        Native::Pattern(pattern) => regex::call_pattern(machine, pattern, method, arguments),
        Native::Matcher(matcher) => match regex::call_matcher(machine, this, matcher, method, arguments)? {
            None => iterable::call(machine, this, method, arguments),
            answer => Ok(answer),
        },
        Native::Entry { map, key, value } => Ok(Some(match (method, arguments) {
            (M::getKey, []) => key.clone(),
            (M::getValue, []) => value.borrow().clone(),
            (M::setValue, [new]) => {
                machine.watch_native(native, new)?;
                let before = value.replace(new.clone());
                machine.map_put(map, key.clone(), new.clone())?;
                before
            }
            _ => return Ok(None),
        })),
        Native::Iterator(items) => match (method, arguments) {
            (M::hasNext | M::hasMoreElements, []) => {
                Ok(Some(Value::Bool(items.next.get() < items.items.len())))
            }
            (M::next | M::nextElement, []) => {
                let at = items.next.get();
                items.next.set(at.saturating_add(1));
                match items.items.get(at) {
                    Some(item) => Ok(Some(item.clone())),
                    None => Err(raise(Builtin::NoSuchElementException, "the iterator has no more items")),
                }
            }
            _ => iterable::call(machine, this, method, arguments),
        },
        Native::Moment(moment) => time::call(machine, moment, method, arguments),
        Native::Uuid(uuid) => Ok(Some(match (method, arguments) {
            (M::toString, []) => Value::Text(Rc::clone(uuid)),
            (M::compareTo, [other]) => {
                let other = machine.text(other)?;
                Value::Int(uuid.cmp(&other) as i32)
            }
            (M::getMostSignificantBits | M::getLeastSignificantBits, []) => {
                let digits: String = uuid.chars().filter(|char| *char != '-').collect();
                let part =
                    if method == M::getMostSignificantBits { digits.get(..16) } else { digits.get(16..) };
                let bits = part.and_then(|part| u64::from_str_radix(part, 16).ok()).unwrap_or(0);
                Value::Long(bits as i64)
            }
            (M::version, []) => {
                Value::Int(uuid.chars().nth(14).and_then(|char| char.to_digit(16)).unwrap_or(0) as i32)
            }
            _ => return Ok(None),
        })),
        Native::Slurper(_) => json_builder::slurp(machine, method, arguments),
        Native::JsonBuilder(content) => json_builder::call(machine, this, content, name, arguments),
        Native::ObjectMapper => jackson::call_mapper(machine, this, method, arguments),
        Native::JsonNode(_) | Native::MissingNode => jackson::call_node(machine, this, method, arguments),
        Native::Logger(logger) => log::call(machine, logger, method, arguments),
        Native::Deletion { correlation_id, event_id } => Ok(Some(match (&*name.text, arguments) {
            ("toJSON" | "toJson", []) => {
                let json = deletion_json(machine, native)?;
                machine.new_text(json)?
            }
            ("getCorrelationId", []) => correlation_id.clone(),
            ("getEventId", []) => event_id.clone(),
            _ => return Ok(None),
        })),
        Native::Snowplow(fields) => snowplow::call_payload(machine, fields, &name.text, arguments),
        Native::Binding => Ok(Some(match (&*name.text, arguments) {
            ("getVariables", []) => {
                let variables = machine.variables();
                let entries: Entries =
                    variables.into_iter().map(|(name, value)| (Key(Value::Text(name)), value)).collect();
                machine.new_map(entries)?
            }
            ("hasVariable", [name]) => {
                let name = machine.text(name)?;
                Value::Bool(machine.variable(&name).is_some())
            }
            ("getVariable" | "getProperty", [name]) => {
                let name = machine.text(name)?;
                match machine.variable(&name) {
                    Some(value) => value,
                    None => return Err(crate::machine::missing_property(&name, "groovy.lang.Binding")),
                }
            }
            ("setVariable" | "setProperty", [name, value]) => {
                let name = machine.text(name)?;
                machine.set_variable(&name, value.clone())?;
                Value::Null
            }
            _ => return Ok(None),
        })),
        Native::Digest(algorithm, bytes) => Ok(Some(match (method, arguments) {
            (M::update, [more]) => {
                let more = bytes_of(machine, more)?;
                machine.allocate(more.len())?;
                bytes.borrow_mut().extend_from_slice(&more);
                Value::Null
            }
            (M::digest, [] | [_]) => {
                if let [more] = arguments {
                    let more = bytes_of(machine, more)?;
                    machine.allocate(more.len())?;
                    bytes.borrow_mut().extend_from_slice(&more);
                }
                let bytes = bytes.take();
                machine.step(bytes.len() as u64)?;
                Value::Bytes(codec::digest(algorithm, &bytes)?.into())
            }
            (M::reset, []) => {
                bytes.take();
                Value::Null
            }
            _ => return Ok(None),
        })),
        Native::Base64 { encodes, url, padded } => Ok(Some(match (method, arguments, encodes) {
            (M::encodeToString, [bytes], true) => {
                let bytes = bytes_of(machine, bytes)?;
                machine.new_text(codec::base64_encoded(&bytes, *url, *padded))?
            }
            (M::encode, [bytes], true) => {
                let bytes = bytes_of(machine, bytes)?;
                machine.allocate(bytes.len() * 2)?;
                Value::Bytes(codec::base64_encoded(&bytes, *url, *padded).as_bytes().into())
            }
            (M::withoutPadding, [], true) => {
                Value::native(Native::Base64 { encodes: true, url: *url, padded: false })
            }
            (M::decode, [text], false) => {
                let text = match text {
                    Value::Bytes(bytes) => granary_scriptable::lossy(bytes).as_ref().into(),
                    other => machine.text(other)?,
                };
                machine.allocate(text.len())?;
                Value::Bytes(codec::base64_decoded(&text)?.into())
            }
            _ => return Ok(None),
        })),
        Native::Helper(Builtin::System) => match method {
            M::println | M::print | M::printf => log::print(machine, name, arguments).map(Some),
            _ => Ok(None),
        },
        Native::Helper(class) => snowplow::call_static(machine, *class, method, arguments),
        Native::Level(level) => Ok(Some(match (method, arguments) {
            (M::getName | M::toString, []) => Value::text(level),
            _ => return Ok(None),
        })),
        Native::Rounding(rounding) => Ok(Some(match (method, arguments) {
            (M::name | M::toString, []) => Value::text(rounding.name()),
            _ => return Ok(None),
        })),
        Native::Named(_, named) => Ok(Some(match (method, arguments) {
            (M::name | M::toString | M::displayName | M::getID, []) => Value::Text(Rc::clone(named)),
            _ => return Ok(None),
        })),
        Native::Calendar(ms) => time::call_calendar(machine, this, ms, method, arguments),
        Native::DecimalFormat(pattern, rounding) => Ok(Some(match (method, arguments) {
            (M::format, [number]) => {
                let Some(number) = crate::number::to_decimal(number) else { return Ok(None) };
                machine.new_text(super::format::by_pattern(pattern, &number, rounding.get()))?
            }
            (M::setRoundingMode, [mode]) => {
                rounding.set(super::number::rounding_of(machine, mode)?);
                Value::Null
            }
            _ => return Ok(None),
        })),
        Native::Precision(..) | Native::LazyText(_) => Ok(None),
    }
}

/// `object.name`, where it is not what a getter answers.
pub(crate) fn property(machine: &mut Machine<'_>, native: &Rc<Native>, name: &str) -> Run<Option<Value>> {
    match &**native {
        Native::Entry { key, .. } if name == "key" => Ok(Some(key.clone())),
        Native::Entry { value, .. } if name == "value" => Ok(Some(value.borrow().clone())),
        Native::Snowplow(fields) => match snowplow::field(machine, fields, name)? {
            None if name.starts_with("set") => {
                let getter = format!("is{}", crate::machine::accessor("", name));
                snowplow::call_payload(machine, fields, &getter, &[])
            }
            found => Ok(found),
        },
        // Groovy asks `get(name)` where there is no such property.
        Native::JsonNode(_) | Native::MissingNode => {
            let this = Value::Native(Rc::clone(native));
            jackson::call_node(machine, &this, M::get, &[Value::text(name)])
        }
        Native::JsonBuilder(builder) if name == "content" => Ok(Some(builder.content.borrow().clone())),
        Native::Deletion { correlation_id, .. } if name == "correlationId" => {
            Ok(Some(correlation_id.clone()))
        }
        Native::Deletion { event_id, .. } if name == "eventId" => Ok(Some(event_id.clone())),
        Native::Binding if name != "variables" => Ok(machine.variable(name)),
        Native::Matcher(matcher) if name == "count" => Ok(Some(Value::count(matcher.all(machine)?.len()))),
        _ => Ok(None),
    }
}

/// The JSON of a deletion.
pub(crate) fn deletion_json(machine: &mut Machine<'_>, native: &Native) -> Run<String> {
    let Native::Deletion { correlation_id, event_id } = native else { return Ok(String::new()) };
    let mut entries = Entries::default();
    entries.insert(Key(Value::text("correlationId")), correlation_id.clone());
    if !event_id.is_null() {
        entries.insert(Key(Value::text("eventId")), event_id.clone());
    }
    let map = machine.new_map(entries)?;
    machine.json_of(&map, Style::PLAIN)
}

/// Bytes among the arguments.
fn bytes_of(machine: &mut Machine<'_>, value: &Value) -> Run<Rc<[u8]>> {
    match value {
        Value::Bytes(bytes) => Ok(Rc::clone(bytes)),
        other => {
            let text = machine.text(other)?;
            Ok(text.as_bytes().into())
        }
    }
}

/// Methods of `StringBuilder` and its like; what it does not have is asked of its text.
fn builder(
    machine: &mut Machine<'_>,
    this: &Value,
    native: &Rc<Native>,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    let Native::StringBuilder(content, _) = &**native else { return Ok(None) };
    Ok(Some(match (method, arguments) {
        (M::append | M::leftShift | M::write | M::print | M::plus, [value]) if method != M::plus => {
            let mut part = String::new();
            machine.write_text(value, &mut part)?;
            machine.allocate(part.len())?;
            content.borrow_mut().push_str(&part);
            this.clone()
        }
        (M::append, [value, from, to]) => {
            let (from, to) = (count_of(machine, from, "a position")?, count_of(machine, to, "a position")?);
            let text = machine.text(value)?;
            let part = text::slice(&text, from, to);
            machine.allocate(part.len())?;
            content.borrow_mut().push_str(&part);
            this.clone()
        }
        (M::println, [value]) => {
            let mut part = String::new();
            machine.write_text(value, &mut part)?;
            part.push('\n');
            machine.allocate(part.len())?;
            content.borrow_mut().push_str(&part);
            Value::Null
        }
        (M::toString | M::getBuffer, []) => {
            machine.allocate(content.borrow().len())?;
            Value::text(&*content.borrow())
        }
        (M::length | M::size, []) => Value::count(text::length(&content.borrow())),
        (M::setLength, [length]) => {
            let length = count_of(machine, length, "a length")?;
            let text = content.borrow().clone();
            let missing = length.saturating_sub(text::length(&text));
            machine.allocate(missing.saturating_add(text.len()))?;
            *content.borrow_mut() = text::slice(&text, 0, length) + &"\0".repeat(missing);
            Value::Null
        }
        (M::reverse, []) => {
            machine.step(content.borrow().len() as u64 / 16)?;
            let reversed: String = content.borrow().chars().rev().collect();
            *content.borrow_mut() = reversed;
            this.clone()
        }
        (M::insert, [at, value]) => {
            let at = count_of(machine, at, "a position")?;
            let part = machine.text(value)?;
            splice(machine, content, at, at, &part)?;
            this.clone()
        }
        (M::delete, [from, to]) => {
            let (from, to) = (count_of(machine, from, "a position")?, count_of(machine, to, "a position")?);
            splice(machine, content, from, to, "")?;
            this.clone()
        }
        (M::deleteCharAt, [at]) => {
            let at = count_of(machine, at, "a position")?;
            splice(machine, content, at, at.saturating_add(1), "")?;
            this.clone()
        }
        (M::replace, [from, to, part]) => {
            let (from, to) = (count_of(machine, from, "a position")?, count_of(machine, to, "a position")?);
            let part = machine.text(part)?;
            splice(machine, content, from, to, &part)?;
            this.clone()
        }
        (M::setCharAt, [at, char]) => {
            let at = count_of(machine, at, "a position")?;
            let part = machine.text(char)?;
            splice(machine, content, at, at.saturating_add(1), &part)?;
            Value::Null
        }
        (M::putAt, [Value::Range(range), part]) => {
            let text = Value::text(&*content.borrow());
            let length = text::length(&content.borrow());
            let _ = text;
            let (from, to, _) = crate::machine::bounds(**range, length)?;
            let part = machine.text(part)?;
            splice(machine, content, from, to, &part)?;
            Value::Null
        }
        (M::capacity, []) => Value::count(content.borrow().capacity()),
        (M::flush | M::close, []) => Value::Null,
        (M::equals, [other]) => machine.binary(crate::syntax::Binary::Identical, this, other)?,
        (M::isEmpty, []) => Value::Bool(content.borrow().is_empty()),
        (M::with | M::tap | M::is | M::getClass | M::asBoolean, _) => return Ok(None),
        (M::getAt | M::charAt | M::codePointAt, [index]) => {
            let _ = whole_of(machine, index);
            let text: Rc<str> = content.borrow().as_str().into();
            machine.allocate(text.len())?;
            return text::call(machine, &text, method, arguments);
        }
        _ => {
            let text: Rc<str> = content.borrow().as_str().into();
            machine.allocate(text.len())?;
            return text::call(machine, &text, method, arguments);
        }
    }))
}

/// Replaces a part of a builder's text.
fn splice(
    machine: &mut Machine<'_>,
    content: &std::cell::RefCell<String>,
    from: usize,
    to: usize,
    part: &str,
) -> Run<()> {
    let text = content.borrow().clone();
    let length = text::length(&text);
    if from > length || from > to {
        return Err(raise(
            Builtin::StringIndexOutOfBoundsException,
            format!("start {from}, end {to}, length {length}"),
        ));
    }
    machine.allocate(text.len() + part.len())?;
    *content.borrow_mut() =
        format!("{}{part}{}", text::slice(&text, 0, from), text::slice(&text, to.min(length), length));
    Ok(())
}
