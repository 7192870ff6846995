//! Runs a script: walks its tree, once per record.
//!
//! Variables of functions lie on one stack and are found by their number. A closure takes what it needs from there along;
//! a variable that both sides see and somebody assigns to lies in a box that both hold.
//!
//! Nothing survives a record. Values that hold each other in a circle would, so whatever can close one is noted when it
//! happens ([`Machine::watch`]) and emptied at the end.

mod coerce;
mod create;
mod expression;
mod invoke;
mod operator;
mod property;
mod statement;
mod text;

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::rc::{Rc, Weak};

use indexmap::IndexMap;

use crate::class::{Builtin, Class};
use crate::debt;
use crate::host::Host;
use crate::limits::Limits;
use crate::pattern::Pattern;
use crate::raise::{Raise, Run, raise};
use crate::syntax::{Function, Program};
use crate::value::{Closure, Entries, Key, List, ListKind, Map, MapKind, Native, Object, Shared, Value};

pub(crate) use coerce::instance_of;
pub(crate) use property::{accessor, bounds, missing_property};

/// Compiled expressions that are kept between records.
const PATTERNS_MAX: usize = 64;

/// What a compiled expression takes in bytes, roughly.
const PATTERN_BYTES: usize = 8 << 10;

/// What a call takes from the depth beside the expressions in it.
const CALL_DEPTH: u32 = 3;

/// What an item of a list takes in bytes, roughly.
const ITEM_BYTES: usize = 24;

/// What an entry of a map takes in bytes, roughly.
pub(crate) const ENTRY_BYTES: usize = 96;

/// Items that are moved by a place in one step, to make room or to close a gap.
pub(crate) const MOVED_PER_STEP: u64 = 8;

/// Compiled expressions by their source and flags.
type Patterns = HashMap<(Rc<str>, i32), Rc<Pattern>>;

/// What stays between records.
#[derive(Debug, Default)]
pub(crate) struct Caches {
    patterns: RefCell<Patterns>,
}

/// The function that is running.
struct Frame {
    /// Where its variables begin.
    base: usize,
    function: Rc<Function>,
    this: Value,
    closure: Option<Rc<Closure>>,
    /// Whether names may belong to the delegate of a closure around.
    delegated: bool,
}

/// Something that may be part of a circle.
enum Watched {
    List(Weak<List>),
    Map(Weak<Map>),
    Object(Weak<Object>),
    Shared(Weak<Shared>),
    Closure(Weak<Closure>),
    Native(Weak<Native>),
}

/// A running script.
pub(crate) struct Machine<'a> {
    pub(crate) host: &'a mut dyn Host,
    program: Rc<Program>,
    caches: &'a Caches,
    stack: Vec<Value>,
    frame: Frame,
    globals: Vec<Option<Value>>,
    /// Variables of the binding whose names the script only computes.
    extra: IndexMap<Rc<str>, Value, BuildHasherDefault<DefaultHasher>>,
    /// Static fields by the index of their class; made when first used.
    statics: Vec<Option<Rc<Object>>>,
    depth_left: u32,
    steps_left: u64,
    bytes_left: u64,
    watched: Vec<Watched>,
}

impl<'a> Machine<'a> {
    /// A machine that has run nothing yet.
    pub(crate) fn new(
        program: &Rc<Program>,
        caches: &'a Caches,
        host: &'a mut dyn Host,
        limits: Limits,
    ) -> Self {
        debt::take();
        let frame = Frame {
            base: 0,
            function: Rc::clone(&program.main),
            this: Value::Null,
            closure: None,
            delegated: false,
        };
        Self {
            host,
            program: Rc::clone(program),
            caches,
            stack: Vec::new(),
            frame,
            globals: vec![None; program.globals.len()],
            extra: IndexMap::default(),
            statics: vec![None; program.classes.len()],
            depth_left: limits.depth,
            steps_left: limits.steps,
            bytes_left: limits.bytes,
            watched: Vec::new(),
        }
    }

    /// Runs the script with its variables.
    pub(crate) fn run_script(&mut self, variables: [Value; 2]) -> Run {
        for (place, value) in self.globals.iter_mut().zip(variables) {
            *place = Some(value);
        }
        let main = Rc::clone(&self.program.main);
        self.call_function(&main, Value::Null, None, &[])
    }

    /// Ends a level of expressions or calls that [`Machine::enter`] began.
    fn leave(&mut self, levels: u32) {
        self.depth_left += levels;
    }

    /// Begins a level of expressions or calls.
    fn enter(&mut self, levels: u32) -> Run<()> {
        self.step(1)?;
        match self.depth_left.checked_sub(levels) {
            Some(left) => {
                self.depth_left = left;
                Ok(())
            }
            None => Err(too_deep()),
        }
    }

    /// Goes down into a value that holds others, which it might do without end.
    pub(crate) fn deeper<T>(&mut self, inside: impl FnOnce(&mut Self) -> Run<T>) -> Run<T> {
        self.enter(1)?;
        let answer = inside(self);
        self.leave(1);
        answer
    }

    /// Counts work, and what was noted since the last time.
    pub(crate) fn step(&mut self, steps: u64) -> Run<()> {
        if debt::is_open() {
            self.pay()?;
        }
        match self.steps_left.checked_sub(steps) {
            Some(left) => {
                self.steps_left = left;
                Ok(())
            }
            None => Err(self.out_of_steps()),
        }
    }

    /// Counts what was noted.
    #[inline(never)]
    fn pay(&mut self) -> Run<()> {
        let (steps, bytes) = debt::take();
        self.hold(bytes)?;
        match self.steps_left.checked_sub(steps) {
            Some(left) if steps < debt::STEPS_MAX => {
                self.steps_left = left;
                Ok(())
            }
            _ => Err(self.out_of_steps()),
        }
    }

    #[cold]
    fn out_of_steps(&mut self) -> Box<Raise> {
        self.steps_left = 0;
        Raise::exhausted(
            "java.util.concurrent.TimeoutException",
            "the script took more steps for one record than it is given; look for a loop without end, or do less per record",
        )
    }

    /// Counts memory, and the work to fill it.
    pub(crate) fn allocate(&mut self, bytes: usize) -> Run<()> {
        self.hold(bytes as u64)?;
        self.step(bytes as u64 / 64)
    }

    /// Counts memory of so many sizes at once, each so often, if there is enough left for all of it.
    pub(crate) fn affords(&mut self, costs: &[(usize, usize)]) -> bool {
        let bytes = costs.iter().map(|(size, times)| (size * times) as u64).sum();
        let steps = costs.iter().map(|(size, times)| (size / 64 * times) as u64).sum();
        match (self.bytes_left.checked_sub(bytes), self.steps_left.checked_sub(steps)) {
            (Some(bytes), Some(steps)) => {
                (self.bytes_left, self.steps_left) = (bytes, steps);
                true
            }
            _ => false,
        }
    }

    /// Steps and bytes that are left.
    #[cfg(test)]
    pub(crate) fn left(&self) -> (u64, u64) {
        (self.steps_left, self.bytes_left)
    }

    fn hold(&mut self, bytes: u64) -> Run<()> {
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                Ok(())
            }
            None => {
                self.bytes_left = 0;
                Err(Raise::exhausted(
                    "java.lang.OutOfMemoryError",
                    "the script allocated more memory for one record than it is given; look for a text or list that grows without end",
                ))
            }
        }
    }

    /// Counts the items of a list.
    pub(crate) fn allocate_items(&mut self, count: usize) -> Run<()> {
        self.allocate(count.saturating_mul(ITEM_BYTES))
    }

    /// A text.
    pub(crate) fn new_text(&mut self, text: impl AsRef<str>) -> Run {
        let text = text.as_ref();
        self.allocate(text.len() + 16)?;
        Ok(Value::Text(text.into()))
    }

    /// A list.
    pub(crate) fn new_list(&mut self, items: Vec<Value>) -> Run {
        self.allocate_items(items.len() + 2)?;
        Ok(Value::list(items))
    }

    /// A map.
    pub(crate) fn new_map(&mut self, entries: Entries) -> Run {
        self.allocate(entries.len().saturating_mul(ENTRY_BYTES) + ENTRY_BYTES)?;
        Ok(Value::map(entries))
    }

    /// A set.
    pub(crate) fn new_set(&mut self, items: Vec<Value>, kind: MapKind) -> Run {
        self.allocate(items.len().saturating_mul(ENTRY_BYTES) + ENTRY_BYTES)?;
        let set = Value::set(items, kind);
        self.step(1)?;
        if let (MapKind::Sorted, Value::Set(set)) = (kind, &set) {
            self.sort_keys(set)?;
        }
        Ok(set)
    }

    /// A compiled expression, from the cache where it is there.
    pub(crate) fn pattern(&mut self, source: &str, flags: i32) -> Run<Rc<Pattern>> {
        let key = (Rc::from(source), flags);
        if let Some(pattern) = self.caches.patterns.borrow().get(&key) {
            return Ok(Rc::clone(pattern));
        }
        self.step(1_000 + source.len() as u64 * 20)?;
        self.allocate(PATTERN_BYTES + source.len() * 64)?;
        let pattern = Rc::new(Pattern::compile(source, flags)?);
        let mut patterns = self.caches.patterns.borrow_mut();
        // A script has few literals; one that computes expressions starts over now and then.
        if patterns.len() >= PATTERNS_MAX {
            patterns.clear();
        }
        patterns.insert(key, Rc::clone(&pattern));
        Ok(pattern)
    }

    /// Adds to a list.
    pub(crate) fn list_push(&mut self, list: &Rc<List>, value: Value) -> Run<()> {
        self.list_change(list, &value, |items, value| items.push(value))
    }

    /// Changes a list so that it holds a value.
    pub(crate) fn list_change(
        &mut self,
        list: &Rc<List>,
        value: &Value,
        change: impl FnOnce(&mut Vec<Value>, Value),
    ) -> Run<()> {
        if list.kind == ListKind::Frozen {
            return Err(unsupported("the list cannot be changed; make a copy with `list.collect()`"));
        }
        self.allocate(ITEM_BYTES)?;
        if value.is_container() && !list.watched.replace(true) {
            self.watched.push(Watched::List(Rc::downgrade(list)));
        }
        change(&mut list.items.borrow_mut(), value.clone());
        Ok(())
    }

    /// Puts an entry into a map.
    pub(crate) fn map_put(&mut self, map: &Rc<Map>, key: Value, value: Value) -> Run<Option<Value>> {
        if map.kind == MapKind::Frozen {
            return Err(unsupported(
                "the map or set cannot be changed; make a copy with `[*:map]` or `as Set`",
            ));
        }
        self.allocate(ENTRY_BYTES)?;
        let key = self.known_key(map, key)?;
        if (value.is_container() || key.is_container()) && !map.watched.replace(true) {
            self.watched.push(Watched::Map(Rc::downgrade(map)));
        }
        let (index, before) = map.entries.borrow_mut().insert_full(Key(key), value);
        if map.kind == MapKind::Sorted && before.is_none() {
            self.sort_last(map, index)?;
        }
        Ok(before)
    }

    /// The key of a map that equals an object by the methods of its class; hashing cannot call these.
    pub(crate) fn known_key(&mut self, map: &Map, key: Value) -> Run {
        if !matches!(key, Value::Object(_)) || !self.responds(&key, "equals") {
            return Ok(key);
        }
        let keys: Vec<Value> = map.entries.borrow().keys().map(|key| key.0.clone()).collect();
        self.allocate_items(keys.len())?;
        for known in keys {
            if self.equal(&known, &key)? {
                return Ok(known);
            }
        }
        Ok(key)
    }

    /// Moves the last entry of a sorted map to its place.
    fn sort_last(&mut self, map: &Rc<Map>, last: usize) -> Run<()> {
        let key_at = |index: usize| map.entries.borrow().get_index(index).map(|(key, _)| key.0.clone());
        let Some(key) = key_at(last) else { return Ok(()) };
        let (mut low, mut high) = (0, last);
        while low < high {
            let middle = low + (high - low) / 2;
            let Some(other) = key_at(middle) else { break };
            if self.compare(&other, &key)?.is_gt() { high = middle } else { low = middle + 1 }
        }
        self.step((last - low.min(last)) as u64 / MOVED_PER_STEP)?;
        let mut entries = map.entries.borrow_mut();
        if last < entries.len() && low <= last {
            entries.move_index(last, low);
        }
        Ok(())
    }

    /// Sorts the keys of a map.
    pub(crate) fn sort_keys(&mut self, map: &Rc<Map>) -> Run<()> {
        let entries = map.entries.take();
        let (keys, mut by_key): (Vec<Value>, Entries) =
            (entries.keys().map(|key| key.0.clone()).collect(), entries);
        let sorted = self.sorted(keys, &mut |machine, left, right| machine.compare(left, right))?;
        let mut entries = Entries::default();
        for key in sorted {
            let key = Key(key);
            let value = by_key.swap_remove(&key).unwrap_or_default();
            entries.insert(key, value);
        }
        *map.entries.borrow_mut() = entries;
        Ok(())
    }

    /// Sets a field of an object.
    pub(crate) fn set_field(&mut self, object: &Rc<Object>, name: &Rc<str>, value: Value) -> Run<()> {
        self.allocate(ITEM_BYTES)?;
        if value.is_container() && !object.watched.replace(true) {
            self.watched.push(Watched::Object(Rc::downgrade(object)));
        }
        object.fields.borrow_mut().insert(Rc::clone(name), value);
        Ok(())
    }

    /// Sets the delegate of a closure.
    pub(crate) fn set_delegate(&mut self, closure: &Rc<Closure>, delegate: Value) {
        if delegate.is_container() && !closure.watched.replace(true) {
            self.watched.push(Watched::Closure(Rc::downgrade(closure)));
        }
        *closure.delegate.borrow_mut() = Some(delegate);
    }

    fn watch_shared(&mut self, shared: &Rc<Shared>, value: &Value) {
        if value.is_container() && !shared.watched.replace(true) {
            self.watched.push(Watched::Shared(Rc::downgrade(shared)));
        }
    }

    /// An exception that a script made becomes part of a circle when it is its own cause.
    pub(crate) fn watch_object(&mut self, object: &Rc<Object>) {
        if !object.watched.replace(true) {
            self.watched.push(Watched::Object(Rc::downgrade(object)));
        }
    }

    /// A value that a method remembers.
    pub(crate) fn watch_closure(&mut self, closure: &Rc<Closure>) {
        if !closure.watched.replace(true) {
            self.watched.push(Watched::Closure(Rc::downgrade(closure)));
        }
    }

    /// An object of the library gets a value.
    pub(crate) fn watch_native(&mut self, native: &Rc<Native>, value: &Value) -> Run<()> {
        if value.is_container() {
            self.allocate(ITEM_BYTES)?;
            self.watched.push(Watched::Native(Rc::downgrade(native)));
        }
        Ok(())
    }

    /// A class in the script by its index.
    fn statics_of(&mut self, index: usize) -> Option<Rc<Object>> {
        self.statics.get(index).cloned().flatten()
    }
}

impl Drop for Machine<'_> {
    /// Breaks the circles.
    fn drop(&mut self) {
        self.globals.clear();
        self.extra.clear();
        self.statics.clear();
        self.stack.clear();
        for watched in self.watched.drain(..) {
            match watched {
                Watched::List(list) => drop(list.upgrade().map(|list| list.items.take())),
                Watched::Map(map) => drop(map.upgrade().map(|map| map.entries.take())),
                Watched::Object(object) => {
                    if let Some(object) = object.upgrade() {
                        drop(object.fields.take());
                        if let Some(throwable) = &object.throwable {
                            drop(throwable.cause.take());
                            drop(throwable.suppressed.take());
                        }
                    }
                }
                Watched::Native(native) => match native.upgrade().as_deref() {
                    Some(Native::JsonBuilder(builder)) => drop(builder.content.take()),
                    Some(Native::Entry { value, .. }) => drop(value.take()),
                    _ => {}
                },
                Watched::Shared(shared) => drop(shared.upgrade().map(|shared| shared.value.take())),
                Watched::Closure(closure) => {
                    if let Some(closure) = closure.upgrade() {
                        drop(closure.delegate.take());
                        if let crate::value::Code::Memoized { answers, .. } = &closure.code {
                            drop(answers.take());
                        }
                    }
                }
            }
        }
    }
}

fn too_deep() -> Box<Raise> {
    Raise::exhausted(
        "java.lang.StackOverflowError",
        "calls or values lie too deep inside of each other; look for a method that calls itself without end",
    )
}

/// Something that the value does not allow.
pub(crate) fn unsupported(message: impl AsRef<str>) -> Box<Raise> {
    raise(Builtin::UnsupportedOperationException, message)
}

/// A class as a value.
pub(crate) fn class_value(class: Builtin) -> Value {
    Value::Class(Class::Builtin(class))
}
