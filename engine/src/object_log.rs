//! The last lines that each object (harvester step, belt) has logged, kept in memory for the logs endpoints.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Most lines kept per object and step. The endpoints answer at most 500.
const LINES_MAX: usize = 1_000;
/// Longest line kept, in bytes; the rest is cut. With [`LINES_MAX`] this bounds an object's log to 8 MiB.
const LINE_BYTES_MAX: usize = 8 << 10;

/// A bounded ring of lines, each with its time. Cheap to clone.
#[derive(Clone, Default)]
pub struct Ring(Arc<Mutex<VecDeque<String>>>);

impl Ring {
    /// Adds a line, stamped with the time now; the oldest one goes when the ring is full.
    pub fn push(&self, text: &str) {
        let mut cut = text.len().min(LINE_BYTES_MAX);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        let stamp = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LINES_MAX {
            lines.pop_front();
        }
        lines.push_back(format!("{stamp} {}", &text[..cut]));
    }

    /// The last `count` lines, oldest first.
    #[must_use]
    pub fn last(&self, count: usize) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().skip(lines.len().saturating_sub(count)).cloned().collect()
    }
}

/// The rings of all objects, by object and step.
#[derive(Clone, Default)]
pub struct ObjectLogs(Arc<Mutex<HashMap<(String, String), Ring>>>);

impl ObjectLogs {
    /// The ring of a step of an object, made where there is none.
    #[must_use]
    pub fn ring(&self, object: &str, step: &str) -> Ring {
        let mut rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rings.entry((object.to_owned(), step.to_owned())).or_default().clone()
    }

    /// Forgets an object.
    pub fn remove(&self, object: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(o, _), _| o != object);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_lines_and_cuts_long_ones_at_a_character() {
        let ring = Ring::default();
        for i in 0..LINES_MAX + 5 {
            ring.push(&i.to_string());
        }
        ring.push(&"ü".repeat(LINE_BYTES_MAX));
        let last = ring.last(2);
        assert!(last[0].ends_with(&format!(" {}", LINES_MAX + 4)));
        assert!(last[1].len() <= LINE_BYTES_MAX + 40 && last[1].ends_with('ü'));
        assert_eq!(ring.last(usize::MAX).len(), LINES_MAX);
    }
}
