//! Hashes and equality of keys, as Java's `hashCode` and `equals` tell them apart.

use std::hash::{Hash, Hasher};
use std::rc::Rc;

use crate::class::Class;
use crate::value::{Native, Object, Value};

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
        Value::Text(text) => state.write(text.as_bytes()),
        Value::GString(text) => {
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
        // A range equals the list of its items, so both count these alone.
        Value::Range(range) => state.write_u64(range.len()),
        Value::List(list) => state.write_u64(list.items.borrow().len() as u64),
        Value::Map(map) | Value::Set(map) => state.write_usize(map.entries.borrow().len()),
        Value::Closure(closure) => state.write_usize(Rc::as_ptr(closure) as usize),
        Value::Object(object) if compares_properties(object) => {
            let Some(depth) = depth.checked_sub(1) else { return };
            for value in object.fields.borrow().values() {
                hash_into(value, state, depth);
            }
        }
        Value::Object(object) => state.write_usize(Rc::as_ptr(object) as usize),
        Value::Class(class) => state.write(class.full_name().as_bytes()),
        Value::Native(native) => state.write_u8(native.class() as u8),
        Value::Shared(_) => {}
    }
}

/// Whether two keys are the same one.
pub(crate) fn same_key(left: &Value, right: &Value, depth: u32) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return true };
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => left == right,
        (Value::GString(left), Value::GString(right)) => left == right,
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
            Rc::ptr_eq(left, right) || {
                let (left, right) = (left.entries.borrow(), right.entries.borrow());
                left.len() == right.len()
                    && left
                        .iter()
                        .all(|(key, value)| right.get(key).is_some_and(|other| same_key(value, other, depth)))
            }
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
