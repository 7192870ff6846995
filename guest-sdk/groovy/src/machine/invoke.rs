//! Calls: functions of the script, closures, methods of values.

use std::rc::Rc;

use super::{CALL_DEPTH, Frame, Machine, instance_of};
use crate::class::{Builtin, Class};
use crate::names::{Method, nearest};
use crate::raise::{Raise, Run, raise};
use crate::syntax::{Function, MethodName, Parameter, Type};
use crate::value::{Closure, Code, Key, Native, Value};

use super::property::{accessor, is_missing, with_field};
use super::statement::Flow;

/// What a method of the library takes from the depth: its frames are large.
const LIBRARY_DEPTH: u32 = 4;

/// How badly an argument fits a parameter that takes everything.
const ANY_COST: u32 = 10;

impl Machine<'_> {
    /// Runs a function.
    pub(super) fn call_function(
        &mut self,
        function: &Rc<Function>,
        this: Value,
        closure: Option<&Rc<Closure>>,
        arguments: &[Value],
    ) -> Run {
        self.enter(CALL_DEPTH)?;
        let base = self.stack.len();
        self.stack.resize(base + function.slots as usize, Value::Null);
        if let Some(Closure { code: Code::Function { captured, .. }, .. }) = closure.map(|closure| &**closure)
        {
            for ((_, inner), value) in function.captures.iter().zip(captured) {
                if let Some(place) = self.stack.get_mut(base + *inner as usize) {
                    *place = value.clone();
                }
            }
        }
        let delegated = closure.is_some_and(|closure| {
            closure.delegate.borrow().is_some() || closure.owner.as_ref().is_some_and(delegates)
        });
        let frame = Frame { base, function: Rc::clone(function), this, closure: closure.cloned(), delegated };
        let outer = std::mem::replace(&mut self.frame, frame);
        let answer = self.run_function(function, arguments);
        self.frame = outer;
        self.stack.truncate(base);
        self.leave(CALL_DEPTH);
        answer.map_err(|mut raise| {
            raise.leave(&function.name);
            raise
        })
    }

    fn run_function(&mut self, function: &Rc<Function>, arguments: &[Value]) -> Run {
        self.bind(function, arguments)?;
        let answer = match self.run(&function.body)? {
            Flow::Return(value) => value,
            _ => Value::Null,
        };
        match &function.answer {
            Some(class) if &*class.name == "void" => Ok(Value::Null),
            Some(class) => self.assigned(answer, class),
            None => Ok(answer),
        }
    }

    /// Gives parameters their values.
    fn bind(&mut self, function: &Function, arguments: &[Value]) -> Run<()> {
        let parameters = &function.parameters;
        let last = parameters.len().saturating_sub(1);
        if arguments.len() == parameters.len() && !function.variadic {
            for (parameter, argument) in parameters.iter().zip(arguments) {
                self.bind_one(parameter, argument.clone())?;
            }
            return Ok(());
        }
        let mut defaults_used =
            (parameters.len() - usize::from(function.variadic)).saturating_sub(arguments.len());
        let defaulted = parameters.iter().filter(|parameter| parameter.default.is_some()).count();
        let mut defaults_given = defaulted.saturating_sub(defaults_used);
        let mut given = arguments.iter();
        for (index, parameter) in parameters.iter().enumerate() {
            if function.variadic && index == last {
                let rest: Vec<Value> = given.by_ref().cloned().collect();
                let rest = match &rest[..] {
                    // An array is passed on as it is.
                    [list @ Value::List(_)] => list.clone(),
                    _ => {
                        self.allocate_items(rest.len())?;
                        Value::array(rest)
                    }
                };
                self.place(parameter.variable.slot, rest);
                continue;
            }
            let value = match &parameter.default {
                Some(default) if defaults_given == 0 && defaults_used > 0 => {
                    defaults_used -= 1;
                    self.eval(default)?
                }
                Some(_) => {
                    defaults_given = defaults_given.saturating_sub(1);
                    given.next().cloned().unwrap_or_default()
                }
                None => given.next().cloned().unwrap_or_default(),
            };
            self.bind_one(parameter, value)?;
        }
        Ok(())
    }

    fn bind_one(&mut self, parameter: &Parameter, value: Value) -> Run<()> {
        self.declare(&parameter.variable, value)
    }

    /// How many parameters a closure has.
    pub(crate) fn parameter_count(&self, closure: &Closure) -> usize {
        match &closure.code {
            Code::Function { function, .. } => function.parameters.len(),
            Code::Method { receiver, name } => match (receiver, name.id) {
                (Value::Class(_), Method::compareTo | Method::compareToIgnoreCase) => 2,
                (_, Method::callReversed) => 2,
                (Value::Class(Class::Builtin(Builtin::Script)), _) => {
                    let mut functions = self.program.functions.iter();
                    functions
                        .find(|function| function.name == name.text)
                        .map_or(1, |one| one.parameters.len())
                }
                _ => 1,
            },
            Code::Curried { closure, arguments, .. } => {
                self.parameter_count(closure).saturating_sub(arguments.len())
            }
            Code::Composed { first, .. } => self.parameter_count(first),
            Code::Memoized { closure, .. } | Code::Trampoline { closure } => self.parameter_count(closure),
            Code::Jump { .. } => 0,
        }
    }

    /// Calls a closure.
    pub(crate) fn call_closure(&mut self, closure: &Rc<Closure>, arguments: &[Value]) -> Run {
        match &closure.code {
            Code::Function { function, .. } => {
                if !function.takes(arguments.len())
                    || function.parameters.iter().any(|one| one.variable.class.is_some())
                {
                    return self.call_closure_with(closure, function, arguments);
                }
                self.call_function(function, closure.this.clone(), Some(closure), arguments)
            }
            _ => self.deeper(|machine| machine.call_code(closure, arguments)),
        }
    }

    #[inline(never)]
    fn call_closure_with(
        &mut self,
        closure: &Rc<Closure>,
        function: &Rc<Function>,
        arguments: &[Value],
    ) -> Run {
        // A single list is spread over several parameters.
        if let ([Value::List(list)], true) = (arguments, function.parameters.len() > 1) {
            let items = list.items.borrow().clone();
            if function.takes(items.len()) && !function.takes(1) {
                return self.call_function(function, closure.this.clone(), Some(closure), &items);
            }
        }
        let fits = function.takes(arguments.len())
            && function.parameters.iter().zip(arguments).all(|(parameter, argument)| {
                let class = parameter.variable.class.as_ref();
                class.is_none_or(|class| function.variadic || fitness(argument, class).is_some())
            });
        if !fits {
            let values = self.listed(arguments)?;
            return Err(raise(
                Builtin::MissingMethodException,
                format!(
                    "No signature of method: closure.call() is applicable for argument types: ({}) values: {values}; the \
                     closure has {} parameters",
                    classes_of(arguments),
                    function.parameters.len()
                ),
            ));
        }
        self.call_function(function, closure.this.clone(), Some(closure), arguments)
    }

    fn call_code(&mut self, closure: &Rc<Closure>, arguments: &[Value]) -> Run {
        match &closure.code {
            Code::Function { .. } => Ok(Value::Null),
            Code::Method { receiver, name } => match receiver {
                Value::Class(Class::Builtin(Builtin::Script)) => self.call_name(name, arguments),
                // `String::length` is called on its argument where there is no such function.
                Value::Class(class) => match self.invoke(receiver, name, arguments) {
                    Err(raise) if is_missing(&raise) && !arguments.is_empty() => {
                        let (first, rest) = arguments.split_first().unwrap_or((&Value::Null, &[]));
                        if instance_of(first, class) { self.invoke(first, name, rest) } else { Err(raise) }
                    }
                    answer => answer,
                },
                _ => self.invoke(receiver, name, arguments),
            },
            Code::Curried { closure, at, arguments: curried } => {
                let mut all = arguments.to_vec();
                let at = at.unwrap_or(all.len()).min(all.len());
                all.splice(at..at, curried.iter().cloned());
                self.call_closure(closure, &all)
            }
            Code::Jump { closure, arguments } => self.call_closure(closure, arguments),
            Code::Trampoline { closure } => {
                let mut answer = self.call_closure(closure, arguments)?;
                while let Value::Closure(next) = &answer {
                    let Code::Jump { closure, arguments } = &next.code else { break };
                    let (closure, arguments) = (Rc::clone(closure), arguments.clone());
                    answer = self.call_closure(&closure, &arguments)?;
                }
                Ok(answer)
            }
            Code::Composed { first, then } => {
                let between = self.call_closure(first, arguments)?;
                self.call_closure(then, &[between])
            }
            Code::Memoized { closure: inner, answers } => {
                let key = Key(Value::list(arguments.to_vec()));
                let known = answers.borrow().get(&key).cloned();
                if let Some(answer) = known {
                    return Ok(answer);
                }
                let answer = self.call_closure(inner, arguments)?;
                self.allocate(128)?;
                self.watch_closure(closure);
                answers.borrow_mut().insert(key, answer.clone());
                Ok(answer)
            }
        }
    }

    /// Calls a closure with an item; an entry of a map is spread over two parameters.
    pub(crate) fn call_with_item(&mut self, closure: &Rc<Closure>, item: &Value) -> Run {
        if let Value::Native(native) = item {
            if let Native::Entry { key, value, .. } = &**native {
                if self.parameter_count(closure) == 2 {
                    let value = value.borrow().clone();
                    return self.call_closure(closure, &[key.clone(), value]);
                }
            }
        }
        self.call_closure(closure, std::slice::from_ref(item))
    }

    /// `value(..)`
    pub(super) fn call_value(&mut self, value: &Value, arguments: &[Value]) -> Run {
        match value {
            Value::Closure(closure) => self.call_closure(closure, arguments),
            Value::Null => {
                Err(raise(Builtin::NullPointerException, "Cannot invoke method call() on null object"))
            }
            other => self.invoke(other, &MethodName::new("call"), arguments),
        }
    }

    /// A method of the script.
    pub(super) fn call_script_method(&mut self, name: &Rc<str>, arguments: &[Value]) -> Run {
        let program = Rc::clone(&self.program);
        let mut named = program.functions.iter().filter(|function| function.name == *name);
        let (first, second) = (named.next(), named.next());
        if let (Some(only), None) = (first, second) {
            if only.takes(arguments.len()) && only.parameters.iter().all(|one| one.variable.class.is_none()) {
                return self.call_function(only, Value::Null, None, arguments);
            }
        }
        let all: Vec<Rc<Function>> =
            program.functions.iter().filter(|one| one.name == *name).cloned().collect();
        match self.select(&all, arguments) {
            Some(function) => self.call_selected(&function, Value::Null, arguments),
            None => Err(self.no_signature("Script1", name, arguments, &all)?),
        }
    }

    /// The overload that fits best.
    fn select(&mut self, functions: &[Rc<Function>], arguments: &[Value]) -> Option<Rc<Function>> {
        let costs = functions
            .iter()
            .filter(|function| !function.is_abstract)
            .filter_map(|function| Some((cost(function, arguments)?, function)));
        let best = costs.min_by_key(|(cost, _)| *cost).map(|(_, function)| Rc::clone(function));
        // `f(null)` is what `f()` means for one parameter.
        best.or_else(|| {
            let one =
                functions.iter().find(|function| function.parameters.len() == 1 && arguments.is_empty())?;
            Some(Rc::clone(one))
        })
    }

    fn call_selected(&mut self, function: &Rc<Function>, this: Value, arguments: &[Value]) -> Run {
        if arguments.is_empty() && function.required() == 1 {
            return self.call_function(function, this, None, &[Value::Null]);
        }
        self.call_function(function, this, None, arguments)
    }

    /// A method of an object, once it is selected.
    pub(super) fn call_method_of(
        &mut self,
        function: &Rc<Function>,
        this: Value,
        arguments: &[Value],
    ) -> Run {
        let this = match (this, function.is_static) {
            (Value::Object(object), true) => Value::Class(object.class.clone()),
            (this, _) => this,
        };
        self.call_selected(function, this, arguments)
    }

    fn no_signature(
        &mut self,
        class: &str,
        name: &str,
        arguments: &[Value],
        candidates: &[Rc<Function>],
    ) -> Run<Box<Raise>> {
        let values = self.listed(arguments)?;
        let mut message = format!(
            "No signature of method: {class}.{name}() is applicable for argument types: ({}) values: {values}",
            classes_of(arguments)
        );
        for (index, candidate) in candidates.iter().take(4).enumerate() {
            message.push_str(if index == 0 { "; possible: " } else { ", " });
            message.push_str(&described(candidate));
        }
        Ok(with_field(raise(Builtin::MissingMethodException, message), "method", name))
    }

    /// Arguments in a message, cut off where they are long.
    fn listed(&mut self, arguments: &[Value]) -> Run<String> {
        let mut listed = String::from("[");
        for (index, argument) in arguments.iter().enumerate() {
            if index > 0 {
                listed.push_str(", ");
            }
            // A message must not run code that may fail again.
            match argument {
                Value::Object(object) => listed.push_str(object.class.simple_name()),
                Value::Native(native) => listed.push_str(native.class().simple_name()),
                Value::List(_) | Value::Map(_) | Value::Set(_) | Value::Bytes(_) => {
                    listed.push_str(argument.class().simple_name());
                }
                other => {
                    let text = self.text(other)?;
                    listed.extend(text.chars().take(60));
                }
            }
        }
        listed.push(']');
        Ok(listed)
    }

    /// `name(..)` without a receiver, where the script has no method of that name.
    pub(super) fn call_name(&mut self, name: &MethodName, arguments: &[Value]) -> Run {
        if self.frame.delegated {
            for (delegate, strategy) in self.delegates() {
                if strategy == crate::value::Strategy::OwnerOnly {
                    continue;
                }
                match self.invoke(&delegate, name, arguments) {
                    Err(raise) if is_missing(&raise) => {}
                    answer => return answer,
                }
            }
        }
        if self.program.functions.iter().any(|function| function.name == name.text) {
            return self.call_script_method(&name.text, arguments);
        }
        match self.variable(&name.text) {
            Some(Value::Closure(closure)) => return self.call_closure(&closure, arguments),
            Some(value @ Value::Object(_)) => {
                return self.invoke(&value, &MethodName::new("call"), arguments);
            }
            _ => {}
        }
        if let Some(answer) = crate::library::free(self, name, arguments)? {
            return Ok(answer);
        }
        let this = self.frame.this.clone();
        if !this.is_null() {
            return self.invoke(&this, name, arguments);
        }
        let functions: Vec<Rc<str>> =
            self.program.functions.iter().map(|function| Rc::clone(&function.name)).collect();
        let known = functions.iter().map(|name| &**name).chain(crate::scope::FREE_METHODS.iter().copied());
        let hint = nearest(&name.text, known).map(|near| format!("; did you mean `{near}`?"));
        let raised = self.no_signature("Script1", &name.text, arguments, &[])?;
        Err(with_hint(raised, hint))
    }

    /// `super.name(..)`
    pub(super) fn call_super(&mut self, name: &MethodName, arguments: &[Value]) -> Run {
        let this = self.frame.this.clone();
        let running = Rc::clone(&self.frame.function);
        let Value::Object(object) = &this else {
            return Err(raise(Builtin::MissingMethodException, "`super` means nothing outside of objects"));
        };
        let Class::Script(class) = &object.class else { return Ok(Value::Null) };
        // The classes above the one whose method is running.
        let lineage = class.lineage();
        let owner = lineage
            .iter()
            .position(|class| class.body.borrow().methods.iter().any(|method| Rc::ptr_eq(method, &running)))
            .unwrap_or(0);
        for class in lineage.iter().skip(owner + 1) {
            let methods = named(&class.body.borrow().methods, &name.text);
            if let Some(method) = self.select(&methods, arguments) {
                return self.call_method_of(&method, this.clone(), arguments);
            }
        }
        match crate::library::object::call(self, &this, name, arguments)? {
            Some(answer) => Ok(answer),
            None => Err(self.no_signature(&class.name, &name.text, arguments, &[])?),
        }
    }

    /// Whether the script defines that method for an object.
    pub(crate) fn responds(&self, value: &Value, name: &str) -> bool {
        let Value::Object(object) = value else { return false };
        let Class::Script(class) = &object.class else { return false };
        let own = |class: &Rc<crate::syntax::ClassDef>| {
            class.body.borrow().methods.iter().any(|method| *method.name == *name && !method.is_abstract)
        };
        own(class) || class.lineage().iter().skip(1).any(own)
    }

    /// `receiver.name(..)`
    pub(crate) fn invoke(&mut self, receiver: &Value, name: &MethodName, arguments: &[Value]) -> Run {
        // Methods of the library call each other through here, so this bounds how deep they do.
        self.enter(1)?;
        let answer = self.invoke_on(receiver, name, arguments);
        self.leave(1);
        answer
    }

    fn invoke_on(&mut self, receiver: &Value, name: &MethodName, arguments: &[Value]) -> Run {
        match receiver {
            Value::Null => return self.invoke_null(name, arguments),
            Value::Object(object) => {
                if let Some(answer) = self.invoke_object(receiver, object, name, arguments)? {
                    return Ok(answer);
                }
            }
            Value::Class(class) => {
                if let Some(answer) = self.invoke_static(class, name, arguments)? {
                    return Ok(answer);
                }
            }
            _ => {}
        }
        if let Some(answer) = self.call_library(receiver, name, arguments)? {
            return Ok(answer);
        }
        self.invoke_missing(receiver, name, arguments)
    }

    /// The library knows plain texts only; collections keep what they are given.
    fn call_library(
        &mut self,
        receiver: &Value,
        name: &MethodName,
        arguments: &[Value],
    ) -> Run<Option<Value>> {
        let receiver = match receiver {
            Value::GString(text) if name.id != Method::getClass => &Value::Text(Rc::clone(text)),
            Value::Native(native)
                if matches!(**native, Native::LazyText(_)) && name.id != Method::getClass =>
            {
                &Value::Text(self.text(receiver)?)
            }
            other => other,
        };
        let keeps = matches!(
            receiver,
            Value::List(_) | Value::Map(_) | Value::Set(_) | Value::Closure(_) | Value::Object(_)
        );
        self.enter(LIBRARY_DEPTH)?;
        let answer = match Value::plain_texts(arguments).filter(|_| !keeps) {
            Some(plain) => crate::library::call(self, receiver, name, &plain),
            None => crate::library::call(self, receiver, name, arguments),
        };
        self.leave(LIBRARY_DEPTH);
        answer
    }

    fn invoke_null(&mut self, name: &MethodName, arguments: &[Value]) -> Run {
        match crate::library::object::call_null(self, name, arguments)? {
            Some(answer) => Ok(answer),
            None => Err(raise(
                Builtin::NullPointerException,
                format!("Cannot invoke method {}() on null object", name.text),
            )),
        }
    }

    fn invoke_object(
        &mut self,
        receiver: &Value,
        object: &Rc<crate::value::Object>,
        name: &MethodName,
        arguments: &[Value],
    ) -> Run<Option<Value>> {
        let Class::Script(class) = &object.class else { return Ok(None) };
        let direct = {
            // Most calls go to the only method of its name in the class itself.
            let body = class.body.borrow();
            let mut named = body.methods.iter().filter(|method| method.name == name.text);
            match (named.next(), named.next()) {
                (Some(only), None)
                    if only.parameters.len() == arguments.len()
                        && !only.variadic
                        && !only.is_abstract
                        && only.parameters.iter().all(|one| one.variable.class.is_none()) =>
                {
                    Some(Rc::clone(only))
                }
                _ => None,
            }
        };
        if let Some(method) = direct {
            return self.call_method_of(&method, receiver.clone(), arguments).map(Some);
        }
        let mut all = Vec::new();
        for class in class.lineage() {
            let found = named(&class.body.borrow().methods, &name.text);
            // A class hides those methods above it that take the same.
            all.extend(found);
        }
        if let Some(method) = self.select(&all, arguments) {
            return self.call_method_of(&method, receiver.clone(), arguments).map(Some);
        }
        // A property can hold a closure.
        let field = object.fields.borrow().get(&name.text).cloned();
        if let Some(Value::Closure(closure)) = field {
            return self.call_closure(&closure, arguments).map(Some);
        }
        // Getters and setters exist without being written.
        if let Some(answer) = self.accessor_call(receiver, object, &name.text, arguments)? {
            return Ok(Some(answer));
        }
        if !all.is_empty() && name.id == Method::Other {
            return Err(self.no_signature(&class.name, &name.text, arguments, &all)?);
        }
        Ok(None)
    }

    fn accessor_call(
        &mut self,
        receiver: &Value,
        object: &Rc<crate::value::Object>,
        name: &str,
        arguments: &[Value],
    ) -> Run<Option<Value>> {
        let (prefix, count) = match name.get(..3) {
            Some("get") => ("get", 0),
            Some("set") => ("set", 1),
            _ if name.starts_with("is") => ("is", 0),
            _ => return Ok(None),
        };
        if arguments.len() != count {
            return Ok(None);
        }
        let field = object.fields.borrow().keys().find(|field| accessor(prefix, field) == *name).cloned();
        let Some(field) = field else { return Ok(None) };
        match arguments {
            [value] => {
                self.set_property(receiver, &field, value.clone(), true)?;
                Ok(Some(Value::Null))
            }
            _ => Ok(object.fields.borrow().get(&field).cloned()),
        }
    }

    fn invoke_static(&mut self, class: &Class, name: &MethodName, arguments: &[Value]) -> Run<Option<Value>> {
        match class {
            Class::Script(class) => {
                let mut all = Vec::new();
                for class in class.lineage() {
                    all.extend(
                        named(&class.body.borrow().methods, &name.text)
                            .into_iter()
                            .filter(|one| one.is_static),
                    );
                }
                if let Some(method) = self.select(&all, arguments) {
                    let this = Value::Class(Class::Script(Rc::clone(class)));
                    return self.call_selected(&method, this, arguments).map(Some);
                }
                let field = self.static_field(class, &name.text)?;
                if let Some(Value::Closure(closure)) = field {
                    return self.call_closure(&closure, arguments).map(Some);
                }
                self.enum_call(class, name, arguments)
            }
            Class::Builtin(Builtin::Script) => {
                if self.program.functions.iter().any(|function| function.name == name.text) {
                    return self.call_script_method(&name.text, arguments).map(Some);
                }
                match self.variable(&name.text) {
                    Some(Value::Closure(closure)) => self.call_closure(&closure, arguments).map(Some),
                    _ => crate::library::free(self, name, arguments),
                }
            }
            Class::Builtin(class) => {
                let plain = Value::plain_texts(arguments);
                crate::library::statics::call(self, *class, name, plain.as_deref().unwrap_or(arguments))
            }
        }
    }

    #[inline(never)]
    fn invoke_missing(&mut self, receiver: &Value, name: &MethodName, arguments: &[Value]) -> Run {
        // A map can hold a closure.
        if let Value::Map(map) = receiver {
            if let Some(Value::Closure(closure)) = map.get_text(&name.text) {
                return self.call_closure(&closure, arguments);
            }
        }
        // A closure stands for an object with one method.
        if let Value::Closure(closure) = receiver {
            let mut interfaces = self.program.classes.iter().filter(|class| class.is_interface);
            if interfaces
                .any(|class| class.body.borrow().methods.iter().any(|method| method.name == name.text))
            {
                return self.call_closure(closure, arguments);
            }
        }
        if self.responds(receiver, "methodMissing") {
            let list = Value::list(arguments.to_vec());
            let arguments = [Value::Text(Rc::clone(&name.text)), list];
            return self.invoke(receiver, &MethodName::new("methodMissing"), &arguments);
        }
        let class = match receiver {
            Value::Class(class) => class.full_name().to_owned(),
            other => other.class().full_name().to_owned(),
        };
        let raised = self.no_signature(&class, &name.text, arguments, &[])?;
        let hint = match name.id {
            Method::Other => Method::nearest(&name.text).map(|near| format!("; did you mean `{near}`?")),
            _ => Some("; the method exists for other values or arguments".to_owned()),
        };
        Err(with_hint(raised, hint))
    }
}

fn with_hint(raised: Box<Raise>, hint: Option<String>) -> Box<Raise> {
    if let (crate::raise::Reason::Thrown(object), Some(hint)) = (&raised.reason, hint) {
        if let Some(throwable) = &object.throwable {
            let message = match &*throwable.message.borrow() {
                Value::Text(text) => format!("{text}{hint}"),
                _ => hint,
            };
            *throwable.message.borrow_mut() = Value::text(message);
        }
    }
    raised
}

/// Whether a closure or one around it has a delegate.
fn delegates(closure: &Rc<Closure>) -> bool {
    let mut current = Some(Rc::clone(closure));
    while let Some(closure) = current {
        if closure.delegate.borrow().is_some() {
            return true;
        }
        current = closure.owner.clone();
    }
    false
}

fn named(methods: &[Rc<Function>], name: &str) -> Vec<Rc<Function>> {
    methods.iter().filter(|method| *method.name == *name).cloned().collect()
}

/// Classes of arguments in a message.
fn classes_of(arguments: &[Value]) -> String {
    let names: Vec<String> = arguments
        .iter()
        .map(|argument| match argument {
            Value::Null => "null".to_owned(),
            other => other.class().simple_name().to_owned(),
        })
        .collect();
    names.join(", ")
}

fn described(function: &Function) -> String {
    let parameters: Vec<String> = function
        .parameters
        .iter()
        .map(|parameter| match &parameter.variable.class {
            Some(class) => format!("{} {}", class.name, parameter.variable.name),
            None => parameter.variable.name.to_string(),
        })
        .collect();
    format!("{}({})", function.name, parameters.join(", "))
}

/// How badly arguments fit a function; `None` when they do not.
pub(super) fn cost(function: &Function, arguments: &[Value]) -> Option<u32> {
    if !function.takes(arguments.len()) {
        return None;
    }
    // Fewer parameters than arguments, and defaults, fit less well.
    let mut total = if function.variadic { 100 } else { 0 };
    total += 20 * u32::try_from(function.parameters.len().abs_diff(arguments.len())).unwrap_or(u32::MAX / 40);
    let fixed = function.parameters.len() - usize::from(function.variadic);
    for (parameter, argument) in function.parameters.iter().take(fixed).zip(arguments) {
        total += match &parameter.variable.class {
            Some(class) => fitness(argument, class)?,
            None => ANY_COST,
        };
    }
    Some(total)
}

/// How badly a value fits a type; `None` when it does not.
fn fitness(value: &Value, class: &Type) -> Option<u32> {
    let Some(expected) = &class.class else { return Some(ANY_COST) };
    if class.dimensions > 0 {
        return matches!(value, Value::List(_) | Value::Bytes(_) | Value::Null).then_some(1);
    }
    if value.is_null() {
        return (!class.primitive).then_some(2);
    }
    let actual = value.class();
    if actual == *expected {
        return Some(0);
    }
    let Class::Builtin(expected_) = expected else {
        return actual.is(expected).then_some(1);
    };
    let rank = |class: Builtin| -> Option<u32> {
        match class {
            Builtin::Byte => Some(1),
            Builtin::Short => Some(2),
            Builtin::Integer => Some(3),
            Builtin::Long => Some(4),
            Builtin::BigInteger => Some(5),
            Builtin::Float => Some(6),
            Builtin::Double => Some(7),
            Builtin::BigDecimal => Some(8),
            _ => None,
        }
    };
    if let (Class::Builtin(actual), Some(wanted)) = (&actual, rank(*expected_)) {
        let own = rank(*actual)?;
        // A decimal goes to a double, and every number to a wider one.
        let converts = own <= wanted || (*actual == Builtin::BigDecimal && wanted >= 6);
        return converts.then(|| 1 + u32::abs_diff(wanted, own));
    }
    match expected_ {
        Builtin::Object => Some(ANY_COST),
        Builtin::String if matches!(value, Value::GString(_)) => Some(1),
        Builtin::String => {
            matches!(value, Value::Native(native) if matches!(**native, Native::LazyText(_))).then_some(1)
        }
        Builtin::Closure => matches!(value, Value::Closure(_)).then_some(0),
        _ if instance_of(value, expected) => Some(1),
        // Closures are accepted where Java wants an object with one method.
        _ if expected_.is_functional() && matches!(value, Value::Closure(_)) => Some(3),
        // Types of the collector are what the helper class answers.
        Builtin::SnowplowCollectorPayload => matches!(value, Value::Map(_)).then_some(3),
        _ => None,
    }
}
