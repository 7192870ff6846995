//! Evaluates expressions.
//!
//! The functions that lie on the way of every expression are small, and what few need is in functions of its own: the
//! native stack is short, and all of them lie on it as often as expressions lie inside of each other.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::Machine;
use crate::class::Builtin;
use crate::raise::{Run, raise};
use crate::syntax::{
    Access, Arguments, Binary, Call, Callee, Expr, Function, Kind, MapItem, MethodName, Piece, PropertyName,
    Type, Unary,
};
use crate::value::{Closure, Code, Entries, Key, Range, Strategy, Value};

/// Ranges of letters have at most this many.
const LETTERS_MAX: u32 = 1 << 16;

impl Machine<'_> {
    /// The value of an expression.
    pub(crate) fn eval(&mut self, expr: &Expr) -> Run {
        match &expr.kind {
            Kind::Constant(value) => Ok(value.clone()),
            Kind::Local(slot) => Ok(self.local(*slot)),
            _ => {
                if let Err(mut raise) = self.enter(1) {
                    raise.locate(expr.at);
                    return Err(raise);
                }
                let answer = self.eval_kind(expr);
                self.leave(1);
                answer.map_err(|mut raise| {
                    raise.locate(expr.at);
                    raise
                })
            }
        }
    }

    fn eval_kind(&mut self, expr: &Expr) -> Run {
        match &expr.kind {
            Kind::Constant(value) => Ok(value.clone()),
            Kind::Local(slot) => Ok(self.local(*slot)),
            Kind::Global(place, name) => self.global(*place, name),
            Kind::Name(name) => self.name(name),
            Kind::This => Ok(self.this()),
            Kind::Delegate => Ok(self.delegate()),
            Kind::Owner => Ok(self.owner()),
            Kind::Class(class) => Ok(Value::Class(class.clone())),
            Kind::Property { object, name, access } => self.eval_property(object, name, *access),
            Kind::Call(call) => self.eval_call(call),
            Kind::Binary(operator, left, right) => {
                let left = self.eval(left)?;
                let right = self.eval(right)?;
                self.binary(*operator, &left, &right)
            }
            Kind::And(left, right) => Ok(Value::Bool(self.condition(left)? && self.condition(right)?)),
            Kind::Or(left, right) => Ok(Value::Bool(self.condition(left)? || self.condition(right)?)),
            Kind::Assign(target, value) => {
                let value = self.eval(value)?;
                self.assign(target, value)
            }
            Kind::Ternary(condition, then, other) => {
                if self.condition(condition)? {
                    self.eval(then)
                } else {
                    self.eval(other)
                }
            }
            Kind::Text(pieces) => self.template(pieces),
            Kind::Index { object, index, safe } => self.eval_index(object, index, *safe),
            Kind::Closure(function) => Ok(self.closure(function)),
            Kind::Unary(operator, operand) => self.unary(*operator, operand),
            _ => self.eval_rare(expr),
        }
    }

    #[inline(never)]
    fn eval_rare(&mut self, expr: &Expr) -> Run {
        match &expr.kind {
            Kind::List(items) => {
                let items = self.eval_all(items)?;
                self.new_list(items)
            }
            Kind::Map(items) => {
                let entries = self.map_items(items)?;
                self.new_map(entries)
            }
            Kind::Range { from, to, open_left, open_right } => {
                let (from, to) = (self.eval(from)?, self.eval(to)?);
                self.range(&from, &to, *open_left, *open_right)
            }
            Kind::Elvis(left, right) => {
                let value = self.eval(left)?;
                if self.truth(&value)? { Ok(value) } else { self.eval(right) }
            }
            Kind::Update(operator, target, value) => self.update(*operator, target, value),
            Kind::ElvisAssign(target, value) => {
                let before = self.eval(target)?;
                if self.truth(&before)? {
                    return Ok(before);
                }
                let value = self.eval(value)?;
                self.assign(target, value)
            }
            Kind::MultiAssign(targets, values) => {
                let values = self.eval(values)?;
                for (index, target) in (0i32..).zip(targets) {
                    let value = self.item_at(&values, index)?;
                    self.assign(target, value)?;
                }
                Ok(values)
            }
            Kind::Step { target, up, prefix } => self.count(target, *up, *prefix),
            Kind::New { class, arguments } => self.eval_new(class, arguments),
            Kind::NewArray { class, lengths, items } => self.new_array(class, lengths, items.as_deref()),
            Kind::Cast { class, value, strict } => {
                let value = self.eval(value)?;
                if *strict { self.cast(value, class) } else { self.convert(value, class) }
            }
            Kind::InstanceOf { value, class, negated } => {
                let value = self.eval(value)?;
                Ok(Value::Bool(self.is_instance(&value, class) != *negated))
            }
            Kind::MethodReference { receiver, name } => self.method_reference(receiver, name),
            Kind::Spread(_) => Err(raise(
                Builtin::IllegalArgumentException,
                "the spread operator `*` is possible among the items of a list and the arguments of a call only",
            )),
            _ => Ok(Value::Null),
        }
    }

    fn this(&mut self) -> Value {
        match &self.frame.this {
            Value::Null => Value::Class(crate::class::Class::Builtin(Builtin::Script)),
            this => this.clone(),
        }
    }

    fn delegate(&mut self) -> Value {
        let Some(closure) = &self.frame.closure else { return self.this() };
        let delegate = closure.delegate.borrow().clone();
        delegate.unwrap_or_else(|| self.owner())
    }

    fn owner(&mut self) -> Value {
        let owner = self.frame.closure.as_ref().and_then(|closure| closure.owner.clone());
        owner.map_or_else(|| self.this(), Value::Closure)
    }

    /// Items with spread lists among them.
    fn eval_all(&mut self, items: &[Expr]) -> Run<Vec<Value>> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            match &item.kind {
                Kind::Spread(list) => {
                    let list = self.eval(list)?;
                    if !list.is_null() {
                        values.extend(self.items(&list)?);
                    }
                }
                _ => values.push(self.eval(item)?),
            }
        }
        Ok(values)
    }

    fn map_items(&mut self, items: &[MapItem]) -> Run<Entries> {
        let mut entries = Entries::with_capacity_and_hasher(items.len(), Default::default());
        for item in items {
            match item {
                MapItem::Entry(key, value) => {
                    let key = self.eval(key)?;
                    let value = self.eval(value)?;
                    entries.insert(Key(key), value);
                }
                MapItem::Spread(map) => match self.eval(map)? {
                    Value::Map(map) => {
                        let map = map.entries.borrow();
                        entries.extend(map.iter().map(|(key, value)| (key.clone(), value.clone())));
                    }
                    Value::Null => {}
                    other => {
                        let name = other.class().full_name().to_owned();
                        return Err(raise(
                            Builtin::IllegalArgumentException,
                            format!("expected a map after `*:`, found a value of class {name}"),
                        ));
                    }
                },
            }
        }
        Ok(entries)
    }

    /// The arguments of a call.
    pub(super) fn eval_arguments(&mut self, arguments: &Arguments) -> Run<Vec<Value>> {
        let mut values = Vec::new();
        if !arguments.named.is_empty() {
            let entries = self.map_items(&arguments.named)?;
            values.push(self.new_map(entries)?);
        }
        if arguments.spread {
            values.extend(self.eval_all(&arguments.values)?);
            return Ok(values);
        }
        values.reserve_exact(arguments.values.len());
        for value in &arguments.values {
            values.push(self.eval(value)?);
        }
        Ok(values)
    }

    fn template(&mut self, pieces: &[Piece]) -> Run {
        let is_lazy = |piece: &Piece| matches!(piece, Piece::Code(Expr { kind: Kind::Closure(_), .. }));
        if pieces.iter().any(is_lazy) {
            return self.lazy_template(pieces);
        }
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Code(code) => {
                    let value = self.eval(code)?;
                    self.write_text(&value, &mut text)?;
                }
            }
        }
        self.allocate(text.len() + 16)?;
        Ok(Value::GString(text.into()))
    }

    /// `"${-> x}"`: the closures are kept, and called when the text is read.
    #[inline(never)]
    fn lazy_template(&mut self, pieces: &[Piece]) -> Run {
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            parts.push(match piece {
                Piece::Text(piece) => Value::Text(Rc::clone(piece)),
                Piece::Code(code) => match self.eval(code)? {
                    closure @ Value::Closure(_) => closure,
                    other => Value::Text(self.text(&other)?),
                },
            });
        }
        self.allocate_items(parts.len())?;
        Ok(Value::native(crate::value::Native::LazyText(parts)))
    }

    fn range(&mut self, from: &Value, to: &Value, open_left: bool, open_right: bool) -> Run {
        if let (Value::GString(_), _) | (_, Value::GString(_)) = (from, to) {
            let (from, to) = (Value::Text(self.text(from)?), Value::Text(self.text(to)?));
            return self.range(&from, &to, open_left, open_right);
        }
        if let (Value::Text(first), Value::Text(last)) = (from, to) {
            return self.letters(first, last, open_left, open_right);
        }
        let whole = |value: &Value| match value {
            Value::Char(char) => Some(i64::from(u32::from(*char))),
            Value::Int(_) | Value::Long(_) => crate::number::to_long(value),
            _ => None,
        };
        let counts = |value: &Value| match value {
            Value::Decimal(_) | Value::Double(_) => true,
            Value::Object(object) => object.ordinal.is_some(),
            Value::Native(native) => matches!(**native, crate::value::Native::Moment(_)),
            _ => false,
        };
        if counts(from) && (counts(to) || to.is_number()) {
            return self.counted_range(from, to, open_left, open_right);
        }
        let (Some(first), Some(last)) = (whole(from), whole(to)) else {
            let (from, to) = (from.class().full_name().to_owned(), to.class().full_name().to_owned());
            return Err(raise(
                Builtin::IllegalArgumentException,
                format!("a range goes between two numbers or two letters, not from a {from} to a {to}"),
            ));
        };
        let (mut start, mut end) = (first, last);
        let down = first > last;
        if open_left {
            start = if down { start.saturating_sub(1) } else { start.saturating_add(1) };
        }
        if open_right {
            end = if down { end.saturating_add(1) } else { end.saturating_sub(1) };
        }
        let empty =
            (open_left || open_right) && (first == last || if down { start < end } else { start > end });
        let long = matches!(from, Value::Long(_)) || matches!(to, Value::Long(_));
        Ok(Value::Range(Rc::new(Range { from: start, to: end, empty, long, open: open_right })))
    }

    /// A range of values that know their next one: dates, constants of enums, decimals.
    fn counted_range(&mut self, from: &Value, to: &Value, open_left: bool, open_right: bool) -> Run {
        let down = self.compare(from, to)?.is_gt();
        let next = MethodName::new(if down { "previous" } else { "next" });
        let (mut items, mut item) = (Vec::new(), from.clone());
        loop {
            let order = self.compare(&item, to)?;
            let beyond = if down { order.is_lt() } else { order.is_gt() };
            if beyond || (open_right && order.is_eq()) {
                break;
            }
            self.allocate_items(1)?;
            let first = items.is_empty();
            items.push(item.clone());
            if order.is_eq() {
                break;
            }
            item = self.invoke(&item, &next, &[])?;
            if first && self.compare(&item, from)?.is_eq() {
                break;
            }
        }
        if open_left && !items.is_empty() {
            items.remove(0);
        }
        self.new_list(items)
    }

    fn letters(&mut self, first: &str, last: &str, open_left: bool, open_right: bool) -> Run {
        // Texts differ in their last character, as in 'a'..'e' and 'x1'..'x9'.
        let split = |text: &str| {
            let mut chars = text.chars();
            let last = chars.next_back();
            (chars.as_str().to_owned(), last)
        };
        let ((prefix, from), (other, to)) = (split(first), split(last));
        let (Some(from), Some(to)) = (from, to) else { return self.new_list(Vec::new()) };
        if prefix != other || (from as u32).abs_diff(to as u32) > LETTERS_MAX {
            return Err(raise(
                Builtin::IllegalArgumentException,
                format!("a range goes between two letters, as in 'a'..'e', not from '{first}' to '{last}'"),
            ));
        }
        let (low, high) = (from.min(to), from.max(to));
        let mut letters: Vec<char> = (low..=high).collect();
        if from > to {
            letters.reverse();
        }
        if open_left && !letters.is_empty() {
            letters.remove(0);
        }
        if open_right {
            letters.pop();
        }
        let mut items = Vec::with_capacity(letters.len());
        for letter in letters {
            items.push(self.new_text(format!("{prefix}{letter}"))?);
        }
        self.new_list(items)
    }

    fn closure(&mut self, function: &Rc<Function>) -> Value {
        let base = self.frame.base;
        let captured: Vec<Value> = function
            .captures
            .iter()
            .map(|(outer, _)| self.stack.get(base + *outer as usize).cloned().unwrap_or_default())
            .collect();
        crate::debt::bytes((size_of::<Closure>() + captured.len() * size_of::<Value>()) as u64);
        Value::Closure(Rc::new(Closure {
            code: Code::Function { function: Rc::clone(function), captured },
            this: self.frame.this.clone(),
            owner: self.frame.closure.clone(),
            delegate: RefCell::new(None),
            strategy: Cell::new(Strategy::OwnerFirst),
            watched: Cell::new(false),
        }))
    }

    fn method_reference(&mut self, receiver: &Expr, name: &MethodName) -> Run {
        let value = self.eval(receiver)?;
        let this = self.frame.this.clone();
        Ok(Value::Closure(Closure::of(Code::Method { receiver: value, name: name.clone() }, this)))
    }

    fn eval_property(&mut self, object: &Expr, name: &PropertyName, access: Access) -> Run {
        // Fields of the object around are read past their getters.
        let own = matches!(object.kind, Kind::This);
        let object = self.eval(object)?;
        if object.is_null() && access != Access::Plain {
            return Ok(Value::Null);
        }
        match name {
            PropertyName::Known(name) => self.property_by(&object, name, access, own),
            PropertyName::Computed(name) => {
                let name = self.eval(name)?;
                let name = self.text(&name)?;
                self.property_by(&object, &name, access, own)
            }
        }
    }

    fn property_by(&mut self, object: &Value, name: &Rc<str>, access: Access, own: bool) -> Run {
        if access == Access::Spread {
            return self.spread_property(object, name);
        }
        if own {
            if let Value::Object(object) = object {
                if let Some(value) = object.fields.borrow().get(name) {
                    return Ok(value.clone());
                }
            }
        }
        self.property(object, name)
    }

    fn spread_property(&mut self, object: &Value, name: &Rc<str>) -> Run {
        let items = self.items(object)?;
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(if item.is_null() { Value::Null } else { self.property(&item, name)? });
        }
        self.new_list(values)
    }

    fn eval_index(&mut self, object: &Expr, index: &[Expr], safe: bool) -> Run {
        let object = self.eval(object)?;
        if safe && object.is_null() {
            return Ok(Value::Null);
        }
        let index = self.index_of(index)?;
        self.get_at(&object, &index)
    }

    /// The value in brackets; several are a list.
    fn index_of(&mut self, index: &[Expr]) -> Run {
        match index {
            [only] if !matches!(only.kind, Kind::Spread(_)) => self.eval(only),
            all => {
                let all = self.eval_all(all)?;
                self.new_list(all)
            }
        }
    }

    fn unary(&mut self, operator: Unary, operand: &Expr) -> Run {
        if operator == Unary::Not {
            return Ok(Value::Bool(!self.condition(operand)?));
        }
        let value = self.eval(operand)?;
        match (operator, &value) {
            (Unary::Plus, value) if value.is_number() => Ok(value.clone()),
            (Unary::Minus, value) if value.is_number() => {
                Ok(crate::number::negated(value).unwrap_or_default())
            }
            (Unary::BitNot, Value::Int(number)) => Ok(Value::Int(!number)),
            (Unary::BitNot, Value::Long(number)) => Ok(Value::Long(!number)),
            (Unary::BitNot, Value::Text(text) | Value::GString(text)) => {
                let pattern = self.pattern(text, 0)?;
                Ok(Value::native(crate::value::Native::Pattern(pattern)))
            }
            (operator, value) => {
                let method = match operator {
                    Unary::Minus => "negative",
                    Unary::Plus => "positive",
                    _ => "bitwiseNegate",
                };
                self.invoke(value, &MethodName::new(method), &[])
            }
        }
    }

    /// Assigns a value; what was assigned.
    pub(super) fn assign(&mut self, target: &Expr, value: Value) -> Run {
        match &target.kind {
            Kind::Local(slot) => self.assign_local(*slot, value),
            Kind::Global(place, name) => {
                self.set_global(*place, name, value.clone())?;
                Ok(value)
            }
            Kind::Property { object, name, access } => {
                let own = matches!(object.kind, Kind::This);
                let object = self.eval(object)?;
                if object.is_null() && *access != Access::Plain {
                    return Ok(value);
                }
                let name = match name {
                    PropertyName::Known(name) => Rc::clone(name),
                    PropertyName::Computed(name) => {
                        let name = self.eval(name)?;
                        self.text(&name)?
                    }
                };
                self.set_property(&object, &name, value.clone(), own)?;
                Ok(value)
            }
            Kind::Index { object, index, .. } => {
                let object = self.eval(object)?;
                let index = self.index_of(index)?;
                self.put_at(&object, &index, value.clone())?;
                Ok(value)
            }
            _ => Err(raise(Builtin::IllegalArgumentException, "nothing can be assigned to this expression")),
        }
    }

    /// `target op= value`
    fn update(&mut self, operator: Binary, target: &Expr, value: &Expr) -> Run {
        let (_, after) = self.change(target, &mut |machine, before| {
            let value = machine.eval(value)?;
            machine.binary(operator, before, &value)
        })?;
        Ok(after)
    }

    fn count(&mut self, target: &Expr, up: bool, prefix: bool) -> Run {
        let (before, after) = self.change(target, &mut |machine, before| match before {
            Value::Int(number) => {
                Ok(Value::Int(if up { number.wrapping_add(1) } else { number.wrapping_sub(1) }))
            }
            other if other.is_number() => {
                let operator = if up { Binary::Add } else { Binary::Subtract };
                machine.binary(operator, other, &Value::Int(1))
            }
            other => {
                let name = MethodName::new(if up { "next" } else { "previous" });
                machine.invoke(other, &name, &[])
            }
        })?;
        Ok(if prefix { after } else { before })
    }

    /// Assigns what is made of the value before; the values before and after. Parts of the target are evaluated once.
    fn change(
        &mut self,
        target: &Expr,
        make: &mut dyn FnMut(&mut Self, &Value) -> Run,
    ) -> Run<(Value, Value)> {
        match &target.kind {
            Kind::Index { object, index, .. } => {
                let object = self.eval(object)?;
                let index = self.index_of(index)?;
                let before = self.get_at(&object, &index)?;
                let after = make(self, &before)?;
                self.put_at(&object, &index, after.clone())?;
                Ok((before, after))
            }
            Kind::Property { object, name: PropertyName::Known(name), access: Access::Plain } => {
                let own = matches!(object.kind, Kind::This);
                let object = self.eval(object)?;
                let before = self.property_by(&object, name, Access::Plain, own)?;
                let after = make(self, &before)?;
                self.set_property(&object, name, after.clone(), own)?;
                Ok((before, after))
            }
            _ => {
                let before = self.eval(target)?;
                let after = make(self, &before)?;
                let after = self.assign(target, after)?;
                Ok((before, after))
            }
        }
    }

    fn eval_call(&mut self, call: &Call) -> Run {
        let Call { callee, arguments } = call;
        match callee {
            Callee::Method { receiver, name, access } => {
                let receiver = self.eval(receiver)?;
                if *access != Access::Plain {
                    return self.eval_call_by(&receiver, name, *access, arguments);
                }
                let arguments = self.eval_arguments(arguments)?;
                self.invoke(&receiver, name, &arguments)
            }
            Callee::Functions(name) => {
                let arguments = self.eval_arguments(arguments)?;
                self.call_script_method(name, &arguments)
            }
            Callee::Name(name) => {
                let arguments = self.eval_arguments(arguments)?;
                self.call_name(name, &arguments)
            }
            Callee::Value(value) => {
                let value = self.eval(value)?;
                let arguments = self.eval_arguments(arguments)?;
                self.call_value(&value, &arguments)
            }
            Callee::Computed { receiver, name, access } => {
                let receiver = self.eval(receiver)?;
                let name = self.eval(name)?;
                let name = self.text(&name)?;
                self.eval_call_by(&receiver, &MethodName::new(&name), *access, arguments)
            }
            Callee::Super(name) => {
                let arguments = self.eval_arguments(arguments)?;
                self.call_super(name, &arguments)
            }
            Callee::Constructor { parent } => {
                let arguments = self.eval_arguments(arguments)?;
                self.call_constructor(*parent, &arguments)
            }
        }
    }

    /// `receiver?.name(..)` and `receivers*.name(..)`
    fn eval_call_by(
        &mut self,
        receiver: &Value,
        name: &MethodName,
        access: Access,
        arguments: &Arguments,
    ) -> Run {
        if receiver.is_null() && access != Access::Plain {
            return Ok(Value::Null);
        }
        let arguments = self.eval_arguments(arguments)?;
        if access != Access::Spread {
            return self.invoke(receiver, name, &arguments);
        }
        let items = self.items(receiver)?;
        let mut answers = Vec::with_capacity(items.len());
        for item in items {
            answers.push(if item.is_null() { Value::Null } else { self.invoke(&item, name, &arguments)? });
        }
        self.new_list(answers)
    }

    fn eval_new(&mut self, class: &Type, arguments: &Arguments) -> Run {
        let named = !arguments.named.is_empty() && arguments.values.is_empty();
        let arguments = self.eval_arguments(arguments)?;
        self.create(class, &arguments, named)
    }
}
