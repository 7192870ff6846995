//! What a program logs while somebody tries it.

use std::sync::{Mutex, PoisonError};

use granary_sandbox::{Level, LogSink};

use crate::secrets::Mask;

/// The most lines that are kept until they are taken.
const LINES_MAX: usize = 1_000;

/// What a program logged since it was last asked, without the secrets that it was given.
#[derive(Default)]
pub(crate) struct Lines {
    lines: Mutex<Vec<String>>,
    mask: Mask,
}

impl Lines {
    /// For a program that was given these secrets.
    pub(crate) fn new(mask: Mask) -> Self {
        Self { lines: Mutex::default(), mask }
    }

    /// Hides the secrets.
    pub(crate) fn mask(&self) -> &Mask {
        &self.mask
    }

    /// The lines, each with its level and logger in front; beyond a thousand only their number.
    pub(crate) fn take(&self) -> Vec<String> {
        let mut lines = std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(more @ 1..) = lines.len().checked_sub(LINES_MAX) {
            lines.truncate(LINES_MAX);
            lines.push(format!("... and {more} more lines"));
        }
        lines
    }
}

impl LogSink for Lines {
    fn line(&self, level: Level, logger: &str, message: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that are only counted need no text.
        lines.push(match lines.len() < LINES_MAX {
            true => format!("{} [{logger}] {}", level.as_str(), self.mask.hide(message)),
            false => String::new(),
        });
    }
}
