//! Objects and arrays that are text as yet. The text was surveyed, so all of it is right.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use super::literal::Reader;
use super::scan::{Scan, Text};
use crate::debt;
use crate::value::{Entries, Key, List, ListKind, Map, MapKind, Value};

/// So many fields of an object are looked up in its text. More than that are found sooner once it is read.
const LOOKS_MAX: u32 = 3;

/// Bytes that are passed over in one step.
const BYTES_PER_STEP: usize = 64;

/// An entry takes as many bytes of text at least, about: room is made for so many.
const ENTRY_TEXT_BYTES: usize = 24;

/// Room is made for so many entries at most.
const ENTRIES_GUESSED_MAX: usize = 16;

/// Integers of so many digits fit into 64 bits.
const SHORT_DIGITS: usize = 18;

/// What is inside of an object or an array.
#[derive(Debug)]
pub(crate) struct Overlay {
    document: Rc<str>,
    /// Behind the bracket, to behind the other one.
    part: Range<usize>,
    looks: Cell<u32>,
}

/// What an object or an array is read into.
pub(crate) trait Inside: Default {
    /// Reads what is inside; what is in the objects and arrays there stays text.
    fn inside(overlay: &Overlay) -> Self;
}

impl Inside for Entries {
    fn inside(overlay: &Overlay) -> Self {
        let room = (overlay.part.len() / ENTRY_TEXT_BYTES).min(ENTRIES_GUESSED_MAX);
        let mut entries = Self::with_capacity_and_hasher(room, Default::default());
        let mut scan = overlay.scan();
        let mut entry = |first| {
            let name = scan.name(first)??;
            let name = text(&overlay.document, &scan, &name)?;
            scan.expect(b':')?;
            entries.insert(Key(Value::Text(name)), value(&overlay.document, &mut scan)?);
            Some(())
        };
        let mut goes_on = entry(true);
        while goes_on.is_some() {
            goes_on = entry(false);
        }
        entries
    }
}

impl Inside for Vec<Value> {
    fn inside(overlay: &Overlay) -> Self {
        let mut items = Self::new();
        let mut scan = overlay.scan();
        if scan.peek() == Some(b']') {
            return items;
        }
        while let Some(item) = value(&overlay.document, &mut scan) {
            items.push(item);
            if scan.expect(b',').is_none() {
                break;
            }
        }
        items
    }
}

impl Overlay {
    fn scan(&self) -> Scan<'_> {
        debt::steps((self.part.len() / BYTES_PER_STEP) as u64);
        at(&self.document, self.part.start)
    }

    /// The value of a field in the text of an object, which may have none of that name. `None` where the object has to be
    /// read: for the first values that a script can change or tell from their like, and after a few looks.
    pub(crate) fn field(&self, name: &str) -> Option<Option<Value>> {
        let looks = self.looks.get();
        if looks == LOOKS_MAX {
            return None;
        }
        self.looks.set(looks + 1);
        // The last one of the name counts.
        let Some(place) = self.place_of(name)? else { return Some(None) };
        let mut scan = at(&self.document, place);
        let value = match scan.peek()? {
            b'{' | b'[' => return None,
            _ => value(&self.document, &mut scan)?,
        };
        match &value {
            Value::Big(_) | Value::Decimal(_) => return None,
            Value::Text(text) => {
                debt::bytes(text.len() as u64);
                debt::steps((text.len() / BYTES_PER_STEP) as u64);
            }
            _ => {}
        }
        Some(Some(value))
    }

    /// Where the value of the last field of a name is.
    fn place_of(&self, wanted: &str) -> Option<Option<usize>> {
        let (mut scan, mut first, mut place) = (self.scan(), true, None);
        while let Some(name) = scan.name(first)? {
            first = false;
            let is_wanted = if name.escaped {
                *text(&self.document, &scan, &name)? == *wanted
            } else {
                name.raw == wanted.as_bytes()
            };
            scan.expect(b':')?;
            if is_wanted {
                scan.peek()?;
                place = Some(scan.at);
            }
            scan.skip(0)?;
        }
        Some(place)
    }
}

/// The value of a document that was surveyed.
pub(super) fn document(document: &Rc<str>) -> Option<Value> {
    let mut scan = at(document, 0);
    let end = document.len();
    match scan.peek()? {
        // The survey has been at the end already.
        bracket @ (b'{' | b'[') => Some(unread(document, bracket, scan.at + 1..end)),
        _ => value(document, &mut scan),
    }
}

/// An object or an array.
fn unread(document: &Rc<str>, bracket: u8, part: Range<usize>) -> Value {
    let overlay = Overlay { document: Rc::clone(document), part, looks: Cell::new(0) };
    match bracket {
        b'{' => Value::Map(Rc::new(Map::unread(overlay, MapKind::Plain))),
        _ => Value::List(Rc::new(List::unread(overlay, ListKind::Plain))),
    }
}

fn at(document: &str, at: usize) -> Scan<'_> {
    let mut scan = Scan::new(document.as_bytes());
    scan.at = at;
    scan
}

/// Reads a value; what is in an object or an array stays text.
fn value(document: &Rc<str>, scan: &mut Scan<'_>) -> Option<Value> {
    Some(match scan.peek()? {
        b'"' => {
            scan.at += 1;
            let found = scan.text()?;
            Value::Text(text(document, scan, &found)?)
        }
        bracket @ (b'{' | b'[') => {
            let start = scan.at + 1;
            scan.skip(0)?;
            unread(document, bracket, start..scan.at)
        }
        b't' => scan.word(b"true").map(|()| Value::Bool(true))?,
        b'f' => scan.word(b"false").map(|()| Value::Bool(false))?,
        b'n' => scan.word(b"null").map(|()| Value::Null)?,
        _ => {
            let start = scan.at;
            let (digits, is_float) = scan.number()?;
            if is_float || digits.len() > SHORT_DIGITS {
                Reader::new(document, start).literal().ok()?
            } else {
                Value::whole(digits.parse().ok()?)
            }
        }
    })
}

/// The text that a scan has just passed over.
fn text(document: &str, scan: &Scan<'_>, found: &Text<'_>) -> Option<Rc<str>> {
    // The quote behind it is passed over, too.
    let end = scan.at - 1;
    let start = end - found.raw.len();
    if found.escaped {
        return Reader::new(document, start - 1).string().ok();
    }
    document.get(start..end).map(Into::into)
}
