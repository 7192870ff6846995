//! The questions of framed worlds.

use crate::frame::{EventIn, counted};

/// Larger ones are not kept.
const BYTES_KEPT: usize = 1 << 20;

/// The memory of a component's questions, which is used again.
#[derive(Default)]
pub(super) struct Question(Vec<u8>);

impl Question {
    /// The list of a batch, or why it cannot be one.
    pub(super) fn of(&mut self, batch: &[EventIn<'_>]) -> Result<&[u8], String> {
        if self.0.capacity() > BYTES_KEPT {
            self.0 = Vec::new();
        }
        counted::encode(batch, &mut self.0)?;
        Ok(&self.0)
    }
}
