//! JSON: written from values.

use std::fmt::Write;
use std::rc::Rc;

use crate::class::{Builtin, Class};
use crate::machine::Machine;
use crate::raise::{Raise, Run, raise};
use crate::value::{Native, Value};

/// How JSON is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether characters beyond ASCII are escaped.
    pub(crate) ascii: bool,
    /// Whether dates are numbers, as Jackson writes them.
    pub(crate) date_numbers: bool,
}

impl Style {
    /// That of `JsonOutput`.
    pub(crate) const SCRIPT: Self = Self { ascii: true, date_numbers: false };
    /// That of the results of scripts.
    pub(crate) const PLAIN: Self = Self { ascii: false, date_numbers: false };
    /// That of Jackson.
    pub(crate) const JACKSON: Self = Self { ascii: false, date_numbers: true };
}

/// A text in quotes.
pub(crate) fn write_string(text: &str, ascii: bool, to: &mut String) {
    to.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let plain = !matches!(byte, b'"' | b'\\' | 0..=0x1f | 0x7f) && (byte < 0x80 || !ascii);
        if plain {
            continue;
        }
        to.push_str(text.get(from..at).unwrap_or_default());
        from = at + 1;
        match byte {
            b'"' => to.push_str("\\\""),
            b'\\' => to.push_str("\\\\"),
            b'\n' => to.push_str("\\n"),
            b'\r' => to.push_str("\\r"),
            b'\t' => to.push_str("\\t"),
            0x8 => to.push_str("\\b"),
            0xc => to.push_str("\\f"),
            0x7f if !ascii => to.push('\u{7f}'),
            0..=0x7f => {
                let _ = write!(to, "\\u{byte:04x}");
            }
            _ => {
                // A character beyond ASCII is escaped at its first byte; the others are passed.
                if let Some(char) = text.get(at..).and_then(|rest| rest.chars().next()) {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        let _ = write!(to, "\\u{unit:04x}");
                    }
                    from = at + char.len_utf8();
                }
            }
        }
    }
    to.push_str(text.get(from..).unwrap_or_default());
    to.push('"');
}

impl Machine<'_> {
    /// The JSON of a value.
    pub(crate) fn json_of(&mut self, value: &Value, style: Style) -> Run<String> {
        let mut to = String::new();
        self.write_json(value, style, &mut to)?;
        Ok(to)
    }

    fn write_json(&mut self, value: &Value, style: Style, to: &mut String) -> Run<()> {
        match value {
            Value::Null | Value::Shared(_) => to.push_str("null"),
            Value::Text(text) | Value::GString(text) => {
                self.allocate(text.len())?;
                write_string(text, style.ascii, to);
            }
            Value::Char(char) => write_string(char.encode_utf8(&mut [0; 4]), style.ascii, to),
            Value::Bool(_) | Value::Int(_) | Value::Long(_) | Value::Big(_) => self.write_text(value, to)?,
            Value::Decimal(number) => {
                if number.scale() < 0 {
                    self.allocate(number.scale().unsigned_abs() as usize)?;
                }
                self.write_text(value, to)?;
            }
            Value::Float(_) | Value::Double(_) => {
                if !crate::number::to_double(value).is_some_and(f64::is_finite) {
                    let text = self.text(value)?;
                    return Err(raise(
                        Builtin::JsonException,
                        format!(
                            "Number {text} can't be serialized as JSON: infinite or NaN are not allowed in JSON."
                        ),
                    ));
                }
                self.write_text(value, to)?;
            }
            other => self.deeper(|machine| machine.write_json_long(other, style, to))?,
        }
        Ok(())
    }

    fn write_json_long(&mut self, value: &Value, style: Style, to: &mut String) -> Run<()> {
        self.allocate(4)?;
        match value {
            Value::Map(map) => {
                let entries: Vec<(Value, Value)> =
                    map.entries.borrow().iter().map(|(key, value)| (key.0.clone(), value.clone())).collect();
                self.allocate_items(entries.len() * 2)?;
                self.write_json_object(&entries, style, to)
            }
            Value::List(_) | Value::Set(_) | Value::Range(_) | Value::Bytes(_) => {
                let items = self.items(value)?;
                self.write_json_array(&items, style, to)
            }
            Value::Closure(closure) => {
                let content = super::json_builder::content_of(self, closure)?;
                self.write_json(&content, style, to)
            }
            Value::Class(class) => {
                write_string(class.full_name(), style.ascii, to);
                Ok(())
            }
            Value::Object(object) => {
                if object.ordinal.is_some() {
                    let name = object.fields.borrow().get("$name").cloned().unwrap_or_default();
                    return self.write_json(&name, style, to);
                }
                let mut entries = Vec::new();
                if let Class::Script(class) = &object.class {
                    for name in Self::properties_of(class) {
                        let value = self.property(value, &name)?;
                        entries.push((Value::Text(name), value));
                    }
                }
                if object.throwable.is_some() {
                    let message = self.property(value, &"message".into())?;
                    entries.push((Value::text("message"), message));
                }
                self.write_json_object(&entries, style, to)
            }
            Value::Native(native) => self.write_json_native(value, native, style, to),
            _ => Ok(()),
        }
    }

    fn write_json_object(&mut self, entries: &[(Value, Value)], style: Style, to: &mut String) -> Run<()> {
        to.push('{');
        for (index, (key, value)) in entries.iter().enumerate() {
            if index > 0 {
                to.push(',');
            }
            if key.is_null() {
                return Err(raise(
                    Builtin::IllegalArgumentException,
                    "Maps with null keys can't be converted to JSON",
                ));
            }
            let key = self.text(key)?;
            write_string(&key, style.ascii, to);
            to.push(':');
            self.write_json(value, style, to)?;
        }
        to.push('}');
        Ok(())
    }

    fn write_json_array(&mut self, items: &[Value], style: Style, to: &mut String) -> Run<()> {
        to.push('[');
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                to.push(',');
            }
            self.write_json(item, style, to)?;
        }
        to.push(']');
        Ok(())
    }

    fn write_json_native(
        &mut self,
        value: &Value,
        native: &Rc<Native>,
        style: Style,
        to: &mut String,
    ) -> Run<()> {
        match &**native {
            Native::JsonBuilder(builder) => {
                let content = builder.content.borrow().clone();
                self.write_json(&content, style, to)
            }
            Native::JsonNode(node) => self.write_json(node, style, to),
            Native::Entry { key, value, .. } => {
                let value = value.borrow().clone();
                let entries = [(Value::text("key"), key.clone()), (Value::text("value"), value)];
                self.write_json_object(&entries, style, to)
            }
            Native::Deletion { .. } => {
                let text = super::native::deletion_json(self, native)?;
                to.push_str(&text);
                Ok(())
            }
            Native::Snowplow(fields) => {
                let map = super::snowplow::flat(self, fields)?;
                self.write_json(&map, style, to)
            }
            Native::Moment(moment) => {
                match moment {
                    super::time::Moment::Date(ms) if style.date_numbers => {
                        let _ = write!(to, "{ms}");
                    }
                    super::time::Moment::Date(_) => {
                        let text = moment.format("yyyy-MM-dd'T'HH:mm:ssZ")?;
                        write_string(&text, style.ascii, to);
                    }
                    other => write_string(&other.to_string(), style.ascii, to),
                }
                Ok(())
            }
            Native::Calendar(ms) => {
                let date = Value::native(Native::Moment(super::time::Moment::Date(ms.get())));
                self.write_json(&date, style, to)
            }
            Native::Iterator(_) | Native::Matcher(_) => {
                let items = self.items(value)?;
                self.write_json_array(&items, style, to)
            }
            _ => {
                let text = self.text(value)?;
                write_string(&text, style.ascii, to);
                Ok(())
            }
        }
    }
}

/// JSON with line ends and four spaces for each level.
pub(crate) fn pretty(machine: &mut Machine<'_>, json: &str) -> Run<String> {
    let mut to = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    let line = |to: &mut String, depth: usize, machine: &mut Machine<'_>| {
        machine.allocate(depth * 4 + 1)?;
        to.push('\n');
        to.extend(std::iter::repeat_n("    ", depth));
        Ok::<(), Box<Raise>>(())
    };
    machine.allocate(json.len() * 2)?;
    for char in json.chars() {
        if in_text {
            to.push(char);
            in_text = escaped || char != '"';
            escaped = char == '\\' && !escaped;
            continue;
        }
        match char {
            '"' => {
                in_text = true;
                to.push(char);
            }
            '{' | '[' => {
                depth += 1;
                to.push(char);
                line(&mut to, depth, machine)?;
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut to, depth, machine)?;
                to.push(char);
            }
            ',' => {
                to.push(char);
                line(&mut to, depth, machine)?;
            }
            ':' => to.push_str(": "),
            ' ' | '\n' | '\r' | '\t' => {}
            _ => to.push(char),
        }
    }
    Ok(to)
}
