//! Methods of lists, arrays, sets and ranges that are not those of everything that can be walked.

use std::rc::Rc;

use super::{closure_of, count_of, growable, iterable, whole_of};
use crate::class::Builtin;
use crate::machine::{MOVED_PER_STEP, Machine};
use crate::names::Method as M;
use crate::raise::{Run, raise};
use crate::value::{Key, List, ListKind, Map, MapKind, Range, Value};

/// `list.name(..)`
pub(crate) fn call(
    machine: &mut Machine<'_>,
    this: &Value,
    list: &Rc<List>,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    Ok(Some(match (method, arguments) {
        (M::size, []) => Value::count(list.items.borrow().len()),
        (M::length, []) if list.kind == ListKind::Array => Value::count(list.items.borrow().len()),
        (M::isEmpty, []) => Value::Bool(list.items.borrow().is_empty()),
        (M::get | M::elementAt, [index]) => {
            let index = whole_of(machine, index)?;
            let items = list.items.borrow();
            match usize::try_from(index).ok().and_then(|index| items.get(index)) {
                Some(item) => item.clone(),
                None => {
                    return Err(raise(
                        Builtin::IndexOutOfBoundsException,
                        format!("Index {index} out of bounds for length {}", items.len()),
                    ));
                }
            }
        }
        (M::getAt, [index]) => machine.get_at(this, index)?,
        (M::putAt | M::set, [index, value]) => {
            let before = if method == M::set {
                let place = whole_of(machine, index)?;
                let length = list.items.borrow().len();
                if usize::try_from(place).map_or(true, |place| place >= length) {
                    return Err(raise(
                        Builtin::IndexOutOfBoundsException,
                        format!("Index {place} out of bounds for length {length}"),
                    ));
                }
                machine.get_at(this, index)?
            } else {
                Value::Null
            };
            machine.put_at(this, index, value.clone())?;
            before
        }
        (M::add | M::addLast | M::offer | M::leftShift | M::addElement, [item]) => {
            growable(list)?;
            machine.list_push(list, item.clone())?;
            if method == M::leftShift { this.clone() } else { Value::Bool(true) }
        }
        (M::push | M::addFirst, [item]) => {
            growable(list)?;
            moved(machine, list, 0)?;
            machine.list_change(list, item, |items, item| items.insert(0, item))?;
            Value::Bool(true)
        }
        (M::add, [index, item]) => {
            growable(list)?;
            let index = count_of(machine, index, "a position")?;
            let length = list.items.borrow().len();
            if index > length {
                return Err(raise(
                    Builtin::IndexOutOfBoundsException,
                    format!("Index: {index}, Size: {length}"),
                ));
            }
            moved(machine, list, index)?;
            machine.list_change(list, item, |items, item| items.insert(index, item))?;
            Value::Null
        }
        (M::addAll, [more]) => {
            growable(list)?;
            let more = machine.items(more)?;
            let changed = !more.is_empty();
            for item in more {
                machine.list_push(list, item)?;
            }
            Value::Bool(changed)
        }
        (M::addAll, [index, more]) => {
            growable(list)?;
            let index = count_of(machine, index, "a position")?.min(list.items.borrow().len());
            let more = machine.items(more)?;
            for (offset, item) in more.iter().enumerate() {
                moved(machine, list, index + offset)?;
                machine.list_change(list, item, |items, item| items.insert(index + offset, item))?;
            }
            Value::Bool(!more.is_empty())
        }
        (M::remove | M::removeAt, [Value::Int(index)]) => {
            growable(list)?;
            let length = list.items.borrow().len();
            let place = usize::try_from(*index).ok().filter(|place| *place < length);
            let Some(place) = place else {
                return Err(raise(
                    Builtin::IndexOutOfBoundsException,
                    format!("Index {index} out of bounds for length {length}"),
                ));
            };
            moved(machine, list, place)?;
            list.items.borrow_mut().remove(place)
        }
        (M::remove | M::removeElement, [item]) => {
            growable(list)?;
            let items = machine.items(this)?;
            for (index, other) in items.iter().enumerate() {
                machine.step(1)?;
                if machine.equal(other, item)? {
                    list.items.borrow_mut().remove(index);
                    return Ok(Some(Value::Bool(true)));
                }
            }
            Value::Bool(false)
        }
        (M::pop | M::poll | M::removeFirst | M::remove, []) => {
            growable(list)?;
            moved(machine, list, 0)?;
            let mut items = list.items.borrow_mut();
            if items.is_empty() {
                if method == M::poll {
                    return Ok(Some(Value::Null));
                }
                return Err(raise(Builtin::NoSuchElementException, "Cannot pop() an empty List"));
            }
            items.remove(0)
        }
        (M::removeLast | M::pollLast, []) => {
            growable(list)?;
            match list.items.borrow_mut().pop() {
                Some(item) => item,
                None if method == M::pollLast => Value::Null,
                None => {
                    return Err(raise(Builtin::NoSuchElementException, "Cannot removeLast() an empty List"));
                }
            }
        }
        (M::peek, []) => list.items.borrow().first().cloned().unwrap_or_default(),
        (M::clear, []) => {
            growable(list)?;
            drop(list.items.take());
            Value::Null
        }
        (M::removeAll | M::retainAll | M::removeIf, [what]) => {
            growable(list)?;
            let items = machine.items(this)?;
            let before = items.len();
            let kept = filtered(machine, items, what, method == M::retainAll)?;
            let changed = kept.len() != before;
            *list.items.borrow_mut() = kept;
            Value::Bool(changed)
        }
        (M::sort, _) if list.kind != ListKind::Frozen => {
            let (changes, by) = match arguments {
                [] => (true, None),
                [Value::Bool(changes)] => (*changes, None),
                [Value::Bool(changes), by] => (*changes, Some(by)),
                [Value::Null] => (true, None),
                [by] => (true, Some(by)),
                _ => return Ok(None),
            };
            let items = machine.items(this)?;
            let sorted = iterable::sorted(machine, items, by)?;
            if !changes {
                return machine.new_list(sorted).map(Some);
            }
            *list.items.borrow_mut() = sorted;
            this.clone()
        }
        (M::unique, _) if matches!(list.kind, ListKind::Plain | ListKind::Linked) => {
            let (changes, by) = match arguments {
                [] => (true, None),
                [Value::Bool(changes)] => (*changes, None),
                [Value::Bool(changes), by] => (*changes, Some(by)),
                [by] => (true, Some(by)),
                _ => return Ok(None),
            };
            let items = machine.items(this)?;
            let unique = iterable::unique(machine, items, by)?;
            if !changes {
                return machine.new_list(unique).map(Some);
            }
            *list.items.borrow_mut() = unique;
            this.clone()
        }
        (M::reverse, [Value::Bool(true)]) => {
            moved(machine, list, 0)?;
            list.items.borrow_mut().reverse();
            this.clone()
        }
        (M::swap, [one, other]) => {
            let (one, other) =
                (count_of(machine, one, "a position")?, count_of(machine, other, "a position")?);
            let mut items = list.items.borrow_mut();
            if one < items.len() && other < items.len() {
                items.swap(one, other);
            }
            drop(items);
            this.clone()
        }
        (M::replaceAll, [by]) => {
            let by = closure_of(by, "replaceAll")?;
            let items = machine.items(this)?;
            let mut replaced = Vec::with_capacity(items.len());
            for item in items {
                replaced.push(machine.call_closure(by, &[item])?);
            }
            drop(list.items.take());
            for item in replaced {
                machine.list_push(list, item)?;
            }
            Value::Null
        }
        (M::subList, [from, to]) => {
            let (from, to) = (count_of(machine, from, "a position")?, count_of(machine, to, "a position")?);
            let items = list.items.borrow();
            let Some(part) = items.get(from..to) else {
                return Err(raise(
                    Builtin::IndexOutOfBoundsException,
                    format!("fromIndex: {from}, toIndex: {to}, size: {}", items.len()),
                ));
            };
            machine.allocate_items(part.len())?;
            let part = part.to_vec();
            drop(items);
            machine.new_list(part)?
        }
        (M::asImmutable | M::asUnmodifiable, []) => {
            let items = machine.items(this)?;
            Value::List(Rc::new(List::new(items, ListKind::Frozen)))
        }
        (M::clone, []) => {
            let items = machine.items(this)?;
            Value::List(Rc::new(List::new(
                items,
                if list.kind == ListKind::Array { list.kind } else { ListKind::Plain },
            )))
        }
        (M::withDefault | M::withLazyDefault | M::asSynchronized | M::asChecked, _) => this.clone(),
        (M::execute, _) => {
            return Err(crate::machine::unsupported("programs cannot be started; write the work as code"));
        }
        _ => return Ok(None),
    }))
}

/// Items for which a closure holds, or that are among others; or all but those.
pub(crate) fn filtered(
    machine: &mut Machine<'_>,
    items: Vec<Value>,
    what: &Value,
    keeps: bool,
) -> Run<Vec<Value>> {
    let others = match what {
        Value::Closure(_) => Vec::new(),
        other => machine.items(other)?,
    };
    let mut kept = Vec::new();
    for item in items {
        let holds = match what {
            Value::Closure(closure) => {
                let holds = machine.call_closure(closure, std::slice::from_ref(&item))?;
                machine.truth(&holds)?
            }
            _ => machine.contains(&others, &item)?,
        };
        if holds == keeps {
            kept.push(item);
        }
    }
    Ok(kept)
}

/// `set.name(..)`
pub(crate) fn call_set(
    machine: &mut Machine<'_>,
    this: &Value,
    set: &Rc<Map>,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    Ok(Some(match (method, arguments) {
        (M::size, []) => Value::count(set.entries.borrow().len()),
        (M::isEmpty, []) => Value::Bool(set.entries.borrow().is_empty()),
        (M::contains, [item]) => Value::Bool(set.entries.borrow().contains_key(&Key(item.clone()))),
        (M::add | M::leftShift, [item]) => {
            let added = machine.map_put(set, item.clone(), Value::Null)?.is_none();
            if method == M::leftShift { this.clone() } else { Value::Bool(added) }
        }
        (M::addAll, [more]) => {
            let mut changed = false;
            for item in machine.items(more)? {
                changed |= machine.map_put(set, item, Value::Null)?.is_none();
            }
            Value::Bool(changed)
        }
        (M::remove, [item]) => {
            unfrozen(set)?;
            Value::Bool(removed(machine, set, item)?.is_some())
        }
        (M::removeAll | M::retainAll | M::removeIf, [what]) => {
            unfrozen(set)?;
            let items = machine.items(this)?;
            let before = items.len();
            let kept = filtered(machine, items, what, method == M::retainAll)?;
            let changed = kept.len() != before;
            *set.entries.borrow_mut() = kept.into_iter().map(|item| (Key(item), Value::Null)).collect();
            Value::Bool(changed)
        }
        (M::clear, []) => {
            unfrozen(set)?;
            drop(set.entries.take());
            Value::Null
        }
        (M::asImmutable | M::asUnmodifiable, []) => {
            let items = machine.items(this)?;
            machine.new_set(items, MapKind::Frozen)?
        }
        (M::clone, []) => {
            let items = machine.items(this)?;
            machine.new_set(items, set.kind)?
        }
        (M::union, [other]) => machine.binary(crate::syntax::Binary::Add, this, other)?,
        _ => return Ok(None),
    }))
}

/// Counts that the items from a place on move.
fn moved(machine: &mut Machine<'_>, list: &List, from: usize) -> Run<()> {
    let items = list.items.borrow().len().saturating_sub(from);
    machine.step(items as u64 / MOVED_PER_STEP)
}

/// Takes an entry out of a map or a set; those behind it move.
pub(crate) fn removed(machine: &mut Machine<'_>, map: &Map, key: &Value) -> Run<Option<Value>> {
    machine.step(map.entries.borrow().len() as u64 / MOVED_PER_STEP)?;
    Ok(map.entries.borrow_mut().shift_remove(&Key(key.clone())))
}

/// An exception for sets that cannot be changed.
pub(crate) fn unfrozen(map: &Map) -> Run<()> {
    if map.kind == MapKind::Frozen {
        return Err(crate::machine::unsupported("the map or set cannot be changed; make a copy of it"));
    }
    Ok(())
}

/// `range.name(..)`
pub(crate) fn call_range(
    machine: &mut Machine<'_>,
    this: &Value,
    range: Range,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    Ok(Some(match (method, arguments) {
        (M::size, []) => Value::count(usize::try_from(range.len()).unwrap_or(usize::MAX)),
        (M::isEmpty, []) => Value::Bool(range.len() == 0),
        (M::getFrom, []) => Value::whole(range.from.min(range.to)),
        (M::getTo, []) => Value::whole(range.to.max(range.from)),
        (M::containsWithinBounds, [item]) => {
            let (low, high) = (Value::Long(range.from.min(range.to)), Value::Long(range.to.max(range.from)));
            Value::Bool(
                !range.empty && machine.compare(&low, item)?.is_le() && machine.compare(item, &high)?.is_le(),
            )
        }
        (M::contains | M::isCase, [item]) => Value::Bool(machine.is_case(this, item)?),
        (M::get | M::getAt, [index]) => machine.get_at(this, index)?,
        (M::isReverse, []) => Value::Bool(range.from > range.to),
        (M::reverse, []) => {
            let mut items = machine.items(this)?;
            items.reverse();
            machine.new_list(items)?
        }
        (M::step | M::by, [by]) => {
            let by = whole_of(machine, by)?;
            let items = steps(machine, range, by)?;
            machine.new_list(items)?
        }
        (M::step, [by, closure]) => {
            let by = whole_of(machine, by)?;
            let closure = closure_of(closure, "step")?;
            for item in steps(machine, range, by)? {
                machine.call_closure(closure, &[item])?;
            }
            Value::Null
        }
        (M::each, [closure]) => {
            // A range is not written out for this.
            let closure = closure_of(closure, "each")?;
            for index in 0..range.len() {
                machine.call_closure(closure, &[range.item(index)])?;
            }
            this.clone()
        }
        (M::sum, []) => {
            let mut total = Value::Null;
            if range.len() > 0 {
                machine.step(range.len() / 4)?;
                total = Value::Int(0);
                for index in 0..range.len() {
                    total = machine.binary(crate::syntax::Binary::Add, &total, &range.item(index))?;
                }
            }
            total
        }
        (M::add | M::remove | M::clear | M::addAll | M::set | M::putAt, _) => {
            return Err(crate::machine::unsupported(
                "a range cannot be changed; make a list of it with `toList()`",
            ));
        }
        _ => return Ok(None),
    }))
}

fn steps(machine: &mut Machine<'_>, range: Range, by: i64) -> Run<Vec<Value>> {
    if by == 0 {
        return Err(raise(Builtin::IllegalArgumentException, "Infinite loop detected due to step size of 0"));
    }
    let stride = by.unsigned_abs();
    let count = range.len().div_ceil(stride);
    machine.allocate_items(usize::try_from(count).unwrap_or(usize::MAX))?;
    let mut items: Vec<Value> = (0..count).map(|index| range.item(index * stride)).collect();
    if by < 0 {
        let length = range.len();
        items = (0..count).map(|index| range.item(length - 1 - index * stride)).collect();
    }
    Ok(items)
}
