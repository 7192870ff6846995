//! Operators between values: arithmetic, equality, order, membership, truth.

use std::cmp::Ordering;
use std::rc::Rc;

use super::{ENTRY_BYTES, Machine, instance_of};
use crate::class::Builtin;
use crate::pattern::Matcher;
use crate::raise::{Run, raise};
use crate::syntax::{Binary, MethodName};
use crate::value::{KEY_DEPTH, Key, Native, Value};

/// The method that an operator calls on objects of the script's classes.
fn method_of(operator: Binary) -> Option<&'static str> {
    Some(match operator {
        Binary::Add => "plus",
        Binary::Subtract => "minus",
        Binary::Multiply => "multiply",
        Binary::Divide => "div",
        Binary::Remainder => "mod",
        Binary::Power => "power",
        Binary::ShiftLeft => "leftShift",
        Binary::ShiftRight => "rightShift",
        Binary::ShiftRightUnsigned => "rightShiftUnsigned",
        Binary::And => "and",
        Binary::Or => "or",
        Binary::Xor => "xor",
        _ => return None,
    })
}

impl Machine<'_> {
    /// `left operator right`
    pub(crate) fn binary(&mut self, operator: Binary, left: &Value, right: &Value) -> Run {
        match operator {
            Binary::Equal => self.equal(left, right).map(Value::Bool),
            Binary::NotEqual => self.equal(left, right).map(|equal| Value::Bool(!equal)),
            Binary::Less => self.ordered(left, right).map(|order| Value::Bool(order.is_lt())),
            Binary::LessEqual => self.ordered(left, right).map(|order| Value::Bool(order.is_le())),
            Binary::Greater => self.ordered(left, right).map(|order| Value::Bool(order.is_gt())),
            Binary::GreaterEqual => self.ordered(left, right).map(|order| Value::Bool(order.is_ge())),
            Binary::Compare => self.compare(left, right).map(|order| Value::Int(order as i32)),
            Binary::In => self.is_case(right, left).map(Value::Bool),
            Binary::NotIn => self.is_case(right, left).map(|is_in| Value::Bool(!is_in)),
            Binary::Identical => Ok(Value::Bool(identical(left, right))),
            Binary::NotIdentical => Ok(Value::Bool(!identical(left, right))),
            Binary::Find | Binary::Match => self.regex(operator, left, right),
            _ => match (operator, left, right) {
                (Binary::Add, Value::Int(left), Value::Int(right)) => {
                    Ok(Value::Int(left.wrapping_add(*right)))
                }
                (Binary::Subtract, Value::Int(left), Value::Int(right)) => {
                    Ok(Value::Int(left.wrapping_sub(*right)))
                }
                _ => self.computed(operator, left, right),
            },
        }
    }

    fn regex(&mut self, operator: Binary, left: &Value, right: &Value) -> Run {
        let pattern = match right {
            Value::Native(native) => match &**native {
                Native::Pattern(pattern) => Rc::clone(pattern),
                _ => {
                    let text = self.text(right)?;
                    self.pattern(&text, 0)?
                }
            },
            Value::Null => {
                return Err(raise(Builtin::NullPointerException, "the regular expression is null"));
            }
            _ => {
                let text = self.text(right)?;
                self.pattern(&text, 0)?
            }
        };
        let text = self.text(left)?;
        self.step(text.len() as u64)?;
        if operator == Binary::Match {
            return Ok(Value::Bool(pattern.whole(&text)?.is_some()));
        }
        Ok(Value::native(Native::Matcher(Matcher::new(pattern, text))))
    }

    #[inline(never)]
    fn computed(&mut self, operator: Binary, left: &Value, right: &Value) -> Run {
        if let Some(answer) = crate::number::arithmetic(operator, left, right)? {
            return Ok(answer);
        }
        if let Some(answer) = crate::number::bits(operator, left, right)? {
            return Ok(answer);
        }
        if let Some(answer) = self.combined(operator, left, right)? {
            return Ok(answer);
        }
        let Some(method) = method_of(operator) else { return Ok(Value::Null) };
        self.invoke(left, &MethodName::new(method), std::slice::from_ref(right))
    }

    /// Operators of texts, lists, maps and so on.
    pub(crate) fn combined(&mut self, operator: Binary, left: &Value, right: &Value) -> Run<Option<Value>> {
        if matches!(left, Value::GString(_)) || (matches!(right, Value::GString(_)) && !left.is_container()) {
            let plain = |value: &Value| value.computed_text().unwrap_or_else(|| value.clone());
            return self.combined(operator, &plain(left), &plain(right));
        }
        Ok(Some(match (operator, left, right) {
            (Binary::Add, Value::Text(_), _) | (Binary::Add, _, Value::Text(_))
                if !left.is_container()
                    || matches!(left, Value::Map(_) | Value::Closure(_) | Value::Object(_)) =>
            {
                if matches!((left, right), (Value::Object(_), _)) && self.responds(left, "plus") {
                    return Ok(None);
                }
                let mut text = String::new();
                self.write_text(left, &mut text)?;
                self.write_text(right, &mut text)?;
                self.new_text(text)?
            }
            (Binary::Add, Value::List(_) | Value::Range(_), _) => {
                let mut items = self.items(left)?;
                match right {
                    Value::List(_) | Value::Range(_) | Value::Set(_) => items.extend(self.items(right)?),
                    other => items.push(other.clone()),
                }
                self.new_list(items)?
            }
            (Binary::Add, Value::Set(set), _) => {
                let mut items = self.items(left)?;
                match right {
                    Value::List(_) | Value::Range(_) | Value::Set(_) => items.extend(self.items(right)?),
                    other => items.push(other.clone()),
                }
                self.new_set(items, set.kind)?
            }
            (Binary::Add, Value::Map(map), Value::Map(other)) => {
                self.allocate(ENTRY_BYTES * (map.entries.borrow().len() + other.entries.borrow().len()))?;
                let mut entries = map.entries.borrow().clone();
                entries
                    .extend(other.entries.borrow().iter().map(|(key, value)| (key.clone(), value.clone())));
                self.new_map(entries)?
            }
            (Binary::Subtract, Value::Text(text), _) => {
                let part = match right {
                    Value::Native(native) => match &**native {
                        Native::Pattern(pattern) => {
                            let found =
                                pattern.find(text, 0)?.and_then(|groups| groups.first().copied().flatten());
                            found.and_then(|(start, end)| text.get(start..end)).unwrap_or_default().into()
                        }
                        _ => self.text(right)?,
                    },
                    _ => self.text(right)?,
                };
                self.step(text.len() as u64 / 64)?;
                self.new_text(text.replacen(&*part, "", 1))?
            }
            (Binary::Subtract, Value::List(_) | Value::Range(_), _) => {
                let items = self.items(left)?;
                let without = self.without(items, right)?;
                self.new_list(without)?
            }
            (Binary::Subtract, Value::Set(set), _) => {
                let items = self.items(left)?;
                let without = self.without(items, right)?;
                self.new_set(without, set.kind)?
            }
            (Binary::Subtract, Value::Map(map), Value::Map(other)) => {
                let mut entries = map.entries.borrow().clone();
                let mut stays = Vec::with_capacity(entries.len());
                for (key, value) in &entries {
                    let same = other.entries.borrow().get(key).cloned();
                    stays.push(match same {
                        Some(same) => !self.equal(&same, value)?,
                        None => true,
                    });
                }
                let mut stays = stays.into_iter();
                entries.retain(|_, _| stays.next().unwrap_or(true));
                self.new_map(entries)?
            }
            (Binary::Multiply, Value::Text(text), count) if count.is_number() => {
                let count = self.repetitions(count)?;
                self.allocate(text.len().saturating_mul(count))?;
                Value::text(text.repeat(count))
            }
            (Binary::Multiply, Value::List(_) | Value::Range(_), count) if count.is_number() => {
                let items = self.items(left)?;
                let count = self.repetitions(count)?;
                self.allocate_items(items.len().saturating_mul(count))?;
                let length = items.len().saturating_mul(count);
                Value::list(items.into_iter().cycle().take(length).collect())
            }
            (Binary::ShiftLeft, Value::List(list), _) => {
                self.list_push(list, right.clone())?;
                left.clone()
            }
            (Binary::ShiftLeft, Value::Set(set), _) => {
                self.map_put(set, right.clone(), Value::Null)?;
                left.clone()
            }
            (Binary::ShiftLeft, Value::Map(map), _) => {
                match right {
                    Value::Map(other) => {
                        let entries: Vec<(Key, Value)> = other
                            .entries
                            .borrow()
                            .iter()
                            .map(|(key, value)| (key.clone(), value.clone()))
                            .collect();
                        for (key, value) in entries {
                            self.map_put(map, key.0, value)?;
                        }
                    }
                    Value::Native(native) => {
                        if let Native::Entry { key, value, .. } = &**native {
                            let value = value.borrow().clone();
                            self.map_put(map, key.clone(), value)?;
                        }
                    }
                    _ => return Ok(None),
                }
                left.clone()
            }
            (Binary::ShiftLeft, Value::Text(_), _) => {
                let mut text = String::new();
                self.write_text(left, &mut text)?;
                self.write_text(right, &mut text)?;
                self.allocate(text.len())?;
                Value::native(Native::StringBuilder(text.into(), Builtin::StringBuffer))
            }
            (Binary::ShiftLeft | Binary::ShiftRight, Value::Closure(one), Value::Closure(other)) => {
                let (first, then) = if operator == Binary::ShiftLeft { (other, one) } else { (one, other) };
                let code = crate::value::Code::Composed { first: Rc::clone(first), then: Rc::clone(then) };
                Value::Closure(crate::value::Closure::of(code, Value::Null))
            }
            (Binary::And | Binary::Or | Binary::Xor, Value::Bool(left), right) => {
                let right = self.truth(right)?;
                Value::Bool(match operator {
                    Binary::And => *left && right,
                    Binary::Or => *left || right,
                    _ => *left != right,
                })
            }
            _ => return Ok(None),
        }))
    }

    /// How often something is repeated.
    fn repetitions(&mut self, count: &Value) -> Run<usize> {
        let count = crate::number::to_long(count).unwrap_or(0);
        usize::try_from(count).map_err(|_| {
            raise(
                Builtin::IllegalArgumentException,
                format!("multiply() should be called with a number of 0 or greater not: {count}"),
            )
        })
    }

    /// Items without some.
    pub(crate) fn without(&mut self, items: Vec<Value>, gone: &Value) -> Run<Vec<Value>> {
        let gone = match gone {
            Value::List(_) | Value::Set(_) | Value::Range(_) => self.items(gone)?,
            other => vec![other.clone()],
        };
        let mut left = Vec::new();
        for item in items {
            if !self.contains(&gone, &item)? {
                left.push(item);
            }
        }
        Ok(left)
    }

    /// Whether an item is among others.
    pub(crate) fn contains(&mut self, items: &[Value], item: &Value) -> Run<bool> {
        for other in items {
            self.step(1)?;
            if self.equal(other, item)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// `left == right`
    pub(crate) fn equal(&mut self, left: &Value, right: &Value) -> Run<bool> {
        Ok(match (left, right) {
            (Value::Text(left), Value::Text(right)) => crate::compare::same_text(left, right),
            (Value::Int(left), Value::Int(right)) => left == right,
            (Value::Null, Value::Null) => true,
            (Value::Null, _) | (_, Value::Null) => false,
            (Value::GString(left) | Value::Text(left), Value::GString(right) | Value::Text(right)) => {
                crate::compare::same_text(left, right)
            }
            (Value::Bool(left), Value::Bool(right)) => left == right,
            (Value::Char(char), Value::Text(text)) | (Value::Text(text), Value::Char(char)) => {
                let mut chars = text.chars();
                chars.next() == Some(*char) && chars.next().is_none()
            }
            (Value::Bytes(left), Value::Bytes(right)) => left == right,
            (
                Value::List(_) | Value::Range(_) | Value::Bytes(_),
                Value::List(_) | Value::Range(_) | Value::Bytes(_),
            ) => self.deeper(|machine| machine.equal_lists(left, right))?,
            (Value::Map(one), Value::Map(other)) | (Value::Set(one), Value::Set(other)) => {
                Rc::ptr_eq(one, other) || self.deeper(|machine| machine.equal_maps(one, other))?
            }
            (Value::Object(_), _) => self.equal_objects(left, right)?,
            (Value::Native(one), Value::Native(other)) => match (&**one, &**other) {
                (Native::StringBuilder(..), Native::StringBuilder(..)) => Rc::ptr_eq(one, other),
                (Native::LazyText(_), Native::LazyText(_)) => self.text(left)? == self.text(right)?,
                _ => crate::compare::same_native(one, other, KEY_DEPTH),
            },
            (Value::Native(lazy), Value::Text(text) | Value::GString(text))
            | (Value::Text(text) | Value::GString(text), Value::Native(lazy))
                if matches!(**lazy, Native::LazyText(_)) =>
            {
                self.text(&Value::Native(Rc::clone(lazy)))? == *text
            }
            (Value::Closure(_), Value::Closure(_)) | (Value::Class(_), Value::Class(_)) => {
                crate::compare::same_key(left, right, KEY_DEPTH)
            }
            _ => crate::number::compare(left, right) == Some(Ordering::Equal),
        })
    }

    fn equal_lists(&mut self, left: &Value, right: &Value) -> Run<bool> {
        let (left, right) = (self.items(left)?, self.items(right)?);
        if left.len() != right.len() {
            return Ok(false);
        }
        for (left, right) in left.iter().zip(&right) {
            if !self.equal(left, right)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn equal_maps(&mut self, left: &Rc<crate::value::Map>, right: &Rc<crate::value::Map>) -> Run<bool> {
        if left.entries.borrow().len() != right.entries.borrow().len() {
            return Ok(false);
        }
        let entries: Vec<(Key, Value)> =
            left.entries.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        self.allocate_items(entries.len() * 2)?;
        for (key, value) in entries {
            let other = right.entries.borrow().get(&key).cloned();
            let Some(other) = other else { return Ok(false) };
            if !self.equal(&value, &other)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn equal_objects(&mut self, left: &Value, right: &Value) -> Run<bool> {
        if identical(left, right) {
            return Ok(true);
        }
        for method in ["equals", "compareTo"] {
            if self.responds(left, method) {
                let answer = self.invoke(left, &MethodName::new(method), std::slice::from_ref(right))?;
                return if method == "equals" {
                    self.truth(&answer)
                } else {
                    Ok(crate::number::to_long(&answer) == Some(0))
                };
            }
        }
        let (Value::Object(one), Value::Object(other)) = (left, right) else { return Ok(false) };
        if one.class != other.class || !crate::compare::compares_properties(one) {
            return Ok(false);
        }
        let (one, other): (Vec<Value>, Vec<Value>) = (
            one.fields.borrow().values().cloned().collect(),
            other.fields.borrow().values().cloned().collect(),
        );
        self.deeper(|machine| {
            for (left, right) in one.iter().zip(&other) {
                if !machine.equal(left, right)? {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }

    /// The order for `<` and its like, which `null` has too.
    fn ordered(&mut self, left: &Value, right: &Value) -> Run<Ordering> {
        if let (Value::Int(left), Value::Int(right)) = (left, right) {
            return Ok(left.cmp(right));
        }
        self.compare(left, right)
    }

    /// `left <=> right`
    pub(crate) fn compare(&mut self, left: &Value, right: &Value) -> Run<Ordering> {
        let order = match (left, right) {
            (Value::Text(left) | Value::GString(left), Value::Text(right) | Value::GString(right)) => {
                compare_texts(left, right)
            }
            (Value::Null, Value::Null) => Ordering::Equal,
            (Value::Null, _) => Ordering::Less,
            (_, Value::Null) => Ordering::Greater,
            (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
            (Value::Char(left), Value::Char(right)) => left.cmp(right),
            (Value::Char(char), Value::Text(text)) => compare_texts(&char.to_string(), text),
            (Value::Text(text), Value::Char(char)) => compare_texts(text, &char.to_string()),
            (Value::Native(one), Value::Native(other)) => match (&**one, &**other) {
                (Native::Moment(one), Native::Moment(other)) => {
                    return one.compare(other).ok_or_else(|| incomparable(left, right));
                }
                (Native::Uuid(one), Native::Uuid(other)) => one.cmp(other),
                (Native::Level(_), _) | (Native::StringBuilder(..), _) => {
                    let (left, right) = (self.text(left)?, self.text(right)?);
                    left.cmp(&right)
                }
                _ => return Err(incomparable(left, right)),
            },
            (Value::Object(one), Value::Object(other))
                if one.ordinal.is_some() && one.class == other.class =>
            {
                one.ordinal.cmp(&other.ordinal)
            }
            (Value::Object(_), _) if self.responds(left, "compareTo") => {
                let answer = self.invoke(left, &MethodName::new("compareTo"), std::slice::from_ref(right))?;
                crate::number::to_long(&answer).unwrap_or(0).cmp(&0)
            }
            _ => match crate::number::compare(left, right) {
                Some(order) => order,
                None if left.is_number() && right.is_number() => {
                    // NaN is the largest double and equals itself.
                    let nan = |value| crate::number::to_double(value).is_some_and(f64::is_nan);
                    nan(left).cmp(&nan(right))
                }
                None if self.equal(left, right)? => Ordering::Equal,
                None => return Err(incomparable(left, right)),
            },
        };
        Ok(order)
    }

    /// Whether a value is a case of another: for `switch`, `in` and `grep`.
    pub(crate) fn is_case(&mut self, case: &Value, value: &Value) -> Run<bool> {
        Ok(match case {
            Value::Null => value.is_null(),
            Value::Class(class) => instance_of(value, class),
            Value::List(list) => {
                let items = list.items.borrow().clone();
                self.allocate_items(items.len())?;
                self.contains(&items, value)?
            }
            Value::Set(map) => map.entries.borrow().contains_key(&Key(value.clone())),
            Value::Map(map) => map.get(value).is_some(),
            Value::Range(range) => match value {
                Value::Int(_) | Value::Long(_) => {
                    crate::number::to_long(value).is_some_and(|number| range.contains(number))
                }
                Value::Double(_) | Value::Decimal(_) | Value::Float(_) => {
                    let number = crate::number::to_double(value).unwrap_or(f64::NAN);
                    number.fract() == 0.0 && range.contains(number as i64)
                }
                _ => false,
            },
            Value::Closure(closure) => {
                let answer = self.call_closure(closure, std::slice::from_ref(value))?;
                self.truth(&answer)?
            }
            Value::Native(native) => match &**native {
                Native::Pattern(pattern) => {
                    if value.is_null() {
                        return Ok(false);
                    }
                    let text = self.text(value)?;
                    pattern.whole(&text)?.is_some()
                }
                _ => self.equal(case, value)?,
            },
            Value::Bytes(_) => {
                let items = self.items(case)?;
                self.contains(&items, value)?
            }
            Value::Object(_) if self.responds(case, "isCase") => {
                let answer = self.invoke(case, &MethodName::new("isCase"), std::slice::from_ref(value))?;
                self.truth(&answer)?
            }
            // `'b' in 'abc'` asks for equality, as Groovy does.
            _ => self.equal(case, value)?,
        })
    }

    /// Groovy's truth.
    pub(crate) fn truth(&mut self, value: &Value) -> Run<bool> {
        Ok(match value {
            Value::Null | Value::Shared(_) => false,
            Value::Bool(value) => *value,
            Value::Int(number) => *number != 0,
            Value::Long(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Double(number) => *number != 0.0,
            Value::Char(char) => *char != '\0',
            Value::Big(number) => number.sign() != num_bigint::Sign::NoSign,
            Value::Decimal(number) => !number.is_zero(),
            Value::Text(text) | Value::GString(text) => !text.is_empty(),
            Value::Bytes(bytes) => !bytes.is_empty(),
            Value::List(list) => !list.items.borrow().is_empty(),
            Value::Map(map) | Value::Set(map) => !map.entries.borrow().is_empty(),
            Value::Range(range) => range.len() > 0,
            Value::Native(native) => match &**native {
                Native::StringBuilder(text, _) => !text.borrow().is_empty(),
                Native::LazyText(_) => !self.text(value)?.is_empty(),
                Native::Matcher(matcher) => matcher.pattern.find(&matcher.text, 0)?.is_some(),
                Native::Iterator(items) => items.next.get() < items.items.len(),
                _ => true,
            },
            Value::Object(_) if self.responds(value, "asBoolean") => {
                match self.invoke(value, &MethodName::new("asBoolean"), &[])? {
                    Value::Bool(value) => value,
                    other => !other.is_null(),
                }
            }
            Value::Object(_) | Value::Closure(_) | Value::Class(_) => true,
        })
    }

    /// Sorts by a comparison that may fail. Stable.
    pub(crate) fn sorted(
        &mut self,
        items: Vec<Value>,
        compare: &mut dyn FnMut(&mut Self, &Value, &Value) -> Run<Ordering>,
    ) -> Run<Vec<Value>> {
        let count = items.len();
        self.allocate_items(count)?;
        // Runs of one item are merged to runs of two, of four, and so on; unlike the standard sort this can stop.
        let (mut from, mut width) = (items, 1);
        while width < count {
            let mut to = Vec::with_capacity(count);
            for start in (0..count).step_by(width * 2) {
                let (middle, end) = ((start + width).min(count), (start + width * 2).min(count));
                let (mut left, mut right) = (start, middle);
                while left < middle || right < end {
                    self.step(1)?;
                    let takes_left = match (from.get(left), from.get(right)) {
                        (Some(one), Some(other)) if left < middle && right < end => {
                            compare(self, one, other)?.is_le()
                        }
                        _ => left < middle,
                    };
                    let index = if takes_left { &mut left } else { &mut right };
                    to.extend(from.get(*index).cloned());
                    *index += 1;
                }
            }
            from = to;
            width *= 2;
        }
        Ok(from)
    }
}

/// By UTF-16 units, as Java compares texts.
pub(crate) fn compare_texts(left: &str, right: &str) -> Ordering {
    if left.is_ascii() || right.is_ascii() {
        return left.cmp(right);
    }
    left.encode_utf16().cmp(right.encode_utf16())
}

fn incomparable(left: &Value, right: &Value) -> Box<crate::raise::Raise> {
    raise(
        Builtin::IllegalArgumentException,
        format!(
            "Cannot compare {} with {}: expected two numbers, two texts or other values with an order",
            left.class().full_name(),
            right.class().full_name()
        ),
    )
}

/// `left === right`
fn identical(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::List(left), Value::List(right)) => Rc::ptr_eq(left, right),
        (Value::Map(left), Value::Map(right)) | (Value::Set(left), Value::Set(right)) => {
            Rc::ptr_eq(left, right)
        }
        (Value::Object(left), Value::Object(right)) => Rc::ptr_eq(left, right),
        (Value::Native(left), Value::Native(right)) => Rc::ptr_eq(left, right),
        (Value::Big(left), Value::Big(right)) => Rc::ptr_eq(left, right),
        (Value::Decimal(left), Value::Decimal(right)) => Rc::ptr_eq(left, right),
        _ => crate::compare::same_key(left, right, KEY_DEPTH),
    }
}
