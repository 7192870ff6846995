//! Methods of maps.

use std::rc::Rc;

use super::list::{removed, unfrozen};
use super::{closure_of, iterable, whole_of};
use crate::class::Builtin;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::{Run, raise};
use crate::syntax::Binary;
use crate::value::{Entries, Key, Map, MapKind, Native, Value};

/// Key and value of an entry.
pub(crate) fn parts(entry: &Value) -> (Value, Value) {
    if let Value::Native(native) = entry {
        if let Native::Entry { key, value, .. } = &**native {
            return (key.clone(), value.borrow().clone());
        }
    }
    (Value::Null, Value::Null)
}

/// A map of entries.
fn map_of(machine: &mut Machine<'_>, entries: &[Value]) -> Run {
    let entries: Entries = entries.iter().map(parts).map(|(key, value)| (Key(key), value)).collect();
    machine.new_map(entries)
}

/// `map.name(..)`
pub(crate) fn call(
    machine: &mut Machine<'_>,
    this: &Value,
    map: &Rc<Map>,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    if let (Some(key @ Value::Object(_)), false) = (arguments.first(), matches!(method, M::each)) {
        let known = machine.known_key(map, key.clone())?;
        if !crate::compare::same_key(&known, key, 1)
            || !matches!((&known, key), (Value::Object(a), Value::Object(b)) if Rc::ptr_eq(a, b))
        {
            let mut with_known = arguments.to_vec();
            if let Some(first) = with_known.first_mut() {
                *first = known;
            }
            return call(machine, this, map, method, &with_known);
        }
    }
    Ok(Some(match (method, arguments) {
        (M::get | M::getAt, [key]) => match map.get(key) {
            Some(value) => value,
            None => machine.map_default(map, key)?,
        },
        (M::get, [key, default]) => match map.get(key) {
            Some(value) => value,
            None => {
                machine.map_put(map, key.clone(), default.clone())?;
                default.clone()
            }
        },
        (M::getOrDefault, [key, default]) => map.get(key).unwrap_or_else(|| default.clone()),
        (M::put, [key, value]) => machine.map_put(map, key.clone(), value.clone())?.unwrap_or_default(),
        (M::putAt, [key, value]) => {
            machine.map_put(map, key.clone(), value.clone())?;
            value.clone()
        }
        (M::putIfAbsent, [key, value]) => match map.get(key).filter(|value| !value.is_null()) {
            Some(value) => value,
            None => {
                machine.map_put(map, key.clone(), value.clone())?;
                Value::Null
            }
        },
        (M::putAll, [other]) => {
            for entry in machine.items(other)? {
                let (key, value) = parts(&entry);
                machine.map_put(map, key, value)?;
            }
            Value::Null
        }
        (M::leftShift, [other]) => machine.combined(Binary::ShiftLeft, this, other)?.unwrap_or_default(),
        (M::plus, [other]) => machine.combined(Binary::Add, this, other)?.unwrap_or_default(),
        (M::minus, [other]) => machine.combined(Binary::Subtract, this, other)?.unwrap_or_default(),
        (M::remove, [key]) => {
            unfrozen(map)?;
            removed(machine, map, key)?.unwrap_or_default()
        }
        (M::containsKey, [key]) => Value::Bool(map.get(key).is_some()),
        (M::containsValue, [value]) => {
            machine.allocate_items(map.entries.borrow().len())?;
            let values: Vec<Value> = map.entries.borrow().values().cloned().collect();
            Value::Bool(machine.contains(&values, value)?)
        }
        (M::keySet | M::navigableKeySet, []) => {
            let keys = map.entries.borrow().keys().map(|key| key.0.clone()).collect();
            machine.new_set(keys, MapKind::Plain)?
        }
        (M::values, []) => {
            let values = map.entries.borrow().values().cloned().collect();
            machine.new_list(values)?
        }
        (M::entrySet | M::collect, []) => {
            let entries = machine.items(this)?;
            machine.new_list(entries)?
        }
        (M::iterator, []) => {
            let items = machine.items(this)?;
            Value::native(Native::Iterator(crate::value::Items { items, next: 0.into() }))
        }
        (M::size, []) => Value::count(map.entries.borrow().len()),
        (M::isEmpty, []) => Value::Bool(map.entries.borrow().is_empty()),
        (M::clear, []) => {
            unfrozen(map)?;
            drop(map.entries.take());
            Value::Null
        }
        (M::subMap, [keys]) => {
            let mut entries = Entries::default();
            for key in machine.items(keys)? {
                if let Some(value) = map.get(&key) {
                    entries.insert(Key(key), value);
                }
            }
            machine.new_map(entries)?
        }
        (M::subMap, [keys, default]) => {
            let mut entries = Entries::default();
            for key in machine.items(keys)? {
                let value = map.get(&key).unwrap_or_else(|| default.clone());
                entries.insert(Key(key), value);
            }
            machine.new_map(entries)?
        }
        (M::computeIfAbsent, [key, closure]) => match map.get(key).filter(|value| !value.is_null()) {
            Some(value) => value,
            None => {
                let closure = closure_of(closure, "computeIfAbsent")?;
                let value = machine.call_closure(closure, std::slice::from_ref(key))?;
                if !value.is_null() {
                    machine.map_put(map, key.clone(), value.clone())?;
                }
                value
            }
        },
        (M::computeIfPresent | M::compute, [key, closure]) => {
            let before = map.get(key).unwrap_or_default();
            if before.is_null() && method == M::computeIfPresent {
                return Ok(Some(Value::Null));
            }
            let closure = closure_of(closure, "compute")?;
            let value = machine.call_closure(closure, &[key.clone(), before])?;
            put_or_remove(machine, map, key, &value)?;
            value
        }
        (M::merge, [key, value, closure]) => {
            let value = match map.get(key).filter(|value| !value.is_null()) {
                Some(before) => {
                    machine.call_closure(closure_of(closure, "merge")?, &[before, value.clone()])?
                }
                None => value.clone(),
            };
            put_or_remove(machine, map, key, &value)?;
            value
        }
        (M::replaceAll, [closure]) => {
            let closure = closure_of(closure, "replaceAll")?;
            for entry in machine.items(this)? {
                let (key, value) = parts(&entry);
                let value = machine.call_closure(closure, &[key.clone(), value])?;
                machine.map_put(map, key, value)?;
            }
            Value::Null
        }
        (M::replace, [key, value]) => match map.get(key) {
            Some(before) => {
                machine.map_put(map, key.clone(), value.clone())?;
                before
            }
            None => Value::Null,
        },
        (M::withDefault, [default]) => {
            let default = Rc::clone(closure_of(default, "withDefault")?);
            let entries = map.entries.borrow().clone();
            machine.allocate_items(entries.len() * 4)?;
            let mut map = Map::new(entries, map.kind);
            map.default = Some(default);
            Value::Map(Rc::new(map))
        }
        (M::asImmutable | M::asUnmodifiable, []) => {
            let entries = map.entries.borrow().clone();
            machine.allocate_items(entries.len() * 4)?;
            Value::Map(Rc::new(Map::new(entries, MapKind::Frozen)))
        }
        (M::clone, []) => {
            let entries = map.entries.borrow().clone();
            machine.new_map(entries)?
        }
        (M::findAll | M::filter, [_]) => {
            let mut found = Vec::new();
            for entry in machine.items(this)? {
                if iterable::holds(machine, arguments, &entry)? {
                    found.push(entry);
                }
            }
            map_of(machine, &found)?
        }
        (M::removeAll | M::retainAll, [condition]) => {
            unfrozen(map)?;
            let mut kept = Vec::new();
            let before = map.entries.borrow().len();
            for entry in machine.items(this)? {
                if iterable::holds(machine, std::slice::from_ref(condition), &entry)?
                    == (method == M::retainAll)
                {
                    kept.push(entry);
                }
            }
            let changed = kept.len() != before;
            *map.entries.borrow_mut() =
                kept.iter().map(parts).map(|(key, value)| (Key(key), value)).collect();
            Value::Bool(changed)
        }
        (M::sort | M::toSorted, [] | [_]) => {
            let entries = machine.items(this)?;
            let sorted = match arguments.first() {
                Some(by) => iterable::sorted(machine, entries, Some(by))?,
                None => machine.sorted(entries, &mut |machine, left, right| {
                    let ((left, one), (right, other)) = (parts(left), parts(right));
                    // `sort()` goes by keys, `toSorted()` by values.
                    if method == M::sort {
                        machine.compare(&left, &right)
                    } else {
                        machine.compare(&one, &other)
                    }
                })?,
            };
            map_of(machine, &sorted)?
        }
        (M::groupBy, [_, ..]) => {
            let groups = iterable::call(machine, this, method, arguments)?.unwrap_or_default();
            groups_to_maps(machine, &groups, arguments.len())?
        }
        (M::take | M::drop, [count]) => {
            let count = usize::try_from(whole_of(machine, count)?).unwrap_or(0);
            let entries = machine.items(this)?;
            let (taken, dropped) = entries.split_at(count.min(entries.len()));
            map_of(machine, if method == M::take { taken } else { dropped })?
        }
        (M::takeWhile | M::dropWhile, [_]) => {
            let part = iterable::call(machine, this, method, arguments)?.unwrap_or_default();
            let part = machine.items(&part)?;
            map_of(machine, &part)?
        }
        (M::firstKey | M::lastKey, []) => {
            let entries = map.entries.borrow();
            let key = if method == M::firstKey { entries.keys().next() } else { entries.keys().next_back() };
            match key {
                Some(key) => key.0.clone(),
                None => return Err(raise(Builtin::NoSuchElementException, "the map is empty")),
            }
        }
        (M::firstEntry | M::lastEntry, []) => {
            let entries = machine.items(this)?;
            let entry = if method == M::firstEntry { entries.first() } else { entries.last() };
            entry.cloned().unwrap_or_default()
        }
        (M::intersect, [Value::Map(other)]) => {
            let mut entries = Entries::default();
            for entry in machine.items(this)? {
                let (key, value) = parts(&entry);
                if let Some(same) = other.get(&key) {
                    if machine.equal(&same, &value)? {
                        entries.insert(Key(key), value);
                    }
                }
            }
            machine.new_map(entries)?
        }
        (M::collectEntries, [closure]) => {
            let closure = closure_of(closure, "collectEntries")?;
            let mut entries = Entries::default();
            for entry in machine.items(this)? {
                let answer = machine.call_with_item(closure, &entry)?;
                iterable::add_entry(machine, &mut entries, &answer)?;
            }
            machine.new_map(entries)?
        }
        (M::toMapString, []) => {
            let text = machine.text(this)?;
            Value::Text(text)
        }
        (M::spread, []) => machine.items(this).map(Value::list)?,
        (M::equals, [other]) => Value::Bool(machine.equal(this, other)?),
        (M::isCase, [key]) => Value::Bool(map.entries.borrow().contains_key(&Key(key.clone()))),
        (
            M::each
            | M::forEach
            | M::eachWithIndex
            | M::reverseEach
            | M::collect
            | M::collectMany
            | M::find
            | M::findResult
            | M::findResults
            | M::any
            | M::every
            | M::inject
            | M::countBy
            | M::max
            | M::min
            | M::sum
            | M::count
            | M::grep
            | M::split
            | M::join
            | M::findIndexOf
            | M::withIndex
            | M::indexed
            | M::head
            | M::first
            | M::average
            | M::asBoolean
            | M::toList
            | M::toSet
            | M::noneMatch
            | M::stream
            | M::flatMap,
            _,
        ) if !matches!((method, arguments), (M::first | M::join | M::head, [])) => {
            if let (M::forEach | M::each, [Value::Closure(closure)]) = (method, arguments) {
                if machine.parameter_count(closure) == 2 {
                    return each_pair(machine, this, map, closure).map(Some);
                }
            }
            return iterable::call(machine, this, method, arguments);
        }
        _ => return Ok(None),
    }))
}

/// Walks a map without making entries.
fn each_pair(
    machine: &mut Machine<'_>,
    this: &Value,
    map: &Rc<Map>,
    closure: &Rc<crate::value::Closure>,
) -> Run {
    let length = map.entries.borrow().len();
    for index in 0..length {
        let pair = {
            let entries = map.entries.borrow();
            if entries.len() != length {
                return Err(raise(
                    Builtin::ConcurrentModificationException,
                    "the map was changed while it is walked; walk a copy: `map.clone().each { .. }`",
                ));
            }
            entries.get_index(index).map(|(key, value)| [key.0.clone(), value.clone()])
        };
        if let Some(pair) = pair {
            machine.call_closure(closure, &pair)?;
        }
    }
    Ok(this.clone())
}

fn put_or_remove(machine: &mut Machine<'_>, map: &Rc<Map>, key: &Value, value: &Value) -> Run<()> {
    if value.is_null() {
        unfrozen(map)?;
        return removed(machine, map, key).map(drop);
    }
    machine.map_put(map, key.clone(), value.clone()).map(drop)
}

/// Groups of entries become groups of maps.
fn groups_to_maps(machine: &mut Machine<'_>, groups: &Value, depth: usize) -> Run {
    match groups {
        Value::Map(map) if depth > 0 => {
            let entries: Vec<(Key, Value)> =
                map.entries.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            let mut converted = Entries::default();
            for (key, value) in entries {
                let value = machine.deeper(|machine| groups_to_maps(machine, &value, depth - 1))?;
                converted.insert(key, value);
            }
            machine.new_map(converted)
        }
        list => {
            let entries = machine.items(list)?;
            map_of(machine, &entries)
        }
    }
}
