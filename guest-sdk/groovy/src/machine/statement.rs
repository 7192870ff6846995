//! Runs statements.

use std::rc::Rc;

use super::{Machine, Watched, instance_of};
use crate::class::Builtin;
use crate::debt;
use crate::raise::{Raise, Reason, Run, raise};
use crate::syntax::{Catch, Declared, Expr, Statement, StatementKind, Switch};
use crate::value::{ListKind, Shared, Value};

/// What a line of a trace takes in bytes.
const FRAME_BYTES: u64 = 24;

/// How a statement ends.
#[derive(Debug)]
pub(crate) enum Flow {
    Next,
    Break(Option<Rc<str>>),
    Continue(Option<Rc<str>>),
    Return(Value),
}

/// What a loop makes of the end of its body.
enum Turn {
    On,
    Out,
    Leave(Flow),
}

fn turn(flow: Flow, label: Option<&Rc<str>>) -> Turn {
    match flow {
        Flow::Next | Flow::Continue(None) => Turn::On,
        Flow::Break(None) => Turn::Out,
        Flow::Continue(target) if target.as_ref() == label => Turn::On,
        Flow::Break(target) if target.as_ref() == label => Turn::Out,
        other => Turn::Leave(other),
    }
}

impl Machine<'_> {
    /// Runs statements until one of them leaves.
    pub(super) fn run(&mut self, statements: &[Statement]) -> Run<Flow> {
        for statement in statements {
            match self.statement(statement) {
                Ok(Flow::Next) => {}
                Ok(flow) => return Ok(flow),
                Err(mut raise) => {
                    raise.locate(statement.at);
                    return Err(raise);
                }
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&mut self, statement: &Statement) -> Run<Flow> {
        match &statement.kind {
            StatementKind::Expr(expr) => self.eval(expr).map(|_| Flow::Next),
            StatementKind::Return(value) => {
                Ok(Flow::Return(value.as_ref().map_or(Ok(Value::Null), |value| self.eval(value))?))
            }
            StatementKind::Declare(declared, value) => self.declare_with(declared, value.as_ref()),
            StatementKind::Nothing => Ok(Flow::Next),
            StatementKind::Break(label) => Ok(Flow::Break(label.clone())),
            StatementKind::Continue(label) => Ok(Flow::Continue(label.clone())),
            _ => {
                self.enter(1)?;
                let flow = self.compound(statement);
                self.leave(1);
                flow
            }
        }
    }

    fn compound(&mut self, statement: &Statement) -> Run<Flow> {
        match &statement.kind {
            StatementKind::If(arms, other) => {
                for (condition, body) in arms {
                    if self.condition(condition)? {
                        return self.run(body);
                    }
                }
                self.run(other)
            }
            StatementKind::Block(body) => self.run(body),
            StatementKind::While { label, condition, body, first } => {
                self.while_loop(label.as_ref(), condition, body, *first)
            }
            StatementKind::For { label, variable, index, items, body } => {
                self.for_loop(label.as_ref(), variable, index.as_ref(), items, body)
            }
            StatementKind::Loop { label, start, condition, step, body } => {
                self.run(start)?;
                self.counting_loop(label.as_ref(), condition.as_ref(), step, body)
            }
            StatementKind::Switch(switch) => self.switch(switch),
            StatementKind::Try { body, catches, finally } => {
                self.try_block(body, catches, finally.as_deref())
            }
            StatementKind::Throw(value) => {
                let value = self.eval(value)?;
                Err(self.thrown(value))
            }
            StatementKind::Assert { condition, message, text } => {
                self.assertion(condition, message.as_ref(), text).map(|()| Flow::Next)
            }
            StatementKind::DeclareMany(variables, value) => {
                let values = self.eval(value)?;
                for (index, variable) in (0i32..).zip(variables) {
                    let value = self.item_at(&values, index)?;
                    self.declare(variable, value)?;
                }
                Ok(Flow::Next)
            }
            _ => Ok(Flow::Next),
        }
    }

    /// Whether a condition holds.
    pub(super) fn condition(&mut self, condition: &Expr) -> Run<bool> {
        match self.eval(condition)? {
            Value::Bool(value) => Ok(value),
            value => self.truth(&value),
        }
    }

    fn declare_with(&mut self, declared: &Declared, value: Option<&Expr>) -> Run<Flow> {
        let value = match value {
            Some(value) => self.eval(value)?,
            // A primitive has a value from the beginning.
            None => match &declared.class {
                Some(class) if class.primitive => self.zero(class),
                _ => {
                    self.place(declared.slot, Value::Null);
                    return Ok(Flow::Next);
                }
            },
        };
        self.declare(declared, value)?;
        Ok(Flow::Next)
    }

    /// Gives a new variable its value.
    pub(super) fn declare(&mut self, declared: &Declared, value: Value) -> Run<()> {
        let value = match &declared.class {
            Some(class) => self.assigned(value, class)?,
            None => value,
        };
        self.place(declared.slot, value);
        Ok(())
    }

    /// Fills the slot of a new variable.
    pub(super) fn place(&mut self, slot: u32, value: Value) {
        let slot = slot as usize;
        let value = if self.frame.function.shared.get(slot).copied().unwrap_or_default() {
            let shared = Rc::new(Shared::default());
            self.watch_shared(&shared, &value);
            *shared.value.borrow_mut() = value;
            Value::Shared(shared)
        } else {
            value
        };
        if let Some(place) = self.stack.get_mut(self.frame.base + slot) {
            *place = value;
        }
    }

    fn while_loop(
        &mut self,
        label: Option<&Rc<str>>,
        condition: &Expr,
        body: &[Statement],
        first: bool,
    ) -> Run<Flow> {
        let mut checks = first;
        loop {
            self.step(1)?;
            if checks && !self.condition(condition)? {
                return Ok(Flow::Next);
            }
            checks = true;
            let flow = self.run(body)?;
            match turn(flow, label) {
                Turn::On => {}
                Turn::Out => return Ok(Flow::Next),
                Turn::Leave(flow) => return Ok(flow),
            }
        }
    }

    fn counting_loop(
        &mut self,
        label: Option<&Rc<str>>,
        condition: Option<&Expr>,
        step: &[Expr],
        body: &[Statement],
    ) -> Run<Flow> {
        loop {
            self.step(1)?;
            if let Some(condition) = condition {
                if !self.condition(condition)? {
                    return Ok(Flow::Next);
                }
            }
            let flow = self.run(body)?;
            match turn(flow, label) {
                Turn::On => {}
                Turn::Out => return Ok(Flow::Next),
                Turn::Leave(flow) => return Ok(flow),
            }
            for step in step {
                self.eval(step)?;
            }
        }
    }

    fn for_loop(
        &mut self,
        label: Option<&Rc<str>>,
        variable: &Declared,
        index: Option<&Declared>,
        items: &Expr,
        body: &[Statement],
    ) -> Run<Flow> {
        let items = self.eval(items)?;
        // Lists are watched while they are walked, ranges are never written out, all else is copied first.
        let (list, range, copied) = match &items {
            Value::List(list) if list.kind != ListKind::Array => (Some(Rc::clone(list)), None, Vec::new()),
            Value::Range(range) => (None, Some(Rc::clone(range)), Vec::new()),
            _ => (None, None, self.items(&items)?),
        };
        let length = match (&list, &range) {
            (Some(list), _) => list.items.borrow().len() as u64,
            (None, Some(range)) => range.len(),
            (None, None) => copied.len() as u64,
        };
        for at in 0..length {
            self.step(1)?;
            let place = at as usize;
            let item = match (&list, &range) {
                (Some(list), _) => {
                    let items = list.items.borrow();
                    if items.len() as u64 != length {
                        drop(items);
                        return Err(raise(
                            Builtin::ConcurrentModificationException,
                            "the list was changed while it is walked; walk a copy: `for (x in list.collect())`",
                        ));
                    }
                    items.get(place).cloned()
                }
                (None, Some(range)) => Some(range.item(at)),
                (None, None) => copied.get(place).cloned(),
            };
            self.declare(variable, item.unwrap_or_default())?;
            if let Some(index) = index {
                self.declare(index, Value::count(place))?;
            }
            let flow = self.run(body)?;
            match turn(flow, label) {
                Turn::On => {}
                Turn::Out => break,
                Turn::Leave(flow) => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    fn switch(&mut self, switch: &Switch) -> Run<Flow> {
        let value = self.eval(&switch.value)?;
        let mut found = None;
        'cases: for (index, case) in switch.cases.iter().enumerate() {
            for candidate in &case.values {
                let candidate = self.eval(candidate)?;
                if self.is_case(&candidate, &value)? {
                    found = Some(index);
                    break 'cases;
                }
            }
        }
        let default = || switch.cases.iter().position(|case| case.values.is_empty());
        let Some(start) = found.or_else(default) else { return Ok(Flow::Next) };
        for case in switch.cases.iter().skip(start) {
            match self.run(&case.body)? {
                Flow::Next if !case.arrow => {}
                Flow::Next | Flow::Break(None) => break,
                flow => return Ok(flow),
            }
        }
        Ok(Flow::Next)
    }

    fn try_block(
        &mut self,
        body: &[Statement],
        catches: &[Catch],
        finally: Option<&[Statement]>,
    ) -> Run<Flow> {
        let mut answer = self.run(body);
        if let Err(raise) = answer {
            answer = self.catch(raise, catches);
        }
        let Some(finally) = finally else { return answer };
        // Nothing of the script runs once a limit is reached.
        if matches!(&answer, Err(raise) if matches!(raise.reason, Reason::Exhausted(..))) {
            return answer;
        }
        match self.run(finally)? {
            Flow::Next => answer,
            flow => Ok(flow),
        }
    }

    fn catch(&mut self, raise: Box<Raise>, catches: &[Catch]) -> Run<Flow> {
        let Reason::Thrown(object) = &raise.reason else { return Err(raise) };
        let value = Value::Object(Rc::clone(object));
        let takes = |catch: &Catch| {
            if catch.classes.is_empty() {
                return object.class.is(&crate::class::Class::Builtin(Builtin::Exception));
            }
            let mut classes = catch.classes.iter().filter_map(|class| class.class.as_ref());
            classes.any(|class| instance_of(&value, class))
        };
        let Some(catch) = catches.iter().find(|catch| takes(catch)) else { return Err(raise) };
        if let Some(throwable) = &object.throwable {
            if throwable.trace.borrow().is_empty() {
                debt::bytes(FRAME_BYTES * (raise.frames.len() as u64 + 1));
                *throwable.trace.borrow_mut() = raise.trace(&self.frame.function.name);
            }
        }
        self.place(catch.variable.slot, value);
        self.run(&catch.body)
    }

    /// `throw value`
    pub(crate) fn thrown(&mut self, value: Value) -> Box<Raise> {
        match value {
            Value::Object(object) if object.throwable.is_some() => Raise::thrown(object),
            Value::Null => raise(
                Builtin::NullPointerException,
                "Cannot throw exception null; throw an exception, as in `throw new RuntimeException('why')`",
            ),
            other => {
                let name = other.class().full_name().to_owned();
                raise(
                    Builtin::GroovyCastException,
                    format!(
                        "only exceptions can be thrown, not a value of class {name}; write `throw new RuntimeException(..)`"
                    ),
                )
            }
        }
    }

    fn assertion(&mut self, condition: &Expr, message: Option<&Expr>, text: &str) -> Run<()> {
        if self.condition(condition)? {
            return Ok(());
        }
        let Some(message) = message else {
            return Err(raise(Builtin::PowerAssertionError, format!("assert {text}")));
        };
        let message = self.eval(message)?;
        let message = self.text(&message)?;
        Err(raise(Builtin::AssertionError, format!("{message}. Expression: {text}")))
    }

    /// Assigns to a variable of the function; what was assigned.
    pub(super) fn assign_local(&mut self, slot: u32, value: Value) -> Run {
        let function = Rc::clone(&self.frame.function);
        let value = match function.types.get(slot as usize) {
            Some(Some(class)) => self.assigned(value, class)?,
            _ => value,
        };
        self.set_local(slot, value.clone());
        Ok(value)
    }

    fn set_local(&mut self, slot: u32, value: Value) {
        let place = self.frame.base + slot as usize;
        let shared = match self.stack.get_mut(place) {
            Some(Value::Shared(shared)) => Rc::clone(shared),
            Some(place) => {
                *place = value;
                return;
            }
            None => return,
        };
        if value.is_container() && !shared.watched.replace(true) {
            self.watched.push(Watched::Shared(Rc::downgrade(&shared)));
        }
        *shared.value.borrow_mut() = value;
    }

    /// Reads a variable of the function.
    pub(super) fn local(&self, slot: u32) -> Value {
        match self.stack.get(self.frame.base + slot as usize) {
            Some(Value::Shared(shared)) => shared.value.borrow().clone(),
            Some(value) => value.clone(),
            None => Value::Null,
        }
    }
}
