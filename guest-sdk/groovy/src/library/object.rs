//! Methods of every value.

use std::rc::Rc;

use super::{closure, closure_of};
use crate::class::{Builtin, Class};
use crate::machine::{Machine, instance_of};
use crate::names::Method as M;
use crate::raise::{Run, raise};
use crate::syntax::MethodName;
use crate::value::{Object, Value};

/// What `null` answers instead of an exception.
pub(crate) fn call_null(
    machine: &mut Machine<'_>,
    name: &MethodName,
    arguments: &[Value],
) -> Run<Option<Value>> {
    Ok(Some(match (name.id, arguments) {
        (M::toString | M::inspect | M::dump, []) => Value::text("null"),
        (M::asBoolean, []) => Value::Bool(false),
        (M::is | M::equals, [other]) => Value::Bool(other.is_null()),
        (M::isCase, [other]) => Value::Bool(other.is_null()),
        (M::plus, [Value::Text(text)]) => machine.new_text(format!("null{text}"))?,
        (M::each | M::eachWithIndex | M::reverseEach, [_]) => Value::Null,
        (M::collect | M::findAll | M::collectMany | M::grep, _) => machine.new_list(Vec::new())?,
        (M::any, [..]) => Value::Bool(false),
        (M::every, [..]) => Value::Bool(true),
        (M::find | M::findResult, [..]) => Value::Null,
        (M::iterator, []) => Value::native(crate::value::Native::Iterator(crate::value::Items {
            items: Vec::new(),
            next: 0.into(),
        })),
        (M::with | M::tap, [Value::Closure(closure)]) => closure::call_on(machine, closure, &Value::Null)?,
        (M::getClass, []) => Value::Class(Class::Builtin(Builtin::Object)),
        _ => return Ok(None),
    }))
}

/// `value.name(..)`
pub(crate) fn call(
    machine: &mut Machine<'_>,
    this: &Value,
    name: &MethodName,
    arguments: &[Value],
) -> Run<Option<Value>> {
    if let Value::Object(object) = this {
        if let Some(answer) = call_object(machine, this, object, name, arguments)? {
            return Ok(Some(answer));
        }
    }
    if let Value::Class(class) = this {
        if let Some(answer) = call_class(machine, class, name, arguments)? {
            return Ok(Some(answer));
        }
    }
    Ok(Some(match (name.id, arguments) {
        (M::toString, []) => machine.text(this).map(Value::Text)?,
        (M::inspect | M::dump, []) => {
            let mut text = String::new();
            machine.write_inspected(this, &mut text)?;
            machine.new_text(text)?
        }
        (M::getClass, []) => Value::Class(this.class()),
        (M::equals, [other]) => Value::Bool(machine.equal(this, other)?),
        (M::is, [other]) => machine.binary(crate::syntax::Binary::Identical, this, other)?,
        (M::hashCode, []) => {
            let mut hasher = std::hash::DefaultHasher::new();
            crate::compare::hash_into(this, &mut hasher, crate::value::KEY_DEPTH);
            Value::Int(std::hash::Hasher::finish(&hasher) as i32)
        }
        (M::compareTo, [other]) => Value::Int(machine.compare(this, other)? as i32),
        (M::with, [Value::Bool(returns), Value::Closure(code)]) => {
            let answer = closure::call_on(machine, code, this)?;
            if *returns { this.clone() } else { answer }
        }
        (M::with | M::identity, [code]) => {
            let code = closure_of(code, "with")?;
            closure::call_on(machine, code, this)?
        }
        (M::tap, [code]) => {
            let code = closure_of(code, "tap")?;
            closure::call_on(machine, code, this)?;
            this.clone()
        }
        (M::asBoolean, []) => Value::Bool(machine.truth(this)?),
        (M::isCase, [other]) => Value::Bool(machine.is_case(this, other)?),
        (M::getAt, [Value::Text(property)]) => machine.property(this, property)?,
        (M::putAt | M::setProperty, [Value::Text(property), value]) => {
            machine.set_property(this, property, value.clone(), false)?;
            Value::Null
        }
        (M::getProperty, [Value::Text(property)]) => machine.property(this, property)?,
        (M::invokeMethod, [Value::Text(method), arguments]) => {
            let arguments = match arguments {
                Value::List(_) => machine.items(arguments)?,
                Value::Null => Vec::new(),
                other => vec![other.clone()],
            };
            machine.deeper(|machine| machine.invoke(this, &MethodName::new(method), &arguments))?
        }
        (M::asType, [Value::Class(class)]) => {
            let wanted = crate::syntax::Type {
                name: class.full_name().into(),
                at: Default::default(),
                dimensions: 0,
                primitive: false,
                class: Some(class.clone()),
            };
            machine.converted(this.clone(), &wanted)?
        }
        (M::println | M::print, [value]) if matches!(this, Value::Class(Class::Builtin(Builtin::Script))) => {
            return super::free(machine, name, std::slice::from_ref(value));
        }
        // Objects that are no collections are walked as one item.
        (M::each | M::collect | M::find | M::findAll | M::any | M::every | M::inject | M::iterator, _)
            if matches!(this, Value::Object(_)) =>
        {
            return super::iterable::call(machine, this, name.id, arguments);
        }
        (M::sleep, _) => Value::Null,
        (M::tapIdentity, []) => this.clone(),
        (M::respondsTo, [Value::Text(method)]) => {
            let known = machine.responds(this, method);
            let found = if known { vec![Value::Text(Rc::clone(method))] } else { Vec::new() };
            machine.new_list(found)?
        }
        (M::hasProperty, [Value::Text(property)]) => match machine.property(this, property) {
            Ok(_) => Value::Text(Rc::clone(property)),
            Err(raised) if matches!(raised.reason, crate::raise::Reason::Thrown(_)) => Value::Null,
            Err(raised) => return Err(raised),
        },
        (M::getProperties, []) => match this {
            Value::Object(object) => machine.properties(object)?,
            _ => return Ok(None),
        },
        _ => return Ok(None),
    }))
}

/// Methods of exceptions and of constants of enums.
fn call_object(
    machine: &mut Machine<'_>,
    this: &Value,
    object: &Rc<Object>,
    name: &MethodName,
    arguments: &[Value],
) -> Run<Option<Value>> {
    if object.ordinal.is_some() {
        let ordinal = object.ordinal.unwrap_or(0);
        let shifted = |by: isize, count: usize| {
            let index = ordinal as isize + by;
            usize::try_from(index.rem_euclid(count.max(1) as isize)).unwrap_or(0)
        };
        match (name.id, arguments) {
            (M::name, []) => return Ok(object.fields.borrow().get("$name").cloned()),
            (M::ordinal, []) => return Ok(Some(Value::count(ordinal))),
            (M::next | M::previous, []) => {
                let values =
                    machine.invoke(&Value::Class(object.class.clone()), &MethodName::new("values"), &[])?;
                let values = machine.items(&values)?;
                let index = shifted(if name.id == M::next { 1 } else { -1 }, values.len());
                return Ok(values.get(index).cloned());
            }
            (M::getDeclaringClass, []) => return Ok(Some(Value::Class(object.class.clone()))),
            _ => {}
        }
    }
    let Some(throwable) = &object.throwable else { return Ok(None) };
    Ok(Some(match (name.id, arguments) {
        (M::getMessage | M::getLocalizedMessage, []) => throwable.message.borrow().clone(),
        (M::getCause, []) => throwable.cause.borrow().clone(),
        (M::initCause, [cause]) => {
            *throwable.cause.borrow_mut() = cause.clone();
            machine.watch_object(object);
            this.clone()
        }
        (M::addSuppressed, [other]) => {
            machine.allocate(32)?;
            machine.watch_object(object);
            throwable.suppressed.borrow_mut().push(other.clone());
            Value::Null
        }
        (M::getSuppressed, []) => {
            let suppressed = throwable.suppressed.borrow().clone();
            Value::array(suppressed)
        }
        (M::getStackTrace, []) => {
            let mut frames = throwable.trace.borrow().clone();
            if frames.is_empty() {
                frames.push(crate::raise::Frame { function: "script".into(), at: Default::default() });
            }
            let mut lines = Vec::new();
            for frame in frames {
                lines
                    .push(machine.new_text(format!("{}(Script1.groovy:{})", frame.function, frame.at.line))?);
            }
            Value::array(lines)
        }
        (M::printStackTrace, _) => {
            let mut text = machine.text(this)?.to_string();
            for frame in throwable.trace.borrow().iter() {
                text.push_str(&format!("\n\tat {}(Script1.groovy:{})", frame.function, frame.at.line));
            }
            let cause = throwable.cause.borrow().clone();
            if !cause.is_null() && !matches!(&cause, Value::Object(cause) if Rc::ptr_eq(cause, object)) {
                text.push_str("\nCaused by: ");
                machine.write_text(&cause, &mut text)?;
            }
            machine.allocate(text.len())?;
            machine.host.log(crate::host::Level::Error, "", &text);
            Value::Null
        }
        _ => return Ok(None),
    }))
}

/// Methods of classes.
fn call_class(
    machine: &mut Machine<'_>,
    class: &Class,
    name: &MethodName,
    arguments: &[Value],
) -> Run<Option<Value>> {
    Ok(Some(match (name.id, arguments) {
        (M::getName | M::getCanonicalName | M::getTypeName, []) => Value::text(class.full_name()),
        (M::getSimpleName, []) => Value::text(class.simple_name()),
        (M::isInstance | M::isCase, [value]) => Value::Bool(instance_of(value, class)),
        (M::isAssignableFrom, [Value::Class(other)]) => Value::Bool(other.is(class)),
        (M::newInstance, _) => {
            let wanted = crate::syntax::Type {
                name: class.full_name().into(),
                at: Default::default(),
                dimensions: 0,
                primitive: false,
                class: Some(class.clone()),
            };
            machine.created(&wanted, arguments)?
        }
        (M::cast, [value]) => {
            if !value.is_null() && !instance_of(value, class) {
                return Err(raise(
                    Builtin::ClassCastException,
                    format!("Cannot cast {} to {}", value.class().full_name(), class.full_name()),
                ));
            }
            value.clone()
        }
        (M::getSuperclass, []) => machine.property(&Value::Class(class.clone()), &"superclass".into())?,
        (M::getEnumConstants, []) => {
            machine.invoke(&Value::Class(class.clone()), &MethodName::new("values"), &[])?
        }
        _ => return Ok(None),
    }))
}
