//! Objects: constructors, fields, constants of enums.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::Machine;
use super::invoke::cost;
use super::property::missing_property;
use crate::class::{Builtin, Class};
use crate::debt;
use crate::raise::{EXCEPTION_BYTES, Run, raise};
use crate::syntax::{ClassDef, Function, MethodName, Type};
use crate::value::{Object, Throwable, Value};

impl Machine<'_> {
    /// `new Class(..)`; `named` when all arguments are one map of names.
    pub(super) fn create(&mut self, class: &Type, arguments: &[Value], named: bool) -> Run {
        match &class.class {
            Some(Class::Script(class)) => {
                let class = Rc::clone(class);
                if class.is_interface || class.is_abstract {
                    return Err(raise(
                        Builtin::IllegalArgumentException,
                        format!("`{}` is abstract; make an object of a class below it", class.name),
                    ));
                }
                self.construct(&class, arguments, named)
            }
            Some(Class::Builtin(builtin)) => self.create_builtin(*builtin, arguments),
            None => Ok(Value::Null),
        }
    }

    /// `new Class(..)`, for the library.
    pub(crate) fn created(&mut self, class: &Type, arguments: &[Value]) -> Run {
        self.deeper(|machine| machine.create(class, arguments, false))
    }

    fn create_builtin(&mut self, class: Builtin, arguments: &[Value]) -> Run {
        if class.is(Builtin::Throwable) {
            debt::bytes(EXCEPTION_BYTES);
            let object = Rc::new(Object {
                class: Class::Builtin(class),
                fields: RefCell::default(),
                throwable: Some(Throwable::default()),
                ordinal: None,
                watched: Cell::new(false),
            });
            self.init_throwable(&object, arguments)?;
            return Ok(Value::Object(object));
        }
        let plain = Value::plain_texts(arguments);
        match crate::library::create(self, class, plain.as_deref().unwrap_or(arguments))? {
            Some(value) => Ok(value),
            None => {
                let classes: Vec<String> =
                    arguments.iter().map(|argument| argument.class().simple_name().to_owned()).collect();
                Err(raise(
                    Builtin::GroovyRuntimeException,
                    format!(
                        "Could not find matching constructor for: {}({})",
                        class.full_name(),
                        classes.join(", ")
                    ),
                ))
            }
        }
    }

    /// Message and cause of an exception.
    fn init_throwable(&mut self, object: &Rc<Object>, arguments: &[Value]) -> Run<()> {
        let Some(throwable) = &object.throwable else { return Ok(()) };
        let is_cause = |value: &Value| matches!(value, Value::Object(cause) if cause.throwable.is_some());
        match arguments {
            [] => {}
            [cause] if is_cause(cause) => {
                let message = self.text(cause)?;
                *throwable.message.borrow_mut() = Value::Text(message);
                *throwable.cause.borrow_mut() = cause.clone();
                self.watch_object(object);
            }
            [message, rest @ ..] => {
                if !message.is_null() {
                    let message = self.text(message)?;
                    *throwable.message.borrow_mut() = Value::Text(message);
                }
                if let Some(cause) = rest.first().filter(|cause| is_cause(cause)) {
                    *throwable.cause.borrow_mut() = cause.clone();
                    self.watch_object(object);
                }
            }
        }
        Ok(())
    }

    /// The message of an exception, which its class may compute.
    pub(crate) fn message_of(&mut self, value: &Value, throwable: &Throwable) -> Run {
        if self.responds(value, "getMessage") {
            return self.invoke(value, &MethodName::new("getMessage"), &[]);
        }
        Ok(throwable.message.borrow().clone())
    }

    /// An object of a class of the script.
    pub(super) fn construct(&mut self, class: &Rc<ClassDef>, arguments: &[Value], named: bool) -> Run {
        self.allocate(128)?;
        let throwable = class.builtin_parent().is(Builtin::Throwable).then(Throwable::default);
        let object = Rc::new(Object {
            class: Class::Script(Rc::clone(class)),
            fields: RefCell::default(),
            throwable,
            ordinal: None,
            watched: Cell::new(false),
        });
        let value = Value::Object(Rc::clone(&object));
        self.deeper(|machine| {
            machine.init_fields(class, &object, false)?;
            machine.init(class, &value, arguments, named)
        })?;
        Ok(value)
    }

    /// Gives fields their first values, those of parents first.
    fn init_fields(&mut self, class: &Rc<ClassDef>, object: &Rc<Object>, statics: bool) -> Run<()> {
        let lineage = if statics { vec![Rc::clone(class)] } else { class.lineage() };
        for class in lineage.iter().rev() {
            let count = class.body.borrow().fields.len();
            for index in 0..count {
                let (name, kind, initial) = match class.body.borrow().fields.get(index) {
                    Some(field) if field.is_static == statics => {
                        (Rc::clone(&field.name), field.class.clone(), field.initial.clone())
                    }
                    _ => continue,
                };
                let this = if statics {
                    Value::Class(Class::Script(Rc::clone(class)))
                } else {
                    Value::Object(Rc::clone(object))
                };
                let value = match (&initial, &kind) {
                    (Some(initial), kind) => {
                        let value = self.call_function(initial, this, None, &[])?;
                        match kind {
                            Some(kind) => self.assigned(value, kind)?,
                            None => value,
                        }
                    }
                    (None, Some(kind)) if kind.primitive => self.zero(kind),
                    (None, _) => Value::Null,
                };
                self.set_field(object, &name, value)?;
            }
        }
        Ok(())
    }

    /// Runs the constructor that fits, or sets properties.
    fn init(&mut self, class: &Rc<ClassDef>, value: &Value, arguments: &[Value], named: bool) -> Run<()> {
        let constructors = class.body.borrow().constructors.clone();
        let best = constructors
            .iter()
            .filter_map(|constructor| Some((cost(constructor, arguments)?, constructor)))
            .min_by_key(|(cost, _)| *cost)
            .map(|(_, constructor)| Rc::clone(constructor));
        if let Some(constructor) = best {
            if !calls_constructor(&constructor) {
                self.init_parent(class, value, &[])?;
            }
            self.call_function(&constructor, value.clone(), None, arguments)?;
            return Ok(());
        }
        match arguments {
            [] if constructors.is_empty() => return self.init_parent(class, value, &[]),
            [Value::Map(map)] if named || constructors.is_empty() => {
                let has_plain =
                    constructors.is_empty() || constructors.iter().any(|one| one.parameters.is_empty());
                if has_plain {
                    if constructors.is_empty() {
                        self.init_parent(class, value, &[])?;
                    } else {
                        self.init(class, value, &[], false)?;
                    }
                    let entries: Vec<(Value, Value)> = map
                        .entries
                        .borrow()
                        .iter()
                        .map(|(key, value)| (key.0.clone(), value.clone()))
                        .collect();
                    let is_immutable =
                        class.body.borrow().annotations.iter().any(|(name, _)| &**name == "Immutable");
                    for (key, property) in entries {
                        let name = self.text(&key)?;
                        self.set_property(value, &name, property, is_immutable)?;
                    }
                    return Ok(());
                }
            }
            _ => {}
        }
        let is_tuple = class
            .body
            .borrow()
            .annotations
            .iter()
            .any(|(name, _)| matches!(&**name, "Canonical" | "TupleConstructor" | "Immutable"));
        if constructors.is_empty() && is_tuple {
            let names = Self::properties_of(class);
            if arguments.len() <= names.len() {
                for (name, argument) in names.iter().zip(arguments) {
                    self.set_property(value, name, argument.clone(), true)?;
                }
                return Ok(());
            }
        }
        // An exception without constructors takes what exceptions take.
        if constructors.is_empty() && class.builtin_parent().is(Builtin::Throwable) {
            return self.init_parent(class, value, arguments);
        }
        let classes: Vec<String> =
            arguments.iter().map(|argument| argument.class().simple_name().to_owned()).collect();
        Err(raise(
            Builtin::GroovyRuntimeException,
            format!("Could not find matching constructor for: {}({})", class.name, classes.join(", ")),
        ))
    }

    fn init_parent(&mut self, class: &Rc<ClassDef>, value: &Value, arguments: &[Value]) -> Run<()> {
        match class.parent() {
            Some(Class::Script(parent)) => {
                self.deeper(|machine| machine.init(&parent, value, arguments, false))
            }
            Some(Class::Builtin(_)) => match value {
                Value::Object(object) => self.init_throwable(object, arguments),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// `this(..)` and `super(..)`
    pub(super) fn call_constructor(&mut self, parent: bool, arguments: &[Value]) -> Run {
        let this = self.frame.this.clone();
        let running = Rc::clone(&self.frame.function);
        let Value::Object(object) = &this else {
            return Err(raise(
                Builtin::MissingMethodException,
                "`this(..)` and `super(..)` are possible in constructors only",
            ));
        };
        let Class::Script(class) = &object.class else { return Ok(Value::Null) };
        // The class whose constructor is running.
        let owner = class
            .lineage()
            .into_iter()
            .find(|class| class.body.borrow().constructors.iter().any(|one| Rc::ptr_eq(one, &running)))
            .unwrap_or_else(|| Rc::clone(class));
        if parent {
            self.init_parent(&owner, &this, arguments)?;
        } else {
            self.deeper(|machine| machine.init(&owner, &this, arguments, false))?;
        }
        Ok(Value::Null)
    }

    /// The static fields of a class, made when first needed.
    pub(super) fn static_fields(&mut self, class: &Rc<ClassDef>) -> Run<Rc<Object>> {
        if let Some(statics) = self.statics_of(class.index) {
            return Ok(statics);
        }
        let statics = Rc::new(Object {
            class: Class::Script(Rc::clone(class)),
            fields: RefCell::default(),
            throwable: None,
            ordinal: None,
            watched: Cell::new(false),
        });
        if let Some(place) = self.statics.get_mut(class.index) {
            *place = Some(Rc::clone(&statics));
        }
        let constants: Vec<(Rc<str>, Rc<Function>)> = {
            let body = class.body.borrow();
            body.constants.iter().map(|one| (Rc::clone(&one.name), Rc::clone(&one.arguments))).collect()
        };
        for (ordinal, (name, arguments)) in constants.into_iter().enumerate() {
            let this = Value::Class(Class::Script(Rc::clone(class)));
            let made = self.call_function(&arguments, this, None, &[])?;
            if let Value::Object(made) = made {
                let mut fields = made.fields.take();
                fields.insert("$name".into(), Value::Text(Rc::clone(&name)));
                let constant = Rc::new(Object {
                    class: made.class.clone(),
                    fields: RefCell::new(fields),
                    throwable: None,
                    ordinal: Some(ordinal),
                    watched: Cell::new(false),
                });
                self.set_field(&statics, &name, Value::Object(constant))?;
            }
        }
        self.init_fields(class, &statics, true)?;
        Ok(statics)
    }

    /// A static field, or a constant of an enum.
    pub(super) fn static_field(&mut self, class: &Rc<ClassDef>, name: &str) -> Run<Option<Value>> {
        for class in class.lineage() {
            let declares = {
                let body = class.body.borrow();
                body.fields
                    .iter()
                    .any(|field| *field.name == *name && (field.is_static || class.is_interface))
                    || body.constants.iter().any(|constant| *constant.name == *name)
            };
            if declares {
                let statics = self.static_fields(&class)?;
                let value = statics.fields.borrow().get(name).cloned();
                return Ok(value);
            }
        }
        Ok(None)
    }

    /// `values()`, `valueOf(name)` and what else an enum offers.
    pub(super) fn enum_call(
        &mut self,
        class: &Rc<ClassDef>,
        name: &MethodName,
        arguments: &[Value],
    ) -> Run<Option<Value>> {
        if !class.is_enum {
            return Ok(None);
        }
        let statics = self.static_fields(class)?;
        let mut constants: Vec<Value> = statics.fields.borrow().values().cloned().collect();
        constants.retain(|value| matches!(value, Value::Object(constant) if constant.ordinal.is_some()));
        Ok(Some(match (&*name.text, arguments) {
            ("values", []) => {
                self.allocate_items(constants.len())?;
                Value::array(constants)
            }
            ("valueOf", [wanted]) => {
                let wanted = self.text(wanted)?;
                let names: Vec<Rc<str>> =
                    class.body.borrow().constants.iter().map(|constant| Rc::clone(&constant.name)).collect();
                if !names.contains(&wanted) {
                    return Err(raise(
                        Builtin::IllegalArgumentException,
                        format!("No enum constant {}.{wanted}; there are {}", class.name, names.join(", ")),
                    ));
                }
                statics.fields.borrow().get(&wanted).cloned().unwrap_or_default()
            }
            ("iterator", []) => Value::list(constants),
            ("next" | "previous", _) => return Err(missing_property(&name.text, &class.name)),
            (
                "collect" | "find" | "findAll" | "each" | "any" | "every" | "collectEntries"
                | "eachWithIndex",
                _,
            ) => {
                let list = Value::list(constants);
                return self.invoke(&list, name, arguments).map(Some);
            }
            _ => return Ok(None),
        }))
    }

    /// `new int[3]`, `new int[]{1, 2}`
    pub(super) fn new_array(
        &mut self,
        class: &Type,
        lengths: &[crate::syntax::Expr],
        items: Option<&[crate::syntax::Expr]>,
    ) -> Run {
        if let Some(items) = items {
            let mut values = Vec::with_capacity(items.len());
            for item in items {
                values.push(self.eval(item)?);
            }
            self.allocate_items(values.len())?;
            return self.cast(Value::list(values), class);
        }
        let mut counts = Vec::new();
        for length in lengths {
            let length = self.eval(length)?;
            let Some(length) =
                crate::number::to_long(&length).and_then(|length| usize::try_from(length).ok())
            else {
                let length = self.text(&length)?;
                return Err(raise(Builtin::NegativeArraySizeException, length));
            };
            counts.push(length);
        }
        let zero = if class.dimensions > 0 { Value::Null } else { self.zero(class) };
        if let (Some(count), 1, "byte") = (counts.first(), counts.len(), &*class.name) {
            self.allocate(*count)?;
            return Ok(Value::Bytes(vec![0; *count].into()));
        }
        self.filled(&counts, &zero)
    }

    fn filled(&mut self, counts: &[usize], zero: &Value) -> Run {
        let Some((count, rest)) = counts.split_first() else { return Ok(zero.clone()) };
        self.allocate_items(*count)?;
        let mut items = Vec::new();
        for _ in 0..*count {
            items.push(self.deeper(|machine| machine.filled(rest, zero))?);
        }
        Ok(Value::array(items))
    }
}

/// Whether a constructor begins with `this(..)` or `super(..)`.
fn calls_constructor(function: &Function) -> bool {
    use crate::syntax::{Callee, Expr, Kind, Statement, StatementKind};
    let Some(Statement {
        kind:
            StatementKind::Expr(Expr { kind: Kind::Call(call), .. })
            | StatementKind::Return(Some(Expr { kind: Kind::Call(call), .. })),
        ..
    }) = function.body.first()
    else {
        return false;
    };
    matches!(call.callee, Callee::Constructor { .. })
}
