//! Hashes and equality of keys, as Java's `hashCode` and `equals` tell them apart.

use std::cell::Cell;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use crate::class::Class;
use crate::value::{Entries, Native, Object, Value};

/// Whether objects of the class equal each other when their properties do.
pub(crate) fn compares_properties(object: &Object) -> bool {
    let Class::Script(class) = &object.class else { return false };
    class
        .body
        .borrow()
        .annotations
        .iter()
        .any(|(name, _)| matches!(&**name, "Canonical" | "EqualsAndHashCode" | "Immutable"))
}

/// Feeds a key to a hasher.
pub(crate) fn hash_into<H: Hasher>(value: &Value, state: &mut H, depth: u32) {
    match value {
        Value::Text(text) => {
            note(text.len());
            state.write(text.as_bytes());
        }
        Value::GString(text) => {
            note(text.len());
            state.write_u8(1);
            state.write(text.as_bytes());
        }
        Value::Null => state.write_u8(0),
        Value::Bool(value) => value.hash(state),
        Value::Int(number) => state.write_i64(i64::from(*number)),
        Value::Long(number) => state.write_i64(*number),
        Value::Float(number) => state.write_u32(number.to_bits()),
        Value::Double(number) => state.write_u64(number.to_bits()),
        Value::Char(char) => char.hash(state),
        Value::Big(number) => number.hash(state),
        Value::Decimal(number) => number.unscaled().hash(state),
        Value::Bytes(bytes) => state.write_usize(bytes.len()),
        // A range equals the list of its items, so both are hashed alike.
        Value::Range(range) => {
            state.write_u64(range.len());
            hash_items(state, depth, |index| (index < range.len()).then(|| range.item(index)));
        }
        Value::List(list) => {
            let items = list.items.borrow();
            state.write_u64(items.len() as u64);
            hash_items(state, depth, |index| items.get(usize::try_from(index).ok()?).cloned());
        }
        Value::Map(map) | Value::Set(map) => {
            let entries = map.entries.borrow();
            state.write_u64(entries.len() as u64);
            hash_entries(state, depth, &entries);
        }
        Value::Closure(closure) => state.write_usize(Rc::as_ptr(closure) as usize),
        Value::Object(object) if compares_properties(object) => {
            let Some(depth) = depth.min(HASH_DEPTH).checked_sub(1) else { return };
            for value in object.fields.borrow().values().take(HASH_ITEMS as usize) {
                hash_into(value, state, depth);
            }
        }
        Value::Object(object) => state.write_usize(Rc::as_ptr(object) as usize),
        Value::Class(class) => state.write(class.full_name().as_bytes()),
        Value::Native(native) => {
            state.write_u8(native.class() as u8);
            match &**native {
                Native::Moment(moment) => moment.hash(state),
                Native::Uuid(uuid) => state.write(uuid.as_bytes()),
                Native::Entry { key, .. } => {
                    if let Some(depth) = depth.min(HASH_DEPTH).checked_sub(1) {
                        hash_into(key, state, depth);
                    }
                }
                _ => {}
            }
        }
        Value::Shared(_) => {}
    }
}

/// How many items of a list, and fields of an object, tell its hash apart.
const HASH_ITEMS: u64 = 4;

/// How deep lists in lists are hashed.
const HASH_DEPTH: u32 = 3;

/// The first items of a list or range.
fn hash_items<H: Hasher>(state: &mut H, depth: u32, item: impl Fn(u64) -> Option<Value>) {
    let Some(depth) = depth.min(HASH_DEPTH).checked_sub(1) else { return };
    for item in (0..HASH_ITEMS).map_while(item) {
        hash_into(&item, state, depth);
    }
}

/// The entries of a small map, whose order does not count.
fn hash_entries<H: Hasher>(state: &mut H, depth: u32, entries: &Entries) {
    let Some(depth) = depth.min(HASH_DEPTH).checked_sub(1).filter(|_| entries.len() as u64 <= HASH_ITEMS)
    else {
        return;
    };
    let hashes = entries.iter().map(|(key, value)| {
        let mut hasher = DefaultHasher::new();
        hash_into(&key.0, &mut hasher, depth);
        hash_into(value, &mut hasher, depth);
        hasher.finish()
    });
    state.write_u64(hashes.fold(0, u64::wrapping_add));
}

/// Notes that so many bytes were looked at.
fn note(bytes: usize) {
    crate::debt::steps(bytes as u64 / 128);
}

/// Whether two keys are the same one.
pub(crate) fn same_key(left: &Value, right: &Value, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1).filter(|_| !crate::debt::is_lost()) else { return true };
    crate::debt::steps(1);
    match (left, right) {
        (Value::Text(left), Value::Text(right)) | (Value::GString(left), Value::GString(right)) => {
            same_text(left, right)
        }
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(left), Value::Int(right)) => left == right,
        (Value::Long(left), Value::Long(right)) => left == right,
        (Value::Float(left), Value::Float(right)) => left.to_bits() == right.to_bits(),
        (Value::Double(left), Value::Double(right)) => left.to_bits() == right.to_bits(),
        (Value::Char(left), Value::Char(right)) => left == right,
        (Value::Big(left), Value::Big(right)) => left == right,
        (Value::Decimal(left), Value::Decimal(right)) => {
            left.scale() == right.scale() && left.unscaled() == right.unscaled()
        }
        (Value::Bytes(left), Value::Bytes(right)) => Rc::ptr_eq(left, right),
        (Value::List(left), Value::List(right)) => {
            Rc::ptr_eq(left, right) || {
                let (left, right) = (left.items.borrow(), right.items.borrow());
                left.len() == right.len()
                    && left.iter().zip(&*right).all(|(left, right)| same_key(left, right, depth))
            }
        }
        (Value::Range(left), Value::Range(right)) => {
            left.len() == right.len() && (left.empty || left.from == right.from)
        }
        (Value::Range(range), Value::List(list)) | (Value::List(list), Value::Range(range)) => {
            let list = list.items.borrow();
            list.len() as u64 == range.len()
                && list.iter().zip(0..).all(|(item, index)| same_key(item, &range.item(index), depth))
        }
        (Value::Map(left), Value::Map(right)) | (Value::Set(left), Value::Set(right)) => {
            Rc::ptr_eq(left, right)
                || within_maps(|| {
                    let (left, right) = (left.entries.borrow(), right.entries.borrow());
                    left.len() == right.len()
                        && left.iter().all(|(key, value)| {
                            right.get(key).is_some_and(|other| same_key(value, other, depth))
                        })
                })
        }
        (Value::Closure(left), Value::Closure(right)) => Rc::ptr_eq(left, right),
        (Value::Object(left), Value::Object(right)) => {
            Rc::ptr_eq(left, right)
                || (left.class == right.class && compares_properties(left) && {
                    let (left, right) = (left.fields.borrow(), right.fields.borrow());
                    left.len() == right.len()
                        && left.iter().all(|(name, value)| {
                            right.get(name).is_some_and(|other| same_key(value, other, depth))
                        })
                })
        }
        (Value::Class(left), Value::Class(right)) => left == right,
        (Value::Native(left), Value::Native(right)) => same_native(left, right, depth),
        _ => false,
    }
}

/// Maps whose keys are maps, and so on, are compared to this depth, as all else is.
const MAPS_MAX: u32 = 8;

/// Looks keys up in a map while keys are compared: each look-up counts its depth anew.
fn within_maps(same: impl FnOnce() -> bool) -> bool {
    thread_local! {
        static MAPS: Cell<u32> = const { Cell::new(0) };
    }
    let depth = MAPS.get();
    if depth >= MAPS_MAX {
        return true;
    }
    MAPS.set(depth + 1);
    let same = same();
    MAPS.set(depth);
    same
}

/// Whether two texts are equal.
pub(crate) fn same_text(left: &str, right: &str) -> bool {
    if left.len() == right.len() {
        note(left.len());
    }
    left == right
}

/// Whether two objects of library classes are the same.
pub(crate) fn same_native(left: &Rc<Native>, right: &Rc<Native>, depth: u32) -> bool {
    if Rc::ptr_eq(left, right) {
        return true;
    }
    match (&**left, &**right) {
        (Native::Moment(left), Native::Moment(right)) => left == right,
        (Native::Uuid(left), Native::Uuid(right)) => left == right,
        (Native::Level(left), Native::Level(right)) => left == right,
        (Native::Rounding(left), Native::Rounding(right)) => left == right,
        (Native::Named(left, one), Native::Named(right, other)) => left == right && one == other,
        (Native::JsonNode(left), Native::JsonNode(right)) => same_key(left, right, depth),
        (
            Native::Entry { key: left_key, value: left, .. },
            Native::Entry { key: right_key, value: right, .. },
        ) => same_key(left_key, right_key, depth) && same_key(&left.borrow(), &right.borrow(), depth),
        (
            Native::Deletion { correlation_id: left_id, event_id: left },
            Native::Deletion { correlation_id: right_id, event_id: right },
        ) => same_key(left_id, right_id, depth) && same_key(left, right, depth),
        _ => false,
    }
}
