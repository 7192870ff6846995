//! The texts of a record of the collector.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::ops::Range;
use std::rc::Rc;

/// A text of a record. Scripts ask for few of them: what lies in the record is copied when it is asked for.
#[derive(Debug, Clone)]
pub struct Field {
    part: Range<usize>,
    text: OnceCell<Rc<str>>,
}

impl Field {
    /// A text that was read from a record, from where it lies there if it does.
    #[must_use]
    pub fn of(text: Cow<'_, str>, record: &[u8]) -> Self {
        let borrowed = match &text {
            Cow::Borrowed(text) => part_of(text.as_bytes(), record),
            Cow::Owned(_) => None,
        };
        match borrowed {
            Some(part) => Self { part, text: OnceCell::new() },
            None => text.as_ref().into(),
        }
    }

    /// The text, in the same record.
    pub(crate) fn text(&self, record: &[u8]) -> &Rc<str> {
        self.text.get_or_init(|| {
            let part = record.get(self.part.clone()).unwrap_or_default();
            granary_scriptable::lossy(part).as_ref().into()
        })
    }
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        Self { part: 0..0, text: OnceCell::from(Rc::from(text)) }
    }
}

/// Where bytes lie that are a part of others; `None` where they are none.
fn part_of(part: &[u8], whole: &[u8]) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(whole.as_ptr() as usize)?;
    let end = start.checked_add(part.len())?;
    (end <= whole.len()).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_in_their_record_and_kept_if_they_lie_elsewhere() {
        let record = "a record ü".to_owned().into_bytes();
        let whole = std::str::from_utf8(&record).expect("it is UTF-8");
        for part in [2..8, 0..0, 9..11, 11..11, 0..11] {
            let field = Field::of(Cow::Borrowed(&whole[part.clone()]), &record);
            assert_eq!(field.part, part);
            assert!(field.text.get().is_none());
            // What counts is the place.
            assert_eq!(**field.text(&record.clone()), whole[part]);
        }
        let other = "record".to_owned();
        for text in [Cow::Borrowed(&*other), Cow::Owned(other.clone())] {
            assert_eq!(**Field::of(text, &record).text(b""), *other);
        }
    }
}
