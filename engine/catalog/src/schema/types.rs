//! Which JSON types a schema allows.

use std::fmt;
use std::ops::{BitAnd, BitOr};

use serde_json::Value;

/// Deepest chain of references and combinators that is followed; a longer one (or a circle) allows any type.
const DEPTH_MAX: usize = 32;

/// Most subschemas that are looked at for one property: references may double at every step of a chain.
const VISITS_MAX: usize = 10_000;

/// A set of JSON types. An integer is a number too: the set of `number` contains that of `integer`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Types(u8);

impl Types {
    pub(super) const NONE: Self = Self(0);
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOLEAN: Self = Self(1 << 1);
    pub(super) const INTEGER: Self = Self(1 << 2);
    pub(super) const NUMBER: Self = Self(1 << 2 | 1 << 3);
    pub(super) const STRING: Self = Self(1 << 4);
    pub(super) const ARRAY: Self = Self(1 << 5);
    pub(super) const OBJECT: Self = Self(1 << 6);
    pub(super) const ANY: Self = Self(0x7f);

    /// Whether every type of `other` is in this set.
    pub(super) fn contains(self, other: Self) -> bool {
        self & other == other
    }

    /// The set without null.
    pub(super) fn without_null(self) -> Self {
        Self(self.0 & !Self::NULL.0)
    }

    /// The types that the schema allows; `root` is where its references are looked up. `None` where the combinations of
    /// its references are too many to look at, for us as for a validator.
    pub(super) fn of_schema(schema: &Value, root: &Value) -> Option<Self> {
        let mut walk = Walk { root, visits_left: VISITS_MAX };
        let types = walk.allowed(schema, 0);
        (walk.visits_left > 0).then_some(types)
    }

    /// The type of a value.
    pub(super) fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) if super::row::exact_integer(number).is_ok() => Self::INTEGER,
            Value::Number(_) => Self::NUMBER,
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    fn of_name(name: &str) -> Self {
        match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => Self::NONE,
        }
    }
}

impl BitOr for Types {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Types {
    type Output = Self;
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number =
            if self.contains(Self::NUMBER) { (Self::NUMBER, "number") } else { (Self::INTEGER, "integer") };
        let names = [
            (Self::STRING, "string"),
            number,
            (Self::BOOLEAN, "boolean"),
            (Self::ARRAY, "array"),
            (Self::OBJECT, "object"),
            (Self::NULL, "null"),
        ];
        let mut present = names.iter().filter(|(types, _)| self.contains(*types)).map(|(_, name)| *name);
        f.write_str(present.next().unwrap_or("nothing"))?;
        present.try_for_each(|name| write!(f, " or {name}"))
    }
}

impl fmt::Debug for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Types({self})")
    }
}

struct Walk<'a> {
    root: &'a Value,
    visits_left: usize,
}

impl Walk<'_> {
    fn allowed(&mut self, schema: &Value, depth: usize) -> Types {
        let map = match schema {
            Value::Bool(false) => return Types::NONE,
            Value::Object(map) if depth < DEPTH_MAX && self.visits_left > 0 => map,
            _ => return Types::ANY,
        };
        self.visits_left -= 1;
        let mut types = Types::ANY;
        match map.get("type") {
            Some(Value::String(name)) => types = types & Types::of_name(name),
            Some(Value::Array(names)) => {
                types = types & union(names.iter().filter_map(Value::as_str).map(Types::of_name));
            }
            _ => {}
        }
        if let Some(Value::Array(values)) = map.get("enum") {
            types = types & union(values.iter().map(Types::of_value));
        }
        if let Some(value) = map.get("const") {
            types = types & Types::of_value(value);
        }
        for combinator in ["anyOf", "oneOf"] {
            if let Some(Value::Array(branches)) = map.get(combinator) {
                types = types & union(branches.iter().map(|branch| self.allowed(branch, depth + 1)));
            }
        }
        if let Some(Value::Array(parts)) = map.get("allOf") {
            types = parts.iter().fold(types, |types, part| types & self.allowed(part, depth + 1));
        }
        if let Some(Value::String(reference)) = map.get("$ref")
            && let Some(target) = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer))
        {
            types = types & self.allowed(target, depth + 1);
        }
        types
    }
}

fn union(types: impl Iterator<Item = Types>) -> Types {
    types.fold(Types::NONE, BitOr::bitor)
}
