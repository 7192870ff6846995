//! A log file from front to back: its whole frames, and what was acknowledged once and is damaged now.
//!
//! ```text
//! [ frame ][ frame ][ damaged ][ frame ][ torn, or zeros ]
//!                    \ proven: known end, next file, or a later group
//! ```
//!
//! Bytes that are no whole frame are the torn end of a group that was never acknowledged, unless something proves that
//! they were durable once. Behind damage the survey goes on at the next whole frame, so that one bad byte costs one
//! frame.

use std::io;

use super::format::FrameHeader;
use super::scan::Scan;

/// What comes next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A whole frame at a position.
    Frame(u64, FrameHeader),
    /// Acknowledged bytes that are no whole frame.
    Damage(Stretch),
}

/// Damaged bytes of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Where they begin.
    pub(super) position: u64,
    /// How many there are.
    pub(super) bytes: u64,
    /// The header of the frame that they were, where that is whole: it says which records are lost.
    pub(super) header: Option<FrameHeader>,
}

/// A walk through one file.
pub(super) struct Survey<'a> {
    scan: Scan<'a>,
    position: u64,
    known: u64,
    followed: bool,
}

impl<'a> Survey<'a> {
    /// A walk from a position on. Everything before `known` was acknowledged, and all frames were where the next file was
    /// begun (`followed`).
    pub(super) fn new(scan: Scan<'a>, position: u64, known: u64, followed: bool) -> Self {
        Self { scan, position, known, followed }
    }

    /// Where the walk stands; at its end, where the frames end.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The next part; `None` at the end of the frames.
    pub(super) fn next(&mut self) -> io::Result<Option<Part>> {
        let at = self.position;
        if let Some(header) = self.scan.frame(at)? {
            self.position += header.frame_bytes() as u64;
            return Ok(Some(Part::Frame(at, header)));
        }
        let next = self.scan.find(at, |_| true)?.map(|(position, _)| position);
        let known = at < self.known;
        let proven = known || next.is_some() && (self.followed || self.scan.proof_after(at)?);
        if !proven {
            return Ok(None);
        }
        let mut to = next.unwrap_or(self.known);
        if known {
            // What begins behind the known end needs a proof of its own.
            to = to.min(self.known);
        }
        let header = self.scan.header(at)?.filter(|header| at + header.frame_bytes() as u64 <= to);
        if let Some(header) = &header {
            to = at + header.frame_bytes() as u64;
        }
        self.position = to;
        Ok(Some(Part::Damage(Stretch { position: at, bytes: to - at, header })))
    }
}
