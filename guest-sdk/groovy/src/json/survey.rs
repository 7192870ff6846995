//! Passes over a document before anything of it is read.

use super::CONTAINER_BYTES;
use super::scan::Scan;
use crate::machine::ENTRY_BYTES;

/// Objects and arrays inside of each other: as many as a number has bits.
const DEPTH_MAX: u32 = u64::BITS;

/// Numbers longer than this are left to the careful reader, as those with exponents are: not all of them are values.
const NUMBER_BYTES_MAX: usize = 1_000;

/// What a document consists of.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Survey {
    containers: usize,
    entries: usize,
}

impl Survey {
    /// What the careful reader would count one by one: sizes, and how many there are of each.
    pub(super) fn costs(self) -> [(usize, usize); 2] {
        [(CONTAINER_BYTES, self.containers), (ENTRY_BYTES, self.entries)]
    }
}

/// Passes over a document; `None` where it is not plainly right.
pub(super) fn survey(document: &str) -> Option<Survey> {
    let (mut scan, mut survey) = (Scan::new(document.as_bytes()), Survey::default());
    // One bit for each value that is open, the innermost lowest: whether it is an object.
    let (mut objects, mut open) = (0_u64, 0_u32);
    loop {
        match scan.peek()? {
            b'"' => {
                scan.at += 1;
                scan.text()?;
            }
            bracket @ (b'{' | b'[') => {
                scan.at += 1;
                survey.containers += 1;
                let is_object = bracket == b'{';
                if scan.peek()? != if is_object { b'}' } else { b']' } {
                    if open == DEPTH_MAX {
                        return None;
                    }
                    open += 1;
                    objects = objects << 1 | u64::from(is_object);
                    if is_object {
                        survey.entries += 1;
                        name(&mut scan)?;
                    }
                    continue;
                }
                scan.at += 1;
            }
            b't' => scan.word(b"true")?,
            b'f' => scan.word(b"false")?,
            b'n' => scan.word(b"null")?,
            _ => number(&mut scan)?,
        }
        // Behind a value: what is open goes on or is closed.
        loop {
            if open == 0 {
                return scan.peek().is_none().then_some(survey);
            }
            let in_object = objects & 1 == 1;
            match scan.peek()? {
                b',' => {
                    scan.at += 1;
                    if in_object {
                        survey.entries += 1;
                        name(&mut scan)?;
                    }
                    break;
                }
                b'}' if in_object => {}
                b']' if !in_object => {}
                _ => return None,
            }
            scan.at += 1;
            objects >>= 1;
            open -= 1;
        }
    }
}

#[inline(always)]
fn name(scan: &mut Scan<'_>) -> Option<()> {
    scan.expect(b'"')?;
    scan.text()?;
    scan.expect(b':')
}

#[inline(always)]
fn number(scan: &mut Scan<'_>) -> Option<()> {
    let (digits, is_float) = scan.number()?;
    let has_exponent = is_float && digits.bytes().any(|byte| matches!(byte, b'e' | b'E'));
    (digits.len() <= NUMBER_BYTES_MAX && !has_exponent).then_some(())
}
