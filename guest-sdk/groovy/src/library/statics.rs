//! Static methods and constants of classes.

use std::rc::Rc;

use super::{codec, format, iterable, list, number, snowplow, text, time, whole_of};
use crate::class::Builtin;
use crate::decimal::{Decimal, Rounding};
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::{Run, raise};
use crate::syntax::{Binary, MethodName};
use crate::value::{Closure, Code, Entries, ListKind, MapKind, Native, Value};

/// Names that `import static java.lang.Math.*` and its like bring.
const MATH: &[&str] = &[
    "abs",
    "max",
    "min",
    "round",
    "floor",
    "ceil",
    "sqrt",
    "cbrt",
    "pow",
    "exp",
    "log",
    "log10",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "atan2",
    "hypot",
    "signum",
    "floorMod",
    "floorDiv",
    "toRadians",
    "toDegrees",
    "PI",
    "E",
];

/// Whether a class has a static member of that name, for imports of all of them.
pub(crate) fn has(class: Builtin, name: &str) -> bool {
    match class {
        Builtin::Math => MATH.contains(&name),
        Builtin::JsonOutput => matches!(name, "toJson" | "prettyPrint"),
        Builtin::RoundingMode => Rounding::named(name).is_some(),
        Builtin::ChronoUnit => time::is_unit(name),
        Builtin::StandardCharsets => {
            name.starts_with("UTF") || name.starts_with("ISO") || name.starts_with("US")
        }
        _ => false,
    }
}

/// A number of a class, from a text or another number.
fn value_of(machine: &mut Machine<'_>, class: Builtin, value: &Value) -> Run {
    if let Some(number) = number::convert(value, class).filter(|_| !matches!(value, Value::Text(_))) {
        return Ok(number);
    }
    let text = match value {
        Value::Null => return Err(raise(Builtin::NumberFormatException, "Cannot parse null string")),
        other => machine.text(other)?,
    };
    // Java's parsers take no blanks.
    let trims = matches!(class, Builtin::Double | Builtin::Float);
    match crate::number::parse(&text, class).filter(|_| trims || text.trim().len() == text.len()) {
        Some(number) => Ok(number),
        None => Err(text::not_a_number(&text)),
    }
}

/// `Class.name(..)`
pub(crate) fn call(
    machine: &mut Machine<'_>,
    class: Builtin,
    name: &MethodName,
    arguments: &[Value],
) -> Run<Option<Value>> {
    let method = name.id;
    Ok(Some(match (class, method, arguments) {
        (Builtin::Math, _, _) => match (method, arguments) {
            (M::random, []) => {
                return Err(crate::machine::unsupported(
                    "random numbers are not supported; use `UUID.randomUUID()` for a random id",
                ));
            }
            _ => return number::math(machine, method, arguments),
        },
        (
            Builtin::Integer
            | Builtin::Long
            | Builtin::Short
            | Builtin::Byte
            | Builtin::Double
            | Builtin::Float,
            _,
            _,
        ) => {
            return number_class(machine, class, method, arguments);
        }
        (Builtin::BigDecimal | Builtin::BigInteger, M::valueOf, [value]) => value_of(machine, class, value)?,
        (Builtin::BigDecimal, M::valueOf, [unscaled, Value::Int(scale)]) => {
            let unscaled = whole_of(machine, unscaled)?;
            let scale = (*scale).clamp(-crate::decimal::SCALE_MAX, crate::decimal::SCALE_MAX);
            Value::decimal(Decimal::new(unscaled.into(), scale))
        }
        (Builtin::Boolean, M::parseBoolean | M::valueOf, [value]) => {
            let text = machine.text(value)?;
            Value::Bool(text.eq_ignore_ascii_case("true"))
        }
        (Builtin::Boolean, M::toString, [value]) => machine.text(value).map(Value::Text)?,
        (Builtin::Character, _, [value, ..]) => {
            let char = match value {
                Value::Char(char) => *char,
                Value::Int(code) => u32::try_from(*code).ok().and_then(char::from_u32).unwrap_or_default(),
                other => machine.text(other)?.chars().next().unwrap_or_default(),
            };
            match method {
                M::valueOf => Value::Char(char),
                M::getNumericValue => Value::Int(char.to_digit(36).map_or(-1, |digit| digit as i32)),
                M::toString => Value::text(char.encode_utf8(&mut [0; 4])),
                M::toChars => Value::array(vec![Value::Char(char)]),
                _ => return number::call_char(machine, char, method, &[]),
            }
        }
        (Builtin::String, M::format, [format, values @ ..]) => {
            // A locale may come first.
            let (format, values) = match (format, values) {
                (Value::Native(_), [format, values @ ..]) => (format, values),
                _ => (format, values),
            };
            let format = machine.text(format)?;
            let values = match values {
                [list @ Value::List(items)] if items.kind == ListKind::Array => machine.items(list)?,
                values => values.to_vec(),
            };
            let text = format::formatted(machine, &format, &values)?;
            machine.new_text(text)?
        }
        (Builtin::String, M::valueOf | M::copyValueOf, [value]) => match value {
            Value::List(_) => {
                let joined = iterable::joined(machine, value, "")?;
                machine.new_text(joined)?
            }
            other => machine.text(other).map(Value::Text)?,
        },
        (Builtin::String, M::join, [separator, items @ ..]) => {
            let separator = machine.text(separator)?;
            let items = match items {
                [items @ (Value::List(_) | Value::Set(_))] => items.clone(),
                items => Value::list(items.to_vec()),
            };
            let joined = iterable::joined(machine, &items, &separator)?;
            machine.new_text(joined)?
        }
        (Builtin::System, _, _) => return system(machine, method, arguments),
        (Builtin::UUID, M::randomUUID, []) => {
            let uuid = machine.host.random_uuid();
            Value::native(Native::Uuid(uuid.into()))
        }
        (Builtin::UUID, M::fromString, [text]) => {
            let text = machine.text(text)?;
            let parts: Vec<&str> = text.split('-').collect();
            let is_hex = |part: &&str| !part.is_empty() && part.chars().all(|char| char.is_ascii_hexdigit());
            if parts.len() != 5 || !parts.iter().all(is_hex) || text.len() > 36 {
                return Err(raise(Builtin::IllegalArgumentException, format!("Invalid UUID string: {text}")));
            }
            let widths = [8, 4, 4, 4, 12];
            let padded: Vec<String> = parts
                .iter()
                .zip(widths)
                .map(|(part, width)| format!("{:0>width$}", part.to_lowercase()))
                .collect();
            Value::native(Native::Uuid(padded.join("-").into()))
        }
        (Builtin::UUID, M::nameUUIDFromBytes, [Value::Bytes(bytes)]) => {
            let mut hash = codec::md5(bytes);
            for (index, byte) in hash.iter_mut().enumerate() {
                match index {
                    6 => *byte = (*byte & 0x0f) | 0x30,
                    8 => *byte = (*byte & 0x3f) | 0x80,
                    _ => {}
                }
            }
            Value::native(Native::Uuid(codec::uuid_of_hex(&codec::hex(&hash)).into()))
        }
        (Builtin::JsonOutput, M::toJson, [value]) => {
            let json = machine.json_of(value, super::json::Style::SCRIPT)?;
            machine.new_text(json)?
        }
        (Builtin::JsonOutput, M::prettyPrint, [text]) => {
            let text = machine.text(text)?;
            let pretty = super::json::pretty(machine, &text)?;
            machine.new_text(pretty)?
        }
        (Builtin::JsonOutput, M::unescaped, [text]) => text.clone(),
        (Builtin::Logger, M::getLogger | M::getAnonymousLogger | M::getGlobal, _) => {
            let name = match arguments {
                [name @ Value::Class(class), ..] => {
                    let _ = name;
                    class.full_name().into()
                }
                [name, ..] => machine.text(name)?,
                [] => "".into(),
            };
            Value::native(Native::Logger(name))
        }
        (Builtin::SnowplowSerDe | Builtin::SnowplowPayloadExtractor, _, _) => {
            return snowplow::call_static(machine, class, method, arguments);
        }
        (Builtin::UrlEncoder, M::encode, [text, ..]) => {
            let text = machine.text(text)?;
            machine.new_text(codec::url_encoded(&text))?
        }
        (Builtin::UrlDecoder, M::decode, [text, ..]) => {
            let text = machine.text(text)?;
            match codec::url_decoded(&text) {
                Some(decoded) => machine.new_text(decoded)?,
                None => {
                    return Err(raise(
                        Builtin::IllegalArgumentException,
                        "URLDecoder: expected two hexadecimal digits after each percent sign",
                    ));
                }
            }
        }
        (Builtin::Base64, M::getEncoder | M::getMimeEncoder, []) => base64(true, false, true),
        (Builtin::Base64, M::getUrlEncoder, []) => base64(true, true, true),
        (Builtin::Base64, M::getDecoder | M::getUrlDecoder | M::getMimeDecoder, []) => {
            base64(false, false, true)
        }
        (Builtin::MessageDigest, M::getInstance, [algorithm]) => {
            let algorithm = machine.text(algorithm)?;
            codec::digest(&algorithm, &[])?;
            Value::native(Native::Digest(algorithm, Vec::new().into()))
        }
        (Builtin::Charset, M::forName, [name]) => {
            let name = machine.text(name)?;
            codec::encoded("", &name)?;
            Value::native(Native::Named(class, name))
        }
        (Builtin::Locale, M::forLanguageTag | M::of, [name, ..]) => {
            let name = machine.text(name)?;
            Value::native(Native::Named(class, name))
        }
        (Builtin::Locale, M::getDefault, []) => Value::native(Native::Named(class, "en".into())),
        (Builtin::RoundingMode, M::valueOf, [mode]) => {
            Value::native(Native::Rounding(number::rounding_of(machine, mode)?))
        }
        (Builtin::Pattern, M::compile, [source]) => {
            let source = machine.text(source)?;
            Value::native(Native::Pattern(machine.pattern(&source, 0)?))
        }
        (Builtin::Pattern, M::compile, [source, flags]) => {
            let (source, flags) = (machine.text(source)?, whole_of(machine, flags)? as i32);
            Value::native(Native::Pattern(machine.pattern(&source, flags)?))
        }
        (Builtin::Pattern, M::matches, [source, text]) => machine.binary(Binary::Match, text, source)?,
        (Builtin::Pattern | Builtin::Matcher, M::quote | M::quoteReplacement, [text]) => {
            let text = machine.text(text)?;
            if class == Builtin::Matcher || method == M::quoteReplacement {
                machine.new_text(text.replace('\\', "\\\\").replace('$', "\\$"))?
            } else {
                machine.new_text(format!("\\Q{text}\\E"))?
            }
        }
        (Builtin::Objects, _, _) => return objects(machine, method, arguments),
        (Builtin::Collections | Builtin::List | Builtin::Set | Builtin::Map | Builtin::Arrays, _, _) => {
            return collections(machine, class, method, arguments);
        }
        (Builtin::Entry, M::comparingByKey | M::comparingByValue, []) => {
            return Err(crate::machine::unsupported(
                "write `map.sort { it.key }` or `map.sort { it.value }`",
            ));
        }
        (Builtin::Comparator, _, _) => return comparator(method, arguments),
        (Builtin::Closure, M::identity, []) => {
            return Err(crate::machine::unsupported("write `{ it }`"));
        }
        (Builtin::Level, M::parse, [name]) => {
            let name = machine.text(name)?;
            match level(&name) {
                Some(level) => level,
                None => {
                    return Err(raise(Builtin::IllegalArgumentException, format!("Bad level \"{name}\"")));
                }
            }
        }
        (Builtin::StringBuilder | Builtin::ObjectMapper, _, _) => return Ok(None),
        _ => return time::call_static(machine, class, method, arguments),
    }))
}

fn base64(encodes: bool, url: bool, padded: bool) -> Value {
    Value::native(Native::Base64 { encodes, url, padded })
}

fn number_class(
    machine: &mut Machine<'_>,
    class: Builtin,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    Ok(Some(match (method, arguments) {
        (
            M::parseInt
            | M::parseLong
            | M::valueOf
            | M::parseDouble
            | M::parseFloat
            | M::parseShort
            | M::decode,
            [value],
        ) => {
            if matches!((method, value), (M::parseInt | M::parseLong, Value::Null)) {
                return Err(raise(Builtin::NumberFormatException, "Cannot parse null string: null"));
            }
            value_of(machine, class, value)?
        }
        (M::parseInt | M::parseLong | M::valueOf | M::parseUnsignedInt, [value, Value::Int(radix)]) => {
            let text = machine.text(value)?;
            let number = Value::whole_of(number::in_radix(&text, *radix)?);
            let fits = match class {
                Builtin::Integer => matches!(number, Value::Int(_)),
                _ => matches!(number, Value::Int(_) | Value::Long(_)),
            };
            if !fits {
                return Err(text::not_a_number(&text));
            }
            number::convert(&number, class).unwrap_or_default()
        }
        (M::toString, [value]) => machine.text(value).map(Value::Text)?,
        (M::toString, [value, Value::Int(radix)]) => {
            let number = crate::number::to_big(value).unwrap_or_default();
            machine.new_text(number::with_radix(&number, *radix))?
        }
        (M::toHexString | M::toBinaryString | M::toOctalString, [value]) => {
            let long = whole_of(machine, value)?;
            // Negative numbers show all their bits.
            let bits = if class == Builtin::Integer { u64::from(long as i32 as u32) } else { long as u64 };
            machine.new_text(match method {
                M::toHexString => format!("{bits:x}"),
                M::toBinaryString => format!("{bits:b}"),
                _ => format!("{bits:o}"),
            })?
        }
        (M::compare, [left, right]) => Value::Int(machine.compare(left, right)? as i32),
        (M::max | M::min, [_, _]) => return number::math(machine, method, arguments),
        (M::sum, [left, right]) => machine.binary(Binary::Add, left, right)?,
        (M::bitCount, [value]) => {
            let long = whole_of(machine, value)?;
            let bits = if class == Builtin::Integer { (long as i32).count_ones() } else { long.count_ones() };
            Value::Int(bits as i32)
        }
        (M::signum, [value]) => Value::Int(whole_of(machine, value)?.signum() as i32),
        (M::abs, [_]) => return number::math(machine, method, arguments),
        (M::isNaN, [value]) => Value::Bool(crate::number::to_double(value).is_some_and(f64::is_nan)),
        (M::isFinite, [value]) => Value::Bool(crate::number::to_double(value).is_some_and(f64::is_finite)),
        (M::isInfinite, [value]) => {
            Value::Bool(crate::number::to_double(value).is_some_and(f64::is_infinite))
        }
        (M::hashCode, [value]) => return number::call(machine, value, M::hashCode, &[]),
        _ => return Ok(None),
    }))
}

fn system(machine: &mut Machine<'_>, method: M, arguments: &[Value]) -> Run<Option<Value>> {
    Ok(Some(match (method, arguments) {
        (M::currentTimeMillis, []) => Value::Long(machine.host.now_ms()),
        (M::nanoTime, []) => Value::Long(machine.host.now_ms().wrapping_mul(1_000_000)),
        (M::lineSeparator, []) => machine.new_text("\n")?,
        (M::identityHashCode, [_]) => Value::Int(0),
        (M::exit, _) => {
            return Err(crate::machine::unsupported("a script cannot end the process; use `return`"));
        }
        (M::getenv | M::getProperty | M::getProperties | M::setProperty, _) => {
            return Err(crate::machine::unsupported(
                "a script sees no environment; write the value into the script",
            ));
        }
        (M::arraycopy, _) => {
            return Err(crate::machine::unsupported("write `list[from..to]` or `list.collect()`"));
        }
        _ => return Ok(None),
    }))
}

fn objects(machine: &mut Machine<'_>, method: M, arguments: &[Value]) -> Run<Option<Value>> {
    Ok(Some(match (method, arguments) {
        (M::equals | M::deepEquals, [left, right]) => Value::Bool(machine.equal(left, right)?),
        (M::isNull, [value]) => Value::Bool(value.is_null()),
        (M::nonNull, [value]) => Value::Bool(!value.is_null()),
        (M::requireNonNull, [value, rest @ ..]) => {
            if value.is_null() {
                let message = match rest {
                    [message] => machine.text(message)?,
                    _ => "the value is null".into(),
                };
                return Err(raise(Builtin::NullPointerException, message));
            }
            value.clone()
        }
        (M::requireNonNullElse, [value, default]) => {
            if value.is_null() {
                default.clone()
            } else {
                value.clone()
            }
        }
        (M::toString, [value]) => machine.text(value).map(Value::Text)?,
        (M::toString, [value, default]) => {
            if value.is_null() {
                default.clone()
            } else {
                machine.text(value).map(Value::Text)?
            }
        }
        (M::hash, values) => {
            let mut hash = 1i32;
            for value in values {
                let part = if value.is_null() {
                    Value::Int(0)
                } else {
                    machine.invoke(value, &MethodName::new("hashCode"), &[])?
                };
                hash = hash.wrapping_mul(31).wrapping_add(crate::number::to_long(&part).unwrap_or(0) as i32);
            }
            Value::Int(hash)
        }
        (M::hashCode, [value]) => {
            if value.is_null() {
                Value::Int(0)
            } else {
                machine.invoke(value, &MethodName::new("hashCode"), &[])?
            }
        }
        _ => return Ok(None),
    }))
}

fn collections(
    machine: &mut Machine<'_>,
    class: Builtin,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    Ok(Some(match (class, method, arguments) {
        (Builtin::Collections, M::emptyList, []) => {
            Value::List(Rc::new(crate::value::List::new(Vec::new(), ListKind::Frozen)))
        }
        (Builtin::Collections, M::emptyMap, []) => {
            Value::Map(Rc::new(crate::value::Map::new(Entries::default(), MapKind::Frozen)))
        }
        (Builtin::Collections, M::emptySet, []) => Value::set([], MapKind::Frozen),
        (Builtin::Collections, M::singletonList | M::singleton, [item]) => {
            machine.new_list(vec![item.clone()])?
        }
        (Builtin::Collections, M::unmodifiableList | M::unmodifiableMap | M::unmodifiableSet, [value]) => {
            machine.invoke(value, &MethodName::new("asImmutable"), &[])?
        }
        (Builtin::Collections, M::synchronizedList | M::synchronizedMap, [value]) => value.clone(),
        (Builtin::Collections | Builtin::Arrays, M::sort, [items, rest @ ..]) => {
            let mut with = vec![Value::Bool(true)];
            with.extend(rest.first().cloned());
            machine.invoke(items, &MethodName::new("sort"), &with)?;
            Value::Null
        }
        (Builtin::Collections, M::reverse, [items]) => {
            machine.invoke(items, &MethodName::new("reverse"), &[Value::Bool(true)])?;
            Value::Null
        }
        (Builtin::Collections, M::max | M::min | M::disjoint, [items, rest @ ..]) => {
            return iterable::call(machine, items, method, rest);
        }
        (Builtin::Collections, M::addAll, [items, rest @ ..]) => {
            let more = Value::list(rest.to_vec());
            machine.invoke(items, &MethodName::new("addAll"), &[more])?
        }
        (Builtin::Collections, M::swap, [items @ Value::List(held), one, other]) => {
            return list::call(machine, items, held, M::swap, &[one.clone(), other.clone()]);
        }
        (Builtin::Collections, M::frequency, [items, item]) => {
            return iterable::call(machine, items, M::count, std::slice::from_ref(item));
        }
        (Builtin::Collections, M::nCopies, [count, item]) => {
            let count = super::count_of(machine, count, "a count")?;
            machine.allocate_items(count)?;
            Value::list(vec![item.clone(); count])
        }
        (Builtin::Collections, M::reverseOrder, []) => return comparator(M::reverseOrder, &[]),
        (Builtin::Collections, M::shuffle, _) => {
            return Err(crate::machine::unsupported(
                "random order is not supported; sort by something of the items",
            ));
        }
        (Builtin::Arrays, M::asList, items) => match items {
            [items @ Value::List(held)] if held.kind == ListKind::Array => {
                let items = machine.items(items)?;
                machine.new_list(items)?
            }
            items => machine.new_list(items.to_vec())?,
        },
        (Builtin::Arrays, M::toString | M::deepToString, [items]) => machine.text(items).map(Value::Text)?,
        (Builtin::Arrays, M::equals | M::deepEquals, [left, right]) => {
            Value::Bool(machine.equal(left, right)?)
        }
        (Builtin::Arrays, M::stream, [items]) => {
            let items = machine.items(items)?;
            machine.new_list(items)?
        }
        (Builtin::Arrays, M::copyOfRange, [items, from, to]) => {
            let (from, to) =
                (super::count_of(machine, from, "a position")?, super::count_of(machine, to, "a position")?);
            if let Value::Bytes(bytes) = items {
                let part = bytes.get(from..to.min(bytes.len())).unwrap_or_default();
                machine.allocate(part.len())?;
                return Ok(Some(Value::Bytes(part.into())));
            }
            let items = machine.items(items)?;
            Value::array(items.get(from..to.min(items.len())).unwrap_or_default().to_vec())
        }
        (Builtin::Arrays, M::fill, [Value::List(list), value]) => {
            machine.list_change(list, value, |items, value| {
                items.iter_mut().for_each(|item| *item = value.clone());
            })?;
            Value::Null
        }
        (Builtin::List | Builtin::Set, M::of | M::copyOf, items) => {
            let items = match items {
                [items @ (Value::List(_) | Value::Set(_))] => machine.items(items)?,
                items => items.to_vec(),
            };
            machine.allocate_items(items.len() * 4)?;
            if class == Builtin::List {
                Value::List(Rc::new(crate::value::List::new(items, ListKind::Frozen)))
            } else {
                Value::set(items, MapKind::Frozen)
            }
        }
        (Builtin::Map, M::of, pairs) if pairs.len() % 2 == 0 => {
            machine.allocate_items(pairs.len() * 4)?;
            let entries = pairs
                .chunks(2)
                .filter_map(|pair| Some((crate::value::Key(pair.first()?.clone()), pair.get(1)?.clone())))
                .collect();
            Value::Map(Rc::new(crate::value::Map::new(entries, MapKind::Frozen)))
        }
        (Builtin::Map, M::entry, [key, value]) => {
            let entries: Entries = [(crate::value::Key(key.clone()), value.clone())].into_iter().collect();
            let map = machine.new_map(entries)?;
            machine.items(&map)?.into_iter().next().unwrap_or_default()
        }
        (Builtin::Map, M::copyOf, [map]) => machine.invoke(map, &MethodName::new("asImmutable"), &[])?,
        _ => return Ok(None),
    }))
}

/// Comparators: closures of two values.
fn comparator(method: M, _: &[Value]) -> Run<Option<Value>> {
    let name = match method {
        M::naturalOrder => "compareTo",
        M::reverseOrder => {
            let natural = Closure::of(
                Code::Method {
                    receiver: Value::Class(crate::class::Class::Builtin(Builtin::Object)),
                    name: MethodName::new("compareTo"),
                },
                Value::Null,
            );
            let code =
                Code::Method { receiver: Value::Closure(natural), name: MethodName::new("callReversed") };
            return Ok(Some(Value::Closure(Closure::of(code, Value::Null))));
        }
        _ => {
            return Err(crate::machine::unsupported(
                "comparators are not supported; write `list.sort { it.name }` or `list.sort { a, b -> a.n <=> b.n }`",
            ));
        }
    };
    let code = Code::Method {
        receiver: Value::Class(crate::class::Class::Builtin(Builtin::Object)),
        name: MethodName::new(name),
    };
    Ok(Some(Value::Closure(Closure::of(code, Value::Null))))
}

fn level(name: &str) -> Option<Value> {
    const LEVELS: [&str; 9] =
        ["SEVERE", "WARNING", "INFO", "CONFIG", "FINE", "FINER", "FINEST", "ALL", "OFF"];
    LEVELS.iter().find(|known| **known == name).map(|known| Value::native(Native::Level(known)))
}

/// `Class.name`
pub(crate) fn property(_: &mut Machine<'_>, class: Builtin, name: &str) -> Run<Option<Value>> {
    Ok(Some(match (class, name) {
        (Builtin::Integer, "MAX_VALUE") => Value::Int(i32::MAX),
        (Builtin::Integer, "MIN_VALUE") => Value::Int(i32::MIN),
        (Builtin::Long, "MAX_VALUE") => Value::Long(i64::MAX),
        (Builtin::Long, "MIN_VALUE") => Value::Long(i64::MIN),
        (Builtin::Short, "MAX_VALUE") => Value::Int(i32::from(i16::MAX)),
        (Builtin::Short, "MIN_VALUE") => Value::Int(i32::from(i16::MIN)),
        (Builtin::Byte, "MAX_VALUE") => Value::Int(i32::from(i8::MAX)),
        (Builtin::Byte, "MIN_VALUE") => Value::Int(i32::from(i8::MIN)),
        (Builtin::Double, "MAX_VALUE") => Value::Double(f64::MAX),
        (Builtin::Double, "MIN_VALUE") => Value::Double(f64::from_bits(1)),
        (Builtin::Double, "NaN") => Value::Double(f64::NAN),
        (Builtin::Double, "POSITIVE_INFINITY") => Value::Double(f64::INFINITY),
        (Builtin::Double, "NEGATIVE_INFINITY") => Value::Double(f64::NEG_INFINITY),
        (Builtin::Float, "MAX_VALUE") => Value::Float(f32::MAX),
        (Builtin::Float, "NaN") => Value::Float(f32::NAN),
        (Builtin::Boolean, "TRUE") => Value::Bool(true),
        (Builtin::Boolean, "FALSE") => Value::Bool(false),
        (Builtin::Math, "PI") => Value::Double(std::f64::consts::PI),
        (Builtin::Math, "E") => Value::Double(std::f64::consts::E),
        (Builtin::BigDecimal | Builtin::BigInteger, "ZERO" | "ONE" | "TWO" | "TEN") => {
            let number = match name {
                "ZERO" => 0,
                "ONE" => 1,
                "TWO" => 2,
                _ => 10,
            };
            number::convert(&Value::Int(number), class).unwrap_or_default()
        }
        (Builtin::BigDecimal, name) if Rounding::named(name).is_some() => Rounding::named(name)
            .map(|rounding| Value::native(Native::Rounding(rounding)))
            .unwrap_or_default(),
        (Builtin::RoundingMode, name) => match Rounding::named(name) {
            Some(rounding) => Value::native(Native::Rounding(rounding)),
            None => return Ok(None),
        },
        (Builtin::MathContext, "DECIMAL32") => Value::native(Native::Precision(7, Rounding::HalfEven)),
        (Builtin::MathContext, "DECIMAL64") => Value::native(Native::Precision(16, Rounding::HalfEven)),
        (Builtin::MathContext, "DECIMAL128") => Value::native(Native::Precision(34, Rounding::HalfEven)),
        (Builtin::Pattern, _) => Value::Int(match name {
            "CASE_INSENSITIVE" => crate::pattern::CASE_INSENSITIVE,
            "COMMENTS" => crate::pattern::COMMENTS,
            "MULTILINE" => crate::pattern::MULTILINE,
            "LITERAL" => crate::pattern::LITERAL,
            "DOTALL" => crate::pattern::DOTALL,
            "UNICODE_CASE" => crate::pattern::UNICODE_CASE,
            _ => return Ok(None),
        }),
        (Builtin::StandardCharsets, _) => match name {
            "UTF_8" | "UTF_16" | "UTF_16BE" | "US_ASCII" | "ISO_8859_1" => {
                Value::native(Native::Named(Builtin::Charset, name.replace('_', "-").into()))
            }
            _ => return Ok(None),
        },
        (Builtin::Locale, name) if name.chars().all(|char| char.is_ascii_uppercase()) => {
            Value::native(Native::Named(class, name.into()))
        }
        (Builtin::Level, name) => return Ok(level(name)),
        (Builtin::Collections, "EMPTY_LIST") => {
            Value::List(Rc::new(crate::value::List::new(Vec::new(), ListKind::Frozen)))
        }
        (Builtin::Collections, "EMPTY_MAP") => {
            Value::Map(Rc::new(crate::value::Map::new(Entries::default(), MapKind::Frozen)))
        }
        (Builtin::Closure, "OWNER_FIRST") => Value::Int(0),
        (Builtin::Closure, "DELEGATE_FIRST") => Value::Int(1),
        (Builtin::Closure, "OWNER_ONLY") => Value::Int(2),
        (Builtin::Closure, "DELEGATE_ONLY") => Value::Int(3),
        (Builtin::Closure, "IDENTITY") => {
            let code = Code::Method {
                receiver: Value::Class(crate::class::Class::Builtin(Builtin::Object)),
                name: MethodName::new("tapIdentity"),
            };
            Value::Closure(Closure::of(code, Value::Null))
        }
        (Builtin::System, "out" | "err") => Value::native(Native::Helper(Builtin::System)),
        (Builtin::String, "CASE_INSENSITIVE_ORDER") => {
            let code = Code::Method {
                receiver: Value::Class(crate::class::Class::Builtin(Builtin::String)),
                name: MethodName::new("compareToIgnoreCase"),
            };
            Value::Closure(Closure::of(code, Value::Null))
        }
        _ => return Ok(time::constant(class, name)),
    }))
}
