//! The texts of values, as Groovy prints them.

use std::fmt::Write;
use std::rc::Rc;

use super::Machine;
use crate::class::Class;
use crate::debt;
use crate::raise::Run;
use crate::syntax::MethodName;
use crate::value::{Native, Object, Value};

impl Machine<'_> {
    /// The text of a value.
    pub(crate) fn text(&mut self, value: &Value) -> Run<Rc<str>> {
        match value {
            Value::Text(text) | Value::GString(text) => Ok(Rc::clone(text)),
            _ => {
                let mut text = String::new();
                self.write_text(value, &mut text)?;
                self.allocate(text.len())?;
                Ok(text.into())
            }
        }
    }

    /// Adds the text of a value.
    pub(crate) fn write_text(&mut self, value: &Value, to: &mut String) -> Run<()> {
        match value {
            Value::Text(text) | Value::GString(text) => {
                self.allocate(text.len())?;
                to.push_str(text);
            }
            Value::Int(number) => {
                let _ = write!(to, "{number}");
            }
            Value::Long(number) => {
                let _ = write!(to, "{number}");
            }
            Value::Null | Value::Shared(_) => to.push_str("null"),
            Value::Bool(value) => to.push_str(if *value { "true" } else { "false" }),
            Value::Char(char) => to.push(*char),
            Value::Float(number) => to.push_str(&crate::show::float(*number)),
            Value::Double(number) => to.push_str(&crate::show::double(*number)),
            Value::Big(number) => {
                debt::digits(number.bits(), number.bits());
                self.allocate(usize::try_from(number.bits() / 3).unwrap_or(usize::MAX))?;
                let _ = write!(to, "{number}");
            }
            Value::Decimal(number) => {
                let zeros = u64::from(number.scale().unsigned_abs());
                self.allocate(usize::try_from(number.unscaled().bits() / 3 + zeros).unwrap_or(usize::MAX))?;
                let _ = write!(to, "{number}");
            }
            other => self.deeper(|machine| machine.write_long(other, to, false))?,
        }
        Ok(())
    }

    /// Adds the text of a value as `inspect()` writes it: texts in quotes.
    pub(crate) fn write_inspected(&mut self, value: &Value, to: &mut String) -> Run<()> {
        match value {
            Value::Text(text) | Value::GString(text) => {
                self.allocate(text.len())?;
                crate::show::quoted(text, to);
                Ok(())
            }
            Value::List(_) | Value::Map(_) | Value::Set(_) => {
                self.deeper(|machine| machine.write_long(value, to, true))
            }
            other => self.write_text(other, to),
        }
    }

    fn write_item(&mut self, value: &Value, to: &mut String, inspect: bool) -> Run<()> {
        if inspect { self.write_inspected(value, to) } else { self.write_text(value, to) }
    }

    fn write_long(&mut self, value: &Value, to: &mut String, inspect: bool) -> Run<()> {
        match value {
            Value::List(_) | Value::Set(_) | Value::Bytes(_) => {
                to.push('[');
                for (index, item) in self.items(value)?.iter().enumerate() {
                    if index > 0 {
                        to.push_str(", ");
                    }
                    self.write_item(item, to, inspect)?;
                }
                to.push(']');
                self.allocate(2)
            }
            Value::Map(map) => {
                let entries: Vec<(Value, Value)> =
                    map.entries.borrow().iter().map(|(key, value)| (key.0.clone(), value.clone())).collect();
                self.allocate_items(entries.len() * 2)?;
                if entries.is_empty() {
                    to.push_str("[:]");
                    return Ok(());
                }
                to.push('[');
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        to.push_str(", ");
                    }
                    self.write_item(key, to, inspect)?;
                    to.push(':');
                    self.write_item(value, to, inspect)?;
                }
                to.push(']');
                Ok(())
            }
            Value::Range(range) => {
                let step = if range.from <= range.to { 1 } else { -1 };
                let _ = match (range.open, range.empty) {
                    (true, true) => write!(to, "{0}..<{0}", range.from),
                    (true, false) => write!(to, "{}..<{}", range.from, range.to.saturating_add(step)),
                    _ => write!(to, "{}..{}", range.from, range.to),
                };
                Ok(())
            }
            Value::Closure(_) => {
                to.push_str("Script1$_closure");
                Ok(())
            }
            Value::Class(class) => {
                let word = match class {
                    Class::Script(class) if class.is_interface => "interface ",
                    _ => "class ",
                };
                to.push_str(word);
                to.push_str(class.full_name());
                Ok(())
            }
            Value::Object(object) => self.write_object(value, object, to),
            Value::Native(native) => self.write_native(native, to),
            _ => Ok(()),
        }
    }

    fn write_object(&mut self, value: &Value, object: &Rc<Object>, to: &mut String) -> Run<()> {
        if self.responds(value, "toString") {
            let text = self.invoke(value, &MethodName::new("toString"), &[])?;
            return match text {
                Value::Object(_) => Ok(()),
                other => self.write_text(&other, to),
            };
        }
        if let Some(throwable) = &object.throwable {
            to.push_str(object.class.full_name());
            let message = self.message_of(value, throwable)?;
            if !message.is_null() {
                to.push_str(": ");
                self.write_text(&message, to)?;
            }
            return Ok(());
        }
        if object.ordinal.is_some() {
            let name = object.fields.borrow().get("$name").cloned().unwrap_or_default();
            return self.write_text(&name, to);
        }
        let Class::Script(class) = &object.class else { return Ok(()) };
        let words: Option<Vec<Rc<str>>> = class
            .body
            .borrow()
            .annotations
            .iter()
            .find(|(name, _)| matches!(&**name, "ToString" | "Canonical" | "Immutable"))
            .map(|(_, words)| words.clone());
        let Some(words) = words else {
            // Java's hash of the address would differ from run to run.
            let _ = write!(to, "{}@{:x}", class.name, class.index);
            return Ok(());
        };
        let with_names = words.iter().any(|word| &**word == "includeNames");
        let fields: Vec<(Rc<str>, Value)> =
            object.fields.borrow().iter().map(|(name, value)| (Rc::clone(name), value.clone())).collect();
        let properties = Self::properties_of(class);
        to.push_str(&class.name);
        to.push('(');
        let mut first = true;
        for (name, value) in fields.iter().filter(|(name, _)| properties.contains(name)) {
            if !std::mem::take(&mut first) {
                to.push_str(", ");
            }
            if with_names {
                to.push_str(name);
                to.push(':');
            }
            self.write_text(value, to)?;
        }
        to.push(')');
        Ok(())
    }

    fn write_native(&mut self, native: &Rc<Native>, to: &mut String) -> Run<()> {
        match &**native {
            Native::StringBuilder(text, _) => {
                self.allocate(text.borrow().len())?;
                to.push_str(&text.borrow());
            }
            Native::LazyText(parts) => {
                for part in parts {
                    let part = match part {
                        Value::Closure(closure) => self.call_closure(closure, &[])?,
                        other => other.clone(),
                    };
                    self.write_text(&part, to)?;
                }
            }
            Native::Pattern(pattern) => to.push_str(&pattern.source),
            Native::Entry { key, value, .. } => {
                self.write_text(key, to)?;
                to.push('=');
                let value = value.borrow().clone();
                self.write_text(&value, to)?;
            }
            Native::Moment(moment) => to.push_str(&moment.to_string()),
            Native::Uuid(uuid) => to.push_str(uuid),
            Native::Level(level) => to.push_str(level),
            Native::Named(_, name) => to.push_str(name),
            Native::Rounding(rounding) => to.push_str(rounding.name()),
            Native::JsonBuilder(builder) => {
                let content = builder.content.borrow().clone();
                let json = self.json_of(&content, crate::library::json::Style::SCRIPT)?;
                to.push_str(&json);
            }
            Native::JsonNode(value) => {
                let json = self.json_of(value, crate::library::json::Style::PLAIN)?;
                to.push_str(&json);
            }
            Native::Deletion { correlation_id, event_id } => {
                let _ = write!(to, "DeletionEvent(");
                self.write_text(correlation_id, to)?;
                to.push_str(", ");
                self.write_text(event_id, to)?;
                to.push(')');
            }
            Native::Snowplow(fields) => to.push_str(&crate::library::snowplow::shown(fields)),
            Native::Matcher(matcher) => {
                let _ = write!(to, "java.util.regex.Matcher[pattern={}]", matcher.pattern.source);
            }
            other => {
                let _ = write!(to, "{}@0", other.class().full_name());
            }
        }
        Ok(())
    }

    /// Names of the properties of a class, those of its parents first.
    pub(crate) fn properties_of(class: &Rc<crate::syntax::ClassDef>) -> Vec<Rc<str>> {
        let mut names = Vec::new();
        for class in class.lineage().iter().rev() {
            let body = class.body.borrow();
            names.extend(
                body.fields
                    .iter()
                    .filter(|field| field.is_property && !field.is_static)
                    .map(|field| Rc::clone(&field.name)),
            );
        }
        names
    }
}
