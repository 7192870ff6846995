//! `JsonBuilder`: calls of any name become keys.

use std::cell::RefCell;
use std::rc::Rc;

use super::json::{Style, pretty};
use crate::class::Builtin;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::{Run, raise};
use crate::syntax::MethodName;
use crate::value::{Closure, Entries, Key, Native, Strategy, Value};

/// What has been built.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    pub(crate) content: RefCell<Value>,
    /// Whether it stands for the object of a closure, to which calls add keys.
    inner: bool,
}

/// `new JsonBuilder(..)`
pub(crate) fn create(_: &mut Machine<'_>, arguments: &[Value]) -> Run<Option<Value>> {
    let content = match arguments {
        [] => Value::Null,
        [content] => content.clone(),
        _ => return Ok(None),
    };
    Ok(Some(Value::native(Native::JsonBuilder(Builder { content: content.into(), inner: false }))))
}

/// The object that a closure describes.
pub(crate) fn content_of(machine: &mut Machine<'_>, closure: &Rc<Closure>) -> Run {
    describe(machine, closure, &[])
}

fn describe(machine: &mut Machine<'_>, closure: &Rc<Closure>, arguments: &[Value]) -> Run {
    let map = machine.new_map(Entries::default())?;
    let delegate = Native::JsonBuilder(Builder { content: map.clone().into(), inner: true });
    let name = MethodName::new("clone");
    let copied = super::call(machine, &Value::Closure(Rc::clone(closure)), &name, &[])?;
    if let Some(Value::Closure(copied)) = copied {
        copied.strategy.set(Strategy::DelegateFirst);
        machine.set_delegate(&copied, Value::native(delegate));
        machine.call_closure(&copied, arguments)?;
    }
    Ok(map)
}

/// The value of a key from the arguments of its call.
fn value_of(machine: &mut Machine<'_>, arguments: &[Value]) -> Run {
    match arguments {
        [] => machine.new_map(Entries::default()),
        [Value::Closure(closure)] => describe(machine, closure, &[]),
        [value] => Ok(value.clone()),
        [items @ (Value::List(_) | Value::Set(_) | Value::Range(_)), Value::Closure(closure)] => {
            let mut objects = Vec::new();
            for item in machine.items(items)? {
                objects.push(describe(machine, closure, &[item])?);
            }
            machine.new_list(objects)
        }
        [Value::Map(map), Value::Closure(closure)] => {
            let mut entries = map.entries.borrow().clone();
            if let Value::Map(more) = describe(machine, closure, &[])? {
                entries.extend(more.entries.borrow().iter().map(|(key, value)| (key.clone(), value.clone())));
            }
            machine.new_map(entries)
        }
        values => machine.new_list(values.to_vec()),
    }
}

/// `builder.name(..)`
pub(crate) fn call(
    machine: &mut Machine<'_>,
    this: &Value,
    builder: &Builder,
    name: &MethodName,
    arguments: &[Value],
) -> Run<Option<Value>> {
    if builder.inner {
        // Names without arguments are looked up elsewhere first: they may be getters.
        if arguments.is_empty() || matches!(name.id, M::println | M::print) {
            return Ok(None);
        }
        let value = value_of(machine, arguments)?;
        let content = builder.content.borrow().clone();
        if let Value::Map(map) = &content {
            machine.map_put(map, Value::Text(Rc::clone(&name.text)), value.clone())?;
        }
        return Ok(Some(value));
    }
    Ok(Some(match (name.id, arguments) {
        (M::toString, []) => machine.text(this).map(Value::Text)?,
        (M::toPrettyString, []) => {
            let content = builder.content.borrow().clone();
            let json = machine.json_of(&content, Style::SCRIPT)?;
            let text = pretty(machine, &json)?;
            machine.new_text(text)?
        }
        (M::getContent, []) => builder.content.borrow().clone(),
        (M::writeTo, [writer]) => {
            let text = machine.text(this)?;
            machine.invoke(writer, &MethodName::new("append"), &[Value::Text(text)])?;
            writer.clone()
        }
        (M::call, _) => {
            let content = value_of(machine, arguments)?;
            watch(machine, this, &content)?;
            *builder.content.borrow_mut() = content.clone();
            content
        }
        (M::getClass | M::equals | M::is | M::with | M::tap | M::hashCode | M::asBoolean | M::inspect, _) => {
            return Ok(None);
        }
        _ if name.id != M::Other && arguments.is_empty() => return Ok(None),
        _ => {
            let value = value_of(machine, arguments)?;
            let mut entries = Entries::default();
            entries.insert(Key(Value::Text(Rc::clone(&name.text))), value);
            let content = machine.new_map(entries)?;
            watch(machine, this, &content)?;
            *builder.content.borrow_mut() = content.clone();
            content
        }
    }))
}

/// A builder can become a part of what it builds.
fn watch(machine: &mut Machine<'_>, this: &Value, content: &Value) -> Run<()> {
    match this {
        Value::Native(native) => machine.watch_native(native, content),
        _ => Ok(()),
    }
}

/// `slurper.name(..)`
pub(crate) fn slurp(machine: &mut Machine<'_>, method: M, arguments: &[Value]) -> Run<Option<Value>> {
    Ok(Some(match (method, arguments) {
        (M::parseText | M::parse, [Value::Null]) => {
            return Err(raise(
                Builtin::IllegalArgumentException,
                "Text must not be null or empty: expected JSON, found null; check the value before it is parsed",
            ));
        }
        (M::parseText | M::parse, [text]) | (M::parse, [text, _]) => {
            let text = match text {
                Value::Bytes(bytes) => granary_scriptable::lossy(bytes).as_ref().into(),
                other => machine.text(other)?,
            };
            if text.trim().is_empty() {
                return Err(raise(
                    Builtin::IllegalArgumentException,
                    "Text must not be null or empty: expected JSON, found an empty text",
                ));
            }
            crate::json::parse(machine, &text)?
        }
        (M::setType | M::setLazyChop | M::setCheckDates | M::setChop, [_]) => {
            Value::native(Native::Slurper(Builtin::JsonSlurper))
        }
        (M::parseFile | M::parseUrl, _) => {
            return Err(crate::machine::unsupported(
                "a script reaches neither files nor the network; use parseText(text)",
            ));
        }
        _ => return Ok(None),
    }))
}
