//! Properties, items and the variables of the binding.

use std::rc::Rc;

use super::Machine;
use crate::class::{Builtin, Class};
use crate::raise::{Raise, Run, raise};
use crate::syntax::{ClassDef, Function, MethodName};
use crate::value::{Closure, Key, ListKind, Native, Object, Strategy, Value};

/// `getName` for `name`.
pub(crate) fn accessor(prefix: &str, name: &str) -> String {
    let mut chars = name.chars();
    let first: String = chars.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    format!("{prefix}{first}{}", chars.as_str())
}

/// The exception for a property that is not there.
pub(crate) fn missing_property(name: &str, class: &str) -> Box<Raise> {
    let raised =
        raise(Builtin::MissingPropertyException, format!("No such property: {name} for class: {class}"));
    with_field(raised, "property", name)
}

/// Adds a property to an exception.
pub(super) fn with_field(raised: Box<Raise>, field: &str, value: &str) -> Box<Raise> {
    if let crate::raise::Reason::Thrown(object) = &raised.reason {
        object.fields.borrow_mut().insert(field.into(), Value::text(value));
    }
    raised
}

impl Machine<'_> {
    /// A variable of the binding.
    pub(super) fn global(&mut self, place: u32, name: &Rc<str>) -> Run {
        if self.frame.delegated {
            if let Some(value) = self.delegated_property(name)? {
                return Ok(value);
            }
        }
        match self.globals.get(place as usize) {
            Some(Some(value)) => Ok(value.clone()),
            _ => self.name(name),
        }
    }

    /// A name that is no variable with a place.
    pub(super) fn name(&mut self, name: &str) -> Run {
        if let Some(value) = self.extra.get(name) {
            return Ok(value.clone());
        }
        if name == "binding" {
            return Ok(Value::native(Native::Binding));
        }
        let class = match self.frame.this.clone() {
            Value::Null => "Script1".to_owned(),
            Value::Object(object) => object.class.full_name().to_owned(),
            Value::Class(class) => class.full_name().to_owned(),
            other => other.class().full_name().to_owned(),
        };
        Err(missing_property(name, &class))
    }

    /// A variable of the binding by its name alone.
    pub(crate) fn variable(&self, name: &str) -> Option<Value> {
        let place = self.program.globals.iter().position(|known| **known == *name);
        match place.and_then(|place| self.globals.get(place)) {
            Some(Some(value)) => Some(value.clone()),
            _ => self.extra.get(name).cloned(),
        }
    }

    /// All variables of the binding.
    pub(crate) fn variables(&self) -> Vec<(Rc<str>, Value)> {
        let known = self.program.globals.iter().zip(&self.globals);
        let known = known.filter_map(|(name, value)| Some((Rc::clone(name), value.clone()?)));
        known.chain(self.extra.iter().map(|(name, value)| (Rc::clone(name), value.clone()))).collect()
    }

    /// Sets a variable of the binding by its name alone.
    pub(crate) fn set_variable(&mut self, name: &str, value: Value) -> Run<()> {
        self.allocate(64 + name.len())?;
        let place = self.program.globals.iter().position(|known| **known == *name);
        match place.and_then(|place| self.globals.get_mut(place)) {
            Some(place) => *place = Some(value),
            None => {
                self.extra.insert(name.into(), value);
            }
        }
        Ok(())
    }

    pub(super) fn set_global(&mut self, place: u32, name: &Rc<str>, value: Value) -> Run<()> {
        if self.frame.delegated && self.set_delegated_property(name, &value)? {
            return Ok(());
        }
        if let Some(place) = self.globals.get_mut(place as usize) {
            *place = Some(value);
        }
        Ok(())
    }

    /// The closures around that have delegates, the innermost first.
    pub(super) fn delegates(&self) -> Vec<(Value, Strategy)> {
        let mut found = Vec::new();
        let mut closure = self.frame.closure.clone();
        while let Some(current) = closure {
            if let Some(delegate) = current.delegate.borrow().clone() {
                found.push((delegate, current.strategy.get()));
            }
            closure = current.owner.clone();
        }
        found
    }

    fn delegated_property(&mut self, name: &Rc<str>) -> Run<Option<Value>> {
        for (delegate, strategy) in self.delegates() {
            let first = matches!(strategy, Strategy::DelegateFirst | Strategy::DelegateOnly);
            if strategy == Strategy::OwnerOnly || (!first && self.variable(name).is_some()) {
                continue;
            }
            let known = match &delegate {
                Value::Map(map) => map.get_text(name),
                other => match self.property(other, name) {
                    Ok(value) => Some(value),
                    Err(raise) if is_missing(&raise) => None,
                    Err(raise) => return Err(raise),
                },
            };
            if known.is_some() {
                return Ok(known);
            }
            // A map answers for every name.
            if matches!(delegate, Value::Map(_)) && self.variable(name).is_none() {
                return Ok(Some(Value::Null));
            }
        }
        Ok(None)
    }

    fn set_delegated_property(&mut self, name: &Rc<str>, value: &Value) -> Run<bool> {
        for (delegate, strategy) in self.delegates() {
            let first = matches!(strategy, Strategy::DelegateFirst | Strategy::DelegateOnly);
            if strategy == Strategy::OwnerOnly || (!first && self.variable(name).is_some()) {
                continue;
            }
            match self.set_property(&delegate, name, value.clone(), false) {
                Ok(()) => return Ok(true),
                Err(raise) if is_missing(&raise) => {}
                Err(raise) => return Err(raise),
            }
        }
        Ok(false)
    }

    /// `object.name`
    pub(crate) fn property(&mut self, object: &Value, name: &Rc<str>) -> Run {
        match object {
            Value::Map(map) => self.map_property(map, name),
            Value::Null => Err(raise(
                Builtin::NullPointerException,
                format!("Cannot get property '{name}' on null object"),
            )),
            Value::Object(object_) => self.object_property(object, object_, name),
            Value::List(list) => {
                match &**name {
                    "length" if list.kind == ListKind::Array => {
                        return Ok(Value::count(list.items.borrow().len()));
                    }
                    "class" => return Ok(Value::Class(object.class())),
                    "empty" => return Ok(Value::Bool(list.items.borrow().is_empty())),
                    "first" | "last" if list.kind == ListKind::Linked => {
                        return self.invoke(object, &MethodName::new(name), &[]);
                    }
                    _ => {}
                }
                self.deeper(|machine| machine.gpath(object, name))
            }
            Value::Set(_) | Value::Range(_) if !matches!(&**name, "class" | "from" | "to" | "empty") => {
                self.deeper(|machine| machine.gpath(object, name))
            }
            Value::Class(class) => self.static_property(class, name),
            Value::Closure(closure) => self.closure_property(closure, name),
            Value::GString(text) if &**name != "class" => {
                self.native_property(&Value::Text(Rc::clone(text)), name)
            }
            _ => self.native_property(object, name),
        }
    }

    fn map_property(&mut self, map: &Rc<crate::value::Map>, name: &Rc<str>) -> Run {
        match map.get_text(name) {
            Some(value) => Ok(value),
            None => self.map_default(map, &Value::Text(Rc::clone(name))),
        }
    }

    /// What a map answers for a key that is missing.
    pub(crate) fn map_default(&mut self, map: &Rc<crate::value::Map>, key: &Value) -> Run {
        let Some(default) = map.default.clone() else { return Ok(Value::Null) };
        let value = self.call_closure(&default, std::slice::from_ref(key))?;
        self.map_put(map, key.clone(), value.clone())?;
        Ok(value)
    }

    /// GPath: the property of each item.
    fn gpath(&mut self, items: &Value, name: &Rc<str>) -> Run {
        let items = self.items(items)?;
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            self.step(1)?;
            if !item.is_null() {
                values.push(self.property(&item, name)?);
            }
        }
        self.new_list(values)
    }

    fn closure_property(&mut self, closure: &Rc<Closure>, name: &str) -> Run {
        Ok(match name {
            "delegate" => {
                let delegate = closure.delegate.borrow().clone();
                delegate.unwrap_or_else(|| {
                    closure.owner.clone().map_or_else(|| closure.this.clone(), Value::Closure)
                })
            }
            "owner" => closure.owner.clone().map_or_else(|| closure.this.clone(), Value::Closure),
            "thisObject" => closure.this.clone(),
            "maximumNumberOfParameters" => Value::count(self.parameter_count(closure)),
            "resolveStrategy" => Value::Int(match closure.strategy.get() {
                Strategy::OwnerFirst => 0,
                Strategy::DelegateFirst => 1,
                Strategy::OwnerOnly => 2,
                Strategy::DelegateOnly => 3,
            }),
            _ => return self.native_property(&Value::Closure(Rc::clone(closure)), &name.into()),
        })
    }

    /// A property of a value of the library: a getter's answer.
    fn native_property(&mut self, object: &Value, name: &Rc<str>) -> Run {
        if &**name == "class" {
            return Ok(Value::Class(object.class()));
        }
        if let Some(value) = crate::library::property(self, object, name)? {
            return Ok(value);
        }
        for prefix in ["get", "is"] {
            let method = MethodName::new(&accessor(prefix, name));
            if let Some(value) = crate::library::call(self, object, &method, &[])? {
                return Ok(value);
            }
        }
        Err(missing_property(name, object.class().full_name()))
    }

    fn object_property(&mut self, value: &Value, object: &Rc<Object>, name: &Rc<str>) -> Run {
        if let Class::Script(class) = &object.class {
            if let Some(getter) = getter(class, name) {
                return self.call_method_of(&getter, value.clone(), &[]);
            }
        }
        if let Some(value) = object.fields.borrow().get(name) {
            return Ok(value.clone());
        }
        if let Some(throwable) = &object.throwable {
            match &**name {
                "message" | "localizedMessage" => return self.message_of(value, throwable),
                "cause" => return Ok(throwable.cause.borrow().clone()),
                "stackTrace" | "suppressed" => {
                    let method = MethodName::new(&accessor("get", name));
                    return self.invoke(value, &method, &[]);
                }
                _ => {}
            }
        }
        match &**name {
            "class" => return Ok(Value::Class(object.class.clone())),
            "metaClass" => {
                return Err(super::unsupported("changing classes while the script runs is not supported"));
            }
            "properties" => return self.properties(object),
            "name" | "ordinal" if object.ordinal.is_some() => {
                return self.invoke(value, &MethodName::new(name), &[]);
            }
            _ => {}
        }
        if let Class::Script(class) = &object.class {
            if let Some(value) = self.static_field(class, name)? {
                return Ok(value);
            }
            if self.responds(value, "propertyMissing") {
                return self.invoke(
                    value,
                    &MethodName::new("propertyMissing"),
                    &[Value::Text(Rc::clone(name))],
                );
            }
        }
        Err(missing_property(name, object.class.full_name()))
    }

    /// The properties of an object as a map.
    pub(crate) fn properties(&mut self, object: &Rc<Object>) -> Run {
        let Class::Script(class) = &object.class else { return self.new_map(Default::default()) };
        let mut entries = crate::value::Entries::default();
        for name in Self::properties_of(class) {
            let value = self.property(&Value::Object(Rc::clone(object)), &name)?;
            entries.insert(Key(Value::Text(name)), value);
        }
        self.new_map(entries)
    }

    fn static_property(&mut self, class: &Class, name: &Rc<str>) -> Run {
        match class {
            Class::Builtin(Builtin::Script) => match self.variable(name) {
                Some(value) => Ok(value),
                None => self.name(name),
            },
            Class::Script(class) => {
                if let Some(getter) = getter(class, name).filter(|getter| getter.is_static) {
                    return self.call_method_of(&getter, Value::Class(Class::Script(Rc::clone(class))), &[]);
                }
                if let Some(value) = self.static_field(class, name)? {
                    return Ok(value);
                }
                self.class_property(&Class::Script(Rc::clone(class)), name)
            }
            Class::Builtin(builtin) => match crate::library::statics::property(self, *builtin, name)? {
                Some(value) => Ok(value),
                None => self.class_property(class, name),
            },
        }
    }

    fn class_property(&mut self, class: &Class, name: &str) -> Run {
        Ok(match name {
            "name" | "typeName" | "canonicalName" => Value::text(class.full_name()),
            "simpleName" => Value::text(class.simple_name()),
            "class" => super::class_value(Builtin::Class),
            "enumConstants" => {
                return self.invoke(&Value::Class(class.clone()), &MethodName::new("values"), &[]);
            }
            "superclass" => Value::Class(match class {
                Class::Builtin(class) => Class::Builtin(class.parent()),
                Class::Script(class) => class.parent().unwrap_or(Class::Builtin(Builtin::Object)),
            }),
            _ => return Err(missing_property(name, class.full_name())),
        })
    }

    /// `object.name = value`
    pub(crate) fn set_property(
        &mut self,
        object: &Value,
        name: &Rc<str>,
        value: Value,
        own: bool,
    ) -> Run<()> {
        match object {
            Value::Map(map) => self.map_put(map, Value::Text(Rc::clone(name)), value).map(drop),
            Value::Null => Err(raise(
                Builtin::NullPointerException,
                format!("Cannot set property '{name}' on null object"),
            )),
            Value::Object(target) => self.set_object_property(object, target, name, value, own),
            Value::Class(Class::Builtin(Builtin::Script)) => self.set_variable(name, value),
            Value::Class(Class::Script(class)) => {
                let (statics, class_) = (self.static_fields(class)?, Rc::clone(class));
                let is_field = statics.fields.borrow().contains_key(name);
                if !is_field {
                    return Err(missing_property(name, &class_.name));
                }
                self.set_field(&statics, name, value)
            }
            Value::Closure(closure) => {
                match &**name {
                    "delegate" => self.set_delegate(closure, value),
                    "resolveStrategy" => closure.strategy.set(match crate::number::to_long(&value) {
                        Some(1) => Strategy::DelegateFirst,
                        Some(2) => Strategy::OwnerOnly,
                        Some(3) => Strategy::DelegateOnly,
                        _ => Strategy::OwnerFirst,
                    }),
                    _ => return Err(missing_property(name, "groovy.lang.Closure")),
                }
                Ok(())
            }
            Value::List(_) => {
                // As with reading: the property of each item.
                for item in self.items(object)? {
                    self.deeper(|machine| machine.set_property(&item, name, value.clone(), false))?;
                }
                Ok(())
            }
            Value::Native(native) => {
                if let Native::Entry { map, key, value: place } = &**native {
                    if &**name == "value" {
                        *place.borrow_mut() = value.clone();
                        return self.map_put(map, key.clone(), value).map(drop);
                    }
                }
                if let Native::Binding = **native {
                    return self.set_variable(name, value);
                }
                let setter = MethodName::new(&accessor("set", name));
                match crate::library::call(self, object, &setter, &[value])? {
                    Some(_) => Ok(()),
                    None => Err(missing_property(name, object.class().full_name())),
                }
            }
            _ => Err(missing_property(name, object.class().full_name())),
        }
    }

    fn set_object_property(
        &mut self,
        this: &Value,
        object: &Rc<Object>,
        name: &Rc<str>,
        value: Value,
        own: bool,
    ) -> Run<()> {
        let Class::Script(class) = &object.class else {
            return Err(missing_property(name, object.class.full_name()));
        };
        if !own {
            let setter = accessor("set", name);
            if self.responds(this, &setter) {
                return self.invoke(this, &MethodName::new(&setter), &[value]).map(drop);
            }
        }
        let (mut kind, mut read_only, mut known) = (None, false, false);
        for class in class.lineage() {
            let body = class.body.borrow();
            if let Some(field) = body.fields.iter().find(|field| field.name == *name) {
                known = true;
                if field.is_static {
                    let class = Value::Class(Class::Script(Rc::clone(&class)));
                    drop(body);
                    return self.set_property(&class, name, value, own);
                }
                kind.clone_from(&field.class);
                let is_immutable = body.annotations.iter().any(|(name, _)| &**name == "Immutable");
                read_only = !own && (field.is_final || is_immutable);
                break;
            }
        }
        if !known {
            if self.responds(this, "propertyMissing") {
                let arguments = [Value::Text(Rc::clone(name)), value];
                return self.invoke(this, &MethodName::new("propertyMissing"), &arguments).map(drop);
            }
            return Err(missing_property(name, &class.name));
        }
        if read_only {
            return Err(raise(
                Builtin::ReadOnlyPropertyException,
                format!("Cannot set readonly property: {name} for class: {}", class.name),
            ));
        }
        let value = match &kind {
            Some(kind) => self.assigned(value, kind)?,
            None => value,
        };
        self.set_field(object, name, value)
    }

    /// `object[index]`
    pub(crate) fn get_at(&mut self, object: &Value, index: &Value) -> Run {
        match (object, index) {
            (Value::Null, _) => {
                Err(raise(Builtin::NullPointerException, "Cannot invoke method getAt() on null object"))
            }
            (Value::GString(text), _) => self.get_at(&Value::Text(Rc::clone(text)), index),
            (Value::Map(map), key @ Value::Object(_)) => {
                let key = self.known_key(map, key.clone())?;
                match map.get(&key) {
                    Some(value) => Ok(value),
                    None => self.map_default(map, &key),
                }
            }
            (Value::Map(map), key) => match map.get(key) {
                Some(value) => Ok(value),
                None => self.map_default(map, key),
            },
            (Value::List(_) | Value::Bytes(_) | Value::Range(_) | Value::Text(_), Value::Int(index)) => {
                self.item_at(object, *index)
            }
            (Value::List(_) | Value::Bytes(_) | Value::Range(_) | Value::Text(_), index)
                if index.is_number() =>
            {
                let index = crate::number::to_long(index).and_then(|index| i32::try_from(index).ok());
                self.item_at(object, index.unwrap_or(i32::MAX))
            }
            (Value::Text(_), Value::Range(range)) => {
                let part = self.text_range(object, **range)?;
                self.new_text(part)
            }
            (Value::List(_) | Value::Bytes(_) | Value::Range(_), Value::Range(range)) => {
                let items = self.items(object)?;
                let part = slice(&items, **range)?;
                self.new_list(part)
            }
            (Value::List(_) | Value::Range(_) | Value::Text(_), Value::List(indexes)) => {
                let indexes = indexes.items.borrow().clone();
                let mut items = Vec::new();
                for index in indexes {
                    match self.get_at(object, &index)? {
                        Value::List(part) if matches!(index, Value::Range(_) | Value::List(_)) => {
                            items.extend(part.items.borrow().iter().cloned());
                        }
                        item => items.push(item),
                    }
                }
                if let Value::Text(_) = object {
                    let mut text = String::new();
                    for item in items {
                        self.write_text(&item, &mut text)?;
                    }
                    return self.new_text(text);
                }
                self.new_list(items)
            }
            (Value::List(_), Value::Text(name) | Value::GString(name)) => self.property(object, name),
            (Value::Object(_), Value::Text(name) | Value::GString(name))
                if !self.responds(object, "getAt") =>
            {
                self.property(object, name)
            }
            (Value::List(_) | Value::Bytes(_) | Value::Range(_) | Value::Text(_) | Value::Set(_), _) => {
                Err(no_index(object, index, "getAt"))
            }
            _ => self.invoke(object, &MethodName::new("getAt"), std::slice::from_ref(index)),
        }
    }

    /// An item by its number; negative ones count from the end.
    pub(crate) fn item_at(&mut self, object: &Value, index: i32) -> Run {
        let place = |length: usize| {
            if index >= 0 { Some(index as usize) } else { length.checked_sub(index.unsigned_abs() as usize) }
        };
        match object {
            Value::List(list) => {
                let items = list.items.borrow();
                match place(items.len()).and_then(|place| items.get(place)) {
                    Some(item) => Ok(item.clone()),
                    None if list.kind == ListKind::Array || (index < 0 && !items.is_empty()) => {
                        Err(out_of_bounds(index, items.len()))
                    }
                    None => Ok(Value::Null),
                }
            }
            Value::Bytes(bytes) => match place(bytes.len()).and_then(|place| bytes.get(place)) {
                Some(byte) => Ok(Value::Int(i32::from(*byte as i8))),
                None => Err(out_of_bounds(index, bytes.len())),
            },
            Value::Range(range) => {
                let length = usize::try_from(range.len()).unwrap_or(usize::MAX);
                match place(length).filter(|place| *place < length) {
                    Some(place) => Ok(range.item(place as u64)),
                    None if index < 0 => Err(out_of_bounds(index, length)),
                    None => Ok(Value::Null),
                }
            }
            Value::Text(text) | Value::GString(text) => {
                let length = crate::library::text::length(text);
                let char = place(length).and_then(|place| crate::library::text::char_at(text, place));
                match char {
                    Some(char) => self.new_text(char.encode_utf8(&mut [0; 4])),
                    None => Err(raise(
                        Builtin::StringIndexOutOfBoundsException,
                        format!("String index out of range: {index}, the text has {length} characters"),
                    )),
                }
            }
            Value::Null => {
                Err(raise(Builtin::NullPointerException, "Cannot invoke method getAt() on null object"))
            }
            Value::Object(_) if self.responds(object, "getAt") => {
                self.invoke(object, &MethodName::new("getAt"), &[Value::Int(index)])
            }
            other => {
                let items = self.items(other)?;
                match place(items.len()).and_then(|place| items.get(place)) {
                    Some(item) => Ok(item.clone()),
                    None => Ok(Value::Null),
                }
            }
        }
    }

    /// `object[index] = value`
    pub(crate) fn put_at(&mut self, object: &Value, index: &Value, value: Value) -> Run<()> {
        match (object, index) {
            (Value::Null, _) => {
                Err(raise(Builtin::NullPointerException, "Cannot invoke method putAt() on null object"))
            }
            (Value::Map(map), key) => self.map_put(map, key.clone(), value).map(drop),
            (Value::List(list), index) if index.is_number() => {
                let index = crate::number::to_long(index).unwrap_or(i64::MAX);
                let length = list.items.borrow().len();
                let place = if index < 0 { index + length as i64 } else { index };
                let place = usize::try_from(place).map_err(|_| out_of_bounds(index as i32, length))?;
                if list.kind == ListKind::Array && place >= length {
                    return Err(out_of_bounds(index as i32, length));
                }
                // Groovy fills the gap with nulls.
                let missing = place.saturating_sub(length);
                self.allocate_items(missing)?;
                self.list_change(list, &value, |items, value| {
                    while items.len() <= place {
                        items.push(Value::Null);
                    }
                    if let Some(item) = items.get_mut(place) {
                        *item = value;
                    }
                })
            }
            (Value::List(list), Value::Range(range)) => {
                let length = list.items.borrow().len();
                let (from, to, _) = bounds(**range, length)?;
                let to = to.min(length);
                let values = match &value {
                    Value::List(_) => self.items(&value)?,
                    other => vec![other.clone()],
                };
                let holder = value.clone();
                self.list_change(list, &holder, |items, _| {
                    if from <= to {
                        items.splice(from..to, values);
                    }
                })
            }
            (Value::Object(_), Value::Text(name) | Value::GString(name))
                if !self.responds(object, "putAt") =>
            {
                self.set_property(object, name, value, false)
            }
            (Value::List(_) | Value::Bytes(_) | Value::Range(_) | Value::Text(_) | Value::Set(_), _) => {
                Err(no_index(object, index, "putAt"))
            }
            _ => self.invoke(object, &MethodName::new("putAt"), &[index.clone(), value]).map(drop),
        }
    }

    /// Part of a text.
    pub(crate) fn text_range(&mut self, text: &Value, range: crate::value::Range) -> Run<String> {
        let text = self.text(text)?;
        let length = crate::library::text::length(&text);
        let (from, to, reversed) = bounds(range, length)?;
        if to > length {
            return Err(raise(
                Builtin::StringIndexOutOfBoundsException,
                format!("String index out of range: {}, the text has {length} characters", to - 1),
            ));
        }
        let part = crate::library::text::slice(&text, from, to);
        Ok(if reversed { part.chars().rev().collect() } else { part })
    }

    /// The items of anything that can be walked.
    pub(crate) fn items(&mut self, value: &Value) -> Run<Vec<Value>> {
        let items: Vec<Value> = match value {
            Value::Null => Vec::new(),
            Value::List(list) => {
                self.allocate_items(list.items.borrow().len())?;
                list.items.borrow().clone()
            }
            Value::Set(set) => {
                self.allocate_items(set.entries.borrow().len())?;
                set.entries.borrow().keys().map(|key| key.0.clone()).collect()
            }
            Value::Range(range) => {
                let length = usize::try_from(range.len()).unwrap_or(usize::MAX);
                self.allocate_items(length)?;
                (0..range.len()).map(|index| range.item(index)).collect()
            }
            Value::Map(map) => {
                self.allocate_items(map.entries.borrow().len() * 4)?;
                map.entries
                    .borrow()
                    .iter()
                    .map(|(key, value)| {
                        let (map, key, value) = (Rc::clone(map), key.0.clone(), value.clone().into());
                        Value::native(Native::Entry { map, key, value })
                    })
                    .collect()
            }
            Value::Bytes(bytes) => {
                self.allocate_items(bytes.len())?;
                bytes.iter().map(|byte| Value::Int(i32::from(*byte as i8))).collect()
            }
            Value::Text(text) | Value::GString(text) => {
                self.allocate_items(text.len() * 2)?;
                text.chars().map(|char| Value::text(char.encode_utf8(&mut [0; 4]))).collect()
            }
            Value::Native(native) => match &**native {
                Native::Iterator(items) => {
                    let from = items.next.replace(items.items.len());
                    self.allocate_items(items.items.len())?;
                    items.items.get(from..).unwrap_or_default().to_vec()
                }
                Native::Matcher(matcher) => {
                    let all = matcher.all(self)?;
                    let mut found = Vec::with_capacity(all.len());
                    for groups in all {
                        found.push(crate::library::regex::groups(self, &matcher.text, &groups)?);
                    }
                    found
                }
                Native::JsonNode(node) => match node {
                    Value::List(list) => {
                        let items = list.items.borrow().clone();
                        items.into_iter().map(|item| Value::native(Native::JsonNode(item))).collect()
                    }
                    Value::Map(map) => {
                        let values: Vec<Value> = map.entries.borrow().values().cloned().collect();
                        values.into_iter().map(|item| Value::native(Native::JsonNode(item))).collect()
                    }
                    _ => Vec::new(),
                },
                Native::StringBuilder(text, _) => {
                    let text = Value::text(&*text.borrow());
                    self.items(&text)?
                }
                _ => vec![value.clone()],
            },
            Value::Class(Class::Script(class)) if class.is_enum => {
                let values = self.invoke(value, &MethodName::new("values"), &[])?;
                self.items(&values)?
            }
            Value::Object(_) if self.responds(value, "iterator") => {
                let iterator = self.invoke(value, &MethodName::new("iterator"), &[])?;
                if matches!(iterator, Value::Object(_)) { vec![iterator] } else { self.items(&iterator)? }
            }
            other => vec![other.clone()],
        };
        Ok(items)
    }
}

/// Whether an exception says that a property or method is missing.
pub(super) fn is_missing(raise: &Raise) -> bool {
    match &raise.reason {
        crate::raise::Reason::Thrown(object) => matches!(
            object.class,
            Class::Builtin(
                Builtin::MissingPropertyException
                    | Builtin::MissingMethodException
                    | Builtin::ReadOnlyPropertyException
            )
        ),
        crate::raise::Reason::Exhausted(..) => false,
    }
}

/// The getter of a property, if the class defines one.
fn getter(class: &Rc<ClassDef>, name: &str) -> Option<Rc<Function>> {
    let mut names = None;
    for class in class.lineage() {
        let body = class.body.borrow();
        if body.methods.is_empty() {
            continue;
        }
        let (get, is) = names.get_or_insert_with(|| (accessor("get", name), accessor("is", name)));
        let method = body.methods.iter().find(|method| {
            method.parameters.is_empty()
                && !method.is_abstract
                && (*method.name == **get || *method.name == **is)
        });
        if let Some(method) = method {
            return Some(Rc::clone(method));
        }
    }
    None
}

/// An index of a class that the value does not take.
fn no_index(object: &Value, index: &Value, method: &str) -> Box<Raise> {
    let (object, index) = (object.class(), index.class());
    let message = format!(
        "No signature of method: {}.{method}() is applicable for argument types: ({}); expected a number or a range",
        object.full_name(),
        index.simple_name()
    );
    with_field(raise(Builtin::MissingMethodException, message), "method", method)
}

/// An index beyond the items.
pub(crate) fn out_of_bounds(index: i32, length: usize) -> Box<Raise> {
    raise(Builtin::ArrayIndexOutOfBoundsException, format!("Index {index} out of bounds for length {length}"))
}

/// The places of a range among items: from, behind the last, and whether backwards.
pub(crate) fn bounds(range: crate::value::Range, length: usize) -> Run<(usize, usize, bool)> {
    let place = |index: i64| if index < 0 { index.saturating_add(length as i64) } else { index };
    let (from, to) = (place(range.from), place(range.to));
    if range.empty {
        let from = usize::try_from(from.clamp(0, length as i64)).unwrap_or(0);
        return Ok((from, from, false));
    }
    let (low, high) = (from.min(to), from.max(to));
    match (usize::try_from(low), usize::try_from(high)) {
        (Ok(low), Ok(high)) => Ok((low, high.saturating_add(1), from > to)),
        _ => Err(out_of_bounds(i32::try_from(low).unwrap_or(i32::MIN), length)),
    }
}

/// The items of a range of places.
pub(crate) fn slice(items: &[Value], range: crate::value::Range) -> Run<Vec<Value>> {
    let (from, to, reversed) = bounds(range, items.len())?;
    let Some(part) = items.get(from..to) else {
        return Err(raise(
            Builtin::IndexOutOfBoundsException,
            format!("toIndex = {to}: the list has {} items", items.len()),
        ));
    };
    let mut part = part.to_vec();
    if reversed {
        part.reverse();
    }
    Ok(part)
}
