//! Writes marshal data.

use super::code;
use super::integer::digits_from_decimal;
use super::json::{JsonError, Scanner};

/// Slots of the key cache. A frame rarely has more than a few dozen distinct keys.
const KEY_SLOTS: usize = 1024;
/// Longer keys are not worth remembering.
const KEY_BYTES_MAX: usize = 200;

/// Writes values one after the other into one buffer.
///
/// Keys of dicts are written once and referred to afterwards. Keys that come back frame after frame are also marked as
/// interned, so that the reader uses one object for each, which makes its look-ups faster. Lengths are 32 bits in the format: callers bound what they write to far less (see [`crate::frame`]).
#[derive(Debug)]
pub struct Encoder {
    out: Vec<u8>,
    keys: Vec<Option<Key>>,
    known: Interned,
    /// Slots in the order in which they were filled, so that a failed value can be taken back.
    filled: Vec<u16>,
}

/// A key that was written with a reference number: where its bytes are in the buffer. Its number is its place in
/// [`Encoder::filled`], since nothing else in a frame gets one.
#[derive(Debug, Clone, Copy)]
struct Key {
    at: usize,
    bytes: usize,
    number: u32,
}

/// A place to return to with [`Encoder::rewind`].
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    out: usize,
    filled: usize,
}

/// A list whose length is not yet known.
#[derive(Debug)]
pub(super) struct OpenList(usize);

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An empty frame.
    #[must_use]
    pub fn new() -> Self {
        Self { out: Vec::new(), keys: vec![None; KEY_SLOTS], known: Interned::default(), filled: Vec::new() }
    }

    /// An empty frame in which every key is written in full, as CPython's version 2 writes it.
    #[cfg(test)]
    pub(super) fn without_references() -> Self {
        Self { keys: Vec::new(), ..Self::new() }
    }

    /// Forgets what was written, keeps the memory.
    pub fn clear(&mut self) {
        self.rewind(Mark { out: 0, filled: 0 });
        self.known.frame += 1;
    }

    /// What was written.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.out
    }

    /// The present end.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark { out: self.out.len(), filled: self.filled.len() }
    }

    /// Takes back everything written since `mark`, and the reference numbers given out since.
    pub fn rewind(&mut self, mark: Mark) {
        self.out.truncate(mark.out);
        for slot in self.filled.drain(mark.filled.min(self.filled.len())..) {
            self.keys[usize::from(slot)] = None;
        }
    }

    /// Writes JSON text as the value that `json.loads` would make of it, integers of any size exact. After an error
    /// nothing of it remains.
    pub fn json(&mut self, text: &[u8]) -> Result<(), JsonError> {
        let text = std::str::from_utf8(text).map_err(|e| JsonError::NotJson(e.valid_up_to()))?;
        let mark = self.mark();
        let written = Scanner::new(text).document(self);
        if written.is_err() {
            self.rewind(mark);
        }
        written
    }

    /// Begins a list of `count` items: the next `count` values.
    pub fn list(&mut self, count: usize) {
        self.out.push(code::LIST);
        self.length(count);
    }

    /// Begins a tuple of `count` items: the next `count` values.
    pub fn tuple(&mut self, count: u8) {
        self.out.extend_from_slice(&[code::SMALL_TUPLE, count]);
    }

    /// Begins a dict: keys and values follow in turn, then [`Encoder::close_dict`].
    pub fn open_dict(&mut self) {
        self.out.push(code::DICT);
    }

    /// Ends a dict.
    pub fn close_dict(&mut self) {
        self.out.push(code::NULL);
    }

    /// Writes a key of a dict.
    pub fn key(&mut self, key: &str) {
        self.raw_key(key.as_bytes(), key.is_ascii());
    }

    /// Writes a `str`.
    pub fn text(&mut self, text: &str) {
        self.raw_text(text.as_bytes(), text.is_ascii());
    }

    /// Writes a `bytes`.
    pub fn byte_string(&mut self, bytes: &[u8]) {
        self.out.push(code::BYTES);
        self.length(bytes.len());
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn open_list(&mut self) -> OpenList {
        let at = self.out.len() + 1;
        self.list(0);
        OpenList(at)
    }

    pub(super) fn close_list(&mut self, list: OpenList, count: usize) {
        self.out[list.0..list.0 + 4].copy_from_slice(&(count as i32).to_le_bytes());
    }

    pub(super) fn none(&mut self) {
        self.out.push(code::NONE);
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.out.push(if value { code::TRUE } else { code::FALSE });
    }

    pub(super) fn float(&mut self, value: f64) {
        self.out.push(code::FLOAT);
        self.out.extend_from_slice(&value.to_le_bytes());
    }

    /// Writes an integer given by its decimal digits.
    pub(super) fn decimal(&mut self, negative: bool, digits: &[u8]) {
        if digits.len() > 18 {
            return self.long(negative, &digits_from_decimal(digits));
        }
        let magnitude = digits.iter().fold(0i64, |n, d| n * 10 + i64::from(d - b'0'));
        let value = if negative { -magnitude } else { magnitude };
        if let Ok(small) = i32::try_from(value) {
            self.out.push(code::INT);
            self.out.extend_from_slice(&small.to_le_bytes());
            return;
        }
        let mut digits = [0; 5];
        let mut count = 0;
        let mut rest = magnitude;
        while rest > 0 {
            digits[count] = (rest & 0x7fff) as u16;
            rest >>= 15;
            count += 1;
        }
        self.long(negative, &digits[..count]);
    }

    fn long(&mut self, negative: bool, digits: &[u16]) {
        let count = digits.len() as i32;
        self.out.push(code::LONG);
        self.out.extend_from_slice(&if negative { -count } else { count }.to_le_bytes());
        for digit in digits {
            self.out.extend_from_slice(&digit.to_le_bytes());
        }
    }

    /// Writes a `str` from UTF-8 in which lone surrogates may stand as three bytes.
    pub(super) fn raw_text(&mut self, text: &[u8], ascii: bool) {
        match u8::try_from(text.len()) {
            Ok(short) if ascii => self.out.extend_from_slice(&[code::SHORT_ASCII, short]),
            _ => {
                self.out.push(if ascii { code::ASCII } else { code::UNICODE });
                self.length(text.len());
            }
        }
        self.out.extend_from_slice(text);
    }

    /// Like [`Encoder::raw_text`], for a key.
    pub(super) fn raw_key(&mut self, key: &[u8], ascii: bool) {
        if key.len() > KEY_BYTES_MAX || self.keys.is_empty() {
            return self.raw_text(key, ascii);
        }
        let slot = slot_of(key);
        match self.keys[slot] {
            Some(known) if self.out[known.at..known.at + known.bytes] == *key => {
                self.out.push(code::REF);
                self.out.extend_from_slice(&known.number.to_le_bytes());
            }
            // Another key has the slot. Writing this one in full costs a few bytes; a chain of slots would let a
            // sender who knows the hash slow the encoder down.
            Some(_) => self.raw_text(key, ascii),
            None => {
                let number = self.filled.len() as u32;
                let interned = self.known.admits(slot, key);
                if ascii {
                    let code = if interned { code::SHORT_ASCII_INTERNED } else { code::SHORT_ASCII };
                    self.out.extend_from_slice(&[code | code::FLAG_REF, key.len() as u8]);
                } else {
                    let code = if interned { code::INTERNED } else { code::UNICODE };
                    self.out.push(code | code::FLAG_REF);
                    self.length(key.len());
                }
                self.keys[slot] = Some(Key { at: self.out.len(), bytes: key.len(), number });
                self.filled.push(slot as u16);
                self.out.extend_from_slice(key);
            }
        }
    }

    fn length(&mut self, length: usize) {
        self.out.extend_from_slice(&(length as i32).to_le_bytes());
    }
}

/// The keys that the reader is to intern: those that came a second time, in another frame.
///
/// CPython keeps what marshal data interns until its end, so there must be few of them: one for each slot and no more,
/// also where keys are ids of which each comes once or where a sender means harm.
#[derive(Debug, Default)]
struct Interned {
    slots: Vec<Slot>,
    frame: u64,
}

#[derive(Debug, Default, Clone)]
enum Slot {
    #[default]
    Empty,
    /// Came in a frame.
    Seen(Box<[u8]>, u64),
    /// Is interned, for as long as the reader lives.
    Taken(Box<[u8]>),
}

impl Interned {
    /// Whether the key is to be interned. Asked once for each key of a frame.
    fn admits(&mut self, slot: usize, key: &[u8]) -> bool {
        if self.slots.is_empty() {
            self.slots = vec![Slot::Empty; KEY_SLOTS];
        }
        let slot = &mut self.slots[slot];
        match slot {
            Slot::Taken(taken) => **taken == *key,
            Slot::Seen(seen, frame) if **seen == *key => {
                let came_again = *frame != self.frame;
                if came_again {
                    *slot = Slot::Taken(std::mem::take(seen));
                }
                came_again
            }
            _ => {
                *slot = Slot::Seen(key.into(), self.frame);
                false
            }
        }
    }
}

/// A cheap mix of a key's length, head and tail: keys of one document differ there.
fn slot_of(key: &[u8]) -> usize {
    let (head, tail) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        (Some(head), Some(tail)) => (u64::from_le_bytes(*head), u64::from_le_bytes(*tail)),
        _ => (key.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)), 0),
    };
    let mixed = (head.rotate_left(23) ^ tail ^ key.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 54) as usize
}
