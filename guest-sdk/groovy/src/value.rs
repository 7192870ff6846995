//! Values of a running script.
//!
//! Cheap to clone: whatever is larger than a number is shared. Containers can hold each other without end, so they are
//! taken apart step by step when they go ([`List::drop`] and its like), never by recursion alone.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::rc::Rc;

use indexmap::{Equivalent, IndexMap};
use num_bigint::BigInt;

use crate::class::{Builtin, Class};
use crate::decimal::Decimal;
use crate::json::{Content, Overlay};
use crate::library::json_builder::Builder;
use crate::library::snowplow::Record;
use crate::library::time::Moment;
use crate::pattern::{Matcher, Pattern};
use crate::syntax::{Function, MethodName};

/// A value.
#[derive(Debug, Clone, Default)]
pub(crate) enum Value {
    #[default]
    Null,
    Bool(bool),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Char(char),
    Big(Rc<BigInt>),
    Decimal(Rc<Decimal>),
    Text(Rc<str>),
    /// A text that was computed from others. It equals them, but as a key it is another one.
    GString(Rc<str>),
    /// `byte[]`
    Bytes(Rc<[u8]>),
    List(Rc<List>),
    Map(Rc<Map>),
    /// A set is a map of its items to nothing.
    Set(Rc<Map>),
    Range(Rc<Range>),
    Closure(Rc<Closure>),
    Object(Rc<Object>),
    Class(Class),
    Native(Rc<Native>),
    /// Never a value of the script: a slot whose variable is shared with closures.
    Shared(Rc<Shared>),
}

/// A variable that closures share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) value: RefCell<Value>,
    pub(crate) watched: Cell<bool>,
}

/// What a list may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListKind {
    Plain,
    /// As the plain one; its class is `LinkedList`.
    Linked,
    /// An array: of a fixed length.
    Array,
    /// Nothing can be changed.
    Frozen,
}

/// A list or an array.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) items: Content<Vec<Value>>,
    pub(crate) kind: ListKind,
    pub(crate) watched: Cell<bool>,
}

/// What a map or a set may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MapKind {
    /// In the order of insertion.
    Plain,
    /// In the order of the keys.
    Sorted,
    /// Nothing can be changed.
    Frozen,
}

/// Entries in their order. The hashes are not seeded: a sandbox has no randomness to seed them with.
pub(crate) type Entries = IndexMap<Key, Value, BuildHasherDefault<DefaultHasher>>;

/// A map, or a set.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) entries: Content<Entries>,
    pub(crate) kind: MapKind,
    /// Answers for keys that are missing.
    pub(crate) default: Option<Rc<Closure>>,
    pub(crate) watched: Cell<bool>,
}

/// Whole numbers from one to the other, upwards or downwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) empty: bool,
    /// Whether the items are `Long`s.
    pub(crate) long: bool,
    /// Whether it was written without its end, `1..<3`.
    pub(crate) open: bool,
}

/// Where a closure looks for names that are no variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    OwnerFirst,
    DelegateFirst,
    OwnerOnly,
    DelegateOnly,
}

/// What a closure does when called.
#[derive(Debug)]
pub(crate) enum Code {
    /// Runs code of the script.
    Function { function: Rc<Function>, captured: Vec<Value> },
    /// Calls a method of a value.
    Method { receiver: Value, name: MethodName },
    /// Calls another closure with more arguments: before, after, or at a place.
    Curried { closure: Rc<Closure>, at: Option<usize>, arguments: Vec<Value> },
    /// Calls one closure with the answer of another.
    Composed { first: Rc<Closure>, then: Rc<Closure> },
    /// Calls on while the answer is a jump.
    Trampoline { closure: Rc<Closure> },
    /// What a trampoline calls next.
    Jump { closure: Rc<Closure>, arguments: Vec<Value> },
    /// Remembers answers.
    Memoized { closure: Rc<Closure>, answers: RefCell<Entries> },
}

/// A closure.
#[derive(Debug)]
pub(crate) struct Closure {
    pub(crate) code: Code,
    pub(crate) this: Value,
    pub(crate) owner: Option<Rc<Closure>>,
    pub(crate) delegate: RefCell<Option<Value>>,
    pub(crate) strategy: Cell<Strategy>,
    pub(crate) watched: Cell<bool>,
}

/// What exceptions have beside their fields.
#[derive(Debug, Default)]
pub(crate) struct Throwable {
    pub(crate) message: RefCell<Value>,
    pub(crate) cause: RefCell<Value>,
    /// Where it was thrown, innermost first.
    pub(crate) trace: RefCell<Vec<crate::raise::Frame>>,
    pub(crate) suppressed: RefCell<Vec<Value>>,
}

/// An object of a class of the script, or an exception.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) class: Class,
    pub(crate) fields: RefCell<IndexMap<Rc<str>, Value, BuildHasherDefault<DefaultHasher>>>,
    pub(crate) throwable: Option<Throwable>,
    /// Of constants of an enum: which one.
    pub(crate) ordinal: Option<usize>,
    pub(crate) watched: Cell<bool>,
}

/// An iterator over items that were collected before.
#[derive(Debug)]
pub(crate) struct Items {
    pub(crate) items: Vec<Value>,
    pub(crate) next: Cell<usize>,
}

/// Objects of library classes.
#[derive(Debug)]
pub(crate) enum Native {
    StringBuilder(RefCell<String>, Builtin),
    /// A text with closures that are called whenever it is read.
    LazyText(Vec<Value>),
    Pattern(Rc<Pattern>),
    Matcher(Matcher),
    Entry {
        map: Rc<Map>,
        key: Value,
        value: RefCell<Value>,
    },
    Iterator(Items),
    Moment(Moment),
    Uuid(Rc<str>),
    Slurper(Builtin),
    JsonBuilder(Builder),
    ObjectMapper,
    JsonNode(Value),
    /// What Jackson's `path` answers where there is nothing.
    MissingNode,
    Logger(Rc<str>),
    Level(&'static str),
    Deletion {
        correlation_id: Value,
        event_id: Value,
    },
    Snowplow(Rc<Record>),
    Binding,
    Digest(Rc<str>, RefCell<Vec<u8>>),
    Rounding(crate::decimal::Rounding),
    /// Milliseconds since the epoch, which can be changed.
    Calendar(Cell<i64>),
    /// A pattern for numbers.
    DecimalFormat(Rc<str>, Cell<crate::decimal::Rounding>),
    Precision(u32, crate::decimal::Rounding),
    /// Encoders and decoders of Base64: whether it encodes, whether for URLs, whether padded.
    Base64 {
        encodes: bool,
        url: bool,
        padded: bool,
    },
    /// Something with a name alone: a locale, a character set.
    Named(Builtin, Rc<str>),
    /// `SnowplowSerDe` as an object, as scripts sometimes make one.
    Helper(Builtin),
}

/// A key of a map.
#[derive(Debug, Clone)]
pub(crate) struct Key(pub(crate) Value);

/// A text that is looked up without becoming a value before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextKey<'a>(pub(crate) &'a str);

/// Keys are compared to this depth; what is the same down to there counts as the same.
pub(crate) const KEY_DEPTH: u32 = 16;

impl Hash for TextKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0.as_bytes());
    }
}

impl Equivalent<Key> for TextKey<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        matches!(&key.0, Value::Text(text) if **text == *self.0)
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        crate::compare::hash_into(&self.0, state, KEY_DEPTH);
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        crate::compare::same_key(&self.0, &other.0, KEY_DEPTH)
    }
}

impl Eq for Key {}

impl Value {
    /// A text.
    pub(crate) fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().into())
    }

    /// A list.
    pub(crate) fn list(items: Vec<Value>) -> Self {
        Self::List(Rc::new(List::new(items, ListKind::Plain)))
    }

    /// An array.
    pub(crate) fn array(items: Vec<Value>) -> Self {
        Self::List(Rc::new(List::new(items, ListKind::Array)))
    }

    /// A map.
    pub(crate) fn map(entries: Entries) -> Self {
        Self::Map(Rc::new(Map::new(entries, MapKind::Plain)))
    }

    /// A set.
    pub(crate) fn set(items: impl IntoIterator<Item = Value>, kind: MapKind) -> Self {
        let entries = items.into_iter().map(|item| (Key(item), Self::Null)).collect();
        Self::Set(Rc::new(Map::new(entries, kind)))
    }

    /// An object of a library class.
    pub(crate) fn native(native: Native) -> Self {
        crate::debt::bytes(std::mem::size_of::<Native>() as u64);
        Self::Native(Rc::new(native))
    }

    /// A whole number in the smallest type that holds it.
    pub(crate) fn whole(number: i64) -> Self {
        i32::try_from(number).map_or(Self::Long(number), Self::Int)
    }

    /// A whole number in the smallest type that holds it.
    pub(crate) fn whole_of(number: BigInt) -> Self {
        use num_traits::ToPrimitive;
        match number.to_i64() {
            Some(small) => Self::whole(small),
            None => Self::Big(Rc::new(number)),
        }
    }

    /// A decimal number.
    pub(crate) fn decimal(number: Decimal) -> Self {
        Self::Decimal(Rc::new(number))
    }

    /// The plain text of a computed one; `None` for all else.
    pub(crate) fn computed_text(&self) -> Option<Self> {
        match self {
            Self::GString(text) => Some(Self::Text(Rc::clone(text))),
            _ => None,
        }
    }

    /// Arguments without computed texts; `None` when there are none among them.
    pub(crate) fn plain_texts(arguments: &[Self]) -> Option<Vec<Self>> {
        arguments.iter().any(|argument| matches!(argument, Self::GString(_))).then(|| {
            arguments
                .iter()
                .map(|argument| argument.computed_text().unwrap_or_else(|| argument.clone()))
                .collect()
        })
    }

    /// A length.
    pub(crate) fn count(count: usize) -> Self {
        Self::Int(i32::try_from(count).unwrap_or(i32::MAX))
    }

    /// Whether it is `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it is a number.
    pub(crate) fn is_number(&self) -> bool {
        matches!(
            self,
            Self::Int(_) | Self::Long(_) | Self::Float(_) | Self::Double(_) | Self::Big(_) | Self::Decimal(_)
        )
    }

    /// Whether it holds other values, so that storing it can close a circle.
    pub(crate) fn is_container(&self) -> bool {
        match self {
            Self::List(_)
            | Self::Map(_)
            | Self::Set(_)
            | Self::Closure(_)
            | Self::Object(_)
            | Self::Shared(_) => true,
            Self::Native(native) => {
                matches!(
                    **native,
                    Native::Entry { .. }
                        | Native::Iterator(_)
                        | Native::JsonBuilder(_)
                        | Native::JsonNode(_)
                        | Native::LazyText(_)
                )
            }
            _ => false,
        }
    }

    /// Its class.
    pub(crate) fn class(&self) -> Class {
        Class::Builtin(match self {
            Self::Null | Self::Shared(_) => Builtin::Object,
            Self::Bool(_) => Builtin::Boolean,
            Self::Int(_) => Builtin::Integer,
            Self::Long(_) => Builtin::Long,
            Self::Float(_) => Builtin::Float,
            Self::Double(_) => Builtin::Double,
            Self::Char(_) => Builtin::Character,
            Self::Big(_) => Builtin::BigInteger,
            Self::Decimal(_) => Builtin::BigDecimal,
            Self::Text(_) => Builtin::String,
            Self::GString(_) => Builtin::GString,
            Self::List(list) if list.kind == ListKind::Linked => Builtin::LinkedList,
            Self::Bytes(_) | Self::List(_) => Builtin::ArrayList,
            Self::Map(map) if map.kind == MapKind::Sorted => Builtin::TreeMap,
            Self::Map(_) => Builtin::LinkedHashMap,
            Self::Set(set) if set.kind == MapKind::Sorted => Builtin::TreeSet,
            Self::Set(_) => Builtin::LinkedHashSet,
            Self::Range(_) => Builtin::IntRange,
            Self::Closure(_) => Builtin::Closure,
            Self::Object(object) => return object.class.clone(),
            Self::Class(_) => Builtin::Class,
            Self::Native(native) => native.class(),
        })
    }
}

impl Native {
    /// Its class.
    pub(crate) fn class(&self) -> Builtin {
        match self {
            Self::StringBuilder(_, class)
            | Self::Named(class, _)
            | Self::Slurper(class)
            | Self::Helper(class) => *class,
            Self::LazyText(_) => Builtin::GString,
            Self::Pattern(_) => Builtin::Pattern,
            Self::Matcher(_) => Builtin::Matcher,
            Self::Entry { .. } => Builtin::Entry,
            Self::Iterator(_) => Builtin::Iterator,
            Self::Moment(moment) => moment.class(),
            Self::Uuid(_) => Builtin::UUID,
            Self::JsonBuilder(_) => Builtin::JsonBuilder,
            Self::ObjectMapper => Builtin::ObjectMapper,
            Self::JsonNode(Value::Map(_)) => Builtin::ObjectNode,
            Self::JsonNode(Value::List(_)) => Builtin::ArrayNode,
            Self::JsonNode(_) | Self::MissingNode => Builtin::JsonNode,
            Self::Logger(_) => Builtin::Logger,
            Self::Level(_) => Builtin::Level,
            Self::Deletion { .. } => Builtin::DeletionEvent,
            Self::Snowplow(_) => Builtin::SnowplowCollectorPayload,
            Self::Binding => Builtin::Binding,
            Self::Digest(..) => Builtin::MessageDigest,
            Self::Rounding(_) => Builtin::RoundingMode,
            Self::Calendar(_) => Builtin::Calendar,
            Self::DecimalFormat(..) => Builtin::DecimalFormat,
            Self::Precision(..) => Builtin::MathContext,
            Self::Base64 { .. } => Builtin::Base64,
        }
    }
}

impl List {
    /// A list of items.
    pub(crate) fn new(items: Vec<Value>, kind: ListKind) -> Self {
        Self { items: Content::new(items), kind, watched: Cell::new(false) }
    }

    /// A list whose items are text as yet.
    pub(crate) fn unread(overlay: Overlay, kind: ListKind) -> Self {
        Self { items: Content::unread(overlay), kind, watched: Cell::new(false) }
    }
}

impl Map {
    /// A map of entries.
    pub(crate) fn new(entries: Entries, kind: MapKind) -> Self {
        Self { entries: Content::new(entries), kind, default: None, watched: Cell::new(false) }
    }

    /// A map whose entries are text as yet.
    pub(crate) fn unread(overlay: Overlay, kind: MapKind) -> Self {
        Self { entries: Content::unread(overlay), kind, default: None, watched: Cell::new(false) }
    }

    /// The value of a text.
    pub(crate) fn get_text(&self, key: &str) -> Option<Value> {
        match self.entries.looked(|overlay| overlay.field(key)) {
            Some(found) => found,
            None => self.entries.borrow().get(&TextKey(key)).cloned(),
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &Value) -> Option<Value> {
        match key {
            Value::Text(text) => self.get_text(text),
            // A computed text finds what was stored under a plain one, too.
            Value::GString(text) => {
                let own = self.entries.borrow().get(&Key(key.clone())).cloned();
                own.or_else(|| self.get_text(text))
            }
            _ => self.entries.borrow().get(&Key(key.clone())).cloned(),
        }
    }
}

impl Range {
    /// How many items there are.
    pub(crate) fn len(self) -> u64 {
        if self.empty { 0 } else { self.from.abs_diff(self.to).saturating_add(1) }
    }

    /// One of them.
    pub(crate) fn item(self, index: u64) -> Value {
        let offset = i64::try_from(index).unwrap_or(i64::MAX);
        let number = if self.from <= self.to {
            self.from.saturating_add(offset)
        } else {
            self.from.saturating_sub(offset)
        };
        match i32::try_from(number) {
            Ok(small) if !self.long => Value::Int(small),
            _ => Value::Long(number),
        }
    }

    /// Whether the number is among them.
    pub(crate) fn contains(self, number: i64) -> bool {
        !self.empty && (self.from.min(self.to)..=self.from.max(self.to)).contains(&number)
    }
}

impl Closure {
    /// A closure that nobody surrounds.
    pub(crate) fn of(code: Code, this: Value) -> Rc<Self> {
        crate::debt::bytes(std::mem::size_of::<Self>() as u64);
        Rc::new(Self {
            code,
            this,
            owner: None,
            delegate: RefCell::new(None),
            strategy: Cell::new(Strategy::OwnerFirst),
            watched: Cell::new(false),
        })
    }
}

thread_local! {
    /// Containers that wait for being dropped; `None` while nothing is.
    static DROPPING: RefCell<Option<Vec<Value>>> = const { RefCell::new(None) };
}

/// Drops values without recursion: the containers among them wait until the outermost call takes them apart.
fn drop_all(values: impl Iterator<Item = Value>) {
    let containers: Vec<Value> = values.filter(Value::is_container).collect();
    if containers.is_empty() {
        return;
    }
    let outermost = DROPPING.with_borrow_mut(|waiting| match waiting {
        Some(waiting) => {
            waiting.extend(containers);
            false
        }
        None => {
            *waiting = Some(containers);
            true
        }
    });
    if outermost {
        while let Some(value) = DROPPING.with_borrow_mut(|waiting| waiting.as_mut().and_then(Vec::pop)) {
            drop(value);
        }
        DROPPING.set(None);
    }
}

impl Drop for List {
    fn drop(&mut self) {
        drop_all(self.items.last().into_iter());
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        drop_all(self.entries.last().into_iter().flat_map(|(key, value)| [key.0, value]));
        if let Some(default) = self.default.take() {
            drop_all(std::iter::once(Value::Closure(default)));
        }
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        drop_all(self.fields.take().into_values());
        if let Some(throwable) = &self.throwable {
            drop_all([throwable.message.take(), throwable.cause.take()].into_iter());
            drop_all(throwable.suppressed.take().into_iter());
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        drop_all(std::iter::once(self.value.take()));
    }
}

impl Drop for Closure {
    fn drop(&mut self) {
        let this = std::mem::take(&mut self.this);
        let owner = self.owner.take().map(Value::Closure);
        drop_all([Some(this), owner, self.delegate.take()].into_iter().flatten());
        match &mut self.code {
            Code::Function { captured, .. } => drop_all(std::mem::take(captured).into_iter()),
            Code::Method { receiver, .. } => drop_all(std::iter::once(std::mem::take(receiver))),
            Code::Curried { closure, arguments, .. } => {
                drop_all(std::mem::take(arguments).into_iter());
                drop_all(std::iter::once(Value::Closure(replaced(closure))));
            }
            Code::Composed { first, then } => {
                let both = [replaced(first), replaced(then)];
                drop_all(both.into_iter().map(Value::Closure));
            }
            Code::Trampoline { closure } => drop_all(std::iter::once(Value::Closure(replaced(closure)))),
            Code::Jump { closure, arguments } => {
                drop_all(std::mem::take(arguments).into_iter());
                drop_all(std::iter::once(Value::Closure(replaced(closure))));
            }
            Code::Memoized { closure, answers } => {
                drop_all(answers.take().into_values());
                drop_all(std::iter::once(Value::Closure(replaced(closure))));
            }
        }
    }
}

/// Takes a closure out of a place; one that does nothing stays there.
fn replaced(closure: &mut Rc<Closure>) -> Rc<Closure> {
    thread_local! {
        static NOTHING: Rc<Closure> =
            Closure::of(Code::Method { receiver: Value::Null, name: MethodName::new("call") }, Value::Null);
    }
    match NOTHING.try_with(Rc::clone) {
        Ok(nothing) => std::mem::replace(closure, nothing),
        Err(_) => Rc::clone(closure),
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        match self {
            Self::Entry { key, value, .. } => {
                drop_all([std::mem::take(key), value.take()].into_iter());
            }
            Self::Iterator(items) => drop_all(std::mem::take(&mut items.items).into_iter()),
            Self::LazyText(parts) => drop_all(std::mem::take(parts).into_iter()),
            Self::JsonNode(value) => drop_all(std::iter::once(std::mem::take(value))),
            Self::JsonBuilder(builder) => drop_all(std::iter::once(builder.content.take())),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_values_go_without_deep_recursion() {
        let mut value = Value::list(vec![]);
        for _ in 0..300_000 {
            value = Value::list(vec![value]);
        }
        drop(value);
        let mut value = Value::Null;
        for _ in 0..300_000 {
            let mut entries = Entries::default();
            entries.insert(Key(Value::text("a")), value);
            value = Value::map(entries);
        }
        drop(value);
    }

    #[test]
    fn texts_are_found_without_a_value() {
        let mut entries = Entries::default();
        entries.insert(Key(Value::text("a")), Value::Int(1));
        entries.insert(Key(Value::Int(1)), Value::Int(2));
        let map = Map::new(entries, MapKind::Plain);
        assert!(matches!(map.get_text("a"), Some(Value::Int(1))));
        assert!(matches!(map.get(&Value::Int(1)), Some(Value::Int(2))));
        assert!(map.get(&Value::Long(1)).is_none());
    }

    #[test]
    fn ranges() {
        let range = Range { from: 5, to: 3, empty: false, long: false, open: false };
        assert_eq!(range.len(), 3);
        assert!(matches!(range.item(2), Value::Int(3)));
        assert!(range.contains(4) && !range.contains(6));
    }
}
