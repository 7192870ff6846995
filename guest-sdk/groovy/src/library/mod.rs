//! What values can do: the methods of Java's and Groovy's classes in daily use.
//!
//! Each module answers `None` for a method that its values do not have, so that the next one is asked: the module of the
//! value, then that of everything that can be walked, then that of every object.

pub(crate) mod closure;
pub(crate) mod codec;
pub(crate) mod format;
pub(crate) mod iterable;
pub(crate) mod jackson;
pub(crate) mod json;
pub(crate) mod json_builder;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod map;
pub(crate) mod native;
pub(crate) mod number;
pub(crate) mod object;
pub(crate) mod regex;
pub(crate) mod snowplow;
pub(crate) mod statics;
pub(crate) mod text;
pub(crate) mod time;

use std::rc::Rc;

use crate::class::Builtin;
use crate::machine::Machine;
use crate::names::Method;
use crate::raise::{Run, raise};
use crate::syntax::MethodName;
use crate::value::{Closure, Entries, ListKind, MapKind, Native, Value};

/// `receiver.name(..)`
pub(crate) fn call(
    machine: &mut Machine<'_>,
    receiver: &Value,
    name: &MethodName,
    arguments: &[Value],
) -> Run<Option<Value>> {
    let method = name.id;
    let answer = match receiver {
        Value::Text(text) | Value::GString(text) => text::call(machine, text, method, arguments)?,
        Value::List(list) => match list::call(machine, receiver, list, method, arguments)? {
            None => iterable::call(machine, receiver, method, arguments)?,
            answer => answer,
        },
        Value::Map(map) => map::call(machine, receiver, map, method, arguments)?,
        Value::Set(set) => match list::call_set(machine, receiver, set, method, arguments)? {
            None => iterable::call(machine, receiver, method, arguments)?,
            answer => answer,
        },
        Value::Range(range) => match list::call_range(machine, receiver, **range, method, arguments)? {
            None => iterable::call(machine, receiver, method, arguments)?,
            answer => answer,
        },
        Value::Bytes(bytes) => match codec::call_bytes(machine, bytes, method, arguments)? {
            None => iterable::call(machine, receiver, method, arguments)?,
            answer => answer,
        },
        Value::Closure(closure) => closure::call(machine, closure, method, arguments)?,
        Value::Native(native) => native::call(machine, receiver, native, name, arguments)?,
        Value::Char(char) => number::call_char(machine, *char, method, arguments)?,
        Value::Bool(value) => number::call_bool(machine, *value, method, arguments)?,
        value if value.is_number() => number::call(machine, value, method, arguments)?,
        _ => None,
    };
    match answer {
        None if method != Method::Other => object::call(machine, receiver, name, arguments),
        answer => Ok(answer),
    }
}

/// `object.name`, where it is not what a getter answers.
pub(crate) fn property(machine: &mut Machine<'_>, object: &Value, name: &str) -> Run<Option<Value>> {
    Ok(match (object, name) {
        (Value::Native(native), _) => return native::property(machine, native, name),
        (Value::Bytes(bytes), "length") => Some(Value::count(bytes.len())),
        (Value::Range(range), "from") => Some(Value::whole(range.from.min(range.to))),
        (Value::Range(range), "to") => Some(Value::whole(range.to.max(range.from))),
        _ => None,
    })
}

/// `new Class(..)`
pub(crate) fn create(machine: &mut Machine<'_>, class: Builtin, arguments: &[Value]) -> Run<Option<Value>> {
    Ok(Some(match (class, arguments) {
        (Builtin::Object, []) => Value::native(Native::Named(Builtin::Object, "object".into())),
        (Builtin::String, _) => return text::create(machine, arguments),
        (Builtin::StringBuilder | Builtin::StringBuffer | Builtin::StringWriter, []) => {
            Value::native(Native::StringBuilder(String::new().into(), class))
        }
        (Builtin::StringBuilder | Builtin::StringBuffer | Builtin::StringWriter, [start]) => {
            let text = if matches!(start, Value::Int(_)) { "".into() } else { machine.text(start)? };
            machine.allocate(text.len())?;
            Value::native(Native::StringBuilder(text.to_string().into(), class))
        }
        (Builtin::ArrayList | Builtin::List | Builtin::Stack, [] | [Value::Int(_)]) => {
            machine.new_list(Vec::new())?
        }
        (Builtin::ArrayList, [items]) => {
            let items = machine.items(items)?;
            machine.new_list(items)?
        }
        (Builtin::LinkedList | Builtin::ArrayDeque, [] | [_]) => {
            let items = match arguments {
                [items] if !items.is_number() => machine.items(items)?,
                _ => Vec::new(),
            };
            machine.allocate_items(items.len() + 2)?;
            Value::List(Rc::new(crate::value::List::new(items, ListKind::Linked)))
        }
        (
            Builtin::HashMap | Builtin::LinkedHashMap | Builtin::ConcurrentHashMap,
            [] | [Value::Int(_)] | [Value::Int(_), _],
        ) => machine.new_map(Entries::default())?,
        (Builtin::HashMap | Builtin::LinkedHashMap | Builtin::ConcurrentHashMap, [Value::Map(map)]) => {
            let entries = map.entries.borrow().clone();
            machine.new_map(entries)?
        }
        (Builtin::TreeMap, []) => {
            machine.sorted_map_of(&Rc::new(crate::value::Map::new(Entries::default(), MapKind::Sorted)))?
        }
        (Builtin::TreeMap, [Value::Map(map)]) => machine.sorted_map_of(map)?,
        (Builtin::HashSet | Builtin::LinkedHashSet | Builtin::TreeSet, [] | [_]) => {
            let items = match arguments {
                [items @ (Value::List(_) | Value::Set(_) | Value::Range(_))] => machine.items(items)?,
                _ => Vec::new(),
            };
            let kind = if class == Builtin::TreeSet { MapKind::Sorted } else { MapKind::Plain };
            machine.new_set(items, kind)?
        }
        (
            Builtin::Integer
            | Builtin::Long
            | Builtin::Double
            | Builtin::Float
            | Builtin::BigInteger
            | Builtin::BigDecimal,
            _,
        ) => return number::create(machine, class, arguments),
        (Builtin::Boolean, [value]) => {
            let text = machine.text(value)?;
            Value::Bool(text.eq_ignore_ascii_case("true"))
        }
        (Builtin::JsonSlurper | Builtin::JsonSlurperClassic, []) => Value::native(Native::Slurper(class)),
        (Builtin::JsonBuilder, _) => return json_builder::create(machine, arguments),
        (Builtin::ObjectMapper, []) => Value::native(Native::ObjectMapper),
        (Builtin::TypeReference, []) => Value::native(Native::Helper(class)),
        (Builtin::DeletionEvent, [correlation_id]) => Value::native(Native::Deletion {
            correlation_id: id(machine, correlation_id)?,
            event_id: Value::Null,
        }),
        (Builtin::DeletionEvent, [correlation_id, event_id]) => {
            let correlation_id = id(machine, correlation_id)?;
            Value::native(Native::Deletion { correlation_id, event_id: id(machine, event_id)? })
        }
        (Builtin::SnowplowSerDe | Builtin::SnowplowPayloadExtractor, []) => {
            Value::native(Native::Helper(class))
        }
        (Builtin::SnowplowCollectorPayload, []) => Value::native(Native::Snowplow(Rc::default())),
        (Builtin::Date | Builtin::SimpleDateFormat | Builtin::GregorianCalendar, _) => {
            time::create(machine, class, arguments)?
        }
        (Builtin::DecimalFormat, [pattern, ..]) => {
            let pattern = machine.text(pattern)?;
            let rounding = crate::decimal::Rounding::HalfEven.into();
            Value::native(Native::DecimalFormat(pattern, rounding))
        }
        (Builtin::UUID, [Value::Long(high), Value::Long(low)]) => {
            let text = format!("{high:016x}{low:016x}");
            Value::native(Native::Uuid(codec::uuid_of_hex(&text).into()))
        }
        (Builtin::MathContext, [precision]) => {
            let precision = count_of(machine, precision, "a precision")?;
            let precision = u32::try_from(precision).unwrap_or(u32::MAX);
            Value::native(Native::Precision(precision, crate::decimal::Rounding::HalfUp))
        }
        (Builtin::IntRange, [Value::Int(from), Value::Int(to)]) => {
            Value::Range(Rc::new(crate::value::Range {
                from: i64::from(*from),
                to: i64::from(*to),
                empty: false,
                long: false,
                open: false,
            }))
        }
        _ => return Ok(None),
    }))
}

/// An id of a deletion: a text, or nothing.
fn id(machine: &mut Machine<'_>, value: &Value) -> Run {
    if value.is_null() {
        return Ok(Value::Null);
    }
    machine.text(value).map(Value::Text)
}

/// `name(..)` without a receiver.
pub(crate) fn free(machine: &mut Machine<'_>, name: &MethodName, arguments: &[Value]) -> Run<Option<Value>> {
    match &*name.text {
        "println" | "print" | "printf" => log::print(machine, name, arguments).map(Some),
        "sprintf" => format::sprintf(machine, arguments).map(Some),
        "sleep" => Ok(Some(Value::Null)),
        "evaluate" | "include" | "run" if !arguments.is_empty() => Err(crate::machine::unsupported(
            "code cannot be loaded while the script runs; write it into the script",
        )),
        "getBinding" => Ok(Some(Value::native(Native::Binding))),
        "with" | "tap" | "use" => Ok(None),
        _ => Ok(None),
    }
}

/// A closure among the arguments.
pub(crate) fn closure_of<'a>(value: &'a Value, method: &str) -> Run<&'a Rc<Closure>> {
    match value {
        Value::Closure(closure) => Ok(closure),
        other => Err(raise(
            Builtin::IllegalArgumentException,
            format!(
                "{method}() expects a closure, found a value of class {}; write `{{ it -> .. }}`",
                other.class().full_name()
            ),
        )),
    }
}

/// A count among the arguments.
pub(crate) fn count_of(machine: &mut Machine<'_>, value: &Value, what: &str) -> Run<usize> {
    let number = crate::number::to_long(value).filter(|_| value.is_number());
    match number.and_then(|number| usize::try_from(number).ok()) {
        Some(count) => Ok(count),
        None => {
            let text = machine.text(value)?;
            Err(raise(
                Builtin::IllegalArgumentException,
                format!("expected {what}, a whole number from 0, found {text}"),
            ))
        }
    }
}

/// A whole number among the arguments.
pub(crate) fn whole_of(machine: &mut Machine<'_>, value: &Value) -> Run<i64> {
    match crate::number::to_long(value) {
        Some(number) => Ok(number),
        None => {
            let text = machine.text(value)?;
            Err(raise(Builtin::IllegalArgumentException, format!("expected a whole number, found {text}")))
        }
    }
}

/// Whether a list has a fixed length; an exception if it is to grow or shrink.
pub(crate) fn growable(list: &crate::value::List) -> Run<()> {
    if matches!(list.kind, ListKind::Plain | ListKind::Linked) {
        return Ok(());
    }
    let what = if list.kind == ListKind::Array {
        "an array has a fixed length"
    } else {
        "the list cannot be changed"
    };
    Err(crate::machine::unsupported(format!("{what}; make a list of it with `as List` or `toList()`")))
}
