//! Jackson's `ObjectMapper` and `JsonNode`.

use std::rc::Rc;

use super::json::{Style, pretty};
use super::{count_of, whole_of};
use crate::class::{Builtin, Class};
use crate::json::parse;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::{Reason, Run, raise};
use crate::syntax::Type;
use crate::value::{Entries, Items, Native, Value};

fn node(value: Value) -> Value {
    match value {
        Value::Native(native) if matches!(*native, Native::JsonNode(_) | Native::MissingNode) => {
            Value::Native(native)
        }
        other => Value::native(Native::JsonNode(other)),
    }
}

/// The value in a node; of other values, themselves.
pub(crate) fn plain(value: &Value) -> Value {
    match value {
        Value::Native(native) => match &**native {
            Native::JsonNode(value) => value.clone(),
            Native::MissingNode => Value::Null,
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

fn read(machine: &mut Machine<'_>, source: &Value) -> Run {
    let text = match source {
        Value::Null => {
            return Err(raise(
                Builtin::IllegalArgumentException,
                "argument \"content\" is null: expected JSON",
            ));
        }
        Value::Bytes(bytes) => granary_scriptable::lossy(bytes).as_ref().into(),
        other => machine.text(other)?,
    };
    // Jackson has exceptions of its own.
    parse(machine, &text).map_err(|raised| match &raised.reason {
        Reason::Thrown(object) => {
            let message = object.throwable.as_ref().map(|throwable| throwable.message.borrow().clone());
            match message {
                Some(Value::Text(message)) => raise(Builtin::JsonParseException, message),
                _ => raised,
            }
        }
        Reason::Exhausted(..) => raised,
    })
}

/// `mapper.name(..)`
pub(crate) fn call_mapper(
    machine: &mut Machine<'_>,
    this: &Value,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    Ok(Some(match (method, arguments) {
        (M::readValue | M::convertValue, [source, class]) => {
            let value = if method == M::readValue { read(machine, source)? } else { plain(source) };
            match class {
                Value::Class(Class::Builtin(
                    Builtin::JsonNode | Builtin::ObjectNode | Builtin::ArrayNode,
                )) => node(value),
                Value::Class(Class::Builtin(Builtin::Object)) | Value::Native(_) => value,
                Value::Class(class) => {
                    let expected = Type {
                        name: class.full_name().into(),
                        at: Default::default(),
                        dimensions: 0,
                        primitive: false,
                        class: Some(class.clone()),
                    };
                    let actual = value.class();
                    match machine.converted(value, &expected) {
                        Err(raised) if matches!(raised.reason, Reason::Thrown(_)) => {
                            return Err(raise(
                                Builtin::MismatchedInputException,
                                format!(
                                    "Cannot deserialize a value of class {} as `{}`",
                                    actual.full_name(),
                                    class.full_name()
                                ),
                            ));
                        }
                        answer => answer?,
                    }
                }
                _ => value,
            }
        }
        (M::readTree, [source]) => node(read(machine, source)?),
        (M::valueToTree, [value]) => {
            let json = machine.json_of(value, Style::JACKSON)?;
            node(parse(machine, &json.into())?)
        }
        (M::writeValueAsString, [value]) => {
            let json = machine.json_of(value, Style::JACKSON)?;
            machine.new_text(json)?
        }
        (M::writeValueAsBytes, [value]) => {
            let json = machine.json_of(value, Style::JACKSON)?;
            machine.allocate(json.len())?;
            Value::Bytes(json.as_bytes().into())
        }
        (M::createObjectNode, []) => node(machine.new_map(Entries::default())?),
        (M::createArrayNode, []) => node(machine.new_list(Vec::new())?),
        (
            M::writerWithDefaultPrettyPrinter
            | M::writer
            | M::reader
            | M::configure
            | M::registerModule
            | M::findAndRegisterModules
            | M::enable
            | M::disable
            | M::setSerializationInclusion
            | M::copy,
            _,
        ) => this.clone(),
        _ => return Ok(None),
    }))
}

/// The child of a node.
fn child(machine: &mut Machine<'_>, value: &Value, key: &Value) -> Run<Option<Value>> {
    Ok(match (value, key) {
        (Value::Map(map), Value::Text(name)) => map.get_text(name),
        (Value::List(list), key) if key.is_number() => {
            let index = whole_of(machine, key)?;
            usize::try_from(index).ok().and_then(|index| list.items.borrow().get(index).cloned())
        }
        _ => None,
    })
}

/// A number in a node, or one that its text says.
fn number(machine: &mut Machine<'_>, value: &Value, class: Builtin, default: Option<&Value>) -> Run {
    let converted = match value {
        Value::Text(text) => {
            let decimal = crate::number::parse(text, Builtin::BigDecimal);
            decimal.and_then(|number| super::number::convert(&number, class))
        }
        Value::Bool(value) => Some(Value::Int(i32::from(*value))),
        other => super::number::convert(other, class),
    };
    let zero = || super::number::convert(&Value::Int(0), class);
    let _ = machine;
    Ok(converted.or_else(|| default.cloned()).or_else(zero).unwrap_or_default())
}

/// `node.name(..)`
pub(crate) fn call_node(
    machine: &mut Machine<'_>,
    this: &Value,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    let missing = matches!(this, Value::Native(native) if matches!(**native, Native::MissingNode));
    let value = plain(this);
    Ok(Some(match (method, arguments) {
        (M::get | M::getAt, [key]) => child(machine, &value, key)?.map_or(Value::Null, node),
        (M::path, [key]) => match child(machine, &value, key)? {
            Some(child) => node(child),
            None => Value::native(Native::MissingNode),
        },
        (M::at, [pointer]) => {
            let pointer = machine.text(pointer)?;
            let mut current = value;
            for part in pointer.split('/').skip(1) {
                let part = part.replace("~1", "/").replace("~0", "~");
                let key = match (&current, part.parse::<i32>()) {
                    (Value::List(_), Ok(index)) => Value::Int(index),
                    _ => Value::text(part),
                };
                match child(machine, &current, &key)? {
                    Some(child) => current = child,
                    None => return Ok(Some(Value::native(Native::MissingNode))),
                }
            }
            node(current)
        }
        (M::findValue, [name]) => {
            let name = machine.text(name)?;
            find(machine, &value, &name)?.map_or(Value::Null, node)
        }
        (M::has, [key]) => Value::Bool(child(machine, &value, key)?.is_some()),
        (M::hasNonNull, [key]) => {
            Value::Bool(child(machine, &value, key)?.is_some_and(|child| !child.is_null()))
        }
        (M::asText, []) => match &value {
            Value::Map(_) | Value::List(_) => machine.new_text("")?,
            Value::Null if missing => machine.new_text("")?,
            other => machine.text(other).map(Value::Text)?,
        },
        (M::asText, [default]) => match &value {
            Value::Null => default.clone(),
            Value::Map(_) | Value::List(_) => machine.new_text("")?,
            other => machine.text(other).map(Value::Text)?,
        },
        (M::textValue, []) => {
            if matches!(value, Value::Text(_)) {
                value
            } else {
                Value::Null
            }
        }
        (M::asInt | M::intValue, [] | [_]) => number(machine, &value, Builtin::Integer, arguments.first())?,
        (M::asLong | M::longValue, [] | [_]) => number(machine, &value, Builtin::Long, arguments.first())?,
        (M::asDouble | M::doubleValue, [] | [_]) => {
            number(machine, &value, Builtin::Double, arguments.first())?
        }
        (M::decimalValue, []) => number(machine, &value, Builtin::BigDecimal, None)?,
        (M::numberValue, []) => {
            if value.is_number() {
                value
            } else {
                Value::Null
            }
        }
        (M::asBoolean | M::booleanValue, [] | [_]) => match (&value, arguments.first()) {
            (Value::Bool(value), _) => Value::Bool(*value),
            (Value::Text(text), default) => match &**text {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => default.cloned().unwrap_or(Value::Bool(false)),
            },
            (Value::Int(number), _) => Value::Bool(*number != 0),
            (_, default) => default.cloned().unwrap_or(Value::Bool(false)),
        },
        (M::isNull, []) => Value::Bool(value.is_null() && !missing),
        (M::isMissingNode, []) => Value::Bool(missing),
        (M::isObject, []) => Value::Bool(matches!(value, Value::Map(_))),
        (M::isArray, []) => Value::Bool(matches!(value, Value::List(_))),
        (M::isContainerNode, []) => Value::Bool(matches!(value, Value::List(_) | Value::Map(_))),
        (M::isValueNode, []) => Value::Bool(!missing && !matches!(value, Value::List(_) | Value::Map(_))),
        (M::isTextual, []) => Value::Bool(matches!(value, Value::Text(_))),
        (M::isNumber, []) => Value::Bool(value.is_number()),
        (M::isInt, []) => Value::Bool(matches!(value, Value::Int(_))),
        (M::isLong, []) => Value::Bool(matches!(value, Value::Long(_))),
        (M::isIntegralNumber, []) => {
            Value::Bool(matches!(value, Value::Int(_) | Value::Long(_) | Value::Big(_)))
        }
        (M::isDouble | M::isFloatingPointNumber | M::isBigDecimal, []) => {
            Value::Bool(matches!(value, Value::Decimal(_) | Value::Double(_)))
        }
        (M::isBoolean, []) => Value::Bool(matches!(value, Value::Bool(_))),
        (M::size, []) => match &value {
            Value::Map(map) => Value::count(map.entries.borrow().len()),
            Value::List(list) => Value::count(list.items.borrow().len()),
            _ => Value::Int(0),
        },
        (M::isEmpty, []) => match &value {
            Value::Map(map) => Value::Bool(map.entries.borrow().is_empty()),
            Value::List(list) => Value::Bool(list.items.borrow().is_empty()),
            _ => Value::Bool(true),
        },
        (M::fieldNames, []) => match &value {
            Value::Map(map) => {
                let items: Vec<Value> = map.entries.borrow().keys().map(|key| key.0.clone()).collect();
                machine.allocate_items(items.len())?;
                Value::native(Native::Iterator(Items { items, next: 0.into() }))
            }
            _ => Value::native(Native::Iterator(Items { items: Vec::new(), next: 0.into() })),
        },
        (M::fields | M::properties, []) => {
            let mut items = Vec::new();
            if let Value::Map(map) = &value {
                machine.allocate_items(map.entries.borrow().len() * 2)?;
                for (key, value) in map.entries.borrow().iter() {
                    let (map, key, value) = (Rc::clone(map), key.0.clone(), node(value.clone()).into());
                    items.push(Value::native(Native::Entry { map, key, value }));
                }
            }
            Value::native(Native::Iterator(Items { items, next: 0.into() }))
        }
        (M::elements | M::iterator, []) => {
            let items = machine.items(this)?;
            Value::native(Native::Iterator(Items { items, next: 0.into() }))
        }
        (M::put | M::set | M::replace | M::setAll | M::putAt, [Value::Text(name), new]) => {
            if let Value::Map(map) = &value {
                machine.map_put(map, Value::Text(Rc::clone(name)), plain(new))?;
            }
            this.clone()
        }
        (M::putNull, [Value::Text(name)]) => {
            if let Value::Map(map) = &value {
                machine.map_put(map, Value::Text(Rc::clone(name)), Value::Null)?;
            }
            this.clone()
        }
        (M::putObject | M::putArray, [Value::Text(name)]) => {
            let new = if method == M::putObject {
                machine.new_map(Entries::default())?
            } else {
                machine.new_list(Vec::new())?
            };
            if let Value::Map(map) = &value {
                machine.map_put(map, Value::Text(Rc::clone(name)), new.clone())?;
            }
            node(new)
        }
        (M::remove | M::without, [key]) => match &value {
            Value::Map(map) => {
                let gone = super::list::removed(machine, map, key)?;
                if method == M::without { this.clone() } else { gone.map_or(Value::Null, node) }
            }
            Value::List(list) => {
                let index = count_of(machine, key, "a position")?;
                if index < list.items.borrow().len() {
                    node(list.items.borrow_mut().remove(index))
                } else {
                    Value::Null
                }
            }
            _ => Value::Null,
        },
        (M::add | M::addAll, [new]) => {
            if let Value::List(list) = &value {
                let new = plain(new);
                if method == M::addAll {
                    for item in machine.items(&new)? {
                        machine.list_push(list, plain(&item))?;
                    }
                } else {
                    machine.list_push(list, new)?;
                }
            }
            this.clone()
        }
        (M::addObject, []) => {
            let new = machine.new_map(Entries::default())?;
            if let Value::List(list) = &value {
                machine.list_push(list, new.clone())?;
            }
            node(new)
        }
        (M::deepCopy, []) => {
            let json = machine.json_of(&value, Style::JACKSON)?;
            node(parse(machine, &json.into())?)
        }
        (M::toString, []) => machine.text(this).map(Value::Text)?,
        (M::toPrettyString, []) => {
            let json = machine.json_of(&value, Style::JACKSON)?;
            let text = pretty(machine, &json)?;
            machine.new_text(text)?
        }
        (M::equals, [other]) => Value::Bool(machine.equal(&value, &plain(other))?),
        (
            M::each
            | M::collect
            | M::find
            | M::findAll
            | M::any
            | M::every
            | M::eachWithIndex
            | M::inject
            | M::forEach
            | M::first
            | M::last
            | M::join
            | M::sum
            | M::max
            | M::min
            | M::sort
            | M::groupBy
            | M::collectEntries,
            _,
        ) => return super::iterable::call(machine, this, method, arguments),
        _ => return Ok(None),
    }))
}

/// The first value of that name, at any depth.
fn find(machine: &mut Machine<'_>, value: &Value, name: &str) -> Run<Option<Value>> {
    if let Value::Map(map) = value {
        if let Some(found) = map.get_text(name) {
            return Ok(Some(found));
        }
    }
    let children: Vec<Value> = match value {
        Value::Map(map) => map.entries.borrow().values().cloned().collect(),
        Value::List(list) => list.items.borrow().clone(),
        _ => return Ok(None),
    };
    machine.allocate_items(children.len())?;
    for child in children {
        if let Some(found) = machine.deeper(|machine| find(machine, &child, name))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}
