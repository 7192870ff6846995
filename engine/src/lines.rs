//! What a program logs while somebody tries it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use granary_sandbox::{Level, LogSink};

use crate::secrets::Mask;

/// The most lines that are kept until they are taken.
const LINES_MAX: usize = 1_000;

/// What a program logged since it was last asked, without the secrets that it was given.
#[derive(Default)]
pub(crate) struct Lines {
    kept: Mutex<Kept>,
    mask: Mask,
}

#[derive(Default)]
struct Kept {
    lines: Vec<String>,
    dropped: u64,
}

impl Lines {
    /// For a program that was given these secrets.
    pub(crate) fn new(mask: Mask) -> Self {
        Self { kept: Mutex::default(), mask }
    }

    /// Hides the secrets.
    pub(crate) fn mask(&self) -> &Mask {
        &self.mask
    }

    /// The lines, each with its level and logger in front; beyond a thousand only their number.
    pub(crate) fn take(&self) -> Vec<String> {
        let Kept { mut lines, dropped } = std::mem::take(&mut *self.kept());
        if dropped > 0 {
            lines.push(format!("... and {dropped} more lines"));
        }
        lines
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogSink for Lines {
    fn line(&self, level: Level, logger: &str, message: &str) {
        let mut kept = self.kept();
        if kept.lines.len() < LINES_MAX {
            kept.lines.push(format!("{} [{logger}] {}", level.as_str(), self.mask.hide(message)));
        } else {
            kept.dropped += 1;
        }
    }
}
