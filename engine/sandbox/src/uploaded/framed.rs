//! What the worlds have in common whose batches go in one piece: the question, and the form of an outcome.

use super::failed;
use crate::frame::EventIn;
use crate::frame::counted::{self, Reader};
use crate::outcome::Failure;

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

/// Reads an outcome: the items that it is a list of, or the failure. An item that cannot be used fails the outcome; those behind
/// it are read all the same, and not kept.
pub(super) fn outcome<T>(
    from: &mut Reader<'_>,
    item: impl Fn(&mut Reader<'_>) -> Result<Result<T, Failure>, String>,
) -> Result<Result<Vec<T>, Failure>, String> {
    if from.byte(1, "outcome")? == 1 {
        let (code, message) = (from.text()?, from.text()?);
        return Ok(Err(failed(&code, message, from.byte(1, "bool")? == 1)));
    }
    let mut outcome = Ok(Vec::new());
    from.list(1, |from| {
        let item = item(from)?;
        if let Ok(kept) = &mut outcome {
            match item {
                Ok(item) => {
                    // Most outcomes have one, and room for more is not for nothing.
                    if kept.is_empty() {
                        kept.reserve_exact(1);
                    }
                    kept.push(item);
                }
                Err(why) => outcome = Err(why),
            }
        }
        Ok(())
    })?;
    Ok(outcome)
}
