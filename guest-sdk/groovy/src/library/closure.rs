//! Methods of closures.

use std::rc::Rc;

use super::count_of;
use crate::class::Builtin;
use crate::machine::Machine;
use crate::names::Method as M;
use crate::raise::{Run, raise};
use crate::value::{Closure, Code, Entries, Strategy, Value};

/// A closure that does as another one does, with its own delegate.
fn copy(closure: &Rc<Closure>) -> Rc<Closure> {
    let code = match &closure.code {
        Code::Function { function, captured } => {
            Code::Function { function: Rc::clone(function), captured: captured.clone() }
        }
        Code::Method { receiver, name } => Code::Method { receiver: receiver.clone(), name: name.clone() },
        _ => Code::Curried { closure: Rc::clone(closure), at: Some(0), arguments: Vec::new() },
    };
    Rc::new(Closure {
        code,
        this: closure.this.clone(),
        owner: closure.owner.clone(),
        delegate: closure.delegate.borrow().clone().into(),
        strategy: closure.strategy.clone(),
        watched: false.into(),
    })
}

/// Calls a closure whose names belong to a value first.
pub(crate) fn call_on(machine: &mut Machine<'_>, closure: &Rc<Closure>, value: &Value) -> Run {
    let copied = copy(closure);
    copied.strategy.set(Strategy::DelegateFirst);
    machine.set_delegate(&copied, value.clone());
    machine.call_closure(&copied, std::slice::from_ref(value))
}

/// `closure.name(..)`
pub(crate) fn call(
    machine: &mut Machine<'_>,
    closure: &Rc<Closure>,
    method: M,
    arguments: &[Value],
) -> Run<Option<Value>> {
    let curried = |at: Option<usize>, arguments: &[Value]| {
        let code = Code::Curried { closure: Rc::clone(closure), at, arguments: arguments.to_vec() };
        Value::Closure(Closure::of(code, Value::Null))
    };
    machine.step(1)?;
    Ok(Some(match (method, arguments) {
        (
            M::call
            | M::doCall
            | M::apply
            | M::accept
            | M::test
            | M::run
            | M::compare
            | M::applyAsInt
            | M::applyAsLong
            | M::applyAsDouble,
            _,
        ) => machine.call_closure(closure, arguments)?,
        (M::get, []) => machine.call_closure(closure, &[])?,
        (M::curry, _) => curried(Some(0), arguments),
        (M::rcurry, _) => curried(None, arguments),
        (M::ncurry, [at, rest @ ..]) => {
            let at = count_of(machine, at, "a position")?;
            curried(Some(at), rest)
        }
        (M::andThen, [Value::Closure(then)]) => {
            let code = Code::Composed { first: Rc::clone(closure), then: Rc::clone(then) };
            Value::Closure(Closure::of(code, Value::Null))
        }
        (M::compose, [Value::Closure(first)]) => {
            let code = Code::Composed { first: Rc::clone(first), then: Rc::clone(closure) };
            Value::Closure(Closure::of(code, Value::Null))
        }
        (M::leftShift, [other @ Value::Closure(_)]) => {
            let this = Value::Closure(Rc::clone(closure));
            machine.binary(crate::syntax::Binary::ShiftLeft, &this, other)?
        }
        (M::memoize | M::memoizeAtMost | M::memoizeAtLeast | M::memoizeBetween, _) => {
            let code = Code::Memoized { closure: Rc::clone(closure), answers: Entries::default().into() };
            Value::Closure(Closure::of(code, Value::Null))
        }
        (M::trampoline, [..]) => {
            let inner = match &closure.code {
                Code::Trampoline { closure } => closure,
                _ => closure,
            };
            let closure = Rc::clone(inner);
            let code = if arguments.is_empty() {
                Code::Trampoline { closure }
            } else {
                Code::Jump { closure, arguments: arguments.to_vec() }
            };
            Value::Closure(Closure::of(code, Value::Null))
        }
        (M::getMaximumNumberOfParameters, []) => Value::count(machine.parameter_count(closure)),
        (M::getParameterTypes, []) => {
            let count = machine.parameter_count(closure);
            machine.allocate_items(count)?;
            Value::array(vec![crate::machine::class_value(Builtin::Object); count])
        }
        (M::clone | M::dehydrate, []) => Value::Closure(copy(closure)),
        (M::rehydrate, [delegate, ..]) => {
            let copied = copy(closure);
            machine.set_delegate(&copied, delegate.clone());
            Value::Closure(copied)
        }
        (M::setDelegate, [delegate]) => {
            machine.set_delegate(closure, delegate.clone());
            Value::Null
        }
        (M::setResolveStrategy, [strategy]) => {
            machine.set_property(
                &Value::Closure(Rc::clone(closure)),
                &"resolveStrategy".into(),
                strategy.clone(),
                false,
            )?;
            Value::Null
        }
        (M::getDelegate | M::getOwner | M::getThisObject, []) => {
            let name = match method {
                M::getDelegate => "delegate",
                M::getOwner => "owner",
                _ => "thisObject",
            };
            machine.property(&Value::Closure(Rc::clone(closure)), &name.into())?
        }
        (M::isCase, [value]) => {
            let answer = machine.call_closure(closure, std::slice::from_ref(value))?;
            Value::Bool(machine.truth(&answer)?)
        }
        (M::negate, []) => {
            return Err(raise(
                Builtin::UnsupportedOperationException,
                "negate() is not supported; write `{ !closure(it) }`",
            ));
        }
        (M::reversed, []) => {
            let this = Rc::clone(closure);
            let code = Code::Method {
                receiver: Value::Closure(this),
                name: crate::syntax::MethodName::new("callReversed"),
            };
            Value::Closure(Closure::of(code, Value::Null))
        }
        (M::callReversed, [left, right]) => machine.call_closure(closure, &[right.clone(), left.clone()])?,
        _ => return Ok(None),
    }))
}
