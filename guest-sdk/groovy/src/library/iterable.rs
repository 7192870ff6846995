//! Methods of everything that can be walked: lists, sets, ranges, the characters of texts, the entries of maps.

use std::cmp::Ordering;
use std::rc::Rc;

use super::{closure_of, count_of, whole_of};
use crate::class::Builtin;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::{Run, raise};
use crate::syntax::Binary;
use crate::value::{Closure, Entries, Items, Key, MapKind, Native, Value};

/// `items.name(..)`
pub(crate) fn call(
    machine: &mut Machine<'_>,
    this: &Value,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    Ok(Some(match (method, arguments) {
        (M::each | M::forEach | M::forEachRemaining, [closure]) => {
            let closure = closure_of(closure, "each")?;
            let watched = match this {
                Value::List(list) => Some(Rc::clone(list)),
                _ => None,
            };
            let items = machine.items(this)?;
            let length = items.len();
            for item in items {
                if watched.as_ref().is_some_and(|list| list.items.borrow().len() != length) {
                    return Err(raise(
                        Builtin::ConcurrentModificationException,
                        "the list was changed while it is walked; walk a copy: `list.collect().each { .. }`",
                    ));
                }
                machine.call_with_item(closure, &item)?;
            }
            this.clone()
        }
        (M::eachWithIndex, [closure]) => {
            let closure = closure_of(closure, "eachWithIndex")?;
            for (index, item) in machine.items(this)?.iter().enumerate() {
                call_with_index(machine, closure, item, index)?;
            }
            this.clone()
        }
        (M::reverseEach, [closure]) => {
            let closure = closure_of(closure, "reverseEach")?;
            for item in machine.items(this)?.iter().rev() {
                machine.call_with_item(closure, item)?;
            }
            this.clone()
        }
        (M::collect | M::toList, []) => {
            let items = machine.items(this)?;
            machine.new_list(items)?
        }
        (M::collect | M::map, [closure @ Value::Closure(_)]) => {
            let closure = closure_of(closure, "collect")?;
            let mut collected = Vec::new();
            for item in machine.items(this)? {
                collected.push(machine.call_with_item(closure, &item)?);
            }
            machine.new_list(collected)?
        }
        (M::collect, [into, closure]) => {
            let closure = closure_of(closure, "collect")?;
            for item in machine.items(this)? {
                let answer = machine.call_with_item(closure, &item)?;
                machine.binary(Binary::ShiftLeft, into, &answer)?;
            }
            into.clone()
        }
        (M::collectNested, [closure]) => {
            let closure = Rc::clone(closure_of(closure, "collectNested")?);
            collect_nested(machine, this, &closure)?
        }
        (M::collectMany | M::flatMap, [closure]) => {
            let closure = closure_of(closure, "collectMany")?;
            let mut collected = Vec::new();
            for item in machine.items(this)? {
                let answer = machine.call_with_item(closure, &item)?;
                collected.extend(machine.items(&answer)?);
            }
            machine.new_list(collected)?
        }
        (M::collectEntries, [] | [_]) => {
            let mut entries = Entries::default();
            for item in machine.items(this)? {
                let answer = match arguments {
                    [closure] => machine.call_with_item(closure_of(closure, "collectEntries")?, &item)?,
                    _ => item,
                };
                add_entry(machine, &mut entries, &answer)?;
            }
            machine.new_map(entries)?
        }
        (M::findAll | M::filter, [] | [_]) => {
            let mut found = Vec::new();
            for item in machine.items(this)? {
                if holds(machine, arguments, &item)? {
                    found.push(item);
                }
            }
            return same_kind(machine, this, found).map(Some);
        }
        (M::grep, []) => return call(machine, this, M::findAll, &[]),
        (M::grep, [case]) => {
            let mut found = Vec::new();
            for item in machine.items(this)? {
                if machine.is_case(case, &item)? {
                    found.push(item);
                }
            }
            return same_kind(machine, this, found).map(Some);
        }
        (M::split, [closure @ Value::Closure(_)]) => {
            let (mut held, mut rest) = (Vec::new(), Vec::new());
            for item in machine.items(this)? {
                if holds(machine, std::slice::from_ref(closure), &item)? {
                    held.push(item);
                } else {
                    rest.push(item);
                }
            }
            let both = vec![same_kind(machine, this, held)?, same_kind(machine, this, rest)?];
            machine.new_list(both)?
        }
        (M::find, [] | [_]) => {
            for item in machine.items(this)? {
                if holds(machine, arguments, &item)? {
                    return Ok(Some(item));
                }
            }
            Value::Null
        }
        (M::findResult, [closure]) => {
            let closure = closure_of(closure, "findResult")?;
            for item in machine.items(this)? {
                let answer = machine.call_with_item(closure, &item)?;
                if !answer.is_null() {
                    return Ok(Some(answer));
                }
            }
            Value::Null
        }
        (M::findResult, [default, closure]) => {
            let closure = closure_of(closure, "findResult")?;
            for item in machine.items(this)? {
                let answer = machine.call_with_item(closure, &item)?;
                if !answer.is_null() {
                    return Ok(Some(answer));
                }
            }
            default.clone()
        }
        (M::findResults, [closure]) => {
            let closure = closure_of(closure, "findResults")?;
            let mut found = Vec::new();
            for item in machine.items(this)? {
                let answer = machine.call_with_item(closure, &item)?;
                if !answer.is_null() {
                    found.push(answer);
                }
            }
            machine.new_list(found)?
        }
        (M::findIndexOf | M::findLastIndexOf | M::findIndexValues, [condition]) => {
            let mut found = Vec::new();
            for (index, item) in machine.items(this)?.iter().enumerate() {
                if holds(machine, std::slice::from_ref(condition), item)? {
                    found.push(index);
                    if method == M::findIndexOf {
                        break;
                    }
                }
            }
            if method == M::findIndexValues {
                let found = found.into_iter().map(|index| Value::Long(index as i64)).collect();
                return machine.new_list(found).map(Some);
            }
            found.last().map_or(Value::Int(-1), |index| Value::count(*index))
        }
        (M::any | M::anyMatch, [] | [_]) => {
            for item in machine.items(this)? {
                if holds(machine, arguments, &item)? {
                    return Ok(Some(Value::Bool(true)));
                }
            }
            Value::Bool(false)
        }
        (M::every | M::allMatch, [] | [_]) => {
            for item in machine.items(this)? {
                if !holds(machine, arguments, &item)? {
                    return Ok(Some(Value::Bool(false)));
                }
            }
            Value::Bool(true)
        }
        (M::noneMatch, [_]) => {
            for item in machine.items(this)? {
                if holds(machine, arguments, &item)? {
                    return Ok(Some(Value::Bool(false)));
                }
            }
            Value::Bool(true)
        }
        (M::inject | M::reduce, [closure]) => {
            let closure = closure_of(closure, "inject")?;
            let mut items = machine.items(this)?.into_iter();
            let Some(mut total) = items.next() else {
                return Err(raise(
                    Builtin::NoSuchElementException,
                    "Cannot call inject() on an empty collection without passing an initial value.",
                ));
            };
            for item in items {
                total = machine.call_closure(closure, &[total, item])?;
            }
            total
        }
        (M::inject | M::reduce, [start, closure]) => {
            let closure = closure_of(closure, "inject")?;
            let mut total = start.clone();
            for item in machine.items(this)? {
                total = match &item {
                    Value::Native(native) if machine.parameter_count(closure) == 3 => match &**native {
                        Native::Entry { key, value, .. } => {
                            let value = value.borrow().clone();
                            machine.call_closure(closure, &[total, key.clone(), value])?
                        }
                        _ => machine.call_closure(closure, &[total, item])?,
                    },
                    _ => machine.call_closure(closure, &[total, item])?,
                };
            }
            total
        }
        (M::join, [] | [_]) => {
            let separator = match arguments {
                [Value::Null] | [] => "".into(),
                [separator] => machine.text(separator)?,
                _ => return Ok(None),
            };
            let joined = joined(machine, this, &separator)?;
            machine.new_text(joined)?
        }
        (M::sort | M::toSorted, [] | [_] | [Value::Bool(_), _]) => {
            let items = machine.items(this)?;
            let by = arguments.last().filter(|by| !matches!(by, Value::Bool(_) | Value::Null));
            let sorted = sorted(machine, items, by)?;
            machine.new_list(sorted)?
        }
        (M::groupBy, [_, ..]) => {
            let items = machine.items(this)?;
            group_by(machine, items, arguments)?
        }
        (M::countBy, [closure]) => {
            let closure = closure_of(closure, "countBy")?;
            let mut entries = Entries::default();
            for item in machine.items(this)? {
                let key = Key(machine.call_with_item(closure, &item)?);
                let count = entries.entry(key).or_insert(Value::Int(0));
                if let Value::Int(count) = count {
                    *count += 1;
                }
            }
            machine.new_map(entries)?
        }
        (M::count, []) => Value::Long(machine.items(this)?.len() as i64),
        (M::count, [what]) => {
            let mut count = 0i32;
            for item in machine.items(this)? {
                let counts = match what {
                    Value::Closure(_) => holds(machine, arguments, &item)?,
                    other => machine.equal(&item, other)?,
                };
                count += i32::from(counts);
            }
            Value::Int(count)
        }
        (M::sum, _) => return sum(machine, this, arguments).map(Some),
        (M::average, [] | [_]) => {
            let count = machine.items(this)?.len();
            let total = sum(machine, this, arguments)?;
            if count == 0 {
                Value::Null
            } else {
                machine.binary(Binary::Divide, &total, &Value::count(count))?
            }
        }
        (M::max | M::min, [] | [_]) => {
            let items = machine.items(this)?;
            extreme(machine, items, arguments.first(), method == M::max)?
        }
        (M::unique | M::toUnique | M::distinct, [] | [_]) => {
            let items = machine.items(this)?;
            let unique = unique(machine, items, arguments.first())?;
            machine.new_list(unique)?
        }
        (M::reverse, []) => {
            let mut items = machine.items(this)?;
            items.reverse();
            if matches!(this, Value::List(list) if list.kind == crate::value::ListKind::Array) {
                return Ok(Some(Value::array(items)));
            }
            machine.new_list(items)?
        }
        (M::asReversed | M::reversed, []) => {
            let mut items = machine.items(this)?;
            items.reverse();
            machine.new_list(items)?
        }
        (M::flatten, []) => {
            let mut flat = Vec::new();
            flatten(machine, this, &mut flat)?;
            return same_kind(machine, this, flat).map(Some);
        }
        (M::take | M::limit, [count]) => {
            let count = usize::try_from(whole_of(machine, count)?).unwrap_or(0);
            let mut items = machine.items(this)?;
            items.truncate(count);
            return same_kind(machine, this, items).map(Some);
        }
        (M::drop | M::skip, [count]) => {
            let count = usize::try_from(whole_of(machine, count)?).unwrap_or(0);
            let items = machine.items(this)?.into_iter().skip(count).collect();
            return same_kind(machine, this, items).map(Some);
        }
        (M::takeRight, [count]) => {
            let count = usize::try_from(whole_of(machine, count)?).unwrap_or(0);
            let items = machine.items(this)?;
            let skipped = items.len().saturating_sub(count);
            return same_kind(machine, this, items.into_iter().skip(skipped).collect()).map(Some);
        }
        (M::dropRight, [count]) => {
            let count = usize::try_from(whole_of(machine, count)?).unwrap_or(0);
            let mut items = machine.items(this)?;
            items.truncate(items.len().saturating_sub(count));
            return same_kind(machine, this, items).map(Some);
        }
        (M::takeWhile | M::dropWhile, [condition]) => {
            let items = machine.items(this)?;
            let mut split = items.len();
            for (index, item) in items.iter().enumerate() {
                if !holds(machine, std::slice::from_ref(condition), item)? {
                    split = index;
                    break;
                }
            }
            let part = if method == M::takeWhile { items.get(..split) } else { items.get(split..) };
            return same_kind(machine, this, part.unwrap_or_default().to_vec()).map(Some);
        }
        (M::first | M::head | M::getFirst | M::element, []) => {
            end_of(machine.items(this)?.into_iter().next(), if method == M::head { "head" } else { "first" })?
        }
        (M::last | M::getLast, []) => end_of(machine.items(this)?.pop(), "last")?,
        (M::tail, []) => {
            let items = machine.items(this)?;
            if items.is_empty() {
                return end_of(None, "tail").map(Some);
            }
            return same_kind(machine, this, items.into_iter().skip(1).collect()).map(Some);
        }
        (M::init, []) => {
            let mut items = machine.items(this)?;
            if items.pop().is_none() {
                return end_of(None, "init").map(Some);
            }
            return same_kind(machine, this, items).map(Some);
        }
        (M::withIndex, [] | [_]) => {
            let start = arguments.first().map_or(Ok(0), |start| whole_of(machine, start))?;
            let mut pairs = Vec::new();
            for (index, item) in machine.items(this)?.into_iter().enumerate() {
                pairs.push(machine.new_list(vec![item, Value::whole(start + index as i64)])?);
            }
            machine.new_list(pairs)?
        }
        (M::indexed, [] | [_]) => {
            let start = arguments.first().map_or(Ok(0), |start| whole_of(machine, start))?;
            let items = machine.items(this)?.into_iter().enumerate();
            let entries =
                items.map(|(index, item)| (Key(Value::whole(start + index as i64)), item)).collect();
            machine.new_map(entries)?
        }
        (M::getIndices | M::indices, []) => {
            let length = machine.items(this)?.len() as i64;
            let empty = length == 0;
            Value::Range(Rc::new(crate::value::Range {
                from: 0,
                to: (length - 1).max(0),
                empty,
                long: false,
                open: false,
            }))
        }
        (M::collate, [size]) => return collate(machine, this, size, size, true).map(Some),
        (M::collate, [size, Value::Bool(keeps)]) => {
            return collate(machine, this, size, size, *keeps).map(Some);
        }
        (M::collate, [size, step]) => return collate(machine, this, size, step, true).map(Some),
        (M::collate, [size, step, Value::Bool(keeps)]) => {
            return collate(machine, this, size, step, *keeps).map(Some);
        }
        (M::transpose, []) => {
            let mut rows = Vec::new();
            for row in machine.items(this)? {
                rows.push(machine.items(&row)?);
            }
            let width = rows.iter().map(Vec::len).min().unwrap_or(0);
            let mut columns = Vec::with_capacity(width);
            for index in 0..width {
                let column = rows.iter().filter_map(|row| row.get(index).cloned()).collect();
                columns.push(machine.new_list(column)?);
            }
            machine.new_list(columns)?
        }
        (M::combinations, []) => {
            let mut all: Vec<Vec<Value>> = vec![Vec::new()];
            for options in machine.items(this)? {
                let options = machine.items(&options)?;
                let mut more = Vec::new();
                for option in options {
                    for begun in &all {
                        machine.allocate_items(begun.len() + 1)?;
                        let mut longer = begun.clone();
                        longer.push(option.clone());
                        more.push(longer);
                    }
                }
                all = more;
            }
            let mut lists = Vec::with_capacity(all.len());
            for one in all {
                lists.push(machine.new_list(one)?);
            }
            machine.new_list(lists)?
        }
        (M::permutations, []) => permutations(machine, this)?,
        (M::subsequences, []) => subsequences(machine, this)?,
        (M::zip, [other]) => {
            let others = machine.items(other)?;
            let mut pairs = Vec::new();
            for (left, right) in machine.items(this)?.into_iter().zip(others) {
                pairs.push(machine.new_list(vec![left, right])?);
            }
            machine.new_list(pairs)?
        }
        (M::toSet, []) => {
            let items = machine.items(this)?;
            machine.new_set(items, MapKind::Plain)?
        }
        (M::toArray, [] | [_]) => Value::array(machine.items(this)?),
        (M::stream | M::toStream | M::parallelStream, []) => {
            let items = machine.items(this)?;
            machine.new_list(items)?
        }
        (M::size | M::length, []) => Value::count(machine.items(this)?.len()),
        (M::isEmpty, []) => Value::Bool(machine.items(this)?.is_empty()),
        (M::contains, [item]) => {
            let items = machine.items(this)?;
            Value::Bool(machine.contains(&items, item)?)
        }
        (M::containsAll, [others]) => {
            let items = machine.items(this)?;
            for other in machine.items(others)? {
                if !machine.contains(&items, &other)? {
                    return Ok(Some(Value::Bool(false)));
                }
            }
            Value::Bool(true)
        }
        (M::disjoint, [others]) => {
            let items = machine.items(this)?;
            for other in machine.items(others)? {
                if machine.contains(&items, &other)? {
                    return Ok(Some(Value::Bool(false)));
                }
            }
            Value::Bool(true)
        }
        (M::intersect, [others]) => {
            let others = machine.items(others)?;
            let mut common = Vec::new();
            for item in machine.items(this)? {
                if machine.contains(&others, &item)? && !machine.contains(&common, &item)? {
                    common.push(item);
                }
            }
            return same_kind(machine, this, common).map(Some);
        }
        (M::indexOf | M::lastIndexOf, [item]) => {
            let mut found = -1;
            for (index, other) in machine.items(this)?.iter().enumerate() {
                machine.step(1)?;
                if machine.equal(other, item)? {
                    found = i32::try_from(index).unwrap_or(i32::MAX);
                    if method == M::indexOf {
                        break;
                    }
                }
            }
            Value::Int(found)
        }
        (M::plus | M::minus | M::multiply, [other]) => {
            let operator = match method {
                M::plus => Binary::Add,
                M::minus => Binary::Subtract,
                _ => Binary::Multiply,
            };
            machine.combined(operator, this, other)?.unwrap_or_default()
        }
        (M::iterator | M::listIterator, []) => {
            let items = machine.items(this)?;
            Value::native(Native::Iterator(Items { items, next: 0.into() }))
        }
        (M::isCase, [item]) => Value::Bool(machine.is_case(this, item)?),
        (M::asBoolean, []) => Value::Bool(machine.truth(this)?),
        (M::equals, [other]) => Value::Bool(machine.equal(this, other)?),
        (M::shuffle | M::shuffled, _) => {
            return Err(crate::machine::unsupported(
                "random order is not supported; sort by something of the items",
            ));
        }
        _ => return Ok(None),
    }))
}

fn end_of(item: Option<Value>, method: &str) -> Run {
    item.ok_or_else(|| {
        raise(Builtin::NoSuchElementException, format!("Cannot access {method}() element from an empty List"))
    })
}

/// Calls a closure with an item and its place.
pub(crate) fn call_with_index(
    machine: &mut Machine<'_>,
    closure: &Rc<Closure>,
    item: &Value,
    index: usize,
) -> Run {
    if let Value::Native(native) = item {
        if let Native::Entry { key, value, .. } = &**native {
            if machine.parameter_count(closure) == 3 {
                let value = value.borrow().clone();
                return machine.call_closure(closure, &[key.clone(), value, Value::count(index)]);
            }
        }
    }
    machine.call_closure(closure, &[item.clone(), Value::count(index)])
}

/// Whether a closure holds for an item; without one, whether the item is true.
pub(crate) fn holds(machine: &mut Machine<'_>, condition: &[Value], item: &Value) -> Run<bool> {
    let answer = match condition {
        [] => item.clone(),
        [Value::Closure(closure), ..] => machine.call_with_item(closure, item)?,
        [case, ..] => return machine.is_case(case, item),
    };
    machine.truth(&answer)
}

/// Items as a set when they come from one, else as a list.
fn same_kind(machine: &mut Machine<'_>, this: &Value, items: Vec<Value>) -> Run {
    match this {
        Value::Set(set) => {
            machine.new_set(items, if set.kind == MapKind::Sorted { set.kind } else { MapKind::Plain })
        }
        _ => machine.new_list(items),
    }
}

/// Adds `[key, value]`, `[key: value]` or an entry to a map.
pub(crate) fn add_entry(machine: &mut Machine<'_>, entries: &mut Entries, answer: &Value) -> Run<()> {
    machine.allocate(96)?;
    match answer {
        Value::Map(map) => {
            entries.extend(map.entries.borrow().iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        Value::List(pair) => {
            let pair = pair.items.borrow();
            let key = pair.first().cloned().unwrap_or_default();
            entries.insert(Key(key), pair.get(1).cloned().unwrap_or_default());
        }
        Value::Native(native) => {
            if let Native::Entry { key, value, .. } = &**native {
                entries.insert(Key(key.clone()), value.borrow().clone());
            }
        }
        other => {
            return Err(raise(
                Builtin::IllegalArgumentException,
                format!(
                    "collectEntries() expects `[key: value]` or `[key, value]` for each item, found a value of class {}",
                    other.class().full_name()
                ),
            ));
        }
    }
    Ok(())
}

/// The texts of items with a text between them.
pub(crate) fn joined(machine: &mut Machine<'_>, this: &Value, separator: &str) -> Run<String> {
    let mut text = String::new();
    for (index, item) in machine.items(this)?.iter().enumerate() {
        if index > 0 {
            machine.allocate(separator.len())?;
            text.push_str(separator);
        }
        machine.write_text(item, &mut text)?;
    }
    Ok(text)
}

/// Items in order: by themselves, by what a closure answers for each, or by a comparison of two.
pub(crate) fn sorted(machine: &mut Machine<'_>, items: Vec<Value>, by: Option<&Value>) -> Run<Vec<Value>> {
    match by {
        None => machine.sorted(items, &mut |machine, left, right| machine.compare(left, right)),
        Some(by) => {
            let by = Rc::clone(closure_of(by, "sort")?);
            if machine.parameter_count(&by) >= 2 {
                return machine.sorted(items, &mut |machine, left, right| {
                    let order = machine.call_closure(&by, &[left.clone(), right.clone()])?;
                    Ok(crate::number::to_long(&order).unwrap_or(0).cmp(&0))
                });
            }
            // Keys are computed once; an item travels with its key.
            let mut keyed = Vec::with_capacity(items.len());
            for item in items {
                let key = machine.call_with_item(&by, &item)?;
                keyed.push(Value::list(vec![key, item]));
            }
            let part = |pair: &Value, index: usize| match pair {
                Value::List(pair) => pair.items.borrow().get(index).cloned().unwrap_or_default(),
                _ => Value::Null,
            };
            let sorted = machine.sorted(keyed, &mut |machine, left, right| {
                machine.compare(&part(left, 0), &part(right, 0))
            })?;
            Ok(sorted.iter().map(|pair| part(pair, 1)).collect())
        }
    }
}

/// Items without repetitions: of themselves, of what a closure answers, or by a comparison.
pub(crate) fn unique(machine: &mut Machine<'_>, items: Vec<Value>, by: Option<&Value>) -> Run<Vec<Value>> {
    let (mut kept, mut keys) = (Vec::new(), Vec::new());
    let comparator = by.filter(|by| matches!(by, Value::Closure(by) if machine.parameter_count(by) >= 2));
    let mut seen = Entries::default();
    for item in items {
        machine.step(1)?;
        if let Some(Value::Closure(comparator)) = comparator {
            let mut known = false;
            for other in &kept {
                let order = machine.call_closure(comparator, &[item.clone(), Value::clone(other)])?;
                if crate::number::to_long(&order) == Some(0) {
                    known = true;
                    break;
                }
            }
            if !known {
                kept.push(item);
            }
            continue;
        }
        let key = match by {
            Some(by) => machine.call_with_item(closure_of(by, "unique")?, &item)?,
            None => item.clone(),
        };
        // Texts and whole numbers are found by their hash, all else is compared one by one.
        let known = if matches!(key, Value::Text(_) | Value::Int(_)) {
            machine.allocate(96)?;
            seen.insert(Key(key.clone()), Value::Null).is_some()
        } else {
            let known = machine.contains(&keys, &key)?;
            if !known {
                keys.push(key);
            }
            known
        };
        if !known {
            kept.push(item);
        }
    }
    Ok(kept)
}

fn group_by(machine: &mut Machine<'_>, items: Vec<Value>, closures: &[Value]) -> Run {
    let Some((first, rest)) = closures.split_first() else { return machine.new_list(items) };
    let closure = closure_of(first, "groupBy")?;
    let mut groups: indexmap::IndexMap<Key, Vec<Value>> = indexmap::IndexMap::new();
    for item in items {
        let key = machine.call_with_item(closure, &item)?;
        machine.allocate(32)?;
        groups.entry(Key(key)).or_default().push(item);
    }
    let mut entries = Entries::default();
    for (key, items) in groups {
        let group = machine.deeper(|machine| group_by(machine, items, rest))?;
        entries.insert(key, group);
    }
    machine.new_map(entries)
}

fn sum(machine: &mut Machine<'_>, this: &Value, arguments: &[Value]) -> Run {
    let (start, by) = match arguments {
        [] => (None, None),
        [by @ Value::Closure(_)] => (None, Some(closure_of(by, "sum")?)),
        [start] => (Some(start.clone()), None),
        [start, by] => (Some(start.clone()), Some(closure_of(by, "sum")?)),
        _ => (None, None),
    };
    let mut total = start;
    for item in machine.items(this)? {
        let item = match by {
            Some(by) => machine.call_with_item(by, &item)?,
            None => item,
        };
        total = Some(match total {
            Some(total) => machine.binary(Binary::Add, &total, &item)?,
            None => item,
        });
    }
    Ok(total.unwrap_or_default())
}

fn extreme(machine: &mut Machine<'_>, items: Vec<Value>, by: Option<&Value>, largest: bool) -> Run {
    let by = by.map(|by| closure_of(by, if largest { "max" } else { "min" })).transpose()?;
    let compares = by.is_some_and(|by| machine.parameter_count(by) >= 2);
    let (mut best, mut best_key) = (None, Value::Null);
    for item in items {
        let key = match by {
            Some(by) if !compares => machine.call_with_item(by, &item)?,
            _ => item.clone(),
        };
        if key.is_null() && by.is_none() {
            continue;
        }
        let better = match (&best, by) {
            (None, _) => true,
            (Some(_), Some(by)) if compares => {
                let order = machine.call_closure(by, &[key.clone(), best_key.clone()])?;
                let order = crate::number::to_long(&order).unwrap_or(0);
                if largest { order > 0 } else { order < 0 }
            }
            (Some(_), _) => {
                let order = machine.compare(&key, &best_key)?;
                order == if largest { Ordering::Greater } else { Ordering::Less }
            }
        };
        if better {
            (best, best_key) = (Some(item), key);
        }
    }
    Ok(best.unwrap_or_default())
}

fn flatten(machine: &mut Machine<'_>, value: &Value, to: &mut Vec<Value>) -> Run<()> {
    for item in machine.items(value)? {
        match item {
            Value::List(_) | Value::Set(_) | Value::Range(_) => {
                machine.deeper(|machine| flatten(machine, &item, to))?;
            }
            other => to.push(other),
        }
    }
    Ok(())
}

fn collect_nested(machine: &mut Machine<'_>, value: &Value, closure: &Rc<Closure>) -> Run {
    let mut collected = Vec::new();
    for item in machine.items(value)? {
        collected.push(match item {
            Value::List(_) => machine.deeper(|machine| collect_nested(machine, &item, closure))?,
            other => machine.call_closure(closure, &[other])?,
        });
    }
    machine.new_list(collected)
}

fn collate(machine: &mut Machine<'_>, this: &Value, size: &Value, step: &Value, keeps: bool) -> Run {
    let (size, step) = (count_of(machine, size, "a size")?, count_of(machine, step, "a step")?);
    let items = machine.items(this)?;
    if size == 0 || step == 0 {
        let all = machine.new_list(items)?;
        return machine.new_list(vec![all]);
    }
    let mut parts = Vec::new();
    let mut from = 0;
    while from < items.len() {
        let to = from.saturating_add(size);
        if to > items.len() && !keeps {
            break;
        }
        let part = items.get(from..to.min(items.len())).unwrap_or_default().to_vec();
        parts.push(machine.new_list(part)?);
        from = from.saturating_add(step);
    }
    machine.new_list(parts)
}

fn permutations(machine: &mut Machine<'_>, this: &Value) -> Run {
    let items = machine.items(this)?;
    let mut all: Vec<Vec<Value>> = vec![Vec::new()];
    for item in items {
        let mut more = Vec::new();
        for begun in &all {
            for place in 0..=begun.len() {
                machine.allocate_items(begun.len() + 1)?;
                let mut longer = begun.clone();
                longer.insert(place, item.clone());
                more.push(longer);
            }
        }
        all = more;
    }
    let mut lists = Vec::with_capacity(all.len());
    for one in all {
        lists.push(machine.new_list(one)?);
    }
    machine.new_set(lists, MapKind::Plain)
}

fn subsequences(machine: &mut Machine<'_>, this: &Value) -> Run {
    let items = machine.items(this)?;
    let mut all: Vec<Vec<Value>> = Vec::new();
    for item in items {
        let mut more: Vec<Vec<Value>> = Vec::new();
        for begun in &all {
            machine.allocate_items(begun.len() + 1)?;
            let mut longer = begun.clone();
            longer.push(item.clone());
            more.push(longer);
        }
        all.push(vec![item]);
        all.extend(more);
    }
    let mut lists = Vec::with_capacity(all.len());
    for one in all {
        lists.push(machine.new_list(one)?);
    }
    machine.new_set(lists, MapKind::Plain)
}
