//! Conversions: `as`, casts, assignment to typed variables.

use std::rc::Rc;

use super::Machine;
use crate::class::{Builtin, Class};
use crate::library::number::convert;
use crate::raise::{Raise, Run, raise};
use crate::syntax::{MethodName, Type};
use crate::value::{ListKind, MapKind, Native, Value};

/// Whether a value is of a class.
pub(crate) fn instance_of(value: &Value, class: &Class) -> bool {
    let Class::Builtin(wanted) = class else {
        return matches!(value, Value::Object(object) if object.class.is(class));
    };
    match (wanted, value) {
        (_, Value::Null) => false,
        (Builtin::Object, _) => true,
        (Builtin::Comparable, Value::GString(_)) => true,
        (Builtin::CharSequence, Value::GString(_)) => true,
        (Builtin::Comparable, Value::Text(_) | Value::Bool(_) | Value::Char(_)) => true,
        (Builtin::Comparable, Value::Native(native)) => {
            matches!(**native, Native::Moment(_) | Native::Uuid(_))
        }
        (Builtin::Comparable, value) if value.is_number() => true,
        (Builtin::CharSequence, Value::Native(native)) => matches!(**native, Native::StringBuilder(..)),
        (Builtin::LinkedList | Builtin::ArrayDeque | Builtin::Queue | Builtin::Deque, Value::List(list)) => {
            list.kind == ListKind::Linked
        }
        (Builtin::ArrayList, Value::List(list)) => matches!(list.kind, ListKind::Plain | ListKind::Frozen),
        (Builtin::Stack, Value::List(_)) => false,
        (Builtin::List | Builtin::Collection | Builtin::Iterable, Value::List(list)) => {
            list.kind != ListKind::Array
        }
        (Builtin::HashMap, Value::Map(map)) => map.kind == MapKind::Plain,
        (Builtin::SortedMap, Value::Map(map)) => map.kind == MapKind::Sorted,
        (Builtin::HashSet, Value::Set(set)) => set.kind == MapKind::Plain,
        (Builtin::SortedSet, Value::Set(set)) => set.kind == MapKind::Sorted,
        (Builtin::JsonSlurper, Value::Native(native)) => matches!(**native, Native::Slurper(_)),
        _ => value.class().is(class),
    }
}

fn cannot_cast(text: &str, value: &Value, class: &Type) -> Box<Raise> {
    let shown: String = text.chars().take(100).collect();
    let name = class.class.as_ref().map_or(&*class.name, |class| class.full_name());
    let name = if class.primitive { &class.name } else { name };
    raise(
        Builtin::GroovyCastException,
        format!("Cannot cast object '{shown}' with class '{}' to class '{name}'", value.class().full_name()),
    )
}

impl Machine<'_> {
    /// `value instanceof Type`
    pub(super) fn is_instance(&mut self, value: &Value, class: &Type) -> bool {
        if class.dimensions > 0 {
            let bytes = &*class.name == "byte" && matches!(value, Value::Bytes(_));
            return bytes || matches!(value, Value::List(list) if list.kind == ListKind::Array);
        }
        class.class.as_ref().is_some_and(|class| instance_of(value, class))
    }

    /// What a typed variable holds before it is assigned to.
    pub(super) fn zero(&self, class: &Type) -> Value {
        match class.class {
            Some(Class::Builtin(Builtin::Boolean)) => Value::Bool(false),
            Some(Class::Builtin(Builtin::Integer | Builtin::Short | Builtin::Byte)) => Value::Int(0),
            Some(Class::Builtin(Builtin::Long)) => Value::Long(0),
            Some(Class::Builtin(Builtin::Double)) => Value::Double(0.0),
            Some(Class::Builtin(Builtin::Float)) => Value::Float(0.0),
            Some(Class::Builtin(Builtin::Character)) => Value::Char('\0'),
            _ => Value::Null,
        }
    }

    /// Assignment to a typed variable.
    pub(super) fn assigned(&mut self, value: Value, class: &Type) -> Run {
        match (&value, &class.class) {
            (_, None) => Ok(value),
            (
                Value::Text(_),
                Some(Class::Builtin(Builtin::String | Builtin::Object | Builtin::CharSequence)),
            )
            | (Value::Int(_), Some(Class::Builtin(Builtin::Integer | Builtin::Object | Builtin::Number)))
            | (Value::Bool(_), Some(Class::Builtin(Builtin::Boolean)))
                if class.dimensions == 0 =>
            {
                Ok(value)
            }
            _ => self.cast(value, class),
        }
    }

    /// `(Type) value`
    pub(super) fn cast(&mut self, value: Value, class: &Type) -> Run {
        let Some(wanted) = &class.class else { return Ok(value) };
        let value = match wanted {
            Class::Builtin(Builtin::Object | Builtin::GString | Builtin::CharSequence) => value,
            _ => value.computed_text().unwrap_or(value),
        };
        if class.dimensions > 0 {
            return self.array_of(value, class);
        }
        let Class::Builtin(wanted_) = wanted else { return self.cast_to_own(value, class, wanted) };
        if value.is_null() {
            return match wanted_ {
                Builtin::Boolean if class.primitive => Ok(Value::Bool(false)),
                _ if class.primitive && &*class.name != "void" => Err(cannot_cast("null", &value, class)),
                _ => Ok(value),
            };
        }
        match wanted_ {
            Builtin::Object | Builtin::Comparable | Builtin::Void => Ok(value),
            Builtin::String => self.text(&value).map(Value::Text),
            Builtin::Boolean => self.truth(&value).map(Value::Bool),
            Builtin::Integer
            | Builtin::Long
            | Builtin::Double
            | Builtin::Float
            | Builtin::Short
            | Builtin::Byte
            | Builtin::BigDecimal
            | Builtin::BigInteger => match &value {
                Value::Text(text) if text.chars().count() == 1 => {
                    let char = text.chars().next().unwrap_or_default();
                    Ok(convert(&Value::Char(char), *wanted_).unwrap_or_default())
                }
                _ => match convert(&value, *wanted_) {
                    Some(number) => Ok(number),
                    None => {
                        let text = self.text(&value)?;
                        Err(cannot_cast(&text, &value, class))
                    }
                },
            },
            Builtin::Character => match &value {
                Value::Char(_) => Ok(value),
                Value::Text(text) if text.chars().count() == 1 => {
                    Ok(Value::Char(text.chars().next().unwrap_or_default()))
                }
                Value::Int(code) => {
                    Ok(Value::Char(u32::try_from(*code).ok().and_then(char::from_u32).unwrap_or_default()))
                }
                _ => {
                    let text = self.text(&value)?;
                    Err(cannot_cast(&text, &value, class))
                }
            },
            Builtin::Set
            | Builtin::HashSet
            | Builtin::LinkedHashSet
            | Builtin::TreeSet
            | Builtin::SortedSet
                if matches!(value, Value::List(_) | Value::Range(_) | Value::Set(_)) =>
            {
                self.set_of(value, *wanted_)
            }
            Builtin::List
            | Builtin::Collection
            | Builtin::Iterable
            | Builtin::ArrayList
            | Builtin::LinkedList
            | Builtin::Queue
            | Builtin::Deque
                if matches!(value, Value::List(_) | Value::Set(_) | Value::Range(_) | Value::Bytes(_)) =>
            {
                let linked = matches!(wanted_, Builtin::LinkedList | Builtin::Queue | Builtin::Deque);
                if matches!(&value, Value::List(list) if list.kind != ListKind::Array && (!linked || list.kind == ListKind::Linked))
                    || matches!((&value, wanted_), (Value::Set(_), Builtin::Collection | Builtin::Iterable))
                {
                    return Ok(value);
                }
                if matches!(
                    (&value, wanted_),
                    (Value::Range(_), Builtin::List | Builtin::Collection | Builtin::Iterable)
                ) {
                    return Ok(value);
                }
                let items = self.items(&value)?;
                if matches!(wanted_, Builtin::LinkedList | Builtin::Queue | Builtin::Deque) {
                    self.allocate_items(items.len() + 2)?;
                    return Ok(Value::List(Rc::new(crate::value::List::new(items, ListKind::Linked))));
                }
                self.new_list(items)
            }
            Builtin::SortedMap | Builtin::TreeMap => match &value {
                Value::Map(map) if map.kind != MapKind::Sorted => self.sorted_map_of(map),
                _ => Ok(value),
            },
            // What stands for an interface with one method, and what cannot be told apart here.
            Builtin::Iterator
            | Builtin::SnowplowCollectorPayload
            | Builtin::Closure
            | Builtin::Throwable
            | Builtin::TypeReference
                if matches!(value, Value::Closure(_) | Value::Map(_) | Value::Native(_)) =>
            {
                Ok(value)
            }
            Builtin::GString => Ok(value),
            _ if wanted_.is_functional() && matches!(value, Value::Closure(_)) => Ok(value),
            _ if instance_of(&value, wanted) => Ok(value),
            Builtin::Date if matches!(value, Value::Long(_)) => Err(cannot_cast("a number", &value, class)),
            _ => {
                let text = self.text(&value)?;
                Err(cannot_cast(&text, &value, class))
            }
        }
    }

    /// A cast to a class of the script, which maps and lists construct.
    fn cast_to_own(&mut self, value: Value, class: &Type, wanted: &Class) -> Run {
        let Class::Script(own) = wanted else { return Ok(value) };
        match &value {
            Value::Null => Ok(value),
            Value::Object(object) if object.class.is(wanted) => Ok(value),
            Value::Map(_) if !own.is_interface => self.construct(own, std::slice::from_ref(&value), true),
            Value::List(_) if !own.is_interface => {
                let arguments = self.items(&value)?;
                self.construct(own, &arguments, false)
            }
            Value::Text(name) if own.is_enum => {
                let arguments = [Value::Text(Rc::clone(name))];
                self.invoke(&Value::Class(wanted.clone()), &MethodName::new("valueOf"), &arguments)
            }
            // A closure stands for an interface with one method, a map for one with several.
            Value::Closure(_) | Value::Map(_) if own.is_interface => Ok(value),
            _ => {
                let text = self.text(&value)?;
                Err(cannot_cast(&text, &value, class))
            }
        }
    }

    fn array_of(&mut self, value: Value, class: &Type) -> Run {
        match &value {
            Value::Null => Ok(value),
            Value::Bytes(_) if &*class.name == "byte" => Ok(value),
            Value::Text(_) if &*class.name == "char" => {
                self.invoke(&value, &MethodName::new("toCharArray"), &[])
            }
            Value::Text(text) if &*class.name == "byte" => {
                self.allocate(text.len())?;
                Ok(Value::Bytes(text.as_bytes().into()))
            }
            Value::List(_) | Value::Set(_) | Value::Range(_) | Value::Bytes(_) => {
                let items = self.items(&value)?;
                if &*class.name == "byte" && class.dimensions == 1 {
                    let byte = |item: &Value| crate::number::to_long(item).unwrap_or(0) as u8;
                    return Ok(Value::Bytes(items.iter().map(byte).collect()));
                }
                let of = Type { dimensions: class.dimensions - 1, ..class.clone() };
                let mut converted = Vec::with_capacity(items.len());
                for item in items {
                    converted.push(self.deeper(|machine| machine.cast(item, &of))?);
                }
                Ok(Value::array(converted))
            }
            _ => {
                let text = self.text(&value)?;
                Err(cannot_cast(&text, &value, class))
            }
        }
    }

    fn set_of(&mut self, value: Value, wanted: Builtin) -> Run {
        let sorted = matches!(wanted, Builtin::TreeSet | Builtin::SortedSet);
        match &value {
            Value::Set(set) if !sorted || set.kind == MapKind::Sorted => Ok(value),
            _ => {
                let items = self.items(&value)?;
                self.new_set(items, if sorted { MapKind::Sorted } else { MapKind::Plain })
            }
        }
    }

    /// A copy whose keys are sorted.
    pub(crate) fn sorted_map_of(&mut self, map: &Rc<crate::value::Map>) -> Run {
        let entries = map.entries.borrow().clone();
        self.allocate_items(entries.len() * 4)?;
        let sorted = Rc::new(crate::value::Map::new(entries, MapKind::Sorted));
        self.sort_keys(&sorted)?;
        Ok(Value::Map(sorted))
    }

    /// `value as Type`, for the library.
    pub(crate) fn converted(&mut self, value: Value, class: &Type) -> Run {
        self.deeper(|machine| machine.convert(value, class))
    }

    /// `value as Type`
    pub(super) fn convert(&mut self, value: Value, class: &Type) -> Run {
        if value.is_null() {
            let is_truth =
                matches!(class.class, Some(Class::Builtin(Builtin::Boolean))) && class.dimensions == 0;
            return Ok(if is_truth { Value::Bool(false) } else { Value::Null });
        }
        if class.dimensions > 0 {
            return self.array_of(value, class);
        }
        let value = match class.class {
            Some(Class::Builtin(Builtin::Object | Builtin::GString | Builtin::CharSequence)) => value,
            _ => value.computed_text().unwrap_or(value),
        };
        if self.responds(&value, "asType") {
            let of = class.class.clone().map_or(Value::Null, Value::Class);
            return self.invoke(&value, &MethodName::new("asType"), &[of]);
        }
        let Some(Class::Builtin(wanted)) = class.class else { return self.cast(value, class) };
        match (&value, wanted) {
            (
                Value::Text(text),
                Builtin::Integer
                | Builtin::Long
                | Builtin::Double
                | Builtin::Float
                | Builtin::Short
                | Builtin::Byte
                | Builtin::BigDecimal
                | Builtin::BigInteger,
            ) => crate::number::parse(text, wanted).ok_or_else(|| not_a_number(text)),
            (Value::Text(_), Builtin::List | Builtin::Collection | Builtin::ArrayList) => {
                let items = self.items(&value)?;
                self.new_list(items)
            }
            (Value::Text(_), Builtin::Set | Builtin::HashSet | Builtin::LinkedHashSet) => {
                let items = self.items(&value)?;
                self.new_set(items, MapKind::Plain)
            }
            (Value::Text(text), Builtin::UUID) => Ok(Value::native(Native::Uuid(Rc::clone(text)))),
            (Value::Text(_), Builtin::Class) => {
                Err(super::unsupported("a class cannot be looked up by its name here"))
            }
            (Value::Set(_) | Value::Range(_), Builtin::List) => {
                let items = self.items(&value)?;
                self.new_list(items)
            }
            (Value::Map(_), Builtin::List | Builtin::Collection) => {
                let items = self.items(&value)?;
                self.new_list(items)
            }
            (Value::Map(map), Builtin::Set) => {
                let _ = map;
                let items = self.items(&value)?;
                self.new_set(items, MapKind::Plain)
            }
            (Value::List(list), Builtin::List) if list.kind != ListKind::Array => Ok(value),
            (Value::Long(_) | Value::Int(_), Builtin::Date) => {
                crate::library::time::create(self, Builtin::Date, std::slice::from_ref(&value))
            }
            _ => self.cast(value, class),
        }
    }
}

/// A text that is no number.
pub(crate) fn not_a_number(text: &str) -> Box<Raise> {
    let shown: String = text.chars().take(60).collect();
    raise(Builtin::NumberFormatException, format!("For input string: \"{shown}\""))
}
