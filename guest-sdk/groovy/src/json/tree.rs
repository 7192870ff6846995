//! Reads all of a document, or says what is wrong with it.

use super::CONTAINER_BYTES;
use super::literal::Reader;
use crate::machine::{ENTRY_BYTES, Machine};
use crate::raise::Run;
use crate::value::{Entries, Key, Value};

/// Objects and arrays inside of each other.
const DEPTH_MAX: u32 = 256;

/// The value of a document.
pub(super) fn read(machine: &mut Machine<'_>, document: &str) -> Run {
    let mut tree = Tree { machine, reader: Reader::new(document, 0), depth: 0 };
    let value = tree.value()?;
    tree.reader.blank();
    if tree.reader.peek().is_some() {
        return Err(tree.reader.error("expected the end of the text after the value"));
    }
    Ok(value)
}

struct Tree<'a, 'm> {
    machine: &'a mut Machine<'m>,
    reader: Reader<'a>,
    depth: u32,
}

impl Tree<'_, '_> {
    fn value(&mut self) -> Run {
        self.reader.blank();
        match self.reader.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            _ => self.reader.literal(),
        }
    }

    fn nested(&mut self, inside: impl FnOnce(&mut Self) -> Run) -> Run {
        if self.depth >= DEPTH_MAX {
            return Err(self
                .reader
                .error(&format!("expected at most {DEPTH_MAX} objects and arrays inside of each other")));
        }
        self.depth += 1;
        self.reader.at += 1;
        self.machine.allocate(CONTAINER_BYTES)?;
        let value = inside(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn object(&mut self) -> Run {
        let mut entries = Entries::default();
        self.reader.blank();
        if self.reader.peek() == Some(b'}') {
            self.reader.at += 1;
            return Ok(Value::map(entries));
        }
        loop {
            self.reader.blank();
            if self.reader.peek() != Some(b'"') {
                return Err(self.reader.error("expected a key in double quotes"));
            }
            let key = self.reader.string()?;
            self.reader.blank();
            if self.reader.peek() != Some(b':') {
                return Err(self.reader.error("expected `:` after the key"));
            }
            self.reader.at += 1;
            let value = self.value()?;
            self.machine.allocate(ENTRY_BYTES)?;
            entries.insert(Key(Value::Text(key)), value);
            self.reader.blank();
            match self.reader.peek() {
                Some(b',') => self.reader.at += 1,
                Some(b'}') => {
                    self.reader.at += 1;
                    return Ok(Value::map(entries));
                }
                _ => return Err(self.reader.error("expected `,` or `}` after a value")),
            }
        }
    }

    fn array(&mut self) -> Run {
        let mut items = Vec::new();
        self.reader.blank();
        if self.reader.peek() == Some(b']') {
            self.reader.at += 1;
            return Ok(Value::list(items));
        }
        loop {
            items.push(self.value()?);
            self.reader.blank();
            match self.reader.peek() {
                Some(b',') => self.reader.at += 1,
                Some(b']') => {
                    self.reader.at += 1;
                    return Ok(Value::list(items));
                }
                _ => return Err(self.reader.error("expected `,` or `]` after an item")),
            }
        }
    }
}
